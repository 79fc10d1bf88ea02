"""Fit the router's heads and write them: python -m training.train --data FOLDER [--out FILE] [--figures FILE].

Knows: files. The same data gives the same bytes. `--figures` also measures, out of fold and source by source.
"""

import argparse
from pathlib import Path

import msgspec

from thermly.routing.measures import NAMES
from thermly.routing.weights import FILE, UNIT, Row, Stored
from training.fitting import Scale
from training.heads import GRID_SLOPE, RECIPES, Fit, calibrations, out_of_fold
from training.rows import Example, examples, load, trainable

CLIP = 3.0
SMALLEST = 20
"""A measure whose slope is less than this many units per spread is left out of the file."""


def train(found: list[Example]) -> dict[str, Stored]:
    mine = list(trainable(found))
    fit = Fit(mine)
    heads = fit.heads(lambda source, fold: True)
    calibrated = calibrations(mine, out_of_fold(fit, mine))
    stored: dict[str, Stored] = {}
    for form, (base, slope) in calibrated.items():
        if form == "grid":
            stored[form] = Stored(_whole(base), 0, (Row("grid", 0, UNIT, _whole(GRID_SLOPE * slope)),))
        elif form in heads:
            middle, rows = _rows(fit.scales[form], heads[form], slope)
            stored[form] = Stored(_whole(base - middle), _whole(RECIPES[form].evidence * slope), rows)
    return stored


def _rows(scale: Scale, head: list[float], slope: float) -> tuple[float, tuple[Row, ...]]:
    """What the measures' means add up to, and the rows that are worth keeping."""
    rows, middle = [], 0.0
    bends = head[len(NAMES) :] or [0.0] * len(NAMES)
    for name, weight, bend, mean, spread in zip(
        NAMES, head[: len(NAMES)], bends, scale.mean, scale.spread, strict=True
    ):
        if max(abs(_whole(weight * slope)), abs(_whole(bend * slope))) < SMALLEST:
            continue
        row = Row(
            name,
            _whole(mean - CLIP * spread),
            _whole(mean + CLIP * spread),
            _whole(weight * slope / spread),
            _whole(bend * slope / 2 / spread**2),
        )
        middle += row.slope / UNIT * mean
        rows.append(row)
    return middle, tuple(rows)


def _whole(value: float) -> int:
    return round(value * UNIT)


def written(stored: dict[str, Stored]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(stored, order="deterministic"), indent=0) + b"\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of <source>.jsonl[.gz]")
    parser.add_argument("--out", type=Path, default=FILE)
    arguments = parser.parse_args()
    found = examples(load(arguments.data))
    arguments.out.write_bytes(written(train(found)))
    print(f"{len(found)} rows -> {arguments.out}")


if __name__ == "__main__":
    main()
