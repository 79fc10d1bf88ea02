"""What ratings on this server say of the score: its logit, shifted and stretched, found by logistic regression.

Knows: scores, and whether a cheap model failed. Must not know: requests, models, where ratings come from.
The regression begins at the score as shipped and leaves it only as far as ratings outweigh `STRENGTH` others that
would agree with it. Two numbers move no request past another.
"""

import bisect
import math
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from thermly.routing.complexity import LEVEL_FROM, Judgement

STRENGTH = 100
"""So many ratings the shipped score is worth."""

TYPICAL = 0.3
"""The chance of failing around which most ratings of cheap answers lie."""

PRECISION = STRENGTH * TYPICAL * (1 - TYPICAL)
"""What so many ratings tell of a logit, at that chance."""

CENTRE = math.log(TYPICAL / (1 - TYPICAL))
LEAST_SLOPE = 0.25
FOLDS = 10
ENOUGH = 30
"""Fewer examples than these show nothing."""

NEWTON_STEPS = 50
CLOSE = 1e-9
EDGE = 1e-9
TOLD = 0.005


class Recalibration(Struct, frozen=True):
    """The logit of the chance of failing is `intercept` + `slope` x that of the score as shipped."""

    intercept: float = 0.0
    slope: float = 1.0

    def chance(self, score: float) -> float:
        """The score as shipped -> the chance, by what was learned."""
        return score if self == AS_SHIPPED else _sigmoid(self.intercept + self.slope * _logit(score))

    def score(self, chance: float) -> float:
        """What `chance` undoes: what is kept of a request must not depend on what was learned when."""
        return chance if self == AS_SHIPPED else _sigmoid((_logit(chance) - self.intercept) / self.slope)


AS_SHIPPED = Recalibration()


class Example(Struct, frozen=True, gc=False):
    """A request that a cheap model was asked: its score as shipped, and whether the model failed."""

    score: float
    failed: bool
    weight: float = 1.0


class Comparison(Struct, frozen=True):
    """Mean log loss on examples that the fit had not seen; `error` is the standard error of the difference."""

    examples: int
    before: float
    after: float
    error: float

    @property
    def better(self) -> bool:
        """Beyond what chance alone would often show."""
        return self.examples >= ENOUGH and self.before - self.after > self.error


def taught(judgement: Judgement, learned: Recalibration) -> Judgement:
    """The judgement, by what was learned here."""
    if learned == AS_SHIPPED:
        return judgement
    score = learned.chance(judgement.score)
    reasons = judgement.reasons
    if abs(score - judgement.score) >= TOLD:
        reasons = (*reasons, f"ratings here: {score:.2f}, as shipped {judgement.score:.2f}")
    return replace(judgement, score=score, level=1 + bisect.bisect_right(LEVEL_FROM, score), reasons=reasons)


def fit(examples: Sequence[Example]) -> Recalibration:
    """The likeliest, with the shipped score as prior."""
    shift, stretch = _newton(examples, 0.0, True)
    if 1 + stretch < LEAST_SLOPE:
        shift, stretch = _newton(examples, LEAST_SLOPE - 1, False)
    return Recalibration(shift - stretch * CENTRE, 1 + stretch)


def compare(examples: Sequence[Example]) -> Comparison:
    """Each fold is judged by what the others teach."""
    if len(examples) < 2:
        return Comparison(len(examples), 0.0, 0.0, 0.0)
    folds = min(FOLDS, len(examples))
    losses: list[tuple[float, float, float]] = []
    for fold in range(folds):
        learned = fit([example for i, example in enumerate(examples) if i % folds != fold])
        losses += [(e.weight, _loss(e, e.score), _loss(e, learned.chance(e.score))) for e in examples[fold::folds]]
    total = sum(weight for weight, _, _ in losses)
    before = sum(weight * loss for weight, loss, _ in losses) / total
    after = sum(weight * loss for weight, _, loss in losses) / total
    spread = sum((weight * (b - a - (before - after))) ** 2 for weight, b, a in losses)
    return Comparison(len(examples), before, after, math.sqrt(spread) / total)


def _loss(example: Example, chance: float) -> float:
    chance = min(max(chance, EDGE), 1 - EDGE)
    return -math.log(chance if example.failed else 1 - chance)


def _newton(examples: Sequence[Example], stretch: float, stretches: bool) -> tuple[float, float]:
    """(shift, stretch): logit of the chance = logit of the score + shift + stretch x its distance from `CENTRE`,
    so that the two hardly pull at one another."""
    rows = [(_logit(e.score), float(e.failed), e.weight) for e in examples]
    shift, cost = 0.0, _cost(rows, 0.0, stretch)
    for _ in range(NEWTON_STEPS):
        by_shift, by_stretch = _step(rows, shift, stretch, stretches)
        length = 1.0
        while (lower := _cost(rows, shift - length * by_shift, stretch - length * by_stretch)) > cost:
            length /= 2
            if length < CLOSE:
                return shift, stretch
        shift, stretch, cost = shift - length * by_shift, stretch - length * by_stretch, lower
        if abs(by_shift) + abs(by_stretch) < CLOSE:
            break
    return shift, stretch


Rows = Sequence[tuple[float, float, float]]


def _cost(rows: Rows, shift: float, stretch: float) -> float:
    """What Newton's method makes small: the log loss, and the prior's."""
    total = PRECISION * (shift * shift + stretch * stretch) / 2
    for x, failed, weight in rows:
        logit = x + shift + stretch * (x - CENTRE)
        total += weight * (max(logit, 0.0) + math.log1p(math.exp(-abs(logit))) - failed * logit)
    return total


def _step(rows: Rows, shift: float, stretch: float, stretches: bool) -> tuple[float, float]:
    """The gradient, divided by the curvature."""
    g0, g1 = PRECISION * shift, PRECISION * stretch
    h00, h01, h11 = PRECISION, 0.0, PRECISION
    for x, failed, weight in rows:
        far = x - CENTRE
        chance = _sigmoid(x + shift + stretch * far)
        off, curve = weight * (chance - failed), weight * chance * (1 - chance)
        g0, g1 = g0 + off, g1 + off * far
        h00, h01, h11 = h00 + curve, h01 + curve * far, h11 + curve * far * far
    if not stretches:
        return g0 / h00, 0.0
    determinant = h00 * h11 - h01 * h01
    return (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant


def _logit(chance: float) -> float:
    chance = min(max(chance, EDGE), 1 - EDGE)
    return math.log(chance / (1 - chance))


def _sigmoid(logit: float) -> float:
    if logit < 0:
        grown = math.exp(max(logit, -700.0))
        return grown / (1 + grown)
    return 1 / (1 + math.exp(-min(logit, 700.0)))
