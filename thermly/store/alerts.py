"""Who wants to be told of a low balance, and which reports are still to be delivered.

A report under way is a row among the counted windows: how often it was tried, and until when that is worth while.
"""

from msgspec import Struct

from thermly.store import limits
from thermly.store.accounts import Account
from thermly.store.db import Tx

ATTEMPTS = 5
WINDOW_S = 86_400


class Wishes(Struct, frozen=True):
    """`below_nanousd`: None for the deployment's own mark. Empty: not there."""

    below_nanousd: int | None = None
    email: str = ""
    webhook: str = ""


class Pending(Struct, frozen=True):
    """A report that was tried so often and has not arrived."""

    account_id: str
    channel: str
    tried: int


def wishes(tx: Tx, account_id: str) -> Wishes:
    row = tx.one(
        "SELECT alert_below_nanousd, alert_email, alert_webhook FROM account WHERE id = :id", {"id": account_id}
    )
    return Wishes(*row) if row else Wishes()


def wish(tx: Tx, account_id: str, wanted: Wishes) -> None:
    """Another mark is another question: it is answered anew."""
    tx.run(
        """UPDATE account SET alert_email = :email, alert_webhook = :webhook, alert_below_nanousd = :below,
             alerted_at_ms = CASE WHEN alert_below_nanousd IS :below THEN alerted_at_ms END
           WHERE id = :id""",
        {"id": account_id, "email": wanted.email, "webhook": wanted.webhook, "below": wanted.below_nanousd},
    )


def still_low(tx: Tx, account_id: str) -> Account | None:
    """The account, unless somebody has topped it up since it was reported."""
    row = tx.one(
        """SELECT id, name, plan, balance_nanousd, held_nanousd, disabled_at_ms, created_at_ms FROM account
           WHERE id = :id AND alerted_at_ms IS NOT NULL""",
        {"id": account_id},
    )
    return Account(*row) if row else None


def begin(tx: Tx, account_id: str, channel: str, now_ms: int) -> None:
    """A report that is to be delivered; written before it is tried, so that none is lost with its process."""
    limits.clear(tx, _key(account_id, channel))
    limits.count(tx, _key(account_id, channel), WINDOW_S, 1, now_ms)


def pending(tx: Tx, now_ms: int) -> list[Pending]:
    rows = tx.all(
        """SELECT key, count FROM rate_window WHERE key >= 'alert/' AND key < 'alert0' AND resets_at_ms > :now
             AND count < :most""",
        {"now": now_ms, "most": ATTEMPTS},
    )
    found = []
    for key, tried in rows:
        _, account_id, channel = key.split("/")
        found.append(Pending(account_id, channel, int(tried)))
    return found


def claim(tx: Tx, one: Pending) -> bool:
    """Whether the next try is ours; another worker may be at it."""
    claimed = tx.run(
        "UPDATE rate_window SET count = count + 1 WHERE key = :key AND count = :tried",
        {"key": _key(one.account_id, one.channel), "tried": one.tried},
    )
    return claimed > 0


def delivered(tx: Tx, account_id: str, channel: str) -> None:
    limits.clear(tx, _key(account_id, channel))


def _key(account_id: str, channel: str) -> str:
    return f"alert/{account_id}/{channel}"
