"""Google's own client, pointed at the running stack, as the reference tells people to do."""

from __future__ import annotations

import asyncio
import base64
import enum
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel
from stories.stack import Caller, Stack, mark, order
from stories.test_chat import PERSON, PIXEL

MODELS = ("auto", "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash")
NEWEST = "gemini-3.8-flash"
VECTORS = "text-embedding-3-small"
QUESTION = "What is the weather in Paris and London?"
Config = types.GenerateContentConfig
every_model = pytest.mark.parametrize("model", MODELS)
whole_and_streamed = pytest.mark.parametrize("stream", [False, True])


class Person(BaseModel):
    name: str
    age: int


class Mood(enum.Enum):
    HAPPY = "happy"
    SAD = "sad"


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: 20 degrees"


WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="The weather in a city",
    parameters=types.Schema(
        type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}, required=["city"]
    ),
)
MAIL = types.FunctionDeclaration(
    name="send_mail",
    description="Sends electronic mail",
    parameters_json_schema={"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]},
)
TOOLS: list[Any] = [types.Tool(function_declarations=[WEATHER, MAIL])]
By = Callable[[str], genai.Client]


@pytest.fixture(scope="module")
def by(stack: Stack) -> Iterator[By]:
    """Makes clients of keys."""
    made: list[genai.Client] = []

    def make(key: str) -> genai.Client:
        options = types.HttpOptions(base_url=stack.url + "/api", api_version="v1beta", timeout=30_000)
        made.append(genai.Client(api_key=key, http_options=options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="module")
def client(by: By, rich: Caller) -> genai.Client:
    return by(rich.key)


def ask(
    client: genai.Client, model: str = "gpt-4o", contents: Any = "Hello!", **config: Any
) -> types.GenerateContentResponse:
    return client.models.generate_content(model=model, contents=contents, config=Config(**config))


def pieces(client: genai.Client, model: str, contents: Any = "Hello!", **config: Any) -> list[Any]:
    return list(client.models.generate_content_stream(model=model, contents=contents, config=Config(**config)))


def said(chunks: list[Any]) -> str:
    return "".join(part.text or "" for c in chunks for part in c.parts or () if not part.thought)


# ---- generate


@every_model
def test_generate(client: genai.Client, model: str) -> None:
    reply = ask(client, model, max_output_tokens=200)
    assert "You said: Hello!" in (reply.text or "")
    (candidate,) = reply.candidates or []
    assert candidate.finish_reason == types.FinishReason.STOP and candidate.index == 0
    usage = reply.usage_metadata
    assert usage and usage.prompt_token_count and usage.total_token_count
    assert usage.total_token_count > usage.prompt_token_count
    assert reply.model_version and (reply.model_version == model or model == "auto")
    headers = reply.sdk_http_response and reply.sdk_http_response.headers
    assert headers and headers["x-request-id"] == f"req_{reply.response_id}"


@every_model
def test_stream(client: genai.Client, model: str) -> None:
    chunks = pieces(client, model, f"Hello {mark()}")
    assert "You said: Hello mark" in said(chunks) and len(chunks) > 5
    assert all(c.candidates and c.response_id == chunks[0].response_id for c in chunks)
    assert [c.candidates[0].finish_reason for c in chunks if c.candidates[0].finish_reason] == ["STOP"]
    assert [bool(c.usage_metadata) for c in chunks] == [False] * (len(chunks) - 1) + [True]


@every_model
@whole_and_streamed
def test_a_chat_remembers(client: genai.Client, stack: Stack, model: str, stream: bool) -> None:
    chat, markers = client.chats.create(model=model), [mark() for _ in range(3)]
    for marker in markers:
        if stream:
            assert marker in said(list(chat.send_message_stream(marker)))
        else:
            assert marker in (chat.send_message(marker).text or "")
    last = json.dumps(stack.heard(markers[-1])[-1]["body"])
    assert all(marker in last for marker in markers)
    assert [c.role for c in chat.get_history(curated=True) if c.role == "user"] == ["user"] * 3
    roles = ["user" if part["role"] == "user" else "model" for part in _turns(json.loads(last))]
    assert roles == ["user", "model", "user", "model", "user"]


def _turns(body: dict[str, Any]) -> list[dict[str, Any]]:
    return list(body.get("messages") or body["contents"])


def test_the_async_client(by: By, rich: Caller) -> None:
    async def main() -> tuple[str, str]:
        async with by(rich.key).aio as there:
            several = [there.models.generate_content(model="gpt-4o", contents="Hello!") for _ in range(3)]
            replies = await asyncio.gather(*several)
            stream = await there.models.generate_content_stream(model="gpt-4o", contents="Hello!")
            return replies[-1].text or "", "".join([chunk.text or "" async for chunk in stream])

    whole, streamed = asyncio.run(main())
    assert whole == streamed and "You said: Hello!" in whole


# ---- functions


@every_model
@whole_and_streamed
def test_functions_are_called_automatically(client: genai.Client, model: str, stream: bool) -> None:
    chat = client.chats.create(model=model, config=Config(tools=[get_weather]))
    text = said(list(chat.send_message_stream(QUESTION)) if stream else [chat.send_message(QUESTION)])
    assert text.startswith("The tools answered:") and "Paris: 20" in text and "London: 20" in text


def answers(calls: list[types.FunctionCall], ids: bool = True) -> list[types.Part]:
    return [
        types.Part(
            function_response=types.FunctionResponse(
                id=call.id if ids else None, name=call.name, response={"result": get_weather(call.args["city"])}
            )
        )
        for call in calls
        if call.args
    ]


@every_model
@pytest.mark.parametrize("ids", [True, False])
def test_parallel_calls_are_answered_by_hand(client: genai.Client, model: str, ids: bool) -> None:
    asked = types.UserContent(QUESTION)
    reply = ask(client, model, [asked], tools=TOOLS)
    calls = reply.function_calls or []
    assert [(c.name, c.args) for c in calls] == [("get_weather", {"city": c}) for c in ("Paris", "London")]
    assert len({c.id for c in calls}) == 2 and all(c.id for c in calls)
    made = reply.candidates and reply.candidates[0].content
    results = types.Content(role="user", parts=answers(calls, ids))
    text = ask(client, model, [asked, made, results], tools=TOOLS).text or ""
    assert text.index("Paris: 20 degrees") < text.index("London: 20 degrees")


@every_model
@whole_and_streamed
def test_a_function_can_be_forced_and_forbidden(client: genai.Client, model: str, stream: bool) -> None:
    def called(**calling: Any) -> list[str | None]:
        config = {"tools": TOOLS, "tool_config": {"function_calling_config": calling}}
        chunks = pieces(client, model, QUESTION, **config) if stream else [ask(client, model, QUESTION, **config)]
        return [call.name for c in chunks for call in c.function_calls or ()]

    assert set(called(mode="ANY", allowed_function_names=["send_mail"])) == {"send_mail"}
    assert called(mode="ANY") == called(mode="AUTO") == ["get_weather"] * 2
    assert called(mode="NONE") == []


# ---- thoughts and their signatures


def round_trip(client: genai.Client, stack: Stack, model: str, stream: bool, **config: Any) -> list[dict[str, Any]]:
    """A chat whose model calls functions; what the upstream heard with their results."""
    marker = mark()
    chat = client.chats.create(model=model, config=Config(tools=TOOLS, **config))

    def send(message: Any) -> list[Any]:
        return list(chat.send_message_stream(message)) if stream else [chat.send_message(message)]

    calls = [call for chunk in send(f"{QUESTION} {marker}") for call in chunk.function_calls or ()]
    assert len(calls) == 2
    assert "Paris: 20 degrees" in said(send(answers(calls)))
    assert "And then?" in said(send("And then?"))
    heard = [request["body"] for request in stack.heard(marker)]
    assert len(heard) == 3
    return heard


def signature(part: dict[str, Any]) -> bytes:
    """The client writes base64 in the URL's alphabet."""
    return base64.urlsafe_b64decode(part.get("thoughtSignature", "").replace("+", "-").replace("/", "_"))


@whole_and_streamed
@pytest.mark.parametrize("config", [
    {}, {"thinking_config": types.ThinkingConfig(include_thoughts=True)},
])  # fmt: skip
def test_signatures_of_gemini_3_come_back_with_their_parts(
    client: genai.Client, stack: Stack, stream: bool, config: Any
) -> None:
    _, second, third = round_trip(client, stack, NEWEST, stream, **config)
    signed = [part for part in second["contents"][1]["parts"] if "functionCall" in part]
    assert [len(signature(part)) for part in signed] == [64, 0]
    assert all(part["functionCall"]["id"] for part in signed)
    assert any(len(signature(part)) == 64 for part in third["contents"][3]["parts"])


def test_calls_of_gemini_3_without_their_signature_are_answered_all_the_same(client: genai.Client) -> None:
    asked = types.UserContent(QUESTION)
    made = ask(client, NEWEST, [asked], tools=TOOLS).function_calls or []
    bare = types.ModelContent([types.Part(function_call=call) for call in made])
    text = ask(client, NEWEST, [asked, bare, types.UserContent(answers(made))], tools=TOOLS).text
    assert "Paris: 20 degrees" in (text or "")


@whole_and_streamed
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-sonnet-5-5"])
def test_claudes_signed_thoughts_come_back_to_claude(
    client: genai.Client, stack: Stack, model: str, stream: bool
) -> None:
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)
    heard = round_trip(client, stack, model, stream, thinking_config=thinking)
    for body in heard:
        assert body["thinking"]["type"] in ("enabled", "adaptive")
    first, *calls = heard[1]["messages"][1]["content"]
    assert first["type"] == "thinking" and first["thinking"] and first["signature"]
    assert [call["type"] for call in calls] == ["tool_use"] * 2


@whole_and_streamed
def test_claude_goes_on_where_its_thoughts_were_not_shown(client: genai.Client, stack: Stack, stream: bool) -> None:
    thinking = types.ThinkingConfig(thinking_budget=2048)
    heard = round_trip(client, stack, "claude-sonnet-4-5", stream, thinking_config=thinking)
    assert heard[0]["thinking"]["type"] == "enabled" and "thinking" not in heard[1]


@whole_and_streamed
def test_deepseeks_thoughts_come_back_to_deepseek(client: genai.Client, stack: Stack, stream: bool) -> None:
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)
    heard = round_trip(client, stack, "deepseek-v4-flash", stream, thinking_config=thinking)
    assert heard[1]["messages"][1]["reasoning_content"]


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gemini-2.5-flash", NEWEST, "deepseek-v4-flash"])
def test_thoughts_are_shown_to_those_who_ask(client: genai.Client, model: str) -> None:
    def thoughts(**config: Any) -> tuple[list[bool], list[bool]]:
        thinking = {"thinking_config": types.ThinkingConfig(**config)}
        whole = [bool(part.thought) for part in ask(client, model, **thinking).parts or ()]
        chunks = pieces(client, model, **thinking)
        streamed = [bool(part.thought) for chunk in chunks for part in chunk.parts or () if part.text]
        return whole, streamed

    whole, streamed = thoughts(include_thoughts=True, thinking_budget=2048)
    assert whole == [True, False]
    assert any(streamed) and not streamed[-1] and streamed == sorted(streamed, reverse=True)
    for config in ({"include_thoughts": False, "thinking_budget": 2048}, {"thinking_budget": 2048}):
        whole, streamed = thoughts(**config)
        assert whole == [False] and not any(streamed)


