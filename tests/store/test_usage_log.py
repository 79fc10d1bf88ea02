"""The log in pages: nothing twice, nothing lost, nothing slow; one request by its id."""

import time
from collections.abc import Callable
from typing import Any

import books
import pytest
from books import NOW_MS, Payer

from thermly.store import usage_log
from thermly.store.db import Database
from thermly.store.usage_log import Entry, Page, Wanted

MANY = 200_000


def fill(base: Database, who: Callable[[int], Payer], count: int, **facts: Callable[[int], Any]) -> None:
    """One request each 50 ms, which takes 100 ms."""
    names = ("id", "account_id", "key_id", "state", "outcome", "surface", "requested_model", "model",
             "started_at_ms", "duration_ms", "cost_nanousd", "complexity_level", "cache")  # fmt: skip
    defaults: dict[str, Callable[[int], Any]] = {
        "outcome": lambda i: "ok",
        "requested_model": lambda i: "auto",
        "model": lambda i: "gpt-4o",
        "cost_nanousd": lambda i: 0,
        "complexity_level": lambda i: 1,
        "cache": lambda i: "",
    }
    told = defaults | facts

    def row(i: int) -> tuple[Any, ...]:
        by, at = who(i), NOW_MS + 50 * i
        return (
            number(i), by.account_id, by.key_id, "settled", told["outcome"](i), "v1", told["requested_model"](i),
            told["model"](i), at, 100, told["cost_nanousd"](i), told["complexity_level"](i), told["cache"](i),
        )  # fmt: skip

    with base.begin():
        base.connection.executemany(
            f"INSERT INTO usage ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", map(row, range(count))
        )


def number(i: int) -> str:
    return f"{NOW_MS + 50 * i:011x}{i:011x}"


def page(base: Database, wanted: Wanted, before: int | None = None, size: int = 50) -> Page:
    with base.each() as tx:
        return usage_log.page(tx, wanted, before, size)


def walk(base: Database, wanted: Wanted, size: int = 50) -> list[Entry]:
    found, before = [], None
    while True:
        some = page(base, wanted, before, size)
        found += some.entries
        before = some.older
        if before is None:
            return found


@pytest.fixture
def two(base: Database) -> tuple[Payer, Payer]:
    return books.payer(base, "one", 10**15), books.payer(base, "two", 10**15)


def test_pages_have_each_request_once(base: Database, two: tuple[Payer, Payer]):
    fill(base, lambda i: two[i % 3 == 0], 500)
    assert [e.id for e in walk(base, Wanted())] == [number(i) for i in reversed(range(500))]
    assert [e.id for e in walk(base, Wanted(two[1].account_id), 7)] == [number(i) for i in range(498, -1, -3)]
    assert {e.account for e in walk(base, Wanted(two[0].account_id))} == {"one"}


def test_pages_stay_when_new_requests_come(base: Database, two: tuple[Payer, Payer]):
    fill(base, lambda i: two[0], 120)
    first = page(base, Wanted())
    second = page(base, Wanted(), first.older)
    with base.each() as tx:
        tx.run(
            """INSERT INTO usage (id, account_id, key_id, state, outcome, surface, requested_model, started_at_ms)
               SELECT 'new', account_id, key_id, state, outcome, surface, requested_model, started_at_ms FROM usage
               WHERE seq = 1"""
        )
    assert page(base, Wanted(), first.older) == second
    assert [e.id for e in second.entries] == [number(i) for i in range(69, 19, -1)]


def test_back_to_newer_pages(base: Database, two: tuple[Payer, Payer]):
    fill(base, lambda i: two[0], 160)
    second = page(base, Wanted(), page(base, Wanted()).older)
    third = page(base, Wanted(), second.older)
    assert third.newer is not None and second.newer is not None
    with base.each() as tx:
        assert usage_log.page_after(tx, Wanted(), third.newer).entries == second.entries
        newest = usage_log.page_after(tx, Wanted(), second.newer)
    assert newest == page(base, Wanted()), "no newer page than the newest"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"model": "rare"}, {5}),
        ({"model": "fast"}, {6}),
        ({"outcome": "failed"}, {7}),
        ({"outcome": "client_gone"}, {8}),
        ({"outcome": "unavailable"}, {7}),
        ({"cache": "hit"}, {9}),
        ({"level": 5}, {10}),
        ({"above_nanousd": 99}, {11}),
        ({"above_nanousd": 100}, set()),
        ({"level": 5, "cache": "hit"}, set()),
    ],
)
def test_filters(base: Database, two: tuple[Payer, Payer], facts: dict[str, Any], expected: set[int]):
    fill(
        base,
        lambda i: two[0],
        20,
        model=lambda i: "rare" if i == 5 else "gpt-4o",
        requested_model=lambda i: "fast" if i == 6 else "auto",
        outcome=lambda i: {7: "unavailable", 8: "client_gone"}.get(i, "ok"),
        cache=lambda i: "hit" if i == 9 else "",
        complexity_level=lambda i: 5 if i == 10 else 1,
        cost_nanousd=lambda i: 100 if i == 11 else 0,
    )
    for account_id in (None, two[0].account_id):
        assert {e.id for e in walk(base, Wanted(account_id, **facts))} == {number(i) for i in expected}
    assert walk(base, Wanted(two[1].account_id, **facts)) == []
    assert walk(base, Wanted(key_id=two[1].key_id, **facts)) == []


