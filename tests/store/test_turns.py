"""Whose turn it is, among rows as they may stand."""

import books
import pytest

from thermly import ids
from thermly.store import background, images, memory, turns
from thermly.store.db import Database
from thermly.store.images import Job
from thermly.store.turns import Turn

NOW_MS = books.NOW_MS


def response(base: Database, account_id: str, at_ms: int = 0) -> str:
    response_id = "resp_" + ids.new()
    row = memory.Response(response_id, None, None, "queued", "{}")
    with base.begin() as tx:
        memory.add_response(tx, account_id, row, (), (), NOW_MS + at_ms, 10**15)
        background.add(tx, response_id, b"", NOW_MS + at_ms)
    return response_id


def image(base: Database, account_id: str, at_ms: int = 0) -> str:
    at_ms += NOW_MS
    job = Job(ids.new(), account_id, "queued", "", 0, "", "m", 1, 0, "", "", None, None, "", at_ms, at_ms)
    with base.begin() as tx:
        images.add(tx, job, 10**15)
    return job.id


def first(base: Database) -> Turn | None:
    with base.each() as tx:
        return turns.first(tx)


def begin(base: Database, turn: Turn | None) -> str:
    assert turn is not None
    with base.begin() as tx:
        claim = images.claim if turn.kind == "image" else background.claim
        assert claim(tx, turn.id, "1-test") is not None
    return turn.id


def in_order(base: Database) -> list[str]:
    """All that waits, each begun when its turn comes and none of them ended."""
    found = []
    while (turn := first(base)) is not None:
        found.append(begin(base, turn))
    return found


@pytest.fixture
def a(base: Database) -> str:
    return books.payer(base, "a").account_id


@pytest.fixture
def b(base: Database) -> str:
    return books.payer(base, "b").account_id


def test_nothing_waits(base: Database) -> None:
    assert first(base) is None


def test_one_account_is_served_in_its_own_order(base: Database, a: str) -> None:
    made = [make(base, a, at) for at, make in ((3, image), (1, response), (2, image), (0, response))]
    assert in_order(base) == [made[3], made[1], made[2], made[0]]


def test_who_asks_for_little_does_not_wait_for_who_asks_for_much(base: Database, a: str, b: str) -> None:
    many = [response(base, a, at) for at in range(6)]
    begun = [begin(base, first(base)) for _ in range(2)]
    few = [image(base, b, 10), response(base, b, 11)]
    assert begun + in_order(base) == [*many[:2], *few, *many[2:]], "b has fewer under way, then both as many"


def test_both_kinds_under_way_count(base: Database, a: str, b: str) -> None:
    begin(base, Turn("image", image(base, a)))
    waiting = [response(base, a, 1), response(base, b, 2)]
    assert in_order(base) == waiting[::-1]


def test_what_has_ended_counts_no_more(base: Database, a: str, b: str) -> None:
    done = [begin(base, Turn("image", image(base, a))), begin(base, Turn("response", response(base, a)))]
    waiting = [response(base, a, 1), response(base, b, 2)]
    with base.begin() as tx:
        assert images.finish(tx, done[0], "1-test", "done", "", NOW_MS) and background.end(tx, done[1])
    assert in_order(base) == waiting


def test_a_response_that_is_queued_again_keeps_its_place(base: Database, a: str) -> None:
    made = [response(base, a, at) for at in range(2)]
    begin(base, first(base))
    with base.begin() as tx:
        task = background.find(tx, made[0])
        assert task is not None and background.requeue(tx, task, NOW_MS + 10**6)
    assert in_order(base) == made


def test_one_whose_response_is_gone_has_no_turn(base: Database, a: str) -> None:
    gone, left = response(base, a, 0), response(base, a, 1)
    with base.begin() as tx:
        memory.delete_response(tx, gone, a)
    assert first(base) == Turn("response", left)
    with base.begin() as tx:
        background.drop_orphans(tx)
        assert [task.response_id for task in background.all_of_them(tx)] == [left]
