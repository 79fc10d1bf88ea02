"""What admins change in the catalogue: what holds, what is refused, and what is left out without any harm."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import books
import pytest

from thermly.catalog import CatalogError
from thermly.models.catalog_changes import CatalogChanges
from thermly.settings import read
from thermly.store.db import Database

WHO = "admin@example.com"
Changes = Callable[..., CatalogChanges]


@pytest.fixture
def base(tmp_path: Path) -> Database:
    return books.fresh(tmp_path)


@pytest.fixture
def changes(tmp_path: Path, base: Database) -> Changes:
    """changes(toml="") -> as a process that starts now would have them."""

    def make(toml: str = "") -> CatalogChanges:
        (tmp_path / "thermly.toml").write_text(toml)
        environ = {"THERMLY_INSTANCE": str(tmp_path), "OPENAI_API_KEY": "key"}
        return CatalogChanges(read(environ), Database(tmp_path / "thermly.db"), environ)

    return make


def stored(base: Database) -> dict[str, object]:
    with base.each() as tx:
        rows = tx.all("SELECT model, fields FROM catalog_change")
    return {model: json.loads(fields) for model, fields in rows}


def put(base: Database, model: str, fields: str) -> None:
    with base.each() as tx:
        tx.run("INSERT INTO catalog_change VALUES (:m, :f, 'somebody', 1)", {"m": model, "f": fields})


def tier(of: CatalogChanges, name: str) -> list[str]:
    return [m.id for m in of.catalog.tiers[name]]


def test_a_price_holds_to_the_pico_dollar_and_leaves_the_rest(changes: Changes, base: Database):
    at, other = changes(), changes()
    before = at.catalog.models["gpt-4o"]
    at.set_prices("gpt-4o", {"input_per_mtok": "2.000001", "cached_input_per_mtok": None}, WHO)
    for seen in (at.catalog, other.seen(now=True), changes().catalog):
        after = seen.models["gpt-4o"]
        assert before.price is not None and after.price is not None
        assert (after.price.input, after.price.cached_input) == (2_000_001, 2_000_001)
        assert (after.price.output, after.can, after.tier) == (before.price.output, before.can, before.tier)
    assert stored(base)["gpt-4o"] == {"input_per_mtok": "2.000001", "cached_input_per_mtok": None} | {
        k: v for k, v in stored(base)["gpt-4o"].items() if k == "as_of"
    }
    assert [(c.model, c.changed_by, c.refused) for c in at.changes] == [("gpt-4o", WHO, "")]


def test_what_the_files_say_anyway_is_not_kept(changes: Changes, base: Database):
    at = changes('[models.gpt-4o]\noutput_per_mtok = 10.50\nas_of = "2000-01-01"')
    at.set_prices("gpt-4o", {"output_per_mtok": "10.5"}, WHO)
    assert set(stored(base)["gpt-4o"]) == {"as_of"}, "the price is as it was, and was read today"
    at.reset("gpt-4o", WHO)
    assert stored(base) == {}
    at.put_in_tier("gpt-6-luna", "fast", WHO)
    assert stored(base) == {}


def test_a_catalogue_is_replaced_and_not_changed(changes: Changes):
    at = changes()
    before = at.catalog
    at.serve("gpt-4o", False, WHO)
    assert "gpt-4o" in before.models and "gpt-4o" not in at.catalog.models


def test_others_see_it_within_a_second_and_do_not_look_more_often(changes: Changes):
    at, other = changes(), changes()
    assert "gpt-4o" in other.seen().models
    at.serve("gpt-4o", False, WHO)
    assert "gpt-4o" in other.seen().models, "it has looked a moment ago"
    deadline = threading.Event()
    deadline.wait(1)
    assert "gpt-4o" not in other.seen().models


def test_models_move_in_their_tier(changes: Changes, base: Database):
    at = changes()
    first, second, *rest = tier(at, "fast")
    at.move(first, True, WHO)
    assert stored(base) == {}, "nothing is above the first"
    at.move(second, True, WHO)
    assert tier(at, "fast") == [second, first, *rest] == tier(changes(), "fast")
    at.move(rest[-1], False, WHO)
    at.move(rest[-1], True, WHO)
    assert tier(at, "fast") == [second, first, *rest[:-2], rest[-1], rest[-2]]
    best = tier(at, "best")
    at.forget_order("fast", WHO)
    assert tier(at, "fast") == [first, second, *rest] and tier(at, "best") == best and stored(base) == {}


def test_a_model_that_comes_later_stands_behind_those_that_were_ordered(changes: Changes):
    at = changes()
    first, second, *_ = tier(at, "best")
    at.move(second, True, WHO)
    late = '[models.zeta]\nprovider = "openai"\ntier = "best"\nfree = true'
    assert tier(changes(late), "best")[:2] == [second, first] and tier(changes(late), "best")[-1] == "zeta"


def test_the_first_of_the_best_tier_is_what_savings_are_measured_against(changes: Changes):
    at = changes()
    second = at.catalog.tiers["best"][-1]
    assert at.catalog.baseline != second.price
    for _ in at.catalog.tiers["best"]:
        at.move(second.id, True, WHO)
    assert at.catalog.baseline == second.price


def test_a_model_changes_its_tier_or_leaves_all(changes: Changes, base: Database):
    at = changes()
    name = tier(at, "fast")[0]
    at.put_in_tier(name, "best", WHO)
    assert name not in tier(at, "fast") and tier(at, "best")[-1] == name
    at.put_in_tier(name, None, WHO)
    assert at.catalog.models[name].tier is None and stored(base)[name] == {"tier": None}
    assert tier(at, "best") == tier(changes(), "best")
    at.put_in_tier("gpt-4o", "balanced", WHO)
    assert tier(at, "balanced")[-1] == "gpt-4o"
    at.put_in_tier(name, "fast", WHO)
    assert tier(at, "fast")[0] == name, "where the files have it"


def test_what_is_switched_off_is_gone_with_its_aliases_and_comes_back_as_it_was(changes: Changes, base: Database):
    at = changes()
    at.serve("gpt-4o-mini", False, WHO)
    with base.each() as tx:
        assert tx.one("SELECT fields FROM catalog_change") == ("false",)
    assert "gpt-4o-mini" not in at.catalog.models and "gpt-4o-mini-2024-07-18" not in at.catalog.aliases
    assert "gpt-4o-mini" in at.everything().models
    at.set_prices("gpt-4o-mini", {"input_per_mtok": "7"}, WHO)
    assert "gpt-4o-mini" not in at.catalog.models, "a price does not switch it on"
    at.serve("gpt-4o-mini", True, WHO)
    price = at.catalog.models["gpt-4o-mini"].price
    assert price is not None and price.input == 7_000_000


def test_a_model_goes_back_to_the_files_and_its_place_last(changes: Changes, base: Database):
    at = changes()
    first, second, *_ = tier(at, "fast")
    at.move(second, True, WHO)
    at.set_prices(second, {"input_per_mtok": "9"}, WHO)
    at.reset(second, WHO)
    assert stored(base)[second] == {"order": 1} and tier(at, "fast")[:2] == [second, first]
    at.reset(second, WHO)
    at.reset(first, WHO)
    assert stored(base) == {} and tier(at, "fast")[:2] == [first, second]


def test_a_model_can_be_added_and_removed(changes: Changes, base: Database):
    at = changes('[providers.ollama]\nkind = "openai_like"\nbase_url = "http://127.0.0.1:11434/v1"')
    at.add("llama3.2", {"provider": "ollama", "free": True, "tier": "fast", "can": ["tools"]}, WHO)
    model = at.catalog.models["llama3.2"]
    assert at.catalog.target(model) is not None and tier(at, "fast")[-1] == "llama3.2"
    assert at.is_added("llama3.2") and not at.is_added("gpt-4o")
    at.serve("llama3.2", False, WHO)
    assert at.everything().models["llama3.2"].can == {"tools"}, "it is remembered"
    at.reset("llama3.2", WHO)
    assert "llama3.2" not in at.everything().models and stored(base) == {}


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda at: at.set_prices("gpt-4o", {"input_per_mtok": "0.0000001"}, WHO), "not a whole"),
        (lambda at: at.set_prices("gpt-4o", {"input_per_mtok": "1e999999"}, WHO), "not a whole"),
        (lambda at: at.set_prices("gpt-4o", {"input_per_mtok": "1e99999999999999999999"}, WHO), "not a whole"),
        (lambda at: at.set_prices("gpt-4o", {"input_per_mtok": "-1"}, WHO), "not a whole"),
        (lambda at: at.set_prices("nobody", {"input_per_mtok": "1"}, WHO), "no model 'nobody'"),
        (lambda at: at.set_prices("gpt-4o", {"input": "1"}, WHO), "no field 'input'"),
        (lambda at: at.put_in_tier("gpt-4o", "fastest", WHO), "tier must be one of"),
        (lambda at: at.put_in_tier("text-embedding-3-small", "fast", WHO), "only chat models have a tier"),
        (lambda at: at.move("gpt-4o", True, WHO), "in no tier"),
        (lambda at: at.move("nobody", True, WHO), "no model 'nobody'"),
        (lambda at: at.serve("nobody", False, WHO), "no model 'nobody'"),
        (lambda at: at.reset("gpt-4o", WHO), "nothing was changed"),
        (lambda at: at.forget_order("other", WHO), "tier must be one of"),
        (lambda at: at.add("gpt-4o", {"provider": "openai", "free": True}, WHO), "already"),
        (lambda at: at.add("auto", {"provider": "openai", "free": True}, WHO), "the router's"),
        (lambda at: at.add("claude-haiku", {"provider": "openai", "free": True}, WHO), "also the name of a model"),
        (lambda at: at.add("mine", {"provider": "nobody", "free": True}, WHO), "not in the catalogue"),
        (lambda at: at.add("mine", {"provider": "openai", "can": ["fly"]}, WHO), "unknown capability"),
    ],
)
def test_what_contradicts_the_catalogue_is_refused_and_nothing_is_kept(
    changes: Changes, base: Database, act: Callable[[CatalogChanges], None], told: str
):
    at = changes()
    before = at.catalog
    with pytest.raises(CatalogError, match=told):
        act(at)
    assert stored(base) == {} and at.catalog is before


def test_a_bad_price_is_refused_for_a_model_that_is_switched_off_too(changes: Changes):
    at = changes()
    at.serve("gpt-4o", False, WHO)
    with pytest.raises(CatalogError, match="not a whole"):
        at.set_prices("gpt-4o", {"input_per_mtok": "much"}, WHO)


@pytest.mark.parametrize(
    "fields",
    ["", "{", "[]", "5", "null", "true", '"x"', '{"tier": "none"}', '{"order": 0}', '{"order": true}',
     '{"input_per_mtok": "NaN"}', '{"input_per_mtok": [1]}', '{"provider": "nobody"}', '{"served": 5}',
     '{"retired_on": "2026-01-01"}', '{"can": 5}', '{"long_context_tiers": [5]}', '{"nonsense": 1}', "\ud800"],
)  # fmt: skip
def test_what_no_longer_makes_sense_is_left_out_and_the_rest_holds(
    changes: Changes, base: Database, caplog: pytest.LogCaptureFixture, fields: str
):
    put(base, "gpt-4o", fields.encode("utf-8", "replace").decode())
    put(base, "gpt-4o-mini", "false")
    with caplog.at_level(logging.WARNING):
        at = changes()
    assert "gpt-4o" in at.catalog.models and "gpt-4o-mini" not in at.catalog.models
    assert [c.model for c in at.changes if c.refused] == ["gpt-4o"]
    assert "what was changed of the model gpt-4o is left out" in caplog.text
    at.put_in_tier("o1", "best", WHO)
    assert tier(at, "best")[-1] == "o1", "others can be changed on"
    at.reset("gpt-4o", WHO)
    assert "gpt-4o" not in stored(base)


def test_a_file_that_was_edited_since_is_served(changes: Changes, base: Database):
    at = changes('[providers.ollama]\nkind = "openai_like"\nbase_url = "http://127.0.0.1:11434/v1"')
    at.add("llama3.2", {"provider": "ollama", "free": True}, WHO)
    later = changes()
    assert "llama3.2" not in later.catalog.models
    assert "provider 'ollama' is not in the catalogue" in later.changes[0].refused
    assert "llama3.2" in stored(base), "it holds again when the provider is back"


def test_a_model_that_the_files_no_longer_have_stays_switched_off_without_harm(changes: Changes):
    at = changes('[models.mine]\nprovider = "openai"\nfree = true')
    at.serve("mine", False, WHO)
    later = changes()
    assert "mine" not in later.everything().models and not later.changes[0].refused
    later.set_prices("gpt-4o", {"input_per_mtok": "1"}, WHO)


def test_changes_at_the_same_time_all_hold(changes: Changes, base: Database):
    several = [changes() for _ in range(4)]
    acts: list[Callable[[], None]] = [
        lambda: several[0].set_prices("gpt-4o", {"input_per_mtok": "1.5"}, WHO),
        lambda: several[1].put_in_tier("gpt-4o", "balanced", WHO),
        lambda: several[2].set_prices("o1", {"output_per_mtok": "3"}, WHO),
        lambda: several[3].move("gemini-3.5-flash-lite", True, WHO),
    ]
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = changes().catalog
    price, other = found.models["gpt-4o"].price, found.models["o1"].price
    assert price is not None and price.input == 1_500_000 and found.models["gpt-4o"].tier == "balanced"
    assert other is not None and other.output == 3_000_000
    assert [m.id for m in found.tiers["fast"]][2:4] == ["gemini-3.5-flash-lite", "gemini-3.1-flash-lite"]


def test_a_database_that_cannot_be_read_leaves_what_was(changes: Changes, caplog: pytest.LogCaptureFixture):
    at = changes()
    at._database.tx()
    at._database.connection.close()
    assert "gpt-4o" in at.seen(now=True).models
    assert "could not be read" in caplog.text
