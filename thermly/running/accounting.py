"""What is derived from raw rows, and what is swept: the work that no request waits for.

Knows: batches, sweeps. Must not know: Flask, RQ, providers. Every function can be repeated.
"""

import logging
import time

from msgspec import Struct

from thermly import clock
from thermly.money.bill import OF_JOB
from thermly.notices import alerts
from thermly.settings import Settings
from thermly.store import cache, keys, limits, memory, money, owners, transcripts, usage
from thermly.store.db import Database

log = logging.getLogger("thermly.accounting")
MIB = 1 << 20


class Here(Struct, frozen=True):
    settings: Settings
    database: Database


def account(at: Here) -> int:
    """Bring the daily totals up to date, then report accounts that run low; returns the rows accounted."""
    done = 0
    while True:
        with at.database.begin() as tx:
            batch = usage.account_batch(tx)
        done += batch
        if batch < usage.BATCH:  # what has come since is the next job's, or this one would never end
            break
        time.sleep(0.01)  # requests want the database too
    alerts.report(at.settings, at.database)
    return done


def sweep(at: Here) -> None:
    now_ms = clock.now_ms()
    released = release_dead(at.settings, at.database)
    if released:
        log.warning("released %s hold(s) of processes that died", released)
    for _ in range(100):  # in small transactions, and never without end
        with at.database.begin() as tx:
            swept = limits.sweep(tx, now_ms) + cache.sweep(tx, now_ms, at.settings.cache_max_mib * MIB)
            swept += memory.sweep(tx, now_ms) + keys.renew_caps(tx, now_ms) + transcripts.sweep(tx, now_ms)
        if not swept:
            break
        time.sleep(0.01)
    alerts.retry(at.settings, at.database)


def release_dead(settings: Settings, database: Database) -> int:
    """Release the holds and claims of processes that are gone; returns how many holds."""
    folder, released = settings.instance / "run", 0
    with database.each() as tx:
        names = {*money.owners_of_holds(tx), *owners.known(folder)}
    for name in names:
        if not name.startswith(OF_JOB) and owners.dead(folder, name):
            with database.begin() as tx:
                released += money.release_all(tx, name)
                cache.abandon_all(tx, name + "/")
            owners.forget(folder, name)
    return released
