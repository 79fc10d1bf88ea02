"""Rows of what is shown, one after the other, however many there are.

Knows: names of columns. Must not know: formats, and any table that is closed.
"""

import contextlib
import datetime
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from thermly.store import shown
from thermly.store.db import Row

TIMES = ("started_at_ms", "created_at_ms", "changed_at_ms", "at_ms")


class CannotExport(ValueError):
    """What was asked for is not shown, or cannot be chosen from in that way; the message says so."""


class Choice(Struct, frozen=True):
    """All rows of a table or view, or those that began at that time or later, of that account."""

    name: str
    since_ms: int | None = None
    account_id: str | None = None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read, and only what is shown."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        shown.guard(connection)
        yield connection
    finally:
        connection.close()


def select(connection: sqlite3.Connection, choice: Choice) -> tuple[list[str], Iterator[Row]]:
    """Names of the columns, and the rows as the file gives them. Raises CannotExport."""
    if choice.name not in shown.SHOWN:
        raise CannotExport(f"{choice.name!r} cannot be exported. What can: {', '.join(shown.SHOWN)}.")
    names = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (choice.name,))]
    conditions: list[str] = []
    values: dict[str, Any] = {"account": choice.account_id}
    if choice.account_id is not None:
        if "account_id" not in names:
            raise CannotExport(f"{choice.name} does not tell accounts apart.")
        conditions.append("account_id = :account")
    if choice.since_ms is not None:
        column, values["since"] = _since(choice.name, names, choice.since_ms)
        conditions.append(f"{column} >= :since")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return names, connection.execute(f"SELECT * FROM {choice.name}{where}", values)  # noqa: S608


def _since(name: str, columns: list[str], since_ms: int) -> tuple[str, int | str]:
    if "day" in columns:
        moment = datetime.datetime.fromtimestamp(since_ms / 1000, datetime.UTC)
        return "day", moment.date().isoformat()
    for column in TIMES:
        if column in columns:
            return column, since_ms
    raise CannotExport(f"{name} has no time to choose by.")
