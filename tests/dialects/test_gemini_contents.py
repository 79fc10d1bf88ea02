"""Gemini's contents as messages: roles, parts, and which call a response answers."""

import base64
import json
from typing import Any

import pytest

from thermly.dialects import Bounds
from thermly.dialects.gemini import read_request
from thermly.dialects.gemini_signatures import pack
from thermly.errors import InvalidRequest
from thermly.exchange import Media, Message, Part, Reasoning, Text, ToolCall, ToolResult

JSON = dict[str, Any]
FREE = Bounds(max_tools=128)
CALL: JSON = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]}
DATA = base64.b64encode(b"\xfb\xff\xfe").decode()
assert "+" in DATA or "/" in DATA


def said(*contents: JSON, bounds: Bounds = FREE) -> tuple[Message, ...]:
    return read_request(json.dumps({"contents": contents}).encode(), bounds, "m", False).messages


def read_part(part: JSON, role: str = "user") -> Part:
    return said({"role": role, "parts": [part]})[0].parts[0]


def own(**facts: Any) -> dict[str, JSON]:
    return {"gemini": facts}


@pytest.mark.parametrize(("role", "wanted"), [
    ({}, "user"),
    ({"role": None}, "user"),
    ({"role": ""}, "user"),
    ({"role": "user"}, "user"),
    ({"role": "function"}, "user"),
    ({"role": "model"}, "assistant"),
])  # fmt: skip
def test_roles(role: JSON, wanted: str):
    assert said({**role, "parts": [{"text": "a"}]}) == (Message(wanted, (Text("a"),)),)  # type: ignore[arg-type]


@pytest.mark.parametrize(("part", "wanted"), [
    ({"text": "a"}, Text("a")),
    ({"text": ""}, Text("")),
    ({"text": "a", "inlineData": None}, Text("a")),
    ({"text": "a", "thoughtSignature": "S_-="}, Text("a", own(thoughtSignature="S_-="))),
    ({"thoughtSignature": "S"}, Text("", own(thoughtSignature="S"))),
    ({"text": "a", "part_metadata": {"x_y": 1}}, Text("a", own(partMetadata={"x_y": 1}))),
    ({"text": "a", "thought": True}, Reasoning("a")),
    ({"text": "a", "thought": False}, Text("a")),
    ({"text": "a", "thought": True, "thought_signature": "S"}, Reasoning("a", own(thoughtSignature="S"))),
    ({"inlineData": {"mimeType": "image/png", "data": DATA}}, Media("image", "image/png", DATA)),
    ({"inline_data": {"mime_type": "audio/wav", "data": DATA.replace("+", "-").replace("/", "_").rstrip("=")}},
     Media("audio", "audio/wav", DATA)),
    ({"inlineData": {"mimeType": "application/pdf", "data": DATA, "displayName": "n"}},
     Media("file", "application/pdf", DATA, name="n",
           extras=own(inlineData={"mimeType": "application/pdf", "data": DATA, "displayName": "n"}))),
    ({"inlineData": {"mimeType": "video/mp4", "data": DATA}, "videoMetadata": {"fps": 2}},
     Media("file", "video/mp4", DATA, extras=own(videoMetadata={"fps": 2}))),
    ({"fileData": {"fileUri": "https://x/a.png", "mimeType": "image/png"}},
     Media("image", "image/png", url="https://x/a.png",
           extras=own(fileData={"fileUri": "https://x/a.png", "mimeType": "image/png"}))),
    ({"fileData": {"fileUri": "http://x/a.png"}}, Media("file", url="http://x/a.png")),
    ({"file_data": {"file_uri": "https://youtu.be/a", "mime_type": "image/png"}},
     Media("file", "image/png", url="https://youtu.be/a",
           extras=own(fileData={"fileUri": "https://youtu.be/a", "mimeType": "image/png"}))),
])  # fmt: skip
def test_a_part(part: JSON, wanted: Part):
    assert read_part(part) == wanted


