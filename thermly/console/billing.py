"""Billing: what an account has and how long that lasts, the ledger, adding credit by hand.

Knows: which parts the page has, and who may do what. Must not know: how the balance is made up.
The forms of the other parts are handed to `show` again by whoever refuses them.
"""

import datetime
from collections.abc import Iterator
from typing import Any

from flask import Flask, abort, render_template, request
from flask.typing import ResponseReturnValue
from msgspec import Struct
from werkzeug.datastructures import MultiDict

from thermly import clock
from thermly.amounts import usd
from thermly.console import guard, sheets, spans
from thermly.console.at import here
from thermly.console.billing_forms import AlertForm, CardForm, CreditForm, RedeemForm
from thermly.console.spans import Span
from thermly.console.words import in_full, money
from thermly.store import accounts, alerts, ledger, payments
from thermly.store.accounts import Account
from thermly.store.db import Database
from thermly.store.ledger import Choice, Entry, TooMuch

PAGE, PIECE = 50, 1000
PACE_DAYS = 7
DAY_MS = 86_400_000
CHOICES = {name: row for name, row in spans.CHOICES.items() if row[1] >= PACE_DAYS}
DEFAULT = MultiDict({"span": "90d"})
KINDS = {
    "": "All kinds",
    "credit": "Everything but usage",
    "usage": "Usage",
    "grant": "Credit",
    "card": "Card",
    "code": "Code",
    "correction": "Correction",
    "demo": "Demo credit",
}
COLUMNS = ("account", "at_utc", "kind", "note", "requests", "amount_usd", "balance_usd", "id")


class Standing(Struct, frozen=True):
    """An account, and for how many days its credit is enough at the pace of late; None: nothing was spent."""

    account: Account
    pace_nanousd: float
    days: float | None


class MoreThanThereIs(Exception):
    """Nobody has said yet that the balance may fall below zero; `left_nanousd` is what it would be."""

    def __init__(self, left_nanousd: int) -> None:
        super().__init__()
        self.left_nanousd = left_nanousd


def register(app: Flask) -> None:
    guard.page(app, "/billing", billing)
    guard.page(app, "/billing/ledger.csv", export)
    guard.page(app, "/billing/credit", credit, "admin", ("POST",))


def billing() -> ResponseReturnValue:
    if guard.scope() is None:
        return _everyone()
    return show(account_shown())


def account_shown() -> Account:
    """The one in the address, for admins; the member's own in every other case."""
    with here().database.each() as tx:
        found = accounts.find(tx, guard.scope() or guard.who().account_id)
    if found is None or not guard.within(found.id):
        abort(404)
    return found


def own(account: Account) -> str | None:
    """What names the account in an address; members have no choice."""
    return account.id if guard.who().is_admin else None


def show(account: Account, status: int = 200, **forms: Any) -> ResponseReturnValue:
    """One account's page; `forms` are those that were sent and refused."""
    at, span, choice = here(), _span(), _choice()
    with at.database.each() as tx:
        entries = ledger.page(tx, account.id, choice, ledger.place(request.args.get("before", "")), PAGE + 1)
        has_any = bool(entries) or bool(ledger.page(tx, account.id, Choice("2000-01-01", "9999-12-31"), limit=1))
        wishes = alerts.wishes(tx, account.id)
        paid = payments.latest(tx, account.id)
        everyone = accounts.everyone(tx) if guard.who().is_admin else []
    below = usd(wishes.below_nanousd) if wishes.below_nanousd is not None else ""
    shown = {
        "credit": CreditForm(),
        "redeem": RedeemForm(),
        "card": CardForm(),
        "alert": AlertForm(below=below, email=wishes.email, webhook=wishes.webhook),
    } | forms
    page = render_template(
        "billing.html",
        standing=_standings([account])[0],
        accounts=everyone,
        account=account,
        own=own(account),
        keep={"account": account.id} if guard.who().is_admin else {},
        entries=entries[:PAGE],
        older=str(entries[PAGE - 1].place) if len(entries) > PAGE else None,
        has_any=has_any,
        kind=choice.kind,
        kinds=KINDS,
        span=span,
        choices=CHOICES,
        wishes=wishes,
        has_wishes=bool(wishes.email or wishes.webhook),
        paid=paid,
        cards=at.payments,
        settings=at.gateway.settings,
        returned=request.args.get("payment"),
        forms=shown,
    )
    return page, status


