"""Settings and health: what this server was told, and how it is. For admins; nothing is changed here.

Knows: how it is put together for the eye. Must not know: what a setting is for, how anything is counted.
"""

import datetime
import os
import platform
import shutil
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, render_template
from flask.typing import ResponseReturnValue
from msgspec import Struct

from thermly import clock, jobs
from thermly.console import guard
from thermly.console.at import At, here
from thermly.jobs import Queues
from thermly.models import health
from thermly.running import examination
from thermly.running.examination import Finding
from thermly.settings import SECRETS, SETTINGS, Setting, Settings, SettingsError, secret, sources
from thermly.store import db, limits, vitals
from thermly.store.vitals import Vitals

PACKAGES = ("thermly", "flask", "gunicorn", "waitress", "rq", "redis", "msgspec", "pycurl", "authlib")
OLD_HOLD_MS = 3_600_000
MANY_UNACCOUNTED = 10_000
LITTLE_DISK = 1 << 30
MIB = 1 << 20
PROXY = (
    "A request came with X-Forwarded-For. If a proxy is in front, set THERMLY_TRUSTED_PROXIES to how many there "
    "are: else everybody shares one count of sign-in attempts, and links begin with http. If none is in front, a "
    "visitor has made that up, and there is nothing to do."
)


class Row(Struct, frozen=True):
    """A setting as the page tells of it; `value` is what is in use, or only that there is one."""

    setting: Setting
    value: str
    source: str


class Provider(Struct, frozen=True):
    name: str
    kind: str
    host: str
    available: bool


class Disk(Struct, frozen=True):
    database_mib: float
    wal_mib: float
    free_mib: float
    schema: str
    lacking: list[str]


class Sign(Struct, frozen=True):
    """Something that should be looked at. `kind` is that of its badge."""

    kind: str
    text: str


def register(app: Flask) -> None:
    guard.page(app, "/settings", settings, "admin")
    guard.page(app, "/settings/check", check, "admin", ("POST",))


def settings() -> ResponseReturnValue:
    return _page(None)


def check() -> ResponseReturnValue:
    """What `thermly doctor` looks at, when somebody asks for it: on a large file it takes a while."""
    return _page(examination.examine(here().gateway.settings))


def _page(findings: list[Finding] | None) -> ResponseReturnValue:
    at = here()
    used = at.gateway.settings
    with at.database.each() as tx:
        found, cooling = vitals.read(tx), limits.cooling(tx, clock.now_ms())
    queues = jobs.look(used.redis_url) if used.redis_url else None
    disk = _disk(used)
    return render_template(
        "settings.html",
        findings=findings,
        signs=_wrong(findings or []) + _signs(used, found, queues, disk) + _unable(at, cooling) + _doubts(at),
        vitals=found,
        cooling=cooling,
        queues=queues,
        disk=disk,
        has_redis=bool(used.redis_url),
        providers=[
            Provider(p.name, p.kind, urlsplit(p.base_url).hostname or "", p.available)
            for p in sorted(at.gateway.catalog.providers.values(), key=lambda p: p.name)
        ],
        rows=_rows(used),
        secrets={name: (about, _is_set(name)) for name, about in SECRETS.items()},
        versions=_versions(found),
        file=used.instance / "thermly.toml",
    )


def _rows(used: Settings) -> list[Row]:
    try:
        found = sources()
    except SettingsError:
        found = {}  # the file was broken since the start; what is in use is known all the same
    rows = []
    for setting in SETTINGS:
        value = str(getattr(used, setting.name))
        told = ("set" if value else "not set") if setting.secret else value
        rows.append(Row(setting, told, found.get(setting.name, "default")))
    return rows


def _is_set(name: str) -> bool:
    try:
        return secret(os.environ, name) is not None
    except SettingsError:
        return False


def _disk(used: Settings) -> Disk:
    path = used.database
    return Disk(
        database_mib=_size(path) / MIB,
        wal_mib=_size(path.with_name(path.name + "-wal")) / MIB,
        free_mib=shutil.disk_usage(used.instance).free / MIB,
        schema=db.names()[-1],
        lacking=db.pending(path),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _wrong(findings: list[Finding]) -> list[Sign]:
    wrong = ", ".join(f.check for f in findings if not f.ok)
    return [Sign("bad", f"The checks found something wrong: {wrong}. What it is stands below.")] if wrong else []


def _signs(used: Settings, found: Vitals, queues: Queues | None, disk: Disk) -> list[Sign]:
    """Whatever is not as it should be, the worst first."""
    signs = []
    if disk.lacking:
        signs.append(Sign("bad", f"The database lacks {', '.join(disk.lacking)}: run thermly migrate."))
    if used.redis_url and queues is None:
        text = "Redis does not answer. Requests are served on; images are made one by one, daily totals wait."
        signs.append(Sign("bad", text))
    if queues is not None and not all(queues.workers.values()):
        signs.append(Sign("bad", "No worker listens on a queue: start thermly worker."))
    if disk.free_mib * MIB < LITTLE_DISK:
        signs.append(Sign("bad", "Less than 1 GiB of disk is left where the database is."))
    if found.unaccounted > MANY_UNACCOUNTED:
        signs.append(Sign("warn", f"{found.unaccounted:,} requests wait to get into the daily totals."))
    oldest_ms = found.oldest_hold_at_ms
    if oldest_ms is not None and clock.now_ms() - oldest_ms > OLD_HOLD_MS:
        signs.append(Sign("warn", "Funds have been held for one request for more than an hour: run all checks."))
    return signs


def _unable(at: At, cooling: dict[str, str]) -> list[Sign]:
    text = health.unable(at.gateway.catalog, cooling.keys(), datetime.date.today())
    return [Sign("warn", text + " What they met stands under Providers.")] if text else []


def _doubts(at: At) -> list[Sign]:
    """What only looks as if somebody had forgotten something."""
    signs = []
    if at.payments.lacking:
        signs.append(Sign("warn", f"Payments by card are not offered: {at.payments.lacking} is not set."))
    if at.seen_proxy:
        signs.append(Sign("warn", PROXY))
    return signs


def _versions(found: Vitals) -> dict[str, str]:
    versions = {"python": platform.python_version(), "sqlite": found.sqlite}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return dict(sorted(versions.items(), key=lambda row: row[0] != "thermly"))
