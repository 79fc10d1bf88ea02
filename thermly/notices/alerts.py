"""Telling somebody that an account runs low on credit, once per top-up: in the log, by e-mail, to webhooks.

Knows: who is told, in which words, and how often it is tried. Must not know: Flask, RQ, SMTP, sockets.
"""

import logging

from thermly import clock
from thermly.amounts import NANO_PER_USD, usd
from thermly.notices import mail, webhooks
from thermly.settings import Settings
from thermly.store import accounts, alerts
from thermly.store.accounts import Account
from thermly.store.alerts import ATTEMPTS, Wishes
from thermly.store.db import Database

log = logging.getLogger("thermly.alerts")
EMAIL, WEBHOOK, OPERATOR = "email", "webhook", "operator"
"""The account's own two ways, and the deployment's webhook."""
Undelivered = (mail.NotSent, webhooks.NotDelivered)


def report(settings: Settings, database: Database) -> None:
    """Tell of the accounts that have come below their mark since the last time."""
    with database.begin() as tx:
        low = accounts.low(tx, settings.low_balance_usd * NANO_PER_USD, clock.now_ms())
        told = [(found, channel) for found in low for channel in _channels(settings, alerts.wishes(tx, found.id))]
        for found, channel in told:
            alerts.begin(tx, found.id, channel, clock.now_ms())
    for found in low:
        log.warning("account %s is low on credit: %.6f USD", found.name, found.balance_nanousd / NANO_PER_USD)
    for found, channel in told:
        _try(settings, database, found, channel, 1)


def retry(settings: Settings, database: Database) -> None:
    """Try again what has not arrived."""
    with database.each() as tx:
        pending = alerts.pending(tx, clock.now_ms())
    for one in pending:
        with database.begin() as tx:
            found = alerts.still_low(tx, one.account_id)
            if found is None:
                alerts.delivered(tx, one.account_id, one.channel)
            elif not alerts.claim(tx, one):
                found = None
        if found is not None:
            _try(settings, database, found, one.channel, one.tried + 1)


def try_out(settings: Settings, database: Database, account: Account) -> dict[str, str]:
    """Send what a report would be, now; what went wrong by channel, "" where nothing did."""
    with database.each() as tx:
        wanted = alerts.wishes(tx, account.id)
    found = {}
    for channel in _channels(settings, wanted):
        if channel != OPERATOR:
            try:
                _deliver(settings, account, channel, wanted, "balance.test")
                found[channel] = ""
            except Undelivered as error:
                found[channel] = str(error)
    return found


def _channels(settings: Settings, wanted: Wishes) -> list[str]:
    there = ((EMAIL, wanted.email), (WEBHOOK, wanted.webhook), (OPERATOR, settings.alert_webhook_url))
    return [channel for channel, address in there if address]


def _try(settings: Settings, database: Database, account: Account, channel: str, attempt: int) -> None:
    with database.each() as tx:
        wanted = alerts.wishes(tx, account.id)
    if channel in _channels(settings, wanted):
        try:
            _deliver(settings, account, channel, wanted, "balance.low")
        except Undelivered as error:
            log.error(
                "the low-balance report of account %s by %s failed (%s of %s): %s",
                *(account.name, channel, attempt, ATTEMPTS, error),
            )
            return
    with database.each() as tx:
        alerts.delivered(tx, account.id, channel)


def _deliver(settings: Settings, account: Account, channel: str, wanted: Wishes, event: str) -> None:
    if channel == EMAIL:
        subject = f"Account {account.name} is low on credit" if event == "balance.low" else "A test from Thermly"
        mail.send(settings, wanted.email, " ".join(subject.split()), _letter(settings, account, event))
        return
    body = {
        "event": event,
        "account": account.name,
        "account_id": account.id,
        "balance_nanousd": account.balance_nanousd,
        "balance_usd": f"{account.balance_nanousd / NANO_PER_USD:.6f}",
    }
    if channel == OPERATOR:
        webhooks.post(settings.alert_webhook_url, body, anywhere=True)
    else:
        webhooks.post(wanted.webhook, body, anywhere=settings.alert_webhooks == "anywhere")


def _letter(settings: Settings, account: Account, event: str) -> str:
    where = (
        f"{settings.public_url.rstrip('/')}/console/billing"
        if settings.public_url
        else "the console, under Billing"
    )
    first = (
        f'The account "{account.name}" is low on credit.'
        if event == "balance.low"
        else f'This is a test: mail about the account "{account.name}" arrives here.'
    )
    return (
        f"{first}\n\nIts balance is {usd(account.balance_nanousd)} USD. When it is used up, requests are refused "
        f"with status 402.\n\nAdd credit, or change who gets this mail: {where}\n"
    )
