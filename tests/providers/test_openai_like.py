"""The OpenAI → OpenAI-like lane loses nothing, and nobody's broken JSON gets through it."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.catalog import CAPABILITIES, Model, Price, ProviderRow, Target
from thermly.dialects import Bounds, Label, openai_chat
from thermly.dialects.openai_types import ChatBody
from thermly.errors import GatewayError, InvalidRequest, UnsupportedContent, UpstreamFailed
from thermly.exchange import (
    ChatRequest,
    Event,
    KeepAlive,
    Media,
    Message,
    PartBegin,
    PartDelta,
    Reasoning,
    Refusal,
    Reply,
    ResponseFormat,
    Text,
    ToolCall,
    ToolResult,
    Tuning,
    Usage,
    gather,
)
from thermly.pricing import measure
from thermly.providers import openai_like
from thermly.providers.failures import failure
from thermly.providers.openai_like import explain, read_reply, read_stream, write_request

Doc = dict[str, Any]
WIDE = Bounds(max_tools=10_000)
PRICE = Price(0, 0, 0, 0, 0)
LABEL = Label("id-1", 1_700_000_000, "gpt-x", "gpt-x", 3, False)


def target(can: frozenset[str] = CAPABILITIES, options: Iterable[str] = ()) -> Target:
    row = ProviderRow("openai", "openai_like", "http://x/v1", "key", options=frozenset(options))
    return Target(Model("gpt-x", "openai", "gpt-x", 1_000_000, 100_000, PRICE, can), row, PRICE)


def sent(body: Doc, can: frozenset[str] = CAPABILITIES, options: Iterable[str] = ()) -> Doc:
    """What the upstream is sent for a client's body."""
    request = openai_chat.read_request(json.dumps(body).encode(), WIDE)
    most = request.max_output_tokens or 100_000
    written: Doc = json.loads(msgspec.json.encode(write_request(request, target(can, options), most)))
    return written


# ---- requests

