"""Examples -> heads: ridge regressions on labels that are centred within each source, in exact sums.

Knows: linear algebra. Must not know: files, texts. Pure Python, and every sum is exact (`math.fsum`), so that the
same examples give the same weights on every machine.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from operator import mul

from msgspec import Struct

Vector = list[float]
Matrix = list[list[float]]
CLIP = 3.0


class Recipe(Struct, frozen=True):
    """How one form's head is fitted. `fail`, `gain`, `pool`: what the label is made of: whether the weak model
    fails, what the strong one is better, and the share of other models that fail. `even`: 1 weighs all rows
    alike, 0 all sources. `shared`: the share of the head of all forms that it is drawn to by `ridge`; with `kin`,
    of that form's head instead. `bent`: the squares of all measures count too."""

    fail: float
    gain: float
    pool: float
    ridge: float
    shared: float
    even: float
    evidence: float
    bent: bool = False
    kin: str = ""


class Scale(Struct, frozen=True):
    mean: Vector
    spread: Vector

    def __call__(self, values: Iterable[float]) -> Vector:
        return [
            max(-CLIP, min(CLIP, (value - mean) / spread))
            for value, mean, spread in zip(values, self.mean, self.spread, strict=True)
        ]


def with_squares(values: Vector) -> Vector:
    return [*values, *(value * value / 2 for value in values)]


class Block:
    """The sums over some rows of one unit: blocks add up to any training set."""

    def __init__(self, rows: Matrix, labels: Vector) -> None:
        columns = [list(column) for column in zip(*rows, strict=True)]
        self.count = len(rows)
        self.sums = [math.fsum(column) for column in columns]
        self.label_sum = math.fsum(labels)
        self.products = [
            [math.fsum(map(mul, column, other)) for other in columns[: place + 1]]
            for place, column in enumerate(columns)
        ]
        self.label_products = [math.fsum(map(mul, column, labels)) for column in columns]


def scale_of(rows: Collection[Sequence[float]]) -> Scale:
    columns = list(zip(*rows, strict=True))
    mean = [math.fsum(column) / len(column) for column in columns]
    spread = [
        math.sqrt(math.fsum((value - middle) ** 2 for value in column) / len(column)) + 1e-3
        for column, middle in zip(columns, mean, strict=True)
    ]
    return Scale(mean, spread)


def normal_equations(blocks: Collection[tuple[str, Block]], even: float) -> tuple[Matrix, Vector, float]:
    """The weighted sums of all units' centred products: matrix (lower half), right side, number of rows."""
    units: dict[str, list[Block]] = defaultdict(list)
    for unit, block in blocks:
        units[unit].append(block)
    count = {unit: sum(block.count for block in each) for unit, each in units.items()}
    total = sum(count.values())
    even_out = total / math.fsum(number**even for number in count.values())
    width = len(next(iter(blocks))[1].sums)
    matrix = [[0.0] * (place + 1) for place in range(width)]
    right = [0.0] * width
    for unit in sorted(units):
        _add_centred(matrix, right, units[unit], even_out * count[unit] ** (even - 1))
    return matrix, right, float(total)


def _add_centred(matrix: Matrix, right: Vector, blocks: list[Block], weight: float) -> None:
    count = sum(block.count for block in blocks)
    sums = [math.fsum(each) for each in zip(*(block.sums for block in blocks), strict=True)]
    label_sum = math.fsum(block.label_sum for block in blocks)
    for place, total in enumerate(sums):
        row = matrix[place]
        for block in blocks:
            products = block.products[place]
            for other in range(place + 1):
                row[other] += weight * products[other]
        for other in range(place + 1):
            row[other] -= weight * total * sums[other] / count
        found = math.fsum(block.label_products[place] for block in blocks) - total * label_sum / count
        right[place] += weight * found


def solve(matrix: Matrix, right: Vector, ridge: float) -> Vector:
    """(matrix + ridge I) x = right, by Cholesky."""
    lower: Matrix = []
    half: Vector = []
    for place, row in enumerate(matrix):
        new: Vector = []
        for other in range(place):
            new.append((row[other] - math.fsum(map(mul, new, lower[other]))) / lower[other][other])
        new.append(math.sqrt(row[place] + ridge - math.fsum(map(mul, new, new))))
        lower.append(new)
        half.append((right[place] - math.fsum(map(mul, new, half))) / new[place])
    found = half
    for place in range(len(found) - 1, -1, -1):
        found[place] /= lower[place][place]
        for other in range(place):
            found[other] -= lower[place][other] * found[place]
    return found


def platt(scores: Vector, fails: Vector, weights: Vector, slope_bounds: tuple[float, float]) -> tuple[float, float]:
    """Base and slope of the logistic curve through them, by Newton's method; the slope is kept within bounds."""
    base, slope = 0.0, 4.0
    for _ in range(50):
        chance = [1 / (1 + math.exp(-base - slope * score)) for score in scores]
        error = [w * (fail - p) for w, fail, p in zip(weights, fails, chance, strict=True)]
        bend = [w * p * (1 - p) for w, p in zip(weights, chance, strict=True)]
        g0, g1 = math.fsum(error), math.fsum(map(mul, error, scores))
        h00, h01 = math.fsum(bend) + 1e-9, math.fsum(map(mul, bend, scores))
        h11 = math.fsum(b * s * s for b, s in zip(bend, scores, strict=True)) + 1e-9
        determinant = h00 * h11 - h01 * h01
        step = (h00 * g1 - h01 * g0) / determinant
        bounded = max(slope_bounds[0], min(slope_bounds[1], slope + step))
        base += (g0 - h01 * (bounded - slope)) / h00
        slope = bounded
    return base, slope
