"""Payments by card, from their beginning to the credit that they become."""

from msgspec import Struct

from thermly.store.db import Tx


class Payment(Struct, frozen=True):
    """`id` is the payment service's; `state`: open, paid or expired."""

    id: str
    account_id: str
    amount_nanousd: int
    state: str
    created_at_ms: int
    ended_at_ms: int | None


_COLUMNS = "id, account_id, amount_nanousd, state, created_at_ms, ended_at_ms"


def open_one(tx: Tx, payment_id: str, account_id: str, amount_nanousd: int, now_ms: int) -> None:
    tx.run(
        """INSERT INTO payment (id, account_id, amount_nanousd, state, created_at_ms)
           VALUES (:id, :account, :amount, 'open', :now)""",
        {"id": payment_id, "account": account_id, "amount": amount_nanousd, "now": now_ms},
    )


def find(tx: Tx, payment_id: str) -> Payment | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM payment WHERE id = :id", {"id": payment_id})  # noqa: S608
    return Payment(*row) if row else None


def latest(tx: Tx, account_id: str, limit: int = 5) -> list[Payment]:
    rows = tx.all(
        f"""SELECT {_COLUMNS} FROM payment WHERE account_id = :account
            ORDER BY created_at_ms DESC, id DESC LIMIT :limit""",  # noqa: S608
        {"account": account_id, "limit": limit},
    )
    return [Payment(*row) for row in rows]


def pay(tx: Tx, payment_id: str, now_ms: int) -> bool:
    """The money is there: it becomes credit. False when it had before. One that had expired counts as well, since
    who says that it is paid has the money."""
    paid = tx.run(
        "UPDATE payment SET state = 'paid', ended_at_ms = :now WHERE id = :id AND state <> 'paid'",
        {"id": payment_id, "now": now_ms},
    )
    if paid:
        tx.run(
            """INSERT INTO credit (id, account_id, amount_nanousd, kind, note, created_at_ms)
               SELECT 'pay_' || id, account_id, amount_nanousd, 'card', 'paid by card', :now
               FROM payment WHERE id = :id""",
            {"id": payment_id, "now": now_ms},
        )
    return paid > 0


def expire(tx: Tx, payment_id: str, now_ms: int) -> bool:
    expired = tx.run(
        "UPDATE payment SET state = 'expired', ended_at_ms = :now WHERE id = :id AND state = 'open'",
        {"id": payment_id, "now": now_ms},
    )
    return expired > 0
