"""The command line. Knows: words, options and how results are shown. The work is done elsewhere.

Commands import what they need when they run, so that `thermly up` stays a small process.
"""

import sqlite3
import sys

import click

from thermly.settings import SettingsError


class Commands(click.Group):
    """Mistakes in settings and catalogue, and files that cannot be used, are sentences and not tracebacks."""

    def invoke(self, ctx: click.Context) -> object:
        from thermly.catalog import CatalogError

        try:
            return super().invoke(ctx)
        except (SettingsError, CatalogError) as error:
            raise click.ClickException(str(error)) from error
        except sqlite3.Error as error:
            raise click.ClickException(f"The database cannot be used: {error}.") from error
        except OSError as error:
            if error.filename is None:
                raise
            raise click.ClickException(f"{error.filename}: {error.strerror}.") from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="thermly")
def main() -> None:
    """A self-hosted LLM gateway. `thermly up` starts everything."""


def _register() -> None:
    from thermly.cli import accounts, browsing, files, inspecting, people, routing, running

    for module in (running, files, browsing, accounts, inspecting, routing, people):
        for command in module.COMMANDS:
            main.add_command(command)


_register()
if sys.platform == "win32":  # gunicorn and unix sockets are not there
    main.commands.pop("up", None)
