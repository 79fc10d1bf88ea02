"""Request + catalogue + what the key may use -> the targets to ask, in order, and why others are left out.

Knows: names, tiers, capabilities, context windows. Must not know: accounts, balances, the network, the clock.
"""

import datetime
from collections.abc import Callable, Iterable, Set

from msgspec import Struct
from msgspec.structs import replace

from thermly import pricing
from thermly.catalog import SMART, TIERS, Catalog, Model, Price, Target
from thermly.errors import GatewayError, InvalidRequest, Unavailable
from thermly.errors import UnsupportedContent as Unsupported
from thermly.exchange import ChatRequest, Usage
from thermly.routing import sticky, thresholds
from thermly.routing.complexity import Judgement, judge
from thermly.routing.features import read
from thermly.routing.names import forbidden, permitted_models, resolve
from thermly.routing.recalibration import AS_SHIPPED, Recalibration, taught

EXPECTED_OUTPUT_TOKENS = {1: 50, 2: 250, 3: 700, 4: 1_500, 5: 3_000}
"""By level, for comparing prices only."""

LITTLE_OUTPUT_TOKENS = 256
"""A model whose window the input fills up to less than this is no candidate."""

FEATURES = {
    "vision": ("messages", "images"),
    "heic": ("messages", "HEIC images"),
    "audio_input": ("messages", "audio input"),
    "files": ("messages", "files"),
    "video": ("messages", "video"),
    "tools": ("tools", "tools"),
    "forced_tools": ("tool_choice", "a forced tool choice"),
    "json_schema": ("response_format", "a JSON schema as response format"),
    "logprobs": ("logprobs", "log probabilities"),
    "n": ("n", "more than one choice"),
    "audio_output": ("modalities", "audio output"),
    "web_search": ("web_search_options", "web search"),
    "prefill": ("messages", "a last message by the assistant"),
    "anthropic_tools": ("tools", "tools that Anthropic runs"),
    "gemini_tools": ("tools", "tools that Google runs"),
    "image_output": ("modalities", "images in its answers"),
}
"""Capability -> the parameter that asks for it, and its name in sentences."""

MOST_STOPS = {"openai_like": 4, "gemini": 5}
"""By kind of provider, as OpenAI's and Google's references have it; Anthropic's names no bound."""

UNABLE = {**FEATURES, "stops": ("stop", "so many stop sequences")}
"""All that a model can lack."""


class Plan(Struct, frozen=True):
    """`tier` is the one that was asked for or that the score chose; `passed_over` pairs a model and a reason."""

    targets: tuple[Target, ...]
    judgement: Judgement
    tier: str | None
    smart: bool
    passed_over: tuple[tuple[str, str], ...] = ()


class _Ask(Struct, frozen=True):
    """What every candidate is held against."""

    request: ChatRequest
    catalog: Catalog
    today: datetime.date
    needs: frozenset[str]
    input_tokens: int
    permitted: frozenset[str] | None
    learned: Recalibration
    quality: float


class _Passed(Struct, frozen=True):
    """A model that cannot be asked. `missing` and `too_long` tell what of the request it cannot do."""

    model: str
    reason: str
    forbidden: bool = False
    missing: frozenset[str] = frozenset()
    too_long: bool = False


def plan(
    request: ChatRequest,
    catalog: Catalog,
    *,
    allowed: frozenset[str] | None,
    cooling: Set[str],
    today: datetime.date,
    input_tokens: int | None = None,
    learned: Recalibration = AS_SHIPPED,
    quality: float = thresholds.QUALITY,
) -> Plan:
    """Whom to ask, best first. Raises the refusal that says why there is nobody.

    `allowed` holds the names a key may use; None: all. A smart name in it stands for every model behind it; a
    smart name that is not in it still reaches the models that are. `cooling` holds names of targets to ask last.
    `input_tokens`: the estimate, for who has it already. `learned`: what scores mean on this server.
    `quality`: the share of the best tier's quality that `auto` keeps.
    """
    judged = judge(read(request))
    judgement = taught(judged, learned)
    permitted = permitted_models(request.known_model, allowed, catalog, today)
    if input_tokens is None:
        input_tokens = pricing.estimate_input_tokens(request)
    ask = _Ask(request, catalog, today, request.needs(), input_tokens, permitted, learned, quality)
    if request.model not in SMART:
        return Plan((_direct(ask),), judgement, None, False)
    tier = request.model
    if tier == "auto":
        tier, why = _chosen(ask, judged)
        judgement = replace(judgement, reasons=(*judgement.reasons, *why))
    found: list[Target] = []
    passed: list[_Passed] = []
    for model in _in_order(ask, tier, judgement.level):
        against = _against(model, ask)
        target = catalog.target(model)
        if against is None and target is not None:
            found.append(target)
        elif against is not None:
            passed.append(against)
    if not found:
        raise _nobody(request.model, passed)
    found.sort(key=lambda target: target.name in cooling)
    return Plan(tuple(found), judgement, tier, True, tuple((p.model, p.reason) for p in passed))


