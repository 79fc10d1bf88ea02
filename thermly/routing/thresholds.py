"""A quality to keep and the prices of the tiers -> the scores up to which each tier is asked. Pure.

Knows: how often weak, middling and strong models failed at each score (tiers.json, made by training/). Must not
know: requests, models.

Every request goes to the tier where cost + lambda x the chance of failing is least, and lambda is the smallest
with which the mean quality over the table comes to the share asked for of what the best tier alone gives. So more
quality never sends a request to a lower tier, and a higher score never leads to one.

    of(quality: float, prices: Mapping[str, Price]) -> Thresholds    quality up to 1; prices by tier
    prices_of(catalog, today) -> dict[str, Price]                    of whom `auto` asks first
    in_force(catalog, quality, today) -> Thresholds                  both, once for a catalogue
    Thresholds.tier(score) -> str                                    of the tiers that have a price
"""

import bisect
import datetime
import functools
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import msgspec
from msgspec import Struct

from thermly import pricing
from thermly.catalog import TIERS, Catalog, Price
from thermly.exchange import Usage

FILE = Path(__file__).with_name("tiers.json")
UNIT = 10_000
"""What one whole number in the file stands for is 1 / UNIT."""

QUALITY = 0.95
TYPICAL = Usage(1_000, output_tokens=500)
"""For comparing prices only. The same at every score: what makes a request dear must not make its tier lower."""

STEPS = 100
"""Scores are told apart to the hundredth, also where they are shown."""

CLOSE = 1e-9
Costs = tuple[int | None, ...]
"""Of a typical request, by tier in the order of TIERS; None where a tier has nobody."""


class Row(Struct, frozen=True, array_like=True, gc=False):
    """The requests with scores up to `upto`, and above the row before: their share, their mean score, and how often
    each kind of model failed them."""

    upto: int
    share: int
    score: int
    weak: int
    middle: int
    strong: int


class Thresholds(Struct, frozen=True):
    """`upto`: tiers with the score that is the last for each; a tier that is nobody's choice is not there.
    `kept` and `cost` are what the table expects, as shares of what the best tier alone gives and costs."""

    upto: tuple[tuple[str, float], ...]
    kept: float
    cost: float
    words: str

    def tier(self, score: float) -> str:
        score = round(score, 2)
        return next((tier for tier, last in self.upto if score <= last), self.upto[-1][0])

    def reason(self, score: float) -> str:
        of_100 = round(score * 100) or "fewer than 1"
        return f"score {score:.2f}: a cheap model fails such a request in {of_100} of 100; {self.words}"


class _Piece(Struct, frozen=True):
    """A hundredth of the scores. `gains`: by how much each tier that is there fails less often than the one before,
    from the second on."""

    share: float
    gains: tuple[float, ...]


class _Step(Struct, frozen=True, order=True):
    """From a tier to a better one for a piece; those that gain most for the money come first, and of these the
    higher scores."""

    money_per_gain: float
    minus_place: int
    tier: int
    gain: float
    cost: float


def in_force(catalog: Catalog, quality: float, today: datetime.date) -> Thresholds:
    key = ("thresholds", quality, today)
    if key not in catalog.worked_out:
        catalog.worked_out[key] = of(quality, prices_of(catalog, today))
    found: Thresholds = catalog.worked_out[key]
    return found


def prices_of(catalog: Catalog, today: datetime.date) -> dict[str, Price]:
    """Of the model of each tier that is cheapest for a typical request; a tier without any is left out."""
    found: dict[str, Price] = {}
    for tier in TIERS:
        targets = (catalog.target(m) for m in catalog.tiers[tier] if m.retired_on is None or today < m.retired_on)
        prices = [target.price for target in targets if target is not None]
        if prices:
            found[tier] = min(prices, key=typical_cost)
    return found


def typical_cost(price: Price) -> int:
    return pricing.cost(TYPICAL, price)


def of(quality: float, prices: Mapping[str, Price]) -> Thresholds:
    """The cheapest that keeps this share of the best tier's quality."""
    return _of(quality, tuple(typical_cost(prices[tier]) if tier in prices else None for tier in TIERS))


@functools.lru_cache(maxsize=64)
def _of(quality: float, of_tiers: Costs) -> Thresholds:
    there = [place for place, cost in enumerate(of_tiers) if cost is not None] or [len(TIERS) - 1]
    costs = [of_tiers[place] or 0 for place in there]
    pieces, top = _pieces(there)
    tiers, lost, spent = _chosen(pieces, costs, (1 - quality) * top)
    upto = []
    for place, tier in enumerate(there):
        last = max((at + 1 for at, chosen in enumerate(tiers) if chosen == place), default=0)
        if last:
            upto.append((TIERS[tier], last / STEPS))
    whole = sum(piece.share for piece in pieces) * costs[-1]
    return Thresholds(tuple(upto), 1 - lost / top, spent / whole if whole else 1.0, _words(quality, upto))


