"""The key in the headers, and who stands behind it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from werkzeug.datastructures import Headers

from thermly.errors import GatewayError, PermissionDenied, Unauthenticated
from thermly.store.db import Database
from thermly.web.callers import MAX_KEY_CHARS, find_key, identify

BEARER = ("Authorization",)
GOOGLE = ("x-goog-api-key", "Authorization")


@pytest.mark.parametrize(("headers", "names", "found"), [
    ({"Authorization": "Bearer k"}, BEARER, "k"),
    ({"Authorization": "bearer k"}, BEARER, "k"),
    ({"Authorization": "BEARER   k  "}, BEARER, "k"),
    ({"authorization": "Bearer k"}, BEARER, "k"),
    ({"Authorization": "Bearer"}, BEARER, ""),
    ({"Authorization": "k"}, BEARER, None),
    ({"Authorization": "Basic k"}, BEARER, None),
    ({"x-goog-api-key": "k"}, BEARER, None),
    ({"x-goog-api-key": " k "}, GOOGLE, "k"),
    ({"x-goog-api-key": "g", "Authorization": "Bearer k"}, GOOGLE, "g"),
    ({"Authorization": "Bearer k"}, GOOGLE, "k"),
    ({}, GOOGLE, None),
])  # fmt: skip
def test_the_key_is_found_where_the_surface_looks(
    headers: dict[str, str], names: tuple[str, ...], found: str | None
) -> None:
    assert find_key(Headers(headers), names) == found


def ask(database: Database, key: str) -> object:
    return identify(Headers({"Authorization": f"Bearer {key}"}), BEARER, database)


@pytest.mark.parametrize(("facts", "refused"), [
    ({"expires_at_ms": 1}, Unauthenticated),
    ({"disabled": True}, PermissionDenied),
    ({"expires_at_ms": 1, "disabled": True}, Unauthenticated),
])  # fmt: skip
def test_what_speaks_against_a_key_is_told(
    database: Database, make_key: Callable[..., str], facts: dict[str, object], refused: type[GatewayError]
) -> None:
    with pytest.raises(refused):
        ask(database, make_key(**facts))


def test_a_key_tells_its_account_and_what_both_allow(database: Database, make_key: Callable[..., str]) -> None:
    later_ms = int(time.time() * 1000) + 60_000
    caller = ask(database, make_key(plan="free", models=["auto"], cap_nanousd=5, expires_at_ms=later_ms))
    assert (caller.plan, caller.rpm, caller.image_rpm) == ("free", 10, 5)  # type: ignore[attr-defined]
    assert (caller.models, caller.capped) == (frozenset(["auto"]), True)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("plan", "rpm", "wanted"), [
    ("standard", None, 60), ("pro", None, 300), ("enterprise", None, None), ("free", 7, 7), ("free", 0, None),
])  # fmt: skip
def test_a_number_of_the_keys_own_comes_before_the_plans(
    database: Database, make_key: Callable[..., str], plan: str, rpm: int | None, wanted: int | None
) -> None:
    assert ask(database, make_key(plan=plan, rpm=rpm)).rpm == wanted  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", ["", "x", "x" * MAX_KEY_CHARS, "x" * 100_000, "é", "%s", "\x00"])
def test_a_key_that_is_none_is_refused_and_nothing_else_happens(database: Database, key: str) -> None:
    with pytest.raises(Unauthenticated):
        ask(database, key)
