"""Anthropic's wire at /v1/messages: its streams byte by byte, its money, its refusals, and coding agents."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
import requests

from stories.stack import NANO, Caller, Stack, mark, order, user, wait_for
from stories.test_chat import PIXEL
from stories.test_limits import told as limits
from stories.test_money import PRICES, cost_nanousd

MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
FAMILIES = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "deepseek-v4-flash")
CHEAP = "gpt-6-luna"
JSON = dict[str, Any]
every_family = pytest.mark.parametrize("model", FAMILIES)


def body_of(text: Any = "Hello!", model: str = "gpt-4o", **fields: Any) -> JSON:
    return {"model": model, "max_tokens": 4000, "messages": user(text), **fields}


def told(caller: Caller, text: Any = "Hello!", model: str = "gpt-4o", **fields: Any) -> JSON:
    response = caller.post(body_of(text, model, **fields), MESSAGES)
    assert response.status_code == 200, response.text
    message: JSON = response.json()
    return message


def text_of(message: JSON) -> str:
    return "".join(block.get("text", "") for block in message["content"])


def refused(response: requests.Response, status: int, kind: str) -> str:
    """Assert a refusal in its whole shape; returns its message."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["x-request-id"].startswith("req_")
    body = response.json()
    assert body["type"] == "error" and set(body) == {"type", "error", "request_id"}
    assert body["request_id"] == response.headers["x-request-id"]
    assert set(body["error"]) - {"details"} == {"type", "message"} and body["error"]["type"] == kind, body
    assert "Traceback" not in body["error"]["message"]
    return str(body["error"]["message"])


class Stream:
    """The events as they came, each with its name checked, and when."""

    def __init__(self, response: requests.Response) -> None:
        assert response.status_code == 200, response.text
        self.response = response
        self.events: list[JSON] = []
        self.at: list[float] = []
        self._blocks = self._split()

    def _split(self) -> Iterator[bytes]:
        buffer = b""
        for data in self.response.iter_content(None):
            *blocks, buffer = (buffer + data).split(b"\n\n")
            yield from blocks
        assert not buffer, "the last event is not complete"

    def read(self, events: int | None = None) -> Stream:
        """To the end, or until so many have come."""
        while events is None or len(self.events) < events:
            block = next(self._blocks, None)
            if block is None:
                return self
            name, data = block.split(b"\n")
            assert name.startswith(b"event: ") and data.startswith(b"data: "), block
            event = json.loads(data[6:])
            assert event["type"] == name[7:].decode()
            self.events.append(event)
            self.at.append(time.monotonic())
        return self

    def of(self, kind: str) -> list[JSON]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def text(self) -> str:
        return "".join(event["delta"].get("text", "") for event in self.of("content_block_delta"))


@contextmanager
def opened(caller: Caller, text: Any = "Hello!", model: str = "gpt-4o", **fields: Any) -> Iterator[Stream]:
    body = body_of(text, model, stream=True, **fields)
    with (
        requests.Session() as http,
        http.post(
            caller.stack.url + MESSAGES, json=body, headers=caller.headers(), stream=True, timeout=60
        ) as response,
    ):
        yield Stream(response)


def streamed(caller: Caller, text: Any = "Hello!", model: str = "gpt-4o", **fields: Any) -> Stream:
    with opened(caller, text, model, **fields) as stream:
        return stream.read()


# ---- streams


@every_family
def test_a_stream_has_the_events_of_the_reference_in_their_order(rich: Caller, model: str) -> None:
    stream = streamed(rich, "Hello!", model)
    assert stream.response.headers["Content-Type"].startswith("text/event-stream")
    kinds = [event["type"] for event in stream.events if event["type"] != "ping"]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) <= {"content_block_delta", "content_block_stop", "content_block_start"}
    message = stream.events[0]["message"]
    assert message["id"] == "msg_" + stream.response.headers["x-request-id"].removeprefix("req_")
    assert (message["content"], message["stop_reason"], message["model"]) == ([], None, model)
    starts = stream.of("content_block_start")
    assert [event["index"] for event in starts] == list(range(len(starts)))
    (end,) = stream.of("message_delta")
    assert end["delta"]["stop_reason"] == "end_turn"
    assert end["usage"]["output_tokens"] == told(rich, "Hello!", model)["usage"]["output_tokens"]
    assert "You said: Hello!" in stream.text


