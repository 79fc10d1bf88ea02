"""How the books and the work behind them are, for those who look after the machine. Reads only."""

from msgspec import Struct

from thermly.store import metrics, usage
from thermly.store.db import Tx


class Vitals(Struct, frozen=True):
    """`accounted_at_ms`: when the last request that is in the daily totals ended; None before the first."""

    sqlite: str
    accounted_seq: int
    accounted_at_ms: int | None
    unaccounted: int
    holds: int
    oldest_hold_at_ms: int | None
    image_jobs: dict[str, int]
    background: dict[str, int]


def read(tx: Tx) -> Vitals:
    version = tx.one("SELECT sqlite_version()")
    mark = tx.one(
        """SELECT a.seq, u.started_at_ms + COALESCE(u.duration_ms, 0)
           FROM accounted a LEFT JOIN usage u ON u.seq = a.seq WHERE a.name = 'usage_day'"""
    )
    holds = tx.one("SELECT COUNT(*), MIN(started_at_ms) FROM hold")
    assert version is not None and mark is not None and holds is not None
    return Vitals(
        sqlite=version[0],
        accounted_seq=mark[0],
        accounted_at_ms=mark[1],
        unaccounted=usage.unaccounted(tx),
        holds=holds[0],
        oldest_hold_at_ms=holds[1],
        image_jobs=metrics.image_jobs(tx),
        background=metrics.background(tx),
    )
