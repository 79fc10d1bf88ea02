"""Spend caps with a period: each period has its whole cap and no more, and the doctor is content throughout."""

import time

import books
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermly.caller import Caller
from thermly.money.bill import Bill, Books
from thermly.store import keys, money
from thermly.store.db import Database

NOW_MS = time.time_ns() // 1_000_000
CREDIT = 10**9


def monthly(base: Database, cap_nanousd: int) -> books.Payer:
    by = books.payer(base, "someone", CREDIT, 0)
    with base.begin() as tx:
        assert keys.set_cap(tx, by.key_id, cap_nanousd, "month", NOW_MS)
    return by


def caller(base: Database, by: books.Payer) -> Caller:
    with base.each() as tx:
        found = keys.find(tx, by.key)
    assert found is not None
    return found.caller


def bill(base: Database, by: books.Payer) -> Bill:
    return Bill(Books(base, "1-test"), caller(base, by), "v1", "auto")


def end_period(base: Database) -> None:
    with base.begin() as tx:
        tx.run("UPDATE api_key SET cap_resets_at_ms = 1 WHERE cap_resets_at_ms IS NOT NULL")


def spent(base: Database) -> int:
    return books.number(base, "SELECT spent_nanousd FROM api_key")


def balanced(base: Database) -> bool:
    with base.each() as tx:
        return money.contradictions(tx) == []


def test_a_cap_that_is_used_up_is_whole_again_when_its_period_is_over(base: Database) -> None:
    by = monthly(base, 300)
    first = bill(base, by)
    assert first.hold(300)
    first.close(books.settled(300))
    assert not bill(base, by).hold(1)
    end_period(base)
    assert bill(base, by).hold(300)
    assert not bill(base, by).hold(1)
    assert spent(base) == 0 and balanced(base)


def test_what_is_left_of_the_old_period_is_not_spent_besides_the_new_ones(base: Database) -> None:
    by = monthly(base, 300)
    first = bill(base, by)
    first.hold(100)
    first.close(books.settled(100))
    end_period(base)
    second = bill(base, by)
    assert second.hold(200), "which the old period's rest would have paid too"
    second.close(books.settled(200))
    assert spent(base) == 200
    assert not bill(base, by).hold(101)
    assert bill(base, by).hold(100)
    assert balanced(base)


def test_nothing_is_granted_on_a_period_that_is_over(base: Database) -> None:
    by = monthly(base, 300)
    with base.begin() as tx:
        tx.run("UPDATE api_key SET cap_resets_at_ms = :at", {"at": NOW_MS})
        assert not money.hold(tx, books.opening(by, started_at_ms=NOW_MS), 0)
        assert money.hold(tx, books.opening(by, started_at_ms=NOW_MS - 1), 1)
        assert keys.renew_caps(tx, NOW_MS, by.key_id) == 1
        assert money.hold(tx, books.opening(by, started_at_ms=NOW_MS), 1)


def test_a_request_across_the_turn_of_the_period_counts_where_it_ends(base: Database) -> None:
    by = monthly(base, 300)
    long = bill(base, by)
    assert long.hold(200)
    end_period(base)
    assert not bill(base, by).hold(101), "200 are still held"
    other = bill(base, by)
    assert other.hold(100)
    assert not long.hold(201)
    long.close(books.settled(150))
    other.close(books.settled(100))
    assert spent(base) == 250 and balanced(base)
    last = bill(base, by)
    assert last.hold(20) and last.hold(50), "an open hold is raised up to the cap"
    assert not last.hold(51)


def test_a_hold_can_be_raised_beyond_what_the_old_period_left(base: Database) -> None:
    by = monthly(base, 300)
    early = bill(base, by)
    early.hold(200)
    early.close(books.settled(200))
    long = bill(base, by)
    assert long.hold(100) and not long.hold(101)
    end_period(base)
    assert long.hold(300) and not long.hold(301)
    assert balanced(base)


