"""Lists of items and the small objects of the Responses API: conversations, what was deleted, what to include.

Knows: the wire ("Conversations", "List input items"). Must not know: Flask, what is stored where. What is encrypted
is kept with its item and shown where it is asked for.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from thermly.dialects import Bounds
from thermly.dialects import responses_types as t
from thermly.dialects.openai_chat import parse
from thermly.dialects.responses_items import read_items
from thermly.dialects.responses_writing import shown
from thermly.errors import InvalidRequest

JSON = dict[str, Any]
MOST, USUAL = 100, 20
INCLUDABLE = (
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
    "message.input_image.image_url",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
)
_encode = msgspec.json.encode


class Page(Struct, frozen=True):
    limit: int = USUAL
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None


class Conversation(Struct, frozen=True):
    """A conversation to begin."""

    metadata: dict[str, str]
    items: tuple[JSON, ...]


def read_include(words: Sequence[str]) -> frozenset[str]:
    """Words about items that are never made here are known, and ask for nothing."""
    for i, word in enumerate(words):
        if word not in INCLUDABLE:
            path = f"include[{i}]"
            raise InvalidRequest(f"'{word[:100]}' is not one of {', '.join(INCLUDABLE)}.", param=path)
    return frozenset(words)


def read_page(query: Mapping[str, str]) -> Page:
    """Raises InvalidRequest with the offending parameter of the query in `param`."""
    limit, order = query.get("limit", str(USUAL)), query.get("order", "desc")
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 3 and 1 <= int(limit) <= MOST):
        raise InvalidRequest(f"limit must be between 1 and {MOST}.", param="limit")
    if order not in ("asc", "desc"):
        raise InvalidRequest("order must be 'asc' or 'desc'.", param="order")
    return Page(int(limit), order, query.get("after") or None)  # type: ignore[arg-type]


def write_items(items: Sequence[JSON], page: Page, include: frozenset[str] = frozenset()) -> bytes:
    """One page of all the items, which come in the order in which they came to be."""
    rows = list(items) if page.order == "asc" else list(reversed(items))
    start = 0
    if page.after is not None:
        places = [i for i, row in enumerate(rows) if row["id"] == page.after]
        if not places:
            raise InvalidRequest(
                f"There is no item with the id '{page.after[:100]}' to go on after.", param="after"
            )
        start = places[0] + 1
    data = rows[start : start + page.limit]
    return _encode(
        {
            "object": "list",
            "data": [shown(item, include) for item in data],
            "first_id": data[0]["id"] if data else "",
            "last_id": data[-1]["id"] if data else "",
            "has_more": len(rows) > start + page.limit,
        }
    )


def write_item(item: JSON, include: frozenset[str] = frozenset()) -> bytes:
    return _encode(shown(item, include))


# ---- conversations


def read_conversation(body: bytes, bounds: Bounds) -> Conversation:
    """Raises InvalidRequest with the offending field in `param`. An empty body begins an empty conversation."""
    asked = t.take(parse(body or b"{}"), t.NewConversation)
    return Conversation(asked.metadata or {}, read_items(asked.items or [], bounds, "items"))


def read_new_items(body: bytes, bounds: Bounds) -> tuple[JSON, ...]:
    return read_items(t.take(parse(body), t.NewItems).items, bounds, "items")


def read_update(body: bytes) -> dict[str, str]:
    """The metadata to put in the place of what there is."""
    return t.take(parse(body), t.Update).metadata or {}


def write_conversation(conversation_id: str, created_s: int, metadata: dict[str, str]) -> bytes:
    return _encode({"id": conversation_id, "object": "conversation", "created_at": created_s, "metadata": metadata})


def write_deleted(thing_id: str, kind: Literal["response", "conversation.deleted"]) -> bytes:
    """`kind` is the wire's word for what is no more."""
    return _encode({"id": thing_id, "object": kind, "deleted": True})
