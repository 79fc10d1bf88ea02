"""The Anthropic wire over a socket, event by event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from thermly.sandbox.server import Sandbox, start

HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "get_weather", "input_schema": SCHEMA}
THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = start()
    yield sandbox
    sandbox.stop()


def call(
    sandbox: Sandbox, path: str, body: Any, headers: dict[str, str], method: str = "POST"
) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    try:
        connection.request(method, path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def ask(sandbox: Sandbox, text: str = "hello", /, **fields: Any) -> tuple[int, Any]:
    body = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 2048,
        "messages": [{"role": "user", "content": text}],
        **fields,
    }
    body = {name: value for name, value in body.items() if value is not None}
    status, data = call(sandbox, "/anthropic/v1/messages", body, HEADERS)
    return status, events(data) if status == 200 and fields.get("stream") else json.loads(data)


def events(data: bytes) -> list[Any]:
    found = []
    for block in data.decode().strip().split("\n\n"):
        name, _, value = block.partition("\ndata: ")
        found.append(json.loads(value))
        assert name == f"event: {found[-1]['type']}"
    return found


def test_a_whole_message(sandbox: Sandbox) -> None:
    status, body = ask(sandbox, "hello [[sandbox: cached=100 cache_write=20]]")
    assert status == 200
    assert (body["type"], body["role"], body["stop_reason"], body["stop_sequence"]) == (
        "message",
        "assistant",
        "end_turn",
        None,
    )
    assert [block["type"] for block in body["content"]] == ["text"]
    usage = body["usage"]
    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (100, 20)
    assert usage["input_tokens"] == 0, "what was cached is counted apart"


def test_events_come_in_the_vendors_order(sandbox: Sandbox) -> None:
    _, seen = ask(sandbox, "weather in Rome", tools=[TOOL], thinking=THINKING, stream=True)
    kinds = [event["type"] for event in seen]
    assert kinds[:2] == ["message_start", "ping"] and kinds[-2:] == ["message_delta", "message_stop"]
    starts = [event["content_block"]["type"] for event in seen if event["type"] == "content_block_start"]
    assert starts == ["thinking", "tool_use"]
    deltas = [event["delta"]["type"] for event in seen if event["type"] == "content_block_delta"]
    assert list(dict.fromkeys(deltas)) == ["thinking_delta", "signature_delta", "input_json_delta"]
    made = "".join(e["delta"].get("partial_json", "") for e in seen if e["type"] == "content_block_delta")
    assert json.loads(made) == {"city": "Rome"}
    assert seen[-2]["delta"]["stop_reason"] == "tool_use"
    assert seen[-2]["usage"]["output_tokens"] > seen[0]["message"]["usage"]["output_tokens"]


def test_whole_and_streamed_say_the_same(sandbox: Sandbox) -> None:
    _, seen = ask(sandbox, stream=True)
    _, body = ask(sandbox)
    assert "".join(e["delta"].get("text", "") for e in seen if "delta" in e) == body["content"][0]["text"]
    assert seen[-2]["usage"]["output_tokens"] == body["usage"]["output_tokens"]


def test_a_round_with_tools_and_thinking(sandbox: Sandbox) -> None:
    fields: dict[str, Any] = {"tools": [TOOL], "thinking": THINKING}
    _, first = ask(sandbox, "weather in Rome", **fields)
    thought, made = first["content"]
    result = {"type": "tool_result", "tool_use_id": made["id"], "content": [{"type": "text", "text": "sunny"}]}

    def second(answer: list[Any], results: list[Any]) -> tuple[int, Any]:
        turns = [("user", "weather in Rome"), ("assistant", answer), ("user", results)]
        return ask(sandbox, messages=[{"role": r, "content": c} for r, c in turns], **fields)

    _, body = second([thought, made], [result])
    assert body["content"][-1]["text"] == "The tool answered: sunny"
    forged = {**thought, "thinking": "something else"}
    wrong = {**result, "tool_use_id": "toolu_unknown"}
    for answer, results, complaint in (
        ([made], [result], "must start with a thinking block"),
        ([forged, made], [result], "Invalid `signature`"),
        ([thought, made], [{"type": "text", "text": "well"}, result], "without `tool_result` blocks"),
        ([thought, made], [result, wrong], "unexpected `tool_use_id`"),
    ):
        status, body = second(answer, results)
        assert status == 400 and complaint in body["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"temperature": 0.5, "top_p": 0.5}, "cannot both be specified"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "must be greater than"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}, "tools": [TOOL]}, "must be greater than"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "greater than or equal to 1024"),
        ({"thinking": THINKING, "temperature": 0.5}, "may only be set to 1"),
        ({"thinking": {"type": "adaptive"}}, "adaptive thinking is not supported"),
        ({"model": "claude-opus-5-5", "thinking": THINKING}, "thinking.type.adaptive"),
        ({"model": "claude-opus-5-5", "temperature": 1}, "temperature"),
        ({"model": "claude-opus-5-5", "tools": [TOOL], "tool_choice": {"type": "any"}}, "not supported"),
        ({"model": "claude-sonnet-4-6", "messages": [{"role": "user", "content": "a"},
                                                     {"role": "assistant", "content": "b"}]}, "prefill"),
        ({"messages": [{"role": "system", "content": "x"}]}, "role 'system' is not supported"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty content"),
        ({"n": 2}, "n: Extra inputs are not permitted"),
        ({"tools": [{"name": "a b", "input_schema": SCHEMA}]}, "should match pattern"),
        ({"tool_choice": {"type": "any"}}, "while providing tools"),
        ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "additionalProperties"),
        ({"messages": "hello"}, ""),
    ],
)  # fmt: skip
def test_refusals(sandbox: Sandbox, fields: dict[str, Any], complaint: str) -> None:
    status, body = ask(sandbox, **fields)
    assert (status, body["type"], body["error"]["type"]) == (400, "error", "invalid_request_error")
    assert complaint in body["error"]["message"]


def test_older_claudes_take_temperature_with_top_p(sandbox: Sandbox) -> None:
    assert ask(sandbox, model="claude-3-haiku-20240307", temperature=0.5, top_p=0.5)[0] == 200


def test_headers_are_required(sandbox: Sandbox) -> None:
    def status(headers: dict[str, str]) -> int:
        return call(sandbox, "/anthropic/v1/messages", {}, headers)[0]

    version = {"anthropic-version": "2023-06-01"}
    assert status(version) == 401
    assert status({**version, "x-api-key": "bad-key"}) == 401
    assert status({"x-api-key": "k"}) == 400
    assert status({**version, "authorization": "Bearer k"}) == 400, "a key, but no body"


def test_turns_of_one_role_are_one_turn(sandbox: Sandbox) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]}]
    assert ask(sandbox, messages=turns)[1]["content"][0]["text"].endswith("You said: b")


def test_images_and_choices(sandbox: Sandbox) -> None:
    def look(data: str) -> tuple[int, Any]:
        source = {"type": "base64", "media_type": "image/png", "data": data}
        return ask(sandbox, messages=[{"role": "user", "content": [{"type": "image", "source": source}]}])

    assert "1 image" in look("AAAA")[1]["content"][0]["text"]
    assert look("AA-_")[0] == 400
    forced = {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "get_weather"}}
    assert ask(sandbox, "hi", **forced)[1]["content"][0]["type"] == "tool_use"
    assert ask(sandbox, "weather", tools=[TOOL], tool_choice={"type": "none"})[1]["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    ("fields", "stop"),
    [({"max_tokens": 3}, ("max_tokens", None)), ({"stop_sequences": ["sandbox"]}, ("stop_sequence", "sandbox"))],
)
def test_reasons_to_stop(sandbox: Sandbox, fields: dict[str, Any], stop: tuple[str, str | None]) -> None:
    body = ask(sandbox, **fields)[1]
    assert (body["stop_reason"], body["stop_sequence"]) == stop


def test_json_answers(sandbox: Sandbox) -> None:
    closed = {"type": "json_schema", "schema": {**SCHEMA, "additionalProperties": False}}
    for fields in ({"output_config": {"format": closed}}, {"output_format": closed}):
        assert json.loads(ask(sandbox, "Rome", **fields)[1]["content"][0]["text"]) == {"city": "Rome"}


def test_newer_claudes_keep_their_thoughts_to_themselves(sandbox: Sandbox) -> None:
    for display, shown in (({}, False), ({"display": "summarized"}, True)):
        thinking = {"type": "adaptive", **display}
        _, body = ask(sandbox, model="claude-opus-5-5", thinking=thinking)
        assert body["content"][0]["type"] == "thinking" and body["content"][0]["signature"]
        assert bool(body["content"][0]["thinking"]) is shown
        _, seen = ask(sandbox, model="claude-opus-5-5", thinking=thinking, stream=True)
        assert any(e.get("delta", {}).get("type") == "thinking_delta" for e in seen) is shown


def test_counting_and_listing(sandbox: Sandbox) -> None:
    body = {"model": "claude-sonnet-4-5", "system": "be brief", "messages": [{"role": "user", "content": "hello"}]}
    status, data = call(sandbox, "/anthropic/v1/messages/count_tokens", body, HEADERS)
    assert (status, json.loads(data)) == (200, {"input_tokens": 10})
    listed = json.loads(call(sandbox, "/anthropic/v1/models", None, HEADERS, "GET")[1])
    assert listed["has_more"] is False and listed["data"][0]["type"] == "model"
