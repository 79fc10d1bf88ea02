"""Conversations at the root of the host and under /v1: who sees what, in which order, and until when."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItem
from openai.types.conversations.conversation_item_list import ConversationItemList
from pydantic import TypeAdapter

from stories.stack import NANO, Caller, Stack, at_once, mark, order, refusal, wait_for
from stories.test_limits import assert_refused
from stories.test_responses import JSON, PATH, QUESTION, WEATHER, ask, get, heard, opened, streamed, text_of, told
from thermly import settings
from thermly.running import accounting
from thermly.running.accounting import Here

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
def test_without_credit_a_conversation_is_read_and_deleted_and_gets_nothing_more(
    stack: Stack, caller: Caller, prefix: str
) -> None:
    path = begin(caller, prefix, items=[user_item("Hello!")])
    stack.credit(caller, -100 * NANO)
    for where, body in ((prefix + "/conversations", {}), (path + "/items", {"items": [user_item("More")]})):
        refusal(caller.post(body, where), 402, "insufficient_credits", "insufficient_credits")
    assert said(items(caller, path)) == [("user", "Hello!")]
    assert get(caller, path, "DELETE").status_code == 200


def test_an_account_keeps_so_much_and_no_more(stack: Stack, caller: Caller) -> None:
    path = begin(caller, items=[user_item("Hello!")])
    change = "UPDATE account SET memory_bytes = memory_bytes + :more WHERE id = :id"
    most = 512 * 1_048_576
    for more in (most - 2_000, 2_000):  # close to the bound, and beyond it
        stack.change(change, more=more, id=caller.account_id)
        for where, body in (
            ("/v1/conversations", {"items": [user_item("x" * 3_000)]}),
            (path + "/items", {"items": [user_item("x" * 3_000)]}),
        ):
            message = refusal(caller.post(body, where), 422, "invalid_request_error", "memory_full")
            assert "Delete some" in message
    assert said(items(caller, path)) == [("user", "Hello!")]
    stack.change(change, more=-most, id=caller.account_id)
    assert get(caller, path, "DELETE").status_code == 200
    assert stack.rows("SELECT memory_bytes FROM account WHERE id = :id", id=caller.account_id) == [
        {"memory_bytes": 0}
    ]


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
    for response in (
        get(rich, path + "/items", include="bogus"),
        get(rich, path + "/items/msg_there", include="bogus"),
        rich.post({"items": [user_item("x")]}, path + "/items?include[]=bogus"),
    ):
        assert (response.status_code, response.json()["error"]["param"]) == (422, "include[0]")


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


def counted(response: requests.Response) -> tuple[str, str]:
    names = ("Limit", "Remaining")
    limit, remaining = (response.headers[f"X-RateLimit-{name}-Requests"] for name in names)
    return limit, remaining


@each_prefix
def test_what_changes_a_conversation_counts_once_and_a_look_does_not(stack: Stack, prefix: str) -> None:
    poor = stack.caller(1, rpm=5)
    made = poor.post({"items": [user_item("Hello!")]}, prefix + "/conversations")
    path = f"{prefix}/conversations/{made.json()['id']}"
    answers = [
        made,
        poor.post({"metadata": {"a": "b"}}, path),
        poor.post({"items": [user_item("one")]}, path + "/items"),
        get(poor, f"{path}/items/{items(poor, path)[0]['id']}", "DELETE"),
        get(poor, path, "DELETE"),
    ]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert [counted(answer) for answer in answers] == [("5", str(left)) for left in (4, 3, 2, 1, 0)]
    assert_refused(poor.post({}, prefix + "/conversations"), 5)
    assert_refused(ask(poor), 5)
    assert get(poor, path).status_code == 404
    assert stack.rows("SELECT 1 FROM usage WHERE account_id = :id", id=poor.account_id) == []


def test_looking_at_a_conversation_counts_against_no_limit(stack: Stack) -> None:
    poor = stack.caller(1, rpm=2)
    path = begin(poor, items=[user_item("Hello!", id="msg_mine")])
    for _ in range(3):
        for where in (path, path + "/items", path + "/items/msg_mine"):
            answer = get(poor, where)
            assert answer.status_code == 200 and "X-RateLimit-Limit-Requests" not in answer.headers
    assert counted(poor.post({"metadata": {}}, path)) == ("2", "0")


def test_a_change_that_is_refused_uses_up_no_allowance(stack: Stack) -> None:
    poor = stack.caller(1, rpm=2)
    path = begin(poor, items=[user_item("Hello!", id="msg_mine")])
    for body, where in (
        ({"items": [user_item("x")] * 21}, path + "/items"),
        ({"items": [user_item("again", id="msg_mine")]}, path + "/items"),
        ({"items": [{"type": "item_reference", "id": "msg_nobodys"}]}, path + "/items"),
        ({"metadata": 1}, path),
        ({"metadata": {}}, path + "x"),
    ):
        assert poor.post(body, where).status_code in (404, 422)
    assert get(poor, path + "/items/nothing", "DELETE").status_code == 404
    assert counted(poor.post({"metadata": {}}, path)) == ("2", "0")


def test_however_many_change_at_once_the_limit_is_exact(stack: Stack) -> None:
    poor = stack.caller(1, rpm=6)
    path = begin(poor)
    statuses = [
        r.status_code for r in at_once(12, lambda i: poor.post({"items": [user_item(str(i))]}, path + "/items"))
    ]
    assert (statuses.count(200), statuses.count(429)) == (5, 7)
    assert len(items(poor, path)) == 5


def test_a_conversation_that_is_full_says_so(stack: Stack, caller: Caller) -> None:
    path = begin(caller)
    row = json.dumps(items(caller, begin(caller, items=[user_item("x")]))[0])
    stack.change(
        """WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
           INSERT INTO conversation_item SELECT :id, i, 'msg_' || i, :body FROM n""",
        id=id_of(path), body=row,
    )  # fmt: skip
    full = caller.post({"items": [user_item("one too many")]}, path + "/items")
    assert "10,000" in refusal(full, 422, "invalid_request_error", "conversation_full", "items")
    full = ask(caller, conversation=id_of(path))
    assert "10,000" in refusal(full, 422, "invalid_request_error", "conversation_full", "conversation")
    assert caller.funds() == (100 * NANO, 0)
    assert get(caller, path + "/items/msg_0", "DELETE").status_code == 200
    assert caller.post({"items": [user_item("fits")]}, path + "/items").status_code == 200


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


def test_foreground_and_background_at_once_lose_nothing_and_keep_one_order(stack: Stack, rich: Caller) -> None:
    path, marker = begin(rich, items=[user_item("before")]), mark()

    def one(i: int) -> str:
        pieces = order(f"chunks=4 interval_ms={20 + 30 * (i % 3)}")
        given = [user_item(f"first {i} {marker}"), user_item(f"second {i} {pieces}")]
        if i % 2:
            return str(streamed(rich, given, "gpt-4o-mini", conversation=id_of(path)).last["id"])
        made = ask(rich, given, "gpt-4o-mini", conversation=id_of(path), background=True)
        assert made.status_code == 200, made.text
        return str(made.json()["id"])

    made = at_once(8, one)

    def ended() -> bool:
        return {get(rich, f"{PATH}/{id}").json()["status"] for id in made} == {"completed"}

    assert wait_for(ended)
    by_answer = {get(rich, f"{PATH}/{id}").json()["output"][0]["id"]: i for i, id in enumerate(made)}
    found = items(rich, path)
    assert len(found) == 25 and said(found[:1]) == [("user", "before")]
    told_of = []
    for first, second, answer in zip(found[1::3], found[2::3], found[3::3], strict=True):
        i = by_answer[answer["id"]]
        told_of.append(i)
        assert said([first]) == [("user", f"first {i} {marker}")] and f"second {i} " in json.dumps(second)
    assert sorted(told_of) == list(range(8)) and items(rich, path) == found
    for record in stack.heard(marker):  # each heard a beginning of it, whole, and nothing of those beside it
        texts = json.dumps(record["body"])
        earlier = texts.count(f" {marker}") - 1
        heard_of = [i for i in told_of if f"first {i} {marker}" in texts]
        assert len(heard_of) == earlier + 1 and {*told_of[:earlier]} <= {*heard_of}
    owners = stack.rows("SELECT COUNT(*) AS n FROM conversation_item WHERE conversation_id = :id", id=id_of(path))
    assert owners[0]["n"] == 25


def test_what_is_heard_in_the_background_is_what_was_said_when_it_was_accepted(stack: Stack, rich: Caller) -> None:
    path, marker = begin(rich, items=[user_item("before")]), mark()
    pieces = order("chunks=10 interval_ms=100", f"slow {marker}")
    slow = ask(rich, pieces, conversation=id_of(path), background=True)
    later = told(rich, f"later {marker}", conversation=id_of(path))
    assert later["status"] == "completed"
    assert wait_for(lambda: get(rich, f"{PATH}/{slow.json()['id']}").json()["status"] == "completed")
    texts = [text for role, text in said(items(rich, path)) if role == "user"]
    assert texts[:2] == ["before", f"later {marker}"] and texts[2].startswith(f"slow {marker}"), "by their ends"
    for record in stack.heard(marker):
        body = json.dumps(record["body"])
        assert "before" in body and (f"slow {marker}" in body) != (f"later {marker}" in body)


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
