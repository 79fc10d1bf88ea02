"""Is an answer visibly not what was asked for? In words, without asking anybody. Pure.

Knows: what a request demands of the form of its answer. Must not know: models, prices, who is asked next.
Only what nobody could use counts: whether an answer is right, no look at it can tell. Where the caller's own words
may have bent it (a bound, stop sequences, a beginning to go on from) nothing is held against it.
"""

from typing import Any

import msgspec

from thermly.exchange import ChatRequest, Choice, Reasoning, Refusal, Reply, Text, ToolCall
from thermly.fitting import fits

REFUSED = "it refused to answer"
CUT = "its answer was cut short at its own limit"
EMPTY = "its answer was empty"
NO_CALL = "it called no tool, though one had to be called"
STRANGER = "it called a tool that was not offered"
NO_ARGUMENTS = "it called a tool with arguments that are no JSON object"
UNFIT = "it called a tool with arguments that do not fit its parameters"
NO_OBJECT = "its answer was no JSON object"
NO_JSON = "its answer was not valid JSON"
MISFIT = "its answer did not fit the JSON schema"

VENDORS_OWN = frozenset(("anthropic_tools", "gemini_tools", "image_output"))
"""Who needs these may get an answer that has no words here."""

_decode = msgspec.json.decode


def inadequate(request: ChatRequest, reply: Reply) -> str | None:
    """What is wrong, as a sentence about who answered; None where nothing visibly is. One good choice is enough."""
    if VENDORS_OWN & request.needs():
        return None
    faults = [_fault(request, choice) for choice in reply.choices]
    return faults[0] if faults and all(faults) else None


def _fault(request: ChatRequest, choice: Choice) -> str | None:
    if choice.reason == "content_filter" or any(isinstance(part, Refusal) for part in choice.parts):
        return REFUSED
    if choice.reason == "length":
        # Who sets a bound wants no more than that, and would get no more of anybody else.
        return CUT if request.max_output_tokens is None else None
    calls = [part for part in choice.parts if isinstance(part, ToolCall)]
    if calls:
        return _fault_of_calls(request, calls)
    if request.tools and request.tool_choice is not None and request.tool_choice.mode == "required":
        return NO_CALL
    return _fault_of_text(request, choice)


def _fault_of_calls(request: ChatRequest, calls: list[ToolCall]) -> str | None:
    offered = {tool.name: tool.parameters for tool in request.tools}
    if request.tool_choice is not None and request.tool_choice.names:
        offered = {name: offered.get(name) for name in request.tool_choice.names}
    if any(call.name not in offered for call in calls):
        return STRANGER
    return next((fault for call in calls if (fault := _fault_of_call(call, offered[call.name]))), None)


def _fault_of_call(call: ToolCall, parameters: dict[str, Any] | None) -> str | None:
    try:
        arguments = _decode(call.arguments) if call.arguments.strip() else {}  # some vendors write nothing for none
    except RecursionError:
        return None
    except (msgspec.DecodeError, UnicodeError):
        return NO_ARGUMENTS
    if not isinstance(arguments, dict):
        return NO_ARGUMENTS
    return None if parameters is None or fits(arguments, parameters) else UNFIT


def _fault_of_text(request: ChatRequest, choice: Choice) -> str | None:
    if request.stop or request.messages[-1].role == "assistant":
        return None
    said = [part for part in choice.parts if not isinstance(part, Reasoning)]
    text = "".join(part.text for part in said if isinstance(part, Text))
    if not text.strip():
        return None if any(not isinstance(part, Text) for part in said) else EMPTY
    form = request.response_format
    if form is None or form.kind == "text":
        return None
    try:
        value = _decode(text)
    except RecursionError:
        return None
    except (msgspec.DecodeError, UnicodeError):
        return NO_JSON
    if form.kind == "json_object":
        return None if isinstance(value, dict) else NO_OBJECT
    return None if fits(value, form.schema) else MISFIT