PNG = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
MESSAGES: list[Doc] = [
    {"role": "system", "content": "Be brief.", "name": "boss", "x_system": [1]},
    {"role": "developer", "content": [{"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}}]},
    {
        "role": "user",
        "name": "ann",
        "x_user": {"deep": [None, 1.5]},
        "content": [
            {"type": "text", "text": "Look:", "x_part": "kept"},
            {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "input_audio", "input_audio": {"data": "SUQzBA==", "format": "mp3"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
        ],
    },
    {
        "role": "assistant",
        "content": "I will look.",
        "name": "bot",
        "reasoning_content": "Hm.",
        "annotations": [{"type": "url_citation"}],
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": "broken'}},
            {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "seen", "x_tool": True},
    {
        "role": "tool",
        "tool_call_id": "c2",
        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
    },
    {"role": "assistant", "content": None, "refusal": "No."},
    {"role": "user", "content": ""},
]
RICH: Doc = {
    "model": "gpt-x",
    "messages": MESSAGES,
    "store": True,
    "metadata": {"a": "b"},
    "frequency_penalty": 0.5,
    "presence_penalty": -0.5,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 3,
    "max_completion_tokens": 77,
    "n": 2,
    "modalities": ["text", "audio"],
    "audio": {"voice": "alloy", "format": "wav", "x_audio": 1},
    "prediction": {"type": "content", "content": [{"type": "text", "text": "x", "x_part": 1}]},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "s", "schema": SCHEMA, "description": "d", "strict": True},
    },
    "seed": -5,
    "service_tier": "default",
    "stop": ["END", "STOP"],
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 1.5,
    "top_p": 0.5,
    "tools": [
        {
            "type": "function",
            "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA, "strict": False},
        },
        {"type": "function", "function": {"name": "bare"}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "parallel_tool_calls": False,
    "reasoning_effort": "low",
    "verbosity": "high",
    "web_search_options": {"search_context_size": "low", "user_location": {"type": "approximate"}},
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "user": "u",
    "x_unknown": {"deep": [1, None, {"y": 2.5}]},
    "top_k": 4,
}
# Deprecated names: read as what came after them, which the tests below show.
OLDER = {"max_tokens", "functions", "function_call"}


def test_the_rich_body_has_every_field_of_the_wire():
    assert set(ChatBody.__struct_fields__) - OLDER <= RICH.keys()


@pytest.mark.parametrize("field", RICH)
def test_a_field_arrives_as_it_was_sent(field: str):
    if field == "messages":
        return  # one by one below
    assert sent(RICH)[field] == RICH[field]


@pytest.mark.parametrize("i", range(len(MESSAGES)))
def test_a_message_arrives_as_it_was_sent(i: int):
    assert sent(RICH)["messages"][i] == MESSAGES[i]


BOUND = {"max_completion_tokens": 100_000}


def test_nothing_is_added_but_the_bound():
    assert sent(RICH).keys() == RICH.keys()
    small = {"model": "gpt-x", "messages": [{"role": "user", "content": "Hi"}]}
    assert sent(small) == {**small, **BOUND}


@pytest.mark.parametrize(
    ("given", "arrives"),
    [
        ({"max_tokens": 9}, {"max_completion_tokens": 9}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"stop": "END"}, {"stop": ["END"]}),
        ({"n": 1, "logprobs": False, "response_format": {"type": "text"}, "modalities": ["text"]}, {}),
        (
            {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
            {
                "tools": [{"type": "function", "function": {"name": "f"}}],
                "tool_choice": {"type": "function", "function": {"name": "f"}},
            },
        ),
    ],
)
def test_documented_differences(given: Doc, arrives: Doc):
    small = {"model": "gpt-x", "messages": [{"role": "user", "content": "Hi"}]}
    assert sent({**small, **given}) == {**small, **BOUND, **arrives}


@pytest.mark.parametrize(("messages", "arrive"), [
    ([{"role": "user", "content": "Make jsOn"}], [{"role": "user", "content": "Make jsOn"}]),
    ([{"role": "user", "content": "Hi"}],
     [{"role": "system", "content": "Answer in JSON."}, {"role": "user", "content": "Hi"}]),
    ([{"role": "developer", "content": "Be brief"}, {"role": "user", "content": "Hi"}],
     [{"role": "developer", "content": "Be brief\n\nAnswer in JSON."}, {"role": "user", "content": "Hi"}]),
    ([{"role": "system", "content": [{"type": "text", "text": t} for t in "ab"]}],
     [{"role": "system", "content": [{"type": "text", "text": t} for t in ("a", "b", "Answer in JSON.")]}]),
])  # fmt: skip
def test_a_json_object_is_asked_for_in_words_where_no_message_has_the_word(messages: list[Doc], arrive: list[Doc]):
    form = {"response_format": {"type": "json_object"}}
    asked = {"model": "gpt-x", "messages": messages}
    assert sent({**asked, **form}) == {**asked, **BOUND, **form, "messages": arrive}
    for other in ({"type": "text"}, {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}):
        assert sent({**asked, "response_format": other})["messages"] == messages


def test_what_asks_for_a_json_object_is_within_the_hold():
    asked = ChatRequest("gpt-x", (Message("user", (Text("Hi"),)),), response_format=ResponseFormat("json_object"))
    written = write_request(asked, target(), 9)["messages"]
    assert len(json.dumps(written)) <= measure(asked).bound("openai_like")


@pytest.mark.parametrize(
    "choice",
    [
        "none",
        "auto",
        "required",
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "bare"}}]},
        },
    ],
)
def test_tool_choices(choice: Any):
    assert sent({**RICH, "tool_choice": choice})["tool_choice"] == choice


def test_what_a_model_cannot_take_is_not_sent_to_it():
    body = sent(RICH, CAPABILITIES - {"sampling", "reasoning", "parallel_tools"}, ["no_stop"])
    assert RICH.keys() - body.keys() == {
        *("temperature", "top_p", "frequency_penalty", "presence_penalty", "logit_bias"),
        *("reasoning_effort", "parallel_tool_calls", "stop", "max_completion_tokens"),
    }
    assert body["max_tokens"] == 77
    assert sent(RICH, options=["max_tokens"])["max_tokens"] == 77


def test_the_bound_is_always_sent_since_the_hold_rests_on_it():
    request = ChatRequest("m", (Message("user", (Text("Hi"),)),))
    for bound in (100_000, 99_999):
        assert write_request(request, target(), bound)["max_completion_tokens"] == bound


def test_thoughts_go_back_under_the_name_that_they_came_with():
    thoughts = (Reasoning("a", {"openai": {"field": "reasoning"}}), Reasoning("foreign"), Text("b"))
    request = ChatRequest("m", (Message("assistant", thoughts),), tuning=Tuning())
    (message,) = write_request(request, target(), 100_000)["messages"]
    assert message == {"role": "assistant", "content": "b", "reasoning": "a"}


@pytest.mark.parametrize("place", ["user", "tool"])
@pytest.mark.parametrize(("kind", "says"), [("file", "files"), ("audio", "sounds")])
def test_what_the_wire_takes_only_with_its_data_is_refused_by_name(kind: Any, says: str, place: Any) -> None:
    part: Any = Media(kind, url="https://example.org/a", name="a")
    said = part if place == "user" else ToolResult("call", (part,))
    request = ChatRequest("gpt-x", (Message(place, (said,)),))
    with pytest.raises(UnsupportedContent, match=f"{says} only with their data") as caught:
        write_request(request, target(), 100)
    assert (caught.value.code, caught.value.param) == ("unsupported_content", "messages")


@pytest.mark.parametrize(
    ("part", "arrives"),
    [
        (Media("file", "application/pdf", "AA=="), ("document.pdf", "data:application/pdf;base64,AA==")),
        (Media("file", None, "AA=="), ("document.pdf", "data:application/pdf;base64,AA==")),
        (Media("file", "application/pdf", "AA==", name="a.pdf"), ("a.pdf", "data:application/pdf;base64,AA==")),
        (Media("file", "text/csv", "YSxi"), ("document.csv", "data:text/csv;base64,YSxi")),
        (Media("file", "x/unheard-of", "AA=="), ("document", "data:x/unheard-of;base64,AA==")),
        (Media("file", "text/plain", "/w=="), ("document.txt", "data:text/plain;base64,/w==")),
    ],
)
def test_a_file_has_a_name(part: Media, arrives: tuple[str, str]) -> None:
    (message,) = write_request(ChatRequest("m", (Message("user", (part,)),)), target(), 100)["messages"]
    name, data = arrives
    assert message["content"] == [{"type": "file", "file": {"filename": name, "file_data": data}}]


@pytest.mark.parametrize(
    ("media_type", "name", "arrives"),
    [
        ("text/plain", None, "hé"),
        ("text/plain", "a.txt", "a.txt\n\nhé"),
        ("Text/Plain; charset=utf-8", None, "hé"),
    ],
)
def test_a_file_of_text_is_text(media_type: str, name: str | None, arrives: str) -> None:
    part = Media("file", media_type, "aMOp", name=name)
    (message,) = write_request(ChatRequest("m", (Message("user", (part,)),)), target(), 100)["messages"]
    assert message["content"] == [{"type": "text", "text": arrives}]


# ---- replies, as recorded

ROWS = [{"token": t, "logprob": -0.1, "bytes": list(t.encode()), "top_logprobs": []} for t in ("Hel", "lo")]
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 4,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a": "ü"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "look", "arguments": '{"a": "bro'}},
]


