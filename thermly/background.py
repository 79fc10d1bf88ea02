"""Responses that are made while nobody waits: accept, answer in a worker, cancel, begin again what has died.

Knows: the order of the steps. Must not know: Flask, RQ, SQL text. The response is kept from its beginning, so that
it can be asked for; its end and the end of the task are one transaction, so a cancelled one never completes. Its
history is what had been said when it was accepted, and its conversation learns of it when it ends.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thermly import clock, ids
from thermly.caller import Caller
from thermly.dialects import responses
from thermly.dialects.responses import Asked, Writer
from thermly.errors import GatewayError, Internal, InvalidRequest, PermissionDenied, Unavailable
from thermly.exchange import ChatRequest
from thermly.gateway import Gateway
from thermly.keeping.memory import Memory
from thermly.store import background as store
from thermly.store import keys
from thermly.store.background import Task
from thermly.store.db import Tx
from thermly.store.underway import Underway

log = logging.getLogger("thermly.background")
MOST_ATTEMPTS = 3
LOST_AFTER_MS = 60_000
LOOK_UP_S = 0.5


class Request(Struct, frozen=True):
    asked: Asked
    chat: ChatRequest
    caller: Caller
    surface: str
    created_s: int


_write = msgspec.msgpack.encode
_read = msgspec.msgpack.Decoder(Request).decode


class Background:
    """Of one process. `later` hands a response to the workers, and says False where there are none."""

    def __init__(self, gateway: Gateway, memory: Memory, later: Callable[[str], bool]) -> None:
        self._gateway, self._memory, self._later = gateway, memory, later
        self._underway = Underway(gateway.database, gateway.settings.instance / "run", gateway.owner)

    def accept(self, asked: Asked, chat: ChatRequest, caller: Caller, surface: str) -> dict[str, Any]:
        """The response as it is now: queued. Raises what the answer itself would at once, and Unavailable where
        there is nobody to make it."""
        self._gateway.check(chat, caller)
        response_id, created_s = "resp_" + ids.new(), int(time.time())
        opening = responses.opening(asked, response_id, created_s, chat.model, "queued")
        request = Request(asked, replace(chat, stream=True), caller, surface, created_s)
        with self._gateway.database.begin() as tx:
            self._memory.open_in(tx, caller.account_id, opening, asked.items)
            store.add(tx, response_id, _write(request), clock.now_ms())
        if not self._later(response_id):
            with self._gateway.database.begin() as tx:
                store.end(tx, response_id)
                self._memory.forget_in(tx, response_id, caller.account_id)
            raise Unavailable("Nobody is there to work in the background just now.", retry_after_s=5)
        return opening

    def cancel(self, response_id: str, account_id: str) -> dict[str, Any]:
        """The response, cancelled; also when it was before. Raises NotFound, or InvalidRequest when it has ended
        in another way or is not in the background."""
        found: dict[str, Any] = msgspec.json.decode(self._memory.response(response_id, account_id).body)
        with self._gateway.database.begin() as tx:
            if store.end(tx, response_id):
                found |= {"status": "cancelled"}
                self._memory.end_in(tx, found)
        if found["status"] != "cancelled":
            raise InvalidRequest("Only a response in the background can be cancelled, while it is made.")
        return found

    def delete(self, response_id: str, account_id: str) -> None:
        """Forget a response; one that is still made is stopped. Raises NotFound."""
        self._memory.response(response_id, account_id)
        with self._gateway.database.begin() as tx:
            store.end(tx, response_id)
            self._memory.forget_in(tx, response_id, account_id)

    # ---- in a worker

    def answer(self, response_id: str) -> bool:
        """Make the response. False where somebody else is at it, or it was cancelled."""
        owner = self._gateway.owner
        kept = self._underway.claim(response_id, lambda tx: store.claim(tx, response_id, owner))
        if kept is None:
            return False
        try:
            request, attempt = kept
            # The row of an attempt that was killed keeps its number.
            self._answer(response_id, _read(request), ids.of_attempt(response_id.removeprefix("resp_"), attempt))
        finally:
            self._underway.leave(response_id)
        return True

    def _answer(self, response_id: str, request: Request, number: str) -> None:
        writer = _writer(response_id, request)
        try:
            self._note(writer)
            wanted = self._tell(request, writer, number)
        except GatewayError as error:
            log.warning("%s broke off: %s %s", response_id, error.code or error.kind, error.detail)
            writer.fail(error)
            wanted = True
        except Exception:
            log.exception("%s broke off", response_id)
            writer.fail(Internal("Internal error."))
            wanted = True
        if wanted:
            self._end(request, writer)

    def _note(self, writer: Writer) -> None:
        with self._gateway.database.each() as tx:
            self._memory.note_in(tx, writer.response)

    def _tell(self, request: Request, writer: Writer, number: str) -> bool:
        """False when the response was cancelled meanwhile: then the upstream is too."""
        with self._gateway.database.each() as tx:
            if not keys.is_good(tx, request.caller.key_id, clock.now_ms()):
                raise PermissionDenied("The API key or its account is no longer served.")
        answer = self._gateway.answer(request.chat, request.caller, request.surface, number, unseen=True)
        look_at = 0.0
        try:
            for event in answer:
                if answer.smart:
                    writer.response["model"] = answer.actual_model
                writer.feed(event)
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + LOOK_UP_S
                    with self._gateway.database.each() as tx:
                        if not store.is_wanted(tx, writer.response["id"], self._gateway.owner):
                            return False
        finally:
            answer.close()
        return True

    def _end(self, request: Request, writer: Writer) -> None:
        response_id = writer.response["id"]

        def write(tx: Tx) -> None:
            if store.finish(tx, response_id, self._gateway.owner):
                self._tell_memory(tx, request, writer)

        self._underway.insist(response_id, write)

    def _tell_memory(self, tx: Tx, request: Request, writer: Writer) -> None:
        self._memory.end_in(tx, writer.response, request.asked.items, request.asked.conversation)

    # ---- what others have left behind

    def rescue(self) -> None:
        """Revive every response that needs it. One that cannot be does not keep the others waiting."""
        with self._gateway.database.each() as tx:
            store.drop_orphans(tx)
            tasks = store.all_of_them(tx)
        for task in tasks:
            try:
                self._revive(task)
            except Exception:
                log.exception("%s could not be begun again", task.response_id)

    def revive(self, response_id: str) -> None:
        """For somebody who asks for a response that is still made."""
        with self._gateway.database.each() as tx:
            task = store.find(tx, response_id)
        if task is not None:
            self._revive(task)

    def _revive(self, task: Task) -> None:
        """Begin again what has lost its process or its place in the queue; give up after `MOST_ATTEMPTS`."""
        if task.state == "queued":
            left = clock.now_ms() - task.queued_at_ms > LOST_AFTER_MS
        else:
            left = self._underway.is_left(task.response_id, task.owner)
        if not left:
            return
        if task.attempts >= MOST_ATTEMPTS:
            self._give_up(task)
            return
        with self._gateway.database.each() as tx:
            mine = store.requeue(tx, task, clock.now_ms())
        if mine:
            self._later(task.response_id)

    def _give_up(self, task: Task) -> None:
        with self._gateway.database.begin() as tx:
            kept = store.give_up(tx, task)
            if kept is not None:
                request = _read(kept)
                writer = _writer(task.response_id, request)
                writer.fail(Unavailable("The response could not be made: it was begun too often."))
                self._tell_memory(tx, request, writer)


def _writer(response_id: str, request: Request) -> Writer:
    opening = responses.opening(request.asked, response_id, request.created_s, request.chat.model)
    return Writer(opening, request.asked.include, lambda: int(time.time()))
