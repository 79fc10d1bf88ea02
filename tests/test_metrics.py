"""The numbers against the rows, read as Prometheus reads them."""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import books
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from thermly.exchange import Usage
from thermly.metrics import COUNTERS, Family, Watch, write
from thermly.store import limits, metrics, money, usage
from thermly.store.db import Database
from thermly.store.money import Closing

USED = Usage(input_tokens=100, cached_input_tokens=40, output_tokens=7, reasoning_tokens=3)
HIT = Closing(state="settled", outcome="ok", cache="hit", model="gpt-4o")
FAILED = Closing(state="released", outcome="unavailable", model="o3")


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Database]:
    base = books.fresh(tmp_path)
    yield base
    base.close()


def read(text: str) -> dict[str, float]:
    """Every sample by its name and labels."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type in ("counter", "gauge")
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            key = f"{sample.name.removeprefix('thermly_')}{{{labels}}}" if labels else sample.name[8:]
            assert sample.name.startswith("thermly_") and key not in found
            found[key] = sample.value
    return found


def told(base: Database, redis_url: str = "") -> dict[str, float]:
    return read(Watch(base.path, redis_url).text())


def done(base: Database, by: books.Payer, *closings: Closing) -> None:
    for closing in closings:
        with base.begin() as tx:
            money.record(tx, books.opening(by), closing)


def test_an_empty_file_has_numbers_too(base: Database) -> None:
    found = told(base)
    assert found["balance_usd"] == found["held_usd"] == found["holds"] == found["unaccounted_requests"] == 0
    states = {f"image_jobs{{state={state}}}" for state in ("queued", "running", "done", "failed")}
    states |= {f"background_responses{{state={state}}}" for state in ("queued", "running")}
    assert {found[state] for state in states} == {0}
    assert not [name for name in found if "_total" in name or "redis" in name]


def test_what_has_ended_is_counted_by_model(base: Database) -> None:
    by = books.payer(base, credit_nanousd=5 * 10**9)
    gone = books.settled(1_000, usage=USED, outcome="client_gone")
    done(base, by, books.settled(1_500_000_001, usage=USED), gone, HIT, FAILED, books.settled(2, model="o3"))
    found = told(base)
    assert {name: found[f"{name}_total{{model=gpt-4o}}"] for name in ("requests", "failures", "cache_hits")} == {
        "requests": 3, "failures": 0, "cache_hits": 1,
    }  # fmt: skip
    tokens = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
    assert [found[f"{name}_total{{model=gpt-4o}}"] for name in tokens] == [200, 80, 14, 6]
    assert found["failures_total{model=none}"] == found["requests_total{model=none}"] == 1
    assert found["failures_total{model=o3}"] == 0, "it was only asked last"
    assert found["cost_usd_total{model=gpt-4o}"] == 1.500001001
    assert found["baseline_usd_total{model=o3}"] == 6e-9
    assert found["balance_usd"] == 5 - 1.500001003
    assert 'cost_usd_total{model="gpt-4o"} 1.500001001\n' in Watch(base.path, "").text(), "to the last digit"


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(("settle", "hit", "fail", "account")), max_size=12))
def test_no_counter_falls_and_none_counts_twice(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    base = books.fresh(tmp_path_factory.mktemp("base"))
    by = books.payer(base, credit_nanousd=10**9)
    before: dict[str, float] = {}
    for step in steps:
        if step == "account":
            with base.begin() as tx:
                usage.account_batch(tx, 2)
        else:
            done(base, by, {"settle": books.settled(7, usage=USED), "hit": HIT, "fail": FAILED}[step])
        now = {name: value for name, value in told(base).items() if "_total" in name}
        assert all(now[name] >= value for name, value in before.items())
        before = now
    counted = sum(value for name, value in before.items() if name.startswith("requests_total"))
    assert counted == len(steps) - steps.count("account")
    base.close()


def test_holds_targets_and_what_is_not_accounted_yet(base: Database) -> None:
    by = books.payer(base, credit_nanousd=10**9)
    done(base, by, HIT)
    with base.begin() as tx:
        assert money.hold(tx, books.opening(by), 250_000_000)
        limits.cool(tx, 'odd "name"\\\n', "timeout", time.time_ns() // 1_000_000, 60_000, 60_000)
        limits.cool(tx, "openai/old", "timeout", 0, 1_000, 1_000)
    found = told(base)
    assert (found["balance_usd"], found["held_usd"], found["holds"], found["unaccounted_requests"]) == (
        1,
        0.25,
        1,
        1,
    )
    assert found["cooling_targets"] == 1 and found['target_cooling{target=odd "name"\\\n}'] == 1


def test_no_account_is_named(base: Database) -> None:
    by = books.payer(base, name="somebody", credit_nanousd=10**9)
    done(base, by, books.settled(7))
    text = Watch(base.path, "").text()
    assert by.account_id not in text and by.key_id not in text and "somebody" not in text


def test_without_redis_the_rest_is_told(base: Database, tmp_path: Path) -> None:
    found = told(base, f"unix://{tmp_path}/nobody")
    assert found["redis_up"] == 0 and "holds" in found
    assert not [name for name in found if name.startswith("queued_jobs")]


def test_every_sum_has_a_counter_and_every_counter_its_end() -> None:
    assert [*COUNTERS] == [*metrics.SUMS]
    assert all(name.endswith("_total") for name, _ in COUNTERS.values())


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(10**24), 10**24))
def test_any_label_and_any_number_come_back(text: str, nano: int) -> None:
    value = Decimal(nano).scaleb(-9)
    ((sample,),) = (
        family.samples
        for family in text_string_to_metric_families(write([Family("x", "Some.", (({"label": text}, value),))]))
    )
    assert sample.labels == {"label": text} and sample.value == float(value)
