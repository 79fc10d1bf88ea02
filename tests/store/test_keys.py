import books
import pytest

from thermly import ids
from thermly.caps import PERIODS, next_reset_ms
from thermly.plans import PLANS
from thermly.store import accounts, keys, money, usage
from thermly.store.db import Database, Tx
from thermly.store.keys import ApiKey, Found

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


# ---- changing


def by_id(base: Database, key_id: str) -> ApiKey:
    with base.each() as tx:
        answer = keys.by_id(tx, key_id)
    assert answer is not None
    return answer


def test_what_a_key_is_for_can_be_changed_until_it_is_revoked(base: Database) -> None:
    by = books.payer(base)
    with base.begin() as tx:
        assert keys.change(tx, by.key_id, "nightly", ["auto"], NOW_MS + 1)
        keys.set_limits(tx, by.key_id, "free", 7, 0)
    now = by_id(base, by.key_id)
    assert (now.name, now.allowed, now.expires_at_ms) == ("nightly", ["auto"], NOW_MS + 1)
    assert (now.plan, now.own_plan, now.rpm, now.image_rpm) == ("free", "free", 7, 0)
    with base.begin() as tx:
        assert keys.change(tx, by.key_id, "nightly", None, None)
        keys.set_limits(tx, by.key_id, None, None, None)
    now = by_id(base, by.key_id)
    assert (now.allowed, now.models, now.expires_at_ms) == ([], None, None)
    assert (now.plan, now.own_plan) == ("pro", None)
    with base.begin() as tx:
        keys.revoke(tx, by.key_id, NOW_MS)
        assert not keys.change(tx, by.key_id, "again", None, None)
    assert by_id(base, by.key_id).name == "nightly"


def test_nobody_has_no_key(base: Database) -> None:
    books.payer(base)
    with base.begin() as tx:
        assert keys.by_id(tx, "key_nobody") is None
        assert not keys.change(tx, "key_nobody", "x", None, None)
        assert not keys.set_cap(tx, "key_nobody", 1, None, NOW_MS)


def test_the_same_cap_set_again_goes_on_counting(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000, cap_nanousd=500)
    spend(base, by, 100)
    with base.begin() as tx:
        assert not keys.set_cap(tx, by.key_id, 500, None, NOW_MS)
    assert by_id(base, by.key_id).spent_nanousd == 100


@pytest.mark.parametrize(
    ("cap", "period", "spent"), [(501, None, 100), (500, "day", 0), (0, None, 100), (None, None, 0)]
)
def test_another_period_counts_from_now_on_and_another_amount_goes_on(
    base: Database, cap: int | None, period: str | None, spent: int
) -> None:
    by = books.payer(base, credit_nanousd=1000, cap_nanousd=500)
    spend(base, by, 100)
    with base.begin() as tx:
        assert keys.set_cap(tx, by.key_id, cap, period, NOW_MS) == (spent == 0)
        assert not keys.set_cap(tx, by.key_id, cap, period, NOW_MS)
        assert money.contradictions(tx) == []
    now = by_id(base, by.key_id)
    assert (now.cap_nanousd, now.cap_period, now.spent_nanousd) == (cap, period, spent)
    assert (now.cap_resets_at_ms is None) == (period is None)
    assert found(base, by.key).caller.capped == (cap is not None)


def test_requests_under_way_of_a_key_without_a_cap_stay_outside_of_one_that_comes(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000)
    opening = books.opening(by)
    with base.begin() as tx:
        assert money.hold(tx, opening, 300)
        keys.set_cap(tx, by.key_id, 200, "day", NOW_MS)
        assert money.funds(tx, by.account_id, by.key_id, NOW_MS).under_cap == 200
        assert money.close(tx, opening.id, books.settled(300))
        assert money.contradictions(tx) == []
    assert by_id(base, by.key_id).spent_nanousd == 0


def test_caps_are_renewed_when_their_period_is_over_and_no_others(base: Database) -> None:
    made: dict[str | None, books.Payer] = {}
    for period in (None, *PERIODS):
        made[period] = by = books.payer(base, str(period), 1000, 500)
        with base.begin() as tx:
            keys.set_cap(tx, by.key_id, 600, period, NOW_MS)
        spend(base, by, 100)
    over_ms = next_reset_ms("day", NOW_MS)
    with base.begin() as tx:
        assert keys.renew_caps(tx, over_ms - 1) == 0
        assert keys.renew_caps(tx, over_ms, made[None].key_id) == 0
        assert keys.renew_caps(tx, over_ms) == 1
        assert keys.renew_caps(tx, over_ms) == 0
        assert money.contradictions(tx) == []
    assert {p: by_id(base, by.key_id).spent_nanousd for p, by in made.items()} == {
        None: 100, "day": 0, "week": 100, "month": 100,
    }  # fmt: skip
    assert by_id(base, made["day"].key_id).cap_resets_at_ms == over_ms + 86_400_000
    later_ms = over_ms + 400 * 86_400_000
    with base.begin() as tx:
        assert keys.renew_caps(tx, later_ms) == 3, "years may pass"
        assert keys.renew_caps(tx, later_ms) == 0
    assert by_id(base, made[None].key_id).spent_nanousd == 100