def test_who_was_asked_last_in_vain_has_not_answered(base: Database, two: tuple[Payer, Payer]):
    fill(base, lambda i: two[0], 3, model=lambda i: "rare", outcome=lambda i: "ok" if i < 2 else "unavailable")
    with base.begin() as tx:
        tx.run("UPDATE usage SET state = 'released' WHERE seq = 3")
        tx.run("UPDATE usage SET outcome = 'upstream_failed' WHERE seq = 2")
    assert [(e.model, e.answered_by) for e in walk(base, Wanted())] == [
        ("rare", ""), ("rare", "rare"), ("rare", "rare"),
    ]  # fmt: skip
    assert [e.seq for e in walk(base, Wanted(model="rare"))] == [2, 1]
    assert [e.seq for e in walk(base, Wanted(model="auto"))] == [3, 2, 1]


def test_spans_are_found_by_the_ends_of_requests(base: Database, two: tuple[Payer, Payer]):
    fill(base, lambda i: two[0], 300)
    with base.each() as tx:
        assert usage_log.since(tx, 0) == 1
        assert usage_log.since(tx, NOW_MS + 100) == 1
        assert usage_log.since(tx, NOW_MS + 101) == 2
        assert usage_log.since(tx, NOW_MS + 50 * 200 + 100) == 201
        assert usage_log.since(tx, NOW_MS * 2) == 301
    assert len(walk(base, Wanted(first=101, last=201))) == 100


def test_requests_of_dead_processes_do_not_lead_the_search_astray(base: Database, two: tuple[Payer, Payer]):
    fill(base, lambda i: two[0], 301)
    with base.begin() as tx:
        tx.run("UPDATE usage SET outcome = 'process_died', started_at_ms = 1 WHERE seq BETWEEN 140 AND 160")
        assert usage_log.since(tx, NOW_MS + 50 * 100 + 100) == 101
        assert usage_log.since(tx, NOW_MS + 50 * 250 + 100) == 251


def test_an_empty_log(base: Database, two: tuple[Payer, Payer]):
    assert page(base, Wanted()) == Page([], None, None)
    with base.each() as tx:
        assert usage_log.since(tx, 0) == 1
        assert usage_log.page_after(tx, Wanted(), 7) == Page([], None, None)
    assert usage_log.find(base, number(1)) is None


def test_a_request_is_found_by_its_id(base: Database, two: tuple[Payer, Payer]):
    fill(base, lambda i: two[i % 2], 1000)
    for i in (0, 1, 499, 998, 999):
        found = usage_log.find(base, number(i))
        assert found is not None and found.id == number(i)
        assert usage_log.find(base, number(i), two[i % 2].account_id) == found
        assert usage_log.find(base, number(i), two[1 - i % 2].account_id) is None, "somebody else's"
    for text in ("", "zzz", "0" * 22, "f" * 22, number(5)[:-1] + "f"):
        assert usage_log.find(base, text) is None


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Database, Payer, Payer]:
    base = books.fresh(tmp_path_factory.mktemp("crowd"))
    big, rare = books.payer(base, "big", 10**15), books.payer(base, "rare", 10**15)
    fill(base, lambda i: rare if i % 5000 == 7 else big, MANY)
    return base, big, rare


def best_ms(what: Callable[[], object], tries: int = 5) -> float:
    """The quickest of a few: others use the machine too."""
    took = []
    for _ in range(tries):
        began = time.perf_counter()
        what()
        took.append(time.perf_counter() - began)
    return min(took) * 1000


def test_pages_are_quick_among_many(crowd: tuple[Database, Payer, Payer]):
    base, big, rare = crowd
    for wanted in (
        *(Wanted(), Wanted(big.account_id), Wanted(rare.account_id), Wanted(model="none")),
        *(Wanted(big.account_id, model="none"), Wanted(rare.account_id, model="none")),
        *(Wanted(rare.account_id, key_id=rare.key_id), Wanted(outcome="failed")),
    ):
        assert best_ms(lambda wanted=wanted: page(base, wanted)) < 60, wanted  # type: ignore[misc]
        assert best_ms(lambda wanted=wanted: page(base, wanted, MANY // 2)) < 60, wanted  # type: ignore[misc]
    assert best_ms(lambda: usage_log.find(base, number(MANY // 3))) < 60
    assert best_ms(lambda: usage_log.find(base, number(7), rare.account_id)) < 60
    assert best_ms(lambda: usage_log.find(base, "0" * 22), 1) < 2000

    def spans() -> None:
        with base.each() as tx:
            usage_log.since(tx, NOW_MS + 50 * 12345)

    assert best_ms(spans) < 10


def test_what_matches_nothing_is_looked_for_in_steps(crowd: tuple[Database, Payer, Payer]):
    base, big, _ = crowd
    for account_id in (None, big.account_id):
        some = page(base, Wanted(account_id, model="none"))
        assert some.entries == [] and some.older is not None and some.seen_to_ms is not None
        steps = 1
        while some.older is not None:
            some, steps = page(base, Wanted(account_id, model="none"), some.older), steps + 1
        assert steps == -(-MANY // usage_log.LOOKED) and some.seen_to_ms is None


def test_a_match_far_back_is_reached_in_steps(crowd: tuple[Database, Payer, Payer]):
    base, _, rare = crowd
    found = walk(base, Wanted(key_id=rare.key_id))
    assert [e.id for e in found] == [number(i) for i in range(MANY - 5000 + 7, 0, -5000)]
