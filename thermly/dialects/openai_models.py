"""OpenAI's model list and model, with the facts that people look for as additional fields.

Knows: the wire's shapes. Must not know: the catalogue, who may use what.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from thermly.cards import Card


def write_list(cards: Iterable[Card]) -> bytes:
    return msgspec.json.encode({"object": "list", "data": [shape(card) for card in cards]})


def write_one(card: Card) -> bytes:
    return msgspec.json.encode(shape(card))


def shape(card: Card) -> dict[str, Any]:
    """OpenAI's four fields, then what is known of this kind of model."""
    named: dict[str, Any] = {"id": card.id, "object": "model", "created": card.created_s, "owned_by": card.owned_by}
    more = {
        "kind": card.kind,
        "description": card.description,
        "context_window": card.context_window,
        "max_output_tokens": card.max_output_tokens,
        "dimensions": card.dimensions,
        "sizes": list(card.sizes),
        "qualities": list(card.qualities),
        "pricing_usd": card.prices,
        "capabilities": list(card.capabilities),
        "tier": card.tier,
        "retired_on": card.retired_on,
        "answered_by": card.answered_by,
    }
    return named | {name: value for name, value in more.items() if value or name == "capabilities"}
