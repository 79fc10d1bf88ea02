"""One SQLite connection per process, shared by its threads under a lock; transactions; the schema's version.

Knows: connections and migrations. Must not know: any table but the migrations' own.
A process has one connection, since Python runs one thread at a time anyway: thousands of threads then need no
thousands of file handles and page caches, and never wait for SQLite's own busy polling among themselves.
"""

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

MIGRATIONS = Path(__file__).parent / "migrations"
Row = tuple[Any, ...]
ATTEMPTS = 5


class SchemaBehind(RuntimeError):
    """The database file lacks migrations; `thermly migrate` brings it up."""


class Tx:
    """What a store function runs its statements on."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    def one(self, sql: str, values: Mapping[str, Any] | None = None) -> Row | None:
        row: Row | None = self._execute(sql, values or {}).fetchone()
        return row

    def all(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        return self._execute(sql, values or {}).fetchall()

    def run(self, sql: str, values: Mapping[str, Any] | None = None) -> int:
        """How many rows the statement changed."""
        return self._execute(sql, values or {}).rowcount


class _Scope:
    """`with` the connection to oneself; a spanning scope is one transaction."""

    def __init__(self, database: "Database", spans: bool) -> None:
        self._database, self._spans = database, spans

    def __enter__(self) -> Tx:
        database = self._database
        database.lock.acquire()
        try:
            tx = database.tx()
            if self._spans:
                database.connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            database.lock.release()
            raise
        return tx

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection = self._database.connection
        try:
            if self._spans:
                if kind is None:
                    connection.execute("COMMIT")
                else:
                    connection.execute("ROLLBACK")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if kind is None:
                raise
        finally:
            self._database.lock.release()


class Database:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.connection: sqlite3.Connection
        self._tx: Tx | None = None
        _open.add(self)

    def begin(self) -> _Scope:
        """One transaction: committed at the end of the `with`, rolled back when it raises."""
        return _Scope(self, spans=True)

    def each(self) -> _Scope:
        """Statements, each a transaction of its own: for reading, and for writes that are one statement."""
        return _Scope(self, spans=False)

    def tx(self) -> Tx:
        if self._tx is None:
            self.connection = connect(self.path)
            self._tx = Tx(self.connection)
        return self._tx

    def close(self) -> None:
        """Whoever uses it next opens it again."""
        if self._tx is not None:
            self._tx = None
            self.connection.close()


_open: weakref.WeakSet[Database] = weakref.WeakSet()
_paused: list[Database] = []
FORK_WAIT_S = 10


def _before_fork() -> None:
    """No connection crosses a fork: SQLite's own locks do not, and the first process to end would take away
    the log that the other still writes to (sqlite.org/howtocorrupt.html, 2.6)."""
    for database in list(_open):
        if database.lock.acquire(timeout=FORK_WAIT_S):
            _paused.append(database)
            database.close()


def _after_fork() -> None:
    while _paused:
        _paused.pop().lock.release()


def _in_child() -> None:
    _after_fork()
    for database in list(_open):  # one that was busy for too long: its connection stays the parent's
        if database._tx is not None:
            database._tx, database.lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)


def connect(path: Path) -> sqlite3.Connection:
    """WAL lets readers go on beside the one writer. NORMAL survives a killed process, and after a power cut
    the file is consistent but may lack the last moments; FULL would cost an fsync per request."""
    connection = sqlite3.connect(
        path, timeout=5, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # no prompt of a finished job lies about in free pages
    connection.execute("PRAGMA wal_autocheckpoint = 8000")
    return connection


def statements(text: str) -> list[str]:
    """A script's statements, so that it can run inside a transaction (`executescript` commits)."""
    found, start = [], 0
    for i, char in enumerate(text):
        if char == ";" and sqlite3.complete_statement(text[start : i + 1]):
            found.append(text[start : i + 1])
            start = i + 1
    return found


def names() -> list[str]:
    return sorted(p.stem for p in MIGRATIONS.glob("*.sql"))


def pending(path: Path) -> list[str]:
    """Names of the migrations that the file lacks, in order."""
    if not path.exists():
        return names()
    connection = connect(path)
    try:
        rows = connection.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = 'thermly'")
        done = {name for (name,) in rows}
    except sqlite3.OperationalError:
        done = set()
    finally:
        connection.close()
    return [name for name in names() if name not in done]


def migrate(path: Path) -> list[str]:
    """Apply what is pending, each migration in a transaction of its own; returns their names."""
    from sqlite_utils import Database as Utils  # heavy to import, and only needed here
    from sqlite_utils import Migrations

    path.parent.mkdir(parents=True, exist_ok=True)
    todo = pending(path)
    if not todo:
        return []
    plan = Migrations("thermly")
    for name in names():

        def apply(db: Any, name: str = name) -> None:
            for statement in statements((MIGRATIONS / f"{name}.sql").read_text(encoding="utf-8")):
                db.execute(statement)

        plan(name=name)(apply)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    os.chmod(path, 0o600)
    for attempt in range(ATTEMPTS):
        try:
            connection = connect(path)
            try:
                plan.apply(Utils(connection))
            finally:
                connection.close()
            break
        except sqlite3.Error:  # another process may be at it just now: then nothing is left to do soon
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.1)
            if not pending(path):
                break
    return todo


def lacking(tx: Tx) -> list[str]:
    """Tables, views, triggers and indexes that the migrations made and the file no longer has; a tool that
    rebuilds a table may drop its triggers, and they carry the money."""
    wanted = sqlite3.connect(":memory:")
    try:
        for name in names():
            for statement in statements((MIGRATIONS / f"{name}.sql").read_text(encoding="utf-8")):
                wanted.execute(statement)
        sql = "SELECT type || ' ' || name FROM sqlite_master WHERE substr(name, 1, 7) <> 'sqlite_'"
        made = {what for (what,) in wanted.execute(sql)}
    finally:
        wanted.close()
    return sorted(made - {what for (what,) in tx.all(sql)})


def check(path: Path) -> None:
    """Raises SchemaBehind."""
    if lacking := pending(path):
        raise SchemaBehind(
            f"{path} lacks {len(lacking)} migration(s) ({', '.join(lacking)}): run `thermly migrate`"
        )
