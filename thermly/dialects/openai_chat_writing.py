"""OpenAI Chat Completions as clients speak it: replies, chunks and errors.

Knows: the wire's answers. Must not know: providers, prices, Flask. OpenAI's schema requires
`choices[].logprobs`, `message.refusal` and, in every chunk, `finish_reason`; null is fine.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from thermly.dialects import Label
from thermly.errors import GatewayError
from thermly.exchange import (
    Begin,
    ChatRequest,
    Choice,
    Done,
    End,
    Event,
    KeepAlive,
    Media,
    PartBegin,
    PartDelta,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    Usage,
)

WIRE, CHOICE = "openai", "openai.choice"
# Kind of refusal -> OpenAI's `type`; the reference tables name the types, OpenAI's API the rest.
ERROR_TYPES = {
    "invalid_request": "invalid_request_error",
    "unsupported_content": "invalid_request_error",
    "content_refused": "invalid_request_error",
    "too_large": "invalid_request_error",
    "method_not_allowed": "invalid_request_error",
    "unauthenticated": "authentication_error",
    "insufficient_funds": "insufficient_credits",
    "permission_denied": "permission_error",
    "not_found": "not_found_error",
    "unknown_model": "not_found_error",
    "rate_limited": "rate_limit_error",
    "internal": "internal_server_error",
    "upstream_failed": "service_unavailable_error",
    "unavailable": "service_unavailable_error",
    "shutting_down": "service_unavailable_error",
}
_encode = msgspec.json.encode


def write_reply(reply: Reply, request: ChatRequest, label: Label) -> bytes:
    facts = dict((reply.extras or {}).get(WIRE, ()))
    details = facts.pop("usage", {})
    return _encode(
        {
            "id": label.id,
            "object": "chat.completion",
            "created": label.created_s,
            "model": label.model,
            "choices": [_choice(c, i, request) for i, c in enumerate(reply.choices)],
            "usage": write_usage(reply.usage or Usage(), details),
            **facts,
            "x_thermostat": _thermostat(label),
        }
    )


def _choice(choice: Choice, index: int, request: ChatRequest) -> dict[str, Any]:
    texts, refusals, thoughts, calls = [], [], [], []
    for part in choice.parts:
        if isinstance(part, Text):
            texts.append(part.text)
        elif isinstance(part, ToolCall):
            calls.append(part)
        elif isinstance(part, Reasoning):
            thoughts.append(part.text)
        elif isinstance(part, Refusal):
            refusals.append(part.text)
        elif isinstance(part, Media):
            texts.append(_shown(part))
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts else None,
        "refusal": "".join(refusals) or None,
        **(choice.extras or {}).get(WIRE, {}),
    }
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    reason: str = choice.reason
    if calls and "legacy_functions" in request.wishes:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
        reason = "function_call"
    elif calls:
        message["tool_calls"] = [_call(call) for call in calls]
    elif not texts and not refusals:
        message["content"] = ""
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs(choice.logprobs, of_refusal=bool(refusals) and not texts),
        "finish_reason": reason,
        **(choice.extras or {}).get(CHOICE, {}),
    }


def _logprobs(rows: list[Any] | None, of_refusal: bool) -> dict[str, Any] | None:
    if rows is None:
        return None
    return {"content": None, "refusal": rows} if of_refusal else {"content": rows, "refusal": None}


def _shown(part: Media) -> str:
    """OpenAI's chat has no word for a picture in an answer; a data URL in Markdown is what clients show."""
    source = part.url or f"data:{part.media_type};base64,{part.data}"
    return f"![{part.kind}]({source})"


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
        **(call.extras or {}).get(WIRE, {}),
    }


def write_usage(usage: Usage, details: dict[str, Any]) -> dict[str, Any]:
    """`details` are counts of the vendor's own that have no word in the waist."""
    told: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    for name, value in details.items():
        told[name] = {**told[name], **value} if isinstance(told.get(name), dict) else value
    return told


def _thermostat(label: Label) -> dict[str, Any]:
    told: dict[str, Any] = {
        "actual_model": label.actual_model,
        "complexity_level": label.complexity_level,
        "cached": label.cached,
    }
    if label.escalated_from:
        told |= {"escalated_from": label.escalated_from, "escalated_because": label.escalated_because}
    return told


def write_events(events: Iterable[Event], request: ChatRequest, label: Callable[[], Label]) -> Iterator[bytes]:
    """Server-sent events, ended by `[DONE]`; silence is a comment (HTML Standard, "Server-sent events").

    What arrived together leaves together: under load this saves most of a stream's system calls.
    """
    writer: _Chunks | None = None
    waiting: list[bytes] = []
    try:
        for event in events:
            if isinstance(event, KeepAlive):
                yield b"".join(waiting) or b": keep-alive\n\n"
                waiting.clear()
                continue
            if writer is None:
                writer = _Chunks(request, label())
            if data := writer.write(event):
                waiting.append(data)
    except GatewayError:
        yield b"".join(waiting)
        raise
    waiting.append(b"data: [DONE]\n\n")
    yield b"".join(waiting)


