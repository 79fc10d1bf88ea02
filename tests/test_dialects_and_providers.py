"""Every dialect before every provider, whole and streamed: the same conversation has the same reply.

A reply is written in the dialect and read back from its bytes. A stream is first put together as clients do.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct
from stories.test_chat import PERSON, PIXEL

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.dialects import Bounds, Label, anthropic, gemini, openai_chat, responses
from thermly.exchange import (
    ChatRequest,
    Event,
    Media,
    Reply,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    gather,
)
from thermly.providers import ANSWER
from thermly.providers.upstream import Client, Timeouts
from thermly.sandbox.server import start

JSON = dict[str, Any]
MODEL = "house-model"
CAN = frozenset(("tools", "parallel_tools", "forced_tools", "json_schema", "sampling", "vision"))
PRICE = Price(0, 0, 0, 0, 0)
BOUNDS = Bounds(max_tools=64)
LABEL = Label("id", 1, MODEL, MODEL, 1, False)
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NAME, WHAT = "get_weather", "The weather in a city"
SHOWN = frozenset((responses.ENCRYPTED,))
ASKED = "What is the weather in Paris and London?"
CITIES = ({"city": "Paris"}, {"city": "London"})
RESULTS = ('{"degrees":21}', '{"degrees":12}')
REASONS = {
    "chat": {"stop": "stop", "tool_calls": "tool_calls", "length": "length"},
    "messages": {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"},
}


class Call(Struct, frozen=True):
    id: str
    name: str
    arguments: JSON


class Told(Struct, frozen=True):
    """What a client reads in a reply."""

    text: str
    calls: tuple[Call, ...]
    reason: str
    input_tokens: int
    output_tokens: int


def events_of(raw: bytes) -> list[JSON]:
    """Each event's data, of any that EventSource understands."""
    rows = [row[6:] for row in raw.split(b"\n") if row.startswith(b"data: ")]
    return [json.loads(row) for row in rows if row != b"[DONE]"]


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


