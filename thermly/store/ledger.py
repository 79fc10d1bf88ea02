"""What came in and what went out, with the balance after each; appending to it.

Usage stands in it once for each day and model: the daily totals, and the rows that are not in them yet. One
statement reads the balance and all that moved it, so that what a page says adds up while requests go on.
"""

import datetime

from msgspec import Struct

from thermly.amounts import MOST_USD, NANO_PER_USD
from thermly.store.db import Tx

USAGE = "usage"


class TooMuch(ValueError):
    """The account would have more (or owe more) than an account may; the message says so."""


class Place(Struct, frozen=True, order=True):
    """Where an entry stands. Usage comes at the end of its day, after what was paid in on it."""

    day: str
    rank: int
    at_ms: int
    id: str

    def __str__(self) -> str:
        return f"{self.day}.{self.rank}.{self.at_ms}.{self.id}"


class Entry(Struct, frozen=True):
    """`note` is a credit's own, or the model of usage; `requests` is of usage only."""

    place: Place
    kind: str
    note: str
    requests: int
    amount_nanousd: int
    balance_nanousd: int


class Choice(Struct, frozen=True):
    """Days from `first` to `last`. `kind`: one kind of entry, or "" for all, or "credit" for all but usage."""

    first: str
    last: str
    kind: str = ""


def place(text: str) -> Place | None:
    """What `str(place)` wrote; None for what makes no sense."""
    day, _, rest = text.partition(".")
    rank, _, rest = rest.partition(".")
    at_ms, _, entry_id = rest.partition(".")
    if not (rank.isascii() and rank.isdigit() and at_ms.isascii() and at_ms.isdigit() and len(rank + at_ms) < 18):
        return None
    return Place(day, int(rank), int(at_ms), entry_id)


def page(tx: Tx, account_id: str, choice: Choice, before: Place | None = None, limit: int = 50) -> list[Entry]:
    """The newest first. The balance after an entry is today's less all that came later."""
    start = before or Place("9999-12-31", 9, 0, "")
    rows = tx.all(
        """WITH RECURSIVE
             day (day) AS (
               SELECT :first UNION ALL
               SELECT date(day, '+1 day') FROM day WHERE day < (SELECT MAX(day) FROM usage_day)),
             used (day, model, requests, cost) AS (
               SELECT u.day, u.model, u.requests, u.cost_nanousd
               FROM day CROSS JOIN usage_day u ON u.day = day.day AND u.account_id = :account
               UNION ALL
               SELECT date(started_at_ms / 1000, 'unixepoch'), model, 1, cost_nanousd FROM usage
               WHERE account_id = :account AND seq > (SELECT seq FROM accounted WHERE name = 'usage_day')),
             entry (day, rank, at_ms, id, kind, note, requests, amount) AS (
               SELECT date(created_at_ms / 1000, 'unixepoch'), 0, created_at_ms, id, kind, note, 0, amount_nanousd
               FROM credit WHERE account_id = :account AND created_at_ms >= :first_ms
               UNION ALL
               SELECT day, 1, 0, model, 'usage', model, SUM(requests), -SUM(cost) FROM used
               WHERE day >= :first GROUP BY day, model HAVING SUM(cost) > 0),
             told AS (
               SELECT *, (SELECT balance_nanousd FROM account WHERE id = :account) + amount - SUM(amount) OVER (
                 ORDER BY day DESC, rank DESC, at_ms DESC, id DESC ROWS UNBOUNDED PRECEDING) AS balance
               FROM entry)
           SELECT * FROM told
           WHERE day <= :last AND (day, rank, at_ms, id) < (:day, :rank, :at_ms, :id)
             AND (:kind IN ('', kind) OR (:kind = 'credit' AND kind <> 'usage'))
           ORDER BY day DESC, rank DESC, at_ms DESC, id DESC LIMIT :limit""",
        {
            "account": account_id, "first": choice.first, "first_ms": _ms(choice.first), "last": choice.last,
            "kind": choice.kind, "limit": limit,
            "day": start.day, "rank": start.rank, "at_ms": start.at_ms, "id": start.id,
        },
    )  # fmt: skip
    return [Entry(Place(*row[:4]), *row[4:]) for row in rows]


def spent(tx: Tx, account_id: str | None, first: str) -> dict[str, int]:
    """Nano-dollars since the beginning of that day, by account."""
    rows = tx.all(
        """SELECT account_id, SUM(cost) FROM (
             SELECT account_id, cost_nanousd AS cost FROM usage_day
             WHERE day >= :first AND (:account IS NULL OR account_id = :account)
             UNION ALL
             SELECT account_id, cost_nanousd FROM usage
             WHERE seq > (SELECT seq FROM accounted WHERE name = 'usage_day')
               AND started_at_ms >= :first_ms AND (:account IS NULL OR account_id = :account))
           GROUP BY account_id""",
        {"account": account_id, "first": first, "first_ms": _ms(first)},
    )
    return {account: int(total) for account, total in rows}


def add(tx: Tx, credit_id: str, account_id: str, amount_nanousd: int, kind: str, note: str, now_ms: int) -> bool:
    """False when that credit was added before. Raises TooMuch; the caller's transaction then ends without it."""
    added = tx.run(
        """INSERT INTO credit (id, account_id, amount_nanousd, kind, note, created_at_ms)
           VALUES (:id, :account, :amount, :kind, :note, :now) ON CONFLICT (id) DO NOTHING""",
        {"id": credit_id, "account": account_id, "amount": amount_nanousd, "kind": kind, "note": note,
         "now": now_ms},
    )  # fmt: skip
    row = tx.one("SELECT balance_nanousd FROM account WHERE id = :account", {"account": account_id})
    assert row is not None
    if added and abs(row[0]) > MOST_USD * NANO_PER_USD:
        raise TooMuch(f"An account {'has' if row[0] > 0 else 'owes'} at most {MOST_USD:,} dollars.")
    return added > 0


def _ms(day: str) -> int:
    return int(datetime.datetime.fromisoformat(day + "T00:00:00+00:00").timestamp()) * 1000
