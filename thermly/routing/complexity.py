"""Features -> how hard the request is, from 0 to 1 and from level 1 to 5, and why in words.

Knows: what each sign of difficulty weighs. Must not know: the request itself, models, prices.
Signs that hold for every request are weighed by hand. Where the request has a form that benchmarks know (options
to choose from, a sum in words, a formula, code, a grid, tools) a trained head has its say beside them.
"""

import bisect
import math
from collections.abc import Callable

from msgspec import Struct

from thermly.routing import measures, weights
from thermly.routing.features import Features

LEVEL_FROM = (0.085, 0.22, 0.44, 0.8)
"""The scores at which levels 2, 3, 4 and 5 begin."""

BIAS = -2.5
SHORT_WORDS = 14
BRIEF = 20
LONG = 4.0
"""On the scale of `_length`, some 3,000 characters: beyond, most is material to read."""


TELLING = 0.15
FORMS = {
    "options": "a question with options",
    "many options": "a question with many options",
    "far options": "a question with options, not in Latin script",
    "sum": "a sum in words",
    "formula": "about formulas",
    "code": "about code",
    "grid": "a logic grid",
    "tools": "a choice among tools",
}


class Judgement(Struct, frozen=True, gc=False):
    score: float
    level: int
    reasons: tuple[str, ...]


class Signal(Struct, frozen=True):
    """`reason` is told where weight x amount is at least `telling`, with the features filled in. Without the
    feature `of` the amount is 0: most signals of most requests need no more than that look."""

    of: str
    weight: float
    amount: Callable[[Features], float]
    reason: str
    telling: float = 0.15


def judge(features: Features) -> Judgement:
    """The score is the chance that a fast model fails. The weightiest reason first."""
    parts = [(s.weight * s.amount(features), s) for s in SIGNALS if getattr(features, s.of)]
    telling = sorted((p for p in parts if abs(p[0]) >= p[1].telling), key=lambda p: -abs(p[0]))
    reasons = tuple(signal.reason.format(f=features) for _, signal in telling)
    logit = evidence = BIAS + sum([part for part, _ in parts])
    if features.measures and not _only_greets(features):
        logit, reason = _trained(features, evidence)
        if _is_heavy(features):
            logit = max(logit, evidence)
        reasons = (reason, *reasons)
    score = 1 / (1 + math.exp(-logit))
    return Judgement(score, 1 + bisect.bisect_right(LEVEL_FROM, score), reasons)


def _is_heavy(f: Features) -> bool:
    """Benchmarks of sums and functions know no such tasks."""
    return bool(f.proof_words or f.refactor_words) and f.form not in ("options", "many options", "far options")


def signs(features: Features) -> float:
    """What the signs that hold for every request say, in logits."""
    return BIAS + sum([s.weight * s.amount(features) for s in SIGNALS if getattr(features, s.of)])


def _trained(features: Features, evidence: float) -> tuple[float, str]:
    head = weights.heads(measures.NAMES)[features.form]
    parts = head.parts(features.measures)
    trained = sum(parts)
    reason = FORMS[features.form]
    if abs(trained) >= TELLING:
        most = max(range(len(parts)), key=lambda i: parts[i] * trained)
        word = "harder" if trained > 0 else "easier"
        reason += f", {word} than most ({head.measures[most].replace('_', ' ')})"
    return head.base + head.evidence * evidence + trained, reason


def _log(count: float) -> float:
    return math.log1p(count)


def _some(count: int, enough: int = 3) -> float:
    """0 for none, most of 1 for the first, 1 for enough."""
    return min(1.0, 0.7 + 0.3 * (count - 1) / (enough - 1)) if count else 0.0


def _up_to(enough: int, count: int) -> float:
    """The first tells most."""
    return math.pow(min(count, enough), 0.8)


def _length(f: Features) -> float:
    """Scripts that write a word in a sign or two say more in as many characters."""
    length = _log(f.chars * (1 + 1.5 * f.non_latin) / 60)
    return length if length < LONG else LONG + 0.2 * (length - LONG)


def _is_short(f: Features) -> bool:
    return f.words <= SHORT_WORDS and f.chars <= 120


