"""The playground: the API asked from the browser, with a key of the account's own, in the same process.

Knows: which paths may be asked, and what of a browser's request goes along. Must not know: what is asked or
answered; the page's scripts read and show it.
"""

import io
from typing import Any, cast

from flask import Flask, Response, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from thermly import clock
from thermly.console import guard
from thermly.console.at import here
from thermly.console.words import money
from thermly.keeping import grounds
from thermly.store import accounts, keys, usage_log

TABS = {"chat": "Chat", "images": "Images", "embeddings": "Embeddings", "interfaces": "Generated UI"}
KINDS = {"chat": "chat", "images": "image", "embeddings": "embedding", "interfaces": "chat"}
PATHS = frozenset(
    (
        "v1/chat/completions",
        "v1/embeddings",
        "v1/images/generations",
        "v1/embed/chat/completions",
    )
)
PASSED_ON = (
    *("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "REMOTE_ADDR", "HTTP_HOST", "HTTP_X_NO_CACHE"),
    *("wsgi.version", "wsgi.url_scheme", "wsgi.errors", "wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"),
)
"""All that the API sees of the browser's request. Cookies stay here."""
SMART = ("auto", "fast", "balanced", "best")
Model = dict[str, Any]


def register(app: Flask) -> None:
    guard.page(app, "/playground", playground)
    guard.page(app, "/playground/api/<path:path>", ask, "member", ("POST",))
    guard.page(app, "/playground/runs/<request_id>", run)
    guard.page(app, "/playground/key", new_key, "member", ("POST",))


def playground() -> ResponseReturnValue:
    tab = request.args.get("tab", "chat")
    if tab not in TABS:
        abort(404)
    with here().database.each() as tx:
        account = accounts.by_id(tx, guard.who().account_id)
    _, revoked = _key()
    models, problem = _models("v1/embed/models" if tab == "interfaces" else "v1/models")
    found = [m for m in models if m["kind"] == KINDS[tab] and m["id"].startswith("c1/") == (tab == "interfaces")]
    return render_template(
        "playground.html",
        tab=tab,
        tabs=TABS,
        account=account,
        problem=problem,
        revoked=revoked,
        groups=by_version(found) if tab == "interfaces" else by_maker(found),
        wanted=request.args.get("model", ""),
        base=here().gateway.settings.public_url.rstrip("/") or request.host_url.rstrip("/"),
    )


def new_key() -> ResponseReturnValue:
    """In place of one that was revoked, and stays so."""
    _key(again=True)
    return guard.done("The playground has a new key.", "playground.playground")


def ask(path: str) -> ResponseReturnValue:
    """The API's own answer, piece by piece as it comes; a browser that leaves ends it."""
    if path not in PATHS:
        abort(404)
    if request.mimetype != "application/json":
        abort(400)
    return _asked("POST", path, request.get_data(cache=False))


def run(request_id: str) -> ResponseReturnValue:
    """What a request has cost and why it went where it went; 202 and nothing until it is in the books."""
    database, account_id = here().database, guard.who().account_id
    found = usage_log.find(database, request_id, account_id)
    with database.each() as tx:
        account = accounts.by_id(tx, account_id)
        why = grounds.read(usage_log.grounds(tx, found.seq)) if found else grounds.Grounds()
    if found is None or account is None:
        return {}, 202
    return {
        "cost": _text(found.cost_nanousd),
        "saved": _text(found.saved_nanousd) if found.saved_nanousd > 0 else None,
        "balance": _text(account.available_nanousd),
        "model": found.model,
        "estimated": bool(found.estimated),
        "reasons": why.reasons,
        "log": url_for("log.one", request_id=request_id),
    }


def _models(path: str) -> tuple[list[Model], str]:
    """What the account's playground may ask for, or why nothing may be asked."""
    response = _asked("GET", path)
    told = response.get_json()
    return (told["data"], "") if response.status_code == 200 else ([], told["error"]["message"])


def by_maker(models: list[Model]) -> dict[str, list[Model]]:
    """Smart names first, names that their vendors have retired last."""
    found: dict[str, list[Model]] = {}
    for model in sorted(models, key=lambda m: (m["id"] not in SMART, bool(m.get("retired_on")))):
        group = "Retired names" if model.get("retired_on") else str(model["owned_by"])
        found.setdefault("Chosen for each request" if model["id"] in SMART else group, []).append(model)
    return found


def by_version(models: list[Model]) -> dict[str, list[Model]]:
    """The newest first."""
    found: dict[str, list[Model]] = {}
    for model in sorted(models, key=lambda m: str(m["id"]).rpartition("/")[2], reverse=True):
        if not model.get("retired_on"):
            found.setdefault(str(model["id"]).rpartition("/")[2], []).append(model)
    return found


def _asked(method: str, path: str, body: bytes = b"") -> Response:
    environ = {name: request.environ[name] for name in PASSED_ON if name in request.environ}
    environ |= {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/{path}",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": f"Bearer {_key()[0]}",
        "wsgi.input": io.BytesIO(body),
    }
    return cast(Response, Response.from_app(here().api, environ))


def _key(again: bool = False) -> tuple[str, bool]:
    """And whether it was revoked: then the API refuses it, in the API's words."""
    with here().database.begin() as tx:
        now_ms = clock.now_ms()
        return keys.playground(tx, guard.who().account_id, here().secret, now_ms, again)


def _text(nanousd: int) -> str:
    return money(nanousd, 4).striptags()