@pytest.mark.parametrize("model", ["gpt-6-luna", "gemini-2.5-flash"])
def test_a_budget_of_nothing_is_no_thinking(client: genai.Client, model: str) -> None:
    def counted(budget: int) -> int | None:
        usage = ask(client, model, thinking_config=types.ThinkingConfig(thinking_budget=budget)).usage_metadata
        return usage and usage.thoughts_token_count

    assert counted(2048) and not counted(0)


def test_claude_is_told_not_to_think(client: genai.Client, stack: Stack) -> None:
    for model, told in (("claude-sonnet-4-5", None), ("claude-haiku-5-5", {"type": "disabled"})):
        marker = mark()
        ask(client, model, marker, thinking_config=types.ThinkingConfig(thinking_budget=0))
        assert stack.heard(marker)[0]["body"].get("thinking") == told


def test_googles_budget_goes_to_google_as_it_is(client: genai.Client, stack: Stack) -> None:
    for thinking in ({"thinking_budget": 777, "include_thoughts": True}, {"thinking_budget": -1}):
        marker = mark()
        ask(client, "gemini-2.5-flash", marker, thinking_config=types.ThinkingConfig(**thinking))
        told = stack.heard(marker)[0]["body"]["generationConfig"]["thinkingConfig"]
        assert told["thinkingBudget"] == thinking["thinking_budget"]


