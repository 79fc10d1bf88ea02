"""Limits at the web's edge: where they are counted, and what happens when that place is gone."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from thermly.caller import Caller
from thermly.errors import RateLimited
from thermly.settings import read
from thermly.store.db import Database
from thermly.web import limits as module
from thermly.web.limits import Limits


def someone(key_id: str = "key_1", rpm: int | None = 3, image_rpm: int | None = 1) -> Caller:
    return Caller("acc_1", "ada", key_id, "standard", rpm, image_rpm)


def limits(tmp_path: Path, database: Database, **settings: str) -> Limits:
    environ = {f"THERMLY_{name.upper()}": value for name, value in settings.items()}
    return Limits(read({"THERMLY_INSTANCE": str(tmp_path), **environ}), database)


def remaining(headers: list[tuple[str, str]]) -> int:
    return int(dict(headers)["X-RateLimit-Remaining-Requests"])


def test_requests_are_counted_down_and_then_refused(tmp_path: Path, database: Database) -> None:
    counted = limits(tmp_path, database)
    assert [remaining(counted.admit(someone())) for _ in range(3)] == [2, 1, 0]
    with pytest.raises(RateLimited) as caught:
        counted.admit(someone())
    error = caught.value
    assert error.retry_after_s is not None and 1 <= error.retry_after_s <= 61
    told = dict(error.headers)
    assert told["X-RateLimit-Limit-Requests"] == "3" and told["X-RateLimit-Remaining-Requests"] == "0"
    assert 0 < int(told["X-RateLimit-Reset-Requests"]) - time.time() <= 61


def test_keys_and_kinds_are_counted_apart(tmp_path: Path, database: Database) -> None:
    counted = limits(tmp_path, database)
    assert remaining(counted.admit(someone(rpm=1))) == 0
    assert remaining(counted.admit(someone("key_2", rpm=1))) == 0
    assert remaining(counted.admit(someone(rpm=1), "image")) == 0
    with pytest.raises(RateLimited):
        counted.admit(someone(rpm=1))


def test_without_a_limit_nothing_is_counted_or_told(tmp_path: Path, database: Database) -> None:
    assert limits(tmp_path, database).admit(someone(rpm=None)) == []


def test_two_processes_share_one_count(tmp_path: Path, database: Database) -> None:
    here, there = limits(tmp_path, database), limits(tmp_path, Database(database.path))
    assert [remaining(at.admit(someone())) for at in (here, there, here)] == [2, 1, 0]


def test_redis_gone_is_counted_in_memory_and_redis_is_left_alone_for_a_while(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.log.parent, "propagate", True)
    gone = limits(tmp_path, database, limits_storage="redis", redis_url="redis://127.0.0.1:1/0")
    with caplog.at_level(logging.WARNING):
        assert [remaining(gone.admit(someone())) for _ in range(3)] == [2, 1, 0]
        with pytest.raises(RateLimited):
            gone.admit(someone())
    assert len({id(r) for r in caplog.records if "Redis is gone" in r.getMessage()}) == 1
    began = time.monotonic()
    gone.admit(someone("key_2"))
    assert time.monotonic() - began < 0.5