def choice(index: int, message: Doc, reason: str = "stop", rows: Any = None) -> Doc:
    logprobs = None if rows is None else {"content": rows, "refusal": None}
    plain = {"role": "assistant", "content": None, "refusal": None}
    return {"index": index, "message": {**plain, **message}, "logprobs": logprobs, "finish_reason": reason}


def reply(*choices: Doc, **more: Any) -> Doc:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-x-2026",
        "choices": list(choices),
        "usage": USAGE,
        "system_fingerprint": "fp_1",
        "service_tier": "default",
        **more,
    }


ANNOTATIONS = [{"type": "url_citation", "url_citation": {"url": "https://x", "start_index": 0, "end_index": 3}}]
REPLIES = {
    "text with log probabilities": reply(choice(0, {"content": "Hello", "annotations": []}, rows=ROWS)),
    "two choices": reply(choice(0, {"content": "a"}), choice(1, {"content": "b"}, "length")),
    "refusal": reply(choice(0, {"refusal": "I cannot."})),
    "cut by the filter": reply(choice(0, {"content": "Well"}, "content_filter")),
    "tool calls": reply(choice(0, {"tool_calls": CALLS}, "tool_calls")),
    "words and tool calls": reply(choice(0, {"content": "Let me see.", "tool_calls": CALLS}, "tool_calls")),
    "thoughts": reply(choice(0, {"content": "Hi", "reasoning_content": "Hm."})),
    "audio": reply(choice(0, {"audio": {"id": "a", "data": "AA==", "transcript": "Hi"}, "content": ""})),
    "unknown fields": reply(
        choice(0, {"content": "Hi", "annotations": ANNOTATIONS, "reasoning_details": [{"x": 1}]}),
        citations=["https://x"],
    ),
    "an unknown field of a tool call": reply(
        choice(
            0, {"tool_calls": [{**CALLS[0], "extra_content": {"google": {"thought_signature": "s"}}}]}, "tool_calls"
        )
    ),
}
REQUEST = ChatRequest("gpt-x", (Message("user", (Text("Hi"),)),), wishes=("include_usage",))
OURS = ("id", "created", "model", "x_thermostat")