@pytest.mark.parametrize(("part", "text"), [
    ({"executableCode": {"language": "PYTHON", "code": "1+1"}}, "```python\n1+1\n```"),
    ({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}, "```\n2\n```"),
    ({"codeExecutionResult": {"outcome": "OUTCOME_FAILED"}}, "```\nOUTCOME_FAILED\n```"),
    ({"toolCall": {"id": "t"}}, '{"toolCall":{"id":"t"}}'),
    ({"toolResponse": {"id": "t"}, "thoughtSignature": "S"}, '{"toolResponse":{"id":"t"}}'),
])  # fmt: skip
def test_what_gemini_did_by_itself_goes_back_to_it_and_is_text_for_others(part: JSON, text: str):
    assert read_part(part, "model") == Text(text, own(text=None, **part))


def test_thoughts_of_other_vendors_come_back_with_their_signatures():
    extras = {"anthropic": {"signature": "sig"}}
    part = {"text": "a", "thought": True, "thoughtSignature": pack(extras)}
    assert read_part(part, "model") == Reasoning("a", extras)


def test_the_empty_text_at_the_end_of_a_stream_is_left_out():
    assert said({"role": "model", "parts": [{"text": "a"}, {"text": ""}]})[0].parts == (Text("a"),)


THOUGHT = {"thought": True}
FOREIGN = {"anthropic": {"signature": "sig"}}


@pytest.mark.parametrize(("parts", "wanted"), [
    ([{"text": "h", **THOUGHT}, {"text": "m", **THOUGHT},
      {"text": "", **THOUGHT, "thoughtSignature": pack(FOREIGN)}, {"text": "a"}],
     (Reasoning("hm", FOREIGN), Text("a"))),
    ([{"text": "h", **THOUGHT, "thoughtSignature": pack(FOREIGN)}, {"text": "m", **THOUGHT}],
     (Reasoning("h", FOREIGN), Reasoning("m"))),
    ([{"text": "h", **THOUGHT}, {"text": "", **THOUGHT, "thoughtSignature": "S"}],
     (Reasoning("h"), Reasoning("", own(thoughtSignature="S")))),
    ([{"text": "a"}, {"text": "b"}], (Text("a"), Text("b"))),
])  # fmt: skip
def test_a_thought_that_was_streamed_is_one_again(parts: list[JSON], wanted: tuple[Part, ...]):
    assert said({"role": "model", "parts": parts})[0].parts == wanted


def test_chunks_that_were_kept_one_by_one_are_one_message():
    chunks: list[JSON] = [
        {"text": "h", **THOUGHT},
        {"text": "m", **THOUGHT},
        {"text": "", **THOUGHT, "thoughtSignature": pack(FOREIGN)},
        {"text": "a"},
        {"text": "b"},
        {"text": "", "thoughtSignature": "S"},
        *CALL["parts"],
        {"text": ""},
    ]
    contents = [{"role": "model", "parts": [chunk]} for chunk in chunks]
    assert said(*contents, {"parts": [response("f")]}) == (
        Message(
            "assistant",
            (
                Reasoning("hm", FOREIGN),
                Text("ab"),
                Text("", own(thoughtSignature="S")),
                ToolCall("call_1", "f", '{"a":1}'),
            ),
        ),
        Message("tool", (ToolResult("call_1", (Text('{"x":"f"}'),), "f"),)),
    )
    empty = {"role": "model", "parts": [{"text": ""}]}
    assert said(empty, CALL)[0].parts == (ToolCall("call_1", "f", '{"a":1}'),)


# ---- calls and responses


def call(name: str, **more: Any) -> JSON:
    return {"functionCall": {"name": name, **more}}


def response(name: str | None, answer: JSON | None = None, **more: Any) -> JSON:
    body = {"name": name, "response": answer if answer is not None else {"x": name}, **more}
    return {"functionResponse": {k: v for k, v in body.items() if v is not None}}


