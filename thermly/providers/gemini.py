"""Gemini's generateContent: replies and streams as events.

Knows: Gemini's response and errors (its API reference, "GenerateContentResponse"). Must not know: dialects,
money; requests are written in `gemini_request`. Every chunk of a stream is a whole response document, so a
whole reply is read as a stream of one.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Literal
from uuid import uuid4

import msgspec

from thermly.catalog import Target
from thermly.errors import ContentRefused, UpstreamFailed
from thermly.exchange import (
    ChatRequest,
    Done,
    Event,
    Extras,
    KeepAlive,
    Media,
    Reason,
    Reasoning,
    Text,
    ToolCall,
    Usage,
)
from thermly.providers.assembler import Assembler
from thermly.providers.failures import VendorError, cut, decode, failure, malformed
from thermly.providers.gemini_request import WIRE, write_request
from thermly.providers.shapes import (
    BROKEN,
    JSON,
    json_text,
    read_count,
    read_name,
    read_object,
    read_objects,
    read_text,
)
from thermly.providers.upstream import Client

REASONS: dict[str, Reason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
# Of these the canonical reason tells enough; any other word travels in extras.
PLAIN_REASONS = ("STOP", "MAX_TOKENS")
# The model produced something that the vendor itself could not read: another try may do better.
BOTCHED = ("MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL")
# Words of a candidate that have a place in the vocabulary; the rest travels in extras.
NAMED = frozenset(("content", "finishReason", "index", "tokenCount"))


def answer(request: ChatRequest, target: Target, max_output_tokens: int, client: Client) -> Iterator[Event]:
    body = msgspec.json.encode(write_request(request, target, max_output_tokens))
    url = f"{target.provider.base_url}/v1beta/models/{target.model.upstream}:"
    headers = headers_for(target)
    if not request.stream:
        yield from read_reply(client.json(url + "generateContent", headers, body, explain))
        return
    pairs = client.sse(url + "streamGenerateContent?alt=sse", headers, body, explain)
    try:
        yield from read_stream(pairs)
    finally:
        pairs.close()  # type: ignore[attr-defined]


def count_tokens(request: ChatRequest, target: Target, client: Client) -> int:
    """What the request's input comes to (its API reference, "countTokens"); free of charge."""
    asked = {"model": f"models/{target.model.upstream}", **write_request(request, target, 1)}
    url = f"{target.provider.base_url}/v1beta/models/{target.model.upstream}:countTokens"
    body = msgspec.json.encode({"generateContentRequest": asked})
    doc = client.json(url, headers_for(target), body, explain)
    try:
        return read_count(doc, "totalTokens")
    except BROKEN as error:
        raise malformed(error) from error


def headers_for(target: Target) -> list[str]:
    headers = ["Content-Type: application/json", "Expect:"]
    if target.provider.key:
        headers.append("x-goog-api-key: " + target.provider.key)
    return headers


def explain(doc: Any) -> VendorError:
    error = (doc[0] if isinstance(doc, list) else doc)["error"]
    message, kind = str(error.get("message") or ""), str(error.get("status") or "")
    if "maximum number of tokens" in message:
        kind += " context_length"  # the vendor has no status for it
    return VendorError(message, kind, retry_after_s=_retry_after_s(error.get("details")))


def _retry_after_s(details: Any) -> int | None:
    """Google tells it as google.rpc.RetryInfo: a protobuf duration, "23s" or "23.5s"."""
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and re.fullmatch(r"\d{1,9}(\.\d+)?s", delay):
            return math.ceil(float(delay[:-1])) or None
    return None


# ---- reply


def read_reply(doc: Any) -> Iterator[Event]:
    stream = _Stream()
    try:
        events = stream.read(doc)
        if not stream.complete():
            raise ValueError("no candidate that has finished")
        events.append(Done(stream.usage))
    except BROKEN as error:
        raise malformed(error) from error
    yield from events


def read_stream(pairs: Iterator[tuple[bytes, bytes] | None]) -> Iterator[Event]:
    stream = _Stream()
    try:
        for pair in pairs:
            if pair is None:
                yield KeepAlive()
            else:
                yield from stream.read(decode(pair[1]))
    except BROKEN as error:
        raise malformed(error) from error
    if not stream.complete():
        raise cut()
    yield Done(stream.usage)


