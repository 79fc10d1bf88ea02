"""The usage log: each request, why it went where it went, what it has cost; transcripts, where they are wanted.

Knows: the pages, and who may see what. Must not know: how requests are found, how transcripts are kept.
"""

import datetime
import logging
import re
from collections import Counter
from collections.abc import Iterator

from flask import Flask, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from msgspec.structs import replace

from thermly.amounts import usd
from thermly.console import guard, log_filters, sheets, spans
from thermly.console.at import here
from thermly.console.spans import Span
from thermly.exchange import Usage
from thermly.keeping import grounds, transcripts
from thermly.money import receipts
from thermly.money.receipts import Receipt
from thermly.store import accounts, keys, usage_log
from thermly.store import transcripts as kept
from thermly.store.accounts import Account
from thermly.store.db import Database
from thermly.store.usage_log import Entry, Page, Wanted

KEYS_SHOWN = 200
PIECE = 1000
ID = re.compile(r"\s*(?:[A-Za-z]+[-_])?([0-9a-f]{22})\s*")
"""As replies, headers and the books write it: thermo-…, chatcmpl-…, req_…, resp_…, msg_…, or alone."""

COLUMNS = (
    *("started_utc", "account", "key", "surface", "asked", "answered", "provider", "complexity_level", "outcome"),
    *("cache", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
    *("images", "estimated", "stream", "cost_usd", "saved_usd", "first_ms", "duration_ms", "id"),
)
audit = logging.getLogger("thermly.console")


def register(app: Flask) -> None:
    guard.page(app, "/usage", log)
    guard.page(app, "/usage/requests.csv", export)
    guard.page(app, "/usage/<request_id>", one)
    guard.page(app, "/usage/transcripts", switch, "member", ("POST",))
    app.add_template_filter(outcome)


def outcome(kind: str) -> str:
    return log_filters.OUTCOMES.get(kind, kind.replace("_", " ").capitalize())


# ---- the list


def log() -> ResponseReturnValue:
    at, span, scope = here(), spans.read(request.args), guard.scope()
    if sought := request.args.get("id", "").strip():
        found = _find(sought)
        if found is not None:
            return redirect(url_for("log.one", request_id=found.id))
    form = _form(scope)
    good = form.validate()
    page = _page(_wanted(span, scope, form)) if good else Page([], None, None)
    with at.database.each() as tx:
        everyone = accounts.everyone(tx) if guard.who().is_admin else []
        account = accounts.by_id(tx, scope or guard.who().account_id)
        kept_since = kept.kept_since(tx, account.id) if account else None
    keep = {"account": scope} if scope and guard.who().is_admin else {}
    return render_template(
        "log.html",
        page=page,
        span=span,
        choices=spans.CHOICES,
        form=form,
        query=form.query | keep,
        here=form.query | keep | span.query,
        keep=keep,
        names=log_filters.names(at.gateway.catalog),
        accounts=everyone,
        account=account,
        account_id=scope,
        is_filtered=bool(form.query),
        sought=sought,
        kept_since=kept_since,
        settings=at.gateway.settings,
    ), 200 if good else 422


def _form(scope: str | None) -> log_filters.FilterForm:
    """A key that was made long ago, or is one of very many, can still be chosen by its address."""
    with here().database.each() as tx:
        askers = usage_log.askers(tx, scope, KEYS_SHOWN)
        chosen = keys.by_id(tx, request.args.get("key", ""))
    if chosen and guard.within(chosen.account_id) and chosen.id not in {key_id for key_id, *_ in askers}:
        askers.append((chosen.id, chosen.name, chosen.hint, chosen.account))
    return log_filters.read(askers, scope is None)


def _wanted(span: Span, scope: str | None, form: log_filters.FilterForm) -> Wanted:
    """A key belongs to one account, whose rows are quicker to look through than all."""
    chosen = form.chosen
    with here().database.each() as tx:
        first, last = usage_log.since(tx, span.from_ms), usage_log.since(tx, span.to_ms)
        key = keys.by_id(tx, chosen.get("key_id", ""))
    return Wanted(scope or (key.account_id if key else None), first, last, **chosen)


def _page(wanted: Wanted) -> Page:
    before, after = (_mark(name) for name in log_filters.MARKS)
    with here().database.each() as tx:
        if before is None and after is not None:
            return usage_log.page_after(tx, wanted, after)
        return usage_log.page(tx, wanted, before)


def _mark(name: str) -> int | None:
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def export() -> ResponseReturnValue:
    span, scope = spans.read(request.args), guard.scope()
    form = _form(scope)
    if not form.validate():
        abort(400)
    rows = (_row(entry) for entry in _all(here().database, _wanted(span, scope, form)))
    return sheets.download(f"requests-{span.first}-{span.last}", COLUMNS, rows)


def _all(database: Database, wanted: Wanted) -> Iterator[Entry]:
    """Piece by piece, so that neither memory nor the database is taken up. What comes meanwhile is not in it."""
    with database.each() as tx:
        wanted = replace(wanted, last=min(wanted.last, usage_log.newest(tx) + 1))
    before: int | None = wanted.last
    while before is not None:
        with database.each() as tx:
            page = usage_log.page(tx, wanted, before, PIECE)
        yield from page.entries
        before = page.older


def _row(entry: Entry) -> tuple[object, ...]:
    at = datetime.datetime.fromtimestamp(entry.started_at_ms / 1000, datetime.UTC)
    return (
        at.strftime("%Y-%m-%d %H:%M:%S"), entry.account, entry.key or f"…{entry.hint}", entry.surface,
        entry.requested_model, entry.answered_by, entry.answered_by and entry.provider, entry.level or "",
        entry.outcome, entry.cache,
        entry.input_tokens, entry.cached_input_tokens, entry.cache_write_tokens, entry.output_tokens,
        entry.reasoning_tokens, entry.images, entry.estimated, entry.stream, usd(entry.cost_nanousd),
        usd(entry.saved_nanousd), entry.first_ms, entry.duration_ms, entry.id,
    )  # fmt: skip


# ---- one request


def one(request_id: str) -> ResponseReturnValue:
    entry = _find(request_id)
    if entry is None:
        abort(404)
    at = here()
    with at.database.each() as tx:
        why = grounds.read(usage_log.grounds(tx, entry.seq))
        kept_since = kept.kept_since(tx, entry.account_id)
    return render_template(
        "log_request.html",
        e=entry,
        why=why,
        failed=Counter(why.failed),
        passed_over=[(reason, names) for reason, models in why.passed_over
                     if (names := [m for m in models if m != entry.model])],
        receipt=_receipt(entry),
        timing=_timing(entry),
        transcript=transcripts.find(at.database, entry.id, entry.account_id) if kept_since else None,
        kept_since=kept_since,
    )  # fmt: skip


def _find(text: str) -> Entry | None:
    """By an id in any of its forms; nobody else's."""
    match = ID.fullmatch(text)
    person = guard.who()
    return (
        usage_log.find(here().database, match[1], None if person.is_admin else person.account_id) if match else None
    )


def _receipt(entry: Entry) -> Receipt | None:
    """None where tokens explain nothing: there are none, or their model is no longer known."""
    at = here()
    model = at.gateway.catalog.models.get(entry.model) or at.gateway.changes.everything().models.get(entry.model)
    if model is None or model.price is None or entry.cache == "hit" or entry.state != "settled":
        return None
    used = Usage(
        entry.input_tokens,
        entry.cached_input_tokens,
        entry.cache_write_tokens,
        0,
        entry.output_tokens,
        entry.reasoning_tokens,
    )
    receipt = receipts.of(used, model.price, entry.cost_nanousd)
    return receipt if receipt.lines and (receipt.sum_nanousd or not entry.cost_nanousd) else None


def _timing(entry: Entry) -> list[tuple[str, str, int]]:
    """(words, tone, milliseconds)"""
    if entry.first_ms is None or entry.duration_ms is None or entry.cache == "hit":
        return []
    rest = max(0, entry.duration_ms - entry.first_ms)
    return [("until its first token", "direct", entry.first_ms), ("until its end", "fast", rest)]


# ---- transcripts


def switch() -> ResponseReturnValue:
    account, database = _account(), here().database
    own = {"account": account.id} if guard.who().is_admin else {}
    if request.form.get("keep") == "on":
        if transcripts.begin(database, account.id):
            audit.info("%s switched transcripts of %s on", guard.who().email, account.id)
        return guard.done("From now on, a transcript of each request is kept.", "log.log", **own)
    gone = transcripts.end(database, account.id)
    audit.info("%s switched transcripts of %s off", guard.who().email, account.id)
    return guard.done(
        f"No transcripts are kept any more; those there were are deleted ({gone:,} request{'s' * (gone != 1)}).",
        "log.log",
        **own,
    )


def _account() -> Account:
    """The one that the form names."""
    with here().database.each() as tx:
        account = accounts.by_id(tx, request.form.get("account", ""))
    if account is None or not guard.within(account.id):
        abort(404)
    return account
