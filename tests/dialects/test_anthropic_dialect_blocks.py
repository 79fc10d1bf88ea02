"""Anthropic's messages as the exchange's: blocks, results and signatures."""

import base64
import json
import time
from typing import Any

import pytest

from thermly.dialects import Bounds
from thermly.dialects.anthropic import read_request
from thermly.dialects.anthropic_blocks import check_whole
from thermly.dialects.anthropic_signatures import is_signed, pack, unpack
from thermly.dialects.gemini_signatures import TAG
from thermly.errors import InvalidRequest
from thermly.exchange import Media, Message, Part, Reasoning, Text, ToolCall, ToolResult

JSON = dict[str, Any]
FREE = Bounds(max_tools=128)
CACHED = {"cache_control": {"type": "ephemeral"}}
CALL = {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "1", "content": "x"}


def said(*messages: JSON, bounds: Bounds = FREE) -> tuple[Message, ...]:
    return read_request(json.dumps({"model": "m", "max_tokens": 1, "messages": messages}).encode(), bounds).messages


def message(role: str, *blocks: JSON) -> JSON:
    return {"role": role, "content": blocks}


def read_block(block: JSON, role: str = "user") -> Part:
    ((part,),) = (m.parts for m in said(message(role, block)))
    return part


def own(**facts: Any) -> dict[str, JSON]:
    return {"anthropic": facts}


def source(kind: str, **fields: Any) -> JSON:
    return {"source": {"type": kind, **fields}}


DATA = source("base64", media_type="image/png", data="AAAA")
PLAIN = {"type": "document", **source("text", media_type="text/plain", data="body"), "title": "T", "context": "C"}
BLOCKS = {"type": "document", **source("content", content=[{"type": "text", "text": "a"}, {"type": "image"}])}
FOUND = {"type": "search_result", "source": "https://x", "title": "T", "content": [{"type": "text", "text": "a"}]}


@pytest.mark.parametrize(("block", "wanted"), [
    ({"type": "text", "text": "a"}, Text("a")),
    ({"type": "text", "text": "a", "citations": None}, Text("a")),
    ({"type": "text", "text": "a", **CACHED, "citations": [{}]}, Text("a", own(**CACHED, citations=[{}]))),
    ({"type": "image", **DATA}, Media("image", "image/png", "AAAA")),
    ({"type": "image", **DATA, **CACHED}, Media("image", "image/png", "AAAA", extras=own(**CACHED))),
    ({"type": "image", **source("url", url="https://x")}, Media("image", url="https://x")),
    ({"type": "document", **DATA, "title": "t", "citations": {}},
     Media("file", "image/png", "AAAA", name="t", extras=own(citations={}))),
    ({"type": "document", **source("url", url="http://x")}, Media("file", "application/pdf", url="http://x")),
    (PLAIN, Text("T\n\nC\n\nbody", own(block=PLAIN))),
    (BLOCKS, Text("a", own(block=BLOCKS))),
    ({"type": "document", **source("content", content="b")},
     Text("b", own(block={"type": "document", **source("content", content="b")}))),
    (FOUND, Text("T\n\nhttps://x\n\na", own(block=FOUND))),
    ({"type": "compaction", "content": "c"}, Reasoning("", own(block={"type": "compaction", "content": "c"}))),
])  # fmt: skip
def test_a_users_block(block: JSON, wanted: Part):
    assert read_block(block) == wanted


SERVER = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}


@pytest.mark.parametrize(("block", "wanted"), [
    ({"type": "thinking", "thinking": "t", "signature": "S"}, Reasoning("t", own(signature="S"))),
    ({"type": "thinking", "thinking": "t", "signature": ""}, Reasoning("t")),
    ({"type": "thinking", "thinking": "t"}, Reasoning("t")),
    ({"type": "redacted_thinking", "data": "d"}, Reasoning("", own(redacted="d"))),
    (CALL, ToolCall("1", "f", '{"a":1}')),
    ({**CALL, **CACHED, "caller": None}, ToolCall("1", "f", '{"a":1}', own(**CACHED))),
    (SERVER, Reasoning("", own(block=SERVER))),
    ({"type": "news", "text": "?"}, Reasoning("", own(block={"type": "news", "text": "?"}))),
])  # fmt: skip
def test_an_assistants_block(block: JSON, wanted: Part):
    assert read_block(block, "assistant") == wanted


