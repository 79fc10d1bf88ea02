import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.genui.checks import Element
from thermly.genui.components import TreeReader
from thermly.genui.library import library

JSON = library("json")
NOTICE = Element("CalloutV2", {"variant": "error", "title": "t", "description": "d"})


def text(words: Any) -> dict[str, Any]:
    return {"component": "TextContent", "props": {"textMarkdown": words}}


def card(*children: Any) -> dict[str, Any]:
    return {"component": "Card", "props": {"children": list(children)}}


def read(written: str, cuts: tuple[int, ...] = (), notice: Element | None = None) -> tuple[Any, list[str]]:
    reader, edges = TreeReader(JSON), [0, *sorted(cuts), len(written)]
    out = [reader.take(written[a:b]) for a, b in pairwise(edges)]
    payload = reader.head + "".join(out) + reader.end() + reader.close(notice)
    return json.loads(payload), [str(fault) for fault in reader.faults]


WRAPS = st.sampled_from(
    ("{}", "```json\n{}\n```", "Sure, here {{it}} is:\n{}\nThere!", '{{"component": {}, "error": null}}')
)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4),
    st.lists(st.integers(0, 400), max_size=8),
    WRAPS,
    st.sampled_from((None, 2)),
)
def test_a_card_is_read_however_it_is_cut_and_wrapped(words: list[str], cuts: list[int], wrap: str, indent: Any):
    told = card(*map(text, words))
    written = wrap.format(json.dumps(told, indent=indent, ensure_ascii=bool(indent)))
    found, faults = read(written, tuple(cut for cut in cuts if cut < len(written)))
    assert faults == [] and found == {"component": told, "error": None}


def test_children_are_passed_on_one_by_one():
    reader = TreeReader(JSON)
    written = json.dumps(card(text("a"), text("b, {[")))
    seen = [out for letter in written if (out := reader.take(letter))]
    assert [json.loads(out.strip(",")) for out in seen] == [text("a"), text("b, {[")]


def test_only_what_is_sound_is_passed_on_and_the_rest_is_asked_for_again():
    reader = TreeReader(JSON)
    out = reader.take(json.dumps(card(text("a"), text(3), {"x": 1}, text("b")))) + reader.end()
    assert [str(fault) for fault in reader.faults] == [
        "child 2: Card.children[0]: TextContent.textMarkdown: must be string",
        'child 3: must be {"component": …, "props": {…}}',
    ]
    assert reader.told.startswith("2 of its children were right")
    reader.again()
    out += reader.take(json.dumps(card(text("c")))) + reader.end()
    assert reader.faults == []
    found = json.loads(reader.head + out + reader.close(NOTICE))["component"]["props"]["children"]
    assert [child["props"].get("textMarkdown") for child in found] == ["a", "b", "c", None]


@pytest.mark.parametrize(
    "written",
    [
        '{"component":"Card","props":{"children":[{"component":"TextContent","props":{"textMarkdown":"a"}}',
        '{"component":"Card","props":{"children":[{"component":"TextContent","props":{"textMarkdown":"a',
        '{"component":"Card","props":{"children":[{"component":"TextContent","props":{"textMarkdown" "a"}}]}}',
        '{"component":"Card","props":{"children":[{"component":"TextContent","props":{"textMarkdown":"a"}}}]}}',
        '{"component":"Card","props":{"children":[3]}}',
        '{"component":"Card","props":{"children":["a"]}}',
        '{"component":"Card","props":{"children":[{"component":"Table"}]}}',
        '{"component":"Card","props":{"children":[{"component":"TextContent","props":[]}]}}',
        '{"component":"Card","props":{"children":[{"component":"TextContent","textMarkdown":"a"}]}}',
        '{"component":"Card","props":{"children":{}}}',
        '{"component":"Card","props":{}}',
        '{"component":"Card"}',
        '{"component":{"component":"Card"',
        '{"component":"Nothing","props":{}}',
        '{"component":"Card","props":{"children":[' + "[" * 5_000,
        '{"component":"Card","props":{"children":[' + '{"a":' * 200 + "1" + "}" * 200 + "]}}",
    ],
)
def test_broken_markup_is_caught_and_never_passed_on(written: str):
    found, faults = read(written, notice=NOTICE)
    assert faults
    *kept, last = found["component"]["props"]["children"]
    assert last["component"] == "CalloutV2" and kept in ([], [text("a")])


def test_what_else_models_write():
    assert read(json.dumps(text("a")))[0]["component"] == card(text("a"))
    odd = {"component": "Card", "props": {"title": "x", "children": [text("a")]}}
    assert read(json.dumps(odd))[0]["component"] == card(text("a"))
    item = {"component": "ListItem", "props": {"title": "a"}}
    found, faults = read(json.dumps(card({"component": "List", "props": {"items": [item]}})))
    assert faults == [] and found["component"]["props"]["children"][0]["props"]["items"] == [{"title": "a"}]


def test_prose_alone_is_no_fault():
    for words in ("I cannot help with that.", 'Use {curly} braces, as in {"a": 1}.', ""):
        reader = TreeReader(JSON)
        assert reader.take(words) + reader.end() == ""
        assert (reader.faults, reader.has_markup, reader.prose) == ([], False, words)


def test_a_long_string_is_looked_at_once():
    reader = TreeReader(JSON)
    written = json.dumps(card(text('x\\"' * 100_000)))
    out = "".join(reader.take(written[i : i + 7]) for i in range(0, len(written), 7))
    assert json.loads(out) == text('x\\"' * 100_000)
