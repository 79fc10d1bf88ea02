import sqlite3

import books
import pytest

from thermly.store import accounts, money
from thermly.store.db import Database

NOW_MS = books.NOW_MS


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