@pytest.mark.parametrize("text", ["hang=1.4", "chunks=2 interval_ms=1400"])
def test_silence_is_filled_with_pings(rich: Caller, text: str) -> None:
    stream = streamed(rich, order(text))
    assert stream.of("ping") and stream.events[-1]["type"] == "message_stop" and stream.text


@pytest.mark.parametrize("model", FAMILIES[:3])
def test_the_first_words_arrive_long_before_the_last(rich: Caller, model: str) -> None:
    stream = streamed(rich, order("chunks=5 interval_ms=120"), model)
    deltas = [
        at
        for at, event in zip(stream.at, stream.events, strict=True)
        if event["type"] == "content_block_delta" and "text" in event["delta"]
    ]
    assert len(deltas) == 5 and deltas[-1] - deltas[0] > 0.35


@pytest.mark.parametrize("model", FAMILIES[:3])
@pytest.mark.parametrize("fault", ["cut=3", "inband=3"])
def test_a_stream_that_breaks_off_ends_in_an_error_and_only_what_came_is_paid(
    caller: Caller, model: str, fault: str
) -> None:
    stream = streamed(caller, order(f"chunks=10 {fault}"), model)
    assert [event["type"] for event in stream.events].count("content_block_delta") == 3
    last = stream.events[-1]
    assert last["type"] == "error" and last["error"]["type"] == "api_error" and last["error"]["message"]
    assert not stream.of("message_delta") and not stream.of("message_stop")
    (row,) = caller.usage()
    assert (row["state"], row["outcome"], row["estimated"]) == ("settled", "upstream_failed", 1)
    assert row["output_tokens"] == -(-len(stream.text.encode()) // 4) and row["cost_nanousd"] > 0
    assert caller.funds() == (100 * NANO - row["cost_nanousd"], 0)


def test_a_stream_that_cannot_begin_is_refused_as_a_whole(stack: Stack, caller: Caller) -> None:
    response = caller.post(body_of(order("status=500"), stream=True), MESSAGES)
    refused(response, 503, "overloaded_error")
    assert int(response.headers["Retry-After"]) > 0 and caller.funds() == (100 * NANO, 0)


@pytest.mark.parametrize("model", FAMILIES[:3])
def test_a_client_that_leaves_stops_the_upstream_and_pays_for_what_came(
    stack: Stack, caller: Caller, model: str
) -> None:
    marker = mark()
    with opened(caller, order("chunks=400 interval_ms=25", marker), model) as stream:
        stream.read(6)
    (row,) = caller.usage()
    assert (row["state"], row["outcome"], row["estimated"]) == ("settled", "client_gone", 1)
    assert 1 <= row["output_tokens"] < 200 and row["cost_nanousd"] > 0
    assert caller.funds() == (100 * NANO - row["cost_nanousd"], 0)
    assert wait_for(lambda: stack.heard(marker)[0]["aborted"])


# ---- money and the cache


@every_family
@pytest.mark.parametrize("directive", ["tokens=50", "tokens=7 cached=1000", "reason tokens=20"])
def test_the_books_say_what_the_message_says(caller: Caller, model: str, directive: str) -> None:
    message = told(caller, order(directive), model)
    usage = message["usage"]
    (end,) = streamed(caller, order(directive), model).of("message_delta")
    counts = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert [end["usage"][name] for name in counts] == [usage[name] for name in counts]
    rows = caller.usage(2)
    for row in rows:
        assert (row["surface"], row["model"], row["outcome"]) == ("messages", model, "ok")
        assert row["input_tokens"] == usage["input_tokens"] + usage["cache_read_input_tokens"]
        assert row["cached_input_tokens"] == usage["cache_read_input_tokens"]
        assert row["output_tokens"] == usage["output_tokens"]
        openai = {
            "prompt_tokens": row["input_tokens"],
            "completion_tokens": row["output_tokens"],
            "prompt_tokens_details": {"cached_tokens": row["cached_input_tokens"]},
        }
        assert row["cost_nanousd"] == cost_nanousd(model, openai) > 0
    assert rows[0]["id"] == message["id"].removeprefix("msg_")
    assert caller.funds() == (100 * NANO - sum(row["cost_nanousd"] for row in rows), 0)


@pytest.mark.parametrize("stream", [False, True])
def test_cache_control_reaches_claude_and_its_cache_has_its_own_prices(
    stack: Stack, caller: Caller, stream: bool
) -> None:
    marker, model = mark(), "claude-sonnet-4-5"
    ephemeral = {"type": "ephemeral"}
    hour = {"type": "ephemeral", "ttl": "1h"}
    tool = {"name": "f", "input_schema": {"type": "object"}, "cache_control": hour}
    text = order("tokens=10 cached=700 cache_write=300", marker)
    fields: JSON = {
        "system": [{"type": "text", "text": "Be brief.", "cache_control": hour}],
        "tools": [tool],
    }
    asked = [{"type": "text", "text": text, "cache_control": ephemeral}]
    if stream:
        (end,) = streamed(caller, asked, model, **fields).of("message_delta")
        usage = end["usage"]
    else:
        usage = told(caller, asked, model, **fields)["usage"]
    body = stack.heard(marker)[0]["body"]
    assert body["system"][0]["cache_control"] == body["tools"][0]["cache_control"] == hour
    assert body["messages"][0]["content"][0]["cache_control"] == ephemeral
    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (700, 300)
    (row,) = caller.usage()
    assert (row["cached_input_tokens"], row["cache_write_tokens"]) == (700, 300)
    assert row["input_tokens"] == usage["input_tokens"] + 1000
    price = {name: Decimal(str(PRICES[model][name + "_per_mtok"])) for name in ("input", "output")}
    read, write = (Decimal(str(PRICES[model][f"{name}_per_mtok"])) for name in ("cached_input", "cache_write"))
    dollars = usage["input_tokens"] * price["input"] + 700 * read + 300 * write + 10 * price["output"]
    assert row["cost_nanousd"] == int(dollars * 1000) and write > price["input"] > read


@pytest.mark.parametrize("model", ["gpt-4o", "gemini-2.5-flash", "auto"])
def test_cache_control_does_no_harm_elsewhere(stack: Stack, rich: Caller, model: str) -> None:
    marker, ephemeral = mark(), {"type": "ephemeral"}
    asked = [{"type": "text", "text": marker, "cache_control": ephemeral}]
    system = [{"type": "text", "text": "Be brief.", "cache_control": ephemeral}]
    with_tool = [{"name": "send_mail", "input_schema": {"type": "object"}, "cache_control": ephemeral}]
    assert marker in text_of(told(rich, asked, model, system=system, tools=with_tool, cache_control=ephemeral))
    (heard,) = stack.heard(marker)
    assert heard["provider"] == "anthropic" or "cache_control" not in json.dumps(heard["body"])


def test_the_second_time_an_answer_is_free_and_a_fresh_one_is_there_on_demand(stack: Stack, caller: Caller) -> None:
    marker = mark()
    first, second = (told(caller, marker, "auto") for _ in range(2))
    same = ("content", "usage", "model", "stop_reason")
    assert [first[k] for k in same] == [second[k] for k in same] and first["model"] != "auto"
    assert streamed(caller, marker, "auto").text == text_of(first) and len(stack.heard(marker)) == 1
    assert caller.post(body_of(marker, "auto"), MESSAGES, {"x-no-cache": "true"}).status_code == 200
    assert [row["cache"] for row in caller.usage(4)] == ["fresh", "hit", "hit", "fresh"]
    assert [row["cost_nanousd"] > 0 for row in caller.usage(4)] == [True, False, False, True]


def test_without_credit_nothing_is_asked_of_anybody(stack: Stack) -> None:
    poor, marker = stack.caller(0), mark()
    for stream in (False, True):
        refused(poor.post(body_of(marker, stream=stream), MESSAGES), 402, "billing_error")
    assert stack.heard(marker) == [] and poor.funds() == (0, 0)


# ---- tokens


def test_claude_counts_its_own_tokens_and_counting_is_free(stack: Stack) -> None:
    poor, marker = stack.caller(0), mark()
    tool = {"name": "f", "input_schema": {"type": "object"}}
    asked = {"model": "claude-haiku-4-5", "messages": user(marker), "system": "Be brief. " * 20, "tools": [tool]}
    response = poor.post(asked, COUNT)
    assert response.status_code == 200 and set(response.json()) == {"input_tokens"}
    (heard,) = stack.heard(marker)
    assert heard["path"].endswith("/v1/messages/count_tokens") and heard["body"]["tools"]
    assert "max_tokens" not in heard["body"] and response.json()["input_tokens"] > 40
    assert poor.funds() == (0, 0)
    assert stack.rows("SELECT 1 FROM usage WHERE account_id = :id", id=poor.account_id) == []


def test_an_image_is_counted_by_its_pixels_where_the_vendor_does_not_count(rich: Caller) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    said = [{"type": "text", "text": "What is it?"}]
    counts = [
        rich.post({"model": "gpt-4o", "messages": user(content)}, COUNT).json()["input_tokens"]
        for content in (said, [*said, {"type": "image", "source": source}])
    ]
    assert counts[1] - counts[0] == 85 + 170


def test_an_id_of_generated_interfaces_says_where_they_are(rich: Caller) -> None:
    for path in (MESSAGES, COUNT):
        body = {"model": "c1/openai/gpt-4o/v-20250930", "max_tokens": 100, "messages": user("x")}
        body = body if path == MESSAGES else {k: v for k, v in body.items() if k != "max_tokens"}
        assert "/v1/embed" in refused(rich.post(body, path), 404, "not_found_error")


def test_counting_refuses_what_asking_would(stack: Stack, rich: Caller) -> None:
    refused(rich.post({"model": "gpt-5000", "messages": user("x")}, COUNT), 404, "not_found_error")
    assert "messages" in refused(rich.post({"model": "gpt-4o"}, COUNT), 400, "invalid_request_error")
    refused(rich.post(b"{", COUNT), 400, "invalid_request_error")
    few = stack.caller(models=["gpt-4o-mini"], rpm=1)
    refused(few.post({"model": "gpt-4o", "messages": user("x")}, COUNT), 403, "permission_error")
    assert few.post({"model": "gpt-4o-mini", "messages": user("x")}, COUNT).status_code == 200
    asked = few.post({"model": "gpt-4o-mini", "messages": user("x")}, COUNT)
    refused(asked, 429, "rate_limit_error")
    assert int(asked.headers["Retry-After"]) >= 1


# ---- refusals


@pytest.mark.parametrize("path", [MESSAGES, COUNT])
def test_without_a_key_nothing_is_read(stack: Stack, path: str) -> None:
    message = refused(requests.post(stack.url + path, data=b"no JSON"), 401, "authentication_error")
    assert "x-api-key" in message


def test_a_key_is_taken_from_either_header(stack: Stack, rich: Caller) -> None:
    for headers in ({"x-api-key": rich.key}, {"Authorization": f"Bearer {rich.key}"}):
        assert stack.http.post(stack.url + MESSAGES, json=body_of(), headers=headers).status_code == 200
    wrong = "sk-thermo-" + "x" * 32
    for headers in ({"x-api-key": wrong}, {"Authorization": f"Bearer {wrong}"}, {"Authorization": "Basic eDp5"}):
        response = stack.http.post(stack.url + MESSAGES, json=body_of(), headers=headers)
        assert wrong not in refused(response, 401, "authentication_error")


@pytest.mark.parametrize("path", ["/v1/messages/batches", "/v1/messages/msg_1", "/v1/messages/"])
def test_paths_that_nobody_serves_are_refused_in_the_same_shape(rich: Caller, path: str) -> None:
    refused(rich.post({}, path), 404, "not_found_error")


def test_a_wrong_method_is_told(rich: Caller) -> None:
    response = requests.get(rich.stack.url + MESSAGES, headers=rich.headers())
    refused(response, 405, "invalid_request_error")
    assert "POST" in response.headers["Allow"]


def test_a_body_that_is_refused_uses_up_no_allowance(stack: Stack) -> None:
    caller = stack.caller(rpm=2)
    for body in (b"{", {}, body_of(max_tokens=0), body_of(temperature=1.1), body_of(thread={"type": "create"})):
        refused(caller.post(body, MESSAGES), 400, "invalid_request_error")
    assert limits(caller.post(body_of(), MESSAGES))[:2] == (2, 1)


# ---- what coding agents send


def agent_request(marker: str, model: str, turns: int = 75) -> JSON:
    """Many tools, marked blocks, a long history of calls and results, and fields that only Anthropic knows."""
    ephemeral = {"type": "ephemeral"}
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"path": {"type": "string"}, "lines": {"type": "array", "items": {"type": "integer"}}},
        "required": ["path"],
        "additionalProperties": False,
    }
    tools = [{"name": f"Tool{i}", "description": f"Does thing {i}.", "input_schema": schema} for i in range(70)]
    tools[-1]["cache_control"] = ephemeral
    messages: list[JSON] = []
    results: list[JSON] = []
    for i in range(turns):
        use = {"type": "tool_use", "id": f"toolu_{i}", "name": f"Tool{i % 70}", "input": {"path": f"/src/{i}.py"}}
        result = {"type": "tool_result", "tool_use_id": use["id"], "content": f"contents of file {i}"}
        say = {"type": "text", "text": f"step {i}"}
        messages += [
            {"role": "user", "content": [*results, say]},
            {"role": "assistant", "content": [{"type": "text", "text": "I look."}, use]},
        ]
        results = [result]
    last = {"type": "text", "text": f"{marker} go on", "cache_control": ephemeral}
    messages.append({"role": "user", "content": [*results, last]})
    return {
        "model": model,
        "max_tokens": 32_000,
        "messages": messages,
        "system": [
            {"type": "text", "text": "You are an agent."},
            {"type": "text", "text": "Long instructions. " * 500, "cache_control": ephemeral},
        ],
        "tools": tools,
        "tool_choice": {"type": "auto"},
        "metadata": {"user_id": json.dumps({"device_id": "d" * 64, "account_uuid": "", "session_id": "s" * 36})},
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "medium"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "stream": True,
    }


