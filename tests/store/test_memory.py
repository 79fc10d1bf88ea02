"""Rows of what was said: whose they are, in which order, until when."""

from pathlib import Path

import books
import pytest
from pytest import MonkeyPatch

from thermly.store import db, memory
from thermly.store.db import Database
from thermly.store.memory import Conversation, Response

NOW_MS, LATER_MS = books.NOW_MS, books.NOW_MS + 1000


@pytest.fixture
def me(base: Database) -> str:
    return books.payer(base, "me").account_id


@pytest.fixture
def you(base: Database) -> str:
    return books.payer(base, "you").account_id


def items(*names: str) -> list[dict[str, str]]:
    return [{"id": name, "said": name} for name in names]


def names(rows: list[dict[str, str]] | None) -> list[str] | None:
    return None if rows is None else [row["id"] for row in rows]


def respond(
    base: Database,
    account_id: str,
    name: str,
    previous: str | None = None,
    expires_at_ms: int = LATER_MS,
    status: str = "completed",
    outputs: bool = True,
) -> Response:
    made = Response(name, previous, None, status, "{}")
    said = items(name + "-out") if outputs else []
    with base.begin() as tx:
        memory.add_response(tx, account_id, made, items(name + "-in"), said, NOW_MS, expires_at_ms)
    return made


def converse(base: Database, account_id: str, name: str, expires_at_ms: int = LATER_MS) -> Conversation:
    made = Conversation(name, '{"a":"b"}', NOW_MS)
    with base.begin() as tx:
        memory.add_conversation(tx, account_id, made, items("first"), expires_at_ms)
    return made


def test_a_response_is_found_as_it_was_kept_by_its_owner_until_it_expires(
    base: Database, me: str, you: str
) -> None:
    made = respond(base, me, "r")
    with base.each() as tx:
        assert memory.find_response(tx, "r", me, NOW_MS) == made
        assert memory.find_response(tx, "r", you, NOW_MS) is None
        assert memory.find_response(tx, "r", me, LATER_MS) is None
        assert names(memory.inputs_of(tx, "r")) == ["r-in"]


def test_a_history_is_all_that_was_said_oldest_first(base: Database, me: str, you: str) -> None:
    for name, previous in (("a", None), ("b", "a"), ("c", "b"), ("other", "a")):
        respond(base, me, name, previous)
    with base.each() as tx:
        told = names(memory.history(tx, "c", me, NOW_MS))
        assert told == ["a-in", "a-out", "b-in", "b-out", "c-in", "c-out"]
        assert names(memory.history(tx, "a", me, NOW_MS)) == ["a-in", "a-out"]
        assert memory.history(tx, "c", you, NOW_MS) is None
        assert memory.history(tx, "nothing", me, NOW_MS) is None


def test_a_history_with_a_gap_is_none(base: Database, me: str) -> None:
    for name, previous in (("a", None), ("b", "a"), ("c", "b")):
        respond(base, me, name, previous)
    with base.begin() as tx:
        assert memory.delete_response(tx, "a", me)
        assert memory.history(tx, "c", me, NOW_MS) is None
        assert memory.history(tx, "b", me, NOW_MS) is None


def test_a_history_whose_beginning_has_expired_is_none_before_it_is_swept(base: Database, me: str) -> None:
    respond(base, me, "a", expires_at_ms=NOW_MS + 1)
    respond(base, me, "b", "a")
    with base.each() as tx:
        assert names(memory.history(tx, "b", me, NOW_MS)) == ["a-in", "a-out", "b-in", "b-out"]
        assert memory.history(tx, "b", me, NOW_MS + 1) is None


def test_a_history_never_crosses_into_another_account(base: Database, me: str, you: str) -> None:
    respond(base, you, "theirs")
    respond(base, me, "mine", "theirs")
    with base.each() as tx:
        assert memory.history(tx, "mine", me, NOW_MS) is None


