"""Ratings over HTTP: of answers that were given, by whom they were given to, in the surface's words."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from thermly import ids
from thermly.store.db import Database

JSON = dict[str, Any]
Make = Callable[..., Flask]
DAY_MS = 86_400_000
AT = pytest.mark.parametrize("path", ["/v1/feedback", "/api/v1/feedback"])


@pytest.fixture
def client(make_app: Make) -> FlaskClient:
    return make_app().test_client()


def post(client: FlaskClient, key: str, path: str, body: JSON) -> Any:
    return client.post(path, json=body, headers={"Authorization": f"Bearer {key}"})


def asked(client: FlaskClient, key: str, text: str = "Hello!", model: str = "auto") -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    reply = post(client, key, "/v1/chat/completions", body)
    assert reply.status_code == 200, reply.text
    return reply


def kept(database: Database) -> list[tuple[Any, ...]]:
    sql = "SELECT id, rating, comment, model, requested_model, complexity_level FROM feedback ORDER BY id"
    with database.each() as tx:
        return tx.all(sql)


@AT
@pytest.mark.parametrize(("rating", "points"), [("good", 5), ("bad", 1), (1, 1), (3, 3), (5, 5)])
def test_an_answer_is_rated(
    client: FlaskClient, make_key: Callable[..., str], database: Database, path: str, rating: Any, points: int
) -> None:
    key = make_key()
    reply = asked(client, key)
    told = post(client, key, path, {"response_id": reply.json["id"], "rating": rating, "comment": "As asked."})
    assert told.status_code == 200, told.text
    number = reply.json["id"].removeprefix("thermo-")
    level = reply.json["x_thermostat"]["complexity_level"]
    assert told.json == {
        "id": "feedback_" + number, "object": "feedback", "response_id": reply.json["id"], "rating": points,
        "model": reply.json["model"], "complexity_level": level, "created": told.json["created"],
    }  # fmt: skip
    assert abs(told.json["created"] - time.time()) < 5
    assert told.headers["x-request-id"].startswith("req_") and "X-RateLimit-Remaining-Requests" in told.headers
    assert kept(database) == [(number, points, "As asked.", reply.json["model"], "auto", level)]


def test_a_later_rating_takes_the_place_of_the_first(
    client: FlaskClient, make_key: Callable[..., str], database: Database
) -> None:
    key = make_key()
    number = asked(client, key).json["id"]
    post(client, key, "/v1/feedback", {"response_id": number, "rating": "bad", "comment": "Wrong!"})
    post(client, key, "/v1/feedback", {"response_id": number, "rating": 4})
    ((_, rating, comment, *_),) = kept(database)
    assert (rating, comment) == (4, "")


@pytest.mark.parametrize("prefix", ["thermo-", "chatcmpl-", "resp_", "msg_", "req_", ""])
def test_every_id_that_an_answer_is_known_by_will_do(
    client: FlaskClient, make_key: Callable[..., str], prefix: str
) -> None:
    key = make_key()
    number = asked(client, key).json["id"].removeprefix("thermo-")
    assert post(client, key, "/v1/feedback", {"response_id": prefix + number, "rating": 1}).status_code == 200


def test_what_came_from_the_cache_is_rated_too(
    client: FlaskClient, make_key: Callable[..., str], database: Database
) -> None:
    key, text = make_key(), "Hello " + ids.new()
    first, again = asked(client, key, text), asked(client, key, text)
    assert again.json["id"] != first.json["id"] and again.json["x_thermostat"]["cached"]
    told = post(client, key, "/v1/feedback", {"response_id": again.json["id"], "rating": 2})
    assert told.status_code == 200 and told.json["model"] == first.json["model"]
    assert len(kept(database)) == 1


def test_streams_are_rated_as_soon_as_they_have_ended(client: FlaskClient, make_key: Callable[..., str]) -> None:
    key = make_key()
    text = "Hello! [[sandbox: chunks=8 interval_ms=100]]"
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "stream": True}
    reply = post(client, key, "/v1/chat/completions", body)
    number = reply.headers["x-request-id"]
    early = post(client, key, "/v1/feedback", {"response_id": number, "rating": 1})
    assert (early.status_code, early.json["error"]["code"]) == (422, "response_in_progress")
    assert "[DONE]" in reply.text
    reply.close()
    assert post(client, key, "/v1/feedback", {"response_id": number, "rating": 1}).status_code == 200


def test_nobody_rates_the_answers_of_others(
    client: FlaskClient, make_key: Callable[..., str], database: Database
) -> None:
    number = asked(client, make_key()).json["id"]
    told = post(client, make_key(), "/v1/feedback", {"response_id": number, "rating": 1})
    error = told.json["error"]
    assert (told.status_code, error["code"], error["param"]) == (404, "response_not_found", "response_id")
    assert kept(database) == []


@pytest.mark.parametrize("number", [
    f"thermo-{int(time.time() * 1000):011x}{0:011x}",
    f"thermo-{int(time.time() * 1000) + DAY_MS:011x}{0:011x}",
    "thermo-ID",
    "x" * 100,
    "thermo-" + "g" * 22,
    "feedback_" + "0" * 23,
    "é",
], ids=["unknown", "of tomorrow", "no number", "long", "no hexadecimal", "too long", "no ascii"])  # fmt: skip
def test_what_is_no_response_is_not_found(client: FlaskClient, make_key: Callable[..., str], number: str) -> None:
    told = post(client, make_key(), "/v1/feedback", {"response_id": number, "rating": 1})
    assert (told.status_code, told.json["error"]["param"]) == (404, "response_id")


def test_ratings_come_within_a_month(client: FlaskClient, make_key: Callable[..., str]) -> None:
    key = make_key()
    then = int(time.time() * 1000) - 31 * DAY_MS
    told = post(client, key, "/v1/feedback", {"response_id": f"thermo-{then:011x}{0:011x}", "rating": 1})
    assert (told.status_code, told.json["error"]["code"]) == (422, "response_too_old")
    assert "30 days" in told.json["error"]["message"]


def test_a_request_that_failed_has_no_answer_to_rate(
    client: FlaskClient, make_key: Callable[..., str], database: Database
) -> None:
    key = make_key()
    number = asked(client, key).json["id"]
    with database.each() as tx:
        tx.run("UPDATE usage SET outcome = 'upstream_failed'")
    assert post(client, key, "/v1/feedback", {"response_id": number, "rating": 1}).status_code == 404


@AT
@pytest.mark.parametrize(("body", "param"), [
    ({"rating": 1}, "response_id"),
    ({"response_id": "", "rating": 1}, "response_id"),
    ({"response_id": 7, "rating": 1}, "response_id"),
    ({"response_id": "thermo-1"}, "rating"),
    ({"response_id": "thermo-1", "rating": 0}, "rating"),
    ({"response_id": "thermo-1", "rating": 6}, "rating"),
    ({"response_id": "thermo-1", "rating": "great"}, "rating"),
    ({"response_id": "thermo-1", "rating": True}, "rating"),
    ({"response_id": "thermo-1", "rating": 1.5}, "rating"),
    ({"response_id": "thermo-1", "rating": None}, "rating"),
    ({"response_id": "thermo-1", "rating": 1, "comment": "x" * 2_001}, "comment"),
    ({"response_id": "thermo-1", "rating": 1, "comment": 1}, "comment"),
    ({"response_id": "thermo-1", "rating": 1, "remark": "x"}, "remark"),
])  # fmt: skip
def test_a_body_that_breaks_the_rules_is_refused_by_its_field(
    client: FlaskClient, make_key: Callable[..., str], path: str, body: JSON, param: str
) -> None:
    told = post(client, make_key(), path, body)
    assert told.status_code == (400 if path.startswith("/api") else 422), told.text
    assert told.json["error"]["type"] == "invalid_request_error" and told.json["error"]["param"] == param


def test_what_was_learned_decides_from_the_next_start_on(
    make_app: Make, make_key: Callable[..., str], database: Database, tmp_path: Path
) -> None:
    """And the books keep the score as shipped, so that what is learned next does not depend on it."""
    key, text = make_key(usd=9), "Hello"
    before = asked(make_app(cache_scope="off").test_client(), key, text).json["x_thermostat"]
    kept = {"intercept": 9, "slope": 1, "trained_utc": "", "days": 1, "ratings": 99, "failed": 9, "escalations": 0,
            "log_loss_before": 1, "log_loss_after": 0.5}  # fmt: skip
    (tmp_path / "routing.json").write_text(json.dumps(kept))
    after = asked(make_app(cache_scope="off").test_client(), key, text).json["x_thermostat"]
    assert (before["complexity_level"], after["complexity_level"]) == (1, 5)
    with database.each() as tx:
        (first, _), (second, reasons) = tx.all("SELECT score_ppm, reasons FROM usage ORDER BY seq")
    assert first > 0 and abs(first - second) <= 1
    assert "ratings here: " in reasons


def test_without_a_key_nothing_is_rated(client: FlaskClient) -> None:
    assert client.post("/v1/feedback", json={}).status_code == 401


def test_ratings_count_as_requests_and_bodies_that_are_refused_do_not(
    client: FlaskClient, make_key: Callable[..., str]
) -> None:
    """What is not there has been looked for, and counts."""
    key = make_key(rpm=3)
    number = asked(client, key).json["id"]
    for _ in range(3):
        assert post(client, key, "/v1/feedback", {"response_id": number, "rating": 9}).status_code == 422
    for response_id, status, left in (("thermo-ID", 404, "1"), (number, 200, "0")):
        told = post(client, key, "/v1/feedback", {"response_id": response_id, "rating": 1})
        assert (told.status_code, told.headers["X-RateLimit-Remaining-Requests"]) == (status, left)
    assert post(client, key, "/v1/feedback", {"response_id": number, "rating": 1}).status_code == 429