@pytest.mark.parametrize(("result", "wanted"), [
    ({"content": "x"}, ToolResult("1", (Text("x"),), "f")),
    ({"content": ""}, ToolResult("1", (Text(""),), "f")),
    ({"content": None, "is_error": None}, ToolResult("1", (Text(""),), "f")),
    ({"content": []}, ToolResult("1", (Text(""),), "f")),
    ({"content": "x", "is_error": True, **CACHED}, ToolResult("1", (Text("x"),), "f", True, own(**CACHED))),
    ({"content": [{"type": "text", "text": "x", **CACHED}, {"type": "image", **DATA}, FOUND]},
     ToolResult("1", (Text("x", own(**CACHED)), Media("image", "image/png", "AAAA"),
                      Text("T\n\nhttps://x\n\na", own(block=FOUND))), "f")),
    ({"content": [{"type": "tool_reference", "tool_name": "g"}]},
     ToolResult("1", (Text("g", own(block={"type": "tool_reference", "tool_name": "g"})),), "f")),
    ({"content": [{"type": "news", "a": 1}]},
     ToolResult("1", (Text('{"type":"news","a":1}', own(block={"type": "news", "a": 1})),), "f")),
])  # fmt: skip
def test_a_tools_result(result: JSON, wanted: ToolResult):
    answer = {"type": "tool_result", "tool_use_id": "1", **result}
    assert said(message("assistant", CALL), message("user", answer))[1] == Message("tool", (wanted,))


def test_parallel_results_come_before_what_else_is_said():
    calls = [{**CALL, "id": "2", "name": "g"}, CALL]
    told = message("user", {"type": "text", "text": "a"}, RESULT, {"type": "text", "text": "b"},
                   {**RESULT, "tool_use_id": "2"}, {"type": "text", "text": "c"})  # fmt: skip
    _, results, rest = said(message("assistant", *calls), told)
    assert results == Message("tool", (ToolResult("1", (Text("x"),), "f"), ToolResult("2", (Text("x"),), "g")))
    assert rest == Message("user", (Text("a"), Text("b"), Text("c")))


def test_roles_keep_their_places():
    rows = [("user", "a"), ("system", "b"), ("user", "c"), ("assistant", "d")]
    told = said(*({"role": role, "content": text} for role, text in rows))
    assert [(m.role, m.text) for m in told] == rows


@pytest.mark.parametrize(("role", "block", "path"), [
    ("user", {}, "type"),
    ("user", {"type": 5}, "type"),
    ("user", {"type": "input_text", "text": "a"}, "type"),
    ("user", {"type": "container_upload", "file_id": "f"}, "type"),
    ("user", CALL, "type"),
    ("user", {"type": "thinking", "thinking": ""}, "type"),
    ("assistant", RESULT, "type"),
    ("system", RESULT, "type"),
    ("user", RESULT, "tool_use_id"),
    ("user", {"type": "tool_result"}, "tool_use_id"),
    ("user", {"type": "text"}, "text"),
    ("user", {"type": "text", "text": 5}, "text"),
    ("user", {"type": "image"}, "source"),
    ("user", {"type": "image", "source": "x"}, "source"),
    ("user", {"type": "image", **source("x")}, "source.type"),
    ("user", {"type": "image", **source("file", file_id="f")}, "source.file_id"),
    ("user", {"type": "image", **source("url", url="data:x")}, "source.url"),
    ("user", {"type": "image", **source("base64", media_type="image/png", data="A")}, "source.data"),
    ("user", {"type": "image", **source("base64", media_type="image/png", data="====")}, "source.data"),
    ("user", {"type": "image", **source("base64", media_type="text/html", data="AAAA")}, "source.media_type"),
    ("user", {"type": "image", **source("url", url="https://generativelanguage.googleapis.com/v1beta/files/x")},
     "source.url"),
    ("user", {"type": "document", **source("file", file_id="f")}, "source.file_id"),
    ("user", {"type": "document", **source("content", content=[{"type": "image", **source("file", file_id="f")}])},
     "source.content[0].source.file_id"),
    ("assistant", {"type": "container_upload", "file_id": "f"}, "file_id"),
    ("assistant", {"type": "web_fetch_tool_result", "content": {"content": {**source("file", file_id="f")}}},
     "content.content.source.file_id"),
    ("user", {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"name": "f"}}},
     "tool.definition"),
    ("user", {"type": "document", **DATA, "title": 5}, "title"),
    ("user", {**FOUND, "content": [{"type": "text"}]}, "content[0].text"),
    ("assistant", {**CALL, "input": "{}"}, "input"),
    ("assistant", {**CALL, "id": ""}, "id"),
    ("assistant", {**CALL, "name": "a b"}, "name"),
])  # fmt: skip
def test_a_block_is_refused_by_name(role: str, block: JSON, path: str):
    with pytest.raises(InvalidRequest) as caught:
        said(message(role, {"type": "text", "text": "a"}, block))
    assert caught.value.param == f"messages[0].content[1].{path}"
    assert "messages[0].content[1]" in caught.value.message


