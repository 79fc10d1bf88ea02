"""Items of this request and of those before it, as messages of the exchange."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermly.dialects import Bounds
from thermly.dialects.responses_history import read_alone, read_messages
from thermly.dialects.responses_items import read_items
from thermly.dialects.responses_signatures import seal
from thermly.errors import InvalidRequest
from thermly.exchange import Media, Message, Reasoning, Refusal, Text, ToolCall, ToolResult

JSON = dict[str, Any]
USER = {"role": "user", "content": "u"}
SAYS = {"role": "assistant", "content": "a"}
SIGNED = {"anthropic": {"signature": "s"}}
GEMINI = {"gemini": {"thoughtSignature": "g"}}
THINKS = {
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": seal(SIGNED),
}
FOR_CALL = {"type": "reasoning", "summary": [], "encrypted_content": seal(GEMINI, of_call=True)}

U = Message("user", (Text("u"),))
A = Message("assistant", (Text("a"),))
HM = Reasoning("hm", SIGNED)


def call(call_id: str, **more: Any) -> JSON:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}", **more}


def output(call_id: str, text: str = "r") -> JSON:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def done(call_id: str, text: str = "r") -> Message:
    return Message("tool", (ToolResult(call_id, (Text(text),), "f"),))


def read(*items: JSON, earlier: tuple[JSON, ...] = ()) -> list[Message]:
    whole = read_items([*earlier, *items], Bounds(64))
    return list(read_messages(whole[: len(earlier)], whole[len(earlier) :]))


C1, C2 = ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}")


@pytest.mark.parametrize(("items", "wanted"), [
    ([USER, SAYS, USER], [U, A, U]),
    ([SAYS, SAYS], [A, A]),
    ([{"role": "developer", "content": "d"}, USER], [Message("developer", (Text("d"),)), U]),
    ([THINKS, SAYS, USER], [Message("assistant", (HM, Text("a"))), U]),
    ([THINKS, SAYS, THINKS, SAYS], [Message("assistant", (HM, Text("a")))] * 2),
    ([THINKS, USER], [U]),
    ([THINKS, USER, SAYS], [U, A]),
    ([THINKS], []),
    ([{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
     [Message("assistant", (Refusal("no"),))]),
    ([call("c1"), output("c1")], [Message("assistant", (C1,)), done("c1")]),
    ([SAYS, call("c1"), call("c2"), output("c2"), output("c1")],
     [Message("assistant", (Text("a"), C1, C2)), done("c1"), done("c2")]),
    ([call("c1"), output("c1"), call("c2"), output("c2")],
     [Message("assistant", (C1,)), done("c1"), Message("assistant", (C2,)), done("c2")]),
    ([call("c1"), SAYS, output("c1")], [Message("assistant", (C1, Text("a"))), done("c1")]),
    ([SAYS, call("c1"), SAYS, output("c1")], [Message("assistant", (Text("a"), C1, Text("a"))), done("c1")]),
    ([call("c1"), USER, output("c1")], [Message("assistant", (C1,)), done("c1"), U]),
    ([call("c1"), output("c1", "x"), call("c1"), output("c1", "y")],
     [Message("assistant", (C1,)), done("c1", "x"), Message("assistant", (C1,)), done("c1", "y")]),
    ([THINKS, FOR_CALL, call("c1"), call("c2"), output("c1"), output("c2")],
     [Message("assistant", (HM, ToolCall("c1", "f", "{}", GEMINI), C2)), done("c1"), done("c2")]),
    ([USER, FOR_CALL, USER, call("c1"), output("c1")], [U, U, Message("assistant", (C1,)), done("c1")]),
    ([call("c1", status="incomplete"), USER], [U]),
    ([SAYS, call("c1", status="incomplete"), USER], [A, U]),
])  # fmt: skip
def test_items_become_messages_wherever_they_come_from(items: list[JSON], wanted: list[Message]):
    for cut in range(len(items) + 1):
        assert read(*items[cut:], earlier=tuple(items[:cut])) == wanted


def test_reasoning_of_other_makers_has_its_text_and_nothing_else():
    item = {
        "type": "reasoning",
        "summary": [{"text": "s"}],
        "content": [{"text": "x"}, {"text": "y"}],
        "encrypted_content": "gAAAA",
    }
    assert read(item, SAYS) == [Message("assistant", (Reasoning("xy"), Text("a")))]
    two = {"type": "reasoning", "summary": [{"text": "s"}, {"text": "t"}]}
    assert read(two, SAYS) == [Message("assistant", (Reasoning("s\n\nt"), Text("a")))]


def test_media():
    parts = [
        {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"},
        {"type": "input_image", "image_url": "https://a/b.png"},
        {"type": "input_file", "file_data": "data:text/plain;base64,aGk=", "filename": "a.txt"},
        {"type": "input_file", "file_data": "aGk="},
        {"type": "input_file", "file_url": "https://a/b.pdf"},
    ]
    wanted = (
        Media("image", "image/png", "aGk=", extras={"openai": {"detail": "low"}}),
        Media("image", url="https://a/b.png"),
        Media("file", "text/plain", "aGk=", name="a.txt"),
        Media("file", "application/pdf", "aGk="),
        Media("file", url="https://a/b.pdf"),
    )
    assert read({"role": "user", "content": parts}) == [Message("user", wanted)]
    (_, result) = read(call("c1"), {**output("c1"), "output": parts})
    assert result.parts == (ToolResult("c1", wanted, "f"),)


def test_a_stored_file_that_was_named_before_is_not_read():
    kept = {"type": "message", "id": "m", "role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}
    with pytest.raises(InvalidRequest) as caught:
        read_messages([kept], [])
    assert caught.value.param == "input"


def test_an_output_needs_its_call():
    with pytest.raises(InvalidRequest, match="'c2'") as caught:
        read(USER, output("c2"), earlier=(call("c1"), output("c1")))
    assert caught.value.param == "input[1].call_id"
    with pytest.raises(InvalidRequest):
        read(call("c1"), output("c1"), output("c1"))
    assert read(USER, earlier=(output("c1"), SAYS)) == [A, U], "its call was deleted"


def test_a_call_needs_its_output():
    for earlier, items in (((), (call("c1"), USER)), ((USER, call("c1")), (USER,))):
        with pytest.raises(InvalidRequest, match="'c1'") as caught:
            read(*items, earlier=earlier)
        assert caught.value.param == "input"


def test_a_reference_that_was_not_resolved_is_not_found():
    with pytest.raises(InvalidRequest, match="msg_1") as caught:
        read(USER, {"id": "msg_1"})
    assert caught.value.param == "input[1].id"


def test_alone_the_rest_may_be_in_the_history():
    items = read_items([output("c9"), {"id": "msg_1"}, USER, call("c1")], Bounds(64))
    unknown = Message("tool", (ToolResult("c9", (Text("r"),)),))
    assert read_alone(items) == (U, Message("assistant", (C1,)), unknown)


ANY_ITEM = st.sampled_from(
    [
        USER,
        SAYS,
        THINKS,
        FOR_CALL,
        call("c1"),
        call("c2"),
        call("c3", status="incomplete"),
        output("c1"),
        output("c2"),
    ]
)


@settings(deadline=None)
@given(st.lists(ANY_ITEM, max_size=12), st.integers(0, 12))
def test_whatever_comes_every_call_is_answered_at_once(items: list[JSON], cut: int):
    try:
        messages = read(*items[cut:], earlier=tuple(items[:cut]))
    except InvalidRequest:
        return
    for i, message in enumerate(messages):
        calls = [part.id for part in message.parts if isinstance(part, ToolCall)]
        behind = messages[i + 1 : i + 1 + len(calls)]
        assert [m.parts[0].call_id for m in behind if isinstance(m.parts[0], ToolResult)] == calls
        assert any(not isinstance(part, Reasoning) for part in message.parts)
    results = sum(message.role == "tool" for message in messages)
    assert results == sum(isinstance(part, ToolCall) for message in messages for part in message.parts)
    assert sum(m.role == "user" for m in messages) == items.count(USER)
