"""The shapes of Anthropic's replies: the whole message and its events, in the order the vendor sends them.

Knows nothing of requests beyond what an Envelope carries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from thermly.sandbox.anthropic_checks import signature
from thermly.sandbox.values import JSON, Reply, fragments, pieces
from thermly.sandbox.wire import Frame, new_id, parsed, sse

_STOP = {
    "stop": "end_turn", "sequence": "stop_sequence", "length": "max_tokens", "calls": "tool_use",
    "refused": "refusal",
}  # fmt: skip
_REFUSAL = {"type": "refusal", "category": None, "explanation": None}


@dataclass(frozen=True, slots=True)
class Envelope:
    id: str
    model: str
    reports_usage: bool
    omits_thinking: bool
    chunks: int | None


def whole(envelope: Envelope, reply: Reply) -> JSON:
    content: list[JSON] = []
    if reply.reasoning:
        shown = _shown(envelope, reply)
        content.append({"type": "thinking", "thinking": shown, "signature": signature(shown)})
    if reply.text:
        content.append({"type": "text", "text": reply.text, "citations": None})
    for call in reply.calls:
        content.append(
            {"type": "tool_use", "id": new_id("toolu_"), "name": call.name, "input": parsed(call.arguments)}
        )
    message = {**_message(envelope), "content": content, **_stop(reply)}
    return message | ({"usage": _usage(reply, reply.usage.output)} if envelope.reports_usage else {})


def _shown(envelope: Envelope, reply: Reply) -> str:
    return "" if envelope.omits_thinking else reply.reasoning


def _message(envelope: Envelope) -> JSON:
    return {"id": envelope.id, "type": "message", "role": "assistant", "model": envelope.model}


def _stop(reply: Reply) -> JSON:
    return {
        "stop_reason": _STOP[reply.finish],
        "stop_sequence": reply.stop_sequence,
        "stop_details": _REFUSAL if reply.finish == "refused" else None,
    }


def frames(envelope: Envelope, reply: Reply) -> Iterator[Frame]:
    start = {**_message(envelope), "content": [], "stop_reason": None, "stop_sequence": None}
    if envelope.reports_usage:
        start["usage"] = _usage(reply, 1)
    yield _event("message_start", message=start)
    yield _event("ping")
    for index, (block, deltas) in enumerate(_blocks(envelope, reply)):
        yield _event("content_block_start", index=index, content_block=block)
        for delta in deltas:
            content = delta["type"] != "signature_delta"
            yield _event("content_block_delta", content, index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    usage = {"usage": _totals(reply, reply.usage.output)} if envelope.reports_usage else {}
    yield _event("message_delta", delta=_stop(reply), **usage)
    yield _event("message_stop")


def _event(kind: str, content: bool = False, /, **fields: object) -> Frame:
    return Frame(sse({"type": kind, **fields}, kind), content)


def _blocks(envelope: Envelope, reply: Reply) -> Iterator[tuple[JSON, list[JSON]]]:
    """Each content block as it starts, and the deltas that fill it."""
    if reply.reasoning:
        shown = _shown(envelope, reply)
        deltas: list[JSON] = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(shown)]
        deltas.append({"type": "signature_delta", "signature": signature(shown)})
        yield {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if reply.text:
        texts = pieces(reply.text, envelope.chunks)
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in texts]
    for call in reply.calls:
        parts = ["", *fragments(call.arguments)]
        block = {"type": "tool_use", "id": new_id("toolu_"), "name": call.name, "input": {}}
        yield block, [{"type": "input_json_delta", "partial_json": part} for part in parts]


def _usage(reply: Reply, output: int) -> JSON:
    written = reply.usage.cache_write
    split = {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0}
    return {**_totals(reply, output), "cache_creation": split, "service_tier": "standard"}


def _totals(reply: Reply, output: int) -> JSON:
    usage = reply.usage
    return {
        "input_tokens": usage.prompt - usage.cached - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": output,
    }
