"""Redeem codes: turning one into credit; for admins, making batches of them and taking back what is left.

Knows: the forms. Must not know: what a code is made of. Codes are in the one answer that made them, nowhere else.
"""

from flask import Flask, render_template
from flask.typing import ResponseReturnValue

from thermly import clock
from thermly.amounts import parse_usd, usd, utc
from thermly.console import billing, guard, sheets
from thermly.console.at import here
from thermly.console.billing_forms import CodesForm, RedeemForm
from thermly.money import codes as made
from thermly.money.codes import TooManyTries, Worthless
from thermly.store import codes as store
from thermly.store.ledger import TooMuch

COLUMNS = ("code", "amount_usd", "expires_utc", "note", "batch")


def register(app: Flask) -> None:
    guard.page(app, "/billing/redeem", redeem, methods=("POST",), endpoint="billing.redeem")
    guard.page(app, "/billing/codes", codes, "admin", ("GET", "POST"), endpoint="billing.codes")
    guard.page(app, "/billing/codes/<batch>/void", void, "admin", ("POST",), endpoint="billing.void")


def redeem() -> ResponseReturnValue:
    account, form = billing.account_shown(), RedeemForm()
    status = 422
    if form.validate_on_submit():
        try:
            amount = made.redeem(here().database, form.code.data, account.id, guard.who().id)
        except (Worthless, TooMuch) as error:
            form.code.errors = [*form.code.errors, str(error)]
            status = 429 if isinstance(error, TooManyTries) else 422
        else:
            return guard.done(f"{usd(amount)} USD added.", "billing.billing", account=billing.own(account))
    return billing.show(account, status, redeem=form)


def codes() -> ResponseReturnValue:
    form = CodesForm()
    if form.validate_on_submit():
        note, expires_at_ms = form.note.data, form.expires_at_ms
        amount = parse_usd(form.amount.data)
        batch, texts = made.make(here().database, form.count.data, amount, note, expires_at_ms)
        rows = ((text, usd(amount), utc(expires_at_ms), note, batch) for text in texts)
        return sheets.download(f"codes-{batch}", COLUMNS, rows)
    with here().database.each() as tx:
        batches = store.batches(tx, clock.now_ms())
    return render_template("codes.html", form=form, batches=batches), 422 if form.errors else 200


def void(batch: str) -> ResponseReturnValue:
    with here().database.begin() as tx:
        count = store.void(tx, batch, clock.now_ms())
    if not count:
        return guard.failed("Nothing was left of that batch.", "billing.codes")
    return guard.done(f"{count:,} code{'s' if count > 1 else ''} made void.", "billing.codes")
