"""What the sandbox answers: one Ask in, one Reply out, the same every time.

Pure. Knows no vendor, no wire and no clock. Refuses nothing unless it was ordered to.
"""

from __future__ import annotations

import json

from thermly.sandbox.components import answer, format_of
from thermly.sandbox.hints import Hints
from thermly.sandbox.schemas import instance
from thermly.sandbox.tools import planned_calls
from thermly.sandbox.values import Ask, Call, Reply, Turn, Usage, clipped, prompt_tokens, tokens

_QUOTED_CHARACTERS = 400


def decide(ask: Ask, index: int = 0) -> Reply:
    """The answer to a question; `index` tells the choices of one request apart."""
    question = ask.question
    calls = planned_calls(ask)
    text = "" if calls and ask.orders.say is None else _text(ask, question, index)
    reasoning = _reasoning(question, calls) if ask.reasons or ask.orders.reason else ""
    return _bounded(ask, reasoning, text, calls)


def _text(ask: Ask, question: str, index: int) -> str:
    orders = ask.orders
    if orders.empty or orders.refuse:
        return ""
    if orders.say is not None:
        return orders.say
    if orders.tokens is not None:
        return _filler(orders.tokens)
    if ask.schema is not None:
        return json.dumps(instance(ask.schema, Hints(question)), ensure_ascii=False)
    if orders.chunks is not None:
        return _filler(orders.chunks)
    if form := next((f for turn in ask.turns if turn.role == "system" and (f := format_of(turn.text))), None):
        return answer(question, form)
    text = _after_tools(ask.turns) or _greeting(ask, question)
    return f"{text} (answer {index + 1})" if index else text


def _filler(count: int) -> str:
    """A text of exactly so many tokens."""
    return ("the lazy sandbox answers at length and says little, " * (count // 12 + 1))[: 4 * count]


def _after_tools(turns: tuple[Turn, ...]) -> str:
    results: list[str] = []
    for turn in reversed(turns):
        if turn.role != "tool":
            break
        results.insert(0, _quoted(turn.text))
    if not results:
        return ""
    return f"The {'tools' if len(results) > 1 else 'tool'} answered: {'; '.join(results)}"


def _greeting(ask: Ask, question: str) -> str:
    images = sum(turn.images for turn in ask.turns)
    seen = f" I can see {images} image{'s' if images > 1 else ''}." if images else ""
    said = f" You said: {_quoted(question)}" if question else ""
    return f"Hello from the Thermly sandbox: {ask.model} is answering offline.{seen}{said}"


def _quoted(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _QUOTED_CHARACTERS else text[: _QUOTED_CHARACTERS - 1].rstrip() + "…"


def _reasoning(question: str, calls: tuple[Call, ...]) -> str:
    if calls:
        names = ", ".join(dict.fromkeys(call.name for call in calls))
        return f"The user needs something that I cannot know by myself. I will call {names}."
    return f"The user says {_quoted(question)[:80]!r}. A short and friendly answer will do."


def _bounded(ask: Ask, reasoning: str, text: str, calls: tuple[Call, ...]) -> Reply:
    """Keeps the answer within its limit and before its stop sequences, and counts it."""
    # A bound of ten tokens must leave some for the answer, or small tests would see nothing but thought.
    limit = ask.max_tokens
    thought = reasoning if limit is None else clipped(reasoning, limit // 2)
    left = None if limit is None else limit - (tokens(thought) if thought else 0)
    kept, left = _take(text, left)
    kept, stop = _before_stop(kept, ask.stops)
    made: list[Call] = []
    for call in () if stop else calls:
        arguments, left = _take(call.arguments, left)
        if arguments:
            made.append(Call(call.name, arguments))
    short = stop is None and (kept != text or [c.arguments for c in made] != [c.arguments for c in calls])
    finish = _finish(ask, short, stop, bool(made))
    usage = _usage(ask, thought, kept, made)
    if ask.orders.badjson:
        made = [Call(call.name, call.arguments[:-1]) for call in made]
    return Reply(thought, kept, tuple(made), finish, stop, usage)


def _take(text: str, left: int | None) -> tuple[str, int | None]:
    if left is None or not text:
        return text, left
    kept = clipped(text, left)
    return kept, left - (tokens(kept) if kept else 0)


def _before_stop(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    found = [(text.find(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return text, None
    where, stop = min(found)
    return text[:where], stop


def _finish(ask: Ask, short: bool, stop: str | None, called: bool) -> str:
    if ask.orders.refuse:
        return "refused"
    if short or ask.orders.length:
        return "length"
    if stop is not None:
        return "sequence"
    return "calls" if called else "stop"


def _usage(ask: Ask, thought: str, text: str, calls: list[Call]) -> Usage:
    cached, written = ask.orders.cached or 0, ask.orders.cache_write or 0
    reasoning = tokens(thought) if thought else 0
    output = reasoning + sum(tokens(part) for part in [text, *(call.arguments for call in calls)] if part)
    least = 0 if ask.max_tokens == 0 else 1
    return Usage(
        prompt=max(prompt_tokens(ask.turns), cached + written),
        cached=cached,
        cache_write=written,
        output=max(output, least),
        reasoning=reasoning,
    )
