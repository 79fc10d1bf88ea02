"""Signing in through an OpenID provider, where one is set up.

Knows: the browser's way there and back. Must not know: OpenID Connect, who is let in.
What the way back needs is in the cookie, and is used once.
"""

import msgspec
from flask import Flask, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from thermly.access.oidc import Attempt, Provider, Refused, is_offered, let_in
from thermly.access.people import CannotSignIn, TooManyAttempts
from thermly.console import guard, sessions
from thermly.console.at import here

KEY = "oidc"


def register(app: Flask) -> None:
    settings = app.extensions["thermly"].gateway.settings
    if not is_offered(settings):
        return
    app.extensions[KEY] = Provider(settings)
    app.add_template_global(app.extensions[KEY].name, "oidc_name")
    guard.page(app, "/sign-in/openid", begin, "anyone")
    guard.page(app, "/sign-in/openid/back", back, "anyone")


def begin() -> ResponseReturnValue:
    try:
        here().people.knock(sessions.address())
        address, attempt = _provider().begin(_back(), request.args.get("next", ""))
    except (Refused, CannotSignIn) as error:
        return _refused(error)
    session[KEY] = msgspec.to_builtins(attempt)
    return redirect(address, 303)


def back() -> ResponseReturnValue:
    kept = session.pop(KEY, None)
    attempt = msgspec.convert(kept, Attempt) if kept else None
    at = here()
    try:
        at.people.knock(sessions.address())
        identity = _provider().finish(attempt, _back(), request.args)
        person = let_in(at.database, at.gateway.settings, identity)
    except (Refused, CannotSignIn) as error:
        return _refused(error)
    guard.sign_in(at.people.welcome(person, sessions.agent()))
    return redirect(sessions.wanted(attempt.next if attempt else ""), 303)


def _provider() -> Provider:
    found: Provider = current_app.extensions[KEY]
    return found


def _back() -> str:
    """The address that is registered at the provider."""
    public = here().gateway.settings.public_url.rstrip("/")
    return (public or request.host_url.rstrip("/")) + url_for("oidc.back")


def _refused(error: Exception) -> ResponseReturnValue:
    form = sessions.SignInForm(formdata=None)
    form.form_errors.append(str(error))
    return render_template("sign_in.html", form=form), 429 if isinstance(error, TooManyAttempts) else 403
