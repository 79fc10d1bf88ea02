"""Models and routing: the catalogue with who answers now, a dry run of a decision, and what admins change in it.

Knows: how models are grouped and worded. Must not know: how changes are kept and reach other processes.
"""

import datetime
from collections.abc import Callable
from typing import Any

from flask import Flask, abort, render_template, request
from flask.typing import ResponseReturnValue

from thermly import clock
from thermly.catalog import TIERS, CatalogError
from thermly.console import guard, model_rows
from thermly.console.at import here
from thermly.console.model_forms import DEFAULTS, ExplainForm, ImagePriceForm, NewModelForm, PriceForm
from thermly.console.model_rows import ABILITIES, KINDS, Row, Shelf
from thermly.models import configured, health
from thermly.models.catalog_changes import CatalogChanges
from thermly.routing.explanation import Wish, explain
from thermly.store import accounts, keys, limits
from thermly.store.db import Tx
from thermly.store.keys import ApiKey

SOON = "This holds within a second."
"""Each process looks for changes so often."""

WORDS = {
    "fast": "Greetings, short facts, translations: levels 1 and 2.",
    "balanced": "Everyday work: level 3.",
    "best": "What is hard: levels 4 and 5.",
}


def register(app: Flask) -> None:
    guard.page(app, "/models", models)
    guard.page(app, "/models/model/<path:name>", model)
    guard.page(app, "/models/explain", explained, methods=("GET", "POST"))
    guard.page(app, "/models/changes", changes, "admin")
    guard.page(app, "/models/new", create, "admin", ("GET", "POST"))
    guard.page(app, "/models/prices/<path:name>", prices, "admin", ("POST",))
    guard.page(app, "/models/move/<path:name>", move, "admin", ("POST",))
    guard.page(app, "/models/tier/<path:name>", tier, "admin", ("POST",))
    guard.page(app, "/models/serve/<path:name>", serve, "admin", ("POST",))
    guard.page(app, "/models/reset/<path:name>", reset, "admin", ("POST",))
    guard.page(app, "/models/order/<name>", order, "admin", ("POST",))


def models() -> ResponseReturnValue:
    shelf = _shelf()
    wanted, provider = request.args.get("q", "").strip()[:100], request.args.get("provider", "")
    groups = model_rows.groups(shelf, wanted, provider)
    found = sum(len(rows) for _, _, rows in groups)
    return render_template(
        "models.html",
        groups=groups,
        words=WORDS,
        tiers=TIERS,
        found=found,
        total=len(shelf.everything.models),
        wanted=wanted,
        provider=provider,
        providers=sorted({m.provider for m in shelf.everything.models.values()}),
        is_filtered=bool(wanted or provider),
        form=ExplainForm(),
        unable=health.unable(shelf.served, shelf.cooling.keys(), shelf.today),
        **_common(shelf),
    )


def _shelf() -> Shelf:
    """The catalogue as it is this moment, for the keys of the account that is looked at."""
    at, account_id = here(), guard.scope()
    at.gateway.changes.seen(now=True)
    at.gateway.look()
    now_ms = clock.now_ms()
    with at.database.each() as tx:
        cooling = limits.cooling_until(tx, now_ms)
        theirs = _own_keys(tx, account_id, now_ms) if account_id else []
    kept = at.gateway.changes
    return Shelf(
        served=at.gateway.catalog,
        everything=kept.everything(),
        cooling=cooling,
        today=datetime.date.today(),
        changes={c.model: c for c in kept.changes if not c.refused},
        keys=tuple(frozenset(k.allowed) or None for k in theirs),
    )


def _own_keys(tx: Tx, account_id: str, now_ms: int) -> list[ApiKey]:
    """Those in use, but for the playground's."""
    playgrounds = keys.playgrounds(tx, [account_id], here().secret)
    return [k for k in keys.listed(tx, account_id) if _is_live(k, now_ms) and k.id not in playgrounds]


def _is_live(key: ApiKey, now_ms: int) -> bool:
    return key.revoked_at_ms is None and (key.expires_at_ms is None or key.expires_at_ms > now_ms)


def _common(shelf: Shelf) -> dict[str, Any]:
    with here().database.each() as tx:
        everyone = accounts.everyone(tx) if guard.who().is_admin else []
    return {
        "account_id": guard.scope(),
        "accounts": everyone,
        "has_keys": bool(shelf.keys),
        "has_provider": any(p.available for p in shelf.served.providers.values()),
        "refused": [c for c in _changes().changes if c.refused] if guard.who().is_admin else [],
        "abilities": ABILITIES,
    }


def _changes() -> CatalogChanges:
    return here().gateway.changes


# ---- one model


def model(name: str) -> ResponseReturnValue:
    shelf = _shelf()
    return _page(shelf, _row(shelf, name), _price_form(name, shelf, new=True))


def _row(shelf: Shelf, name: str) -> Row:
    found = shelf.everything.models.get(name)
    if found is None:
        abort(404)
    return model_rows.row(found, shelf)


def _page(shelf: Shelf, row: Row, form: Any, status: int = 200) -> ResponseReturnValue:
    name = row.model.id
    return render_template(
        "models_model.html",
        row=row,
        form=form,
        kinds=KINDS,
        tiers=TIERS,
        also=model_rows.names_of(name, shelf),
        is_added=_changes().is_added(name),
        changed=model_rows.changed_words(shelf.changes[name].fields) if name in shelf.changes else [],
        above=[entry["above_input_tokens"] for entry in _changes().row(name).get("long_context_tiers", ())],
        image_prices=model_rows.image_prices(row.model),
        **_common(shelf),
    ), status


