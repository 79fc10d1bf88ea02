import datetime
from decimal import Decimal
from typing import Any

import pytest

from thermly import catalog as catalogs
from thermly.catalog import SMART, TIERS, Catalog, CatalogError, Model, Price

TODAY = datetime.date.today()

DIRECT = {
    "openai": ("gpt-4o", "gpt-4o-mini", "gpt-4-turbo", "gpt-4", "gpt-3.5-turbo", "o1", "o3-mini"),
    "anthropic": ("claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4", "claude-3-haiku"),
    "google": ("gemini-2.5-flash", "gemini-2.5-pro"),
}
"""The direct models that the reference names, by provider."""

OTHER_NAMES = (
    *("claude-haiku", "gemini-flash", "claude-3-5-sonnet-20241022"),
    *("claude-3.5-sonnet", "deepseek-chat", "deepseek-reasoner", "claude-sonnet-4-20250514"),
)

NAMED = [(provider, name) for provider, names in DIRECT.items() for name in names]


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    rows = catalogs.builtin()
    return catalogs.load(rows, dict.fromkeys(rows["providers"], "key"))


@pytest.mark.parametrize(("provider", "name"), NAMED)
def test_every_direct_model_of_the_reference_is_there_and_a_living_model_answers(
    shipped: Catalog, provider: str, name: str
) -> None:
    row = shipped.models[shipped.aliases.get(name, name)]
    assert row.provider == provider
    living = shipped.find(name, TODAY)
    assert living is not None
    assert shipped.target(living) is not None
    assert living.provider == provider, "whoever asks for a vendor's model is answered by that vendor"


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_every_alias_of_the_reference_resolves(shipped: Catalog, name: str) -> None:
    living = shipped.find(name, TODAY)
    assert living is not None
    assert shipped.target(living) is not None


def test_every_name_there_is_leads_to_a_living_model_that_can_be_served(shipped: Catalog) -> None:
    for name in (*shipped.models, *shipped.aliases):
        living = shipped.find(name, TODAY)
        assert living is not None, name
        assert living.retired_on is None or living.retired_on > TODAY, name
        assert shipped.target(living) is not None, name


def test_a_model_that_its_vendor_still_serves_is_itself(shipped: Catalog) -> None:
    for name, model in shipped.models.items():
        if model.retired_on is None:
            assert shipped.find(name, TODAY) is model


@pytest.mark.parametrize("tier", TIERS)
def test_no_tier_is_empty_today(shipped: Catalog, tier: str) -> None:
    living = [m for m in shipped.tiers[tier] if m.retired_on is None or m.retired_on > TODAY]
    assert living
    assert len({m.provider for m in living}) > 1, "one vendor's bad day leaves others"


def test_every_retired_model_names_the_one_that_answers_for_it(shipped: Catalog) -> None:
    for model in shipped.models.values():
        assert (model.retired_on is None) == (model.replacement is None), model.id


SHIPPED = catalogs.load(catalogs.builtin(), {}).models.values()


@pytest.mark.parametrize("model", [m for m in SHIPPED if m.kind == "chat"], ids=lambda m: m.id)
def test_every_row_makes_sense(model: Model) -> None:
    assert model.price is not None
    for price in (model.price, *(tier for _, tier in model.price.above)):
        assert 0 < price.input < price.output, "vendors charge more for what they write"
        assert price.cached_input <= price.input
        assert price.cache_write_1h <= 2 * price.input, "Anthropic's, who alone has it, is twice the input's"
        assert price.cache_write <= price.cache_write_1h or price.cache_write_1h == price.input
        assert price.output <= 1_000_000_000, "a thousand dollars per million tokens is a slip of the point"
    thresholds = [threshold for threshold, _ in model.price.above]
    assert all(0 < threshold < model.context_window for threshold in thresholds)
    for _, tier in model.price.above:
        assert tier.input >= model.price.input and tier.output >= model.price.output
    assert 0 < model.max_output_tokens <= model.context_window
    assert {"reasoning", "sampling"} & model.can
    assert "tools" in model.can or not {"forced_tools", "parallel_tools"} & model.can
    assert model.can & {"video", "heic"} == ({"video", "heic"} if model.provider == "google" else set())
    assert model.as_of


