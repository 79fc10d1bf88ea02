"""Request counts per window, and targets that cool down. Exact across the processes of one box."""

from thermly.store.db import Tx


def count(tx: Tx, key: str, window_s: int, amount: int, now_ms: int) -> tuple[int, int]:
    """Count into the key's current window, opening one when there is none; (count, end of the window in ms)."""
    row = tx.one(
        """INSERT INTO rate_window (key, count, resets_at_ms) VALUES (:key, :amount, :reset)
           ON CONFLICT (key) DO UPDATE SET
             count = CASE WHEN rate_window.resets_at_ms <= :now THEN :amount
                     ELSE rate_window.count + :amount END,
             resets_at_ms = CASE WHEN rate_window.resets_at_ms <= :now THEN :reset
                            ELSE rate_window.resets_at_ms END
           RETURNING count, resets_at_ms""",
        {"key": key, "amount": amount, "reset": now_ms + window_s * 1000, "now": now_ms},
    )
    assert row is not None
    return int(row[0]), int(row[1])


def give_back(tx: Tx, key: str, now_ms: int) -> None:
    """Uncount one, in the window that is open."""
    tx.run(
        "UPDATE rate_window SET count = count - 1 WHERE key = :key AND resets_at_ms > :now AND count > 0",
        {"key": key, "now": now_ms},
    )


def peek(tx: Tx, key: str, now_ms: int) -> tuple[int, int]:
    """(0, 0) when no window is open."""
    row = tx.one(
        "SELECT count, resets_at_ms FROM rate_window WHERE key = :key AND resets_at_ms > :now",
        {"key": key, "now": now_ms},
    )
    return (int(row[0]), int(row[1])) if row else (0, 0)


def clear(tx: Tx, key: str | None = None) -> int:
    return tx.run("DELETE FROM rate_window WHERE :key IS NULL OR key = :key", {"key": key})


def sweep(tx: Tx, now_ms: int, limit: int = 1000) -> int:
    return tx.run(
        """DELETE FROM rate_window WHERE key IN (
             SELECT key FROM rate_window WHERE resets_at_ms <= :now LIMIT :limit)""",
        {"now": now_ms, "limit": limit},
    )


def cooling(tx: Tx, now_ms: int) -> dict[str, str]:
    """Targets to be asked last for now, with what went wrong."""
    rows = tx.all("SELECT target, reason FROM cooldown WHERE until_ms > :now", {"now": now_ms})
    return {target: reason for target, reason in rows}


def cooling_until(tx: Tx, now_ms: int) -> dict[str, tuple[int, str]]:
    """The same, each with the moment in ms at which that is over, and what went wrong."""
    rows = tx.all("SELECT target, until_ms, reason FROM cooldown WHERE until_ms > :now", {"now": now_ms})
    return {target: (until_ms, reason) for target, until_ms, reason in rows}


def cool(tx: Tx, target: str, reason: str, now_ms: int, base_ms: int, most_ms: int) -> None:
    """Ask the target last for a while, twice as long with each failure in a row. One that comes later than
    `most_ms` after the last while is the first of a new row."""
    tx.run(
        """INSERT INTO cooldown (target, failures, until_ms, reason) VALUES (:target, 1, :now + :base, :reason)
           ON CONFLICT (target) DO UPDATE SET reason = :reason,
             failures = CASE WHEN cooldown.until_ms + :most < :now THEN 1 ELSE cooldown.failures + 1 END,
             until_ms = :now + CASE
               WHEN cooldown.until_ms + :most < :now THEN :base
               WHEN cooldown.failures > 8 OR :base * (1 << cooldown.failures) > :most THEN :most
               ELSE :base * (1 << cooldown.failures) END""",
        {"target": target, "reason": reason, "now": now_ms, "base": base_ms, "most": max(most_ms, base_ms)},
    )


def warm(tx: Tx, target: str) -> None:
    """It answered: forget its failures."""
    tx.run("DELETE FROM cooldown WHERE target = :target", {"target": target})
