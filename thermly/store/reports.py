"""What was spent, saved and served over a time, from the daily totals and, for days just past, from the rows.

Every function takes `account_id`; None stands for all accounts.
"""

from msgspec import Struct

from thermly.store.db import Tx
from thermly.store.usage import ANSWERED
from thermly.store.usage_log import since

LATEST = 20_000
"""So many of the latest requests the latencies are taken from."""

HOUR = "%Y-%m-%d %H:00"

_SUMS = """SUM(requests), SUM(cache_hits), SUM(failures), SUM(input_tokens), SUM(cached_input_tokens),
  SUM(output_tokens), SUM(cost_nanousd), SUM(baseline_nanousd)"""
_OF_ROWS = """COUNT(*), SUM(cache = 'hit'), SUM(outcome NOT IN ('ok', 'client_gone')), SUM(input_tokens),
  SUM(cached_input_tokens), SUM(output_tokens), SUM(cost_nanousd), SUM(baseline_nanousd)"""
_WHOSE = "(:account IS NULL OR account_id = :account)"


class Sum(Struct, frozen=True):
    """`at` is what the sum is of: a day, an hour, a key, the model that answered ("": none did)."""

    at: str
    requests: int
    cache_hits: int
    failures: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_nanousd: int
    baseline_nanousd: int

    @property
    def saved_nanousd(self) -> int:
        return self.baseline_nanousd - self.cost_nanousd


class Part(Struct, frozen=True):
    """What one model did in one bucket of time; "": what none answered."""

    at: str
    model: str
    requests: int
    cache_hits: int
    cost_nanousd: int


class Latency(Struct, frozen=True):
    """Milliseconds, of answered requests that were not cache hits; None without any."""

    count: int
    first_p50_ms: int | None
    first_p95_ms: int | None
    whole_p50_ms: int | None
    whole_p95_ms: int | None


def by_day(tx: Tx, account_id: str | None, first: str, last: str) -> list[Sum]:
    rows = tx.all(
        f"""SELECT day, {_SUMS} FROM usage_day WHERE day BETWEEN :first AND :last AND {_WHOSE}
            GROUP BY day ORDER BY day""",  # noqa: S608
        {"account": account_id, "first": first, "last": last},
    )
    return [Sum(*row) for row in rows]


def by_model(tx: Tx, account_id: str | None, first: str, last: str) -> list[Sum]:
    """The dearest first."""
    rows = tx.all(
        f"""SELECT model, {_SUMS} FROM usage_day WHERE day BETWEEN :first AND :last AND {_WHOSE}
            GROUP BY model ORDER BY 8 DESC, 2 DESC""",  # noqa: S608
        {"account": account_id, "first": first, "last": last},
    )
    return [Sum(*row) for row in rows]


def parts_by_day(tx: Tx, account_id: str | None, first: str, last: str) -> list[Part]:
    rows = tx.all(
        f"""SELECT day, model, SUM(requests), SUM(cache_hits), SUM(cost_nanousd) FROM usage_day
            WHERE day BETWEEN :first AND :last AND {_WHOSE} GROUP BY day, model""",  # noqa: S608
        {"account": account_id, "first": first, "last": last},
    )
    return [Part(*row) for row in rows]


def by_hour(tx: Tx, account_id: str | None, from_ms: int) -> list[Sum]:
    """`at` is '2027-01-31 13:00' in UTC."""
    rows = tx.all(
        f"""SELECT strftime(:hour, started_at_ms / 1000, 'unixepoch'), {_OF_ROWS} FROM usage
            WHERE seq >= :seq AND started_at_ms >= :from AND {_WHOSE} GROUP BY 1 ORDER BY 1""",  # noqa: S608
        {"account": account_id, "seq": since(tx, from_ms), "from": from_ms, "hour": HOUR},
    )
    return [Sum(*row) for row in rows]


def by_model_since(tx: Tx, account_id: str | None, from_ms: int) -> list[Sum]:
    rows = tx.all(
        f"""SELECT {ANSWERED}, {_OF_ROWS} FROM usage WHERE seq >= :seq AND started_at_ms >= :from AND {_WHOSE}
            GROUP BY 1 ORDER BY 8 DESC, 2 DESC""",  # noqa: S608
        {"account": account_id, "seq": since(tx, from_ms), "from": from_ms},
    )
    return [Sum(*row) for row in rows]


def parts_by_hour(tx: Tx, account_id: str | None, from_ms: int) -> list[Part]:
    rows = tx.all(
        f"""SELECT strftime(:hour, started_at_ms / 1000, 'unixepoch'), {ANSWERED}, COUNT(*),
              SUM(cache = 'hit'), SUM(cost_nanousd)
            FROM usage WHERE seq >= :seq AND started_at_ms >= :from AND {_WHOSE} GROUP BY 1, 2""",  # noqa: S608
        {"account": account_id, "seq": since(tx, from_ms), "from": from_ms, "hour": HOUR},
    )
    return [Part(*row) for row in rows]


def latency(tx: Tx, account_id: str | None, from_ms: int, to_ms: int) -> Latency:
    """Of the latest answers in that time, `LATEST` at most."""
    values = {"account": account_id, "seq": since(tx, from_ms), "last": since(tx, to_ms), "latest": LATEST}
    rows = tx.all(
        f"""SELECT first_ms, duration_ms FROM usage WHERE seq >= :seq AND seq < :last AND outcome = 'ok'
              AND cache <> 'hit' AND {_WHOSE} ORDER BY seq DESC LIMIT :latest""",  # noqa: S608
        values,
    )
    first = sorted(row[0] for row in rows if row[0] is not None)
    whole = sorted(row[1] for row in rows if row[1] is not None)
    return Latency(len(rows), _at(first, 0.5), _at(first, 0.95), _at(whole, 0.5), _at(whole, 0.95))


def _at(values: list[int], share: float) -> int | None:
    return values[min(len(values) - 1, int(share * len(values)))] if values else None
