import random
import threading
import time

import books
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thermly import ids
from thermly.exchange import Usage
from thermly.store import accounts, ledger, money, usage
from thermly.store.db import Database
from thermly.store.ledger import Choice, Entry, Place, TooMuch

USD = 10**9
DAY_MS = 86_400_000
ALL = Choice("2000-01-01", "9999-12-31")


def spend(base: Database, by: books.Payer, cost: int, at_ms: int, model: str = "gpt-4o") -> None:
    with base.begin() as tx:
        money.record(tx, books.opening(by, started_at_ms=at_ms), books.settled(cost, model, Usage()))


def credit(base: Database, by: books.Payer, amount: int, at_ms: int, kind: str = "grant", note: str = "") -> None:
    with base.begin() as tx:
        accounts.credit(tx, by.account_id, amount, kind, note, at_ms)


def derive(base: Database) -> None:
    with base.begin() as tx:
        usage.account_batch(tx)


def read(base: Database, by: books.Payer, choice: Choice = ALL, size: int = 1000) -> list[Entry]:
    """All pages of so many."""
    found: list[Entry] = []
    before: Place | None = None
    while True:
        with base.each() as tx:
            entries = ledger.page(tx, by.account_id, choice, before, size)
        assert len(entries) <= size
        if not entries:
            return found
        found += entries
        before = ledger.place(str(entries[-1].place))
        assert before == entries[-1].place


def adds_up(base: Database, by: books.Payer, entries: list[Entry]) -> None:
    """From nothing, entry by entry, to the balance."""
    balance = 0
    for entry in reversed(entries):
        balance += entry.amount_nanousd
        assert entry.balance_nanousd == balance
    assert balance == books.account_of(base, by).balance_nanousd


