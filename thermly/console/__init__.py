"""The console: the pages that people look at, an application of its own under /console.

Knows: Flask, forms, the store. Must not know: providers, vendor JSON, SQL text. It shares nothing with the API's
application but what it is given, so that sessions and form tokens cost an API request nothing.
"""

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from thermly.console.at import At

if TYPE_CHECKING:
    from flask import Flask

MOUNT = "/console"
WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Mounted:
    """A WSGI application that sends the root and paths below `MOUNT` to the console, which is built when somebody
    first comes: most processes of a busy gateway never see one."""

    def __init__(self, api: WSGI, at: At) -> None:
        self._api, self._at = api, at
        self._console: Flask | None = None
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if path == "/":
            start_response("302 Found", [("Location", f"{MOUNT}/"), ("Content-Length", "0")])
            return ()
        if not path.startswith(MOUNT) or path[len(MOUNT) : len(MOUNT) + 1] not in ("", "/"):
            return self._api(environ, start_response)
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + MOUNT
        environ["PATH_INFO"] = path[len(MOUNT) :] or "/"
        return self.console(environ, start_response)

    @property
    def console(self) -> "Flask":
        with self._lock:
            if self._console is None:
                self._console = create(self._at)
        return self._console


def create(at: At) -> "Flask":
    """The console with all its pages."""
    from flask import Flask

    from thermly.console import (
        accounts,
        alerts,
        billing,
        codes,
        cookies,
        drawing,
        guard,
        keys,
        log,
        models,
        oidc,
        overview,
        payments,
        playground,
        profile,
        proxies,
        sessions,
        settings,
        team,
        words,
    )

    app = Flask("thermly.console", template_folder="templates", static_folder="static")
    app.config.update(
        SECRET_KEY=at.secret,
        MAX_CONTENT_LENGTH=at.gateway.settings.max_body_mib << 20,
    )
    app.extensions["thermly"] = at
    app.before_request(at.gateway.look)
    proxies.register(app)
    cookies.register(app)
    words.register(app)
    drawing.register(app)
    guard.register(app)
    sessions.register(app)
    oidc.register(app)
    overview.register(app)
    keys.register(app)
    log.register(app)
    billing.register(app)
    codes.register(app)
    payments.register(app)
    alerts.register(app)
    models.register(app)
    playground.register(app)
    profile.register(app)
    accounts.register(app)
    team.register(app)
    settings.register(app)
    return app
