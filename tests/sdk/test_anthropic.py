"""Anthropic's own client, pointed at the running stack: Messages from any model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic, transform_schema
from anthropic.types import Message, ToolUseBlock
from pydantic import BaseModel
from stories.stack import Caller, Stack, mark, order, user
from stories.test_chat import PIXEL

CLAUDE = "claude-sonnet-4-6"  # the client warns of older ones
MODELS = ("auto", "gpt-4o", CLAUDE, "gemini-2.5-flash")
THINKERS = (CLAUDE, "gemini-2.5-flash", "gemini-3.8-flash", "deepseek-v4-flash")
QUESTION = "What is the weather in Paris and London?"
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
THINKING = {"type": "enabled", "budget_tokens": 2048}
every_model = pytest.mark.parametrize("model", MODELS)
whole_and_streamed = pytest.mark.parametrize("stream", [False, True])
By = Callable[[str], Anthropic]


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture(scope="module")
def by(stack: Stack) -> Iterator[By]:
    """Makes clients of keys."""
    made: list[Anthropic] = []

    def make(key: str) -> Anthropic:
        made.append(Anthropic(base_url=stack.url, api_key=key, max_retries=0, timeout=30))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="module")
def client(by: By, rich: Caller) -> Anthropic:
    return by(rich.key)


def ask(client: Anthropic, model: str, talk: Any = "Hello!", stream: bool = False, **fields: Any) -> Message:
    """A whole message, or what the client puts together from a stream."""
    asked: dict[str, Any] = {
        "model": model,
        "max_tokens": 4000,
        "messages": user(talk) if isinstance(talk, str) else talk,
        **fields,
    }
    if not stream:
        return client.messages.create(**asked)
    with client.messages.stream(**asked) as events:
        return events.get_final_message()


def said(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def uses(message: Message) -> list[ToolUseBlock]:
    return [block for block in message.content if block.type == "tool_use"]


def results(message: Message) -> dict[str, Any]:
    """What a client says to a message that called."""
    blocks = [
        {
            "type": "tool_result",
            "tool_use_id": use.id,
            "content": [{"type": "text", "text": f"{use.input['city']}: 20 degrees"}],
        }
        for use in uses(message)
    ]
    return {"role": "user", "content": blocks}


# ---- models


def test_models_are_listed_and_looked_up(client: Anthropic) -> None:
    names = [model.id for model in client.models.list(limit=7)]
    assert names[:4] == ["auto", "fast", "balanced", "best"] and "claude-sonnet-4-5" in names
    assert len({*names}) == len(names) > 20, "page by page"
    found = client.models.retrieve("claude-sonnet-4-5")
    assert (found.type, found.id, found.lifecycle) == ("model", "claude-sonnet-4-5", "active")
    assert found.max_tokens and found.max_input_tokens and found.created_at.year >= 2026
    assert client.models.retrieve("claude-haiku").display_name == "claude-haiku"
    for model in client.models.list(limit=1000):
        type(model).model_validate(model.model_dump(), strict=True)


def test_models_are_listed_with_a_token_and_backwards(client: Anthropic) -> None:
    with Anthropic(base_url=client.base_url, auth_token=client.api_key, api_key=None, max_retries=0) as there:
        names = [model.id for model in there.models.list()]
        assert [model.id for model in there.models.list(before_id=names[5], limit=2).data] == names[3:5]
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.models.retrieve("nobody")
    assert caught.value.request_id and caught.value.body == {
        "type": "error",
        "error": {"type": "not_found_error", "message": "The model 'nobody' does not exist on this server."},
    }
    with pytest.raises(anthropic.AuthenticationError):
        client.with_options(api_key="sk-thermo-nobody").models.list()


# ---- messages


@every_model
def test_create(client: Anthropic, model: str) -> None:
    message = ask(client, model)
    assert "You said: Hello!" in said(message)
    assert (message.type, message.role, message.stop_reason, message.stop_sequence) == (
        "message", "assistant", "end_turn", None,
    )  # fmt: skip
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0
    assert message.model == model or model == "auto" != message.model
    Message.model_validate(message.model_dump(), strict=True)


@every_model
def test_a_streamed_message_is_the_whole_one(client: Anthropic, model: str) -> None:
    for talk, fields in (
        ("Tell me", {}),
        (QUESTION, {"tools": [WEATHER]}),
        (order("tokens=400"), {"max_tokens": 30}),
    ):
        whole, streamed = (ask(client, model, talk, stream, **fields) for stream in (False, True))
        assert comparable(streamed) == comparable(whole)


def comparable(message: Message) -> Any:
    """Without what two requests never share, and what Anthropic tells in whole messages alone."""
    told = message.model_dump()
    for block in told["content"]:
        for name in ("id", "parsed_output", "signature"):
            block.pop(name, None)
    told["usage"].pop("service_tier")
    return {name: told[name] for name in told.keys() - {"id"}}


@every_model
def test_the_stream_helper_tells_its_events_in_order(client: Anthropic, model: str) -> None:
    with client.messages.stream(model=model, max_tokens=500, messages=user(f"Hello {mark()}")) as stream:
        kinds = [event.type for event in stream]
        text = said(stream.get_final_message())
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert kinds.count("text") == kinds.count("content_block_delta") > 3 and "You said" in text


@every_model
@pytest.mark.parametrize("system", ["text", "blocks"])
def test_a_system_prompt_is_heard(client: Anthropic, stack: Stack, model: str, system: str) -> None:
    marker, rule = mark(), mark()
    blocks = [{"type": "text", "text": "Be brief."}, {"type": "text", "text": rule}]
    ask(client, model, marker, system=rule if system == "text" else blocks)
    (heard,) = stack.heard(marker)
    body = heard["body"]
    first = body.get("systemInstruction") or body.get("system") or body["messages"][0]
    assert rule in json.dumps(first) and marker not in json.dumps(first)


@every_model
@whole_and_streamed
def test_tools_round_trip(client: Anthropic, model: str, stream: bool) -> None:
    talk: list[Any] = user(QUESTION)
    made = ask(client, model, talk, stream, tools=[WEATHER])
    assert made.stop_reason == "tool_use"
    assert [(use.name, use.input) for use in uses(made)] == [
        ("get_weather", {"city": city}) for city in ("Paris", "London")
    ]
    assert len({use.id for use in uses(made)}) == 2
    talk += [{"role": "assistant", "content": made.content}, results(made)]
    answer = ask(client, model, talk, stream, tools=[WEATHER])
    assert answer.stop_reason == "end_turn"
    assert said(answer).index("Paris: 20 degrees") < said(answer).index("London: 20 degrees")


@every_model
def test_a_tool_can_be_forced_forbidden_and_called_alone(client: Anthropic, model: str) -> None:
    def called(**choice: Any) -> list[str]:
        answer = ask(client, model, QUESTION, tools=[WEATHER], tool_choice=choice)
        answering.add(answer.model)
        return [use.name for use in uses(answer)]

    answering: set[str] = set()

    assert set(called(type="any")) == set(called(type="tool", name="get_weather")) == {"get_weather"}
    assert called(type="none") == []
    answering.clear()
    alone = called(type="auto", disable_parallel_tool_use=True)
    assert len(alone) == (2 if "gemini" in answering.pop() else 1)  # Google has no word for it


@every_model
def test_a_result_that_is_an_error_or_a_picture_is_read(client: Anthropic, model: str) -> None:
    talk: list[Any] = user("What is the weather in Oslo?")
    made = ask(client, model, talk, tools=[WEATHER])
    (use,) = uses(made)
    result = {"type": "tool_result", "tool_use_id": use.id, "is_error": True, "content": "no such place"}
    talk += [{"role": "assistant", "content": made.content}, {"role": "user", "content": [result]}]
    assert "no such place" in said(ask(client, model, talk, tools=[WEATHER]))
    result |= {"is_error": False, "content": [{"type": "text", "text": "a map"}, picture()]}
    talk[-1] = {"role": "user", "content": [result, {"type": "text", "text": "What do you see?"}]}
    assert "I can see 1 image." in said(ask(client, model, talk))


def picture() -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    return {"type": "image", "source": source}


@every_model
def test_images_are_seen(client: Anthropic, model: str) -> None:
    linked = {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}}
    talk = user([{"type": "text", "text": "What is this?"}, picture(), linked])
    assert "I can see 2 images." in said(ask(client, model, talk))


@every_model
@whole_and_streamed
def test_a_stop_sequence_ends_the_message(client: Anthropic, model: str, stream: bool) -> None:
    message = ask(client, model, order("say=one two STOP three"), stream, stop_sequences=["STOP", "never"])
    assert said(message) == "one two "
    told = (message.stop_reason, message.stop_sequence)
    assert told == (("stop_sequence", "STOP") if model == CLAUDE else ("end_turn", None))


@every_model
@whole_and_streamed
def test_a_bound_cuts_the_message(client: Anthropic, model: str, stream: bool) -> None:
    message = ask(client, model, order("tokens=400"), stream, max_tokens=30)
    assert message.stop_reason == "max_tokens" and message.usage.output_tokens <= 30


@every_model
@whole_and_streamed
def test_a_schema_fills_a_model(client: Anthropic, model: str, stream: bool) -> None:
    form = {"format": {"type": "json_schema", "schema": transform_schema(Person)}}
    assert json.loads(said(ask(client, model, "Ada is 36", stream, output_config=form))) == {
        "name": "Ada",
        "age": 36,
    }
    if not stream:
        asked = {"model": model, "max_tokens": 500, "messages": user("Ada is 36")}
        assert client.messages.parse(**asked, output_format=Person).parsed_output == Person(name="Ada", age=36)


@pytest.mark.parametrize("model", MODELS)
def test_tuning_does_no_harm(client: Anthropic, model: str) -> None:
    tuning = {"extra_body": {"speed": "standard", "temperature": 0.3, "top_k": 20}, "service_tier": "auto"}
    assert "You said: Hello!" in said(ask(client, model, **tuning, metadata={"user_id": "u-1"}))


def test_a_prefilled_answer_is_gone_on_with(client: Anthropic) -> None:
    for model in ("gpt-4o", "gemini-2.5-flash"):
        assert said(ask(client, model, [*user("Hello!"), {"role": "assistant", "content": "Well,"}]))
    with pytest.raises(anthropic.BadRequestError):
        ask(client, CLAUDE, [*user("Hello!"), {"role": "assistant", "content": "Well,"}])


# ---- thoughts


@pytest.mark.parametrize("model", THINKERS)
@whole_and_streamed
def test_thoughts_go_back_to_their_maker_with_what_it_signed(
    client: Anthropic, stack: Stack, model: str, stream: bool
) -> None:
    marker = mark()
    asked: dict[str, Any] = {"tools": [WEATHER], "thinking": THINKING}
    talk: list[Any] = user(f"{QUESTION} {marker}")
    made = ask(client, model, talk, stream, **asked)
    first = made.content[0]
    assert first.type == "thinking" and first.signature and len(uses(made)) == 2
    talk += [{"role": "assistant", "content": made.content}, results(made)]
    assert "Paris: 20 degrees" in said(ask(client, model, talk, stream, **asked))
    told = json.dumps(stack.heard(marker)[1]["body"])
    if model == CLAUDE:
        assert first.thinking in told and first.signature in told
    elif model == "deepseek-v4-flash":
        assert json.dumps(first.thinking) in told and first.signature not in told
    else:
        assert '"thoughtSignature"' in told and first.signature not in told


@whole_and_streamed
def test_thoughts_of_one_model_do_not_trouble_another(client: Anthropic, stream: bool) -> None:
    asked: dict[str, Any] = {"tools": [WEATHER], "thinking": THINKING}
    for maker in THINKERS:
        talk: list[Any] = user(QUESTION)
        made = ask(client, maker, talk, stream, **asked)
        talk += [{"role": "assistant", "content": made.content}, results(made)]
        for model in (*THINKERS, "gpt-4o", "auto"):
            assert "Paris: 20 degrees" in said(ask(client, model, talk, stream, **asked)), (maker, model)


@pytest.mark.parametrize("thinking", [{"type": "adaptive"}, {"type": "disabled"}, THINKING])
@every_model
def test_thinking_may_be_asked_for_of_any_model(client: Anthropic, model: str, thinking: Any) -> None:
    assert "You said: Hello!" in said(ask(client, model, thinking=thinking))
    assert "You said: Hello!" in said(ask(client, model, output_config={"effort": "low"}))


# ---- tokens


@every_model
def test_count_tokens(client: Anthropic, model: str) -> None:
    talk = user("The quick brown fox jumps over the lazy dog. " * 40 + mark())
    counted = client.messages.count_tokens(model=model, messages=talk).input_tokens
    assert counted * 0.6 < ask(client, model, talk).usage.input_tokens < counted * 1.5
    more = client.messages.count_tokens(
        model=model, messages=talk, system="Be brief. " * 200, tools=[WEATHER], thinking=THINKING
    ).input_tokens
    assert more > counted + 300


def test_the_client_knows_the_id_of_a_request(client: Anthropic) -> None:
    message = ask(client, "gpt-4o")
    assert message._request_id == "req_" + message.id.removeprefix("msg_")
    with pytest.raises(anthropic.NotFoundError) as caught:
        ask(client, "gpt-5000")
    assert caught.value.request_id == caught.value.response.headers["x-request-id"]


def test_a_thread_is_refused_in_the_words_that_clients_understand(client: Anthropic) -> None:
    for thread in ({"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}):
        with pytest.raises(anthropic.BadRequestError) as caught:
            ask(client, "gpt-4o", extra_body={"thread": thread})
        assert caught.value.details.error_code == "thread_unsupported_request"


def test_the_async_client(stack: Stack, rich: Caller) -> None:
    async def main() -> tuple[str, str]:
        async with AsyncAnthropic(base_url=stack.url, api_key=rich.key, max_retries=0) as there:
            asked: Any = {"model": "gpt-4o", "max_tokens": 99, "messages": user("Hello!")}
            replies = await asyncio.gather(*(there.messages.create(**asked) for _ in range(3)))
            async with there.messages.stream(**asked) as stream:
                return said(replies[-1]), "".join([text async for text in stream.text_stream])

    whole, streamed = asyncio.run(main())
    assert whole == streamed and "You said: Hello!" in whole


def test_the_clients_own_tool_runner(client: Anthropic) -> None:
    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather in a city.

        Args:
            city: Where.
        """
        return f"{city}: 20 degrees"

    for model in ("gpt-4o", CLAUDE, "gemini-2.5-flash"):
        runner = client.beta.messages.tool_runner(
            model=model, max_tokens=500, messages=user(QUESTION), tools=[get_weather]
        )
        last = runner.until_done()
        text = "".join(block.text for block in last.content if block.type == "text")
        assert "Paris: 20 degrees" in text and "London: 20 degrees" in text


