"""A conversation -> the tier of its next answer, so that it does not change from turn to turn. Pure.

Knows: turns, how hard each was, what reading a conversation again costs. Must not know: who is able or there.
Nothing is remembered of anybody: the turns are in the request, and each is judged again as it was when it came.

Up at once; down when two turns in a row ask for less, and where the better tier's model has the conversation in
its prompt cache, only when reading all of it anew is cheaper than going on. What a turn asks for counts until it
is `LOOK_BACK` turns old. A turn's claim lives from its own turn on without a gap and two turns at least: so a tier
that has just been raised is not lowered by the next turn, wherever the looking back begins.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from thermly import pricing
from thermly.amounts import usd
from thermly.catalog import TIERS, Price
from thermly.exchange import ChatRequest, Message, Part, Text, ToolCall, ToolResult, Usage
from thermly.routing.complexity import Judgement, judge
from thermly.routing.features import read

LOOK_BACK = 4
"""Turns, the present one included. Judging one again costs up to a millisecond, once in a process."""

LEAST_CACHED_TOKENS = 1_024
"""Vendors keep no shorter beginnings (OpenAI's and Anthropic's pages on prompt caching), and these for some five
minutes: in a talk with longer pauses, what is counted on here is gone."""

MOST_KNOWN = 20_000
AS_BEFORE = "kept with the tier of the turn before"
WARM = "kept with the model of the earlier turns: its prompt cache is worth ${worth}"

Judged = tuple[Judgement, int]
Prices = Mapping[str, Price | None]

_known: dict[int, Judgement] = {}
"""By what was said until then, told apart by hash; no word of it is kept."""


class Turn(Struct, frozen=True):
    """A point at which an answer was due: the tier that was `wanted`, the tokens to read then and to write."""

    wanted: str
    input_tokens: int
    output_tokens: int


def judged(request: ChatRequest, now: Judgement) -> tuple[Judged, ...]:
    """How hard the last turns were, oldest first, and the number of messages until then; the last is `now`."""
    ends = [i + 1 for i, message in enumerate(request.messages) if message.role == "user"]
    count = len(request.messages)
    if ends and ends[-1] == count:
        ends.pop()
    ends = ends[1 - LOOK_BACK :]
    if not ends:
        return ((now, count),)
    keys = _keys(request)
    _learn(keys[count], now)
    return (*((_judgement(request, end, keys[end]), end) for end in ends), (now, count))


def _judgement(request: ChatRequest, end: int, key: int) -> Judgement:
    found = _known.get(key)
    if found is None:
        found = judge(read(replace(request, messages=request.messages[:end])))
        _learn(key, found)
    return found


def _learn(key: int, judgement: Judgement) -> None:
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    _known[key] = replace(judgement, reasons=())


def _keys(request: ChatRequest) -> list[int]:
    """For each number of messages, a hash of them and of what comes with every turn."""
    form = request.response_format
    key = hash((form and form.kind, tuple((tool.name, tool.description) for tool in request.tools)))
    keys = [key]
    for message in request.messages:
        parts = message.parts
        plain = len(parts) == 1 and type(parts[0]) is Text
        key = hash((key, message.role, parts[0].text if plain else _words(parts)))  # type: ignore[union-attr]
        keys.append(key)
    return keys


def _words(parts: Sequence[Part]) -> tuple[object, ...]:
    found: list[object] = []
    for part in parts:
        if isinstance(part, ToolResult):
            found += _words(part.parts)
        elif isinstance(part, ToolCall):
            found += (part.name, part.arguments)
        else:
            found.append(getattr(part, "text", part.__class__))
    return tuple(found)


def tokens_of(messages: tuple[Message, ...]) -> int:
    return pricing.measure(ChatRequest("", messages)).estimate


def tier(turns: Sequence[Turn], prices: Prices) -> tuple[str, str]:
    """The tier of the last turn's answer, and why where it is not the one that the turn asks for.

    `prices` tells what the model of a tier costs; None where it has no able one.
    """
    wanted = [TIERS.index(turn.wanted) for turn in turns]
    held, worth = wanted[-1], 0
    for i, claim in enumerate(wanted[:-1]):
        saved = _worth(i, turns, wanted, prices)
        if saved is not None and claim > held:
            held, worth = claim, saved
    if held == wanted[-1]:
        return TIERS[held], ""
    return TIERS[held], WARM.format(worth=usd(worth)) if worth else AS_BEFORE


def _worth(i: int, turns: Sequence[Turn], wanted: Sequence[int], prices: Prices) -> int | None:
    """What still being answered by the tier that turn `i` asked for saves at the last turn, in nano-dollars; 0
    where it is the turn before; None where the claim is past."""
    saved = 0
    for now in range(i + 2, len(turns)):
        lower = max(wanted[now], wanted[now - 1])
        if lower >= wanted[i]:
            return None  # a later turn asks for as much or more, and speaks for itself
        saved = _saved(turns[now - 1], turns[now], prices[TIERS[wanted[i]]], prices[TIERS[lower]])
        if saved <= 0:
            return None
    return saved


def _saved(before: Turn, now: Turn, warm: Price | None, cold: Price | None) -> int:
    """By going on with a model that has read until the turn `before`, instead of beginning with another one."""
    if warm is None or cold is None or before.input_tokens < LEAST_CACHED_TOKENS:
        return 0
    anew = Usage(now.input_tokens, output_tokens=now.output_tokens)
    going_on = replace(anew, cached_input_tokens=min(before.input_tokens, now.input_tokens))
    return pricing.cost(anew, cold) - pricing.cost(going_on, warm)
