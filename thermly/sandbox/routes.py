"""Which wire and which endpoint a path means, and what a failing one answers.

The first segment of a path is any provider's name; the rest decides. Knows no socket.
"""

from __future__ import annotations

import re

from thermly.sandbox import anthropic, embeddings, gemini, openai, openai_images
from thermly.sandbox.wire import Answer, Handler, Refused, Request, Wire

_TABLE: list[tuple[str, re.Pattern[str], Wire, Handler]] = [
    ("POST", re.compile(r"/chat/completions$"), openai.WIRE, openai.chat),
    ("POST", re.compile(r"/embeddings$"), openai.WIRE, embeddings.embeddings),
    ("POST", re.compile(r"/images/generations$"), openai.WIRE, openai_images.images),
    ("POST", re.compile(r"/v1/messages$"), anthropic.WIRE, anthropic.messages),
    ("POST", re.compile(r"/v1/messages/count_tokens$"), anthropic.WIRE, anthropic.count_tokens),
    ("POST", re.compile(r"/models/([^/:]+):generateContent$"), gemini.WIRE, gemini.generate),
    ("POST", re.compile(r"/models/([^/:]+):streamGenerateContent$"), gemini.WIRE, gemini.stream),
    ("POST", re.compile(r"/models/([^/:]+):countTokens$"), gemini.WIRE, gemini.count_tokens),
    ("POST", re.compile(r"/models/([^/:]+):embedContent$"), gemini.WIRE, gemini.embed),
    ("POST", re.compile(r"/models/([^/:]+):batchEmbedContents$"), gemini.WIRE, gemini.embed_batch),
]
# Three vendors list their models under the same path.
_MODELS = re.compile(r"/models(?:/(.+))?$")
_LISTERS = {"openai": openai.models, "anthropic": anthropic.models, "gemini": gemini.models}


def find(request: Request) -> tuple[Wire, Handler, str]:
    """The wire, its handler and the model that the path names ("" where it names none)."""
    for method, pattern, wire, handler in _TABLE:
        found = pattern.search(request.rest) if method == request.method else None
        if found:
            return wire, handler, found.group(1) if pattern.groups else ""
    wire = _spoken(request)
    listing = _MODELS.search(request.rest) if request.method == "GET" else None
    if listing:
        return wire, _LISTERS[wire.name], listing.group(1) or ""
    return wire, _unknown, ""


def answer(wire: Wire, handler: Handler, request: Request, model: str) -> Answer:
    """What the vendor would answer; raises Refused where it would refuse."""
    wire.check_key(request)
    if request.standing.status is not None:
        return Answer(request.standing)  # a provider that is failing reads no bodies
    try:
        return handler(request, model)
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
        # The checks name what vendors name; whatever else does not read is still the caller's error.
        raise Refused(400, f"Invalid request: {type(error).__name__}: {error}") from error


def _spoken(request: Request) -> Wire:
    """The wire that a client speaks, where its path does not tell."""
    if "anthropic-version" in request.headers:
        return anthropic.WIRE
    google = "x-goog-api-key" in request.headers or "key" in request.query
    return gemini.WIRE if google or request.rest.startswith("/v1beta/models") else openai.WIRE


def _unknown(request: Request, _: str) -> Answer:
    raise Refused(404, f"Invalid URL ({request.method} {request.rest})", kind="invalid_request_error")
