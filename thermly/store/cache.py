"""Kept answers of smart models, and who is fetching one just now."""

from msgspec import Struct

from thermly.store.db import Tx


class Kept(Struct, frozen=True):
    """`body` is None while `owner` is still fetching the answer; without one, nobody waits for anybody."""

    body: bytes | None
    owner: str
    model: str
    complexity_level: int


def find(tx: Tx, key: str, now_ms: int) -> Kept | None:
    row = tx.one(
        "SELECT body, owner, model, complexity_level FROM cache WHERE key = :key AND expires_at_ms > :now",
        {"key": key, "now": now_ms},
    )
    return Kept(*row) if row else None


def claim(tx: Tx, key: str, owner: str, now_ms: int, until_ms: int) -> bool:
    """Say that `owner` fetches this answer. False when there is one, or somebody else is at it."""
    changed = tx.run(
        """INSERT INTO cache (key, owner, created_at_ms, expires_at_ms) VALUES (:key, :owner, :now, :until)
           ON CONFLICT (key) DO UPDATE SET owner = :owner, model = '', body = NULL, size_bytes = 0,
             created_at_ms = :now, expires_at_ms = :until
           WHERE cache.expires_at_ms <= :now""",
        {"key": key, "owner": owner, "now": now_ms, "until": until_ms},
    )
    return changed > 0


def keep(
    tx: Tx,
    key: str,
    owner: str,
    model: str,
    complexity_level: int,
    body: bytes,
    now_ms: int,
    until_ms: int,
) -> None:
    tx.run(
        """INSERT INTO cache (key, owner, model, complexity_level, body, size_bytes, created_at_ms, expires_at_ms)
           VALUES (:key, :owner, :model, :level, :body, :size, :now, :until)
           ON CONFLICT (key) DO UPDATE SET owner = :owner, model = :model, complexity_level = :level,
             body = :body, size_bytes = :size, created_at_ms = :now, expires_at_ms = :until""",
        {"key": key, "owner": owner, "model": model, "level": complexity_level, "body": body,
         "size": len(body), "now": now_ms, "until": until_ms},
    )  # fmt: skip


def abandon(tx: Tx, key: str, owner: str) -> None:
    """Give up a claim, so that the next one who asks fetches."""
    tx.run("DELETE FROM cache WHERE key = :key AND owner = :owner AND body IS NULL", {"key": key, "owner": owner})


def leave_open(tx: Tx, key: str, owner: str, until_ms: int) -> None:
    """Turn a claim into word for those who wait: until then everybody fetches for himself (`owner` is empty)."""
    tx.run(
        "UPDATE cache SET owner = '', expires_at_ms = :until WHERE key = :key AND owner = :owner AND body IS NULL",
        {"key": key, "owner": owner, "until": until_ms},
    )


def abandon_all(tx: Tx, owner_prefix: str) -> int:
    """Give up every claim of a process that is gone."""
    return tx.run(
        "DELETE FROM cache WHERE body IS NULL AND substr(owner, 1, :length) = :prefix",
        {"prefix": owner_prefix, "length": len(owner_prefix)},
    )


def sweep(tx: Tx, now_ms: int, most_bytes: int, limit: int = 500) -> int:
    """Drop expired rows, then the oldest until the rest fits; at most `limit` rows of each a call."""
    dropped = tx.run(
        "DELETE FROM cache WHERE key IN (SELECT key FROM cache WHERE expires_at_ms <= :now LIMIT :limit)",
        {"now": now_ms, "limit": limit},
    )
    row = tx.one("SELECT COALESCE(SUM(size_bytes), 0) FROM cache")
    excess = (int(row[0]) if row else 0) - most_bytes
    if excess <= 0:
        return dropped
    doomed = []
    for key, size in tx.all(
        "SELECT key, size_bytes FROM cache WHERE body IS NOT NULL ORDER BY created_at_ms LIMIT :limit",
        {"limit": limit},
    ):
        if excess <= 0:
            break
        doomed.append(key)
        excess -= size
    for key in doomed:
        tx.run("DELETE FROM cache WHERE key = :key", {"key": key})
    return dropped + len(doomed)
