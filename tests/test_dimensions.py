"""What a file says of its size, whichever kind it is, and nothing where it says nothing."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly import dimensions

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480) + bytes(40)
GIF = b"GIF89a" + struct.pack("<HH", 320, 200) + bytes(40)
APP = b"\xff\xe1" + struct.pack(">H", 60_002) + bytes(60_000)
FRAME = b"\xff\xc2" + struct.pack(">HBHH", 17, 8, 1080, 1920) + bytes(40)
JPEG = b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + bytes(14) + b"\xff" + FRAME
PHOTO = b"\xff\xd8" + APP * 3 + FRAME
RIFF = b"RIFF\0\0\0\0WEBP"
LOSSY = RIFF + b"VP8 " + bytes(10) + struct.pack("<HH", 0x4000 | 800, 600) + bytes(20)
LOSSLESS = RIFF + b"VP8L" + bytes(4) + b"\x2f" + struct.pack("<I", 799 | 599 << 14) + bytes(20)
EXTENDED = RIFF + b"VP8X" + bytes(8) + (799).to_bytes(3, "little") + (599).to_bytes(3, "little") + bytes(20)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (PNG, (640, 480)), (GIF, (320, 200)), (JPEG, (1920, 1080)), (PHOTO, (1920, 1080)),
        (LOSSY, (800, 600)), (LOSSLESS, (800, 600)), (EXTENDED, (800, 600)),
        (b"", None), (b"BM" + bytes(60), None), (PNG[:20], None), (JPEG[:20], None), (RIFF + bytes(60), None),
        (b"GIF89a" + bytes(60), None), (b"\xff\xd8" + APP * 9 + FRAME, None),
    ],
)  # fmt: skip
def test_the_size_is_what_the_file_says(data: bytes, size: tuple[int, int] | None) -> None:
    assert dimensions.of_base64(base64.b64encode(data).decode()) == size


def test_what_is_no_base64_says_nothing() -> None:
    assert dimensions.of_base64("A") is None and dimensions.of_base64("/9j/é") is None


@given(st.sampled_from([PNG, GIF, JPEG, LOSSY, LOSSLESS, EXTENDED]), st.binary(max_size=60), st.integers(0, 60))
def test_no_file_is_too_broken_to_look_at(data: bytes, noise: bytes, cut: int) -> None:
    dimensions.of_base64(base64.b64encode(data[:cut] + noise).decode())
