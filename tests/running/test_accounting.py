import logging
from collections.abc import Iterator
from pathlib import Path

import books
import pytest

from thermly.running import accounting
from thermly.running.accounting import Here
from thermly.settings import read
from thermly.store import cache, keys, limits, money
from thermly.store.db import Database

USD = 10**9


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Database]:
    base = books.fresh(tmp_path)
    yield base
    base.close()


def here(base: Database, **environ: str) -> Here:
    return Here(read({"THERMLY_INSTANCE": str(base.path.parent), **environ}), base)


def spend(base: Database, by: books.Payer, cost_nanousd: int) -> None:
    opening = books.opening(by)
    with base.begin() as tx:
        assert money.hold(tx, opening, 0)
        assert money.close(tx, opening.id, books.settled(cost_nanousd))


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    caplog.clear()
    return found


def test_accounting_comes_to_an_end_although_requests_never_stop(
    base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = books.payer(base, credit_nanousd=USD)
    pauses: list[float] = []

    def pause(span_s: float) -> None:
        pauses.append(span_s)
        if len(pauses) < 50:
            spend(base, by, 1)

    monkeypatch.setattr(accounting.time, "sleep", pause)
    spend(base, by, 1)
    accounting.account(here(base))
    assert len(pauses) < 5


def test_many_rows_are_accounted_in_batches(base: Database) -> None:
    by = books.payer(base, credit_nanousd=USD)
    with base.begin() as tx:
        for _ in range(4500):
            money.record(tx, books.opening(by), books.settled(0))
    assert accounting.account(here(base)) == 4500
    assert books.number(base, "SELECT SUM(requests) FROM usage_day") == 4500


def test_sweeping_drops_what_has_expired_and_frees_what_the_dead_held(
    base: Database, caplog: pytest.LogCaptureFixture
) -> None:
    by = books.payer(base, credit_nanousd=1000)
    later_ms = 4_000_000_000_000
    with base.begin() as tx:
        for i in range(1200):
            limits.count(tx, f"old {i}", 60, 1, 0)
            cache.claim(tx, f"old {i}", "1-me", 0, 1)
        limits.count(tx, "new", 60, 1, later_ms)
        cache.claim(tx, "new", "1-me", 0, later_ms)
        assert money.hold(tx, books.opening(by, "999999-dead"), 600)
    accounting.sweep(here(base))
    assert books.number(base, "SELECT COUNT(*) FROM rate_window") == 1
    assert books.number(base, "SELECT COUNT(*) FROM cache") == 1
    assert books.account_of(base, by).held_nanousd == 0
    assert warned(caplog) == ["released 1 hold(s) of processes that died"]
    accounting.sweep(here(base))
    assert warned(caplog) == []


def test_the_cache_is_kept_within_its_setting(base: Database) -> None:
    later_ms = 4_000_000_000_000
    with base.begin() as tx:
        for i in range(3):
            cache.keep(tx, f"key {i}", "1-me", "gpt-4o", 1, b"x" * 600_000, i, later_ms)
    accounting.sweep(here(base, THERMLY_CACHE_MAX_MIB="1"))
    assert books.number(base, "SELECT COUNT(*) FROM cache WHERE key = 'key 2'") == 1
    assert books.number(base, "SELECT COUNT(*) FROM cache") == 1


def test_sweeping_begins_anew_under_caps_whose_period_is_over(base: Database) -> None:
    by = books.payer(base, credit_nanousd=USD, cap_nanousd=USD)
    with base.begin() as tx:
        keys.set_cap(tx, by.key_id, 2 * USD, "day", books.NOW_MS)
    spend(base, by, 100)
    with base.begin() as tx:
        tx.run("UPDATE api_key SET cap_resets_at_ms = 1")
    accounting.sweep(here(base))
    assert books.number(base, "SELECT spent_nanousd FROM api_key") == 0
    assert books.number(base, "SELECT cap_resets_at_ms FROM api_key") > books.NOW_MS
    with base.each() as tx:
        assert money.contradictions(tx) == []
