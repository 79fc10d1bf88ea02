"""The trained heads, as they lie in weights.json: per form of task, what each measure of a text is worth.

Knows: how the file is laid out. Must not know: texts, models, how the figures were found (training/ does).
Whole numbers in the file, so that the same training gives the same bytes everywhere.
"""

import functools
from pathlib import Path

import msgspec
from msgspec import Struct

FILE = Path(__file__).with_name("weights.json")
UNIT = 10_000
"""What one whole number in the file stands for is 1 / UNIT."""


class Row(Struct, frozen=True, array_like=True, gc=False):
    """One measure: it counts between `low` and `high` only, so that no strange text is judged beyond all bounds.
    `bend` weighs the square of its distance from the middle between them."""

    measure: str
    low: int
    high: int
    slope: int
    bend: int = 0


class Stored(Struct, frozen=True):
    """In logits. `evidence` is the share of what the signs of difficulty say that stays in force beside it."""

    base: int
    evidence: int
    rows: tuple[Row, ...]


class Head(Struct, frozen=True, gc=False):
    base: float
    evidence: float
    measures: tuple[str, ...]
    terms: tuple[tuple[int, float, float, float, float, float], ...]
    """Place among the values, low, high, slope, middle, bend."""

    def parts(self, values: tuple[float, ...]) -> list[float]:
        """What each of `measures` adds."""
        parts = []
        for place, low, high, slope, middle, bend in self.terms:
            value = values[place]
            value = low if value < low else high if value > high else value
            parts.append(slope * value + bend * (value - middle) ** 2 if bend else slope * value)
        return parts


_decoder = msgspec.json.Decoder(dict[str, Stored])


@functools.cache
def heads(names: tuple[str, ...]) -> dict[str, Head]:
    """Form -> head, for values that stand in the order of `names`."""
    return {form: _head(stored, form, names) for form, stored in _decoder.decode(FILE.read_bytes()).items()}


def _head(stored: Stored, form: str, names: tuple[str, ...]) -> Head:
    places = {name: place for place, name in enumerate(names)} | {form: 0}
    return Head(
        stored.base / UNIT,
        stored.evidence / UNIT,
        tuple(row.measure for row in stored.rows),
        tuple(_term(row, places[row.measure]) for row in stored.rows),
    )


def _term(row: Row, place: int) -> tuple[int, float, float, float, float, float]:
    low, high = row.low / UNIT, row.high / UNIT
    return place, low, high, row.slope / UNIT, (low + high) / 2, row.bend / UNIT