def _chosen(ask: _Ask, judged: Judgement) -> tuple[str, tuple[str, ...]]:
    """The tier for `auto`, and why: its score, and the earlier turns where they have a say in it."""
    request, found = ask.request, thresholds.in_force(ask.catalog, ask.quality, ask.today)
    points = [(taught(then, ask.learned), end) for then, end in sticky.judged(request, judged)]
    now = points[-1][0]
    wanted, reason = found.tier(now.score), found.reason(now.score)
    if all(found.tier(then.score) == wanted for then, _ in points):
        return wanted, (reason,)
    turns = [
        sticky.Turn(
            found.tier(then.score),
            max(0, ask.input_tokens - sticky.tokens_of(request.messages[end:])),
            _expected_output_tokens(request, then.level),
        )
        for then, end in points
    ]
    tier, kept = sticky.tier(turns, {tier: _price_of(ask, tier, now.level) for tier in TIERS})
    return tier, (reason, kept) if kept else (reason,)


def _price_of(ask: _Ask, tier: str, level: int) -> Price | None:
    """Of the model of the tier that would be asked."""
    able = [model for model in ask.catalog.tiers[tier] if _against(model, ask) is None]
    return min(able, key=_estimate(ask, level)).price if able else None


def _in_order(ask: _Ask, tier: str, level: int) -> list[Model]:
    """The tier's models, then those of the better ones. Who says `auto` asked for no tier: better a weaker
    answer than none, so the lower tiers come last."""
    start = TIERS.index(tier)
    tiers = TIERS[start:]
    if ask.request.model != "auto":
        return [model for name in tiers for model in ask.catalog.tiers[name]]
    estimated_cost = _estimate(ask, level)
    tiers += tuple(reversed(TIERS[:start]))
    return [model for name in tiers for model in sorted(ask.catalog.tiers[name], key=estimated_cost)]


def _estimate(ask: _Ask, level: int) -> Callable[[Model], int]:
    """What a model's answer would cost, about."""
    usage = Usage(ask.input_tokens, output_tokens=_expected_output_tokens(ask.request, level))
    return lambda model: pricing.cost(usage, model.price) if model.price is not None else 0


def _expected_output_tokens(request: ChatRequest, level: int) -> int:
    expected = EXPECTED_OUTPUT_TOKENS[level]
    if request.max_output_tokens is not None:
        expected = min(expected, request.max_output_tokens)
    return expected * request.n


def _against(model: Model, ask: _Ask) -> _Passed | None:
    """Why the model cannot be asked, or None."""
    if model.retired_on is not None and ask.today >= model.retired_on:
        return _Passed(model.id, f"retired on {model.retired_on}")
    if not ask.catalog.providers[model.provider].available:
        return _Passed(model.id, f"no key for {model.provider}")
    if model.price is None:
        return _Passed(model.id, "has no price")
    if ask.permitted is not None and model.id not in ask.permitted:
        return _Passed(model.id, "not allowed for this key", forbidden=True)
    if missing := _missing(model, ask):
        return _Passed(model.id, f"does not support {_in_words(missing)}", missing=missing)
    if ask.input_tokens + LITTLE_OUTPUT_TOKENS > model.context_window:
        reason = f"reads at most {model.context_window:,} tokens"
        return _Passed(model.id, reason, too_long=True)
    return None


def _missing(model: Model, ask: _Ask) -> frozenset[str]:
    """What the request needs and the model has not, in the words of UNABLE."""
    missing, provider = ask.needs - model.can, ask.catalog.providers[model.provider]
    most = MOST_STOPS.get(provider.kind)
    if most is None or len(ask.request.stop) <= most or provider.options & {"no_stop", "many_stops"}:
        return missing
    return missing | {"stops"}


def _nobody(name: str, passed: list[_Passed]) -> GatewayError:
    unable = [p for p in passed if p.missing or p.too_long]
    if not unable:
        if any(p.forbidden for p in passed):
            return forbidden(name)
        return Unavailable(f"This server has no model configured for '{name}'.")
    nobody_has = frozenset.intersection(*(p.missing for p in unable))
    if not nobody_has and any(p.too_long for p in unable):
        return InvalidRequest(
            f"The input is too long for every model behind '{name}'.",
            param="messages",
            code="context_length_exceeded",
        )
    together = "" if nobody_has else " together"
    missing = nobody_has or frozenset().union(*(p.missing for p in unable))
    return Unsupported(f"No model behind '{name}' supports {_in_words(missing)}{together}.", param=_param(missing))


def _direct(ask: _Ask) -> Target:
    """The one target behind a name."""
    name = ask.request.known_model
    target = resolve(name, "chat", ask.catalog, ask.permitted, ask.today)
    model = target.model
    if missing := _missing(model, ask):
        raise Unsupported(f"The model '{name}' does not support {_in_words(missing)}.", param=_param(missing))
    # The estimate may be twice the truth, and the upstream counts exactly: refuse only what is beyond doubt.
    if ask.input_tokens > 2 * model.context_window:
        raise InvalidRequest(
            f"The input is too long for the model '{name}': about {ask.input_tokens:,} tokens, where"
            f" {model.context_window:,} fit.",
            param="messages",
            code="context_length_exceeded",
        )
    return target


def _in_words(missing: Iterable[str]) -> str:
    """In the order of UNABLE."""
    return " and ".join(words for name, (_, words) in UNABLE.items() if name in missing)


def _param(missing: Iterable[str]) -> str:
    return next(param for name, (param, _) in UNABLE.items() if name in missing)
