"""`thermly backup` and `export`: the database, or parts of it, as files of their own."""

import contextlib
import csv
import datetime
import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from thermly.amounts import usd
from thermly.cli.common import account, database
from thermly.settings import read
from thermly.store import db, export
from thermly.store.db import Row

NOT_IN_IT = """Not in it: images, thermly.toml and the files with secrets in {instance}, keys of providers.
To restore it: stop Thermly, remove {database}-wal and -shm, copy it to {database}, start."""


@contextlib.contextmanager
def private(path: Path) -> Iterator[Path]:
    """Where to write a file that nobody else may read. It gets its name when it is whole; what stood there before
    is left alone, and what breaks off leaves nothing."""
    part = path.with_name(f"{path.name}.part")
    if path.exists():
        raise click.ClickException(f"{path} exists already.")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as error:
        raise click.ClickException(f"{part} is there: another one is at it, or was killed; remove it.") from error
    try:
        yield part
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError as error:
            raise click.ClickException(f"{path} exists already.") from error
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


# ---- backup


@click.command()
@click.argument("target", type=click.Path(path_type=Path), required=False)
def backup(target: Path | None) -> None:
    """A consistent copy of the database, checked, also while the gateway serves; prints its path.

    It is of one moment. Images, settings and keys of providers are not in it. To restore it, stop Thermly, remove
    thermly.db-wal and thermly.db-shm, copy it over thermly.db, and start.
    """
    settings = read()
    database(settings)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
    path = target or settings.instance / f"backup-{stamp}.db"
    with private(path) as part:
        _copy(settings.database, part)
    click.echo(NOT_IN_IT.format(instance=settings.instance, database=settings.database), err=True)
    click.echo(str(path))


def _copy(source: Path, target: Path) -> None:
    with contextlib.closing(db.connect(source)) as ours, contextlib.closing(sqlite3.connect(target)) as copy:
        ours.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        found = [text for (text,) in copy.execute("PRAGMA integrity_check(3)")]
    if found != ["ok"]:
        raise click.ClickException(f"The copy is not sound, and was removed: {'; '.join(found)}.")


# ---- export


class Since(click.ParamType[int]):
    """An ISO date or time (UTC unless it says otherwise), in milliseconds."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            moment = datetime.datetime.fromisoformat(value)
            return int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no date like 2027-01-31.", param, ctx)


@click.command("export")
@click.option(
    "--table", "--view", "name", required=True, metavar="NAME", help="docs/schema.md tells their columns."
)
@click.option("--format", "kind", type=click.Choice(["csv", "json", "jsonl"]), default="csv", show_default=True)
@click.option("--since", type=Since(), metavar="DATE", help="Only what began on that date (UTC) or later.")
@click.option("--account", "account_name", metavar="NAME", help="Only what belongs to this account.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="In place of standard output.")
def export_command(name: str, kind: str, since: int | None, account_name: str | None, output: Path | None) -> None:
    """Rows of a view or table as CSV, JSON or JSON lines; amounts are exact, and secrets are never in it.

    A text in CSV that a spreadsheet would take for a formula begins with an apostrophe.
    """
    from thermly.running import accounting

    settings = read()
    base = database(settings)
    accounting.account(accounting.Here(settings, base))
    with base.each() as tx:
        account_id = account(tx, account_name).id if account_name is not None else None
    base.close()
    with export.opened(settings.database) as connection:
        try:
            names, rows = export.select(connection, export.Choice(name, since, account_id))
        except export.CannotExport as error:
            raise click.ClickException(str(error)) from error
        lines = FORMATS[kind](names, _exact(names, rows))
        if output is None:
            sys.stdout.buffer.writelines(line.encode() for line in lines)
            sys.stdout.buffer.flush()
            return
        with private(output) as part, part.open("wb") as file:
            file.writelines(line.encode() for line in lines)


def _exact(names: list[str], rows: Iterable[Row]) -> Iterator[list[Any]]:
    """Dollars are written from the whole nano-dollars beside them."""
    pairs = [
        (i, names.index(n.removesuffix("_usd") + "_nanousd")) for i, n in enumerate(names) if n.endswith("_usd")
    ]
    for row in rows:
        cells = list(row)
        for shown, exact in pairs:
            cells[shown] = None if row[exact] is None else usd(row[exact])
        yield cells


class _Echo:
    """What csv.writer writes to, and its line comes back."""

    def write(self, line: str) -> str:
        return line


def _csv(names: list[str], rows: Iterable[list[Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    yield writer.writerow(names)
    for row in rows:
        yield writer.writerow([_harmless(cell) for cell in row])


_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def _harmless(cell: Any) -> Any:
    """What people have named things may not become a formula in the spreadsheet of whoever opens it."""
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def _json(names: list[str], rows: Iterable[list[Any]]) -> Iterator[str]:
    before = "["
    for line in _jsonl(names, rows):
        yield f"{before}\n{line.rstrip()}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def _jsonl(names: list[str], rows: Iterable[list[Any]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[list[str], Iterable[list[Any]]], Iterator[str]]] = {
    "csv": _csv,
    "json": _json,
    "jsonl": _jsonl,
}
COMMANDS = (backup, export_command)
