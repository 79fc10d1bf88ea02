"""Anthropic's replies, streams and errors, as its own client reads them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message as Shape
from anthropic.types import MessageTokensCount, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from thermly import errors
from thermly.dialects import Bounds, Label
from thermly.dialects.anthropic import (
    read_request,
    write_count,
    write_error,
    write_error_event,
    write_events,
    write_reply,
)
from thermly.dialects.anthropic_signatures import pack
from thermly.dialects.anthropic_writing import ERROR_TYPES, PING
from thermly.exchange import (
    Begin,
    ChatRequest,
    Choice,
    Done,
    End,
    Event,
    KeepAlive,
    Media,
    Part,
    Reason,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    Usage,
    gather,
    replay,
)
from thermly.providers.anthropic import read_reply, read_stream
from thermly.providers.assembler import Assembler

JSON = dict[str, Any]
LABEL = Label("msg_1", 1, "shown", "actual", 1, False)
ASKED = ChatRequest("m", ())
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
SIGNED = {"gemini": {"thoughtSignature": "S"}}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
CITED = {
    "type": "char_location", "cited_text": "x", "document_index": 0, "document_title": None, "file_id": None,
    "start_char_index": 0, "end_char_index": 1,
}  # fmt: skip


def own(**facts: Any) -> dict[str, JSON]:
    return {"anthropic": facts}


def reply_of(*parts: Part, reason: Reason = "stop", usage: Usage | None = None, extras: Any = None) -> Reply:
    return Reply((Choice(parts, reason, extras=extras),), usage)


def whole(reply: Reply) -> JSON:
    doc: JSON = json.loads(write_reply(reply, ASKED, LABEL))
    Shape.model_validate(doc)
    return doc


def docs(data: bytes) -> list[JSON]:
    """The events, each of the name that its document says, and valid for Anthropic's client."""
    found = []
    for block in data.decode().removesuffix("\n\n").split("\n\n"):
        name, told = block.split("\n")
        doc = json.loads(told.removeprefix("data: "))
        assert name == f"event: {doc['type']}"
        if doc["type"] != "ping":
            EVENT.validate_python(doc)
            found.append(doc)
    return found


def streamed(events: Any) -> list[JSON]:
    return docs(b"".join(write_events(events, ASKED, lambda: LABEL)))


