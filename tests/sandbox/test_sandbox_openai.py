"""The OpenAI wire over a socket, field by field."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from thermly.sandbox.server import Sandbox, start

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = start()
    yield sandbox
    sandbox.stop()


def call(sandbox: Sandbox, path: str, body: Any, method: str = "POST", key: str = "k") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    try:
        connection.request(method, path, json.dumps(body), {"authorization": f"Bearer {key}"} if key else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def chat(sandbox: Sandbox, text: str = "hello", /, model: str = "gpt-4o-mini", **fields: Any) -> Any:
    messages = fields.pop("messages", [{"role": "user", "content": text}])
    status, data = call(sandbox, "/openai/v1/chat/completions", {"model": model, "messages": messages, **fields})
    if status == 200 and fields.get("stream"):
        return [line[6:] for line in data.decode().split("\n\n") if line]
    return json.loads(data) if status == 200 else (status, json.loads(data)["error"])


def chunks(lines: list[str]) -> list[Any]:
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_a_whole_completion(sandbox: Sandbox) -> None:
    body = chat(sandbox, service_tier="flex")
    assert body["object"] == "chat.completion" and body["service_tier"] == "flex" and body["system_fingerprint"]
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "stop" and choice["logprobs"] is None
    assert choice["message"] == {
        "role": "assistant",
        "content": "Hello from the Thermly sandbox: gpt-4o-mini is answering offline. You said: hello",
        "refusal": None,
        "annotations": [],
    }
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]


def test_a_stream_begins_with_the_role_and_ends_with_usage(sandbox: Sandbox) -> None:
    seen = chunks(chat(sandbox, stream=True, stream_options={"include_usage": True}))
    assert seen[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert all(c["usage"] is None for c in seen[:-1])
    assert all(c["choices"][0]["finish_reason"] is None for c in seen[:-2])
    assert seen[-2]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    assert seen[-1]["choices"] == []
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in seen[:-1])
    whole = chat(sandbox)
    assert text == whole["choices"][0]["message"]["content"]
    assert seen[-1]["usage"] == whole["usage"]
    assert "usage" not in chunks(chat(sandbox, stream=True))[-1]


def test_tool_calls_are_streamed_one_after_the_other_or_interleaved(sandbox: Sandbox) -> None:
    def calls(order: str) -> list[Any]:
        text = f"weather in Paris and London {order}"
        deltas = [c["choices"][0]["delta"] for c in chunks(chat(sandbox, text, tools=[TOOL], stream=True))]
        return [call for delta in deltas for call in delta.get("tool_calls", ())]

    for order, is_sorted in (("", True), ("[[sandbox: interleave]]", False)):
        made = calls(order)
        indexes = [call["index"] for call in made]
        assert (indexes == sorted(indexes)) is is_sorted
        for index, city in enumerate(("Paris", "London")):
            mine = [call for call in made if call["index"] == index]
            assert mine[0]["id"].startswith("call_") and mine[0]["function"]["name"] == "get_weather"
            assert all(set(call) == {"index", "function"} for call in mine[1:])
            assert json.loads("".join(call["function"]["arguments"] for call in mine)) == {"city": city}


def test_a_round_with_tools(sandbox: Sandbox) -> None:
    first = chat(sandbox, "weather in Rome", tools=[TOOL])["choices"][0]
    assert first["finish_reason"] == "tool_calls" and first["message"]["content"] is None
    (made,) = first["message"]["tool_calls"]
    asked = [{"role": "user", "content": "weather in Rome"}, first["message"]]
    answered = [*asked, {"role": "tool", "tool_call_id": made["id"], "content": "sunny"}]
    last = chat(sandbox, messages=answered, tools=[TOOL])["choices"][0]["message"]
    assert last["content"] == "The tool answered: sunny"
    status, error = chat(sandbox, messages=asked, tools=[TOOL])
    assert status == 400 and made["id"] in error["message"]


def test_legacy_functions_are_answered_in_their_own_terms(sandbox: Sandbox) -> None:
    fields: dict[str, Any] = {"functions": [TOOL["function"]], "function_call": {"name": "get_weather"}}
    choice = chat(sandbox, "Rome", **fields)["choices"][0]
    assert choice["finish_reason"] == "function_call"
    assert json.loads(choice["message"]["function_call"]["arguments"]) == {"city": "Rome"}


def test_choices_logprobs_and_bounds(sandbox: Sandbox) -> None:
    body = chat(sandbox, n=2, logprobs=True, top_logprobs=2, max_tokens=4)
    assert [c["index"] for c in body["choices"]] == [0, 1]
    assert all(c["finish_reason"] == "length" for c in body["choices"])
    assert body["usage"]["completion_tokens"] == 8
    rows = body["choices"][0]["logprobs"]["content"]
    assert "".join(row["token"] for row in rows) == body["choices"][0]["message"]["content"]
    assert all(len(row["top_logprobs"]) == 2 and row["logprob"] <= 0 for row in rows)
    assert chat(sandbox, stop="sandbox")["choices"][0]["message"]["content"] == "Hello from the Thermly "


def test_json_answers(sandbox: Sandbox) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    form: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    assert chat(sandbox, "give me 3", response_format=form)["choices"][0]["message"]["content"] == '{"n": 3}'
    del schema["additionalProperties"]
    status, error = chat(sandbox, response_format=form)
    assert status == 400 and "additionalProperties" in error["message"]
    loose = chat(sandbox, "as json", response_format={"type": "json_object"})
    assert isinstance(json.loads(loose["choices"][0]["message"]["content"]), dict)


def test_reasoning_is_shown_by_those_who_show_it_and_counted_by_all(sandbox: Sandbox) -> None:
    shown = chat(sandbox, model="deepseek-reasoner")
    assert shown["choices"][0]["message"]["reasoning_content"]
    assert shown["usage"]["prompt_cache_miss_tokens"] == shown["usage"]["prompt_tokens"]
    hidden = chat(sandbox, model="o3-mini")
    assert "reasoning_content" not in hidden["choices"][0]["message"]
    for body in (shown, hidden):
        assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    streamed = chunks(chat(sandbox, model="deepseek-chat", thinking={"type": "enabled"}, stream=True))
    assert any(c["choices"][0]["delta"].get("reasoning_content") for c in streamed)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": "o1", "max_tokens": 5}, "max_tokens", "unsupported_parameter"),
        ({"model": "gpt-6-luna", "temperature": 0.5}, "temperature", "unsupported_value"),
        ({"model": "gpt-5.6", "top_p": 0.5}, "top_p", "unsupported_parameter"),
        ({"frobnicate": 1}, "frobnicate", "unknown_parameter"),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages.[0].role", "invalid_value"),
        ({"tool_choice": "auto"}, "tool_choice", None),
        ({"response_format": {"type": "json_object"}}, "messages", None),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length"),
    ],
)
def test_refusals(sandbox: Sandbox, fields: dict[str, Any], param: str, code: str | None) -> None:
    status, error = chat(sandbox, **fields)
    assert (status, error["type"], error["param"], error["code"]) == (400, "invalid_request_error", param, code)


def test_missing_messages_and_keys(sandbox: Sandbox) -> None:
    path = "/openai/v1/chat/completions"
    status, data = call(sandbox, path, {"model": "gpt-4o"})
    assert status == 400 and json.loads(data)["error"]["param"] == "messages"
    assert call(sandbox, path, {}, key="")[0] == 401
    status, data = call(sandbox, path, {}, key="bad-key")
    assert status == 401 and json.loads(data)["error"]["code"] == "invalid_api_key"
    assert call(sandbox, "/openai/v1/nothing", {})[0] == 404


def test_images_must_be_readable(sandbox: Sandbox) -> None:
    def look(url: str) -> Any:
        content = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": url}}]
        return chat(sandbox, messages=[{"role": "user", "content": content}])

    assert "1 image" in look("data:image/png;base64,AAAA")["choices"][0]["message"]["content"]
    assert look("data:image/png;base64,AA-_")[0] == 400
    assert look("nonsense")[0] == 400


def test_files_must_be_named(sandbox: Sandbox) -> None:
    def read(**file: str) -> Any:
        content = [{"type": "text", "text": "see"}, {"type": "file", "file": file}]
        return chat(sandbox, messages=[{"role": "user", "content": content}])

    data = "data:application/pdf;base64,JVBERi0="
    assert "choices" in read(file_data=data, filename="a.pdf")
    for lacking in ({"file_data": data}, {"filename": "a.pdf"}):
        status, error = read(**lacking)
        assert (status, error["code"]) == (400, "missing_required_parameter")
        assert error["param"] == "messages.[0].content[1].file.file_id"


def test_embeddings(sandbox: Sandbox) -> None:
    def embed(**fields: Any) -> Any:
        return json.loads(call(sandbox, "/openai/v1/embeddings", {"model": "text-embedding-3-small", **fields})[1])

    floats = embed(input=["one", "two", "one"], dimensions=64)
    first, second, third = (row["embedding"] for row in floats["data"])
    assert first == third != second
    assert math.isclose(sum(x * x for x in first), 1, rel_tol=1e-6)
    packed = base64.b64decode(embed(input="one", dimensions=64, encoding_format="base64")["data"][0]["embedding"])
    assert struct.unpack("<64f", packed) == pytest.approx(first, abs=1e-6)
    assert len(embed(input="one")["data"][0]["embedding"]) == 1536
    assert embed(input=[[1, 2, 3], [4]])["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert len(embed(input=[1, 2, 3])["data"]) == 1
    assert "error" in embed(input="")
    assert "error" in embed(input="one", dimensions=9999)


def test_models(sandbox: Sandbox) -> None:
    listed = json.loads(call(sandbox, "/deepseek/v1/models", None, "GET")[1])
    assert listed["object"] == "list" and {row["owned_by"] for row in listed["data"]} == {"deepseek"}
    assert json.loads(call(sandbox, "/openai/v1/models/any-name", None, "GET")[1])["id"] == "any-name"
