"""Reports: from the daily totals and from the rows, the same sums."""

import datetime
from pathlib import Path

import books
import pytest

from thermly.store import reports, usage
from thermly.store.db import Database

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
START_MS = books.NOW_MS - books.NOW_MS % DAY_MS


def day(at_ms: int) -> str:
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).strftime("%Y-%m-%d")


@pytest.fixture
def base(tmp_path: Path) -> Database:
    """Two accounts; a request every hour for two days, each third one a hit, each fifth one failed."""
    base = books.fresh(tmp_path)
    with base.begin() as tx:
        tx.run(
            "INSERT INTO account (id, name, plan, created_at_ms) VALUES ('a', 'a', 'pro', 0), ('b', 'b', 'pro', 0)"
        )
        tx.run("INSERT INTO api_key (id, account_id, hash, hint, created_at_ms) VALUES ('k', 'a', 'h', '', 0)")
        for n in range(48):
            tx.run(
                """INSERT INTO usage (id, account_id, key_id, state, outcome, cost_nanousd, baseline_nanousd,
                     surface, requested_model, model, cache, input_tokens, output_tokens, started_at_ms, first_ms,
                     duration_ms)
                   VALUES (:id, :account, 'k', 'settled', :outcome, :cost, 1000, 'v1', 'auto', :model, :cache,
                     10, 5, :at, :first, :took)""",
                {"id": str(n), "account": "ab"[n % 2], "outcome": "upstream_failed" if n % 5 == 4 else "ok",
                 "cost": 0 if n % 3 == 2 else 100 + n, "model": f"m{n % 4}",
                 "cache": "hit" if n % 3 == 2 else "fresh", "at": START_MS + n * HOUR_MS,
                 "first": n, "took": 10 * n},
            )  # fmt: skip
        usage.account_batch(tx)
    return base


@pytest.mark.parametrize("account_id", [None, "a", "b", "nobody"])
def test_days_hours_and_models_add_up_to_the_same(base: Database, account_id: str | None):
    first, last = day(START_MS), day(START_MS + DAY_MS)
    with base.each() as tx:
        found = [
            reports.by_day(tx, account_id, first, last),
            reports.by_model(tx, account_id, first, last),
            reports.by_hour(tx, account_id, START_MS),
            reports.by_model_since(tx, account_id, START_MS),
        ]
        parts = [
            reports.parts_by_day(tx, account_id, first, last),
            reports.parts_by_hour(tx, account_id, START_MS),
        ]
    sums = [
        (sum(s.requests for s in rows), sum(s.cache_hits for s in rows), sum(s.failures for s in rows),
         sum(s.cost_nanousd for s in rows), sum(s.saved_nanousd for s in rows))
        for rows in found
    ]  # fmt: skip
    assert len({*sums}) == 1
    assert {sum(p.requests for p in rows) for rows in parts} == {sums[0][0]}
    assert sums[0][0] == {None: 48, "a": 24, "b": 24, "nobody": 0}[account_id]


def test_what_none_answered_is_nobodys(base: Database):
    first, last = day(START_MS), day(START_MS + DAY_MS)
    with base.begin() as tx:
        for n in (50, 51):
            tx.run(
                """INSERT INTO usage (id, account_id, key_id, state, outcome, surface, requested_model, model,
                     started_at_ms, duration_ms)
                   VALUES (:id, 'a', 'k', 'released', 'unavailable', 'v1', 'auto', 'm1', :at, 1)""",
                {"id": str(n), "at": START_MS + 47 * HOUR_MS + n},
            )
        usage.account_batch(tx)
        for found in (
            reports.by_model(tx, "a", first, last),
            reports.by_model_since(tx, "a", START_MS),
        ):
            assert {s.at: (s.requests, s.failures) for s in found if s.at in ("", "m1")} == {"": (2, 2)}
        for parts in (
            reports.parts_by_day(tx, "a", first, last),
            reports.parts_by_hour(tx, "a", START_MS),
        ):
            assert [p.requests for p in parts if p.model == ""] == [2]


def test_only_what_began_in_time_counts(base: Database):
    with base.each() as tx:
        assert sum(s.requests for s in reports.by_hour(tx, None, START_MS + DAY_MS)) == 24
        assert [s.at for s in reports.by_day(tx, None, day(START_MS), day(START_MS))] == [day(START_MS)]


def test_latencies_are_those_of_real_answers(base: Database):
    with base.each() as tx:
        found = reports.latency(tx, None, START_MS, START_MS + 2 * DAY_MS)
        none = reports.latency(tx, "nobody", START_MS, START_MS + 2 * DAY_MS)
    real = [n for n in range(48) if n % 3 != 2 and n % 5 != 4]
    assert found.count == len(real) and found.first_p50_ms == real[len(real) // 2]
    assert found.whole_p95_ms == 10 * real[int(0.95 * len(real))]
    assert (none.count, none.first_p50_ms, none.whole_p95_ms) == (0, None, None)
