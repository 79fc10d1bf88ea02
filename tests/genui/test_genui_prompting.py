import json

from thermly.exchange import ChatRequest, Message, Reasoning, Text, ToolCall, ToolResult
from thermly.genui import prompting
from thermly.genui.checks import Fault
from thermly.genui.components import TreeReader
from thermly.genui.custom import Custom
from thermly.genui.library import ACTIONS, library
from thermly.genui.programs import ProgramReader

PLAN = {
    "type": "object",
    "properties": {"days": {"type": "array", "items": {"$ref": "#/$defs/Day"}}, "title": {"type": "string"}},
    "required": ["days"],
    "$defs": {"Day": {"type": "object", "properties": {"name": {"type": "string"}}}},
    "description": "A plan for days",
}
CUSTOM = Custom({"Plan": PLAN}, {"book": {"type": "object", "properties": {"id": {"type": "string"}}}})


def test_the_example_of_each_format_is_right():
    tree, openui = TreeReader(library("json")), ProgramReader(library("openui"))
    for reader, text in ((tree, prompting._FORMAT["json"]), (openui, prompting._FORMAT["openui"])):
        example = text.split("\n\n")[1]
        assert reader.take(example) + reader.end() and reader.faults == []


def test_every_component_and_action_is_told():
    for own in (library("json", CUSTOM), library("openui", CUSTOM)):
        text = prompting.instructions(own)
        opening = "(" if own.is_openui else "{"
        assert all(f"\n{name}{opening}" in text for name in own.components)
        assert all(f'{{type: "{name}"' in text for name in (*ACTIONS, "book"))
        assert "A plan for days" in text and "title?: " in text and '"Day":{"type"' in text


def test_signatures_are_short():
    text = prompting.instructions(library("openui"))
    assert "\nTable(columns: Col[], rows: (string | number | boolean | null)[][]) — " in text
    assert '\nButton(label: string, action?: Action, variant?: "primary" | "secondary" | "tertiary") — ' in text
    assert '{type: "open_url", url: string}' in text and '{type: "continue_conversation", context?: string}' in text
    assert "rules?: Rules) — " in text and text.count("maxLength") == 1
    assert len(text) < 6_000


def test_the_same_library_is_told_in_the_same_words():
    for form in ("json", "openui"):
        assert prompting.instructions(library(form, CUSTOM)) == prompting.instructions(library(form, CUSTOM))


def test_a_request_is_prepared():
    wrapped = Text('<content thesys="true">What is it?</content>', {"openai": {"a": 1}})
    result = Message("tool", (ToolResult("id", (Text("<content>raw</content>"),), "f"),))
    assistant = Message("assistant", (Reasoning("hm"), Text("plain"), ToolCall("id", "f", "{}")))
    request = ChatRequest(
        "m", (Message("system", (Text("Be kind."),)), assistant, result, Message("user", (wrapped,)))
    )
    prepared = prompting.prepare(request, library("json"))
    first, *rest = prepared.messages
    assert first.role == "system" and first.text == prompting.instructions(library("json"))
    assert rest[:3] == list(request.messages[:3])
    assert rest[3].parts == (Text("What is it?", {"openai": {"a": 1}}),)


def test_a_correction_is_bounded_and_says_what_to_answer():
    faults = [Fault(f"line {i}", "x" * 1_000) for i in range(30)]
    text = prompting.correction(library("openui"), "", faults)
    assert text.count("\n- ") == 11 and "and 20 more" in text and len(text) < 4_000
    assert "the whole program" in text
    told = prompting.correction(library("openui"), "These names are told: a.", faults[:1])
    assert "These names are told: a." in told and "the statements that were wrong or are missing" in told
    assert json.dumps({"component": "Card"})[:-1] in prompting.correction(library("json"), "", faults)
