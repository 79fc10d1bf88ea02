"""Holds: reserve the worst case, charge what it came to, free the rest. Each hold closes once.

Each move is one statement; the schema's triggers carry it into the sums.

Invariants, which `thermly doctor` checks: an account's balance is its credits less the cost of its settled
usage; its held sum is that of its rows in `hold`; no such row belongs to a dead process.
"""

from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from thermly.exchange import Usage
from thermly.store.db import Tx


class Opening(Struct, frozen=True):
    """What is known of a request when its funds are held. Times in milliseconds since 1970."""

    id: str
    account_id: str
    key_id: str
    owner: str
    capped: int
    surface: str
    requested_model: str
    started_at_ms: int


class Closing(Struct, frozen=True):
    """What is known when it ends. `first_ms` and `duration_ms` count from its start; `reasons` is JSON."""

    state: str
    outcome: str
    cost_nanousd: int = 0
    baseline_nanousd: int = 0
    model: str = ""
    provider: str = ""
    complexity_level: int = 0
    reasons: str = "[]"
    stream: int = 0
    usage: Usage = Usage()
    first_ms: int | None = None
    duration_ms: int = 0
    cache: str = ""
    images: int = 0
    score_ppm: int | None = None
    escalated_from: str = ""


class Funds(Struct, frozen=True):
    """Nano-dollars that can still be held: of the account, and under the key's own cap (None: it has none)."""

    of_account: int
    under_cap: int | None

    @property
    def least(self) -> int:
        return self.of_account if self.under_cap is None else min(self.of_account, self.under_cap)

    @property
    def cap_is_in_the_way(self) -> bool:
        return self.under_cap is not None and self.under_cap < self.of_account


def hold(tx: Tx, opening: Opening, amount_nanousd: int) -> bool:
    """Reserve the amount, or change nothing and say False: `funds` tells what there is. Under a cap whose period is
    over nothing is granted until it was renewed, so that each period has its whole cap and no more."""
    values = {**asdict(opening), "amount": amount_nanousd}
    granted = tx.run(
        """INSERT INTO hold (id, account_id, key_id, amount_nanousd, capped, owner, surface, requested_model,
             started_at_ms)
           SELECT :id, id, :key_id, :amount, :capped, :owner, :surface, :requested_model, :started_at_ms
           FROM account WHERE id = :account_id AND balance_nanousd - held_nanousd >= :amount
             AND (:capped = 0 OR EXISTS (SELECT 1 FROM api_key WHERE id = :key_id
               AND (cap_nanousd IS NULL OR spent_nanousd + held_nanousd + :amount <= cap_nanousd)
               AND (cap_resets_at_ms IS NULL OR cap_resets_at_ms > :started_at_ms)))""",
        values,
    )
    return granted > 0


def extend(tx: Tx, opening: Opening, more_nanousd: int) -> bool:
    """Raise an open hold, for a dearer target than the one it was made for; like `hold`."""
    granted = tx.run(
        """UPDATE hold SET amount_nanousd = amount_nanousd + :more WHERE id = :id
             AND EXISTS (SELECT 1 FROM account WHERE id = :account_id AND balance_nanousd - held_nanousd >= :more)
             AND (capped = 0 OR EXISTS (SELECT 1 FROM api_key WHERE id = :key_id
               AND (cap_nanousd IS NULL OR spent_nanousd + held_nanousd + :more <= cap_nanousd)))""",
        {"id": opening.id, "account_id": opening.account_id, "key_id": opening.key_id, "more": more_nanousd},
    )
    return granted > 0


def funds(tx: Tx, account_id: str, key_id: str, now_ms: int) -> Funds:
    row = tx.one(
        """SELECT a.balance_nanousd - a.held_nanousd,
             k.cap_nanousd - k.held_nanousd - CASE WHEN k.cap_resets_at_ms <= :now THEN 0 ELSE k.spent_nanousd END
           FROM account a, api_key k WHERE a.id = :account AND k.id = :key""",
        {"account": account_id, "key": key_id, "now": now_ms},
    )
    return Funds(row[0], row[1]) if row else Funds(0, None)


_COLUMNS = """id, account_id, key_id, capped, surface, requested_model, started_at_ms, state, outcome,
  cost_nanousd, baseline_nanousd, model, provider, complexity_level, reasons, stream, cache, input_tokens,
  cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, estimated, first_ms, duration_ms,
  images, score_ppm, escalated_from"""
