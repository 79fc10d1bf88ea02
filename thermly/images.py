"""The image story: accept (hold, and write the job down), draw, settle. Web processes and workers share it.

Knows: the order of the steps, and what becomes of a job whose process dies. Must not know: Flask, RQ, SQL text,
vendor JSON. A job is drawn by whoever claims its row; it ends in one transaction that closes row and bill
together, so it is paid once however often it was begun.
"""

import datetime
import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import BinaryIO

import msgspec
from msgspec import Struct

from thermly import clock, errors, pricing, routing
from thermly.caller import Caller
from thermly.catalog import Drawing, Target
from thermly.errors import GatewayError, Internal, InvalidRequest, NotFound, Unavailable, UpstreamFailed
from thermly.exchange import Usage
from thermly.gateway import Gateway
from thermly.keeping.storage import Storage
from thermly.money.bill import Bill, refusal
from thermly.pictures import ImageReply, ImageRequest
from thermly.providers import DRAW
from thermly.store import images as store
from thermly.store import money
from thermly.store.db import Tx
from thermly.store.images import Image, Job
from thermly.store.money import Closing
from thermly.store.underway import Underway

log = logging.getLogger("thermly.images")

MOST_ATTEMPTS = 3
LOOK_S, LOOK_MOST_S, REVIVE_S = 0.02, 0.25, 2.0
LOST_AFTER_MS = 60_000
"""A job that waits so long in the queue is put there once more: the queue may have been lost with its Redis."""

SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}


class Refused(Struct, frozen=True):
    """A refusal as it is kept with its job."""

    kind: str
    message: str
    param: str | None = None
    code: str | None = None
    retry_after_s: int | None = None


_read_request = msgspec.json.Decoder(ImageRequest).decode
_read_refused = msgspec.json.Decoder(Refused).decode
_encode = msgspec.json.encode


