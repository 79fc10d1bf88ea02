import sqlite3

import books
import pytest

from thermly.store import export, money, shown, usage
from thermly.store.db import Database
from thermly.store.export import CannotExport, Choice

DAY_MS = 86_400_000


def spend(base: Database, by: books.Payer, cost: int, at_ms: int) -> None:
    with base.begin() as tx:
        money.record(tx, books.opening(by, started_at_ms=at_ms), books.settled(cost))
        usage.account_batch(tx)


def chosen(base: Database, column: str, choice: Choice) -> list[object]:
    with export.opened(base.path) as connection:
        names, rows = export.select(connection, choice)
        return [row[names.index(column)] for row in rows]


def test_everything_that_is_shown_can_be_had(base: Database) -> None:
    for name in shown.SHOWN:
        with export.opened(base.path) as connection:
            names, rows = export.select(connection, Choice(name))
            assert len(set(names)) == len(names) > 2
            assert list(rows) == []


@pytest.mark.parametrize("name", ["api_key", "person", "sqlite_master", "usage; DROP TABLE usage", "", "USAGE "])
def test_what_is_not_shown_is_refused_with_what_there_is(base: Database, name: str) -> None:
    with export.opened(base.path) as connection, pytest.raises(CannotExport, match="balances, ledger"):
        export.select(connection, Choice(name))


@pytest.mark.parametrize(
    ("name", "column"),
    [("usage", "cost_nanousd"), ("requests", "cost_nanousd"), ("usage_by_day", "cost_nanousd"),
     ("usage_day", "cost_nanousd"), ("savings_by_day", "spent_nanousd")],
)  # fmt: skip
def test_rows_are_chosen_by_their_time_and_their_account(base: Database, name: str, column: str) -> None:
    one, two = books.payer(base, "one"), books.payer(base, "two")
    for by, cost, days in ((one, 1, 0), (one, 10, 1), (two, 100, 1), (one, 1000, 2)):
        spend(base, by, cost, 1_789_948_800_000 + days * DAY_MS)
    since_ms = 1_789_948_800_000 + DAY_MS
    assert sorted(map(int, chosen(base, column, Choice(name)))) == [1, 10, 100, 1000]  # type: ignore[call-overload]
    assert set(chosen(base, column, Choice(name, since_ms))) == {10, 100, 1000}
    assert set(chosen(base, column, Choice(name, since_ms, one.account_id))) == {10, 1000}
    assert chosen(base, column, Choice(name, since_ms + DAY_MS, two.account_id)) == []


def test_the_running_balance_counts_what_came_before_the_rows_that_are_chosen(base: Database) -> None:
    by = books.payer(base, "acme", 1000)
    spend(base, by, 1, books.NOW_MS)
    spend(base, by, 2, books.NOW_MS + DAY_MS)
    assert chosen(base, "balance_nanousd", Choice("ledger", books.NOW_MS + DAY_MS, by.account_id)) == [997]


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (Choice("usage_by_model", since_ms=1), "usage_by_model has no time"),
        (Choice("usage_by_model", account_id="acc_1"), "usage_by_model does not tell accounts apart"),
        (Choice("cooldown", since_ms=1), "cooldown has no time"),
    ],
)
def test_what_cannot_be_chosen_by_is_said(base: Database, choice: Choice, says: str) -> None:
    with export.opened(base.path) as connection, pytest.raises(CannotExport, match=says):
        export.select(connection, choice)


def test_the_connection_cannot_write_and_cannot_read_what_is_closed(base: Database) -> None:
    with export.opened(base.path) as connection:
        for sql in ("DELETE FROM credit", "SELECT hash FROM api_key"):
            with pytest.raises(sqlite3.DatabaseError):
                connection.execute(sql)


def test_a_name_of_a_folder_may_be_anything(base: Database) -> None:
    folder = base.path.parent / "a folder?with #odd %41 characters"
    folder.mkdir()
    base.close()
    (folder / "thermly.db").write_bytes(base.path.read_bytes())
    with export.opened(folder / "thermly.db") as connection:
        assert export.select(connection, Choice("balances"))[0][0] == "account"
