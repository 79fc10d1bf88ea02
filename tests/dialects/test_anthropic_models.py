from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.cards import Card
from thermly.dialects import anthropic_models
from thermly.errors import InvalidRequest

CARDS = [Card(f"m{i}", "chat", "x", 86_400 * i) for i in range(9)]
NAMES = [card.id for card in CARDS]


def page(limit: object = None, after: str | None = None, before: str | None = None) -> dict[str, Any]:
    body = anthropic_models.write_list(CARDS, None if limit is None else str(limit), after, before, ())
    found: dict[str, Any] = msgspec.json.decode(body)
    return found


def names(told: dict[str, Any]) -> list[str]:
    found = [row["id"] for row in told["data"]]
    assert (told["first_id"], told["last_id"]) == ((found[0], found[-1]) if found else (None, None))
    return found


@given(st.integers(1, 12))
def test_pages_forwards_and_backwards_are_the_whole_list(limit: int) -> None:
    found, told = [], page(limit)
    while True:
        found += names(told)
        if not told["has_more"]:
            break
        told = page(limit, after=told["last_id"])
    assert found == NAMES
    found, told = [], page(limit, before=NAMES[-1])
    while True:
        found = names(told) + found
        if not told["has_more"]:
            break
        told = page(limit, before=told["first_id"])
    assert found == NAMES[:-1]


def test_between_two_models() -> None:
    assert names(page(2, NAMES[1], NAMES[6])) == NAMES[2:4]
    assert names(page(20, NAMES[1], NAMES[6])) == NAMES[2:6]
    assert names(page(20, NAMES[6], NAMES[1])) == []


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.0", "²", "9" * 30])
def test_a_limit_that_is_none(limit: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        page(limit)
    assert caught.value.param == "limit"


def test_the_shape_of_a_model() -> None:
    card = Card("m", "chat", "x", 86_400, context_window=10, max_output_tokens=5)
    assert msgspec.json.decode(anthropic_models.write_one(card)) == {
        "type": "model", "id": "m", "display_name": "m", "created_at": "1970-01-02T00:00:00Z",
        "lifecycle": "active", "max_input_tokens": 10, "max_tokens": 5,
    }  # fmt: skip
