"""Charts: shapes and words, no style, no script."""

import sys
from xml.etree import ElementTree

import pytest

from thermly.console.drawing import STEPS, Series, bars, marks, shares

LABELS = ["1 Nov", "2 Nov", "<b>"]


def drawn(*series: Series, labels: list[str] = LABELS) -> ElementTree.Element:
    return ElementTree.fromstring(bars("What it shows", labels, series, lambda v: f"{v:.0f} pieces"))


def titles(tree: ElementTree.Element) -> list[str]:
    return [e.text or "" for e in tree.iter("{http://www.w3.org/2000/svg}title")]


def test_every_value_tells_what_it_is():
    tree = drawn(Series("fast", "fast", [1, 2, 3]), Series("best", "best", [4, 5, 6]))
    told = [t for t in titles(tree) if "pieces" in t and "·" in t]
    assert told[0] == "1 Nov · fast: 1 pieces" and len(told) == 6 and "<b> · best: 6 pieces" in told
    assert (tree.get("role"), tree.get("aria-label")) == ("img", "What it shows")


def test_colours_are_left_to_the_stylesheet_and_nothing_runs():
    text = bars("t", LABELS, [Series("fast", "fast", [1, 2, 3])])
    assert "tone-fast" in text
    for unwanted in ("<style", "<script", "style=", "onclick", "pygal.org", "<b>"):
        assert unwanted not in text, unwanted


def test_nothing_to_draw_is_still_a_picture():
    assert drawn(Series("fast", "fast", [0, 0, 0])).get("role") == "img"
    assert drawn(labels=[]).get("role") == "img"


def test_shares_fill_the_bar():
    rows = shares([("a", "fast", 1), ("b", "best", 3)])
    assert [(r["at"], r["width"]) for r in rows] == [(0, 25), (25, 75)]
    assert shares([("a", "fast", 0)])[0]["width"] == 0


def test_no_import_hook_is_left_behind():
    drawn(Series("fast", "fast", [1]), labels=["1 Nov"])
    assert all(hasattr(finder, "find_spec") for finder in sys.meta_path)


@pytest.mark.parametrize("top", [1, 2, 3, 5, 7, 10, 11, 240, 999, 1e9, 0.1, 0.3, 0.7, 2.4, 0.0000123, 123.4])
def test_marks_are_round_and_at_equal_distances(top: float):
    found = marks([0, top, top / 2 if top < 1 else 1])
    assert found[0] == 0 and top <= found[-1] <= 2 * top + 1e-12 and 2 <= len(found) <= STEPS + 1
    assert [a + found[1] for a in found[:-1]] == pytest.approx(found[1:])
    assert not float(top).is_integer() or all(float(mark).is_integer() for mark in found), "nobody asks half a time"
    assert marks([]) == marks([0, 0]) == [0]


def test_every_mark_that_is_drawn_has_its_words():
    tree = drawn(Series("fast", "fast", [120, 0, 20]), Series("best", "best", [120, 4, 6]))
    words = [e.text for e in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert [w for w in words if w and w.endswith("pieces")] == [f"{n} pieces" for n in (0, 100, 200, 300)]
