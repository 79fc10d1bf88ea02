"""Response objects and their streams, as OpenAI's own types and client read them."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseItem, ResponseStreamEvent
from pydantic import TypeAdapter

from thermly.dialects import Bounds
from thermly.dialects.responses import (
    Asked,
    Writer,
    opening,
    read_request,
    with_history,
    write_error,
    write_error_event,
    write_events,
    write_reply,
)
from thermly.errors import ContentRefused, InvalidRequest, RateLimited, UpstreamFailed, kinds
from thermly.exchange import (
    Begin,
    Choice,
    Event,
    KeepAlive,
    Media,
    Part,
    PartBegin,
    PartDelta,
    PartEnd,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    Usage,
    replay,
)

JSON = dict[str, Any]
EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
ITEM: TypeAdapter[ResponseItem] = TypeAdapter(ResponseItem)
USAGE = Usage(10, 4, 1, 2, output_tokens=6, reasoning_tokens=2)
NOW_S = 1_700_000_009
SIGNED = {"anthropic": {"signature": "s"}}
GEMINI = {"gemini": {"thoughtSignature": "g"}}
ROWS = [{"token": "ä", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "b", "logprob": -1.5}]}]
CALL = ToolCall("c1", "f", '{"a": 1}')


def ask(**fields: Any) -> Asked:
    return read_request(json.dumps({"model": "m", "input": "hi", **fields}).encode(), Bounds(64))


def writer(asked: Asked | None = None) -> Writer:
    asked = asked or ask()
    response = opening(asked, "resp_0a1b", 1_700_000_000, "gpt-x")
    return Writer(response, asked.include, lambda: NOW_S)


def reply(*parts: Part, reason: Any = "stop", usage: Usage | None = USAGE, **more: Any) -> Reply:
    return Reply((Choice(parts, reason, **more),), usage)


def whole(told: Reply, asked: Asked | None = None) -> JSON:
    """The response that is kept."""
    writing = writer(asked)
    for event in replay(told):
        writing.feed(event)
    for include in (frozenset[str](), asked.include if asked else frozenset()):
        Response.model_validate_json(write_reply(writing.response, include), strict=True)
    return writing.response


def frames(chunks: Iterable[bytes]) -> list[JSON]:
    """The payloads of a stream, each of which must be what its name says."""
    found = []
    *events, end, rest = b"".join(chunks).decode().split("\n\n")
    assert (end, rest) == ("data: [DONE]", "")
    for frame in events:
        name, data = frame.split("\n")
        payload = json.loads(data.removeprefix("data: "))
        assert name == "event: " + payload["type"]
        EVENT.validate_json(data.removeprefix("data: "), strict=True)
        found.append(payload)
    assert [payload["sequence_number"] for payload in found] == list(range(len(found)))
    return found


def streamed(events: Reply | Iterable[Event], asked: Asked | None = None) -> list[JSON]:
    kept: list[JSON] = []
    events = replay(events) if isinstance(events, Reply) else events
    found = frames(write_events(events, lambda: writer(asked), kept.append))
    (response,) = kept
    Response.model_validate(response, strict=True)
    return found


def types(payloads: list[JSON]) -> list[str]:
    return [payload["type"].removeprefix("response.") for payload in payloads]


def output(*parts: Part, **more: Any) -> list[JSON]:
    found: list[JSON] = whole(reply(*parts, **more))["output"]
    for item in found:
        ITEM.validate_python(item, strict=True)
    return found


def said(text: str, **more: Any) -> JSON:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": [], **more}


# ---- whole responses


def test_a_text():
    response = whole(reply(Text("Hello")))
    assert response["output"] == [
        {
            "type": "message",
            "id": "msg_0a1b00",
            "status": "completed",
            "role": "assistant",
            "content": [said("Hello")],
        }
    ]
    assert (response["status"], response["completed_at"]) == ("completed", NOW_S)
    assert (response["error"], response["incomplete_details"]) == (None, None)
    assert response["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
        "output_tokens": 6,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 16,
    }


@pytest.mark.parametrize(("parts", "kinds"), [
    ((), []),
    ((Text(""),), []),
    ((Text("a"), Text("b"), Refusal("c")), ["message"]),
    ((Text("a"), CALL, Text("b")), ["message", "function_call", "message"]),
    ((CALL, CALL), ["function_call", "function_call"]),
    ((Reasoning("hm"), Text("a")), ["reasoning", "message"]),
    ((Reasoning(""), Text("a")), ["message"]),
    ((Reasoning("", {"anthropic": {"redacted": "x"}}), Text("a")), ["reasoning", "message"]),
    ((Reasoning("hm", SIGNED), ToolCall("c1", "f", "{}", GEMINI)), ["reasoning", "reasoning", "function_call"]),
    ((Reasoning("hm"), Reasoning("ho")), ["reasoning", "reasoning"]),
    ((Media("image", "image/png", "aGk="), Text("a")), ["message"]),
])  # fmt: skip
def test_parts_become_items(parts: tuple[Part, ...], kinds: list[str]):
    items = output(*parts)
    assert [item["type"] for item in items] == kinds
    assert len({item["id"] for item in items}) == len(items)
    assert {item["status"] for item in items} <= {"completed"}


def test_each_part_is_written():
    think, message, call = output(
        Reasoning("hm"), Text("a"), Refusal("no"), Media("image", url="https://a/b"), CALL
    )
    assert think["summary"] == [{"type": "summary_text", "text": "hm"}] and "encrypted_content" not in think
    refusal = {"type": "refusal", "refusal": "no"}
    assert message["content"] == [said("a"), refusal, said("![image](https://a/b)")]
    assert (call["call_id"], call["name"], call["arguments"]) == ("c1", "f", '{"a": 1}')
    (drawn,) = output(Media("image", "image/png", "aGk="))
    assert drawn["content"] == [said("![image](data:image/png;base64,aGk=)")]


@pytest.mark.parametrize(("reason", "status", "details", "of_item"), [
    ("stop", "completed", None, "completed"),
    ("tool_calls", "completed", None, "completed"),
    ("length", "incomplete", {"reason": "max_output_tokens"}, "incomplete"),
    ("content_filter", "incomplete", {"reason": "content_filter"}, "incomplete"),
])  # fmt: skip
def test_how_an_answer_ends(reason: str, status: str, details: JSON | None, of_item: str):
    told = reply(Reasoning("hm"), Text("a"), reason=reason)
    response = whole(told)
    assert (response["status"], response["incomplete_details"]) == (status, details)
    assert [item["status"] for item in response["output"]] == ["completed", of_item]
    assert response["completed_at"] == (NOW_S if status == "completed" else None)
    assert types(streamed(told))[-1] == status


def test_token_rows_have_all_that_the_wire_insists_on():
    row = {"token": "ä", "logprob": -0.5, "bytes": [195, 164]}
    row["top_logprobs"] = [{"token": "b", "logprob": -1.5, "bytes": [98]}]
    told = reply(Text("ä"), logprobs=ROWS)
    assert whole(told)["output"][0]["content"] == [said("ä", logprobs=[row])]
    payloads = [payload for payload in streamed(told) if "output_text." in payload["type"]]
    assert [payload["logprobs"] for payload in payloads] == [[row], [row]]
    assert whole(reply(Refusal("ä"), logprobs=ROWS))["output"][0]["content"] == [
        {"type": "refusal", "refusal": "ä"}
    ]


def test_sources_of_a_search():
    note = {"url": "https://a", "title": "A", "start_index": 0, "end_index": 1}
    extras = {"openai": {"annotations": [{"type": "url_citation", "url_citation": note}]}}
    told = reply(Text("x"), Text("a"), extras=extras)
    flat = {"type": "url_citation", **note}
    assert whole(told)["output"][0]["content"] == [said("x"), said("a", annotations=[flat])]
    (added,) = [p for p in streamed(told) if p["type"] == "response.output_text.annotation.added"]
    assert (added["annotation"], added["annotation_index"], added["content_index"]) == (flat, 0, 1)
    assert "annotations" not in whole(reply(CALL, extras=extras))["output"][0]


def test_what_the_upstream_says_of_its_tier_and_what_it_does_not_say():
    told = Reply(reply(Text("a")).choices, None, {"openai": {"service_tier": "flex", "system_fingerprint": "x"}})
    response = whole(told)
    assert response["service_tier"] == "flex" and response["usage"]["total_tokens"] == 0
    odd = Reply(told.choices, None, {"openai": {"service_tier": "standard"}})
    assert whole(odd)["service_tier"] == "default"


# ---- streams


def test_the_events_of_an_answer():
    payloads = streamed(reply(Reasoning("hm", SIGNED), Text("a"), Refusal("no"), CALL, reason="tool_calls"))
    assert types(payloads) == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done"),
        *("content_part.added", "refusal.delta", "refusal.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
        "completed",
    ]
    created, *_, completed = payloads
    assert created["response"] == opening(ask(), "resp_0a1b", 1_700_000_000, "gpt-x")
    done = [payload["item"] for payload in payloads if payload["type"] == "response.output_item.done"]
    assert completed["response"]["output"] == done
    added = [payload["item"] for payload in payloads if payload["type"] == "response.output_item.added"]
    assert [item["status"] for item in added] == ["in_progress"] * 3
    assert (added[0]["summary"], added[1]["content"], added[2]["arguments"]) == ([], [], "")
    (arguments,) = [payload for payload in payloads if payload["type"].endswith("arguments.done")]
    assert (arguments["name"], arguments["arguments"]) == (CALL.name, CALL.arguments)


def test_a_delta_is_the_same_however_it_is_written():
    for part in (Text(""), Refusal(""), Reasoning(""), ToolCall("c1", "f", "")):
        deltas: list[Event] = [PartDelta('"a'), PartDelta("ä%d"), PartDelta("b", 0, ROWS), PartDelta("")]
        events: list[Event] = [Begin(), PartBegin(part), *deltas, PartEnd(part), *list(replay(reply()))[1:]]
        writing = writer()
        pairs = [*writing.begin(), *(pair for event in events for pair in writing.feed(event)), *writing.last()]
        assert streamed(events) == [payload for _, payload in pairs]


def test_what_arrived_together_leaves_together_and_silence_is_a_comment():
    events: list[Event] = [
        KeepAlive(), Begin(), PartBegin(Text("")), PartDelta("a"), KeepAlive(), KeepAlive(), PartDelta("b")
    ]  # fmt: skip
    events += [PartEnd(Text("ab")), *list(replay(reply()))[1:]]
    chunks = list(write_events(events, writer, lambda response: None))
    assert len(chunks) == 4 and chunks[0] == chunks[2] == b": keep-alive\n\n"
    assert [p.get("delta") for p in frames([chunks[1], chunks[3]]) if "delta" in p["type"]] == ["a", "b"]


def test_a_response_is_kept_before_its_end_is_told():
    told: list[bytes] = []
    kept: list[str] = []

    def keep(response: JSON) -> None:
        kept.append(response["status"])
        assert not any(b"response.completed" in chunk for chunk in told)

    events = [event for row in replay(reply(Text("a"))) for event in (row, KeepAlive())][:-1]
    for chunk in write_events(events, writer, keep):
        told.append(chunk)
    assert kept == ["completed"] and b"response.completed" in told[-1]


def test_encrypted_content_is_kept_and_shown_where_it_is_asked_for():
    told = reply(Reasoning("hm", SIGNED), ToolCall("c1", "f", "{}", GEMINI))
    kept = [item for item in whole(told)["output"] if item["type"] == "reasoning"]
    assert all(item["encrypted_content"] for item in kept)
    assert b"encrypted_content" not in write_reply(whole(told), frozenset())
    assert not any("encrypted_content" in json.dumps(payload) for payload in streamed(told))
    asked = ask(include=["reasoning.encrypted_content"])
    *_, last = streamed(told, asked)
    assert last["response"]["output"] == whole(told)["output"]


def breaking(*events: Event, error: Exception) -> Iterator[Event]:
    yield from events
    raise error


def broken(*events: Event, error: Exception) -> tuple[list[JSON], JSON]:
    chunks, kept = [], []
    with pytest.raises(type(error)):
        for chunk in write_events(breaking(*events, error=error), writer, kept.append):
            chunks.append(chunk)
    (response,) = kept
    Response.model_validate(response, strict=True)
    return frames(chunks), response


@pytest.mark.parametrize(("error", "code", "message"), [
    (UpstreamFailed("gone", code="upstream_cut"), "server_error", "gone"),
    (RateLimited("slow"), "rate_limit_exceeded", "slow"),
    (ContentRefused("no"), "invalid_prompt", "no"),
    (ZeroDivisionError("secret"), "server_error", "Internal error."),
])  # fmt: skip
def test_a_broken_stream_says_so_and_keeps_what_had_arrived(error: Exception, code: str, message: str):
    start: list[Event] = [Begin(), *list(replay(reply(Text("a"))))[1:4]]
    payloads, response = broken(*start, PartBegin(ToolCall("c1", "f", "")), PartDelta('{"a'), error=error)
    assert types(payloads)[-1] == "failed" and payloads[-1]["response"] == response
    assert (response["status"], response["completed_at"]) == ("failed", None)
    assert response["error"] == {"code": code, "message": message}
    message_item, call = response["output"]
    assert (message_item["status"], call["status"], call["arguments"]) == ("completed", "incomplete", '{"a')
    assert "function_call_arguments.done" not in types(payloads)


def test_a_text_that_breaks_off():
    _, response = broken(Begin(), PartBegin(Text("")), PartDelta("a", 0, ROWS), error=UpstreamFailed("gone"))
    (item,) = response["output"]
    assert (item["status"], item["content"][0]["text"]) == ("incomplete", "a")
    assert item["content"][0]["logprobs"][0]["token"] == "ä"


def test_a_response_that_cannot_be_kept_has_failed():
    def keep(response: JSON) -> None:
        raise OSError("disk full")

    chunks = []
    with pytest.raises(OSError, match="disk full"):
        for chunk in write_events(replay(reply(Text("a"))), writer, keep):
            chunks.append(chunk)
    payloads = frames(chunks)
    assert types(payloads)[-1] == "failed" and "completed" not in types(payloads)


def test_before_anything_is_known_there_is_nothing_to_break_off():
    chunks = write_events(breaking(KeepAlive(), error=UpstreamFailed("gone")), writer, lambda response: None)
    assert next(chunks) == b": keep-alive\n\n"
    with pytest.raises(UpstreamFailed):
        next(chunks)


def test_a_cancelled_response_has_no_event():
    writing = writer()
    for event in (Begin(), PartBegin(Text("")), PartDelta("a")):
        writing.feed(event)
    writing.cancel()
    assert writing.ended and writing.last() == []
    assert (writing.response["status"], writing.response["output"][0]["status"]) == ("cancelled", "incomplete")
    assert writing.response["output"][0]["content"][0]["text"] == "a"
    Response.model_validate(writing.response, strict=True)


@pytest.mark.parametrize("kind", kinds().values())
def test_errors(kind: Any):
    error = kind("What went wrong", param="input")
    assert json.loads(write_error(error))["error"]["message"] == "What went wrong"
    name, data, *_ = write_error_event(error).decode().split("\n")
    assert name == "event: error"
    told = EVENT.validate_json(data.removeprefix("data: "), strict=True)
    assert told.type == "error" and (told.message, told.param) == ("What went wrong", "input")


# ---- whatever comes

EXTRAS = st.sampled_from([None, SIGNED, GEMINI, {"anthropic": {"redacted": "x"}}])
TEXT = st.text('aä%"\n😀', max_size=4)
PARTS = st.lists(
    st.one_of(
        st.builds(Text, TEXT),
        st.builds(Refusal, TEXT),
        st.builds(Reasoning, TEXT, EXTRAS),
        st.builds(ToolCall, st.uuids().map(str), st.just("f"), TEXT, EXTRAS),
    ),
    max_size=5,
).map(tuple)
REASONS = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])


@settings(deadline=None)
@given(PARTS, REASONS, st.integers(0, 40))
def test_a_stream_is_well_formed_wherever_it_breaks_off(parts: tuple[Part, ...], reason: str, cut: int):
    events = list(replay(reply(*parts, reason=reason)))
    if cut < len(events) and cut > 0:
        payloads, response = broken(*events[:cut], error=UpstreamFailed("gone"))
        assert payloads[-1]["response"]["output"] == json.loads(write_reply(response, frozenset()))["output"]
        return
    payloads = streamed(events)
    assert payloads[-1]["response"]["output"] == [
        {key: value for key, value in item.items() if key != "encrypted_content"}
        for item in whole(reply(*parts, reason=reason))["output"]
    ]


@settings(deadline=None)
@given(PARTS)
def test_what_was_answered_goes_back_as_it_came(parts: tuple[Part, ...]):
    """What a client or the store gives back is what the vendor said, signatures included."""
    items = output(*parts)
    outputs = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "r"}
        for item in items
        if item["type"] == "function_call"
    ]
    asked = ask(input=[*items, *outputs, {"role": "user", "content": "go on"}])
    back = [part for m in with_history(asked, ()).messages if m.role == "assistant" for part in m.parts]
    sent = [part for part in parts if isinstance(part, ToolCall) or part.text or part.extras]  # type: ignore[union-attr]
    while sent and isinstance(sent[-1], Reasoning):
        sent.pop()
    assert back == sent


# ---- OpenAI's client


@contextmanager
def client(body: bytes, content_type: str = "text/event-stream") -> Iterator[openai.OpenAI]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}", api_key="k", max_retries=0) as found:
            yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_client_reads_a_whole_response():
    told = write_reply(whole(reply(Reasoning("hm"), Text("Hello"), CALL)), frozenset())
    with client(told, "application/json") as found:
        response = found.responses.create(model="m", input="hi")
    assert response.output_text == "Hello" and [item.type for item in response.output][-1] == "function_call"


def test_the_client_puts_a_stream_together():
    told = reply(Reasoning("hm", SIGNED), Text('{"a": 1}'), CALL, reason="tool_calls")
    body = b"".join(write_events(replay(told), writer, lambda response: None))
    with client(body) as found, found.responses.stream(model="m", input="hi") as stream:
        names = [event.type for event in stream]
        response = stream.get_final_response()
    assert names[0] == "response.created" and names[-1] == "response.completed"
    assert response.output_text == '{"a": 1}' and response.usage and response.usage.total_tokens == 16
    assert response.output[-1].type == "function_call" and response.output[-1].arguments == '{"a": 1}'


def test_the_client_sees_that_a_stream_failed():
    chunks = []
    with pytest.raises(UpstreamFailed):
        for chunk in write_events(breaking(Begin(), error=UpstreamFailed("gone")), writer, lambda response: None):
            chunks.append(chunk)
    with client(b"".join(chunks)) as found:
        *_, last = found.responses.create(model="m", input="hi", stream=True)
    assert last.type == "response.failed" and last.response.error and last.response.error.message == "gone"
    refused = write_error_event(InvalidRequest("no", param="input"))
    with client(refused) as found, pytest.raises(openai.APIError) as raised:
        list(found.responses.create(model="m", input="hi", stream=True))
    assert (raised.value.message, raised.value.param) == ("no", "input")
