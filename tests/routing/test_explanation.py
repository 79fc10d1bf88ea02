"""The dry run says what routing would do, and about what it would cost."""

import datetime

import pytest

from thermly import catalog as catalogs
from thermly.catalog import Catalog
from thermly.models.configured import routable
from thermly.routing.explanation import Wish, explain

TODAY = datetime.date(2026, 11, 21)
HARD = "Prove rigorously that there are infinitely many primes; compare two proofs step by step."


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    rows = catalogs.builtin()
    return catalogs.load(rows, dict.fromkeys(rows["providers"], "key"))


def test_an_easy_prompt_goes_to_the_cheapest_and_costs_less_than_the_best(catalog: Catalog):
    found = explain(Wish("Hello!"), catalog, set(), TODAY)
    assert (found.judgement.level, found.tier, found.refusal) == (1, "fast", "")
    costs = [c.cost_nanousd for c in found.candidates]
    assert all(cost is not None for cost in costs[:3]) and set(costs[3:]) == {None}
    assert found.best is not None and found.best.cost_nanousd is not None and costs[0] is not None
    assert 0 < costs[0] < found.best.cost_nanousd
    assert found.best.model is catalog.tiers["best"][0]


def test_a_hard_prompt_goes_to_the_best(catalog: Catalog):
    found = explain(Wish(HARD), catalog, set(), TODAY)
    assert found.tier == "best" and found.judgement.level >= 4 and found.judgement.reasons
    assert explain(Wish(HARD, "fast"), catalog, set(), TODAY).tier == "fast"


def test_the_quality_to_keep_decides_too_and_is_told(catalog: Catalog):
    frugal = explain(Wish(HARD), catalog, set(), TODAY, quality=0.5)
    assert frugal.tier == "fast" and "for a quality of 50 %" in frugal.judgement.reasons[-1]


def test_what_comes_along_leaves_out_who_is_not_able(catalog: Catalog):
    without = {name for name, _ in explain(Wish("Hello!"), catalog, set(), TODAY).passed_over}
    found = explain(Wish("Hello!", tools=True, schema=True, image=True), catalog, set(), TODAY)
    assert ("deepseek-v4-pro", "does not support images") in found.passed_over and "deepseek-v4-pro" not in without
    assert all({"tools", "json_schema", "vision"} <= c.model.can for c in found.candidates)


def test_who_cools_down_is_asked_last(catalog: Catalog):
    first = explain(Wish("Hello!"), catalog, set(), TODAY).candidates[0]
    name = f"{first.model.provider}/{first.model.upstream}"
    found = explain(Wish("Hello!"), catalog, {name}, TODAY)
    assert found.candidates[-1].model is first.model and found.candidates[-1].cooling
    assert not found.candidates[0].cooling


def test_nobody_is_told_with_the_reason_and_all_can_be_assumed():
    nobody = catalogs.load(catalogs.builtin(), {})
    found = explain(Wish("Hello!"), nobody, set(), TODAY)
    assert "no model configured" in found.refusal and found.candidates == ()
    assumed, is_assumed = routable(nobody)
    assert is_assumed and explain(Wish("Hello!"), assumed, set(), TODAY).candidates
    assert routable(assumed) == (assumed, False)
