"""OpenAI's own client at /v1: responses and conversations, as the references tell people to use them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import Response
from pydantic import BaseModel
from stories.stack import Caller, Stack, mark, order
from stories.test_chat import PIXEL
from stories.test_responses import QUESTION, WEATHER

MODELS = ("auto", "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash")
every_model = pytest.mark.parametrize("model", MODELS)
whole_and_streamed = pytest.mark.parametrize("stream", [False, True])


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture(scope="module")
def client(stack: Stack, rich: Caller) -> Iterator[OpenAI]:
    with OpenAI(base_url=stack.url + "/v1", api_key=rich.key, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def at_root(stack: Stack, rich: Caller) -> Iterator[OpenAI]:
    """The references manage conversations at the root of the host."""
    with OpenAI(base_url=stack.url, api_key=rich.key, max_retries=0, timeout=30) as client:
        yield client


def respond(client: OpenAI, model: str, given: Any, stream: bool = False, **fields: Any) -> Response:
    """A whole response, or what the client puts together from a stream."""
    if not stream:
        return client.responses.create(model=model, input=given, **fields)
    with client.responses.stream(model=model, input=given, **fields) as events:
        return events.get_final_response()


@every_model
@whole_and_streamed
def test_create(client: OpenAI, model: str, stream: bool) -> None:
    response = respond(client, model, f"Hello {mark()}", stream, max_output_tokens=500)
    assert "You said: Hello mark" in response.output_text
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert response.usage is not None and response.usage.total_tokens > 0
    assert response.model == model or model == "auto"
    assert client.responses.retrieve(response.id).output_text == response.output_text
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.retrieve(response.id)
    assert caught.value.code == "response_not_found" and caught.value.request_id


@every_model
def test_the_stream_helper_tells_every_event(client: OpenAI, model: str) -> None:
    with client.responses.stream(model=model, input=f"Hello {mark()}") as stream:
        events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert deltas[-1].snapshot == stream.get_final_response().output_text
    assert "".join(event.delta for event in deltas) == deltas[-1].snapshot


@every_model
def test_the_plain_stream(client: OpenAI, model: str) -> None:
    events = list(client.responses.create(model=model, input="Hello!", stream=True))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")


@every_model
@whole_and_streamed
def test_parallel_calls_are_answered(client: OpenAI, model: str, stream: bool) -> None:
    talk: list[Any] = [{"role": "user", "content": QUESTION}]
    asked = respond(client, model, talk, stream, tools=[WEATHER], store=False)
    calls = [item for item in asked.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == [{"city": "Paris"}, {"city": "London"}]
    talk += asked.output
    talk += [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{i}0 degrees"}
        for i, call in enumerate(calls, 1)
    ]
    answer = respond(client, model, talk, stream, tools=[WEATHER], store=False)
    assert answer.output_text.index("10 degrees") < answer.output_text.index("20 degrees")


@every_model
def test_a_tool_can_be_forced_forbidden_and_called_alone(client: OpenAI, model: str) -> None:
    def called(**fields: Any) -> list[str]:
        response = respond(client, model, QUESTION, tools=[WEATHER], **fields)
        answering.add(response.model)
        return [item.name for item in response.output if item.type == "function_call"]

    answering: set[str] = set()

    named = {"type": "function", "name": "get_weather"}
    assert set(called(tool_choice="required")) == set(called(tool_choice=named)) == {"get_weather"}
    assert called(tool_choice="none") == []
    answering.clear()
    alone = called(parallel_tool_calls=False)
    assert len(alone) == (2 if "gemini" in answering.pop() else 1)  # Google has no word for it


@every_model
@whole_and_streamed
def test_parse_fills_a_model(client: OpenAI, model: str, stream: bool) -> None:
    if stream:
        with client.responses.stream(model=model, input="Ada is 36", text_format=Person) as events:
            parsed = events.get_final_response()
    else:
        parsed = client.responses.parse(model=model, input="Ada is 36", text_format=Person)
    assert parsed.output_parsed == Person(name="Ada", age=36)


def test_parse_fills_the_arguments_of_a_strict_tool(client: OpenAI) -> None:
    tool: Any = {"type": "function", **openai.pydantic_function_tool(Person, name="save_person")["function"]}
    for model in MODELS:
        parsed = client.responses.parse(model=model, input="Call save_person: Ada is 36", tools=[tool])
        (call,) = [item for item in parsed.output if item.type == "function_call"]
        assert json.loads(call.arguments) == {"name": "Ada", "age": 36}


@every_model
def test_images_and_instructions_and_roles(client: OpenAI, stack: Stack, model: str) -> None:
    marker, rule = mark(), mark()
    seen = [
        {"type": "input_text", "text": marker},
        {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PIXEL}"},
        {"type": "input_image", "detail": "auto", "image_url": "https://example.com/cat.png"},
    ]
    talk: Any = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": seen}]
    assert "I can see 2 images." in respond(client, model, talk, instructions=rule).output_text
    body = stack.heard(marker)[0]["body"]
    first = body.get("systemInstruction") or body.get("system") or body["messages"][:2]
    assert rule in json.dumps(first) and "Be brief." in json.dumps(first)


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gemini-3.8-flash", "deepseek-v4-flash"])
@whole_and_streamed
def test_encrypted_thoughts_go_back_to_their_maker(client: OpenAI, stack: Stack, model: str, stream: bool) -> None:
    marker = mark()
    fields: Any = {
        "tools": [WEATHER],
        "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    talk: list[Any] = [{"role": "user", "content": f"{QUESTION} {marker}"}]
    asked = respond(client, model, talk, stream, **fields)
    thoughts = [item for item in asked.output if item.type == "reasoning"]
    assert any(item.encrypted_content for item in thoughts) or model == "deepseek-v4-flash"
    calls = [item for item in asked.output if item.type == "function_call"]
    talk += [item.model_dump(exclude_none=True) for item in asked.output]
    talk += [{"type": "function_call_output", "call_id": call.call_id, "output": "20 degrees"} for call in calls]
    answer = respond(client, model, talk, stream, **fields)
    assert "20 degrees" in answer.output_text
    told = json.dumps(stack.heard(marker)[1]["body"])
    word = {"claude-sonnet-4-5": '"signature"', "gemini-3.8-flash": '"thoughtSignature"'}.get(
        model, "reasoning_content"
    )
    assert word in told
    if thoughts and thoughts[0].summary and model != "gemini-3.8-flash":
        assert json.dumps(thoughts[0].summary[0].text) in told


def test_previous_responses_across_providers(client: OpenAI, stack: Stack) -> None:
    first, second, third = mark(), mark(), mark()
    claude = respond(client, "claude-sonnet-4-5", first)
    gpt = respond(client, "gpt-4o", second, previous_response_id=claude.id)
    gemini = respond(client, "gemini-2.5-flash", third, True, previous_response_id=gpt.id)
    assert gemini.previous_response_id == gpt.id
    turns = stack.heard(third)[0]["body"]["contents"]
    assert [turn["role"] for turn in turns] == ["user", "model"] * 2 + ["user"]
    assert [marker in json.dumps(turns[2 * i]) for i, marker in enumerate((first, second, third))] == [True] * 3
    assert claude.output_text in turns[1]["parts"][0]["text"] and gpt.output_text in turns[3]["parts"][0]["text"]
    listed = client.responses.input_items.list(gemini.id)
    assert [item.type for item in listed] == ["message"]


@pytest.mark.parametrize("where", ["root", "v1"])
def test_the_references_two_clients(client: OpenAI, at_root: OpenAI, stack: Stack, where: str) -> None:
    """Conversations at one base URL, responses at another."""
    conv_client = at_root if where == "root" else client
    conversation = conv_client.conversations.create()
    question, marker = "What is the capital of France?", mark()
    for text in (question, f"And what is its population? {marker}"):
        response = client.responses.create(
            model="claude-sonnet-4-5", input=text, store=True, conversation={"id": conversation.id}
        )
    assert response.conversation is not None and response.conversation.id == conversation.id
    (heard,) = stack.heard(marker)
    assert question in json.dumps(heard["body"]["messages"][0])
    listed = list(conv_client.conversations.items.list(conversation.id, order="asc", limit=1))
    assert [item.role for item in listed if item.type == "message"] == ["user", "assistant"] * 2


def test_conversations_and_their_items(client: OpenAI) -> None:
    conversation = client.conversations.create(
        metadata={"a": "b"}, items=[{"type": "message", "role": "user", "content": "Hello!"}]
    )
    assert client.conversations.retrieve(conversation.id).metadata == {"a": "b"}
    assert client.conversations.update(conversation.id, metadata={"c": "d"}).metadata == {"c": "d"}
    added = client.conversations.items.create(
        conversation.id, items=[{"type": "message", "role": "user", "content": f"item {i}"} for i in range(5)]
    )
    assert len(added.data) == 5
    listed = list(client.conversations.items.list(conversation.id, limit=2))
    assert len(listed) == 6 and listed[0].id == added.data[-1].id
    one = client.conversations.items.retrieve(added.data[0].id, conversation_id=conversation.id)
    assert one == added.data[0]
    assert client.conversations.items.delete(one.id or "", conversation_id=conversation.id).id == conversation.id
    assert len(list(client.conversations.items.list(conversation.id))) == 5
    assert client.conversations.delete(conversation.id).deleted is True
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(conversation.id)


def test_the_async_client(stack: Stack, rich: Caller) -> None:
    async def main() -> tuple[str, str]:
        async with AsyncOpenAI(base_url=stack.url + "/v1", api_key=rich.key, max_retries=0) as there:
            several = [there.responses.create(model="gpt-4o", input="Hello!") for _ in range(3)]
            replies = await asyncio.gather(*several)
            stream = await there.responses.create(model="gpt-4o", input="Hello!", stream=True)
            said = [e.delta async for e in stream if e.type == "response.output_text.delta"]
            return replies[-1].output_text, "".join(said)

    whole, streamed = asyncio.run(main())
    assert whole == streamed and "You said: Hello!" in whole


def test_a_stream_that_breaks_off_ends_in_a_failed_response(client: OpenAI) -> None:
    for model in MODELS[1:]:
        events = list(client.responses.create(model=model, input=order("chunks=9 cut=3"), stream=True))
        last = events[-1]
        assert last.type == "response.failed" and last.response.error is not None
        found = client.responses.retrieve(last.response.id)
        assert found.status == "failed" and found.output_text == last.response.output_text != ""


def test_leaving_a_stream_early_is_fine(client: OpenAI) -> None:
    text = order("chunks=200 interval_ms=20")
    with client.responses.create(model="gpt-4o", input=text, stream=True) as stream:
        for _ in stream:
            break


# ---- errors


@pytest.mark.parametrize(("fields", "kind", "code", "param"), [
    ({"model": "gpt-5000"}, openai.NotFoundError, "model_not_found", "model"),
    ({"temperature": 3}, openai.UnprocessableEntityError, "invalid_request", "temperature"),
    ({"previous_response_id": "resp_none"}, openai.NotFoundError, "previous_response_not_found",
     "previous_response_id"),
    ({"conversation": "conv_none"}, openai.NotFoundError, "conversation_not_found", "conversation"),
    ({"input": order("status=500")}, openai.InternalServerError, "service_unavailable", None),
])  # fmt: skip
@whole_and_streamed
def test_errors_are_the_clients_own_classes(
    client: OpenAI, fields: dict[str, Any], kind: type[openai.APIStatusError], code: str, param: str | None,
    stream: bool,
) -> None:  # fmt: skip
    with pytest.raises(kind) as caught:
        client.responses.create(**({"model": "gpt-4o", "input": "Hello!", "stream": stream} | fields))
    assert (caught.value.code, caught.value.param) == (code, param) and caught.value.request_id


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
        there.responses.create(model="gpt-4o", input="Hello!")
    assert caught.value.status_code == status
