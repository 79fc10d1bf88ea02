"""The shapes of OpenAI's replies: the whole completion and its chunks.

Knows nothing of requests beyond what an Envelope carries.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from thermly.sandbox.openai_checks import is_own
from thermly.sandbox.values import JSON, Ask, Call, Reply, fragments, pieces
from thermly.sandbox.wire import Frame, new_id, sse

_FINISH = {
    "stop": "stop", "sequence": "stop", "length": "length", "calls": "tool_calls", "refused": "content_filter",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Envelope:
    id: str
    created: int
    model: str
    tier: str | None
    top_logprobs: int | None  # None: no logprobs were asked for
    shows_reasoning: bool
    reports_usage: bool
    stream_usage: bool
    legacy: bool  # the request spoke of functions, not tools
    chunks: int | None
    interleave: bool

    @classmethod
    def of(cls, body: JSON, ask: Ask, shows_reasoning: bool) -> Envelope:
        tier = body.get("service_tier")
        return cls(
            id=new_id("chatcmpl-"),
            created=int(time.time()),
            model=ask.model,
            tier="default" if tier == "auto" else tier,
            top_logprobs=(body.get("top_logprobs") or 0) if body.get("logprobs") else None,
            shows_reasoning=shows_reasoning,
            reports_usage=not ask.orders.no_usage,
            stream_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            legacy=bool(body.get("functions")),
            chunks=ask.orders.chunks,
            interleave=ask.orders.interleave,
        )

    def head(self, kind: str) -> JSON:
        head: JSON = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        if self.tier:
            head["service_tier"] = self.tier
        return {**head, "system_fingerprint": "fp_thermlysandbox"}


def whole(envelope: Envelope, replies: list[Reply]) -> JSON:
    choices = [_choice(envelope, reply, index) for index, reply in enumerate(replies)]
    body = {**envelope.head("chat.completion"), "choices": choices}
    if envelope.reports_usage:
        body["usage"] = _usage(envelope, replies)
    return body


def _choice(envelope: Envelope, reply: Reply, index: int) -> JSON:
    message: JSON = {"role": "assistant", "content": reply.text, "refusal": None}
    if is_own(envelope.model):
        message["annotations"] = []
    if reply.reasoning and envelope.shows_reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.calls:
        message["content"] = reply.text or None
        if envelope.legacy:
            message["function_call"] = _function(reply.calls[0])
        else:
            message["tool_calls"] = [
                {"id": new_id("call_"), "type": "function", "function": _function(call)} for call in reply.calls
            ]
    logprobs = _logprobs(envelope, pieces(reply.text)) if reply.text else None
    finish = _finish(envelope, reply)
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish}


def _function(call: Call) -> JSON:
    return {"name": call.name, "arguments": call.arguments}


def _finish(envelope: Envelope, reply: Reply) -> str:
    return "function_call" if envelope.legacy and reply.finish == "calls" else _FINISH[reply.finish]


def frames(envelope: Envelope, replies: list[Reply]) -> Iterator[Frame]:
    asked = envelope.stream_usage and envelope.reports_usage
    usage: JSON = {"usage": None} if asked else {}
    head = envelope.head("chat.completion.chunk")
    for choice, content in _round_robin([_deltas(envelope, r, i) for i, r in enumerate(replies)]):
        yield Frame(sse({**head, "choices": [choice], **usage}), content)
    if asked:
        yield Frame(sse({**head, "choices": [], "usage": _usage(envelope, replies)}))
    yield Frame(b"data: [DONE]\n\n")


def _deltas(envelope: Envelope, reply: Reply, index: int) -> Iterator[tuple[JSON, bool]]:
    """The choices of one reply's chunks, and whether each carries content."""

    def choice(delta: JSON, finish: str | None = None, logprobs: JSON | None = None) -> JSON:
        return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}

    first = None if reply.calls and not reply.text else ""
    yield choice({"role": "assistant", "content": first, "refusal": None}), False
    if envelope.shows_reasoning:
        for piece in pieces(reply.reasoning):
            yield choice({"content": None, "reasoning_content": piece}), True
    for piece in pieces(reply.text, envelope.chunks):
        yield choice({"content": piece}, logprobs=_logprobs(envelope, [piece])), True
    for delta in _call_deltas(envelope, reply.calls):
        yield choice(delta), True
    yield choice({}, _finish(envelope, reply)), False


def _call_deltas(envelope: Envelope, calls: tuple[Call, ...]) -> Iterator[JSON]:
    if envelope.legacy and calls:
        yield {"function_call": {"name": calls[0].name, "arguments": ""}}
        for fragment in fragments(calls[0].arguments):
            yield {"function_call": {"arguments": fragment}}
        return
    streams = [_one_call(call, index) for index, call in enumerate(calls)]
    if envelope.interleave:
        yield from _round_robin(streams)
        return
    for stream in streams:
        yield from stream


def _one_call(call: Call, index: int) -> Iterator[JSON]:
    function = {"name": call.name, "arguments": ""}
    yield {"tool_calls": [{"index": index, "id": new_id("call_"), "type": "function", "function": function}]}
    for fragment in fragments(call.arguments):
        yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}


def _round_robin(streams: list[Iterator[Any]]) -> Iterator[Any]:
    for row in zip_longest(*streams):
        yield from (item for item in row if item is not None)


def _logprobs(envelope: Envelope, texts: list[str]) -> JSON | None:
    if envelope.top_logprobs is None:
        return None
    return {"content": [_token_logprob(text, envelope.top_logprobs) for text in texts], "refusal": None}


def _token_logprob(text: str, alternatives: int) -> JSON:
    chance = hashlib.sha256(text.encode("utf-8", "replace")).digest()[0] / 1000
    others = [(f"{text}~{i}", -chance - 2.5 * i) for i in range(1, alternatives)]
    row = {"token": text, "logprob": -chance, "bytes": list(text.encode("utf-8", "replace"))}
    top = [{"token": t, "logprob": p, "bytes": list(t.encode("utf-8", "replace"))} for t, p in others]
    return {**row, "top_logprobs": [row, *top] if alternatives else []}


def _usage(envelope: Envelope, replies: list[Reply]) -> JSON:
    prompt, cached = replies[0].usage.prompt, replies[0].usage.cached
    output = sum(reply.usage.output for reply in replies)
    usage: JSON = {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(reply.usage.reasoning for reply in replies),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    if replies[0].usage.cache_write:
        usage["prompt_tokens_details"]["cache_write_tokens"] = replies[0].usage.cache_write
    if "deepseek" in envelope.model:
        usage |= {"prompt_cache_hit_tokens": cached, "prompt_cache_miss_tokens": prompt - cached}
    return usage
