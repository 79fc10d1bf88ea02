"""`thermly account …` and `thermly key …`. Each works while the gateway serves, from the next request on."""

import click

from thermly import clock, ids
from thermly.access import naming
from thermly.amounts import MOST_USD, NANO_PER_USD, usd, utc
from thermly.caps import PERIODS
from thermly.cli.common import (
    Moment,
    Rate,
    Usd,
    account,
    as_json,
    checked,
    database,
    out,
)
from thermly.plans import DEFAULT, PLANS
from thermly.store import accounts, keys
from thermly.store.keys import ApiKey

PLAN = click.Choice(list(PLANS))


@click.group("account")
def account_group() -> None:
    """Accounts and their credit."""


@account_group.command("create")
@click.argument("name")
@click.option("--plan", type=PLAN, default=DEFAULT, show_default=True)
@click.option("--credit", type=Usd(), default=0, metavar="USD", help="Credit to begin with.")
@click.option("--disabled", is_flag=True, help="Refuse its requests until it is enabled.")
def account_create(name: str, plan: str, credit: int, disabled: bool) -> None:
    """Make an account; prints its id."""
    if not name.strip() or len(name) > 200:
        raise click.ClickException("A name has between 1 and 200 characters.")
    checked(naming.check_account, name)
    with database().begin() as tx:
        made = accounts.create(tx, name, plan, clock.now_ms(), disabled)
        if made is None:
            raise click.ClickException(f"There is an account named {name!r} already.")
        if credit:
            accounts.credit(tx, made.id, credit, "grant", "", clock.now_ms())
    click.echo(made.id)


