"""Gemini's generateContent as clients speak it: replies, chunks, counts and errors.

Knows: the wire's answers (Google's API reference, "GenerateContentResponse"). Must not know: providers, prices,
Flask. A chunk of a stream is a whole response; streams are server-sent events, or one JSON array.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from thermly.dialects import Label
from thermly.dialects.gemini_signatures import WIRE, pack
from thermly.dialects.openai_chat_writing import ERROR_TYPES
from thermly.errors import GatewayError
from thermly.exchange import (
    ChatRequest,
    Choice,
    Done,
    End,
    Event,
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
THOUGHTS, BARE = "thoughts", "bare_enum"  # the words of `wishes`
FINISHES = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
# Kind of refusal -> the name that google.rpc gives it.
STATUSES = {
    "invalid_request": "INVALID_ARGUMENT",
    "unsupported_content": "INVALID_ARGUMENT",
    "content_refused": "INVALID_ARGUMENT",
    "too_large": "INVALID_ARGUMENT",
    "method_not_allowed": "UNIMPLEMENTED",
    "unauthenticated": "UNAUTHENTICATED",
    "insufficient_funds": "FAILED_PRECONDITION",
    "permission_denied": "PERMISSION_DENIED",
    "not_found": "NOT_FOUND",
    "unknown_model": "NOT_FOUND",
    "rate_limited": "RESOURCE_EXHAUSTED",
    "internal": "INTERNAL",
    "upstream_failed": "UNAVAILABLE",
    "unavailable": "UNAVAILABLE",
    "shutting_down": "UNAVAILABLE",
}
# What the exchange calls a field -> what this wire calls it.
FIELDS = {
    "messages": "contents",
    "n": "generationConfig.candidateCount",
    "logprobs": "generationConfig.responseLogprobs",
    "response_format": "generationConfig.responseSchema",
    "modalities": "generationConfig.responseModalities",
    "stop": "generationConfig.stopSequences",
    "tool_choice": "toolConfig.functionCallingConfig",
    "web_search_options": "tools",
    "dimensions": "outputDimensionality",
}
_encode = msgspec.json.encode


def write_reply(reply: Reply, request: ChatRequest, label: Label) -> bytes:
    candidates = [_candidate(choice, i, request) for i, choice in enumerate(reply.choices)]
    return _encode({"candidates": candidates, "usageMetadata": write_usage(reply.usage), **_head(label)})


def write_count(total_tokens: int) -> bytes:
    return _encode({"totalTokens": total_tokens})


def _head(label: Label) -> JSON:
    return {"modelVersion": label.actual_model, "responseId": label.id}


def _candidate(choice: Choice, index: int, request: ChatRequest) -> JSON:
    parts = [written for part in choice.parts if (written := _part(part, request)) is not None]
    refused = any(isinstance(part, Refusal) for part in choice.parts)
    end = End(choice.reason, index, choice.logprobs, choice.extras)
    return {**_content(index, parts), **_finish(end, parts, refused), **_logprobs(choice.logprobs)}


def _content(index: int, parts: list[JSON]) -> JSON:
    return {"index": index, "content": {"role": "model", "parts": parts}}


def _finish(end: End, parts: list[JSON], refused: bool) -> JSON:
    """What ends a candidate. Parts that only Gemini makes came apart from the others and follow them."""
    facts = dict((end.extras or {}).get(WIRE, {}))
    parts += facts.pop("parts", ())
    reason = "content_filter" if refused and end.reason == "stop" else end.reason
    return {"finishReason": FINISHES[reason], **facts}


def _part(part: Part, request: ChatRequest) -> JSON | None:
    """None for thoughts that the client did not ask to see."""
    if isinstance(part, Reasoning) and THOUGHTS not in request.wishes:
        return None
    return {**_shown(part, request), **_facts(part)}


def _shown(part: Part, request: ChatRequest) -> JSON:
    if isinstance(part, ToolCall):
        return {"functionCall": {"id": part.id, "name": part.name, "args": _arguments(part.arguments)}}
    if isinstance(part, Media):
        return _media(part)
    assert isinstance(part, Text | Refusal | Reasoning)
    if isinstance(part, Reasoning):
        return {"text": part.text, "thought": True}
    return {"text": bare(part.text) if BARE in request.wishes else part.text}


def _facts(part: Part) -> JSON:
    """What came with the part from Gemini, and the signature to send back with it."""
    facts = (part.extras or {}).get(WIRE, {})
    signature = pack(part.extras) if isinstance(part, Reasoning) else facts.get("thoughtSignature")
    return {**facts, "thoughtSignature": signature} if signature else facts


def _media(part: Media) -> JSON:
    kind = {"mimeType": part.media_type} if part.media_type else {}
    if part.data:
        return {"inlineData": {**kind, "data": part.data}}
    return {"fileData": {**kind, "fileUri": part.url}}


def _arguments(text: str) -> JSON:
    """The wire insists on an object; what is none loses nothing as `arguments`, as on the way to providers."""
    if not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {"arguments": text}
    return value if isinstance(value, dict) else {"arguments": value}


def bare(text: str) -> str:
    """An enum's word without the quotes of JSON, in which every other wire asks for it."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    return value if isinstance(value, str) else text


