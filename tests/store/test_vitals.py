import books

from thermly.store import money, usage, vitals
from thermly.store.db import Database
from thermly.store.money import Closing


def test_a_new_server_has_nothing_to_tell(base: Database) -> None:
    with base.each() as tx:
        found = vitals.read(tx)
    assert found.sqlite.startswith("3.")
    assert (found.accounted_seq, found.accounted_at_ms, found.unaccounted) == (0, None, 0)
    assert (found.holds, found.oldest_hold_at_ms) == (0, None)
    assert set(found.image_jobs.values()) == set(found.background.values()) == {0}


def test_what_is_under_way_and_what_waits_is_counted(base: Database) -> None:
    payer = books.payer(base, credit_nanousd=10**9)
    with base.begin() as tx:
        for later_ms in (0, 100, 200):
            opening = books.opening(payer, started_at_ms=books.NOW_MS + later_ms)
            assert money.hold(tx, opening, 1)
            if not later_ms:
                money.close(tx, opening.id, Closing(state="settled", outcome="ok", duration_ms=7))
        found = vitals.read(tx)
        assert (found.holds, found.oldest_hold_at_ms, found.unaccounted) == (2, books.NOW_MS + 100, 1)
        usage.account_batch(tx)
        found = vitals.read(tx)
    assert (found.accounted_seq, found.accounted_at_ms, found.unaccounted) == (1, books.NOW_MS + 7, 0)