@pytest.mark.parametrize("scene", REPLIES)
def test_a_whole_reply_arrives_unchanged(scene: str):
    written = json.loads(openai_chat.write_reply(gather(read_reply(REPLIES[scene])), REQUEST, LABEL))
    assert {k: v for k, v in written.items() if k not in OURS} == {
        k: v for k, v in REPLIES[scene].items() if k not in OURS
    }


def chunks_of(doc: Doc, size: int = 2) -> Iterator[Doc]:
    """The whole reply as its server would have streamed it: words in pieces, calls interleaved, usage last."""
    head = {k: v for k, v in doc.items() if k not in ("choices", "usage")} | {"object": "chat.completion.chunk"}

    def chunk(index: int, delta: Doc, reason: str | None = None, rows: Any = None) -> Doc:
        logprobs = None if rows is None else {"content": rows, "refusal": None}
        row = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return {**head, "choices": [row], "usage": None, "obfuscation": "x" * size}

    for one in doc["choices"]:
        yield chunk(one["index"], {"role": "assistant", "content": "", "refusal": None})
    for one in doc["choices"]:
        message, rows = one["message"], (one["logprobs"] or {}).get("content")
        for field in ("reasoning_content", "content", "refusal"):
            pieces = pieces_of(message.get(field) or "", size) if not rows else [row["token"] for row in rows]
            if field == "content" or not rows:
                for i, piece in enumerate(pieces):
                    yield chunk(one["index"], {field: piece}, None, rows and rows[i : i + 1])
        for i, call in enumerate(message.get("tool_calls", ())):
            named = {**call, "index": i, "function": {**call["function"], "arguments": ""}}
            yield chunk(one["index"], {"tool_calls": [named]})
            for piece in pieces_of(call["function"]["arguments"], size):
                yield chunk(one["index"], {"tool_calls": [{"index": i, "function": {"arguments": piece}}]})
        known = ("role", "content", "refusal", "reasoning_content", "tool_calls")
        yield chunk(one["index"], {k: v for k, v in message.items() if k not in known}, one["finish_reason"])
    yield {**head, "choices": [], "usage": doc["usage"]}


