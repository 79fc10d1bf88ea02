"""Who asks: the key in a request's headers -> Caller. Must not know: how keys are stored beyond `store.keys`."""

import time

from werkzeug.datastructures import Headers

from thermly.caller import Caller
from thermly.errors import PermissionDenied, Unauthenticated
from thermly.store import keys
from thermly.store.db import Database

MAX_KEY_CHARS = 256


def identify(headers: Headers, names: tuple[str, ...], database: Database, in_query: str | None = None) -> Caller:
    """`in_query`: the key that the URL carries, where the surface allows it.

    Raises Unauthenticated, or PermissionDenied for a disabled account.
    """
    key = find_key(headers, names) or in_query
    if not key:
        form = "Bearer sk-thermo-…" if names[0] == "Authorization" else "sk-thermo-…"
        raise Unauthenticated(f"Missing API key. Send it in the {names[0]} header: {form}", code="missing_api_key")
    if len(key) > MAX_KEY_CHARS:
        raise Unauthenticated("Invalid API key provided.")
    with database.each() as tx:
        found = keys.find(tx, key)
    if found is None:
        raise Unauthenticated("Invalid API key provided.")
    if found.revoked:
        raise Unauthenticated("This API key was revoked.")
    if found.expires_at_ms is not None and found.expires_at_ms <= time.time() * 1000:
        raise Unauthenticated("This API key has expired.")
    if found.disabled:
        raise PermissionDenied("API access is disabled for this account.", code="account_disabled")
    return found.caller


def find_key(headers: Headers, names: tuple[str, ...]) -> str | None:
    for name in names:
        value = headers.get(name)
        if value is None:
            continue
        if name != "Authorization":
            return value.strip()
        scheme, _, key = value.partition(" ")
        if scheme.lower() == "bearer":
            return key.strip()
    return None
