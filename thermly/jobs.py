"""The only file that knows RQ: queues, `*_later` functions, and the pulse that calls them.

Jobs are enqueued by dotted name with ids and plain values only, serialised as JSON. Nothing is enqueued per
request: a request only sets a flag, and one thread per process turns flags into at most one job each few
seconds. With Redis gone the flag stays set, requests are served on, and the jobs run when it is back.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer

log = logging.getLogger("thermly.jobs")
QUEUE = "thermly"


def connect(redis_url: str, timeout_s: float | None = 1) -> redis.Redis:
    """Short timeouts and no retries: the library's defaults stall for seconds while Redis is down."""
    return redis.Redis.from_url(
        redis_url, socket_timeout=timeout_s, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )


def queue(redis_url: str) -> Queue:
    return Queue(QUEUE, connection=connect(redis_url), serializer=JSONSerializer)


def account_later(to: Queue, every_s: float) -> bool:
    return _later(to, "workers.usage.account", every_s)


def housekeep_later(to: Queue, every_s: float) -> bool:
    return _later(to, "workers.housekeeping.sweep", every_s)


def _later(to: Queue, function: str, every_s: float) -> bool:
    """Enqueue at most once in each span of `every_s`, whichever process asks; False when it was there already.

    A job that nobody takes up within two minutes goes: the next one does its work too.
    """
    job_id = f"{function.replace('.', '-')}-{int(time.time() // every_s)}"
    try:
        to.enqueue(function, job_id=job_id, unique=True, ttl=120, result_ttl=0, failure_ttl=86_400)
    except DuplicateJobError:
        return False
    return True


class Pulse:
    """A daemon thread that looks after what requests leave behind. Started by the first nudge, in the process
    that was nudged, since threads do not survive a fork."""

    def __init__(
        self, redis_url: str, accounting_delay_s: float, housekeeping_interval_s: float, chores: Callable[[], None]
    ) -> None:
        self._redis_url, self._chores = redis_url, chores
        self._delay_s, self._interval_s = accounting_delay_s, housekeeping_interval_s
        self._nudged = threading.Event()
        self._pid = 0
        self._lock = threading.Lock()
        self._redis_gone = False

    def nudge(self) -> None:
        if not self._nudged.is_set():
            self._nudged.set()
        if self._pid != os.getpid():
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def _run(self) -> None:
        to = queue(self._redis_url) if self._redis_url else None
        housekeep_at = 0.0
        while True:
            self._nudged.wait()
            time.sleep(self._delay_s)
            self._nudged.clear()
            try:
                self._chores()
                if to is None:
                    continue
                if not account_later(to, self._delay_s):
                    self._nudged.set()  # that one may have started already: once more, in a moment
                if time.monotonic() >= housekeep_at:
                    housekeep_later(to, self._interval_s)
                    housekeep_at = time.monotonic() + self._interval_s
                self._redis_gone = False
            except redis.RedisError as error:
                self._nudged.set()
                if not self._redis_gone:
                    log.warning("Redis is gone, accounting waits for it: %s", error)
                self._redis_gone = True
            except Exception:
                log.exception("the pulse missed a beat")


def work(redis_url: str, burst: bool = False) -> None:
    """Run jobs in this process until it is told to stop."""
    from rq import SimpleWorker

    worker = SimpleWorker([QUEUE], connection=connect(redis_url, timeout_s=None), serializer=JSONSerializer)
    worker.work(burst=burst, logging_level="WARNING")
