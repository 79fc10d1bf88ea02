"""The Gemini wire over a socket, part by part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from thermly.sandbox.server import Sandbox, start

SCHEMA = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
TOOLS = [{"functionDeclarations": [{"name": "get_weather", "parameters": SCHEMA}]}]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = start()
    yield sandbox
    sandbox.stop()


def call(sandbox: Sandbox, path: str, body: Any, method: str = "POST", key: str = "k") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    try:
        connection.request(method, path, json.dumps(body), {"x-goog-api-key": key} if key else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def said(text: str) -> list[Any]:
    return [{"role": "user", "parts": [{"text": text}]}]


def ask(
    sandbox: Sandbox, text: str = "hello", /, model: str = "gemini-2.0-flash", **fields: Any
) -> tuple[int, Any]:
    body = {"contents": said(text), **fields}
    status, data = call(sandbox, f"/gemini/v1beta/models/{model}:generateContent", body)
    return status, json.loads(data)


def stream(sandbox: Sandbox, text: str, model: str = "gemini-2.0-flash", **fields: Any) -> list[Any]:
    path = f"/gemini/v1beta/models/{model}:streamGenerateContent"
    status, data = call(sandbox, f"{path}?alt=sse", {"contents": said(text), **fields})
    assert status == 200
    found = [json.loads(line.removeprefix("data: ")) for line in data.decode().split("\r\n\r\n") if line]
    listed = json.loads(call(sandbox, path, {"contents": said(text), **fields})[1])
    assert [set(one) for one in listed] == [set(one) for one in found], "both forms stream the same"
    return found


def parts(body: Any) -> list[Any]:
    found: list[Any] = body["candidates"][0]["content"].get("parts", [])
    return found


def test_a_whole_response(sandbox: Sandbox) -> None:
    status, body = ask(sandbox)
    assert status == 200 and body["modelVersion"] == "gemini-2.0-flash" and body["responseId"]
    (candidate,) = body["candidates"]
    assert candidate["finishReason"] == "STOP" and candidate["content"]["role"] == "model"
    assert parts(body)[0]["text"].endswith("You said: hello")
    usage = body["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]


def test_thoughts_are_counted_apart_and_shown_when_asked(sandbox: Sandbox) -> None:
    _, quiet = ask(sandbox, model="gemini-2.5-flash")
    usage = quiet["usageMetadata"]
    assert usage["thoughtsTokenCount"] > 0 and len(parts(quiet)) == 1
    counted = usage["promptTokenCount"] + usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
    assert usage["totalTokenCount"] == counted
    shown = {"thinkingConfig": {"includeThoughts": True}}
    thought, text = parts(ask(sandbox, model="gemini-2.5-flash", generationConfig=shown)[1])
    assert thought["thought"] is True and text["thoughtSignature"]
    off = {"thinkingConfig": {"thinkingBudget": 0}}
    assert (
        "thoughtsTokenCount" not in ask(sandbox, model="gemini-2.5-flash", generationConfig=off)[1]["usageMetadata"]
    )


def test_streams(sandbox: Sandbox) -> None:
    seen = stream(sandbox, "hello")
    text = "".join(part["text"] for one in seen for part in parts(one))
    assert text == parts(ask(sandbox)[1])[0]["text"]
    assert [one["candidates"][0].get("finishReason") for one in seen[-2:]] == [None, "STOP"]
    assert seen[-1]["usageMetadata"] == ask(sandbox)[1]["usageMetadata"]
    assert len({one["responseId"] for one in seen}) == 1


def test_function_calls_come_whole_and_the_first_is_signed(sandbox: Sandbox) -> None:
    seen = stream(sandbox, "weather in Paris and London", "gemini-3.8-flash", tools=TOOLS)
    made = [part for one in seen for part in parts(one) if "functionCall" in part]
    assert [part["functionCall"]["args"] for part in made] == [{"city": "Paris"}, {"city": "London"}]
    assert ["thoughtSignature" in part for part in made] == [True, False]
    assert all(part["functionCall"]["id"] for part in made)
    assert seen[-1]["candidates"][0]["finishReason"] == "STOP"


def test_a_round_with_tools_keeps_signatures(sandbox: Sandbox) -> None:
    model = "gemini-3.8-flash"
    (made,) = parts(ask(sandbox, "weather in Rome", model, tools=TOOLS)[1])
    result = {"functionResponse": {"name": "get_weather", "response": {"result": "sunny"}}}

    def second(part: Any, results: list[Any]) -> tuple[int, Any]:
        turns = [*said("weather in Rome"), {"role": "model", "parts": [part]}, {"role": "user", "parts": results}]
        return ask(sandbox, model=model, contents=turns, tools=TOOLS)

    assert parts(second(made, [result])[1])[0]["text"] == "The tool answered: sunny"
    unsigned = {"functionCall": made["functionCall"]}
    status, body = second(unsigned, [result])
    assert status == 400 and "missing a thought_signature" in body["error"]["message"]
    assert second({**unsigned, "thoughtSignature": "skip_thought_signature_validator"}, [result])[0] == 200
    status, body = second(made, [result, result])
    assert status == 400 and "number of function response parts" in body["error"]["message"]


def test_modes_of_function_calling(sandbox: Sandbox) -> None:
    def mode(text: str, mode: str, **config: Any) -> Any:
        calling = {"functionCallingConfig": {"mode": mode, **config}}
        return parts(ask(sandbox, text, tools=TOOLS, toolConfig=calling)[1])[0]

    assert "functionCall" in mode("hi", "ANY", allowedFunctionNames=["get_weather"])
    assert "text" in mode("weather", "NONE")
    assert "functionCall" in mode("weather", "AUTO")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"contents": []}, "contents is not specified"),
        ({"messages": []}, 'Unknown name "messages"'),
        ({"generationConfig": {"maxTokens": 5}}, 'Unknown name "maxTokens"'),
        ({"generationConfig": {"temperature": 3}}, "temperature"),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 5, "thinkingLevel": "low"}}}, "only one"),
        ({"generationConfig": {"responseSchema": SCHEMA}}, "response_mime_type"),
        ({"tools": TOOLS, "generationConfig": {"responseMimeType": "application/json"}}, "is unsupported"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "no function declarations"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "valid role"),
        (
            {"contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "!"}}]}]},
            "ecoding",
        ),
        ({"contents": [{"role": "user", "parts": []}]}, "must not be empty"),
    ],
)
def test_refusals(sandbox: Sandbox, fields: dict[str, Any], complaint: str) -> None:
    status, body = ask(sandbox, **fields)
    assert (status, body["error"]["code"], body["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert complaint in body["error"]["message"]


@pytest.mark.parametrize("word", ["additionalProperties", "$schema", "oneOf"])
def test_parameters_take_no_json_schema_words_and_the_other_field_does(sandbox: Sandbox, word: str) -> None:
    nested = {"type": "object", "properties": {"a": {"type": "object", word: False}}, word: False}

    def declare(field: str) -> tuple[int, Any]:
        return ask(sandbox, tools=[{"functionDeclarations": [{"name": "f", field: nested}]}])

    status, body = declare("parameters")
    assert status == 400 and f'Unknown name "{word}"' in body["error"]["message"]
    assert declare("parametersJsonSchema")[0] == 200


def test_names_may_be_in_snake_case(sandbox: Sandbox) -> None:
    fields: dict[str, Any] = {
        "system_instruction": {"parts": [{"text": "x"}]},
        "generation_config": {"max_output_tokens": 3},
    }
    _, body = ask(sandbox, **fields)
    assert body["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert body["usageMetadata"]["candidatesTokenCount"] == 3


def test_answers_that_are_json_many_or_seen(sandbox: Sandbox) -> None:
    for name in ("responseSchema", "responseJsonSchema"):
        config = {"responseMimeType": "application/json", name: SCHEMA}
        assert json.loads(parts(ask(sandbox, "Rome", generationConfig=config)[1])[0]["text"]) == {"city": "Rome"}
    many = ask(sandbox, generationConfig={"candidateCount": 2})[1]["candidates"]
    assert [one["index"] for one in many] == [0, 1]
    image = {"inlineData": {"mimeType": "image/png", "data": "AA-_"}}
    seen = ask(sandbox, contents=[{"role": "user", "parts": [image, {"text": "see"}]}])[1]
    assert "1 image" in parts(seen)[0]["text"]


def test_blocks(sandbox: Sandbox) -> None:
    _, refused = ask(sandbox, "[[sandbox: refuse]]")
    assert refused["candidates"][0]["finishReason"] == "SAFETY" and "content" not in refused["candidates"][0]
    for body in (ask(sandbox, "[[sandbox: block]]")[1], *stream(sandbox, "[[sandbox: block]]")):
        assert body["promptFeedback"]["blockReason"] == "SAFETY" and "candidates" not in body


def test_keys(sandbox: Sandbox) -> None:
    path = "/gemini/v1beta/models/gemini-2.0-flash:generateContent"
    for key in ("", "bad-key"):
        status, data = call(sandbox, path, {"contents": said("x")}, key=key)
        assert status == 401 and json.loads(data)["error"]["status"] == "UNAUTHENTICATED"
    assert call(sandbox, f"{path}?key=k", {"contents": said("x")}, key="")[0] == 200


def test_counting_embedding_and_listing(sandbox: Sandbox) -> None:
    base = "/gemini/v1beta/models"
    counted = json.loads(call(sandbox, f"{base}/gemini-2.5-flash:countTokens", {"contents": said("hello")})[1])
    assert counted["totalTokens"] == 5
    one = {"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8}
    single = json.loads(call(sandbox, f"{base}/gemini-embedding-001:embedContent", one)[1])["embedding"]["values"]
    batch = json.loads(
        call(sandbox, f"{base}/gemini-embedding-001:batchEmbedContents", {"requests": [one, one]})[1]
    )
    assert [row["values"] for row in batch["embeddings"]] == [single, single] and len(single) == 8
    assert json.loads(call(sandbox, base, None, "GET")[1])["models"][0]["name"].startswith("models/")
