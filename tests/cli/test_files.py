"""`export`: rows as files that other programs read."""

import csv
import io
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import books
import pytest
from click.testing import Result

from thermly.store import accounts, keys, money
from thermly.store.db import Database

Run = Callable[..., Result]
Refused = Callable[..., str]
DAY_MS = 86_400_000


def spend(base: Database, by: books.Payer, cost: int, at_ms: int = books.NOW_MS) -> None:
    with base.begin() as tx:
        money.record(tx, books.opening(by, started_at_ms=at_ms), books.settled(cost))


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_every_format_says_the_same(run: Run, base: Database) -> None:
    by = books.payer(base, 'a "quoted", name\nin two lines 😀', 10**9)
    spend(base, by, 45_001)
    as_csv = table(run("export", "--view", "ledger").stdout)
    as_json = json.loads(run("export", "--view", "ledger", "--format", "json").stdout)
    lines = run("export", "--table", "ledger", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == as_json
    assert as_csv == [{k: "" if v is None else str(v) for k, v in row.items()} for row in as_json]
    assert as_json[1]["account"] == 'a "quoted", name\nin two lines 😀'


def test_amounts_are_exact_however_small_or_large(run: Run, base: Database) -> None:
    by = books.payer(base, "acme", 999_999_999_999_999_999)
    spend(base, by, 1)
    rows = json.loads(run("export", "--view", "ledger", "--format", "json").stdout)
    assert [row["amount_usd"] for row in rows] == ["999999999.999999999", "-0.000000001"]
    assert [row["balance_nanousd"] for row in rows] == [999_999_999_999_999_999, 999_999_999_999_999_998]
    assert table(run("export", "--view", "balances").stdout)[0]["balance_usd"] == "999999999.999999998"
    assert table(run("export", "--view", "keys_overview").stdout)[0]["cap_usd"] == ""


def test_lines_of_csv_end_as_its_standard_says(run: Run, base: Database) -> None:
    books.payer(base, "acme")
    out = run("export", "--view", "balances").stdout_bytes
    assert out.count(b"\r\n") == out.count(b"\n") == 2


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "+1e5x"])
def test_nobodys_name_becomes_a_formula(run: Run, base: Database, name: str) -> None:
    books.payer(base, name)
    (row,) = table(run("export", "--view", "balances").stdout)
    assert row["account"] == f"'{name}"
    assert json.loads(run("export", "--view", "balances", "--format", "jsonl").stdout)["account"] == name


@pytest.mark.parametrize("name", ["-5", "+1.50", "a=b", "5-3"])
def test_numbers_and_other_names_stay_as_they_are(run: Run, base: Database, name: str) -> None:
    books.payer(base, name, 1000)
    (row,) = table(run("export", "--view", "balances").stdout)
    assert row["account"] == name
    with base.begin() as tx:
        accounts.credit(tx, row["account_id"], -3 * 10**9, "correction", "", books.NOW_MS)
    assert table(run("export", "--view", "balances").stdout)[0]["balance_usd"] == "-2.999999"


def test_only_what_was_asked_for_is_in_it(run: Run, base: Database) -> None:
    one, two = books.payer(base, "one"), books.payer(base, "two")
    for by, cost, days in ((one, 1, 0), (one, 10, 1), (two, 100, 1)):
        spend(base, by, cost, 1_789_948_800_000 + days * DAY_MS)

    def costs(*words: str) -> list[str]:
        return [row["cost_nanousd"] for row in table(run("export", "--table", "usage", *words).stdout)]

    assert costs() == ["1", "10", "100"]
    assert costs("--since", "2026-09-22") == ["10", "100"]
    assert costs("--since", "2026-09-22T01:00:00+01:00", "--account", "one") == ["10"]
    assert costs("--since", "2026-09-22T00:00:01") == []
    assert run("export", "--table", "usage", "--since", "2030-01-01", "--format", "json").stdout == "[]\n"


def test_totals_are_brought_up_to_date_first(run: Run, base: Database) -> None:
    spend(base, books.payer(base, "acme"), 7)
    (row,) = table(run("export", "--view", "usage_by_day").stdout)
    assert (row["account"], row["requests"], row["cost_usd"]) == ("acme", "1", "0.000000007")


def test_what_is_wrong_is_a_sentence(refused: Refused, base: Database) -> None:
    assert "balances, ledger" in refused("export", "--table", "api_key")
    assert "no account named 'nobody'" in refused("export", "--view", "ledger", "--account", "nobody")
    assert "is no date" in refused("export", "--view", "ledger", "--since", "yesterday")
    assert "no time" in refused("export", "--view", "usage_by_model", "--since", "2027-01-01")
    refused("export")
    refused("export", "--view", "ledger", "--format", "xml")


def test_a_file_is_private_whole_and_never_written_over(
    run: Run, refused: Refused, base: Database, tmp_path: Path
) -> None:
    books.payer(base, "acme", 5)
    target = tmp_path / "balances.csv"
    assert run("export", "--view", "balances", "--output", str(target)).output == ""
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    before = target.read_bytes()
    assert before == run("export", "--view", "balances").stdout_bytes
    assert "exists already" in refused("export", "--view", "balances", "--output", str(target))
    assert target.read_bytes() == before
    refused("export", "--view", "usage_by_model", "--since", "2027-01-01", "--output", str(tmp_path / "none.csv"))
    assert "nowhere" in refused("export", "--view", "balances", "--output", str(tmp_path / "nowhere" / "x.csv"))
    assert {path.name for path in tmp_path.iterdir()} == {"balances.csv", "instance"}


def test_a_file_that_another_one_is_writing_is_left_to_it(refused: Refused, base: Database, tmp_path: Path) -> None:
    (tmp_path / "x.csv.part").write_text("half")
    assert "x.csv.part" in refused("export", "--view", "balances", "--output", str(tmp_path / "x.csv"))
    assert (tmp_path / "x.csv.part").read_text() == "half"


def test_no_secret_is_in_anything_that_can_be_exported(run: Run, base: Database) -> None:
    by = books.payer(base, "acme", 10**9)
    spend(base, by, 5)
    for name in ("balances", "keys_overview", "requests", "usage", "people", "redeem_codes"):
        out = run("export", "--view", name).stdout
        assert by.key not in out and keys.digest(by.key) not in out


MANY = """
import resource, sys
from thermly.cli import main
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    main(["export", "--view", "requests", "--format", sys.argv[1]], standalone_mode=False)
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory in KiB")
@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_however_many_rows_there_are_they_pass_through_little_memory(base: Database, kind: str) -> None:
    by = books.payer(base, "acme", 10**12)
    spend(base, by, 5)
    with base.begin() as tx:
        tx.run(
            """INSERT INTO usage (id, account_id, key_id, state, outcome, surface, requested_model, reasons,
                 started_at_ms)
               WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
               SELECT 'u' || i, :account, :key, 'settled', 'ok', 'v1', 'auto', printf('%.900c', 'x'), i FROM n""",
            {"account": by.account_id, "key": by.key_id},
        )
        tx.run("UPDATE accounted SET seq = (SELECT MAX(seq) FROM usage)")
    base.close()
    out, err = books.spawn(MANY, kind).communicate(timeout=60)
    assert len(out) > 60_000_000
    assert int(err.splitlines()[-1]) < 30_000, "KiB, most of it imports and SQLite's own cache"


def test_whoever_stops_reading_ends_it(base: Database) -> None:
    for i in range(300):
        books.payer(base, f"account {i} {'x' * 150}")
    command = [sys.executable, "-m", "thermly", "export", "--view", "balances"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=books.ROOT)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(timeout=20)
