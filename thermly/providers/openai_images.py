"""OpenAI's image generation and the servers that speak it (LocalAI …): one call, its images as bytes.

Knows: OpenAI's image request and reply (its API reference, "Create image"). Must not know: dialects, money, where
images are kept. Some servers answer with an address whatever they were asked for, so images are also fetched here.
"""

import os
import time
from typing import Any
from urllib.parse import urljoin, urlsplit

import certifi
import msgspec
import requests
from msgspec.structs import replace
from urllib3.exceptions import HTTPError

from thermly.catalog import Target
from thermly.errors import UpstreamFailed
from thermly.exchange import Usage
from thermly.pictures import MOST_BYTES, ImageReply, ImageRequest, Picture, picture, unpacked
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

CONNECT_S, FETCH_S = 5, 60
MOST_REDIRECTS = 3
CHUNK_BYTES = 1 << 16


def draw(
    request: ImageRequest, target: Target, n: int, size: str | None, quality: str | None, client: Client
) -> ImageReply:
    """One call for `n` images, in a size and a quality that the model has."""
    base_url, key = target.provider.base_url, target.provider.key
    body = msgspec.json.encode(write_request(request, target.model.upstream, n, size, quality))
    headers = ["Content-Type: application/json", "Expect:"]
    if key:
        headers.append("Authorization: Bearer " + key)
    return read_reply(client.json(base_url + "/images/generations", headers, body, explain), n, base_url)


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
    data = unpacked(encoded) if encoded else fetch(url, base_url)
    return picture(data, read_text(row, "revised_prompt") or None)


def read_usage(usage: JSON) -> Usage | None:
    """Images are not made of no tokens: servers that say so do not count."""
    written = read_count(usage, "output_tokens")
    return Usage(read_count(usage, "input_tokens"), output_tokens=written) if written else None


# ---- images by address


def fetch(url: str, base_url: str) -> bytes:
    """The bytes at an address that the provider told, which may be relative to its own."""
    deadline = time.monotonic() + FETCH_S
    try:
        for _ in range(1 + MOST_REDIRECTS):
            url = allowed(urljoin(base_url, url), base_url)
            with _get(url) as response:
                location = response.headers.get("Location")
                if not (response.is_redirect and location):
                    return _read(response, deadline)
            url = urljoin(url, location)
    except (requests.RequestException, HTTPError, ValueError) as error:
        # No more of the error: it quotes the address, which is a key to the image.
        raise not_fetched(type(error).__name__) from error
    raise not_fetched("too many redirects")


def allowed(url: str, base_url: str) -> str:
    """The address, where it is one to fetch: in the clear only from the provider's own host. It is looked at as it
    will be asked for, since no two readers of an odd address agree on its host."""
    url = requests.Request("GET", url).prepare().url or ""
    where = urlsplit(url)
    if where.scheme != "https" and (where.scheme != "http" or where.hostname != urlsplit(base_url).hostname):
        raise not_fetched(f"an address of the scheme {where.scheme[:20]} on another host")
    return url


def _get(url: str) -> requests.Response:
    """Without the provider's key, cookies of an earlier answer, and what a .netrc has for the host."""
    return requests.get(
        url,
        headers={"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "thermly"},
        auth=lambda request: request,
        timeout=(CONNECT_S, FETCH_S),
        stream=True,
        allow_redirects=False,
        verify=os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )


def _read(response: requests.Response, deadline: float) -> bytes:
    if response.status_code != 200:
        raise not_fetched(f"status {response.status_code}")
    found = bytearray()
    while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
        found += chunk
        if len(found) > MOST_BYTES:
            raise not_fetched("it is too large")
        if time.monotonic() > deadline:
            raise not_fetched("it comes too slowly")
    return bytes(found)


def not_fetched(detail: str) -> UpstreamFailed:
    return UpstreamFailed("The image that the model's provider made could not be fetched.", detail=detail)
