"""Accounts: the list, making one, an account's own page. For admins.

Knows: the forms. Must not know: how money and requests are counted.
"""

import datetime

from flask import Flask, abort, render_template
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField, ValidationError
from wtforms.validators import DataRequired, Length, Optional

from thermly import clock
from thermly.amounts import parse_usd
from thermly.console import guard
from thermly.console.at import here
from thermly.console.fields import an_accounts_name, tidy
from thermly.plans import DEFAULT, PLANS
from thermly.store import accounts as store
from thermly.store import keys, people
from thermly.store.accounts import Account, Extent
from thermly.store.db import Tx

DAYS = 30
UNTYPED = {"autocomplete": "off"}
TAKEN = "Another account has this name."


def _plans() -> list[tuple[str, str]]:
    return [
        (p.name, f"{p.name}: {p.rpm} requests, {p.image_rpm} images a minute" if p.rpm else f"{p.name}: no limit")
        for p in PLANS.values()
    ]


class AccountForm(FlaskForm):  # type: ignore[misc]
    name = StringField("Name", [DataRequired(), Length(max=200), an_accounts_name], [tidy], render_kw=UNTYPED)
    plan = SelectField("Plan", choices=_plans, description="For keys without a plan of their own.")


class NewAccountForm(AccountForm):
    credit = StringField(
        "Credit to begin with, in dollars",
        [Optional(), Length(max=40)],
        description="Empty: none. More can be added under Billing.",
        render_kw={**UNTYPED, "inputmode": "decimal", "placeholder": "0.00"},
    )
    credit_nanousd = 0

    def validate_credit(self, field: StringField) -> None:
        try:
            self.credit_nanousd = parse_usd(field.data)
        except ValueError as error:
            raise ValidationError(str(error)) from error


def register(app: Flask) -> None:
    guard.page(app, "/accounts", accounts, "admin")
    guard.page(app, "/accounts/new", create, "admin", ("GET", "POST"))
    guard.page(app, "/accounts/<account_id>", account, "admin", ("GET", "POST"))
    guard.page(app, "/accounts/<account_id>/disable", disable, "admin", ("POST",))
    guard.page(app, "/accounts/<account_id>/enable", enable, "admin", ("POST",))


def accounts() -> ResponseReturnValue:
    with here().database.each() as tx:
        everyone = store.everyone(tx)
        extents = _extents(tx, everyone)
    return render_template(
        "accounts.html", rows=[(a, extents[a.id]) for a in everyone if a.id in extents], days=DAYS
    )


def create() -> ResponseReturnValue:
    form = NewAccountForm(plan=DEFAULT)
    if form.validate_on_submit():
        with here().database.begin() as tx:
            made = store.create(tx, form.name.data, form.plan.data, clock.now_ms())
            if made and form.credit_nanousd:
                store.credit(tx, made.id, form.credit_nanousd, "grant", "", clock.now_ms())
        if made:
            text = f"The account {made.name} is there. Add its people, and a key for its programs."
            return guard.done(text, "accounts.account", account_id=made.id)
        form.name.errors = [TAKEN]
    return render_template("accounts_new.html", form=form), 422 if form.errors else 200


def account(account_id: str) -> ResponseReturnValue:
    found = found_or_404(account_id)
    form = AccountForm(name=found.name, plan=found.plan)
    if form.validate_on_submit():
        with here().database.begin() as tx:
            changed = store.change(tx, found.id, form.name.data, form.plan.data)
        if changed:
            return guard.done(
                "The account is changed, from its next request on.", "accounts.account", account_id=found.id
            )
        form.name.errors = [TAKEN]
    with here().database.each() as tx:
        extent = _extents(tx, [found])[found.id]
        members = people.listed(tx, found.id)
    page = render_template(
        "accounts_account.html", account=found, extent=extent, members=members, form=form, days=DAYS
    )
    return page, 422 if form.errors else 200


def disable(account_id: str) -> ResponseReturnValue:
    found = found_or_404(account_id)
    with here().database.each() as tx:
        store.disable(tx, found.id, clock.now_ms())
    text = f"{found.name} is disabled: requests with its keys are refused. Its people can still sign in and look."
    return guard.done(text, "accounts.account", account_id=found.id)


def enable(account_id: str) -> ResponseReturnValue:
    found = found_or_404(account_id)
    with here().database.each() as tx:
        store.disable(tx, found.id, None)
    return guard.done(f"{found.name} is served again.", "accounts.account", account_id=found.id)


def found_or_404(account_id: str) -> Account:
    with here().database.each() as tx:
        found = store.by_id(tx, account_id)
    if found is None:
        abort(404)
    return found


def _extents(tx: Tx, listed: list[Account]) -> dict[str, Extent]:
    """The playground's keys are nobody's programs, so they are not counted."""
    playgrounds = keys.playgrounds(tx, (a.id for a in listed), here().secret)
    return store.extents(tx, _first_day(), playgrounds)


def _first_day() -> str:
    return (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=DAYS - 1)).strftime("%Y-%m-%d")
