"""`usage`, `models`, `route`, `doctor`: what happened, what would happen, whether all is well."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import books
import pytest
from click.testing import Result

from thermly.exchange import Usage
from thermly.store import db, limits, money
from thermly.store.db import Database

Run = Callable[..., Result]
Refused = Callable[..., str]
DAY_MS = 86_400_000


def spend(base: Database, by: books.Payer, cost: int, at_ms: int, model: str = "gpt-4o") -> None:
    opening = books.opening(by, started_at_ms=at_ms)
    with base.begin() as tx:
        assert money.hold(tx, opening, cost)
        assert money.close(tx, opening.id, books.settled(cost, model, Usage(100, output_tokens=20)))


def test_usage_tells_cost_and_savings_per_day_account_and_model(run: Run, base: Database) -> None:
    by = books.payer(base, "acme", 10**12)
    assert run("usage").stdout == "No requests yet.\n"
    assert json.loads(run("usage", "--json").stdout) == []
    spend(base, by, 1_500_000_000, books.NOW_MS)
    spend(base, by, 1, books.NOW_MS)
    spend(base, by, 7, books.NOW_MS - DAY_MS, "claude-haiku-4-5")
    new, old = json.loads(run("usage", "--json").stdout)
    assert new == {
        "day": "2026-09-21", "account": "acme", "model": "gpt-4o", "requests": 2, "cache_hits": 0, "failures": 0,
        "input_tokens": 200, "output_tokens": 40, "cost_usd": "1.500000001", "saved_usd": "3.000000002",
    }  # fmt: skip
    assert (old["day"], old["model"], old["cost_usd"]) == ("2026-09-20", "claude-haiku-4-5", "0.000000007")
    assert len(json.loads(run("usage", "--days", "1", "--json").stdout)) == 1
    assert len(run("usage").stdout.splitlines()) == 3


@pytest.mark.parametrize("days", ["0", "-1", "many", "3661", "1.5"])
def test_a_number_of_days_that_is_none_is_refused(refused: Refused, days: str) -> None:
    refused("usage", "--days", days)


def test_models_tells_prices_and_what_is_served_here(
    run: Run, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows() -> dict[str, dict[str, Any]]:
        return {row["model"]: row for row in json.loads(run("models", "--json").stdout)}

    assert rows()["gpt-4o"]["status"] == "no key"
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    instance.mkdir()
    (instance / "thermly.toml").write_text('[models.unpriced]\nprovider = "openai"\ncontext_window = 9')
    found = rows()
    assert {k: found["gpt-4o"][k] for k in ("provider", "input_usd_per_mtok", "output_usd_per_mtok", "status")} == {
        "provider": "openai", "input_usd_per_mtok": "2.50", "output_usd_per_mtok": "10.00", "status": "serving",
    }  # fmt: skip
    assert found["claude-haiku-4-5"]["status"] == "no key"
    assert found["gpt-4"]["status"].endswith("gpt-4.1 answers")
    assert (found["unpriced"]["status"], found["unpriced"]["input_usd_per_mtok"]) == ("no price, not served", "")
    assert "gpt-4o-mini" in run("models").stdout
    assert "secret" not in run("models").output


def test_route_tells_who_would_answer_and_why(run: Run, base: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    (facts,) = json.loads(run("route", "--json", "Hello!").stdout)
    assert (facts["tier"], facts["complexity_level"]) == ("fast", 1)
    assert facts["reasons"]
    assert "assumed" in run("route", "Hello!").stdout
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    (facts,) = json.loads(run("route", "--json", "Hello!").stdout)
    assert facts["provider"] == "anthropic"
    assert any("no key for openai" in passed for passed in facts["passed_over"])
    assert "assumed" not in run("route", "Hello!").stdout
    (facts,) = json.loads(run("route", "--model", "claude-haiku", "--json", "Hello!").stdout)
    assert (facts["model"], facts["tier"], facts["then"]) == ("claude-haiku-4-5", "", [])
    assert books.number(base, "SELECT COUNT(*) FROM usage") == 0


def test_route_explains_the_thresholds_that_follow_from_quality_and_prices(
    run: Run, base: Database, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def facts(*words: str) -> dict[str, Any]:
        (found,) = json.loads(run("route", "--json", *words, "Hello!").stdout)
        return dict(found)

    explained = facts("--explain")
    assert explained["auto"].startswith("for a quality of 95 % fast takes up to 0.")
    assert explained["auto"] in explained["reasons"][-1]
    assert explained["cost_of"][1] == "fast $0.00035", "1,000 tokens at $0.10 and 500 at $0.50 a million"
    assert explained["on_public_data"].startswith("95.")
    assert "on_public_data" not in facts()
    monkeypatch.setenv("THERMLY_ROUTING_QUALITY", "1")
    assert (facts()["tier"], facts("--explain")["auto"]) == ("best", "for a quality of 100 % all is for best")
    monkeypatch.setenv("THERMLY_ROUTING_QUALITY", "0.9")
    (instance / "thermly.toml").write_text("[models.gpt-6-luna]\ninput_per_mtok = 0.01\noutput_per_mtok = 0.05\n")
    assert "fast $0.000035" in facts("--explain")["cost_of"]


def test_route_asks_what_is_cooling_down_last(run: Run, base: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    (before,) = json.loads(run("route", "--json", "--model", "fast", "Hello!").stdout)
    with base.begin() as tx:
        limits.cool(tx, f"anthropic/{before['model']}", "upstream_error", 4 * 10**12, 1000, 1000)
    (after,) = json.loads(run("route", "--json", "--model", "fast", "Hello!").stdout)
    assert after["model"] == before["then"][0]
    assert after["then"][-1] == before["model"]


def test_a_prompt_may_be_anything(run: Run) -> None:
    for prompt in ("", "a" * 200_000, "--", "😀\n\n\x00"):
        run("route", "--json", "--", prompt)


def test_route_takes_a_prompt_or_lines_and_not_both(refused: Refused) -> None:
    assert "--batch" in refused("route")
    assert "--batch" in refused("route", "--batch", "Hello!")


def test_a_model_that_nobody_knows_is_named_with_close_ones(refused: Refused) -> None:
    said = refused("route", "--model", "gpt-4oo", "Hello!")
    assert "'gpt-4oo' does not exist" in said and "gpt-4o" in said


# ---- doctor


def checks(run: Run, code: int) -> dict[str, tuple[bool, str]]:
    found = json.loads(run("doctor", "--json", code=code).stdout)
    return {f["check"]: (f["ok"], f["detail"]) for f in found}


def failed(run: Run) -> dict[str, str]:
    return {check: detail for check, (ok, detail) in checks(run, 1).items() if not ok}


def test_doctor_finds_nothing_where_nothing_is_wrong(run: Run, base: Database) -> None:
    by = books.payer(base, "acme", 10**9, cap_nanousd=10**9)
    spend(base, by, 1000, books.NOW_MS)
    assert all(ok for ok, _ in checks(run, 0).values())
    assert "1 finished request(s)" in checks(run, 0)["accounting"][1]
    lines = run("doctor").stdout.splitlines()
    assert len(lines) == len(checks(run, 0)) and all(line.startswith("ok ") for line in lines)


def test_doctor_warns_of_a_tier_whose_models_have_all_failed_and_passes(
    run: Run, base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def line() -> str:
        return next(line for line in run("doctor").stdout.splitlines() if "targets:" in line)

    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    (fast,) = json.loads(run("route", "--json", "--model", "fast", "Hello!").stdout)
    served = [fast["model"], *fast["then"]]
    tiers = {row["model"]: row["tier"] for row in json.loads(run("models", "--json").stdout)}
    for i, name in enumerate(served):
        with base.begin() as tx:
            limits.cool(tx, f"anthropic/{name}", "overloaded", 4 * 10**12, 1000, 1000)
        if any(tiers[left] == "fast" for left in served[i + 1 :]):
            assert line().startswith("ok    targets: anthropic/")
        elif i < len(served) - 1:
            assert line().startswith("warn  targets: Every model of the tier")
    assert line().startswith("warn  targets: Every model of every tier (fast, balanced, best) has failed")
    assert "(overloaded)" in line()
    found = json.loads(run("doctor", "--json").stdout)
    assert [f["check"] for f in found if f["warning"]] == ["targets"] and all(f["ok"] for f in found)


def test_doctor_warns_of_them_where_the_servers_keys_are_not_set(run: Run, base: Database) -> None:
    for row in json.loads(run("models", "--json").stdout):
        if row["tier"] == "best":
            with base.begin() as tx:
                limits.cool(tx, f"{row['provider']}/{row['model']}", "overloaded", 4 * 10**12, 1000, 1000)
    assert "warn  targets: Every model of the tier best has failed" in run("doctor").stdout


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE account SET balance_nanousd = balance_nanousd + 1", "acme: balance is 1000000001"),
        ("UPDATE account SET held_nanousd = 1", "acme: held is 1, its rows say 0"),
        ("UPDATE api_key SET spent_nanousd = 5", "spent by capped key is 5, its rows say 0"),
        ("UPDATE api_key SET held_nanousd = 5", "held by capped key is 5, its rows say 0"),
        ("DELETE FROM credit", "acme: balance is 1000000000, its rows say 0"),
    ],
)
def test_doctor_finds_every_sum_that_was_altered_by_hand(run: Run, base: Database, damage: str, says: str) -> None:
    books.payer(base, "acme", 10**9, cap_nanousd=10**9)
    with base.begin() as tx:
        tx.run(damage)
    found = failed(run)
    assert list(found) == ["balances equal the ledger"]
    assert says in found["balances equal the ledger"]
    assert "FAIL  balances equal the ledger" in run("doctor", code=1).stdout


def test_doctor_finds_memory_that_is_counted_wrong(run: Run, base: Database) -> None:
    books.payer(base, "acme")
    with base.begin() as tx:
        tx.run("UPDATE account SET memory_bytes = 5")
    assert failed(run) == {"memory is counted right": "acme: 5 bytes, its rows say 0"}


def test_doctor_finds_a_trigger_that_is_gone(run: Run, base: Database) -> None:
    with base.each() as tx:
        tx.run("DROP TRIGGER hold_opened")
    assert "FAIL  schema: lacks trigger hold_opened" in run("doctor", code=1).stdout


def test_doctor_finds_cards_that_are_set_up_by_half(
    run: Run, base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_1")
    assert failed(run) == {"payments by card": "not offered: STRIPE_WEBHOOK_SECRET is not set"}
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_1")
    run("doctor")


def test_doctor_finds_holds_that_nobody_will_close(run: Run, base: Database) -> None:
    by = books.payer(base, "acme", 10**9)
    with base.begin() as tx:
        assert money.hold(tx, books.opening(by, "999999-dead"), 5)
    assert "999999-dead" in failed(run)["no orphaned holds"]


def test_doctor_finds_rows_that_belong_to_nobody(run: Run, base: Database) -> None:
    books.payer(base, "acme", 10**9)
    base.connection.execute("PRAGMA foreign_keys = OFF")
    with base.begin() as tx:
        tx.run("UPDATE api_key SET account_id = 'acc_nobody'")
    assert list(failed(run)) == ["database file"]


def test_doctor_names_the_command_where_the_schema_is_behind(
    run: Run, base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "names", lambda: ["0001_start", "0002_next"])
    assert failed(run) == {"schema": "lacks 0002_next: run `thermly migrate`"}


def test_doctor_looks_without_making_anything(run: Run, instance: Path) -> None:
    assert list(failed(run)) == ["schema"]
    assert not instance.exists()


def test_doctor_finds_a_file_that_is_broken(run: Run, base: Database, instance: Path) -> None:
    for i in range(200):
        books.payer(base, f"account {i}", 1)
    base.close()
    whole = (instance / "thermly.db").read_bytes()
    (instance / "thermly.db").write_bytes(b"no database" * 1000)
    assert "not a database" in failed(run)["database file"]
    page = 4096
    (instance / "thermly.db").write_bytes(whole[: 20 * page] + os.urandom(20 * page) + whole[40 * page :])
    assert any(check in failed(run) for check in ("database file", "balances equal the ledger"))


def test_doctor_names_what_is_wrong_in_the_catalogue(run: Run, base: Database, instance: Path) -> None:
    (instance / "thermly.toml").write_text('[aliases]\na = "nobody"')
    assert "alias 'a'" in failed(run)["catalogue"]


# ---- settings, whatever the command


@pytest.mark.parametrize(
    "words", [("account", "list"), ("models",), ("doctor",), ("usage",), ("migrate",), ("worker",)]
)
def test_a_mistake_in_the_settings_is_a_sentence_in_every_command(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("THERMLY_PROT", "1")
    assert "Did you mean THERMLY_PORT?" in refused(*words)


def test_a_mistake_in_the_catalogue_is_a_sentence(refused: Refused, base: Database, instance: Path) -> None:
    (instance / "thermly.toml").write_text("[models.gpt-4o]\ninput_per_mtok = nan")
    assert "gpt-4o" in refused("models")
    assert "gpt-4o" in refused("route", "hello")


def test_a_worker_without_redis_says_what_it_needs(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL")
    assert "REDIS_URL" in refused("worker")


def test_every_command_explains_itself(run: Run) -> None:
    for words in ((), ("account",), ("account", "create"), ("key",), ("key", "create"), ("usage",), ("models",),
                  ("route",), ("doctor",), ("migrate",), ("backup",), ("serve",), ("worker",)):  # fmt: skip
        assert "Usage: " in run(*words, "--help").stdout
    assert run("--version").stdout.startswith("main, version ") or run("--version").stdout.startswith("thermly")


def test_the_command_line_is_a_process_with_an_exit_code(instance: Path) -> None:
    def thermly(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "thermly", *words], capture_output=True, text=True, cwd=books.ROOT, check=False
        )

    made = thermly("account", "create", "acme", "--credit", "5")
    assert (made.returncode, made.stderr) == (0, "")
    key = thermly("key", "create", "--account", "acme")
    assert key.stdout.startswith("sk-thermo-") and key.stdout.count("\n") == 1
    again = thermly("account", "create", "acme")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "Error: There is an account named 'acme' already.\n"
    assert thermly("account", "create", "b", "--credit", "NaN").returncode == 2
