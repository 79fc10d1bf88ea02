"""`migrate` and `backup`: the file itself."""

import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path

import books
import pytest
from click.testing import Result

from thermly.store import db, money
from thermly.store.db import Database

Run = Callable[..., Result]
Refused = Callable[..., str]


def test_migrate_makes_the_file_and_says_what_it_did(run: Run, instance: Path) -> None:
    assert run("migrate", "--check", code=1).stdout == "\n".join(db.names()) + "\n"
    assert not instance.exists(), "looking makes nothing"
    assert run("migrate").stdout == "".join(f"applied {name}\n" for name in db.names())
    assert run("migrate").stdout == "up to date\n"
    assert run("migrate", "--check").stdout == "up to date\n"


def test_commands_refuse_a_schema_that_is_behind_and_name_the_command(
    run: Run, refused: Refused, base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "names", lambda: ["0001_start", "0002_next"])
    for words in (("account", "list"), ("key", "list"), ("usage",), ("route", "hello"), ("serve",), ("backup",)):
        assert "run `thermly migrate`" in refused(*words)


@pytest.mark.parametrize("words", [("account", "list"), ("usage",), ("backup",), ("migrate",), ("serve",)])
def test_a_file_that_is_no_database_is_said_so(refused: Refused, instance: Path, words: tuple[str, ...]) -> None:
    instance.mkdir()
    (instance / "thermly.db").write_bytes(b"this is not a database, whatever it is called " * 100)
    assert "not a database" in refused(*words)


def test_an_instance_folder_that_cannot_be_is_said_so(
    refused: Refused, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.write_text("a file in the way")
    refused("account", "list")
    refused("migrate")


def test_a_backup_is_private_whole_and_says_where_it_is(run: Run, base: Database, instance: Path) -> None:
    books.payer(base, "acme", 5)
    path = Path(run("backup").stdout.strip())
    assert path.parent == instance
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    copy = Database(path)
    assert books.number(copy, "SELECT balance_nanousd FROM account") == 5
    copy.close()
    db.check(path)


def test_a_backup_never_writes_over_anything(run: Run, refused: Refused, base: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    assert run("backup", str(target)).stdout == f"{target}\n"
    before = target.read_bytes()
    assert "exists already" in refused("backup", str(target))
    assert "exists already" in refused("backup", str(tmp_path))
    assert target.read_bytes() == before
    assert "nowhere" in refused("backup", str(tmp_path / "nowhere" / "copy.db"))


def test_a_backup_says_what_is_not_in_it_and_how_to_go_back(run: Run, base: Database, instance: Path) -> None:
    said = run("backup").stderr
    assert "Not in it: images, thermly.toml" in said
    assert f"remove {instance / 'thermly.db'}-wal" in said


def test_a_backup_that_was_restored_is_the_database(run: Run, base: Database, instance: Path) -> None:
    books.payer(base, "acme", 5)
    path = Path(run("backup").stdout.strip())
    books.payer(base, "late", 7)
    base.close()
    for beside in ("thermly.db-wal", "thermly.db-shm"):
        (instance / beside).unlink(missing_ok=True)
    (instance / "thermly.db").write_bytes(path.read_bytes())
    assert "acme" in run("account", "list").stdout and "late" not in run("account", "list").stdout
    run("doctor")


def test_a_copy_that_is_not_sound_is_no_backup(
    run: Run, refused: Refused, base: Database, instance: Path, tmp_path: Path
) -> None:
    """A name that is another one in the table than in its index: nobody stumbles over it who does not look."""
    books.payer(base, "somebody")
    base.close()
    whole = (instance / "thermly.db").read_bytes()
    (instance / "thermly.db").write_bytes(whole.replace(b"somebody", b"somebodz", 1))
    assert "not sound" in refused("backup", str(tmp_path / "copy.db"))
    assert {path.name for path in tmp_path.iterdir()} == {"instance"}


def test_what_a_killed_backup_left_is_named(refused: Refused, base: Database, tmp_path: Path) -> None:
    (tmp_path / "copy.db.part").write_text("half")
    assert "copy.db.part is there" in refused("backup", str(tmp_path / "copy.db"))
    assert not (tmp_path / "copy.db").exists()


WRITER = """
import sys
from pathlib import Path
import books
from thermly.store import money
from thermly.store.db import Database

base = Database(Path(sys.argv[1]))
by = books.Payer(sys.argv[2], sys.argv[3], "", 1)
print("ready", flush=True)
while True:
    opening = books.opening(by)
    with base.begin() as tx:
        assert money.hold(tx, opening, 100)
    with base.begin() as tx:
        assert money.close(tx, opening.id, books.settled(60))
"""


def test_a_backup_made_while_another_process_writes_is_of_one_moment(
    run: Run, base: Database, tmp_path: Path
) -> None:
    by = books.payer(base, "acme", 10**12, cap_nanousd=10**12)
    writer = books.spawn(WRITER, base.path, by.account_id, by.key_id)
    assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    counts = []
    for i in range(3):
        time.sleep(0.03)
        target = tmp_path / f"copy{i}.db"
        run("backup", str(target))
        with sqlite3.connect(f"file:{target}?mode=ro", uri=True) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            counts.append(copy.execute("SELECT COUNT(*) FROM usage").fetchone()[0])
        copy.close()
        kept = Database(target)
        with kept.each() as tx:
            assert money.contradictions(tx) == []
        kept.close()
    assert writer.poll() is None
    assert 0 < counts[0] < counts[1] < counts[2]
    writer.kill()
