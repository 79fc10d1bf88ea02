"""Conversations at the root of the host and under /v1: who sees what, in which order, and until when."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItem
from openai.types.conversations.conversation_item_list import ConversationItemList
from pydantic import TypeAdapter

from stories.stack import NANO, Caller, Stack, at_once, mark, order, refusal
from stories.test_responses import JSON, PATH, QUESTION, WEATHER, ask, get, heard, opened, streamed, text_of, told
from thermly import accounting, settings
from thermly.accounting import Here

PREFIXES = ("", "/v1")
ITEM: TypeAdapter[Any] = TypeAdapter(ConversationItem)
each_prefix = pytest.mark.parametrize("prefix", PREFIXES)


def begin(caller: Caller, prefix: str = "/v1", **body: Any) -> str:
    """A new conversation's path."""
    response = caller.post(body, prefix + "/conversations")
    assert response.status_code == 200, response.text
    made = response.json()
    Conversation.model_validate(made, strict=True)
    assert set(made) == {"id", "object", "created_at", "metadata"} and made["id"].startswith("conv_")
    return f"{prefix}/conversations/{made['id']}"


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def items(caller: Caller, path: str) -> list[JSON]:
    """All of them, oldest first, by pages."""
    found: list[JSON] = []
    while True:
        query = {"order": "asc", "limit": 100, **({"after": found[-1]["id"]} if found else {})}
        response = get(caller, path + "/items", **query)
        assert response.status_code == 200, response.text
        page = response.json()
        ConversationItemList.model_validate(page, strict=True)
        found += page["data"]
        if not page["has_more"]:
            return found


def said(found: list[JSON]) -> list[tuple[str, str]]:
    return [(item["role"], item["content"][0]["text"]) for item in found if item["type"] == "message"]


def user_item(text: str, **fields: Any) -> JSON:
    return {"role": "user", "content": text, **fields}


# ---- the object


@each_prefix
def test_a_conversation_is_begun_read_renamed_and_deleted(rich: Caller, prefix: str) -> None:
    path = begin(rich, prefix, metadata={"topic": "a"}, items=[user_item("Hello!")])
    made = get(rich, path).json()
    assert made["metadata"] == {"topic": "a"} and said(items(rich, path)) == [("user", "Hello!")]
    renamed = rich.post({"metadata": {"b": "c"}}, path).json()
    assert renamed == {**made, "metadata": {"b": "c"}} == get(rich, path).json()
    assert rich.post({"metadata": None}, path).json()["metadata"] == {}
    deleted = get(rich, path, "DELETE").json()
    ConversationDeletedResource.model_validate(deleted, strict=True)
    assert deleted == {"id": made["id"], "object": "conversation.deleted", "deleted": True}
    for method, where in (("GET", path), ("DELETE", path), ("GET", path + "/items")):
        refusal(get(rich, where, method), 404, "not_found_error", "conversation_not_found")


def test_a_conversation_may_begin_with_nothing(rich: Caller) -> None:
    for body in (b"", b"{}", b'{"metadata": null, "items": null}'):
        response = rich.post(body, "/v1/conversations")
        assert response.status_code == 200 and response.json()["metadata"] == {}


def test_both_mounts_show_the_same(rich: Caller) -> None:
    path = begin(rich, "", items=[user_item("Hello!")])
    assert get(rich, "/v1" + path).json() == get(rich, path).json()
    assert items(rich, "/v1" + path) == items(rich, path)


def test_items_are_added_read_listed_and_removed(rich: Caller) -> None:
    path = begin(rich)
    given = [
        user_item("one", id="msg_mine"),
        {"role": "assistant", "content": "two"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "three"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"role": "system", "content": [{"type": "input_text", "text": "four"}]},
    ]
    response = rich.post({"items": given}, path + "/items")
    assert response.status_code == 200, response.text
    added = response.json()
    ConversationItemList.model_validate(added, strict=True)
    assert added["data"] == items(rich, path) and added["data"][0]["id"] == "msg_mine"
    for item in added["data"]:
        shown = get(rich, f"{path}/items/{item['id']}").json()
        ITEM.validate_python(shown, strict=True)
        assert shown == item
    assert get(rich, f"{path}/items/msg_mine", "DELETE").json()["object"] == "conversation"
    assert [item["id"] for item in items(rich, path)] == [item["id"] for item in added["data"][1:]]
    for method in ("GET", "DELETE"):
        refusal(get(rich, f"{path}/items/msg_mine", method), 404, "not_found_error", "item_not_found")
    assert get(rich, path + "/items", limit=2).json()["data"] == added["data"][:-3:-1]


