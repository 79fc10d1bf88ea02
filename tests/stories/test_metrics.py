"""The metrics of the running stack: the same from every process, equal to the books, and there after a restart."""

from __future__ import annotations

from pathlib import Path

import requests
from prometheus_client.parser import text_string_to_metric_families

from stories.stack import Caller, Stack, order, wait_for


def read(stack: Stack) -> dict[str, float]:
    """On a connection of its own, so that any of the processes may answer."""
    response = requests.get(stack.url + "/metrics", timeout=10)
    assert response.status_code == 200, response.text
    return {
        "".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def counters(stack: Stack) -> dict[str, float]:
    return {name: value for name, value in read(stack).items() if "_total" in name}


def test_they_equal_the_books_whichever_process_tells_them(stack: Stack, caller: Caller) -> None:
    before = read(stack)
    for _ in range(3):
        caller.told()
    assert caller.ask(order("status=500")).status_code == 503
    caller.usage(4)
    seen = [read(stack) for _ in range(12)]
    for after in seen:
        assert after["thermly_requests_totalgpt-4o"] == before.get("thermly_requests_totalgpt-4o", 0) + 3
        assert after["thermly_failures_totalgpt-4o"] == before.get("thermly_failures_totalgpt-4o", 0)
        assert after["thermly_failures_totalnone"] == before.get("thermly_failures_totalnone", 0) + 1
    cost = stack.rows("SELECT SUM(cost_nanousd) AS n FROM usage WHERE model = 'gpt-4o'")[0]["n"]
    assert seen[-1]["thermly_cost_usd_totalgpt-4o"] == cost / 1e9
    stack.calm()


def test_holds_and_queues_of_the_moment(stack: Stack, caller: Caller) -> None:
    with caller.open(order("chunks=30 interval_ms=50")) as stream:
        stream.read(2)
        found = read(stack)
        assert found["thermly_holds"] >= 1 and found["thermly_held_usd"] > 0
        stream.read()
    assert found["thermly_redis_up"] == 1 and found["thermly_queued_jobsthermly"] >= 0
    job = caller.post(
        {"model": "dall-e-3", "prompt": "A cat"}, "/v1/images/generations", {"Prefer": "respond-async"}
    )
    assert job.status_code == 202
    states = ("queued", "running", "done")
    assert sum(read(stack)[f"thermly_image_jobs{state}"] for state in states) >= 1
    wait_for(lambda: read(stack)["thermly_image_jobsdone"] >= 1)


def test_they_go_on_after_a_restart(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "instance", metrics_token="").start()
    try:
        caller = stack.caller()
        caller.told()
        caller.usage()
        before = counters(stack)
        assert before["thermly_requests_totalgpt-4o"] == 1
        stack.stop()
        stack.start()
        assert counters(stack) == before
        caller.told()
        caller.usage(2)
        assert counters(stack)["thermly_requests_totalgpt-4o"] == 2
    finally:
        stack.kill()
