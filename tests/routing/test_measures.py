import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.exchange import Tool
from thermly.routing.measures import NAMES, measure

OPTIONS = "What is the boiling point of water?\nA. 90 °C\nB. 100 °C\nC. 110 °C\nD. None of these"
GRID = (
    "There are 3 houses.\n - Everyone has a name: `Ann`, `Bo`, `Cy`\n - Everyone has a pet: `cat`, `dog`, `owl`\n"
)
TOOL = Tool(
    "find_flight",
    "Finds a flight.",
    {
        "type": "object",
        "properties": {
            "from": {"type": "string"},
            "class": {"type": "string", "enum": ["economy", "first"]},
            "bags": {"type": "array", "items": {"type": "integer"}},
            "traveller": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
        "required": ["from"],
    },
)


def valued(text, *tools):
    return dict(zip(NAMES, measure(text, tools).values, strict=True))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (OPTIONS, "options"),
        ("Which?\n" + "\n".join(f"{letter}) {letter * 3}" for letter in "ABCDEFGH"), "many options"),
        ("下列说法正确的是（　）\nA．水是单质\nB．水是化合物\nC．水是混合物", "far options"),
        (GRID, "grid"),
        ("Tom has 3 apples and buys twice as many. How many apples does he have?", "sum"),
        ("Solve $x^2 + 3x = 10$ for real $x$.", "formula"),
        ("Write a Python function that reverses a list.", "code"),
        ("def f(x):\n    return x\nassert f(1) == ??", "code"),
        ("Why does this fail?\n```python\ndef f(x):\n    return x + 1\n```", "open"),
        ("Hello!", "open"),
        ("Write a short email to my boss asking for a day off on Friday.", "open"),
        ("", "open"),
    ],
)
def test_the_form_of_a_task_is_seen(text, form):
    assert measure(text).form == form


def test_tools_are_a_form_of_their_own_whatever_the_text():
    assert measure(OPTIONS, (TOOL,)).form == "tools"


def test_what_is_not_judged_by_a_head_is_not_measured():
    assert measure("Hello!").values == ()
    assert len(measure(GRID).values) == 1
    assert len(measure(OPTIONS).values) == len(NAMES) == len(set(NAMES))


def test_options_are_a_run_of_letters_from_a():
    many = valued(OPTIONS)
    assert many["options"] == pytest.approx(1.609, abs=0.001)
    assert (many["option_numbers"], many["option_all"]) == (0.75, 1.0)
    assert measure("I have vitamin A. and no other.").form == "open"
    assert measure("Plan B. and plan C. and plan D.").form == "open"


def test_a_grid_is_hardest_in_the_middle():
    def near(people, attributes):
        line = " - Everyone has a thing: " + ", ".join(f"`{i}`" for i in range(people)) + "\n"
        return measure("Solve:\n" + line * attributes).values[0]

    sizes = [near(2, 2), near(3, 3), near(4, 4), near(6, 6)]
    assert sizes[0] < sizes[1] < sizes[2] > sizes[3]


def test_tools_are_measured_by_what_has_to_be_filled_in():
    one, two = valued("Book it", TOOL), valued("Book it", TOOL, TOOL)
    for name in ("tools", "parameters", "required", "nested", "choices", "optional"):
        assert 0 < one[name] < two[name]


@pytest.mark.parametrize(
    "broken", [{"properties": 3}, {"properties": {"a": 1}}, {"required": 5}, {"properties": []}]
)
def test_a_schema_may_be_anything(broken):
    assert measure("x", (Tool("a", None, broken),)).form == "tools"


def test_a_schema_may_be_very_deep():
    deep = {"type": "object"}
    for _ in range(3_000):
        deep = {"type": "object", "properties": {"a": deep}}
    assert measure("x", (Tool("a", None, deep),)).form == "tools"


PIECES = ["a", "1", " ", "\n", "\n ", "A. ", "A.B.", "'", '"', "[:", "[", "_", ".", "?", "\\", "- a: b,", "$",
          "write ", " A", "def ", "a.b(", "  a=", "证", "1. ", "(A) ", "İ", "%^="]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("start", ["", "1 + 1 = how many? ", "Q\nA. x\nB. y\n", "def f():\n    x\n    y\n"])
def test_measuring_takes_no_longer_where_one_sign_repeats(piece, start):
    text = start + piece * (4_500 // len(piece))
    measure(text)
    began = time.process_time()
    measure(text)
    assert time.process_time() - began < 0.05


@given(st.text(max_size=300), st.sampled_from(["", "\nA. 1\nB. 2", "\n - a: b, c\n - d: e, f", " how many 1 2?"]))
def test_any_text_can_be_measured(text, tail):
    found = measure(text + tail)
    assert all(-1e6 < value < 1e6 for value in found.values)
    assert found == measure(text + tail)
