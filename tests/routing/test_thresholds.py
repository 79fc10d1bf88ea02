"""Which tier a score leads to, for a quality and for prices."""

import datetime
import json
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly import catalog as catalogs
from thermly import settings
from thermly.catalog import TIERS, Price
from thermly.routing import thresholds
from thermly.routing.thresholds import QUALITY, UNIT, Row, in_force, of, prices_of, typical_cost

HOUSE = Path(__file__).parents[2]
SLICE = HOUSE / "training" / "slice"
ROWS = catalogs.builtin()
SHIPPED = catalogs.load(ROWS, dict.fromkeys(ROWS["providers"], "key"))
TODAY = datetime.date(2026, 11, 21)
SCORES = [place / 100 for place in range(101)]
QUALITIES = [0.5, 0.6, 0.7, 0.75, 0.8, 0.83, 0.86, 0.9, 0.92, 0.95, 0.96, 0.98, 0.99, 1.0]


def price(dollars):
    """Per million tokens read; written ones cost four times as much."""
    pico = round(dollars * 1_000_000)
    return Price(pico, 4 * pico, pico, pico, pico)


def prices(fast=None, balanced=None, best=None):
    return {t: price(p) for t, p in zip(TIERS, (fast, balanced, best), strict=True) if p is not None}


def ranks(found):
    return [TIERS.index(found.tier(score)) for score in SCORES]


def share_of(found):
    """The share of the table's requests that each tier gets, counted row by row."""
    shares = defaultdict(float)
    low = 0
    for row in thresholds.table():
        for step in range(100):
            at = (low + (row.upto - low) * (step + 0.5) / 100) / UNIT
            shares[found.tier(at)] += row.share / UNIT / 100
        low = row.upto
    return shares


DOLLARS = st.floats(0, 100) | st.sampled_from([0.0, 0.1, 1.0, 2.0])
ANY_PRICES = st.dictionaries(st.sampled_from(TIERS), DOLLARS.map(price))


@given(ANY_PRICES, st.floats(0.5, 1), st.floats(0.5, 1))
def test_more_quality_is_never_cheaper_and_never_sends_a_request_to_a_lower_tier(found, one, other):
    less, more = of(min(one, other), found), of(max(one, other), found)
    assert less.cost <= more.cost + 1e-9 and less.kept <= more.kept + 1e-9
    assert all(a <= b for a, b in zip(ranks(less), ranks(more), strict=True))


@given(ANY_PRICES, st.floats(0.5, 1))
def test_a_higher_score_never_leads_to_a_lower_tier_and_only_tiers_with_a_price_are_asked(found, quality):
    chosen = of(quality, found)
    assert all(a <= b for a, b in pairwise(ranks(chosen)))
    assert {tier for tier, _ in chosen.upto} <= (found.keys() or {"best"})
    assert chosen.kept >= quality - 1e-6 and chosen.upto[-1][1] == 1


@pytest.mark.parametrize("quality", QUALITIES)
@given(ANY_PRICES, st.sampled_from([2, 3, 1_000]))
def test_only_the_proportion_of_prices_counts(quality, found, factor):
    dearer = {
        tier: Price(*(factor * getattr(p, name) for name in Price.__struct_fields__[:5]))
        for tier, p in found.items()
    }
    assert of(quality, dearer).upto == of(quality, found).upto


def cheapest(quality, costs, of_three=(0, 1, 2)):
    """Of all pairs of thresholds."""
    pieces, top = thresholds._pieces(of_three)
    found = []
    for fast in range(101):
        for balanced in range(fast, 101):
            tiers = [(at >= fast) + (at >= balanced) for at in range(100)]
            if (
                sum(p.share * sum(p.gains[t:]) for p, t in zip(pieces, tiers, strict=True))
                <= (1 - quality) * top + 1e-9
            ):
                found.append(sum(p.share * costs[t] for p, t in zip(pieces, tiers, strict=True)))
    return min(found)


