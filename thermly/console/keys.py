"""API keys: the list, making one, a key's own page, revoking it.

Knows: the forms, and who may change what. Must not know: how keys are kept, how caps are counted.
The key itself is in the one answer that made it, and nowhere else: no address, cookie, log or table has it.
"""

import datetime
import json
import shlex

from flask import Flask, abort, render_template, request
from flask.typing import ResponseReturnValue
from msgspec import Struct
from werkzeug.datastructures import MultiDict

from thermly import clock, ids
from thermly.amounts import NANO_PER_USD
from thermly.cards import Card
from thermly.catalog import SMART
from thermly.console import guard, spans
from thermly.console.at import here
from thermly.console.drawing import Series
from thermly.console.key_forms import AdminKeyForm, KeyForm, NewKeyForm, filled
from thermly.console.words import axis_dollars
from thermly.models import listing
from thermly.plans import PLANS
from thermly.store import accounts
from thermly.store import keys as store
from thermly.store.keys import ApiKey

PER = {None: "in all", "day": "today", "week": "this week", "month": "this month"}
KINDS = {"chat": "Chat models", "embedding": "Embedding models", "image": "Image models"}
SPAN = MultiDict({"span": "30d"})


class Shown(Struct, frozen=True):
    """A key as the pages tell of it. `kind` is that of its badge. `is_playground`: the console has made it."""

    key: ApiKey
    state: str
    kind: str
    spent_nanousd: int
    per: str
    rpm: int | None
    image_rpm: int | None
    is_playground: bool


class Group(Struct, frozen=True):
    words: str
    names: list[str]


def register(app: Flask) -> None:
    guard.page(app, "/keys", keys)
    guard.page(app, "/keys/new", create, methods=("GET", "POST"))
    guard.page(app, "/keys/<key_id>", key, methods=("GET", "POST"))
    guard.page(app, "/keys/<key_id>/revoke", revoke, methods=("POST",))


def keys() -> ResponseReturnValue:
    account_id, now_ms = guard.scope(), clock.now_ms()
    with here().database.each() as tx:
        found = store.listed(tx, account_id)[::-1]
        playgrounds = store.playgrounds(tx, {k.account_id for k in found}, here().secret)
        everyone = accounts.everyone(tx) if guard.who().is_admin else []
    listed = [_shown(k, now_ms, k.id in playgrounds) for k in found]
    live = [k for k in listed if k.key.revoked_at_ms is None]
    return render_template(
        "keys.html",
        live=sorted(live, key=lambda k: k.is_playground),
        has_own=any(not k.is_playground for k in live),
        revoked=[k for k in listed if k.key.revoked_at_ms is not None],
        accounts=everyone,
        account_id=account_id,
        root=_root(),
    )


def create() -> ResponseReturnValue:
    form, groups = _new_form(), _groups([])
    form.models.choices = _choices(groups)
    if form.validate_on_submit():
        return _made(form)
    return render_template("keys_new.html", form=form, groups=groups), 422 if form.errors else 200


def _new_form() -> KeyForm:
    if not guard.who().is_admin:
        return KeyForm()
    form = NewKeyForm(account=request.args.get("account") or guard.who().account_id)
    with here().database.each() as tx:
        form.account.choices = [(a.id, a.name) for a in accounts.everyone(tx)]
    return form


def _made(form: KeyForm) -> ResponseReturnValue:
    """The page that has the key, this once."""
    text, account_id = ids.new_key(), guard.who().account_id
    limits: dict[str, object] = {}
    if isinstance(form, NewKeyForm):
        account_id, limits = form.account.data, form.limits()
    with here().database.begin() as tx:
        key_id = store.create(
            tx, account_id, text, clock.now_ms(), name=form.name.data, models=form.models.data or None,
            cap_nanousd=form.cap_nanousd, cap_period=form.period, expires_at_ms=form.expires_at_ms,
            **limits,  # type: ignore[arg-type]
        )  # fmt: skip
        made = store.by_id(tx, key_id)
    assert made is not None
    return render_template("keys_made.html", made=made, text=text, **_first_request(text, made.allowed))


def _first_request(text: str, allowed: list[str]) -> dict[str, str | None]:
    """What to paste to try the key out; nothing where it may use no chat model."""
    root = _root()
    chat = (c.id for c in _cards(allowed) if c.kind == "chat")
    model = next(chat, None)
    if model is None:
        return {"curl": None, "sdk": None}
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    curl = (
        f'curl {root}/v1/chat/completions \\\n  -H "Authorization: Bearer {text}" \\\n'
        f'  -H "Content-Type: application/json" \\\n  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}'
    )
    sdk = (
        f'from openai import OpenAI\n\nclient = OpenAI(\n    api_key="{text}",\n    base_url="{root}/v1",\n)\n'
        f"reply = client.chat.completions.create(\n    model={json.dumps(model)},\n"
        f'    messages=[{{"role": "user", "content": "Hello!"}}],\n)\nprint(reply.choices[0].message.content)'
    )
    return {"curl": curl, "sdk": sdk}


