"""OpenAI's image generation and the servers that speak it (LocalAI …): one call, its images as bytes.

Knows: OpenAI's image request and reply (its API reference, "Create image"). Must not know: dialects, money, where
images are kept. Some servers answer with an address whatever they were asked for: `fetching`.
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from thermly.catalog import Target
from thermly.exchange import Usage
from thermly.pictures import ImageReply, ImageRequest, Picture, picture, unpacked
from thermly.providers import openai_like
from thermly.providers.failures import VendorError, failure, malformed
from thermly.providers.openai_like_request import WIRE
from thermly.providers.shapes import BROKEN, JSON, read_count, read_object, read_objects, read_text
from thermly.providers.upstream import Client

# What each family refuses to be told; a model is of the family whose name its own begins with.
OF_GPT = ("background", "moderation", "output_format", "output_compression", "safety_identifier")
REFUSED: dict[str, frozenset[str]] = {
    "gpt-image-": frozenset(("style", "response_format")),
    "chatgpt-image-": frozenset(("style", "response_format")),
    "dall-e-3": frozenset(OF_GPT),
    "dall-e-2": frozenset((*OF_GPT, "style")),
    "": frozenset(("style",)),
}
# How OpenAI and Azure call it when their moderation has stopped a prompt or its image.
MODERATED = ("moderation_blocked", "content_policy_violation", "contentfilter", "content_filter")


def draw(
    request: ImageRequest, target: Target, n: int, size: str | None, quality: str | None, client: Client
) -> ImageReply:
    """One call for `n` images, in a size and a quality that the model has."""
    base_url = target.provider.base_url
    body = msgspec.json.encode(write_request(request, target.model.upstream, n, size, quality))
    url = base_url + "/images/generations"
    return read_reply(client.json(url, openai_like.headers_for(target), body, explain), n, base_url)


def write_request(request: ImageRequest, upstream: str, n: int, size: str | None, quality: str | None) -> JSON:
    wanted = {
        **(request.extras or {}).get(WIRE, {}),
        "model": upstream,
        "prompt": request.prompt,
        "n": n,
        "size": size,
        "quality": quality,
        "user": request.user,
        "response_format": "b64_json",
    }
    refused = REFUSED[family(upstream)]
    return {name: value for name, value in wanted.items() if value is not None and name not in refused}


def family(upstream: str) -> str:
    """A router's prefix is no part of the name."""
    name = upstream.rpartition("/")[2]
    return next(beginning for beginning in REFUSED if name.startswith(beginning))


def explain(doc: Any) -> VendorError:
    """OpenAI's chat knows one code of moderation, and its images several; none of them names the parameter."""
    error = openai_like.explain(doc)
    if any(word in error.kind.lower() for word in MODERATED):
        return replace(error, kind=error.kind + " content_policy", param=error.param or "prompt")
    return error


def read_reply(doc: Any, n: int, base_url: str) -> ImageReply:
    try:
        if doc.get("error"):
            raise failure(502, explain(doc))
        rows = read_objects(doc, "data")[:n]
        if not rows:
            raise ValueError("no images")
        return ImageReply(tuple(read_picture(row, base_url) for row in rows), read_usage(read_object(doc, "usage")))
    except BROKEN as error:
        raise malformed(error) from error


def read_picture(row: JSON, base_url: str) -> Picture:
    encoded, url = read_text(row, "b64_json"), read_text(row, "url")
    if not encoded and not url:
        raise ValueError("an image is neither here nor elsewhere")
    data = unpacked(encoded) if encoded else _fetched(url, base_url)
    return picture(data, read_text(row, "revised_prompt") or None)


def read_usage(usage: JSON) -> Usage | None:
    """Images are not made of no tokens: servers that say so do not count."""
    written = read_count(usage, "output_tokens")
    return Usage(read_count(usage, "input_tokens"), output_tokens=written) if written else None


def _fetched(url: str, base_url: str) -> bytes:
    from thermly.providers.fetching import fetch

    return fetch(url, base_url)
