"""Targets that failed cool down, for every process that looks at the same database."""

import datetime
from pathlib import Path

import pytest

from thermly import catalog
from thermly.catalog import Target
from thermly.errors import UpstreamFailed
from thermly.models.health import Health, unable
from thermly.store import db
from thermly.store.db import Database

TODAY = datetime.date(2026, 11, 21)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    db.migrate(tmp_path / "thermly.db")
    return tmp_path / "thermly.db"


@pytest.fixture
def target() -> Target:
    found = catalog.load(catalog.builtin(), {"openai": "key"})
    model = found.find("gpt-4o", TODAY)
    assert model is not None
    made = found.target(model)
    assert made is not None
    return made


def test_a_failure_is_seen_by_another_process_at_its_next_look(path: Path, target: Target):
    one, other = Health(Database(path)), Health(Database(path))
    one.failed(target, UpstreamFailed("It is down.", code="upstream_unreachable"))
    assert one.cooling() == other.cooling() == {"openai/gpt-4o": "upstream_unreachable"}


def test_an_answer_ends_the_cooling(path: Path, target: Target):
    health = Health(Database(path))
    health.failed(target, UpstreamFailed("It is down."))
    assert health.cooling()
    health.answered(target)
    assert health.cooling() == {}


def test_an_upstream_cannot_put_itself_out_of_use_for_hours(path: Path, target: Target):
    base = Database(path)
    Health(base).failed(target, UpstreamFailed("Not now.", retry_after_s=86_400))
    with base.each() as tx:
        row = tx.one(
            "SELECT until_ms - :now FROM cooldown", {"now": int(datetime.datetime.now().timestamp() * 1000)}
        )
    assert row is not None
    assert row[0] <= 120_000


ROWS = """
[providers.one]
kind = "openai_like"
base_url = "https://one.example"
[providers.off]
kind = "openai_like"
base_url = "https://off.example"
[models.a]
provider = "one"
tier = "fast"
free = true
[models.b]
provider = "one"
tier = "fast"
free = true
[models.absent]
provider = "off"
tier = "fast"
free = true
[models.old]
provider = "one"
tier = "fast"
free = true
retired_on = 2026-01-01
[models.c]
provider = "one"
tier = "best"
free = true
[models.away]
provider = "off"
tier = "balanced"
free = true
"""


@pytest.mark.parametrize(
    ("cooling", "says"),
    [
        ("", ""),
        ("a", ""),
        ("b absent old away", ""),
        ("a b", "Every model of the tier fast has failed of late and is asked last for now."),
        ("a c", "Every model of the tier best has failed of late and is asked last for now."),
        ("a b c", "Every model of every tier (fast, best) has failed of late: requests may find nobody."),
    ],
)
def test_a_tier_is_told_of_when_all_that_it_serves_have_failed(cooling: str, says: str):
    found = catalog.load(catalog.parse(ROWS), {"one": "key"})
    assert unable(found, {f"one/{name}" for name in cooling.split()}, TODAY) == says


def test_who_serves_no_tier_at_all_has_none_that_failed():
    assert unable(catalog.load(catalog.parse(ROWS), {}), {"one/a"}, TODAY) == ""
