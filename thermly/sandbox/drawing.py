"""PNG images that show a prompt in words, on a colour and under a sign of its own.

Equal arguments give equal bytes. Knows no vendor, no wire and no memory of what was drawn.
"""

from __future__ import annotations

import colorsys
import hashlib
import struct
import zlib

from thermly.sandbox.font import COLUMNS, ROWS, Glyph, glyph

_ADVANCE, _LEADING = COLUMNS + 1, ROWS + 2
_PLAIN, _BRIGHT, _QUIET, _SIGN = range(4)  # inks, in the order in which their colours are laid out
_LONGEST_WORD = 14  # a longer one is broken rather than all letters made smaller
_COMPRESSION = 4


def draw(model: str, prompt: str, width: int, height: int, index: int = 0, transparent: bool = False) -> bytes:
    """A PNG of this size; `index` tells the images of one request apart."""
    digest = hashlib.sha256(f"{index}\0{prompt}".encode("utf-8", "replace")).digest()
    canvas = _Canvas(width, height)
    short = min(width, height)
    margin, cell, small = short // 14, short // 44, max(1, short // 300)
    canvas.put([_sign(digest)], margin, margin, cell, _SIGN)
    caption = f"{model} {width}x{height}" + (f" #{index + 1}" if index else "")
    bottom = height - margin - small * ROWS
    canvas.write(caption, margin, bottom, small, _QUIET)
    top = 2 * margin + COLUMNS * cell
    scale, lines = _fitted(prompt, width - 2 * margin, bottom - margin - top, max(1, short // 96))
    for i, line in enumerate(lines):
        canvas.write(line, margin, top + i * scale * _LEADING, scale, _BRIGHT)
    return _png(canvas, digest, transparent)


class _Canvas:
    """Rows of inks. A pixel is three bytes that name the red, the green and the blue of its ink."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.rows = [_pixels(_PLAIN, width)] * height

    def write(self, text: str, left: int, top: int, scale: int, ink: int) -> None:
        self.put([glyph(character) for character in text], left, top, scale, ink)

    def put(self, glyphs: list[Glyph], left: int, top: int, scale: int, ink: int) -> None:
        """Puts glyphs beside each other, in place of what these rows showed; what juts out is cut off."""
        strips = [_strip(bits, scale, ink) for bits in range(1 << COLUMNS)]
        before = _pixels(_PLAIN, left)
        for i, bits in enumerate(zip(*glyphs, strict=True)):
            if any(bits):
                row = before + b"".join([strips[b] for b in bits])
                row = row[: 3 * self.width] + _pixels(_PLAIN, self.width - len(row) // 3)
                for y in range(max(0, top + i * scale), min(self.height, top + (i + 1) * scale)):
                    self.rows[y] = row


def _pixels(ink: int, count: int) -> bytes:
    return bytes((3 * ink, 3 * ink + 1, 3 * ink + 2)) * count


def _strip(bits: int, scale: int, ink: int) -> bytes:
    """One row of one glyph, with the gap that follows it."""
    dots = [ink if bits >> column & 1 else _PLAIN for column in reversed(range(COLUMNS))]
    return b"".join(_pixels(dot, scale) for dot in [*dots, _PLAIN])


def _sign(digest: bytes) -> Glyph:
    """A symmetric pattern, so that images can be told apart at a glance."""
    halves = [byte & 0b111 for byte in digest[2 : 2 + COLUMNS]]
    return tuple(half << 2 | (half >> 1 & 1) << 1 | half >> 2 for half in halves)


def _fitted(prompt: str, width: int, height: int, largest: int) -> tuple[int, list[str]]:
    """The largest letters, up to a bound, in which the prompt fits, and its lines."""
    columns, rows = max(0, width) // _ADVANCE, max(0, height) // _LEADING
    text = prompt[: columns * rows + 1]
    longest = min(_LONGEST_WORD, max(map(len, text.split()), default=0))
    for scale in range(largest, 0, -1):
        columns, rows = max(0, width) // (scale * _ADVANCE), max(0, height) // (scale * _LEADING)
        if len(text) <= columns * rows and longest <= columns:
            lines = _wrapped(text, columns)
            if len(lines) <= rows:
                return scale, lines
    lines = _wrapped(text, columns)[:rows] if columns else []
    return 1, [*lines[:-1], *(f"{line[: columns - 3]}..." for line in lines[-1:])]


def _wrapped(text: str, columns: int) -> list[str]:
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            if line and len(line) + 1 + len(word) > columns:
                lines.append(line)
                line = ""
            line = f"{line} {word}" if line else word
            while len(line) > columns:
                lines.append(line[:columns])
                line = line[columns:]
        lines.append(line)
    return lines


def _png(canvas: _Canvas, digest: bytes, transparent: bool) -> bytes:
    hue = int.from_bytes(digest[:2], "big") / 65536
    # One colour can be declared to be see-through, a run of shades cannot.
    depth = 0.0 if transparent else 0.14
    above = _rgb(hue, 0.34, 0.5)
    inks = _rgb(hue, 0.98, 1.0) + _rgb(hue, 0.8, 0.4) + _rgb(hue + 0.06, 0.66, 0.6)
    rest = bytes(256 - len(above) - len(inks))
    data: list[bytes] = []
    for y, row in enumerate(canvas.rows):
        shade = _rgb(hue, 0.34 - depth * y / canvas.height, 0.5)
        data += (b"\0", row.translate(shade + inks + rest))
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", canvas.width, canvas.height, 8, 2, 0, 0, 0))]
    if transparent:
        chunks.append(_chunk(b"tRNS", struct.pack(">HHH", *above)))
    chunks.append(_chunk(b"IDAT", zlib.compress(b"".join(data), _COMPRESSION)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + _chunk(b"IEND", b"")


def _rgb(hue: float, lightness: float, saturation: float) -> bytes:
    return bytes(round(255 * part) for part in colorsys.hls_to_rgb(hue % 1.0, lightness, saturation))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
