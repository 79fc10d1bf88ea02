"""The data -> how often each kind of model fails at each score: python -m training.thresholds --data FOLDER.

Knows: the layout of the table. Judges every row with heads that were fitted without its fold. All sources count
alike. Where a source has no model between the two, half of the way stands for it.
"""

import argparse
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from thermly.routing.thresholds import FILE, UNIT, Row
from training.figures import logits
from training.heads import Fit, calibrations, out_of_fold
from training.rows import NEVER_TRAINED_ON, Example, examples, load

ROWS = 20


class Point(Struct, frozen=True, order=True):
    """One request: its score, in thousandths, its weight, and how well each kind of model did."""

    score: int
    weight: float
    weak: float
    middle: float
    strong: float


def points(found: list[Example], logit: dict[str, float], raw: Iterable[dict[str, Any]]) -> list[Point]:
    middle = {row["id"]: row["mid_score"] for row in raw if row.get("mid_score") is not None}
    rows_of = Counter(example.source for example in found)
    return sorted(
        Point(
            round(1000 / (1 + math.exp(-logit[e.id]))),
            1 / rows_of[e.source],
            e.weak,
            middle.get(e.id, (e.weak + e.strong) / 2),
            e.strong,
        )
        for e in found
    )


def table(found: list[Point]) -> list[Row]:
    """Rows of about the same weight. No score stands in two of them."""
    whole = math.fsum(point.weight for point in found)
    rows = [_row(group, whole) for group in _groups(found, whole / ROWS)]
    rows[-1] = msgspec.structs.replace(rows[-1], upto=UNIT)
    return rows


def _row(group: list[Point], whole: float) -> Row:
    weight = math.fsum(point.weight for point in group)
    score, weak, middle, strong = (
        math.fsum(point.weight * value for point, value in zip(group, values, strict=True)) / weight
        for values in zip(*((p.score, p.weak, p.middle, p.strong) for p in group), strict=True)
    )
    return Row(
        group[-1].score * UNIT // 1000,
        _whole(weight / whole),
        _whole(score / 1000),
        _whole(1 - weak),
        _whole(1 - middle),
        _whole(1 - strong),
    )


def _groups(found: list[Point], enough: float) -> Iterator[list[Point]]:
    group: list[Point] = []
    weight, wanted = 0.0, enough
    for place, point in enumerate(found):
        group.append(point)
        weight += point.weight
        is_last = place + 1 == len(found)
        if is_last or (weight >= wanted - 1e-9 and found[place + 1].score > point.score):
            yield group
            group = []
            wanted = max(wanted + enough, weight + enough / 2)


def _whole(value: float) -> int:
    return round(value * UNIT)


def written(rows: list[Row]) -> bytes:
    lines = ",\n".join(msgspec.json.encode(row).decode() for row in rows)
    return f"[\n{lines}\n]\n".encode()


def write(to: Path, raw: Iterable[dict[str, Any]]) -> None:
    """Without the rows that no weight may depend on: folds are not drawn with them either."""
    mine = [row for row in raw if row["source"] not in NEVER_TRAINED_ON]
    found = examples(mine)
    scores = out_of_fold(Fit(found), found)
    logit = logits(found, scores, calibrations(found, scores))
    to.write_bytes(written(table(points(found, logit, mine))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of <source>.jsonl[.gz]")
    parser.add_argument("--out", type=Path, default=FILE)
    arguments = parser.parse_args()
    raw = load(arguments.data)
    write(arguments.out, raw)
    print(f"{len(raw)} rows -> {arguments.out}")


if __name__ == "__main__":
    main()
