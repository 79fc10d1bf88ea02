"""Anthropic's messages, block by block, as the exchange's.

Knows: the wire's blocks, and which call a result answers. Must not know: providers, prices, Flask.
What a block carries beside its content goes along in the part's extras, by the words of its wire. A block that
only Anthropic has is there as a whole, as `block`: in a text, of what others can read of it, or in empty thoughts,
which others pass over.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import msgspec

from thermly import sources
from thermly.dialects import Bounds
from thermly.dialects import anthropic_types as t
from thermly.dialects.anthropic_signatures import WIRE, unpack
from thermly.errors import InvalidRequest
from thermly.exchange import Extras, Media, Message, Part, Reasoning, Text, ToolCall, ToolResult

JSON = dict[str, Any]
# The one role that may hold such a block.
ONLY_IN = {
    "tool_use": "assistant",
    "thinking": "assistant",
    "redacted_thinking": "assistant",
    "tool_result": "user",
}
# Blocks of callers that say something to Anthropic's API, and nothing to a model. Assistants may have any other,
# since the API itself wrote them.
FOR_THE_API = frozenset(("tool_addition", "tool_removal", "mcp_tool_listing", "compaction", "fallback"))


def read_system(system: str | list[JSON]) -> tuple[Message, ...]:
    """No message at all for an empty text, which some clients send."""
    if isinstance(system, str):
        return (Message("system", (Text(system),)),) if system else ()
    parts = []
    for i, raw in enumerate(system):
        where = f"system[{i}]"
        if raw.get("type") != "text":
            raise InvalidRequest(f"A system prompt has blocks of text only, at '{where}'.", param=f"{where}.type")
        parts.append(_text(raw, where))
    return (Message("system", tuple(parts)),) if parts else ()


class Messages:
    """Reads the messages in order, since a result must answer a call made before it."""

    def __init__(self, messages: list[t.Message], bounds: Bounds) -> None:
        self._messages, self._bounds = messages, bounds
        self._names: dict[str, str] = {}
        self._signed: Extras = None

    def read(self) -> tuple[Message, ...]:
        most = self._bounds.max_messages
        if most is not None and len(self._messages) > most:
            raise InvalidRequest(f"At most {most} messages are allowed.", param="messages")
        return tuple(m for i, body in enumerate(self._messages) for m in self._message(i, body))

    def _message(self, i: int, body: t.Message) -> Iterator[Message]:
        """The results of tools as a message of their own, before what else is said."""
        where, most = f"messages[{i}].content", self._bounds.max_message_chars
        parts = [Text(body.content)] if isinstance(body.content, str) else self._parts(body.content, body, where)
        if most is not None and sum(map(_length, parts)) > most:
            raise InvalidRequest(f"A message may have at most {most} characters.", param=where)
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        said = tuple(part for part in parts if not isinstance(part, ToolResult))
        if results:
            yield Message("tool", results)
        if said or not results:
            yield Message(body.role, said)

    def _parts(self, blocks: list[JSON], body: t.Message, where: str) -> list[Part]:
        if not blocks:
            raise InvalidRequest(f"content must not be an empty list, at '{where}'.", param=where)
        self._signed = None
        found = (self._part(raw, body.role, f"{where}[{j}]") for j, raw in enumerate(blocks))
        return [part for part in found if part is not None]

    def _part(self, raw: JSON, role: str, where: str) -> Part | None:
        """None for what only tells the signature of the call that follows."""
        kind = raw.get("type")
        if not isinstance(kind, str) or not kind:
            raise InvalidRequest(f"A block needs a type, at '{where}'.", param=f"{where}.type")
        if ONLY_IN.get(kind, role) != role:
            raise InvalidRequest(
                f"A block of the type '{kind}' belongs in a message of the role '{ONLY_IN[kind]}', at '{where}'.",
                param=f"{where}.type",
            )
        if kind == "tool_use":
            return self._call(raw, where)
        if kind == "tool_result":
            return self._result(raw, where)
        if kind == "thinking":
            return self._thinking(raw, where)
        if kind in READ:
            return READ[kind](raw, where)
        if role == "assistant" or kind in FOR_THE_API:
            check_whole(raw, where)
            return Reasoning("", {WIRE: {"block": raw}})
        path = f"{where}.type"
        raise InvalidRequest(f"There are no blocks of the type '{kind[:100]}', at '{path}'.", param=path)

    def _thinking(self, raw: JSON, where: str) -> Part | None:
        block = t.convert(raw, t.Thinking, where)
        extras, of_call = unpack(block.signature, f"{where}.signature")
        if of_call:
            self._signed = extras
            return None
        return Reasoning(block.thinking, extras)

    def _call(self, raw: JSON, where: str) -> Part:
        block = t.convert(raw, t.ToolUse, where)
        self._names[block.id] = block.name
        extras = {**(self._signed or {}), **(_extras(_rest(raw, "id", "name", "input")) or {})}
        self._signed = None
        return ToolCall(block.id, block.name, _json(block.input), extras or None)

    def _result(self, raw: JSON, where: str) -> Part:
        block = t.convert(raw, t.ToolResult, where)
        name = self._names.get(block.tool_use_id)
        if name is None:
            path = f"{where}.tool_use_id"
            raise InvalidRequest(
                f"No tool_use with the id '{block.tool_use_id[:100]}' comes before its result, at '{path}'.",
                param=path,
            )
        inner: tuple[Text | Media, ...] = ()
        if isinstance(block.content, str):
            inner = (Text(block.content),)
        elif block.content:
            inner = tuple(read_inner(row, f"{where}.content[{i}]") for i, row in enumerate(block.content))
        extras = _extras(_rest(raw, "tool_use_id", "content", "is_error"))
        return ToolResult(block.tool_use_id, inner or (Text(""),), name, bool(block.is_error), extras)


def _length(part: Part) -> int:
    if isinstance(part, ToolResult):
        return sum(map(_length, part.parts))
    return len(part.text) if isinstance(part, Text) else 0


# ---- blocks that go along as they are


def check_whole(raw: JSON, where: str) -> None:
    """Nothing in it may name a stored file, or bring a tool along that nobody has looked at."""
    tool = raw.get("tool")
    if isinstance(tool, dict) and "definition" in tool:
        path = f"{where}.tool.definition"
        raise InvalidRequest(f"Tools are defined in tools alone, at '{path}'.", param=path)
    if (found := _stored(raw)) is not None:
        path = (where + found)[:200]
        raise InvalidRequest(f"There are no stored files here, at '{path}'.", param=path)


def _stored(value: Any) -> str | None:
    """The path to where a file is named by its id. What a tool was called with is the model's own words."""
    if isinstance(value, dict):
        if value.get("file_id") is not None:
            return ".file_id"
        steps: Iterable[tuple[Any, Any]] = ((f".{name}", item) for name, item in value.items() if name != "input")
    elif isinstance(value, list):
        steps = ((f"[{i}]", item) for i, item in enumerate(value))
    else:
        return None
    for step, item in steps:
        if isinstance(item, dict | list) and (path := _stored(item)) is not None:
            return f"{step}{path}"
    return None


