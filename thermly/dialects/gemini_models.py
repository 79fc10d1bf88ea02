"""Gemini's model list and model (its API reference, "Models"): any model that can be asked, whoever made it.

Knows: the wire's shapes. Must not know: the catalogue, who may use what.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from thermly.cards import Card
from thermly.errors import InvalidRequest

METHODS = {
    "chat": ["generateContent", "streamGenerateContent", "countTokens"],
    "embedding": ["embedContent", "batchEmbedContents"],
}
"""Image models are not asked on this surface."""

PAGE, MOST_PAGE = 50, 1_000


def write_list(cards: Sequence[Card], page_size: str | None, page_token: str | None) -> bytes:
    """Raises InvalidRequest. A page's token is the position where it begins."""
    shown = [card for card in cards if card.kind in METHODS]
    size, start = _count(page_size, "pageSize", PAGE), _count(page_token, "pageToken", 0)
    end = start + min(max(size, 1), MOST_PAGE)
    listed: dict[str, Any] = {"models": [shape(card) for card in shown[start:end]]}
    if end < len(shown):
        listed["nextPageToken"] = str(end)
    return msgspec.json.encode(listed)


def write_one(card: Card) -> bytes:
    return msgspec.json.encode(shape(card))


def shape(card: Card) -> dict[str, Any]:
    named = {
        "name": f"models/{card.id}",
        "baseModelId": card.answered_by or card.id,
        "version": "1",
        "displayName": card.id,
        "description": card.description or f"{card.id} by {card.owned_by}",
        "inputTokenLimit": card.context_window or 0,
        "outputTokenLimit": card.max_output_tokens or 1,
        "supportedGenerationMethods": METHODS[card.kind],
    }
    if card.kind == "chat":
        named |= {"temperature": 1.0, "maxTemperature": 2.0, "thinking": "reasoning" in card.capabilities}
    return named


def _count(text: str | None, name: str, default: int) -> int:
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise InvalidRequest(f"{name} must be a whole number.", param=name)
    return int(text)
