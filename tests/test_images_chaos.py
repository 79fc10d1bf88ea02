"""Images while processes die, Redis is gone and the disk refuses: made once, paid once, and nothing left over."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import requests
from rq import Worker
from stories.stack import NANO, Caller, Stack, alive, children, order, refusal, wait_for
from stories.test_images import IMAGES, LATER, SD_NANOUSD, fetched, finished, images, make, sized

from thermly import jobs

pytestmark = pytest.mark.last


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, stack: Stack) -> Iterator[Stack]:
    """A stack for all of these: each test leaves it whole, which is the point. (The shared one is only asked for
    so that it skips where there is no /proc.)"""
    folder = tmp_path_factory.mktemp("images") / "instance"
    own = Stack(folder, web_workers=1, drain_s=2, accounting_delay_s=1, housekeeping_interval_s=1).start()
    yield own
    own.http.close()
    own.kill()


@pytest.fixture
def caller(own: Stack) -> Caller:
    return own.caller()


class Asked(threading.Thread):
    """Somebody who waits for an image; `response` is None where the connection broke."""

    def __init__(self, caller: Caller, prompt: str, **fields: Any) -> None:
        super().__init__()
        self._caller, self._prompt, self._fields = caller, prompt, fields
        self.response: requests.Response | None = None
        self.start()

    def run(self) -> None:
        with contextlib.suppress(requests.RequestException):
            self.response = make(self._caller, self._prompt, **self._fields)

    def answer(self) -> requests.Response:
        self.join(30)
        assert self.response is not None, "no answer came"
        return self.response


def under_way(caller: Caller, count: int = 1) -> list[dict[str, Any]]:
    """The caller's jobs that are being drawn, once the upstream has heard of so many or more."""
    stack = caller.stack
    sql = "SELECT * FROM image_job WHERE state = 'running' AND account_id = :id"

    def look() -> list[dict[str, Any]]:
        running = stack.rows(sql, id=caller.account_id)
        return running if len(running) == count <= stack.sandbox("stats")["active"] else []

    found: list[dict[str, Any]] = wait_for(look)
    assert found, stack.log()
    return found


def process_of(job: dict[str, Any]) -> int:
    return int(job["owner"].partition("-")[0])


def web_worker(stack: Stack) -> int:
    (worker,) = wait_for(lambda: children(stack.child("serve --fd")))
    return int(worker)


def attempts(caller: Caller) -> set[int]:
    rows = caller.stack.rows("SELECT attempts FROM image_job WHERE account_id = :id", id=caller.account_id)
    return {row["attempts"] for row in rows}


def assert_one_image_and_one_charge(caller: Caller, count: int = 1) -> None:
    """For each of so many requests; and every file on the disk has its row."""
    stack = caller.stack
    charged = caller.usage(count)
    assert {(row["state"], row["cost_nanousd"], row["images"]) for row in charged} == {("settled", SD_NANOUSD, 1)}
    assert caller.funds() == (100 * NANO - count * SD_NANOUSD, 0)
    sql = "SELECT job_id FROM image JOIN image_job ON image_job.id = job_id WHERE account_id = :id"
    jobs = [row["job_id"] for row in stack.rows(sql, id=caller.account_id)]
    assert len(jobs) == count and {*jobs} == {row["id"] for row in charged}
    assert {row["name"] for row in stack.rows("SELECT name FROM image")} == {*os.listdir(stack.folder / "images")}
    assert_sound(stack)


def assert_sound(stack: Stack) -> None:
    """The books balance and no hold is left over."""
    done = stack.run("doctor")
    assert done.returncode == 0, done.stdout
    assert stack.rows("SELECT * FROM hold") == []
    assert "Traceback" not in stack.log(), stack.log()


def test_a_job_worker_killed_while_it_draws_is_made_good(own: Stack, caller: Caller) -> None:
    where = make(caller, order("hang=2"), headers=LATER).headers["Location"]
    asked = Asked(caller, order("hang=2"))
    (worker,) = {process_of(job) for job in under_way(caller, 2)}
    assert worker == own.child("thermly worker")
    os.kill(worker, signal.SIGKILL)
    began = time.monotonic()
    assert finished(caller, where)["status"] == "completed", "who polls need not wait for the next sweep"
    (row,) = images(asked.answer())
    assert time.monotonic() - began < 10 and sized(fetched(row["url"])) == "256x256"
    assert attempts(caller) == {2}
    assert_one_image_and_one_charge(caller, 2)


def test_a_job_that_kills_its_workers_is_given_up(own: Stack, caller: Caller) -> None:
    """As a worker does that runs out of memory over an image."""
    where = make(caller, order("hang=1.5"), headers=LATER).headers["Location"]
    (job,) = under_way(caller)
    own.change("UPDATE image_job SET attempts = 3 WHERE id = :id", id=job["id"])
    os.kill(process_of(job), signal.SIGKILL)
    found = finished(caller, where)
    assert found["status"] == "failed" and found["error"]["type"] == "service_unavailable_error"
    assert caller.funds() == (100 * NANO, 0)
    assert_sound(own)