@pytest.mark.parametrize("model", [m for m in SHIPPED if m.kind == "embedding"], ids=lambda m: m.id)
def test_every_embedding_row_makes_sense(model: Model) -> None:
    assert model.price is not None and model.price.input > 0 == model.price.output
    assert 0 < model.dimensions <= 10_000 and 0 < model.max_inputs <= 2_048
    assert model.can <= {"dimensions", "token_input"} and model.as_of


@pytest.mark.parametrize("model", [m for m in SHIPPED if m.kind == "image"], ids=lambda m: m.id)
def test_every_image_row_makes_sense(model: Model) -> None:
    drawing, price = model.drawing, model.price
    assert drawing is not None and price is not None and model.as_of
    assert bool(drawing.per_image) != bool(drawing.tokens), "billed one way or the other"
    assert (price.output > price.input > 0) == bool(drawing.tokens)
    assert all(1_000_000 < nanousd < 1_000_000_000 for nanousd in drawing.per_image.values())
    assert drawing.sizes[0] == "1024x1024", "the reference's default"
    assert {size for size, _ in drawing.per_image} <= {"", *drawing.sizes}
    assert {*drawing.tokens} - {"any"} <= {*drawing.qualities}
    assert drawing.per_call in (1, 4) and drawing.max_prompt_chars == 4_000


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"kind": "sound"}, "kind must be one of"),
        ({"kind": "image"}, "needs per_image or image_tokens"),
        ({"kind": "image", "per_image": [{"usd": "dear"}]}, "per_image.usd = dear is not a whole"),
        ({"kind": "image", "per_image": [{"size": "1x1"}]}, "per_image.usd = None is not a whole"),
        ({"kind": "image", "per_image": [{"price": 1}]}, "there is no field 'price'"),
        ({"kind": "image", "per_image": [{"usd": 1}], "sizes": ["large"]}, "sizes are auto or WIDTHxHEIGHT"),
        ({"kind": "image", "image_tokens": {"low": "few"}}, "image_tokens must be counts"),
        ({"kind": "embedding", "tier": "fast"}, "only chat models have a tier"),
        ({"kind": "embedding", "dimensions": 0}, "dimensions cannot be 0"),
    ],
)
def test_rows_of_other_kinds_are_checked(row: dict[str, Any], says: str) -> None:
    with pytest.raises(CatalogError, match=says):
        load({"provider": "p", "input_per_mtok": 1, **row})


def test_an_image_row_is_read_exactly() -> None:
    price = {"size": "1x1", "quality": "hd", "usd": Decimal("0.04")}
    row = {"provider": "p", "kind": "image", "per_image": [price]}
    drawing = load(row).models["m"].drawing
    assert drawing is not None and drawing.per_image == {("1x1", "hd"): 40_000_000}


def test_prices_are_whole_pico_dollars_and_exactly_what_is_written(shipped: Catalog) -> None:
    for name, row in catalogs.builtin()["models"].items():
        price = shipped.models[name].price
        assert price is not None
        if row.get("kind", "chat") != "chat":
            continue
        assert Decimal(price.input) == row["input_per_mtok"] * 1_000_000, name
        assert Decimal(price.output) == row["output_per_mtok"] * 1_000_000, name
        assert all(isinstance(n, int) for n in (price.input, price.output, price.cached_input, price.cache_write))


# ---- rows of one's own

P = {"kind": "openai_like", "base_url": "https://example.org/v1"}
M = {"provider": "p", "input_per_mtok": Decimal("0.0375"), "output_per_mtok": 1}


def load(model: Any = M, provider: Any = P, keys: Any = None, **tables: Any) -> Catalog:
    rows = {"providers": {"p": provider}, "models": {"m": model}, **tables}
    return catalogs.load(rows, {"p": "key"} if keys is None else keys)


