"""Loose deltas in any order become the grammar, and nothing is lost or reordered within a part."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.exchange import (
    Begin,
    Done,
    End,
    Event,
    Media,
    Part,
    PartBegin,
    PartDelta,
    PartEnd,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    emptied,
    gather,
    replay,
    text_of,
)
from thermly.providers.assembler import Assembler

KINDS = (Text, Reasoning, Refusal)
WORDS = st.text(max_size=8)
ARGUMENTS = st.dictionaries(WORDS, st.integers() | WORDS, max_size=3).map(json.dumps)
WHOLE = st.one_of(
    st.builds(Text, st.text(min_size=1)),
    st.builds(Reasoning, WORDS),
    st.builds(Media, st.just("image"), st.just("image/png"), st.just("AAAA")),
    st.builds(ToolCall, st.uuids().map(str), st.just("whole"), ARGUMENTS),
)
Step = tuple[str, Any]


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Texts and whole parts in any order, and between them groups of tool calls in interleaved fragments."""
    out: list[Step] = []
    for group in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            texts = st.tuples(st.just("text"), st.tuples(st.sampled_from(KINDS), st.text(min_size=1, max_size=5)))
            out += draw(st.lists(texts | st.tuples(st.just("whole"), WHOLE), max_size=6))
        else:
            out += draw(interleaved(group))
    return out


@st.composite
def interleaved(draw: st.DrawFn, group: int) -> list[Step]:
    """The first fragment of call i comes before that of call i + 1; otherwise any order."""
    queues: list[list[Step]] = []
    for i in range(draw(st.integers(1, 4))):
        text, key = draw(ARGUMENTS), (group, i)
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        queues.append([("tool", (key, f"id-{group}-{i}", f"tool_{i}", pieces[0]))])
        queues[-1] += [("tool", (key, "", "", piece)) for piece in pieces[1:]]
    out, begun = [], 0
    while any(queues):
        ready = [i for i, queue in enumerate(queues) if queue and i <= begun]
        i = draw(st.sampled_from(ready))
        begun = max(begun, i + 1)
        out.append(queues[i].pop(0))
    return out


def told(script: list[Step], choice: int = 0) -> list[Event]:
    asm = Assembler(choice)
    events = asm.begin()
    for step, value in script:
        if step == "text":
            events += asm.text(value[1], value[0])
        elif step == "whole":
            events += asm.whole(value)
        elif step == "tool":
            events += asm.tool(*value)
    return events + asm.end("stop")


def expected(script: list[Step]) -> list[Part]:
    """The parts that a script comes to, told plainly: neighbours of one kind join, calls in order of first word."""
    out: list[Part] = []
    calls: dict[Any, int] = {}
    joins = False
    for step, value in script:
        if step == "text":
            kind, text = value
            if joins and type(out[-1]) is kind:
                out[-1] = kind(out[-1].text + text)
            else:
                out.append(kind(text))
        elif step == "whole":
            out.append(value)
        elif value[0] in calls:
            at = calls[value[0]]
            call = out[at]
            out[at] = ToolCall(call.id, call.name, call.arguments + value[3])
        else:
            calls[value[0]] = len(out)
            out.append(ToolCall(value[1], value[2], value[3]))
        joins = step == "text"
    return out


def check_grammar(events: list[Event]) -> None:
    """Begin (PartBegin PartDelta* PartEnd)* End, one open part at a time, deltas that add up to their part."""
    assert isinstance(events[0], Begin) and isinstance(events[-1], End)
    opened: Part | None = None
    heard: list[str] = []
    for event in events[1:-1]:
        if isinstance(event, PartBegin):
            assert opened is None
            opened, heard = event.part, []
        elif isinstance(event, PartDelta):
            assert opened is not None
            heard.append(event.text)
        else:
            assert isinstance(event, PartEnd)
            assert opened is not None and type(opened) is type(event.part)
            assert "".join(heard) == text_of(event.part)
            if isinstance(opened, ToolCall):
                assert opened == emptied(event.part)
            opened = None
    assert opened is None


@given(steps(), st.integers(0, 9))
def test_any_order_of_deltas_becomes_the_grammar_and_loses_nothing(script: list[Step], choice: int):
    events = told(script, choice)
    check_grammar(events)
    assert {event.choice for event in events} == {choice}
    assert [event.part for event in events if isinstance(event, PartEnd)] == expected(script)
    calls = any(isinstance(part, ToolCall) for part in expected(script))
    assert events[-1].reason == ("tool_calls" if calls else "stop")


