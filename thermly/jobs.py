"""The only file that knows RQ: queues, `*_later` functions, the pulse that calls them, and the workers.

Jobs are enqueued by dotted name with ids and plain values only, serialised as JSON. A chat request enqueues
nothing: it only sets a flag, and one thread per process turns flags into at most one job each few seconds. With
Redis gone the flag stays set, requests are served on, and the jobs run when it is back. What takes long (images,
responses in the background) is made by threads that wait side by side. To them a job only says that there is
something to be made; what is, and what next, is not the queue's business.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis
from msgspec import Struct
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue, SimpleWorker, Worker, worker_registration
from rq.exceptions import DequeueTimeout, DuplicateJobError, InvalidJobOperation, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty

log = logging.getLogger("thermly.jobs")
REDIS_AGAIN_S = 2
QUEUE, SLOW = "thermly", "thermly-slow"


def connect(redis_url: str, timeout_s: float | None = 1) -> redis.Redis:
    """Short timeouts and no retries: the library's defaults stall for seconds while Redis is down."""
    return redis.Redis.from_url(
        redis_url, socket_timeout=timeout_s, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )


def queue(redis_url: str, name: str = QUEUE) -> Queue:
    return Queue(name, connection=connect(redis_url), serializer=JSONSerializer)


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


def hand_on(to: Queue, function: str, of: str) -> bool:
    """False where nobody would take the job up: Redis is gone, or no worker listens."""
    try:
        if not Worker.count(queue=to):
            return False
        to.enqueue(function, of, job_timeout=-1, result_ttl=0, failure_ttl=3600)
    except redis.RedisError as error:
        log.warning("Redis is gone, nothing is handed on: %s", error)
        return False
    return True


class Queues(Struct, frozen=True):
    """Jobs that wait, jobs that failed lately, and workers that listen, each by queue."""

    waiting: dict[str, int]
    failed: dict[str, int]
    workers: dict[str, int]


def look(redis_url: str) -> Queues | None:
    """None where Redis does not answer, which is known within two seconds."""
    queues = [queue(redis_url, name) for name in (QUEUE, SLOW)]
    try:
        return Queues(
            waiting={q.name: q.count for q in queues},
            failed={q.name: q.failed_job_registry.get_job_count(cleanup=False) for q in queues},
            workers={q.name: Worker.count(queue=q) for q in queues},
        )
    except redis.RedisError:
        return None


class Pulse:
    """A daemon thread that looks after what requests leave behind. Started by the first nudge, in the process
    that was nudged, since threads do not survive a fork."""

    def __init__(
        self,
        redis_url: str,
        accounting_delay_s: float,
        housekeeping_interval_s: float,
        chores: Callable[[], None],
        housekeep: Callable[[], None] = lambda: None,
    ) -> None:
        """`housekeep` is done here where there is no Redis to hand the sweep to a worker."""
        self._redis_url, self._chores, self._housekeep = redis_url, chores, housekeep
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
            nudged = self._nudged.wait(self._interval_s)
            time.sleep(self._delay_s)
            self._nudged.clear()
            try:
                self._chores()
                if nudged and to is not None and not account_later(to, self._delay_s):
                    self._nudged.set()  # that one may have started already: once more, in a moment
                if time.monotonic() >= housekeep_at:
                    housekeep_at = time.monotonic() + self._interval_s
                    if to is None:
                        self._housekeep()
                    else:
                        housekeep_later(to, self._interval_s)
                self._redis_gone = False
            except redis.RedisError as error:
                self._nudged.set()
                if not self._redis_gone:
                    log.warning("Redis is gone, accounting waits for it: %s", error)
                self._redis_gone = True
            except Exception:
                log.exception("the pulse missed a beat")


class Steady(SimpleWorker):
    """A worker that takes it lightly when Redis has forgotten a job that was done, or is gone just then: what the
    job was about is in the database. `beside`: the threads that wait in the same process."""

    max_connection_wait_time = REDIS_AGAIN_S
    beside: Sequence["Waiting"] = ()

    def subscribe(self) -> None:
        """Nobody sends it commands, and the thread that listens for them would outlive a Redis that is lost."""

    def handle_job_success(self, job: Any, queue: Any, started_job_registry: Any) -> None:
        try:
            super().handle_job_success(job, queue, started_job_registry)
        except (InvalidJobOperation, redis.RedisError) as error:
            log.warning("Redis does not know of a job that is done: %s", type(error).__name__)

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """A Redis that was started again has forgotten who listens, and whoever is at work would not tell it for
        long. One that is gone is waited for by whoever asks it for a job next."""
        try:
            super().heartbeat(timeout, pipeline)
            for worker in (self, *(thread.waiter for thread in self.beside if thread.waiter)):
                worker_registration.register(worker, pipeline)
        except redis.ConnectionError:
            pass