def test_a_price_is_read_exactly_and_the_others_default_to_it() -> None:
    assert load().models["m"].price == Price(37_500, 1_000_000, 37_500, 37_500, 37_500)
    price = load({**M, "cached_input_per_mtok": "0.01", "cache_write_per_mtok": 2}).models["m"].price
    assert price == Price(37_500, 1_000_000, 10_000, 2_000_000, 2_000_000)
    assert load({**M, "cache_write_1h_per_mtok": 3}).models["m"].price == Price(
        37_500, 1_000_000, 37_500, 37_500, 3_000_000
    )


def test_long_context_tiers_begin_with_the_longest_and_inherit_what_they_do_not_say() -> None:
    tiers = [{"above_input_tokens": 10, "input_per_mtok": 2}, {"above_input_tokens": 20, "output_per_mtok": 9}]
    price = load({**M, "long_context_tiers": tiers}).models["m"].price
    assert price is not None
    assert [(above, p.input, p.output, p.above) for above, p in price.above] == [
        (20, 37_500, 9_000_000, ()),
        (10, 2_000_000, 1_000_000, ()),
    ]


@pytest.mark.parametrize("missing", ["input_per_mtok", "output_per_mtok"])
def test_a_model_without_a_price_is_never_a_target(missing: str) -> None:
    catalog = load({k: v for k, v in M.items() if k != missing})
    assert catalog.models["m"].price is None
    assert catalog.target(catalog.models["m"]) is None


def test_only_who_says_free_is_free() -> None:
    catalog = load({"provider": "p", "free": True})
    assert catalog.models["m"].price == Price(0, 0, 0, 0, 0)
    assert catalog.target(catalog.models["m"]) is not None
    assert load({"provider": "p", "free": False}).models["m"].price is None
    assert load({**M, "free": False}).models["m"].price == load().models["m"].price


def test_a_provider_is_available_with_its_key_or_where_it_needs_none() -> None:
    assert load(keys={"p": None}).providers["p"].available
    assert load(keys={"p": None}).providers["p"].key is None
    catalog = load(keys={})
    assert not catalog.providers["p"].available
    assert catalog.target(catalog.models["m"]) is None


def test_a_target_is_named_by_provider_and_upstream_model() -> None:
    catalog = load({**M, "upstream": "m-2026"})
    target = catalog.target(catalog.models["m"])
    assert target is not None
    assert target.name == "p/m-2026"