# ---- structured output


@every_model
@whole_and_streamed
def test_a_schema_fills_a_model(client: genai.Client, model: str, stream: bool) -> None:
    for config in ({"response_schema": Person}, {"response_json_schema": PERSON}):
        config |= {"response_mime_type": "application/json"}
        if stream:
            assert json.loads(said(pieces(client, model, "Ada is 36", **config))) == {"name": "Ada", "age": 36}
        else:
            reply = ask(client, model, "Ada is 36", **config)
            assert json.loads(reply.text or "") == {"name": "Ada", "age": 36}
            assert reply.parsed in (Person(name="Ada", age=36), {"name": "Ada", "age": 36})


@every_model
def test_lists_and_enums(client: genai.Client, model: str) -> None:
    people = ask(client, model, "Ada is 36", response_mime_type="application/json", response_schema=list[Person])
    assert people.parsed == [Person(name="Ada", age=36)]
    bare = {"response_mime_type": "text/x.enum", "response_schema": Mood}
    assert ask(client, model, "I am sad", **bare).parsed == Mood.SAD
    assert said(pieces(client, model, "I am sad", **bare)) == "sad"
    quoted = ask(client, model, "I am sad", response_mime_type="application/json", response_schema=Mood)
    assert quoted.parsed == Mood.SAD and quoted.text == '"sad"'