class _Chunks:
    """One stream being written: the head that every chunk repeats, and where each choice stands."""

    def __init__(self, request: ChatRequest, label: Label) -> None:
        self._request, self._label = request, label
        self._head: dict[str, Any] = {
            "id": label.id,
            "object": "chat.completion.chunk",
            "created": label.created_s,
            "model": label.model,
        }
        if "include_usage" in request.wishes:
            self._head["usage"] = None  # every chunk but the last says so (OpenAI, "stream_options")
        # The same bytes for every text delta but the text itself: this is the hot path of a stream.
        self._before = b"data: " + _encode(self._head)[:-1] + b',"choices":[{"index":%d,"delta":{"content":'
        self._after = b'},"logprobs":null,"finish_reason":null}]}\n\n'
        self._open: dict[int, str] = {}
        self._calls: dict[int, int] = {}
        self._ends: list[End] = []

    def write(self, event: Event) -> bytes:
        if isinstance(event, PartDelta):
            field = self._open[event.choice]
            if field == "content" and event.logprobs is None:
                return self._before % event.choice + _encode(event.text) + self._after
            return self._delta(event.choice, self._fragment(event, field), event.logprobs, field == "refusal")
        if isinstance(event, PartBegin):
            return self._part_begin(event)
        if isinstance(event, Begin):
            delta = {"role": "assistant", "content": "", "refusal": None}
            return self._delta(event.choice, delta, None, x_thermostat=_thermostat(self._label))
        if isinstance(event, End):
            self._ends.append(event)
            return b""
        return self._done(event) if isinstance(event, Done) else b""

    def _part_begin(self, event: PartBegin) -> bytes:
        part, choice = event.part, event.choice
        if isinstance(part, ToolCall):
            self._open[choice] = "tool"
            at = self._calls[choice] = self._calls.get(choice, -1) + 1
            if "legacy_functions" in self._request.wishes:
                return self._delta(choice, {"function_call": {"name": part.name, "arguments": ""}})
            return self._delta(choice, {"tool_calls": [{"index": at, **_call(part)}]})
        if isinstance(part, Media):
            return self._delta(choice, {"content": _shown(part)})
        names = {Text: "content", Reasoning: "reasoning_content", Refusal: "refusal"}
        self._open[choice] = names[type(part)]
        return b""

    def _fragment(self, event: PartDelta, field: str) -> dict[str, Any]:
        if field != "tool":
            return {field: event.text}
        if "legacy_functions" in self._request.wishes:
            return {"function_call": {"arguments": event.text}}
        at = self._calls[event.choice]
        return {"tool_calls": [{"index": at, "function": {"arguments": event.text}}]}

    def _done(self, done: Done) -> bytes:
        """The finishing chunks wait for the last event, since the very last of them says what the reply was."""
        facts = dict((done.extras or {}).get(WIRE, ()))
        details = facts.pop("usage", {})
        last = {"x_thermostat": _thermostat(self._label), **facts}
        counted = "include_usage" in self._request.wishes
        out = b""
        for i, end in enumerate(self._ends):
            final = i == len(self._ends) - 1 and not counted
            legacy = end.reason == "tool_calls" and "legacy_functions" in self._request.wishes
            out += self._chunk(
                choices=[
                    {
                        "index": end.choice,
                        "delta": (end.extras or {}).get(WIRE, {}),
                        "logprobs": None,
                        "finish_reason": "function_call" if legacy else end.reason,
                        **(end.extras or {}).get(CHOICE, {}),
                    }
                ],
                **(last if final else {}),
            )
        if counted:
            out += self._chunk(choices=[], usage=write_usage(done.usage or Usage(), details), **last)
        return out

    def _delta(
        self,
        choice: int,
        delta: dict[str, Any],
        rows: list[Any] | None = None,
        of_refusal: bool = False,
        **more: Any,
    ) -> bytes:
        logprobs = _logprobs(rows, of_refusal)
        row = {"index": choice, "delta": delta, "logprobs": logprobs, "finish_reason": None}
        return self._chunk(choices=[row], **more)

    def _chunk(self, **more: Any) -> bytes:
        return b"data: " + _encode({**self._head, **more}) + b"\n\n"


def write_error(error: GatewayError) -> bytes:
    return _encode(
        {
            "error": {
                "message": error.message,
                "type": ERROR_TYPES[error.kind],
                "code": error.code or error.kind,
                "param": error.param,
            }
        }
    )


def write_error_event(error: GatewayError) -> bytes:
    """No `[DONE]` follows: a broken answer must not look finished."""
    return b"data: " + write_error(error) + b"\n\n"