def test_usage_stands_once_for_each_day_and_model_after_what_was_paid_in(base: Database) -> None:
    by = books.payer(base)
    day = books.NOW_MS - books.NOW_MS % DAY_MS
    credit(base, by, 5 * USD, day + DAY_MS // 2, note="hello")
    for at_ms, model in ((0, "gpt-4o"), (1, "gpt-4o"), (2, "gemini/x.y"), (DAY_MS, "gpt-4o")):
        spend(base, by, 7, day + at_ms, model)
    spend(base, by, 0, day, "free of charge")
    rows = [(e.place.day, e.kind, e.note, e.requests, e.amount_nanousd, e.balance_nanousd) for e in read(base, by)]
    assert rows == [
        ("2026-09-22", "usage", "gpt-4o", 1, -7, 5 * USD - 28),
        ("2026-09-21", "usage", "gpt-4o", 2, -14, 5 * USD - 21),
        ("2026-09-21", "usage", "gemini/x.y", 1, -7, 5 * USD - 7),
        ("2026-09-21", "grant", "hello", 0, 5 * USD, 5 * USD),
    ]
    derive(base)
    assert [e.balance_nanousd for e in read(base, by)] == [row[-1] for row in rows], "derived or not"


def test_accounts_do_not_mix(base: Database) -> None:
    one, two = books.payer(base, "one", USD), books.payer(base, "two", 2 * USD)
    spend(base, one, 5, books.NOW_MS)
    derive(base)
    spend(base, two, 6, books.NOW_MS)
    for by, count in ((one, 2), (two, 2)):
        entries = read(base, by)
        assert len(entries) == count
        adds_up(base, by, entries)


moves = st.lists(
    st.tuples(
        st.sampled_from(["spend", "credit", "derive"]),
        st.integers(-(10**12), 10**12),
        st.integers(0, 40 * DAY_MS),
        st.sampled_from(["gpt-4o", "claude", "gemini"]),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves, st.integers(1, 7))
def test_every_balance_is_exact_however_the_pages_are_cut(
    base: Database, what: list[tuple[str, int, int, str]], size: int
) -> None:
    by = books.payer(base, ids.new())
    for kind, amount, after_ms, model in what:
        if kind == "spend":
            spend(base, by, abs(amount), books.NOW_MS + after_ms, model)
        elif kind == "credit":
            credit(base, by, amount, books.NOW_MS + after_ms)
        else:
            derive(base)
    whole = read(base, by)
    adds_up(base, by, whole)
    assert whole == sorted(whole, key=lambda e: e.place, reverse=True)
    assert read(base, by, size=size) == whole


def test_what_is_left_out_still_counts_in_the_balance(base: Database) -> None:
    by = books.payer(base)
    for day in range(10):
        credit(base, by, USD, books.NOW_MS + day * DAY_MS, ["grant", "code"][day % 2])
        spend(base, by, 100, books.NOW_MS + day * DAY_MS)
    derive(base)
    whole = read(base, by)
    first, last = "2026-09-23", "2026-09-26"
    within = [e for e in whole if first <= e.place.day <= last]
    assert len(within) == 8 and read(base, by, Choice(first, last)) == within
    for kind in ("usage", "grant", "code"):
        chosen = [e for e in whole if e.kind == kind]
        assert len(chosen) in (5, 10) and read(base, by, Choice(ALL.first, ALL.last, kind), 3) == chosen
    credits = [e for e in whole if e.kind != "usage"]
    assert read(base, by, Choice(ALL.first, ALL.last, "credit"), 3) == credits


def test_it_adds_up_while_requests_go_on(base: Database) -> None:
    by = books.payer(base, credit_nanousd=USD)
    stop = threading.Event()

    def work(other: Database) -> None:
        while not stop.is_set():
            spend(other, by, random.randrange(1, 1000), time.time_ns() // 1_000_000, random.choice("abc"))
            if random.random() < 0.2:
                derive(other)

    writers = [Database(base.path) for _ in range(2)]
    threads = [threading.Thread(target=work, args=(other,)) for other in writers]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            with base.each() as tx:
                entries = ledger.page(tx, by.account_id, ALL, limit=1000)
            balance = 0
            for entry in reversed(entries):
                balance += entry.amount_nanousd
                assert entry.balance_nanousd == balance
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for other in writers:
            other.close()
    adds_up(base, by, read(base, by))


@pytest.mark.parametrize("text", ["", "x", "2026-01-01", "2026-01-01.0", "2026-01-01.a.1.x", "d.٣.1.x", "d.1.-1.x"])
def test_a_place_that_makes_no_sense_is_none(text: str) -> None:
    assert ledger.place(text) is None


def test_a_place_cannot_overflow() -> None:
    assert ledger.place("2026-01-01.1." + "9" * 30 + ".x") is None


def test_spending_since_a_day_is_exact_derived_or_not(base: Database) -> None:
    one, two = books.payer(base, "one", USD), books.payer(base, "two", USD)
    for by, cost in ((one, 5), (two, 7)):
        spend(base, by, 1000, books.NOW_MS - 2 * DAY_MS)
        spend(base, by, cost, books.NOW_MS)
    for _ in range(2):
        with base.each() as tx:
            assert ledger.spent(tx, None, "2026-09-21") == {one.account_id: 5, two.account_id: 7}
            assert ledger.spent(tx, two.account_id, "2026-09-21") == {two.account_id: 7}
            assert ledger.spent(tx, two.account_id, "2026-09-22") == {}
        derive(base)


def test_a_credit_of_one_name_is_added_once(base: Database) -> None:
    by = books.payer(base)
    with base.begin() as tx:
        assert ledger.add(tx, "cr_1", by.account_id, 5, "grant", "", books.NOW_MS)
        assert not ledger.add(tx, "cr_1", by.account_id, 5, "grant", "", books.NOW_MS)
    assert books.account_of(base, by).balance_nanousd == 5


@pytest.mark.parametrize("sign", [1, -1])
def test_an_account_does_not_hold_more_than_an_account_may(base: Database, sign: int) -> None:
    by, most = books.payer(base), 10**9 * USD
    with base.begin() as tx:
        ledger.add(tx, "cr_1", by.account_id, sign * most, "grant", "", books.NOW_MS)
    with pytest.raises(TooMuch, match="at most 1,000,000,000 dollars"), base.begin() as tx:
        ledger.add(tx, "cr_2", by.account_id, sign, "grant", "", books.NOW_MS)
    assert books.account_of(base, by).balance_nanousd == sign * most


def test_a_page_of_a_long_ledger_is_quick(base: Database) -> None:
    by = books.payer(base, credit_nanousd=USD)
    others = [books.payer(base, f"other {i}") for i in range(20)]
    with base.begin() as tx:
        for who in (by, *others):
            tx.run(
                """WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 6000)
                   INSERT INTO usage_day (day, account_id, key_id, model, requests, cost_nanousd)
                   SELECT date('2026-09-21', '-' || (n / 10) || ' days'), :account, :key, 'm' || (n % 10), 1, 1
                   FROM n""",
                {"account": who.account_id, "key": who.key_id},
            )
    began = time.perf_counter()
    with base.each() as tx:
        assert len(ledger.page(tx, by.account_id, Choice("2026-06-21", "2026-09-21"))) == 50
    assert time.perf_counter() - began < 0.1
