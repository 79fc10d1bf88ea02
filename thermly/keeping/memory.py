"""What was said before: recall it for a request, remember what came of it. Responses and conversations.

Knows: whose they are, how long they live, how much an account may have, in which order they are written. Must not
know: Flask, SQL text, what an item says. Requests at once on one conversation each hear what had been said when
they were accepted; what they say themselves stands in the order in which they end, each one's input and output
together.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from thermly import clock
from thermly.errors import InvalidRequest, NotFound
from thermly.money.bill import refusal
from thermly.store import memory as store
from thermly.store import money
from thermly.store.db import Database, Tx
from thermly.store.memory import Conversation, Response

JSON = dict[str, Any]
UNDER_WAY = ("queued", "in_progress")
MOST_ITEMS = 10_000
"""In one conversation. A response that was begun below that is kept whole."""
_encode = msgspec.json.encode


class Memory:
    """Of one process. What is remembered is committed when `remember` returns: the next request, wherever it is
    served, finds it."""

    def __init__(self, database: Database, lifetime_d: int, max_mib: int) -> None:
        self._database, self._lifetime_ms = database, lifetime_d * 86_400_000
        self._max_mib, self._max_bytes = max_mib, max_mib * 1_048_576

    def admit(self, account_id: str, key_id: str) -> None:
        """Before something is done that will be remembered. Raises InsufficientFunds, since what costs nothing may
        still fill the disk, and InvalidRequest where the account has had as much remembered as it may."""
        with self._database.each() as tx:
            funds = money.funds(tx, account_id, key_id, clock.now_ms())
            full = self._is_full(tx, account_id)
        if funds.least <= 0:
            raise refusal(funds)
        if full:
            raise self._no_room()

    def _is_full(self, tx: Tx, account_id: str) -> bool:
        return store.bytes_of(tx, account_id) >= self._max_bytes

    def _check_room(self, tx: Tx, account_id: str) -> None:
        """At the end of what was written."""
        if store.bytes_of(tx, account_id) > self._max_bytes:
            raise self._no_room()

    def _no_room(self) -> InvalidRequest:
        return InvalidRequest(
            f"Responses and conversations of an account take up {self._max_mib:,} MiB at most. Delete some, or say"
            " store: false.",
            code="memory_full",
        )

    def recall(self, account_id: str, previous_id: str | None, conversation_id: str | None) -> list[JSON]:
        """The items before this request, oldest first. Raises NotFound, or InvalidRequest where the response before
        it has not ended."""
        now_ms = clock.now_ms()
        if previous_id is not None:
            with self._database.each() as tx:
                found = store.find_response(tx, previous_id, account_id, now_ms)
                items = store.history(tx, previous_id, account_id, now_ms)
            if found is not None and found.status in UNDER_WAY:
                raise InvalidRequest(
                    f"The previous response '{previous_id[:100]}' is still being made.",
                    param="previous_response_id",
                    code="previous_response_in_progress",
                )
            if items is None:
                raise NotFound(
                    f"The previous response '{previous_id[:100]}' was not found, or one that it follows is gone.",
                    param="previous_response_id",
                    code="previous_response_not_found",
                )
            return items
        if conversation_id is not None:
            with self._database.each() as tx:
                items = store.items_of(tx, conversation_id)
            # Looked for after its items were: of one that goes meanwhile, none or a few would be taken for all.
            self.conversation(conversation_id, account_id, param="conversation")
            if len(items) >= MOST_ITEMS:
                raise _full("conversation")
            return items
        return []

    def item(self, item_id: str, account_id: str) -> JSON | None:
        with self._database.each() as tx:
            return store.find_item(tx, item_id, account_id, clock.now_ms())

    def remember(
        self, account_id: str, response: JSON, inputs: Sequence[JSON], conversation_id: str | None
    ) -> None:
        """Keep a response that has ended, with its items, and put them at the end of its conversation. The one that
        crosses the bound is kept; one that was under way meanwhile is not, and says so."""
        now_ms = clock.now_ms()
        row = Response(
            response["id"],
            response["previous_response_id"],
            conversation_id,
            response["status"],
            _encode(response).decode(),
        )
        with self._database.begin() as tx:
            if self._is_full(tx, account_id):
                response["store"] = False
                return
            store.add_response(tx, account_id, row, inputs, response["output"], now_ms, now_ms + self._lifetime_ms)
            if conversation_id is not None:
                self._tell_conversation(tx, conversation_id, (*inputs, *response["output"]))

    # ---- responses that are not there yet

    def open_in(self, tx: Tx, account_id: str, response: JSON, inputs: Sequence[JSON]) -> None:
        """Keep a response from its beginning; its conversation learns of it at its end. Raises InvalidRequest."""
        now_ms = clock.now_ms()
        row = Response(
            response["id"],
            response["previous_response_id"],
            None,
            response["status"],
            _encode(response).decode(),
        )
        store.add_response(tx, account_id, row, inputs, (), now_ms, now_ms + self._lifetime_ms)
        self._check_room(tx, account_id)

    def note_in(self, tx: Tx, response: JSON) -> None:
        store.note_response(tx, response["id"], response["status"], _encode(response).decode())

    def end_in(
        self, tx: Tx, response: JSON, inputs: Sequence[JSON] = (), conversation_id: str | None = None
    ) -> None:
        text, outputs = _encode(response).decode(), response["output"]
        if store.end_response(tx, response["id"], response["status"], text, outputs) and conversation_id:
            self._tell_conversation(tx, conversation_id, (*inputs, *outputs))

    def _tell_conversation(self, tx: Tx, conversation_id: str, items: Iterable[JSON]) -> None:
        """An id that another item has taken since the request was accepted is given up for a new one: what was
        said is not lost."""
        said = []
        for item in items:
            there = store.item_of(tx, conversation_id, item["id"])
            if there is None:
                said.append(item)
            elif there != item:
                said.append({**item, "id": f"{item['id'].partition('_')[0][:16]}_{os.urandom(24).hex()}"})
        store.append(tx, conversation_id, said, clock.now_ms() + self._lifetime_ms)

    def forget_in(self, tx: Tx, response_id: str, account_id: str) -> None:
        store.delete_response(tx, response_id, account_id)

    # ---- responses

    def response(self, response_id: str, account_id: str) -> Response:
        """Raises NotFound, also for somebody else's."""
        with self._database.each() as tx:
            found = store.find_response(tx, response_id, account_id, clock.now_ms())
        if found is None:
            raise NotFound(f"The response '{response_id[:100]}' was not found.", code="response_not_found")
        return found

    def inputs(self, response_id: str, account_id: str) -> list[JSON]:
        self.response(response_id, account_id)
        with self._database.each() as tx:
            return store.inputs_of(tx, response_id)

    # ---- conversations

    def begin_conversation(self, account_id: str, metadata: dict[str, str], items: Sequence[JSON]) -> Conversation:
        """Raises InvalidRequest."""
        now_ms = clock.now_ms()
        made = Conversation("conv_" + os.urandom(24).hex(), _encode(metadata).decode(), now_ms)
        with self._database.begin() as tx:
            store.add_conversation(tx, account_id, made, items, now_ms + self._lifetime_ms)
            self._check_room(tx, account_id)
        return made

    def conversation(self, conversation_id: str, account_id: str, param: str | None = None) -> Conversation:
        """Raises NotFound, also for somebody else's."""
        with self._database.each() as tx:
            found = store.find_conversation(tx, conversation_id, account_id, clock.now_ms())
        if found is None:
            raise _no_conversation(conversation_id, param)
        return found

    def rename_conversation(self, found: Conversation, account_id: str, metadata: dict[str, str]) -> Conversation:
        """Raises InvalidRequest."""
        text = _encode(metadata).decode()
        with self._database.begin() as tx:
            store.rename_conversation(tx, found.id, text)
            self._check_room(tx, account_id)
        return Conversation(found.id, text, found.created_at_ms)

    def forget_conversation(self, found: Conversation, account_id: str) -> None:
        with self._database.begin() as tx:
            store.delete_conversation(tx, found.id, account_id)

    def items(self, found: Conversation) -> list[JSON]:
        with self._database.each() as tx:
            return store.items_of(tx, found.id)

    def add_items(self, found: Conversation, account_id: str, items: Sequence[JSON]) -> None:
        """All or none. Raises InvalidRequest where an item of that id is there already, the conversation would be
        too long or the account's memory too large; NotFound where it went meanwhile."""
        with self._database.begin() as tx:
            added = store.append(tx, found.id, items, clock.now_ms() + self._lifetime_ms)
            if added is None:
                raise _no_conversation(found.id)
            for i, item in enumerate(items):
                if item["id"] not in added:
                    raise InvalidRequest(
                        f"There is an item with the id '{item['id'][:100]}' already.", param=f"items[{i}].id"
                    )
            if store.count_items(tx, found.id) > MOST_ITEMS:
                raise _full("items")
            self._check_room(tx, account_id)

    def one_item(self, found: Conversation, item_id: str) -> JSON:
        """Raises NotFound."""
        with self._database.each() as tx:
            item = store.item_of(tx, found.id, item_id)
        if item is None:
            raise _no_item(item_id)
        return item

    def remove_item(self, found: Conversation, item_id: str) -> None:
        """Raises NotFound."""
        with self._database.each() as tx:
            removed = store.remove_item(tx, found.id, item_id)
        if not removed:
            raise _no_item(item_id)


def _no_item(item_id: str) -> NotFound:
    return NotFound(f"The item '{item_id[:100]}' was not found.", code="item_not_found")


def _full(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"A conversation holds {MOST_ITEMS:,} items at most. Begin another, or delete items.",
        param=param,
        code="conversation_full",
    )


def _no_conversation(conversation_id: str, param: str | None = None) -> NotFound:
    return NotFound(
        f"The conversation '{conversation_id[:100]}' was not found.", param=param, code="conversation_not_found"
    )