def _small_talk(f: Features) -> float:
    """Greeting words in a short turn that asks for nothing else."""
    asks = f.proof_words + f.code_words + f.maths_words + f.refactor_words + f.legal_words + f.analysis_words
    return float(bool(f.greeting_words) and f.words <= 8 and f.chars <= 60 and not asks)


def _only_greets(f: Features) -> bool:
    """The tools that an application offers with every request make no task of a greeting. Later in a talk the same
    words may tell a model to go ahead."""
    brief = f.chars * (1 + 1.5 * f.non_latin) <= BRIEF and f.words <= 4 * f.greeting_words
    return brief and f.turns <= 1 and _small_talk(f) > 0


def _small(count: int, f: Features) -> float:
    return float(count > 0 and _is_short(f))


def _heavy_topics(f: Features) -> float:
    """A specialist's matter that shall be thought through: more than the sum of its words."""
    matter = f.proof_words or f.refactor_words or f.legal_words > 1
    return float(bool(matter) and f.analysis_words + f.plan_words + f.steps_words + f.proof_words > 1)


SIGNALS = (
    Signal("chars", 0.5, _length, "characters: {f.chars}", telling=0.7),
    Signal("greeting_words", -3.0, _small_talk, "short greeting"),
    Signal("lookup_words", -0.8, lambda f: _small(f.lookup_words, f), "asks for a short fact"),
    Signal("translation_words", -0.4, lambda f: _small(f.translation_words, f), "asks for a short translation"),
    Signal("proof_words", 3.5, lambda f: _some(f.proof_words), "asks for a proof"),
    Signal("refactor_words", 3.0, lambda f: _some(f.refactor_words), "asks for work on a code base"),
    Signal("legal_words", 1.6, lambda f: min(f.legal_words / 4, 1.0), "is about law"),
    Signal("analysis_words", 1.0, lambda f: _some(f.analysis_words), "asks for an analysis"),
    Signal("plan_words", 0.6, lambda f: _some(f.plan_words), "asks for a plan or for detail"),
    Signal("words", 0.8, _heavy_topics, "a specialist's matter to think through"),
    Signal("code_words", 0.35, lambda f: _up_to(4, f.code_words), "is about code"),
    Signal("maths_words", 0.35, lambda f: _up_to(4, f.maths_words), "is about mathematics"),
    Signal("maths_signs", 0.2, lambda f: min(_log(f.maths_signs), 3), "mathematical signs: {f.maths_signs}"),
    Signal("numbers", 0.15, lambda f: min(_log(f.numbers), 2), "numbers: {f.numbers}"),
    Signal("steps_words", 0.5, lambda f: min(_log(f.steps_words), 2), "several steps"),
    Signal(
        "constraint_words",
        0.25,
        lambda f: min(_log(f.constraint_words), 2),
        "words of constraint: {f.constraint_words}",
    ),
    Signal("non_latin", 0.5, lambda f: f.non_latin, "not in Latin script"),
    Signal("questions", 0.15, lambda f: min(f.questions, 4) - 1 if f.questions else 0, "questions: {f.questions}"),
    Signal("fences", 0.3, lambda f: float(f.fences > 0), "brings code along"),
    Signal("asked_words", 0.4, lambda f: min(_log(f.asked_words / 100), 3), "asks for {f.asked_words} words"),
    Signal("tools", 0.3, lambda f: _log(f.tools), "tools offered: {f.tools}"),
    Signal("schema", 0.3, lambda f: float(f.schema), "must fit a schema"),
    Signal("images", 0.3, lambda f: _log(f.images), "images: {f.images}"),
    Signal("turns", 0.1, lambda f: min(_log(f.turns - 1), 3) if f.turns else 0, "turns so far: {f.turns}"),
    Signal(
        "earlier_chars",
        0.1,
        lambda f: min(_log(f.earlier_chars / 1_000), 4),
        "characters before: {f.earlier_chars}",
    ),
    Signal(
        "system_chars",
        0.1,
        lambda f: min(_log(f.system_chars / 1_000), 4),
        "characters of instructions: {f.system_chars}",
    ),
)