def pieces_of(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def sse(docs: Iterable[Any]) -> Iterator[tuple[bytes, bytes] | None]:
    for doc in docs:
        yield None if doc is None else (b"", json.dumps(doc).encode())
    yield b"", b"[DONE]"


def heard(stream: bytes) -> Doc:
    """The reply that a client puts together from our chunks, as the vendor's own client does."""
    *blocks, done, rest = stream.decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    out: Doc = {"object": "chat.completion", "usage": None}
    choices: dict[int, Doc] = {}
    for block in blocks:
        doc = json.loads(block.removeprefix("data: "))
        for row in doc.pop("choices"):
            one = choices.setdefault(row["index"], choice(row["index"], {}))
            message = one["message"]
            for name, value in row["delta"].items():
                if name == "tool_calls":
                    add_calls(message.setdefault(name, []), value)
                elif isinstance(value, str) and name != "role":
                    message[name] = (message.get(name) or "") + value
                elif value is not None:
                    message[name] = value
            if row["logprobs"]:
                one["logprobs"] = one["logprobs"] or {"content": [], "refusal": None}
                one["logprobs"]["content"] += row["logprobs"]["content"]
            one["finish_reason"] = row["finish_reason"] or one["finish_reason"]
        out |= {k: v for k, v in doc.items() if k != "object"}
    return {**out, "choices": [choices[i] for i in sorted(choices)]}


def add_calls(calls: list[Doc], fragments: list[Doc]) -> None:
    for fragment in fragments:
        index = fragment.pop("index")
        if index == len(calls):
            calls.append(fragment)
        else:
            calls[index]["function"]["arguments"] += fragment["function"]["arguments"]


@pytest.mark.parametrize("scene", REPLIES)
def test_a_streamed_reply_arrives_unchanged(scene: str):
    doc = REPLIES[scene]
    got = heard(b"".join(openai_chat.write_events(read_stream(sse(chunks_of(doc))), REQUEST, lambda: LABEL)))
    for one in got["choices"]:
        one["message"]["content"] = one["message"]["content"] or None  # the first chunk opens it with ""
    for one in (wanted := json.loads(json.dumps(doc)))["choices"]:
        one["message"]["content"] = one["message"]["content"] or None
    assert {k: v for k, v in got.items() if k not in OURS} == {k: v for k, v in wanted.items() if k not in OURS}


@pytest.mark.parametrize("scene", REPLIES)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_stream_tells_the_same_as_the_whole_reply(scene: str, size: int):
    assert gather(read_stream(sse(chunks_of(REPLIES[scene], size)))) == gather(read_reply(REPLIES[scene]))


def parts_of(events: Iterable[Event]) -> tuple[Any, ...]:
    (one,) = gather(events).choices
    return one.parts


def delta(*deltas: Doc, reason: str = "stop") -> Iterator[Any]:
    docs = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    return sse([*docs, {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}])


def test_interleaved_calls_are_put_in_order():
    def call(index: int, text: str, **named: Any) -> Doc:
        function = {"arguments": text, **({"name": named.pop("name")} if named else {})}
        return {"tool_calls": [{"index": index, **named, "function": function}]}

    deltas = (call(0, "{", id="a", name="f"), call(1, "{", id="b", name="g"), call(0, "}"), call(1, "}"))
    assert parts_of(read_stream(delta(*deltas))) == (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"))


def test_the_older_function_call_is_a_tool_call():
    whole = reply(choice(0, {"function_call": {"name": "f", "arguments": "{}"}}, "function_call"))
    pieces = ({"function_call": {"name": "f", "arguments": "{"}}, {"function_call": {"arguments": "}"}})
    for events in (read_reply(whole), read_stream(delta(*pieces, reason="function_call"))):
        found = gather(events).choices[0]
        assert found.reason == "tool_calls"
        (call,) = found.parts
        assert (call.name, call.arguments) == ("f", "{}") and call.id.startswith("call_")


def test_calls_without_ids_get_ids_of_their_own():
    bare = [{"function": {"name": "f", "arguments": "{}"}}] * 2
    first, second = parts_of(read_reply(reply(choice(0, {"tool_calls": bare}, "tool_calls"))))
    assert first.id != second.id


def test_content_in_parts():
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Hi"},
        {"type": "refusal", "refusal": "No"},
    ]
    parts = (Reasoning("Hm."), Text("Hi"), Refusal("No"))
    assert parts_of(read_reply(reply(choice(0, {"content": content})))) == parts
    assert parts_of(read_stream(delta({"content": content}))) == parts


def test_thoughts_remember_their_field():
    for field in ("reasoning", "reasoning_content"):
        part = (Reasoning("Hm.", {"openai": {"field": field}}),)
        assert parts_of(read_reply(reply(choice(0, {field: "Hm."})))) == part
        assert parts_of(read_stream(delta({field: "Hm"}, {field: "."}))) == part


def test_fields_that_come_in_pieces_are_put_together():
    pieces = (
        {"audio": {"id": "a", "transcript": "H"}, "annotations": [1]},
        {"audio": {"transcript": "i", "data": "AA"}},
        {"audio": {"data": "BB", "id": None, "expires_at": 7}, "annotations": [2]},
    )
    (found,) = gather(read_stream(delta(*pieces))).choices
    audio = {"id": "a", "transcript": "Hi", "data": "AABB", "expires_at": 7}
    assert found.extras == {"openai": {"audio": audio, "annotations": [1, 2]}}


def test_text_is_told_at_once_and_silence_too():
    docs = [d for d in chunks_of(REPLIES["two choices"])]
    events = list(read_stream(sse([docs[0], None, *docs[1:]])))
    assert events[1] == KeepAlive()
    assert [(e.choice, e.text) for e in events if isinstance(e, PartDelta)] == [(0, "a"), (1, "b")]


def test_token_rows_without_words_of_their_own_are_kept():
    def row(d: Doc, *rows: Doc) -> Doc:
        return {"choices": [{"index": 0, "delta": d, "logprobs": {"content": list(rows)}, "finish_reason": None}]}

    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    docs = [row({"content": "é"}, ROWS[0]), row({"content": ""}, ROWS[1]), row({"content": ""}), end]
    events = list(read_stream(sse(docs)))
    assert [e.logprobs for e in events if isinstance(e, PartDelta)] == [[ROWS[0]], [ROWS[1]]]
    assert gather(events).choices[0].logprobs == ROWS


def test_token_rows_of_a_refusal_and_of_thoughts_and_calls():
    refusal = choice(0, {"refusal": "No"}) | {"logprobs": {"content": None, "refusal": ROWS}}
    assert gather(read_reply(reply(refusal))).choices[0].logprobs == ROWS
    call = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}
    for d in ({"refusal": "No"}, {"reasoning": "Hm"}, call, {"function_call": {"name": "f", "arguments": "{}"}}):
        row = {"index": 0, "delta": d, "logprobs": {"content": ROWS}, "finish_reason": "stop"}
        events = list(read_stream(sse([{"choices": [row]}])))
        assert [e.logprobs for e in events if isinstance(e, PartDelta)] == [ROWS]
        assert sum(isinstance(e, PartBegin) for e in events) == 1


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (None, None),
        ({}, None),
        ({"prompt_tokens": 3, "completion_tokens": 2}, Usage(3, output_tokens=2)),
        (USAGE, Usage(20, 8, 0, 0, 9, 4)),
        ({"prompt_tokens": 9, "prompt_tokens_details": None, "prompt_cache_hit_tokens": 4}, Usage(9, 4)),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2}},
            Usage(9, 1, 2),
        ),
    ],
)
def test_usage(usage: Any, read: Usage | None):
    whole = reply(choice(0, {"content": "x"}), usage=usage)
    assert gather(read_reply(whole)).usage == read
    assert gather(read_stream(sse(chunks_of(whole)))).usage == read


