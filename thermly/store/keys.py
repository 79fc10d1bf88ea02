"""API keys: made, found by their hash, revoked. The key itself is stored nowhere."""

import hashlib
import hmac
from typing import Any

import msgspec
from msgspec import Struct

from thermly import ids
from thermly.caller import Caller
from thermly.plans import PLANS
from thermly.store.db import Tx


class Found(Struct, frozen=True):
    """A key that exists, and what speaks against serving it."""

    caller: Caller
    disabled: bool
    revoked: bool
    expires_at_ms: int | None


class ApiKey(Struct, frozen=True):
    id: str
    account: str
    hint: str
    name: str
    plan: str
    rpm: int | None
    image_rpm: int | None
    models: str | None
    cap_nanousd: int | None
    spent_nanousd: int
    expires_at_ms: int | None
    revoked_at_ms: int | None
    last_used_at_ms: int | None
    created_at_ms: int


def digest(key: str) -> str:
    """Keys carry 192 random bits, so a plain SHA-256 cannot be guessed back and needs no salt."""
    return hashlib.sha256(key.encode()).hexdigest()


def is_good(tx: Tx, key_id: str, now_ms: int) -> bool:
    """Whether a request of this key would still be served: for work that was put off."""
    row = tx.one(
        """SELECT 1 FROM api_key JOIN account ON account.id = api_key.account_id
           WHERE api_key.id = :id AND revoked_at_ms IS NULL AND disabled_at_ms IS NULL
             AND (expires_at_ms IS NULL OR expires_at_ms > :now)""",
        {"id": key_id, "now": now_ms},
    )
    return row is not None


def create(
    tx: Tx,
    account_id: str,
    key: str,
    now_ms: int,
    *,
    name: str = "",
    plan: str | None = None,
    rpm: int | None = None,
    image_rpm: int | None = None,
    models: list[str] | None = None,
    cap_nanousd: int | None = None,
    expires_at_ms: int | None = None,
) -> str:
    """Store the hash of `key`; returns the row's id."""
    key_id = "key_" + ids.new()
    tx.run(
        """INSERT INTO api_key (id, account_id, hash, hint, name, plan, rpm, image_rpm, models, cap_nanousd,
             expires_at_ms, created_at_ms)
           VALUES (:id, :account, :hash, :hint, :name, :plan, :rpm, :image_rpm, :models, :cap, :expires, :now)""",
        {"id": key_id, "account": account_id, "hash": digest(key), "hint": key[-4:], "name": name, "plan": plan,
         "rpm": rpm, "image_rpm": image_rpm, "models": msgspec.json.encode(models).decode() if models else None,
         "cap": cap_nanousd, "expires": expires_at_ms, "now": now_ms},
    )  # fmt: skip
    return key_id


def find(tx: Tx, key: str) -> Found | None:
    wanted = digest(key)
    row = tx.one(
        """SELECT k.hash, k.id, k.account_id, a.name, COALESCE(k.plan, a.plan), k.rpm, k.image_rpm, k.models,
             k.cap_nanousd, k.expires_at_ms, k.revoked_at_ms, a.disabled_at_ms
           FROM api_key k JOIN account a ON a.id = k.account_id WHERE k.hash = :hash""",
        {"hash": wanted},
    )
    if row is None or not hmac.compare_digest(row[0], wanted):
        return None
    plan = PLANS[row[4]]
    caller = Caller(
        account_id=row[2],
        account=row[3],
        key_id=row[1],
        plan=plan.name,
        rpm=plan.rpm if row[5] is None else row[5] or None,
        image_rpm=plan.image_rpm if row[6] is None else row[6] or None,
        models=frozenset(msgspec.json.decode(row[7])) if row[7] else None,
        capped=row[8] is not None,
    )
    return Found(caller, row[11] is not None, row[10] is not None, row[9])


def revoke(tx: Tx, key: str, now_ms: int) -> int:
    """By the key itself or by its id; returns how many were revoked (0: none such, or revoked before)."""
    return tx.run(
        "UPDATE api_key SET revoked_at_ms = :now WHERE (hash = :hash OR id = :key) AND revoked_at_ms IS NULL",
        {"now": now_ms, "hash": digest(key), "key": key},
    )


def listed(tx: Tx, account_id: str | None = None) -> list[ApiKey]:
    values: dict[str, Any] = {"account": account_id}
    rows = tx.all(
        """SELECT k.id, a.name, k.hint, k.name, COALESCE(k.plan, a.plan), k.rpm, k.image_rpm, k.models,
             k.cap_nanousd, k.spent_nanousd, k.expires_at_ms, k.revoked_at_ms, k.last_used_at_ms, k.created_at_ms
           FROM api_key k JOIN account a ON a.id = k.account_id
           WHERE :account IS NULL OR k.account_id = :account ORDER BY k.created_at_ms""",
        values,
    )
    return [ApiKey(*row) for row in rows]