def test_replacements_are_followed_from_their_day_on_and_never_in_a_circle() -> None:
    day = datetime.date(2026, 5, 1)
    models = {
        "a": {**M, "retired_on": day, "replacement": "b"},
        "b": {**M, "retired_on": day, "replacement": "c"},
        "c": M,
        "x": {**M, "retired_on": day, "replacement": "y"},
        "y": {**M, "retired_on": day, "replacement": "x"},
        "gone": {**M, "retired_on": day},
    }
    catalog = catalogs.load({"providers": {"p": P}, "models": models, "aliases": {"alias": "a"}}, {})
    before = day - datetime.timedelta(days=1)
    assert [m.id for name in ("a", "alias", "x") if (m := catalog.find(name, before))] == ["a", "a", "x"]
    assert [m.id for name in ("a", "alias", "b") if (m := catalog.find(name, day))] == ["c", "c", "c"]
    assert catalog.find("x", day) is catalog.find("gone", day) is catalog.find("nobody", day) is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"provider": {**P, "kind": "telepathy"}}, "provider 'p': kind must be openai_like, anthropic or gemini"),
        ({"provider": {"kind": "gemini"}}, "provider 'p': base_url must begin with http"),
        ({"provider": {**P, "base_url": "example.org"}}, "provider 'p': base_url must begin with http"),
        ({"provider": {**P, "key": "secret"}}, "provider 'p': there is no field 'key'"),
        ({"provider": "p"}, "provider 'p': 'p' is not a row"),
        ({"model": {**M, "provider": "q"}}, "model 'm': provider 'q' is not in the catalogue"),
        ({"model": {"input_per_mtok": 1}}, "model 'm': provider None is not in the catalogue"),
        ({"model": {**M, "tier": "cheap"}}, "model 'm': tier must be one of fast, balanced, best"),
        ({"model": {**M, "can": ["fly"]}}, "model 'm': unknown capability fly"),
        ({"model": {**M, "can": "tools"}}, "model 'm': can cannot be 'tools'"),
        ({"model": {**M, "inputs_per_mtok": 1}}, "no field 'inputs_per_mtok'. Did you mean input_per_mtok"),
        ({"model": {**M, "context_window": 0}}, "context_window cannot be 0"),
        ({"model": {**M, "context_window": "large"}}, "context_window cannot be 'large'"),
        ({"model": {**M, "max_output_tokens": True}}, "max_output_tokens cannot be True"),
        ({"model": {**M, "retired_on": "2026-01-01"}}, "retired_on cannot be '2026-01-01'"),
        ({"model": {**M, "input_per_mtok": -1}}, "input_per_mtok = -1 is not a whole, positive number"),
        ({"model": {**M, "output_per_mtok": Decimal("NaN")}}, "output_per_mtok = NaN is not a whole"),
        ({"model": {**M, "output_per_mtok": Decimal("inf")}}, "output_per_mtok = Infinity is not a whole"),
        ({"model": {**M, "output_per_mtok": "cheap"}}, "output_per_mtok = cheap is not a whole"),
        ({"model": {**M, "output_per_mtok": Decimal("0.0000001")}}, "output_per_mtok = 1E-7 is not a whole"),
        ({"model": {**M, "output_per_mtok": [1]}}, "output_per_mtok cannot be"),
        ({"model": {**M, "long_context_tiers": [{"input_per_mtok": 1}]}}, "needs above_input_tokens"),
        ({"model": {**M, "long_context_tiers": [{"above_input_tokens": "1"}]}}, "above_input_tokens cannot be '1'"),
        ({"model": {**M, "long_context_tiers": [7]}}, "7 is not a row"),
        ({"model": {**M, "replacement": "n"}}, "model 'm' is replaced by 'n', which is no model"),
        ({"model": True}, "model 'm': True is not a row"),
        ({"models": {"auto": M}}, "model 'auto': that name is the router's"),
        ({"aliases": {"a": "b"}}, "alias 'a' names 'b', which is no model"),
        ({"aliases": {"a": ["m"]}}, r"alias 'a' names \['m'\], which is no model"),
        ({"aliases": {"m": "m"}}, "alias 'm' is also the name of a model"),
        ({"aliases": {"best": "m"}}, "alias 'best' is also the name of a model"),
    ],
)
def test_a_row_that_makes_no_sense_is_named(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(CatalogError, match=says):
        load(**wrong)


def test_the_smart_names_are_the_references() -> None:
    assert SMART == ("auto", "fast", "balanced", "best")


# ---- the admin's rows over the built-in ones


def test_rows_are_merged_field_by_field_and_false_removes_one() -> None:
    base = {"providers": {"p": P}, "models": {"m": M, "n": M}, "aliases": {"a": "m", "b": "n"}}
    merged = catalogs.merge(base, {"models": {"m": {"output_per_mtok": 9}, "n": False}, "aliases": {"b": False}})
    assert merged["models"] == {"m": {**M, "output_per_mtok": 9}}
    assert merged["aliases"] == {"a": "m"}
    assert base["models"]["m"]["output_per_mtok"] == 1, "what ships is not touched"
    assert catalogs.merge(base, {}) == base
    assert catalogs.merge(base, {"models": {"nobody": False}})["models"] == base["models"]


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"models": 5}, "models must be a table of rows"),
        ({"models": {"m": True}}, "models.m must be a row, or false to remove one, not True"),
        ({"providers": {"p": "openai"}}, "providers.p must be a row"),
    ],
)
def test_what_cannot_be_merged_is_named(extra: dict[str, Any], says: str) -> None:
    with pytest.raises(CatalogError, match=says):
        catalogs.merge({"providers": {"p": P}, "models": {"m": M}}, extra)


def test_removing_a_model_removes_what_leads_to_it() -> None:
    gone = {"models": {"claude-haiku-4-5": False, "gpt-4.1": False}}
    found = catalogs.load(catalogs.merge(catalogs.builtin(), gone), {})
    assert found.find("claude-haiku", TODAY) is None
    assert found.find("gpt-4", TODAY) is None
