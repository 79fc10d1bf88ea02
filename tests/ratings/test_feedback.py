"""Who may rate which answer, looked for where the log has it and nowhere else."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import books
import pytest
from msgspec.structs import replace

from thermly import ids
from thermly.caller import Caller
from thermly.errors import InvalidRequest
from thermly.ratings import feedback
from thermly.store import feedback as store
from thermly.store import money
from thermly.store.db import Database


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Database]:
    base = books.fresh(tmp_path)
    yield base
    base.close()


def caller(by: books.Payer) -> Caller:
    return Caller(by.account_id, "someone", by.key_id, "pro", None, None)


def hold(base: Database, by: books.Payer, started_at_ms: int | None = None) -> str:
    now_ms = time.time_ns() // 1_000_000
    opening = books.opening(by, started_at_ms=started_at_ms or now_ms)
    with base.begin() as tx:
        assert money.hold(tx, opening, 10)
    return opening.id


def close(base: Database, request_id: str, **facts: object) -> None:
    with base.begin() as tx:
        assert money.close(tx, request_id, replace(books.settled(10), **facts))


def test_an_answer_is_waited_for_while_it_is_settled(base: Database) -> None:
    by = books.payer(base, credit_nanousd=10**9)
    request_id = hold(base, by)
    later = threading.Timer(0.3, close, (base, request_id))
    later.start()
    kept = feedback.rate(base, caller(by), "thermo-" + request_id, 5, "")
    later.join()
    assert kept is not None
    assert (kept.id, kept.rating, kept.model) == (request_id, 5, "gpt-4o")


def test_but_not_for_long(base: Database) -> None:
    by = books.payer(base, credit_nanousd=10**9)
    began = time.monotonic()
    with pytest.raises(InvalidRequest) as caught:
        feedback.rate(base, caller(by), "req_" + hold(base, by), 5, "")
    assert caught.value.code == "response_in_progress" and time.monotonic() - began < 5


def test_others_do_not_learn_what_is_under_way(base: Database) -> None:
    by, other = books.payer(base, credit_nanousd=10**9), books.payer(base, "other")
    assert feedback.rate(base, caller(other), "req_" + hold(base, by), 5, "") is None


def test_what_the_router_said_is_kept_with_the_rating(base: Database) -> None:
    by = books.payer(base, credit_nanousd=10**9)
    request_id = hold(base, by)
    close(base, request_id, score_ppm=123_456, complexity_level=3, model="gpt-4o-mini")
    kept = feedback.rate(base, caller(by), request_id, 2, "No.")
    assert kept is not None
    with base.each() as tx:
        columns = ", ".join(store.Feedback.__struct_fields__)
        row = tx.one(f"SELECT {columns} FROM feedback")
    assert row is not None and store.Feedback(*row) == kept
    assert (kept.score_ppm, kept.complexity_level, kept.requested_model) == (123_456, 3, "auto")


def test_an_id_that_was_made_by_somebody_else_is_not_found(base: Database) -> None:
    by = books.payer(base)
    for made in (ids.new(), f"{2**44 - 1:x}" + "0" * 11, "", "thermo-", "THERMO-" + ids.new(), ids.new() + "\n"):
        assert feedback.rate(base, caller(by), made, 5, "") is None
