"""GET /metrics, for Prometheus. Whoever has the token of the settings may read it; without one, this machine.

Knows: who asks. Must not know: which numbers there are.
"""

import hmac
import ipaddress
from urllib.parse import urlsplit

from flask import Flask, Response, request

from thermly.errors import PermissionDenied
from thermly.gateway import Gateway
from thermly.metrics import CONTENT_TYPE, Watch
from thermly.settings import Settings
from thermly.web import callers

# What proxies say of themselves: to one on this machine everybody is at home.
FORWARDED = ("Forwarded", "Via", "X-Real-IP", *(f"X-Forwarded-{what}" for what in ("For", "Host", "Proto")))


def register(app: Flask, gateway: Gateway) -> None:
    settings = gateway.settings
    watch = Watch(settings.database, settings.redis_url)

    @app.get("/metrics")
    def metrics() -> Response:
        _admit(settings)
        return Response(watch.text(), 200, [("Cache-Control", "no-store")], content_type=CONTENT_TYPE)


def _admit(settings: Settings) -> None:
    """Raises PermissionDenied."""
    if settings.metrics_token:
        told = callers.find_key(request.headers, ("Authorization",)) or ""
        if not hmac.compare_digest(told.encode(), settings.metrics_token.encode()):
            raise PermissionDenied("Send THERMLY_METRICS_TOKEN in the Authorization header: Bearer …")
    elif settings.public_url or not _is_at_home():
        raise PermissionDenied("Set THERMLY_METRICS_TOKEN to read the metrics from here.")


def _is_at_home() -> bool:
    """Whether this machine asks for itself, and nobody through a proxy or a page in its browser."""
    return (
        _is_loopback(request.remote_addr or "")
        and _names_loopback(request.host)
        and not any(name in request.headers for name in FORWARDED)
    )


def _names_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback
