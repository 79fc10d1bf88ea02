"""`thermly datasette`: the database in a browser, read-only.

Knows: how Datasette is started. What it is told is in thermly/store/datasette.py.
The file is its owner's alone, so what shows it on a port asks for the sign-in link that is printed at the start.
"""

import contextlib
import importlib
import importlib.util
import json
import sqlite3
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from thermly.amounts import NANO_PER_USD, usd
from thermly.cli.common import database
from thermly.settings import read
from thermly.store import datasette, shown

SETTINGS = {"allow_download": "off", "suggest_facets": "off", "sql_time_limit_ms": "10000"}


@click.command("datasette")
@click.option("--port", type=click.IntRange(1, 65_535), default=8001, show_default=True, help="On loopback.")
@click.option("--metadata", "only_metadata", is_flag=True, help="Only print what Datasette is told, as JSON.")
def datasette_command(port: int, only_metadata: bool) -> None:
    """Show the database in Datasette, read-only and without secrets; prints a link to sign in with.

    What --metadata prints is for a Datasette of your own, which then answers the ready-made questions only:
    datasette instance/thermly.db -m metadata.json --root
    """
    settings = read()
    database(settings)
    text = json.dumps(
        datasette.metadata(_tables(settings.database), guarded=not only_metadata), indent=2, ensure_ascii=False
    )
    if only_metadata:
        click.echo(text)
        return
    cli, hookimpl, plugins = _datasette()
    for hook in (prepare_connection, render_cell):
        hookimpl(hook)
    plugins.register(sys.modules[__name__], name="thermly")
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "metadata.json"
        told.write_text(text, encoding="utf-8")
        words = ["serve", str(settings.database), "--metadata", str(told), "--root", "--port", str(port)]
        for name, value in SETTINGS.items():
            words += ["--setting", name, value]
        cli.main(words, prog_name="datasette", standalone_mode=False)


def _tables(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]


def _datasette() -> tuple[Any, Any, Any]:
    if importlib.util.find_spec("datasette") is None or not version("datasette").startswith("0."):
        raise click.ClickException(
            f"Datasette 0.65 is not installed here: run {sys.executable} -m pip install 'datasette>=0.65,<1'"
        )
    load = importlib.import_module
    return load("datasette.cli").cli, load("datasette").hookimpl, load("datasette.plugins").pm


def prepare_connection(conn: sqlite3.Connection, database: str) -> None:
    if database == datasette.NAME:
        shown.guard(conn)


def render_cell(value: object, column: str) -> str | None:
    """Small amounts as people write them, and not as 4.5e-05."""
    if column.endswith("_usd") and isinstance(value, float):
        return usd(round(value * NANO_PER_USD))
    return None


COMMANDS = (datasette_command,)
