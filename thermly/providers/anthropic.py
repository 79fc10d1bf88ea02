"""Anthropic's Messages API: replies and streams as events.

Knows: Anthropic's message, stream events and errors (its API reference, "Create a Message", "Streaming
messages", "Errors"). Must not know: dialects, money; requests are written in `anthropic_request`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from thermly.catalog import Target
from thermly.exchange import (
    ChatRequest,
    Done,
    Event,
    Extras,
    KeepAlive,
    Part,
    Reason,
    Reasoning,
    Text,
    ToolCall,
    Usage,
)
from thermly.providers.anthropic_request import WIRE, write_request
from thermly.providers.assembler import Assembler
from thermly.providers.failures import VendorError, cut, decode, failure, malformed
from thermly.providers.shapes import (
    BROKEN,
    JSON,
    facts_of,
    json_text,
    read_count,
    read_name,
    read_object,
    read_objects,
    read_text,
)
from thermly.providers.upstream import Client

VERSION = "2023-06-01"
# The words of a request that count; of the others the endpoint wants to hear nothing.
COUNTED = (
    *("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"),
    *("context_management", "mcp_servers"),
)
REASONS: dict[str, Reason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "model_context_window_exceeded": "length",
    "pause_turn": "stop",
}
# Of these the canonical reason tells enough; any other word travels in extras.
PLAIN_REASONS = ("end_turn", "stop_sequence", "max_tokens", "tool_use", "refusal")
# Words that have a place in the vocabulary, or name what is known already; the rest travels in extras.
NAMED = frozenset(("id", "type", "role", "model", "content", "stop_reason", "usage"))
NAMED_CALL = frozenset(("type", "id", "name", "input"))
NAMED_USAGE = frozenset(
    (
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
        "output_tokens_details",
    )
)


def answer(request: ChatRequest, target: Target, max_output_tokens: int, client: Client) -> Iterator[Event]:
    body = msgspec.json.encode(write_request(request, target, max_output_tokens))
    url = target.provider.base_url + "/v1/messages"
    headers = _headers(request, target)
    if not request.stream:
        yield from read_reply(client.json(url, headers, body, explain))
        return
    pairs = client.sse(url, headers, body, explain)
    try:
        yield from read_stream(pairs)
    finally:
        pairs.close()  # type: ignore[attr-defined]


def count_tokens(request: ChatRequest, target: Target, client: Client) -> int:
    """What the request's input comes to (its API reference, "Count tokens in a Message"); free of charge."""
    asked = write_request(request, target, target.model.max_output_tokens)
    body = msgspec.json.encode({name: asked[name] for name in COUNTED if name in asked})
    doc = client.json(
        target.provider.base_url + "/v1/messages/count_tokens", _headers(request, target), body, explain
    )
    try:
        return read_count(doc, "input_tokens")
    except BROKEN as error:
        raise malformed(error) from error


def _headers(request: ChatRequest, target: Target) -> list[str]:
    headers = ["Content-Type: application/json", "Expect:", "anthropic-version: " + VERSION]
    if target.provider.key:
        headers.append("x-api-key: " + target.provider.key)
    if betas := facts_of(request, WIRE).get("betas"):
        headers.append("anthropic-beta: " + ",".join(betas))
    return headers


def explain(doc: Any) -> VendorError:
    error = doc["error"]
    message, kind = str(error.get("message") or ""), str(error.get("type") or "")
    if "content filtering policy" in message:
        kind += " content_filter"  # the vendor has no type for it
    return VendorError(message, kind)


# ---- reply


def read_reply(doc: Any) -> Iterator[Event]:
    try:
        if doc.get("type") == "error":
            raise failure(502, explain(doc))
        asm, told = Assembler(), _Told(doc)
        events = asm.begin()
        for block in read_objects({"content": doc["content"]}, "content"):
            if part := read_block(block):
                events += asm.whole(part)
            elif block.get("type") not in _READ_BLOCK:
                told.blocks.append(block)
        events += asm.end(told.reason(), None, told.extras())
        events.append(Done(read_usage(told.usage), told.usage_extras()))
    except BROKEN as error:
        raise malformed(error) from error
    yield from events


