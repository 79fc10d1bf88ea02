"""Who is at a piece of work, who has left it, and an end that a stuck database does not prevent."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import books
import pytest

from thermly.store import db, owners, underway
from thermly.store.db import Database, Tx
from thermly.store.owners import Owner
from thermly.store.underway import Underway


@pytest.fixture
def me(tmp_path: Path) -> Iterator[Owner]:
    me = Owner(tmp_path / "run")
    yield me
    me.close()


@pytest.fixture
def at(base: Database, tmp_path: Path, me: Owner) -> Underway:
    return Underway(base, tmp_path / "run", me.name)


def taken(_tx: Tx) -> str | None:
    return "work"


def nothing(_tx: Tx) -> str | None:
    return None


def test_what_was_claimed_is_left_once_it_is_put_down(at: Underway, me: Owner) -> None:
    assert at.claim("a", taken) == "work" and at.claim("b", nothing) is None
    assert not at.is_left("a", me.name) and at.is_left("b", me.name)
    at.leave("a")
    at.leave("a")
    assert at.is_left("a", me.name)


def test_what_another_process_is_at_is_left_when_that_has_died(at: Underway, tmp_path: Path) -> None:
    other = Owner(tmp_path / "run")
    assert not at.is_left("a", other.name), "though this process has never heard of it"
    other.close()
    assert at.is_left("a", other.name) and owners.dead(tmp_path / "run", other.name)


def test_a_claim_is_never_seen_unmarked(at: Underway, me: Owner) -> None:
    claimed, look = threading.Event(), threading.Event()
    seen: list[bool] = []

    def slow(_tx: Tx) -> str:
        claimed.set()
        look.wait(0.2)
        return "work"

    def watch() -> None:
        claimed.wait()
        seen.append(at.is_left("a", me.name))

    watcher = threading.Thread(target=watch)
    watcher.start()
    at.claim("a", slow)
    watcher.join()
    assert seen == [False]


def number(base: Database) -> int:
    return books.number(base, "SELECT COUNT(*) FROM account")


def write(tx: Tx) -> str:
    tx.run("INSERT INTO account (id, name, plan, created_at_ms) VALUES ('acc_1', 'me', 'pro', 1)")
    return "written"


def test_an_end_is_written_when_the_database_is_free_again(
    at: Underway, base: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(underway, "PAUSES_S", (0.05,) * 100)
    assert number(base) == 0
    base.connection.execute("PRAGMA busy_timeout = 1")
    with closing(db.connect(base.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        free = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
        free.start()
        assert at.insist("work", write) == "written"
        free.join()
    assert number(base) == 1 and "work could not be written" in caplog.text


def test_an_end_that_cannot_be_written_is_told_and_leaves_nothing_half_done(
    at: Underway, base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(underway, "PAUSES_S", (0.01, 0.01))
    tried = []

    def half(tx: Tx) -> None:
        tried.append(write(tx))
        tx.run("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        at.insist("work", half)
    assert len(tried) == 3 and number(base) == 0


def test_what_is_wrong_with_the_work_itself_is_not_tried_again(at: Underway) -> None:
    tried = []

    def broken(_tx: Tx) -> None:
        tried.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        at.insist("work", broken)
    assert tried == [1]