# ---- what has no word in the waist

AUDIO_USAGE = {**USAGE, "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 5}}


def test_the_token_rows_of_a_refusal_keep_their_name():
    refusal = choice(0, {"refusal": "No"}) | {"logprobs": {"content": None, "refusal": ROWS}}
    written = json.loads(openai_chat.write_reply(gather(read_reply(reply(refusal))), REQUEST, LABEL))
    assert written["choices"][0]["logprobs"] == refusal["logprobs"]


def test_usage_keeps_its_details():
    written = openai_chat.write_reply(gather(read_reply(reply(choice(0, {}), usage=AUDIO_USAGE))), REQUEST, LABEL)
    assert json.loads(written)["usage"] == AUDIO_USAGE


@pytest.mark.parametrize("role", ["assistant", "tool"])
def test_unknown_fields_of_text_parts_arrive_for_every_role(role: str):
    marked = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]
    made = {"role": "assistant", "content": marked, "tool_calls": [CALLS[0]]}
    messages = [made, {"role": "tool", "tool_call_id": "call_1", "content": marked}]
    found = sent({"model": "gpt-x", "messages": messages})["messages"]
    assert next(m for m in found if m["role"] == role)["content"] == marked


def test_unknown_fields_of_tools_arrive():
    tools = [{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}}]
    assert sent({"model": "gpt-x", "messages": MESSAGES[:1], "tools": tools})["tools"] == tools


