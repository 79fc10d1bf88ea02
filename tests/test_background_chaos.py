"""Responses in the background while workers are killed, Redis goes and all stops: each made, and told once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from stories.stack import Caller, Stack, order, wait_for

pytestmark = pytest.mark.last
PATH = "/v1/responses"
UNDER_WAY = ("queued", "in_progress")
A_SECOND = "chunks=10 interval_ms=100"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, stack: Stack) -> Iterator[Stack]:
    """A stack for all of these: each test leaves it whole. (The shared one is only asked for so that it skips where
    there is no /proc.)"""
    folder = tmp_path_factory.mktemp("background") / "instance"
    own = Stack(
        folder, web_workers=2, drain_s=10, accounting_delay_s=1, housekeeping_interval_s=600, keepalive_s=15
    )
    own.start()
    yield own
    own.http.close()
    own.kill()


@pytest.fixture
def caller(own: Stack) -> Caller:
    return own.caller()


def made(caller: Caller, text: str = "Hello", **fields: Any) -> str:
    """The id of a response that is accepted, however long the workers take to listen again."""
    body = {"model": "gpt-4o", "input": text, "background": True, **fields}

    def ask() -> str:
        answer = caller.post(body, PATH)
        assert answer.status_code in (200, 503), answer.text
        return str(answer.json()["id"]) if answer.status_code == 200 else ""

    found = wait_for(ask, 30)
    assert found, caller.stack.log()
    return str(found)


def look(caller: Caller, response_id: str) -> dict[str, Any]:
    url = f"{caller.stack.url}{PATH}/{response_id}"
    response = caller.stack.http.get(url, headers=caller.headers(), timeout=30)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def ended(caller: Caller, response_id: str, seconds: float = 15) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        found = look(caller, response_id)
        return None if found["status"] in UNDER_WAY else found

    found = wait_for(over, seconds)
    assert found is not None, caller.stack.log()
    return dict(found)


def tasks(caller: Caller, state: str = "running") -> list[dict[str, Any]]:
    return caller.stack.rows(
        """SELECT background.* FROM background JOIN response ON response.id = response_id
           WHERE account_id = :id AND state = :state""",
        id=caller.account_id, state=state,
    )  # fmt: skip


def under_way(caller: Caller) -> dict[str, Any]:
    """The only task of the caller, once the upstream was asked for it."""
    found = wait_for(lambda: tasks(caller) if caller.stack.sandbox("stats")["active"] else [])
    assert len(found) == 1, caller.stack.log()
    row: dict[str, Any] = found[0]
    return row


def assert_sound(stack: Stack) -> None:
    """The books balance, no hold is left over and nothing is still to be made."""
    done = stack.run("doctor")
    assert done.returncode == 0, done.stdout
    assert stack.rows("SELECT * FROM hold") == stack.rows("SELECT * FROM background") == []
    assert "Traceback" not in stack.log(), stack.log()


def conversation(caller: Caller) -> str:
    return str(caller.post({}, "/v1/conversations").json()["id"])


def said(caller: Caller, conversation_id: str) -> list[str]:
    sql = "SELECT body FROM conversation_item WHERE conversation_id = :id ORDER BY position"
    return [json.loads(row["body"])["role"] for row in caller.stack.rows(sql, id=conversation_id)]


def test_a_worker_killed_on_the_way_is_made_good_for_whoever_asks(own: Stack, caller: Caller) -> None:
    """The next sweep is ten minutes away."""
    belongs = conversation(caller)
    response_id = made(caller, order(A_SECOND), conversation=belongs)
    os.kill(int(under_way(caller)["owner"].partition("-")[0]), signal.SIGKILL)
    found = ended(caller, response_id)
    assert found["status"] == "completed" and said(caller, belongs) == ["user", "assistant"]
    rows = caller.usage(2)
    outcomes = {row["outcome"]: row["id"] for row in rows}
    assert outcomes.keys() == {"ok", "process_died"}
    assert f"resp_{outcomes['process_died']}" == response_id, "the first attempt has the request's number"
    assert [row["cost_nanousd"] > 0 for row in rows if row["outcome"] == "ok"] == [True]
    assert_sound(own)


def test_redis_killed_on_the_way_disturbs_nothing(own: Stack, caller: Caller) -> None:
    response_id, redis = made(caller, order(A_SECOND)), own.child("redis-server")
    under_way(caller)
    os.kill(redis, signal.SIGKILL)
    assert ended(caller, response_id)["status"] == "completed"
    assert wait_for(lambda: own.child("redis-server") not in (0, redis))
    assert ended(caller, made(caller))["status"] == "completed"
    assert len(caller.usage(2)) == 2
    assert_sound(own)


def test_what_was_queued_when_redis_died_is_made_though_nobody_asks(own: Stack, caller: Caller) -> None:
    """And who comes later does not wait for it longer than for a free worker."""
    redis, other = own.child("redis-server"), own.caller()
    queued = [made(caller, order("chunks=20 interval_ms=100")) for _ in range(7)]
    assert wait_for(lambda: len(tasks(caller)) == 4) and len(tasks(caller, "queued")) == 3
    os.kill(redis, signal.SIGKILL)
    assert wait_for(lambda: own.child("redis-server") not in (0, redis))
    assert ended(other, made(other), 5)["status"] == "completed"
    assert wait_for(lambda: tasks(caller) == tasks(caller, "queued") == [], 10), own.log()
    assert [look(caller, id)["status"] for id in queued] == ["completed"] * 7
    assert {row["outcome"] for row in caller.usage(7)} == {"ok"}
    assert_sound(own)


def test_four_that_were_cancelled_in_silence_hold_nobody_up(own: Stack, caller: Caller) -> None:
    silent, other = [made(caller, order("hang=30")) for _ in range(6)], own.caller()
    assert wait_for(lambda: len(tasks(caller)) == 4 and own.sandbox("stats")["active"] == 4)
    for response_id in silent[:5]:
        assert caller.post({}, f"{PATH}/{response_id}/cancel").status_code == 200
    own.http.delete(f"{own.url}{PATH}/{silent[5]}", headers=caller.headers(), timeout=10)
    began = time.monotonic()
    assert ended(other, made(other), 5)["status"] == "completed"
    assert wait_for(lambda: caller.funds()[1] == 0, 5) and time.monotonic() - began < 5
    assert own.sandbox("stats")["active"] == 0
    assert [(row["outcome"], row["cost_nanousd"]) for row in caller.usage(4)] == [("client_gone", 0)] * 4
    assert_sound(own)


def test_with_no_redis_nothing_is_accepted_and_nothing_is_left(own: Stack, caller: Caller) -> None:
    redis = own.child("redis-server")
    os.kill(redis, signal.SIGSTOP)
    try:
        answer = caller.post({"model": "gpt-4o", "input": "Hello", "background": True}, PATH)
    finally:
        os.kill(redis, signal.SIGCONT)
    assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
    assert own.rows("SELECT 1 FROM response WHERE account_id = :id", id=caller.account_id) == []
    assert ended(caller, made(caller))["status"] == "completed"
    assert_sound(own)


def test_cancellations_that_race_with_the_end_leave_one_truth(own: Stack, caller: Caller) -> None:
    belongs = conversation(caller)
    outcomes = []
    for i in range(12):
        response_id = made(caller, order("chunks=2 interval_ms=10"), conversation=belongs)
        time.sleep(0.01 * i)
        told = caller.post({}, f"{PATH}/{response_id}/cancel")
        found = ended(caller, response_id)
        outcomes.append(found["status"])
        assert (told.status_code, found["status"]) in ((200, "cancelled"), (422, "completed"))
    assert wait_for(lambda: not tasks(caller))
    kept = outcomes.count("completed")
    assert said(caller, belongs) == ["user", "assistant"] * kept
    assert wait_for(lambda: own.rows("SELECT * FROM hold") == [])
    assert_sound(own)


def test_what_waits_is_left_for_the_next_start(own: Stack, caller: Caller) -> None:
    """A stop lets those under way finish and takes up nothing more. The queue is not there after it."""
    responses = [made(caller, order("chunks=20 interval_ms=100")) for _ in range(20)]
    assert wait_for(lambda: len(tasks(caller)) == 4)
    began = time.monotonic()
    assert own.stop() == 0, own.log()
    assert time.monotonic() - began < 8, "all of them would take ten seconds"
    left = tasks(caller, "queued")
    assert len(left) >= 4 and {row["attempts"] for row in left} == {0} and tasks(caller) == []
    assert {row["outcome"] for row in caller.usage(20 - len(left))} == {"ok"}
    own.env.pop("THERMLY_SANDBOX_URL", None)  # the next start has a sandbox of its own
    own.start()
    other = own.caller()
    assert ended(other, made(other), 8)["status"] == "completed", "as soon as a worker is free"
    assert len(tasks(caller, "queued")) >= 4
    assert wait_for(lambda: tasks(caller) == tasks(caller, "queued") == [], 30), "though nobody asked"
    assert [look(caller, id)["status"] for id in responses] == ["completed"] * 20
    assert_sound(own)
