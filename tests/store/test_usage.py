import datetime
from typing import Any

import books
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermly.exchange import Usage
from thermly.store import money, usage
from thermly.store.db import Database, Tx
from thermly.store.money import Closing

DAY_MS = 86_400_000
MIDNIGHT_MS = 1_789_948_800_000
SUMMED = (
    "cost_nanousd",
    "baseline_nanousd",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
)


def done(base: Database, by: books.Payer, closing: Closing, at_ms: int = MIDNIGHT_MS) -> None:
    with base.begin() as tx:
        money.record(tx, books.opening(by, started_at_ms=at_ms), closing)


def batch(base: Database, limit: int = 1000) -> int:
    with base.begin() as tx:
        return usage.account_batch(tx, limit)


def test_every_row_is_counted_once_however_often_it_is_asked(base: Database) -> None:
    by = books.payer(base)
    for cost in (1, 2, 3):
        done(base, by, books.settled(cost))
    assert [batch(base, 2) for _ in range(4)] == [2, 1, 0, 0]
    done(base, by, books.settled(4))
    assert batch(base) == 1
    with base.each() as tx:
        (total,) = usage.totals(tx, 30)
        assert usage.unaccounted(tx) == 0
    assert total == {
        "day": "2026-09-21", "account": "someone", "model": "gpt-4o", "requests": 4, "cache_hits": 0, "failures": 0,
        "input_tokens": 40, "output_tokens": 20, "cost_nanousd": 10, "baseline_nanousd": 30,
    }  # fmt: skip


def test_hits_and_failures_are_told_apart(base: Database) -> None:
    by = books.payer(base)
    for closing in (
        books.settled(1),
        books.settled(1, outcome="client_gone"),
        Closing(state="settled", outcome="ok", cache="hit", model="gpt-4o"),
        Closing(state="settled", outcome="ok", cache="fresh", model="gpt-4o"),
        Closing(state="released", outcome="process_died", model="gpt-4o"),
        Closing(state="released", outcome="unavailable", model="gpt-4o"),
    ):
        done(base, by, closing)
    batch(base)
    with base.each() as tx:
        found = usage.totals(tx, 30)
    assert [(t["model"], t["requests"], t["cache_hits"], t["failures"]) for t in found] == [
        ("", 2, 0, 2), ("gpt-4o", 4, 1, 0),
    ]  # fmt: skip


def test_a_day_is_a_day_in_utc_and_belongs_to_the_requests_start(base: Database) -> None:
    by = books.payer(base)
    for at_ms in (MIDNIGHT_MS - 1, MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS - 1, MIDNIGHT_MS + DAY_MS):
        done(base, by, books.settled(1), at_ms)
    batch(base)
    with base.each() as tx:
        assert [(t["day"], t["requests"]) for t in usage.totals(tx, 30)] == [
            ("2026-09-22", 1), ("2026-09-21", 2), ("2026-09-20", 1),
        ]  # fmt: skip
        assert [t["day"] for t in usage.totals(tx, 2)] == ["2026-09-22", "2026-09-21"]


def test_a_keys_last_use_never_goes_back(base: Database) -> None:
    by = books.payer(base)
    for at_ms in (MIDNIGHT_MS + 5, MIDNIGHT_MS + 1):  # the one that started first took longest
        done(base, by, books.settled(1), at_ms)
        batch(base)
    assert books.number(base, "SELECT last_used_at_ms FROM api_key") == MIDNIGHT_MS + 5


def test_a_batch_that_breaks_off_counts_nothing(base: Database) -> None:
    by = books.payer(base)
    done(base, by, books.settled(1))
    with pytest.raises(KeyboardInterrupt), base.begin() as tx:
        assert usage.account_batch(tx) == 1
        raise KeyboardInterrupt
    with base.each() as tx:
        assert usage.totals(tx, 30) == []
        assert usage.unaccounted(tx) == 1
    assert batch(base) == 1
    assert books.number(base, "SELECT SUM(requests) FROM usage_day") == 1


WORKER = """
import os, signal, sys
from pathlib import Path
from thermly.store import usage
from thermly.store.db import Database

base = Database(Path(sys.argv[1]))
with base.begin() as tx:
    print(usage.account_batch(tx, 7), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_killed_in_the_middle_of_a_batch_leaves_it_to_the_next(base: Database) -> None:
    by = books.payer(base)
    for _ in range(10):
        done(base, by, books.settled(1))
    worker = books.spawn(WORKER, base.path)
    out, _ = worker.communicate(timeout=20)
    assert (out, worker.returncode) == ("7\n", -9)
    assert [batch(base, 7), batch(base, 7), batch(base, 7)] == [7, 3, 0]
    assert books.number(base, "SELECT SUM(requests) FROM usage_day") == 10


rows = st.tuples(
    st.integers(0, 1),
    st.sampled_from(["gpt-4o", "claude-haiku-4-5", ""]),
    st.integers(0, 3 * DAY_MS),
    st.integers(0, 10**12),
    st.integers(0, 10**6),
    st.booleans(),
)


@settings(deadline=None, max_examples=40)
@given(steps=st.lists(st.one_of(rows, st.integers(1, 4)), max_size=30))
def test_totals_are_the_sums_of_the_rows_whenever_the_batches_came(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    """A step is a row that ends, or a batch of at most so many rows."""
    base = books.fresh(tmp_path_factory.mktemp("books"))
    people = [books.payer(base, "one"), books.payer(base, "two")]
    with base.begin() as tx:
        for step in steps:
            if isinstance(step, int):
                assert usage.account_batch(tx, step) <= step
                continue
            who, model, later_ms, cost, tokens, failed = step
            used = Usage(tokens, tokens // 2, output_tokens=tokens // 3, reasoning_tokens=tokens // 4)
            closing = books.settled(cost, model, used, "upstream_failed" if failed else "ok")
            money.record(tx, books.opening(people[who], started_at_ms=MIDNIGHT_MS + later_ms), closing)
        while usage.account_batch(tx, 7):
            pass
        assert by_day(tx) == by_row(tx)
    base.close()


def by_day(tx: Tx) -> dict[tuple[Any, ...], tuple[int, ...]]:
    found = tx.all(f"SELECT day, account_id, key_id, model, requests, {', '.join(SUMMED)} FROM usage_day")
    return {row[:4]: row[4:] for row in found}


def by_row(tx: Tx) -> dict[tuple[Any, ...], tuple[int, ...]]:
    sums: dict[tuple[Any, ...], tuple[int, ...]] = {}
    for at_ms, account, key, model, *numbers in tx.all(
        f"SELECT started_at_ms, account_id, key_id, model, 1, {', '.join(SUMMED)} FROM usage"
    ):
        day = datetime.datetime.fromtimestamp(at_ms // 1000, datetime.UTC).date().isoformat()
        group = (day, account, key, model)
        before = sums.get(group, (0,) * len(numbers))
        sums[group] = tuple(a + b for a, b in zip(before, numbers, strict=True))
    return sums
