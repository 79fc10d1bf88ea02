"""Every refusal and every accident as a response: status, shape, headers, and nothing of the inside."""

from __future__ import annotations

import sqlite3

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException, default_exceptions

from thermly import errors
from thermly.dialects.openai_chat_writing import ERROR_TYPES
from thermly.web import failures, respond
from thermly.web.surfaces import surfaces

ROWS = surfaces(422)


@pytest.fixture
def app() -> Flask:
    app = Flask("test", static_folder=None)
    failures.register(app, ROWS)
    return app


def answer(app: Flask, error: Exception, path: str = "/v1/broken") -> tuple[int, dict[str, str | None], str]:
    def view() -> None:
        raise error

    app.add_url_rule(path, view_func=view)
    response = app.test_client().get(path)
    assert response.content_type == "application/json" and response.headers["x-request-id"].startswith("req_")
    return response.status_code, response.get_json()["error"], response.get_data(as_text=True)


@pytest.mark.parametrize("kind", sorted(errors.kinds()))
def test_every_kind_of_refusal_has_a_type_and_the_whole_shape(app: Flask, kind: str) -> None:
    error = errors.kinds()[kind]("A sentence.", param="field", detail="the inside")
    status, told, text = answer(app, error)
    wanted = 422 if status == 422 else type(error).status
    assert status == wanted and told["message"] == "A sentence." and told["param"] == "field"
    assert told["type"] == ERROR_TYPES[kind] and told["code"] and "the inside" not in text


@pytest.mark.parametrize(("path", "status"), [("/v1/x", 422), ("/api/v1/x", 400), ("/elsewhere", 422)])
def test_a_bad_request_has_the_status_of_its_surface(app: Flask, path: str, status: int) -> None:
    assert answer(app, errors.InvalidRequest("No."), path)[0] == status


def test_a_prompt_that_a_safety_system_refuses_is_400_everywhere(app: Flask) -> None:
    assert answer(app, errors.ContentRefused("No."))[0] == 400


@pytest.mark.parametrize("secret", ["sk-secret", "/etc/passwd"])
def test_an_accident_tells_nothing_of_the_inside(app: Flask, secret: str) -> None:
    status, told, text = answer(app, RuntimeError(secret))
    assert status == 500 and told["type"] == "internal_server_error" and secret not in text
    assert "Traceback" not in text


def test_a_database_that_refuses_is_503_with_a_time_to_wait(app: Flask) -> None:
    status, told, text = answer(app, sqlite3.OperationalError("database is locked"))
    assert status == 503 and told["type"] == "service_unavailable_error" and "locked" not in text


@pytest.mark.parametrize("code", sorted(default_exceptions))
def test_what_werkzeug_refuses_is_in_our_words(app: Flask, code: int) -> None:
    with app.test_request_context("/v1/x", method="PUT"):
        error = failures.translated(default_exceptions[code]())
    assert error.message and (error.status >= 500) is (code >= 500)
    assert isinstance(error, errors.GatewayError)


def test_werkzeugs_own_page_is_never_shown(app: Flask) -> None:
    class Odd(HTTPException):
        code = 418
        description = "I'm a teapot"

    assert answer(app, Odd())[0] == 422


def test_the_time_to_wait_and_the_scheme_are_headers() -> None:
    limited = respond.refused(errors.RateLimited("Slow down.", retry_after_s=7), ROWS[0], "1")
    assert limited.headers["Retry-After"] == "7"
    unknown = respond.refused(errors.Unauthenticated("Who?"), ROWS[0], "1")
    assert unknown.headers["WWW-Authenticate"] == "Bearer"
    assert "WWW-Authenticate" not in respond.refused(errors.PermissionDenied("No."), ROWS[0], "1").headers
