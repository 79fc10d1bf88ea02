import hashlib
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import books
import pytest

from thermly.money import codes
from thermly.money.codes import ATTEMPTS, TooManyTries, Worthless
from thermly.store import codes as store
from thermly.store import money
from thermly.store.db import Database
from thermly.store.ledger import TooMuch

USD = 10**9
UNKNOWN = "THRM-0000-0000-0000-0000"
NOTHING = "That code is not worth anything: it is unknown, used, or expired."
FAR_MS = 4_000_000_000_000


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Database]:
    base = books.fresh(tmp_path)
    yield base
    base.close()
    books.end_spawned()


def make(base: Database, count: int = 1, expires_at_ms: int | None = None, note: str = "") -> list[str]:
    return codes.make(base, count, 5 * USD, note, expires_at_ms)[1]


def test_a_code_has_eighty_bits_of_an_alphabet_without_doubles() -> None:
    assert len(set(codes.ALPHABET)) == 32 and not set("ILOU") & set(codes.ALPHABET)
    made = {codes.new() for _ in range(2000)}
    assert len(made) == 2000
    assert all(re.fullmatch(r"THRM(-[0-9A-HJKMNP-TV-Z]{4}){4}", code) for code in made)
    assert set("".join(code[5:] for code in made)) == {*codes.ALPHABET, "-"}


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "THRM-01AB-CDEF-GHJK-MNPQ",
            "thrm-01ab-cdef-ghjk-mnpq",
            " THRM 01AB CDEF GHJK MNPQ\n",
            "01abcdefghjkmnpq",
        ),
        *(
            "THRM-OLAB-CDEF-GHJK-MNPQ",
            "thrm-oiab-cdef-ghjk-mnpq",
            "T H R M01ABCDEFGHJKMNPQ",
            "THRM–01AB–CDEF–GHJK–MNPQ",
        ),
    ],
)
def test_a_code_is_read_as_people_type_it(typed: str) -> None:
    assert codes.digest(typed) == hashlib.sha256(b"01ABCDEFGHJKMNPQ").hexdigest()


@pytest.mark.parametrize(
    "typed", ["", "THRM", "THRM-01AB-CDEF-GHJ", "THRM-01AB-CDEF-GHJK-MNPU", "x" * 1000, "١" * 16]
)
def test_what_can_be_no_code_is_none(typed: str) -> None:
    assert codes.digest(typed) is None


def test_a_code_that_begins_like_the_prefix_is_read_whole() -> None:
    assert codes.digest("THRM-THRM-0000-0000-0000") == codes.digest("THRM000000000000")


def test_a_code_is_worth_credit_once(base: Database) -> None:
    by, other = books.payer(base, "one"), books.payer(base, "two")
    [code] = make(base, note="spring")
    assert codes.redeem(base, code, by.account_id, "per_1") == 5 * USD
    assert books.account_of(base, by).balance_nanousd == 5 * USD
    with pytest.raises(Worthless, match="This account has redeemed that code already"):
        codes.redeem(base, code, by.account_id, "per_1")
    with pytest.raises(Worthless, match=NOTHING):
        codes.redeem(base, code, other.account_id, "per_2")
    with base.each() as tx:
        [(kind, note, count)] = tx.all("SELECT kind, note, COUNT(*) FROM credit")
        assert (kind, note, count) == ("code", f"code …{code[-4:]}: spring", 1)
        assert money.contradictions(tx) == []


def test_unknown_used_and_expired_ones_get_the_same_answer(base: Database) -> None:
    by, other = books.payer(base, "one"), books.payer(base, "two")
    [used], [expired] = make(base), make(base, expires_at_ms=1)
    codes.redeem(base, used, other.account_id, "per_2")
    for code in (UNKNOWN, used, expired, "nonsense"):
        with pytest.raises(Worthless) as error:
            codes.redeem(base, code, by.account_id, "per_1")
        assert str(error.value) == NOTHING
    assert books.account_of(base, by).balance_nanousd == 0


def test_only_hashes_are_kept(base: Database) -> None:
    made = make(base, 5)
    base.close()
    kept = b"".join(path.read_bytes() for path in base.path.parent.glob("thermly.db*"))
    for code in made:
        assert code.encode() not in kept and code[5:].replace("-", "").encode() not in kept
        assert (codes.digest(code) or "").encode() in kept


