"""Codes that are worth credit, once. Only their hashes are kept."""

from collections.abc import Iterable

from msgspec import Struct

from thermly.store import ledger
from thermly.store.db import Tx


class Batch(Struct, frozen=True):
    """Codes that were made together. `left`: those that can still be redeemed; the rest were redeemed, have
    expired, or were made void."""

    id: str
    note: str
    amount_nanousd: int
    created_at_ms: int
    expires_at_ms: int | None
    made: int
    redeemed: int
    left: int


class Terms(Struct, frozen=True):
    batch: str
    amount_nanousd: int
    note: str
    expires_at_ms: int | None


def add(tx: Tx, terms: Terms, hashed: Iterable[tuple[str, str]], now_ms: int) -> None:
    """`hashed`: of each code its hash and its last four characters."""
    for digest, hint in hashed:
        tx.run(
            """INSERT INTO redeem_code (hash, hint, batch, amount_nanousd, note, created_at_ms, expires_at_ms)
               VALUES (:hash, :hint, :batch, :amount, :note, :now, :expires)""",
            {"hash": digest, "hint": hint, "batch": terms.batch, "amount": terms.amount_nanousd,
             "note": terms.note, "now": now_ms, "expires": terms.expires_at_ms},
        )  # fmt: skip


def redeem(tx: Tx, digest: str, account_id: str, now_ms: int) -> int | None:
    """What it was worth; None when it is worth nothing (any more). Of two at the same instant one gets it."""
    row = tx.one(
        """UPDATE redeem_code SET redeemed_at_ms = :now, account_id = :account
           WHERE hash = :hash AND redeemed_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > :now)
           RETURNING amount_nanousd, hint, note""",
        {"hash": digest, "account": account_id, "now": now_ms},
    )
    if row is None:
        return None
    amount_nanousd, hint, note = row
    note = f"code …{hint}" + (f": {note}" if note else "")
    ledger.add(tx, "code_" + digest[:32], account_id, amount_nanousd, "code", note, now_ms)
    return int(amount_nanousd)


def redeemed_by(tx: Tx, digest: str) -> str | None:
    """The account that has redeemed it."""
    row = tx.one("SELECT account_id FROM redeem_code WHERE hash = :hash", {"hash": digest})
    return row[0] if row else None


def batches(tx: Tx, now_ms: int, limit: int = 100) -> list[Batch]:
    """The latest first."""
    rows = tx.all(
        """SELECT batch, MIN(note), MIN(amount_nanousd), MIN(created_at_ms), MAX(expires_at_ms), COUNT(*),
             COUNT(redeemed_at_ms),
             SUM(redeemed_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > :now))
           FROM redeem_code GROUP BY batch ORDER BY 4 DESC, 1 DESC LIMIT :limit""",
        {"now": now_ms, "limit": limit},
    )
    return [Batch(*row) for row in rows]


def void(tx: Tx, batch: str, now_ms: int) -> int:
    """What is left of it expires now; returns how many codes that were."""
    return tx.run(
        """UPDATE redeem_code SET expires_at_ms = :now
           WHERE batch = :batch AND redeemed_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > :now)""",
        {"batch": batch, "now": now_ms},
    )