class Images:
    """The image side of one process. `later` hands a job to the workers, and says False where there are none."""

    def __init__(self, gateway: Gateway, storage: Storage, later: Callable[[str], bool]) -> None:
        self._gateway, self.storage, self._later = gateway, storage, later
        self._underway = Underway(gateway.database, gateway.settings.instance / "run", gateway.owner)
        self._strays: set[str] = set()

    # ---- accept

    def accept(self, request: ImageRequest, caller: Caller, surface: str) -> str:
        """Hold, write the job down and hand it on; the job's id. Raises GatewayError."""
        gateway, now = self._gateway, clock.now_ms()
        target, asked = routing.plan_images(request, gateway.catalog, caller.models, datetime.date.today())
        if target.provider.kind not in DRAW:
            raise InvalidRequest(f"The provider of '{request.model}' makes no images.", param="model")
        bill = Bill(gateway.books, caller, surface, request.model, outlives_us=True)
        job = Job(
            bill.id, caller.account_id, "queued", "", 0, _encode(asked).decode(), target.model.id, asked.n,
            int(asked.b64), asked.size or "", asked.quality or "", None, None, "", now, now,
        )  # fmt: skip
        lifetime_ms = gateway.settings.image_lifetime_h * 3_600_000
        with gateway.database.begin() as tx:
            held = bill.hold_in(tx, pricing.image_ceiling(asked, target))
            if held:
                store.add(tx, job, now + lifetime_ms)
        if not held:
            raise refusal(bill.funds())
        self._hand_on(job.id)
        return job.id

    def _hand_on(self, job_id: str) -> None:
        if not self._later(job_id):
            self.draw(job_id)  # no workers to be had: whoever asks for the images makes them

    def wait(self, job_id: str, patience_s: float) -> Job:
        """The job when it has finished, or as it is when patience ends."""
        give_up = time.monotonic() + patience_s
        pause_s, revive_at = LOOK_S, time.monotonic() + REVIVE_S
        while True:
            job = self.find(job_id)
            if job.finished or time.monotonic() >= give_up:
                return job
            if time.monotonic() >= revive_at:
                self.revive(job)
                revive_at = time.monotonic() + REVIVE_S
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.3, LOOK_MOST_S)

    def find(self, job_id: str, account_id: str | None = None) -> Job:
        """Raises NotFound, also for a job of another account than `account_id`."""
        with self._gateway.database.each() as tx:
            job = store.find(tx, job_id)
        if job is None or account_id not in (None, job.account_id):
            raise NotFound("There is no such image job.")
        return job

    def of(self, job: Job) -> list[Image]:
        with self._gateway.database.each() as tx:
            return store.of_job(tx, job.id)

    def shown(self, name: str, now_ms: int) -> tuple[Image, int, BinaryIO] | None:
        """(the image, when it expires, its bytes), until then."""
        with self._gateway.database.each() as tx:
            found = store.by_name(tx, name, now_ms)
        file = self.storage.open(name) if found else None
        return (*found, file) if found and file else None

    # ---- draw

    def draw(self, job_id: str) -> bool:
        """Draw what the job still lacks, and settle. False where somebody else is at it."""
        job = self._claim(job_id)
        if job is None:
            return False
        try:
            self._draw(job)
        except GatewayError as error:
            self._fail(job, error)
        except OSError as error:
            log.error("images of job %s could not be kept: %s", job_id, error)
            self._fail(job, Unavailable("The image could not be kept just now.", code="storage_failed"))
        except Exception:
            log.exception("image job %s failed", job_id)
            self._fail(job, Internal("Internal error."))
        finally:
            self._underway.leave(job_id)
        return True

    def _claim(self, job_id: str) -> Job | None:
        return self._underway.claim(job_id, lambda tx: store.claim(tx, job_id, self._gateway.owner))

    def _draw(self, job: Job) -> None:
        request, target = _read_request(job.request), self._target(job)
        missing = sorted(set(range(job.wanted)) - {image.position for image in self.of(job)})
        drawing = target.model.drawing or Drawing()
        calls = [missing[i : i + drawing.per_call] for i in range(0, len(missing), drawing.per_call)]
        if not calls:
            self._succeed(job, request, target)
            return
        with ThreadPoolExecutor(len(calls)) as pool:
            asked = {pool.submit(self._ask, request, target, len(positions)): positions for positions in calls}
            for done in as_completed(asked):
                self._keep(job, asked[done], done.result())
        self._succeed(job, request, target)

    def _target(self, job: Job) -> Target:
        self._gateway.look()
        model = self._gateway.catalog.models.get(job.model)
        target = self._gateway.catalog.target(model) if model else None
        if target is None or target.provider.kind not in DRAW:
            raise Unavailable(f"The model '{job.model}' is no longer served.")
        return target

    def _ask(self, request: ImageRequest, target: Target, n: int) -> ImageReply:
        def draw() -> ImageReply:
            adapter = DRAW[target.provider.kind]
            reply = adapter(request, target, n, request.size, request.quality, self._gateway.client)
            if len(reply.pictures) < n:
                raise UpstreamFailed("The model's provider made fewer images than were asked of it.")
            return reply

        return self._gateway.ask(target, draw)

    def _keep(self, job: Job, positions: list[int], reply: ImageReply) -> None:
        """The files first, then the rows that name them: no row ever names a file that is not whole."""
        kept = []
        for position, picture in zip(positions, reply.pictures, strict=False):
            name = f"{secrets.token_urlsafe(24)}.{SUFFIXES[picture.media_type]}"
            self.storage.put(name, picture.data)
            kept.append(Image(name, position, picture.media_type, len(picture.data), picture.revised_prompt))
        with self._gateway.database.begin() as tx:
            mine = store.keep(tx, job.id, self._gateway.owner, kept, reply.usage)
        if not mine:
            for image in kept:
                self.storage.delete(image.name)
            raise Internal("Internal error.", detail="another process has the job")

    # ---- the end

    def _succeed(self, job: Job, request: ImageRequest, target: Target) -> None:
        used = self.find(job.id).usage
        cost = pricing.image_cost(request, target, used)
        self._finish(job, "done", "", self._closing(job, "ok", target, used, cost))

    def _fail(self, job: Job, error: GatewayError) -> None:
        log.warning("image job %s failed: %s %s", job.id, error.kind, error.detail)
        kept = Refused(error.kind, error.message, error.param, error.code, error.retry_after_s)
        target = self._gateway.catalog.models.get(job.model)
        closing = Closing(
            state="released",
            outcome=error.kind,
            model=job.model,
            provider=target.provider if target else "",
            duration_ms=clock.now_ms() - job.created_at_ms,
        )
        if not self._finish(job, "failed", _encode(kept).decode(), closing):
            return  # another process has the job, and the images with it
        with self._gateway.database.begin() as tx:
            names = store.forget_images(tx, job.id)
        for name in names:
            self.storage.delete(name)

    def _closing(self, job: Job, outcome: str, target: Target, used: Usage | None, cost: int) -> Closing:
        return Closing(
            state="settled",
            outcome=outcome,
            cost_nanousd=cost,
            baseline_nanousd=cost,
            model=target.model.id,
            provider=target.provider.name,
            usage=used or Usage(),
            duration_ms=clock.now_ms() - job.created_at_ms,
            images=job.wanted,
        )

    def _finish(self, job: Job, state: str, error: str, closing: Closing) -> bool:
        """Row and bill in one transaction; False where the job is no longer ours."""

        def write(tx: Tx) -> bool:
            mine = store.finish(tx, job.id, self._gateway.owner, state, error, clock.now_ms())
            if mine:
                money.close(tx, job.id, closing)
            return mine

        mine = self._underway.insist(f"image job {job.id}", write)
        self._gateway.books.nudge()
        return mine

    # ---- what others have left behind

    def revive(self, job: Job) -> None:
        """Queue a job again whose process has died; give it up after `MOST_ATTEMPTS`."""
        gateway, now = self._gateway, clock.now_ms()
        if job.state == "queued":
            if now - job.queued_at_ms > LOST_AFTER_MS:
                with gateway.database.each() as tx:
                    mine = store.queue_again(tx, job.id, job.queued_at_ms, now)
                if mine:
                    self._hand_on(job.id)
            return
        if job.state != "running" or not self._underway.is_left(job.id, job.owner):
            return
        with gateway.database.each() as tx:
            mine = store.requeue(tx, job.id, job.owner, now)
        if not mine:
            return
        log.warning("image job %s lost its process and is begun again", job.id)
        if job.attempts < MOST_ATTEMPTS:
            self._hand_on(job.id)
            return
        claimed = self._claim(job.id)
        if claimed is not None:
            try:
                self._fail(claimed, Unavailable("The image could not be made: it was begun too often."))
            finally:
                self._underway.leave(job.id)

    def rescue(self) -> None:
        """Revive every job that needs it, and remove what has expired."""
        with self._gateway.database.each() as tx:
            jobs = store.unfinished(tx)
        for job in jobs:
            self.revive(job)
        with self._gateway.database.each() as tx:
            gone = store.expired(tx, clock.now_ms())
        for job_id in gone:
            with self._gateway.database.begin() as tx:
                names = store.forget_images(tx, job_id)
                store.forget(tx, job_id)
            for name in names:
                self.storage.delete(name)
        self.storage.sweep_temporary(time.time())
        self._sweep_strays()

    def _sweep_strays(self) -> None:
        """Remove files that no row names; twice in a row, since a file is there a moment before its row."""
        with self._gateway.database.each() as tx:
            strays = {name for name in self.storage.names() if not store.known(tx, name)}
        for name in strays & self._strays:
            self.storage.delete(name)
        self._strays = strays - self._strays


def refusal_of(job: Job) -> GatewayError:
    """Why the job failed, as the error that it was."""
    kept = _read_refused(job.error)
    kind = errors.kinds().get(kept.kind, Internal)
    error = kind(kept.message, param=kept.param, code=kept.code, retry_after_s=kept.retry_after_s)
    error.request_id = job.id
    return error
