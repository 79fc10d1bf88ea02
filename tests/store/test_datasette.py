import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import books
import pytest

from thermly.store import datasette, money, schema, shown, usage
from thermly.store.db import Database

RELATIONS = {relation.name: relation for relation in schema.relations()}
TABLES = [name for name, relation in RELATIONS.items() if relation.kind == "table"]


def of(guarded: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    told = datasette.metadata([*TABLES, "_sqlite_migrations", "somebodys_own"], guarded)
    return told, told["databases"]["thermly"]


def test_all_is_the_owners_and_what_is_not_shown_is_nobodys() -> None:
    told, database = of(guarded=True)
    assert told["allow"] == {"id": "root"}
    closed = {name for name, table in database["tables"].items() if table.get("allow") is False}
    assert closed == {*TABLES, "_sqlite_migrations", "somebodys_own"} - set(shown.SHOWN)
    assert {"api_key", "person", "sign_in", "invitation", "redeem_code", "transcript", "response"} <= closed
    assert set(shown.SHOWN) == database["tables"].keys() - closed


def test_without_a_guard_nobody_writes_sql() -> None:
    told, database = of(guarded=False)
    assert (told["allow_sql"], database["allow_sql"]) == (False, False)
    assert of(guarded=True)[1]["allow_sql"] == {"id": "root"}


def test_what_is_told_is_there() -> None:
    _, database = of(guarded=True)
    for name in shown.SHOWN:
        columns = {column.name for column in RELATIONS[name].columns}
        told = database["tables"][name]
        assert told["columns"].keys() <= columns
        assert told.get("sort_desc", "account_id") in columns | {"account_id"}
    assert datasette.NEWEST_FIRST.keys() <= set(shown.SHOWN)


def test_units_are_told_with_the_comments() -> None:
    told = of(guarded=True)[1]["tables"]
    assert told["ledger"]["columns"]["balance_usd"] == "The account's balance after this entry. Dollars."
    assert told["usage"]["columns"]["duration_ms"] == "Milliseconds."
    assert told["usage"]["columns"]["started_at_ms"] == "Milliseconds since 1970, UTC."
    assert told["cooldown"]["columns"]["until_ms"] == "Milliseconds since 1970, UTC."
    assert told["credit"]["columns"]["amount_nanousd"] == "Whole nano-dollars: 1,000,000,000 are a dollar."


@pytest.fixture
def guarded(base: Database) -> Iterator[sqlite3.Connection]:
    by = books.payer(base, "acme", 10**12)
    with base.begin() as tx:
        for cost, outcome, days in ((5, "ok", 0), (70, "ok", 0), (0, "upstream_failed", 0), (9, "ok", 31)):
            opening = books.opening(by, started_at_ms=books.NOW_MS - days * 86_400_000)
            money.record(tx, opening, books.settled(cost * 10**9, outcome=outcome))
        usage.account_batch(tx)
    with closing(sqlite3.connect(base.path)) as connection:
        shown.guard(connection)
        yield connection


def answers(guarded: sqlite3.Connection, name: str, **values: str) -> list[Any]:
    return guarded.execute(datasette.QUERIES[name][2], values).fetchall()


def test_the_ready_made_questions_have_answers(guarded: sqlite3.Connection) -> None:
    assert answers(guarded, "spent_in_a_month", month="") == [("2026-09", "acme", 3, 75.0, 150.0)]
    assert answers(guarded, "spent_in_a_month", month="2026-08") == [("2026-08", "acme", 1, 9.0, 18.0)]
    assert [row[8] for row in answers(guarded, "dearest_requests")] == [70.0, 9.0, 5.0, 0.0]
    assert [row[:4] for row in answers(guarded, "failures_by_model")] == [
        ("gpt-4o", "openai", "upstream_failed", 1)
    ]
    assert answers(guarded, "savings_of_all_accounts")[0] == ("2026-09-21", 75.0, 225.0, 150.0, 66.7)
    assert len(datasette.QUERIES) == 4
