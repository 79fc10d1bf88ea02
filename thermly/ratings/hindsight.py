"""How the router did, seen from afterwards: where ratings say it was wrong, what was spent and saved, and what
other quality targets would have made of the same requests.

Knows: requests that have ended, tiers, prices. Must not know: SQL, how it is shown. Rows are seen one by one, and
none is kept: what is counted has the size of the catalogue.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct, field

from thermly import pricing
from thermly.catalog import SMART, TIERS, Catalog, Price
from thermly.exchange import Usage
from thermly.routing import thresholds
from thermly.routing.recalibration import Recalibration
from thermly.store.feedback import ANSWERED, Served

QUALITIES = (0.80, 0.85, 0.90, 0.95, 0.97, 0.99)
GOOD, BAD = 4, 2
LITTLE_FEEDBACK = 30
EVEN = 0.5
PPM = 1_000_000
Prices = Mapping[str, Price]


class Ratings(Struct):
    """`expected`: the sum of the chances, over those rated that have one, that a cheap model fails; `likely` of the
    good ones had more than an even chance that it does not."""

    count: int = 0
    good: int = 0
    bad: int = 0
    scored: int = 0
    expected: float = 0.0
    likely: int = 0

    def see(self, rating: int, chance: float | None) -> None:
        self.count += 1
        self.good += rating >= GOOD
        self.bad += rating <= BAD
        if chance is not None:
            self.scored += 1
            self.expected += chance
            self.likely += rating >= GOOD and chance < EVEN


class Cell(Struct):
    """The answers of one tier at one level."""

    answers: int = 0
    scored: int = 0
    expected: float = 0.0
    ratings: Ratings = field(default_factory=Ratings)


class OfModel(Struct):
    """`asked`: as the first. Of those answers, `escalated` were visibly not good enough; `failed` did not come."""

    tier: str
    asked: int = 0
    escalated: int = 0
    failed: int = 0
    ratings: Ratings = field(default_factory=Ratings)


class Course(Struct):
    """The same requests, as they went or by another target. `fails`: so many of them, by their scores, would not be
    done."""

    quality: float | None
    requests: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TIERS, 0))
    cost_nanousd: int = 0
    fails: float = 0.0

    def see(self, tier: str, cost_nanousd: int, chance: float) -> None:
        self.requests[tier] += 1
        self.cost_nanousd += cost_nanousd
        self.fails += failing(tier, chance)


class Hindsight(Struct):
    """`courses`: first as it went, then by each quality target."""

    requests: int = 0
    cache_hits: int = 0
    failures: int = 0
    spent_nanousd: int = 0
    baseline_nanousd: int = 0
    ratings: Ratings = field(default_factory=Ratings)
    cells: dict[tuple[int, str], Cell] = field(default_factory=dict)
    models: dict[str, OfModel] = field(default_factory=dict)
    courses: list[Course] = field(default_factory=list)

    def of_tier(self, tier: str) -> Ratings:
        """The sum over its levels."""
        found = [cell.ratings for (_, name), cell in self.cells.items() if name == tier]
        return Ratings(*(sum(getattr(one, name) for one in found) for name in Ratings.__struct_fields__))


def look_back(
    rows: Iterable[Served], catalog: Catalog, learned: Recalibration, quality: float, today: datetime.date
) -> Hindsight:
    """At requests to the smart names. `learned` is what scores mean on this server, `quality` the target that it
    has."""
    prices = first_prices(catalog, today)
    qualities, typical = sorted({*QUALITIES, quality}), thresholds.prices_of(catalog, today)
    ways: list[Callable[[float], str]] = [thresholds.of(one, typical).tier for one in qualities]
    found = Hindsight(courses=[Course(None), *(Course(one) for one in qualities)])
    for row in rows:
        if row.requested_model not in SMART:
            continue
        chance = learned.chance(row.score_ppm / PPM) if row.score_ppm is not None else None
        _count(found, row)
        if row.outcome in ANSWERED and row.model:
            _answer(found, row, _tier(row.model, catalog), chance)
        if row.cache != "hit":
            _ask(found, row, catalog)
            if row.requested_model == "auto" and row.outcome in ANSWERED and chance is not None:
                _reroute(found, row, chance, _tier(row.model, catalog), prices, ways)
    return found


def first_prices(catalog: Catalog, today: datetime.date) -> dict[str, Price]:
    """Of the model of each tier that `auto` would ask: the cheapest that can be asked."""
    found: dict[str, Price] = {}
    for tier in TIERS:
        able = [
            target.price
            for model in catalog.tiers[tier]
            if (target := catalog.target(model)) and (model.retired_on is None or today < model.retired_on)
        ]
        if able:
            found[tier] = min(able, key=lambda price: pricing.cost(thresholds.TYPICAL, price))
    return found


def failing(tier: str, chance: float) -> float:
    """Chance that a cheap model fails -> that one of this tier does: in the proportion of the models of public data
    at such scores."""
    rows = thresholds.table()
    row = next((row for row in rows if chance * thresholds.UNIT <= row.upto), rows[-1])
    of_tier = {"fast": row.weak, "balanced": row.middle, "best": row.strong}[tier]
    return chance * min(of_tier / row.weak, 1.0) if row.weak else 0.0


def _tier(model: str, catalog: Catalog) -> str:
    known = catalog.models.get(model)
    return (known.tier if known else None) or ""


def _count(found: Hindsight, row: Served) -> None:
    found.requests += 1
    found.cache_hits += row.cache == "hit"
    found.failures += row.outcome not in ANSWERED
    found.spent_nanousd += row.cost_nanousd
    found.baseline_nanousd += row.baseline_nanousd


def _answer(found: Hindsight, row: Served, tier: str, chance: float | None) -> None:
    cell = found.cells.setdefault((row.level, tier), Cell())
    cell.answers += 1
    if chance is not None:
        cell.scored += 1
        cell.expected += chance
    if row.rating is not None:
        for ratings in (found.ratings, cell.ratings, _model(found, row.model, tier).ratings):
            ratings.see(row.rating, chance)


def _ask(found: Hindsight, row: Served, catalog: Catalog) -> None:
    first = row.escalated_from or row.model
    if first:
        model = _model(found, first, _tier(first, catalog))
        model.asked += 1
        model.escalated += bool(row.escalated_from)
        model.failed += row.outcome not in ANSWERED


def _model(found: Hindsight, name: str, tier: str) -> OfModel:
    return found.models.setdefault(name, OfModel(tier))


def _reroute(
    found: Hindsight, row: Served, chance: float, tier: str, prices: Prices, ways: list[Callable[[float], str]]
) -> None:
    usage = Usage(
        input_tokens=row.input_tokens,
        cached_input_tokens=row.cached_input_tokens,
        cache_write_tokens=row.cache_write_tokens,
        output_tokens=row.output_tokens,
        reasoning_tokens=row.reasoning_tokens,
    )
    costs = {name: pricing.cost(usage, price) for name, price in prices.items()}
    as_it_went, *others = found.courses
    if tier in as_it_went.requests:
        as_it_went.see(tier, row.cost_nanousd, chance)
        for course, way in zip(others, ways, strict=True):
            name = way(chance)
            course.see(name, costs.get(name, 0), chance)
