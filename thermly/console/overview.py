"""The first page: what was spent and what was saved, and who did the work.

Knows: how sums are put together for the eye. Must not know: how they are counted.
"""

from collections import defaultdict

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue

from thermly.amounts import NANO_PER_USD
from thermly.catalog import Catalog
from thermly.console import guard, spans
from thermly.console.at import here
from thermly.console.drawing import Series
from thermly.console.spans import Span
from thermly.console.words import axis_dollars, percent
from thermly.store import accounts, reports
from thermly.store.db import Tx
from thermly.store.reports import Part, Sum

GROUPS = ("fast", "balanced", "best", "direct", "cache")
"""Who answers: a tier's model, another model asked by its name, or nobody, since the answer was kept."""
MODELS_SHOWN = 8


def register(app: Flask) -> None:
    guard.page(app, "/", overview)


def overview() -> ResponseReturnValue:
    at, span, account_id = here(), spans.read(request.args), guard.scope()
    with at.database.each() as tx:
        sums = _by_bucket(tx, account_id, span)
        parts = _parts(tx, account_id, span)
        models = _models(tx, account_id, span)
        latency = reports.latency(tx, account_id, span.from_ms, span.to_ms)
        account = accounts.find(tx, account_id or guard.who().account_id)
        everyone = accounts.everyone(tx) if guard.who().is_admin else []
    total = _total(sums.values())
    groups = _by_group(parts, at.gateway.catalog)
    return render_template(
        "overview.html",
        span=span,
        choices=spans.CHOICES,
        total=total,
        latency=latency,
        models=models[:MODELS_SHOWN],
        more_models=models[MODELS_SHOWN:],
        groups=[(name, name, sum(groups[name].values())) for name in GROUPS if groups[name]],
        requests=_requests(groups, span),
        money=_money(sums, span),
        account=account,
        account_id=account_id,
        accounts=everyone,
        has_traffic=bool(total.requests),
        legend_of=_legend,
        whole=lambda value: f"{value:,.0f}",
        dollars=axis_dollars,
    )


def _by_bucket(tx: Tx, account_id: str | None, span: Span) -> dict[str, Sum]:
    if span.hourly:
        return {s.at: s for s in reports.by_hour(tx, account_id, span.from_ms)}
    return {s.at: s for s in reports.by_day(tx, account_id, span.first, span.last)}


def _parts(tx: Tx, account_id: str | None, span: Span) -> list[Part]:
    if span.hourly:
        return reports.parts_by_hour(tx, account_id, span.from_ms)
    return reports.parts_by_day(tx, account_id, span.first, span.last)


def _models(tx: Tx, account_id: str | None, span: Span) -> list[Sum]:
    if span.hourly:
        return reports.by_model_since(tx, account_id, span.from_ms)
    return reports.by_model(tx, account_id, span.first, span.last)


def _total(sums: object) -> Sum:
    rows: list[Sum] = list(sums)  # type: ignore[call-overload]
    fields = Sum.__struct_fields__[1:]
    return Sum("", *(sum(getattr(row, f) for row in rows) for f in fields))


def _by_group(parts: list[Part], catalog: Catalog) -> dict[str, dict[str, int]]:
    """Requests by group and bucket, of those that were answered."""
    found: dict[str, dict[str, int]] = {name: defaultdict(int) for name in GROUPS}
    for part in (part for part in parts if part.model):
        model = catalog.models.get(part.model)
        group = (model.tier if model else None) or "direct"
        if part.requests > part.cache_hits:
            found[group][part.at] += part.requests - part.cache_hits
        if part.cache_hits:
            found["cache"][part.at] += part.cache_hits
    return found


def _requests(groups: dict[str, dict[str, int]], span: Span) -> list[Series]:
    """One row at least, since a chart of none cannot be drawn."""
    names = [name for name in GROUPS if groups[name]] or ["direct"]
    return [Series(name, name, [groups[name].get(b, 0) for b in span.buckets]) for name in names]


def _money(sums: dict[str, Sum], span: Span) -> list[Series]:
    """Spent, and on top of it what the best model would have cost more."""
    spent = [sums[b].cost_nanousd / NANO_PER_USD if b in sums else 0 for b in span.buckets]
    saved = [max(0, sums[b].saved_nanousd) / NANO_PER_USD if b in sums else 0 for b in span.buckets]
    return [Series("spent", "spent", spent), Series("saved", "saved", saved)]


def _legend(groups: list[tuple[str, str, int]]) -> list[tuple[str, str, str]]:
    total = sum(amount for *_, amount in groups)
    return [(name, tone, percent(amount, total)) for name, tone, amount in groups]
