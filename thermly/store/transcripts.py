"""What was asked and answered, of accounts that want it kept. Nothing is written for any other, and nothing found.

Knows: rows, JSON texts. Must not know: what is in them.
"""

from msgspec import Struct

from thermly.store.db import Tx

AT_ONCE = 100
"""So many are removed in one transaction: each may be some hundred kilobytes, which are overwritten with zeros."""


class Transcript(Struct, frozen=True):
    request: str
    reply: str
    created_at_ms: int
    expires_at_ms: int


def add(
    tx: Tx, usage_id: str, account_id: str, started_at_ms: int, request: str, reply: str, now_ms: int,
    expires_at_ms: int,
) -> bool:  # fmt: skip
    """False where the account does not want it, or began to only after this was asked."""
    added = tx.run(
        """INSERT INTO transcript (id, account_id, request, reply, created_at_ms, expires_at_ms)
           SELECT :id, id, :request, :reply, :now, :expires FROM account
           WHERE id = :account AND transcripts_since_ms <= :started
           ON CONFLICT (id) DO NOTHING""",
        {"id": usage_id, "account": account_id, "started": started_at_ms, "request": request, "reply": reply,
         "now": now_ms, "expires": expires_at_ms},
    )  # fmt: skip
    return added > 0


def find(tx: Tx, usage_id: str, account_id: str, now_ms: int) -> Transcript | None:
    row = tx.one(
        """SELECT t.request, t.reply, t.created_at_ms, t.expires_at_ms
           FROM transcript t JOIN account a ON a.id = t.account_id
           WHERE t.id = :id AND t.account_id = :account AND t.expires_at_ms > :now
             AND a.transcripts_since_ms IS NOT NULL""",
        {"id": usage_id, "account": account_id, "now": now_ms},
    )
    return Transcript(*row) if row else None


def kept_since(tx: Tx, account_id: str) -> int | None:
    """Since when the account's are kept; None: they are not."""
    row = tx.one("SELECT transcripts_since_ms FROM account WHERE id = :account", {"account": account_id})
    return row[0] if row else None


def switch(tx: Tx, account_id: str, since_ms: int | None) -> bool:
    """On from that moment, or off; False where it was so before."""
    changed = tx.run(
        """UPDATE account SET transcripts_since_ms = :since
           WHERE id = :account AND (transcripts_since_ms IS NULL) <> (:since IS NULL)""",
        {"account": account_id, "since": since_ms},
    )
    return changed > 0


def forget(tx: Tx, account_id: str) -> int:
    """Remove a few of the account's; returns how many."""
    return tx.run(
        """DELETE FROM transcript WHERE id IN (
             SELECT id FROM transcript WHERE account_id = :account LIMIT :limit)""",
        {"account": account_id, "limit": AT_ONCE},
    )


def sweep(tx: Tx, now_ms: int) -> int:
    """Remove a few that have expired; returns how many."""
    return tx.run(
        """DELETE FROM transcript WHERE id IN (
             SELECT id FROM transcript WHERE expires_at_ms <= :now LIMIT :limit)""",
        {"now": now_ms, "limit": AT_ONCE},
    )


def scrub(tx: Tx) -> bool:
    """Empty the write-ahead log, in which what was removed still stands; False when somebody reads it just now.
    Not within a transaction."""
    row = tx.one("PRAGMA wal_checkpoint(TRUNCATE)")
    return row is not None and row[0] == 0
