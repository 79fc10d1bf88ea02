"""Items as clients of the Responses API send them, made whole."""

from typing import Any

import pytest
from openai.types.responses import ResponseItem
from pydantic import TypeAdapter

from thermly.dialects import Bounds
from thermly.dialects.gemini_signatures import MARK
from thermly.dialects.responses_items import check_ids, read_items, resolve
from thermly.errors import InvalidRequest

JSON = dict[str, Any]
FREE = Bounds(max_tools=64)
ITEM: TypeAdapter[ResponseItem] = TypeAdapter(ResponseItem)
PNG = "data:image/png;base64,aGk="
GOOGLES = "https://generativelanguage.googleapis.com/v1beta/files/abc"
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
SAID = {"type": "output_text", "text": "hi", "annotations": [], "logprobs": []}


def read(*items: JSON) -> tuple[JSON, ...]:
    return read_items(list(items), FREE)


def test_a_string_is_what_the_user_says():
    (item,) = read_items("hi", FREE)
    assert item.pop("id").startswith("msg_")
    assert item == {
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "hi"}],
    }


@pytest.mark.parametrize(("given", "prefix", "wanted"), [
    ({"role": "user", "content": "hi"}, "msg_",
     {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}),
    ({"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "hi"}]}, "msg_",
     {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "hi"}]}),
    ({"role": "assistant", "content": "hi"}, "msg_", {"type": "message", "role": "assistant", "content": [SAID]}),
    ({"role": "assistant", "content": [{"type": "input_text", "text": "hi"}], "phase": "commentary"}, "msg_",
     {"type": "message", "role": "assistant", "content": [SAID], "phase": "commentary"}),
    ({"role": "assistant", "status": "incomplete", "content": [{"type": "refusal", "refusal": "no"}]}, "msg_",
     {"type": "message", "role": "assistant", "status": "incomplete",
      "content": [{"type": "refusal", "refusal": "no"}]}),
    ({"role": "user", "content": [{"type": "output_text", "text": "hi"}]}, "msg_",
     {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}),
    ({"role": "user", "content": [{"type": "input_image", "image_url": PNG}]}, "msg_",
     {"type": "message", "role": "user",
      "content": [{"type": "input_image", "detail": "auto", "file_id": None, "image_url": PNG}]}),
    ({"role": "user", "content": [{"type": "input_file", "file_data": "aGk=", "filename": "a.pdf"}]}, "msg_",
     {"type": "message", "role": "user",
      "content": [{"type": "input_file", "file_data": "aGk=", "filename": "a.pdf"}]}),
    ({"role": "user", "content": [{"type": "input_file", "file_url": "https://a/b.pdf"}]}, "msg_",
     {"type": "message", "role": "user", "content": [{"type": "input_file", "file_url": "https://a/b.pdf"}]}),
    (CALL, "fc_", CALL),
    ({"type": "function_call_output", "call_id": "c1", "output": "5", "caller": None}, "fco_",
     {"type": "function_call_output", "call_id": "c1", "output": "5"}),
    ({"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "5"}]}, "fco_",
     {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "5"}]}),
    ({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "content": None}, "rs_",
     {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}),
    ({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}],
      "encrypted_content": "gAAA"}, "rs_",
     {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}],
      "encrypted_content": "gAAA"}),
])  # fmt: skip
def test_an_item_gets_what_it_lacks(given: JSON, prefix: str, wanted: JSON):
    (item,) = read(given)
    ITEM.validate_python(item, strict=True)
    assert item.pop("id").startswith(prefix)
    assert item == {"status": "completed", **wanted}
    (kept,) = read({**given, "id": "mine"})
    assert kept == {**item, "id": "mine"}


def test_a_finished_item_is_read_as_itself():
    items = read({"role": "assistant", "content": "hi"}, CALL, {"type": "reasoning", "summary": []})
    assert read(*items) == items


