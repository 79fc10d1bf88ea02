"""Anthropic's replies and streams as events, its failures as errors."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.errors import GatewayError, UpstreamFailed
from thermly.exchange import (
    Begin,
    Done,
    End,
    KeepAlive,
    PartBegin,
    PartDelta,
    PartEnd,
    Reasoning,
    Reply,
    Text,
    ToolCall,
    Usage,
    gather,
)
from thermly.providers.anthropic import explain, read_reply, read_stream
from thermly.providers.failures import failure

# ---- replies

MESSAGE: dict[str, Any] = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [
        {"type": "thinking", "thinking": "Let me see.", "signature": "EqQBCg=="},
        {"type": "redacted_thinking", "data": "EmwKAhgB"},
        {"type": "text", "text": "I will look.", "citations": None},
        {"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {"city": "Zürich"}},
        {"type": "tool_use", "id": "toolu_02", "name": "clock", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "stop_details": None,
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 300,
        "cache_read_input_tokens": 2000,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "output_tokens": 90,
        "output_tokens_details": {"thinking_tokens": 30},
        "service_tier": "standard",
    },
}
PARTS = (
    Reasoning("Let me see.", {"anthropic": {"signature": "EqQBCg=="}}),
    Reasoning("", {"anthropic": {"redacted": "EmwKAhgB"}}),
    Text("I will look."),
    ToolCall("toolu_01", "weather", '{"city":"Zürich"}'),
    ToolCall("toolu_02", "clock", "{}"),
)
USAGE = Usage(2310, 2000, 100, 200, 90, 30)


def only(reply: Reply) -> Any:
    assert len(reply.choices) == 1
    return reply.choices[0]


def test_a_whole_reply():
    reply = gather(read_reply(MESSAGE))
    assert only(reply).parts == PARTS
    assert (only(reply).reason, only(reply).extras) == ("tool_calls", None)
    assert reply.usage == USAGE
    assert reply.extras == {"anthropic": {"usage": {"service_tier": "standard"}}}


@pytest.mark.parametrize(
    ("told", "reason", "facts"),
    [
        ({"stop_reason": "end_turn"}, "stop", None),
        ({"stop_reason": "stop_sequence", "stop_sequence": "END"}, "stop", {"stop_sequence": "END"}),
        ({"stop_reason": "max_tokens"}, "length", None),
        (
            {"stop_reason": "model_context_window_exceeded"},
            "length",
            {"stop_reason": "model_context_window_exceeded"},
        ),
        (
            {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "cyber"}},
            "content_filter",
            {"stop_details": {"type": "refusal", "category": "cyber"}},
        ),
        ({"stop_reason": "pause_turn"}, "stop", {"stop_reason": "pause_turn"}),
        ({"stop_reason": "news"}, "stop", {"stop_reason": "news"}),
    ],
)
def test_reasons(told: dict[str, Any], reason: str, facts: Any):
    choice = only(gather(read_reply({"content": [], **told})))
    assert (choice.reason, choice.extras) == (reason, {"anthropic": facts} if facts else None)


def test_unknown_blocks_are_kept():
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
    reply = gather(read_reply({"content": [search, {"type": "text", "text": "So."}], "stop_reason": "end_turn"}))
    assert only(reply).parts == (Text("So."),)
    assert only(reply).extras == {"anthropic": {"content": [search]}}


# ---- streams


def sse(*docs: Any) -> Any:
    for doc in docs:
        yield doc if doc is None else (doc["type"].encode(), json.dumps(doc).encode())


def delta(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


BEGIN = {
    "type": "message_start",
    "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": {**MESSAGE["usage"], "output_tokens": 2}},
}
STREAM: list[Any] = [
    BEGIN,
    {"type": "ping"},
    start(0, type="thinking", thinking="", signature=""),
    delta(0, type="thinking_delta", thinking="Let me"),
    None,
    delta(0, type="thinking_delta", thinking=" see."),
    delta(0, type="signature_delta", signature="EqQBCg=="),
    stop(0),
    start(1, type="redacted_thinking", data="EmwKAhgB"),
    stop(1),
    start(2, type="text", text=""),
    delta(2, type="text_delta", text="I will"),
    delta(2, type="text_delta", text=" look."),
    stop(2),
    start(3, type="tool_use", id="toolu_01", name="weather", input={}),
    delta(3, type="input_json_delta", partial_json=""),
    delta(3, type="input_json_delta", partial_json='{"city":'),
    delta(3, type="input_json_delta", partial_json='"Zürich"}'),
    stop(3),
    start(4, type="tool_use", id="toolu_02", name="clock", input={}),
    stop(4),
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 90, "input_tokens": None},
    },
    {"type": "message_stop"},
]


def test_a_stream_tells_the_same_as_the_whole_reply():
    events = list(read_stream(sse(*STREAM)))
    assert gather(iter(events)) == gather(read_reply(MESSAGE))
    assert events[0] == Begin(0, Usage(2310, 2000, 100, 200, 0, 0))
    assert events[1:4] == [PartBegin(Reasoning("")), PartDelta("Let me"), KeepAlive()]
    assert isinstance(events[-2], End) and isinstance(events[-1], Done)


def test_thoughts_without_text_keep_their_signature():
    events = sse(
        BEGIN,
        start(0, type="thinking", thinking="", signature=""),
        delta(0, type="signature_delta", signature="ab"),
        delta(0, type="signature_delta", signature="cd"),
        stop(0),
        start(1, type="text", text=""),
        delta(1, type="text_delta", text="Hi"),
        stop(1),
        start(2, type="text", text=""),
        delta(2, type="text_delta", text="Ho"),
        delta(2, type="citations_delta", citation={"type": "char_location"}),
        stop(2),
        {"type": "message_stop"},
    )
    ends = [event.part for event in read_stream(events) if isinstance(event, PartEnd)]
    assert ends == [
        Reasoning("", {"anthropic": {"signature": "abcd"}}),
        Text("Hi"),
        Text("Ho", {"anthropic": {"citations": [{"type": "char_location"}]}}),
    ]


def test_unknown_blocks_and_events_of_a_stream():
    events = sse(
        BEGIN,
        {"type": "news"},
        start(0, type="server_tool_use", id="s", name="web_search", input={}),
        delta(0, type="input_json_delta", partial_json='{"query":"x"}'),
        delta(0, type="news_delta"),
        stop(0),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
            "context_management": {"a": 1},
        },
        {"type": "message_stop"},
    )
    choice = only(gather(read_stream(events)))
    assert choice.reason == "stop"
    assert choice.extras == {
        "anthropic": {
            "stop_sequence": "END",
            "context_management": {"a": 1},
            "content": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}],
        }
    }


OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize("before", [0, 1, 7])
def test_an_error_in_the_stream_is_the_upstreams_failure(before: int):
    with pytest.raises(UpstreamFailed) as caught:
        list(read_stream(sse(*STREAM[:before], OVERLOADED)))
    assert "overloaded_error" in caught.value.detail


@pytest.mark.parametrize("length", range(len(STREAM)))
def test_a_stream_cut_anywhere_never_looks_complete(length: int):
    with pytest.raises(UpstreamFailed) as caught:
        list(read_stream(sse(*STREAM[:length])))
    assert caught.value.code == "upstream_cut"


def test_events_out_of_order_are_malformed():
    for docs in ([STREAM[2]], [BEGIN, BEGIN], [BEGIN, delta(0, type="text_delta", text="x")], [{"type": 3}]):
        with pytest.raises(UpstreamFailed):
            list(read_stream((b"", json.dumps(doc).encode()) for doc in docs))


def paths(doc: Any, at: tuple[Any, ...] = ()) -> Any:
    yield at
    for key, child in doc.items() if isinstance(doc, dict) else enumerate(doc) if isinstance(doc, list) else ():
        yield from paths(child, (*at, key))


def spoilt(doc: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    copy = dict(doc) if isinstance(doc, dict) else list(doc)
    copy[at[0]] = spoilt(doc[at[0]], at[1:], value)
    return copy


ODD = st.sampled_from([None, 7, -1, True, "x", "", [], [1], {}, {"type": 1}, 1.5])


@given(st.sampled_from(list(paths(MESSAGE))), ODD)
def test_a_reply_of_the_wrong_shape_is_the_upstreams_failure(at: tuple[Any, ...], value: Any):
    try:
        gather(read_reply(spoilt(MESSAGE, at, value)))
    except GatewayError as error:
        assert isinstance(error, UpstreamFailed)


@given(st.sampled_from(list(paths([doc for doc in STREAM if doc]))[1:]), ODD)
def test_a_stream_of_the_wrong_shape_is_the_upstreams_failure(at: tuple[Any, ...], value: Any):
    docs = spoilt([doc for doc in STREAM if doc], at, value)
    try:
        gather(read_stream((b"", json.dumps(doc).encode()) for doc in docs))
    except GatewayError as error:
        assert isinstance(error, UpstreamFailed)


def test_explanations():
    assert explain(OVERLOADED).kind == "overloaded_error"
    filtered = explain(
        {"error": {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"}}
    )
    assert failure(400, filtered).code == "content_policy_violation"
    long = explain({"error": {"type": "invalid_request_error", "message": "prompt is too long: 200001 tokens"}})
    assert failure(400, long).code == "context_length_exceeded"