def test_somebody_who_guesses_is_stopped(base: Database) -> None:
    by = books.payer(base)
    [code] = make(base)
    for _ in range(ATTEMPTS):
        with pytest.raises(Worthless, match=NOTHING):
            codes.redeem(base, UNKNOWN, by.account_id, "per_1")
    with pytest.raises(TooManyTries, match=r"Try again in 1[45] minutes\."):
        codes.redeem(base, code, by.account_id, "per_1")
    assert codes.redeem(base, code, by.account_id, "per_2") == 5 * USD


def test_good_codes_are_no_guesses(base: Database) -> None:
    by = books.payer(base)
    for code in make(base, ATTEMPTS + 5):
        codes.redeem(base, code, by.account_id, "per_1")


def test_a_code_that_would_be_too_much_is_not_used_up(base: Database) -> None:
    by = books.payer(base, credit_nanousd=10**9 * USD)
    [code] = make(base)
    with pytest.raises(TooMuch):
        codes.redeem(base, code, by.account_id, "per_1")
    other = books.payer(base, "other")
    assert codes.redeem(base, code, other.account_id, "per_2") == 5 * USD


REDEEM = """
import sys
from pathlib import Path
from thermly.money import codes
from thermly.store.db import Database
base = Database(Path(sys.argv[1]))
sys.stdin.readline()
won = 0
for code in sys.argv[4:]:
    try:
        won += codes.redeem(base, code, sys.argv[2], sys.argv[3]) > 0
    except codes.Worthless:
        pass
    with base.begin() as tx:
        tx.run("DELETE FROM rate_window")
print(won)
"""


def test_of_many_processes_at_the_same_instant_one_gets_it(base: Database) -> None:
    payers = [books.payer(base, f"payer {i}") for i in range(4)]
    made = make(base, 40)
    processes = [books.spawn(REDEEM, base.path, by.account_id, f"per_{i}", *made) for i, by in enumerate(payers)]
    for process in processes:
        books.start(process)
    won = [int(books.said(process)) for process in processes]
    assert sum(won) == len(made)
    assert [books.account_of(base, by).balance_nanousd for by in payers] == [count * 5 * USD for count in won]
    with base.each() as tx:
        assert money.contradictions(tx) == []


def test_of_many_threads_at_the_same_instant_one_gets_it(base: Database) -> None:
    payers = [books.payer(base, f"payer {i}") for i in range(8)]
    [code] = make(base)
    gate, won = threading.Barrier(len(payers)), []

    def run(by: books.Payer) -> None:
        gate.wait()
        try:
            won.append(codes.redeem(base, code, by.account_id, by.account_id))
        except Worthless:
            pass

    threads = [threading.Thread(target=run, args=(by,)) for by in payers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [5 * USD]
    assert books.number(base, "SELECT SUM(balance_nanousd) FROM account") == 5 * USD


def test_batches_tell_what_is_left_and_can_be_made_void(base: Database) -> None:
    by = books.payer(base)
    made = make(base, 3, note="first")
    time.sleep(0.002)  # the books know no order within a millisecond
    codes.make(base, 2, USD, "second", FAR_MS)
    codes.redeem(base, made[0], by.account_id, "per_1")
    with base.begin() as tx:
        second, first = store.batches(tx, books.NOW_MS)
        assert (second.note, second.made, second.redeemed, second.left) == ("second", 2, 0, 2)
        assert (second.amount_nanousd, second.expires_at_ms) == (USD, FAR_MS)
        assert (first.note, first.made, first.redeemed, first.left) == ("first", 3, 1, 2)
        assert store.void(tx, first.id, books.NOW_MS) == 2
        assert store.void(tx, first.id, books.NOW_MS) == 0
        assert [b.left for b in store.batches(tx, books.NOW_MS)] == [2, 0]
    with pytest.raises(Worthless, match=NOTHING):
        codes.redeem(base, made[1], by.account_id, "per_1")
    assert books.account_of(base, by).balance_nanousd == 5 * USD
