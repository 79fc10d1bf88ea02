import books
from msgspec.structs import replace

from thermly.store import money, runs
from thermly.store.db import Database


def asked(base: Database, by: books.Payer, reasons: str = "[]") -> str:
    opening = books.opening(by)
    with base.begin() as tx:
        money.record(tx, opening, replace(books.settled(1200), reasons=reasons, complexity_level=2))
    return opening.id


def test_a_request_is_found_by_whoever_made_it_and_by_nobody_else(base: Database) -> None:
    mine, other = books.payer(base), books.payer(base, "another")
    id_ = asked(base, mine, '["short greeting",{"not":"a sentence"}]')
    with base.each() as tx:
        found = runs.find(tx, mine.account_id, id_)
        assert runs.find(tx, other.account_id, id_) is None
        assert runs.find(tx, mine.account_id, id_[:-1]) is None
    assert found is not None
    assert (found.cost_nanousd, found.baseline_nanousd, found.model) == (1200, 3600, "gpt-4o")
    assert (found.complexity_level, found.outcome, found.reasons) == (2, "ok", ["short greeting"])


def test_what_is_long_past_is_not_looked_for(base: Database) -> None:
    by = books.payer(base)
    first, second = asked(base, by), asked(base, by)
    for _ in range(runs.LATEST - 1):
        asked(base, by)
    with base.each() as tx:
        assert runs.find(tx, by.account_id, first) is None
        assert runs.find(tx, by.account_id, second) is not None
