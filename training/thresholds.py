"""The benchmark's rows -> how often each kind of model fails at each score: thresholds.py --data FOLDER [--out FILE].

Knows: the layout of the table. Judges every row with heads that were fitted without its fold. All sources count
alike. Where a source has no model between the two, half of the way stands for it.
"""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

from heads import Fit, calibrations, out_of_fold  # noqa: E402
from rows import Example, examples, load, trainable  # noqa: E402
from thermly.routing.thresholds import FILE, UNIT, Row  # noqa: E402

ROWS = 20


class Point(Struct, frozen=True, order=True):
    """One request: its score, in thousandths, its weight, and how well each kind of model did."""

    score: int
    weight: float
    weak: float
    middle: float
    strong: float


def chances(
    found: Iterable[Example], scores: dict[str, float], calibrated: dict[str, tuple[float, float]]
) -> dict[str, float]:
    """By id, the chance that the weak model fails, of heads that have not seen the row."""
    logits = {}
    for example in found:
        base, slope = calibrated.get(example.form, (0.0, 0.0))
        judged = example.id in scores and slope
        logits[example.id] = base + slope * scores[example.id] if judged else example.evidence
    return {id_: 1 / (1 + math.exp(-logit)) for id_, logit in logits.items()}


def points(found: list[Example], chance: dict[str, float], raw: Iterable[dict[str, Any]]) -> list[Point]:
    middle = {row["id"]: row["mid_score"] for row in raw if row.get("mid_score") is not None}
    rows_of = Counter(example.source for example in found)
    return sorted(
        Point(
            round(1000 * chance[e.id]),
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


def write(to: Path, raw: list[dict[str, Any]], found: list[Example]) -> None:
    """`found` are the examples of the rows `raw`; those that no weight may depend on are left out here too."""
    mine = list(trainable(found))
    scores = out_of_fold(Fit(mine), mine)
    chance = chances(mine, scores, calibrations(mine, scores))
    to.write_bytes(written(table(points(mine, chance, raw))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of <source>.jsonl[.gz]")
    parser.add_argument("--out", type=Path, default=FILE)
    arguments = parser.parse_args()
    raw = load(arguments.data)
    write(arguments.out, raw, examples(raw))
    print(f"{len(raw)} rows -> {arguments.out}")


if __name__ == "__main__":
    main()