def test_unknown_fields_of_tool_calls_arrive():
    call = {**CALLS[0], "extra_content": {"google": {"thought_signature": "s"}}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert sent({"model": "gpt-x", "messages": [message]})["messages"] == [message]


def test_unknown_fields_of_a_choice_arrive():
    filtered = {**choice(0, {"content": "x"}), "content_filter_results": {"hate": {"filtered": False}}}
    written = json.loads(openai_chat.write_reply(gather(read_reply(reply(filtered))), REQUEST, LABEL))
    assert written["choices"] == [filtered]


# ---- what goes wrong


@pytest.mark.parametrize("word", openai_like.BROKEN_OFF)
def test_an_answer_that_its_server_broke_off_is_no_answer(word: str):
    for events in (read_reply(reply(choice(0, {"content": "x"}, word))), read_stream(delta(reason=word))):
        with pytest.raises(UpstreamFailed) as caught:
            gather(events)
        assert caught.value.code == "upstream_cut"


@pytest.mark.parametrize(
    "length", [n for n in range(20) if n < len(list(chunks_of(REPLIES["two choices"], 1))) - 1]
)
def test_a_stream_cut_anywhere_never_looks_complete(length: int):
    docs = list(chunks_of(REPLIES["two choices"], 1))[:length]
    with pytest.raises(UpstreamFailed) as caught:
        list(read_stream((b"", json.dumps(doc).encode()) for doc in docs))
    assert caught.value.code == "upstream_cut"


def test_an_error_in_the_stream_is_the_upstreams_failure_and_told_without_secrets():
    error = {"error": {"message": "Bad key sk-proj-abcdef123456", "code": 401}}
    for docs in ([error], [*list(chunks_of(REPLIES["refusal"]))[:3], error]):
        with pytest.raises(UpstreamFailed) as caught:
            list(read_stream(sse(docs)))
        assert "Bad key" in caught.value.detail and "abcdef" not in caught.value.detail
    with pytest.raises(UpstreamFailed):
        list(read_reply(error))


@pytest.mark.parametrize("doc", [None, 7, [], {}, "x", {"choices": []}, {"choices": None}, {"error": 7}])
def test_a_document_that_is_no_answer(doc: Any):
    with pytest.raises(UpstreamFailed):
        list(read_reply(doc))
    with pytest.raises(UpstreamFailed):
        list(read_stream(sse([doc])) if doc is not None else read_stream(iter([(b"", b"null")])))


@pytest.mark.parametrize(
    "data", [b"{", b"\xff", b'"\xff"', b"[" * 100_000, b'{"choices": [{"delta": {"content": "\\ud800"}}]}']
)
def test_a_chunk_that_is_no_json(data: bytes):
    with pytest.raises(UpstreamFailed):
        list(read_stream(iter([(b"", data)])))


def test_two_choices_with_one_index():
    with pytest.raises(UpstreamFailed):
        list(read_reply(reply(choice(0, {"content": "a"}), choice(0, {"content": "b"}))))
    bare = [{k: v for k, v in choice(0, {"content": c}).items() if k != "index"} for c in "ab"]
    assert [c.parts for c in gather(read_reply(reply(*bare))).choices] == [(Text("a"),), (Text("b"),)]


def paths(doc: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    for key, child in doc.items() if isinstance(doc, dict) else enumerate(doc) if isinstance(doc, list) else ():
        yield from paths(child, (*at, key))


def spoilt(doc: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    copy = dict(doc) if isinstance(doc, dict) else list(doc)
    copy[at[0]] = spoilt(doc[at[0]], at[1:], value)
    return copy


EVERYTHING = reply(
    choice(0, {"content": "Hello", "reasoning_content": "Hm", "tool_calls": CALLS}, "tool_calls", ROWS),
    choice(1, {"refusal": "No", "function_call": {"name": "f", "arguments": "{}"}}),
)
CHUNKS = list(chunks_of(EVERYTHING, 3))
ODD = st.sampled_from(
    [None, 7, -1, True, 1.5, "x", "", [], [1], [{}], ["x"], {}, {"text": 1}, {"name": 3}, {"arguments": {}}]
)


def check(events: Iterator[Event]) -> None:
    """Either a reply whose every value has the type that it says, or the upstream's failure and nothing else."""
    try:
        told = list(events)
    except GatewayError as error:
        assert isinstance(error, UpstreamFailed)
        return
    whole = gather(iter(told))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(whole), type=Reply) == whole
    b"".join(openai_chat.write_events(iter(told), REQUEST, lambda: LABEL))
    for event in told:
        assert type(event)(**msgspec.structs.asdict(event)) == event
        msgspec.convert(msgspec.to_builtins(event), type(event), strict=True)


@given(st.sampled_from(list(paths(EVERYTHING))), ODD)
def test_a_reply_of_the_wrong_shape_is_the_upstreams_failure(at: tuple[Any, ...], value: Any):
    check(read_reply(spoilt(EVERYTHING, at, value)))


@given(st.sampled_from(list(paths(CHUNKS))[1:]), ODD)
def test_a_stream_of_the_wrong_shape_is_the_upstreams_failure(at: tuple[Any, ...], value: Any):
    check(read_stream((b"", json.dumps(doc).encode()) for doc in spoilt(CHUNKS, at, value)))


@pytest.mark.parametrize(
    "d",
    [
        {"content": 7},
        {"content": {"a": 1}},
        {"content": [{"type": "news"}]},
        {"refusal": ["x"]},
        {"tool_calls": [{"index": 0, "id": 7, "function": {"name": "f"}}]},
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": 7}}]},
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}]},
        {"tool_calls": [{"index": -1, "id": "a", "function": {"name": "f"}}]},
        {"tool_calls": 7},
        {"function_call": {"name": ["f"]}},
        {"tool_calls": [{"index": 0, "function": {"arguments": "nameless"}}]},
    ],
)
def test_values_of_the_wrong_type_never_become_events(d: Doc):
    with pytest.raises(UpstreamFailed):
        list(read_stream(delta(d)))
    if "-1" not in str(d):  # the index of a call means nothing in a whole reply
        with pytest.raises(UpstreamFailed):
            list(read_reply(reply(choice(0, d))))


@pytest.mark.parametrize(
    ("doc", "message", "param"),
    [
        ({"error": {"message": "m", "type": "t", "code": "c", "param": "p"}}, "m", "p"),
        ({"error": {"message": "m", "param": {"a": 1}}}, "m", None),
        ({"error": "m"}, "m", None),
        ({"object": "error", "message": "m", "code": 400, "param": None}, "m", None),
        ({"detail": "m"}, "m", None),
    ],
)
def test_explanations(doc: Any, message: str, param: str | None):
    error = failure(400, explain(doc))
    assert isinstance(error, InvalidRequest)
    assert error.message.endswith(f": {message}") and error.param == param
