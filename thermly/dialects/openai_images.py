"""OpenAI's image generation as clients speak it: requests read, replies and jobs written.

Source: the console reference ("Image Generation") and OpenAI's own; jobs, for those who do not wait, are ours.
Knows: the wire and its rules. Must not know: providers, prices, Flask, which sizes and qualities a model has.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from thermly.dialects.openai_chat import NOT_FOR_CALLERS, WIRE, invalid, parse
from thermly.dialects.openai_chat_writing import write_error
from thermly.errors import GatewayError, InvalidRequest, UnsupportedContent
from thermly.exchange import Usage
from thermly.pictures import ImageRequest

MOST_IMAGES = 4
MOST_PROMPT_CHARS = 4000
Status = Literal["queued", "in_progress", "completed", "failed"]

_SIZE = re.compile(r"auto|[1-9]\d{0,4}x[1-9]\d{0,4}", re.ASCII)
_encode = msgspec.json.encode


class Body(Struct):
    """The whole body. OpenAI's formats "gif" and "svg" are not here: they are billed by frames and by drafts,
    which no hold covers."""

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    prompt: Annotated[str, Meta(min_length=1, max_length=MOST_PROMPT_CHARS)]
    n: Annotated[int, Meta(ge=1, le=MOST_IMAGES)] | None = None
    size: str | None = None
    quality: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    user: str | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Meta(ge=0, le=3)] | None = None
    style: Literal["vivid", "natural"] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    moderation: Literal["low", "auto"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None


# These have a word of their own in the request, or none at all; whatever else is sent is the vendor's to judge.
NAMED = frozenset(
    ("model", "prompt", "n", "size", "quality", "response_format", "user", "stream", "partial_images")
)

# msgspec prepares a type at its first use, and a thread that meets a half prepared one crashes the process.
msgspec.json.Decoder(Body)


class Shown(Struct, frozen=True):
    """An image as a client gets it: its address, or its bytes in base64."""

    url: str | None
    b64: str | None
    revised_prompt: str | None


Result = tuple[int, Sequence[Shown], Usage | None, dict[str, str]]
"""What `write_reply` writes."""


def read_request(body: bytes) -> ImageRequest:
    """Raises InvalidRequest with the offending field in `param`."""
    raw = parse(body)
    try:
        asked = msgspec.convert(raw, Body)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    if foreign := NOT_FOR_CALLERS & raw.keys():
        name = min(foreign)
        raise InvalidRequest(f"'{name}' is not a parameter of this API.", param=name)
    _check(asked)
    unnamed = {k: v for k, v in raw.items() if k not in NAMED and v is not None}
    return ImageRequest(
        model=asked.model,
        prompt=asked.prompt,
        n=asked.n or 1,
        size=asked.size,
        quality=asked.quality,
        b64=asked.response_format == "b64_json",
        user=asked.user,
        extras={WIRE: unnamed} if unnamed else None,
    )


def _check(asked: Body) -> None:
    """The rules that a type cannot say."""
    if asked.size is not None and not _SIZE.fullmatch(asked.size):
        raise InvalidRequest("size must be 'auto' or WIDTHxHEIGHT in pixels, as in '1024x1024'.", param="size")
    for name, wanted in (("stream", asked.stream), ("partial_images", asked.partial_images is not None)):
        if wanted:
            raise UnsupportedContent(f"Images are not streamed: leave out '{name}'.", param=name)


def write_reply(created_s: int, pictures: Sequence[Shown], usage: Usage | None, facts: dict[str, str]) -> bytes:
    """`facts` are what is known of size, quality, output_format and background."""
    return _encode(_reply(created_s, pictures, usage, facts))


def write_job(
    *,
    id: str,
    status: Status,
    created_s: int,
    done: int,
    of: int,
    result: Result | None = None,
    error: GatewayError | None = None,
) -> bytes:
    """A job to poll: `done` of the images are made `of` how many. With it the reply, or why there is none."""
    job: dict[str, Any] = {
        "id": id,
        "object": "image.generation.job",
        "status": status,
        "created": created_s,
        "progress": {"done": done, "of": of},
    }
    if result is not None:
        job["result"] = _reply(*result)
    if error is not None:
        job |= msgspec.json.decode(write_error(error))
    return _encode(job)


def _reply(created_s: int, pictures: Sequence[Shown], usage: Usage | None, facts: dict[str, str]) -> dict[str, Any]:
    # "auto" is what was asked for and no fact: OpenAI tells what was chosen in its place, or nothing.
    known = {name: value for name, value in facts.items() if value and value != "auto"}
    reply = {"created": created_s, "data": [_image(shown) for shown in pictures], **known}
    if usage is not None:
        reply["usage"] = _usage(usage)
    return reply


def _image(shown: Shown) -> dict[str, str]:
    row = {"url": shown.url, "b64_json": shown.b64, "revised_prompt": shown.revised_prompt}
    return {name: value for name, value in row.items() if value is not None}


def _usage(usage: Usage) -> dict[str, Any]:
    """A prompt for a new image is text alone."""
    return {
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_tokens_details": {"text_tokens": usage.input_tokens, "image_tokens": 0},
    }
