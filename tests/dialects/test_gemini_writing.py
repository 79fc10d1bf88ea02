"""Gemini's replies, chunks and errors, as Google's own client reads them."""

import json
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types

from thermly.dialects import Bounds, Label
from thermly.dialects.gemini import (
    read_request,
    write_count,
    write_error,
    write_error_event,
    write_events,
    write_reply,
)
from thermly.dialects.gemini_writing import STATUSES
from thermly.dialects.openai_chat_writing import ERROR_TYPES
from thermly.errors import InsufficientFunds, InvalidRequest, UpstreamFailed, kinds
from thermly.exchange import (
    ChatRequest,
    Choice,
    Event,
    KeepAlive,
    Media,
    Message,
    Part,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    Usage,
    replay,
)

JSON = dict[str, Any]
LABEL = Label("r-1", 1_700_000_000, "auto", "claude-x", 2, False)
USAGE = Usage(10, 4, output_tokens=6, reasoning_tokens=2)
ASKED = ChatRequest("m", (Message("user", (Text("hi"),)),))
CURIOUS = ChatRequest("m", ASKED.messages, wishes=("thoughts",))
BARE = ChatRequest("m", ASKED.messages, wishes=("bare_enum",))
SIGNED = {"gemini": {"thoughtSignature": "QUJD"}}
ROWS = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1.5}]}]


def reply(*parts: Part, reason: Any = "stop", **more: Any) -> Reply:
    return Reply((Choice(parts, reason, **more),), USAGE)


def whole(told: Reply, request: ChatRequest = ASKED) -> JSON:
    written = write_reply(told, request, LABEL)
    types.GenerateContentResponse.model_validate_json(written)
    found: JSON = json.loads(written)
    return found


def chunks(events: Iterable[Event] | Reply, request: ChatRequest = ASKED) -> list[JSON]:
    events = replay(events) if isinstance(events, Reply) else events
    frames = b"".join(write_events(events, request, lambda: LABEL)).split(b"\n\n")
    assert frames.pop() == b"" and all(frame.startswith(b"data: ") for frame in frames)
    for frame in frames:
        types.GenerateContentResponse.model_validate_json(frame[6:])
    return [json.loads(frame[6:]) for frame in frames]


def parts(told: Reply, request: ChatRequest = ASKED) -> list[JSON]:
    found: list[JSON] = whole(told, request)["candidates"][0]["content"]["parts"]
    return found


def streamed(told: Reply, request: ChatRequest = ASKED) -> list[JSON]:
    """The parts of all the chunks but the last, which ends the answer."""
    return [part for chunk in chunks(told, request)[:-1] for part in chunk["candidates"][0]["content"]["parts"]]


# ---- whole replies