@pytest.mark.parametrize(("item", "param", "word"), [
    ({"type": "web_search_call"}, "type", "'web_search_call'"),
    ({"type": "compaction", "encrypted_content": "x"}, "type", "'compaction'"),
    ({"type": ["message"]}, "type", "not served"),
    ({}, "type", "needs a type"),
    ({"role": "tool", "content": "x"}, "role", "'tool'"),
    ({"role": "user"}, "content", "Missing"),
    ({"role": "user", "content": []}, "content", "empty"),
    ({"role": "user", "content": ["x"]}, "content[0]", "object"),
    ({"role": "user", "content": [{"type": "input_audio"}]}, "content[0].type", "input_audio"),
    ({"role": "user", "content": [{"type": "input_text"}]}, "content[0].text", "Missing"),
    ({"role": "user", "content": [{"type": "refusal", "refusal": "x"}]}, "content[0].type", "refusal"),
    ({"role": "system", "content": [{"type": "input_image", "image_url": PNG}]}, "content[0].type", "system"),
    ({"role": "user", "content": [{"type": "input_image"}]}, "content[0]", "image_url"),
    ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}, "content[0]", "image_url"),
    ({"role": "user", "content": [{"type": "input_image", "image_url": "file:///x"}]},
     "content[0].image_url", "URL"),
    ({"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,"}]},
     "content[0].image_url", "empty"),
    ({"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,?"}]},
     "content[0].image_url", "base64"),
    ({"role": "user", "content": [{"type": "input_file"}]}, "content[0]", "file_data"),
    ({"role": "user", "content": [{"type": "input_file", "file_data": "??"}]}, "content[0].file_data", "base64"),
    ({"role": "user", "content": [{"type": "input_file", "file_url": "ftp://a"}]}, "content[0].file_url", "URL"),
    ({"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}, "content[0].file_id", "stored"),
    ({"role": "user", "content": [{"type": "input_file", "file_data": "aGk=", "file_id": "file-1"}]},
     "content[0].file_id", "stored"),
    ({"role": "user", "content": [{"type": "input_file", "file_url": GOOGLES}]}, "content[0].file_url", "stored"),
    ({"role": "user", "content": [{"type": "input_image", "image_url": GOOGLES}]},
     "content[0].image_url", "stored"),
    ({"role": "user", "content": [{"type": "input_image", "image_url": "data:text/html;base64,AAAA"}]},
     "content[0].image_url", "image/png"),
    ({"role": "user", "content": [{"type": "input_image", "image_url": "data:;base64,AAAA"}]},
     "content[0].image_url", "image/png"),
    ({"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file", "file_id": "file-1"}]},
     "output[0].file_id", "stored"),
    ({"type": "function_call", "call_id": "", "name": "f", "arguments": ""}, "call_id", "length"),
    ({"type": "function_call_output", "call_id": "c"}, "output", "Missing"),
    ({"type": "function_call_output", "call_id": "c", "output": []}, "output", "empty"),
    ({"type": "reasoning", "summary": [], "encrypted_content": MARK + "?"}, "encrypted_content", "damaged"),
    ({"type": "item_reference"}, "id", "Missing"),
])  # fmt: skip
def test_a_wrong_item_is_refused_by_name(item: JSON, param: str, word: str):
    with pytest.raises(InvalidRequest, match=word) as caught:
        read({"role": "user", "content": "hi"}, item)
    assert caught.value.param == f"input[1].{param}"


def test_the_bounds_of_a_surface():
    bounds = Bounds(max_tools=64, max_messages=2, max_message_chars=3)
    two = [{"role": "user", "content": "abc"}, {"type": "function_call_output", "call_id": "c", "output": "abc"}]
    assert len(read_items([two[0], *[two[1]] * 2_000, two[0]], bounds)) == 2_002
    assert len(read_items([two[1]] * 2_001, Bounds(max_tools=64))) == 2_001
    for items, param in (
        ([two[0]] * 3, "items"),
        ([{"type": "message", **two[0]}] * 3, "items"),
        ([two[1]] * 2_001, "items"),
        ("abcd", "items[0].content"),
        ([{"role": "user", "content": [{"type": "input_text", "text": "ab"}] * 2}], "items[0].content"),
        ([{**two[1], "output": "abcd"}], "items[0].output"),
    ):
        with pytest.raises(InvalidRequest, match="t most") as caught:
            read_items(items, bounds, "items")  # type: ignore[arg-type]
        assert caught.value.param == param


def test_an_id_stands_for_one_item():
    with pytest.raises(InvalidRequest) as caught:
        read({**CALL, "id": "a"}, {**CALL, "id": "a"})
    assert caught.value.param == "input[1].id"
    with pytest.raises(InvalidRequest):
        check_ids([{"id": "a"}], [{"id": "a"}])
    check_ids([{"id": "a"}], [{"id": "b"}])


def test_a_reference_becomes_what_it_names():
    items = read({"id": "msg_1"}, {"type": "item_reference", "id": "msg_2"}, {**CALL, "id": "fc_1"})
    stored = {"msg_1": {"id": "msg_1", "type": "message"}, "msg_2": {"id": "msg_2", "type": "message"}}
    assert resolve(items, stored.get) == (stored["msg_1"], stored["msg_2"], items[2])
    del stored["msg_2"]
    with pytest.raises(InvalidRequest, match="msg_2") as caught:
        resolve(items, stored.get)
    assert caught.value.param == "input[1].id"