def _logprobs(rows: Sequence[Any] | None) -> JSON:
    if not rows:
        return {}
    result = {
        "chosenCandidates": [_row(row) for row in rows],
        "topCandidates": [{"candidates": [_row(top) for top in row.get("top_logprobs") or ()]} for row in rows],
    }
    return {"logprobsResult": result}


def _row(row: JSON) -> JSON:
    return {"token": row.get("token"), "logProbability": row.get("logprob")}


def write_usage(usage: Usage | None) -> JSON:
    """The wire counts thoughts apart from the candidates' tokens."""
    usage = usage or Usage()
    told = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    if usage.cached_input_tokens:
        told["cachedContentTokenCount"] = usage.cached_input_tokens
    if usage.reasoning_tokens:
        told["thoughtsTokenCount"] = usage.reasoning_tokens
    return told


# ---- streams


def write_events(
    events: Iterable[Event], request: ChatRequest, label: Callable[[], Label], sse: bool = True
) -> Iterator[bytes]:
    """Server-sent events, or the elements of one array. What arrived together leaves together.

    Silence is white space: google-genai reads a comment as broken JSON.
    """
    writer: _Chunks | None = None
    frames = _Events() if sse else _Array()
    waiting: list[bytes] = []
    try:
        for event in events:
            if isinstance(event, KeepAlive):
                yield b"".join(waiting) or frames.silence()
                waiting.clear()
                continue
            if writer is None:
                writer = _Chunks(request, label())
            if chunk := writer.write(event):
                waiting.append(frames.frame(chunk))
    except Exception:
        yield b"".join(waiting) or frames.opening()
        raise
    waiting.append(frames.closing())
    yield b"".join(waiting)


class _Events:
    """Silence begins the next event: after an empty line that follows none, Google's older client for JavaScript
    reads nothing more. What has begun must be an event when the stream breaks off: an empty response."""

    _begun = False

    def frame(self, chunk: bytes) -> bytes:
        before, self._begun = (b"" if self._begun else b"data: "), False
        return before + chunk + b"\n\n"

    def opening(self) -> bytes:
        return self.frame(b"{}") if self._begun else b""

    def silence(self) -> bytes:
        said, self._begun = (b" " if self._begun else b"data: "), True
        return said

    closing = opening


class _Array:
    """An array that must stay one whenever it breaks off: an error is written as a further element, so where
    nothing else has been said, an empty response comes before it."""

    _begun = False

    def frame(self, chunk: bytes) -> bytes:
        before, self._begun = (b"\n," if self._begun else b"["), True
        return before + chunk

    def opening(self) -> bytes:
        return b"" if self._begun else self.frame(b"{}")

    def silence(self) -> bytes:
        return b"\n"

    def closing(self) -> bytes:
        return b"\n]" if self._begun else b"[]"


