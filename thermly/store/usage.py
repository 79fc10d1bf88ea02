"""Totals derived from the raw usage rows, in batches that can be repeated without counting twice."""

from typing import Any

from thermly.store.db import Tx


def account_batch(tx: Tx, now_ms: int, limit: int = 2000) -> int:
    """Add finished rows to the daily totals and mark them, in one transaction; returns how many."""
    rows = tx.all(
        """SELECT id FROM usage WHERE accounted_at_ms IS NULL AND state <> 'held' ORDER BY id LIMIT :limit""",
        {"limit": limit},
    )
    if not rows:
        return 0
    span: dict[str, Any] = {"first": rows[0][0], "last": rows[-1][0], "now": now_ms}
    tx.run(
        """INSERT INTO usage_day (day, account_id, key_id, model, requests, cache_hits, failures, input_tokens,
             cached_input_tokens, output_tokens, reasoning_tokens, cost_nanousd, baseline_nanousd)
           SELECT date(started_at_ms / 1000, 'unixepoch') AS day, account_id, key_id, model, COUNT(*),
             SUM(CASE WHEN cache = 'hit' THEN 1 ELSE 0 END),
             SUM(CASE WHEN outcome IN ('ok', 'client_gone') THEN 0 ELSE 1 END), SUM(input_tokens),
             SUM(cached_input_tokens), SUM(output_tokens), SUM(reasoning_tokens), SUM(cost_nanousd),
             SUM(baseline_nanousd)
           FROM usage WHERE accounted_at_ms IS NULL AND state <> 'held' AND id BETWEEN :first AND :last
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
             baseline_nanousd = usage_day.baseline_nanousd + excluded.baseline_nanousd""",
        span,
    )
    tx.run(
        """UPDATE api_key SET last_used_at_ms = (
             SELECT MAX(started_at_ms) FROM usage
             WHERE key_id = api_key.id AND accounted_at_ms IS NULL AND id BETWEEN :first AND :last)
           WHERE id IN (SELECT DISTINCT key_id FROM usage
             WHERE accounted_at_ms IS NULL AND state <> 'held' AND id BETWEEN :first AND :last)""",
        span,
    )
    tx.run(
        """UPDATE usage SET accounted_at_ms = :now
           WHERE accounted_at_ms IS NULL AND state <> 'held' AND id BETWEEN :first AND :last""",
        span,
    )
    return len(rows)


def unaccounted(tx: Tx) -> int:
    row = tx.one("SELECT COUNT(*) FROM usage WHERE accounted_at_ms IS NULL AND state <> 'held'")
    return int(row[0]) if row else 0


def record_hit(tx: Tx, values: dict[str, Any]) -> None:
    """A request answered from the cache: free, nothing was held."""
    tx.run(
        """INSERT INTO usage (id, account_id, key_id, state, owner, hold_nanousd, baseline_nanousd, surface,
             requested_model, model, complexity_level, reasons, stream, cache, outcome, input_tokens,
             cached_input_tokens, output_tokens, reasoning_tokens, started_at_ms, first_ms, duration_ms)
           VALUES (:id, :account_id, :key_id, 'settled', :owner, 0, :baseline, :surface, :requested_model, :model,
             :complexity_level, :reasons, :stream, 'hit', 'ok', :input, :cached, :output, :reasoning,
             :started_at_ms, :duration, :duration)""",
        values,
    )


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
