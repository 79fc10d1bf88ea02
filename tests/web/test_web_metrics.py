"""Who may read the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

Make = Callable[..., Flask]
TOKEN = "a-token-of-32-characters-or-so!!"


def get(app: Flask, peer: str = "127.0.0.1", host: str = "127.0.0.1:8080", **headers: str) -> Any:
    told = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return app.test_client().get("/metrics", headers=told, environ_base={"REMOTE_ADDR": peer})


@pytest.mark.parametrize(("peer", "host"), [
    ("127.0.0.1", "127.0.0.1:8080"), ("127.0.0.9", "localhost"), ("::1", "[::1]:8080"),
    ("::ffff:127.0.0.1", "localhost:8080"),
])  # fmt: skip
def test_without_a_token_this_machine_may(make_app: Make, peer: str, host: str) -> None:
    response = get(make_app(), peer, host)
    assert response.status_code == 200
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["x-request-id"].startswith("req_") and response.headers["Cache-Control"] == "no-store"
    assert b"\nthermly_holds 0\n" in response.data


@pytest.mark.parametrize("told", [
    {"peer": "10.0.0.7"}, {"peer": "2001:db8::1"}, {"peer": ""}, {"peer": "::ffff:10.0.0.7"},
    {"host": "gateway.example"}, {"host": "10.0.0.7:8080"}, {"host": "localhost.gateway.example"}, {"host": "["},
    {"X_Forwarded_For": "127.0.0.1"}, {"X_Real_IP": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"},
    {"Via": "1.1 proxy"}, {"X_Forwarded_Proto": "https"}, {"X_Forwarded_Host": "localhost"},
])  # fmt: skip
def test_without_a_token_nobody_else_may(make_app: Make, told: dict[str, str]) -> None:
    response = get(make_app(), **told)
    assert response.status_code == 403 and b"thermly_" not in response.data
    assert "THERMLY_METRICS_TOKEN" in response.get_json()["error"]["message"]


def test_a_public_address_means_that_there_is_a_proxy(make_app: Make) -> None:
    assert get(make_app(public_url="https://llm.example")).status_code == 403


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.7"])
def test_whoever_has_the_token_may_and_nobody_else(make_app: Make, peer: str) -> None:
    app = make_app(metrics_token=TOKEN, public_url="https://llm.example")
    right = get(app, peer, "llm.example", Authorization=f"Bearer {TOKEN}", X_Forwarded_For="10.0.0.7")
    assert right.status_code == 200 and b"thermly_holds" in right.data
    for wrong in ("", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer \xff"):
        response = get(app, peer, **({"Authorization": wrong} if wrong else {}))
        assert response.status_code == 403 and TOKEN not in response.get_data(as_text=True), wrong


def test_a_key_of_the_api_is_no_token(make_app: Make, make_key: Callable[..., str]) -> None:
    key = make_key()
    assert get(make_app(metrics_token=TOKEN), Authorization=f"Bearer {key}").status_code == 403