@pytest.mark.parametrize("model", ["gpt-4o", "gemini-2.5-flash"])
def test_json_without_a_schema(client: genai.Client, model: str) -> None:
    reply = ask(client, model, "Answer in JSON", response_mime_type="application/json")
    assert isinstance(json.loads(reply.text or ""), dict)


# ---- what else a request has


@every_model
def test_a_system_instruction_is_heard(client: genai.Client, stack: Stack, model: str) -> None:
    marker, rule = mark(), mark()
    ask(client, model, marker, system_instruction=rule)
    (heard,) = stack.heard(marker)
    body = heard["body"]
    first = body.get("systemInstruction") or body.get("system") or body["messages"][0]
    assert rule in json.dumps(first) and marker not in json.dumps(first)


@every_model
def test_an_image_is_seen(client: genai.Client, model: str) -> None:
    png = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    assert "I can see 1 image." in (ask(client, model, [png, "What is this?"]).text or "")


@every_model
def test_a_stop_sequence_ends_the_answer(client: genai.Client, model: str) -> None:
    reply = ask(client, model, "one two STOP three", stop_sequences=["STOP", "never"])
    assert (reply.text or "").endswith("You said: one two ")
    assert reply.candidates and reply.candidates[0].finish_reason == types.FinishReason.STOP


@every_model
def test_a_bound_cuts_the_answer(client: genai.Client, model: str) -> None:
    for chunks in (
        [ask(client, model, order("tokens=400"), max_output_tokens=30)],
        pieces(client, model, order("tokens=400"), max_output_tokens=30),
    ):
        assert chunks[-1].candidates[0].finish_reason == types.FinishReason.MAX_TOKENS


