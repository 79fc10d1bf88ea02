"""Out: a reply, a stream or an error as a Flask response, in the caller's dialect."""

import logging
from collections.abc import Iterator

from flask import Response

from thermly.dialects import Label
from thermly.errors import GatewayError, Internal
from thermly.exchange import ChatRequest
from thermly.gateway import Answer
from thermly.web.edge import Whole
from thermly.web.surfaces import Surface

log = logging.getLogger("thermly.web")
Headers = list[tuple[str, str]]


def answered(answer: Answer, request: ChatRequest, surface: Surface, headers: Headers) -> Response | Whole:
    """The whole reply, or the stream of it; settled when the response ends, however it ends."""
    headers = [*headers, ("x-request-id", "req_" + answer.id)]
    if not request.stream:
        reply = answer.reply()
        body = surface.dialect.write_reply(reply, request, label(answer, request, surface))
        return Whole(body, headers)
    headers += [("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")]
    stream = _stream(answer, request, surface)
    response = Response(stream, 200, headers, content_type="text/event-stream; charset=utf-8")
    response.call_on_close(answer.close)
    return response


def label(answer: Answer, request: ChatRequest, surface: Surface) -> Label:
    return Label(
        id=surface.id_prefix + answer.id,
        created_s=answer.started_ms // 1000,
        model=answer.actual_model if answer.smart else request.model,
        actual_model=answer.actual_model,
        complexity_level=answer.complexity_level,
        cached=answer.cached,
    )


def _stream(answer: Answer, request: ChatRequest, surface: Surface) -> Iterator[bytes]:
    dialect = surface.dialect
    try:
        yield from dialect.write_events(answer, request, lambda: label(answer, request, surface))
    except GatewayError as error:
        log.warning("req_%s broke off: %s %s", answer.id, error.code or error.kind, error.detail)
        yield dialect.write_error_event(error)
    except Exception:
        log.exception("req_%s broke off", answer.id)
        yield dialect.write_error_event(Internal("Internal error."))


def refused(error: GatewayError, surface: Surface, request_id: str) -> Response:
    headers: Headers = [("x-request-id", "req_" + request_id), *error.headers]
    if error.retry_after_s is not None:
        headers.append(("Retry-After", str(error.retry_after_s)))
    status = surface.status(error)
    if status in (401, 403) and error.kind == "unauthenticated":
        headers.append(("WWW-Authenticate", "Bearer"))
    return Response(surface.dialect.write_error(error), status, headers, content_type="application/json")
