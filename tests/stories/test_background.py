"""Responses that are made while nobody waits, through the real queue and worker."""

from __future__ import annotations

import time
from typing import Any

import openai
import pytest

from stories.stack import Caller, Stack, wait_for

SLOW = "[[sandbox: chunks=60 interval_ms=100]] Tell me a long story."


def client(stack: Stack, by: Caller) -> openai.OpenAI:
    return openai.OpenAI(api_key=by.key, base_url=f"{stack.url}/v1", max_retries=0)


def ended(at: openai.OpenAI, response_id: str, within_s: float = 10) -> Any:
    give_up = time.monotonic() + within_s
    while (found := at.responses.retrieve(response_id)).status in ("queued", "in_progress"):
        assert time.monotonic() < give_up, found.status
        time.sleep(0.05)
    return found


def test_a_response_in_the_background_is_asked_for_until_it_is_there(stack: Stack, caller: Caller) -> None:
    at = client(stack, caller)
    made = at.responses.create(model="claude-sonnet-4-5", input="Hello", background=True)
    assert (made.status, made.background, made.output) == ("queued", True, [])
    found = ended(at, made.id)
    assert found.status == "completed" and "Hello" in found.output_text and found.usage.total_tokens > 0
    follow = at.responses.create(model="gpt-4o", input="And again", previous_response_id=made.id)
    assert follow.status == "completed"
    assert [item.type for item in at.responses.input_items.list(made.id)] == ["message"]


def test_a_conversation_learns_of_it_at_its_end(stack: Stack, caller: Caller) -> None:
    at = client(stack, caller)
    conversation = at.conversations.create()
    made = at.responses.create(model="auto", input="Hello", background=True, conversation=conversation.id)
    assert ended(at, made.id).status == "completed"
    listed = at.conversations.items.list(conversation.id, order="asc")
    assert [item.role for item in listed] == ["user", "assistant"]


def test_a_cancelled_response_stays_cancelled_and_so_does_its_upstream(stack: Stack, caller: Caller) -> None:
    at = client(stack, caller)
    made = at.responses.create(model="gpt-4o", input=SLOW, background=True)
    give_up = time.monotonic() + 10
    while at.responses.retrieve(made.id).status != "in_progress":
        assert time.monotonic() < give_up
        time.sleep(0.05)
    time.sleep(0.5)
    assert at.responses.cancel(made.id).status == "cancelled"
    assert at.responses.cancel(made.id).status == "cancelled", "twice is once"
    time.sleep(1.5)
    assert at.responses.retrieve(made.id).status == "cancelled"
    with pytest.raises(openai.UnprocessableEntityError):
        at.responses.cancel(at.responses.create(model="gpt-4o", input="Hello").id)


def test_what_the_upstream_refuses_is_told_by_the_response(stack: Stack, caller: Caller, calm: None) -> None:
    at = client(stack, caller)
    made = at.responses.create(model="gpt-4o", input="[[sandbox: status=500]] Hello", background=True)
    found = ended(at, made.id)
    assert found.status == "failed" and found.error is not None and found.error.code == "server_error"


@pytest.mark.parametrize("fields", [{"store": False}, {"stream": True}])
def test_what_cannot_go_together_is_refused(stack: Stack, rich: Caller, fields: dict[str, Any]) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client(stack, rich).responses.create(model="gpt-4o", input="Hello", background=True, **fields)
    assert caught.value.param in ("background", "stream")


def test_it_is_nobody_elses(stack: Stack, caller: Caller, rich: Caller) -> None:
    made = client(stack, caller).responses.create(model="gpt-4o", input="Hello", background=True)
    for call in ("retrieve", "cancel", "delete"):
        with pytest.raises(openai.NotFoundError):
            getattr(client(stack, rich).responses, call)(made.id)


def test_what_would_be_refused_at_once_is_refused_at_once(stack: Stack, caller: Caller) -> None:
    at = client(stack, caller)
    with pytest.raises(openai.NotFoundError):
        at.responses.create(model="nope", input="Hello", background=True)
    with pytest.raises(openai.APIStatusError) as caught:
        client(stack, stack.caller(0)).responses.create(model="gpt-4o", input="Hello", background=True)
    assert caught.value.status_code == 402


def test_one_that_is_deleted_is_stopped(stack: Stack, caller: Caller) -> None:
    at = client(stack, caller)
    made = at.responses.create(model="gpt-4o", input=SLOW, background=True)
    while at.responses.retrieve(made.id).status != "in_progress":
        time.sleep(0.05)
    time.sleep(0.5)
    at.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        at.responses.retrieve(made.id)
    assert wait_for(caller.usage, 4), "the whole answer would take six seconds"
    assert caller.usage()[0]["outcome"] == "client_gone"


def test_a_key_that_is_revoked_meanwhile_is_not_served(stack: Stack, caller: Caller) -> None:
    at = client(stack, caller)
    held = [at.responses.create(model="gpt-4o", input=SLOW, background=True) for _ in range(4)]
    waiting = at.responses.create(model="gpt-4o", input="Hello", background=True)
    other = stack.key(caller.account_id)
    stack.run("key", "revoke", caller.key)
    again = openai.OpenAI(api_key=other, base_url=f"{stack.url}/v1", max_retries=0)
    for made in held:
        again.responses.cancel(made.id)
    found = ended(again, waiting.id)
    assert found.status == "failed" and "no longer served" in found.error.message
