"""Requests per minute and key: what is counted, what is told, what is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from stories.stack import CHAT, Caller, Stack, at_once, order, refusal, user


def told(response: requests.Response) -> tuple[int, int, int]:
    names = ("Limit", "Remaining", "Reset")
    limit, remaining, reset = (int(response.headers[f"X-RateLimit-{name}-Requests"]) for name in names)
    return limit, remaining, reset


def assert_refused(response: requests.Response, limit: int) -> None:
    message = refusal(response, 429, "rate_limit_error", "rate_limit_exceeded")
    assert str(limit) in message
    wait_s = int(response.headers["Retry-After"])
    assert 1 <= wait_s <= 61 and told(response)[:2] == (limit, 0)
    assert abs(told(response)[2] - time.time() - wait_s) < 3


@pytest.mark.parametrize(("plan", "limit"), [("standard", 60), ("free", 10)])
def test_a_plan_allows_so_many_requests_in_a_minute(stack: Stack, plan: str, limit: int) -> None:
    caller = stack.caller(plan=plan)
    answers = [caller.ask("Hello!", "auto") for _ in range(limit)]
    assert [a.status_code for a in answers] == [200] * limit
    assert [told(a)[:2] for a in answers] == [(limit, limit - 1 - i) for i in range(limit)]
    assert len({told(a)[2] for a in answers}) == 1 and 0 < told(answers[0])[2] - time.time() <= 61
    assert_refused(caller.ask("Hello!", "auto"), limit)
    assert_refused(caller.ask("Hello!", "auto", stream=True), limit)
    assert_refused(caller.ask("Hello!", path="/api" + CHAT), limit)


def test_the_limit_is_exact_however_many_processes_count(stack: Stack) -> None:
    caller = stack.caller(plan="free")
    statuses = [r.status_code for r in at_once(25, lambda _: caller.ask("Hello!", "auto"))]
    assert (statuses.count(200), statuses.count(429)) == (10, 15)


def test_each_key_has_a_minute_of_its_own(stack: Stack) -> None:
    caller = stack.caller(rpm=1)
    other = Caller(stack, caller.account_id, stack.key(caller.account_id, rpm=1))
    assert [caller.ask().status_code for _ in range(2)] == [200, 429]
    assert other.ask().status_code == 200


def test_a_body_that_is_refused_uses_up_no_allowance(stack: Stack) -> None:
    caller = stack.caller(rpm=3)
    assert caller.post(b"{").status_code == 422
    assert caller.ask(temperature=3).status_code == 422
    assert caller.ask("x" * 50_001).status_code == 422
    assert caller.post({}, "/api" + CHAT).status_code == 400
    assert caller.post({}, "/v1/nothing").status_code == 404
    assert told(caller.ask())[:2] == (3, 2)


def test_a_request_counts_once_whatever_is_tried_behind_it(stack: Stack) -> None:
    caller = stack.caller(rpm=10)
    assert caller.ask(order("status=500")).status_code == 503
    assert told(caller.ask())[:2] == (10, 8)


def test_a_key_may_have_its_own_number(stack: Stack) -> None:
    account = f"limits {time.time_ns()}"
    account_id = stack.cli("account", "create", account, "--plan", "free", "--credit", "1").strip()
    key = stack.cli("key", "create", "--account", account, "--rpm", "2").splitlines()[-1]
    few = Caller(stack, account_id, key)
    assert [few.ask().status_code for _ in range(3)] == [200, 200, 429]
    free = stack.cli("key", "create", "--account", account, "--rpm", "unlimited").splitlines()[-1]
    many = [Caller(stack, account_id, free).ask() for _ in range(12)]
    assert {r.status_code for r in many} == {200}
    pro = Caller(stack, account_id, stack.cli("key", "create", "--account", account, "--plan", "pro").split()[-1])
    assert told(pro.ask())[:2] == (300, 299)


def test_the_headers_come_with_streams(stack: Stack) -> None:
    assert told(stack.caller(rpm=5).stream().response)[:2] == (5, 4)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"model": "nope", "messages": user("Hello")}),
        ("/v1/chat/completions", {"model": "claude-sonnet-4-6", "messages": user("Hello"), "n": 2}),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "x", "dimensions": 99_999}),
        ("/v1/images/generations", {"model": "dall-e-2", "prompt": "x", "size": "1x1"}),
        ("/v1/responses", {"model": "nope", "input": "x"}),
        ("/v1/messages", {"model": "nope", "max_tokens": 5, "messages": user("Hello")}),
        ("/v1/embed/chat/completions", {"model": "c1/openai/gpt-4o/v-20250930", "messages": user("x"), "n": 2}),
        ("/api/v1beta/models/nope:generateContent", {"contents": [{"parts": [{"text": "x"}]}]}),
    ],
)
def test_a_body_that_only_its_model_refuses_uses_up_no_allowance(
    stack: Stack, path: str, body: dict[str, Any]
) -> None:
    by = stack.caller(rpm=2, image_rpm=2)
    statuses = [by.post(body, path).status_code for _ in range(4)]
    assert {status // 100 for status in statuses} == {4} and 429 not in statuses
    assert by.post({"model": "gpt-4o", "messages": user("Hello")}).status_code == 200
