"""The playground's readers and renderers by themselves, on what no honest model writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from console.conftest import Guest, Visitor
from console.playing import at

JSON, OPENUI = '<content thesys="true">', '<content thesys="true" version="2">\n'
ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


@pytest.fixture
def page(chromium: Any, member: Visitor) -> Any:
    return at(Guest(chromium, member), "interfaces")


def run(page: Any, module: str, text: str, argument: Any = None) -> Any:
    """What `text`, a function of the module and an argument, gives."""
    return page.evaluate(
        f"async ([address, argument]) => ({text})(await import(address), argument)",
        [f"{page.url.split('/console')[0]}/console/static/{module}", argument],
    )


EVERY_BEGINNING = """({ read }, text) =>
    Array.from({ length: text.length + 1 }, (_, end) => read(text.slice(0, end), false).length)"""
TEXTS = [{"component": "TextContent", "props": {"textMarkdown": f'n° {i} \\ " <é> {{}}[]'}} for i in range(3)]
TREE = json.dumps({"component": {"component": "Card", "props": {"children": TEXTS}}, "error": None})
PROGRAM = (
    'root = Card([a, b])\na = TextContent("x \\" \\u00e9 )](")\nb = Table([Col("A")], [[1, -2.5e3, null, true]])\n'
)


@pytest.mark.parametrize(
    ("opening", "payload", "count"), [(JSON, TREE, 3), (OPENUI + "```openui-lang\n", PROGRAM, 2)]
)
def test_answers_are_read_wherever_they_stop(page: Any, opening: str, payload: str, count: int):
    """Every beginning of an answer can be read, and what was there stays there."""
    text = f"Before {opening}{payload.translate(ESCAPED)}</content>"
    counts = run(page, "c1_read.js", EVERY_BEGINNING, text)
    assert counts == sorted(counts) and counts[-1] == count + 1
    before, first, *_ = run(page, "c1_read.js", "({ read }, text) => read(text, true)", text)
    assert before == {"component": "TextContent", "props": {"text": "Before "}}
    assert first == TEXTS[0] or first["props"] == {"text": 'x " é )]('}


def test_values_of_a_program_are_what_they_say(page: Any):
    text = OPENUI + PROGRAM.translate(ESCAPED)
    table = run(page, "c1_read.js", "({ read }, text) => read(text, true)", text)[1]
    assert table["props"]["rows"] == [[1, -2500, None, True]]
    assert table["props"]["columns"] == [{"component": "Col", "props": {"label": "A"}}]


DOUBLED = "".join(f"n{i} = [n{i + 1}, n{i + 1}]\n" for i in range(40)) + "n40 = 1\nroot = n0\n"
HOSTILE = {
    "tags": ("c1_read.js", "read(text, false)", "<" * 200_000),
    "lists": ("c1_read.js", "read(text, true)", JSON + "[" * 200_000),
    "prototypes": (
        "c1_read.js",
        "read(text, true)",
        JSON + "{&quot;__proto__&quot;:{&quot;hurt&quot;:1}}</content>",
    ),
    "circles": ("c1_read.js", "read(text, true)", OPENUI + "root = Card([" + "root," * 50_000 + "])\n"),
    "doubled": ("c1_read.js", "read(text, true)", OPENUI + DOUBLED),
    "brackets": ("c1_read.js", "read(text, true)", OPENUI + "root = " + "(" * 100_000 + "\n"),
    "stars": ("playground_markdown.js", "markdown(text)", "**a" * 60_000),
    "links": ("playground_markdown.js", "markdown(text)", "[" * 200_000),
    "backticks": ("playground_markdown.js", "markdown(text)", "`a ``" * 40_000),
    "quotations": ("playground_markdown.js", "markdown(text)", "> " * 50_000 + "deep"),
    "items": ("playground_markdown.js", "markdown(text)", "- - - - " * 20_000),
    "cells": ("playground_markdown.js", "markdown(text)", "| " * 50_000 + "x"),
    "loose items": ("playground_markdown.js", "markdown(text)", "- a\n  " * 5_000),
    "rules": ("playground_markdown.js", "markdown(text)", "#" * 100_000 + "\n" + "* " * 50_000 + "x"),
}
TIMED = """(module, text) => {
    const { read, markdown } = module;
    const began = performance.now();
    CALL;
    return [performance.now() - began, ({}).hurt ?? null];
}"""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_costs_no_more_than_other_text(page: Any, name: str):
    module, call, text = HOSTILE[name]
    took_ms, hurt = run(page, module, TIMED.replace("CALL", call), text)
    assert took_ms < 2000 and hurt is None


BARS = [{"category": "x", "values": [-1, 2]}, {"category": "y", "values": [3]}]
SLICES = [{"category": "all", "value": 1}, {"category": "none", "value": 0}]
CHARTS: dict[str, dict[str, Any]] = {
    "BarChart": {"labels": ["a", "b"], "series": BARS, "variant": "stacked"},
    "AreaChart": {"labels": [], "series": []},
    "LineChart": {"labels": ["a"], "series": [{"category": "x", "values": [0]}], "variant": "step"},
    "PieChart": {"slices": SLICES, "variant": "donut"},
}
DRAWN = """async ({ render }, node) => {
    const made = render(node, { act() {} });
    document.querySelector("#turns").append(made);
    while (!made.querySelector("svg")) await new Promise(requestAnimationFrame);
    const text = made.querySelector("svg").outerHTML;
    made.remove();
    return text;
}"""


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("spoilt", [False, True])
def test_charts_draw_numbers_only(page: Any, name: str, spoilt: bool):
    """Whatever stands where numbers should."""
    text = json.dumps(CHARTS[name])
    if spoilt:
        text = text.replace("2", '"2"').replace("3", "null").replace("1", "1e308")
    drawn = run(page, "c1_render.js", DRAWN, {"component": name, "props": json.loads(text)})
    assert "NaN" not in drawn and "Infinity" not in drawn and "undefined" not in drawn


MISSHAPEN = [
    *(None, 1, "x", [], {}, {"component": "constructor"}, {"component": "Card", "props": None}),
    {"component": "Table", "props": {"rows": 1, "columns": "x"}},
    {"component": "Table", "props": {"rows": [None, 1, [{}]], "columns": [None]}},
    {"component": "Tabs", "props": {"items": [1]}},
    {
        "component": "Form",
        "props": {"fields": [None, {"input": {"component": "Select", "props": None}}], "buttons": 3},
    },
    {"component": "Form", "props": {"fields": [{"input": {"component": "toString"}}]}},
    {"component": "Buttons", "props": {"buttons": [None, {"action": "x"}]}},
    {"component": "Steps", "props": {"items": [[]]}},
    {"component": "SectionBlock", "props": {"sections": [{"content": [None]}]}},
    {"component": "PieChart", "props": {"slices": [None, 1, {"value": "x"}]}},
]


@pytest.mark.parametrize("node", MISSHAPEN)
def test_components_of_a_wrong_shape_are_shown_as_far_as_they_go(page: Any, node: Any):
    assert run(page, "c1_render.js", "({ render }, node) => render(node, { act() {} }) instanceof Element", node)


def test_components_that_stand_in_each_other_end(page: Any):
    text = '{"component":"Card","props":{"children":[' * 200 + '{"component":"Steps"}' + "]}}" * 200
    call = "({ render }, text) => render(JSON.parse(text), { act() {} }).textContent"
    assert "cannot be shown" in run(page, "c1_render.js", call, text)