@pytest.mark.parametrize("model", ["gpt-4o", "gemini-2.5-flash"])
def test_several_candidates(client: genai.Client, model: str) -> None:
    candidates = ask(client, model, candidate_count=3).candidates or []
    assert [c.index for c in candidates] == [0, 1, 2]
    assert len({c.content.parts[0].text for c in candidates if c.content and c.content.parts}) == 3
    chunks = pieces(client, model, candidate_count=2)
    assert {c.index for chunk in chunks for c in chunk.candidates} == {0, 1}


def test_a_model_that_has_no_second_candidate_says_so(client: genai.Client) -> None:
    for model in ("claude-sonnet-4-5", NEWEST, "auto"):
        with pytest.raises(errors.ClientError, match="more than one choice") as caught:
            ask(client, model, candidate_count=2)
        assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
        assert caught.value.details["error"]["param"] == "generationConfig.candidateCount"


@pytest.mark.parametrize("model", ["gpt-4o", "deepseek-v4-flash"])
def test_log_probabilities(client: genai.Client, model: str) -> None:
    (candidate,) = ask(client, model, response_logprobs=True, logprobs=2).candidates or []
    told = candidate.logprobs_result
    assert told and told.chosen_candidates and told.top_candidates
    assert candidate.content and candidate.content.parts
    assert "".join(row.token or "" for row in told.chosen_candidates) == candidate.content.parts[0].text
    assert len(told.top_candidates) == len(told.chosen_candidates)


@every_model
def test_tuning_and_safety_settings_do_no_harm(client: genai.Client, model: str) -> None:
    safety = types.SafetySetting(
        category=types.HarmCategory.HARM_CATEGORY_HATE_SPEECH, threshold=types.HarmBlockThreshold.BLOCK_NONE
    )
    tuned = {"temperature": 0.5, "top_p": 0.9, "top_k": 20, "seed": 4, "presence_penalty": 0.1}
    reply = ask(client, model, safety_settings=[safety], frequency_penalty=0.1, **tuned)
    assert "You said: Hello!" in (reply.text or "")


# ---- counting, embeddings, models


@every_model
def test_count_tokens(client: genai.Client, model: str) -> None:
    few = client.models.count_tokens(model=model, contents="Hello!").total_tokens
    many = client.models.count_tokens(model=model, contents=["Hello! " * 100, "Hello! " * 100]).total_tokens
    assert few and many and 0 < few < 20 < many


@pytest.mark.parametrize("model", [VECTORS, "gemini-embedding-2"])
def test_embed_content(client: genai.Client, model: str) -> None:
    config = types.EmbedContentConfig(output_dimensionality=8, task_type="SEMANTIC_SIMILARITY")
    contents: Any = [types.UserContent(f"text {i}") for i in range(3)]
    several = client.models.embed_content(model=model, contents=contents, config=config).embeddings or []
    one = client.models.embed_content(model=model, contents="text 1", config=config).embeddings or []
    assert len(several) == 3 and len(one) == 1 and one[0].values == several[1].values
    assert one[0].values and len(one[0].values) == 8
    full = client.models.embed_content(model=model, contents="text 1").embeddings or []
    assert full[0].values and len(full[0].values) == (1_536 if model == VECTORS else 3_072)


def test_models_are_listed_page_by_page(client: genai.Client) -> None:
    pager = client.models.list(config={"page_size": 7})
    assert len(pager) == 7 and pager.page_size == 7
    names = [model.name for model in pager]
    everything = list(client.models.list(config={"page_size": 1_000}))
    assert names == [model.name for model in everything] and len(names) == len(set(names)) > 21
    assert {f"models/{name}" for name in (*MODELS, NEWEST, VECTORS)} <= set(names)
    assert all(model.supported_actions for model in everything) and "models/dall-e-3" not in names


def test_a_model_is_described(client: genai.Client) -> None:
    for name in ("gemini-2.5-flash", "models/gemini-2.5-flash"):
        model = client.models.get(model=name)
        assert model.name == "models/gemini-2.5-flash" and model.thinking and model.input_token_limit == 1_048_576
        assert model.supported_actions and "generateContent" in model.supported_actions
    vectors = client.models.get(model=VECTORS).supported_actions or []
    assert "embedContent" in vectors and "generateContent" not in vectors
    for name in ("gpt-5000", "dall-e-3"):
        with pytest.raises(errors.ClientError) as caught:
            client.models.get(model=name)
        assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


