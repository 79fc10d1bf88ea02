"""The queue, on a real Redis of the test's own."""

import json
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import books
import pytest
import redis
from rq import Worker
from rq.registry import FailedJobRegistry

from thermly import jobs
from thermly.running import accounting, redis_server
from thermly.store import money
from thermly.store.db import Database
from workers import here


class Server:
    """A Redis on a unix socket, which can be taken away and brought back."""

    def __init__(self, folder: Path) -> None:
        self._binary = redis_server.find() or ""
        self._folder, self._socket = folder, redis_server.socket_path(folder)
        self._socket.parent.mkdir(parents=True, exist_ok=True)
        self.url = f"unix://{self._socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = redis_server.command(self._binary, self._socket, self._folder)
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        assert until(self._answers), "Redis did not start"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with jobs.connect(self.url) as connection:
            try:
                return bool(connection.ping())
            except redis.RedisError:
                return False


def until(what: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return what()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if redis_server.find() is None:
        pytest.skip("no Redis server is on this machine")
    server = Server(tmp_path / "r")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The books of this instance, on which the jobs that run in this process work too."""
    base = books.fresh(tmp_path)
    monkeypatch.setenv("THERMLY_INSTANCE", str(tmp_path))
    here.books.cache_clear()
    yield base
    if here.books.cache_info().currsize:
        here.books().database.close()
    here.books.cache_clear()
    if here._gateway.cache_info().currsize:
        here._gateway().close()
    for made in (here._gateway, here._images, here._background, here._turns):
        made.cache_clear()
    base.close()


def use(base: Database, times: int = 1) -> None:
    by = books.payer(base, f"account {time.monotonic_ns()}", 1000)
    with base.begin() as tx:
        for _ in range(times):
            money.record(tx, books.opening(by), books.settled(0))


def accounted(base: Database) -> int:
    return books.number(base, "SELECT COALESCE(SUM(requests), 0) FROM usage_day")


def test_the_job_brings_the_totals_up_to_date(server: Server, base: Database) -> None:
    use(base, 3)
    assert jobs.account_later(jobs.queue(server.url), 60)
    jobs.work(server.url, burst=True)
    assert accounted(base) == 3


def test_housekeeping_frees_what_the_dead_held(server: Server, base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000)
    with base.begin() as tx:
        assert money.hold(tx, books.opening(by, "999999-dead"), 600)
    assert jobs.housekeep_later(jobs.queue(server.url), 60)
    jobs.work(server.url, burst=True)
    assert books.account_of(base, by).held_nanousd == 0


def test_however_many_ask_one_job_is_enqueued_in_a_span(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.time, "time", lambda: 1000.0)
    to = jobs.queue(server.url)
    assert [jobs.account_later(to, 5) for _ in range(3)] == [True, False, False]
    assert jobs.housekeep_later(to, 5)
    monkeypatch.setattr(jobs.time, "time", lambda: 1005.0)
    assert jobs.account_later(to, 5)
    assert to.count == 3


def test_a_job_that_breaks_off_is_kept_for_a_look_and_the_next_does_its_work(
    server: Server, base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(base)
    to = jobs.queue(server.url)

    def broken(_at: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(accounting, "account", broken)
        patch.setattr(jobs.time, "time", lambda: 1000.0)
        assert jobs.account_later(to, 5)
        jobs.work(server.url, burst=True)
        assert FailedJobRegistry(queue=to).count == 1
        patch.setattr(jobs.time, "time", lambda: 1005.0)
        assert jobs.account_later(to, 5)
    jobs.work(server.url, burst=True)
    assert accounted(base) == 1


def test_nothing_in_redis_is_pickled_and_nothing_private_is_there(server: Server, base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000)
    to = jobs.queue(server.url)
    jobs.account_later(to, 60)
    with jobs.connect(server.url) as connection:
        data = {
            (key, field): value
            for key in connection.keys("rq:job:*")
            if connection.type(key) == b"hash"
            for field, value in connection.hgetall(key).items()
        }
    calls = [zlib.decompress(value) for (_, field), value in data.items() if field == b"data"]
    assert [json.loads(call) for call in calls] == [["workers.usage.account", None, [], {}]]
    for value in data.values():
        assert not value.startswith(b"\x80"), "a pickle"
        assert by.key.encode() not in value
    jobs.work(server.url, burst=True)
    with jobs.connect(server.url) as connection:
        assert connection.keys("rq:job:*") == [], "what is done leaves nothing behind"


def test_requests_only_nudge_and_the_pulse_enqueues(server: Server, base: Database) -> None:
    chores: list[int] = []
    pulse = jobs.Pulse(server.url, 0.02, 60, lambda: chores.append(1))
    to = jobs.queue(server.url)
    for _ in range(1000):
        pulse.nudge()
    assert until(lambda: to.count >= 2), "accounting and housekeeping"
    assert until(lambda: not pulse._nudged.is_set())
    assert 1 <= len(chores) < 10
    use(base)
    jobs.work(server.url, burst=True)
    assert accounted(base) == 1


def test_with_redis_gone_the_pulse_lives_on_and_catches_up(
    server: Server, base: Database, caplog: pytest.LogCaptureFixture
) -> None:
    chores: list[int] = []
    pulse = jobs.Pulse(server.url, 0.02, 60, lambda: chores.append(1))
    server.stop()
    use(base)
    began = time.monotonic()
    pulse.nudge()
    assert time.monotonic() - began < 0.5, "who nudges never waits for Redis"
    assert until(lambda: len(chores) >= 3), "its other chores are done all the same"
    assert pulse._nudged.is_set(), "and it has not forgotten"
    warnings = [r.getMessage() for r in caplog.records if "Redis is gone" in r.getMessage()]
    assert len(warnings) == 1, "said once, not at each beat"
    server.start()
    assert until(lambda: jobs.queue(server.url).count > 0)
    jobs.work(server.url, burst=True)
    assert accounted(base) == 1
    assert until(lambda: not pulse._nudged.is_set())


def test_a_chore_that_fails_does_not_stop_the_pulse(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    beats: list[int] = []

    def chore() -> None:
        beats.append(1)
        if len(beats) == 1:
            raise ZeroDivisionError

    pulse = jobs.Pulse(server.url, 0.02, 60, chore)
    pulse.nudge()
    assert until(lambda: "missed a beat" in caplog.text)
    pulse.nudge()
    assert until(lambda: jobs.queue(server.url).count > 0)
    assert until(lambda: not pulse._nudged.is_set())


def test_without_redis_at_all_the_chores_are_still_done() -> None:
    beats: list[int] = []
    pulse = jobs.Pulse("", 0.01, 60, lambda: beats.append(1))
    pulse.nudge()
    assert until(lambda: beats == [1])
    pulse.nudge()
    assert until(lambda: beats == [1, 1])


def test_a_redis_that_is_not_there_is_told_within_a_moment(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(redis.ConnectionError):
        jobs.account_later(jobs.queue(f"unix://{tmp_path}/nobody.sock"), 1)
    assert time.monotonic() - began < 1


# ---- threads that wait


class Waits:
    """What waits to be made, as the rows know it; and the threads that make it."""

    def __init__(self, url: str, *waiting: str) -> None:
        self.url, self.waiting, self.made = url, list(waiting), list[str]()
        self.stopping, self.free = threading.Event(), threading.Event()
        self.free.set()
        self.threads: list[jobs.Waiting] = []
        self.most = 0

    def take(self) -> bool:
        if not self.waiting:
            return False
        made = self.waiting.pop(0)
        self.most = max(self.most, sum(thread.busy for thread in self.threads))
        assert self.free.wait(10)
        if made == "broken":
            raise ZeroDivisionError
        self.made.append(made)
        return True

    def listen(self, threads: int = 1) -> None:
        self.threads += [jobs.Waiting(self.url, self.take, self.stopping) for _ in range(threads)]

    @property
    def listening(self) -> int:
        return Worker.count(queue=jobs.queue(self.url, jobs.SLOW))

    def hint(self) -> None:
        """A job that makes nothing itself."""
        assert jobs.hand_on(jobs.queue(self.url, jobs.SLOW), "time.time_ns", "") is True

    def stop(self) -> None:
        self.stopping.set()
        self.free.set()


@contextmanager
def waits(server: Server, *waiting: str) -> Iterator[Waits]:
    found = Waits(server.url, *waiting)
    yield found
    found.stop()
    server.stop()  # or they would listen on for minutes
    for thread in found.threads:
        thread.join(10)
        assert not thread.is_alive()


def test_what_waits_at_the_start_is_made_though_redis_knows_of_none(server: Server) -> None:
    with waits(server, "a", "b", "c") as found:
        found.free.clear()
        found.listen(2)
        assert until(lambda: found.most == 2) and until(lambda: found.listening == 2), "who is at work listens too"
        found.free.set()
        assert until(lambda: sorted(found.made) == ["a", "b", "c"])


def test_one_job_wakes_a_thread_until_nothing_waits(server: Server) -> None:
    with waits(server) as found:
        found.listen()
        assert until(lambda: found.listening == 1)
        time.sleep(0.2)
        found.waiting += ["a", "b", "c"]
        found.hint()
        assert until(lambda: found.made == ["a", "b", "c"])
        assert jobs.queue(server.url, jobs.SLOW).count == 0


def test_what_waits_is_made_while_redis_is_gone_and_after_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "REDIS_AGAIN_S", 0.1)
    with waits(server) as found:
        found.listen()
        assert until(lambda: found.listening == 1)
        time.sleep(0.2)
        found.waiting += ["lost with the queue"]
        server.stop()
        assert until(lambda: found.made == ["lost with the queue"])
        found.waiting += ["while it is gone"]
        assert until(lambda: len(found.made) == 2)
        server.start()
        assert until(lambda: found.listening == 1)
        time.sleep(0.2)
        found.waiting += ["by a job"]
        found.hint()
        assert until(lambda: len(found.made) == 3)


def test_what_waits_is_made_though_redis_never_was_there(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "REDIS_AGAIN_S", 0.1)
    server.stop()
    with waits(server, "a") as found:
        found.listen()
        assert until(lambda: found.made == ["a"])
        server.start()
        assert until(lambda: found.listening == 1)


def test_a_redis_that_is_started_anew_learns_of_those_at_work(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nothing would be accepted until one of them has finished."""
    monkeypatch.setattr(jobs, "REDIS_AGAIN_S", 0.1)
    main = jobs.Steady([jobs.QUEUE], connection=jobs.connect(server.url), serializer=jobs.JSONSerializer)
    with waits(server, "a") as found:
        found.free.clear()
        found.listen()
        assert until(lambda: found.listening == 1 and found.most == 1)
        main.beside = found.threads
        server.stop()
        server.start()
        assert found.listening == 0
        main.heartbeat()
        assert found.listening == 1 and found.made == []


def test_who_stops_takes_up_nothing_more(server: Server) -> None:
    with waits(server, "a", "b") as found:
        found.free.clear()
        found.listen()
        assert until(lambda: found.most == 1)
        found.stop()
        found.threads[0].join(10)
        assert found.made == ["a"] and found.waiting == ["b"] and found.listening == 0


def test_a_job_that_comes_to_who_stops_is_left_to_others(server: Server) -> None:
    with waits(server) as found:
        found.listen()
        assert until(lambda: found.listening == 1)
        time.sleep(0.2)
        found.stopping.set()
        found.waiting += ["a"]
        found.hint()
        found.threads[0].join(10)
        assert not found.threads[0].is_alive()
        assert found.made == [] and jobs.queue(server.url, jobs.SLOW).count == 1


def test_what_breaks_off_is_not_tried_for_ever(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with waits(server, "broken", "a") as found:
        found.listen()
        assert until(lambda: "could not be made" in caplog.text)
        found.hint()
        assert until(lambda: found.made == ["a"])