def _everyone() -> ResponseReturnValue:
    with here().database.each() as tx:
        listed = accounts.everyone(tx)
    return render_template("billing_everyone.html", standings=_standings(listed), accounts=listed)


def _standings(listed: list[Account]) -> list[Standing]:
    """The pace is that of the last seven days, or of an account's own few."""
    now_ms = clock.now_ms()
    with here().database.each() as tx:
        only = listed[0].id if len(listed) == 1 else None
        spent = ledger.spent(tx, only, _day(now_ms - (PACE_DAYS - 1) * DAY_MS))
    found = []
    for account in listed:
        lived = (now_ms - account.created_at_ms) / DAY_MS
        pace = spent.get(account.id, 0) / min(PACE_DAYS, max(1, lived))
        found.append(Standing(account, pace, max(0, account.available_nanousd) / pace if pace else None))
    return found


def export() -> ResponseReturnValue:
    """The ledger of the one account, or of all after one another."""
    scope, database, choice = guard.scope(), here().database, _choice()
    if scope is None:
        with database.each() as tx:
            chosen = accounts.everyone(tx)
    else:
        chosen = [account_shown()]
    rows = (_row(account, entry) for account in chosen for entry in _all(database, account.id, choice))
    return sheets.download(f"ledger-{choice.first}-{choice.last}", COLUMNS, rows)


def _all(database: Database, account_id: str, choice: Choice) -> Iterator[Entry]:
    """Piece by piece, since nobody else gets the database while a statement runs."""
    before = None
    while True:
        with database.each() as tx:
            entries = ledger.page(tx, account_id, choice, before, PIECE)
        yield from entries
        if len(entries) < PIECE:
            return
        before = entries[-1].place


def _row(account: Account, entry: Entry) -> list[object]:
    of_usage = entry.kind == ledger.USAGE
    at = entry.place.day if of_usage else _utc(entry.place.at_ms)
    return [
        account.name, at, entry.kind, entry.note, entry.requests or "", usd(entry.amount_nanousd),
        usd(entry.balance_nanousd), "" if of_usage else entry.place.id,
    ]  # fmt: skip


def credit() -> ResponseReturnValue:
    account, form = account_shown(), CreditForm()
    if not form.validate_on_submit():
        return show(account, 422, credit=form)
    try:
        left = _credited(account, form)
    except TooMuch as error:
        form.amount.errors = [*form.amount.errors, str(error)]
        return show(account, 422, credit=form)
    except MoreThanThereIs as error:
        form.left_nanousd = error.left_nanousd
        return show(account, 422, credit=form)
    if left is None:
        return guard.failed("That was done before, and once.", "billing.billing", account=account.id)
    amount = form.wanted_nanousd
    did = f"Added {in_full(amount)} to" if amount > 0 else f"Took {in_full(-amount)} from"
    told = f"{did} {account.name}; its balance is {money(left).striptags()}."
    return guard.done(told, "billing.billing", account=account.id)


def _credited(account: Account, form: CreditForm) -> int | None:
    """The balance afterwards; None for what was done before. Raises TooMuch, MoreThanThereIs."""
    amount, now_ms = form.wanted_nanousd, clock.now_ms()
    kind = "grant" if amount > 0 else "correction"
    with here().database.begin() as tx:
        if not ledger.add(tx, "cr_" + form.once.data, account.id, amount, kind, form.note.data, now_ms):
            return None
        after = accounts.by_id(tx, account.id)
        assert after is not None
        if amount < 0 and after.balance_nanousd < 0 and not form.is_sure:
            raise MoreThanThereIs(after.balance_nanousd)
    return after.balance_nanousd


def _span() -> Span:
    given = "span" in request.args or "from" in request.args
    return spans.read(request.args if given else DEFAULT)


def _choice() -> Choice:
    span, kind = _span(), request.args.get("kind", "")
    return Choice(span.first, span.last, kind if kind in KINDS else "")


def _day(at_ms: int) -> str:
    return _utc(at_ms)[:10]


def _utc(at_ms: int) -> str:
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
