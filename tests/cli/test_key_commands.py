import datetime
import json
import time
from collections.abc import Callable
from typing import Any

import books
import pytest
from click.testing import Result

from thermly.caps import next_reset_ms
from thermly.store import keys
from thermly.store.db import Database
from thermly.store.keys import Found

Run = Callable[..., Result]
Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def acme(base: Database) -> books.Payer:
    return books.payer(base, "acme", 10**9, plan="standard")


def create(run: Run, *options: str) -> str:
    """The key: the last line, alone."""
    result = run("key", "create", "--account", "acme", *options)
    assert result.stdout.count("\n") == 1
    return str(result.stdout.splitlines()[-1])


def found(base: Database, key: str) -> Found:
    with base.each() as tx:
        answer = keys.find(tx, key)
    assert answer is not None
    return answer


def listed(run: Run, *options: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run("key", "list", *options, "--json").stdout)
    return rows


def test_the_last_line_is_the_key_alone_and_works_at_once(run: Run, base: Database) -> None:
    result = run("key", "create", "--account", "acme")
    key = result.output.splitlines()[-1]
    assert key.startswith("sk-thermo-")
    assert key not in result.stderr
    assert found(base, key).caller.account == "acme"
    assert (found(base, key).caller.rpm, found(base, key).caller.image_rpm) == (60, 20)


def test_every_option_is_kept(run: Run, base: Database) -> None:
    key = create(run, "--name", "ci", "--plan", "free", "--rpm", "7", "--image-rpm", "unlimited",
                 "--models", "gpt-4o, auto,claude-haiku", "--expires", "2099-12-31", "--cap", "2.5")  # fmt: skip
    caller = found(base, key).caller
    assert (caller.plan, caller.rpm, caller.image_rpm, caller.capped) == ("free", 7, None, True)
    assert caller.models == {"gpt-4o", "auto", "claude-haiku"}
    assert found(base, key).expires_at_ms == 4_102_358_400_000
    row = listed(run)[-1]
    assert row["id"].startswith("key_")
    assert row["key"] == f"…{key[-4:]}"
    assert {k: row[k] for k in ("account", "name", "plan", "rpm", "cap_usd", "expires_utc", "revoked_utc")} == {
        "account": "acme", "name": "ci", "plan": "free", "rpm": 7, "cap_usd": "2.50",
        "expires_utc": "2099-12-31 00:00", "revoked_utc": "",
    }  # fmt: skip


def test_no_limit_can_be_said_for_requests_too(run: Run, base: Database) -> None:
    assert found(base, create(run, "--rpm", "unlimited")).caller.rpm is None
    assert listed(run)[-1]["rpm"] == "unlimited"


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("12h", 43_200), ("7d", 604_800), ("4w", 2_419_200)])
def test_a_key_can_expire_after_a_span(run: Run, base: Database, text: str, seconds: int) -> None:
    expires_at_ms = found(base, create(run, "--expires", text)).expires_at_ms
    assert expires_at_ms is not None
    assert abs(expires_at_ms / 1000 - time.time() - seconds) < 60


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2099-01-31", "2099-01-31T00:00:00+00:00"),
        ("2099-01-31T12:30", "2099-01-31T12:30:00+00:00"),
        ("2099-01-31T12:30:00Z", "2099-01-31T12:30:00+00:00"),
        ("2099-01-31T12:30:00+02:00", "2099-01-31T10:30:00+00:00"),
        ("9999-12-31", "9999-12-31T00:00:00+00:00"),
    ],
)
def test_a_key_can_expire_at_a_time_which_is_utc_unless_it_says_otherwise(
    run: Run, base: Database, text: str, means: str
) -> None:
    expected = int(datetime.datetime.fromisoformat(means).timestamp() * 1000)
    assert found(base, create(run, "--expires", text)).expires_at_ms == expected
    listed(run)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(
            ("--expires", v)
            for v in ("", "tomorrow", "2026-13-01", "2026-02-30", "7", "7y", "-7d", "1.5h", "31.12.2099")
        ),
        *(("--expires", v) for v in ("999999w", "99999999999999w", "9999-12-31T23:59-23:00", "0001-01-01")),
        *(("--rpm", v) for v in ("0", "-1", "1.5", "many", "", "10000001", "NaN")),
        *(("--image-rpm", v) for v in ("0", "-1", "many")),
        *(("--cap", v) for v in ("-1", "NaN", "1e400", "0.0000000001", "lots", "")),
        *(("--models", v) for v in ("gpt-4o,nonsense", "", " , ", "GPT-4O")),
        *(("--plan", v) for v in ("gold", "")),
    ],
)
def test_what_cannot_be_kept_makes_no_key(refused: Refused, base: Database, option: str, value: str) -> None:
    refused("key", "create", "--account", "acme", option, value)
    assert books.number(base, "SELECT COUNT(*) FROM api_key") == 1


def test_an_unknown_model_is_named(refused: Refused) -> None:
    said = refused("key", "create", "--account", "acme", "--models", "c1/openai/gpt-4o/v-20250930")
    assert "model behind" in said
    said = refused("key", "create", "--account", "acme", "--models", "gpt-4o,nonsense,other")
    assert "nonsense, other" in said and "gpt-4o" not in said


def test_a_key_without_an_account_is_refused(refused: Refused) -> None:
    assert "--account" in refused("key", "create")


def test_a_key_is_revoked_by_itself_or_by_its_id_and_once(run: Run, refused: Refused, base: Database) -> None:
    first, second = create(run), create(run)
    assert run("key", "revoke", first).stdout == "revoked\n"
    assert found(base, first).revoked and not found(base, second).revoked
    by_id = next(row["id"] for row in listed(run) if row["key"] == f"…{second[-4:]}")
    run("key", "revoke", by_id)
    assert found(base, second).revoked
    for gone in (first, by_id, "sk-thermo-nobody", "key_nobody", ""):
        assert "no such key" in refused("key", "revoke", gone)
    assert all(row["revoked_utc"] for row in listed(run) if row["id"] != listed(run)[0]["id"])


def test_keys_are_listed_for_one_account_or_for_all(run: Run, base: Database) -> None:
    books.payer(base, "other")
    create(run)
    assert {row["account"] for row in listed(run)} == {"acme", "other"}
    assert {row["account"] for row in listed(run, "--account", "other")} == {"other"}
    text = run("key", "list").stdout
    assert text.splitlines()[0].split()[:3] == ["id", "account", "name"]
    assert "sk-thermo-" not in text


def test_a_cap_can_be_one_for_each_period(run: Run, base: Database) -> None:
    create(run, "--cap", "10", "--cap-period", "month")
    create(run, "--cap", "10")
    rows = listed(run)
    assert [(r["cap_usd"], r["cap_period"], r["under_cap_usd"]) for r in rows] == [
        ("", "", ""), ("10.00", "month", "0.00"), ("10.00", "ever", "0.00"),
    ]  # fmt: skip
    resets = books.number(base, "SELECT cap_resets_at_ms FROM api_key WHERE cap_period = 'month'")
    assert resets == next_reset_ms("month", time.time_ns() // 1_000_000)


def test_a_period_without_a_cap_is_refused(run: Run, refused: Refused, base: Database) -> None:
    assert "--cap" in refused("key", "create", "--account", "acme", "--cap-period", "day")
    refused("key", "create", "--account", "acme", "--cap", "1", "--cap-period", "year")
    assert books.number(base, "SELECT COUNT(*) FROM api_key") == 1
