"""OpenAI's own client, pointed at the running stack, as the references tell people to do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel
from stories.stack import Caller, Stack, mark, order, user
from stories.test_chat import WEATHER

MODELS = ("auto", "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash")
every_model = pytest.mark.parametrize("model", MODELS)


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture(scope="module", params=["/v1", "/api/v1"])
def client(request: pytest.FixtureRequest, stack: Stack, rich: Caller) -> Iterator[OpenAI]:
    with OpenAI(base_url=stack.url + request.param, api_key=rich.key, max_retries=0, timeout=30) as client:
        yield client


def talk(text: str) -> Any:
    return user(text)


@every_model
def test_create(client: OpenAI, model: str) -> None:
    reply = client.chat.completions.create(model=model, messages=talk("Hello!"), max_tokens=200)
    assert "You said: Hello!" in (reply.choices[0].message.content or "")
    assert reply.choices[0].finish_reason == "stop" and reply.choices[0].message.refusal is None
    assert reply.usage is not None and reply.usage.total_tokens > 0
    assert reply.usage.completion_tokens_details is not None
    assert (reply.model_extra or {})["x_thermostat"]["actual_model"]
    assert reply._request_id is not None and reply._request_id.startswith("req_")


@every_model
def test_stream(client: OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model, messages=talk("Hello!"), stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert "You said: Hello!" in text and chunks[-1].usage is not None and chunks[-1].choices == []
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


@every_model
def test_the_stream_helper_puts_the_whole_reply_together(client: OpenAI, model: str) -> None:
    with client.chat.completions.stream(
        model=model, messages=talk("What is the weather in Paris and London?"), tools=[WEATHER]
    ) as stream:
        kinds = {event.type for event in stream}
        reply = stream.get_final_completion()
    calls = reply.choices[0].message.tool_calls or []
    assert [json.loads(c.function.arguments) for c in calls] == [{"city": "Paris"}, {"city": "London"}]
    assert "tool_calls.function.arguments.done" in kinds


@every_model
def test_tools_round_trip(client: OpenAI, model: str) -> None:
    messages = talk("What is the weather in Paris and London?")
    reply = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
    message = reply.choices[0].message
    assert reply.choices[0].finish_reason == "tool_calls" and message.tool_calls
    cities = [json.loads(call.function.arguments)["city"] for call in message.tool_calls]
    assert cities == ["Paris", "London"]
    messages.append(message)
    messages += [
        {"role": "tool", "tool_call_id": call.id, "content": f"{city}: 20 degrees"}
        for call, city in zip(message.tool_calls, cities, strict=True)
    ]
    answer = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
    assert "Paris: 20 degrees; London: 20 degrees" in (answer.choices[0].message.content or "")


@every_model
def test_parse_fills_a_model(client: OpenAI, model: str) -> None:
    reply = client.chat.completions.parse(model=model, messages=talk("Ada is 36"), response_format=Person)
    assert reply.choices[0].message.parsed == Person(name="Ada", age=36)


def test_parse_fills_the_arguments_of_a_strict_tool(client: OpenAI) -> None:
    tool = openai.pydantic_function_tool(Person, name="save_person")
    for model in MODELS:
        reply = client.chat.completions.parse(
            model=model, messages=talk("Call save_person: Ada is 36"), tools=[tool], tool_choice="auto"
        )
        (call,) = reply.choices[0].message.tool_calls or []
        assert call.function.parsed_arguments == Person(name="Ada", age=36)


@every_model
def test_the_async_client(client: OpenAI, model: str) -> None:
    async def main() -> tuple[str, str]:
        async with AsyncOpenAI(base_url=client.base_url, api_key=client.api_key, max_retries=0) as there:
            several = [there.chat.completions.create(model=model, messages=talk("Hello!")) for _ in range(3)]
            replies = await asyncio.gather(*several)
            stream = await there.chat.completions.create(model=model, messages=talk("Hello!"), stream=True)
            said = [c.choices[0].delta.content or "" async for c in stream if c.choices]
            return replies[-1].choices[0].message.content or "", "".join(said)

    whole, streamed = asyncio.run(main())
    assert whole == streamed and "You said: Hello!" in whole


def test_the_raw_response_has_the_headers(stack: Stack) -> None:
    with OpenAI(base_url=stack.url + "/v1", api_key=stack.caller(rpm=9).key) as client:
        raw = client.chat.completions.with_raw_response.create(model="auto", messages=talk("Hello!"))
    assert raw.headers["x-request-id"].startswith("req_") == raw.parse().id.startswith("thermo-")
    assert raw.headers["x-ratelimit-limit-requests"] == "9"
    assert raw.headers["x-ratelimit-remaining-requests"] == "8"
    assert int(raw.headers["x-ratelimit-reset-requests"]) > 10**9


def test_extra_headers_and_bodies_are_the_callers_to_send(client: OpenAI) -> None:
    question, model = talk(f"Hello {mark()}"), "auto"
    cached = [
        (client.chat.completions.create(model=model, messages=question, extra_headers=h).model_extra or {})
        for h in ({}, {}, {"x-no-cache": "true"})
    ]
    assert [c["x_thermostat"]["cached"] for c in cached] == [False, True, False]


def test_a_stream_that_breaks_off_raises(client: OpenAI) -> None:
    stream = client.chat.completions.create(model="gpt-4o", messages=talk(order("chunks=9 cut=3")), stream=True)
    said = []
    with pytest.raises(openai.APIError):
        for chunk in stream:
            said.append(chunk)
    assert len(said) > 2


def test_leaving_a_stream_early_is_fine(client: OpenAI) -> None:
    text = order("chunks=200 interval_ms=20")
    with client.chat.completions.create(model="gpt-4o", messages=talk(text), stream=True) as stream:
        for _ in stream:
            break


# ---- errors


@pytest.mark.parametrize(("fields", "kind", "code", "param"), [
    ({"model": "gpt-5000"}, openai.NotFoundError, "model_not_found", "model"),
    ({"messages": talk(order("status=500"))}, openai.InternalServerError, "service_unavailable", None),
])  # fmt: skip
def test_errors_are_the_clients_own_classes(
    client: OpenAI, fields: dict[str, Any], kind: type[openai.APIStatusError], code: str, param: str | None
) -> None:
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**({"model": "gpt-4o", "messages": talk("Hello!")} | fields))
    assert (caught.value.code, caught.value.param) == (code, param) and caught.value.request_id
    assert caught.value.message and isinstance(caught.value.body, dict)


def test_a_bad_value_is_422_on_v1_and_400_on_api_v1(client: OpenAI) -> None:
    wanted = openai.BadRequestError if "/api/" in str(client.base_url) else openai.UnprocessableEntityError
    with pytest.raises(wanted) as caught:
        client.chat.completions.create(model="gpt-4o", messages=talk("Hello!"), temperature=3)
    assert caught.value.param == "temperature" and caught.value.type == "invalid_request_error"


@pytest.mark.parametrize(("facts", "kind", "status"), [
    ({"usd": 0}, openai.APIStatusError, 402),
    ({"disabled": True}, openai.PermissionDeniedError, 403),
    ({"models": ["gpt-4o-mini"]}, openai.PermissionDeniedError, 403),
    ({"expires_at_ms": 1}, openai.AuthenticationError, 401),
])  # fmt: skip
def test_callers_that_may_not_are_told_so(
    stack: Stack, client: OpenAI, facts: dict[str, Any], kind: type[openai.APIStatusError], status: int
) -> None:
    there = client.with_options(api_key=stack.caller(**facts).key)
    with pytest.raises(kind) as caught:
        there.chat.completions.create(model="gpt-4o", messages=talk("Hello!"))
    assert caught.value.status_code == status


def test_a_limit_is_a_rate_limit_error_with_a_time_to_wait(stack: Stack, client: OpenAI) -> None:
    there = client.with_options(api_key=stack.caller(rpm=1).key)
    there.chat.completions.create(model="gpt-4o", messages=talk("Hello!"))
    with pytest.raises(openai.RateLimitError) as caught:
        there.chat.completions.create(model="gpt-4o", messages=talk("Hello!"))
    assert int(caught.value.response.headers["retry-after"]) >= 1


def test_the_clients_own_retries_get_over_a_short_outage(stack: Stack, client: OpenAI) -> None:
    marker = mark()
    there = client.with_options(max_retries=1, timeout=5)
    with pytest.raises(openai.APIStatusError), stack.upstream(openai={"status": 400}):
        there.chat.completions.create(model="gpt-4o", messages=talk(marker))
    assert len([r for r in stack.sandbox("requests") if marker in json.dumps(r["body"])]) <= 1
