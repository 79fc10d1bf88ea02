"""What the tests of money share: fresh books, people with credit, and processes that write into the same file."""

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from msgspec import Struct

from thermly import ids
from thermly.exchange import Usage
from thermly.store import accounts, db, keys
from thermly.store.db import Database
from thermly.store.money import Closing, Opening

NOW_MS = 1_790_000_000_000
ROOT = Path(__file__).parent.parent


class Payer(Struct, frozen=True):
    account_id: str
    key_id: str
    key: str
    capped: int


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thermly.db"
        db.migrate(path)
        return path.read_bytes()


def fresh(instance: Path) -> Database:
    """The database of this instance, migrated and empty."""
    instance.mkdir(parents=True, exist_ok=True)
    path = instance / "thermly.db"
    path.write_bytes(_migrated())
    path.chmod(0o600)
    return Database(path)


def payer(
    base: Database,
    name: str = "someone",
    credit_nanousd: int = 0,
    cap_nanousd: int | None = None,
    plan: str = "pro",
) -> Payer:
    """An account with credit, and a key to it."""
    key = ids.new_key()
    with base.begin() as tx:
        made = accounts.create(tx, name, plan, NOW_MS)
        assert made is not None
        if credit_nanousd:
            accounts.credit(tx, made.id, credit_nanousd, "grant", "", NOW_MS)
        key_id = keys.create(tx, made.id, key, NOW_MS, cap_nanousd=cap_nanousd)
    return Payer(made.id, key_id, key, int(cap_nanousd is not None))


def opening(by: Payer, owner: str = "1-test", started_at_ms: int = NOW_MS) -> Opening:
    return Opening(
        id=ids.new(),
        account_id=by.account_id,
        key_id=by.key_id,
        owner=owner,
        capped=by.capped,
        surface="v1",
        requested_model="auto",
        started_at_ms=started_at_ms,
    )


def settled(cost_nanousd: int, model: str = "gpt-4o", usage: Usage | None = None, outcome: str = "ok") -> Closing:
    return Closing(
        state="settled",
        outcome=outcome,
        cost_nanousd=cost_nanousd,
        baseline_nanousd=3 * cost_nanousd,
        model=model,
        provider="openai",
        usage=usage or Usage(input_tokens=10, output_tokens=5),
        duration_ms=7,
    )


RELEASED = Closing(state="released", outcome="upstream_failed")


def account_of(base: Database, by: Payer) -> accounts.Account:
    with base.each() as tx:
        found = accounts.find(tx, by.account_id)
    assert found is not None
    return found


def number(base: Database, sql: str, **values: object) -> int:
    with base.each() as tx:
        row = tx.one(sql, values)
    assert row is not None
    return int(row[0])


_spawned: list[subprocess.Popen[str]] = []


def spawn(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process, running this text with these arguments; `end_spawned` ends it."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _spawned.append(process)
    return process


def end_spawned() -> None:
    """Whatever a test that failed has left running."""
    while _spawned:
        process = _spawned.pop()
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass


def start(process: subprocess.Popen[str]) -> None:
    """Let a process go on that waits for a line."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def said(process: subprocess.Popen[str], timeout_s: float = 20) -> str:
    """What the process printed; it must have ended well."""
    out, err = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, err
    return out