def test_what_breaks_the_rules_is_refused_and_its_field_named(rich: Caller) -> None:
    path = begin(rich, items=[user_item("x", id="msg_there")])
    many = [user_item("x")] * 21
    for where, body, param in (
        ("/v1/conversations", {"items": many}, "items"),
        ("/v1/conversations", {"metadata": {str(i): "" for i in range(17)}}, "metadata"),
        ("/v1/conversations", {"name": "x"}, "name"),
        ("/conversations", {"items": [{"type": "nothing"}]}, "items[0].type"),
        ("/conversations", {"items": [user_item("x", id="m")] * 2}, "items[1].id"),
        (path, {}, "metadata"),
        (path, {"metadata": "x"}, "metadata"),
        (path + "/items", {"items": []}, "items"),
        (path + "/items", {"items": many}, "items"),
        (path + "/items", {"items": [user_item("y"), user_item("x", id="msg_there")]}, "items[1].id"),
        (path + "/items", {"items": [user_item("x" * 50_001)]}, "items[0].content"),
    ):
        response = rich.post(body, where)
        assert (response.status_code, response.json()["error"]["param"]) == (422, param), (body, response.text)
    assert rich.post(b"{", "/v1/conversations").status_code == 422
    assert said(items(rich, path)) == [("user", "x")]
    refused = get(rich, path + "/items", after="msg_none")
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "after")


def test_somebody_elses_conversation_is_not_there(stack: Stack, rich: Caller, caller: Caller) -> None:
    path = begin(rich, items=[user_item("secret", id="msg_" + mark())])
    (item,) = items(rich, path)
    one = f"{path}/items/{item['id']}"
    for mine in (path, path.removeprefix("/v1")):
        for method, where, body in (
            ("GET", mine, None), ("DELETE", mine, None), ("POST", mine, {"metadata": {}}),
            ("GET", mine + "/items", None), ("POST", mine + "/items", {"items": [user_item("x")]}),
            ("GET", one, None), ("DELETE", one, None),
        ):  # fmt: skip
            url = stack.url + where
            response = requests.request(method, url, json=body, headers=caller.headers(), timeout=30)
            refusal(response, 404, "not_found_error", "conversation_not_found")
            keyless = requests.request(method, url, json=body, timeout=30)
            refusal(keyless, 401, "authentication_error", "missing_api_key")
    refused = ask(caller, conversation=id_of(path))
    refusal(refused, 404, "not_found_error", "conversation_not_found", "conversation")
    refused = ask(caller, [{"type": "item_reference", "id": item["id"]}])
    assert refused.status_code == 422
    assert said(items(rich, path)) == [("user", "secret")] and caller.funds() == (100 * NANO, 0)


def test_conversations_cost_nothing_and_count_against_no_limit(stack: Stack) -> None:
    poor = stack.caller(0, rpm=1)
    path = begin(poor, items=[user_item("Hello!")])
    for _ in range(4):
        assert said(items(poor, path))
    assert stack.rows("SELECT 1 FROM usage WHERE account_id = :id", id=poor.account_id) == []


# ---- responses in a conversation


@each_prefix
def test_a_conversation_goes_on_from_model_to_model(stack: Stack, rich: Caller, prefix: str) -> None:
    marker = mark()
    path = begin(rich, prefix, items=[user_item(f"first {marker}")])
    conversation = id_of(path)
    expected = [("user", f"first {marker}")]
    for i, model in enumerate(("claude-sonnet-4-5", "gpt-4o", "gemini-2.5-flash", "auto")):
        text = f"turn {i} {marker}"
        named: Any = {"id": conversation} if i % 2 else conversation
        make = (lambda *a, **f: streamed(*a, **f).last) if i > 1 else told
        response = make(rich, text, model, conversation=named)
        assert response["conversation"] == {"id": conversation} and response["previous_response_id"] is None
        turns = heard(stack, marker)
        assert len(turns) in (len(expected), len(expected) + 1)  # turns of one role may be one
        spoken = [json.dumps(before, ensure_ascii=False)[1:-1] for _, before in expected]
        assert [before for before in spoken if before not in "".join(turns)] == []
        expected += [("user", text), ("assistant", text_of(response))]
        assert said(items(rich, path)) == expected
        assert items(rich, path)[-1]["id"] == response["output"][-1]["id"]


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5", "gemini-3.8-flash"])
def test_calls_are_answered_within_a_conversation(rich: Caller, model: str) -> None:
    path = begin(rich)
    fields: JSON = {"conversation": id_of(path), "tools": [WEATHER], "reasoning": {"effort": "low"}}
    asked = told(rich, QUESTION, model, **fields)
    calls = [item for item in asked["output"] if item["type"] == "function_call"]
    outputs = [{"type": "function_call_output", "call_id": c["call_id"], "output": "20 degrees"} for c in calls]
    assert "20 degrees; 20 degrees" in text_of(told(rich, outputs, model, **fields)) or model.startswith("gemini")
    kinds = [item["type"] for item in items(rich, path) if item["type"] != "reasoning"]
    assert kinds == ["message", *["function_call"] * 2, *["function_call_output"] * 2, "message"]


