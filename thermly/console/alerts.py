"""Where an account wants to be told that its credit runs low.

Knows: the form. Must not know: how anybody is told.
"""

from flask import Flask
from flask.typing import ResponseReturnValue

from thermly import clock
from thermly.amounts import parse_usd
from thermly.console import billing, guard
from thermly.console.at import here
from thermly.console.billing_forms import AlertForm
from thermly.notices import alerts
from thermly.store import alerts as store
from thermly.store import limits
from thermly.store.alerts import Wishes

WINDOW_S, ATTEMPTS = 15 * 60, 10
WORDS = {alerts.EMAIL: "E-mail", alerts.WEBHOOK: "Webhook"}
LATER = "That was often. Try again in a few minutes."
NO_MAIL = "no mail server is set up here: no mail is sent until there is one."


def register(app: Flask) -> None:
    guard.page(app, "/billing/alerts", save, methods=("POST",), endpoint="billing.save_alerts")
    guard.page(app, "/billing/alerts/test", try_out, methods=("POST",), endpoint="billing.try_alerts")


def save() -> ResponseReturnValue:
    account, form = billing.account_shown(), AlertForm()
    if not form.validate_on_submit():
        return billing.show(account, 422, alert=form)
    if not _may():
        form.email.errors = [LATER]
        return billing.show(account, 429, alert=form)
    below = form.below.data
    wanted = Wishes(parse_usd(below) if below else None, form.email.data, form.webhook.data)
    with here().database.begin() as tx:
        store.wish(tx, account.id, wanted)
    told = "Saved." if here().gateway.settings.smtp_url or not wanted.email else f"Saved, but {NO_MAIL}"
    return guard.done(told, "billing.billing", account=billing.own(account))


def try_out() -> ResponseReturnValue:
    account, at = billing.account_shown(), here()
    if not _may():
        return guard.failed(LATER, "billing.billing", account=billing.own(account))
    results = alerts.try_out(at.gateway.settings, at.database, account)
    if not results:
        return guard.failed(
            "There is no e-mail and no webhook to try.", "billing.billing", account=billing.own(account)
        )
    said = ". ".join(f"{WORDS[c]}: {why or 'sent'}" for c, why in results.items()) + "."
    tell = guard.failed if any(results.values()) else guard.done
    return tell(said, "billing.billing", account=billing.own(account))


def _may() -> bool:
    """Each of these can make this server write to a stranger, so nobody does it often."""
    now_ms = clock.now_ms()
    with here().database.begin() as tx:
        count, _ = limits.count(tx, f"alerts/{guard.who().id}", WINDOW_S, 1, now_ms)
    return count <= ATTEMPTS
