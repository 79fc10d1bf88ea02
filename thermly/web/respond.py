"""Out: a reply, a stream or an error as a Flask response, in the caller's dialect."""

import logging
from collections.abc import Callable, Iterator
from urllib.parse import quote

from flask import Response
from msgspec import Struct

from thermly.dialects import Label
from thermly.errors import GatewayError, Internal
from thermly.exchange import ChatRequest
from thermly.gateway import Answer
from thermly.generated import Generated
from thermly.web.edge import Whole
from thermly.web.surfaces import Surface

log = logging.getLogger("thermly.web")
Headers = list[tuple[str, str]]


class Writing(Struct, frozen=True):
    """How a stream is written: its events, an error within it, and its media type."""

    events: Callable[..., Iterator[bytes]]
    error_event: Callable[[GatewayError], bytes]
    content_type: str = "text/event-stream; charset=utf-8"


def answered(
    answer: Answer | Generated,
    request: ChatRequest,
    surface: Surface,
    headers: Headers,
    writing: Writing | None = None,
) -> Response | Whole:
    """The whole reply, or the stream of it; settled when the response ends, however it ends. `writing`: the
    stream's form, where it is not the dialect's own."""
    headers = [*headers, *named(answer.id, surface)]
    if not request.stream:
        reply = answer.reply()
        body = surface.dialect.write_reply(reply, request, label(answer, request, surface))
        return Whole(body, [*headers, *escalated(answer)])
    headers += [("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")]
    writing = writing or Writing(surface.dialect.write_events, surface.dialect.write_error_event)
    stream = _stream(answer, request, surface, writing)
    response = Response(stream, 200, headers, content_type=writing.content_type)
    response.call_on_close(answer.close)
    return response


def whole(body: bytes, request_id: str, headers: Headers | None = None) -> Whole:
    return Whole(body, [*(headers or ()), ("x-request-id", "req_" + request_id)])


def named(request_id: str, surface: Surface) -> Headers:
    """The id of a request, where the surface's clients look for it."""
    return [(name, "req_" + request_id) for name in surface.id_headers]


def escalated(answer: Answer | Generated) -> Headers:
    """Who was asked before and is paid too, and what was wrong with the answer: known once there is a reply. In
    headers, since most dialects have no room for it."""
    first = answer.escalation
    if first is None:
        return []
    # An operator may call a model what no header can say.
    return [("x-escalated-from", quote(first.model, safe="/:@+")), ("x-escalated-because", first.why)]


def label(answer: Answer | Generated, request: ChatRequest, surface: Surface) -> Label:
    return Label(
        id=surface.id_prefix + answer.id,
        created_s=answer.started_ms // 1000,
        model=answer.actual_model if answer.smart else request.model,
        actual_model=answer.actual_model,
        complexity_level=answer.complexity_level,
        cached=answer.cached,
        escalated_from=answer.escalation.model if answer.escalation else "",
        escalated_because=answer.escalation.why if answer.escalation else "",
    )


def _stream(
    answer: Answer | Generated, request: ChatRequest, surface: Surface, writing: Writing
) -> Iterator[bytes]:
    try:
        yield from writing.events(answer, request, lambda: label(answer, request, surface))
    except GatewayError as error:
        log.warning("req_%s broke off: %s %s", answer.id, error.code or error.kind, error.detail)
        yield writing.error_event(error)
    except Exception:
        log.exception("req_%s broke off", answer.id)
        yield writing.error_event(Internal("Internal error."))


def refused(error: GatewayError, surface: Surface, request_id: str) -> Response:
    headers: Headers = [*named(request_id, surface), *error.headers]
    if error.retry_after_s is not None:
        headers.append(("Retry-After", str(error.retry_after_s)))
    status = surface.status(error)
    if status in (401, 403) and error.kind == "unauthenticated":
        headers.append(("WWW-Authenticate", "Bearer"))
    return Response(surface.dialect.write_error(error), status, headers, content_type="application/json")