def test_a_block_in_a_result_is_refused_by_name():
    answer = {**RESULT, "content": [{"type": "image", **source("url", url="ftp://x")}]}
    with pytest.raises(InvalidRequest) as caught:
        said(message("assistant", CALL), message("user", answer))
    assert caught.value.param == "messages[1].content[0].content[0].source.url"
    for answers in (message("user"), message("user", {**RESULT, "tool_use_id": "2"})):
        with pytest.raises(InvalidRequest) as caught:
            said(message("assistant", CALL), answers)
        assert caught.value.param in ("messages[1].content", "messages[1].content[0].tool_use_id")


def test_a_result_names_no_stored_file():
    answer = {**RESULT, "content": [{"type": "news", "source": {"type": "file", "file_id": "f"}}]}
    with pytest.raises(InvalidRequest) as caught:
        said(message("assistant", CALL), message("user", answer))
    assert caught.value.param == "messages[1].content[0].content[0].source.file_id"


def test_what_a_tool_was_called_with_may_say_anything():
    for call in ({**CALL, "input": {"file_id": "f"}}, {**SERVER, "input": {"file_id": "f"}}):
        assert read_block(call, "assistant")


def test_an_image_has_the_usual_name_of_its_type():
    found = read_block({"type": "image", **source("base64", media_type="image/JPG", data="AAAA")})
    assert found == Media("image", "image/jpeg", "AAAA")


def test_a_long_result_counts():
    small = Bounds(8, max_message_chars=5)
    for text in ("12345", "123456"):
        answer = {**RESULT, "content": [{"type": "text", "text": text}]}
        told = (message("assistant", CALL), message("user", answer))
        if len(text) == 5:
            assert len(said(*told, bounds=small)) == 2
            continue
        with pytest.raises(InvalidRequest) as caught:
            said(*told, bounds=small)
        assert caught.value.param == "messages[1].content"


# ---- signatures


@pytest.mark.parametrize("extras", [
    None,
    {"openai": {"field": "reasoning"}},
    {"openai": {"field": "reasoning_content"}},
    {"gemini": {"thoughtSignature": "A+/="}},
    {"gemini": {"thoughtSignature": "A"}, "openai": {"field": "reasoning"}},
])  # fmt: skip
def test_what_other_vendors_want_back_comes_back(extras: Any):
    signature = pack(extras)
    assert signature and unpack(signature, "") == (extras, False)
    assert unpack(pack(extras, call=True), "") == (extras, True)
    assert read_block({"type": "thinking", "thinking": "t", "signature": signature}, "assistant") == Reasoning(
        "t", extras
    )
    assert is_signed(extras) == ("gemini" in (extras or {}))


def test_words_of_other_wires_that_are_not_known_stay_here():
    assert unpack(pack({"gemini": {"a": 1}, "openai": {"b": 1}, "news": {"c": 1}}), "") == (None, False)


def test_a_call_gets_its_signature_back():
    signed = {"gemini": {"thoughtSignature": "S"}}
    before = {"type": "thinking", "thinking": "", "signature": pack(signed, call=True)}
    ((one, two),) = (m.parts for m in said(message("assistant", before, {**CALL, **CACHED}, {**CALL, "id": "2"})))
    assert one == ToolCall("1", "f", '{"a":1}', {**signed, **own(**CACHED)})
    assert two == ToolCall("2", "f", '{"a":1}')
    lost = said(message("assistant", {"type": "text", "text": "a"}, before), message("assistant", CALL))
    assert lost[1].parts == (ToolCall("1", "f", '{"a":1}'),)


@pytest.mark.parametrize("inside", [b"", b"{", b"[]", b'{"anthropic":{}}', b'{"gemini":{}}', b'{"call":1}'])
def test_a_damaged_signature_is_refused(inside: bytes):
    block = {"type": "thinking", "thinking": "", "signature": base64.b64encode(TAG + inside).decode()}
    for signature in (block["signature"], block["signature"] + "!"):
        with pytest.raises(InvalidRequest) as caught:
            read_block({**block, "signature": signature}, "assistant")
        assert caught.value.param == "messages[0].content[0].signature"


def test_a_long_name_is_not_written_once_for_each_thing_under_it():
    block = {"type": "news", "k" * 1_000_000: [[]] * 20_000}
    began = time.process_time()
    check_whole(block, "messages[1].content[0]")
    assert time.process_time() - began < 0.2
