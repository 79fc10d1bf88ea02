"""What is learned from which answers, and that it is kept and used only when it was said so."""

import json
import logging
import random
from pathlib import Path
from typing import Any

import pytest

from thermly.catalog import Catalog
from thermly.models import configured
from thermly.ratings import learning
from thermly.routing.recalibration import AS_SHIPPED, Recalibration
from thermly.settings import Settings, read
from thermly.store.feedback import Served


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read({"THERMLY_INSTANCE": str(tmp_path)})


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    return configured.catalog(settings, {})


def served(catalog: Catalog, score: float, rating: int | None, tier: str = "fast", **facts: Any) -> Served:
    known: dict[str, Any] = {
        "seq": 1, "requested_model": "auto", "model": catalog.tiers[tier][0].id, "level": 2,
        "score_ppm": round(score * 1_000_000), "escalated_from": "", "outcome": "ok", "cache": "",
        "input_tokens": 100, "cached_input_tokens": 0, "cache_write_tokens": 0, "output_tokens": 50,
        "reasoning_tokens": 0, "cost_nanousd": 10, "baseline_nanousd": 100, "rating": rating,
    }  # fmt: skip
    return Served(**(known | facts))


def rated(catalog: Catalog, count: int, truth: Recalibration) -> list[Served]:
    chance = random.Random(7)
    scores = [chance.uniform(0.02, 0.4) for _ in range(count)]
    return [served(catalog, s, 1 if chance.random() < truth.chance(s) else 5) for s in scores]


def test_only_cheap_answers_tell_about_cheap_models(catalog: Catalog) -> None:
    rows = [
        served(catalog, 0.2, 1),
        served(catalog, 0.2, 2),
        served(catalog, 0.2, 3),
        served(catalog, 0.2, 4),
        served(catalog, 0.2, None),
        served(catalog, 0.7, 1, "best"),
        served(catalog, 0.4, 5, "balanced"),
        served(catalog, 0.2, 1, score_ppm=None),
        served(catalog, 0.2, 1, model="gone-long-ago"),
        served(catalog, 0.2, None, outcome="upstream_failed"),
    ]
    lesson = learning.study(rows, catalog)
    assert (lesson.asked, lesson.failed, lesson.did, lesson.escalations) == (5, 2, 1, 0)


def test_an_escalation_is_a_failure_of_the_model_asked_first(catalog: Catalog) -> None:
    """Whatever was thought of the better model's answer."""
    fast = catalog.tiers["fast"][0].id
    rows = [served(catalog, 0.1, 5) for _ in range(20)] + [served(catalog, 0.1, None) for _ in range(20)]
    taught = learning.study([*rows, *[served(catalog, 0.1, 5, "best", escalated_from=fast)] * 10], catalog)
    assert (taught.asked, taught.did, taught.escalations, taught.weight) == (50, 20, 10, 0.5)
    assert taught.learned.chance(0.1) > learning.study(rows, catalog).learned.chance(0.1)


def test_escalations_without_ratings_teach_nothing(catalog: Catalog) -> None:
    """They are all failures: of the answers that were good nobody has told."""
    row = served(catalog, 0.1, None, "best", escalated_from=catalog.tiers["fast"][0].id)
    assert learning.study([row] * 100, catalog).learned == AS_SHIPPED


def test_a_lesson_is_kept_read_and_forgotten(settings: Settings, catalog: Catalog) -> None:
    assert learning.recalibration(settings) == AS_SHIPPED and learning.kept(settings) is None
    lesson = learning.study(rated(catalog, 300, Recalibration(1.5, 1.0)), catalog)
    assert lesson.comparison.better
    learning.keep(settings, lesson, 90)
    assert learning.recalibration(settings) == lesson.learned != AS_SHIPPED
    file = learning.path(settings)
    assert file == settings.instance / "routing.json" and file.stat().st_mode & 0o777 == 0o600
    told = json.loads(file.read_text())
    assert (told["ratings"], told["days"], told["failed"]) == (300, 90, lesson.failed)
    assert told["log_loss_after"] < told["log_loss_before"] and told["trained_utc"].endswith("+00:00")
    assert [one.name for one in settings.instance.iterdir()] == ["routing.json"]
    assert learning.forget(settings) and not learning.forget(settings)
    assert learning.recalibration(settings) == AS_SHIPPED


def test_keeping_again_replaces_it(settings: Settings, catalog: Catalog) -> None:
    for truth in (Recalibration(1.5, 1.0), Recalibration(-1.5, 1.0)):
        lesson = learning.study(rated(catalog, 300, truth), catalog)
        learning.keep(settings, lesson, 90)
        assert learning.recalibration(settings) == lesson.learned


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"intercept": 1}', '\xff',
    '{"intercept": 1, "slope": -1, "trained_utc": "", "days": 1, "ratings": 1, "failed": 1, "escalations": 0,'
    ' "log_loss_before": 1, "log_loss_after": 0}',
    '{"intercept": 1e9, "slope": 1, "trained_utc": "", "days": 1, "ratings": 1, "failed": 1, "escalations": 0,'
    ' "log_loss_before": 1, "log_loss_after": 0}',
])  # fmt: skip
def test_a_file_that_cannot_be_used_keeps_nobody_from_serving(
    settings: Settings, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    learning.path(settings).write_bytes(text.encode("latin-1"))
    with caplog.at_level(logging.WARNING, "thermly.learning"):
        assert learning.recalibration(settings) == AS_SHIPPED
    assert "as shipped" in caplog.text
