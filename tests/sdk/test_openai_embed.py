"""OpenAI's own client on generated interfaces: the reference's snippets as printed, and what grows of them."""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from stories.stack import Caller, Stack, mark, order, user
from stories.test_chat import WEATHER
from stories.test_embed import FAMILIES, VERSIONS, Card, c1, heard_words

MODEL = "c1/anthropic/claude-sonnet-4/v-20250930"
QUESTION = "How did the population of the world grow from 1950 to 2020?"
FLAT: Any = {"type": "function", "strict": None, **WEATHER["function"]}
every_family = pytest.mark.parametrize("family", FAMILIES)
FORMATS = pytest.mark.parametrize("form", ["json", "openui"])


@pytest.fixture(scope="module")
def client(stack: Stack, rich: Caller) -> Iterator[OpenAI]:
    with OpenAI(base_url=stack.url + "/v1/embed", api_key=rich.key, max_retries=0, timeout=30) as client:
        yield client


def talk(text: str) -> Any:
    return user(text)


# ---- the reference's own snippets


def test_the_snippet_for_chat_completions(client: OpenAI) -> None:
    completion = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": QUESTION}])
    card = Card(completion.choices[0].message.content or "", "json")
    assert "LineChart" in card.names and completion.model == MODEL
    assert completion.choices[0].finish_reason == "stop" and completion.id.startswith("chatcmpl-")


def test_the_snippet_for_responses(client: OpenAI) -> None:
    response = client.responses.create(model=MODEL, input=QUESTION)
    assert "LineChart" in Card(response.output_text, "json").names
    assert (response.model, response.status, response.background) == (MODEL, "completed", False)
    assert response.usage is not None and response.usage.total_tokens > 0


def test_the_snippet_for_previous_response_id(stack: Stack, client: OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="What is the capital of France?")
    marker = mark()
    follow_up = client.responses.create(
        model=MODEL, input=f"And what is its population? {marker}", previous_response_id=response.id
    )
    Card(follow_up.output_text, "json")
    words = heard_words(stack, marker)
    assert words.count("What is the capital of France?") == 2, "the question, and the head of its card"
    assert "<content" not in words and follow_up.previous_response_id == response.id


def test_the_snippet_for_conversations_with_a_client_for_each(stack: Stack, rich: Caller, client: OpenAI) -> None:
    marker = mark()
    with OpenAI(base_url=stack.url, api_key=rich.key, max_retries=0) as conv_client:
        conversation = conv_client.conversations.create()
        client.responses.create(
            model=MODEL,
            input="What is the capital of France?",
            store=True,
            conversation={"id": conversation.id},
        )
        follow_up = client.responses.create(
            model=MODEL,
            input=f"And what is its population? {marker}",
            store=True,
            conversation={"id": conversation.id},
        )
        items = [item.model_dump() for item in conv_client.conversations.items.list(conversation.id, order="asc")]
    Card(follow_up.output_text, "json")
    assert [item["role"] for item in items] == ["user", "assistant", "user", "assistant"]
    Card(items[1]["content"][0]["text"], "json")
    words = heard_words(stack, marker)
    assert "What is the capital of France?" in words and "<content" not in words


# ---- streams


STREAMS = pytest.mark.parametrize(("family", "form"), [*((f, "json") for f in FAMILIES), (FAMILIES[1], "openui")])


@STREAMS
def test_a_stream_of_chat_completions(client: OpenAI, family: str, form: str) -> None:
    with client.chat.completions.stream(model=c1(family, form), messages=talk(QUESTION)) as stream:
        kinds = [event.type for event in stream]
        reply = stream.get_final_completion()
    assert "LineChart" in Card(reply.choices[0].message.content or "", form).names
    assert kinds.count("content.delta") >= 3 and reply.choices[0].finish_reason == "stop"


@STREAMS
def test_a_stream_of_responses(client: OpenAI, family: str, form: str) -> None:
    with client.responses.stream(model=c1(family, form), input=QUESTION) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert "LineChart" in Card(final.output_text, form).names and final.status == "completed"
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert kinds.count("response.output_text.delta") >= 3


def test_a_stream_that_breaks_off_raises(client: OpenAI) -> None:
    stream = client.chat.completions.create(model=c1(), messages=talk(order("cut=45", QUESTION)), stream=True)
    with pytest.raises(openai.APIError):
        for _ in stream:
            pass
    kinds = [e.type for e in client.responses.create(model=c1(), input=order("cut=45", QUESTION), stream=True)]
    assert kinds[-1] == "response.failed"


def test_the_async_client(client: OpenAI) -> None:
    async def main() -> list[str]:
        async with AsyncOpenAI(base_url=client.base_url, api_key=client.api_key, max_retries=0) as there:
            asked = [there.responses.create(model=c1(family), input=QUESTION) for family in FAMILIES]
            stream = await there.chat.completions.create(model=c1(), messages=talk(QUESTION), stream=True)
            said = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
            return [said, *[response.output_text for response in await asyncio.gather(*asked)]]

    assert len({Card(text, "json").payload for text in asyncio.run(main())}) == 1


