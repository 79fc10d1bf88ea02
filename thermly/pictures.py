"""The waist for images: one request and its reply, in the words that dialects and providers share.

Knows: what is an image, by its bytes. Must not know: any wire, vendor, price.
"""

import binascii

from msgspec import Struct

from thermly.exchange import Extras, Usage

MOST_BYTES = 32 << 20
"""Of one image."""


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


def picture(data: bytes, revised_prompt: str | None = None) -> Picture:
    """Raises ValueError for what is no image, or too large a one."""
    if len(data) > MOST_BYTES:
        raise ValueError("an image is too large")
    media_type = sniff(data)
    if media_type is None:
        raise ValueError("an image is of no known kind")
    return Picture(data, media_type, revised_prompt)


def sniff(data: bytes) -> str | None:
    """The media type of an image, by its first bytes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return "image/gif" if data.startswith((b"GIF87a", b"GIF89a")) else None


def unpacked(text: str) -> bytes:
    """The bytes of an image in base64. Raises ValueError; nothing is passed over as the decoder's default would."""
    if len(text) > MOST_BYTES * 4 // 3 + 4:
        raise ValueError("an image is too large")
    return binascii.a2b_base64(text, strict_mode=True)