# ---- errors


@pytest.mark.parametrize("headers", [
    {"x-api-key": "sk-thermo-wrong", "Authorization": anthropic.omit}, {"Authorization": "Bearer sk-thermo-wrong"},
], ids=["x-api-key", "Bearer"])  # fmt: skip
def test_a_bad_key_is_an_authentication_error(client: Anthropic, headers: Any) -> None:
    with pytest.raises(anthropic.AuthenticationError) as caught:
        ask(client, "gpt-4o", extra_headers=headers)
    assert kind(caught.value) == "authentication_error"


@pytest.mark.parametrize("name", ["x-api-key", "Authorization"])
def test_a_good_key_is_taken_from_either_header(client: Anthropic, rich: Caller, name: str) -> None:
    headers: Any = {
        "Authorization": anthropic.omit,
        name: rich.key if name == "x-api-key" else f"Bearer {rich.key}",
    }
    assert said(ask(client, "gpt-4o", extra_headers=headers))


def kind(error: anthropic.APIStatusError) -> str:
    body: Any = error.body
    assert set(body) - {"request_id"} == {"type", "error"} and body["type"] == "error"
    assert set(body["error"]) == {"type", "message"} and body["error"]["message"]
    return str(body["error"]["type"])


@pytest.mark.parametrize(("fields", "wanted", "word", "named"), [
    ({"model": "gpt-5000"}, anthropic.NotFoundError, "not_found_error", "gpt-5000"),
    ({"temperature": 2}, anthropic.BadRequestError, "invalid_request_error", "temperature"),
    ({"max_tokens": 0}, anthropic.BadRequestError, "invalid_request_error", "max_tokens"),
    ({"messages": []}, anthropic.BadRequestError, "invalid_request_error", "messages"),
    ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]}]},
     anthropic.BadRequestError, "invalid_request_error", "messages[0].content[0].tool_use_id"),
    ({"tool_choice": {"type": "any"}}, anthropic.BadRequestError, "invalid_request_error", "tool_choice"),
    ({"messages": user(order("status=500"))}, anthropic.InternalServerError, "overloaded_error", ""),
    ({"messages": user(order("status=529"))}, anthropic.InternalServerError, "overloaded_error", ""),
])  # fmt: skip
@whole_and_streamed
def test_errors_are_the_clients_own_classes(
    client: Anthropic, fields: dict[str, Any], wanted: type[anthropic.APIStatusError], word: str, named: str,
    stream: bool,
) -> None:  # fmt: skip
    with pytest.raises(wanted) as caught:
        ask(client, **({"model": "gpt-4o", "extra_body": fields, "stream": stream}))
    assert kind(caught.value) == word and named in caught.value.message
    assert caught.value.response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(("facts", "wanted", "word"), [
    ({"usd": 0}, anthropic.PaymentRequiredError, "billing_error"),
    ({"disabled": True}, anthropic.PermissionDeniedError, "permission_error"),
    ({"models": ["gpt-4o-mini"]}, anthropic.PermissionDeniedError, "permission_error"),
    ({"expires_at_ms": 1}, anthropic.AuthenticationError, "authentication_error"),
])  # fmt: skip
def test_callers_that_may_not_are_told_so(
    stack: Stack, by: By, facts: dict[str, Any], wanted: type[anthropic.APIStatusError], word: str
) -> None:
    there = by(stack.caller(**facts).key)
    for stream in (False, True):
        with pytest.raises(wanted) as caught:
            ask(there, "gpt-4o", stream=stream)
        assert kind(caught.value) == word
    if word != "billing_error":
        with pytest.raises(wanted):
            there.messages.count_tokens(model="gpt-4o", messages=user("Hello!"))


