"""The application as one: settings that change what the edge does, where a running stack would be slow."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

Make = Callable[..., Flask]
MakeKey = Callable[..., str]


def ask(app: Flask, key: str, path: str = "/v1/chat/completions", **fields: Any) -> Any:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}], **fields}
    return app.test_client().post(path, data=json.dumps(body), headers={"Authorization": f"Bearer {key}"})


def test_a_request_and_its_reply(make_app: Make, make_key: MakeKey) -> None:
    response = ask(make_app(), make_key())
    assert response.status_code == 200 and response.get_json()["id"].startswith("thermo-")
    assert response.headers["X-RateLimit-Remaining-Requests"] == "59"


def test_a_stream(make_app: Make, make_key: MakeKey) -> None:
    response = ask(make_app(), make_key(), stream=True)
    assert response.get_data().endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(("setting", "status"), [("422", 422), ("400", 400)])
def test_the_status_of_a_bad_body_on_v1_is_a_setting(
    make_app: Make, make_key: MakeKey, setting: str, status: int
) -> None:
    app = make_app(invalid_request_status=setting)
    assert ask(app, make_key(), temperature=3).status_code == status
    assert ask(app, make_key(), "/api/v1/chat/completions", temperature=3).status_code == 400


def test_the_largest_body_is_a_setting(make_app: Make, make_key: MakeKey) -> None:
    app, key = make_app(max_body_mib=1), make_key()
    assert ask(app, key, user="x" * 900_000).status_code == 200
    assert ask(app, key, user="x" * 1_100_000).status_code == 413


def test_a_cache_may_be_off_or_everyones(make_app: Make, make_key: MakeKey) -> None:
    cached = {}
    for scope in ("off", "everyone"):
        app = make_app(cache_scope=scope)
        replies = [ask(app, make_key(), model="auto", user=scope).get_json() for _ in range(2)]
        cached[scope] = [r["x_thermostat"]["cached"] for r in replies]
    assert cached == {"off": [False, False], "everyone": [False, True]}


def test_requests_are_served_while_redis_is_gone(make_app: Make, make_key: MakeKey) -> None:
    app = make_app(limits_storage="redis", redis_url="redis://127.0.0.1:1/0")
    key = make_key(plan="free")
    statuses = [ask(app, key).status_code for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2


def test_health_is_told_without_a_key(make_app: Make) -> None:
    client = make_app().test_client()
    assert client.get("/health/liveness").get_json() == {"status": "alive"}
    ready = client.get("/health/readiness")
    assert ready.status_code == 200 and ready.get_json()["status"] == "ready"
    assert set(ready.get_json()["providers"]) == {"anthropic", "deepseek", "google", "localai", "openai"}
