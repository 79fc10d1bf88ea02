"""Each that waits is made once, however many workers ask for the next."""

import threading
from collections.abc import Iterator
from pathlib import Path

import books
import pytest
from store.test_turns import image, response
from stories.stack import at_once

from thermly.running.turns import Turns
from thermly.store import background, images
from thermly.store.db import Database


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Database]:
    base = books.fresh(tmp_path)
    yield base
    base.close()


@pytest.fixture
def account(base: Database) -> str:
    return books.payer(base).account_id


class Workers:
    """They claim as real ones do, and say what they have made."""

    def __init__(self, base: Database) -> None:
        self.base, self.made = base, list[str]()
        self.turns = Turns(base, {"image": self.draw, "response": self.answer})
        self.lost = 0

    def draw(self, job_id: str) -> bool:
        with self.base.each() as tx:
            mine = images.claim(tx, job_id, threading.current_thread().name) is not None
        return self.note(job_id, mine)

    def answer(self, response_id: str) -> bool:
        with self.base.each() as tx:
            mine = background.claim(tx, response_id, threading.current_thread().name) is not None
        return self.note(response_id, mine)

    def note(self, made: str, mine: bool) -> bool:
        if mine:
            self.made.append(made)
        else:
            self.lost += 1
        return mine


def test_one_turn_makes_one(base: Database, account: str) -> None:
    waiting = [image(base, account, 0), response(base, account, 1)]
    workers = Workers(base)
    for count, was_any in ((1, True), (2, True), (2, False)):
        assert workers.turns.take() is was_any
        assert workers.made == waiting[:count]


def test_as_many_turns_as_wait_leave_nothing_and_make_nothing_twice(base: Database, account: str) -> None:
    waiting = [(image, response)[i % 2](base, account, i) for i in range(40)]
    workers = Workers(base)
    at_once(8, lambda _: [workers.turns.take() for _ in range(5)])
    assert sorted(workers.made) == sorted(waiting)


def test_who_comes_second_takes_the_next(base: Database, account: str) -> None:
    waiting = [response(base, account, i) for i in range(2)]
    workers = Workers(base)

    def snatched(response_id: str) -> bool:
        if response_id == waiting[0]:
            with base.each() as tx:
                background.claim(tx, response_id, "somebody quicker")
        return workers.answer(response_id)

    Turns(base, {"image": workers.draw, "response": snatched}).take()
    assert workers.made == waiting[1:] and workers.lost == 1


def test_what_breaks_off_is_not_tried_for_ever(base: Database, account: str) -> None:
    response(base, account)

    def broken(_response_id: str) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Turns(base, {"image": broken, "response": broken}).take()
