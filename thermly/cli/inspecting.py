"""`thermly usage`, `models`, `route`, `doctor`: what happened, what would happen, whether all is well."""

import datetime
import sys
from typing import Any

import click

from thermly import clock
from thermly.amounts import usd
from thermly.catalog import Catalog
from thermly.cli.common import as_json, columns, database, out
from thermly.settings import Settings, read
from thermly.store.db import Database


@click.command()
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="The last days with use.")
@as_json
def usage(days: int, as_json: bool) -> None:
    """Requests, tokens, cost and savings per day, account and model."""
    from thermly.running import accounting
    from thermly.store import usage as store

    settings = read()
    base = database(settings)
    accounting.account(accounting.Here(settings, base))
    with base.each() as tx:
        rows = store.totals(tx, days)
    for row in rows:
        cost, baseline = row.pop("cost_nanousd"), row.pop("baseline_nanousd")
        row["cost_usd"], row["saved_usd"] = usd(cost), usd(baseline - cost)
    out(rows, as_json)
    if not rows and not as_json:
        click.echo("No requests yet.")


@click.command()
@as_json
def models(as_json: bool) -> None:
    """The catalogue: prices, tiers, and what this machine has keys for."""
    catalog, everything, changes = _changed_catalog(read())
    today = datetime.date.today()
    rows: list[dict[str, Any]] = []
    for model in everything.models.values():
        price = model.price
        living = catalog.find(model.id, today)
        if model.id not in catalog.models:
            status = "switched off"
        elif model.retired_on and today >= model.retired_on:
            status = f"retired, {living.id} answers" if living else "retired"
        elif price is None:
            status = "no price, not served"
        else:
            status = "serving" if catalog.target(model) else "no key"
        rows.append(
            {"model": model.id, "provider": model.provider, "tier": model.tier or "",
             "input_usd_per_mtok": per_mtok(price.input) if price else "",
             "output_usd_per_mtok": per_mtok(price.output) if price else "",
             "context": model.context_window, "status": status, "as_of": model.as_of,
             "changed": changes.get(model.id, "")}
        )  # fmt: skip
    out(rows, as_json)
    for name in changes.keys() - everything.models.keys():
        click.echo(f"What was changed of {name} is left out: {changes[name]}", err=True)


def _changed_catalog(settings: Settings) -> tuple[Catalog, Catalog, dict[str, str]]:
    """What is served, with what is switched off besides, and who changed what; without a database, the files'."""
    from thermly.models import configured
    from thermly.models.catalog_changes import CatalogChanges
    from thermly.store import db

    if db.pending(settings.database):
        found = configured.catalog(settings)
        return found, found, {}
    kept = CatalogChanges(settings, Database(settings.database))
    words = {c.model: c.refused or f"{', '.join(c.fields) or 'all'} by {c.changed_by}" for c in kept.changes}
    return kept.catalog, kept.everything(), words


def per_mtok(pico_per_token: int) -> str:
    return usd(pico_per_token * 1000)


@click.command("ask")
@click.argument("prompt", required=False)
@click.option("--model", default="auto", show_default=True)
@click.option("--explain", is_flag=True, help="Tell too what tiers cost, and what the thresholds are worth.")
@click.option("--batch", is_flag=True, help="Judge a JSON request a line of standard input, each answered at once.")
@as_json
def route(prompt: str | None, model: str, explain: bool, batch: bool, as_json: bool) -> None:
    """Which model would answer, and why. Nothing is sent and nothing is charged."""
    if batch == (prompt is not None):
        raise click.UsageError("Give either a prompt or --batch.")
    if prompt is None:
        _judge_lines()
    else:
        _explain(prompt, model, explain, as_json)


def _judge_lines() -> None:
    from thermly.cli.batch import answers
    from thermly.models import configured
    from thermly.ratings import learning
    from thermly.routing import thresholds

    settings = read()
    catalog, _ = configured.routable(_changed_catalog(settings)[0])
    found = thresholds.in_force(catalog, settings.routing_quality, datetime.date.today())
    for answer in answers(sys.stdin.buffer, found, learning.recalibration(settings)):
        click.echo(answer)


def _explain(prompt: str, model: str, explain: bool, as_json: bool) -> None:
    from thermly import routing
    from thermly.errors import GatewayError
    from thermly.exchange import ChatRequest, Message, Text
    from thermly.models import configured
    from thermly.models.catalog_changes import CatalogChanges
    from thermly.ratings import learning
    from thermly.store import limits

    settings = read()
    base = database(settings)
    with base.each() as tx:
        cooling = limits.cooling(tx, clock.now_ms())
    catalog, assumed = configured.routable(CatalogChanges(settings, base).catalog)
    request = ChatRequest(model, (Message("user", (Text(prompt),)),))
    try:
        plan = routing.plan(
            request,
            catalog,
            allowed=None,
            cooling=cooling.keys(),
            today=datetime.date.today(),
            learned=learning.recalibration(settings),
            quality=settings.routing_quality,
        )
    except GatewayError as error:
        raise click.ClickException(error.message) from error
    facts = {
        "model": plan.targets[0].model.id,
        "provider": plan.targets[0].provider.name,
        "tier": plan.tier or "",
        "complexity_level": plan.judgement.level,
        "score": round(plan.judgement.score, 3),
        "reasons": list(plan.judgement.reasons),
        "then": [t.model.id for t in plan.targets[1:]],
        "passed_over": [f"{name}: {why}" for name, why in plan.passed_over],
    }
    if explain:
        facts |= _expected(catalog, settings.routing_quality)
    if as_json:
        out([facts], True)
        return
    rows = [[k, "; ".join(v) if isinstance(v, list) else str(v)] for k, v in facts.items()]
    click.echo(columns(rows))
    if assumed:
        click.echo("\nNo provider has a key here, so all of them were assumed to.")


def _expected(catalog: Catalog, quality: float) -> dict[str, Any]:
    """Of `auto`, whatever the prompt."""
    from thermly.routing import thresholds

    today = datetime.date.today()
    prices, found = thresholds.prices_of(catalog, today), thresholds.in_force(catalog, quality, today)
    typical = f"{thresholds.TYPICAL.input_tokens:,} tokens read and {thresholds.TYPICAL.output_tokens:,} written"
    costs = [f"{tier} ${usd(thresholds.typical_cost(price))}" for tier, price in prices.items()]
    return {
        "auto": found.words,
        "cost_of": [typical, *costs],
        "on_public_data": f"{found.kept:.1%} of the quality of the best for {found.cost:.1%} of its cost",
    }


@click.command()
@as_json
def doctor(as_json: bool) -> None:
    """Check that the books balance and that everything is in its place; exit 1 when something is not.

    A warning does not count: models that failed of late are a provider's trouble, and pass.
    """
    from thermly.running import examination

    findings = examination.examine(read())
    if as_json:
        out([{"check": f.check, "ok": f.ok, "warning": f.warns, "detail": f.detail} for f in findings], True)
    else:
        for finding in findings:
            state = "FAIL" if not finding.ok else "warn" if finding.warns else "ok  "
            click.echo(f"{state}  {finding.check}: {finding.detail}")
    sys.exit(0 if all(f.ok for f in findings) else 1)


COMMANDS = (usage, models, doctor)
