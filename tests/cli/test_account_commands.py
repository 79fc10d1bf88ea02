import json
import stat
from collections.abc import Callable
from pathlib import Path

import books
import pytest
from click.testing import Result

from thermly.store import accounts
from thermly.store.db import Database

Run = Callable[..., Result]
Refused = Callable[..., str]

NO_AMOUNTS = [
    "NaN",
    "sNaN",
    "inf",
    "-Infinity",
    "1e400",
    "1e9999999999",
    "١",
    "1e-9999999",
    "0.0000000001",
    "1000000001",
    "",
    "a",
    "1,5",
    "0x1",
]


def test_an_account_is_created_with_plan_and_credit(run: Run, instance: Path) -> None:
    made = run("account", "create", "acme", "--plan", "pro", "--credit", "12.5").stdout.strip()
    assert made.startswith("acc_")
    (row,) = json.loads(run("account", "list", "--json").stdout)
    assert row["created_utc"]
    assert {k: row[k] for k in ("account", "id", "plan", "balance_usd", "held_usd", "status")} == {
        "account": "acme", "id": made, "plan": "pro", "balance_usd": "12.50", "held_usd": "0.00",
        "status": "active",
    }  # fmt: skip
    assert stat.S_IMODE((instance / "thermly.db").stat().st_mode) == 0o600


def test_an_account_is_on_the_standard_plan_and_has_nothing_unless_told(run: Run) -> None:
    run("account", "create", "acme")
    (row,) = json.loads(run("account", "list", "--json").stdout)
    assert (row["plan"], row["balance_usd"]) == ("standard", "0.00")


def test_an_account_can_begin_disabled_and_be_enabled_and_disabled_again(run: Run) -> None:
    def status() -> str:
        (row,) = json.loads(run("account", "list", "--json").stdout)
        return str(row["status"])

    run("account", "create", "acme", "--disabled")
    assert status() == "disabled"
    run("account", "enable", "acme")
    assert status() == "active"
    run("account", "disable", "acme")
    assert status() == "disabled"


def test_credit_is_added_and_taken_back_to_the_nano_dollar(run: Run) -> None:
    run("account", "create", "acme", "--credit", "$1")
    assert run("account", "credit", "acme", "0.000000001").stdout == "1.000000001\n"
    assert run("account", "credit", "acme", "--note", "too much", "-2").stdout == "-0.999999999\n"
    assert run("account", "credit", "acme", "1_000").stdout == "999.000000001\n"
    assert run("account", "balance", "acme").stdout == "999.000000001\n"
    (row,) = json.loads(run("account", "balance", "acme", "--json").stdout)
    assert row == {
        "account": "acme", "balance_usd": "999.000000001", "held_usd": "0.00",
        "balance_nanousd": 999_000_000_001, "held_nanousd": 0,
    }  # fmt: skip


def test_the_ledger_says_why(run: Run, base: Database) -> None:
    run("account", "create", "acme", "--credit", "1")
    run("account", "credit", "acme", "2", "--note", "invoice 7")
    run("account", "credit", "acme", "-3", "--note", "mistake")
    with base.each() as tx:
        rows = tx.all("SELECT kind, note, amount_nanousd FROM credit ORDER BY rowid")
    assert rows == [("grant", "", 10**9), ("grant", "invoice 7", 2 * 10**9), ("correction", "mistake", -3 * 10**9)]


def test_accounts_are_listed_in_columns_for_people(run: Run) -> None:
    assert run("account", "list").stdout == ""
    assert json.loads(run("account", "list", "--json").stdout) == []
    run("account", "create", "zebra corp")
    run("account", "create", "acme", "--credit", "5")
    head, first, second = run("account", "list").stdout.splitlines()
    assert head.split() == ["account", "id", "plan", "balance_usd", "held_usd", "status", "created_utc"]
    assert first.startswith("acme ") and " 5.00 " in first
    assert second.startswith("zebra corp ")