def ids(calls: list[JSON], responses: list[JSON]) -> list[str]:
    asked, told = said({"role": "model", "parts": calls}, {"parts": responses})
    made = [part.id for part in asked.parts if isinstance(part, ToolCall)]
    assert len(set(made)) == len(calls)
    return [f"{made.index(p.call_id)} {p.name}" for p in told.parts if isinstance(p, ToolResult)]


def test_a_call_and_its_response():
    first = {"role": "model", "parts": [{**CALL["parts"][0], "thoughtSignature": "S"}]}
    assert said(first, {"role": "function", "parts": [response("f", {"b": [1, 2.5]})]}) == (
        Message("assistant", (ToolCall("call_1", "f", '{"a":1}', own(thoughtSignature="S")),)),
        Message("tool", (ToolResult("call_1", (Text('{"b":[1,2.5]}'),), "f"),)),
    )


@pytest.mark.parametrize(("calls", "responses", "wanted"), [
    ([call("f"), call("g")], [response("g"), response("f")], ["1 g", "0 f"]),
    ([call("f"), call("f")], [response("f"), response("f")], ["0 f", "1 f"]),
    ([call("f", id="a"), call("f", id="b")], [response("f", id="b"), response("f", id="a")], ["1 f", "0 f"]),
    ([call("f", id="a"), call("f", id="b")], [response("f"), response("f")], ["0 f", "1 f"]),
    ([call("f"), call("f", id="b")], [response("f", id="b"), response("f", id="made up")], ["1 f", "0 f"]),
    ([call("f", id="a")], [response(None, id="a")], ["0 f"]),
    ([call("f"), call("g", id="call_1")], [response("g", id="call_1"), response("f")], ["1 g", "0 f"]),
    ([call("f", id="a")], [response("f", id="a", willContinue=True), response("f", id="a")], ["0 f", "0 f"]),
])  # fmt: skip
def test_responses_find_their_calls(calls: list[JSON], responses: list[JSON], wanted: list[str]):
    assert ids(calls, responses) == wanted


def test_an_invented_id_stays_the_same_while_the_talk_goes_on():
    talk: list[JSON] = [CALL, {"parts": [response("f")]}, CALL, {"parts": [response("f")]}]
    assert said(*talk)[:2] == said(*talk[:2])
    assert said(*talk)[2].parts[0] != said(*talk)[0].parts[0]


@pytest.mark.parametrize(("answer", "text", "failed"), [
    ({}, "{}", False),
    ({"error": "no"}, "no", True),
    ({"error": {"code": 1}}, '{"error":{"code":1}}', False),
    ({"error": "no", "x": 1}, '{"error":"no","x":1}', False),
    ({"result": "yes"}, '{"result":"yes"}', False),
])  # fmt: skip
def test_what_a_function_answered(answer: JSON, text: str, failed: bool):
    result = said(CALL, {"parts": [response("f", answer)]})[1].parts[0]
    assert result == ToolResult("call_1", (Text(text),), "f", failed)


def test_what_else_a_response_holds():
    parts = [{"inlineData": {"mimeType": "image/png", "data": DATA}}]
    more = response("f", {"a": 1}, parts=parts, scheduling="SILENT")
    result = said(CALL, {"parts": [more, {"text": "and?"}]})
    kept = {"id": "call_1", "name": "f", "response": {"a": 1}, "scheduling": "SILENT"}
    told = (Text('{"a":1}'), Media("image", "image/png", DATA))
    assert result[1:] == (
        Message("tool", (ToolResult("call_1", told, "f", extras=own(functionResponse=kept)),)),
        Message("user", (Text("and?"),)),
    )


# ---- refusals


