"""Recipes and examples -> one head per form, on all rows or on all but a fold or a source.

Knows: which form is fitted how. Must not know: files.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from operator import mul

from training.fitting import Block, Recipe, Vector, normal_equations, platt, scale_of, solve, with_squares
from training.rows import FOLDS, Example

RECIPES = {
    "options": Recipe(fail=0.35, gain=1, pool=0.35, ridge=300, shared=0, even=1, evidence=0.03, bent=True),
    "many options": Recipe(fail=0, gain=1, pool=0, ridge=400, shared=1, even=0.75, evidence=0.03, kin="options"),
    "far options": Recipe(fail=0.2, gain=1, pool=0, ridge=600, shared=1, even=0.75, evidence=0.02, kin="options"),
    "sum": Recipe(fail=0, gain=1, pool=0, ridge=1200, shared=0.4, even=1, evidence=0.03),
    "formula": Recipe(fail=1, gain=0.3, pool=1, ridge=1500, shared=0.7, even=0.75, evidence=0.03),
    "code": Recipe(fail=1, gain=0.3, pool=1, ridge=300, shared=0.7, even=0.75, evidence=0),
    "tools": Recipe(fail=0, gain=1, pool=0, ridge=150, shared=0, even=0.75, evidence=0, bent=True),
}
ALL = Recipe(fail=1, gain=0, pool=1, ridge=600, shared=0, even=0.5, evidence=0)
"""The head of all forms, that those of the small ones are drawn to."""
GRID_SLOPE = 0.12
"""By hand: how near a logic grid is to the size where only strong models are right. One number, hump-shaped."""
SLOPES = (2.0, 6.0)


class Fit:
    """The sums over all examples, in blocks of a form, a unit and a fold, from which any head is solved."""

    def __init__(self, examples: Iterable[Example]) -> None:
        self.groups: dict[str, dict[tuple[str, str, int], list[Example]]] = defaultdict(lambda: defaultdict(list))
        for example in examples:
            if example.form in RECIPES:
                key = (example.unit, example.source, example.fold)
                self.groups[example.form][key].append(example)
        of_form = {form: [e for each in g.values() for e in each] for form, g in self.groups.items()}
        self.scales = {form: scale_of([e.values for e in each]) for form, each in of_form.items()}
        self.scale = scale_of([e.values for each in of_form.values() for e in each])
        self.blocks: dict[tuple[str, str], dict[tuple[str, str, int], Block]] = {}

    def _blocks_of(self, form: str, recipe: Recipe) -> dict[tuple[str, str, int], Block]:
        """Computed once for every form and make of label."""
        label = "all" if recipe is ALL else "own"
        seen = self.scale if recipe is ALL else self.seen(form)
        if (form, label) not in self.blocks:
            self.blocks[form, label] = {
                key: Block([seen(e.values) for e in each], [label_of(e, recipe) for e in each])
                for key, each in self.groups[form].items()
            }
        return self.blocks[form, label]

    def seen(self, form: str) -> Callable[[Iterable[float]], Vector]:
        """Values as the head of the form sees them."""
        scale = self.scales[form]
        return (lambda values: with_squares(scale(values))) if RECIPES[form].bent else scale

    def shared(self, keep: Callable[[str, int], bool]) -> Vector:
        found = [
            (f"{form} {unit}", block)
            for form in self.groups
            for (unit, source, fold), block in self._blocks_of(form, ALL).items()
            if keep(source, fold)
        ]
        matrix, right, _ = normal_equations(found, ALL.even)
        return solve(matrix, right, ALL.ridge)

    def head(self, form: str, keep: Callable[[str, int], bool], drawn_to: Vector) -> Vector:
        recipe = RECIPES[form]
        found = [
            (unit, block)
            for (unit, source, fold), block in self._blocks_of(form, recipe).items()
            if keep(source, fold)
        ]
        if not found:
            return drawn_to
        matrix, right, _ = normal_equations(found, recipe.even)
        pulled = [r + recipe.ridge * weight for r, weight in zip(right, drawn_to, strict=True)]
        return solve(matrix, pulled, recipe.ridge)

    def heads(self, keep: Callable[[str, int], bool]) -> dict[str, Vector]:
        shared = self.shared(keep)
        found: dict[str, Vector] = {}
        for form in sorted(self.groups, key=lambda form: (RECIPES[form].kin, form)):
            found[form] = self.head(form, keep, self._drawn_to(form, shared, found))
        return found

    def _drawn_to(self, form: str, shared: Vector, found: dict[str, Vector]) -> Vector:
        """What the head is where no row says otherwise."""
        recipe, scale, whole = RECIPES[form], self.scales[form], self.scale
        if recipe.kin:
            shared, whole = found.get(recipe.kin, [0.0] * len(shared)), self.scales.get(recipe.kin, whole)
        drawn_to = [
            recipe.shared * weight * own / all_
            for weight, own, all_ in zip(shared[: len(scale.spread)], scale.spread, whole.spread, strict=True)
        ]
        return drawn_to + [0.0] * (len(drawn_to) if recipe.bent else 0)

    def score(self, head: Vector, example: Example) -> float:
        return math.fsum(map(mul, head, self.seen(example.form)(example.values)))


def label_of(example: Example, recipe: Recipe) -> float:
    fail, gain = 1 - example.weak, example.strong - example.weak
    parts = [(recipe.fail, fail), (recipe.gain, gain)]
    if example.pool is not None:
        parts.append((recipe.pool, 1 - example.pool))
    total = sum(weight for weight, _ in parts)
    return sum(weight * part for weight, part in parts) / total if total else fail


def out_of_fold(fit: Fit, examples: list[Example]) -> dict[str, float]:
    """What the heads say of examples that they were not fitted to, by id."""
    found: dict[str, float] = {}
    for left_out in range(FOLDS):
        heads = fit.heads(lambda _, fold, left_out=left_out: fold != left_out)  # type: ignore[misc]
        mine = [e for e in examples if e.fold == left_out]
        found |= {e.id: scored(fit, heads, e) for e in mine if e.form != "open"}
    return found


def without_source(fit: Fit, examples: list[Example], source: str) -> dict[str, float]:
    heads = fit.heads(lambda other, _: other != source)
    mine = [e for e in examples if e.source == source]
    return {e.id: scored(fit, heads, e) for e in mine if e.form != "open"}


def scored(fit: Fit, heads: dict[str, Vector], example: Example) -> float:
    """On the scale of the labels."""
    if example.form == "grid":
        return GRID_SLOPE * example.values[0]
    head = heads.get(example.form)
    trained = fit.score(head, example) if head else 0.0
    return trained + RECIPES[example.form].evidence * example.evidence


def calibrations(examples: list[Example], scores: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Form -> base and slope that make of a score the chance that the weak model fails; all sources alike."""
    of_form: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        if example.id in scores:
            of_form[example.form].append(example)
    rows_of = Counter(example.source for example in examples)
    found = {}
    for form in sorted(of_form):
        mine = of_form[form]
        found[form] = platt(
            [scores[e.id] for e in mine],
            [1 - e.weak for e in mine],
            [1_000 / rows_of[e.source] for e in mine],
            SLOPES,
        )
    return found
