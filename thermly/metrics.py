"""What Prometheus is told: the rows of the database, as its text format (0.0.4) writes them.

Knows: which numbers there are, and the format. Must not know: Flask, SQL, who may read them. Nothing is counted
here: every process tells the same, from rows that outlive it, on a connection of its own.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import redis
from msgspec import Struct

from thermly import clock, jobs
from thermly.store import limits, metrics, usage
from thermly.store.db import Database, Row, Tx

log = logging.getLogger("thermly.metrics")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LABEL = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Sample = tuple[dict[str, str], int | Decimal]


class Family(Struct, frozen=True):
    """One name with its samples: labels and a number each. Names that end in `_total` are counters."""

    name: str
    about: str
    samples: tuple[Sample, ...]


# Each of the sums of a model: the counter's name, what it says. Money is kept in nano-dollars and told in dollars.
COUNTERS = {
    "requests": ("requests_total", "Requests that have ended, by the model that answered; none: no model did."),
    "failures": ("failures_total", "Of these, those that were not answered."),
    "cache_hits": ("cache_hits_total", "Of these, those that were answered from the cache."),
    "input_tokens": ("input_tokens_total", "Tokens read, cached ones included."),
    "cached_input_tokens": ("cached_input_tokens_total", "Of these, those read from a vendor's prompt cache."),
    "output_tokens": ("output_tokens_total", "Tokens written, thoughts included."),
    "reasoning_tokens": ("reasoning_tokens_total", "Of these, those of thoughts."),
    "cost_nanousd": ("cost_usd_total", "What was charged."),
    "baseline_nanousd": ("baseline_usd_total", "What the best model would have cost for the same tokens."),
}


class Watch:
    """Reads the numbers. An empty `redis_url`: there are no queues."""

    def __init__(self, path: Path, redis_url: str) -> None:
        self._path = path
        self._queues = [jobs.queue(redis_url, name) for name in (jobs.QUEUE, jobs.SLOW)] if redis_url else []

    def text(self) -> str:
        with closing(Database(self._path)) as own, own.each() as tx:
            found = [*_counters(metrics.by_model(tx)), *_gauges(tx, clock.now_ms())]
        return write([*found, *self._waiting()])

    def _waiting(self) -> Iterator[Family]:
        if not self._queues:
            return
        try:
            samples: tuple[Sample, ...] = tuple(({"queue": q.name}, q.count) for q in self._queues)
        except redis.RedisError as error:
            log.warning("Redis is gone, the queues cannot be told: %s", type(error).__name__)
            samples = ()
        yield Family("redis_up", "Whether Redis answers.", (({}, int(bool(samples))),))
        yield Family("queued_jobs", "Jobs that wait for a worker.", samples)


def _counters(rows: list[Row]) -> Iterator[Family]:
    for i, column in enumerate(metrics.SUMS, 1):
        name, about = COUNTERS[column]
        is_money = column.endswith("_nanousd")
        yield Family(
            name, about, tuple(({"model": row[0] or "none"}, _usd(row[i]) if is_money else row[i]) for row in rows)
        )


def _gauges(tx: Tx, now_ms: int) -> Iterator[Family]:
    balance, held = metrics.funds(tx)
    yield _single("balance_usd", "What all accounts together have.", _usd(balance))
    yield _single("held_usd", "Of this, what is held for requests under way.", _usd(held))
    yield _single("holds", "Requests under way that hold funds.", metrics.holds(tx))
    yield _single("unaccounted_requests", "Requests that are not in the daily totals yet.", usage.unaccounted(tx))
    cooling = limits.cooling(tx, now_ms)
    yield _single("cooling_targets", "Targets that failed and are asked last for a while.", len(cooling))
    yield Family("target_cooling", "1 for each of them.", tuple(({"target": name}, 1) for name in sorted(cooling)))
    yield _by_state("image_jobs", "Image jobs that are remembered.", metrics.image_jobs(tx))
    yield _by_state("background_responses", "Background responses under way.", metrics.background(tx))


def _single(name: str, about: str, value: int | Decimal) -> Family:
    return Family(name, about, (({}, value),))


def _by_state(name: str, about: str, counts: dict[str, int]) -> Family:
    return Family(name, about, tuple(({"state": state}, count) for state, count in counts.items()))


def _usd(nanousd: int) -> Decimal:
    return Decimal(nanousd).scaleb(-9)


# ---- the format


def write(families: Iterable[Family]) -> str:
    return "".join(line + "\n" for family in families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    name = f"thermly_{family.name}"
    yield f"# HELP {name} {family.about}"
    yield f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}"
    for labels, value in family.samples:
        told = ",".join(f'{label}="{text.translate(_LABEL)}"' for label, text in labels.items())
        number = f"{value:f}" if isinstance(value, Decimal) else str(value)  # never 1E-9
        yield f"{name}{{{told}}} {number}" if told else f"{name} {number}"