def test_an_account_is_meant_by_name_or_by_id(run: Run) -> None:
    made = run("account", "create", "acme", "--credit", "5").stdout.strip()
    assert run("account", "balance", made).stdout == "5.00\n"


@pytest.mark.parametrize("name", ["", "   ", "x" * 201])
def test_a_name_that_is_none_is_refused(refused: Refused, name: str) -> None:
    assert "between 1 and 200 characters" in refused("account", "create", name)


@pytest.mark.parametrize("name", ["x" * 200, "Ålesund Ø 名", "'; DROP TABLE account; --", "--help me"])
def test_any_other_name_will_do(run: Run, name: str) -> None:
    run("account", "create", "--", name)
    (row,) = json.loads(run("account", "list", "--json").stdout)
    assert row["account"] == name


def test_a_name_is_given_once(run: Run, refused: Refused) -> None:
    run("account", "create", "acme")
    assert "already" in refused("account", "create", "acme", "--credit", "5")
    assert run("account", "balance", "acme").stdout == "0.00\n"


@pytest.mark.parametrize("amount", [*NO_AMOUNTS, "-1", "-0.000000001"])
def test_what_is_no_amount_creates_nothing(run: Run, refused: Refused, base: Database, amount: str) -> None:
    refused("account", "create", "acme", "--credit", amount)
    assert books.number(base, "SELECT COUNT(*) FROM account") == 0


@pytest.mark.parametrize("amount", [*NO_AMOUNTS, "-1e400", "-0.0000000001"])
def test_what_is_no_amount_credits_nothing(run: Run, refused: Refused, base: Database, amount: str) -> None:
    run("account", "create", "acme", "--credit", "1")
    refused("account", "credit", "acme", amount)
    assert books.number(base, "SELECT COUNT(*) FROM credit") == 1
    assert run("account", "balance", "acme").stdout == "1.00\n"


def test_no_account_gets_so_rich_that_sums_become_inexact(run: Run, refused: Refused, base: Database) -> None:
    run("account", "create", "acme", "--credit", "1000000000")
    assert "at most 1,000,000,000 dollars" in refused("account", "credit", "acme", "0.000000001")
    assert run("account", "balance", "acme").stdout == "1000000000.00\n"
    assert books.number(base, "SELECT COUNT(*) FROM credit") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("account", "balance", "nobody"),
        ("account", "credit", "nobody", "1"),
        ("account", "disable", "nobody"),
        ("account", "enable", "nobody"),
        ("key", "create", "--account", "nobody"),
        ("key", "list", "--account", "nobody"),
    ],
)
def test_an_account_that_is_not_there_is_said_so(refused: Refused, words: tuple[str, ...]) -> None:
    assert "There is no account named 'nobody'" in refused(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("account", "create"),
        ("account", "create", "a", "--plan", "gold"),
        ("account", "create", "a", "b"),
        ("account", "credit", "a"),
        ("account", "frobnicate"),
        ("frobnicate",),
    ],
)
def test_words_that_mean_nothing_are_refused(refused: Refused, words: tuple[str, ...]) -> None:
    refused(*words)


def test_a_command_works_while_another_process_has_the_database_open(run: Run, base: Database) -> None:
    by = books.payer(base, "acme", 10**9)
    run("account", "disable", "acme")
    assert books.account_of(base, by).disabled_at_ms is not None
    with base.begin() as tx:
        accounts.disable(tx, by.account_id, None)
    assert "active" in run("account", "list").stdout


@pytest.mark.parametrize("name", ["acc_0123", "ACC_x", "a\u202eb", "a\x1bb"])
def test_a_name_that_could_be_taken_for_something_else_is_refused(refused: Refused, name: str) -> None:
    assert "A name" in refused("account", "create", name)


def test_credit_goes_to_the_account_whose_id_it_is(run: Run, base: Database) -> None:
    one = books.payer(base, "one")
    books.payer(base, one.account_id)
    run("account", "credit", one.account_id, "5")
    assert run("account", "balance", "one").stdout.strip() == "5.00"