def _words(quality: float, upto: Sequence[tuple[str, float]]) -> str:
    *bounded, (rest, _) = upto
    target = f"for a quality of {100 * quality:g} %"
    if not bounded:
        return f"{target} all is for {rest}"
    (first, last), *others = bounded
    return f"{target} {first} takes up to {last:.2f}" + "".join(f", {name} up to {to:.2f}" for name, to in others)


def _chosen(pieces: Sequence[_Piece], costs: Sequence[int], bearable: float) -> tuple[list[int], float, float]:
    """For each piece the place of its tier, and what is lost and spent so: from all at the cheapest tier, the steps
    that gain most for the money, until no more is lost than is bearable."""
    cheapest = min(range(len(costs)), key=lambda place: (costs[place], -place))
    tiers = [cheapest] * len(pieces)
    lost = sum(piece.share * sum(piece.gains[cheapest:]) for piece in pieces)
    spent = sum(piece.share for piece in pieces) * costs[cheapest]
    for step in sorted(step for at, piece in enumerate(pieces) for step in _steps(at, piece, costs, cheapest)):
        if lost <= bearable + CLOSE:
            break
        at = -step.minus_place
        tiers[at] = step.tier
        lost -= pieces[at].share * step.gain
        spent += pieces[at].share * step.cost
    return tiers, lost, spent


def _steps(at: int, piece: _Piece, costs: Sequence[int], tier: int) -> Iterator[_Step]:
    """The steps worth taking, from the cheapest tier up; one that another step gains more for passes it over."""
    while tier < len(costs) - 1:
        found = [
            _Step((costs[to] - costs[tier]) / gain, -at, to, gain, costs[to] - costs[tier])
            for to in range(tier + 1, len(costs))
            if (gain := sum(piece.gains[tier:to])) > 0
        ]
        if not found:
            return
        step = min(found, key=lambda step: (step.money_per_gain, -step.tier))
        yield step
        tier = step.tier


# ---- the table


@functools.cache
def table() -> tuple[Row, ...]:
    return msgspec.json.decode(FILE.read_bytes(), type=tuple[Row, ...])


def _pieces(there: Sequence[int]) -> tuple[list[_Piece], float]:
    """The table in hundredths for these tiers, and the quality of the best of them."""
    rows = table()
    shares = [row.share for row in rows]
    fails = [[row.weak for row in rows], [row.middle for row in rows], [row.strong for row in rows]]
    total = sum(shares)
    scores = [0, *(row.score for row in rows), UNIT]
    gains = []
    for worse, better in pairwise(fails):
        gain = _rising([(a - b) / UNIT for a, b in zip(worse, better, strict=True)], shares)
        # Nobody fails what is sure to be done: at score 0 there is nothing to gain.
        gains.append((0.0, *gain, gain[-1]))
    until, below = [0, *(row.upto for row in rows)], [0, *accumulate(shares)]
    pieces = []
    for step in range(STEPS):
        low, middle, high = (UNIT * (step + part) / STEPS for part in (0, 0.5, 1))
        share = (_between(until, below, high) - _between(until, below, low)) / total
        by_tier = [_between(scores, gain, middle) for gain in gains]
        pieces.append(_Piece(share, tuple(sum(by_tier[a:b]) for a, b in pairwise(there))))
    failed = sum(share * fail for share, fail in zip(shares, fails[there[-1]], strict=True))
    return pieces, 1 - failed / total / UNIT


def _rising(values: Sequence[float], weights: Sequence[int]) -> list[float]:
    """The nearest values of which none is below the one before: neighbours that fall are pooled."""
    pools: list[tuple[float, int, int]] = []
    for value, weight in zip(values, weights, strict=True):
        pool = (value * weight, weight, 1)
        while pools and pools[-1][0] / pools[-1][1] >= pool[0] / pool[1]:
            before = pools.pop()
            pool = (before[0] + pool[0], before[1] + pool[1], before[2] + pool[2])
        pools.append(pool)
    return [total / weight for total, weight, count in pools for _ in range(count)]


def _between(places: Sequence[int], values: Sequence[float], place: float) -> float:
    """On the straight line between the two nearest places."""
    right = min(max(bisect.bisect_right(places, place), 1), len(places) - 1)
    low, high = places[right - 1], places[right]
    return values[right - 1] + (values[right] - values[right - 1]) * (place - low) / (high - low)
