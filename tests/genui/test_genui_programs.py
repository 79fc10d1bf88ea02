import pytest

from thermly.genui.checks import Element, Fault
from thermly.genui.library import library
from thermly.genui.programs import ProgramReader

OPENUI = library("openui")
NOTICE = Element("Callout", {"variant": "error", "title": "t", "description": "d"})


def read(text: str) -> tuple[str, list[str], ProgramReader]:
    reader = ProgramReader(OPENUI)
    out = reader.take(text) + reader.end()
    return out, [str(fault) for fault in reader.faults], reader


def test_only_what_is_sound_is_passed_on_and_the_rest_is_asked_for_again():
    text = 'root = Card([a, b, c])\na = TextContent("A")\nb = TextContent(3)\nc = Nothing()\n'
    out, faults, reader = read(text)
    assert out == 'root = Card([a, b, c])\na = TextContent("A")\n'
    assert faults[:2] == [
        "line 3 (b): TextContent.text: must be string",
        "line 4 (c): there is no component Nothing",
    ]
    assert reader.told == "These names are told: root, a."
    reader.again()
    assert reader.take('b = TextContent("B")\nc = TextContent("C")') + reader.end() == (
        'b = TextContent("B")\nc = TextContent("C")\n'
    )
    assert reader.faults == [] and reader.close(None) == ""


def test_what_stays_broken_is_left_out_of_a_root_that_replaces_the_first():
    out, faults, reader = read('root = Card(all)\nall = [a, b, c]\na = TextContent("A")\nb = Bad()\n')
    assert faults
    last = reader.close(NOTICE)
    assert last == 'root = Card([a, Callout("error", "t", "d")])\n'
    whole, faults, _ = read(out + last)
    assert faults == [] and whole == out + last


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('a = TextContent("A")', "has no root"),
        ('root = TextContent("A")', "root must be a Card"),
        ("root = Card([a])", "a is never told"),
        ("root = Card([a])\na = [a]", "a stands for itself"),
        ("root = Card([root])", "root stands for itself"),
        ("root = Card([a])\na = b\nb = a", "stands for itself"),
        ("root = Card([a])\na = 3", "Card.children[0]: must be a component"),
        ('root = Card([Input("a")])', "Input cannot stand here"),
        ("root = Card([]  , 1)", "takes at most 1 arguments"),
        ("root = Card()", "children is missing"),
        ('root = Card([t])\nt = Table(c, r)\nc = [Col("A")]\nr = [[{}]]', "rows[0][0]: must be"),
        ('root = Card([t])\nt = TextContent("a", "huge")', "size: must be one of"),
    ],
)
def test_what_is_wrong_with_the_whole(text: str, says: str):
    out, faults, reader = read(text)
    assert any(says in fault for fault in faults), faults
    _, again, _ = read(out + reader.close(NOTICE))
    assert again == []


def test_without_a_root_what_is_sound_is_shown():
    _, _, reader = read('a = TextContent("A")\nb = TabItem("b", "B", [c])\nc = TextContent("C")\n')
    assert reader.close(NOTICE) == 'root = Card([a, Callout("error", "t", "d")])\n'


def test_a_program_that_doubles_itself_ends():
    rows = [f"a{i} = [a{i + 1}, a{i + 1}]" for i in range(40)]
    _, faults, _ = read("\n".join(("root = Card(a0)", *rows, 'a40 = TextContent("a")')))
    assert any("too large" in fault for fault in faults)


def test_prose_alone_is_no_fault():
    out, faults, reader = read("I cannot help with that.\nSorry.")
    assert (out, faults, reader.has_markup) == ("", [], False)
    assert reader.prose == "I cannot help with that.\nSorry."


def test_a_root_that_is_no_card_is_never_told():
    out, faults, reader = read('root = TextContent("A")\n')
    assert out == "" and faults[0] == "line 1 (root): root must be a Card"
    reader.again()
    assert reader.take('root = Card([TextContent("A")])\n') + reader.end() == 'root = Card([TextContent("A")])\n'
    assert reader.faults == [] and reader.close(None) == ""


@pytest.mark.parametrize("notice", [None, NOTICE])
def test_whoever_waits_for_the_end_is_told_each_name_once(notice: Element | None):
    reader = ProgramReader(OPENUI, at_once=True)
    assert reader.take('root = Card([a, b])\na = TextContent("A")\nb = Bad()\n') + reader.end() == ""
    assert reader.faults and reader.told == "These names are told: root, a."
    reader.again()
    mended = 'root = Card([b, a])\nb = TextContent("B")\n' if notice is None else 'c = TextContent("C")\n'
    assert reader.take(mended) + reader.end() == ""
    assert reader.close(notice).splitlines() == (
        ["root = Card([b, a])", 'a = TextContent("A")', 'b = TextContent("B")']
        if notice is None
        else ['root = Card([a, Callout("error", "t", "d")])', 'a = TextContent("A")', 'c = TextContent("C")']
    )


def test_the_same_fault_is_told_once():
    _, _, reader = read("root = Card([a, a])")
    assert reader.faults == [Fault("line 1 (root)", "a is never told")]
