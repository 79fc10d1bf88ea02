"""Responses in the background inside one process: what becomes of them when something breaks on the way."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import books
import msgspec
import pytest
from msgspec.structs import replace

from thermly import background, context, settings
from thermly.background import Background
from thermly.caller import Caller
from thermly.dialects import Bounds, responses
from thermly.errors import InsufficientFunds, InvalidRequest, NotFound
from thermly.gateway import Gateway
from thermly.keeping.memory import Memory
from thermly.ratings import feedback
from thermly.sandbox.server import Sandbox, start
from thermly.store import background as store
from thermly.store import money, underway
from thermly.store.background import Task

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def gateway(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.setattr(underway, "PAUSES_S", (0.01, 0.01))
    books.fresh(tmp_path).close()
    (tmp_path / "thermly.toml").write_text('[models.gratis]\nprovider = "openai"\nfree = true\n')
    told = {"THERMLY_INSTANCE": str(tmp_path), "THERMLY_SANDBOX_URL": sandbox.url, "THERMLY_KEEPALIVE_S": "1"}
    gateway = context.gateway(settings.read(told))
    yield gateway
    gateway.close()


class Here:
    """One process with somebody who asks."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway, self.base = gateway, gateway.database
        self.memory, self.handed_on = Memory(gateway.database, 30, 512), list[str]()
        self.background = Background(gateway, self.memory, self.later)
        self.caller = self.somebody(books.payer(gateway.database, credit_nanousd=10**12))

    def somebody(self, payer: books.Payer) -> Caller:
        return Caller(payer.account_id, "someone", payer.key_id, "pro", None, None, capped=bool(payer.capped))

    def poor(self, nanousd: int, capped: bool = False) -> None:
        """Who asks from now on has only so much; `capped`: may spend only so much of plenty."""
        credit, cap = (10**12, nanousd) if capped else (nanousd, None)
        self.caller = self.somebody(books.payer(self.base, "poor", credit, cap))

    def later(self, response_id: str) -> bool:
        self.handed_on.append(response_id)
        return True

    def accept(self, text: str = "Hello", **fields: Any) -> str:
        body = {"model": "gpt-4o", "input": text, "background": True, **fields}
        asked = responses.read_request(msgspec.json.encode(body), Bounds(max_tools=9))
        chat = responses.with_history(asked, [])
        return str(self.background.accept(asked, chat, self.caller, "v1")["id"])

    def response(self, response_id: str) -> JSON:
        found: JSON = msgspec.json.decode(self.memory.response(response_id, self.caller.account_id).body)
        return found

    def task(self, response_id: str) -> Task | None:
        with self.base.each() as tx:
            return store.find(tx, response_id)

    def change(self, sql: str, **values: Any) -> None:
        with self.base.each() as tx:
            tx.run(sql, values)

    def age(self, response_id: str) -> None:
        late = background.LOST_AFTER_MS + 1
        self.change(
            "UPDATE background SET queued_at_ms = queued_at_ms - :late WHERE response_id = :id",
            late=late, id=response_id,
        )  # fmt: skip

    def usage(self) -> int:
        return books.number(self.base, "SELECT COUNT(*) FROM usage")


@pytest.fixture
def here(gateway: Gateway) -> Here:
    return Here(gateway)


FULL = """CREATE TRIGGER full BEFORE UPDATE ON response WHEN NEW.status = 'completed'
  BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"""


def test_it_is_made_once_and_then_it_is_over(here: Here) -> None:
    made = here.accept()
    assert here.handed_on == [made] and here.response(made)["status"] == "queued"
    assert here.background.answer(made) and here.response(made)["status"] == "completed"
    assert not here.background.answer(made) and here.task(made) is None and here.usage() == 1


