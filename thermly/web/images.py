"""The image routes: identify, read, admit, accept, wait, respond; and the images themselves.

`Prefer: respond-async` (RFC 7240) answers 202 at once, with the address of a job to poll.
"""

import base64
import re
from typing import Any, cast

from flask import Flask, Response
from flask import request as current
from flask.typing import ResponseReturnValue
from werkzeug.wsgi import wrap_file

from thermly import clock, ids, images
from thermly.caller import Caller
from thermly.dialects import openai_images
from thermly.dialects.openai_images import Result, Shown, Status
from thermly.errors import NotFound, Unavailable
from thermly.gateway import Gateway
from thermly.images import Images
from thermly.store.images import Image, Job
from thermly.web import callers, respond
from thermly.web.edge import Body
from thermly.web.limits import Limits
from thermly.web.respond import Headers
from thermly.web.surfaces import Surface

ASYNC = re.compile(r"\brespond-async\b", re.I)
COME_BACK_S = 5
STATUSES: dict[str, Status] = {
    "queued": "queued",
    "running": "in_progress",
    "done": "completed",
    "failed": "failed",
}


def register(app: Flask, surfaces: tuple[Surface, ...], studio: Images, gateway: Gateway, limits: Limits) -> None:
    for surface in surfaces:
        if "images" in surface.serves:
            Views(surface, studio, gateway, limits).register(app)
    app.add_url_rule("/images/<name>", "image", File(studio, gateway), methods=["GET"])


class Views:
    def __init__(self, surface: Surface, studio: Images, gateway: Gateway, limits: Limits) -> None:
        self._surface, self._studio, self._gateway, self._limits = surface, studio, gateway, limits
        self._path = surface.prefix + "/images/generations"

    def register(self, app: Flask) -> None:
        name = self._surface.name
        app.add_url_rule(self._path, f"images.{name}", self._generate, methods=["POST"])
        app.add_url_rule(f"{self._path}/<job_id>", f"image_job.{name}", self._job, methods=["GET"])

    def _identify(self) -> Caller:
        return callers.identify(current.headers, self._surface.key_headers, self._gateway.database)

    def _generate(self) -> ResponseReturnValue:
        caller = self._identify()
        asked = openai_images.read_request(cast(Body, current).whole_body())
        with self._limits.admitted(caller, "image") as told:
            job_id = self._studio.accept(asked, caller, self._surface.name)
            if ASYNC.search(current.headers.get("Prefer", "")):
                return self._accepted(self._studio.find(job_id), told)
            job = self._studio.wait(job_id, self._gateway.settings.image_wait_s)
            return self._waited(job, asked.prompt, told)

    def _accepted(self, job: Job, told: Headers) -> Response:
        headers = [
            *told,
            ("Location", f"{self._path}/{job.id}"),
            ("Preference-Applied", "respond-async"),
            ("Retry-After", str(COME_BACK_S)),
            ("x-request-id", "req_" + job.id),
        ]
        return Response(self._written(job), 202, headers, content_type="application/json")

    def _waited(self, job: Job, prompt: str, told: Headers) -> ResponseReturnValue:
        if job.state == "failed":
            raise images.refusal_of(job)
        if not job.finished:
            late = Unavailable(
                f"The images are still being made: see {self._path}/{job.id}.",
                code="images_not_ready",
                retry_after_s=COME_BACK_S,
            )
            late.request_id = job.id
            late.headers.append(("x-should-retry", "false"))  # a client that retries would pay for a second job
            raise late
        return respond.whole(openai_images.write_reply(*self._result(job, prompt)), job.id, told)

    def _job(self, job_id: str) -> ResponseReturnValue:
        caller = self._identify()
        job = self._studio.find(job_id, caller.account_id)
        if not job.finished:
            self._studio.revive(job)
        headers = [] if job.finished else [("Retry-After", str(COME_BACK_S))]
        return respond.whole(self._written(job), ids.new(), headers)

    def _written(self, job: Job) -> bytes:
        return openai_images.write_job(
            id=job.id,
            status=STATUSES[job.state],
            created_s=job.created_at_ms // 1000,
            done=len(self._studio.of(job)),
            of=job.wanted,
            result=self._result(job) if job.state == "done" else None,
            error=images.refusal_of(job) if job.state == "failed" else None,
        )

    def _result(self, job: Job, prompt: str | None = None) -> Result:
        """A prompt that nobody has revised is told as it is while it is known: it is kept nowhere."""
        made = self._studio.of(job)
        if not made:
            raise NotFound("These images have expired.")
        facts = {name: value for name, value in (("size", job.size), ("quality", job.quality)) if value}
        return job.created_at_ms // 1000, [self._shown(image, job, prompt) for image in made], job.usage, facts

    def _shown(self, image: Image, job: Job, prompt: str | None) -> Shown:
        revised = image.revised_prompt or prompt
        if not job.b64:
            base = self._gateway.settings.public_url.rstrip("/") or current.host_url.rstrip("/")
            return Shown(url=f"{base}/images/{image.name}", b64=None, revised_prompt=revised)
        with self._studio.storage.open(image.name) or _gone() as file:
            data = base64.b64encode(file.read()).decode()
        return Shown(url=None, b64=data, revised_prompt=revised)


def _gone() -> Any:
    raise NotFound("These images have expired.")


class File:
    """An image under its unguessable name, for whoever knows it, until it expires."""

    def __init__(self, studio: Images, gateway: Gateway) -> None:
        self._studio, self._gateway = studio, gateway

    def __call__(self, name: str) -> ResponseReturnValue:
        now_ms = clock.now_ms()
        found = self._studio.shown(name, now_ms)
        if found is None:
            raise NotFound("There is no such image, or it has expired.")
        image, expires_at_ms, file = found
        response = Response(
            wrap_file(current.environ, file), 200, content_type=image.media_type, direct_passthrough=True
        )
        response.content_length = image.size_bytes
        response.set_etag(image.name.partition(".")[0])
        left_s = (expires_at_ms - now_ms) // 1000
        response.headers["Cache-Control"] = f"public, max-age={left_s}, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["Content-Disposition"] = f'inline; filename="{image.name}"'
        return response.make_conditional(current)
