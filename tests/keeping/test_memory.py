"""What was said before: recalled whole or not at all, remembered in one piece."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import books
import pytest
from stories.stack import at_once

from thermly.errors import InsufficientFunds, InvalidRequest, NotFound
from thermly.keeping.memory import MOST_ITEMS, Memory
from thermly.store import memory as store
from thermly.store.db import Database

JSON = dict[str, Any]
DAY_MS = 86_400_000


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Database]:
    base = books.fresh(tmp_path)
    yield base
    base.close()


@pytest.fixture
def memory(base: Database) -> Memory:
    return Memory(base, 30, 512)


@pytest.fixture
def me(base: Database) -> str:
    return books.payer(base, "me").account_id


@pytest.fixture
def you(base: Database) -> str:
    return books.payer(base, "you").account_id


def items(*names: str) -> list[JSON]:
    return [{"id": name} for name in names]


def names(rows: list[JSON]) -> list[str]:
    return [row["id"] for row in rows]


def response(name: str, previous: str | None = None, status: str = "completed") -> JSON:
    return {
        "id": name,
        "previous_response_id": previous,
        "status": status,
        "output": items(name + "-out") if status == "completed" else [],
    }


def test_what_is_remembered_is_recalled_by_another_process(base: Database, memory: Memory, me: str) -> None:
    memory.remember(me, response("a"), items("a-in"), None)
    memory.remember(me, response("b", "a"), items("b-in"), None)
    other = Memory(Database(base.path), 30, 512)
    assert names(other.recall(me, "b", None)) == ["a-in", "a-out", "b-in", "b-out"]
    assert names(other.inputs("b", me)) == ["b-in"] and other.recall(me, None, None) == []
    other._database.close()


def test_what_is_not_there_is_told_with_its_field(memory: Memory, me: str, you: str) -> None:
    memory.remember(me, response("a"), items("a-in"), None)
    conversation = memory.begin_conversation(me, {}, [])
    for account_id, previous, belongs, param in (
        (me, "nothing", None, "previous_response_id"),
        (you, "a", None, "previous_response_id"),
        (me, None, "nothing", "conversation"),
        (you, None, conversation.id, "conversation"),
    ):
        with pytest.raises(NotFound) as caught:
            memory.recall(account_id, previous, belongs)
        assert caught.value.param == param and (previous or belongs or "") in caught.value.message


def test_a_long_name_is_not_repeated_at_length(memory: Memory, me: str) -> None:
    for ask in (
        lambda: memory.recall(me, "x" * 5_000, None),
        lambda: memory.response("x" * 5_000, me),
        lambda: memory.conversation("x" * 5_000, me),
        lambda: memory.one_item(memory.begin_conversation(me, {}, []), "x" * 5_000),
    ):
        with pytest.raises(NotFound) as caught:
            ask()
        assert len(caught.value.message) < 300


def test_a_response_lives_its_days_and_a_conversation_from_its_last_word(
    base: Database, memory: Memory, me: str
) -> None:
    memory.remember(me, response("a"), [], None)
    conversation = memory.begin_conversation(me, {}, [])
    with base.begin() as tx:
        tx.run("UPDATE conversation SET expires_at_ms = :soon", {"soon": time.time_ns() // 10**6 + 60_000})
    memory.remember(me, response("b"), items("b-in"), conversation.id)
    with base.each() as tx:
        rows = tx.all("SELECT expires_at_ms FROM response UNION ALL SELECT expires_at_ms FROM conversation")
    for (expires_at_ms,) in rows:
        assert abs(expires_at_ms - time.time_ns() // 10**6 - 30 * DAY_MS) < 60_000


def test_a_conversation_that_went_meanwhile_gets_no_items(base: Database, memory: Memory, me: str) -> None:
    conversation = memory.begin_conversation(me, {}, items("first"))
    memory.forget_conversation(conversation, me)
    memory.remember(me, response("a"), items("a-in"), conversation.id)
    assert memory.response("a", me).conversation_id == conversation.id
    with pytest.raises(NotFound):
        memory.add_items(conversation, me, items("second"))
    with base.each() as tx:
        assert tx.one("SELECT COUNT(*) FROM conversation_item") == (0,)


def test_items_are_added_together_or_not_at_all(memory: Memory, me: str) -> None:
    conversation = memory.begin_conversation(me, {}, items("a"))
    memory.add_items(conversation, me, items("b", "c"))
    with pytest.raises(InvalidRequest) as caught:
        memory.add_items(conversation, me, items("d", "b"))
    assert caught.value.param == "items[1].id"
    assert names(memory.items(conversation)) == ["a", "b", "c"]
    assert memory.one_item(conversation, "b") == {"id": "b"}
    memory.remove_item(conversation, "b")
    for ask in (memory.one_item, memory.remove_item):
        with pytest.raises(NotFound):
            ask(conversation, "b")


def test_a_conversation_does_not_grow_for_ever(memory: Memory, me: str) -> None:
    conversation = memory.begin_conversation(me, {}, [])
    memory.add_items(conversation, me, items(*(f"i{i}" for i in range(MOST_ITEMS - 1))))
    for _ in range(2):
        with pytest.raises(InvalidRequest) as caught:
            memory.add_items(conversation, me, items("one", "two"))
        assert (caught.value.param, caught.value.code) == ("items", "conversation_full")
        assert "10,000" in caught.value.message and "one" not in names(memory.items(conversation))
    assert len(memory.recall(me, None, conversation.id)) == MOST_ITEMS - 1
    memory.remember(me, response("a"), items("a-in"), conversation.id)
    assert names(memory.items(conversation))[-2:] == ["a-in", "a-out"], "what was begun in time is kept whole"
    with pytest.raises(InvalidRequest) as caught:
        memory.recall(me, None, conversation.id)
    assert (caught.value.param, caught.value.code) == ("conversation", "conversation_full")
    for name in ("i0", "i1"):
        memory.remove_item(conversation, name)
    assert len(memory.recall(me, None, conversation.id)) == MOST_ITEMS - 1


def test_the_same_item_added_by_many_at_once_is_added_by_one(memory: Memory, me: str) -> None:
    conversation = memory.begin_conversation(me, {}, [])

    def add(i: int) -> bool:
        try:
            memory.add_items(conversation, me, items(f"own{i}", "shared"))
        except InvalidRequest:
            return False
        return True

    assert sum(at_once(8, add)) == 1
    assert len(memory.items(conversation)) == 2


def test_requests_at_once_do_not_mingle_in_a_conversation(memory: Memory, me: str) -> None:
    conversation = memory.begin_conversation(me, {}, [])
    at_once(8, lambda i: memory.remember(me, response(f"r{i}"), items(f"r{i}-in"), conversation.id))
    told = names(memory.items(conversation))
    assert len(told) == 16
    for first, second in zip(told[::2], told[1::2], strict=True):
        assert (first, second) == (first.removesuffix("-in") + "-in", first.removesuffix("-in") + "-out")


def test_a_response_kept_from_its_beginning_is_told_to_its_conversation_at_its_end(
    base: Database, memory: Memory, me: str
) -> None:
    conversation = memory.begin_conversation(me, {}, [])
    with base.begin() as tx:
        memory.open_in(tx, me, response("a", status="queued"), items("a-in"))
    assert memory.items(conversation) == [] and memory.response("a", me).status == "queued"
    assert_under_way(memory, me)
    with base.begin() as tx:
        memory.note_in(tx, response("a", status="in_progress"))
    assert memory.response("a", me).status == "in_progress"
    assert_under_way(memory, me)
    for _ in range(2):
        with base.begin() as tx:
            memory.end_in(tx, response("a"), items("a-in"), conversation.id)
    assert names(memory.items(conversation)) == names(memory.recall(me, "a", None)) == ["a-in", "a-out"]
    with base.begin() as tx:
        memory.forget_in(tx, "a", me)
    with pytest.raises(NotFound):
        memory.response("a", me)


def assert_under_way(memory: Memory, me: str) -> None:
    """Nobody hears half of it."""
    with pytest.raises(InvalidRequest) as caught:
        memory.recall(me, "a", None)
    assert caught.value.param == "previous_response_id"


def test_what_is_forgotten_is_gone_and_only_for_its_owner(
    base: Database, memory: Memory, me: str, you: str
) -> None:
    memory.remember(me, response("a"), items("a-in"), None)
    for account_id, left in ((you, {"id": "a-in"}), (me, None)):
        assert memory.item("a-in", you) is None
        with base.begin() as tx:
            memory.forget_in(tx, "a", account_id)
        assert memory.item("a-in", me) == left
    for ask in (memory.response, memory.inputs):
        with pytest.raises(NotFound):
            ask("a", me)


def test_metadata_is_replaced(memory: Memory, me: str) -> None:
    conversation = memory.begin_conversation(me, {"a": "b"}, [])
    renamed = memory.rename_conversation(conversation, me, {"c": "d"})
    assert renamed.metadata == '{"c":"d"}' and memory.conversation(conversation.id, me) == renamed


# ---- how much an account may have


def taken(base: Database, account_id: str) -> int:
    with base.each() as tx:
        assert store.contradictions(tx) == []
        return store.bytes_of(tx, account_id)


def large(name: str, kib: int) -> JSON:
    return {"id": name, "text": "ü" * (kib * 512)}


def test_what_is_added_counts_and_what_would_be_too_much_is_not_there(base: Database, me: str) -> None:
    memory = Memory(base, 30, 1)
    conversation = memory.begin_conversation(me, {}, [large("a", 500)])
    before = taken(base, me)
    assert before > 500 * 1024
    for add in (
        lambda: memory.add_items(conversation, me, [large("b", 300), large("c", 300)]),
        lambda: memory.begin_conversation(me, {}, [large("d", 600)]),
        lambda: memory.rename_conversation(conversation, me, {"much": "x" * 600 * 1024}),
    ):
        with pytest.raises(InvalidRequest) as caught:
            add()
        assert caught.value.code == "memory_full" and "store: false" in caught.value.message
        assert taken(base, me) == before
    with pytest.raises(InvalidRequest), base.begin() as tx:
        memory.open_in(tx, me, response("r", status="queued"), [large("e", 600)])
    memory.add_items(conversation, me, [large("b", 300)])
    memory.remove_item(conversation, "b")
    assert taken(base, me) == before
    memory.forget_conversation(conversation, me)
    assert taken(base, me) == 0


def test_the_response_that_crosses_the_bound_is_kept_and_the_next_is_not(base: Database, me: str) -> None:
    memory = Memory(base, 30, 1)
    for name, kept in (("a", True), ("b", True), ("c", False)):
        told = {**response(name), "store": True}
        memory.remember(me, told, [large(name + "-in", 600)], None)
        assert told["store"] is kept
    with pytest.raises(NotFound):
        memory.response("c", me)
    assert taken(base, me) > 1_048_576
    with base.begin() as tx:
        memory.forget_in(tx, "a", me)
    assert taken(base, me) < 1_048_576


def test_who_has_no_credit_or_no_room_is_told_before_anything_is_done(base: Database) -> None:
    memory = Memory(base, 30, 1)
    poor, rich = books.payer(base, "poor"), books.payer(base, "rich", 10**9)
    capped = books.payer(base, "capped", 10**9, cap_nanousd=0)
    for by, code in ((poor, "insufficient_credits"), (capped, "spend_cap_reached")):
        with pytest.raises(InsufficientFunds) as broke:
            memory.admit(by.account_id, by.key_id)
        assert broke.value.code == code
    memory.admit(rich.account_id, rich.key_id)
    memory.remember(rich.account_id, response("a"), [large("a-in", 1024)], None)
    with pytest.raises(InvalidRequest) as full:
        memory.admit(rich.account_id, rich.key_id)
    assert full.value.code == "memory_full"


def test_however_many_write_at_once_the_sum_is_exact_and_the_bound_holds(base: Database, me: str) -> None:
    memory = Memory(base, 30, 1)
    conversation = memory.begin_conversation(me, {}, [])

    def add(i: int) -> bool:
        try:
            memory.add_items(conversation, me, [large(f"i{i}", 200)])
        except InvalidRequest:
            return False
        return True

    assert sum(at_once(12, add)) == 5
    assert 1_000_000 < taken(base, me) <= 1_048_576
