"""Canonical requests as bodies of Gemini's wire."""

from typing import Any

import pytest

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.errors import InvalidRequest, UnsupportedContent
from thermly.exchange import (
    ChatRequest,
    Media,
    Message,
    Reasoning,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Tuning,
)
from thermly.providers.gemini_request import NO_SIGNATURE, write_request

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
            Media("file", "application/pdf", url="https://a/b"),
            {"fileData": {"fileUri": "https://a/b", "mimeType": "application/pdf"}},
        ),
    ],
)
def test_media(media: Media, part: dict[str, Any]):
    assert body_of(user(media))["contents"][0]["parts"] == [part]


@pytest.mark.parametrize("url", ["gs://a/b", "https://generativelanguage.googleapis.com/v1beta/files/abc"])
def test_what_google_stores_for_the_operator_is_not_asked_for(url: str):
    for extras in (None, {"gemini": {"fileData": {"fileUri": url}}}):
        with pytest.raises(UnsupportedContent):
            body_of(user(Media("file", "application/pdf", url=url, extras=extras)))


def test_a_film_is_no_image():
    with pytest.raises(UnsupportedContent):
        body_of(user(Media("image", url="https://www.youtube.com/watch?v=x")))


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
        stop=tuple("abcde"),
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
