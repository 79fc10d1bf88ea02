import sqlite3

import books
import pytest

from thermly.store import accounts, money, people, usage
from thermly.store.accounts import Extent
from thermly.store.db import Database
from thermly.store.money import Closing

NOW_MS = books.NOW_MS
DAY = "2026-09-21"  # that of NOW_MS


def test_a_name_is_given_once(base: Database) -> None:
    with base.begin() as tx:
        made = accounts.create(tx, "someone", "pro", NOW_MS)
        assert made is not None
        assert (made.plan, made.balance_nanousd, made.held_nanousd, made.disabled_at_ms) == ("pro", 0, 0, None)
        assert accounts.create(tx, "someone", "free", NOW_MS) is None
        assert accounts.everyone(tx) == [made]


def test_an_account_is_found_by_name_and_by_id(base: Database) -> None:
    with base.begin() as tx:
        made = accounts.create(tx, "someone", "pro", NOW_MS, disabled=True)
        assert made is not None
        assert made.disabled_at_ms == NOW_MS
        assert accounts.find(tx, "someone") == accounts.find(tx, made.id) == made
        assert accounts.find(tx, "nobody") is None


def test_every_credit_is_in_the_ledger_and_in_the_balance(base: Database) -> None:
    by = books.payer(base, credit_nanousd=5)
    with base.begin() as tx:
        assert accounts.credit(tx, by.account_id, -7, "correction", "too much", NOW_MS) == -2
        rows = tx.all("SELECT amount_nanousd, kind, note FROM credit ORDER BY amount_nanousd")
        assert rows == [(-7, "correction", "too much"), (5, "grant", "")]
        assert money.contradictions(tx) == []


def test_a_credit_to_nobody_changes_nothing(base: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError), base.begin() as tx:
        accounts.credit(tx, "acc_nobody", 1, "grant", "", NOW_MS)
    assert books.number(base, "SELECT COUNT(*) FROM credit") == 0


def test_disabling_can_be_taken_back(base: Database) -> None:
    by = books.payer(base)
    with base.begin() as tx:
        accounts.disable(tx, by.account_id, NOW_MS)
    assert books.account_of(base, by).disabled_at_ms == NOW_MS
    with base.begin() as tx:
        accounts.disable(tx, by.account_id, None)
    assert books.account_of(base, by).disabled_at_ms is None


@pytest.mark.parametrize(("first_day", "wanted"), [(DAY, (2, 30)), ("2026-09-22", (0, 0))])
def test_extents_count_what_is_in_use(base: Database, first_day: str, wanted: tuple[int, int]) -> None:
    payer, other = books.payer(base, "one", 10**9), books.payer(base, "two")
    with base.begin() as tx:
        for cost in (10, 20):
            opening = books.opening(payer)
            assert money.hold(tx, opening, 100)
            money.close(tx, opening.id, Closing(state="settled", outcome="ok", cost_nanousd=cost))
        usage.account_batch(tx)
        for email in ("a@example.com", "b@example.com"):
            made = people.create(tx, email, "", "member", payer.account_id, 0)
        assert made is not None and people.disable(tx, made, 1)
        found = accounts.extents(tx, first_day)
    assert found == {payer.account_id: Extent(1, 1, *wanted), other.account_id: Extent(0, 1, 0, 0)}


def test_a_change_that_takes_anothers_name_changes_nothing(base: Database) -> None:
    one, two = books.payer(base, "one"), books.payer(base, "two")
    with base.begin() as tx:
        assert not accounts.change(tx, one.account_id, "two", "free")
        assert accounts.change(tx, one.account_id, "one", "free") and accounts.change(
            tx, two.account_id, "three", "pro"
        )
        assert not accounts.change(tx, "acc_none", "four", "pro")
        found = [(a.name, a.plan) for a in accounts.everyone(tx)]
    assert found == [("one", "free"), ("three", "pro")]


def test_an_account_is_found_by_its_id_whatever_others_are_called(base: Database) -> None:
    one = books.payer(base, "one")
    books.payer(base, one.account_id)
    with base.each() as tx:
        for find in (accounts.by_id, accounts.find):
            found = find(tx, one.account_id)
            assert found is not None and found.name == "one"
        assert accounts.by_id(tx, "one") is None
