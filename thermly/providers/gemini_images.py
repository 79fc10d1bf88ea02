"""Gemini's image models, which draw by generateContent: one call, one image.

Knows: Gemini's image request and reply (its API reference, "Image generation"). Must not know: dialects, money,
where images are kept. The vendor knows shapes, not sizes. A prompt that is not drawn is its author's fault, not
the upstream's: no prompt may put a model out of use for everybody.
"""

import math
from typing import Any

import msgspec

from thermly.catalog import Target
from thermly.errors import ContentRefused, InvalidRequest, UpstreamFailed
from thermly.pictures import ImageReply, ImageRequest, Picture, picture, unpacked
from thermly.providers.failures import failure, malformed
from thermly.providers.gemini import REASONS, explain, headers_for, read_usage
from thermly.providers.redaction import redact
from thermly.providers.shapes import BROKEN, JSON, read_name, read_object, read_objects, read_text
from thermly.providers.upstream import Client

RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
# Ends of an answer without an image that another try would not change.
WITHOUT_IMAGE = ("STOP", "NO_IMAGE")


def draw(
    request: ImageRequest, target: Target, n: int, size: str | None, quality: str | None, client: Client
) -> ImageReply:
    """One image: more of them are more calls. There are no qualities."""
    if n != 1:
        raise ValueError("one call draws one image")
    body = msgspec.json.encode(write_request(request.prompt, size))
    url = f"{target.provider.base_url}/v1beta/models/{target.model.upstream}:generateContent"
    return read_reply(client.json(url, headers_for(target), body, explain))


def write_request(prompt: str, size: str | None) -> JSON:
    """Nothing but the image is asked for: words beside it would be paid for and shown to nobody."""
    config: JSON = {"responseModalities": ["IMAGE"]}
    if size is not None and size != "auto":
        config["imageConfig"] = {"aspectRatio": ratio(size)}
    return {"contents": [{"role": "user", "parts": [{"text": prompt}]}], "generationConfig": config}


def ratio(size: str) -> str:
    """The shape nearest to WIDTHxHEIGHT."""
    wanted = _steepness(size, "x")
    return min(RATIOS, key=lambda known: abs(_steepness(known, ":") - wanted))


def _steepness(shape: str, sign: str) -> float:
    width, _, height = shape.partition(sign)
    return math.log(int(width) / int(height))


def read_reply(doc: Any) -> ImageReply:
    try:
        if isinstance(doc, list) or doc.get("error"):
            raise failure(502, explain(doc))
        candidates = read_objects(doc, "candidates")
        if not candidates:
            raise blocked(read_object(doc, "promptFeedback"))
        usage = read_usage(read_object(doc, "usageMetadata"))
        return ImageReply((read_candidate(candidates[0]),), usage if usage.output_tokens else None)
    except BROKEN as error:
        raise malformed(error) from error


def blocked(feedback: JSON) -> ContentRefused:
    """Raises ValueError where nothing says so: then the answer is none."""
    reason = read_name(feedback, "blockReason")
    return ContentRefused(f"The model's provider refused the prompt: {reason[:60]}.", param="prompt")


def read_candidate(candidate: JSON) -> Picture:
    """Its image; those that a model sketches while it thinks are not meant for anybody."""
    parts = [
        part for part in read_objects(read_object(candidate, "content"), "parts") if part.get("thought") is not True
    ]
    for part in parts:
        if "inlineData" in part:
            return picture(unpacked(read_name(read_object(part, "inlineData"), "data")))
    raise not_drawn(read_text(candidate, "finishReason"), "".join(read_text(part, "text") for part in parts))


def not_drawn(reason: str, said: str) -> ContentRefused | InvalidRequest | UpstreamFailed:
    if REASONS.get(reason) == "content_filter":
        return ContentRefused(f"The model's provider refused to make this image: {reason}.", param="prompt")
    if reason in WITHOUT_IMAGE:
        words = f", but said: {redact(said.strip())}" if said.strip() else "."
        return InvalidRequest("The model made no image of this prompt" + words, param="prompt", code="no_image")
    return UpstreamFailed("The model's provider made no image.", detail=f"finishReason {reason[:60]}")