_CLOSING = """:state, :outcome, :cost, :baseline, :model, :provider, :level, :reasons, :stream, :cache, :input,
  :cached, :written, :output, :reasoning, :estimated, :first, :duration, :images, :score, :escalated"""


def close(tx: Tx, usage_id: str, closing: Closing) -> bool:
    """Settle or release: write the usage row, with which the cost is charged and the hold goes. False when it
    was closed before: then nothing changes."""
    closed = tx.run(
        f"""INSERT INTO usage ({_COLUMNS})
            SELECT id, account_id, key_id, capped, surface, requested_model, started_at_ms, {_CLOSING}
            FROM hold WHERE id = :id""",  # noqa: S608
        {"id": usage_id, **_values(closing)},
    )
    return closed > 0


def record(tx: Tx, opening: Opening, closing: Closing) -> None:
    """The usage row of a request that held nothing (a cache hit)."""
    tx.run(
        f"""INSERT INTO usage ({_COLUMNS})
            VALUES (:id, :account_id, :key_id, :capped, :surface, :requested_model, :started_at_ms, {_CLOSING})""",  # noqa: S608
        {**asdict(opening), **_values(closing)},
    )


def _values(closing: Closing) -> dict[str, Any]:
    used = closing.usage
    return {
        "state": closing.state, "outcome": closing.outcome, "cost": closing.cost_nanousd,
        "baseline": closing.baseline_nanousd, "model": closing.model, "provider": closing.provider,
        "level": closing.complexity_level, "reasons": closing.reasons, "stream": closing.stream,
        "cache": closing.cache, "input": used.input_tokens, "cached": used.cached_input_tokens,
        "written": used.cache_write_tokens + used.cache_write_1h_tokens, "output": used.output_tokens,
        "reasoning": used.reasoning_tokens, "estimated": int(used.estimated), "first": closing.first_ms,
        "duration": closing.duration_ms, "images": closing.images, "score": closing.score_ppm,
        "escalated": closing.escalated_from,
    }  # fmt: skip


def owners_of_holds(tx: Tx) -> list[str]:
    return [owner for (owner,) in tx.all("SELECT DISTINCT owner FROM hold")]


def release_all(tx: Tx, owner: str) -> int:
    """Release every hold of a process that is gone: its callers never got their answers, so none is charged."""
    rows = tx.all("SELECT id FROM hold WHERE owner = :owner", {"owner": owner})
    for (usage_id,) in rows:
        close(tx, usage_id, Closing(state="released", outcome="process_died"))
    return len(rows)


class Contradiction(Struct, frozen=True):
    account: str
    what: str
    stored_nanousd: int
    rows_nanousd: int


def contradictions(tx: Tx) -> list[Contradiction]:
    """Accounts (and capped keys) whose stored sums differ from what their rows add up to."""
    rows = tx.all(
        """WITH
             credited AS (SELECT account_id, SUM(amount_nanousd) AS total FROM credit GROUP BY account_id),
             charged AS (SELECT account_id, SUM(cost_nanousd) AS total FROM usage GROUP BY account_id),
             held AS (SELECT account_id, SUM(amount_nanousd) AS total FROM hold GROUP BY account_id),
             key_charged AS (SELECT key_id, SUM(cost_nanousd) AS total FROM usage WHERE capped = 1
               AND seq > (SELECT cap_from_seq FROM api_key WHERE api_key.id = usage.key_id) GROUP BY key_id),
             key_held AS (SELECT key_id, SUM(amount_nanousd) AS total FROM hold WHERE capped = 1 GROUP BY key_id)
           SELECT name, 'balance', balance_nanousd, COALESCE(credited.total, 0) - COALESCE(charged.total, 0)
           FROM account LEFT JOIN credited ON credited.account_id = account.id
             LEFT JOIN charged ON charged.account_id = account.id
           UNION ALL
           SELECT name, 'held', held_nanousd, COALESCE(held.total, 0)
           FROM account LEFT JOIN held ON held.account_id = account.id
           UNION ALL
           SELECT id, 'spent by capped key', spent_nanousd, COALESCE(key_charged.total, 0)
           FROM api_key LEFT JOIN key_charged ON key_charged.key_id = api_key.id
           UNION ALL
           SELECT id, 'held by capped key', held_nanousd, COALESCE(key_held.total, 0)
           FROM api_key LEFT JOIN key_held ON key_held.key_id = api_key.id"""
    )
    return [Contradiction(*row) for row in rows if row[2] != row[3]]
