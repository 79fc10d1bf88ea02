"""API keys: made, found by their hash, changed, revoked; their spend caps. The key itself is stored nowhere.

What was spent under a cap is the cost of the capped rows of usage after `cap_from_seq`: to begin anew is to move
that mark to the last row there is. Requests under way stay held, and count where they end.
"""

import base64
import hashlib
import hmac
import itertools
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from thermly import ids
from thermly.caller import Caller
from thermly.caps import PERIODS, next_reset_ms
from thermly.plans import PLANS
from thermly.store.db import Tx


class Found(Struct, frozen=True):
    """A key that exists, and what speaks against serving it."""

    caller: Caller
    disabled: bool
    revoked: bool
    expires_at_ms: int | None


class ApiKey(Struct, frozen=True):
    """`plan` is what counts, `own_plan` the key's own (None: the account's). `models`: a JSON list, None: all."""

    id: str
    account_id: str
    account: str
    hint: str
    name: str
    plan: str
    own_plan: str | None
    rpm: int | None
    image_rpm: int | None
    models: str | None
    cap_nanousd: int | None
    cap_period: str | None
    cap_resets_at_ms: int | None
    spent_nanousd: int
    expires_at_ms: int | None
    revoked_at_ms: int | None
    last_used_at_ms: int | None
    created_at_ms: int
    account_disabled_at_ms: int | None

    @property
    def allowed(self) -> list[str]:
        """The only models that it may use; empty: all."""
        return _read_names(self.models) if self.models else []

    def under_cap_nanousd(self, now_ms: int) -> int:
        """Spent under the cap in the period that is under way, whether or not that was written down yet."""
        over = self.cap_resets_at_ms is not None and self.cap_resets_at_ms <= now_ms
        return 0 if over else self.spent_nanousd


_COLUMNS = """k.id, k.account_id, a.name, k.hint, k.name, COALESCE(k.plan, a.plan), k.plan, k.rpm, k.image_rpm,
  k.models, k.cap_nanousd, k.cap_period, k.cap_resets_at_ms, k.spent_nanousd, k.expires_at_ms, k.revoked_at_ms,
  k.last_used_at_ms, k.created_at_ms, a.disabled_at_ms"""
_FROM = "FROM api_key k JOIN account a ON a.id = k.account_id"
_read_names = msgspec.json.Decoder(list[str]).decode


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
    cap_period: str | None = None,
    expires_at_ms: int | None = None,
) -> str:
    """Store the hash of `key`; returns the row's id."""
    key_id = "key_" + ids.new()
    tx.run(
        """INSERT INTO api_key (id, account_id, hash, hint, name, plan, rpm, image_rpm, models, cap_nanousd,
             cap_period, cap_resets_at_ms, expires_at_ms, created_at_ms)
           VALUES (:id, :account, :hash, :hint, :name, :plan, :rpm, :image_rpm, :models, :cap, :period, :resets,
             :expires, :now)""",
        {"id": key_id, "account": account_id, "hash": digest(key), "hint": key[-4:], "name": name, "plan": plan,
         "rpm": rpm, "image_rpm": image_rpm, "models": _names(models), "cap": cap_nanousd, "period": cap_period,
         "resets": next_reset_ms(cap_period, now_ms) if cap_period else None, "expires": expires_at_ms,
         "now": now_ms},
    )  # fmt: skip
    return key_id