class Waiter(Steady):
    """A worker in a thread, for what takes long: it waits for its upstreams nearly all of the time. Signals are the
    main thread's business, and so are timeouts (the upstream's own)."""

    death_penalty_class = TimerDeathPenalty

    def __init__(self, connection: redis.Redis, thread: "Waiting") -> None:
        super().__init__([SLOW], connection=connection, serializer=JSONSerializer)
        self._thread = thread

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next job; None when told to stop. It listens only when nothing is left to be made: a Redis that was
        started again has forgotten its jobs, and one that is gone has none."""
        wait_s: int | None = None
        while not self._thread.stopping.is_set():
            self.heartbeat()
            gone = False
            try:
                if (found := self._dequeue(wait_s)) is not None:
                    return found
            except redis.ConnectionError:
                gone = True
            more = self._thread.take()
            wait_s = None if more or gone else timeout
            if gone and not more:
                self._thread.stopping.wait(REDIS_AGAIN_S)
        return None

    def _dequeue(self, wait_s: int | None) -> tuple[Job, Queue] | None:
        try:
            return self.queue_class.dequeue_any(
                self.queues, wait_s, self.connection, self.job_class, self.serializer, self.death_penalty_class
            )
        except DequeueTimeout:
            return None

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Or, where it came when its worker had been told to stop, leave it to another."""

        def execute() -> bool:
            super(Waiter, self).execute_job(job, queue)
            return True

        if not self._thread.begin(execute):
            job.delete()
            hand_on(queue, str(job.func_name), *job.args)

    def _install_signal_handlers(self) -> None:
        pass


def work(
    redis_url: str,
    burst: bool = False,
    waiters: int = 0,
    patience_s: float = 30,
    take: Callable[[], bool] = lambda: False,
) -> None:
    """Run jobs in this process until it is told to stop; then what takes long is given `patience_s`. `take` makes
    the next of that, and says False where none waits."""
    stopping = threading.Event()
    threads = [Waiting(redis_url, take, stopping) for _ in range(0 if burst else waiters)]
    try:
        while _listen(redis_url, burst, threads) and not burst:
            time.sleep(REDIS_AGAIN_S)
    except StopRequested:  # told to stop while waiting for Redis
        pass
    stopping.set()
    give_up = time.monotonic() + patience_s
    while any(thread.busy for thread in threads):
        if time.monotonic() >= give_up:
            os._exit(0)  # Python's own end would wait for the upstream; the next start begins these again
        time.sleep(0.05)


def _listen(redis_url: str, burst: bool, beside: Sequence["Waiting"]) -> bool:
    """Run jobs until told to stop (False), or until Redis goes away: that is no reason to end, for requests are
    served on without it, and it comes back."""
    worker: Steady | None = None
    try:
        worker = Steady([QUEUE], connection=connect(redis_url, timeout_s=None), serializer=JSONSerializer)
        worker.beside = beside
        worker.work(burst=burst, logging_level="WARNING")
    except redis.RedisError as error:
        log.warning("Redis is gone, jobs wait: %s", error)
    return worker is None or (worker._shutdown_requested_date is None and not worker._stop_requested)


class Waiting(threading.Thread):
    """A waiter and, when Redis has been away, the next one; while it is, what waits is made without."""

    def __init__(self, redis_url: str, take: Callable[[], bool], stopping: threading.Event) -> None:
        super().__init__(name="waiter", daemon=True)
        self._redis_url, self._take, self.stopping = redis_url, take, stopping
        self.waiter: Waiter | None = None
        self.busy = False
        self.start()

    def begin(self, what: Callable[[], bool]) -> bool:
        """What it says; False when told to stop, for then nothing is begun."""
        self.busy = True  # before it looks: whoever stops it then sees it at work, or it sees that it is to stop
        try:
            return not self.stopping.is_set() and what()
        finally:
            self.busy = False

    def take(self) -> bool:
        """Make what waits next. False where nothing does; what breaks off is not tried for ever."""
        try:
            return self.begin(self._take)
        except Exception:
            log.exception("what waited could not be made")
            return False

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self.waiter = Waiter(connect(self._redis_url, timeout_s=None), self)
                self.waiter.work(logging_level="WARNING")
            except redis.RedisError as error:
                log.warning("Redis is gone, slow jobs wait: %s", error)
            while self.take():
                pass
            self.stopping.wait(REDIS_AGAIN_S)
