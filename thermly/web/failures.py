"""Every way a request can fail, in the shape of the surface whose path was asked."""

import logging
import sqlite3

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from thermly import ids
from thermly.errors import GatewayError, Internal, InvalidRequest, MethodNotAllowed, NotFound, TooLarge, Unavailable
from thermly.web import respond
from thermly.web.surfaces import Surface

log = logging.getLogger("thermly.web")


def register(app: Flask, surfaces: tuple[Surface, ...]) -> None:
    def surface() -> Surface:
        return next((s for s in surfaces if f"{request.path}/".startswith(s.prefix + "/")), surfaces[-1])

    def refuse(error: GatewayError) -> Response:
        error.request_id = request_id = error.request_id or ids.new()
        if error.detail:
            log.warning("req_%s refused: %s %s", request_id, error.kind, error.detail)
        return respond.refused(error, surface(), request_id)

    @app.after_request
    def name(response: Response) -> Response:
        """Every response has a number to ask about; one with a row in the books has that row's."""
        response.headers.setdefault("x-request-id", "req_" + ids.new())
        return response

    @app.errorhandler(GatewayError)
    def gateway_error(error: GatewayError) -> Response:
        return refuse(error)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        return refuse(translated(error))

    @app.errorhandler(sqlite3.OperationalError)
    def database_error(error: sqlite3.OperationalError) -> Response:
        log.error("the database refused: %s", error)
        return refuse(Unavailable("The gateway cannot reach its database just now.", retry_after_s=2))

    @app.errorhandler(Exception)
    def anything(error: Exception) -> Response:
        if type(error).__module__ == "gunicorn.http.errors":  # the body's framing turned out to be broken
            return refuse(InvalidRequest("The request body is malformed."))
        log.exception("internal error")
        return refuse(Internal("Internal error."))


def translated(error: HTTPException) -> GatewayError:
    """What Werkzeug refuses before a view runs, in our words."""
    if isinstance(error, RequestEntityTooLarge):
        return TooLarge("The body is too large.")
    if error.code == 404:
        return NotFound(f"There is nothing at {request.path}.")
    if error.code == 405:
        refusal = MethodNotAllowed(f"{request.method} is not allowed at {request.path}.")
        allowed = getattr(error, "valid_methods", None) or ()
        refusal.headers.append(("Allow", ", ".join(sorted(allowed))))
        return refusal
    if error.code is not None and error.code < 500:
        return InvalidRequest(str(error.description))
    return Internal("Internal error.")
