"""Gemini's wire: canonical requests to bodies, replies and streams to events, failures to errors."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.errors import ContentRefused, GatewayError, InvalidRequest, UnsupportedContent, UpstreamFailed
from thermly.exchange import (
    ChatRequest,
    KeepAlive,
    Media,
    Message,
    PartDelta,
    Reasoning,
    Refusal,
    Reply,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Tuning,
    Usage,
    gather,
)
from thermly.providers.gemini import answer, explain, read_reply, read_stream
from thermly.providers.gemini_request import NO_SIGNATURE, write_request
from thermly.providers.upstream import Client, Timeouts, failure

FLASH, NEWER = "gemini-2.5-flash", "gemini-3.8-flash"
CAN = frozenset(
    ("vision", "tools", "forced_tools", "json_schema", "reasoning", "files", "audio_input", "n", "sampling")
)
PRICE = Price(0, 0, 0, 0, 0)
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
CLOCK = Tool("clock", parameters={"type": "object", "properties": {}})


def target(upstream: str = FLASH, can: frozenset[str] = CAN, base_url: str = "http://x") -> Target:
    model = Model(upstream, "google", upstream, 1_000_000, 65_536, PRICE, can)
    return Target(model, ProviderRow("google", "gemini", base_url, "key"), PRICE)


def user(*parts: Any) -> Message:
    return Message("user", tuple(Text(p) if isinstance(p, str) else p for p in parts))


def assistant(*parts: Any) -> Message:
    return Message("assistant", tuple(Text(p) if isinstance(p, str) else p for p in parts))


def tool(*results: ToolResult) -> Message:
    return Message("tool", results)


def body_of(
    *messages: Message, model: str = FLASH, can: frozenset[str] = CAN, max_tokens: int = 65_536, **fields: Any
) -> dict[str, Any]:
    return write_request(ChatRequest("m", messages or (user("Hi"),), **fields), target(model, can), max_tokens)


def config_of(model: str = FLASH, can: frozenset[str] = CAN, **fields: Any) -> dict[str, Any]:
    config: dict[str, Any] = body_of(model=model, can=can, **fields).get("generationConfig", {})
    return config


# ---- contents


def test_a_plain_request():
    assert body_of(user("Hi")) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_system_messages_are_taken_out_and_roles_alternate():
    body = body_of(
        Message("system", (Text("A"),)),
        user("B", ""),
        user("C"),
        assistant("D", Refusal("E")),
        Message("developer", (Text("F"),)),
        assistant(""),
        user("G"),
    )
    assert body["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "F"}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "B"}, {"text": "C"}]},
        {"role": "model", "parts": [{"text": "D"}, {"text": "E"}]},
        {"role": "user", "parts": [{"text": "G"}]},
    ]


def test_contents_are_never_empty():
    body = body_of(Message("system", (Text("Rhyme."),)))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Rhyme."}]}]}


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (Media("image", "image/png", "AA=="), {"inlineData": {"mimeType": "image/png", "data": "AA=="}}),
        (Media("audio", "audio/wav", "AA=="), {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}}),
        (Media("file", data="AA=="), {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}}),
        (
            Media("image", url="https://x/y.png?z=1"),
            {"fileData": {"fileUri": "https://x/y.png?z=1", "mimeType": "image/png"}},
        ),
        (Media("image", url="https://x/y"), {"fileData": {"fileUri": "https://x/y", "mimeType": "image/jpeg"}}),
        (
            Media("file", "application/pdf", url="gs://a/b"),
            {"fileData": {"fileUri": "gs://a/b", "mimeType": "application/pdf"}},
        ),
        (
            Media("file", url="https://generativelanguage.googleapis.com/v1beta/files/abc"),
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
        ),
    ],
)
def test_media(media: Media, part: dict[str, Any]):
    assert body_of(user(media))["contents"][0]["parts"] == [part]


@pytest.mark.parametrize("media", [Media("image", url="http://x/y.png"), Media("file", extras={"openai": {}})])
def test_media_that_cannot_be_fetched_is_refused_by_name(media: Media):
    with pytest.raises(UnsupportedContent) as caught:
        body_of(user(media))
    assert caught.value.param == "messages"


def test_calls_and_their_results():
    body = body_of(
        user("?"),
        assistant(ToolCall("1", "weather", '{"city":"Oslo"}'), ToolCall("2", "clock", "")),
        user("Quick!"),
        tool(
            ToolResult("1", (Text('{"sky":"grey"}'),)), ToolResult("2", (Text("noon"), Media("image", "i", "AA")))
        ),
        tools=(WEATHER, CLOCK),
    )
    assert body["contents"][1]["parts"] == [
        {"functionCall": {"id": "1", "name": "weather", "args": {"city": "Oslo"}}},
        {"functionCall": {"id": "2", "name": "clock", "args": {}}},
    ]
    assert body["contents"][2] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "1", "name": "weather", "response": {"sky": "grey"}}},
            {"functionResponse": {"id": "2", "name": "clock", "response": {"result": "noon"}}},
            {"text": "Quick!"},
            {"inlineData": {"mimeType": "i", "data": "AA"}},
        ],
    }


@pytest.mark.parametrize(
    ("result", "response"),
    [
        (ToolResult("1", (Text("{broken"),), "f"), {"result": "{broken"}),
        (ToolResult("1", (Text("[1]"),), "f"), {"result": "[1]"}),
        (ToolResult("1", (), "f"), {"result": ""}),
        (ToolResult("1", (Text("{}"),), "f", is_error=True), {"error": "{}"}),
        (ToolResult("1", (Text('{"a":' * 5000),), "f"), {"result": '{"a":' * 5000}),
    ],
)
def test_a_result_is_always_an_object(result: ToolResult, response: dict[str, Any]):
    part = body_of(user("?"), tool(result))["contents"][0]["parts"][0]
    assert part == {"functionResponse": {"id": "1", "name": "f", "response": response}}


def test_a_result_that_answers_no_call_is_refused():
    with pytest.raises(InvalidRequest) as caught:
        body_of(user("?"), tool(ToolResult("1", (Text("x"),))))
    assert caught.value.param == "messages"


def signed(value: str) -> Any:
    return {"gemini": {"thoughtSignature": value}}


def test_signatures_go_back_with_their_parts():
    body = body_of(
        user("?"),
        assistant(
            Reasoning("Hm.", signed("a")),
            Reasoning("Foreign."),
            Text("So", signed("b")),
            Text("", signed("c")),
            ToolCall("1", "clock", "", signed("d")),
        ),
        tool(ToolResult("1", (Text("noon"),))),
        model=NEWER,
    )
    assert body["contents"][1]["parts"] == [
        {"text": "Hm.", "thought": True, "thoughtSignature": "a"},
        {"text": "So", "thoughtSignature": "b"},
        {"text": "", "thoughtSignature": "c"},
        {"functionCall": {"id": "1", "name": "clock", "args": {}}, "thoughtSignature": "d"},
    ]


def test_unsigned_calls_of_the_current_turn_are_excused_on_gemini_3():
    messages = (
        user("A"),
        assistant(ToolCall("0", "clock", "")),
        tool(ToolResult("0", (Text("x"),))),
        assistant("B"),
        user("C"),
        assistant(ToolCall("1", "clock", ""), ToolCall("2", "clock", "")),
        tool(ToolResult("1", (Text("x"),)), ToolResult("2", (Text("y"),))),
        assistant(ToolCall("3", "clock", "")),
        tool(ToolResult("3", (Text("z"),))),
    )
    for model, excused in ((FLASH, set()), (NEWER, {"1", "3"}), ("gemini-flash-latest", {"1", "3"})):
        parts = [part for content in body_of(*messages, model=model)["contents"] for part in content["parts"]]
        found = {p["functionCall"]["id"] for p in parts if p.get("thoughtSignature") == NO_SIGNATURE}
        assert found == excused


# ---- tools


def test_tools_keep_their_schema_and_an_empty_one_goes():
    assert body_of(tools=(WEATHER, CLOCK))["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "Tells the weather.",
                    "parametersJsonSchema": WEATHER.parameters,
                },
                {"name": "clock"},
            ]
        }
    ]


@pytest.mark.parametrize(
    ("choice", "written", "names"),
    [
        (None, None, ["weather", "clock"]),
        (ToolChoice("auto"), {"mode": "AUTO"}, ["weather", "clock"]),
        (ToolChoice("none"), {"mode": "NONE"}, ["weather", "clock"]),
        (ToolChoice("required"), {"mode": "ANY"}, ["weather", "clock"]),
        (
            ToolChoice("required", ("clock",)),
            {"mode": "ANY", "allowedFunctionNames": ["clock"]},
            ["weather", "clock"],
        ),
        (ToolChoice("auto", ("clock",)), {"mode": "AUTO"}, ["clock"]),
    ],
)
def test_tool_choice(choice: ToolChoice | None, written: Any, names: list[str]):
    body = body_of(tools=(WEATHER, CLOCK), tool_choice=choice)
    assert body.get("toolConfig", {}).get("functionCallingConfig") == written
    assert [declared["name"] for declared in body["tools"][-1]["functionDeclarations"]] == names


# ---- generationConfig


def test_sampling_goes_only_to_models_that_take_it():
    tuning = Tuning(temperature=1.5, top_p=0.5, frequency_penalty=0.1, presence_penalty=0.2, seed=1 << 40 | 5)
    config = config_of(
        tuning=tuning,
        stop=tuple("abcdefg"),
        n=2,
        max_output_tokens=70_000,
        extras={"gemini": {"generationConfig": {"topK": 4}}},
    )
    assert config == {
        "temperature": 1.5,
        "topP": 0.5,
        "frequencyPenalty": 0.1,
        "presencePenalty": 0.2,
        "topK": 4,
        "seed": 5,
        "stopSequences": list("abcde"),
        "candidateCount": 2,
        "maxOutputTokens": 65_536,
    }
    extras = {"gemini": {"generationConfig": {"topK": 4, "temperature": 1}}}
    assert config_of(NEWER, CAN - {"sampling"}, tuning=tuning, extras=extras) == {"seed": 5}


def test_the_bound_is_sent_only_where_it_bounds():
    assert body_of(max_tokens=100)["generationConfig"] == {"maxOutputTokens": 100}


@pytest.mark.parametrize(
    ("model", "effort", "written"),
    [
        (FLASH, None, None),
        (FLASH, "none", {"thinkingBudget": 0}),
        (FLASH, "minimal", {"thinkingBudget": 512, "includeThoughts": True}),
        (FLASH, "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        (FLASH, "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        (FLASH, "xhigh", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        (NEWER, "none", {"thinkingLevel": "low"}),
        (NEWER, "minimal", {"thinkingLevel": "low", "includeThoughts": True}),
        (NEWER, "medium", {"thinkingLevel": "medium", "includeThoughts": True}),
        ("gemini-3.5-flash-lite", "none", {"thinkingLevel": "minimal"}),
        ("gemini-4-argon", "xhigh", {"thinkingLevel": "high", "includeThoughts": True}),
    ],
)
def test_thinking(model: str, effort: str | None, written: Any):
    assert config_of(model, tuning=Tuning(reasoning_effort=effort)).get("thinkingConfig") == written


def test_thinking_of_the_vendors_own_wire_stands_where_the_model_thinks():
    extras = {"gemini": {"generationConfig": {"thinkingConfig": {"thinkingBudget": -1}}}}
    assert config_of(extras=extras, tuning=Tuning(reasoning_effort="low"))["thinkingConfig"] == {
        "thinkingBudget": -1
    }
    assert "thinkingConfig" not in config_of(can=CAN - {"reasoning"}, extras=extras)


def test_formats():
    schema = {"type": "object", "$defs": {}, "additionalProperties": False}
    assert config_of(response_format=ResponseFormat("text")) == {}
    assert config_of(response_format=ResponseFormat("json_object")) == {"responseMimeType": "application/json"}
    assert config_of(response_format=ResponseFormat("json_schema", schema)) == {
        "responseMimeType": "application/json",
        "responseJsonSchema": schema,
    }


def test_a_format_together_with_tools_wants_gemini_3():
    fields = {"tools": (CLOCK,), "response_format": ResponseFormat("json_object")}
    assert config_of(NEWER, **fields) == {"responseMimeType": "application/json"}
    with pytest.raises(UnsupportedContent) as caught:
        config_of(FLASH, **fields)
    assert caught.value.param == "response_format"


def test_fields_of_the_vendors_own_wire_are_merged():
    extras = {
        "gemini": {
            "safetySettings": [{"category": "A"}],
            "tools": [{"googleSearch": {}}],
            "toolConfig": {"retrievalConfig": {}},
        }
    }
    body = body_of(extras=extras, tools=(CLOCK,), tool_choice=ToolChoice("auto"))
    assert body["safetySettings"] == [{"category": "A"}]
    assert body["tools"] == [{"googleSearch": {}}, {"functionDeclarations": [{"name": "clock"}]}]
    assert body["toolConfig"] == {"retrievalConfig": {}, "functionCallingConfig": {"mode": "AUTO"}}


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("n", {"n": 2, "can": CAN - {"n"}}),
        ("logprobs", {"logprobs": True}),
        ("modalities", {"audio": {}}),
        ("web_search_options", {"web_search": {}}),
    ],
)
def test_what_changes_the_meaning_is_refused_by_name(param: str, fields: dict[str, Any]):
    with pytest.raises(UnsupportedContent) as caught:
        body_of(**fields)
    assert caught.value.param == param


# ---- replies

REPLY: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Thinking.", "thought": True},
                    {"text": "I will look.", "thoughtSignature": "c2ln"},
                    {
                        "functionCall": {"id": "f1", "name": "weather", "args": {"city": "Zürich"}},
                        "thoughtSignature": "CikB",
                    },
                    {"functionCall": {"name": "clock"}},
                    {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
                ],
            },
            "finishReason": "STOP",
            "index": 0,
            "groundingMetadata": {"webSearchQueries": ["x"]},
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 20,
        "toolUsePromptTokenCount": 7,
        "thoughtsTokenCount": 30,
        "totalTokenCount": 157,
    },
    "modelVersion": "gemini-3.8-flash",
    "responseId": "abc",
}
USAGE = Usage(107, 40, 0, 0, 50, 30)


def only(reply: Reply) -> Any:
    assert len(reply.choices) == 1
    return reply.choices[0]


def test_a_whole_reply():
    reply = gather(read_reply(REPLY))
    thought, said, weather, clock, image = only(reply).parts
    assert thought == Reasoning("Thinking.")
    assert said == Text("I will look.", signed("c2ln"))
    assert weather == ToolCall("f1", "weather", '{"city":"Zürich"}', signed("CikB"))
    assert clock.id.startswith("call_") and len(clock.id) == 29
    assert (clock.name, clock.arguments) == ("clock", "{}")
    assert image == Media("image", "image/png", "iVBO")
    assert only(reply).reason == "tool_calls"
    assert only(reply).extras == {"gemini": {"groundingMetadata": {"webSearchQueries": ["x"]}}}
    assert reply.usage == USAGE


def candidate(*parts: Any, finish: str | None = None, index: int = 0) -> dict[str, Any]:
    doc: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": index}
    return {"candidates": [{**doc, "finishReason": finish} if finish else doc]}


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("NEWS", "stop"),
    ],
)
def test_reasons(finish: str, reason: str):
    choice = only(gather(read_reply({"candidates": [{"finishReason": finish}]})))
    plain = finish in ("STOP", "MAX_TOKENS")
    assert (choice.reason, choice.extras) == (reason, None if plain else {"gemini": {"finishReason": finish}})


def test_a_botched_call_is_the_upstreams_failure():
    with pytest.raises(UpstreamFailed):
        gather(read_reply(candidate(finish="MALFORMED_FUNCTION_CALL")))


def test_a_blocked_prompt_is_refused_with_its_reason():
    doc = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}
    for events in (read_reply(doc), read_stream(sse(doc))):
        with pytest.raises(ContentRefused) as caught:
            next(iter(events))
        assert caught.value.code == "content_policy_violation"
        assert "PROHIBITED_CONTENT" in caught.value.message


def test_unknown_parts_are_kept():
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    choice = only(gather(read_reply(candidate(code, {"text": "1"}, finish="STOP"))))
    assert (choice.parts, choice.extras) == ((Text("1"),), {"gemini": {"parts": [code]}})


def test_several_candidates():
    doc = {
        "candidates": [candidate({"text": t}, finish="STOP", index=i)["candidates"][0] for i, t in enumerate("ab")]
    }
    assert [choice.parts for choice in gather(read_reply(doc)).choices] == [(Text("a"),), (Text("b"),)]


# ---- streams


def sse(*docs: Any) -> Any:
    for doc in docs:
        yield doc if doc is None else (b"", json.dumps(doc).encode())


PARTS = REPLY["candidates"][0]["content"]["parts"]
STREAM: list[Any] = [
    {**candidate({"text": "Think", "thought": True}), "usageMetadata": {"promptTokenCount": 100}},
    candidate({"text": "ing.", "thought": True}),
    candidate({"text": "I will"}),
    None,
    candidate({"text": " look."}, {"text": "", "thoughtSignature": "c2ln"}),
    candidate(PARTS[2], PARTS[3]),
    candidate(PARTS[4]),
    {
        "candidates": [{**REPLY["candidates"][0], "content": {"parts": [{"text": ""}]}}],
        "usageMetadata": REPLY["usageMetadata"],
    },
]


def test_a_stream_tells_the_same_as_the_whole_reply():
    events = list(read_stream(sse(*STREAM)))
    streamed, whole = gather(iter(events)), gather(read_reply(REPLY))
    assert [p for p in only(streamed).parts if getattr(p, "name", "") != "clock"] == [
        p for p in only(whole).parts if getattr(p, "name", "") != "clock"
    ]
    assert (only(streamed).reason, only(streamed).extras) == (only(whole).reason, only(whole).extras)
    assert streamed.usage == USAGE
    assert [e.text for e in events if isinstance(e, PartDelta)][:4] == ["Think", "ing.", "I will", " look."]
    assert KeepAlive() in events


def test_a_signature_after_a_call_keeps_a_part_of_its_own():
    events = read_stream(sse(candidate(PARTS[2]), candidate({"text": "", "thoughtSignature": "x"}, finish="STOP")))
    assert only(gather(events)).parts[1:] == (Text("", signed("x")),)


def test_a_signature_ends_the_text_that_it_signs():
    events = read_stream(
        sse(candidate({"text": "a", "thoughtSignature": "x"}), candidate({"text": "b"}, finish="STOP"))
    )
    assert only(gather(events)).parts == (Text("a", signed("x")), Text("b"))


@pytest.mark.parametrize("length", range(len(STREAM)))
def test_a_stream_cut_anywhere_never_looks_complete(length: int):
    with pytest.raises(UpstreamFailed) as caught:
        list(read_stream(sse(*STREAM[:length])))
    assert caught.value.code == "upstream_cut"


def test_a_stream_is_complete_when_every_candidate_is():
    docs = (candidate({"text": "a"}), candidate({"text": "b"}, index=1), candidate(finish="STOP"))
    with pytest.raises(UpstreamFailed):
        list(read_stream(sse(*docs)))
    assert len(gather(read_stream(sse(*docs, candidate(finish="STOP", index=1)))).choices) == 2


OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize("failed", [OVERLOADED, [OVERLOADED]])
@pytest.mark.parametrize("before", [0, 2])
def test_an_error_in_the_stream_is_the_upstreams_failure(before: int, failed: Any):
    with pytest.raises(UpstreamFailed) as caught:
        list(read_stream(sse(*STREAM[:before], failed)))
    assert "UNAVAILABLE" in caught.value.detail


def paths(doc: Any, at: tuple[Any, ...] = ()) -> Any:
    yield at
    for key, child in doc.items() if isinstance(doc, dict) else enumerate(doc) if isinstance(doc, list) else ():
        yield from paths(child, (*at, key))


def spoilt(doc: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    copy = dict(doc) if isinstance(doc, dict) else list(doc)
    copy[at[0]] = spoilt(doc[at[0]], at[1:], value)
    return copy


ODD = st.sampled_from([None, 7, -1, True, "x", "", [], [1], [{}], {}, {"text": 1}, 1.5])


@given(st.sampled_from(list(paths(REPLY))), ODD)
def test_a_reply_of_the_wrong_shape_is_the_upstreams_failure(at: tuple[Any, ...], value: Any):
    for read in (lambda doc: read_reply(doc), lambda doc: read_stream(sse(doc))):
        if spoilt(REPLY, at, value) is None:
            continue
        try:
            gather(read(spoilt(REPLY, at, value)))
        except GatewayError as error:
            assert isinstance(error, UpstreamFailed)


def test_explanations():
    long = explain(
        {
            "error": {
                "status": "INVALID_ARGUMENT",
                "message": "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            }
        }
    )
    assert failure(400, long).code == "context_length_exceeded"
    key = explain({"error": {"status": "INVALID_ARGUMENT", "message": "API key not valid."}})
    assert isinstance(failure(400, key), UpstreamFailed)


# ---- over a socket


@pytest.fixture(scope="module")
def sandbox() -> Any:
    server = pytest.importorskip("thermly.sandbox.server").start()
    yield server
    server.stop()


def converse(sandbox: Any, *messages: Message, model: str = FLASH, **fields: Any) -> Reply:
    client = Client(Timeouts(reply_s=10, idle_s=10))
    where = target(model, base_url=sandbox.url + "/google")
    return gather(answer(ChatRequest("m", messages, **fields), where, 4000, client))


@pytest.mark.parametrize("stream", [False, True])
def test_the_sandbox_answers(sandbox: Any, stream: bool):
    reply = converse(sandbox, user("Hello there"), stream=stream)
    assert "Hello there" in "".join(p.text for p in only(reply).parts if isinstance(p, Text))
    assert only(reply).reason == "stop"
    assert reply.usage and reply.usage.input_tokens and reply.usage.output_tokens


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [FLASH, NEWER])
def test_the_sandbox_thinks_calls_and_reads_the_result(sandbox: Any, stream: bool, model: str, keeps: bool):
    asked = {"model": model, "tools": (WEATHER,), "tuning": Tuning(reasoning_effort="medium"), "stream": stream}
    question = user("What is the weather in Oslo?")
    choice = only(converse(sandbox, question, **asked))
    *_, call = choice.parts
    assert isinstance(choice.parts[0], Reasoning) and isinstance(call, ToolCall)
    assert (choice.reason, json.loads(call.arguments)) == ("tool_calls", {"city": "Oslo"})
    said = choice.parts if keeps else (ToolCall(call.id, call.name, call.arguments),)
    result = tool(ToolResult(call.id, (Text("rain"),)))
    reply = converse(sandbox, question, Message("assistant", said), result, **asked)
    assert "rain" in "".join(part.text for part in only(reply).parts if isinstance(part, Text))


def test_the_sandbox_keeps_a_schema_and_makes_two(sandbox: Any):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    reply = converse(sandbox, user("Paris"), response_format=ResponseFormat("json_schema", schema), n=2)
    assert len(reply.choices) == 2
    text = "".join(part.text for part in reply.choices[0].parts if isinstance(part, Text))
    assert "city" in json.loads(text)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("order", "kind"),
    [
        ("status=503", UpstreamFailed),
        ("status=429", UpstreamFailed),
        ("status=400", InvalidRequest),
        ("block", ContentRefused),
        ("html status=502", UpstreamFailed),
        ("cut=2", UpstreamFailed),
        ("inband=0", UpstreamFailed),
        ("inband=2", UpstreamFailed),
    ],
)
def test_the_sandbox_fails(sandbox: Any, stream: bool, order: str, kind: type[GatewayError]):
    if not stream and "inband" in order:
        pytest.skip("only streams fail in band")
    with pytest.raises(kind):
        converse(sandbox, user(f"Hello [[sandbox: {order}]]"), stream=stream)