def _root() -> str:
    """The address that clients call."""
    return (here().gateway.settings.public_url or request.host_url).rstrip("/")


def key(key_id: str) -> ResponseReturnValue:
    found = _theirs(key_id)
    kind = AdminKeyForm if guard.who().is_admin else KeyForm
    form, groups = kind(data=filled(found)), _groups(found.allowed)
    form.models.choices, form.before = _choices(groups), found
    if form.validate_on_submit():
        return _changed(form, found)
    span = spans.read(SPAN)
    with here().database.each() as tx:
        playgrounds = store.playgrounds(tx, [found.account_id], here().secret)
        used = {day: (requests, cost) for day, requests, cost in store.by_day(tx, found, span.first, span.last)}
    spent = [used.get(day, (0, 0))[1] / NANO_PER_USD for day in span.buckets]
    return render_template(
        "keys_key.html",
        shown=_shown(found, clock.now_ms(), found.id in playgrounds),
        form=form,
        groups=groups,
        labels=span.labels,
        series=[Series("spent", "spent", spent)],
        requests=sum(requests for requests, _ in used.values()),
        cost_nanousd=sum(cost for _, cost in used.values()),
        dollars=axis_dollars,
    ), 422 if form.errors else 200


def _changed(form: KeyForm, found: ApiKey) -> ResponseReturnValue:
    with here().database.begin() as tx:
        if not store.change(tx, found.id, form.name.data, form.models.data or None, form.expires_at_ms):
            return guard.failed("This key is revoked: it cannot be changed any more.", "keys.key", key_id=found.id)
        anew = store.set_cap(tx, found.id, form.cap_nanousd, form.period, clock.now_ms())
        if isinstance(form, AdminKeyForm):
            store.set_limits(tx, found.id, **form.limits())
    also = " Spending under its cap counts from now on." if anew and form.cap_nanousd is not None else ""
    return guard.done(f"The key is changed, from its next request on.{also}", "keys.key", key_id=found.id)


def revoke(key_id: str) -> ResponseReturnValue:
    found = _theirs(key_id)
    with here().database.each() as tx:
        gone = store.revoke(tx, found.id, clock.now_ms())
    if not gone:
        return guard.failed("This key was revoked before.", "keys.key", key_id=found.id)
    return guard.done(f"The key …{found.hint} is revoked: its next request is refused.", "keys.keys")


def _theirs(key_id: str) -> ApiKey:
    with here().database.each() as tx:
        found = store.by_id(tx, key_id)
    if found is None or not guard.within(found.account_id):
        abort(404)
    return found


def _shown(found: ApiKey, now_ms: int, is_playground: bool) -> Shown:
    plan, spent = PLANS[found.plan], found.under_cap_nanousd(now_ms)
    state, kind = _state(found, spent, now_ms)
    return Shown(
        key=found,
        state=state,
        kind=kind,
        spent_nanousd=spent,
        per=PER[found.cap_period],
        rpm=plan.rpm if found.rpm is None else found.rpm or None,
        image_rpm=plan.image_rpm if found.image_rpm is None else found.image_rpm or None,
        is_playground=is_playground,
    )


def _state(found: ApiKey, spent_nanousd: int, now_ms: int) -> tuple[str, str]:
    if found.revoked_at_ms is not None:
        return "revoked", ""
    if found.account_disabled_at_ms is not None:
        return "account disabled", "bad"
    if found.expires_at_ms is not None and found.expires_at_ms <= now_ms:
        return "expired", "warn"
    if found.cap_nanousd is not None and spent_nanousd >= found.cap_nanousd:
        return "cap reached", "warn"
    return "active", "ok"


def _groups(allowed: list[str]) -> list[Group]:
    """The names that a key may be bound to; one that it is bound to stays, although nobody serves it now."""
    cards = _cards([])
    found = [Group("Smart names, which choose the model", [c.id for c in cards if c.id in SMART])]
    for kind, words in KINDS.items():
        found.append(Group(words, [c.id for c in cards if c.kind == kind and c.id not in SMART]))
    known = {c.id for c in cards}
    found.append(Group("Other names that the key has", [n for n in allowed if n not in known]))
    return [group for group in found if group.names]


def _choices(groups: list[Group]) -> list[tuple[str, str]]:
    return [(name, name) for group in groups for name in group.names]


def _cards(allowed: list[str]) -> list[Card]:
    return listing.cards(here().gateway.catalog, frozenset(allowed) or None, datetime.date.today())