# ---- errors


@pytest.mark.parametrize(("model", "config", "status", "name", "param"), [
    ("gpt-5000", {}, 404, "NOT_FOUND", "model"),
    ("gpt-4o", {"temperature": 3}, 400, "INVALID_ARGUMENT", "generationConfig.temperature"),
    ("gpt-4o", {"cached_content": "cachedContents/x"}, 400, "INVALID_ARGUMENT", "cachedContent"),
    ("gemini-3.1-flash-image", {}, 400, "INVALID_ARGUMENT", "model"),
])  # fmt: skip
def test_a_refusal_is_a_client_error(
    client: genai.Client, model: str, config: dict[str, Any], status: int, name: str, param: str
) -> None:
    for send in (ask, pieces):
        with pytest.raises(errors.ClientError) as caught:
            send(client, model, **config)
        error = caught.value
        assert (error.code, error.status) == (status, name) and error.message
        assert error.details["error"]["param"] == param
        assert error.response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(("facts", "status", "name"), [
    ({"usd": 0}, 402, "FAILED_PRECONDITION"),
    ({"disabled": True}, 403, "PERMISSION_DENIED"),
    ({"models": ["gpt-4o-mini"]}, 403, "PERMISSION_DENIED"),
    ({"expires_at_ms": 1}, 401, "UNAUTHENTICATED"),
])  # fmt: skip
def test_callers_that_may_not_are_told_so(
    by: By, stack: Stack, facts: dict[str, Any], status: int, name: str
) -> None:
    there = by(stack.caller(**facts).key)
    for send in (ask, pieces):
        with pytest.raises(errors.ClientError) as caught:
            send(there, "gpt-4o")
        assert (caught.value.code, caught.value.status) == (status, name)


def test_a_wrong_key_is_unauthenticated(by: By) -> None:
    with pytest.raises(errors.ClientError, match="Invalid API key") as caught:
        ask(by("sk-thermo-" + "x" * 32))
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")


def test_a_limit_is_a_client_error_with_a_time_to_wait(by: By, stack: Stack) -> None:
    there = by(stack.caller(rpm=1).key)
    ask(there)
    for send in (ask, pieces):
        with pytest.raises(errors.ClientError) as caught:
            send(there, "gpt-4o")
        assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
        assert 1 <= int(caught.value.response.headers["Retry-After"]) <= 61


def test_an_outage_is_a_server_error(client: genai.Client) -> None:
    for send in (ask, pieces):
        with pytest.raises(errors.ServerError) as caught:
            send(client, "gpt-4o", order("status=500"))
        assert (caught.value.code, caught.value.status) == (503, "UNAVAILABLE")
        assert int(caught.value.response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"])
@pytest.mark.parametrize("directive", ["chunks=9 cut=3", "chunks=9 inband=3"])
def test_a_stream_that_breaks_off_raises(client: genai.Client, model: str, directive: str) -> None:
    chunks = []
    with pytest.raises(errors.ServerError) as caught:
        for chunk in client.models.generate_content_stream(model=model, contents=order(directive)):
            chunks.append(chunk)
    assert (caught.value.code, caught.value.status) == (502, "UNAVAILABLE") and len(chunks) >= 3


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"])
def test_what_the_model_refuses_is_told_as_safety(client: genai.Client, model: str) -> None:
    for chunks in ([ask(client, model, order("refuse"))], pieces(client, model, order("refuse"))):
        assert chunks[-1].candidates[0].finish_reason == types.FinishReason.SAFETY


def test_leaving_a_stream_early_is_fine(client: genai.Client) -> None:
    stream = client.models.generate_content_stream(model="gpt-4o", contents=order("chunks=200 interval_ms=20"))
    assert next(iter(stream)).text
    stream.close()
    assert ask(client).text
