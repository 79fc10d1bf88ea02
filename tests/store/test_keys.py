import books
import pytest

from thermly import ids
from thermly.plans import PLANS
from thermly.store import accounts, keys
from thermly.store.db import Database
from thermly.store.keys import Found

NOW_MS = books.NOW_MS


def made(base: Database, account_plan: str = "standard", /, **facts: object) -> str:
    """A key with these facts, to a new account on this plan."""
    by = books.payer(base, ids.new(), plan=account_plan)
    key = ids.new_key()
    with base.begin() as tx:
        keys.create(tx, by.account_id, key, NOW_MS, **facts)  # type: ignore[arg-type]
    return key


def found(base: Database, key: str) -> Found:
    with base.each() as tx:
        answer = keys.find(tx, key)
    assert answer is not None
    return answer


def test_the_key_itself_is_nowhere_in_the_database(base: Database) -> None:
    key = made(base)
    found(base, key)
    with base.begin() as tx:
        keys.revoke(tx, key, NOW_MS)
    files = list(base.path.parent.glob("thermly.db*"))
    assert len(files) == 3
    stored = b"".join(path.read_bytes() for path in files)
    assert keys.digest(key).encode() in stored
    secret = key.removeprefix("sk-thermo-")
    assert key.encode() not in stored
    assert secret.encode() not in stored
    assert secret[-4:].encode() in stored
    assert secret[-8:].encode() not in stored, "of the key's end only four characters are kept, after the hash"
    assert key[:14].encode() not in stored


def test_keys_have_the_prefix_and_are_never_the_same() -> None:
    made = {ids.new_key() for _ in range(1000)}
    assert len(made) == 1000
    assert all(key.startswith("sk-thermo-") and len(key) == 42 for key in made)


@pytest.mark.parametrize("key", ["", "sk-thermo-", "sk-thermo-nobody", "' OR 1=1 --", "\0", "ключ", "a" * 10_000])
def test_a_key_that_was_never_made_is_not_found(base: Database, key: str) -> None:
    made(base)
    with base.each() as tx:
        assert keys.find(tx, key) is None


def test_only_the_very_key_opens_its_account(base: Database) -> None:
    key = made(base)
    with base.each() as tx:
        for wrong in (keys.digest(key), key.swapcase(), key[:-1], key + " ", " " + key):
            assert keys.find(tx, wrong) is None


@pytest.mark.parametrize("plan", list(PLANS))
def test_a_key_has_the_limits_of_its_accounts_plan(base: Database, plan: str) -> None:
    caller = found(base, made(base, plan)).caller
    assert (caller.plan, caller.rpm, caller.image_rpm) == (plan, PLANS[plan].rpm, PLANS[plan].image_rpm)
    assert (caller.models, caller.capped) == (None, False)


def test_the_plans_are_the_references_numbers() -> None:
    assert {p.name: (p.rpm, p.image_rpm) for p in PLANS.values()} == {
        "free": (10, 5), "standard": (60, 20), "pro": (300, 60), "enterprise": (None, None),
    }  # fmt: skip


def test_what_is_set_per_key_goes_over_the_plan(base: Database) -> None:
    caller = found(base, made(base, "free", plan="pro")).caller
    assert (caller.plan, caller.rpm, caller.image_rpm) == ("pro", 300, 60)
    caller = found(base, made(base, "free", plan="pro", rpm=7, image_rpm=3)).caller
    assert (caller.plan, caller.rpm, caller.image_rpm) == ("pro", 7, 3)
    caller = found(base, made(base, "enterprise", rpm=5000)).caller
    assert (caller.rpm, caller.image_rpm) == (5000, None)
    caller = found(base, made(base, "free", rpm=0, image_rpm=0)).caller
    assert (caller.rpm, caller.image_rpm) == (None, None), "0 stands for no limit"


def test_a_key_may_be_bound_to_models(base: Database) -> None:
    caller = found(base, made(base, models=["gpt-4o", "auto"])).caller
    assert caller.models == {"gpt-4o", "auto"}


def test_a_cap_makes_the_caller_capped(base: Database) -> None:
    assert found(base, made(base, cap_nanousd=1)).caller.capped
    assert found(base, made(base, cap_nanousd=0)).caller.capped


def test_a_revoked_key_says_so_at_once_and_is_revoked_once(base: Database) -> None:
    key = made(base)
    assert not found(base, key).revoked
    with base.begin() as tx:
        assert keys.revoke(tx, key, NOW_MS) == 1
        assert keys.revoke(tx, key, NOW_MS + 1) == 0
        assert keys.listed(tx)[-1].revoked_at_ms == NOW_MS
    assert found(base, key).revoked


def test_a_key_is_revoked_by_its_id_too(base: Database) -> None:
    one, other = books.payer(base, "one"), books.payer(base, "other")
    with base.begin() as tx:
        assert keys.revoke(tx, "key_nobody", NOW_MS) == 0
        assert keys.revoke(tx, one.key_id, NOW_MS) == 1
    assert found(base, one.key).revoked
    assert not found(base, other.key).revoked


def test_expiry_and_disabling_are_told(base: Database) -> None:
    key = made(base, expires_at_ms=NOW_MS + 5)
    before = found(base, key)
    assert (before.expires_at_ms, before.disabled) == (NOW_MS + 5, False)
    with base.begin() as tx:
        accounts.disable(tx, before.caller.account_id, NOW_MS)
    assert found(base, key).disabled


def test_keys_are_listed_for_one_account_or_for_all(base: Database) -> None:
    mine, other = books.payer(base, "me"), books.payer(base, "other")
    with base.each() as tx:
        assert {k.id for k in keys.listed(tx)} == {mine.key_id, other.key_id}
        (only,) = keys.listed(tx, mine.account_id)
    assert (only.id, only.account, only.hint, only.plan) == (mine.key_id, "me", mine.key[-4:], "pro")