def find(tx: Tx, key: str) -> Found | None:
    wanted = digest(key)
    row = tx.one(
        """SELECT k.hash, k.id, k.account_id, a.name, COALESCE(k.plan, a.plan), k.rpm, k.image_rpm, k.models,
             k.cap_nanousd, k.expires_at_ms, k.revoked_at_ms, a.disabled_at_ms, a.transcripts_since_ms
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
        keeps_transcripts=row[12] is not None,
    )
    return Found(caller, row[11] is not None, row[10] is not None, row[9])


def revoke(tx: Tx, key: str, now_ms: int) -> int:
    """By the key itself or by its id; returns how many were revoked (0: none such, or revoked before)."""
    return tx.run(
        "UPDATE api_key SET revoked_at_ms = :now WHERE (hash = :hash OR id = :key) AND revoked_at_ms IS NULL",
        {"now": now_ms, "hash": digest(key), "key": key},
    )


def change(tx: Tx, key_id: str, name: str, models: list[str] | None, expires_at_ms: int | None) -> bool:
    """False for a key that is revoked: nothing about it changes any more."""
    changed = tx.run(
        """UPDATE api_key SET name = :name, models = :models, expires_at_ms = :expires
           WHERE id = :id AND revoked_at_ms IS NULL""",
        {"id": key_id, "name": name, "models": _names(models), "expires": expires_at_ms},
    )
    return changed > 0


def set_limits(tx: Tx, key_id: str, plan: str | None, rpm: int | None, image_rpm: int | None) -> None:
    tx.run(
        "UPDATE api_key SET plan = :plan, rpm = :rpm, image_rpm = :image_rpm WHERE id = :id",
        {"id": key_id, "plan": plan, "rpm": rpm, "image_rpm": image_rpm},
    )


def set_cap(tx: Tx, key_id: str, cap_nanousd: int | None, period: str | None, now_ms: int) -> bool:
    """Another amount for the same period goes on counting; another period, the first cap or none begins at
    nothing, which is what True says. Requests under way of a key that had no cap stay outside."""
    values = {"id": key_id, "cap": cap_nanousd, "period": period,
              "resets": next_reset_ms(period, now_ms) if period else None}  # fmt: skip
    tx.run(
        """UPDATE api_key SET cap_nanousd = :cap WHERE id = :id AND cap_nanousd <> :cap
             AND COALESCE(cap_period, '') = COALESCE(:period, '')""",
        values,
    )
    begun = tx.run(
        """UPDATE api_key SET cap_nanousd = :cap, cap_period = :period, cap_resets_at_ms = :resets,
             spent_nanousd = 0, cap_from_seq = COALESCE((SELECT MAX(seq) FROM usage), 0)
           WHERE id = :id AND ((cap_nanousd IS NULL) <> (:cap IS NULL)
             OR COALESCE(cap_period, '') <> COALESCE(:period, ''))""",
        values,
    )
    return begun > 0


def renew_caps(tx: Tx, now_ms: int, key_id: str | None = None) -> int:
    """Begin anew under every cap (or that of one key) whose period is over; returns how many there were."""
    return tx.run(
        """UPDATE api_key SET spent_nanousd = 0, cap_from_seq = COALESCE((SELECT MAX(seq) FROM usage), 0),
             cap_resets_at_ms = CASE cap_period WHEN 'day' THEN :day WHEN 'week' THEN :week ELSE :month END
           WHERE cap_resets_at_ms <= :now AND (:id IS NULL OR id = :id)""",
        {"id": key_id, "now": now_ms, **{period: next_reset_ms(period, now_ms) for period in PERIODS}},
    )


def playground(tx: Tx, account_id: str, secret: bytes, now_ms: int, again: bool = False) -> tuple[str, bool]:
    """The key with which the account's own people try things out, and whether it was revoked. Made when there never
    was one; `again`: also in place of one that was revoked. It follows from the secret and from how many were
    revoked before it, so that it is nowhere kept either."""
    revoked = 0
    while (state := _playground_state(tx, _playground_key(account_id, secret, revoked))) == "revoked":
        revoked += 1
    key = _playground_key(account_id, secret, revoked)
    if state == "live":
        return key, False
    if revoked and not again:
        return _playground_key(account_id, secret, revoked - 1), True
    tx.run(
        """INSERT INTO api_key (id, account_id, hash, hint, name, created_at_ms)
           VALUES (:id, :account, :hash, :hint, 'Playground', :now) ON CONFLICT (hash) DO NOTHING""",
        {"hash": digest(key), "id": "key_" + ids.new(), "account": account_id, "hint": key[-4:], "now": now_ms},
    )
    return key, False


def playgrounds(tx: Tx, account_ids: Iterable[str], secret: bytes) -> frozenset[str]:
    """The ids of the keys that `playground` has made for these accounts, of those that were revoked too."""
    found = []
    for account_id in account_ids:
        drawn = (_playground_key(account_id, secret, revoked) for revoked in itertools.count())
        rows = (tx.one("SELECT id FROM api_key WHERE hash = :hash", {"hash": digest(key)}) for key in drawn)
        found += [row[0] for row in itertools.takewhile(lambda row: row is not None, rows) if row]
    return frozenset(found)


def _playground_key(account_id: str, secret: bytes, revoked: int) -> str:
    told = f"playground/{account_id}" + (f"/{revoked}" if revoked else "")
    drawn = hmac.digest(secret, told.encode(), "sha256")[:24]
    return "sk-thermo-" + base64.urlsafe_b64encode(drawn).decode()


def _playground_state(tx: Tx, key: str) -> str | None:
    row = tx.one("SELECT revoked_at_ms FROM api_key WHERE hash = :hash", {"hash": digest(key)})
    return None if row is None else "live" if row[0] is None else "revoked"


def by_id(tx: Tx, key_id: str) -> ApiKey | None:
    row = tx.one(f"SELECT {_COLUMNS} {_FROM} WHERE k.id = :id", {"id": key_id})
    return ApiKey(*row) if row else None


def listed(tx: Tx, account_id: str | None = None) -> list[ApiKey]:
    """The oldest first."""
    values: dict[str, Any] = {"account": account_id}
    rows = tx.all(
        f"""SELECT {_COLUMNS} {_FROM} WHERE :account IS NULL OR k.account_id = :account
            ORDER BY k.created_at_ms, k.id""",
        values,
    )
    return [ApiKey(*row) for row in rows]


def by_day(tx: Tx, key: ApiKey, first: str, last: str) -> list[tuple[str, int, int]]:
    """(day, requests, cost in nano-dollars) of the days on which it was used."""
    return tx.all(
        """SELECT day, SUM(requests), SUM(cost_nanousd) FROM usage_day
           WHERE day BETWEEN :first AND :last AND account_id = :account AND key_id = :key
           GROUP BY day ORDER BY day""",
        {"first": first, "last": last, "account": key.account_id, "key": key.id},
    )


def _names(models: list[str] | None) -> str | None:
    return msgspec.json.encode(models).decode() if models else None