@account_group.command("credit", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("amount", type=Usd(negative=True), metavar="USD")
@click.option("--note", default="", help="Kept in the ledger.")
def account_credit(name: str, amount: int, note: str) -> None:
    """Add credit (or take it back, with a negative amount); prints the new balance."""
    with database().begin() as tx:
        kind = "grant" if amount >= 0 else "correction"
        balance = accounts.credit(tx, account(tx, name).id, amount, kind, note, clock.now_ms())
        if abs(balance) > MOST_USD * NANO_PER_USD:
            raise click.ClickException(f"An account has at most {MOST_USD:,} dollars.")
    click.echo(usd(balance))


@account_group.command("balance")
@click.argument("name")
@as_json
def account_balance(name: str, as_json: bool) -> None:
    """Print the balance in dollars, exactly."""
    with database().each() as tx:
        found = account(tx, name)
    if as_json:
        row = {"account": found.name,
               "balance_usd": usd(found.balance_nanousd), "held_usd": usd(found.held_nanousd),
               "balance_nanousd": found.balance_nanousd, "held_nanousd": found.held_nanousd}  # fmt: skip
        out([row], True)
    else:
        click.echo(usd(found.balance_nanousd))


@account_group.command("disable")
@click.argument("name")
def account_disable(name: str) -> None:
    """Refuse the account's requests from now on."""
    with database().begin() as tx:
        accounts.disable(tx, account(tx, name).id, clock.now_ms())


@account_group.command("enable")
@click.argument("name")
def account_enable(name: str) -> None:
    """Serve the account again."""
    with database().begin() as tx:
        accounts.disable(tx, account(tx, name).id, None)


@account_group.command("list")
@as_json
def account_list(as_json: bool) -> None:
    """All accounts."""
    with database().each() as tx:
        rows = [
            {"account": a.name, "id": a.id, "plan": a.plan, "balance_usd": usd(a.balance_nanousd),
             "held_usd": usd(a.held_nanousd), "status": "disabled" if a.disabled_at_ms else "active",
             "created_utc": utc(a.created_at_ms)}
            for a in accounts.everyone(tx)
        ]  # fmt: skip
    out(rows, as_json)


@click.group("key")
def key_group() -> None:
    """API keys."""


@key_group.command("create")
@click.option("--account", "account_name", required=True, metavar="NAME")
@click.option("--name", default="", help="To tell keys apart.")
@click.option("--plan", type=PLAN, help="Another plan than the account's.")
@click.option("--rpm", type=Rate(), help="Requests per minute, in place of the plan's number.")
@click.option("--image-rpm", type=Rate(), help="Images per minute, in place of the plan's number.")
@click.option(
    "--models",
    metavar="A,B",
    help="The only models that may answer; a smart name stands for all that are behind it.",
)
@click.option("--expires", type=Moment(), help="30m, 12h, 7d, 4w from now, or a date (UTC).")
@click.option("--cap", type=Usd(), metavar="USD", help="The most that the key may spend.")
@click.option("--cap-period", type=click.Choice(PERIODS), help="The cap is one of each, in UTC; else one for ever.")
def key_create(
    account_name: str,
    name: str,
    plan: str | None,
    rpm: int | None,
    image_rpm: int | None,
    models: str | None,
    expires: int | None,
    cap: int | None,
    cap_period: str | None,
) -> None:
    """Make a key. The last line printed is the key alone; it is shown this once and stored only as a hash."""
    allowed = [m.strip() for m in models.split(",") if m.strip()] if models is not None else None
    checked(naming.check, name)
    if allowed is not None:
        _check_models(allowed)
    if expires is not None and expires <= clock.now_ms():
        raise click.ClickException("--expires lies in the past.")
    if cap_period is not None and cap is None:
        raise click.ClickException("--cap-period goes with --cap.")
    key = ids.new_key()
    with database().begin() as tx:
        found = account(tx, account_name)
        key_id = keys.create(
            tx, found.id, key, clock.now_ms(), name=name, plan=plan, rpm=rpm, image_rpm=image_rpm, models=allowed,
            cap_nanousd=cap, cap_period=cap_period, expires_at_ms=expires,
        )  # fmt: skip
    click.echo(f"{key_id} for account {found.name}: keep the key, it is not shown again", err=True)
    click.echo(key)


def _check_models(names: list[str]) -> None:
    from thermly.catalog import SMART
    from thermly.models.catalog_changes import CatalogChanges
    from thermly.routing.names import GENERATED
    from thermly.settings import read

    if not names:
        raise click.ClickException("--models names no model.")
    settings = read()
    catalog = CatalogChanges(settings, database(settings)).everything()
    known = {*SMART, *catalog.models, *catalog.aliases}
    if any(n.startswith(GENERATED) for n in names):
        raise click.ClickException("Generated interfaces follow the model behind them: name that one.")
    if unknown := [n for n in names if n not in known]:
        raise click.ClickException(f"No such model: {', '.join(unknown)}. `thermly models` lists them.")


@key_group.command("revoke")
@click.argument("key")
def key_revoke(key: str) -> None:
    """Revoke a key at once, by itself or by its id."""
    with database().begin() as tx:
        changed = keys.revoke(tx, key, clock.now_ms())
    if not changed:
        raise click.ClickException("There is no such key, or it was revoked before.")
    click.echo("revoked")


@key_group.command("list")
@click.option("--account", "account_name", metavar="NAME")
@as_json
def key_list(account_name: str | None, as_json: bool) -> None:
    """Keys, without the keys themselves."""
    now = clock.now_ms()
    with database().each() as tx:
        listed = keys.listed(tx, account(tx, account_name).id if account_name else None)
    rows = [
        {"id": k.id, "account": k.account, "name": k.name, "key": f"…{k.hint}", "plan": k.plan,
         "rpm": {None: "plan", 0: "unlimited"}.get(k.rpm, k.rpm), "models": k.models or "all",
         "cap_usd": usd(k.cap_nanousd) if k.cap_nanousd is not None else "", "cap_period": _period(k),
         "under_cap_usd": usd(k.under_cap_nanousd(now)) if k.cap_nanousd is not None else "",
         "expires_utc": utc(k.expires_at_ms), "revoked_utc": utc(k.revoked_at_ms),
         "last_used_utc": utc(k.last_used_at_ms)}
        for k in listed
    ]  # fmt: skip
    out(rows, as_json)


def _period(key: ApiKey) -> str:
    return "" if key.cap_nanousd is None else key.cap_period or "ever"


COMMANDS = (account_group, key_group)
