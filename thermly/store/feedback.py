"""What callers thought of answers, and the requests that they can be held against.

Knows: usage, feedback. Must not know: tiers, prices, what a rating teaches.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import asdict

from thermly.store.db import Database, Tx
from thermly.store.usage_log import EARLIER_MS, newest, since

BATCH = 2_000
ANSWERED = ("ok", "client_gone")
"""The outcomes with an answer: who has left early has an opinion too."""
LONGEST_MS = 3_600_000
"""A request that takes longer than this is not looked for: each look would go through more of the log."""


class Feedback(Struct, frozen=True):
    """A row of the table; `id` is that of the request."""

    id: str
    account_id: str
    key_id: str
    rating: int
    comment: str
    score_ppm: int | None
    complexity_level: int
    requested_model: str
    model: str
    created_at_ms: int


class Answered(Struct, frozen=True):
    """What is known of a request whose answer may be rated."""

    outcome: str
    state: str
    score_ppm: int | None
    complexity_level: int
    requested_model: str
    model: str


class Served(Struct, frozen=True, gc=False):
    """A request that has ended, with the last rating of its answer; None: it has none."""

    seq: int
    requested_model: str
    model: str
    level: int
    score_ppm: int | None
    escalated_from: str
    outcome: str
    cache: str
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_nanousd: int
    baseline_nanousd: int
    rating: int | None


_ANSWERED = ", ".join(Answered.__struct_fields__)
_SERVED = """u.seq, u.requested_model, u.model, u.complexity_level, u.score_ppm, u.escalated_from, u.outcome,
  u.cache, u.input_tokens, u.cached_input_tokens, u.cache_write_tokens, u.output_tokens, u.reasoning_tokens,
  u.cost_nanousd, u.baseline_nanousd, f.rating"""


def find(database: Database, account_id: str, request_id: str, accepted_at_ms: int) -> Answered | None:
    """The account's request of this id, looked for from the time on at which it was accepted: there is no index by
    id, which every request would pay for."""
    with database.each() as tx:
        low, end = since(tx, accepted_at_ms - EARLIER_MS), since(tx, accepted_at_ms + LONGEST_MS)
    values = {"account": account_id, "id": request_id, "batch": BATCH, "end": end}
    while low < end:
        with database.each() as tx:
            row = tx.one(
                """SELECT MAX(seq), MAX(CASE WHEN id = :id THEN seq END) FROM (SELECT seq, id FROM usage
                     WHERE account_id = :account AND seq >= :low AND seq < :end ORDER BY seq LIMIT :batch)""",
                {**values, "low": low},
            )
            assert row is not None
            if row[1] is not None:
                found = tx.one(f"SELECT {_ANSWERED} FROM usage WHERE seq = :seq", {"seq": row[1]})  # noqa: S608
                return Answered(*found) if found else None
        if row[0] is None:
            return None
        low = row[0] + 1
    return None


def is_under_way(tx: Tx, account_id: str, request_id: str) -> bool:
    row = tx.one(
        "SELECT 1 FROM hold WHERE id = :id AND account_id = :account", {"id": request_id, "account": account_id}
    )
    return row is not None


def keep(tx: Tx, feedback: Feedback) -> None:
    """In place of what was said of the answer before."""
    tx.run(
        """INSERT INTO feedback (id, account_id, key_id, rating, comment, score_ppm, complexity_level,
             requested_model, model, created_at_ms)
           VALUES (:id, :account_id, :key_id, :rating, :comment, :score_ppm, :complexity_level, :requested_model,
             :model, :created_at_ms)
           ON CONFLICT (id) DO UPDATE SET key_id = excluded.key_id, rating = excluded.rating,
             comment = excluded.comment, created_at_ms = excluded.created_at_ms""",
        asdict(feedback),
    )


def served(database: Database, from_ms: int, account_id: str | None = None) -> Iterator[Served]:
    """The requests that ended since then, of the account or of all (None), oldest first: in batches, so that
    neither memory nor other requests feel how many there are."""
    with database.each() as tx:
        low, end = since(tx, from_ms), newest(tx) + 1
    whose = "1" if account_id is None else "u.account_id = :account"
    while low < end:
        with database.each() as tx:
            rows = tx.all(
                f"""SELECT {_SERVED} FROM usage u LEFT JOIN feedback f ON f.id = u.id
                    WHERE u.seq >= :low AND u.seq < :end AND {whose} ORDER BY u.seq LIMIT :batch""",  # noqa: S608
                {"account": account_id, "low": low, "end": end, "batch": BATCH},
            )
        for row in rows:
            yield Served(*row)
        if len(rows) < BATCH:
            return
        low = rows[-1][0] + 1
