"""What `thermly doctor` looks at: the file, the books, the processes, the settings.

Knows: checks. Must not know: how findings are shown.
"""

import datetime
import sqlite3

from msgspec import Struct

from thermly import clock
from thermly.catalog import CatalogError
from thermly.models import configured, health
from thermly.models.catalog_changes import CatalogChanges
from thermly.money.bill import OF_JOB
from thermly.money.payments import Payments
from thermly.ratings import learning
from thermly.running import redis_server
from thermly.settings import Settings
from thermly.store import db, images, limits, memory, money, owners, usage
from thermly.store.db import Database


class Finding(Struct, frozen=True):
    """`warns`: nothing here is broken, but somebody should know."""

    check: str
    ok: bool
    detail: str
    warns: bool = False


def examine(settings: Settings) -> list[Finding]:
    try:
        lacking = db.pending(settings.database)
    except sqlite3.DatabaseError as error:
        return [Finding("database file", False, f"{settings.database}: {error}")]
    if lacking:
        return [Finding("schema", False, f"lacks {', '.join(lacking)}: run `thermly migrate`")]
    base = Database(settings.database)
    return [
        _schema(base),
        _integrity(base),
        _books(base),
        _memory(base),
        _orphans(settings, base),
        _accounting(base),
        *_catalog(settings, base),
        _routing(settings),
        _redis(settings),
        _cards(settings, base),
    ]


def _schema(base: Database) -> Finding:
    with base.each() as tx:
        gone = db.lacking(tx)
    return Finding("schema", not gone, f"lacks {', '.join(gone)}" if gone else "up to date")


def _integrity(base: Database) -> Finding:
    try:
        with base.each() as tx:
            row = tx.one("PRAGMA quick_check")
            broken = tx.all("PRAGMA foreign_key_check")
    except sqlite3.DatabaseError as error:
        return Finding("database file", False, str(error))
    ok = row is not None and row[0] == "ok" and not broken
    return Finding("database file", ok, "sound" if ok else f"{row} {broken[:3]}")


def _books(base: Database) -> Finding:
    with base.each() as tx:
        wrong = money.contradictions(tx)
        row = tx.one("SELECT COUNT(*), COALESCE(SUM(balance_nanousd), 0) FROM account")
    if wrong:
        text = "; ".join(
            f"{c.account}: {c.what} is {c.stored_nanousd}, its rows say {c.rows_nanousd}" for c in wrong[:5]
        )
        return Finding("balances equal the ledger", False, text)
    assert row is not None
    return Finding("balances equal the ledger", True, f"{row[0]} account(s), {row[1] / 1e9:.6f} USD in all")


def _memory(base: Database) -> Finding:
    with base.each() as tx:
        wrong = memory.contradictions(tx)
        row = tx.one("SELECT COALESCE(SUM(memory_bytes), 0) FROM account")
    if wrong:
        text = "; ".join(f"{c.account}: {c.stored_bytes} bytes, its rows say {c.rows_bytes}" for c in wrong[:5])
        return Finding("memory is counted right", False, text)
    assert row is not None
    return Finding("memory is counted right", True, f"{row[0] / 1_048_576:.1f} MiB of responses and conversations")


def _orphans(settings: Settings, base: Database) -> Finding:
    with base.each() as tx:
        names = money.owners_of_holds(tx)
        dead = images.holds_without_job(tx)
    dead += [n for n in names if not n.startswith(OF_JOB) and owners.dead(settings.instance / "run", n)]
    if dead:
        text = f"held by {len(dead)} dead process(es) or job(s): {', '.join(dead[:3])}"
        return Finding("no orphaned holds", False, text)
    return Finding("no orphaned holds", True, f"{len(names)} process(es) with requests under way")


def _accounting(base: Database) -> Finding:
    with base.each() as tx:
        waiting = usage.unaccounted(tx)
    return Finding("accounting", True, f"{waiting} finished request(s) not yet in the daily totals")


def _routing(settings: Settings) -> Finding:
    path = learning.path(settings)
    if not path.exists():
        return Finding("routing", True, "judges as shipped")
    if learning.kept(settings) is None:
        return Finding("routing", False, f"{path} cannot be used: run `thermly route train --reset`")
    return Finding("routing", True, "judges by what ratings here have taught it")


def _catalog(settings: Settings, base: Database) -> list[Finding]:
    try:
        changes = CatalogChanges(settings, base)
    except CatalogError as error:
        return [Finding("catalogue", False, str(error))]
    catalog, refused = changes.catalog, [c for c in changes.changes if c.refused]
    serving = sorted(p.name for p in catalog.providers.values() if p.available)
    unpriced = [m.id for m in catalog.models.values() if m.price is None]
    with base.each() as tx:
        cooling = limits.cooling(tx, clock.now_ms())
    detail = f"{len(catalog.models)} models; providers with a key here: {', '.join(serving) or 'none'}"
    if unpriced:
        detail += f"; without a price and so not served: {', '.join(unpriced)}"
    if refused:
        detail += "; changes that are left out: " + "; ".join(c.refused for c in refused)
    cool = "; ".join(f"{name} ({why})" for name, why in cooling.items()) or "none is cooling down"
    # The server's keys need not be set where this is run.
    routable, _ = configured.routable(catalog)
    unable = health.unable(routable, cooling.keys(), datetime.date.today())
    targets = Finding("targets", True, f"{unable} Cooling down: {cool}" if unable else cool, bool(unable))
    return [Finding("catalogue", not refused, detail), targets]


def _redis(settings: Settings) -> Finding:
    if settings.redis_url:
        return Finding("redis", True, "REDIS_URL is set")
    binary = redis_server.find()
    return Finding("redis", binary is not None, binary or "no server found: see README, Redis")


def _cards(settings: Settings, base: Database) -> Finding:
    at = Payments(base, settings)
    if at.lacking:
        return Finding("payments by card", False, f"not offered: {at.lacking} is not set")
    return Finding("payments by card", True, "offered" if at.offered else "not set up")
