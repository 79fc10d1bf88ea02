"""Gemini's replies and streams as events, its failures as errors."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.errors import ContentRefused, GatewayError, UpstreamFailed
from thermly.exchange import (
    KeepAlive,
    Media,
    PartDelta,
    Reasoning,
    Reply,
    Text,
    ToolCall,
    Usage,
    gather,
)
from thermly.providers.failures import failure
from thermly.providers.gemini import explain, read_reply, read_stream


def signed(value: str) -> Any:
    return {"gemini": {"thoughtSignature": value}}


# ---- replies

REPLY: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Thinking.", "thought": True},
                    {"text": "I will look.", "thoughtSignature": "c2ln"},
                    {
                        "functionCall": {"id": "f1", "name": "weather", "args": {"city": "Zürich"}},
                        "thoughtSignature": "CikB",
                    },
                    {"functionCall": {"name": "clock"}},
                    {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
                ],
            },
            "finishReason": "STOP",
            "index": 0,
            "groundingMetadata": {"webSearchQueries": ["x"]},
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 20,
        "toolUsePromptTokenCount": 7,
        "thoughtsTokenCount": 30,
        "totalTokenCount": 157,
    },
    "modelVersion": "gemini-3.8-flash",
    "responseId": "abc",
}
USAGE = Usage(107, 40, 0, 0, 50, 30)


def only(reply: Reply) -> Any:
    assert len(reply.choices) == 1
    return reply.choices[0]


def test_a_whole_reply():
    reply = gather(read_reply(REPLY))
    thought, said, weather, clock, image = only(reply).parts
    assert thought == Reasoning("Thinking.")
    assert said == Text("I will look.", signed("c2ln"))
    assert weather == ToolCall("f1", "weather", '{"city":"Zürich"}', signed("CikB"))
    assert clock.id.startswith("call_") and len(clock.id) == 29
    assert (clock.name, clock.arguments) == ("clock", "{}")
    assert image == Media("image", "image/png", "iVBO")
    assert only(reply).reason == "tool_calls"
    assert only(reply).extras == {"gemini": {"groundingMetadata": {"webSearchQueries": ["x"]}}}
    assert reply.usage == USAGE


def candidate(*parts: Any, finish: str | None = None, index: int = 0) -> dict[str, Any]:
    doc: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": index}
    return {"candidates": [{**doc, "finishReason": finish} if finish else doc]}


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("NEWS", "stop"),
    ],
)
def test_reasons(finish: str, reason: str):
    choice = only(gather(read_reply({"candidates": [{"finishReason": finish}]})))
    plain = finish in ("STOP", "MAX_TOKENS")
    assert (choice.reason, choice.extras) == (reason, None if plain else {"gemini": {"finishReason": finish}})


def test_a_botched_call_is_the_upstreams_failure():
    with pytest.raises(UpstreamFailed):
        gather(read_reply(candidate(finish="MALFORMED_FUNCTION_CALL")))


def test_a_blocked_prompt_is_refused_with_its_reason():
    doc = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}
    for events in (read_reply(doc), read_stream(sse(doc))):
        with pytest.raises(ContentRefused) as caught:
            next(iter(events))
        assert caught.value.code == "content_policy_violation"
        assert "PROHIBITED_CONTENT" in caught.value.message


def test_unknown_parts_are_kept():
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    choice = only(gather(read_reply(candidate(code, {"text": "1"}, finish="STOP"))))
    assert (choice.parts, choice.extras) == ((Text("1"),), {"gemini": {"parts": [code]}})


def test_several_candidates():
    doc = {
        "candidates": [candidate({"text": t}, finish="STOP", index=i)["candidates"][0] for i, t in enumerate("ab")]
    }
    assert [choice.parts for choice in gather(read_reply(doc)).choices] == [(Text("a"),), (Text("b"),)]


# ---- streams


def sse(*docs: Any) -> Any:
    for doc in docs:
        yield doc if doc is None else (b"", json.dumps(doc).encode())


PARTS = REPLY["candidates"][0]["content"]["parts"]
STREAM: list[Any] = [
    {**candidate({"text": "Think", "thought": True}), "usageMetadata": {"promptTokenCount": 100}},
    candidate({"text": "ing.", "thought": True}),
    candidate({"text": "I will"}),
    None,
    candidate({"text": " look."}, {"text": "", "thoughtSignature": "c2ln"}),
    candidate(PARTS[2], PARTS[3]),
    candidate(PARTS[4]),
    {
        "candidates": [{**REPLY["candidates"][0], "content": {"parts": [{"text": ""}]}}],
        "usageMetadata": REPLY["usageMetadata"],
    },
]


def test_a_stream_tells_the_same_as_the_whole_reply():
    events = list(read_stream(sse(*STREAM)))
    streamed, whole = gather(iter(events)), gather(read_reply(REPLY))
    assert [p for p in only(streamed).parts if getattr(p, "name", "") != "clock"] == [
        p for p in only(whole).parts if getattr(p, "name", "") != "clock"
    ]
    assert (only(streamed).reason, only(streamed).extras) == (only(whole).reason, only(whole).extras)
    assert streamed.usage == USAGE
    assert [e.text for e in events if isinstance(e, PartDelta)][:4] == ["Think", "ing.", "I will", " look."]
    assert KeepAlive() in events


def test_a_signature_after_a_call_keeps_a_part_of_its_own():
    events = read_stream(sse(candidate(PARTS[2]), candidate({"text": "", "thoughtSignature": "x"}, finish="STOP")))
    assert only(gather(events)).parts[1:] == (Text("", signed("x")),)


def test_a_signature_ends_the_text_that_it_signs():
    events = read_stream(
        sse(candidate({"text": "a", "thoughtSignature": "x"}), candidate({"text": "b"}, finish="STOP"))
    )
    assert only(gather(events)).parts == (Text("a", signed("x")), Text("b"))


@pytest.mark.parametrize("length", range(len(STREAM)))
def test_a_stream_cut_anywhere_never_looks_complete(length: int):
    with pytest.raises(UpstreamFailed) as caught:
        list(read_stream(sse(*STREAM[:length])))
    assert caught.value.code == "upstream_cut"


def test_a_stream_is_complete_when_every_candidate_is():
    docs = (candidate({"text": "a"}), candidate({"text": "b"}, index=1), candidate(finish="STOP"))
    with pytest.raises(UpstreamFailed):
        list(read_stream(sse(*docs)))
    assert len(gather(read_stream(sse(*docs, candidate(finish="STOP", index=1)))).choices) == 2


OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize("failed", [OVERLOADED, [OVERLOADED]])
@pytest.mark.parametrize("before", [0, 2])
def test_an_error_in_the_stream_is_the_upstreams_failure(before: int, failed: Any):
    with pytest.raises(UpstreamFailed) as caught:
        list(read_stream(sse(*STREAM[:before], failed)))
    assert "UNAVAILABLE" in caught.value.detail


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


ODD = st.sampled_from([None, 7, -1, True, "x", "", [], [1], [{}], {}, {"text": 1}, 1.5])


@given(st.sampled_from(list(paths(REPLY))), ODD)
def test_a_reply_of_the_wrong_shape_is_the_upstreams_failure(at: tuple[Any, ...], value: Any):
    for read in (lambda doc: read_reply(doc), lambda doc: read_stream(sse(doc))):
        if spoilt(REPLY, at, value) is None:
            continue
        try:
            gather(read(spoilt(REPLY, at, value)))
        except GatewayError as error:
            assert isinstance(error, UpstreamFailed)


def test_explanations():
    long = explain(
        {
            "error": {
                "status": "INVALID_ARGUMENT",
                "message": "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            }
        }
    )
    assert failure(400, long).code == "context_length_exceeded"
    key = explain({"error": {"status": "INVALID_ARGUMENT", "message": "API key not valid."}})
    assert isinstance(failure(400, key), UpstreamFailed)
