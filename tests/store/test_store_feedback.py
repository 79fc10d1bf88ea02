"""Finding a request again without an index, and going through all of them without holding them."""

import random
from collections.abc import Callable

import books
import pytest
from msgspec.structs import replace

from thermly.store import feedback, money
from thermly.store.db import Database
from thermly.store.feedback import LONGEST_MS, Feedback

Put = Callable[..., str]


@pytest.fixture
def by(base: Database) -> books.Payer:
    return books.payer(base, credit_nanousd=10**12)


@pytest.fixture
def put(base: Database) -> Put:
    """A request that began and took so long; returns its id, which begins with that time as all do."""
    chance = random.Random(5)

    def put(by: books.Payer, at_ms: int, took_ms: int = 10, **facts: object) -> str:
        opening = books.opening(by, started_at_ms=at_ms)
        opening = replace(opening, id=f"{at_ms:011x}{chance.getrandbits(44):011x}")
        with base.begin() as tx:
            assert money.hold(tx, opening, 10)
            assert money.close(tx, opening.id, replace(books.settled(10), duration_ms=took_ms, **facts))
        return opening.id

    return put


def test_every_request_is_found_again(base: Database, by: books.Payer, put: Put) -> None:
    other = books.payer(base, "other", 10**12)
    found = [put(other if i % 3 == 0 else by, books.NOW_MS + 500 * i, score_ppm=i) for i in range(60)]
    for i, request_id in enumerate(found):
        answered = feedback.find(base, by.account_id, request_id, books.NOW_MS + 500 * i)
        assert (answered is None) == (i % 3 == 0)
        assert answered is None or answered.score_ppm == i


def test_one_that_took_long_is_found_behind_many_that_did_not(
    base: Database, by: books.Payer, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "BATCH", 7)
    for i in range(50):
        put(by, books.NOW_MS + i)
    request_id = put(by, books.NOW_MS, took_ms=60_000)
    assert feedback.find(base, by.account_id, request_id, books.NOW_MS) is not None
    too_long = put(by, books.NOW_MS, took_ms=LONGEST_MS + 60_000)
    assert feedback.find(base, by.account_id, too_long, books.NOW_MS) is None


def test_in_an_empty_log_nothing_is_found(base: Database, by: books.Payer) -> None:
    assert feedback.find(base, by.account_id, "0" * 22, books.NOW_MS) is None
    assert list(feedback.served(base, 0)) == []


def test_only_ones_own_holds_are_under_way(base: Database, by: books.Payer) -> None:
    opening = books.opening(by)
    with base.begin() as tx:
        assert money.hold(tx, opening, 10)
        assert feedback.is_under_way(tx, by.account_id, opening.id)
        assert not feedback.is_under_way(tx, "another", opening.id)
        assert not feedback.is_under_way(tx, by.account_id, "another")


def rated(by: books.Payer, request_id: str, rating: int, comment: str = "") -> Feedback:
    return Feedback(request_id, by.account_id, by.key_id, rating, comment, None, 2, "auto", "gpt-4o", 7)


def test_a_rating_is_replaced(base: Database, by: books.Payer) -> None:
    with base.begin() as tx:
        feedback.keep(tx, rated(by, "one", 1, "Wrong."))
        feedback.keep(tx, rated(by, "one", 5))
        feedback.keep(tx, rated(by, "two", 3))
        assert tx.all("SELECT id, rating, comment FROM feedback ORDER BY id") == [("one", 5, ""), ("two", 3, "")]


@pytest.mark.parametrize("batch", [1, 3, 10, 1_000])
def test_all_that_was_served_is_seen_once_and_in_order(
    base: Database, by: books.Payer, put: Put, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(feedback, "BATCH", batch)
    other = books.payer(base, "other", 10**12)
    made = [put(other if i % 2 else by, books.NOW_MS + 1_000 * i, score_ppm=i) for i in range(10)]
    with base.begin() as tx:
        feedback.keep(tx, rated(by, made[4], 2))
    found = list(feedback.served(base, 0))
    assert [(row.score_ppm, row.rating) for row in found] == [(i, 2 if i == 4 else None) for i in range(10)]
    assert [row.score_ppm for row in feedback.served(base, 0, by.account_id)] == [0, 2, 4, 6, 8]
    assert [row.score_ppm for row in feedback.served(base, books.NOW_MS + 7_000)] == [7, 8, 9]
    assert [row.score_ppm for row in feedback.served(base, books.NOW_MS + 7_000, by.account_id)] == [8]
    assert (found[0].input_tokens, found[0].cost_nanousd, found[0].baseline_nanousd) == (10, 10, 30)
