"""What the database consists of, as the migrations tell it: tables, columns, indexes, triggers, views, comments.

Knows: how migrations are written, a comment standing above what it is about; one that begins with `table.column: `
tells anew what an earlier migration said of that column. Must not know: any table.
SQLite forgets comments that stand outside its statements, so they are read from the migrations themselves.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator

from msgspec import Struct

from thermly.store import db

_CREATE = re.compile(r"CREATE (?:UNIQUE )?(TABLE|VIEW|TRIGGER|INDEX) (\w+)(?: AS\b)?[ (\n]*")
_ADD = re.compile(r"ALTER TABLE (\w+) ADD COLUMN (\w+)")
_EVENT = re.compile(r"\b((?:BEFORE|AFTER) .+?) BEGIN\b", re.S)
_NAME = re.compile(r"(?:^|[ .])(\w+),?$")
_FIRST_WORD = re.compile(r"(\w+)")
_ANEW = re.compile(r"(\w+\.\w+): (.+)")


class Column(Struct, frozen=True):
    name: str
    type: str
    required: bool
    comment: str


class Trigger(Struct, frozen=True):
    name: str
    event: str
    comment: str


class Relation(Struct, frozen=True):
    """A table or a view."""

    name: str
    kind: str
    comment: str
    columns: tuple[Column, ...]
    indexes: tuple[str, ...]
    triggers: tuple[Trigger, ...]


def relations() -> list[Relation]:
    """Tables in the order in which the migrations made them, then views."""
    connection = sqlite3.connect(":memory:")
    try:
        comments = Comments()
        for statement in _statements():
            connection.execute(statement)
            comments.read(statement)
        rows = connection.execute(
            """SELECT name, type FROM sqlite_schema
               WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_' ORDER BY type, rowid"""
        ).fetchall()
        return [_relation(connection, comments, name, kind) for name, kind in rows]
    finally:
        connection.close()


def _statements() -> Iterator[str]:
    for name in db.names():
        yield from db.statements((db.MIGRATIONS / f"{name}.sql").read_text(encoding="utf-8"))


def _relation(connection: sqlite3.Connection, comments: "Comments", name: str, kind: str) -> Relation:
    found = {"name": name}
    columns = connection.execute(
        'SELECT name, type, "notnull" OR pk > 0 FROM pragma_table_info(:name)', found
    ).fetchall()
    indexes = connection.execute(
        """SELECT i.name, (SELECT group_concat(c.name, ', ') FROM pragma_index_info(i.name) AS c), i."unique"
           FROM pragma_index_list(:name) AS i WHERE i.origin <> 'pk' ORDER BY i.seq DESC""",
        found,
    ).fetchall()
    triggers = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = :name ORDER BY rowid", found
    ).fetchall()
    return Relation(
        name,
        kind,
        comments.of.get(name, ""),
        tuple(Column(n, type, bool(must), comments.of.get(f"{name}.{n}", "")) for n, type, must in columns),
        tuple(f"{'unique: ' if unique else ''}{on}" for _, on, unique in indexes),
        tuple(Trigger(n, _event(sql), comments.of.get(n, "")) for n, sql in triggers),
    )


def _event(sql: str) -> str:
    match = _EVENT.search(sql)
    return " ".join(match[1].split()) if match else ""


class Comments:
    """What stands above tables, columns and triggers, by `table`, `table.column` and `trigger`."""

    def __init__(self) -> None:
        self.of: dict[str, str] = {}
        self._group = ""

    def read(self, statement: str) -> None:
        """The next statement, with the lines before it. One comment may stand above a group of triggers."""
        above, text = _split(statement)
        created, added = _CREATE.match(text), _ADD.match(text)
        kind = created[1] if created else ""
        self._group = above or (self._group if kind == "TRIGGER" else "")
        self.of |= {match[1]: match[2] for block in _blocks(statement) if (match := _ANEW.match(block))}
        if added:
            self.of[f"{added[1]}.{added[2]}"] = above
        elif created and kind == "TABLE":
            self.of[created[2]] = above
            self._columns(created[2], text[created.end() :].splitlines(), _FIRST_WORD)
        elif created and kind == "VIEW":
            inside, rest = _split(text[created.end() :])
            self.of[created[2]] = inside
            self._columns(created[2], rest.splitlines(), _NAME)
        elif created and kind == "TRIGGER":
            self.of[created[2]] = self._group

    def _columns(self, of: str, lines: Iterable[str], name: re.Pattern[str]) -> None:
        above: list[str] = []
        for line in map(str.strip, lines):
            if line.startswith("--"):
                above.append(line)
            elif above and (match := name.search(line)):
                self.of[f"{of}.{match[1]}"] = _joined(above)
                above = []


def _split(text: str) -> tuple[str, str]:
    """The comment that stands directly above, and what it is above of."""
    above: list[str] = []
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if line.startswith("--"):
            above.append(line)
        elif line.strip():
            return _joined(above), "\n".join(lines[i:])
        else:
            above = []
    return "", ""


def _blocks(text: str) -> Iterator[str]:
    """The comments before the statement, each until the next empty line."""
    above: list[str] = []
    for line in text.splitlines():
        if line.startswith("--"):
            above.append(line)
            continue
        if above:
            yield _joined(above)
        above = []
        if line.strip():
            return


def _joined(lines: Iterable[str]) -> str:
    return " ".join(line.removeprefix("--").strip() for line in lines)
