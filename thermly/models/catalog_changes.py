"""What admins change in the catalogue while it is served, and how every process comes to see it.

Knows: what a change may be, what it lies over, when to look for new ones. Must not know: who may change, the pages.
A change that would make the catalogue contradict itself is refused. One that was kept and does so now, since the
files under it are others, is left out with a warning: it never keeps a process from serving.
"""

import datetime
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Struct

from thermly import clock
from thermly.catalog import TIERS, Catalog, CatalogError, Model
from thermly.models import configured
from thermly.settings import Settings
from thermly.store import catalog_changes as store
from thermly.store.db import Database

log = logging.getLogger("thermly.catalog")

LOOK_S = 0.9
Fields = dict[str, Any]
_read: Callable[[str], Fields | bool] = msgspec.json.Decoder(Fields | bool).decode


class Change(Struct, frozen=True):
    """`fields` as they lie over the model's row; `refused` is why they do not."""

    model: str
    fields: Fields
    changed_by: str
    changed_at_ms: int
    refused: str = ""


class CatalogChanges:
    """The catalogue that this process serves by. `catalog` is replaced, and never changed."""

    def __init__(self, settings: Settings, database: Database, environ: Mapping[str, str] = os.environ) -> None:
        self.sources = configured.sources(settings, environ)
        self._database = database
        self._looking = threading.Lock()
        self._version, self._looked_at = -1, 0.0
        self.catalog = self.sources.catalog()
        self.changes: tuple[Change, ...] = ()
        self._look()

    def seen(self, now: bool = False) -> Catalog:
        """With what has changed until a second ago, or until `now`."""
        if (now or time.monotonic() - self._looked_at > LOOK_S) and self._looking.acquire(blocking=now):
            try:
                self._look()
            except sqlite3.Error:
                log.exception("the catalogue's changes could not be read")
            finally:
                self._looking.release()
        return self.catalog

    def everything(self) -> Catalog:
        """The catalogue with those models too that are not served."""
        shown = {c.model: _without_mark(c.fields) for c in self.changes if not c.refused}
        return self.sources.forgiving({model: fields for model, fields in shown.items() if fields})[0]

    def row(self, model: str) -> Fields:
        """The files' row of a model of `everything`, with what was changed over it."""
        over = {c.model: _without_mark(c.fields) for c in self.changes if c.model == model and not c.refused}
        found: Fields = configured.changed(self.sources.rows, over)["models"][model]
        return found

    def is_added(self, model: str) -> bool:
        """Whether no file has it."""
        return model not in self.sources.rows["models"]

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        with self._database.each() as tx:
            version = store.version(tx)
            if version == self._version:
                return
            rows = store.everything(tx)
        self.catalog, self.changes = _understood(self.sources, rows)
        self._version = version
        for change in self.changes:
            if change.refused:
                log.warning("what was changed of the model %s is left out: %s", change.model, change.refused)

    # ---- acts; each raises CatalogError, and then nothing has changed

    def move(self, model: str, up: bool, by: str) -> None:
        """One place up or down in its tier; nothing where there is none."""

        def revise(now: "_Now") -> dict[str, Fields]:
            tier = now.model(model).tier
            names = [m.id for m in now.catalog.tiers.get(tier or "", ())]
            if model not in names:
                raise CatalogError(f"model {model!r} is in no tier that is served")
            at = names.index(model)
            to = at - 1 if up else at + 1
            if not 0 <= to < len(names):
                return {}
            names[at], names[to] = names[to], names[at]
            ordered = [i for i, name in enumerate(names) if now.model(name).order]
            last = max(at, to, *ordered)
            return {name: now.fields(name) | {"order": i} for i, name in enumerate(names[: last + 1], 1)}

        self._change(revise, by)

    def put_in_tier(self, model: str, tier: str | None, by: str) -> None:
        """At its end, or where the files have it; None: in no tier."""

        def revise(now: "_Now") -> dict[str, Fields]:
            if now.model(model).tier == tier:
                return {}
            moved = {model: now.fields(model) | {"tier": tier, "order": None}}
            if self.sources.rows["models"].get(model, {}).get("tier") == tier:
                return moved
            names = [m.id for m in now.catalog.tiers.get(tier or "", ())]
            moved[model]["order"] = len(names) + 1 if names else None
            return moved | {name: now.fields(name) | {"order": i} for i, name in enumerate(names, 1)}

        self._change(revise, by)

    def forget_order(self, tier: str, by: str) -> None:
        """Back to the order of the files."""
        if tier not in TIERS:
            raise CatalogError(f"tier must be one of {', '.join(TIERS)}")
        self._change(lambda now: {m.id: now.fields(m.id) | {"order": None} for m in now.everything.tiers[tier]}, by)

    def set_prices(self, model: str, prices: Fields, by: str) -> None:
        """`prices` are fields of its row, read today."""
        today = {"as_of": datetime.datetime.now(datetime.UTC).date().isoformat()}
        self._change(lambda now: {now.model(model).id: now.fields(model) | prices | today}, by)

    def serve(self, model: str, is_served: bool, by: str) -> None:
        mark = {"served": None if is_served else False}
        self._change(lambda now: {now.model(model).id: now.fields(model) | mark}, by)

    def add(self, model: str, fields: Fields, by: str) -> None:
        def revise(now: "_Now") -> dict[str, Fields]:
            if model in now.everything.models or model in now.stored:
                raise CatalogError(f"there is a model {model!r} already")
            return {model: fields}

        self._change(revise, by)

    def reset(self, model: str, by: str) -> None:
        """To the files' row. Its place in the tier is let go last: when nothing else was changed. A model that no
        file has is gone."""

        def revise(now: "_Now") -> dict[str, Fields]:
            if model not in now.stored:
                raise CatalogError(f"nothing was changed of a model {model!r}")
            fields = now.fields(model)
            keeps_place = "order" in fields and len(fields) > 1 and "tier" not in fields
            if not keeps_place or self.is_added(model):
                return {model: {}}
            return {model: {"order": fields["order"]}}

        self._change(revise, by)

    def _change(self, revise: Callable[["_Now"], dict[str, Fields]], by: str) -> None:
        """Read, revise, check and write, with nobody else writing."""
        with self._database.begin() as tx:
            now = _Now(self.sources, store.everything(tx))
            revised = {
                model: fields
                for model, wanted in revise(now).items()
                if (fields := self._differing(model, wanted)) != now.fields(model) or model in now.refused
            }
            self._check(now, revised)
            for model, fields in revised.items():
                if fields:
                    store.put(tx, model, _written(fields), by, clock.now_ms())
                else:
                    store.remove(tx, model)
        for model, fields in revised.items():
            log.info("%s changed the model %s: %s", by, model, _written(fields))
        self.seen(now=True)

    def _check(self, now: "_Now", revised: dict[str, Fields]) -> None:
        """As it will be served, and as it would be if none of them were switched off."""
        for fields_of in (dict, _without_mark):
            over = now.accepted | {model: fields_of(fields) for model, fields in revised.items()}
            self.sources.catalog({model: fields for model, fields in over.items() if fields})

    def _differing(self, model: str, fields: Fields) -> Fields:
        """Without what the files say anyway."""
        row = self.sources.rows["models"].get(model, {})
        return {k: v for k, v in fields.items() if _canonical(v) != _canonical(row.get(k))}


