import datetime

import msgspec
import pytest

from thermly import catalog as catalogs
from thermly.cards import Card
from thermly.catalog import Catalog
from thermly.dialects import gemini_models, openai_models
from thermly.errors import InvalidRequest
from thermly.models import listing

TODAY = datetime.date(2026, 11, 21)


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return catalogs.load(catalogs.builtin(), dict.fromkeys(catalogs.builtin()["providers"], "key"))


def test_smart_names_come_first_and_every_model_that_answers_is_there(shipped: Catalog):
    listed = [card.id for card in listing.cards(shipped, None, TODAY)]
    assert listed[:4] == ["auto", "fast", "balanced", "best"]
    named = {"gpt-4o", "claude-sonnet-4-20250514", "gemini-2.5-pro", "dall-e-3", "text-embedding-3-small"}
    assert named < {*listed}
    assert len(set(listed)) == len(listed)


def test_only_what_this_machine_serves_and_this_key_may_use():
    catalog = catalogs.load(catalogs.builtin(), {"openai": "key"})
    assert {card.owned_by for card in listing.cards(catalog, None, TODAY)} == {"thermly", "openai"}
    assert [card.id for card in listing.cards(catalog, frozenset({"gpt-4o"}), TODAY)] == ["gpt-4o"]
    assert listing.cards(catalogs.load(catalogs.builtin(), {}), None, TODAY) == []
    may_fast = [card.id for card in listing.cards(catalog, frozenset({"fast"}), TODAY)]
    assert may_fast == ["fast"]


def test_a_retired_name_says_who_answers(shipped: Catalog):
    found = listing.card("dall-e-3", shipped, None, TODAY)
    assert found is not None
    assert (found.answered_by, found.retired_on, found.owned_by) == ("gpt-image-2.5-flare", "2026-05-12", "openai")
    assert found.sizes == ("1024x1024", "1792x1024", "1024x1792")


def test_an_alias_has_a_card_though_it_is_not_listed(shipped: Catalog):
    found = listing.card("claude-haiku", shipped, None, TODAY)
    assert found is not None and found.id == "claude-haiku" and found.owned_by == "anthropic"
    assert listing.card("nobody", shipped, None, TODAY) is None


def test_models_under_other_ids_are_those_that_are_served(shipped: Catalog):
    offers = [("x/gpt-4o", "gpt-4o"), ("x/haiku", "claude-haiku"), ("x/nobody", "nobody"), ("y/gpt-4o", "gpt-4o")]
    found = listing.offered(offers, shipped, None, TODAY)
    assert [(card.id, card.owned_by, card.tier) for card in found] == [
        ("x/gpt-4o", "openai", None), ("x/haiku", "anthropic", None), ("y/gpt-4o", "openai", None),
    ]  # fmt: skip
    few = listing.offered(offers, shipped, frozenset({"claude-haiku"}), TODAY)
    assert [card.id for card in few] == ["x/haiku"]


def test_prices_are_exact(shipped: Catalog):
    cards = {card.id: card.prices for card in listing.cards(shipped, None, TODAY)}
    assert cards["gpt-4o"] == {
        "input_per_mtok": "2.5", "cached_input_per_mtok": "1.25", "output_per_mtok": "10",
    }  # fmt: skip
    assert cards["text-embedding-3-small"] == {"input_per_mtok": "0.02", "cached_input_per_mtok": "0.02"}
    assert cards["stable-diffusion"] == {"image": "0.035"}


def test_openai_shape(shipped: Catalog):
    listed = msgspec.json.decode(openai_models.write_list(listing.cards(shipped, None, TODAY)))
    assert listed["object"] == "list"
    row = next(row for row in listed["data"] if row["id"] == "gpt-4o")
    assert (row["object"], row["owned_by"], row["context_window"]) == ("model", "openai", 128_000)
    assert isinstance(row["created"], int) and "vision" in row["capabilities"]
    assert row == msgspec.json.decode(openai_models.write_one(listing.card("gpt-4o", shipped, None, TODAY)))


def test_gemini_shape_and_pages(shipped: Catalog):
    cards = listing.cards(shipped, None, TODAY)
    names, token = [], None
    while True:
        page = msgspec.json.decode(gemini_models.write_list(cards, "7", token))
        assert len(page["models"]) <= 7
        names += [model["name"] for model in page["models"]]
        token = page.get("nextPageToken")
        if token is None:
            break
    assert names == [f"models/{card.id}" for card in cards if card.kind != "image"]
    flash = gemini_models.shape(next(card for card in cards if card.id == "gemini-2.5-flash"))
    assert flash["inputTokenLimit"] == 1_048_576 and "generateContent" in flash["supportedGenerationMethods"]


@pytest.mark.parametrize("size", ["x", "-1", "1e3", "²"])
def test_a_page_size_that_is_no_number(size: str):
    with pytest.raises(InvalidRequest) as caught:
        gemini_models.write_list([Card("a", "chat", "b", 0)], size, None)
    assert caught.value.param == "pageSize"
