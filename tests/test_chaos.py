"""Processes that are killed at any moment, as a machine out of memory does it; then the books are looked at."""

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import books
import pytest

from thermly.running import accounting, examination
from thermly.settings import Settings, read
from thermly.store import money, usage
from thermly.store.db import Database

WRITER = """
import random, sys, time
from pathlib import Path
import books
from thermly.running import accounting
from thermly.settings import read
from thermly.store import cache, limits, money, owners
from thermly.store.db import Database

instance, *people = sys.argv[1:]
settings = read({"THERMLY_INSTANCE": instance})
base = Database(settings.database)
me = owners.Owner(settings.instance / "run")
accounting.release_dead(settings, base)
print("ready", flush=True)
while True:
    account, key, capped = random.choice(people).split(",")
    opening = books.opening(books.Payer(account, key, "", int(capped)), me.name)
    with base.begin() as tx:
        cache.claim(tx, opening.id, me.name + "/" + opening.id, books.NOW_MS, books.NOW_MS + 10**12)
    with base.begin() as tx:
        held = money.hold(tx, opening, random.randrange(1000))
    if held and random.random() < 0.3:
        with base.begin() as tx:
            money.extend(tx, opening, random.randrange(1000))
    if random.random() < 0.2:
        time.sleep(0.002)
    if held:
        with base.begin() as tx:
            closing = books.settled(random.randrange(500)) if random.random() < 0.8 else books.RELEASED
            assert money.close(tx, opening.id, closing)
"""

ACCOUNTANT = """
import sys, time
from pathlib import Path
from thermly.running import accounting
from thermly.settings import read
from thermly.store.db import Database

settings = read({"THERMLY_INSTANCE": sys.argv[1]})
at = accounting.Here(settings, Database(settings.database))
print("ready", flush=True)
while True:
    accounting.account(at)
    accounting.sweep(at)
"""


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    books.end_spawned()


def settings_of(instance: Path) -> Settings:
    return read({"THERMLY_INSTANCE": str(instance), "REDIS_URL": "redis://unused"})


def ready(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()
    return process


def kill(process: subprocess.Popen[str]) -> None:
    assert process.poll() is None, process.communicate()
    process.kill()
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert "Traceback" not in err, err


def test_processes_killed_at_any_moment_leave_books_that_balance(tmp_path: Path) -> None:
    base, settings = books.fresh(tmp_path), settings_of(tmp_path)
    people = [books.payer(base, "rich", 10**12), books.payer(base, "capped", 10**12, 10**11)]
    people.append(books.payer(base, "poor", 3000))
    names = [f"{p.account_id},{p.key_id},{p.capped}" for p in people]
    commands = [(WRITER, tmp_path, *names)] * 3 + [(ACCOUNTANT, tmp_path)]
    running = [ready(process) for process in [books.spawn(*command) for command in commands]]
    for _ in range(8):
        time.sleep(random.uniform(0.02, 0.15))
        which = random.randrange(len(running))
        kill(running[which])
        running[which] = ready(books.spawn(*commands[which]))
    for process in running:
        kill(process)
    orphaned = books.number(base, "SELECT COUNT(*) FROM hold")
    released = books.number(base, "SELECT COUNT(*) FROM usage WHERE outcome = 'process_died'")
    assert accounting.release_dead(settings, base) == orphaned
    assert books.number(base, "SELECT COUNT(*) FROM usage WHERE outcome = 'process_died'") == released + orphaned
    assert books.number(base, "SELECT COUNT(*) FROM hold") == 0
    assert books.number(base, "SELECT COUNT(*) FROM cache") == 0, "claims of the dead are given up"
    assert books.number(base, "SELECT COUNT(*) FROM usage WHERE cost_nanousd > 0") > 100, (
        "there was something to lose"
    )
    assert [f for f in examination.examine(settings) if not f.ok] == []
    with base.begin() as tx:
        while usage.account_batch(tx):
            pass
    for of_rows, of_days in (("COUNT(*)", "SUM(requests)"), ("SUM(cost_nanousd)", "SUM(cost_nanousd)")):
        rows = books.number(base, f"SELECT {of_rows} FROM usage")
        assert rows == books.number(base, f"SELECT {of_days} FROM usage_day")
    assert accounting.release_dead(settings, base) == 0
    assert list((tmp_path / "run").glob("*.lock")) == []


HOLDER = """
import sys
from pathlib import Path
import books
from thermly.store import cache, money, owners
from thermly.store.db import Database

instance, account, key = sys.argv[1:]
base = Database(Path(instance) / "thermly.db")
me = owners.Owner(Path(instance) / "run")
opening = books.opening(books.Payer(account, key, "", 0), me.name)
with base.begin() as tx:
    money.hold(tx, opening, 600)
    cache.claim(tx, "question", me.name + "/" + opening.id, books.NOW_MS, books.NOW_MS + 10**12)
print("ready", flush=True)
sys.stdin.read()
"""


def test_what_a_process_held_is_free_as_soon_as_it_is_dead_and_not_before(tmp_path: Path) -> None:
    base, settings = books.fresh(tmp_path), settings_of(tmp_path)
    by = books.payer(base, credit_nanousd=1000)
    holder = ready(books.spawn(HOLDER, tmp_path, by.account_id, by.key_id))
    assert accounting.release_dead(settings, base) == 0
    assert books.account_of(base, by).held_nanousd == 600
    assert [f.check for f in examination.examine(settings) if not f.ok] == []
    kill(holder)
    assert [f.check for f in examination.examine(settings) if not f.ok] == ["no orphaned holds"]
    assert accounting.release_dead(settings, base) == 1
    found = books.account_of(base, by)
    assert (found.balance_nanousd, found.held_nanousd) == (1000, 0)
    assert books.number(base, "SELECT COUNT(*) FROM cache") == 0
    assert [f.check for f in examination.examine(settings) if not f.ok] == []
    base.close()


def test_two_processes_that_find_the_same_dead_one_release_its_holds_once(tmp_path: Path) -> None:
    base = books.fresh(tmp_path)
    by = books.payer(base, credit_nanousd=100_000)
    dead = "999999-dead"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / f"{dead}.lock").touch()
    with base.begin() as tx:
        for _ in range(200):
            assert money.hold(tx, books.opening(by, dead), 100)
    code = """
import sys
from thermly.running import accounting
from thermly.settings import read
from thermly.store.db import Database
settings = read({"THERMLY_INSTANCE": sys.argv[1]})
base = Database(settings.database)
sys.stdin.readline()
print(accounting.release_dead(settings, base))
"""
    finders = [books.spawn(code, tmp_path) for _ in range(3)]
    for finder in finders:
        books.start(finder)
    for finder in finders:
        books.said(finder)
    found = books.account_of(base, by)
    assert (found.balance_nanousd, found.held_nanousd) == (100_000, 0)
    assert books.number(base, "SELECT COUNT(*) FROM usage") == 200
    base.close()


def test_looking_at_the_books_waits_for_no_writer_and_keeps_none_waiting(tmp_path: Path) -> None:
    """A long transaction elsewhere delays writers only."""
    base, other = books.fresh(tmp_path), Database(tmp_path / "thermly.db")
    by = books.payer(base, credit_nanousd=7)
    with base.begin() as tx:
        tx.run("UPDATE account SET balance_nanousd = 8")
        assert books.account_of(other, by).balance_nanousd == 7
        assert all(f.ok for f in examination.examine(settings_of(tmp_path)))
        tx.run("UPDATE account SET balance_nanousd = 7")
    base.close()
    other.close()