# ---- tools


@every_family
def test_tools_round_trip(client: OpenAI, family: str) -> None:
    messages = talk("What is the weather in Paris and London?")
    reply = client.chat.completions.create(model=c1(family), messages=messages, tools=[WEATHER])
    message = reply.choices[0].message
    assert reply.choices[0].finish_reason == "tool_calls" and message.tool_calls
    cities = [json.loads(call.function.arguments)["city"] for call in message.tool_calls]
    assert cities == ["Paris", "London"]
    messages.append(message)
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "20 degrees"} for call in message.tool_calls]
    answer = client.chat.completions.create(model=c1(family), messages=messages, tools=[WEATHER])
    Card(answer.choices[0].message.content or "", "json")


@every_family
def test_functions_of_responses_round_trip(client: OpenAI, family: str) -> None:
    first = client.responses.create(model=c1(family), input="What is the weather in Paris?", tools=[FLAT])
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert json.loads(call.arguments) == {"city": "Paris"}
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "20 degrees"}
    history: list[Any] = [*talk("What is the weather in Paris?"), *first.output, result]
    for fields in ({"input": [result], "previous_response_id": first.id}, {"input": history}):
        answer = client.responses.create(model=c1(family), tools=[FLAT], **fields)
        Card(answer.output_text, "json")


@FORMATS
def test_a_whole_history_is_passed_back(stack: Stack, client: OpenAI, form: str) -> None:
    marker = mark()
    first = client.responses.create(model=c1(form=form), input="Compare the prices")
    history: list[Any] = [*talk("Compare the prices"), *first.output, *talk(marker)]
    Card(client.responses.create(model=c1(form=form), input=history, store=False).output_text, form)
    words = heard_words(stack, marker)
    assert "Coffee" in words and "<content" not in html.unescape(words)


# ---- afterwards, and errors


def test_a_response_is_looked_up_and_deleted(client: OpenAI) -> None:
    made = client.responses.create(model=MODEL, input="Hello!")
    assert client.responses.retrieve(made.id).output_text == made.output_text
    assert [item.type for item in client.responses.input_items.list(made.id)] == ["message"]
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(made.id)
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_models_are_listed_and_looked_up(client: OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert {f"c1/anthropic/claude-sonnet-4/{version}" for version in VERSIONS} <= names
    found = client.models.retrieve(MODEL)
    assert (found.id, found.owned_by) == (MODEL, "anthropic")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("c1/anthropic/claude-sonnet-9/v-20250930")


@pytest.mark.parametrize(("fields", "kind", "param"), [
    ({"model": "gpt-4o"}, openai.NotFoundError, "model"),
    ({"n": 2}, openai.BadRequestError, "n"),
    ({"functions": [WEATHER["function"]]}, openai.BadRequestError, "functions"),
    ({"metadata": {"team": "a"}}, openai.BadRequestError, "metadata"),
    ({"response_format": {"type": "json_object"}}, openai.BadRequestError, "response_format"),
    ({"messages": talk(order("status=500"))}, openai.InternalServerError, None),
])  # fmt: skip
def test_errors_are_the_clients_own_classes(
    client: OpenAI, fields: dict[str, Any], kind: type[openai.APIStatusError], param: str | None
) -> None:
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**({"model": c1(), "messages": talk("Hello!")} | fields))
    assert caught.value.param == param and caught.value.request_id and caught.value.message


def test_text_of_another_format_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="Hello!", text={"format": {"type": "json_object"}})
    assert caught.value.param == "text.format"


@pytest.mark.parametrize(("facts", "kind", "status"), [
    ({"usd": 0}, openai.APIStatusError, 402),
    ({"disabled": True}, openai.PermissionDeniedError, 403),
    ({"models": ["gpt-4o-mini"]}, openai.PermissionDeniedError, 403),
    ({"expires_at_ms": 1}, openai.PermissionDeniedError, 403),
])  # fmt: skip
def test_callers_that_may_not_are_told_so(
    stack: Stack, client: OpenAI, facts: dict[str, Any], kind: type[openai.APIStatusError], status: int
) -> None:
    there = client.with_options(api_key=stack.caller(**facts).key)
    for ask in (
        lambda: there.chat.completions.create(model=c1(), messages=talk("Hello!")),
        lambda: there.responses.create(model=c1(), input="Hello!"),
    ):
        with pytest.raises(kind) as caught:
            ask()
        assert caught.value.status_code == status


def test_a_bad_key_is_403_and_a_limit_tells_the_time_to_wait(stack: Stack, client: OpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError):
        client.with_options(api_key="sk-thermo-nobody").models.list()
    there = client.with_options(api_key=stack.caller(rpm=1).key)
    there.responses.create(model=c1(), input="Hello!")
    with pytest.raises(openai.RateLimitError) as caught:
        there.responses.create(model=c1(), input="Hello!")
    assert int(caught.value.response.headers["retry-after"]) >= 1
