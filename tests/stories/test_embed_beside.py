"""Generated interfaces on the surfaces of plain models, and what plain models are told of them afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stories.stack import Caller, Stack, Stream, mark, refusal, user, wait_for
from stories.test_embed import FAMILIES, OPENING, Card, body_of, c1, content_of, get, opened
from stories.test_limits import told as limits

JSON = dict[str, Any]
CHATS = ("/v1/chat/completions", "/api/v1/chat/completions")
RESPONSES, EMBEDDED = "/v1/responses", "/v1/embed/responses"
OURS = pytest.mark.parametrize("path", [*CHATS, RESPONSES])
TABLE = "Compare tea and coffee"


def body(path: str, text: Any = "Hello!", model: str = "", **fields: Any) -> JSON:
    said = {"input": text} if path.endswith("/responses") else {"messages": user(text)}
    return {"model": model or c1(), **said, **fields}


def made(caller: Caller, path: str, text: str, model: str = "", **fields: Any) -> JSON:
    response = caller.post(body(path, text, model, **fields), path)
    assert response.status_code == 200, response.text
    reply: JSON = response.json()
    return reply


@OURS
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", OPENING)
def test_an_id_of_theirs_is_answered_in_components(rich: Caller, path: str, family: str, form: str) -> None:
    reply = made(rich, path, TABLE, c1(family, form))
    assert "Table" in Card(content_of(reply), form).names and reply["model"] == c1(family, form)


@OURS
def test_the_books_keep_their_id_as_it_was_asked_for(caller: Caller, path: str) -> None:
    made(caller, path, "Hello!", "c1/openai/gpt-4o/v-20251230")
    assert [(row["requested_model"], row["model"]) for row in caller.usage()] == [
        ("c1/openai/gpt-4o/v-20251230", "gpt-4o")
    ]


@pytest.mark.parametrize("path", CHATS)
def test_streams_are_the_same(caller: Caller, path: str) -> None:
    with opened(caller, body(path, TABLE), path) as response:
        stream = Stream(response)
        stream.read()
    reply = made(caller, path, TABLE)
    assert stream.text == content_of(reply) and stream.done
    prefix, surface = ("thermo-", "v1") if path == CHATS[0] else ("chatcmpl-", "api-v1")
    assert stream.chunks[0]["id"].startswith(prefix) and reply["id"].startswith(prefix)
    assert {row["surface"] for row in caller.usage(2)} == {surface}


def test_a_streamed_response_is_kept(rich: Caller) -> None:
    with opened(rich, body(RESPONSES, TABLE), RESPONSES) as response:
        rows = [json.loads(row[6:]) for row in response.text.split("\n") if row.startswith("data: {")]
    final = rows[-1]["response"]
    assert rows[-1]["type"] == "response.completed" and "Table" in Card(content_of(final), "json").names
    assert get(rich, f"/responses/{final['id']}").json() == final


@OURS
@pytest.mark.parametrize(("fields", "param"), [
    ({"metadata": {"team": "a"}}, "metadata"), ({"tools": [{"type": "web_search"}]}, "tools"),
    ({"temperature": 3}, "temperature"),
])  # fmt: skip
def test_what_they_refuse_is_refused_by_the_rules_of_the_surface(
    caller: Caller, path: str, fields: JSON, param: str
) -> None:
    status = 400 if path.startswith("/api") else 422
    response = caller.post(body(path, **fields), path)
    assert response.status_code == status, response.text
    assert response.json()["error"]["param"].startswith(param)
    assert caller.usage(0) == []


def test_the_bounds_are_those_of_the_surface(rich: Caller) -> None:
    named = [{"type": "function", "function": {"name": f"f{i}"}} for i in range(65)]
    assert "64" in refusal(
        rich.post(body(CHATS[0], tools=named), CHATS[0]), 422, "invalid_request_error", "invalid_request", "tools"
    )
    assert rich.post(body(CHATS[1], tools=named), CHATS[1]).status_code == 200
    background = rich.post(body(RESPONSES, background=True), RESPONSES)
    refusal(background, 422, "invalid_request_error", "invalid_request", "background")


@OURS
@pytest.mark.parametrize("model", ["c1/openai/gpt-5000/v-20250930", "c1/openai/gpt-4o", "c1-exp/x/y/v-1", "c1/"])
def test_what_is_none_of_theirs_is_404_and_says_how_they_look(caller: Caller, path: str, model: str) -> None:
    message = refusal(
        caller.post(body(path, model=model), path), 404, "not_found_error", "model_not_found", "model"
    )
    assert "c1/{provider}" in message or "gpt-5000" in message


@OURS
def test_a_plain_model_is_asked_though_the_body_speaks_of_theirs(stack: Stack, rich: Caller, path: str) -> None:
    marker = mark()
    told = f'c1/openai/gpt-4o/v-20250930 "c1/openai" {marker}'
    reply = made(rich, path, told, "gpt-4o")
    assert "<content" not in content_of(reply)
    (heard,) = stack.heard(marker)
    assert "component" not in json.dumps(heard["body"])


def test_they_are_counted_once_and_a_broken_body_not_at_all(stack: Stack) -> None:
    caller = stack.caller(rpm=5)
    assert caller.post(b'{"model": "c1/openai/gpt-4o/v-20250930"', CHATS[0]).status_code == 422
    assert limits(caller.post(body(CHATS[0]), CHATS[0]))[:2] == (5, 4)
    assert limits(caller.post(body(RESPONSES), RESPONSES))[:2] == (5, 3)
    stranger = Caller(stack, "", "sk-thermo-nobody")
    refusal(stranger.post(body(CHATS[0]), CHATS[0]), 401, "authentication_error", "invalid_api_key")


# ---- what plain models are told


def heard(stack: Stack, marker: str) -> str:
    (request,) = stack.heard(marker)
    return json.dumps(request["body"])


@pytest.mark.parametrize("form", OPENING)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_plain_model_goes_on_from_the_words_of_an_interface(
    stack: Stack, rich: Caller, form: str, family: str
) -> None:
    shown, marker = mark(), mark()
    first = rich.post(body_of(EMBEDDED, f"{TABLE} {shown}", c1(form=form)), EMBEDDED).json()
    reply = made(rich, RESPONSES, marker, family.partition("/")[2], previous_response_id=first["id"])
    words = heard(stack, marker)
    assert words.count(shown) >= 2, "in the question and in the answer"
    assert "thesys" not in words and "Coffee" in words
    assert "<content" not in content_of(reply)
    kept = get(rich, f"/responses/{first['id']}").json()
    assert kept == first, "what is remembered stays as it was"


@pytest.mark.parametrize("background", [False, True])
def test_a_conversation_goes_back_and_forth(stack: Stack, rich: Caller, background: bool) -> None:
    conversation = rich.post({}, "/v1/conversations").json()["id"]
    made(rich, EMBEDDED, TABLE, conversation=conversation)
    marker, again = mark(), mark()
    reply = made(rich, RESPONSES, marker, "gpt-4o", conversation=conversation, background=background)
    wait_for(lambda: get(rich, f"/responses/{reply['id']}").json()["status"] == "completed")
    assert "thesys" not in heard(stack, marker) and "Coffee" in heard(stack, marker)
    made(rich, RESPONSES, again, conversation=conversation)
    assert "<content" not in heard(stack, again) and "Coffee" in heard(stack, again)
    items = rich.stack.http.get(
        f"{stack.url}/v1/conversations/{conversation}/items?order=asc", headers=rich.headers(), timeout=10
    ).json()["data"]
    shown = [item["content"][0]["text"].startswith("<content") for item in items if item["role"] == "assistant"]
    assert shown == [True, False, True]


def test_what_a_client_sends_itself_stays_to_the_letter(stack: Stack, rich: Caller) -> None:
    marker = mark()
    content = f'<content thesys="true">{marker}</content>'
    messages = [*user("Hi"), {"role": "assistant", "content": content}, *user("Go on")]
    rich.post({"model": "gpt-4o", "messages": messages}, CHATS[0])
    assert "thesys" in heard(stack, marker)
