"""The views that people read: they say what the tables say, in one convention, without looking at every request."""

from pathlib import Path

import books
import pytest

from thermly.exchange import Usage
from thermly.store import accounts, db, keys, money, schema, shown, usage
from thermly.store.db import Database
from thermly.store.money import Closing

DAY_MS = 86_400_000
VIEWS = [relation for relation in schema.relations() if relation.kind == "view"]
each_view = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)


def spend(base: Database, by: books.Payer, cost: int, at_ms: int = books.NOW_MS, **changed: object) -> None:
    with base.begin() as tx:
        closing = books.settled(cost, "gpt-4o", Usage(100, output_tokens=20))
        money.record(tx, books.opening(by, started_at_ms=at_ms), closing)
        usage.account_batch(tx)


def asked(base: Database, sql: str) -> list[tuple[object, ...]]:
    with base.each() as tx:
        return tx.all(sql)


@each_view
def test_dollars_stand_beside_the_exact_amount(base: Database, view: schema.Relation) -> None:
    by = books.payer(base, "acme", 3 * 10**18 // 7, cap_nanousd=10**18)
    spend(base, by, 45_001)
    with base.begin() as tx:
        tx.run("INSERT INTO redeem_code VALUES ('h', 'abcd', 'b', 7, '', 1, NULL, NULL, NULL)")
        tx.run(
            "INSERT INTO payment VALUES ('cs_1', :account, 5000000001, 'paid', 1, 2)", {"account": by.account_id}
        )
    names = [column.name for column in view.columns]
    for name in (n for n in names if n.endswith("_usd")):
        exact = name.removesuffix("_usd") + "_nanousd"
        assert exact in names
        for dollars, nano in asked(base, f"SELECT {name}, {exact} FROM {view.name}"):
            assert isinstance(dollars, float) and isinstance(nano, int)
            assert dollars == pytest.approx(nano / 1e9, rel=1e-15, abs=1e-15)
    assert asked(base, f"SELECT COUNT(*) FROM {view.name}") != [(0,)] or view.name == "people"


@each_view
def test_accounts_and_times_are_told_as_everywhere(view: schema.Relation) -> None:
    names = {column.name for column in view.columns}
    assert ("account" in names) == ("account_id" in names)
    assert not {name for name in names if name.endswith("_at") or name.endswith("_time")}


def test_balances_tell_what_is_there_and_what_of_it_is_free(base: Database) -> None:
    by = books.payer(base, "acme", 1_234_567_891)
    with base.begin() as tx:
        assert money.hold(tx, books.opening(by), 1_000_000_001)
        accounts.disable(tx, by.account_id, 1)
    row = "SELECT account, status, balance_usd, held_usd, available_usd, created_utc FROM balances"
    assert asked(base, row) == [("acme", "disabled", 1.234567891, 1.000000001, 0.23456789, "2026-09-21 14:13:20")]
    assert asked(base, "SELECT account FROM balances WHERE balance_usd < 2") == [("acme",)]


def test_the_ledger_adds_up_to_the_balance_of_every_account(base: Database) -> None:
    one, two = books.payer(base, "one", 1000), books.payer(base, "two", 500)
    for i, (by, cost) in enumerate([(one, 1), (two, 2), (one, 30), (one, 0), (two, 400)]):
        spend(base, by, cost, books.NOW_MS + i)
    with base.begin() as tx:
        accounts.credit(tx, two.account_id, -50, "correction", "a slip", books.NOW_MS + DAY_MS)
    rows = "SELECT kind, note, amount_nanousd, balance_nanousd FROM ledger WHERE account = 'two' ORDER BY at_ms"
    assert asked(base, rows) == [
        ("grant", "", 500, 500), ("usage", "gpt-4o", -2, 498), ("usage", "gpt-4o", -400, 98),
        ("correction", "a slip", -50, 48),
    ]  # fmt: skip
    assert asked(base, "SELECT account, SUM(amount_nanousd) FROM ledger GROUP BY account ORDER BY 1") == asked(
        base, "SELECT account, balance_nanousd FROM balances ORDER BY 1"
    )


def test_requests_tell_who_asked_what_and_who_answered(base: Database) -> None:
    by = books.payer(base, "acme", 10**9)
    spend(base, by, 45_000)
    row = """SELECT started_utc, account, key, asked, answered, provider, outcome, input_tokens, output_tokens,
               cost_usd, saved_usd, duration_ms FROM requests ORDER BY seq DESC"""
    assert asked(base, row) == [
        (
            "2026-09-21 14:13:20",
            "acme",
            f"…{by.key[-4:]}",
            "auto",
            "gpt-4o",
            "openai",
            "ok",
            100,
            20,
            4.5e-05,
            9e-05,
            7,
        )
    ]


VAIN = Closing(state="released", outcome="unavailable", model="gpt-4o", provider="openai")
BY_MODEL = "SELECT model, requests, failures, cost_usd FROM usage_by_model ORDER BY model"
BY_NAME = [("", 2, 2, 0.0), ("gpt-4o", 2, 1, 2.0), ("o3", 1, 0, 0.0)]


def broken_off(cost: int) -> Closing:
    return books.settled(cost, outcome="upstream_failed")


def test_where_none_answered_nobody_is_named_but_an_answer_that_broke_off_was_somebodys(base: Database) -> None:
    by = books.payer(base, "acme", 10**10)
    with base.begin() as tx:
        for closing in (books.settled(10**9), broken_off(10**9), VAIN, VAIN, books.settled(0, "o3")):
            money.record(tx, books.opening(by), closing)
        usage.account_batch(tx)
    assert asked(base, "SELECT asked, answered, provider, outcome FROM requests ORDER BY seq LIMIT 3") == [
        ("auto", "gpt-4o", "openai", "ok"),
        ("auto", "gpt-4o", "openai", "upstream_failed"),
        ("auto", "", "", "unavailable"),
    ]
    assert asked(base, BY_MODEL) == BY_NAME


def test_totals_of_before_are_put_right_when_the_file_is_brought_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, names = tmp_path / "old.db", db.names()
    with monkeypatch.context() as patch:
        patch.setattr(db, "names", lambda: [name for name in names if name < "0009"])
        db.migrate(path)
    base = Database(path)
    by = books.payer(base, "acme", 10**10)
    alone = Closing(state="released", outcome="unavailable", model="gone", provider="openai")
    with base.begin() as tx:
        for closing in (books.settled(10**9), broken_off(10**9), VAIN, alone, books.settled(0, "o3")):
            money.record(tx, books.opening(by), closing)
        with monkeypatch.context() as patch:
            patch.setattr(usage, "ANSWERED", "model")
            usage.account_batch(tx)
    assert len(asked(base, BY_MODEL)) == 3 and asked(base, BY_MODEL)[0][0] == "gone"
    with base.begin() as tx:
        money.record(tx, books.opening(by), VAIN)
    assert db.migrate(path)[0] == "0009_answered"
    assert asked(base, BY_MODEL) == BY_NAME
    with base.begin() as tx:
        usage.account_batch(tx)
    assert asked(base, BY_MODEL)[0] == ("", 3, 3, 0.0)
    base.close()


def test_savings_are_told_in_dollars_and_percent_of_each_day_and_account(base: Database) -> None:
    one, two = books.payer(base, "one", 10**12), books.payer(base, "two", 10**12)
    spend(base, one, 10**9)
    spend(base, one, 10**9)
    spend(base, two, 10**9, books.NOW_MS - DAY_MS)
    spend(base, two, 0)
    rows = (
        "SELECT day, account, spent_usd, baseline_usd, saved_usd, saved_percent FROM savings_by_day ORDER BY 1, 2"
    )
    assert asked(base, rows) == [
        ("2026-09-20", "two", 1.0, 3.0, 2.0, 66.7),
        ("2026-09-21", "one", 2.0, 6.0, 4.0, 66.7),
        ("2026-09-21", "two", 0.0, 0.0, 0.0, None),
    ]
    assert asked(base, "SELECT requests, cost_usd, saved_usd, first_day, last_day FROM usage_by_model") == [
        (4, 3.0, 6.0, "2026-09-20", "2026-09-21")
    ]
    days = "SELECT day, account, requests, input_tokens, cost_usd FROM usage_by_day WHERE account = 'one'"
    assert asked(base, days) == [("2026-09-21", "one", 2, 200, 2.0)]


def test_keys_tell_their_cap_their_use_and_their_end(base: Database) -> None:
    by = books.payer(base, "acme", 10**12, cap_nanousd=2 * 10**9)
    other = books.payer(base, "idle")
    spend(base, by, 10**9)
    with base.begin() as tx:
        keys.revoke(tx, other.key, books.NOW_MS + 1000)
    rows = """SELECT account, key, plan, status, cap_usd, under_cap_usd, spent_usd, requests,
                last_used_utc, revoked_utc FROM keys_overview ORDER BY account"""
    assert asked(base, rows) == [
        ("acme", f"…{by.key[-4:]}", "pro", "active", 2.0, 1.0, 1.0, 1, "2026-09-21 14:13:20", None),
        ("idle", f"…{other.key[-4:]}", "pro", "revoked", None, None, 0.0, 0, None, "2026-09-21 14:13:21"),
    ]


def test_codes_and_payments_and_people_are_told_without_what_opens_a_door(base: Database) -> None:
    by = books.payer(base, "acme")
    with base.begin() as tx:
        tx.run(
            "INSERT INTO redeem_code VALUES ('h', 'wxyz', 'b', 7000000000, 'n', 1, NULL, 2, :a)",
            {"a": by.account_id},
        )
        tx.run("INSERT INTO payment VALUES ('cs_1', :a, 5000000000, 'open', 1000, NULL)", {"a": by.account_id})
        tx.run(
            """INSERT INTO person (id, email, role, account_id, password, created_at_ms)
               VALUES ('p', 'a@b.example', 'admin', :a, 'scrypt:secret', 1000)""",
            {"a": by.account_id},
        )
    assert asked(base, "SELECT code, amount_usd, status, account FROM redeem_codes") == [
        ("…wxyz", 7.0, "redeemed", "acme")
    ]
    assert asked(base, "SELECT created_utc, account, amount_usd, state, ended_utc FROM payments") == [
        ("1970-01-01 00:00:01", "acme", 5.0, "open", None)
    ]
    assert asked(base, "SELECT email, role, account, status FROM people") == [
        ("a@b.example", "admin", "acme", "never signed in")
    ]
    assert "scrypt" not in str([asked(base, f"SELECT * FROM {name}") for name in shown.VIEWS])


def plan(base: Database, sql: str) -> list[str]:
    return [str(row[3]) for row in asked(base, f"EXPLAIN QUERY PLAN {sql}")]


@pytest.mark.parametrize("view", ["balances", "usage_by_day", "usage_by_model", "savings_by_day", "keys_overview"])
def test_totals_never_look_at_every_request(base: Database, view: str) -> None:
    assert not [step for step in plan(base, f"SELECT * FROM {view}") if step.split()[1] == "usage"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM ledger WHERE account = 'acme' ORDER BY at_ms DESC LIMIT 100",
        "SELECT * FROM ledger WHERE account_id = 'acc_1'",
        "SELECT * FROM requests WHERE account = 'acme' ORDER BY seq DESC LIMIT 100",
        "SELECT * FROM requests WHERE account_id = 'acc_1'",
        "SELECT * FROM requests WHERE seq > 5 ORDER BY seq DESC LIMIT 100",
    ],
)
def test_a_part_of_the_requests_is_found_by_an_index(base: Database, sql: str) -> None:
    steps = [step for step in plan(base, sql) if step.split()[1] == "usage"]
    assert steps and all(step.startswith("SEARCH") for step in steps), plan(base, sql)