def test_renewing_needs_no_funds_of_an_account_that_has_none(base: Database) -> None:
    by = monthly(base, 2 * CREDIT)
    end_period(base)
    refused = bill(base, by)
    assert not refused.hold(CREDIT + 1)
    funds = refused.funds()
    assert (funds.of_account, funds.under_cap) == (CREDIT, 2 * CREDIT) and not funds.cap_is_in_the_way


def test_a_key_whose_cap_was_taken_away_in_between_is_served(base: Database) -> None:
    by = monthly(base, 300)
    asked = bill(base, by)
    end_period(base)
    with base.begin() as tx:
        keys.set_cap(tx, by.key_id, None, None, NOW_MS)
    assert asked.hold(1000)
    asked.close(books.settled(1000))
    assert balanced(base)


todos = st.lists(
    st.tuples(
        st.sampled_from(["hold", "hold", "raise", "settle", "release", "turn", "sweep", "cap"]),
        st.integers(0, 9),
        st.integers(0, 700),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(todos)
def test_whatever_the_order_no_period_costs_more_than_its_cap(
    tmp_path_factory: pytest.TempPathFactory, todo: list[tuple[str, int, int]]
) -> None:
    """Against counts kept by hand: what was spent under the cap since it began, and what is held under it."""
    base = books.fresh(tmp_path_factory.mktemp("caps"))
    by = monthly(base, 800)
    cap: int | None = 800
    under, over = 0, False
    bills: list[Bill] = []
    for action, which, amount in todo:
        chosen = bills[which % len(bills)] if bills else None
        held = sum(b.held_nanousd or 0 for b in bills if b.opening.capped)
        if action == "hold":
            new = bill(base, by)
            granted = new.hold(amount)
            left = None if cap is None else cap - held - (0 if over else under)
            assert granted == (left is None or amount <= left)
            if granted:
                bills.append(new)
            if cap is not None and over:
                under, over = 0, False
        elif action == "raise" and chosen is not None:
            more = amount - (chosen.held_nanousd or 0)
            bounded = chosen.opening.capped and cap is not None and more > 0
            fits = cap is None or not bounded or more <= cap - held - under
            if not fits and over:
                under, over, fits = 0, False, cap is None or more <= cap - held
            if more > 0:
                assert chosen.hold(amount) == fits
        elif action in ("settle", "release") and chosen is not None:
            cost = min(amount, chosen.held_nanousd or 0) if action == "settle" else 0
            chosen.close(books.settled(cost) if cost else books.RELEASED)
            bills.remove(chosen)
            under += cost if chosen.opening.capped else 0
        elif action == "turn" and cap is not None:
            end_period(base)
            over = True
        elif action == "sweep":
            with base.begin() as tx:
                assert keys.renew_caps(tx, NOW_MS) == int(over)
            if over:
                under, over = 0, False
        elif action == "cap":
            wanted = (None, 300, 800)[which % 3]
            with base.begin() as tx:
                changed = keys.set_cap(tx, by.key_id, wanted, "month" if wanted else None, NOW_MS)
            assert changed == ((wanted is None) != (cap is None))
            cap = wanted
            if changed:
                under, over = 0, False
        assert spent(base) == under
        assert balanced(base)
    base.close()


PROCESS = """
import sys
from pathlib import Path
import time

import books
from thermly.money.bill import Bill, Books
from thermly.store import keys
from thermly.store.db import Database

base = Database(Path(sys.argv[1]))
with base.each() as tx:
    caller = keys.find(tx, sys.argv[2]).caller
sys.stdin.readline()
granted = 0
for _ in range(200):
    bill = Bill(Books(base, "1-test"), caller, "v1", "auto")
    if bill.hold(100):
        granted += 1
        bill.close(books.settled(100))
print(granted)
"""


def test_four_processes_at_the_turn_of_the_period_are_granted_one_cap(base: Database) -> None:
    by = monthly(base, 180 * 100)
    before = bill(base, by)
    assert before.hold(170 * 100)
    before.close(books.settled(170 * 100))
    end_period(base)
    processes = [books.spawn(PROCESS, base.path, by.key) for _ in range(4)]
    for process in processes:
        books.start(process)
    assert sum(int(books.said(process)) for process in processes) == 180
    assert spent(base) == 180 * 100 and balanced(base)
