"""Reads PNG images as a stranger would: signature, checksums, sizes, pixels."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

Pixel = tuple[int, int, int]


@dataclass
class Picture:
    width: int
    height: int
    rows: list[bytes]
    transparent: Pixel | None

    def pixel(self, x: int, y: int) -> Pixel:
        red, green, blue = self.rows[y][3 * x : 3 * x + 3]
        return red, green, blue

    def bright(self, x: int, y: int) -> bool:
        return min(self.pixel(x, y)) > 240

    def first_bright(self) -> tuple[int, int]:
        return next(
            (x, y)
            for y, row in enumerate(self.rows)
            if max(row) > 240
            for x in range(self.width)
            if self.bright(x, y)
        )


def read(data: bytes) -> Picture:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks: list[tuple[bytes, bytes]] = []
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(name + body),), name
        chunks.append((name, body))
        at += 12 + length
    assert chunks[0][0] == b"IHDR" and chunks[-1] == (b"IEND", b"")
    width, height, *kind = struct.unpack(">IIBBBBB", chunks[0][1])
    assert kind == [8, 2, 0, 0, 0], "eight bits of red, green and blue"
    raw = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    stride = 1 + 3 * width
    assert len(raw) == stride * height
    assert {raw[y * stride] for y in range(height)} == {0}, "no row is filtered"
    rows = [raw[y * stride + 1 : (y + 1) * stride] for y in range(height)]
    clear = dict(chunks).get(b"tRNS")
    red, green, blue = struct.unpack(">HHH", clear) if clear else (0, 0, 0)
    return Picture(width, height, rows, (red, green, blue) if clear else None)
