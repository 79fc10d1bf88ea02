"""Signing in and out, and choosing a password by a link.

Knows: the forms. Must not know: how passwords are checked.
"""

from flask import Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

from thermly.access.people import LEAST_CHARS, CannotSignIn, TooManyAttempts, WeakPassword
from thermly.console import guard
from thermly.console.at import here

NEVER = ("\\", "..")
USED = "This link was used, or it is too old. Ask for another."


class SignInForm(FlaskForm):  # type: ignore[misc]
    email = StringField("E-mail", [InputRequired(), Length(max=200)], render_kw={"autocomplete": "username"})
    password = PasswordField(
        "Password", [InputRequired(), Length(max=256)], render_kw={"autocomplete": "current-password"}
    )


class ChooseForm(FlaskForm):  # type: ignore[misc]
    password = PasswordField(
        "New password",
        [InputRequired(), Length(max=256)],
        description=f"At least {LEAST_CHARS} characters.",
        render_kw={"autocomplete": "new-password"},
    )


def register(app: Flask) -> None:
    guard.page(app, "/sign-in", sign_in, "anyone", ("GET", "POST"))
    guard.page(app, "/sign-out", sign_out, "member", ("POST",))
    guard.page(app, "/invitation/<token>", invitation, "anyone", ("GET", "POST"))


def sign_in() -> ResponseReturnValue:
    form, status = SignInForm(), 200
    if form.validate_on_submit():
        try:
            token = here().people.sign_in(form.email.data.strip(), form.password.data, address(), agent())
        except CannotSignIn as error:
            form.form_errors.append(str(error))
            status = 429 if isinstance(error, TooManyAttempts) else 403
        else:
            guard.sign_in(token)
            return redirect(wanted(request.args.get("next", "")), 303)
    return render_template("sign_in.html", form=form), status


def sign_out() -> ResponseReturnValue:
    guard.sign_out()
    return redirect(url_for("sessions.sign_in"), 303)


def invitation(token: str) -> ResponseReturnValue:
    form, status = ChooseForm(), 200
    if not here().people.invites(token):
        return guard.failed(USED, "sessions.sign_in")
    if form.validate_on_submit():
        try:
            session_token = here().people.accept(token, form.password.data, agent())
        except (WeakPassword, TooManyAttempts) as error:
            form.password.errors = [*form.password.errors, str(error)]
            status = 429 if isinstance(error, TooManyAttempts) else 422
        else:
            if session_token is None:
                return guard.failed(USED, "sessions.sign_in")
            guard.sign_in(session_token)
            return guard.done("Your password is set. You are signed in.", "overview.overview")
    return render_template("invitation.html", form=form), status


def agent() -> str:
    return request.headers.get("User-Agent", "")


def address() -> str:
    return request.remote_addr or ""


def wanted(path: str) -> str:
    """Where they wanted to go, if that is a page here."""
    plain = path.isprintable() and not any(sign in path for sign in NEVER)
    if plain and path.startswith("/") and not path.startswith("//"):
        return request.script_root + path
    return url_for("overview.overview")
