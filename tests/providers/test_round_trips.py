"""The Anthropic and Gemini adapters against the sandbox, over real sockets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.errors import ContentRefused, GatewayError, InvalidRequest, UpstreamFailed
from thermly.exchange import (
    ChatRequest,
    Choice,
    Message,
    Reasoning,
    Reply,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Tuning,
    gather,
)
from thermly.providers import ANSWER
from thermly.providers.upstream import Client, Timeouts

server = pytest.importorskip("thermly.sandbox.server")

WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
WORDS = frozenset(("tools", "forced_tools", "json_schema", "reasoning", "sampling"))
PRICE = Price(0, 0, 0, 0, 0)
MODELS: dict[str, tuple[str, frozenset[str]]] = {
    "claude-sonnet-4-5": ("anthropic", WORDS),
    "claude-haiku-5-5": ("anthropic", WORDS - {"sampling"}),
    "claude-sonnet-5-5": ("anthropic", WORDS - {"sampling", "forced_tools"}),
    "gemini-2.5-flash": ("gemini", WORDS),
    "gemini-3.8-flash": ("gemini", WORDS - {"sampling"}),
}
each_model = pytest.mark.parametrize("model", MODELS)
each_way = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    running = server.start()
    yield running.url
    running.stop()


def ask(sandbox: str, model: str, *messages: Message | str, **fields: Any) -> Reply:
    kind, can = MODELS[model]
    row = ProviderRow(kind, kind, f"{sandbox}/{kind}", "key")  # type: ignore[arg-type]
    target = Target(Model(model, kind, model, 200_000, 64_000, PRICE, can), row, PRICE)
    told = tuple(Message("user", (Text(m),)) if isinstance(m, str) else m for m in messages)
    return gather(ANSWER[kind](ChatRequest(model, told, **fields), target, 4000, Client(Timeouts(reply_s=10))))


def said(choice: Choice) -> str:
    return "".join(part.text for part in choice.parts if isinstance(part, Text))


@each_way
@each_model
def test_a_plain_question(sandbox: str, model: str, stream: bool):
    tuning = Tuning(temperature=1.2, top_p=0.9, seed=7, user="u")
    reply = ask(sandbox, model, "Hello there", stream=stream, stop=("END",), tuning=tuning)
    assert "Hello there" in said(reply.choices[0])
    assert reply.choices[0].reason == "stop"
    assert reply.usage and reply.usage.input_tokens and reply.usage.output_tokens


@pytest.mark.parametrize("keeps", [False, True])
@each_way
@each_model
def test_thinking_a_call_and_its_result(sandbox: str, model: str, stream: bool, keeps: bool):
    """A client of the vendor's own wire keeps thoughts and signatures; any other sends the bare call back."""
    question = "What is the weather in Oslo?"
    asked: dict[str, Any] = {"tools": (WEATHER,), "tuning": Tuning(reasoning_effort="medium"), "stream": stream}
    choice = ask(sandbox, model, question, **asked).choices[0]
    thought, *_, call = choice.parts
    assert isinstance(thought, Reasoning) and isinstance(call, ToolCall)
    assert (choice.reason, json.loads(call.arguments)) == ("tool_calls", {"city": "Oslo"})
    parts = choice.parts if keeps else (ToolCall(call.id, call.name, call.arguments),)
    result = Message("tool", (ToolResult(call.id, (Text("rain"),)),))
    reply = ask(sandbox, model, question, Message("assistant", parts), result, **asked)
    assert "rain" in said(reply.choices[0])


@each_model
def test_a_schema(sandbox: str, model: str):
    city = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}}, "required": ["name"]}
    schema = {"type": "object", "properties": {"city": city}, "required": ["city"]}
    reply = ask(sandbox, model, "Paris", response_format=ResponseFormat("json_schema", schema))
    assert "name" in json.loads(said(reply.choices[0]))["city"]


@each_way
@pytest.mark.parametrize("model", ["claude-haiku-5-5", "gemini-3.8-flash"])
@pytest.mark.parametrize(
    ("order", "kind"),
    [
        ("status=503", UpstreamFailed),
        ("status=429", UpstreamFailed),
        ("status=401", UpstreamFailed),
        ("status=400", InvalidRequest),
        ("block", ContentRefused),
        ("html status=502", UpstreamFailed),
        ("cut=2", UpstreamFailed),
        ("badjson", UpstreamFailed),
    ],
)
def test_failures(sandbox: str, model: str, order: str, kind: type[GatewayError], stream: bool):
    with pytest.raises(kind):
        ask(sandbox, model, f"Hello there you all [[sandbox: {order}]]", stream=stream)


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "gemini-3.8-flash"])
@pytest.mark.parametrize("after", [0, 2])
def test_failures_in_band(sandbox: str, model: str, after: int):
    with pytest.raises(UpstreamFailed):
        ask(sandbox, model, f"Hello there you all [[sandbox: inband={after}]]", stream=True)
