"""The waist for images: one request and its reply, in the words that dialects and providers share. Values only."""

from msgspec import Struct

from thermly.exchange import Extras, Usage


class ImageRequest(Struct, frozen=True):
    """`size` is "WIDTHxHEIGHT", "auto" or None; `b64`: the client wants base64 in place of addresses. What only
    one vendor knows (style, background, output_format …) is in `extras`."""

    model: str
    prompt: str
    n: int = 1
    size: str | None = None
    quality: str | None = None
    b64: bool = False
    user: str | None = None
    extras: Extras = None


class Picture(Struct, frozen=True):
    """An image as its bytes. `media_type` is what the bytes are, never what somebody said they are."""

    data: bytes
    media_type: str
    revised_prompt: str | None = None


class ImageReply(Struct, frozen=True):
    """`usage` is None where the upstream does not count tokens for it."""

    pictures: tuple[Picture, ...]
    usage: Usage | None = None