def test_what_the_model_cannot_do_is_named_as_it_was_asked_for(rich: Caller) -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    body = {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]}
    response = rich.post({**body, "tools": [search]}, "/v1/messages")
    message = response.json()["error"]["message"]
    assert response.status_code == 400 and "tools" in message and "web_search_options" not in message
    response = rich.post({**body, "stop_sequences": [*"abcde"]}, "/v1/messages")
    assert response.status_code == 400 and response.json()["error"]["message"].startswith("stop_sequences: ")


def test_many_stop_sequences_find_the_model_behind_a_smart_name_that_takes_them(stack: Stack, rich: Caller) -> None:
    for model in ("auto", "fast"):
        marker = mark()
        response = rich.post(body_of(marker, model, stop_sequences=[*"§¶†‡•ß"]), MESSAGES)
        assert response.status_code == 200, response.text
        (heard,) = stack.heard(marker)
        assert len(heard["body"]["stop_sequences"]) == 6


@pytest.mark.parametrize("model", [
    CHEAP, "claude-haiku-5-5", "deepseek-v4-flash", "fast", "gemini-2.5-flash",
    "claude-sonnet-4-6",
    "gemini-3.5-flash-lite",
])  # fmt: skip
def test_an_agents_long_request_works_on_any_model(stack: Stack, caller: Caller, model: str) -> None:
    marker = mark()
    beta = {"anthropic-version": "2023-06-01", "anthropic-beta": "interleaved-thinking-2025-05-14"}
    asked = agent_request(marker, model)
    assert len(asked["messages"]) == 151
    response = caller.post(asked, MESSAGES + "?beta=true", beta)
    assert response.status_code == 200, response.text
    events = [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: ")]
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    said = "".join(e["delta"].get("text", "") for e in events if e["type"] == "content_block_delta")
    assert f"You said: {marker} go on" in said
    (heard,) = stack.heard(marker)
    told = json.dumps(heard["body"])
    if heard["provider"] == "anthropic":
        assert heard["body"]["metadata"] == asked["metadata"] and told.count('"cache_control"') == 3
        assert heard["body"]["context_management"] == asked["context_management"]
    else:
        assert not [word for word in ("context_management", "cache_control", "device_id") if word in told]
    (row,) = caller.usage()
    assert row["outcome"] == "ok" and row["cost_nanousd"] > 0
    counted = caller.post({k: v for k, v in asked.items() if k not in ("max_tokens", "stream")}, COUNT)
    assert counted.status_code == 200 and counted.json()["input_tokens"] > 1_000


@pytest.mark.parametrize(("model", "passed"), [("claude-sonnet-4-6", True), ("gpt-4o", False)])
def test_the_betas_of_a_client_reach_anthropic_alone(stack: Stack, rich: Caller, model: str, passed: bool) -> None:
    marker = mark()
    wanted = "context-management-2025-06-27"
    headers = {"anthropic-beta": f"{wanted},files-api-2025-04-14"}
    response = rich.post(body_of(f"Hello {marker}", model), MESSAGES, headers=headers)
    assert response.status_code == 200, response.text
    (heard,) = stack.heard(marker)
    assert heard["headers"].get("anthropic-beta") == (wanted if passed else None)
