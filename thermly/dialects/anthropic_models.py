"""Anthropic's model list and model (its API reference, "Models"): any chat model, whoever made it.

Knows: the wire's shapes and pages. Must not know: the catalogue, who may use what.
"""

import datetime
from collections.abc import Sequence
from typing import Any

import msgspec

from thermly.cards import Card
from thermly.errors import InvalidRequest

STAGES = ("active", "deprecated", "retired")
PAGE, MOST_PAGE = 20, 1_000


def write_list(
    cards: Sequence[Card], limit: str | None, after_id: str | None, before_id: str | None, stages: Sequence[str]
) -> bytes:
    """A page: behind `after_id`, or the last of those before `before_id`. Raises InvalidRequest."""
    for stage in stages:
        if stage not in STAGES:
            raise InvalidRequest(f"lifecycle must be one of {', '.join(STAGES)}.", param="lifecycle")
    shown = [shape(card) for card in cards if card.kind == "chat" and (not stages or _stage(card) in stages)]
    places = {row["id"]: i for i, row in enumerate(shown)}
    size = _count(limit)
    start = _place(after_id, "after_id", places) + 1 if after_id else 0
    end = _place(before_id, "before_id", places) if before_id else len(shown)
    within = shown[start:end]
    page = within[-size:] if before_id and not after_id else within[:size]
    return msgspec.json.encode(
        {
            "data": page,
            "has_more": len(page) < len(within),
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }
    )


def write_one(card: Card) -> bytes:
    return msgspec.json.encode(shape(card))


def shape(card: Card) -> dict[str, Any]:
    created = datetime.datetime.fromtimestamp(card.created_s, datetime.UTC)
    return {
        "type": "model",
        "id": card.id,
        "display_name": card.id,
        "created_at": f"{created:%Y-%m-%dT%H:%M:%SZ}",
        "lifecycle": _stage(card),
        "max_input_tokens": card.context_window,
        "max_tokens": card.max_output_tokens,
    }


def _stage(card: Card) -> str:
    """A name that its vendor has retired is still answered here, by another model."""
    return "deprecated" if card.answered_by else "active"


def _place(name: str, param: str, places: dict[str, int]) -> int:
    if name not in places:
        raise InvalidRequest(f"{param} names no model of this list.", param=param)
    return places[name]


def _count(text: str | None) -> int:
    if not text:
        return PAGE
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= MOST_PAGE:
        raise InvalidRequest(f"limit must be a whole number from 1 to {MOST_PAGE}.", param="limit")
    return int(text)
