"""Accounts and the credits that were put in. Money spent is in `usage`."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from thermly import ids
from thermly.store.db import Tx


class Account(Struct, frozen=True):
    id: str
    name: str
    plan: str
    balance_nanousd: int
    held_nanousd: int
    disabled_at_ms: int | None
    created_at_ms: int

    @property
    def available_nanousd(self) -> int:
        return self.balance_nanousd - self.held_nanousd


class Extent(Struct, frozen=True):
    """People and keys in use, and what was asked and spent lately."""

    people: int
    keys: int
    requests: int
    cost_nanousd: int


_COLUMNS = "id, name, plan, balance_nanousd, held_nanousd, disabled_at_ms, created_at_ms"


def create(tx: Tx, name: str, plan: str, now_ms: int, disabled: bool = False) -> Account | None:
    """None when the name is taken."""
    row = tx.one(
        f"""INSERT INTO account (id, name, plan, disabled_at_ms, created_at_ms)
            VALUES (:id, :name, :plan, :disabled, :now)
            ON CONFLICT (name) DO NOTHING RETURNING {_COLUMNS}""",  # noqa: S608
        {"id": "acc_" + ids.new(), "name": name, "plan": plan, "disabled": now_ms if disabled else None,
         "now": now_ms},
    )  # fmt: skip
    return Account(*row) if row else None


def find(tx: Tx, name: str) -> Account | None:
    """By id or name. What is both, of two accounts, is the id of the one."""
    row = tx.one(
        f"SELECT {_COLUMNS} FROM account WHERE name = :name OR id = :name ORDER BY id <> :name LIMIT 1",  # noqa: S608
        {"name": name},
    )
    return Account(*row) if row else None


def by_id(tx: Tx, account_id: str) -> Account | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM account WHERE id = :id", {"id": account_id})  # noqa: S608
    return Account(*row) if row else None


def everyone(tx: Tx) -> list[Account]:
    return [Account(*row) for row in tx.all(f"SELECT {_COLUMNS} FROM account ORDER BY name")]  # noqa: S608


def extents(tx: Tx, first_day: str, not_keys: Iterable[str] = ()) -> dict[str, Extent]:
    """Of each account, by its id. `not_keys`: the ids of keys that are not counted."""
    rows = tx.all(
        """SELECT a.id,
             (SELECT COUNT(*) FROM person p WHERE p.account_id = a.id AND p.disabled_at_ms IS NULL),
             (SELECT COUNT(*) FROM api_key k WHERE k.account_id = a.id AND k.revoked_at_ms IS NULL
                AND k.id NOT IN (SELECT value FROM json_each(:not_keys))),
             COALESCE(u.requests, 0), COALESCE(u.cost_nanousd, 0)
           FROM account a LEFT JOIN (
             SELECT account_id, SUM(requests) AS requests, SUM(cost_nanousd) AS cost_nanousd
             FROM usage_day WHERE day >= :first GROUP BY account_id) u ON u.account_id = a.id""",
        {"first": first_day, "not_keys": msgspec.json.encode([*not_keys]).decode()},
    )
    return {row[0]: Extent(*row[1:]) for row in rows}


def change(tx: Tx, account_id: str, name: str, plan: str) -> bool:
    """False when another account has the name."""
    changed = tx.run(
        """UPDATE account SET name = :name, plan = :plan WHERE id = :id
             AND NOT EXISTS (SELECT 1 FROM account WHERE name = :name AND id <> :id)""",
        {"id": account_id, "name": name, "plan": plan},
    )
    return changed > 0


def credit(tx: Tx, account_id: str, amount_nanousd: int, kind: str, note: str, now_ms: int) -> int:
    """Add money (or take it back, when negative) and say so in the ledger; returns the new balance."""
    tx.run(
        """INSERT INTO credit (id, account_id, amount_nanousd, kind, note, created_at_ms)
           VALUES (:id, :account, :amount, :kind, :note, :now)""",
        {"id": "cr_" + ids.new(), "account": account_id, "amount": amount_nanousd, "kind": kind, "note": note,
         "now": now_ms},
    )  # fmt: skip
    row = tx.one("SELECT balance_nanousd FROM account WHERE id = :account", {"account": account_id})
    assert row is not None
    return int(row[0])


def disable(tx: Tx, account_id: str, at_ms: int | None) -> None:
    """Refuse the account's requests from now on; None takes it back."""
    tx.run("UPDATE account SET disabled_at_ms = :at WHERE id = :account", {"at": at_ms, "account": account_id})


def low(tx: Tx, below_nanousd: int, now_ms: int) -> list[Account]:
    """Accounts in use that have come below their own mark, or else below this, and were not reported since their
    last top-up; marks them."""
    rows = tx.all(
        f"""UPDATE account SET alerted_at_ms = :now
            WHERE balance_nanousd < COALESCE(alert_below_nanousd, :below) AND alerted_at_ms IS NULL
              AND disabled_at_ms IS NULL
              AND EXISTS (SELECT 1 FROM api_key WHERE account_id = account.id AND last_used_at_ms IS NOT NULL)
            RETURNING {_COLUMNS}""",  # noqa: S608
        {"below": below_nanousd, "now": now_ms},
    )
    return [Account(*row) for row in rows]