def test_a_limit_is_a_rate_limit_error_with_a_time_to_wait(stack: Stack, by: By) -> None:
    there = by(stack.caller(rpm=1).key)
    ask(there, "gpt-4o")
    with pytest.raises(anthropic.RateLimitError) as caught:
        ask(there, "gpt-4o")
    assert kind(caught.value) == "rate_limit_error" and int(caught.value.response.headers["retry-after"]) >= 1


def test_an_outage_tells_when_to_come_back(client: Anthropic, stack: Stack) -> None:
    with stack.upstream(anthropic={"status": 529}), pytest.raises(anthropic.ServiceUnavailableError) as caught:
        ask(client, CLAUDE)
    assert caught.value.status_code == 503 and kind(caught.value) == "overloaded_error"
    assert int(caught.value.response.headers["retry-after"]) >= 1


def test_a_body_that_is_too_large_is_told_as_that(client: Anthropic) -> None:
    with pytest.raises(anthropic.ContentTooLargeError) as caught:
        ask(client, "gpt-4o", "x" * (33 << 20))
    assert kind(caught.value) == "request_too_large"


def test_a_stream_that_breaks_off_raises(client: Anthropic) -> None:
    for model in ("gpt-4o", CLAUDE, "gemini-2.5-flash"):
        pieces = []
        with (
            pytest.raises(anthropic.APIStatusError) as caught,
            client.messages.stream(model=model, max_tokens=99, messages=user(order("chunks=9 cut=3"))) as stream,
        ):
            pieces += list(stream.text_stream)
        assert kind(caught.value) == "api_error" and pieces == []


def test_leaving_a_stream_early_is_fine(client: Anthropic) -> None:
    text = order("chunks=200 interval_ms=20")
    with client.messages.stream(model="gpt-4o", max_tokens=999, messages=user(text)) as stream:
        assert next(iter(stream.text_stream))
