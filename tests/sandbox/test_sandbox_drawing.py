"""The images themselves: whole PNG files that show their prompt."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from pictures import Picture, read

from thermly.sandbox.drawing import draw
from thermly.sandbox.font import COLUMNS, ROWS, glyph


def spelled(picture: Picture, count: int) -> str:
    """The first letters of an image, found by comparing dots with the font; the first one must be an H."""
    left, top = picture.first_bright()
    scale = next(x for x in range(left, picture.width) if not picture.bright(x, top)) - left
    found = ""
    for i in range(count):
        dots = tuple(
            sum(
                picture.bright(left + scale * (i * (COLUMNS + 1) + column), top + scale * row)
                << (COLUMNS - 1 - column)
                for column in range(COLUMNS)
            )
            for row in range(ROWS)
        )
        found += next((chr(code) for code in range(32, 127) if glyph(chr(code)) == dots), "?")
    return found


@pytest.mark.parametrize("size", [(1024, 1024), (1792, 1024), (768, 1344), (256, 256), (512, 300)])
def test_the_prompt_can_be_read(size: tuple[int, int]) -> None:
    picture = read(draw("dall-e-3", "Hi {jpgy}~ a second line", *size))
    assert (picture.width, picture.height) == size
    assert spelled(picture, 10) == "Hi {jpgy}~"


def test_what_the_font_lacks_is_a_box() -> None:
    assert glyph("é") == glyph("☃") == glyph("\x7f") != glyph("e")
    letters = [glyph(chr(code)) for code in range(32, 127)]
    assert len(set(letters)) == len(letters), "no two letters look the same"
    assert all(len(letter) == ROWS and max(letter) < 1 << COLUMNS for letter in letters)


def test_equal_images_are_equal_and_others_are_not() -> None:
    first = draw("dall-e-2", "a fox", 256, 256)
    assert draw("dall-e-2", "a fox", 256, 256) == first
    others = [
        draw("dall-e-2", "a dog", 256, 256),
        draw("dall-e-2", "a fox", 256, 256, index=1),
        draw("dall-e-3", "a fox", 256, 256),
        draw("dall-e-2", "a fox", 256, 512),
    ]
    assert len({first, *others}) == 5
    corners = {read(data).pixel(0, 0) for data in (first, *others[:2])}
    assert len(corners) == 3, "prompt and index have colours of their own"


def test_long_prompts_have_smaller_letters_and_the_longest_are_cut_short() -> None:
    def bright(prompt: str) -> int:
        picture = read(draw("m", prompt, 256, 256))
        return sum(picture.bright(x, y) for y in range(256) for x in range(256))

    assert bright("Hello") == 4 * bright("Hello " * 40) / 40
    assert bright("Hello " * 5000) == bright("Hello " * 6000)
    assert bright("H" * 300) == 300 * bright("H" * 200) / 200, "a word that is too long is broken, not lost"


def test_lines_break_where_the_prompt_does() -> None:
    picture = read(draw("m", "H\nH", 512, 512))
    left, _ = picture.first_bright()
    stem = [y for y in range(512) if picture.bright(left, y)]
    assert len(stem) > 7 and any(b - a > 1 for a, b in pairwise(stem))


@pytest.mark.parametrize("width", [1, 2, 7, 16, 33, 2048])
def test_any_size_is_a_whole_image(width: int) -> None:
    for height in (1, 2, 17, 64):
        for prompt in ("", "\n \n", "a prompt " * 30):
            picture = read(draw("a-model-with-a-long-name", prompt, width, height, index=9))
            assert (picture.width, picture.height) == (width, height)


def test_a_transparent_background_is_all_of_one_colour() -> None:
    picture = read(draw("gpt-image-2.5-flare", "Hi", 256, 256, transparent=True))
    assert picture.transparent == picture.pixel(0, 0) == picture.pixel(255, 255)
    assert spelled(picture, 2) == "Hi"
    opaque = read(draw("gpt-image-2.5-flare", "Hi", 256, 256))
    assert opaque.transparent is None and opaque.pixel(0, 0) != opaque.pixel(255, 255)


def test_drawing_is_quick() -> None:
    def seconds() -> float:
        began = time.thread_time()
        draw("dall-e-3", "A watercolour fox jumping over a lazy dog. " * 90, 1024, 1024)
        return time.thread_time() - began

    assert min(seconds() for _ in range(3)) < 0.1
