"""Processes die, and the gateway lives: each test kills something, and the books balance afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from stories.stack import Caller, Stack, alive, at_once, children, free_port, mark, order, wait_for

pytestmark = pytest.mark.last


@pytest.fixture
def own(tmp_path: Path, stack: Stack) -> Iterator[Stack]:
    """A stack of the test's own. (The shared one is only asked for so that it skips where there is no /proc.)"""
    own = Stack(tmp_path / "instance", web_workers=1, accounting_delay_s=1, housekeeping_interval_s=1).start()
    yield own
    own.http.close()
    own.kill()


class Load:
    """A few clients that go on asking, each with connections of its own; counts what they heard."""

    def __init__(self, caller: Caller, clients: int = 3) -> None:
        self.caller = caller
        self.heard: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        wait_for(lambda: self.heard["200"] > 5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, index: int) -> None:
        while not self._stop.is_set():
            try:
                if index:
                    told = str(self.caller.ask(mark(), "auto").status_code)
                else:
                    told = "200" if self.caller.stream(order("chunks=10 interval_ms=10")).done else "broken"
            except (requests.RequestException, AssertionError):
                told = "broken"  # the connection died with the process that had it
            self.heard[told] += 1
            time.sleep(0.01)

    def goes_on(self) -> None:
        """More answers come, and none of them is an internal error."""
        before = self.heard["200"]
        assert wait_for(lambda: self.heard["200"] > before + 10), self.heard
        assert set(self.heard) <= {"200", "broken", "503"}, self.heard


def assert_healthy(stack: Stack, seconds: float = 8) -> None:
    """`thermly doctor` is content within a few seconds."""
    found = wait_for(lambda: stack.run("doctor").returncode == 0, seconds)
    assert found, stack.run("doctor").stdout + stack.log()


