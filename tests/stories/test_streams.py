"""Streams: what they are made of, when their pieces arrive, and how they end when something breaks."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from stories.stack import CHAT, Caller, Stack, Stream, at_once, mark, order, refusal, wait_for
from stories.test_chat import FAMILIES, PERSON, WEATHER

every_family = pytest.mark.parametrize("model", FAMILIES)


@every_family
def test_a_stream_is_made_of_openais_chunks(rich: Caller, model: str) -> None:
    stream = rich.stream("Hello!", model)
    headers = stream.response.headers
    assert headers["Content-Type"].startswith("text/event-stream") and headers["Cache-Control"] == "no-cache"
    chunks = stream.chunks
    assert len({(c["id"], c["created"], c["model"], c["object"]) for c in chunks}) == 1
    assert chunks[0]["id"].startswith("thermo-") and chunks[0]["object"] == "chat.completion.chunk"
    assert headers["x-request-id"] == "req_" + chunks[0]["id"].removeprefix("thermo-")
    for chunk in chunks:
        (choice,) = chunk["choices"]
        assert set(choice) == {"index", "delta", "logprobs", "finish_reason"}
        assert "usage" not in chunk
        ChatCompletionChunk.model_validate(chunk, strict=True)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [c["choices"][0]["finish_reason"] for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all("role" not in c["choices"][0]["delta"] for c in chunks[1:])
    assert "You said: Hello!" in stream.text and stream.done and stream.error is None


@every_family
def test_a_stream_says_what_the_whole_reply_says(rich: Caller, model: str) -> None:
    options = {"include_usage": True}
    stream, reply = rich.stream("Tell me", model, stream_options=options), rich.told("Tell me", model)
    assert stream.text == reply["choices"][0]["message"]["content"]
    assert stream.chunks[-1]["usage"] == reply["usage"]


@every_family
def test_usage_comes_in_a_last_chunk_of_its_own_when_it_was_asked_for(rich: Caller, model: str) -> None:
    chunks = rich.stream("Hello!", model, stream_options={"include_usage": True}).chunks
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] > 0
    assert all(c["usage"] is None and c["choices"] for c in chunks[:-1])


@pytest.mark.parametrize("fields", [{}, {"stream_options": {"include_usage": True}}])
def test_the_thermostat_is_in_the_first_and_the_last_chunk(rich: Caller, fields: dict[str, Any]) -> None:
    chunks = rich.stream(f"Hello {mark()}", "auto", **fields).chunks
    assert [("x_thermostat" in c) for c in chunks] == [True] + [False] * (len(chunks) - 2) + [True]
    assert chunks[0]["x_thermostat"] == chunks[-1]["x_thermostat"]
    assert chunks[0]["x_thermostat"]["actual_model"] == chunks[0]["model"]
    assert chunks[0]["x_thermostat"]["cached"] is False


@every_family
def test_tool_calls_are_streamed_in_fragments(rich: Caller, model: str) -> None:
    stream = rich.stream("What is the weather in Paris?", model, tools=[WEATHER])
    (call,) = stream.calls()
    assert call["name"] == "get_weather" and json.loads(call["arguments"]) == {"city": "Paris"} and call["id"]
    assert stream.reasons == ["tool_calls"]
    heads = [r for c in stream.choices for r in c["delta"].get("tool_calls") or () if "id" in r]
    assert len(heads) == 1 and heads[0]["type"] == "function"


def test_choices_and_log_probabilities_are_streamed(rich: Caller) -> None:
    stream = rich.stream("Hello!", n=2, logprobs=True, top_logprobs=1)
    assert stream.reasons == ["stop", "stop"] and {c["index"] for c in stream.choices} == {0, 1}
    for index in (0, 1):
        mine = [c for c in stream.choices if c["index"] == index]
        text = "".join(c["delta"].get("content") or "" for c in mine)
        rows = [row for c in mine for row in (c["logprobs"] or {}).get("content", ())]
        assert text and "".join(row["token"] for row in rows) == text


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gemini-2.5-flash", "deepseek-v4-flash"])
def test_thoughts_are_streamed_before_the_answer(rich: Caller, model: str) -> None:
    deltas = [c["delta"] for c in rich.stream("Hello!", model, reasoning_effort="medium").choices]
    thought = [i for i, d in enumerate(deltas) if d.get("reasoning_content")]
    said = [i for i, d in enumerate(deltas) if d.get("content")]
    assert thought and said and max(thought) < min(said)


@every_family
def test_a_schema_and_a_bound_hold_for_streams_too(rich: Caller, model: str) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    assert json.loads(rich.stream("Ada is 36", model, response_format=wanted).text) == {"name": "Ada", "age": 36}
    assert rich.stream(order("tokens=400"), model, max_tokens=30).reasons == ["length"]


def test_legacy_functions_are_streamed_in_their_own_words(rich: Caller) -> None:
    stream = rich.stream("What is the weather in Paris?", functions=[WEATHER["function"]])
    rows = [c["delta"]["function_call"] for c in stream.choices if "function_call" in c["delta"]]
    assert "".join(r.get("name", "") for r in rows) == "get_weather" and stream.reasons == ["function_call"]
    assert json.loads("".join(r.get("arguments", "") for r in rows)) == {"city": "Paris"}


# ---- time


@every_family
def test_the_first_words_arrive_long_before_the_last(rich: Caller, model: str) -> None:
    stream = rich.stream(order("chunks=6 interval_ms=150"), model)
    told = [at for at, chunk in zip(stream.at, stream.chunks, strict=True) if _says(chunk)]
    assert len(told) == 6 and told[-1] - told[0] > 0.6


def _says(chunk: dict[str, Any]) -> bool:
    return any(choice["delta"].get("content") for choice in chunk["choices"])


def test_silence_before_the_first_word_is_filled_with_comments(rich: Caller) -> None:
    stream = rich.stream(order("hang=2.4"))
    assert stream.comments >= 2 and stream.done and stream.text


def test_silence_between_words_is_filled_with_comments(rich: Caller) -> None:
    stream = rich.stream(order("chunks=2 interval_ms=2400"))
    assert stream.comments >= 2 and stream.done and stream.reasons == ["stop"]


# ---- when the upstream breaks


def assert_broke_off(stream: Stream) -> None:
    """The reader is told in the stream, and nothing looks like a proper end."""
    assert stream.response.status_code == 200
    assert not stream.done and stream.reasons == []
    assert stream.error is not None and set(stream.error) == {"message", "type", "code", "param"}
    assert stream.error["type"] == "service_unavailable_error"


def assert_paid_for_what_came(caller: Caller, stream: Stream) -> None:
    (row,) = caller.usage()
    assert (row["state"], row["outcome"], row["estimated"]) == ("settled", "upstream_failed", 1)
    assert row["output_tokens"] == -(-len(stream.text.encode()) // 4) and row["cost_nanousd"] > 0
    assert caller.funds() == (100 * 10**9 - row["cost_nanousd"], 0)


@every_family
@pytest.mark.parametrize("fault", ["cut=3", "inband=3"])
def test_an_upstream_that_breaks_off_is_told_and_only_what_came_is_paid(
    caller: Caller, model: str, fault: str
) -> None:
    stream = caller.stream(order(f"chunks=10 {fault}"), model)
    assert len([c for c in stream.chunks if _says(c)]) == 3
    assert_broke_off(stream)
    assert_paid_for_what_came(caller, stream)


def test_an_upstream_that_falls_silent_counts_as_broken(caller: Caller) -> None:
    stream = caller.stream(order("chunks=5 interval_ms=20000"))
    assert stream.comments >= 2
    assert_broke_off(stream)
    assert stream.error is not None and stream.error["code"] == "upstream_timeout"
    assert_paid_for_what_came(caller, stream)


@pytest.mark.parametrize("model", ["auto", "gpt-4o"])
def test_an_answer_that_has_begun_is_never_begun_again_elsewhere(caller: Caller, model: str) -> None:
    marker = mark()
    stream = caller.stream(order("chunks=10 cut=1", marker), model)
    assert_broke_off(stream)
    assert len(caller.stack.heard(marker)) == 1


@pytest.mark.parametrize("state", [{"status": 500}, {"status": 429}, {"down": True}, {"directive": "html"}])
def test_another_model_answers_where_the_first_fails_before_its_first_word(
    caller: Caller, stack: Stack, state: dict[str, Any]
) -> None:
    first = stack.first_provider()
    with stack.upstream(**{first: state}):
        stream = caller.stream(f"Hello {mark()}", "auto", stream_options={"include_usage": True})
    assert stream.done and stream.error is None and stream.reasons == ["stop"]
    (row,) = caller.usage()
    assert row["provider"] != first and row["outcome"] == "ok" and row["estimated"] == 0
    assert row["model"] == stream.chunks[0]["x_thermostat"]["actual_model"] == stream.chunks[0]["model"]


def test_a_stream_that_cannot_begin_is_refused_as_json(caller: Caller, stack: Stack) -> None:
    with stack.upstream(openai={"status": 500}):
        response = caller.ask("Hello!", stream=True)
    refusal(response, 503, "service_unavailable_error", "service_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert caller.funds() == (100 * 10**9, 0)


def test_a_stream_whose_upstream_tells_no_usage_is_estimated(caller: Caller) -> None:
    stream = caller.stream(order("no_usage tokens=100"), stream_options={"include_usage": True})
    (row,) = caller.usage()
    assert stream.done and (row["outcome"], row["estimated"], row["output_tokens"]) == ("ok", 1, 100)
    assert row["input_tokens"] > 0 and row["cost_nanousd"] > 0


# ---- when the client leaves


@every_family
def test_a_client_that_leaves_stops_the_upstream_and_pays_for_what_was_produced(
    caller: Caller, stack: Stack, model: str
) -> None:
    marker = mark()
    with caller.open(order("chunks=400 interval_ms=25", marker), model) as stream:
        stream.read(5)
    (row,) = caller.usage()
    assert (row["state"], row["outcome"], row["estimated"]) == ("settled", "client_gone", 1)
    assert 1 <= row["output_tokens"] < 200 and row["cost_nanousd"] > 0
    assert caller.funds() == (100 * 10**9 - row["cost_nanousd"], 0)
    assert wait_for(lambda: stack.heard(marker)[0]["aborted"])


def test_a_client_that_leaves_in_a_long_silence_is_noticed(caller: Caller, stack: Stack) -> None:
    marker = mark()
    with caller.open(order("hang=30", marker)):
        pass
    (row,) = caller.usage()
    assert row["outcome"] == "client_gone" and row["duration_ms"] < 10_000
    assert caller.funds()[1] == 0 and wait_for(lambda: stack.heard(marker)[0]["aborted"])


def test_streams_run_side_by_side(rich: Caller) -> None:
    began = time.monotonic()
    streams = at_once(20, lambda i: rich.stream(order(f"chunks=5 interval_ms=200 say=answer {i} is long enough")))
    assert [s.text for s in streams] == [f"answer {i} is long enough" for i in range(20)]
    assert time.monotonic() - began < 10  # one after the other they would take 16 seconds


def test_streams_on_api_v1_have_its_ids(rich: Caller) -> None:
    response = rich.ask(path="/api" + CHAT, stream=True)
    first = json.loads(response.text.split("\n\n")[0].removeprefix("data: "))
    assert first["id"].startswith("chatcmpl-") and response.text.endswith("data: [DONE]\n\n")
