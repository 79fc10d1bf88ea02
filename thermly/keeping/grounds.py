"""Why this model: what is kept of it beside a request's row in the books, written and read.

Knows: its form, a JSON list of sentences with at most one object behind them. Must not know: how models are chosen.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

OF_THIS_SERVER = ("no key for ", "retired on ", "has no price")
"""How reasons begin that hold for every request: the catalogue tells them, and no row needs to."""

MOST_NAMES = 12
Pairs = Iterable[tuple[str, str]]


class _Besides(Struct, frozen=True, omit_defaults=True):
    tier: str = ""
    passed_over: dict[str, list[str]] = {}
    failed: list[tuple[str, str]] = []


class Grounds(Struct, frozen=True):
    """`reasons` for the complexity; `tier`: the one that was asked for or followed from it. `passed_over`: why, and
    which models; `failed`: the models that were asked before the one that answered, and what they met."""

    reasons: tuple[str, ...] = ()
    tier: str = ""
    passed_over: tuple[tuple[str, tuple[str, ...]], ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


_encode = msgspec.json.encode
_read = msgspec.json.Decoder(list[str | _Besides]).decode


def written(reasons: Iterable[str], tier: str | None = None, passed_over: Pairs = (), failed: Pairs = ()) -> str:
    """`passed_over` and `failed` pair a model and a reason."""
    groups: dict[str, list[str]] = {}
    for model, reason in passed_over:
        if not reason.startswith(OF_THIS_SERVER):
            names = groups.setdefault(reason, [])
            if len(names) < MOST_NAMES:
                names.append(model)
    if not (tier or groups or failed):
        return _encode(list(reasons)).decode()
    return _encode([*reasons, _Besides(tier or "", groups, list(failed))]).decode()


def read(text: str) -> Grounds:
    """What cannot be read tells nothing."""
    try:
        rows = _read(text)
    except msgspec.DecodeError:
        return Grounds()
    besides = next((row for row in rows if isinstance(row, _Besides)), _Besides())
    return Grounds(
        tuple(row for row in rows if isinstance(row, str)),
        besides.tier,
        tuple((reason, tuple(names)) for reason, names in besides.passed_over.items()),
        tuple(besides.failed),
    )