@given(steps())
def test_what_was_assembled_can_be_replayed(script: list[Step]):
    reply = gather([*told(script), Done()])
    assert gather(replay(reply)) == reply


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.text(min_size=1, max_size=3)), min_size=1))
def test_text_is_told_at_once(script: list[tuple[Any, str]]):
    asm = Assembler()
    for kind, text in script:
        assert PartDelta(text) in asm.text(text, kind)


def test_the_open_call_is_told_at_once_and_the_others_when_it_is_complete():
    asm = Assembler()
    asm.begin()
    assert asm.tool(0, "a", "f", '{"x":') == [PartBegin(ToolCall("a", "f", "")), PartDelta('{"x":')]
    assert asm.tool(1, "b", "g", "{") == []
    assert asm.tool(0, fragment="1}") == [PartDelta("1}")]
    assert asm.tool(1, fragment="}") == []
    assert asm.end("stop") == [
        PartEnd(ToolCall("a", "f", '{"x":1}')),
        PartBegin(ToolCall("b", "g", "")),
        PartDelta("{}"),
        PartEnd(ToolCall("b", "g", "{}")),
        End("tool_calls"),
    ]


def test_when_a_call_is_complete_the_next_one_opens_and_goes_on():
    asm = Assembler()
    asm.begin()
    asm.tool(0, "a", "f", "{")
    asm.tool(1, "b", "g", "{")
    asm.tool(0, fragment="}")
    opened = [PartEnd(ToolCall("a", "f", "{}")), PartBegin(ToolCall("b", "g", "")), PartDelta("{")]
    assert asm.tool(2, "c", "h", "{}") == opened
    assert asm.tool(1, fragment="}") == [PartDelta("}")]
    ended = [event.part for event in asm.end("stop") if isinstance(event, PartEnd)]
    assert ended == [ToolCall("b", "g", "{}"), ToolCall("c", "h", "{}")]


def test_calls_that_share_a_key_are_told_apart_by_their_ids():
    asm = Assembler()
    events = asm.begin() + asm.tool(0, "a", "f", "{}") + asm.tool(0, "b", "f", "{}") + asm.end("stop")
    check_grammar(events)
    assert [e.part for e in events if isinstance(e, PartEnd)] == [
        ToolCall("a", "f", "{}"),
        ToolCall("b", "f", "{}"),
    ]


def test_a_call_that_is_named_with_each_fragment_is_one_call():
    asm = Assembler()
    events = asm.begin() + asm.tool(0, "a", "f", "{") + asm.tool(0, "a", "f", "}") + asm.tool(0, "x", "", "")
    assert [e.part for e in events + asm.end("stop") if isinstance(e, PartEnd)] == [ToolCall("a", "f", "{}")]


def test_a_call_without_an_id_is_given_one_that_lasts():
    asm = Assembler()
    events = asm.tool(0, "", "f", "{") + asm.tool(0, "", "f", "}") + asm.end("stop")
    ids = [e.part.id for e in events if isinstance(e, PartBegin | PartEnd)]
    assert len(ids) == 2 and ids[0] == ids[1] and ids[0].startswith("call_")


def test_more_of_a_call_that_has_ended_is_an_error_unless_it_says_nothing():
    asm = Assembler()
    asm.tool(0, "a", "f", '{"x":')
    asm.text("hm")
    assert asm.tool(0, fragment="\n")[:1] == [PartEnd(Text("hm"))]
    with pytest.raises(ValueError, match="has ended"):
        asm.tool(0, fragment="1}")


def test_annotations_belong_to_the_open_part_only():
    asm = Assembler()
    events = asm.text("a")
    asm.annotate("w", signature="s")
    asm.annotate("w", more=1)
    events += asm.close_part() + asm.text("b") + asm.close_part()
    assert [e.part for e in events if isinstance(e, PartEnd)] == [
        Text("a", {"w": {"signature": "s", "more": 1}}),
        Text("b"),
    ]


def test_token_rows_travel_with_their_delta_and_all_of_them_at_the_end():
    asm = Assembler()
    rows = [{"token": str(i)} for i in range(4)]
    events = asm.text("a", Text, rows[:1]) + asm.text("b", Refusal, rows[1:2])
    events += asm.tool(0, "i", "f", "{", None, rows[2:3]) + asm.tool(1, "j", "g", "{}", None, rows[3:])
    assert [e.logprobs for e in events if isinstance(e, PartDelta)] == [rows[:1], rows[1:2], rows[2:3]]
    assert asm.end("stop")[-1].logprobs == rows
    assert Assembler().end("stop")[-1].logprobs is None


def test_an_end_without_a_beginning_begins_first():
    assert Assembler(3).end("length") == [Begin(3), End("length", 3)]
    assert [type(e) for e in Assembler().end("stop")] == [Begin, End]