@pytest.mark.parametrize("costs", [(0.1, 0.75, 2), (1, 3, 20), (1, 15, 20)])
@pytest.mark.parametrize("quality", [0.85, 0.95])
def test_no_pair_of_thresholds_is_cheaper_by_more_than_a_hundredth_of_the_scores_costs(quality, costs):
    pieces, _ = thresholds._pieces((0, 1, 2))
    found = of(quality, prices(*costs))
    whole = sum(p.share for p in pieces) * costs[-1]
    slack = max(p.share for p in pieces) * (costs[-1] - costs[0])
    assert found.cost * whole <= cheapest(quality, costs) + slack


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_tier_that_another_outdoes_drops_out_by_itself(quality):
    assert "balanced" not in dict(of(quality, prices(1, 20, 20)).upto)
    assert "balanced" not in dict(of(quality, prices(1, 30, 20)).upto)
    assert "fast" not in dict(of(quality, prices(3, 3, 20)).upto)
    assert of(quality, prices(1, 1, 1)).upto == (("best", 1.0),)
    assert of(quality, prices(0, 0, 0)).upto == (("best", 1.0),), "what costs nothing is worth nothing saved"
    assert of(quality, prices(9, 5, 1)).upto == (("best", 1.0),)


def test_a_dearer_middle_is_asked_less():
    shares = [share_of(of(0.9, prices(1, middle, 20)))["balanced"] for middle in (1.5, 3, 6, 12, 16, 19.9)]
    assert shares == sorted(shares, reverse=True) and shares[0] > 0.7 and shares[-1] < 0.1


def test_missing_tiers():
    assert {tier for tier, _ in of(0.9, prices(fast=1, best=20)).upto} == {"fast", "best"}
    assert {tier for tier, _ in of(0.9, prices(fast=1, balanced=20)).upto} == {"fast", "balanced"}
    for tier in TIERS:
        assert of(0.95, prices(**{tier: 1})).upto == ((tier, 1.0),)
    assert of(0.95, {}).tier(0.0) == "best"


def test_what_is_expected_follows_from_the_table():
    """All at one tier, counted by hand."""
    rows = thresholds.table()
    total = sum(row.share for row in rows)
    weak, strong = (1 - sum(r.share * getattr(r, who) for r in rows) / total / UNIT for who in ("weak", "strong"))
    found = of(0.5, prices(1, 4, 20))
    assert found.upto == (("fast", 1.0),)
    assert found.kept == pytest.approx(weak / strong, abs=0.02) and found.cost == pytest.approx(1 / 20)
    everything = of(1.0, prices(1, 4, 20))
    assert everything.upto == (("best", 1.0),) and (everything.kept, everything.cost) == pytest.approx((1, 1))


# ---- in words


def test_reasons_in_words():
    found = of(0.95, prices(0.1, 0.75, 2))
    fast, balanced = (last for _, last in found.upto[:2])
    until = f"for a quality of 95 % fast takes up to {fast:.2f}, balanced up to {balanced:.2f}"
    assert found.reason(0.124) == f"score 0.12: a cheap model fails such a request in 12 of 100; {until}"
    assert "in fewer than 1 of 100" in found.reason(0.004)
    assert of(0.975, prices(best=1)).words == "for a quality of 97.5 % all is for best"
    assert of(0.5, prices(1, 2, 3)).words.endswith("all is for fast")


@pytest.mark.parametrize("score", [0.0, 0.2549, 0.2551, 0.999, 1.0])
def test_the_score_as_it_is_told_is_the_one_that_counts(score):
    found = of(0.95, prices(0.1, 0.75, 2))
    assert found.tier(score) == found.tier(float(f"{score:.2f}"))


# ---- the catalogue


def test_a_catalogue_is_looked_at_once_a_day():
    catalog = catalogs.load(ROWS, {"openai": "key"})
    first = in_force(catalog, QUALITY, TODAY)
    assert in_force(catalog, QUALITY, TODAY) is first
    assert len(catalog.worked_out) == 1
    assert in_force(catalog, 0.99, TODAY) != first
    assert in_force(SHIPPED, QUALITY, TODAY) != first