def read_block(block: JSON) -> Part | None:
    """The part that a finished block is; None for blocks without a word here, and for empty text."""
    read = _READ_BLOCK.get(read_name(block, "type"))
    return read(block) if read else None


def _text(block: JSON) -> Part | None:
    return Text(text, _marks(block)) if (text := read_text(block, "text")) else None


def _thinking(block: JSON) -> Part:
    return Reasoning(read_text(block, "thinking"), _marks(block))


def _marks(block: JSON) -> Extras:
    """What a block of text or thought carries beside it."""
    signature, citations = read_text(block, "signature"), read_objects(block, "citations")
    marks: JSON = {"signature": signature} if signature else {}
    if citations:
        marks["citations"] = citations
    return {WIRE: marks} if marks else None


def _redacted(block: JSON) -> Part:
    return Reasoning("", {WIRE: {"redacted": read_name(block, "data")}})


def _call(block: JSON) -> Part:
    arguments = json_text(read_object(block, "input"))
    return ToolCall(read_name(block, "id"), read_name(block, "name"), arguments, _call_extras(block))


def _call_extras(block: JSON) -> Extras:
    unnamed = {k: v for k, v in block.items() if k not in NAMED_CALL and v is not None}
    return {WIRE: unnamed} if unnamed else None


_READ_BLOCK: dict[str, Callable[[JSON], Part | None]] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _call,
}


def read_usage(usage: JSON) -> Usage | None:
    """Anthropic counts what it read from the cache and wrote to it apart; here both are parts of the input."""
    if usage.get("input_tokens") is None:
        return None
    cached, written = read_count(usage, "cache_read_input_tokens"), read_count(usage, "cache_creation_input_tokens")
    long = min(written, read_count(read_object(usage, "cache_creation"), "ephemeral_1h_input_tokens"))
    return Usage(
        input_tokens=read_count(usage, "input_tokens") + cached + written,
        cached_input_tokens=cached,
        cache_write_tokens=written - long,
        cache_write_1h_tokens=long,
        output_tokens=read_count(usage, "output_tokens"),
        reasoning_tokens=read_count(read_object(usage, "output_tokens_details"), "thinking_tokens"),
    )


class _Told:
    """What the vendor tells of a message as a whole: at once, or in pieces that a later one adds to."""

    def __init__(self, message: JSON) -> None:
        self.usage: JSON = {}
        self.blocks: list[JSON] = []
        self._facts: JSON = {}
        self._stop_reason = ""
        self.add(message)

    def add(self, message: JSON) -> None:
        self._stop_reason = read_text(message, "stop_reason") or self._stop_reason
        self.usage |= {k: v for k, v in read_object(message, "usage").items() if v is not None}
        self._facts |= {k: v for k, v in message.items() if k not in NAMED and v is not None}

    def reason(self) -> Reason:
        return REASONS.get(self._stop_reason, "stop")

    def extras(self) -> Extras:
        facts = dict(self._facts)
        if self._stop_reason and self._stop_reason not in PLAIN_REASONS:
            facts["stop_reason"] = self._stop_reason
        if self.blocks:
            facts["content"] = self.blocks
        return {WIRE: facts} if facts else None

    def usage_extras(self) -> Extras:
        unnamed = {k: v for k, v in self.usage.items() if k not in NAMED_USAGE}
        return {WIRE: {"usage": unnamed}} if unnamed else None


# ---- stream


def read_stream(pairs: Iterator[tuple[bytes, bytes] | None]) -> Iterator[Event]:
    stream = _Stream()
    try:
        for pair in pairs:
            if pair is None:
                yield KeepAlive()
                continue
            yield from stream.read(decode(pair[1]))
            if stream.complete:
                break
        else:
            raise cut()
        assert stream.told is not None
        yield Done(read_usage(stream.told.usage), stream.told.usage_extras())
    except BROKEN as error:
        raise malformed(error) from error