def gathered(rows: list[JSON]) -> JSON:
    """The message that Anthropic's client makes of a stream."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for row in rows:
        event = EVENT.validate_python(row)
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    found: JSON = snapshot.to_dict(mode="json")
    return found


# ---- blocks

THOUGHT = {"type": "thinking", "thinking": "t"}


@pytest.mark.parametrize(("part", "blocks"), [
    (Text("a"), [{"type": "text", "text": "a"}]),
    (Text(""), []),
    (Text("a", own(citations=[CITED])), [{"type": "text", "text": "a", "citations": [CITED]}]),
    (Text("a", SIGNED), [{"type": "text", "text": "a"}]),
    (Refusal("no"), [{"type": "text", "text": "no"}]),
    (Reasoning("t", own(signature="S")), [{**THOUGHT, "signature": "S"}]),
    (Reasoning("", own(signature="S")), [{"type": "thinking", "thinking": "", "signature": "S"}]),
    (Reasoning("", own(redacted="d")), [{"type": "redacted_thinking", "data": "d"}]),
    (Reasoning("", own(block=SEARCH)), [SEARCH]),
    (Reasoning("t"), [{**THOUGHT, "signature": pack(None)}]),
    (Reasoning("t", {"openai": {"field": "reasoning"}}),
     [{**THOUGHT, "signature": pack({"openai": {"field": "reasoning"}})}]),
    (Reasoning("", {"openai": {"field": "reasoning"}}), []),
    (Reasoning("", SIGNED), [{"type": "thinking", "thinking": "", "signature": pack(SIGNED)}]),
    (ToolCall("1", "f", '{"a":[1]}'), [{"type": "tool_use", "id": "1", "name": "f", "input": {"a": [1]}}]),
    (ToolCall("1", "f", " "), [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]),
    (ToolCall("1", "f", "nonsense"),
     [{"type": "tool_use", "id": "1", "name": "f", "input": {"arguments": "nonsense"}}]),
    (ToolCall("1", "f", "[1]"), [{"type": "tool_use", "id": "1", "name": "f", "input": {"arguments": [1]}}]),
    (ToolCall("1", "f", "{}", own(caller={"type": "direct"})),
     [{"type": "tool_use", "id": "1", "name": "f", "input": {}, "caller": {"type": "direct"}}]),
    (ToolCall("1", "f", "{}", SIGNED),
     [{"type": "thinking", "thinking": "", "signature": pack(SIGNED, call=True)},
      {"type": "tool_use", "id": "1", "name": "f", "input": {}}]),
    (Media("image", "image/png", "AAAA"), [{"type": "text", "text": "![image](data:image/png;base64,AAAA)"}]),
    (Media("image", url="https://x"), [{"type": "text", "text": "![image](https://x)"}]),
])  # fmt: skip
def test_a_part(part: Part, blocks: list[JSON]):
    assert whole(reply_of(part))["content"] == blocks
    told = gathered(streamed(replay(reply_of(part))))["content"]
    assert [{k: v for k, v in block.items() if v is not None} for block in told] == blocks


def test_what_a_client_sends_back_is_what_was_said():
    parts = (
        Reasoning("t", {"openai": {"field": "reasoning_content"}}),
        Reasoning("u", own(signature="S")),
        Reasoning("", own(redacted="d")),
        Text("a", own(citations=[CITED])),
        Reasoning("", own(block=SEARCH)),
        ToolCall("1", "f", '{"a":1}', {**SIGNED, **own(caller={"type": "direct"})}),
        ToolCall("2", "g", "{}"),
    )
    for content in (
        whole(reply_of(*parts))["content"],
        gathered(streamed(replay(reply_of(*parts))))["content"],
    ):
        body = {"model": "m", "max_tokens": 1, "messages": [{"role": "assistant", "content": content}]}
        (back,) = read_request(json.dumps(body).encode(), Bounds(8)).messages
        assert back.parts == parts


# ---- the message


@pytest.mark.parametrize(("reason", "parts", "extras", "told"), [
    ("stop", (), None, {"stop_reason": "end_turn", "stop_sequence": None}),
    ("length", (), None, {"stop_reason": "max_tokens"}),
    ("tool_calls", (), None, {"stop_reason": "tool_use"}),
    ("content_filter", (), None, {"stop_reason": "refusal"}),
    ("stop", (Refusal("no"),), None, {"stop_reason": "refusal"}),
    ("length", (Refusal("no"),), None, {"stop_reason": "max_tokens"}),
    ("stop", (), own(stop_sequence="END"), {"stop_reason": "stop_sequence", "stop_sequence": "END"}),
    ("stop", (), own(stop_reason="pause_turn"), {"stop_reason": "pause_turn"}),
    ("content_filter", (), own(stop_details={"type": "refusal", "category": "cyber", "explanation": None}),
     {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "cyber", "explanation": None}}),
    ("stop", (), own(container={"id": "c", "expires_at": "2026-01-01T00:00:00Z", "skills": None}),
     {"container": {"id": "c", "expires_at": "2026-01-01T00:00:00Z", "skills": None}}),
])  # fmt: skip
def test_why_it_ends(reason: Reason, parts: tuple[Part, ...], extras: Any, told: JSON):
    reply = reply_of(*parts, reason=reason, extras=extras)
    doc = whole(reply)
    assert {name: doc[name] for name in told} == told
    (last,) = (row for row in streamed(replay(reply)) if row["type"] == "message_delta")
    assert {name: last["delta"][name] for name in told} == told


@pytest.mark.parametrize(("usage", "told"), [
    (None, {"input_tokens": 0, "output_tokens": 0}),
    (Usage(10, output_tokens=5), {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 0}),
    (Usage(2310, 2000, 100, 200, 90, 30),
     {"input_tokens": 10, "cache_read_input_tokens": 2000, "cache_creation_input_tokens": 300,
      "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
      "output_tokens": 90, "output_tokens_details": {"thinking_tokens": 30}}),
])  # fmt: skip
def test_usage(usage: Usage | None, told: JSON):
    for found in (
        whole(reply_of(usage=usage))["usage"],
        gathered(streamed([Begin(usage=usage), End("stop"), Done(usage)]))["usage"],
    ):
        assert {name: found[name] for name in told} == told
        assert "output_tokens_details" in told or not found.get("output_tokens_details")


def test_the_head():
    doc = whole(reply_of(Text("a")))
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "shown"}
    assert {name: doc[name] for name in head} == head
    assert whole(Reply(()))["content"] == []
    first = streamed(replay(reply_of(Text("a"))))[0]["message"]
    assert {name: first[name] for name in head} == head and first["content"] == []


def test_counts():
    assert MessageTokensCount.model_validate_json(write_count(7)).input_tokens == 7


# ---- from Anthropic to its clients

MESSAGE: JSON = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "shown",
    "content": [
        {"type": "thinking", "thinking": "Let me see.", "signature": "EqQBCg=="},
        {"type": "redacted_thinking", "data": "EmwKAhgB"},
        {"type": "text", "text": "I will look.", "citations": [CITED, CITED]},
        {"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {"city": "Zürich"},
         "caller": {"type": "direct"}},
        {"type": "tool_use", "id": "toolu_02", "name": "clock", "input": {}},
        SEARCH,
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "container": {"id": "c", "expires_at": "2026-01-01T00:00:00Z", "skills": None},
    "context_management": {"applied_edits": []},
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 300,
        "cache_read_input_tokens": 2000,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "output_tokens": 90,
        "output_tokens_details": {"thinking_tokens": 30},
        "service_tier": "standard",
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    },
}  # fmt: skip


def test_a_reply_reaches_the_client_as_it_was():
    assert whole(gather(read_reply(MESSAGE))) == MESSAGE


def test_a_stream_reaches_the_client_as_it_was():
    sent = streamed(read_reply(MESSAGE))
    again = streamed(read_stream((row["type"].encode(), json.dumps(row).encode()) for row in sent))
    last = again[-2]
    assert last["context_management"] == {"applied_edits": []} and "context_management" not in last["delta"]
    assert last["usage"] == MESSAGE["usage"]
    found = gathered(again)
    assert {name: found[name] for name in ("id", "role", "model", "stop_reason", "container")} == {
        name: MESSAGE[name] for name in ("id", "role", "model", "stop_reason", "container")
    }
    assert found["content"] == MESSAGE["content"]


# ---- streams


def test_the_order_of_events():
    def events() -> Iterator[Event]:
        asm = Assembler()
        yield from asm.begin(Usage(7))
        yield from asm.text("hm", Reasoning)
        yield from asm.text("a")
        yield from asm.text("b")
        yield from asm.tool(0, "1", "f", '{"a"')
        yield from asm.tool(0, fragment=":1}")
        yield from asm.end("stop")
        yield Done(Usage(7, output_tokens=3))

    rows = streamed(events())
    kinds = [(row["type"], row.get("index"), row.get("delta", {}).get("type")) for row in rows]
    block = [("content_block_start", None), ("content_block_stop", None)]
    assert kinds == [
        ("message_start", None, None),
        (block[0][0], 0, None),
        ("content_block_delta", 0, "thinking_delta"),
        ("content_block_delta", 0, "signature_delta"),
        (block[1][0], 0, None),
        (block[0][0], 1, None),
        ("content_block_delta", 1, "text_delta"),
        ("content_block_delta", 1, "text_delta"),
        (block[1][0], 1, None),
        (block[0][0], 2, None),
        ("content_block_delta", 2, "input_json_delta"),
        ("content_block_delta", 2, "input_json_delta"),
        (block[1][0], 2, None),
        ("message_delta", None, None),
        ("message_stop", None, None),
    ]
    assert rows[0]["message"]["usage"]["input_tokens"] == 7 and rows[0]["message"]["usage"]["output_tokens"] == 0
    assert rows[-2]["usage"]["output_tokens"] == 3 and rows[-2]["delta"]["stop_reason"] == "tool_use"


@pytest.mark.parametrize(("fragments", "told"), [
    (["", "\n", ' {"a', '":1}'], {"a": 1}),
    (["[1", "]"], {"arguments": [1]}),
    (['"{\\"a\\"', ':1}"'], {"arguments": '{"a":1}'}),
    (["non", "sense"], {"arguments": "nonsense"}),
    ([], {}),
    ([" ", ""], {}),
])  # fmt: skip
def test_arguments_that_come_in_pieces(fragments: list[str], told: JSON):
    asm = Assembler()
    events = [*asm.begin(), *asm.tool(0, "1", "f")]
    for fragment in fragments:
        events += asm.tool(0, fragment=fragment)
    rows = streamed([*events, *asm.end("stop"), Done()])
    assert gathered(rows)["content"][0]["input"] == told


def test_silence_is_a_ping():
    events = [KeepAlive(), *replay(reply_of(Text("a")))]
    events.insert(4, KeepAlive())
    events.insert(5, KeepAlive())
    chunks = list(write_events(events, ASKED, lambda: LABEL))
    assert [chunk == PING for chunk in chunks] == [True, False, True, False]
    assert chunks[1].startswith(b"event: message_start") and chunks[3].endswith(b'{"type":"message_stop"}\n\n')


def test_the_label_is_asked_for_once_something_is_known():
    asked: list[int] = []

    def label() -> Label:
        asked.append(1)
        return LABEL

    chunks = write_events([KeepAlive(), *replay(reply_of(Text("a")))], ASKED, label)
    assert next(chunks) == PING and not asked
    assert list(chunks) and len(asked) == 1


def test_what_was_said_before_a_stream_breaks_off_is_told():
    def broken() -> Iterator[Event]:
        asm = Assembler()
        yield from asm.begin()
        yield from asm.text("a")
        raise errors.UpstreamFailed("cut")

    chunks = write_events(broken(), ASKED, lambda: LABEL)
    assert b'"text":"a"' in next(chunks)
    with pytest.raises(errors.UpstreamFailed):
        next(chunks)


def test_other_separators_stay_inside_their_text():
    text = 'a\r\n\n\u2028"\\ü\x00\ud83d\ude00'.encode("utf-16", "surrogatepass").decode("utf-16")
    assert gathered(streamed(replay(reply_of(Text(text)))))["content"][0]["text"] == text


WORDS = st.text('a "\\\n\u2028ü😀', max_size=5)
PARTS = (
    st.builds(Text, WORDS)
    | st.builds(Refusal, WORDS)
    | st.builds(Reasoning, WORDS, st.sampled_from((None, SIGNED, own(signature="S"))))
    | st.just(Reasoning("", own(redacted="d")))
    | st.builds(ToolCall, st.just("1"), st.just("f"), st.sampled_from(("{}", "", '{"a":1}', "[]", "x")))
    | st.just(Media("image", url="https://x"))
)


@given(st.lists(PARTS, max_size=5), st.sampled_from(("stop", "length", "tool_calls", "content_filter")))
def test_a_stream_says_what_the_whole_reply_says(parts: list[Part], reason: Reason):
    reply = reply_of(*parts, reason=reason, usage=Usage(3, 1, output_tokens=2))
    one, other = whole(reply), gathered(streamed(replay(reply)))
    for name in ("content", "stop_reason", "stop_sequence", "usage", "id", "model"):
        assert other[name] == one[name]


# ---- errors


@pytest.mark.parametrize("kind", errors.kinds())
def test_every_error_is_one_of_anthropics(kind: str):
    error = errors.kinds()[kind]("What went wrong", param="a.b")
    told = json.loads(write_error(error))
    assert told["error"] == {"type": ERROR_TYPES[kind], "message": "a.b: What went wrong"}
    if kind != "too_large":  # its type is documented ("Errors"), but not among the client's
        assert ErrorResponse.model_validate(told).request_id is None


def test_an_error():
    error = errors.InvalidRequest("Missing required field at 'a.b'.", param="a.b")
    error.request_id = "7"
    told = {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "Missing required field at 'a.b'."},
        "request_id": "req_7",
    }
    assert json.loads(write_error(error)) == told
    assert write_error_event(error) == b"event: error\ndata: " + write_error(error) + b"\n\n"
    types = {
        errors.InsufficientFunds: "billing_error",
        errors.TooLarge: "request_too_large",
        errors.Unavailable: "overloaded_error",
        errors.UpstreamFailed: "api_error",
        errors.Unauthenticated: "authentication_error",
        errors.RateLimited: "rate_limit_error",
    }
    for kind, name in types.items():
        assert json.loads(write_error(kind("x")))["error"]["type"] == name
