"""Conversations and their items, at the root of the host and under /v1. They cost nothing, but what adds to them is
for accounts with credit; what changes one counts as a chat request does, and looking at one against no limit.
"""

import functools
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from flask import Flask
from flask import request as current
from flask.typing import ResponseReturnValue

from thermly import ids
from thermly.caller import Caller
from thermly.dialects import responses
from thermly.gateway import Gateway
from thermly.keeping.memory import Memory
from thermly.store.memory import Conversation
from thermly.web import callers, respond
from thermly.web.edge import Body
from thermly.web.limits import Limits
from thermly.web.respond import Headers
from thermly.web.surfaces import Surface

JSON = dict[str, Any]
PREFIXES = ("", "/v1")


def register(app: Flask, surface: Surface, memory: Memory, gateway: Gateway, limits: Limits) -> None:
    """`surface`: whose rules they keep."""
    views = Views(surface, memory, gateway, limits)
    for prefix in PREFIXES:
        path = prefix + "/conversations"
        one, items = path + "/<conversation_id>", path + "/<conversation_id>/items"
        for rule, what, view, method in (
            (path, "conversations", views.create, "POST"),
            (one, "conversation", views.get, "GET"),
            (one, "conversation_update", views.update, "POST"),
            (one, "conversation_deletion", views.delete, "DELETE"),
            (items, "conversation_items", views.items, "GET"),
            (items, "conversation_addition", views.add, "POST"),
            (items + "/<item_id>", "conversation_item", views.item, "GET"),
            (items + "/<item_id>", "conversation_removal", views.remove, "DELETE"),
        ):
            app.add_url_rule(rule, f"{what}.{prefix[1:] or 'root'}", view, methods=[method])


class Views:
    def __init__(self, surface: Surface, memory: Memory, gateway: Gateway, limits: Limits) -> None:
        self._surface, self._memory, self._gateway, self._limits = surface, memory, gateway, limits

    def _identify(self) -> Caller:
        return callers.identify(current.headers, self._surface.key_headers, self._gateway.database)

    def _find(self, conversation_id: str) -> Conversation:
        return self._memory.conversation(conversation_id, self._identify().account_id)

    def _whole(self, items: Sequence[JSON], account_id: str) -> tuple[JSON, ...]:
        """With what references name in their place: a conversation that held a reference could not be answered."""
        return responses.resolve(items, functools.partial(self._memory.item, account_id=account_id), "items")

    # ---- what looks

    def get(self, conversation_id: str) -> ResponseReturnValue:
        return _told(self._find(conversation_id))

    def items(self, conversation_id: str) -> ResponseReturnValue:
        items = self._memory.items(self._find(conversation_id))
        page, include = responses.read_page(current.args), _include()
        return respond.whole(responses.write_items(items, page, include), ids.new())

    def item(self, conversation_id: str, item_id: str) -> ResponseReturnValue:
        found, include = self._find(conversation_id), _include()
        return respond.whole(responses.write_item(self._memory.one_item(found, item_id), include), ids.new())

    # ---- what changes

    def create(self) -> ResponseReturnValue:
        caller = self._identify()
        asked = responses.read_conversation(cast(Body, current).whole_body(), self._surface.bounds)
        with self._limits.admitted(caller) as told:
            self._memory.admit(caller.account_id, caller.key_id)
            items = self._whole(asked.items, caller.account_id)
            return _told(self._memory.begin_conversation(caller.account_id, asked.metadata, items), told)

    def update(self, conversation_id: str) -> ResponseReturnValue:
        caller = self._identify()
        found = self._memory.conversation(conversation_id, caller.account_id)
        metadata = responses.read_update(cast(Body, current).whole_body())
        with self._limits.admitted(caller) as told:
            return _told(self._memory.rename_conversation(found, caller.account_id, metadata), told)

    def delete(self, conversation_id: str) -> ResponseReturnValue:
        caller = self._identify()
        found = self._memory.conversation(conversation_id, caller.account_id)
        with self._limits.admitted(caller) as told:
            self._memory.forget_conversation(found, caller.account_id)
        body = responses.write_deleted(conversation_id, "conversation.deleted")
        return respond.whole(body, ids.new(), told)

    def add(self, conversation_id: str) -> ResponseReturnValue:
        caller = self._identify()
        found = self._memory.conversation(conversation_id, caller.account_id)
        asked = responses.read_new_items(cast(Body, current).whole_body(), self._surface.bounds)
        include = _include()
        with self._limits.admitted(caller) as told:
            self._memory.admit(caller.account_id, caller.key_id)
            items = self._whole(asked, caller.account_id)
            self._memory.add_items(found, caller.account_id, items)
        page = responses.Page(limit=100, order="asc")
        return respond.whole(responses.write_items(items, page, include), ids.new(), told)

    def remove(self, conversation_id: str, item_id: str) -> ResponseReturnValue:
        caller = self._identify()
        found = self._memory.conversation(conversation_id, caller.account_id)
        with self._limits.admitted(caller) as told:
            self._memory.remove_item(found, item_id)
            return _told(found, told)


def _include() -> frozenset[str]:
    """A parameter of the query that may be repeated, as `include` or as `include[]`."""
    return responses.read_include([*current.args.getlist("include"), *current.args.getlist("include[]")])


def _told(found: Conversation, headers: Headers | None = None) -> ResponseReturnValue:
    metadata = msgspec.json.decode(found.metadata)
    body = responses.write_conversation(found.id, found.created_at_ms // 1000, metadata)
    return respond.whole(body, ids.new(), headers)
