"""Proxies in front: whether they are believed, and whether there seems to be one that nobody has told of.

Knows: the headers of proxies. Must not know: what is asked through them.
"""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, request

from thermly.console.at import here

WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]


def behind(app: WSGI, proxies: int) -> WSGI:
    """Believe so many proxies who the visitor is and whether TLS is spoken. One too many would let visitors say it
    themselves, and so try as many passwords as they like."""
    if not proxies:
        return app
    from werkzeug.middleware.proxy_fix import ProxyFix

    return ProxyFix(app, x_for=proxies, x_proto=proxies, x_host=0)


def register(app: Flask) -> None:
    proxies = app.extensions["thermly"].gateway.settings.trusted_proxies
    app.wsgi_app = behind(app.wsgi_app, proxies)  # type: ignore[assignment,method-assign]
    if not proxies:
        app.before_request(_watch)


def _watch() -> None:
    if "X-Forwarded-For" in request.headers:
        here().seen_proxy = True
