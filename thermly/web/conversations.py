"""Conversations and their items, at the root of the host and under /v1. They cost nothing and count against no
limit.
"""

import functools
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from flask import Flask
from flask import request as current
from flask.typing import ResponseReturnValue

from thermly import ids
from thermly.dialects import responses
from thermly.gateway import Gateway
from thermly.memory import Memory
from thermly.store.memory import Conversation
from thermly.web import callers, respond
from thermly.web.edge import Body
from thermly.web.surfaces import Surface

JSON = dict[str, Any]
PREFIXES = ("", "/v1")


def register(app: Flask, surface: Surface, memory: Memory, gateway: Gateway) -> None:
    """`surface`: whose rules they keep."""
    views = Views(surface, memory, gateway)
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
    def __init__(self, surface: Surface, memory: Memory, gateway: Gateway) -> None:
        self._surface, self._memory, self._gateway = surface, memory, gateway

    def _account(self) -> str:
        return callers.identify(current.headers, self._surface.key_headers, self._gateway.database).account_id

    def _find(self, conversation_id: str) -> Conversation:
        return self._memory.conversation(conversation_id, self._account())

    def _whole(self, items: Sequence[JSON], account_id: str) -> tuple[JSON, ...]:
        """With what references name in their place: a conversation that held a reference could not be answered."""
        return responses.resolve(items, functools.partial(self._memory.item, account_id=account_id), "items")

    def create(self) -> ResponseReturnValue:
        account_id = self._account()
        asked = responses.read_conversation(cast(Body, current).whole_body(), self._surface.bounds)
        items = self._whole(asked.items, account_id)
        return _told(self._memory.begin_conversation(account_id, asked.metadata, items))

    def get(self, conversation_id: str) -> ResponseReturnValue:
        return _told(self._find(conversation_id))

    def update(self, conversation_id: str) -> ResponseReturnValue:
        found = self._find(conversation_id)
        metadata = responses.read_update(cast(Body, current).whole_body())
        return _told(self._memory.rename_conversation(found, metadata))

    def delete(self, conversation_id: str) -> ResponseReturnValue:
        account_id = self._account()
        self._memory.forget_conversation(self._memory.conversation(conversation_id, account_id), account_id)
        return respond.whole(responses.write_deleted(conversation_id, "conversation.deleted"), ids.new())

    def items(self, conversation_id: str) -> ResponseReturnValue:
        items = self._memory.items(self._find(conversation_id))
        return respond.whole(responses.write_items(items, responses.read_page(current.args)), ids.new())

    def add(self, conversation_id: str) -> ResponseReturnValue:
        account_id = self._account()
        found = self._memory.conversation(conversation_id, account_id)
        asked = responses.read_new_items(cast(Body, current).whole_body(), self._surface.bounds)
        items = self._whole(asked, account_id)
        self._memory.add_items(found, items)
        page = responses.Page(limit=100, order="asc")
        return respond.whole(responses.write_items(items, page), ids.new())

    def item(self, conversation_id: str, item_id: str) -> ResponseReturnValue:
        found = self._find(conversation_id)
        return respond.whole(responses.write_item(self._memory.one_item(found, item_id)), ids.new())

    def remove(self, conversation_id: str, item_id: str) -> ResponseReturnValue:
        found = self._find(conversation_id)
        self._memory.remove_item(found, item_id)
        return _told(found)


def _told(found: Conversation) -> ResponseReturnValue:
    metadata = msgspec.json.decode(found.metadata)
    return respond.whole(responses.write_conversation(found.id, found.created_at_ms // 1000, metadata), ids.new())