# ---- blocks that stand alone


def read_inner(raw: JSON, where: str) -> Text | Media:
    """A block in a tool's result. What is new to us is the tool's own answer, so others read it as it is."""
    reader = READ.get(str(raw.get("type")))
    part = reader(raw, where) if reader else None
    if isinstance(part, Text | Media):
        return part
    check_whole(raw, where)
    return Text(_json(raw), {WIRE: {"block": raw}})


def _text(raw: JSON, where: str) -> Text:
    return Text(t.convert(raw, t.Text, where).text, _extras(_rest(raw, "text")))


def _redacted(raw: JSON, where: str) -> Part:
    return Reasoning("", {WIRE: {"redacted": t.convert(raw, t.Redacted, where).data}})


def _image(raw: JSON, where: str) -> Part:
    source = t.convert(raw, t.Image, where).source
    return _media("image", source, None, _extras(_rest(raw, "source")), f"{where}.source")


def _document(raw: JSON, where: str) -> Part:
    block = t.convert(raw, t.Document, where)
    source = block.source
    if isinstance(source, t.Plain | t.Content):
        text = source.data if isinstance(source, t.Plain) else _plain(source.content)
        return _shown(raw, where, block.title, block.context, text)
    return _media("file", source, block.title, _extras(_rest(raw, "source", "title")), f"{where}.source")


def _search_result(raw: JSON, where: str) -> Part:
    block = t.convert(raw, t.SearchResult, where)
    return _shown(raw, where, block.title, block.source, "\n".join(row.text for row in block.content))


def _reference(raw: JSON, where: str) -> Part:
    return _shown(raw, where, t.convert(raw, t.ToolReference, where).tool_name)


READ: dict[str, Callable[[JSON, str], Part]] = {
    "text": _text,
    "redacted_thinking": _redacted,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_reference": _reference,
}


def _shown(raw: JSON, where: str, *texts: str | None) -> Text:
    check_whole(raw, where)
    return Text("\n\n".join(text for text in texts if text), {WIRE: {"block": raw}})


def _plain(content: str | list[JSON]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(row["text"] for row in content if isinstance(row.get("text"), str))


def _media(
    kind: Literal["image", "file"],
    source: t.Base64 | t.Url | t.Stored,
    name: str | None,
    extras: Extras,
    where: str,
) -> Media:
    if isinstance(source, t.Stored):
        raise InvalidRequest(f"There are no stored files here, at '{where}'.", param=f"{where}.file_id")
    if isinstance(source, t.Url):
        sources.check_address(source.url, f"{where}.url")
        return Media(kind, "application/pdf" if kind == "file" else None, None, source.url, name or None, extras)
    try:
        if not base64.b64decode(source.data, validate=True):
            raise InvalidRequest(f"The base64 data is empty at '{where}.data'.", param=f"{where}.data")
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"The data is not valid base64 at '{where}.data'.", param=f"{where}.data") from None
    mime = source.media_type
    if kind == "image":
        mime = sources.image_type(mime, f"{where}.media_type")
    return Media(kind, mime, source.data, None, name or None, extras)


def _rest(raw: JSON, *named: str) -> JSON:
    return {key: value for key, value in raw.items() if key != "type" and key not in named and value is not None}


def _extras(facts: JSON) -> Extras:
    return {WIRE: facts} if facts else None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
