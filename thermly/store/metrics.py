"""Sums over everything, for those who watch the whole. Reads only; no account is told apart."""

from thermly.store.db import Row, Tx
from thermly.store.usage import ANSWERED

SUMS = ("requests", "failures", "cache_hits", "input_tokens", "cached_input_tokens", "output_tokens",
        "reasoning_tokens", "cost_nanousd", "baseline_nanousd")  # fmt: skip


def by_model(tx: Tx) -> list[Row]:
    """(the model that answered or "", *SUMS) since the beginning. One statement, and so one state of the file: a
    row of usage is either in the daily totals or behind their mark, and no sum ever falls."""
    return tx.all(
        f"""SELECT model, SUM(requests), SUM(failures), SUM(cache_hits), SUM(input_tokens),
             SUM(cached_input_tokens), SUM(output_tokens), SUM(reasoning_tokens), SUM(cost_nanousd),
             SUM(baseline_nanousd)
           FROM (
             SELECT model, requests, failures, cache_hits, input_tokens, cached_input_tokens, output_tokens,
               reasoning_tokens, cost_nanousd, baseline_nanousd
             FROM usage_day
             UNION ALL
             SELECT {ANSWERED}, 1, CASE WHEN outcome IN ('ok', 'client_gone') THEN 0 ELSE 1 END,
               CASE WHEN cache = 'hit' THEN 1 ELSE 0 END, input_tokens, cached_input_tokens, output_tokens,
               reasoning_tokens, cost_nanousd, baseline_nanousd
             FROM usage WHERE seq > (SELECT seq FROM accounted WHERE name = 'usage_day'))
           GROUP BY model ORDER BY model"""  # noqa: S608
    )


def funds(tx: Tx) -> tuple[int, int]:
    """What all accounts together have, and what of it is held."""
    row = tx.one("SELECT COALESCE(SUM(balance_nanousd), 0), COALESCE(SUM(held_nanousd), 0) FROM account")
    assert row is not None
    return int(row[0]), int(row[1])


def holds(tx: Tx) -> int:
    row = tx.one("SELECT COUNT(*) FROM hold")
    assert row is not None
    return int(row[0])


def image_jobs(tx: Tx) -> dict[str, int]:
    return dict.fromkeys(("queued", "running", "done", "failed"), 0) | {
        state: count for state, count in tx.all("SELECT state, COUNT(*) FROM image_job GROUP BY state")
    }


def background(tx: Tx) -> dict[str, int]:
    return dict.fromkeys(("queued", "running"), 0) | {
        state: count for state, count in tx.all("SELECT state, COUNT(*) FROM background GROUP BY state")
    }