def _price_form(name: str, shelf: Shelf, new: bool) -> PriceForm | ImagePriceForm:
    """With what the model costs now (`new`), or with what was sent."""
    row = _changes().row(name)
    if row.get("per_image"):
        form = ImagePriceForm(data={"per_image": [str(entry["usd"]) for entry in row["per_image"]]})
        if not new and len(form.per_image.entries) != len(row["per_image"]):
            abort(400)
        return form
    tiers = [{k: _text(v) for k, v in entry.items()} for entry in row.get("long_context_tiers", ())]
    form = PriceForm(data={k: _text(v) for k, v in row.items() if k != "free"} | {"long_context_tiers": tiers,
                     "free": row.get("free") is True})  # fmt: skip
    if not new and len(form.long_context_tiers.entries) != len(tiers):
        abort(400)
    _keep_what_fits(form, shelf.everything.models[name].kind, bool(tiers))
    return form


def _keep_what_fits(form: PriceForm, kind: str, has_tiers: bool) -> None:
    if kind != "chat":
        del form.cache_write_per_mtok, form.cache_write_1h_per_mtok
    if kind == "embedding":
        del form.output_per_mtok
    if not has_tiers:
        del form.long_context_tiers


def _text(value: Any) -> Any:
    """A price as one types it."""
    return f"{value:f}" if hasattr(value, "as_tuple") else str(value) if isinstance(value, int | float) else value


# ---- what admins change


def prices(name: str) -> ResponseReturnValue:
    shelf = _shelf()
    row, form = _row(shelf, name), _price_form(name, shelf, new=False)
    if form.validate_on_submit():
        try:
            _changes().set_prices(name, form.fields(_changes().row(name)), guard.who().email)
        except CatalogError as error:
            form.form_errors.append(str(error))
        else:
            text = f"{name} costs this now. {SOON} Requests under way keep the price they began with."
            return guard.done(text, "models.model", name=name)
    return _page(shelf, row, form, 422)


def move(name: str) -> ResponseReturnValue:
    is_up = request.form.get("to") == "up"
    told = f"{name} is tried {'earlier' if is_up else 'later'} now."
    try:
        _changes().move(name, is_up, guard.who().email)
    except CatalogError as error:
        return guard.failed(f"Nothing was changed: {error}", "models.models")
    row = _row(_shelf(), name)
    to = "down" if row.is_first else "up" if row.is_last else "up" if is_up else "down"
    # Browsers focus the button that an address names, so whoever moves a model by keyboard can go on.
    return guard.done(f"{told} {SOON}", "models.models", _anchor=f"{to}-{name}")


def tier(name: str) -> ResponseReturnValue:
    to = request.form.get("tier") or None
    told = f"{name} is in the tier {to} now." if to else f"{name} is in no tier now."
    return _act(lambda who: _changes().put_in_tier(name, to, who), told, "models.model", name=name)


def serve(name: str) -> ResponseReturnValue:
    is_served = request.form.get("served") == "yes"
    told = f"{name} is served again." if is_served else f"{name} is switched off: nobody can ask for it."
    return _act(lambda who: _changes().serve(name, is_served, who), told, "models.model", name=name)


def reset(name: str) -> ResponseReturnValue:
    told = f"{name} is removed." if _changes().is_added(name) else f"{name} is again what the files say."
    return _act(lambda who: _changes().reset(name, who), told, "models.models")


def order(name: str) -> ResponseReturnValue:
    told = f"The tier {name} has the order of the files again."
    return _act(lambda who: _changes().forget_order(name, who), told, "models.models", _anchor=name)


def _act(act: Callable[[str], None], told: str, endpoint: str, **values: Any) -> ResponseReturnValue:
    try:
        act(guard.who().email)
    except CatalogError as error:
        return guard.failed(f"Nothing was changed: {error}", "models.models")
    return guard.done(f"{told} {SOON}", endpoint, **values)


def create() -> ResponseReturnValue:
    form, providers = NewModelForm(data=DEFAULTS), here().gateway.catalog.providers
    form.provider.choices = [(p.name, p.name) for p in providers.values() if p.available]
    if form.validate_on_submit():
        today = {"as_of": datetime.datetime.now(datetime.UTC).date().isoformat()}
        try:
            _changes().add(form.name.data, form.fields() | today, guard.who().email)
        except CatalogError as error:
            form.form_errors.append(f"Nothing was added: {error}")
        else:
            return guard.done(f"{form.name.data} is served. {SOON}", "models.model", name=form.name.data)
    shown = render_template("models_new.html", form=form, abilities=ABILITIES, has_provider=form.provider.choices)
    return shown, 422 if form.errors else 200


def changes() -> ResponseReturnValue:
    shelf = _shelf()
    kept = _changes()
    listed = [(change, model_rows.changed_words(change.fields)) for change in reversed(kept.changes)]
    return render_template(
        "models_changes.html",
        listed=listed,
        added={change.model for change in kept.changes if kept.is_added(change.model)},
        known=shelf.everything.models,
    )


# ---- the dry run


def explained() -> ResponseReturnValue:
    form, found, assumed = ExplainForm(), None, False
    shelf = _shelf()
    if form.validate_on_submit():
        catalog, assumed = configured.routable(shelf.served)
        wish = Wish(form.prompt.data, form.model.data, form.tools.data, form.schema.data, form.image.data)
        at = here().gateway
        quality = at.settings.routing_quality
        found = explain(wish, catalog, shelf.cooling.keys(), shelf.today, at.learned, quality)
    return render_template(
        "models_explain.html", form=form, found=found, assumed=assumed, **_common(shelf)
    ), 422 if form.errors else 200
