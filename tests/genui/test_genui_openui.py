"""The grammar: what is written is read back, at whatever points it is cut; what is broken is told by line."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.genui.checks import Fault, Reference
from thermly.genui.openui import Call, Program, Statement, write

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True).filter(lambda n: n not in ("true", "false", "null"))
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS | NAMES.map(Reference),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS, inner, max_size=3)
        | st.builds(Call, st.from_regex(r"[A-Z][a-zA-Z]{0,6}", fullmatch=True), st.lists(inner, max_size=3))
    ),
    max_leaves=8,
)


def read(text: str, cuts: tuple[int, ...] = ()) -> list[Statement | Fault]:
    program, edges = Program(), [0, *sorted(cuts), len(text)]
    pieces = (text[a:b] for a, b in pairwise(edges))
    return [*(item for piece in pieces for item in program.feed(piece)), *program.end()]


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4), st.lists(st.integers(0, 200), max_size=6), st.booleans())
def test_what_is_written_is_read_back(told: list[tuple[str, Any]], cuts: list[int], fenced: bool):
    rows = [Statement(name, value, line) for line, (name, value) in enumerate(told, 2 if fenced else 1)]
    text = "\n".join(map(write, rows))
    if fenced:
        text = f"```openui-lang\n{text}\n```\nThat was it."
    assert read(text, tuple(cut for cut in cuts if cut < len(text))) == rows


def value(text: str) -> Any:
    (statement,) = read(f"x = {text}")
    assert isinstance(statement, Statement), statement
    return statement.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'it\\'s'", "it's"),
        ('"\\ud83d\\ude00 \\u00e9 \\d"', "😀 é d"),
        ('"\\ud83d"', "\ufffd"),
        ("[1, 2,]", [1, 2]),
        ('{a: 1, "b c": [true, null]}', {"a": 1, "b c": [True, None]}),
        ("Card( [ a ] , ) # a remark", Call("Card", [[Reference("a")]])),
        ("Card([\n  a, // the first\n  b\n])", Call("Card", [[Reference("a"), Reference("b")]])),
        ('"a = b # c // d"', "a = b # c // d"),
        ("-1.5e3", -1500.0),
        ("12345678901234567890", 12345678901234567890.0),
    ],
)
def test_values(text: str, expected: Any):
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('Card(["a)', "line 1 (x): a string is not closed on its line"),
        ('"two\nlines"', "line 1 (x): a string is not closed on its line"),
        ("Card([a)", "] or a comma is missing before ')'"),
        ("Card([a]", "before its end"),
        ("Card([a]))", "')' cannot follow here"),
        ("Card([a b])", "missing before 'b'"),
        ("{a 1}", "a : is missing after 'a'"),
        ("{1: 2}", "is no key"),
        ("{a: 1}}", "a } too many"),
        ("", "ends too early"),
        ("1 + 2", "cannot be read"),
        ("$state", "cannot be read"),
        ("a ? b : c", "cannot be read"),
        ("a.b", "cannot be read"),
        ("<Card/>", "cannot be read"),
        ("01", "cannot be read"),
        ("1e999", "too large"),
        (",", "',' cannot stand here"),
        ("[" * 60 + "]" * 60, "nested too deeply"),
    ],
)
def test_broken_values_say_where_and_what(text: str, says: str):
    faults = [item for item in read(f"x = {text}") if isinstance(item, Fault)]
    assert faults and says in str(faults[0])


def test_a_bracket_that_is_left_open_costs_one_statement():
    first, second, third = read("a = Card([b\nb = 2\n\nc = 3")
    assert isinstance(first, Fault) and first.where == "line 1 (a)"
    assert second == Statement("b", 2, 2) and third == Statement("c", 3, 4)


def test_prose_is_set_aside_and_a_broken_line_within_the_fence_is_not():
    program = Program()
    text = "Sure, here it is:\n\n```openui-lang\nroot = Card([])\nroot Card\n```\nx = 3 is what I meant."
    items = [*program.feed(text), *program.end()]
    assert items[0] == Statement("root", Call("Card", [[]]), 4)
    assert [str(item) for item in items[1:]] == ["line 5: is not of the form name = Component(…)"]
    assert program.prose == ["Sure, here it is:", "root Card", "x = 3 is what I meant."]


@pytest.mark.parametrize("text", ["x = [1 " + "# " * 5_000 + "\n, $", "x = " + '["' * 5_000, "x = '\"" * 5_000])
def test_nonsense_costs_no_more_than_its_length(text: str):
    assert any(isinstance(item, Fault) for item in read(text))


def test_a_statement_is_told_as_soon_as_its_line_ends():
    program = Program()
    assert list(program.feed('a = "x')) == []
    assert list(program.feed('y"\nb =')) == [Statement("a", "xy", 1)]
    assert list(program.end()) and list(program.end()) == []


@pytest.mark.parametrize("text", ["```", "a\n```\nb", "````", "\\```", "`` `"])
def test_no_fence_is_written_within_a_program(text: str):
    row = Statement("x", [text, {text: Call("TextContent", [text])}], 1)
    assert "```" not in write(row) and read(write(row)) == [row]