def test_a_web_process_killed_while_its_client_waits_takes_no_image_with_it(own: Stack, caller: Caller) -> None:
    asked = Asked(caller, order("hang=1.5"))
    (job,) = under_way(caller)
    os.kill(web_worker(own), signal.SIGKILL)
    asked.join(10)
    assert asked.response is None
    assert finished(caller, f"{IMAGES}/{job['id']}")["status"] == "completed"
    assert attempts(caller) == {1}, "the drawing was not disturbed"
    assert_one_image_and_one_charge(caller)


def test_redis_may_be_killed_again_and_again(own: Stack, caller: Caller) -> None:
    for _ in range(2):
        redis = own.child("redis-server")
        os.kill(redis, signal.SIGKILL)
        assert make(caller).status_code == make(caller).status_code == 200, own.log()
        assert wait_for(lambda: own.child("redis-server") not in (0, redis))  # noqa: B023
    asked = Asked(caller, order("hang=1.5"))
    under_way(caller)
    os.kill(own.child("redis-server"), signal.SIGKILL)
    assert asked.answer().status_code == 200
    assert_one_image_and_one_charge(caller, 5)


def test_workers_take_jobs_up_again_when_redis_is_back(own: Stack, caller: Caller) -> None:
    redis, worker, made = own.child("redis-server"), own.child("thermly worker"), 1
    os.kill(worker, signal.SIGSTOP)
    where = make(caller, headers=LATER).headers["Location"]
    os.kill(redis, signal.SIGKILL)
    assert wait_for(lambda: own.child("redis-server") not in (0, redis))
    os.kill(worker, signal.SIGCONT)
    id = where.rpartition("/")[2]
    assert own.change("UPDATE image_job SET queued_at_ms = queued_at_ms - 60001 WHERE id = :id", id=id) == 1
    assert finished(caller, where)["status"] == "completed", "what was in the queue is queued again after a while"

    def drawn_by_the_worker() -> bool:
        nonlocal made
        made += 1
        where = make(caller, headers=LATER).headers["Location"]
        assert finished(caller, where)["status"] == "completed"
        (job,) = own.rows("SELECT * FROM image_job WHERE id = :id", id=where.rpartition("/")[2])
        return process_of(job) == worker

    assert wait_for(drawn_by_the_worker), own.log()
    assert_one_image_and_one_charge(caller, made)


def test_with_a_redis_that_says_nothing_the_request_draws_and_its_death_is_made_good(
    own: Stack, caller: Caller
) -> None:
    redis = own.child("redis-server")
    os.kill(redis, signal.SIGSTOP)
    try:
        assert make(caller).status_code == 200
        asked = Asked(caller, order("hang=1.5"))
        (job,) = under_way(caller)
        assert process_of(job) == web_worker(own)
        os.kill(process_of(job), signal.SIGKILL)
        asked.join(10)
        assert asked.response is None
    finally:
        os.kill(redis, signal.SIGCONT)
    assert finished(caller, f"{IMAGES}/{job['id']}")["status"] == "completed", own.log()
    assert_one_image_and_one_charge(caller, 2)


def test_an_image_that_the_disk_does_not_take_is_not_charged(own: Stack, caller: Caller) -> None:
    folder, aside = own.folder / "images", own.folder / "aside"
    folder.rename(aside)
    folder.write_bytes(b"in the way")
    try:
        refusal(make(caller, n=2), 503, "service_unavailable_error", "storage_failed")
        job = finished(caller, make(caller, headers=LATER).headers["Location"])
        assert job["status"] == "failed" and job["error"]["code"] == "storage_failed"
        assert {(row["state"], row["cost_nanousd"]) for row in caller.usage(2)} == {("released", 0)}
        assert caller.funds() == (100 * NANO, 0)
        assert folder.read_bytes() == b"in the way" and "could not be kept" in own.log()
    finally:
        folder.unlink()
        aside.rename(folder)
    again = own.caller()
    assert make(again).status_code == 200
    assert_one_image_and_one_charge(again)


def somebody_listens(stack: Stack) -> bool:
    """Whether a worker would take an image up; after a Redis that was killed it takes them a moment."""
    for socket in (stack.folder / "run").glob("redis-*.sock"):
        try:
            return bool(Worker.count(queue=jobs.queue(f"unix://{socket}", jobs.SLOW)))
        except redis.RedisError:
            continue
    return False


def test_at_the_end_images_are_finished_or_else_made_at_the_next_start(own: Stack, caller: Caller) -> None:
    assert wait_for(lambda: somebody_listens(own), 30)
    own.sandbox("state", "POST", localai={"directive": "hang=60"})
    other = own.caller()
    where = make(other, headers=LATER).headers["Location"]
    asked = Asked(caller, order("hang=1.5"))
    ((job,), _) = under_way(other), under_way(caller)
    began = time.monotonic()
    assert own.stop() == 0, own.log()
    assert time.monotonic() - began < 8, "nobody waits for it longer than for a stream"
    assert asked.answer().status_code == 200 and attempts(caller) == {1}
    assert not alive(process_of(job)) and other.funds() == (100 * NANO, SD_NANOUSD), "held until it is over"
    del own.env["THERMLY_SANDBOX_URL"]  # the next start has a sandbox of its own
    own.start()
    sql = "SELECT id FROM image_job WHERE id = :id AND state = 'done'"
    assert wait_for(lambda: own.rows(sql, id=job["id"])), "it is begun again though nobody asks for it"
    assert finished(other, where)["status"] == "completed"
    assert_one_image_and_one_charge(other)
    assert_one_image_and_one_charge(caller)
