"""Responses that are made while nobody waits, through the real queue and worker."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from stories.stack import Caller, Stack, wait_for

SLOW = "[[sandbox: chunks=60 interval_ms=100]] Tell me a long story."


_open: list[openai.OpenAI] = []


@pytest.fixture(autouse=True)
def _no_connection_is_left() -> Iterator[None]:
    yield
    while _open:
        _open.pop().close()


def client(stack: Stack, by: Caller) -> openai.OpenAI:
    _open.append(openai.OpenAI(api_key=by.key, base_url=f"{stack.url}/v1", max_retries=0))
    return _open[-1]


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
    again = client(stack, Caller(stack, caller.account_id, other))
    for made in held:
        again.responses.cancel(made.id)
    found = ended(again, waiting.id)
    assert found.status == "failed" and "no longer served" in found.error.message


def test_its_request_has_its_number(stack: Stack, caller: Caller) -> None:
    answer = caller.post({"model": "gpt-4o", "input": "Hello", "background": True}, "/v1/responses")
    number = answer.headers["x-request-id"].removeprefix("req_")
    assert answer.json()["id"] == f"resp_{number}"
    assert ended(client(stack, caller), answer.json()["id"]).status == "completed"
    assert [row["id"] for row in caller.usage()] == [number]


A_SECOND = "[[sandbox: chunks=10 interval_ms=100]] Tell me a story."


def test_who_asks_for_one_does_not_wait_for_who_asks_for_twenty(stack: Stack, caller: Caller) -> None:
    many, one = client(stack, caller), client(stack, stack.caller())
    queued = [many.responses.create(model="gpt-4o", input=A_SECOND, background=True).id for _ in range(20)]
    early = one.responses.create(model="gpt-4o", input="Hello", background=True).id
    assert ended(one, early).status == "completed"
    left = [id for id in queued if many.responses.retrieve(id).status == "queued"]
    assert len(left) >= 12, "it was made as soon as a worker was free"
    assert left == queued[-len(left) :], "and the others are made in their own order"
    for id in queued:
        with contextlib.suppress(openai.UnprocessableEntityError):  # made meanwhile
            many.responses.cancel(id)


def test_an_image_does_not_wait_for_somebody_elses_responses(stack: Stack, caller: Caller) -> None:
    many, other = client(stack, caller), stack.caller()
    queued = [many.responses.create(model="gpt-4o", input=A_SECOND, background=True).id for _ in range(20)]
    made = other.post({"model": "stable-diffusion", "prompt": "a fox", "size": "256x256"}, "/v1/images/generations")
    assert made.status_code == 200, made.text
    assert sum(many.responses.retrieve(id).status == "queued" for id in queued) >= 12
    for id in queued:
        with contextlib.suppress(openai.UnprocessableEntityError):
            many.responses.cancel(id)


def test_one_that_has_lost_its_process_is_seen_to_by_who_asks_for_it(stack: Stack, caller: Caller) -> None:
    """And not only by the next sweep, which may be a minute away."""
    at = client(stack, caller)
    made = at.responses.create(model="gpt-4o", input=SLOW, background=True)
    assert wait_for(lambda: at.responses.retrieve(made.id).status == "in_progress")
    lost = "UPDATE background SET owner = '1-dead', attempts = 3 WHERE response_id = :id"
    assert stack.change(lost, id=made.id) == 1
    found = ended(at, made.id, 3)
    assert found.status == "failed" and found.error is not None and "too often" in found.error.message
    assert caller.usage()[0]["outcome"] == "client_gone", "who was at it after all has stopped"
