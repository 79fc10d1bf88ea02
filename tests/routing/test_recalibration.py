"""What ratings teach: as much as they outweigh the shipped score, and never which of two requests is the harder."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.routing.complexity import Judgement
from thermly.routing.recalibration import (
    AS_SHIPPED,
    CENTRE,
    LEAST_SLOPE,
    Comparison,
    Example,
    Recalibration,
    _cost,
    _logit,
    compare,
    fit,
    taught,
)

scores = st.floats(0.001, 0.999)
examples = st.lists(st.builds(Example, scores, st.booleans(), st.floats(0.01, 1)), max_size=60)


def rated(count: int, truth: Recalibration, seed: int = 1) -> list[Example]:
    """Requests whose cheap answers fail by another law than the shipped one."""
    chance = random.Random(seed)
    found = [chance.uniform(0.02, 0.6) for _ in range(count)]
    return [Example(score, chance.random() < truth.chance(score)) for score in found]


def test_without_ratings_nothing_is_learned() -> None:
    assert fit([]) == AS_SHIPPED
    assert compare([]) == Comparison(0, 0.0, 0.0, 0.0) and not compare([Example(0.2, True)]).better


def test_many_ratings_find_the_law_behind_them() -> None:
    truth = Recalibration(0.8, 0.6)
    learned = fit(rated(20_000, truth))
    assert learned.intercept == pytest.approx(truth.intercept, abs=0.15)
    assert learned.slope == pytest.approx(truth.slope, abs=0.1)


def test_a_hundred_ratings_go_half_the_way() -> None:
    """At the chance that the prior speaks of."""
    learned = fit([Example(0.3, i % 10 < 5) for i in range(100)])
    moved = math.log(learned.chance(0.3) / (1 - learned.chance(0.3))) - math.log(3 / 7)
    whole = math.log(1) - math.log(3 / 7)
    assert 0.4 * whole < moved < 0.65 * whole


def test_a_rating_moves_little() -> None:
    assert fit([Example(0.1, True)]).chance(0.1) == pytest.approx(0.1, abs=0.02)


def test_it_is_the_minimum() -> None:
    """Nothing near it has a lower cost."""
    found = rated(200, Recalibration(1.0, 0.7))
    learned = fit(found)
    rows = [(_logit(e.score), float(e.failed), e.weight) for e in found]
    stretch = learned.slope - 1
    shift = learned.intercept + stretch * CENTRE
    least = _cost(rows, shift, stretch)
    for a, b in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01), (0.01, 0.01), (-0.01, 0.01)):
        assert _cost(rows, shift + a, stretch + b) > least


@given(examples, scores, scores)
def test_no_request_passes_another(found: list[Example], one: float, other: float) -> None:
    learned = fit(found)
    assert learned.slope >= LEAST_SLOPE
    low, high = sorted((one, other))
    assert 0 <= learned.chance(low) <= learned.chance(high) <= 1


def test_ratings_that_turn_the_order_round_are_not_believed_so_far() -> None:
    found = [Example(0.05, True)] * 500 + [Example(0.9, False)] * 500
    assert fit(found).slope == LEAST_SLOPE


@given(st.builds(Recalibration, st.floats(-3, 3), st.floats(0.25, 3)), scores)
def test_what_was_learned_can_be_undone(learned: Recalibration, score: float) -> None:
    chance = learned.chance(score)
    if 1e-6 < chance < 1 - 1e-6:
        assert learned.score(chance) == pytest.approx(score, abs=1e-6)


def test_ratings_that_agree_are_no_betterment() -> None:
    assert not compare(rated(400, AS_SHIPPED)).better


def test_ratings_that_disagree_are_one() -> None:
    found = compare(rated(400, Recalibration(1.5, 1.0)))
    assert found.better and found.after < found.before and found.error < found.before - found.after


def test_too_few_are_none_whatever_they_say() -> None:
    assert not compare([Example(0.05, True)] * 29).better
    assert compare([Example(0.05, True)] * 30).better


def test_a_light_example_counts_for_little() -> None:
    heavy, light = fit([Example(0.1, True)] * 10), fit([Example(0.1, True, 0.1)] * 10)
    once = fit([Example(0.1, True)])
    assert light.chance(0.1) == pytest.approx(once.chance(0.1)) and light.chance(0.1) < heavy.chance(0.1)


def test_a_judgement_is_taught() -> None:
    judgement = Judgement(0.1, 2, ("short greeting",))
    assert taught(judgement, AS_SHIPPED) is judgement
    found = taught(judgement, Recalibration(3.0, 1.0))
    assert found.score == pytest.approx(0.69, abs=0.01) and found.level == 4
    assert found.reasons == ("short greeting", "ratings here: 0.69, as shipped 0.10")
    assert taught(judgement, Recalibration(0.001, 1.0)).reasons == judgement.reasons
