"""What is derived from raw rows, and what is swept: the work that no request waits for.

Knows: batches, alerts, sweeps. Must not know: Flask, RQ, providers. Every function can be repeated.
"""

import functools
import logging
import time

import requests
from msgspec import Struct

from thermly import context
from thermly.settings import Settings, read
from thermly.store import accounts, cache, limits, memory, usage
from thermly.store.accounts import Account
from thermly.store.db import Database

log = logging.getLogger("thermly.accounting")
NANO_PER_USD = 10**9
MIB = 1 << 20


class Here(Struct, frozen=True):
    settings: Settings
    database: Database


@functools.cache
def here() -> Here:
    """The settings and the database of this worker process."""
    settings = read()
    return Here(settings, context.database(settings))


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
    alert_low_balances(at)
    return done


def alert_low_balances(at: Here) -> None:
    with at.database.begin() as tx:
        low = accounts.low(tx, at.settings.low_balance_usd * NANO_PER_USD, _now_ms())
    for found in low:
        log.warning("account %s is low on credit: %.6f USD", found.name, found.balance_nanousd / NANO_PER_USD)
        if at.settings.alert_webhook_url:
            _post(at.settings.alert_webhook_url, found)


def _post(url: str, found: Account) -> None:
    body = {
        "event": "balance.low",
        "account": found.name,
        "account_id": found.id,
        "balance_nanousd": found.balance_nanousd,
        "balance_usd": f"{found.balance_nanousd / NANO_PER_USD:.6f}",
    }
    try:
        requests.post(url, json=body, timeout=(3, 10), allow_redirects=False).raise_for_status()
    except requests.RequestException as error:
        log.error("the low-balance webhook failed: %s", type(error).__name__)


def sweep(at: Here) -> None:
    now_ms = _now_ms()
    released = context.release_dead(at.settings, at.database)
    if released:
        log.warning("released %s hold(s) of processes that died", released)
    for _ in range(100):  # in small transactions, and never without end
        with at.database.begin() as tx:
            swept = limits.sweep(tx, now_ms) + cache.sweep(tx, now_ms, at.settings.cache_max_mib * MIB)
            swept += memory.sweep(tx, now_ms)
        if not swept:
            break
        time.sleep(0.01)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