def test_a_reply_has_the_wires_shape():
    assert whole(reply(Text("Hello"))) == {
        "candidates": [
            {"index": 0, "content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}
        ],
        "usageMetadata": {
            "promptTokenCount": 10,
            "candidatesTokenCount": 4,
            "totalTokenCount": 16,
            "cachedContentTokenCount": 4,
            "thoughtsTokenCount": 2,
        },
        "modelVersion": "claude-x",
        "responseId": "r-1",
    }


def test_a_reply_without_usage_says_zero():
    told = whole(Reply((Choice((Text("a"),), "stop"),)))["usageMetadata"]
    assert told == {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0}


@pytest.mark.parametrize(("part", "wanted"), [
    (Text("a"), {"text": "a"}),
    (Text("a", SIGNED), {"text": "a", "thoughtSignature": "QUJD"}),
    (Text("a", {"anthropic": {"citations": [1]}}), {"text": "a"}),
    (Refusal("no"), {"text": "no"}),
    (Media("image", "image/png", "AAAA"), {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
    (Media("image", "image/png", "AAAA", extras=SIGNED),
     {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": "QUJD"}),
    (Media("image", url="https://x/a.png"), {"fileData": {"fileUri": "https://x/a.png"}}),
    (ToolCall("i", "f", '{"a": [1, 2.5]}', SIGNED),
     {"functionCall": {"id": "i", "name": "f", "args": {"a": [1, 2.5]}}, "thoughtSignature": "QUJD"}),
    (ToolCall("i", "f", ""), {"functionCall": {"id": "i", "name": "f", "args": {}}}),
    (ToolCall("i", "f", '{"a": '), {"functionCall": {"id": "i", "name": "f", "args": {"arguments": '{"a": '}}}),
    (ToolCall("i", "f", "[1]"), {"functionCall": {"id": "i", "name": "f", "args": {"arguments": [1]}}}),
])  # fmt: skip
def test_a_part(part: Part, wanted: JSON):
    assert parts(reply(part)) == [wanted]


def test_thoughts_are_shown_to_who_asked():
    told = reply(Reasoning("hm", SIGNED), Reasoning("hm"), Text("a"))
    thought = {"text": "hm", "thought": True}
    assert parts(told) == streamed(told) == [{"text": "a"}]
    assert parts(told, CURIOUS) == [{**thought, "thoughtSignature": "QUJD"}, thought, {"text": "a"}]
    signed = {"text": "", "thought": True, "thoughtSignature": "QUJD"}
    assert streamed(told, CURIOUS) == [thought, signed, thought, {"text": "a"}]


@pytest.mark.parametrize(("reason", "part", "extras", "wanted"), [
    ("stop", Text("a"), None, "STOP"),
    ("length", Text("a"), None, "MAX_TOKENS"),
    ("tool_calls", ToolCall("i", "f", "{}"), None, "STOP"),
    ("content_filter", Text("a"), None, "SAFETY"),
    ("content_filter", Text("a"), {"gemini": {"finishReason": "RECITATION"}}, "RECITATION"),
    ("content_filter", Text("a"), {"anthropic": {"finishReason": "x"}}, "SAFETY"),
    ("stop", Refusal("no"), None, "SAFETY"),
    ("length", Refusal("no"), None, "MAX_TOKENS"),
])  # fmt: skip
def test_how_an_answer_ends(reason: str, part: Part, extras: Any, wanted: str):
    told = reply(part, reason=reason, extras=extras)
    assert whole(told)["candidates"][0]["finishReason"] == wanted
    assert [c["candidates"][0].get("finishReason") for c in chunks(told)] == [None, wanted]


def test_what_gemini_said_of_its_candidate_is_told():
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    facts = {"parts": [code], "safetyRatings": [], "groundingMetadata": {"webSearchQueries": ["q"]}}
    told = reply(Text("a"), extras={"gemini": facts})
    for candidate in (whole(told)["candidates"][0], chunks(told)[-1]["candidates"][0]):
        assert candidate["content"]["parts"][-1] == code
        assert candidate["groundingMetadata"] == {"webSearchQueries": ["q"]}
        assert "parts" not in candidate and candidate["safetyRatings"] == []


def test_probabilities():
    told = reply(Text("a"), logprobs=ROWS)
    wanted = {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "b", "logProbability": -1.5}]}],
    }
    assert whole(told)["candidates"][0]["logprobsResult"] == wanted
    assert [c["candidates"][0].get("logprobsResult") for c in chunks(told)] == [wanted, None]
    assert chunks(told, BARE)[-1]["candidates"][0]["logprobsResult"] == wanted


@pytest.mark.parametrize(
    ("text", "wanted"), [('"Oboe"', "Oboe"), ("Oboe", "Oboe"), ("1", "1"), ('{"a":1}', '{"a":1}')]
)
def test_an_enum_is_told_without_quotes(text: str, wanted: str):
    assert parts(reply(Text(text)), BARE) == streamed(reply(Text(text)), BARE) == [{"text": wanted}]


def test_several_choices():
    told = Reply((Choice((Text("a"),), "stop"), Choice((Text("b"),), "length")), USAGE)
    assert [c["index"] for c in whole(told)["candidates"]] == [0, 1]
    assert [[c["index"] for c in chunk["candidates"]] for chunk in chunks(told)] == [[0], [1], [0, 1]]


def test_a_client_that_sends_the_answer_back_loses_nothing():
    said = (
        Reasoning("hm", {"anthropic": {"signature": "sig=="}}),
        Reasoning("", {"anthropic": {"redacted": "data"}}),
        Reasoning("ha", {"openai": {"field": "reasoning_content"}}),
        Text("a", SIGNED),
        Media("image", "image/png", "+/+/"),
        ToolCall("i", "f", '{"a":1}', SIGNED),
    )
    answer = types.GenerateContentResponse.model_validate_json(write_reply(reply(*said), CURIOUS, LABEL))
    assert answer.candidates and answer.candidates[0].content
    content = answer.candidates[0].content.model_dump(mode="json", exclude_none=True, by_alias=True)
    body = json.dumps({"contents": [content]}).encode()
    assert read_request(body, Bounds(1), "m", False).messages == (Message("assistant", said),)


def test_a_client_that_sends_a_stream_back_loses_nothing():
    said = (
        Reasoning("hm", {"anthropic": {"signature": "sig=="}}),
        Reasoning("ha", {"anthropic": {"signature": "other"}}),
        Reasoning("", {"anthropic": {"redacted": "data"}}),
        Text("a"),
        ToolCall("i", "f", '{"a":1}', SIGNED),
    )
    rows = chunks(reply(*said), CURIOUS)
    kept = [row["candidates"][0]["content"] for row in rows]
    whole_turn = [{"role": "model", "parts": [part for content in kept for part in content["parts"]]}]
    for contents in (kept, whole_turn):
        body = json.dumps({"contents": contents}).encode()
        assert read_request(body, Bounds(1), "m", False).messages == (Message("assistant", said),)


def test_a_count():
    assert types.CountTokensResponse.model_validate_json(write_count(7)).total_tokens == 7


# ---- streams


def test_a_stream():
    told = reply(Text("Hello"), ToolCall("i", "f", '{"a":1}'), reason="tool_calls")
    head = {"modelVersion": "claude-x", "responseId": "r-1"}

    def content(part: JSON) -> JSON:
        return {"index": 0, "content": {"role": "model", "parts": [part]}}

    call = {"functionCall": {"id": "i", "name": "f", "args": {"a": 1}}}
    assert chunks(told) == [
        {"candidates": [content({"text": "Hello"})], **head},
        {"candidates": [content(call)], **head},
        {
            "candidates": [{**content({"text": ""}), "finishReason": "STOP"}],
            "usageMetadata": whole(told)["usageMetadata"],
            **head,
        },
    ]


@pytest.mark.parametrize(("part", "wanted"), [
    (Text("a", SIGNED), [{"text": "a"}, {"text": "", "thoughtSignature": "QUJD"}]),
    (Text("", SIGNED), [{"text": "", "thoughtSignature": "QUJD"}]),
    (Text(""), []),
    (Text('"%d\n'), [{"text": '"%d\n'}]),
    (Media("image", "image/png", "AAAA"), [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]),
])  # fmt: skip
def test_a_part_of_a_stream(part: Part, wanted: list[JSON]):
    assert streamed(reply(part)) == wanted


def written(events: Iterable[Event | Exception], sse: bool) -> list[bytes]:
    """The stream as it is sent, with its error where it breaks off."""

    def told() -> Iterator[Event]:
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield event

    out = []
    try:
        for data in write_events(told(), ASKED, lambda: LABEL, sse):
            out.append(data)
    except UpstreamFailed as error:
        out.append(write_error_event(error, sse))
    return out


ANSWER = list(replay(reply(Text("Hello"), Text("you"))))
CUT = UpstreamFailed("cut")


@pytest.mark.parametrize("events", [
    ANSWER,
    [KeepAlive(), *ANSWER],
    [KeepAlive(), KeepAlive(), *ANSWER[:2], KeepAlive(), *ANSWER[2:]],
    [ANSWER[0], KeepAlive(), *ANSWER[1:]],
    [CUT],
    [KeepAlive(), CUT],
    [ANSWER[0], CUT],
    [*ANSWER[:3], CUT],
    [*ANSWER[:3], KeepAlive(), CUT],
])  # fmt: skip
def test_an_array_is_json_however_it_ends(events: list[Event | Exception]):
    told = json.loads(b"".join(written(events, sse=False)))
    texts = [part["text"] for row in told for c in row.get("candidates", ()) for part in c["content"]["parts"]]
    if isinstance(events[-1], UpstreamFailed):
        assert told[-1]["error"]["status"] == "UNAVAILABLE"
        assert "".join(texts) == ("Hello" if len(events) > 3 else "")
    else:
        assert texts == ["Hello", "you", ""] and told[-1]["usageMetadata"] and all(told)


@pytest.mark.parametrize("sse", [True, False])
def test_what_has_been_told_is_sent_at_a_pause(sse: bool):
    sent = written([*ANSWER[:3], KeepAlive(), *ANSWER[3:]], sse)
    assert len(sent) == 2 and b"Hello" in sent[0] and b"Hello" not in sent[1]
    assert written([KeepAlive(), *ANSWER], sse)[0] == (b"data: " if sse else b"\n")


@pytest.mark.parametrize("events", [
    [KeepAlive(), *ANSWER],
    [KeepAlive(), KeepAlive(), *ANSWER[:3], KeepAlive(), KeepAlive(), *ANSWER[3:]],
    [KeepAlive(), CUT],
    [*ANSWER[:3], KeepAlive(), KeepAlive(), CUT],
    [KeepAlive(), *ANSWER[:3], KeepAlive(), CUT],
])  # fmt: skip
def test_googles_client_for_javascript_reads_a_stream_with_silence(events: list[Event | Exception]):
    """It takes events from the head of what has come (google/generative-ai, "stream-reader")."""
    rest, told = b"".join(written(events, sse=True)).decode(), []
    while found := re.match(r"data: (.*)(?:\n\n|\r\r|\r\n\r\n)", rest):
        told.append(json.loads(found[1]))
        rest = rest[found.end() :]
    assert rest == "" and ("error" in told[-1] or told[-1]["usageMetadata"])


# ---- errors


def test_every_error_has_a_status():
    assert STATUSES.keys() == kinds().keys() == ERROR_TYPES.keys()


def test_an_error():
    assert json.loads(write_error(InvalidRequest("Bad", param="contents[0]"))) == {
        "error": {
            "message": "Bad",
            "type": "invalid_request_error",
            "code": "invalid_request",
            "param": "contents[0]",
            "status": "INVALID_ARGUMENT",
        }
    }
    told = json.loads(write_error(InsufficientFunds("Poor")))["error"]
    assert (told["status"], told["code"]) == ("FAILED_PRECONDITION", "insufficient_credits")


# ---- Google's own client, over a real connection


@contextmanager
def client_of(body: bytes, status: int = 200) -> Iterator[genai.Client]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        client = genai.Client(
            api_key="k", http_options=types.HttpOptions(base_url=f"http://127.0.0.1:{server.server_port}")
        )
        try:
            yield client
        finally:
            client.close()
            server.shutdown()
            thread.join()


def test_googles_client_reads_a_stream_with_silence():
    events = [KeepAlive(), *ANSWER[:3], KeepAlive(), KeepAlive(), *ANSWER[3:]]
    with client_of(b"".join(written(events, sse=True))) as client:
        told = list(client.models.generate_content_stream(model="m", contents="hi"))
    assert "".join(chunk.text or "" for chunk in told) == "Helloyou"
    assert told[-1].usage_metadata and told[-1].usage_metadata.total_token_count == 16
    assert told[-1].candidates and told[-1].candidates[0].finish_reason == types.FinishReason.STOP


def test_googles_client_raises_what_breaks_a_stream_off():
    with client_of(b"".join(written([*ANSWER[:3], KeepAlive(), CUT], sse=True))) as client:
        told = client.models.generate_content_stream(model="m", contents="hi")
        assert next(told).text == "Hello"
        with pytest.raises(genai_errors.ServerError) as caught:
            next(told)
    assert (caught.value.code, caught.value.status, caught.value.message) == (502, "UNAVAILABLE", "cut")


def test_googles_client_raises_a_refusal():
    with (
        client_of(write_error(InvalidRequest("Bad")), 400) as client,
        pytest.raises(genai_errors.ClientError) as caught,
    ):
        client.models.generate_content(model="m", contents="hi")
    assert (caught.value.code, caught.value.status, caught.value.message) == (400, "INVALID_ARGUMENT", "Bad")


def test_googles_client_calls_a_function():
    body = write_reply(reply(ToolCall("i", "f", '{"a":1}'), reason="tool_calls"), ASKED, LABEL)
    with client_of(body) as client:
        told = client.models.generate_content(model="m", contents="hi")
    assert told.function_calls and (told.function_calls[0].id, told.function_calls[0].args) == ("i", {"a": 1})
