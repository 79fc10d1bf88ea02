"""Who may see a page, and what browsers may do with it.

Knows: roles, sessions, form tokens, headers. Must not know: what the pages show.
Each page says who may see it when it is registered (`page`); one that did not is refused to everybody, and a test
goes through all of them with every role.
"""

import secrets
from collections.abc import Callable
from typing import Any, Literal

import flask_login
from flask import (
    Flask,
    Response,
    abort,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException

from thermly.console.at import here
from thermly.store.people import Person

Access = Literal["anyone", "member", "admin"]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'self' https://checkout.stripe.com; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


MENU: tuple[tuple[str, str, Access], ...] = (
    ("overview.overview", "Overview", "member"),
    ("keys.keys", "API keys", "member"),
    ("billing.billing", "Billing", "member"),
    ("log.log", "Usage log", "member"),
    ("models.models", "Models & routing", "member"),
    ("playground.playground", "Playground", "member"),
    ("profile.profile", "Your sign-in", "member"),
    ("accounts.accounts", "Accounts", "admin"),
    ("settings.settings", "Settings & health", "admin"),
)
"""The pages that stand in the menu: endpoint, words, who sees it."""


def menu() -> list[tuple[str, str, Access]]:
    return [row for row in MENU if row[0] in current_app.config["ACCESS"]]


class Someone(flask_login.UserMixin):  # type: ignore[misc]
    """A person with the session through which it came; the session's token is what Flask-Login keeps."""

    def __init__(self, person: Person, token: str) -> None:
        self.person, self.token = person, token

    def get_id(self) -> str:
        return self.token


def page(
    app: Flask,
    rule: str,
    view: Callable[..., ResponseReturnValue],
    access: Access = "member",
    methods: tuple[str, ...] = ("GET",),
    endpoint: str | None = None,
) -> None:
    """A page under the console, and who may see it."""
    name = endpoint or f"{view.__module__.rpartition('.')[2]}.{view.__name__}"
    app.add_url_rule(rule, name, view, methods=list(methods))
    app.config.setdefault("ACCESS", {"static": "anyone"})[name] = access


def who() -> Person:
    """Who looks at the page. Only on pages that are not for anyone."""
    person: Person = flask_login.current_user.person
    return person


def token() -> str:
    """What opens the session of whoever looks at the page."""
    found: str = flask_login.current_user.token
    return found


def scope() -> str | None:
    """The account whose rows are shown: a member's own; for admins the one in ?account=, else None for all."""
    person = who()
    if not person.is_admin:
        return person.account_id
    return request.args.get("account") or None


def within(account_id: str | None) -> bool:
    """Whether the person may know of what belongs to this account."""
    person = who()
    return account_id is not None and (person.is_admin or person.account_id == account_id)


def sign_in(token: str) -> None:
    """From now on this browser is the session's. What it was before is gone, so no cookie can be planted."""
    person = here().people.of_session(token)
    if person is None:
        abort(403)
    session.clear()
    flask_login.login_user(Someone(person, token))


def sign_out() -> None:
    """The session is over, and what its forms were signed with."""
    here().people.sign_out(token())
    flask_login.logout_user()
    session.clear()


def register(app: Flask) -> None:
    app.config.update(
        WTF_CSRF_TIME_LIMIT=12 * 3600,
        # A proxy that passes on another Host would have every form refused for its Referer; the token says enough.
        WTF_CSRF_SSL_STRICT=False,
    )
    CSRFProtect(app)
    manager = flask_login.LoginManager(app)
    manager.session_protection = None  # the session is a row: revoking it is what ends it

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(token: str) -> Someone | None:
        person = here().people.of_session(token)
        return Someone(person, token) if person else None

    app.before_request(_admit)
    app.after_request(_finish)
    app.register_error_handler(CSRFError, _expired)
    app.register_error_handler(HTTPException, _refused)
    app.context_processor(lambda: {"me": g.get("me"), "menu": menu(), "has_pages": app.config["ACCESS"]})


def _admit() -> ResponseReturnValue | None:
    access = current_app.config["ACCESS"].get(request.endpoint)
    if request.endpoint is None and flask_login.current_user.is_authenticated:
        g.me = who()  # who has lost the way still has the menu
    if request.endpoint is None or access == "anyone":
        return None
    if not flask_login.current_user.is_authenticated:
        if request.method != "GET" or request.headers.get("X-Requested-With"):
            abort(401)
        return redirect(url_for("sessions.sign_in", next=request.full_path.rstrip("?")))
    g.me = who()
    if access == "member" or (access == "admin" and g.me.is_admin):
        return None
    abort(404)  # what is not theirs is not there


def _finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("x-request-id", "req_" + secrets.token_hex(8))
    return response


def _expired(error: CSRFError) -> ResponseReturnValue:
    """The form was open for too long, or the request comes from elsewhere. Nothing was done."""
    if request.headers.get("X-Requested-With"):
        return {"error": {"message": "This page is out of date: reload it.", "code": "csrf"}}, 400
    return render_template("refused.html", status=400, title="This form is out of date",
                           text="It was open for too long, or you have signed in again since. Nothing was changed: "
                                "go back, reload the page, and send it again."), 400  # fmt: skip


SENTENCES: dict[int, tuple[str, str]] = {
    400: ("That cannot be done", "The request was not complete."),
    401: ("You are signed out", "Your session has ended. Sign in again."),
    403: ("That is not allowed", "You may not do this."),
    404: ("Not found", "There is no such page, or it is not yours to see."),
    405: ("Not found", "There is no such page."),
    413: ("That is too much", "What you sent is larger than this server takes."),
}


def _refused(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if error.response is not None:
        return error.response
    title, text = SENTENCES.get(status, ("Something went wrong", "It was our fault, and it is in the log."))
    if request.headers.get("X-Requested-With"):
        return {"error": {"message": f"{title}. {text}", "code": str(status)}}, status
    return render_template("refused.html", status=status, title=title, text=text), status


def done(text: str, endpoint: str, **values: Any) -> ResponseReturnValue:
    """After a form that worked: say so on the page that follows."""
    flash(text, "ok")
    return redirect(url_for(endpoint, **values), 303)


def failed(text: str, endpoint: str, **values: Any) -> ResponseReturnValue:
    flash(text, "bad")
    return redirect(url_for(endpoint, **values), 303)
