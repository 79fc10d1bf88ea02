"""Which tools a question calls for, and with which arguments.

Pure guesswork by words: a tool is meant when the question names it or says a word that is its own.
Knows no wire.
"""

from __future__ import annotations

import json
import re

from thermly.sandbox.hints import Hints, capitalised
from thermly.sandbox.schemas import instance
from thermly.sandbox.values import Ask, Call, Tool

_MOST_CALLS = 16
# Words that any description may use and that point to no tool in particular.
_COMMON_WORDS = """
    about after all and any are based before call can current data default does each find for from function
    get given gets getting has have how into its list make more name need not one only optional other out
    provide provided returns return set some specific such than that the their them then there these this
    tool tools two use used user uses using value values via want was what when where whether which will
    with you your
"""
_COMMON = frozenset(_COMMON_WORDS.split())


def planned_calls(ask: Ask) -> tuple[Call, ...]:
    """The calls a model would make now; none unless the user spoke last."""
    if ask.choice == "none" or not ask.tools or ask.turns[-1].role != "user":
        return ()
    orders = ask.orders
    if orders.call is not None:
        return (Call(orders.call, "{}"),)
    if orders.refuse or orders.empty or (ask.choice == "auto" and orders.words_given):
        return ()
    offered = [tool for tool in ask.tools if not ask.allowed or tool.name in ask.allowed]
    meant = [tool for tool in offered if _is_meant(tool, offered, ask.question)]
    if ask.choice == "required" and not meant:
        meant = offered[:1]
    if not meant:
        return ()
    own_names = {tool.name.lower() for tool in ask.tools}
    names = [name for name in capitalised(ask.question) if name.lower() not in own_names]
    if not ask.parallel:
        return (_call(meant[0], ask.question, names),)
    if len(meant) == 1:
        return _call_per_name(meant[0], ask.question, names)
    return tuple(_call(tool, ask.question, names) for tool in meant[:_MOST_CALLS])


def _call(tool: Tool, question: str, names: list[str]) -> Call:
    made = instance(tool.schema, Hints(question, names)) if tool.schema.get("properties") else {}
    return Call(tool.name, json.dumps(made, ensure_ascii=False))


def _call_per_name(tool: Tool, question: str, names: list[str]) -> tuple[Call, ...]:
    """One call for each of several names, where the tool takes one name at a time."""
    calls = [_call(tool, question, [name]) for name in names[:_MOST_CALLS]]
    if len(calls) > 1 and len({call.arguments for call in calls}) == len(calls):
        return tuple(calls)
    return (_call(tool, question, names),)


def _is_meant(tool: Tool, offered: list[Tool], question: str) -> bool:
    asked = _words(question)
    if tool.name.lower() in question.lower() or _words(tool.name) & asked - _shared(tool, offered):
        return True
    return bool(_words(tool.description) & asked - _shared(tool, offered))


def _shared(tool: Tool, offered: list[Tool]) -> set[str]:
    others = (f"{other.name} {other.description}" for other in offered if other is not tool)
    return _words(" ".join(others))


def _words(text: str) -> set[str]:
    """The telling words of a text, singular and in lower case; camelCase and snake_case fall apart."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).replace("_", " ")
    found = (word.lower() for word in re.findall(r"[^\W\d_]{3,}", spaced))
    return {word.rstrip("s") for word in found if word not in _COMMON}
