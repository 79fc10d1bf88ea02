"""The vendors' own clients against the sandbox; each is skipped where it is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from thermly.sandbox.server import Sandbox, start

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "array", "items": {"type": "string"}}},
    "required": ["name", "people"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = start()
    yield sandbox
    sandbox.stop()


@pytest.fixture(scope="module")
def openai(sandbox: Sandbox) -> Iterator[Any]:
    module = pytest.importorskip("openai")
    with module.OpenAI(api_key="k", base_url=f"{sandbox.url}/openai/v1", max_retries=0) as client:
        client.errors = module
        yield client


@pytest.fixture(scope="module")
def anthropic(sandbox: Sandbox) -> Iterator[Any]:
    module = pytest.importorskip("anthropic")
    with module.Anthropic(api_key="k", base_url=f"{sandbox.url}/anthropic", max_retries=0) as client:
        client.errors = module
        yield client


@pytest.fixture(scope="module")
def genai(sandbox: Sandbox) -> Iterator[Any]:
    module = pytest.importorskip("google.genai")
    client = module.Client(api_key="k", http_options={"base_url": f"{sandbox.url}/gemini"})
    yield client
    client.close()


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_openai_chat_and_stream(openai: Any) -> None:
    whole = openai.chat.completions.create(model="gpt-4o-mini", messages=user("hello"))
    create = openai.chat.completions.create
    with create(model="gpt-4o-mini", messages=user("hello"), stream=True) as stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text == whole.choices[0].message.content


@pytest.mark.parametrize("order", ["", "[[sandbox: interleave]]"])
def test_openai_assembles_parallel_calls(openai: Any, order: str) -> None:
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}]
    text = f"weather in Paris and London {order}"
    with openai.chat.completions.stream(model="gpt-4o", messages=user(text), tools=tools) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert [call.function.arguments for call in calls] == ['{"city": "Paris"}', '{"city": "London"}']


def test_openai_parses(openai: Any) -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Event", name=(str, ...), people=(list[str], ...))
    parse = openai.chat.completions.parse
    parsed = (
        parse(model="gpt-4o", messages=user("Alice and Bob go"), response_format=model).choices[0].message.parsed
    )
    assert parsed.people == ["Alice", "Bob"]


def test_openai_errors(openai: Any) -> None:
    create = openai.chat.completions.create
    for order, error in (
        ("status=429 retry_after=2", openai.errors.RateLimitError),
        ("status=503", openai.errors.InternalServerError),
        ("cut=1", openai.errors.APIConnectionError),
    ):
        with pytest.raises(error):
            create(model="gpt-4o", messages=user(f"hi [[sandbox: {order}]]"))
    with (
        pytest.raises(openai.errors.APIError, match="had an error"),
        create(model="gpt-4o", messages=user("hi [[sandbox: inband=2]]"), stream=True) as stream,
    ):
        list(stream)


def test_openai_embeddings_and_models(openai: Any) -> None:
    made = openai.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=8)
    assert [len(row.embedding) for row in made.data] == [8, 8]
    assert "gpt-4o" in [model.id for model in openai.models.list()]


def test_anthropic_messages_and_stream(anthropic: Any) -> None:
    fields: dict[str, Any] = {"model": "claude-haiku-5-5", "max_tokens": 500, "messages": user("hello")}
    whole = anthropic.messages.create(**fields)
    with anthropic.messages.stream(**fields) as stream:
        assert stream.get_final_text() == whole.content[0].text


def test_anthropic_assembles_thinking_and_tools(anthropic: Any) -> None:
    fields: dict[str, Any] = {
        "model": "claude-opus-5-5",
        "max_tokens": 2000,
        "thinking": {"type": "adaptive", "display": "summarized"},
        "tools": [{"name": "get_weather", "input_schema": PARAMETERS}],
    }
    with anthropic.messages.stream(messages=user("weather in Rome"), **fields) as stream:
        first = stream.get_final_message()
    thought, call = first.content
    assert thought.thinking and thought.signature and call.input == {"city": "Rome"}
    answer = [
        block.model_dump(include={"type", "thinking", "signature", "id", "name", "input"})
        for block in first.content
    ]
    result = [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]
    turns = [
        *user("weather in Rome"),
        {"role": "assistant", "content": answer},
        {"role": "user", "content": result},
    ]
    assert anthropic.messages.create(messages=turns, **fields).content[-1].text == "The tool answered: sunny"


def test_anthropic_json_counting_and_errors(anthropic: Any) -> None:
    fields: dict[str, Any] = {"model": "claude-haiku-5-5", "max_tokens": 500}
    output = {"format": {"type": "json_schema", "schema": EVENT}}
    made = anthropic.messages.create(messages=user("Alice and Bob go"), output_config=output, **fields)
    assert '"people": ["Alice", "Bob"]' in made.content[0].text
    assert anthropic.messages.count_tokens(model="claude-haiku-5-5", messages=user("hello")).input_tokens == 5
    with pytest.raises(anthropic.errors.APIStatusError) as overloaded:
        anthropic.messages.create(messages=user("hi [[sandbox: status=529]]"), **fields)
    assert overloaded.value.status_code == 529
    with (
        pytest.raises(anthropic.errors.APIStatusError, match="Overloaded"),
        anthropic.messages.stream(messages=user("hi [[sandbox: inband=2]]"), **fields) as stream,
    ):
        stream.get_final_message()


def test_gemini_generates_and_streams(genai: Any) -> None:
    whole = genai.models.generate_content(model="gemini-2.5-flash", contents="hello")
    streamed = genai.models.generate_content_stream(model="gemini-2.5-flash", contents="hello")
    assert "".join(chunk.text or "" for chunk in streamed) == whole.text


def test_gemini_calls_functions_by_itself(genai: Any) -> None:
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    chat = genai.chats.create(model="gemini-3.8-flash", config={"tools": [get_weather]})
    assert chat.send_message("weather in Oslo and Bern").text == "The tools answered: sunny in Oslo; sunny in Bern"


def test_gemini_json_embeddings_and_errors(genai: Any) -> None:
    errors = pytest.importorskip("google.genai.errors")
    config: dict[str, Any] = {"response_mime_type": "application/json", "response_json_schema": EVENT}
    made = genai.models.generate_content(model="gemini-2.5-flash", contents="Alice and Bob go", config=config)
    assert made.parsed["people"] == ["Alice", "Bob"]
    config = {"output_dimensionality": 4}
    vectors = genai.models.embed_content(model="gemini-embedding-001", contents=["a", "b"], config=config)
    assert [len(vector.values) for vector in vectors.embeddings] == [4, 4]
    with pytest.raises(errors.ClientError) as limited:
        genai.models.generate_content(model="gemini-2.5-flash", contents="hi [[sandbox: status=429]]")
    assert limited.value.status == "RESOURCE_EXHAUSTED"
