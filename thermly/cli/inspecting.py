"""`thermly usage`, `models`, `route`, `doctor`: what happened, what would happen, whether all is well."""

import datetime
import sys
from typing import Any

import click

from thermly.cli.common import as_json, columns, database, now_ms, out, usd
from thermly.settings import Settings, read


@click.command()
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="The last days with use.")
@as_json
def usage(days: int, as_json: bool) -> None:
    """Requests, tokens, cost and savings per day, account and model."""
    from thermly import accounting
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
    from thermly import configured

    catalog = configured.catalog(read())
    today = datetime.date.today()
    rows: list[dict[str, Any]] = []
    for model in catalog.models.values():
        price = model.price
        living = catalog.find(model.id, today)
        if model.retired_on and today >= model.retired_on:
            status = f"retired, {living.id} answers" if living else "retired"
        elif price is None:
            status = "no price, not served"
        else:
            status = "serving" if catalog.target(model) else "no key"
        rows.append(
            {"model": model.id, "provider": model.provider, "tier": model.tier or "",
             "input_usd_per_mtok": per_mtok(price.input) if price else "",
             "output_usd_per_mtok": per_mtok(price.output) if price else "",
             "context": model.context_window, "status": status, "as_of": model.as_of}
        )  # fmt: skip
    out(rows, as_json)


def per_mtok(pico_per_token: int) -> str:
    return usd(pico_per_token * 1000)


@click.command()
@click.argument("prompt")
@click.option("--model", default="auto", show_default=True)
@as_json
def route(prompt: str, model: str, as_json: bool) -> None:
    """Which model would answer, and why. Nothing is sent and nothing is charged."""
    from thermly import routing
    from thermly.errors import GatewayError
    from thermly.exchange import ChatRequest, Message, Text
    from thermly.store import limits

    settings = read()
    base = database(settings)
    with base.each() as tx:
        cooling = limits.cooling(tx, now_ms())
    catalog, assumed = _catalog(settings)
    request = ChatRequest(model, (Message("user", (Text(prompt),)),))
    try:
        plan = routing.plan(request, catalog, allowed=None, cooling=cooling.keys(), today=datetime.date.today())
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
    if as_json:
        out([facts], True)
        return
    rows = [[k, "; ".join(v) if isinstance(v, list) else str(v)] for k, v in facts.items()]
    click.echo(columns(rows))
    if assumed:
        click.echo("\nNo provider has a key here, so all of them were assumed to.")


def _catalog(settings: Settings) -> tuple[Any, bool]:
    """The catalogue; with every provider assumed available where none is, so that routing can be looked at."""
    from msgspec.structs import replace

    from thermly import configured

    catalog = configured.catalog(settings)
    if any(p.available for p in catalog.providers.values()):
        return catalog, False
    assumed = {n: replace(p, available=True) for n, p in catalog.providers.items()}
    return replace(catalog, providers=assumed), True


@click.command()
@as_json
def doctor(as_json: bool) -> None:
    """Check that the books balance and that everything is in its place; exit 1 when something is not."""
    from thermly import examination

    findings = examination.examine(read())
    if as_json:
        out([{"check": f.check, "ok": f.ok, "detail": f.detail} for f in findings], True)
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.check}: {finding.detail}")
    sys.exit(0 if all(f.ok for f in findings) else 1)


COMMANDS = (usage, models, route, doctor)
