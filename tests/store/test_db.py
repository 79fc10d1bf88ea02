import os
import sqlite3
import stat
import sys
import threading
from pathlib import Path

import books
import pytest

from thermly.store import accounts, db
from thermly.store.db import Database


def test_every_migration_is_applied_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "thermly.db"
    assert db.pending(path) == db.names()
    assert db.migrate(path) == db.names()
    assert db.pending(path) == []
    assert db.migrate(path) == []


def test_a_migration_that_fails_leaves_nothing_behind_and_stays_pending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = tmp_path / "migrations"
    scripts.mkdir()
    (scripts / "0001_good.sql").write_text("CREATE TABLE good (x TEXT);")
    (scripts / "0002_bad.sql").write_text("CREATE TABLE half (x TEXT); INSERT INTO half VALUES ('a;b'); NONSENSE;")
    monkeypatch.setattr(db, "MIGRATIONS", scripts)
    monkeypatch.setattr(db, "ATTEMPTS", 1)
    path = tmp_path / "thermly.db"
    with pytest.raises(sqlite3.OperationalError):
        db.migrate(path)
    assert db.pending(path) == ["0002_bad"]
    base = Database(path)
    assert books.number(base, "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'good'") == 1
    assert books.number(base, "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'half'") == 0
    base.close()
    (scripts / "0002_bad.sql").write_text("CREATE TABLE half (x TEXT);")
    assert db.migrate(path) == ["0002_bad"]


def test_a_schema_that_is_behind_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "thermly.db"
    db.migrate(path)
    db.check(path)
    monkeypatch.setattr(db, "names", lambda: ["0001_start", "0002_next"])
    with pytest.raises(db.SchemaBehind, match=r"lacks 1 migration.*0002_next.*`thermly migrate`"):
        db.check(path)


def test_a_missing_file_is_a_schema_that_is_behind(tmp_path: Path) -> None:
    with pytest.raises(db.SchemaBehind):
        db.check(tmp_path / "thermly.db")
    assert not (tmp_path / "thermly.db").exists()


def test_processes_that_migrate_at_once_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    path = tmp_path / "thermly.db"
    code = "import sys; from pathlib import Path; from thermly.store import db; db.migrate(Path(sys.argv[1]))"
    for process in [books.spawn(code, path) for _ in range(3)]:
        books.said(process)
    db.check(path)


def test_only_the_owner_can_read_the_file_and_what_sqlite_puts_beside_it(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        path = tmp_path / "thermly.db"
        db.migrate(path)
        base = Database(path)
        books.payer(base, credit_nanousd=1)
        for beside in (path, tmp_path / "thermly.db-wal", tmp_path / "thermly.db-shm"):
            assert stat.S_IMODE(beside.stat().st_mode) == 0o600, beside
        base.close()
    finally:
        os.umask(before)


def test_what_raises_is_rolled_back_and_the_database_goes_on(base: Database) -> None:
    with pytest.raises(ZeroDivisionError), base.begin() as tx:
        accounts.create(tx, "nobody", "pro", 1)
        _ = 1 / 0
    with base.begin() as tx:
        accounts.create(tx, "somebody", "pro", 1)
    with base.each() as tx:
        assert [a.name for a in accounts.everyone(tx)] == ["somebody"]


def test_a_statement_that_fails_is_told_and_gives_the_lock_back(base: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError), base.begin() as tx:
        accounts.create(tx, "someone", "no such plan", 1)
    with pytest.raises(sqlite3.OperationalError), base.each() as tx:
        tx.run("NONSENSE")
    assert not base.lock.locked()
    assert books.number(base, "SELECT COUNT(*) FROM account") == 0


def test_threads_share_the_connection_without_losing_a_write(base: Database) -> None:
    by = books.payer(base)

    def work() -> None:
        for _ in range(50):
            with base.begin() as tx:
                accounts.credit(tx, by.account_id, 1, "grant", "", 1)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert books.account_of(base, by).balance_nanousd == 800
    assert books.number(base, "SELECT COUNT(*) FROM credit") == 800


FORK = """
import os, sys
from pathlib import Path
from thermly.store import accounts
from thermly.store.db import Database

base = Database(Path(sys.argv[1]))
def write(name):
    with base.begin() as tx:
        accounts.create(tx, name, "pro", 1)

write("before")
first, second = os.pipe(), os.pipe()
if os.fork() == 0:
    write("child")
    os.write(first[1], b"x")
    os.read(second[0], 1)
    write("child, when the parent has closed")
    os._exit(0)
os.read(first[0], 1)
write("parent")
base.close()
os.write(second[1], b"x")
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_nothing_is_lost_when_a_process_forks_with_the_database_open(base: Database) -> None:
    """A connection that crossed the fork would leave the child writing into a log that its parent removed."""
    base.close()
    assert books.said(books.spawn(FORK, base.path)).strip() == "0"
    with base.each() as tx:
        names = [a.name for a in accounts.everyone(tx)]
    assert names == ["before", "child", "child, when the parent has closed", "parent"]
    assert books.number(base, "SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1


def test_a_closed_database_opens_again_at_its_next_use(base: Database) -> None:
    books.payer(base, "one")
    base.close()
    base.close()
    books.payer(base, "two")
    assert books.number(base, "SELECT COUNT(*) FROM account") == 2


def test_a_script_is_cut_into_its_statements_whatever_they_quote() -> None:
    text = "CREATE TABLE a (x TEXT); -- a comment; with a semicolon\nINSERT INTO a VALUES ('b;c');\n"
    assert [s.strip().split()[-1] for s in db.statements(text)] == ["TEXT);", "('b;c');"]


def test_the_views_show_money_and_times_as_people_write_them(base: Database) -> None:
    books.payer(base, "someone", 1_234_567_891)
    with base.each() as tx:
        assert tx.one("SELECT account, balance_usd, held_usd, status FROM balances") == (
            "someone", 1.234567891, 0.0, "active",
        )  # fmt: skip
        assert tx.one("SELECT account, kind, amount_usd, at_utc FROM ledger") == (
            "someone", "grant", 1.234567891, "2026-09-21 14:13:20",
        )  # fmt: skip
