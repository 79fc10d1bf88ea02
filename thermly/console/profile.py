"""Your sign-in: name, password, where you are signed in, and who else is in your account.

Knows: the forms. Must not know: how passwords and sessions are checked.
"""

import re

from flask import Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

from thermly import clock
from thermly.access.people import LEAST_CHARS, CannotSignIn, WeakPassword
from thermly.console import guard, sessions
from thermly.console.at import here
from thermly.console.fields import a_name, tidy
from thermly.store import people

# What a browser's own words mean; the first that fits, since each pretends to be those below it.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox|FxiOS", "Firefox"),
    ("Chrome|CriOS", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
    ("python-requests", "a Python program"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


class NameForm(FlaskForm):  # type: ignore[misc]
    name = StringField(
        "Name",
        [Length(max=200), a_name],
        [tidy],
        description="As the pages call you. May be empty.",
        render_kw={"autocomplete": "name"},
    )


class PasswordForm(FlaskForm):  # type: ignore[misc]
    old = PasswordField(
        "Present password", [InputRequired(), Length(max=256)], render_kw={"autocomplete": "current-password"}
    )
    new = PasswordField(
        "New password",
        [InputRequired(), Length(max=256)],
        description=f"At least {LEAST_CHARS} characters. Every other session ends with the old one.",
        render_kw={"autocomplete": "new-password"},
    )


def register(app: Flask) -> None:
    guard.page(app, "/profile", profile, "member", ("GET", "POST"))
    guard.page(app, "/profile/password", password, "member", ("POST",))
    guard.page(app, "/profile/end-session", end_session, "member", ("POST",))
    guard.page(app, "/profile/end-others", end_others, "member", ("POST",))


def profile() -> ResponseReturnValue:
    me = guard.who()
    form = NameForm(name=me.name)
    if form.validate_on_submit():
        with here().database.each() as tx:
            people.rename(tx, me.id, form.name.data)
        return guard.done("Your name is changed.", "profile.profile")
    return _page(form, PasswordForm(formdata=None))


def password() -> ResponseReturnValue:
    me, form = guard.who(), PasswordForm()
    if not form.validate_on_submit():
        return _page(NameForm(formdata=None, name=me.name), form)
    try:
        token = here().people.change_password(
            me, form.old.data, form.new.data, sessions.address(), sessions.agent()
        )
    except CannotSignIn as error:
        form.old.errors = [str(error)]
    except WeakPassword as error:
        form.new.errors = [str(error)]
    else:
        guard.sign_in(token)
        return guard.done("Your password is changed, and every other session has ended.", "profile.profile")
    return _page(NameForm(formdata=None, name=me.name), form)


def _page(name: NameForm, password: PasswordForm) -> ResponseReturnValue:
    me = guard.who()
    with here().database.each() as tx:
        mine = people.sessions(tx, me.id, clock.now_ms())
        team = [p for p in people.listed(tx, me.account_id) if p.disabled_at_ms is None]
    page = render_template(
        "profile.html",
        name_form=name,
        password_form=password,
        sessions=mine,
        this=people.digest(guard.token()),
        team=team,
        browser=browser,
    )
    return page, 422 if name.errors or password.errors else 200


def end_session() -> ResponseReturnValue:
    wanted = request.form.get("session", "")
    if wanted == people.digest(guard.token()):
        guard.sign_out()
        return redirect(url_for("sessions.sign_in"), 303)
    with here().database.each() as tx:
        ended = people.end(tx, wanted, guard.who().id)
    if not ended:
        return guard.failed("That session had ended before.", "profile.profile")
    return guard.done("The session is ended.", "profile.profile")


def end_others() -> ResponseReturnValue:
    with here().database.each() as tx:
        people.end_all(tx, guard.who().id, people.digest(guard.token()))
    return guard.done("You are signed in here and nowhere else.", "profile.profile")


def browser(agent: str) -> str:
    """A browser's own words, in a few that people know."""
    name = next((words for sign, words in BROWSERS if re.search(sign, agent)), "a browser")
    system = next((words for sign, words in SYSTEMS if sign in agent), "")
    return f"{name} on {system}" if system else name