class _Candidate(Assembler):
    """An assembler, and what of its candidate has no word here."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.facts: JSON = {}
        self.parts: list[JSON] = []

    def is_open(self, kind: type[Text] | type[Reasoning]) -> bool:
        return self._kind is kind

    def extras(self) -> Extras:
        facts = {**self.facts, **({"parts": self.parts} if self.parts else {})}
        return {WIRE: facts} if facts else None


class _Stream:
    """The state of one stream: its candidates and the usage told last."""

    def __init__(self) -> None:
        self.candidates: dict[int, _Candidate] = {}
        self.usage: Usage | None = None

    def complete(self) -> bool:
        return bool(self.candidates) and all(c.ended for c in self.candidates.values())

    def read(self, doc: Any) -> list[Event]:
        if isinstance(doc, list) or doc.get("error"):
            raise failure(502, explain(doc))
        out: list[Event] = []
        for candidate in read_objects(doc, "candidates"):
            out += self._candidate(candidate)
        if usage := read_object(doc, "usageMetadata"):
            self.usage = read_usage(usage)
        blocked = read_text(read_object(doc, "promptFeedback"), "blockReason")
        if blocked and not self.candidates:
            raise ContentRefused(f"The model's provider refused the prompt: {blocked[:60]}.", param="messages")
        return out

    def _candidate(self, doc: JSON) -> list[Event]:
        index = read_count(doc, "index")
        asm = self.candidates.get(index)
        out: list[Event] = []
        if asm is None:
            asm = self.candidates[index] = _Candidate(index)
            out += asm.begin()
        if asm.ended:
            return out
        for part in read_objects(read_object(doc, "content"), "parts"):
            out += read_part(asm, part)
        asm.facts |= {k: v for k, v in doc.items() if k not in NAMED and v is not None}
        if word := read_text(doc, "finishReason"):
            out += _finish(asm, word)
        return out


def _finish(asm: _Candidate, word: str) -> list[Event]:
    if word in BOTCHED:
        raise UpstreamFailed("The model made an answer that cannot be read.", detail=word)
    if word not in PLAIN_REASONS:
        asm.facts["finishReason"] = word
    return asm.end(REASONS.get(word, "stop"), None, asm.extras())


def read_part(asm: _Candidate, part: JSON) -> list[Event]:
    """A part's signature goes back with that very part, so it ends the text that it signs."""
    signature = read_text(part, "thoughtSignature")
    extras: Extras = {WIRE: {"thoughtSignature": signature}} if signature else None
    if "functionCall" in part:
        return asm.whole(read_call(read_object(part, "functionCall"), extras))
    if "inlineData" in part:
        return asm.whole(read_media(read_object(part, "inlineData"), extras))
    if "text" not in part:
        asm.parts.append(part)
        return []
    kind = Reasoning if part.get("thought") is True else Text
    text = read_text(part, "text")
    out = asm.text(text, kind) if text else []
    if signature and (text or asm.is_open(kind)):
        asm.annotate(WIRE, thoughtSignature=signature)
        return out + asm.close_part()
    return asm.whole(kind("", extras)) if signature else out


def read_call(doc: JSON, extras: Extras) -> ToolCall:
    """Models before Gemini 3 give their calls no ids."""
    call_id = read_text(doc, "id") or f"call_{uuid4().hex[:24]}"
    return ToolCall(call_id, read_name(doc, "name"), json_text(read_object(doc, "args")), extras)


def read_media(doc: JSON, extras: Extras) -> Media:
    media_type = read_name(doc, "mimeType")
    family = media_type.partition("/")[0]
    kind: Literal["image", "audio", "file"] = "file"
    if family == "image" or family == "audio":
        kind = "image" if family == "image" else "audio"
    return Media(kind, media_type, read_name(doc, "data"), extras=extras)


def read_usage(usage: JSON) -> Usage:
    """Gemini counts thoughts apart from the candidates' tokens, and what tools read apart from the prompt."""
    thoughts = read_count(usage, "thoughtsTokenCount")
    return Usage(
        input_tokens=read_count(usage, "promptTokenCount") + read_count(usage, "toolUsePromptTokenCount"),
        cached_input_tokens=read_count(usage, "cachedContentTokenCount"),
        output_tokens=read_count(usage, "candidatesTokenCount") + thoughts,
        reasoning_tokens=thoughts,
    )
