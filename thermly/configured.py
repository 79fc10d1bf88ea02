"""The catalogue as this machine is configured: the admin's rows over the built-in ones, with the keys found.

Knows: where keys come from. Must not know: what the catalogue is used for.
"""

import os
from collections.abc import Mapping

from thermly import catalog as catalogs
from thermly.catalog import Catalog
from thermly.settings import Settings, secret

SANDBOX_PATHS = {"openai_like": "/v1", "anthropic": "", "gemini": ""}


def catalog(settings: Settings, environ: Mapping[str, str] = os.environ) -> Catalog:
    """The catalogue with the keys that the environment has. Raises CatalogError, SettingsError."""
    rows = catalogs.merge(catalogs.builtin(), settings.catalog_rows)
    for name, row in rows["providers"].items():
        catalogs.check(f"provider {name!r}", row, catalogs.PROVIDER_FIELDS)
    if settings.sandbox_url:
        at = {
            n: f"{settings.sandbox_url}/{n}{SANDBOX_PATHS.get(r.get('kind'), '')}"
            for n, r in rows["providers"].items()
        }
        return catalogs.load(rows, dict.fromkeys(at, "sandbox"), at)
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
    return catalogs.load(rows, keys, bases)
