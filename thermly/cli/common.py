"""What commands share: the database, amounts and times as people write them, JSON or columns out."""

import datetime
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from thermly import clock
from thermly import settings as settings_module
from thermly.access.naming import BadName
from thermly.amounts import parse_usd
from thermly.settings import Settings
from thermly.store import accounts, db
from thermly.store.accounts import Account
from thermly.store.db import Database, Tx

LAST_MS = 253_402_300_799_999  # the end of the year 9999
_SPAN = re.compile(r"^(\d+)([mhdw])$")
_SPAN_S = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def database(settings: Settings | None = None) -> Database:
    """The database, made when there is none yet. Complains when it is behind."""
    settings = settings or settings_module.read()
    if not settings.database.exists():
        db.migrate(settings.database)
    try:
        db.check(settings.database)
    except db.SchemaBehind as error:
        raise click.ClickException(str(error)) from error
    return Database(settings.database)


def account(tx: Tx, name: str) -> Account:
    found = accounts.find(tx, name)
    if found is None:
        raise click.ClickException(f"There is no account named {name!r}. `thermly account list` shows them.")
    return found


def checked(check: Callable[[str], None], name: str) -> None:
    try:
        check(name)
    except BadName as error:
        raise click.ClickException(str(error)) from error


class Usd(click.ParamType[int]):
    """Dollars to whole nano-dollars; more than nine decimals cannot be kept and are refused."""

    name = "usd"

    def __init__(self, negative: bool = False) -> None:
        self.negative = negative

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_usd(str(value), self.negative)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Moment(click.ParamType[int]):
    """30m, 12h, 7d, 4w from now, or an ISO date or time (UTC unless it says otherwise); milliseconds."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            at_ms = self._at_ms(value)
        except ValueError:
            self.fail(f"{value!r} is neither a span like 30d nor a date like 2027-01-31.", param, ctx)
        if not 0 < at_ms <= LAST_MS:
            self.fail(f"{value!r} is out of reach.", param, ctx)
        return at_ms

    def _at_ms(self, value: str) -> int:
        if span := _SPAN.match(value):
            return clock.now_ms() + int(span[1]) * _SPAN_S[span[2]] * 1000
        moment = datetime.datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return int(moment.timestamp() * 1000)


class Rate(click.ParamType[int]):
    """Requests per minute, or `unlimited` (kept as 0)."""

    name = "n|unlimited"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "unlimited":
            return 0
        try:
            rate = int(value)
        except ValueError:
            rate = -1
        if not 0 < rate <= 10_000_000:
            self.fail(f"{value!r} is neither a number above 0 nor 'unlimited'.", param, ctx)
        return rate


def out(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    """A list of rows: JSON, or columns aligned under their names."""
    if as_json:
        click.echo(json.dumps(rows, indent=1, default=str))
    elif rows:
        click.echo(columns([list(rows[0]), *([str(v) for v in row.values()] for row in rows)]))


def columns(table: Sequence[Iterable[str]]) -> str:
    rows = [list(row) for row in table]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)).rstrip() for row in rows)