def test_a_conversation_that_is_no_more_is_not_found(stack: Stack, caller: Caller) -> None:
    path = begin(caller)
    answered = told(caller, conversation=id_of(path))
    get(caller, path, "DELETE")
    for stream in (False, True):
        refused = ask(caller, conversation=id_of(path), stream=stream)
        refusal(refused, 404, "not_found_error", "conversation_not_found", "conversation")
    assert get(caller, f"{PATH}/{answered['id']}").status_code == 200, "the response stays"
    assert len(caller.usage(1)) == 1
    left = stack.rows("SELECT 1 FROM conversation_item WHERE conversation_id = :id", id=id_of(path))
    assert left == []


def test_a_conversation_deleted_under_way_gets_nothing_more(stack: Stack, caller: Caller) -> None:
    path = begin(caller)
    with opened(caller, order("chunks=5 interval_ms=100"), conversation=id_of(path)) as stream:
        stream.read(4)
        get(caller, path, "DELETE")
        stream.read()
    assert stream.kinds[-1] == "completed"
    assert stack.rows("SELECT 1 FROM conversation_item WHERE conversation_id = :id", id=id_of(path)) == []


def test_requests_at_once_lose_nothing_and_do_not_mingle(rich: Caller) -> None:
    path = begin(rich)
    pieces = order("chunks=4 interval_ms=30")

    def one(i: int) -> JSON:
        given = [user_item(f"first {i}"), user_item(f"second {i} {pieces}")]
        make = (lambda *a, **f: streamed(*a, **f).last) if i % 2 else told
        response: JSON = make(rich, given, "gpt-4o-mini", conversation=id_of(path))
        return response

    responses = at_once(8, one)
    found = items(rich, path)
    assert len(found) == 24
    by_answer = {response["output"][0]["id"]: i for i, response in enumerate(responses)}
    order_of = []
    for start in range(0, 24, 3):
        first, second, answer = found[start : start + 3]
        i = by_answer[answer["id"]]
        order_of.append(i)
        assert said([first]) == [("user", f"first {i}")] and f"second {i} " in json.dumps(second)
    assert sorted(order_of) == list(range(8))
    assert items(rich, path) == found, "the order stays"


def test_a_response_that_fails_leaves_what_came_of_it(stack: Stack, rich: Caller) -> None:
    path = begin(rich)
    stream = streamed(rich, order("chunks=10 cut=3"), conversation=id_of(path))
    assert stream.kinds[-1] == "failed"
    assert [item["status"] for item in items(rich, path)] == ["completed", "incomplete"]
    assert said(items(rich, path))[1] == ("assistant", stream.text)
    marker = mark()
    told(rich, marker, conversation=id_of(path))
    assert stream.text[:20] in "".join(heard(stack, marker))


def test_what_was_refused_is_not_in_the_conversation(rich: Caller) -> None:
    path = begin(rich)
    for text, fields in ((order("status=500"), {}), ("Hello!", {"model": "gpt-5000"})):
        assert rich.post(
            {"model": "gpt-4o", "input": text, "conversation": id_of(path), **fields}, PATH
        ).status_code in (404, 503)
    assert items(rich, path) == []


# ---- retention


def test_a_conversation_lives_from_its_last_word_and_is_swept(stack: Stack, caller: Caller) -> None:
    old, live = begin(caller, items=[user_item("old")]), begin(caller, items=[user_item("live")])
    both = "UPDATE conversation SET expires_at_ms = :at WHERE account_id = :id"
    assert stack.change(both, at=10**15, id=caller.account_id) == 2
    told(caller, conversation=id_of(live))
    row = stack.rows("SELECT expires_at_ms AS at FROM conversation WHERE id = :id", id=id_of(live))[0]
    assert row["at"] < 10**15, "each word sets the day anew"
    stack.change("UPDATE conversation SET expires_at_ms = 1 WHERE id = :id", id=id_of(old))
    refusal(get(caller, old), 404, "not_found_error", "conversation_not_found")
    assert ask(caller, conversation=id_of(old)).status_code == 404
    accounting.sweep(Here(settings.read({"THERMLY_INSTANCE": str(stack.folder)}), stack.database))
    assert stack.rows("SELECT 1 FROM conversation_item WHERE conversation_id = :id", id=id_of(old)) == []
    assert len(items(caller, live)) == 3
