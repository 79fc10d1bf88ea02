"""What the pages stand on: the gateway whose books they show, and the API that the playground asks.

Knows: how it is put together. Must not know: any page.
"""

import contextlib
import functools
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flask import current_app

from thermly.access.people import People
from thermly.gateway import Gateway
from thermly.money.payments import Payments
from thermly.store.db import Database


class At:
    """`api` is the WSGI application of the API, for the playground's own requests. `seen_proxy`: whether somebody
    has come through a proxy, though none is believed."""

    def __init__(self, gateway: Gateway, api: Callable[[dict[str, Any], Any], Iterable[bytes]]) -> None:
        self.gateway, self.api = gateway, api
        self.seen_proxy = False
        self.people = People(gateway.database)
        self.payments = Payments(gateway.database, gateway.settings)

    @property
    def database(self) -> Database:
        return self.gateway.database

    @functools.cached_property
    def secret(self) -> bytes:
        """Signs cookies and form tokens; made once, shared by all processes, never in the database."""
        return of_file(self.gateway.settings.instance / "console.secret")


def of_file(path: Path) -> bytes:
    """The secret in the file, made by whoever comes first; it is there whole or not at all."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="ascii").encode()


def here() -> At:
    """That of the running application."""
    at: At = current_app.extensions["thermly"]
    return at
