import contextlib
import sqlite3
from collections.abc import Iterator

import books
import pytest

from thermly.store import schema, shown
from thermly.store.db import Database

# What opens a door, and what somebody said: columns, and tables of which nothing is shown.
SECRET_COLUMNS = {
    "account": {"alert_email", "alert_webhook"},
    "api_key": {"hash"},
    "person": {"password", "subject"},
    "redeem_code": {"hash"},
}
SECRET_TABLES = (
    *("background", "cache", "conversation", "conversation_item", "image", "image_job", "invitation"),
    *("rate_window", "response", "response_item", "sign_in", "transcript"),
)


@pytest.fixture
def guarded(base: Database) -> Iterator[sqlite3.Connection]:
    books.payer(base, "acme", 10**9)
    with contextlib.closing(sqlite3.connect(base.path)) as connection:
        shown.guard(connection)
        yield connection


def test_what_is_named_exists_and_no_view_is_forgotten() -> None:
    kinds = {relation.name: relation.kind for relation in schema.relations()}
    assert {name for name, kind in kinds.items() if kind == "view"} == set(shown.VIEWS)
    assert {kinds[name] for name in shown.TABLES} == {"table"}


def test_everything_that_is_shown_can_be_read_and_counted(guarded: sqlite3.Connection) -> None:
    for name in shown.SHOWN:
        guarded.execute(f"SELECT * FROM {name}").fetchall()
        guarded.execute(f"SELECT COUNT(*) FROM {name}").fetchall()
    for name in ("credit", "usage", "payment"):
        guarded.execute(f"SELECT rowid, * FROM {name}").fetchall()
    assert guarded.execute("SELECT account, balance_usd FROM balances").fetchall() == [("acme", 1.0)]
    assert guarded.execute("SELECT value FROM json_each('[1]')").fetchall() == [(1,)]
    assert guarded.execute("SELECT COUNT(*) FROM pragma_table_info('balances')").fetchone()[0] > 5


def test_every_secret_is_refused_and_none_is_forgotten(guarded: sqlite3.Connection) -> None:
    columns = {relation.name: [c.name for c in relation.columns] for relation in schema.relations()}
    assert SECRET_COLUMNS.keys() | set(SECRET_TABLES) <= columns.keys()
    asked = [(table, name) for table, names in SECRET_COLUMNS.items() for name in names]
    asked += [(table, name) for table in SECRET_TABLES for name in columns[table]]
    for table, column in asked:
        assert column in columns[table]
        with pytest.raises(sqlite3.DatabaseError, match="prohibited"):
            guarded.execute(f"SELECT {column} FROM {table}")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM api_key",
        "SELECT hint FROM api_key ORDER BY hash",
        "SELECT COUNT(*) FROM api_key WHERE hash LIKE 'a%'",
        "SELECT COUNT(hash) FROM api_key",
        "WITH people AS (SELECT password FROM person) SELECT * FROM people",
        "WITH keys_overview AS (SELECT HASH AS account FROM API_KEY) SELECT account FROM keys_overview",
        "SELECT (SELECT k.hash FROM api_key AS k) FROM balances",
        "SELECT account FROM balances UNION SELECT hash FROM api_key",
        "SELECT * FROM api_key AS a JOIN (SELECT 'x' AS hash) USING (hash)",
        "SELECT * FROM _sqlite_migrations",
        "SELECT * FROM sqlite_stat1",
        "SELECT data FROM sqlite_dbpage",
    ],
)
def test_no_way_round_leads_to_a_secret(guarded: sqlite3.Connection, sql: str) -> None:
    with pytest.raises(sqlite3.DatabaseError, match=r"prohibited|no such table"):
        guarded.execute(sql).fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM credit",
        "INSERT INTO cooldown VALUES ('a', 1, 1, '')",
        "UPDATE account SET balance_nanousd = 1",
        "UPDATE sqlite_master SET sql = ''",
        "CREATE TABLE more (x)",
        "CREATE TEMP TABLE more AS SELECT 1",
        "CREATE TEMP VIEW people AS SELECT password FROM person",
        "DROP VIEW balances",
        "ATTACH ':memory:' AS other",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "VACUUM INTO 'copy.db'",
    ],
)
def test_nothing_is_written_or_set(guarded: sqlite3.Connection, sql: str) -> None:
    with pytest.raises(sqlite3.DatabaseError, match=r"prohibited|not authorized|denied|may not be modified"):
        guarded.execute(sql).fetchall()


def test_views_that_somebody_added_show_no_more_than_the_others(base: Database) -> None:
    with base.begin() as tx:
        tx.run("CREATE VIEW mine AS SELECT account, cost_usd FROM requests")
        tx.run("CREATE VIEW theirs AS SELECT hash AS account FROM api_key")
    with contextlib.closing(sqlite3.connect(base.path)) as connection:
        shown.guard(connection)
        assert connection.execute("SELECT * FROM mine").fetchall() == []
        with pytest.raises(sqlite3.DatabaseError, match="prohibited"):
            connection.execute("SELECT * FROM theirs")
