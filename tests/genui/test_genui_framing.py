"""Events in, events out: the grammar holds, the frame is whole, and the words arrive, however the text is cut."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.exchange import (
    Begin,
    ChatRequest,
    Done,
    End,
    Event,
    KeepAlive,
    Message,
    Part,
    PartBegin,
    PartDelta,
    PartEnd,
    Reason,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    emptied,
    gather,
    text_of,
)
from thermly.genui import prompting
from thermly.genui.framing import OPEN, Framer, card, escape, paragraph, unescape
from thermly.genui.history import unwrap
from thermly.genui.ids import Format
from thermly.genui.library import Library, library
from thermly.sandbox import components as sample

JSON, OPENUI = library("json"), library("openui")
LIBRARIES = pytest.mark.parametrize("own", [JSON, OPENUI], ids=["json", "openui"])
WORDS = st.text(st.characters(exclude_categories=["Cs"]))
THOUGHT, CALL = Reasoning("hm"), ToolCall("id", "tool", '{"a": 1}')


def events(*parts: Part, reason: Reason = "stop", size: int = 5) -> list[Event]:
    out: list[Event] = [Begin()]
    for part in parts:
        text = text_of(part)
        deltas = [PartDelta(text[i : i + size]) for i in range(0, len(text), size)]
        out += [PartBegin(emptied(part)), *deltas, KeepAlive(), PartEnd(part)]
    return [*out, End(reason), Done()]


def framed(own: Library, told: list[Event]) -> list[Event]:
    framer = Framer(own)
    return [out for event in told for out in framer.see(event)]


def check(told: list[Event]) -> tuple[Part, ...]:
    """The grammar: one open part at a time, and what its deltas say is what it ends as."""
    open_part: Part | None = None
    said = ""
    for event in told:
        if isinstance(event, PartBegin):
            assert open_part is None
            open_part, said = event.part, ""
        elif isinstance(event, PartDelta):
            assert open_part is not None and event.text
            said += event.text
        elif isinstance(event, PartEnd):
            assert open_part is not None and said == text_of(event.part) and emptied(event.part) == open_part
            open_part = None
        elif isinstance(event, End):
            assert open_part is None
    return gather(told).choices[0].parts


def payload(own: Library, content: str) -> str:
    opening = OPEN[own.format]
    assert content.startswith(opening) and content.endswith("</content>")
    inside = content[len(opening) : -len("</content>")]
    assert not any(mark in inside for mark in '<>"')
    text = unescape(inside)
    if own.is_openui:
        assert text.startswith("\n```openui-lang\n") and text.endswith("\n```\n")
        return text[len("\n```openui-lang\n") : -len("```\n")]
    found = json.loads(text)
    assert found.keys() == {"component", "error"} and found["error"] is None
    return text


@given(WORDS)
def test_what_is_escaped_comes_back(text: str):
    assert unescape(escape(text)) == text
    assert not {*'<>"'} & {*escape(text)}


@given(WORDS, st.lists(st.integers(0, 300), max_size=5))
def test_pieces_are_escaped_as_the_whole_is(text: str, cuts: list[int]):
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    assert "".join(escape(text[a:b]) for a, b in pairwise(edges)) == escape(text)


@LIBRARIES
@given(question=st.text(max_size=40), kind=st.sampled_from(("", "chart", "table", "form")), size=st.integers(1, 90))
def test_a_frame_is_the_same_however_its_text_is_cut(own: Library, question: str, kind: str, size: int):
    text = sample.answer(f"{kind} {question}", own.format)
    (whole,) = check(framed(own, events(Text(text), size=len(text))))
    (cut,) = check(framed(own, events(Text(text), size=size)))
    assert whole == cut and isinstance(cut, Text)
    assert payload(own, cut.text)


@LIBRARIES
def test_it_streams(own: Library):
    text = sample.answer("a chart", own.format)
    framer = Framer(own)
    told = [(i, out) for i, e in enumerate(events(Text(text), size=1)) for out in framer.see(e)]
    deltas = [i for i, out in told if isinstance(out, PartDelta)]
    assert len(deltas) >= 4 and deltas[0] < len(text) * 0.6 and deltas[-1] - deltas[0] > len(text) * 0.3


@LIBRARIES
@given(words=WORDS)
def test_the_words_come_back_out_of_a_frame(own: Library, words: str):
    content = card(own, paragraph(own, words))
    payload(own, content)
    assert unwrap(content) == words.strip()


@LIBRARIES
def test_reasoning_calls_and_refusals_pass_untouched(own: Library):
    no = Refusal("no")
    assert check(framed(own, events(THOUGHT, CALL, reason="tool_calls"))) == (THOUGHT, CALL)
    assert check(framed(own, events(THOUGHT, no))) == (THOUGHT, no)
    assert check(framed(own, events())) == ()
    assert check(framed(own, events(Text("  \n"), CALL, reason="tool_calls"))) == (CALL,)


@LIBRARIES
def test_words_before_a_call_stand_beside_the_frame(own: Library):
    parts = check(framed(own, events(Text("I look < it up."), CALL, reason="tool_calls")))
    assert parts == (Text("<custommarkdown>I look &lt; it up.</custommarkdown>"), CALL)


@LIBRARIES
def test_a_card_before_a_call_is_closed(own: Library):
    text = sample.answer("a table", own.format)
    shown, call = check(framed(own, events(Text(text), CALL, reason="tool_calls")))
    assert call == CALL and isinstance(shown, Text) and payload(own, shown.text)


@LIBRARIES
def test_thoughts_within_an_answer_wait_for_the_end_of_its_frame(own: Library):
    text = sample.answer("a table", own.format)
    third, other = len(text) // 3, Reasoning("or not")
    said = (Text(text[:third]), THOUGHT, Text(text[third:-third]), other, Text(text[-third:]))
    (whole,) = check(framed(own, events(Text(text))))
    assert check(framed(own, events(*said))) == (whole, THOUGHT, other)
    assert check(framed(own, events(*said, CALL, reason="tool_calls"))) == (whole, THOUGHT, other, CALL)


@LIBRARIES
def test_thoughts_before_anything_is_shown_come_first(own: Library):
    text = sample.answer("a table", own.format)
    (whole,) = check(framed(own, events(Text(text))))
    assert check(framed(own, events(Text(" "), THOUGHT, Text(text)))) == (THOUGHT, whole)


@LIBRARIES
def test_an_answer_without_markup_is_a_card_of_its_words(own: Library):
    (content,) = check(framed(own, events(Text("I *cannot* help <here>."))))
    assert isinstance(content, Text) and payload(own, content.text)
    assert unwrap(content.text) == "I *cannot* help <here>."


BROKEN: dict[Format, tuple[str, str, str]] = {
    "json": (
        '{"component":"Card","props":{"children":[{"component":"TextContent","props":{"textMarkdown":"A"}},'
        '{"component":"TextContent","props":{"text":"B"}}]}}',
        '{"component":"Card","props":{"children":[{"component":"TextContent","props":{"textMarkdown":"B"}}]}}',
        "there is no property text",
    ),
    "openui": (
        'root = Card([a, b])\na = TextContent("A")\nb = TextContent("B"\n',
        'b = TextContent("B")',
        ") or a comma is missing before its end",
    ),
}


@LIBRARIES
@pytest.mark.parametrize("mends", [True, False])
def test_one_repair_within_the_same_frame(own: Library, mends: bool):
    broken, right, says = BROKEN[own.format]
    framer = Framer(own)
    told = [out for event in events(Text(broken))[:-2] for out in framer.see(event)]
    more, faults = framer.review()
    assert any(says in fault.what for fault in faults) and framer.written == broken
    assert framer.review() == ([], faults)

    request = prompting.prepare(ChatRequest("m", (Message("user", (Text("?"),)),)), own)
    again = prompting.repair(request, own, framer.written, framer.told, faults)
    assert says in again.messages[-1].text and again.messages[-2].text == broken

    framer.again()
    mended = events(Text(right if mends else broken[:40]))[1:-2]
    told += more + [out for event in mended for out in framer.see(event)]
    rest, left = framer.review()
    assert bool(left) is not mends
    (content,) = check([*told, *rest, *(out for e in (End("stop"), Done()) for out in framer.see(e))])
    assert isinstance(content, Text) and payload(own, content.text)
    words = unwrap(content.text)
    assert words.startswith("A")
    assert ("B" in words.split()) is mends and ("could not be shown" in words) is not mends


@LIBRARIES
def test_a_cut_answer_shows_what_is_complete_and_says_so(own: Library):
    text = sample.answer("a table", own.format)
    (content,) = check(framed(own, events(Text(text[: len(text) * 2 // 3]), reason="length")))
    assert isinstance(content, Text) and payload(own, content.text)
    assert "cut off" in unwrap(content.text)


@LIBRARIES
@given(data=st.data())
def test_whatever_is_broken_the_frame_is_whole(own: Library, data: Any):
    text = sample.answer(data.draw(st.sampled_from(("card", "chart", "table", "form"))), own.format)
    at = data.draw(st.integers(0, len(text)))
    damaged = text[:at] + data.draw(st.sampled_from(('"', "]", "}", ")", "(", "\n", ""))) + text[at + 1 :]
    (content,) = check(framed(own, events(Text(damaged))))
    assert isinstance(content, Text) and payload(own, content.text)
    if own.is_openui:
        again = Framer(own)
        for event in events(Text(payload(own, content.text)))[:-2]:
            again.see(event)
        known = {fault.what.split()[-2:] == ["never", "told"] for fault in again.review()[1]}
        assert known <= {True}, again.review()[1]
