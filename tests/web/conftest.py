"""The web application without a server: Flask's test client, with a sandbox in a thread behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from thermly import create_app, ids
from thermly.sandbox.server import Sandbox, start
from thermly.settings import read
from thermly.store import accounts, db, keys
from thermly.store.db import Database

Make = Callable[..., Flask]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    sandbox = start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def make_app(tmp_path: Path, sandbox: Sandbox) -> Iterator[Make]:
    """Builds the application with these settings."""
    made: list[Flask] = []

    def make(**settings: Any) -> Flask:
        environ = {"THERMLY_INSTANCE": str(tmp_path), "THERMLY_SANDBOX_URL": sandbox.url}
        environ |= {f"THERMLY_{name.upper()}": str(value) for name, value in settings.items()}
        db.migrate(tmp_path / "thermly.db")
        made.append(create_app(read(environ)))
        return made[-1]

    yield make
    for app in made:
        app.extensions["thermly"].close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    db.migrate(tmp_path / "thermly.db")
    database = Database(tmp_path / "thermly.db")
    yield database
    database.close()


@pytest.fixture
def make_key(database: Database) -> Callable[..., str]:
    def make(usd: int = 1, plan: str = "standard", disabled: bool = False, **facts: Any) -> str:
        key, now_ms = ids.new_key(), time.time_ns() // 1_000_000
        with database.begin() as tx:
            account = accounts.create(tx, ids.new(), plan, now_ms, disabled)
            assert account is not None
            accounts.credit(tx, account.id, usd * 10**9, "grant", "", now_ms)
            keys.create(tx, account.id, key, now_ms, **facts)
        return key

    return make