def test_what_was_spent_is_told_as_of_now_although_nobody_has_renewed_yet(base: Database) -> None:
    by = books.payer(base, "someone", 1000, 500)
    with base.begin() as tx:
        keys.set_cap(tx, by.key_id, 600, "week", NOW_MS)
    spend(base, by, 100)
    key, over_ms = by_id(base, by.key_id), next_reset_ms("week", NOW_MS)
    assert (key.under_cap_nanousd(over_ms - 1), key.under_cap_nanousd(over_ms)) == (100, 0)
    with base.each() as tx:
        assert money.funds(tx, by.account_id, by.key_id, over_ms - 1).under_cap == 500
        assert money.funds(tx, by.account_id, by.key_id, over_ms).under_cap == 600


def test_the_days_of_a_key_are_its_own(base: Database) -> None:
    mine, other = books.payer(base, "me", 1000), books.payer(base, "other", 1000)
    spend(base, mine, 100)
    spend(base, mine, 20)
    spend(base, other, 7)
    with base.begin() as tx:
        usage.account_batch(tx)
        day = tx.all("SELECT DISTINCT day FROM usage_day")[0][0]
        assert keys.by_day(tx, by_id_in(tx, mine), day, day) == [(day, 2, 120)]
        assert keys.by_day(tx, by_id_in(tx, mine), "2000-01-01", "2000-01-02") == []


def by_id_in(tx: Tx, by: books.Payer) -> ApiKey:
    answer = keys.by_id(tx, by.key_id)
    assert answer is not None
    return answer


def spend(base: Database, by: books.Payer, cost_nanousd: int) -> None:
    opening = books.opening(by)
    with base.begin() as tx:
        assert money.hold(tx, opening, cost_nanousd)
        assert money.close(tx, opening.id, books.settled(cost_nanousd))


# ---- the playground's


def test_each_account_has_one_playground_key_that_is_stored_nowhere(base: Database) -> None:
    one, other = books.payer(base, "one"), books.payer(base, "other")
    with base.begin() as tx:
        key, revoked = keys.playground(tx, one.account_id, b"secret", NOW_MS)
        assert keys.playground(tx, one.account_id, b"secret", NOW_MS) == (key, False)
        others, _ = keys.playground(tx, other.account_id, b"secret", NOW_MS)
        after_a_new_secret, _ = keys.playground(tx, one.account_id, b"another secret", NOW_MS)
        assert {k.name for k in keys.listed(tx, one.account_id)} == {"", "Playground"}
        assert len(keys.listed(tx)) == 5
    assert not revoked and len({key, others, after_a_new_secret}) == 3
    assert key.startswith("sk-thermo-") and len(key) == 42
    assert found(base, key).caller.account == "one"
    stored = b"".join(path.read_bytes() for path in base.path.parent.glob("thermly.db*"))
    assert key.removeprefix("sk-thermo-").encode() not in stored and keys.digest(key).encode() in stored


def test_a_playground_key_that_was_revoked_stays_so(base: Database) -> None:
    by = books.payer(base)
    with base.begin() as tx:
        key, _ = keys.playground(tx, by.account_id, b"secret", NOW_MS)
        keys.revoke(tx, key, NOW_MS)
        assert keys.playground(tx, by.account_id, b"secret", NOW_MS) == (key, True)
    assert found(base, key).revoked


def test_a_playground_gets_a_new_key_when_somebody_says_so(base: Database) -> None:
    by, seen = books.payer(base), list[str]()
    with base.begin() as tx:
        for _ in range(3):
            key, revoked = keys.playground(tx, by.account_id, b"secret", NOW_MS, again=True)
            assert not revoked and keys.playground(tx, by.account_id, b"secret", NOW_MS, again=True) == (key, False)
            assert keys.playground(tx, by.account_id, b"secret", NOW_MS) == (key, False)
            keys.revoke(tx, key, NOW_MS)
            assert keys.playground(tx, by.account_id, b"secret", NOW_MS) == (key, True)
            seen.append(key)
    assert len(set(seen)) == 3 and all(found(base, key).revoked for key in seen)