def test_an_end_that_cannot_be_written_at_first_is_written_later(
    here: Here, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(underway, "PAUSES_S", (0.1,) * 50)
    made, room = here.accept(), threading.Timer(0.2, here.change, ["DROP TRIGGER full"])
    here.change(FULL)
    here.gateway.books.nudge = room.start  # when the answer is paid, before its end is written
    assert here.background.answer(made) and here.response(made)["status"] == "completed"
    assert f"{made} could not be written" in caplog.text and here.usage() == 1
    room.join()


def test_one_whose_end_was_never_written_is_begun_again_though_its_process_lives(here: Here) -> None:
    conversation = here.memory.begin_conversation(here.caller.account_id, {}, [])
    made = here.accept(conversation=conversation.id)
    here.change(FULL)
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        here.background.answer(made)
    left = here.task(made)
    assert left is not None and (left.state, left.owner) == ("running", here.gateway.owner)
    assert here.response(made)["status"] == "in_progress" and here.memory.items(conversation) == []
    here.change("DROP TRIGGER full")
    here.background.rescue()
    assert here.handed_on == [made, made]
    assert here.background.answer(made) and here.response(made)["status"] == "completed"
    assert [item["role"] for item in here.memory.items(conversation)] == ["user", "assistant"]


def test_what_is_being_made_is_not_begun_again(here: Here) -> None:
    made, looked = here.accept(), []

    def look() -> None:
        task = here.task(made)
        assert task is not None
        looked.append(task.state)
        here.background.rescue()
        here.background.revive(made)

    here.gateway.books.nudge = look
    assert here.background.answer(made) and looked == ["running"]
    assert here.handed_on == [made] and here.response(made)["status"] == "completed"


def test_one_that_waits_for_long_is_handed_on_again_and_no_sooner(here: Here) -> None:
    made = here.accept()
    here.background.rescue()
    here.background.revive(made)
    assert here.handed_on == [made]
    here.age(made)
    here.background.revive(made)
    here.background.revive(made)
    assert here.handed_on == [made, made], "once, and then the clock starts anew"


@pytest.mark.parametrize("attempts", [2, 3])
def test_one_that_kills_its_workers_is_given_up(here: Here, attempts: int) -> None:
    conversation = here.memory.begin_conversation(here.caller.account_id, {}, [])
    made = here.accept(conversation=conversation.id)
    here.change("UPDATE background SET state = 'running', owner = '1-dead', attempts = :n", n=attempts)
    here.background.rescue()
    if attempts < background.MOST_ATTEMPTS:
        assert here.handed_on == [made, made] and here.response(made)["status"] == "queued"
        return
    found = here.response(made)
    assert found["status"] == "failed" and "too often" in found["error"]["message"]
    assert here.task(made) is None and here.handed_on == [made] and here.usage() == 0
    assert [item["role"] for item in here.memory.items(conversation)] == ["user"], "it was said, and stays"


def test_one_that_cannot_be_read_keeps_nobody_waiting(here: Here, caplog: pytest.LogCaptureFixture) -> None:
    broken, made = here.accept(), here.accept()
    here.change("UPDATE background SET request = 'x', attempts = 3, state = 'running', owner = '1-dead'"
                " WHERE response_id = :id", id=broken)  # fmt: skip
    here.age(made)
    here.background.rescue()
    assert here.handed_on == [broken, made, made] and f"{broken} could not be begun again" in caplog.text


def test_what_was_cancelled_or_deleted_is_not_made(here: Here) -> None:
    cancelled, deleted = here.accept(), here.accept()
    assert here.background.cancel(cancelled, here.caller.account_id)["status"] == "cancelled"
    here.background.delete(deleted, here.caller.account_id)
    assert not here.background.answer(cancelled) and not here.background.answer(deleted)
    assert here.response(cancelled)["status"] == "cancelled" and here.usage() == 0
    for call in (here.response, lambda id: here.background.delete(id, here.caller.account_id)):
        with pytest.raises(NotFound):
            call(deleted)


def test_where_nobody_would_make_it_nothing_is_left_behind(here: Here) -> None:
    alone = Background(here.gateway, here.memory, lambda _: False)
    here.background = alone
    with pytest.raises(background.Unavailable):
        here.accept()
    for table in ("background", "response", "response_item", "hold"):
        assert books.number(here.base, f"SELECT COUNT(*) FROM {table}") == 0


@pytest.mark.parametrize("ends_first", [True, False])
def test_an_end_and_a_cancellation_never_both_count(here: Here, ends_first: bool) -> None:
    """Whichever commits first; the other finds that out."""
    conversation = here.memory.begin_conversation(here.caller.account_id, {}, [])
    made = here.accept(conversation=conversation.id)
    if ends_first:
        here.background.answer(made)
        with pytest.raises(InvalidRequest):
            here.background.cancel(made, here.caller.account_id)
    else:
        here.gateway.books.nudge = lambda: here.background.cancel(made, here.caller.account_id) and None
        here.background.answer(made)
    status, said = ("completed", 2) if ends_first else ("cancelled", 0)
    assert here.response(made)["status"] == status and len(here.memory.items(conversation)) == said
    assert here.usage() == 1 and here.task(made) is None


@pytest.mark.parametrize("how", ["cancel", "delete"])
@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "auto"])
def test_one_whose_upstream_says_nothing_is_stopped_all_the_same(here: Here, how: str, model: str) -> None:
    made = here.accept("[[sandbox: hang=20]] Hello", model=model)
    maker = threading.Thread(target=here.background.answer, args=(made,))
    maker.start()
    while not books.number(here.base, "SELECT COUNT(*) FROM hold"):
        time.sleep(0.02)
    time.sleep(0.2)
    getattr(here.background, how)(made, here.caller.account_id)
    maker.join(2.5)
    assert not maker.is_alive(), "the upstream would take twenty seconds"
    assert books.number(here.base, "SELECT held_nanousd FROM account") == 0
    assert books.number(here.base, "SELECT COUNT(*) FROM usage WHERE outcome = 'client_gone'") == 1
    assert books.number(here.base, "SELECT SUM(cost_nanousd) FROM usage") == 0, "nothing came"
    assert feedback.rate(here.base, here.caller, made, 1, "") is None, "and nothing can be rated"