def test_a_history_goes_back_so_far_and_no_further(
    base: Database, me: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MOST_TURNS", 2)
    for name, previous in (("a", None), ("b", "a"), ("c", "b"), ("d", "c")):
        respond(base, me, name, previous)
    with base.each() as tx:
        assert names(memory.history(tx, "c", me, NOW_MS)) is not None
        assert memory.history(tx, "d", me, NOW_MS) is None


def test_a_response_ends_once_and_its_output_follows_its_input(base: Database, me: str) -> None:
    respond(base, me, "r", status="queued", outputs=False)
    with base.begin() as tx:
        memory.note_response(tx, "r", "in_progress", '{"at":1}')
        assert memory.end_response(tx, "r", "completed", '{"at":2}', items("r-out"))
        assert not memory.end_response(tx, "r", "failed", '{"at":3}', items("again"))
        memory.note_response(tx, "r", "in_progress", '{"at":4}')
        found = memory.find_response(tx, "r", me, NOW_MS)
        assert found is not None and (found.status, found.body) == ("completed", '{"at":2}')
        assert names(memory.history(tx, "r", me, NOW_MS)) == ["r-in", "r-out"]


def test_a_response_is_deleted_with_its_items_by_its_owner_alone(base: Database, me: str, you: str) -> None:
    respond(base, me, "r")
    with base.begin() as tx:
        assert not memory.delete_response(tx, "r", you)
        assert memory.inputs_of(tx, "r")
        assert memory.delete_response(tx, "r", me)
        assert not memory.delete_response(tx, "r", me)
        assert tx.one("SELECT COUNT(*) FROM response_item") == (0,)


def test_an_item_is_found_wherever_it_was_said(base: Database, me: str, you: str) -> None:
    respond(base, me, "r")
    converse(base, me, "c")
    with base.each() as tx:
        for item_id in ("r-in", "r-out", "first"):
            found = memory.find_item(tx, item_id, me, NOW_MS)
            assert found is not None and found["id"] == item_id
            assert memory.find_item(tx, item_id, you, NOW_MS) is None
            assert memory.find_item(tx, item_id, me, LATER_MS) is None
        assert memory.find_item(tx, "nothing", me, NOW_MS) is None


def test_a_conversation_is_found_renamed_and_deleted_by_its_owner(base: Database, me: str, you: str) -> None:
    made = converse(base, me, "c")
    with base.begin() as tx:
        assert memory.find_conversation(tx, "c", me, NOW_MS) == made
        assert memory.find_conversation(tx, "c", you, NOW_MS) is None
        assert memory.find_conversation(tx, "c", me, LATER_MS) is None
        memory.rename_conversation(tx, "c", "{}")
        again = memory.find_conversation(tx, "c", me, NOW_MS)
        assert again == Conversation("c", "{}", NOW_MS)
        assert not memory.delete_conversation(tx, "c", you)
        assert memory.delete_conversation(tx, "c", me)
        assert memory.items_of(tx, "c") == []


def test_items_come_after_those_that_are_there_and_each_once(base: Database, me: str) -> None:
    converse(base, me, "c")
    with base.begin() as tx:
        assert memory.append(tx, "c", items("second", "third"), LATER_MS) == ["second", "third"]
        assert memory.append(tx, "c", items("first", "fourth"), LATER_MS) == ["fourth"]
        assert names(memory.items_of(tx, "c")) == ["first", "second", "third", "fourth"]
        assert memory.remove_item(tx, "c", "second") and not memory.remove_item(tx, "c", "second")
        assert memory.append(tx, "c", items("second"), LATER_MS) == ["second"]
        assert names(memory.items_of(tx, "c")) == ["first", "third", "fourth", "second"]


def test_what_is_added_lets_a_conversation_live_on(base: Database, me: str) -> None:
    converse(base, me, "c")
    with base.begin() as tx:
        memory.append(tx, "c", items("second"), LATER_MS + 1)
        assert memory.find_conversation(tx, "c", me, LATER_MS) is not None


def test_nothing_is_added_to_a_conversation_that_is_gone(base: Database) -> None:
    with base.begin() as tx:
        assert memory.append(tx, "gone", items("lost"), LATER_MS) is None
        assert tx.one("SELECT COUNT(*) FROM conversation_item") == (0,)


def test_what_has_expired_is_swept_with_its_items_a_few_at_a_time(base: Database, me: str) -> None:
    for i in range(3):
        respond(base, me, f"old{i}", expires_at_ms=NOW_MS)
    respond(base, me, "new")
    converse(base, me, "past", NOW_MS)
    converse(base, me, "present")
    with base.begin() as tx:
        assert [memory.sweep(tx, NOW_MS, 2) for _ in range(3)] == [3, 1, 0]
        assert tx.all("SELECT DISTINCT response_id FROM response_item") == [("new",)]
        assert tx.all("SELECT DISTINCT conversation_id FROM conversation_item") == [("present",)]
        assert tx.all("SELECT id FROM response") == [("new",)]
        assert tx.all("SELECT id FROM conversation") == [("present",)]


def test_the_sum_of_bytes_follows_every_row_and_says_where_it_does_not(base: Database, me: str, you: str) -> None:
    with base.begin() as tx:
        assert memory.bytes_of(tx, me) == memory.bytes_of(tx, "nobody") == 0
    respond(base, me, "old", expires_at_ms=NOW_MS)
    respond(base, me, "new")
    converse(base, me, "past", NOW_MS)
    converse(base, me, "present")
    respond(base, you, "theirs")
    with base.begin() as tx:
        before = memory.bytes_of(tx, me)
        memory.rename_conversation(tx, "present", '{"ü":"b"}')  # a byte more
        memory.append(tx, "present", items("one", "one", "two"), LATER_MS)
        memory.remove_item(tx, "present", "one")
        assert memory.bytes_of(tx, me) == before + 1 + 256 + len('{"id":"two","said":"two"}')
        assert memory.contradictions(tx) == []
        memory.sweep(tx, NOW_MS)
        assert memory.contradictions(tx) == [] and 0 < memory.bytes_of(tx, me) < before
        memory.delete_response(tx, "new", me)
        memory.delete_conversation(tx, "present", me)
        assert memory.contradictions(tx) == []
        assert memory.bytes_of(tx, me) == 0 < memory.bytes_of(tx, you)
        tx.run("UPDATE account SET memory_bytes = 7 WHERE id = :id", {"id": me})
        assert [(c.account, c.stored_bytes, c.rows_bytes) for c in memory.contradictions(tx)] == [("me", 7, 0)]


def test_a_database_from_before_is_counted_when_it_is_brought_up(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    path, names = tmp_path / "old.db", db.names()
    with monkeypatch.context() as patch:
        patch.setattr(db, "names", lambda: [name for name in names if name < "0008"])
        db.migrate(path)
    base = Database(path)
    me = books.payer(base, "me").account_id
    respond(base, me, "a")
    converse(base, me, "c")
    assert db.migrate(path)[0] == "0008_memory_bounds"
    with base.each() as tx:
        assert memory.contradictions(tx) == [] and memory.bytes_of(tx, me) > 4 * 256
    base.close()
