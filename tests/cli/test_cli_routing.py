"""`thermly route`, and its `report` and `train`: what the books and the ratings say, in words and as JSON."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import books
import pytest
from click.testing import Result

from thermly import catalog as catalogs
from thermly import clock
from thermly.exchange import Usage
from thermly.store import feedback, money
from thermly.store.db import Database
from thermly.store.feedback import Feedback

Run = Callable[..., Result]
Refused = Callable[..., str]
CATALOG = catalogs.load(catalogs.builtin(), {})
FAST, BALANCED, BEST = (CATALOG.tiers[tier][0].id for tier in catalogs.TIERS)
USED = Usage(1_000, output_tokens=200)


class Past:
    """What happened to one account."""

    def __init__(self, base: Database, name: str = "acme") -> None:
        self.base, self.by = base, books.payer(base, name, 10**15)

    def asked(
        self,
        score: float | None,
        rating: int | None = None,
        model: str = FAST,
        escalated_from: str = "",
        outcome: str = "ok",
        name: str = "auto",
        level: int = 2,
    ) -> None:
        opening = books.opening(self.by, started_at_ms=clock.now_ms())
        closing = books.settled(1_000_000, model, USED, outcome)
        with self.base.begin() as tx:
            assert money.hold(tx, opening, closing.cost_nanousd)
            assert money.close(tx, opening.id, closing)
            tx.run(
                """UPDATE usage SET score_ppm = :score, escalated_from = :first, requested_model = :name,
                     complexity_level = :level WHERE id = :id""",
                {"score": None if score is None else round(score * 1e6), "first": escalated_from, "name": name,
                 "level": level, "id": opening.id},
            )  # fmt: skip
            if rating is not None:
                feedback.keep(
                    tx,
                    Feedback(
                        opening.id, self.by.account_id, self.by.key_id, rating, "", None, level, name, model, 0
                    ),
                )


@pytest.fixture
def past(base: Database) -> Past:
    return Past(base)


# ---- asking


def test_route_still_asks(run: Run, base: Database) -> None:
    for words in (("Hello!",), ("--", "Hello!"), ("ask", "Hello!"), ("--model", "auto", "Hello!")):
        assert "complexity_level  1" in run("route", *words).stdout
    (facts,) = json.loads(run("route", "--json", "Hello!").stdout)
    assert facts["tier"] == "fast"
    assert "complexity_level" in run("route", "--", "report").stdout, "a prompt that is the name of a command"
    told = run("route", "--help").stdout
    assert all(f"  {name} " in told for name in ("ask", "report", "train"))
    assert "Give either a prompt or --batch." in run("route", code=2).stderr


# ---- report


def test_a_report_on_nothing(run: Run, base: Database) -> None:
    assert run("route", "report").stdout == ("No requests to auto, fast, balanced or best in the last 30 days.\n")
    assert json.loads(run("route", "report", "--json").stdout)["requests"] == 0


def test_a_report_counts_what_was_rated_escalated_and_failed(run: Run, past: Past) -> None:
    past.asked(0.1, 1)
    past.asked(0.1, 5)
    past.asked(0.1, 3)
    past.asked(0.3, None, BEST, FAST)
    past.asked(0.1, None, outcome="upstream_failed")
    past.asked(0.2, 5, BEST, level=4)
    past.asked(0.9, 5, BEST, level=4)
    past.asked(None, 1, "gpt-4o", name="gpt-4o")
    told = json.loads(run("route", "report", "--json").stdout)
    assert (told["requests"], told["failures"], told["spent_usd"], told["saved_usd"]) == (7, 1, "0.007", "0.014")
    assert told["ratings"] == {"rated": 5, "good": 3, "bad": 1} and not told["enough_ratings"]
    fast = {"level": 2, "tier": "fast", "answers": 3, "mean_score": 0.1, "rated": 3, "good": 1, "bad": 1}
    best = {"level": 4, "tier": "best", "answers": 2, "mean_score": 0.55, "rated": 2, "good": 2, "bad": 0}
    assert fast in told["levels"] and best in told["levels"]
    by_name = {row["model"]: row for row in told["models"]}
    assert by_name[FAST] == {
        "model": FAST, "tier": "fast", "asked": 5, "escalated": 1, "failed": 1, "rated": 3, "good": 1, "bad": 1,
    }  # fmt: skip
    assert by_name[BEST]["asked"] == 2 and "gpt-4o" not in by_name
    text = run("route", "report").stdout
    assert "5 ratings: too few to say where the router is wrong." in text
    assert "Of 3 rated answers of fast models 1 were bad (33 %); by the scores 10 % were to be expected." in text
    assert "Of 2 rated answers of best models 2 were good; 1 of these a fast model" in text
    assert "so that a better model was asked: 1." in text


def test_other_targets_are_priced_on_the_same_requests(run: Run, past: Past) -> None:
    past.asked(0.01)
    past.asked(0.999, model=BEST)
    past.asked(0.01, outcome="upstream_failed")
    past.asked(0.01, name="fast")
    courses = json.loads(run("route", "report", "--json").stdout)["targets"]
    assert [course["quality"] for course in courses] == [None, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99]
    assert [course["quality"] for course in courses if course["is_set"]] == [0.95]
    for course in courses:
        assert course["fast"] + course["balanced"] + course["best"] == 2
    assert (courses[0]["cost_usd"], courses[0]["fast"], courses[0]["best"]) == ("0.002", 1, 1)
    costs = [float(course["cost_usd"]) for course in courses[1:]]
    assert costs == sorted(costs) and costs[0] > 0
    fails = [course["expected_failures"] for course in courses[1:]]
    assert fails == sorted(fails, reverse=True) and fails[-1] > 0


def test_a_report_on_one_account(run: Run, refused: Refused, base: Database) -> None:
    one, other = Past(base, "acme"), Past(base, "zenith")
    one.asked(0.1)
    other.asked(0.1)
    other.asked(0.1)
    told = json.loads(run("route", "report", "--account", "zenith", "--json").stdout)
    assert told["requests"] == 2
    assert "nobody" in refused("route", "report", "--account", "nobody")


def test_with_enough_ratings_nobody_is_told_that_there_are_too_few(run: Run, past: Past) -> None:
    for i in range(30):
        past.asked(0.1, 1 if i < 12 else 5)
    text = run("route", "report").stdout
    assert "too few" not in text and "12 were bad (40 %); by the scores 10 %" in text


# ---- train


def disagree(past: Past, count: int = 120) -> None:
    """Cheap models fail far more often here than the scores say."""
    chance = random.Random(3)
    for _ in range(count):
        past.asked(chance.uniform(0.05, 0.2), 1 if chance.random() < 0.5 else 5)


def test_training_changes_nothing_unless_told(run: Run, past: Past, instance: Path) -> None:
    disagree(past)
    text = run("route", "train").stdout
    assert "120 ratings of answers by fast models in the last 90 days, of 120" in text
    assert "better by" in text and "more than chance would often show" in text
    assert "Nothing was changed." in text and not (instance / "routing.json").exists()


def test_what_was_learned_is_applied_and_reset(run: Run, past: Past, instance: Path) -> None:
    disagree(past)
    assert "from their next start on" in run("route", "train", "--apply").stdout
    file = instance / "routing.json"
    assert file.stat().st_mode & 0o777 == 0o600 and json.loads(file.read_text())["ratings"] == 120
    before, after = (json.loads(run("route", "report", "--json").stdout)["levels"][0]["mean_score"] for _ in "12")
    assert before == after > 0.2, "scores are shown as they are understood here"
    run("route", "train", "--reset")
    assert not file.exists()
    assert json.loads(run("route", "report", "--json").stdout)["levels"][0]["mean_score"] < 0.2
    assert "Nothing was learned here." in run("route", "train", "--reset").stdout


def test_training_twice_learns_no_more_than_once(run: Run, past: Past, instance: Path) -> None:
    """It begins with the score as shipped, and not with what was learned before."""
    disagree(past)
    run("route", "train", "--apply")
    first = json.loads((instance / "routing.json").read_text())
    run("route", "train", "--apply")
    again = json.loads((instance / "routing.json").read_text())
    assert (first["intercept"], first["slope"]) == (again["intercept"], again["slope"])


def test_few_ratings_show_nothing(run: Run, past: Past, instance: Path) -> None:
    for _ in range(29):
        past.asked(0.1, 1)
    told = run("route", "train", "--apply", code=1)
    assert "Fewer than 30 ratings" in told.stdout and "nothing to apply" in told.stderr
    assert not (instance / "routing.json").exists()


def test_what_is_not_better_is_not_applied(run: Run, past: Past, instance: Path) -> None:
    for i in range(60):
        past.asked(0.2, 1 if i % 5 == 0 else 5)
    told = run("route", "train", "--apply", code=1)
    assert "not more than chance" in told.stdout and "nothing to apply" in told.stderr
    assert not (instance / "routing.json").exists()


def test_escalations_are_told(run: Run, past: Past) -> None:
    disagree(past, 40)
    for _ in range(10):
        past.asked(0.1, None, BEST, FAST)
    assert "10 more answers were visibly not good enough." in run("route", "train").stdout


def test_apply_and_reset_contradict_each_other(refused: Refused, base: Database) -> None:
    assert "contradict" in refused("route", "train", "--apply", "--reset")