class _Chunks:
    """One stream being written: what every chunk repeats, and where each choice stands."""

    def __init__(self, request: ChatRequest, label: Label) -> None:
        self._request, self._head = request, _head(label)
        self._bare = BARE in request.wishes  # such an answer is told whole, since its quotes come off
        # The same bytes for every text delta but the text itself: this is the hot path of a stream.
        self._before = b'{"candidates":[{"index":%d,"content":{"role":"model","parts":[{"text":'
        self._after = b"}]}}]," + _encode(self._head)[1:]
        self._thought = b',"thought":true' + self._after
        self._open: dict[int, type[Part]] = {}
        self._refused: set[int] = set()
        self._ends: list[End] = []

    def write(self, event: Event) -> bytes:
        if isinstance(event, PartDelta):
            return self._delta(event)
        if isinstance(event, PartEnd):
            return self._part_end(event)
        if isinstance(event, End):
            self._ends.append(event)
        elif isinstance(event, Done):
            return self._done(event)
        elif isinstance(event, PartBegin):
            self._open[event.choice] = type(event.part)
        return b""

    def _delta(self, event: PartDelta) -> bytes:
        kind = self._open[event.choice]
        if kind is ToolCall or (kind is Reasoning and THOUGHTS not in self._request.wishes):
            return b""
        if self._bare and kind is not Reasoning:
            return b""
        if event.logprobs:
            content = _content(event.choice, [{"text": event.text}])
            return self._chunk([{**content, **_logprobs(event.logprobs)}])
        after = self._thought if kind is Reasoning else self._after
        return self._before % event.choice + _encode(event.text) + after

    def _part_end(self, event: PartEnd) -> bytes:
        """Calls and media whole; of a text that has been told, what is known of it only at its end."""
        part = event.part
        if isinstance(part, Refusal):
            self._refused.add(event.choice)
        written = _part(part, self._request)
        if written is None:
            return b""
        if isinstance(part, Text | Refusal | Reasoning) and (isinstance(part, Reasoning) or not self._bare):
            if written.keys() <= {"text", "thought"}:
                return b""
            written["text"] = ""
        return self._chunk([_content(event.choice, [written])])

    def _done(self, done: Done) -> bytes:
        """The finishing chunk waits for the last event, which tells the usage."""
        candidates = []
        for end in self._ends:
            parts: list[JSON] = []
            finish = _finish(end, parts, end.choice in self._refused)
            rows = _logprobs(end.logprobs) if self._bare else {}
            candidates.append({**_content(end.choice, parts or [{"text": ""}]), **finish, **rows})
        return self._chunk(candidates, usageMetadata=write_usage(done.usage))

    def _chunk(self, candidates: list[JSON], **more: Any) -> bytes:
        return _encode({"candidates": candidates, **more, **self._head})


# ---- errors


def rename_field(error: GatewayError) -> None:
    """Who refuses after the request was read names the field by the exchange's word."""
    error.param = FIELDS.get(error.param or "", error.param)


def write_error(error: GatewayError) -> bytes:
    return _encode({"error": _error(error)})


def write_error_event(error: GatewayError, sse: bool = True) -> bytes:
    """Within a stream nothing else tells the HTTP status, so `code` is that number, as Google's clients expect.
    In the array form this is the last element of what `write_events` has begun."""
    rename_field(error)
    chunk = _encode({"error": {**_error(error), "code": error.status}})
    return b"data: " + chunk + b"\n\n" if sse else b"\n," + chunk + b"\n]"


def _error(error: GatewayError) -> JSON:
    return {
        "message": error.message,
        "type": ERROR_TYPES[error.kind],
        "code": error.code or error.kind,
        "param": error.param,
        "status": STATUSES[error.kind],
    }
