"""The feedback routes: identify, read, admit, keep, respond. A rating costs nothing."""

from typing import cast

from flask import Flask
from flask import request as current
from flask.typing import ResponseReturnValue

from thermly import ids
from thermly.dialects import feedback as dialect
from thermly.errors import NotFound
from thermly.gateway import Gateway
from thermly.ratings import feedback
from thermly.web import callers, respond
from thermly.web.edge import Body
from thermly.web.limits import Limits
from thermly.web.respond import Headers
from thermly.web.surfaces import Surface


def register(app: Flask, surfaces: tuple[Surface, ...], gateway: Gateway, limits: Limits) -> None:
    for surface in surfaces:
        if "feedback" in surface.serves:
            _register(app, surface, gateway, limits)


def _register(app: Flask, surface: Surface, gateway: Gateway, limits: Limits) -> None:
    @app.post(surface.prefix + "/feedback", endpoint=f"feedback.{surface.name}")
    def rate() -> ResponseReturnValue:
        request = cast(Body, current)
        caller = callers.identify(request.headers, surface.key_headers, gateway.database)
        asked = dialect.read_request(request.whole_body())
        with limits.admitted(caller) as told:
            kept = feedback.rate(gateway.database, caller, asked.response_id, asked.points, asked.comment or "")
        if kept is None:  # it was looked for, so it counts
            raise _unknown(asked.response_id, told)
        body = dialect.write_reply(
            dialect.Feedback(
                id="feedback_" + kept.id,
                response_id=asked.response_id,
                rating=kept.rating,
                model=kept.model,
                complexity_level=kept.complexity_level,
                created=kept.created_at_ms // 1000,
            )
        )
        return respond.whole(body, ids.new(), told)


def _unknown(response_id: str, headers: Headers) -> NotFound:
    error = NotFound(
        f"There is no response '{response_id}' that could be rated.",
        param="response_id",
        code="response_not_found",
    )
    error.headers += headers
    return error