class Chat:
    def user(self, text: str, image: bool = False) -> JSON:
        seen = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
        return {"role": "user", "content": [{"type": "text", "text": text}, seen] if image else text}

    def results(self, calls: tuple[Call, ...]) -> list[JSON]:
        return [
            {"role": "tool", "tool_call_id": call.id, "content": result}
            for call, result in zip(calls, RESULTS, strict=True)
        ]

    def request(self, talk: list[JSON], stream: bool, tools: bool, schema: bool, most: int) -> ChatRequest:
        body: JSON = {"model": MODEL, "messages": talk, "max_tokens": most}
        if tools:
            function = {"name": NAME, "description": WHAT, "parameters": CITY}
            body["tools"] = [{"type": "function", "function": function}]
        if schema:
            named = {"name": "response", "schema": PERSON}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return openai_chat.read_request(compact(body).encode(), BOUNDS)

    def whole(self, events: list[Event], request: ChatRequest) -> JSON:
        return json.loads(openai_chat.write_reply(gather(events), request, LABEL))

    def streamed(self, events: list[Event], request: ChatRequest) -> JSON:
        chunks = events_of(b"".join(openai_chat.write_events(events, request, lambda: LABEL)))
        text, calls, reason = "", [], None
        for choice in (choice for chunk in chunks for choice in chunk["choices"]):
            text += choice["delta"].get("content") or ""
            reason = choice["finish_reason"] or reason
            for row in choice["delta"].get("tool_calls") or ():
                if row["index"] == len(calls):
                    calls.append({"type": "function", "id": "", "function": {"name": "", "arguments": ""}})
                call, function = calls[row["index"]], row.get("function", {})
                call["id"] += row.get("id") or ""
                for field in ("name", "arguments"):
                    call["function"][field] += function.get(field) or ""
        message = {"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})}
        choice = {"message": message, "finish_reason": reason}
        return {"choices": [choice], "usage": chunks[-1]["usage"]}

    def read(self, reply: JSON) -> tuple[Told, list[JSON]]:
        (choice,), usage = reply["choices"], reply["usage"]
        message = choice["message"]
        rows = [(row["id"], row["function"]) for row in message.get("tool_calls") or ()]
        calls = tuple(Call(call_id, f["name"], json.loads(f["arguments"])) for call_id, f in rows)
        reason = REASONS["chat"][choice["finish_reason"]]
        told = Told(message["content"] or "", calls, reason, usage["prompt_tokens"], usage["completion_tokens"])
        return told, [message]


class Messages:
    def user(self, text: str, image: bool = False) -> JSON:
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        seen = {"type": "image", "source": source}
        return {"role": "user", "content": [{"type": "text", "text": text}, seen] if image else text}

    def results(self, calls: tuple[Call, ...]) -> list[JSON]:
        pairs = zip(calls, RESULTS, strict=True)
        blocks = [{"type": "tool_result", "tool_use_id": call.id, "content": result} for call, result in pairs]
        return [{"role": "user", "content": blocks}]

    def request(self, talk: list[JSON], stream: bool, tools: bool, schema: bool, most: int) -> ChatRequest:
        body: JSON = {"model": MODEL, "messages": talk, "max_tokens": most, "stream": stream}
        if tools:
            body["tools"] = [{"name": NAME, "description": WHAT, "input_schema": CITY}]
        if schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": PERSON}}
        return anthropic.read_request(compact(body).encode(), BOUNDS)

    def whole(self, events: list[Event], request: ChatRequest) -> JSON:
        return json.loads(anthropic.write_reply(gather(events), request, LABEL))

    def streamed(self, events: list[Event], request: ChatRequest) -> JSON:
        message: JSON = {}
        for event in events_of(b"".join(anthropic.write_events(events, request, lambda: LABEL))):
            if event["type"] == "message_start":
                message = event["message"]
            elif event["type"] == "content_block_start":
                message["content"].append({**event["content_block"], "partial": ""})
            elif event["type"] == "content_block_delta":
                block, delta = message["content"][event["index"]], event["delta"]
                block["text"] = block.get("text", "") + delta.get("text", "")
                block["partial"] += delta.get("partial_json", "")
            elif event["type"] == "message_delta":
                message |= {**event["delta"], "usage": event["usage"]}
        for block in message["content"]:
            partial = block.pop("partial")
            if block["type"] == "tool_use":
                del block["text"]
                block["input"] = json.loads(partial or "{}")
        return message

    def read(self, reply: JSON) -> tuple[Told, list[JSON]]:
        blocks, usage = reply["content"], reply["usage"]
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        uses = [block for block in blocks if block["type"] == "tool_use"]
        calls = tuple(Call(use["id"], use["name"], use["input"]) for use in uses)
        reason = REASONS["messages"][reply["stop_reason"]]
        told = Told(text, calls, reason, usage["input_tokens"], usage["output_tokens"])
        return told, [{"role": "assistant", "content": blocks}]


class Gemini:
    def user(self, text: str, image: bool = False) -> JSON:
        seen = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
        return {"role": "user", "parts": [{"text": text}, *([seen] if image else [])]}

    def results(self, calls: tuple[Call, ...]) -> list[JSON]:
        told = [
            {"functionResponse": {"id": call.id, "name": call.name, "response": json.loads(result)}}
            for call, result in zip(calls, RESULTS, strict=True)
        ]
        return [{"role": "user", "parts": told}]

    def request(self, talk: list[JSON], stream: bool, tools: bool, schema: bool, most: int) -> ChatRequest:
        config: JSON = {"maxOutputTokens": most}
        body: JSON = {"contents": talk, "generationConfig": config}
        if tools:
            declared = {"name": NAME, "description": WHAT, "parametersJsonSchema": CITY}
            body["tools"] = [{"functionDeclarations": [declared]}]
        if schema:
            config |= {"responseMimeType": "application/json", "responseJsonSchema": PERSON}
        return gemini.read_request(compact(body).encode(), BOUNDS, MODEL, stream)

    def whole(self, events: list[Event], request: ChatRequest) -> JSON:
        return json.loads(gemini.write_reply(gather(events), request, LABEL))

    def streamed(self, events: list[Event], request: ChatRequest) -> JSON:
        chunks = events_of(b"".join(gemini.write_events(events, request, lambda: LABEL)))
        parts = [p for chunk in chunks for p in chunk["candidates"][0]["content"]["parts"]]
        last = chunks[-1]
        candidate = {**last["candidates"][0], "content": {"role": "model", "parts": parts}}
        return {**last, "candidates": [candidate]}

    def read(self, reply: JSON) -> tuple[Told, list[JSON]]:
        (candidate,), usage = reply["candidates"], reply["usageMetadata"]
        parts = candidate["content"]["parts"]
        text = "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
        made = [part["functionCall"] for part in parts if "functionCall" in part]
        calls = tuple(Call(call["id"], call["name"], call["args"]) for call in made)
        ended = {"STOP": "tool_calls" if calls else "stop", "MAX_TOKENS": "length"}
        written = usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0)
        told = Told(text, calls, ended[candidate["finishReason"]], usage["promptTokenCount"], written)
        return told, [candidate["content"]]


