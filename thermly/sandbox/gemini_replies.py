"""The shapes of Gemini's replies: the whole response and its chunks, as server-sent events or as a JSON array.

Knows nothing of requests beyond what an Envelope carries.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from thermly.sandbox.gemini_checks import is_third
from thermly.sandbox.gemini_images import Picture
from thermly.sandbox.values import JSON, Reply, pieces
from thermly.sandbox.wire import Frame, dumps, new_id, parsed

_FINISH = {
    "stop": "STOP", "sequence": "STOP", "length": "MAX_TOKENS", "calls": "STOP", "refused": "SAFETY",
}  # fmt: skip
_UNSAFE = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}]


@dataclass(frozen=True, slots=True)
class Envelope:
    id: str
    model: str
    reports_usage: bool
    shows_thoughts: bool
    chunks: int | None
    asks_pictures: bool
    pictures: list[Picture]  # one for each candidate, or none at all


def whole(envelope: Envelope, replies: list[Reply]) -> JSON:
    candidates = [_candidate(envelope, reply, index) for index, reply in enumerate(replies)]
    return _response(envelope, {"candidates": candidates}, _usage(envelope, replies))


def blocked(envelope: Envelope, reply: Reply) -> JSON:
    """The prompt itself was refused: there are no candidates."""
    feedback = {"blockReason": "SAFETY", "safetyRatings": _UNSAFE}
    prompt = reply.usage.prompt
    usage = {"promptTokenCount": prompt, "totalTokenCount": prompt}
    return _response(envelope, {"promptFeedback": feedback}, usage)


def _response(envelope: Envelope, told: JSON, usage: JSON) -> JSON:
    counted = {"usageMetadata": usage} if envelope.reports_usage else {}
    return {**told, **counted, "modelVersion": envelope.model, "responseId": envelope.id}


def _candidate(envelope: Envelope, reply: Reply, index: int) -> JSON:
    parts = _thoughts(envelope, reply, [reply.reasoning])
    if reply.text:
        parts.append({"text": reply.text, **_signed(reply, not reply.calls)})
    parts += _images(envelope, reply, index) + _calls(envelope, reply)
    return _ended(envelope, reply, {"content": {"parts": parts, "role": "model"}, "index": index})


def _ended(envelope: Envelope, reply: Reply, candidate: JSON) -> JSON:
    candidate["finishReason"] = _finish(envelope, reply)
    if reply.finish == "refused":
        del candidate["content"]
        candidate["safetyRatings"] = _UNSAFE
    elif not candidate["content"]["parts"]:
        del candidate["content"]["parts"]
    return candidate


def _finish(envelope: Envelope, reply: Reply) -> str:
    if not envelope.asks_pictures or envelope.pictures:
        return _FINISH[reply.finish]
    return "IMAGE_SAFETY" if reply.finish == "refused" else "NO_IMAGE"


def _images(envelope: Envelope, reply: Reply, index: int) -> list[JSON]:
    return [
        {"inlineData": {"mimeType": "image/png", "data": picture.data}, **_signed(reply, is_third(envelope.model))}
        for picture in envelope.pictures[index : index + 1]
    ]


def _thoughts(envelope: Envelope, reply: Reply, texts: list[str]) -> list[JSON]:
    if not reply.reasoning or not envelope.shows_thoughts:
        return []
    return [{"text": text, "thought": True} for text in texts]


def _calls(envelope: Envelope, reply: Reply) -> list[JSON]:
    """Function calls come whole; of several made at once, only the first is signed."""
    parts: list[JSON] = []
    for call in reply.calls:
        arguments = parsed(call.arguments)
        if reply.finish == "length" and not arguments:
            continue  # a call that was cut short cannot be told on this wire
        function: JSON = {"name": call.name, "args": arguments}
        if is_third(envelope.model):
            function["id"] = new_id("")[:8]
        parts.append({"functionCall": function, **(_signature(call.arguments) if not parts else {})})
    return parts


def _signed(reply: Reply, last: bool) -> JSON:
    return _signature(reply.reasoning) if reply.reasoning and last else {}


def _signature(text: str) -> JSON:
    digest = hashlib.sha512(b"thermly sandbox" + text.encode("utf-8", "replace")).digest()
    return {"thoughtSignature": base64.b64encode(digest).decode()}


def frames(envelope: Envelope, replies: list[Reply], as_sse: bool, blocks: bool) -> Iterator[Frame]:
    before = b""
    for response, content in _chunks(envelope, replies, blocks):
        data = dumps(response)
        if as_sse:
            yield Frame(b"data: " + data + b"\r\n\r\n", content)
        else:
            yield Frame((before or b"[") + data, content)
            before = b",\r\n"
    if not as_sse:
        yield Frame(b"]")


def _chunks(envelope: Envelope, replies: list[Reply], blocks: bool) -> Iterator[tuple[JSON, bool]]:
    if blocks:
        yield blocked(envelope, replies[0]), False
        return
    prompt = replies[0].usage.prompt
    running = {"promptTokenCount": prompt, "totalTokenCount": prompt}
    rows = zip_longest(*(_parts(envelope, reply, index) for index, reply in enumerate(replies)))
    for row in rows:
        for index, part in enumerate(row):
            if part is not None:
                candidate = {"content": {"parts": [part], "role": "model"}, "index": index}
                yield _response(envelope, {"candidates": [candidate]}, running), True
    for index, reply in enumerate(replies):
        last = {"text": "", **_signed(reply, not reply.calls)}
        candidate = _ended(envelope, reply, {"content": {"parts": [last], "role": "model"}, "index": index})
        usage = _usage(envelope, replies) if index == len(replies) - 1 else running
        yield _response(envelope, {"candidates": [candidate]}, usage), False


def _parts(envelope: Envelope, reply: Reply, index: int) -> list[JSON]:
    thoughts = _thoughts(envelope, reply, pieces(reply.reasoning))
    texts = [{"text": piece} for piece in pieces(reply.text, envelope.chunks)]
    return [*thoughts, *texts, *_images(envelope, reply, index), *_calls(envelope, reply)]


def _usage(envelope: Envelope, replies: list[Reply]) -> JSON:
    first = replies[0].usage
    thoughts = sum(reply.usage.reasoning for reply in replies)
    told = sum(reply.usage.output - reply.usage.reasoning for reply in replies)
    drawn = sum(picture.tokens for picture in envelope.pictures)
    written = told + drawn
    usage: JSON = {
        "promptTokenCount": first.prompt,
        "candidatesTokenCount": written,
        "totalTokenCount": first.prompt + written + thoughts,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": first.prompt}],
    }
    if drawn:
        image = {"modality": "IMAGE", "tokenCount": drawn}
        usage["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": told}, image] if told else [image]
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    if first.cached:
        usage["cachedContentTokenCount"] = first.cached
        usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": first.cached}]
    return usage


def listed(model: str) -> JSON:
    methods = ["embedContent"] if "embedding" in model else ["generateContent", "countTokens"]
    return {
        "name": f"models/{model}",
        "version": "001",
        "displayName": model,
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
        "supportedGenerationMethods": methods,
    }