def test_prices_are_those_of_the_model_that_auto_asks_first():
    found = prices_of(SHIPPED, TODAY)
    for tier, picked in found.items():
        assert typical_cost(picked) == min(typical_cost(m.price) for m in SHIPPED.tiers[tier])
    assert prices_of(catalogs.load(ROWS, {}), TODAY) == {}
    assert set(prices_of(catalogs.load(ROWS, {"deepseek": "key"}), TODAY)) == {"fast", "balanced"}


def test_a_model_counts_until_the_day_that_it_retires():
    rows = {"providers": ROWS["providers"], "models": {
        "old": {**ROWS["models"]["gpt-6-luna"], "retired_on": TODAY}, "sol": ROWS["models"]["gpt-6.1-sol"],
        "unpriced": {"provider": "openai", "tier": "balanced"},
    }}  # fmt: skip
    catalog = catalogs.load(rows, {"openai": "key"})
    assert set(prices_of(catalog, TODAY - datetime.timedelta(days=1))) == {"fast", "best"}
    assert set(prices_of(catalog, TODAY)) == {"best"}
    assert in_force(catalog, 0.9, TODAY - datetime.timedelta(days=1)) != in_force(catalog, 0.9, TODAY)


def test_with_what_ships_easy_requests_are_for_fast_and_hard_ones_for_best():
    found = in_force(SHIPPED, QUALITY, TODAY)
    assert (found.tier(0.1), found.tier(0.3), found.tier(0.6)) == TIERS
    assert settings.BY_NAME["routing_quality"].default == QUALITY


# ---- the table


def is_sound(rows):
    assert [r.upto for r in rows] == sorted({r.upto for r in rows}) and rows[-1].upto == UNIT
    assert abs(sum(r.share for r in rows) - UNIT) <= len(rows)
    for before, row in pairwise([Row(0, 0, 0, 0, 0, 0), *rows]):
        assert before.upto <= row.score <= row.upto
        assert all(0 <= fails <= UNIT for fails in (row.weak, row.middle, row.strong))


def test_the_table_that_ships_is_sound():
    rows = thresholds.table()
    is_sound(rows)
    assert len(rows) >= 10
    assert all(row.strong <= row.middle <= row.weak for row in rows), "in twentieths, luck no longer shows"


def trained(data, out):
    command = [sys.executable, "-m", "training.thresholds", "--data", str(data), "--out", str(out)]
    subprocess.run(command, cwd=HOUSE, check=True, capture_output=True)
    return out.read_bytes()


def test_the_table_is_what_the_data_says_and_the_same_each_time(tmp_path):
    made = trained(SLICE, tmp_path / "tiers.json")
    rows = msgspec.json.decode(made, type=list[Row])
    is_sound(rows)
    failed = defaultdict(list)
    for path in SLICE.glob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            failed[row["source"]].append((1 - row["weak_score"], 1 - row["strong_score"]))
    for column, who in enumerate(("weak", "strong")):
        wanted = sum(sum(fails[column] for fails in each) / len(each) for each in failed.values()) / len(failed)
        found = sum(row.share * getattr(row, who) for row in rows) / sum(row.share for row in rows) / UNIT
        assert found == pytest.approx(wanted, abs=0.002), who

    data = tmp_path / "data"
    data.mkdir()
    for path in SLICE.glob("*.jsonl"):
        (data / path.name).write_bytes(path.read_bytes())
    licensed = {"source": "alpaca_eval", "id": "x", "weak_score": 0.0, "strong_score": 0.5}
    line = json.dumps({**licensed, "messages": [{"role": "user", "content": "What shall I cook?"}]})
    (data / "alpaca_eval.jsonl").write_text(line + "\n", encoding="utf-8")
    assert trained(data, tmp_path / "again.json") == made, "what may only be evaluated on leaves no trace"


def test_rows_that_fall_are_pooled():
    assert thresholds._rising([1, 3, 2, 4], [1, 1, 1, 1]) == [1, 2.5, 2.5, 4]
    assert thresholds._rising([3, 2, 1], [1, 1, 2]) == [1.75] * 3
    assert thresholds._rising([0.1, 0.2], [5, 1]) == [0.1, 0.2]