class Responses:
    def __init__(self) -> None:
        self._asked: responses.Asked
        self._ids = (f"resp_{i}" for i in itertools.count())

    def user(self, text: str, image: bool = False) -> JSON:
        seen = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}
        return {"role": "user", "content": [{"type": "input_text", "text": text}, seen] if image else text}

    def results(self, calls: tuple[Call, ...]) -> list[JSON]:
        return [
            {"type": "function_call_output", "call_id": call.id, "output": result}
            for call, result in zip(calls, RESULTS, strict=True)
        ]

    def request(self, talk: list[JSON], stream: bool, tools: bool, schema: bool, most: int) -> ChatRequest:
        body: JSON = {"model": MODEL, "input": talk, "max_output_tokens": most, "stream": stream}
        if tools:
            body["tools"] = [{"type": "function", "name": NAME, "description": WHAT, "parameters": CITY}]
        if schema:
            body["text"] = {"format": {"type": "json_schema", "name": "response", "schema": PERSON}}
        self._asked = responses.read_request(compact(body).encode(), BOUNDS)
        return responses.with_history(self._asked, ())

    def _begin(self) -> responses.Writer:
        return responses.Writer(responses.opening(self._asked, next(self._ids), 1, MODEL), SHOWN, lambda: 2)

    def whole(self, events: list[Event], request: ChatRequest) -> JSON:
        writer = self._begin()
        for event in events:
            writer.feed(event)
        return json.loads(responses.write_reply(writer.response, SHOWN))

    def streamed(self, events: list[Event], request: ChatRequest) -> JSON:
        kept: list[JSON] = []
        told = events_of(b"".join(responses.write_events(events, self._begin, kept.append)))
        assert [event["sequence_number"] for event in told] == list(range(len(told)))
        items: list[JSON] = []
        for event in told:
            kind = event["type"].removeprefix("response.")
            if kind == "output_item.added":
                items.append(event["item"])
            elif kind == "content_part.added":
                items[event["output_index"]]["content"].append(event["part"])
            elif kind == "output_text.delta":
                items[event["output_index"]]["content"][event["content_index"]]["text"] += event["delta"]
            elif kind == "function_call_arguments.delta":
                items[event["output_index"]]["arguments"] += event["delta"]
        last = told[-1]["response"]
        assert kept == [last]
        bare = [{**item, "status": "completed"} for item in items]
        assert bare == [{**item, "status": "completed"} for item in last["output"]]
        return {**last, "output": bare}

    def read(self, reply: JSON) -> tuple[Told, list[JSON]]:
        items, usage = reply["output"], reply["usage"]
        said = [part for item in items if item["type"] == "message" for part in item["content"]]
        made = [item for item in items if item["type"] == "function_call"]
        calls = tuple(Call(item["call_id"], item["name"], json.loads(item["arguments"])) for item in made)
        ended = {"completed": "tool_calls" if calls else "stop", "incomplete": "length"}
        text = "".join(part["text"] for part in said)
        told = Told(text, calls, ended[reply["status"]], usage["input_tokens"], usage["output_tokens"])
        return told, items