def assert_stops_well(stack: Stack) -> None:
    family = stack.family()
    assert stack.stop() == 0, stack.log()
    assert not [pid for pid in family if alive(pid)]
    doctor = stack.run("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert stack.rows("SELECT * FROM hold") == []


def test_a_web_worker_that_is_killed_is_replaced(own: Stack) -> None:
    caller = own.caller()
    with Load(caller) as load, caller.open(order("chunks=200 interval_ms=50")) as stream:
        stream.read(3)
        (worker,) = children(own.child("serve --fd"))
        os.kill(worker, signal.SIGKILL)
        with contextlib.suppress(requests.RequestException, AssertionError):
            stream.read()
        assert not stream.done
        load.goes_on()
    assert_healthy(own)
    assert own.rows("SELECT * FROM usage WHERE outcome = 'process_died' AND cost_nanousd = 0")
    assert_stops_well(own)


def test_a_web_server_that_is_killed_is_replaced_and_its_port_never_closes(own: Stack) -> None:
    with Load(own.caller()) as load:
        parent = own.child("serve --fd")
        workers = children(parent)
        os.kill(parent, signal.SIGKILL)
        load.goes_on()
        assert wait_for(lambda: own.child("serve --fd") not in (0, parent))
        assert wait_for(lambda: not [pid for pid in workers if alive(pid)], 40), "workers of the killed one stay"
    assert_healthy(own)
    assert_stops_well(own)


def test_redis_may_be_killed_and_nothing_is_lost(own: Stack) -> None:
    caller = own.caller()
    with Load(caller) as load:
        redis = own.child("redis-server")
        os.kill(redis, signal.SIGKILL)
        load.goes_on()
        assert set(load.heard) == {"200"}, "requests do not need Redis"
    assert wait_for(lambda: own.child("redis-server") not in (0, redis))
    assert wait_for(lambda: accounted(own, caller) == load.heard["200"], 20), own.log()
    assert_healthy(own)
    assert_stops_well(own)


def test_a_job_worker_may_be_killed_and_the_totals_catch_up(own: Stack) -> None:
    caller = own.caller()
    with Load(caller) as load:
        worker = own.child("thermly worker")
        os.kill(worker, signal.SIGKILL)
        load.goes_on()
        assert set(load.heard) == {"200"}, "requests do not need workers"
    assert wait_for(lambda: own.child("thermly worker") not in (0, worker))
    assert wait_for(lambda: accounted(own, caller) == load.heard["200"], 20), own.log()
    assert_healthy(own)
    assert_stops_well(own)


def accounted(stack: Stack, caller: Caller) -> int:
    """Requests in the daily totals, which only the job worker writes here."""
    sql = "SELECT COALESCE(SUM(requests), 0) AS total FROM usage_day WHERE account_id = :id"
    return int(stack.rows(sql, id=caller.account_id)[0]["total"])


def test_a_stream_under_way_is_finished_before_the_end(own: Stack) -> None:
    caller = own.caller()
    with caller.open(order("chunks=20 interval_ms=100")) as stream:
        stream.read(3)
        own.process.send_signal(signal.SIGTERM)
        stream.read()
    assert stream.done and stream.reasons == ["stop"]
    assert own.process.wait(20) == 0, own.log()
    (row,) = caller.usage()
    assert row["outcome"] == "ok" and row["estimated"] == 0


def test_a_stream_that_outlasts_the_drain_ends_with_an_error_and_is_paid_for(tmp_path: Path, stack: Stack) -> None:
    own = Stack(tmp_path / "instance", web_workers=1, drain_s=6).start()
    try:
        caller = own.caller()
        with caller.open(order("chunks=600 interval_ms=50")) as stream:
            stream.read(3)
            own.process.send_signal(signal.SIGTERM)
            stream.read()
        assert not stream.done and stream.error is not None and stream.error["code"] == "shutting_down"
        assert own.process.wait(20) == 0, own.log()
        (row,) = caller.usage()
        assert row["state"] == "settled" and row["estimated"] == 1 and row["cost_nanousd"] > 0
        assert row["outcome"] == "shutting_down" and own.rows("SELECT * FROM cooldown") == [], "no provider failed"
        assert caller.funds()[1] == 0
    finally:
        own.http.close()
        own.kill()


def test_a_second_start_has_the_same_key_and_the_same_data(own: Stack) -> None:
    key = (own.folder / "demo.key").read_text()
    caller = own.caller()
    cached, asked = mark(), 3
    for _ in range(asked):
        caller.told(cached, "auto")
    funds = caller.funds()
    assert_stops_well(own)
    own.start()
    assert (own.folder / "demo.key").read_text() == key and key.strip() in own.out_path.read_text()
    assert caller.funds() == funds
    assert caller.told(cached, "auto")["x_thermostat"]["cached"] is True
    day = [r for r in json.loads(own.cli("usage", "--json")) if r["requests"] == asked + 1]
    assert len(day) == 1 and day[0]["cache_hits"] == asked
    demo = Caller(own, "", key.strip())
    assert demo.ask().status_code == 200
    assert (own.folder / "demo.key").stat().st_mode & 0o077 == 0
    assert (own.folder / "thermly.db").stat().st_mode & 0o077 == 0
    assert_stops_well(own)


def test_usage_reaches_the_daily_totals_through_the_worker(own: Stack) -> None:
    caller = own.caller()
    at_once(10, lambda i: caller.told(order("tokens=10"), ("gpt-4o", "gpt-4o-mini")[i % 2]))
    assert wait_for(lambda: accounted(own, caller) == 10)
    rows = own.rows("SELECT * FROM usage_day WHERE account_id = :id", id=caller.account_id)
    charged = caller.usage(10)
    assert {r["model"]: r["requests"] for r in rows} == {"gpt-4o": 5, "gpt-4o-mini": 5}
    for name in ("cost_nanousd", "input_tokens", "output_tokens", "baseline_nanousd"):
        assert sum(r[name] for r in rows) == sum(r[name] for r in charged) > 0
    told = [r for r in json.loads(own.cli("usage", "--json")) if r["model"] == "gpt-4o-mini"]
    assert told[0]["requests"] == 5 and told[0]["failures"] == 0 and float(told[0]["cost_usd"]) > 0


def test_killing_the_supervisor_leaves_nothing_behind_and_the_next_start_works(own: Stack) -> None:
    caller = own.caller()
    with caller.open(order("chunks=200 interval_ms=50")) as stream:
        stream.read(3)
        family = own.family()
        assert len(family) >= 5
        own.process.kill()
        own.process.wait()
        with contextlib.suppress(requests.RequestException, AssertionError):
            stream.response.close()
        assert wait_for(lambda: not [pid for pid in family if alive(pid)], 45), "something lives on"
    own.start()
    assert caller.ask().status_code == 200
    assert_healthy(own)
    assert caller.funds()[1] == 0
    assert_stops_well(own)


def test_a_second_gateway_on_the_same_folder_is_refused_and_harms_nobody(own: Stack) -> None:
    second = subprocess.Popen(
        [sys.executable, "-m", "thermly", "up"],
        env={**own.env, "THERMLY_PORT": str(free_port())},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert wait_for(lambda: second.poll() is not None, 3), "two gateways share one folder, and one Redis socket"
        assert second.returncode != 0 and second.stderr is not None and "Traceback" not in second.stderr.read()
    finally:
        second.terminate()
        second.communicate()
    caller = own.caller()
    caller.told()
    os.kill(own.child("thermly worker"), signal.SIGKILL)
    assert wait_for(lambda: accounted(own, caller) == 1, 15), own.log()


def test_a_port_in_use_is_told_in_a_sentence(own: Stack, tmp_path: Path) -> None:
    second = Stack(tmp_path / "second")
    with socket.create_server(("127.0.0.1", second.port)):
        done = second.run("up")
    assert done.returncode != 0 and str(second.port) in done.stderr
    assert "THERMLY_PORT" in done.stderr and "Traceback" not in done.stderr
    same = subprocess.run(
        [sys.executable, "-m", "thermly", "up"], env={**own.env, "THERMLY_PORT": str(own.port)},
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert same.returncode != 0 and "Traceback" not in same.stderr
    assert own.caller().ask().status_code == 200, "the one that runs is not disturbed"
    assert_healthy(own)
