"""The catalogue as this machine is configured: the admin's rows over the built-in ones, with the keys found.

Knows: where keys come from, how rows lie over one another. Must not know: what the catalogue is used for, where
changes are kept.
A change has the fields of a model's row. In it null takes a field away, and `served = false` the whole model.
"""

import os
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from thermly import catalog as catalogs
from thermly.catalog import Catalog, CatalogError
from thermly.settings import Settings, secret

SANDBOX_PATHS = {"openai_like": "/v1", "anthropic": "", "gemini": ""}
Changes = Mapping[str, Mapping[str, Any]]
"""By model."""


class Sources(Struct, frozen=True):
    """What the files say, and the keys and addresses that this process has found for providers."""

    rows: dict[str, Any]
    keys: dict[str, str | None]
    bases: dict[str, str]

    def catalog(self, changes: Changes | None = None) -> Catalog:
        """Raises CatalogError."""
        return catalogs.load(changed(self.rows, changes or {}), self.keys, self.bases)

    def forgiving(self, changes: Changes) -> tuple[Catalog, dict[str, str]]:
        """The catalogue with all changes that make sense, and why each of the others does not, by model.

        Raises CatalogError for what the files say.
        """
        try:
            return self.catalog(changes), {}
        except CatalogError:
            pass
        found, taken, refused = self.catalog(), dict[str, Mapping[str, Any]](), dict[str, str]()
        for model, fields in changes.items():
            try:
                found = self.catalog({**taken, model: fields})
            except CatalogError as error:
                refused[model] = str(error)
            else:
                taken[model] = fields
        return found, refused


def sources(settings: Settings, environ: Mapping[str, str] = os.environ) -> Sources:
    """Raises CatalogError, SettingsError."""
    rows = catalogs.merge(catalogs.builtin(), settings.catalog_rows)
    for name, row in rows["providers"].items():
        catalogs.check(f"provider {name!r}", row, catalogs.PROVIDER_FIELDS)
    if settings.sandbox_url:
        at = {
            n: f"{settings.sandbox_url}/{n}{SANDBOX_PATHS.get(r.get('kind'), '')}"
            for n, r in rows["providers"].items()
        }
        return Sources(rows, dict.fromkeys(at, "sandbox"), at)
    keys: dict[str, str | None] = {}
    bases: dict[str, str] = {}
    for name, row in rows["providers"].items():
        wanted = row.get("key_env", [])
        names = [wanted] if isinstance(wanted, str) else wanted
        found = next((value for n in names if (value := secret(environ, n))), None)
        if found is not None or not names:
            keys[name] = found
        if base := environ.get(row.get("base_url_env", "")):
            bases[name] = base
    return Sources(rows, keys, bases)


def catalog(settings: Settings, environ: Mapping[str, str] = os.environ) -> Catalog:
    """The catalogue of the files, with the keys that the environment has. Raises CatalogError, SettingsError."""
    return sources(settings, environ).catalog()


def changed(rows: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """The rows with the changes over them."""
    over = {name: _row(fields) for name, fields in changes.items()}
    out = catalogs.merge(rows, {"models": over})
    for name in over:
        if isinstance(row := out["models"].get(name), dict):
            out["models"][name] = {field: value for field, value in row.items() if value is not None}
    return out


def _row(fields: Mapping[str, Any]) -> dict[str, Any] | bool:
    return dict(fields) if fields.get("served", True) is not False else False


def routable(found: Catalog) -> tuple[Catalog, bool]:
    """The catalogue; with every provider assumed available where none is, so that routing can be looked at."""
    if any(p.available for p in found.providers.values()):
        return found, False
    assumed = {n: replace(p, available=True) for n, p in found.providers.items()}
    return replace(found, providers=assumed), True
