"""Totals derived from the raw usage rows, in batches that can be repeated without counting twice."""

from typing import Any

from thermly.store.db import Tx

BATCH = 2000

ANSWERED = "CASE WHEN state = 'settled' THEN model ELSE '' END"
"""The model that answered. Where none did, nothing was charged, and `model` is the one that was asked last."""


def account_batch(tx: Tx, limit: int = BATCH) -> int:
    """Add the next usage rows to the daily totals and move the mark, in one transaction; returns how many.

    `usage.seq` is given out in the order of commits, so nothing can appear behind the mark later.
    """
    row = tx.one(
        """SELECT MIN(seq), MAX(seq), COUNT(*) FROM (
             SELECT seq FROM usage WHERE seq > (SELECT seq FROM accounted WHERE name = 'usage_day')
             ORDER BY seq LIMIT :limit)""",
        {"limit": limit},
    )
    assert row is not None
    if not row[2]:
        return 0
    span: dict[str, Any] = {"first": row[0], "last": row[1]}
    tx.run(
        f"""INSERT INTO usage_day (day, account_id, key_id, model, requests, cache_hits, failures, input_tokens,
             cached_input_tokens, output_tokens, reasoning_tokens, cost_nanousd, baseline_nanousd)
           SELECT date(started_at_ms / 1000, 'unixepoch') AS day, account_id, key_id, {ANSWERED}, COUNT(*),
             SUM(CASE WHEN cache = 'hit' THEN 1 ELSE 0 END),
             SUM(CASE WHEN outcome IN ('ok', 'client_gone') THEN 0 ELSE 1 END), SUM(input_tokens),
             SUM(cached_input_tokens), SUM(output_tokens), SUM(reasoning_tokens), SUM(cost_nanousd),
             SUM(baseline_nanousd)
           FROM usage WHERE seq BETWEEN :first AND :last
           GROUP BY 1, 2, 3, 4
           ON CONFLICT (day, account_id, key_id, model) DO UPDATE SET
             requests = usage_day.requests + excluded.requests,
             cache_hits = usage_day.cache_hits + excluded.cache_hits,
             failures = usage_day.failures + excluded.failures,
             input_tokens = usage_day.input_tokens + excluded.input_tokens,
             cached_input_tokens = usage_day.cached_input_tokens + excluded.cached_input_tokens,
             output_tokens = usage_day.output_tokens + excluded.output_tokens,
             reasoning_tokens = usage_day.reasoning_tokens + excluded.reasoning_tokens,
             cost_nanousd = usage_day.cost_nanousd + excluded.cost_nanousd,
             baseline_nanousd = usage_day.baseline_nanousd + excluded.baseline_nanousd""",  # noqa: S608
        span,
    )
    for key_id, last_used_at_ms in tx.all(
        """SELECT key_id, MAX(started_at_ms) FROM usage WHERE seq BETWEEN :first AND :last GROUP BY key_id""",
        span,
    ):
        tx.run(
            """UPDATE api_key SET last_used_at_ms = MAX(:at, COALESCE(last_used_at_ms, 0)) WHERE id = :key""",
            {"at": last_used_at_ms, "key": key_id},
        )
    tx.run("UPDATE accounted SET seq = :last WHERE name = 'usage_day'", span)
    return int(row[2])


def unaccounted(tx: Tx) -> int:
    row = tx.one("SELECT COUNT(*) FROM usage WHERE seq > (SELECT seq FROM accounted WHERE name = 'usage_day')")
    return int(row[0]) if row else 0


def totals(tx: Tx, days: int) -> list[dict[str, Any]]:
    """Per day, account and model, newest first."""
    names = ("day", "account", "model", "requests", "cache_hits", "failures", "input_tokens", "output_tokens",
             "cost_nanousd", "baseline_nanousd")  # fmt: skip
    rows = tx.all(
        """SELECT d.day, a.name, d.model, SUM(d.requests), SUM(d.cache_hits), SUM(d.failures),
             SUM(d.input_tokens), SUM(d.output_tokens), SUM(d.cost_nanousd), SUM(d.baseline_nanousd)
           FROM usage_day d JOIN account a ON a.id = d.account_id
           WHERE d.day IN (SELECT DISTINCT day FROM usage_day ORDER BY day DESC LIMIT :days)
           GROUP BY d.day, a.name, d.model ORDER BY d.day DESC, a.name, d.model""",
        {"days": days},
    )
    return [dict(zip(names, row, strict=True)) for row in rows]
