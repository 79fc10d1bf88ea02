"""Paying by card: to the card service's page, and the card service's own word that it was paid.

Knows: forms, and who calls. Must not know: what the card service sends.
"""

import logging

from flask import Flask, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from thermly import clock
from thermly.amounts import parse_usd
from thermly.console import billing, guard
from thermly.console.at import here
from thermly.console.billing_forms import CardForm
from thermly.money.payments import CannotPay, Refused
from thermly.store import limits
from thermly.store.accounts import Account

log = logging.getLogger("thermly.console.payments")
WINDOW_S, ATTEMPTS = 15 * 60, 10
MOST_BYTES = 1 << 20
PAY_PAGE = "https://checkout.stripe.com/"


def register(app: Flask) -> None:
    guard.page(app, "/billing/checkout", checkout, methods=("POST",), endpoint="billing.checkout")
    guard.page(app, "/stripe/webhook", webhook, "anyone", ("POST",))
    app.extensions["csrf"].exempt(webhook)  # it is signed


def checkout() -> ResponseReturnValue:
    account, form, at = billing.account_shown(), CardForm(), here()
    if not at.payments.offered:
        return guard.failed("Payments by card are not set up on this server.", "billing.billing")
    if not form.validate_on_submit():
        return billing.show(account, 422, card=form)
    now_ms = clock.now_ms()
    with at.database.begin() as tx:
        count, _ = limits.count(tx, f"checkout/{guard.who().id}", WINDOW_S, 1, now_ms)
    if count > ATTEMPTS:
        form.pay.errors = ["Too many payments were begun. Try again in a few minutes."]
        return billing.show(account, 429, card=form)
    try:
        url = at.payments.begin(account.id, parse_usd(form.pay.data), guard.who().email, _back(account))
    except CannotPay as error:
        form.pay.errors = [str(error)]
        return billing.show(account, 502, card=form)
    if url.startswith(PAY_PAGE):
        return redirect(url, 303)
    return render_template("billing_pay.html", url=url)  # browsers would not follow a form's redirect there


def _back(account: Account) -> str:
    public = here().gateway.settings.public_url.rstrip("/")
    path = url_for("billing.billing", account=billing.own(account))
    return (public or request.host_url.rstrip("/")) + path + ("&" if "?" in path else "?")


def webhook() -> ResponseReturnValue:
    """What is not answered with 2xx is sent again for days: also what came before the secret was set."""
    at = here()
    if not at.payments.listens:
        return _said("Payments by card are not set up on this server.", 503)
    if (request.content_length or 0) > MOST_BYTES:
        return _said("The event is too large.", 413)
    try:
        done = at.payments.hear(request.get_data(), request.headers.get("Stripe-Signature", ""))
    except Refused as error:
        log.warning("an event of the card service was refused: %s", error)
        return _said(str(error), 400)
    return _said(done, 200)


def _said(text: str, status: int) -> Response:
    return Response(text + "\n", status, content_type="text/plain; charset=utf-8")
