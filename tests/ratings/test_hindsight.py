"""What is counted of requests that have ended, and what other targets would have made of them."""

import datetime
import tracemalloc
from typing import Any

import pytest

from thermly import pricing
from thermly.catalog import TIERS, Catalog, builtin, load
from thermly.exchange import Usage
from thermly.models import configured
from thermly.ratings.hindsight import QUALITIES, Hindsight, failing, first_prices, look_back
from thermly.routing import thresholds
from thermly.routing.recalibration import AS_SHIPPED, Recalibration
from thermly.store.feedback import Served

TODAY = datetime.date(2026, 11, 1)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return configured.routable(load(builtin(), {}))[0]


def served(catalog: Catalog, score: float | None, tier: str = "fast", **facts: Any) -> Served:
    known: dict[str, Any] = {
        "seq": 1, "requested_model": "auto", "model": catalog.tiers[tier][0].id, "level": 2,
        "score_ppm": None if score is None else round(score * 1_000_000), "escalated_from": "", "outcome": "ok",
        "cache": "", "input_tokens": 1_000, "cached_input_tokens": 0, "cache_write_tokens": 0,
        "output_tokens": 500, "reasoning_tokens": 0, "cost_nanousd": 7, "baseline_nanousd": 100, "rating": None,
    }  # fmt: skip
    return Served(**(known | facts))


def look(catalog: Catalog, *rows: Served, learned: Recalibration = AS_SHIPPED) -> Hindsight:
    return look_back(rows, catalog, learned, 0.95, TODAY)


def test_only_requests_to_smart_names_are_the_routers(catalog: Catalog) -> None:
    found = look(catalog, served(catalog, 0.1), served(catalog, None, requested_model="gpt-4o"))
    assert (found.requests, found.spent_nanousd, found.baseline_nanousd) == (1, 7, 100)


def test_what_came_from_the_cache_was_asked_of_nobody(catalog: Catalog) -> None:
    found = look(catalog, served(catalog, None, cache="hit", rating=1))
    assert (found.requests, found.cache_hits, found.ratings.bad) == (1, 1, 1)
    assert [model.asked for model in found.models.values()] == [0]
    assert sum(found.courses[0].requests.values()) == 0


def test_a_request_that_nobody_answered(catalog: Catalog) -> None:
    found = look(catalog, served(catalog, 0.2, outcome="insufficient_funds", model=""))
    assert (found.requests, found.failures, found.models, found.cells) == (1, 1, {}, {})


def test_a_model_that_is_gone_has_no_tier(catalog: Catalog) -> None:
    found = look(catalog, served(catalog, 0.2, model="long-gone"))
    assert found.cells.keys() == {(2, "")} and sum(found.courses[1].requests.values()) == 0


def test_scores_are_read_as_they_are_understood_here(catalog: Catalog) -> None:
    learned = Recalibration(1.0, 1.0)
    rows = [served(catalog, 0.2, rating=5), served(catalog, 0.3, rating=1)]
    found = look(catalog, *rows, learned=learned)
    expected = learned.chance(0.2) + learned.chance(0.3)
    assert found.of_tier("fast").expected == pytest.approx(expected)
    assert found.courses[0].fails == pytest.approx(expected)


def test_targets_route_as_the_thresholds_say(catalog: Catalog) -> None:
    scores = [i / 100 for i in range(1, 100)]
    found = look(catalog, *(served(catalog, score) for score in scores))
    prices, typical = first_prices(catalog, TODAY), thresholds.prices_of(catalog, TODAY)
    usage = Usage(1_000, output_tokens=500)
    for quality, course in zip(QUALITIES, found.courses[1:], strict=True):
        chosen = [thresholds.of(quality, typical).tier(score) for score in scores]
        assert course.requests == {tier: chosen.count(tier) for tier in TIERS}
        assert course.cost_nanousd == sum(pricing.cost(usage, prices[tier]) for tier in chosen)
        fails = sum(failing(tier, score) for tier, score in zip(chosen, scores, strict=True))
        assert course.fails == pytest.approx(fails)
    costs = [course.cost_nanousd for course in found.courses[1:]]
    assert costs == sorted(costs) and costs[0] < costs[-1]


@pytest.mark.parametrize("chance", [0.0, 0.001, 0.1, 0.3, 0.5, 0.8, 0.999, 1.0])
def test_better_tiers_fail_no_more_often(chance: float) -> None:
    fast, balanced, best = (failing(tier, chance) for tier in TIERS)
    assert fast == chance and 0 <= balanced <= fast and 0 <= best <= fast


def test_the_target_that_is_set_is_among_the_others(catalog: Catalog) -> None:
    found = look_back([], catalog, AS_SHIPPED, 0.92, TODAY)
    assert [course.quality for course in found.courses] == [None, 0.8, 0.85, 0.9, 0.92, 0.95, 0.97, 0.99]


def test_without_prices_nothing_breaks(catalog: Catalog) -> None:
    found = look_back([served(catalog, 0.2)], load(builtin(), {}), AS_SHIPPED, 0.95, TODAY)
    assert found.courses[1].cost_nanousd == 0 or first_prices(load(builtin(), {}), TODAY)


def test_memory_does_not_grow_with_the_requests(catalog: Catalog) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        look_back((served(catalog, 0.2, rating=i % 5 + 1) for i in range(count)), catalog, AS_SHIPPED, 0.95, TODAY)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(5_000) < peak(500) + 20_000