class _Stream:
    """The state of one stream: the message so far and its open block."""

    def __init__(self) -> None:
        self.complete = False
        self.told: _Told | None = None
        self._asm = Assembler()
        self._block: JSON | None = None
        self._key: Any = None
        self._fragments: list[str] = []

    def read(self, doc: Any) -> list[Event]:
        """Events that the vendor adds later are passed over, as its versioning policy asks."""
        kind = read_name(doc, "type")
        if kind == "error":
            raise failure(502, explain(doc))
        if kind == "message_start":
            return self._start(doc)
        read = _READ_EVENT.get(kind)
        if read is None:
            return []
        if self.told is None:
            raise ValueError(f"{kind} before message_start")
        return read(self, self.told, doc)

    def _start(self, doc: JSON) -> list[Event]:
        if self.told is not None:
            raise ValueError("a second message_start")
        self.told = _Told(doc["message"])
        written = {"output_tokens": 0, "output_tokens_details": None}  # a few are counted before any is sent
        return self._asm.begin(read_usage({**self.told.usage, **written}))

    def _open(self, told: _Told, doc: JSON) -> list[Event]:
        out = self._close(told, doc)
        self._block, self._key = dict(doc["content_block"]), doc.get("index", 0)
        kind = read_name(self._block, "type")
        if kind == "text":
            out += self._say(read_text(self._block, "text"), Text)
        elif kind == "thinking":
            out += self._say(read_text(self._block, "thinking"), Reasoning)
        elif kind == "tool_use":
            name, call_id = read_name(self._block, "name"), read_name(self._block, "id")
            out += self._asm.tool(self._key, call_id, name, "", _call_extras(self._block))
        return out

    def _delta(self, told: _Told, doc: JSON) -> list[Event]:
        block, delta = self._block, doc["delta"]
        if block is None:
            raise ValueError("a delta outside of a block")
        kind = read_name(delta, "type")
        if kind == "text_delta":
            return self._say(read_text(delta, "text"), Text)
        if kind == "thinking_delta":
            return self._say(read_text(delta, "thinking"), Reasoning)
        if kind == "signature_delta":
            block["signature"] = read_text(block, "signature") + read_text(delta, "signature")
        elif kind == "citations_delta":
            block["citations"] = [*read_objects(block, "citations"), read_object(delta, "citation")]
        elif kind == "input_json_delta" and (fragment := read_text(delta, "partial_json")):
            self._fragments.append(fragment)
            if block["type"] == "tool_use":
                return self._asm.tool(self._key, fragment=fragment)
        return []

    def _say(self, text: str, kind: type[Text] | type[Reasoning]) -> list[Event]:
        if not text:
            return []
        self._fragments.append(text)
        return self._asm.text(text, kind)

    def _close(self, told: _Told, _doc: JSON) -> list[Event]:
        block, fragments = self._block, self._fragments
        self._block, self._fragments = None, []
        if block is None:
            return []
        kind, out = block["type"], []
        if kind not in _READ_BLOCK:
            told.blocks.append({**block, "input": decode("".join(fragments).encode())} if fragments else block)
        elif kind == "tool_use":
            if not fragments:
                out = self._asm.tool(self._key, fragment=json_text(read_object(block, "input")))
        elif not fragments:
            part = read_block(block)
            return self._asm.whole(part) if part else []
        elif marks := _marks(block):
            self._asm.annotate(WIRE, **marks[WIRE])
        return out + self._asm.close_part()

    def _tell(self, told: _Told, doc: JSON) -> list[Event]:
        told.add({**{k: v for k, v in doc.items() if k != "delta"}, **read_object(doc, "delta")})
        return []

    def _end(self, told: _Told, doc: JSON) -> list[Event]:
        out = self._close(told, doc)
        self.complete = True
        return out + self._asm.end(told.reason(), None, told.extras())


_READ_EVENT: dict[str, Callable[[_Stream, _Told, JSON], list[Event]]] = {
    "content_block_start": _Stream._open,
    "content_block_delta": _Stream._delta,
    "content_block_stop": _Stream._close,
    "message_delta": _Stream._tell,
    "message_stop": _Stream._end,
}