class _Now:
    """The changes as a transaction finds them."""

    def __init__(self, sources: configured.Sources, rows: list[store.Change]) -> None:
        self.catalog, found = _understood(sources, rows)
        self.stored = {change.model for change in found}
        self.refused = {change.model for change in found if change.refused}
        self.accepted = {c.model: c.fields for c in found if not c.refused}
        unmarked = {m: shown for m, fields in self.accepted.items() if (shown := _without_mark(fields))}
        self.everything = sources.forgiving(unmarked)[0]

    def model(self, name: str) -> Model:
        found = self.everything.models.get(name)
        if found is None:
            raise CatalogError(f"there is no model {name!r}")
        return found

    def fields(self, name: str) -> Fields:
        return self.accepted.get(name, {})


def _understood(sources: configured.Sources, rows: list[store.Change]) -> tuple[Catalog, tuple[Change, ...]]:
    """The catalogue with the stored changes, and each of them with what speaks against it."""
    read = {row.model: _fields(row.fields) for row in rows}
    readable = {model: fields for model, fields in read.items() if fields is not None}
    catalog, refused = sources.forgiving(readable)
    return catalog, tuple(
        Change(
            row.model,
            read[row.model] or {},
            row.changed_by,
            row.changed_at_ms,
            refused.get(row.model, "") if row.model in readable else "its fields are no JSON object",
        )
        for row in rows
    )


def _fields(text: str) -> Fields | None:
    try:
        found = _read(text)
    except (msgspec.DecodeError, UnicodeError):
        return None
    if isinstance(found, bool):
        return None if found else {"served": False}
    return found


def _written(fields: Fields) -> str:
    return "false" if fields == {"served": False} else msgspec.json.encode(fields).decode()


def _without_mark(fields: Mapping[str, Any]) -> Fields:
    return {field: value for field, value in fields.items() if field != "served"}


def _canonical(value: Any) -> Any:
    """The same for what means the same: 0.10, Decimal("0.1") and "0.1"."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, Mapping):
        return {key: _canonical(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(v) for v in value]
    try:
        return Decimal(str(value)).normalize()
    except InvalidOperation:
        return str(value)
