"""Pages of items and conversations, as OpenAI's own types read them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItemList
from openai.types.responses import ResponseItemList

from thermly.dialects import Bounds
from thermly.dialects.responses import (
    ENCRYPTED,
    Page,
    read_conversation,
    read_include,
    read_new_items,
    read_page,
    read_update,
    write_conversation,
    write_deleted,
    write_item,
    write_items,
)
from thermly.dialects.responses_items import read_items
from thermly.errors import InvalidRequest

JSON = dict[str, Any]
FREE = Bounds(max_tools=64)
SECRET = {"type": "reasoning", "id": "rs_1", "status": "completed", "summary": [], "encrypted_content": "x"}


def listed(items: tuple[JSON, ...], page: Page) -> JSON:
    written = write_items(items, page)
    ResponseItemList.model_validate_json(written, strict=True)
    ConversationItemList.model_validate_json(written, strict=True)
    found: JSON = json.loads(written)
    return found


def some(count: int) -> tuple[JSON, ...]:
    return read_items([{"id": f"msg_{i}", "role": "user", "content": "x"} for i in range(count)], FREE)


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(1, 5), st.sampled_from(["asc", "desc"]))
def test_page_after_page_tells_every_item_once(count: int, limit: int, order: Any):
    items, found, after = some(count), [], None
    for _ in range(count + 1):
        page = listed(items, Page(limit, order, after))
        found += page["data"]
        assert len(page["data"]) <= limit and page["object"] == "list"
        assert page["has_more"] == (len(found) < count)
        if not page["has_more"]:
            break
        assert page["first_id"] == page["data"][0]["id"]
        after = page["last_id"]
    assert found == (list(items) if order == "asc" else list(items)[::-1])


def test_nothing_to_list():
    assert listed((), Page()) == {"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False}


def test_to_go_on_after_an_unknown_item_is_refused():
    with pytest.raises(InvalidRequest) as caught:
        write_items(some(2), Page(after="msg_9"))
    assert caught.value.param == "after"


@pytest.mark.parametrize(("query", "page"), [
    ({}, Page()),
    ({"limit": "1", "order": "asc", "after": "a"}, Page(1, "asc", "a")),
    ({"limit": "100", "order": "desc", "after": ""}, Page(100)),
])  # fmt: skip
def test_a_page_is_asked_for(query: dict[str, str], page: Page):
    assert read_page(query) == page


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1.5", "²", "1" * 5000])
def test_a_wrong_limit_is_refused(limit: str):
    with pytest.raises(InvalidRequest) as caught:
        read_page({"limit": limit})
    assert caught.value.param == "limit"


def test_a_wrong_order_is_refused():
    with pytest.raises(InvalidRequest) as caught:
        read_page({"order": "random"})
    assert caught.value.param == "order"


def test_what_to_include():
    assert read_include(()) == frozenset()
    assert read_include(["file_search_call.results"]) == {"file_search_call.results"}
    with pytest.raises(InvalidRequest) as caught:
        read_include(["file_search_call.results", "x"])
    assert caught.value.param == "include[1]"


def test_what_is_encrypted_is_shown_where_it_is_asked_for():
    assert json.loads(write_item(SECRET, frozenset((ENCRYPTED,)))) == SECRET
    assert "encrypted_content" not in json.loads(write_item(SECRET))
    assert "encrypted_content" not in listed((SECRET,), Page())["data"][0]
    assert SECRET["encrypted_content"] == "x"


def test_a_conversation_begins():
    empty = read_conversation(b"", FREE)
    assert empty == read_conversation(b"{}", FREE) == read_conversation(b'{"items":null,"metadata":null}', FREE)
    assert (empty.metadata, empty.items) == ({}, ())
    items = [{"role": "user", "content": "hi"}] * 20
    begun = read_conversation(json.dumps({"metadata": {"a": "b"}, "items": items}).encode(), FREE)
    assert begun.metadata == {"a": "b"} and len(begun.items) == 20
    assert len({item["id"] for item in begun.items}) == 20


@pytest.mark.parametrize(("body", "param"), [
    ({"items": [{"role": "user", "content": "x"}] * 21}, "items"),
    ({"items": [{"type": "mcp_call"}]}, "items[0].type"),
    ({"metadata": {"a": 5}}, "metadata"),
    ({"metadata": {str(i): "" for i in range(17)}}, "metadata"),
    ({"name": "x"}, "name"),
])  # fmt: skip
def test_a_wrong_conversation_is_refused(body: JSON, param: str):
    with pytest.raises(InvalidRequest) as caught:
        read_conversation(json.dumps(body).encode(), FREE)
    assert caught.value.param == param


def test_items_are_added_and_metadata_replaced():
    (item,) = read_new_items(b'{"items":[{"role":"user","content":"hi"}]}', FREE)
    assert item["content"] == [{"type": "input_text", "text": "hi"}]
    for body in (b"{}", b'{"items":[]}', b'{"items":[{}]}'):
        with pytest.raises(InvalidRequest):
            read_new_items(body, FREE)
    assert read_update(b'{"metadata":{"a":"b"}}') == {"a": "b"}
    assert read_update(b'{"metadata":null}') == {}
    with pytest.raises(InvalidRequest):
        read_update(b"{}")


def test_small_objects():
    found = Conversation.model_validate_json(write_conversation("conv_1", 5, {"a": "b"}), strict=True)
    assert (found.id, found.created_at, found.metadata) == ("conv_1", 5, {"a": "b"})
    gone = ConversationDeletedResource.model_validate_json(write_deleted("conv_1", "conversation.deleted"))
    assert (gone.id, gone.deleted) == ("conv_1", True)
    assert json.loads(write_deleted("resp_1", "response"))["object"] == "response"
