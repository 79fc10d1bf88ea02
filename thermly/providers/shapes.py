"""What the adapters of foreign wires share: typed reading of JSON that nobody here wrote, and refusals by name.

Knows: JSON values and the canonical request. Must not know: any vendor's fields, sockets.
The `read_*` functions raise ValueError or TypeError on a value of the wrong type, which callers turn into
`malformed`: msgspec does not check the types of a Struct that is built by hand.
"""

from typing import Any

import msgspec

from thermly.errors import UnsupportedContent
from thermly.exchange import ChatRequest, Message, Part, Refusal, Text, Tool, ToolCall

JSON = dict[str, Any]
BROKEN = (KeyError, TypeError, AttributeError, ValueError, IndexError)


def read_text(doc: JSON, key: str) -> str:
    """A string; "" where it is missing or null."""
    value = doc.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{key} is no string")
    return value


def read_name(doc: JSON, key: str) -> str:
    """A string that must not be empty."""
    if not (value := read_text(doc, key)):
        raise ValueError(f"{key} is missing")
    return value


def read_count(doc: JSON, key: str) -> int:
    """A whole number from 0 on, of a size that tokens can have; 0 where it is missing or null."""
    value = doc.get(key)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**40:
        raise ValueError(f"{key} is no count")
    return value


def read_object(doc: JSON, key: str) -> JSON:
    """An object; {} where it is missing or null."""
    value = doc.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"{key} is no object")
    return value


def read_objects(doc: JSON, key: str) -> list[JSON]:
    """A list of objects; [] where it is missing or null."""
    value = doc.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError(f"{key} is no list of objects")
    return value


def facts_of(thing: ChatRequest | Message | Part | Tool, wire: str) -> JSON:
    """What the vendor whose wire this is has said of the thing, or wants to be told of it."""
    return (thing.extras or {}).get(wire, {})


def arguments_of(call: ToolCall) -> JSON:
    """A call's arguments as the object that both vendors insist on, losing nothing of what was said."""
    if not call.arguments.strip():
        return {}
    try:
        value = msgspec.json.decode(call.arguments)
    except (msgspec.DecodeError, RecursionError):
        return {"arguments": call.arguments}
    return value if isinstance(value, dict) else {"arguments": value}


def json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def plain_text(parts: tuple[Part, ...]) -> str:
    return "".join(p.text for p in parts if isinstance(p, Text | Refusal))


def refuse(request: ChatRequest, target_can: frozenset[str]) -> None:
    """Routing keeps these away from models that cannot do them; here nothing may be dropped in silence."""
    asked = (
        ("n", "n", request.n > 1, "more than one choice"),
        ("logprobs", "logprobs", request.logprobs, "log probabilities"),
        ("audio_output", "modalities", request.audio is not None, "audio output"),
        ("web_search", "web_search_options", request.web_search is not None, "web search"),
        ("forced_tools", "tool_choice", forces_tools(request), "a forced tool call"),
    )
    for word, param, wanted, name in asked:
        if wanted and word not in target_can:
            raise unsupported(f"This model does not support {name}.", param)


def forces_tools(request: ChatRequest) -> bool:
    return bool(request.tools and request.tool_choice and request.tool_choice.mode == "required")


def unsupported(message: str, param: str = "messages") -> UnsupportedContent:
    return UnsupportedContent(message, param=param)
