"""Anthropic's Messages as clients speak it: replies, streams, counts and errors.

Knows: the wire's answers (Anthropic's API reference, "Create a Message", "Streaming messages", "Errors"). Must not
know: providers, prices, Flask. The wire has one choice per reply and an object as a call's input; a picture is
shown in Markdown, since its assistants have none.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from thermly.dialects import Label
from thermly.dialects.anthropic_signatures import WIRE, is_signed, pack
from thermly.errors import GatewayError
from thermly.exchange import (
    Begin,
    ChatRequest,
    Choice,
    Done,
    End,
    Event,
    Extras,
    KeepAlive,
    Media,
    Part,
    PartBegin,
    PartDelta,
    PartEnd,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    Usage,
)

JSON = dict[str, Any]
REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
# Kind of refusal -> Anthropic's `type`.
ERROR_TYPES = {
    "invalid_request": "invalid_request_error",
    "unsupported_content": "invalid_request_error",
    "content_refused": "invalid_request_error",
    "too_large": "request_too_large",
    "method_not_allowed": "invalid_request_error",
    "unauthenticated": "authentication_error",
    "insufficient_funds": "billing_error",
    "permission_denied": "permission_error",
    "not_found": "not_found_error",
    "unknown_model": "not_found_error",
    "rate_limited": "rate_limit_error",
    "internal": "api_error",
    "upstream_failed": "api_error",
    "unavailable": "overloaded_error",
    "shutting_down": "overloaded_error",
}
# What the exchange calls a field -> what this wire calls it. Reading a request refuses none by these names.
FIELDS = {"web_search_options": "tools", "response_format": "output_config.format", "stop": "stop_sequences"}
# The vendor's own client goes on without a thread where it is refused one in these words, and breaks where not.
NO_THREADS = "thread_unsupported_request"
# What the vendor tells in a stream beside `delta`, not in it.
BESIDE_DELTA = ("context_management",)
_EMPTY_TEXT: JSON = {"type": "text", "text": ""}
_EMPTY_THINKING: JSON = {"type": "thinking", "thinking": "", "signature": ""}
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_encode = msgspec.json.encode


def write_reply(reply: Reply, request: ChatRequest, label: Label) -> bytes:
    choice = reply.choices[0] if reply.choices else Choice((), "stop")
    finish = _Finish(End(choice.reason, extras=choice.extras), choice.parts)
    blocks = [block for part in choice.parts for block in write_blocks(part)]
    return _encode(
        {
            **_head(label),
            "content": [*blocks, *finish.blocks],
            **finish.facts,
            "usage": write_usage(reply.usage, reply.extras),
        }
    )


def write_count(total_tokens: int) -> bytes:
    return _encode({"input_tokens": total_tokens})


def _head(label: Label) -> JSON:
    return {"id": label.id, "type": "message", "role": "assistant", "model": label.model}


class _Finish:
    """What a message's end says of it: why, the vendor's own facts, and blocks that came apart from the others."""

    def __init__(self, end: End, parts: Iterable[Part]) -> None:
        told = dict(_facts(end.extras))
        self.blocks: list[JSON] = told.pop("content", [])
        reason, sequence = told.pop("stop_reason", None), told.pop("stop_sequence", None)
        if reason is None:
            reason = REASONS[end.reason]
            if end.reason == "stop" and sequence is not None:
                reason = "stop_sequence"
            elif end.reason == "stop" and any(isinstance(part, Refusal) for part in parts):
                reason = "refusal"
        self.facts: JSON = {"stop_reason": reason, "stop_sequence": sequence, **told}


def _facts(extras: Extras) -> JSON:
    return (extras or {}).get(WIRE, {})


def write_usage(usage: Usage | None, extras: Extras = None) -> JSON:
    """The wire counts what was read from the cache and written to it apart from the input."""
    usage = usage or Usage()
    short, long = usage.cache_write_tokens, usage.cache_write_1h_tokens
    told: JSON = {
        "input_tokens": usage.input_tokens - usage.cached_input_tokens - short - long,
        "cache_creation_input_tokens": short + long,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        told["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return {**told, **_facts(extras).get("usage", {})}


# ---- blocks


def write_blocks(part: Part) -> Iterator[JSON]:
    """One block, or none for what says nothing; two for a call that its maker has signed."""
    if isinstance(part, Reasoning):
        if block := _thinking(part):
            yield block
    elif isinstance(part, ToolCall):
        if is_signed(part.extras):
            yield {**_EMPTY_THINKING, "signature": pack(part.extras, call=True)}
        yield {**_call(part), "input": _input(part.arguments)}
    elif text := _text(part):
        yield {"type": "text", "text": text, **_facts(part.extras)}


def _text(part: Part) -> str:
    if isinstance(part, Media):
        return f"![{part.kind}]({part.url or f'data:{part.media_type};base64,{part.data}'})"
    return part.text if isinstance(part, Text | Refusal) else ""


def _thinking(part: Reasoning) -> JSON | None:
    """None for empty thoughts that nobody wants back."""
    facts = _facts(part.extras)
    if "block" in facts:
        block: JSON = facts["block"]
        return block
    if "redacted" in facts:
        return {"type": "redacted_thinking", "data": facts["redacted"]}
    if not (part.text or "signature" in facts or is_signed(part.extras)):
        return None
    signature = facts.get("signature") or pack(part.extras)
    return {"type": "thinking", "thinking": part.text, "signature": signature}


def _call(call: ToolCall) -> JSON:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": {}, **_facts(call.extras)}


def _input(arguments: str) -> JSON:
    """The wire insists on an object; what is none loses nothing as `arguments`, as on the way to providers."""
    if not arguments.strip():
        return {}
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return {"arguments": arguments}
    return value if isinstance(value, dict) else {"arguments": value}


# ---- streams


def write_events(events: Iterable[Event], request: ChatRequest, label: Callable[[], Label]) -> Iterator[bytes]:
    """Server-sent events; silence is a `ping`. What arrived together leaves together."""
    writer: _Events | None = None
    waiting: list[bytes] = []
    try:
        for event in events:
            if isinstance(event, KeepAlive):
                yield b"".join(waiting) or PING
                waiting.clear()
                continue
            if writer is None:
                writer = _Events(label())
            waiting.append(writer.write(event))
    except Exception:
        yield b"".join(waiting)
        raise
    yield b"".join(waiting)


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), _encode({"type": kind, **fields}))


# The same bytes for every delta but its index and its text: this is the hot path of a stream.
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":'
TEXT_DELTA = _DELTA + b'{"type":"text_delta","text":%b}}\n\n'
THINKING_DELTA = _DELTA + b'{"type":"thinking_delta","thinking":%b}}\n\n'
INPUT_DELTA = _DELTA + b'{"type":"input_json_delta","partial_json":%b}}\n\n'


class _Events:
    """One stream being written. A block of text begins with its first word, since an empty one is refused when
    it comes back."""

    def __init__(self, label: Label) -> None:
        self._label = label
        self._index, self._is_open = -1, False
        self._part: Part = Text("")
        self._held: str | None = None
        self._refusals: list[Part] = []
        self._end = End("stop")

    def write(self, event: Event) -> bytes:
        if isinstance(event, PartDelta):
            return self._delta(event.text) if event.text else b""
        if isinstance(event, PartBegin):
            return self._part_begin(event.part)
        if isinstance(event, PartEnd):
            return self._part_end(event.part)
        if isinstance(event, Begin):
            return self._begin(event)
        if isinstance(event, End):
            self._end = event
        return self._done(event) if isinstance(event, Done) else b""

    def _begin(self, begin: Begin) -> bytes:
        message = {
            **_head(self._label),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(begin.usage),
        }
        return _event("message_start", message=message)

    def _part_begin(self, part: Part) -> bytes:
        self._part, self._held = part, ""
        if not isinstance(part, ToolCall):
            return b""
        before = self._signed(pack(part.extras, call=True)) if is_signed(part.extras) else b""
        return before + self._open(_call(part))

    def _delta(self, text: str) -> bytes:
        if isinstance(self._part, ToolCall):
            return self._input_delta(text)
        if isinstance(self._part, Reasoning):
            return self._open(_EMPTY_THINKING) + THINKING_DELTA % (self._index, _encode(text))
        return self._open(_EMPTY_TEXT) + TEXT_DELTA % (self._index, _encode(text))

    def _input_delta(self, text: str) -> bytes:
        """Arguments are held back as long as they may turn out to be no object."""
        if self._held is not None:
            self._held = text = self._held + text
            if not text.lstrip().startswith("{"):
                return b""
            self._held = None
        return INPUT_DELTA % (self._index, _encode(text))

    def _part_end(self, part: Part) -> bytes:
        if isinstance(part, ToolCall):
            held = _encode(_input(self._held)).decode() if self._held and self._held.strip() else ""
            return (INPUT_DELTA % (self._index, _encode(held)) if held else b"") + self._close()
        if isinstance(part, Reasoning):
            block = _thinking(part)
            if block is None or block["type"] != "thinking":
                return self._close() + (self._whole(block) if block else b"")
            return self._signed(block["signature"])
        if isinstance(part, Media):
            return self._delta(_text(part)) + self._close()
        if isinstance(part, Refusal):
            self._refusals.append(part)
        citations = _facts(part.extras).get("citations", ()) if self._is_open else ()
        return b"".join(self._say(type="citations_delta", citation=row) for row in citations) + self._close()

    def _done(self, done: Done) -> bytes:
        """The end waits for the last event, which tells the usage."""
        finish = _Finish(self._end, self._refusals)
        out = b"".join(map(self._whole, finish.blocks))
        beside = {name: finish.facts.pop(name) for name in BESIDE_DELTA if name in finish.facts}
        usage = write_usage(done.usage, done.extras)
        out += _event("message_delta", delta=finish.facts, usage=usage, **beside)
        return out + _event("message_stop")

    def _signed(self, signature: str) -> bytes:
        out = self._open(_EMPTY_THINKING)
        return out + self._say(type="signature_delta", signature=signature) + self._close()

    def _whole(self, block: JSON) -> bytes:
        """Clients take a call's input from deltas alone."""
        if not block.get("input"):
            return self._open(block) + self._close()
        text = _encode(_encode(block["input"]).decode())
        return self._open({**block, "input": {}}) + INPUT_DELTA % (self._index, text) + self._close()

    def _open(self, block: JSON) -> bytes:
        if self._is_open:
            return b""
        self._is_open = True
        self._index += 1
        return _event("content_block_start", index=self._index, content_block=block)

    def _say(self, **delta: Any) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)

    def _close(self) -> bytes:
        if not self._is_open:
            return b""
        self._is_open = False
        return _event("content_block_stop", index=self._index)


# ---- errors


def write_error(error: GatewayError) -> bytes:
    """The wire has no field for the offending parameter, so the message begins with it, as Anthropic's do."""
    message, param = error.message, FIELDS.get(error.param or "", error.param)
    if param and param not in message:
        message = f"{param}: {message}"
    doc: JSON = {"type": "error", "error": {"type": ERROR_TYPES[error.kind], "message": message}}
    if error.code == NO_THREADS:
        doc["error"]["details"] = {"error_code": NO_THREADS}
    if error.request_id:
        doc["request_id"] = "req_" + error.request_id
    return _encode(doc)


def write_error_event(error: GatewayError) -> bytes:
    return b"event: error\ndata: " + write_error(error) + b"\n\n"