def test_a_better_model_is_asked_for_one_too(here: Here) -> None:
    made = here.accept("[[sandbox: refuse]] Hello", model="auto")
    assert here.background.answer(made)
    with here.base.each() as tx:
        ((model, first),) = tx.all("SELECT model, escalated_from FROM usage")
    assert first and first != model == here.response(made)["model"]
    assert here.usage() == 1


def test_who_cancels_while_the_first_answer_is_looked_at_pays_for_what_has_come(here: Here) -> None:
    made = here.accept("[[sandbox: chunks=200 interval_ms=50]] Tell me a long story", model="auto")
    maker = threading.Thread(target=here.background.answer, args=(made,))
    maker.start()
    while not books.number(here.base, "SELECT COUNT(*) FROM hold"):
        time.sleep(0.02)
    time.sleep(1)
    here.background.cancel(made, here.caller.account_id)
    maker.join(2.5)
    assert not maker.is_alive()
    assert (
        books.number(here.base, "SELECT COUNT(*) FROM usage WHERE outcome = 'client_gone' AND output_tokens > 5")
        == 1
    )
    assert books.number(here.base, "SELECT SUM(cost_nanousd) FROM usage") > 0
    assert books.number(here.base, "SELECT held_nanousd FROM account") == 0


def test_what_has_come_of_one_that_breaks_off_is_kept_and_paid(here: Here) -> None:
    made = here.accept("[[sandbox: cut=5]] Tell me a long story", model="auto")
    assert here.background.answer(made)
    response = here.response(made)
    assert response["status"] == "failed" and response["output"][0]["content"][0]["text"]
    assert books.number(here.base, "SELECT SUM(cost_nanousd) FROM usage") > 0


@pytest.mark.parametrize("held", [False, True])
def test_one_that_was_begun_again_is_rated_by_its_id(here: Here, held: bool) -> None:
    made = here.accept()
    number = made.removeprefix("resp_")
    here.change("UPDATE background SET attempts = 1 WHERE response_id = :id", id=made)
    me = books.Payer(here.caller.account_id, here.caller.key_id, "", 0)
    with here.base.begin() as tx:  # what is left of the first attempt
        money.hold(tx, replace(books.opening(me, "1-dead"), id=number), 5) if held else None
        assert money.release_all(tx, "1-dead") == held
    assert here.background.answer(made)
    rated = feedback.rate(here.base, here.caller, made, 1, "")
    assert rated is not None and rated.id != number and rated.model == "gpt-4o"
    assert books.number(here.base, "SELECT COUNT(*) FROM usage WHERE id = :id", id=rated.id) == 1


def test_an_item_whose_id_is_taken_meanwhile_is_not_lost(here: Here) -> None:
    def item(text: str) -> JSON:
        content = [{"type": "input_text", "text": text}]
        return {"type": "message", "id": "msg_1", "status": "completed", "role": "user", "content": content}

    conversation = here.memory.begin_conversation(here.caller.account_id, {}, [])
    made = here.accept(conversation=conversation.id, input=[item("First")])
    here.memory.add_items(conversation, here.caller.account_id, [item("Other")])
    assert here.background.answer(made)
    items = here.memory.items(conversation)
    assert [row["content"][0]["text"] for row in items[:2]] == ["Other", "First"] and len(items) == 3
    assert len({row["id"] for row in items}) == 3 and items[1]["id"].startswith("msg_")
    assert [row["id"] for row in here.memory.inputs(made, here.caller.account_id)] == ["msg_1"]


@pytest.mark.parametrize("capped", [False, True])
@pytest.mark.parametrize(("nanousd", "is_enough"), [(1000, False), (200_000, False), (300_000, True)])
def test_who_cannot_pay_for_a_short_answer_is_told_so_at_once(
    here: Here, nanousd: int, is_enough: bool, capped: bool
) -> None:
    """As of an answer that is waited for: 16 tokens of gpt-4o are 160,000 nano-dollars, and the question 52,500."""
    here.poor(nanousd, capped)

    def foreground() -> None:
        asked = responses.read_request(b'{"model": "gpt-4o", "input": "Hello"}', Bounds(max_tools=9))
        here.gateway.answer(responses.with_history(asked, []), here.caller, "v1").close()

    for ask in (here.accept, foreground):
        if is_enough:
            ask()
            continue
        with pytest.raises(InsufficientFunds) as caught:
            ask()
        assert caught.value.code == ("spend_cap_reached" if capped else "insufficient_credits")
    assert books.number(here.base, "SELECT COUNT(*) FROM background") == is_enough


def test_what_costs_nothing_needs_no_credit(here: Here) -> None:
    here.poor(0)
    with pytest.raises(InsufficientFunds):
        here.accept()
    made = here.accept(model="gratis")
    assert here.background.answer(made) and here.response(made)["status"] == "completed"
