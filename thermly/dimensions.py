"""An image's width and height, out of the beginning of its file: PNG, JPEG, GIF and WebP.

Knows: where these files say it. Must not know: whether the rest of the file is sound, what anybody wants to know it
for. A file may say what it likes: whoever counts with it sets bounds.
"""

import binascii

HEAD_CHARS = 2**18
"""Of base64. A photograph has its preview and its colours before its size; in the others it comes first."""

_SHORT_CHARS = 64
# Start of a JPEG's frame: every marker from C0 to CF but tables, an extension, and arithmetic coding.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset((0x01, 0xFF, *range(0xD0, 0xD9)))  # markers without a length


def of_base64(data: str) -> tuple[int, int] | None:
    """(width, height) in pixels; None where the file does not say."""
    try:
        found = of(binascii.a2b_base64(data[:_SHORT_CHARS]))
        if found is None and data.startswith("/9j/"):
            found = of(binascii.a2b_base64(data[:HEAD_CHARS]))
    except ValueError:
        return None
    return found if found and all(found) else None


def of(head: bytes) -> tuple[int, int] | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        return _big(head, 16, 4), _big(head, 20, 4)
    if head.startswith((b"GIF87a", b"GIF89a")) and len(head) >= 10:
        return _little(head, 6, 2), _little(head, 8, 2)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP" and len(head) >= 30:
        return _of_webp(head)
    return _of_jpeg(head) if head.startswith(b"\xff\xd8") else None


def _of_webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return _little(head, 24, 3) + 1, _little(head, 27, 3) + 1
    if kind == b"VP8L":
        both = _little(head, 21, 4)
        return (both & 0x3FFF) + 1, (both >> 14 & 0x3FFF) + 1
    return (_little(head, 26, 2) & 0x3FFF, _little(head, 28, 2) & 0x3FFF) if kind == b"VP8 " else None


def _of_jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker in _FRAMES:
            return _big(head, at + 7, 2), _big(head, at + 5, 2)
        at += (1 if marker == 0xFF else 2) if marker in _BARE else 2 + _big(head, at + 2, 2)
    return None


def _big(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
