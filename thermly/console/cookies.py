"""The one cookie: signed, closed to script and to other sites, and sent over TLS only where TLS is spoken.

Knows: Flask's sessions. Must not know: what is in them.
"""

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface


class Cookies(SecureCookieSessionInterface):
    """Over TLS the cookie's name has the prefix with which browsers refuse one that a neighbour under the same
    domain, or somebody on the wire, has set."""

    def get_cookie_name(self, app: Flask) -> str:
        name: str = app.config["SESSION_COOKIE_NAME"]
        return f"__Host-{name}" if request.is_secure else name

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def register(app: Flask) -> None:
    app.config.update(
        SESSION_COOKIE_NAME="thermly",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.session_interface = Cookies()