DIALECTS = {"chat": Chat, "messages": Messages, "gemini": Gemini, "responses": Responses}
every_pair = pytest.mark.parametrize(
    ("dialect", "kind", "stream"),
    [(dialect, kind, stream) for dialect in DIALECTS for kind in ANSWER for stream in (False, True)],
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    running = start()
    yield running.url
    running.stop()


class Speaker:
    """A client of one dialect, in front of one provider. `heard`: its last request as the waist has it."""

    heard: ChatRequest

    def __init__(self, sandbox: str, dialect: str, kind: str, stream: bool) -> None:
        self.wire: Any = DIALECTS[dialect]()
        self.talk: list[JSON] = []
        self._ask, self._stream, self._http = ANSWER[kind], stream, Client(Timeouts(reply_s=10))
        base = f"{sandbox}/{kind}" if kind != "openai_like" else f"{sandbox}/openai/v1"
        row = ProviderRow(kind, kind, base, "key")  # type: ignore[arg-type]
        self._target = Target(Model(MODEL, kind, MODEL, 200_000, 64_000, PRICE, CAN), row, PRICE)

    def say(self, *messages: JSON, tools: bool = False, schema: bool = False, most: int = 4000) -> Told:
        self.talk += messages
        request = self.wire.request(self.talk, self._stream, tools, schema, most)
        self.heard = request
        events = list(self._ask(request, self._target, most, self._http))
        reply = (self.wire.streamed if self._stream else self.wire.whole)(events, request)
        told, message = self.wire.read(reply)
        assert told == canonical(gather(events))
        self.talk += message
        return told


def canonical(reply: Reply) -> Told:
    (choice,), usage = reply.choices, reply.usage
    assert usage is not None
    text = "".join(part.text for part in choice.parts if isinstance(part, Text))
    made = [part for part in choice.parts if isinstance(part, ToolCall)]
    calls = tuple(Call(call.id, call.name, json.loads(call.arguments)) for call in made)
    return Told(text, calls, choice.reason, usage.input_tokens, usage.output_tokens)


@every_pair
def test_the_same_conversation_has_the_same_replies(sandbox: str, dialect: str, kind: str, stream: bool) -> None:
    speaker = Speaker(sandbox, dialect, kind, stream)
    wire = speaker.wire
    asked = speaker.say(wire.user(ASKED), tools=True)
    assert (asked.text, asked.reason) == ("", "tool_calls")
    assert [(call.name, call.arguments) for call in asked.calls] == [(NAME, city) for city in CITIES]
    assert len({call.id for call in asked.calls}) == 2
    answered = speaker.say(*wire.results(asked.calls), tools=True)
    assert answered.text.startswith("The tools answered: ") and answered.reason == "stop"
    assert re.findall(r"\d+", answered.text) == ["21", "12"]
    seen = speaker.say(wire.user("What is this?", image=True), tools=True)
    offline = f"Hello from the Thermly sandbox: {MODEL} is answering offline."
    assert seen.text == f"{offline} I can see 1 image. You said: What is this?"
    person = speaker.say(wire.user("Ada is 36"), schema=True)
    assert json.loads(person.text) == {"name": "Ada", "age": 36}
    cut = speaker.say(wire.user("[[sandbox: tokens=500]]"), tools=True, most=40)
    assert cut.reason == "length" and 0 < len(cut.text) < 200 and cut.output_tokens <= 40


def spoken(request: ChatRequest) -> list[Any]:
    """Who said what, without the names that only one wire has; a result stands by itself, as most wires have it."""
    told: list[Any] = []
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolCall):
                told.append((message.role, part.name, json.loads(part.arguments)))
            elif isinstance(part, ToolResult):
                told.append((message.role, part.name, [(inner.text,) for inner in part.parts]))
            elif isinstance(part, Media):
                told.append((message.role, part.kind, part.media_type, part.data))
            else:
                told.append((message.role, part.text))
    return told


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_same_conversation_is_the_same_request(sandbox: str, dialect: str) -> None:
    speaker = Speaker(sandbox, dialect, "openai_like", False)
    asked = speaker.say(speaker.wire.user(ASKED), tools=True)
    speaker.say(*speaker.wire.results(asked.calls), tools=True)
    seen = speaker.say(speaker.wire.user("Ada is 36", image=True), tools=True, schema=True)
    heard = speaker.heard
    assert spoken(heard) == [
        ("user", ASKED),
        *(("assistant", NAME, city) for city in CITIES),
        *(("tool", NAME, [(result,)]) for result in RESULTS),
        ("assistant", f"The tools answered: {'; '.join(RESULTS)}"),
        ("user", "Ada is 36"),
        ("user", "image", "image/png", PIXEL),
    ]
    assert heard.tools == (Tool(NAME, WHAT, CITY),) and heard.max_output_tokens == 4000
    assert heard.response_format is not None and heard.response_format.schema == PERSON and seen.text