@pytest.mark.parametrize(("part", "param"), [
    ({}, ""),
    ({"thought": True}, ""),
    ({"unheard": 1}, ""),
    ({"text": "a", "inlineData": {"mimeType": "a/b", "data": DATA}}, ""),
    ({"text": 5}, "text"),
    ({"inlineData": {"mimeType": "image/png", "data": "a+b%"}}, "inlineData.data"),
    ({"inlineData": {"mimeType": "image/png", "data": "a"}}, "inlineData.data"),
    ({"inlineData": {"mimeType": "image/png", "data": "é"}}, "inlineData.data"),
    ({"inline_data": {"mime_type": "image/png"}}, "inlineData.data"),
    ({"inlineData": {"data": DATA}}, "inlineData.mimeType"),
    ({"inlineData": {"data": DATA, "mimeType": "a/b", "mime_type": "a/b"}}, "inlineData.mimeType"),
    ({"fileData": {}}, "fileData.fileUri"),
    ({"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}}, "fileData.fileUri"),
    ({"fileData": {"fileUri": "gs://b/a", "mimeType": "video/mp4"}}, "fileData.fileUri"),
    ({"fileData": {"fileUri": "files/abc"}}, "fileData.fileUri"),
    ({"inlineData": {"mimeType": "image/tree", "data": "AAAA"}}, "inlineData.mimeType"),
    ({"functionCall": {"name": "f"}}, "functionCall"),
    ({"functionCall": {"args": {}}}, "functionCall.name"),
    ({"functionCall": {"name": "f", "partialArgs": []}}, "functionCall.partialArgs"),
    ({"functionCall": {"name": "f", "args": "{}"}}, "functionCall.args"),
    ({"functionResponse": {"name": "f", "response": {}}}, "functionResponse.name"),
    ({"functionResponse": {"id": "x", "response": {}}}, "functionResponse.id"),
    ({"functionResponse": {"response": {}}}, "functionResponse.name"),
    ({"text": "a", "thoughtSignature": "dGhlcm1seTE6AAAA"}, "thoughtSignature"),
])  # fmt: skip
def test_a_part_is_refused_by_name(part: JSON, param: str):
    with pytest.raises(InvalidRequest) as caught:
        said({"parts": [{"text": "hi"}]}, {"parts": [{"text": "hi"}, part]})
    path = f"contents[1].parts[1].{param}".rstrip(".")
    assert caught.value.param == path
    assert f"'{path}'" in caught.value.message or "role" in caught.value.message


@pytest.mark.parametrize(("content", "param"), [
    ({"role": "system", "parts": [{"text": "a"}]}, "contents[1].role"),
    ({"role": "user"}, "contents[1].parts"),
    ({"parts": []}, "contents[1].parts"),
    ({"parts": "a"}, "contents[1].parts"),
    ({"parts": ["a"]}, "contents[1].parts[0]"),
    ({"parts": [{"text": "a"}], "name": "n"}, "contents[1].name"),
    ("a", "contents[1]"),
    ({"role": "model", "parts": [{"functionResponse": {"name": "f"}}]}, "contents[1].parts[0].functionResponse"),
    ({"parts": [{"functionResponse": {"name": "f", "parts": [{}]}}]},
     "contents[1].parts[0].functionResponse.parts[0]"),
    ({"parts": [response("f"), response("f")]}, "contents[1].parts[1].functionResponse.name"),
    ({"parts": [{"text": "a" * 11}]}, "contents[1].parts"),
])  # fmt: skip
def test_a_content_is_refused_by_name(content: Any, param: str):
    with pytest.raises(InvalidRequest) as caught:
        said(CALL, content, bounds=Bounds(1, max_message_chars=10))
    assert caught.value.param == param


def test_contents_have_the_surfaces_bound():
    one = {"parts": [{"text": "a"}]}
    assert len(said(one, one, bounds=Bounds(1, 2))) == 2
    with pytest.raises(InvalidRequest) as caught:
        said(one, one, one, bounds=Bounds(1, 2))
    assert caught.value.param == "contents"
