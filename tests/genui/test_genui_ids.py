import datetime

import pytest

from thermly import catalog as catalogs
from thermly.catalog import Catalog
from thermly.errors import UnknownModel
from thermly.genui import ids

TODAY = datetime.date(2026, 11, 21)


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return catalogs.load(catalogs.builtin(), {"openai": "key"})


def test_the_references_id(shipped: Catalog):
    c1 = ids.parse("c1/anthropic/claude-sonnet-4/v-20250930")
    assert c1 is not None and (c1.provider, c1.model, c1.version) == ("anthropic", "claude-sonnet-4", "20250930")
    assert c1.format == "json" and not c1.experimental
    model = shipped.find(ids.resolve(c1, shipped), TODAY)
    assert model is not None and model.provider == "anthropic"


@pytest.mark.parametrize(("version", "form"), [("20250617", "json"), ("20251230", "json"), ("20260331", "openui")])
def test_the_version_decides_the_format(version: str, form: str):
    c1 = ids.parse(f"c1-exp/openai/gpt-4o/v-{version}")
    assert c1 is not None and c1.format == form and c1.experimental


def test_other_names_are_none_of_its_business():
    assert [ids.parse(name) for name in ("gpt-4o", "auto", "c1", "c2/openai/gpt-4o/v-20250930", "")] == [None] * 5


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("c1/openai/gpt-4o", "look like c1/{provider}"),
        ("c1/openai/gpt-4o/v-2025093", "look like"),
        ("c1/openai/gpt-4o/v-20250930\n", "look like"),
        ("c1/openai/gpt-4o/v-20250931", "names the version v-20250931. There are v-20250617"),
        ("c1/artifact/v-20251030", "artifacts"),
    ],
)
def test_what_only_looks_like_one_says_what_is_wrong(name: str, says: str):
    with pytest.raises(UnknownModel) as caught:
        ids.parse(name)
    assert says in caught.value.message and caught.value.param == "model"
    with pytest.raises(UnknownModel) as long:
        ids.parse("c1/" + "x" * 5_000)
    assert len(long.value.message) < 300


def test_dots_of_a_name_are_dashes_in_the_catalogue(shipped: Catalog):
    c1 = ids.parse("c1/anthropic/claude-sonnet-4.6/v-20260331")
    assert c1 is not None and ids.resolve(c1, shipped) == "claude-sonnet-4-6"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("c1/openai/claude-sonnet-4/v-20250930", "which openai does not have"),
        ("c1/openai/gpt-4p/v-20250930", "gpt-4o"),
        ("c1/openai/text-embedding-3-small/v-20250930", "does not have"),
        ("c1/nobody/gpt-4o/v-20250930", "There are anthropic"),
    ],
)
def test_a_model_that_is_not_there(shipped: Catalog, name: str, says: str):
    c1 = ids.parse(name)
    assert c1 is not None
    with pytest.raises(UnknownModel) as caught:
        ids.resolve(c1, shipped)
    assert says in caught.value.message and caught.value.param == "model"


def test_every_offer_can_be_asked_for(shipped: Catalog):
    offers = ids.offers(shipped)
    assert len({name for name, _ in offers}) == len(offers)
    assert ("c1/anthropic/claude-sonnet-4/v-20250930", "claude-sonnet-4") in offers
    for name, model in offers:
        c1 = ids.parse(name)
        assert c1 is not None and ids.resolve(c1, shipped) == model
    chat = {m.id for m in shipped.models.values() if m.kind == "chat" and m.provider in ids.SHOWN_PROVIDERS}
    assert {model for _, model in offers} == chat | {*ids.SHOWN_ALIASES}
    assert {name[-8:] for name, _ in offers} == {"20250930", "20251230", "20260331"}
