"""The people of an account, and each one's own page: add, change, disable, sign out, make a link. For admins.

Knows: the forms, and what somebody may not do to themselves. Must not know: how people prove who they are.
"""

from flask import Flask, abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField, ValidationError
from wtforms.validators import DataRequired, Length

from thermly import clock
from thermly.access.people import INVITATION_S, MOST_EMAIL_CHARS, is_email, link
from thermly.console import guard
from thermly.console.accounts import found_or_404
from thermly.console.at import here
from thermly.console.fields import a_name, tidy
from thermly.store import people
from thermly.store.people import Person

UNTYPED = {"autocomplete": "off"}
ROLES = (
    ("member", "Member: sees and uses this account"),
    ("admin", "Admin: sees every account, and may change everything"),
)
LAST_ADMIN = "Nobody else could administer then. Make another admin first."


class PersonForm(FlaskForm):  # type: ignore[misc]
    """`before` is the person that is changed; None for a new one."""

    name = StringField(
        "Name",
        [Length(max=200), a_name],
        [tidy],
        description="As the pages call them. May be empty.",
        render_kw=UNTYPED,
    )
    role = SelectField("Role", choices=ROLES)
    before: Person | None = None

    def validate_role(self, field: SelectField) -> None:
        if self.before and self.before.id == guard.who().id and field.data != self.before.role:
            raise ValidationError("Nobody takes their own role away. Another admin can.")


class NewPersonForm(PersonForm):
    email = StringField(
        "E-mail",
        [DataRequired(), Length(max=MOST_EMAIL_CHARS)],
        [tidy],
        description="What they sign in with.",
        render_kw={**UNTYPED, "type": "email"},
    )

    def validate_email(self, field: StringField) -> None:
        if not is_email(field.data):
            raise ValidationError("This is no e-mail address.")


def register(app: Flask) -> None:
    """They stand under Accounts in the menu."""
    both, post = ("GET", "POST"), ("POST",)
    guard.page(app, "/accounts/<account_id>/people/new", add, "admin", both, "accounts.add_person")
    guard.page(app, "/people/<person_id>", person, "admin", both, "accounts.person")
    guard.page(app, "/people/<person_id>/link", make_link, "admin", post, "accounts.make_link")
    guard.page(app, "/people/<person_id>/disable", disable, "admin", post, "accounts.disable_person")
    guard.page(app, "/people/<person_id>/enable", enable, "admin", post, "accounts.enable_person")
    guard.page(app, "/people/<person_id>/untie", untie, "admin", post, "accounts.untie_person")
    guard.page(app, "/people/<person_id>/sign-out", sign_out, "admin", post, "accounts.sign_out_person")


def add(account_id: str) -> ResponseReturnValue:
    account, form = found_or_404(account_id), NewPersonForm(role="member")
    if form.validate_on_submit():
        with here().database.begin() as tx:
            made = people.create(tx, form.email.data, form.name.data, form.role.data, account.id, clock.now_ms())
            found = people.find(tx, made) if made else None
        if found:
            return _link(found, is_new=True)
        form.email.errors = ["There is somebody with this address already."]
    return render_template("accounts_person_new.html", form=form, account=account), 422 if form.errors else 200


def person(person_id: str) -> ResponseReturnValue:
    found = _found(person_id)
    form = PersonForm(name=found.name, role=found.role)
    form.before = found
    if form.validate_on_submit():
        with here().database.begin() as tx:
            changed = people.change(tx, found.id, form.name.data, form.role.data)
        if changed:
            return guard.done("The changes are saved.", "accounts.person", person_id=found.id)
        form.role.errors = [LAST_ADMIN]
    with here().database.each() as tx:
        sessions = people.sessions(tx, found.id, clock.now_ms())
    page = render_template(
        "accounts_person.html", person=found, form=form, sessions=sessions, is_me=found.id == guard.who().id
    )
    return page, 422 if form.errors else 200


def make_link(person_id: str) -> ResponseReturnValue:
    return _link(_found(person_id), is_new=False)


def _link(found: Person, is_new: bool) -> ResponseReturnValue:
    """The page that has the link, this once."""
    at = here()
    base = at.gateway.settings.public_url or request.host_url
    return render_template(
        "accounts_link.html",
        person=found,
        is_new=is_new,
        link=link(base, at.people.invite(found.id)),
        days=INVITATION_S // 86_400,
    )


def disable(person_id: str) -> ResponseReturnValue:
    found = _found(person_id)
    if found.id == guard.who().id:
        return guard.failed(
            "You cannot disable yourself. Another admin can.", "accounts.person", person_id=found.id
        )
    with here().database.begin() as tx:
        done = people.disable(tx, found.id, clock.now_ms())
    if not done:
        return guard.failed(LAST_ADMIN, "accounts.person", person_id=found.id)
    text = f"{found.email} is disabled and signed out everywhere. The account's keys go on working."
    return guard.done(text, "accounts.person", person_id=found.id)


def enable(person_id: str) -> ResponseReturnValue:
    found = _found(person_id)
    with here().database.begin() as tx:
        people.disable(tx, found.id, None)
    return guard.done(f"{found.email} may sign in again.", "accounts.person", person_id=found.id)


def sign_out(person_id: str) -> ResponseReturnValue:
    """Everywhere; of oneself everywhere else."""
    found = _found(person_id)
    with here().database.each() as tx:
        ended = people.end_all(tx, found.id, people.digest(guard.token()))
    text = f"{ended} {'session is' if ended == 1 else 'sessions are'} ended."
    return guard.done(text, "accounts.person", person_id=found.id)


def untie(person_id: str) -> ResponseReturnValue:
    found = _found(person_id)
    with here().database.begin() as tx:
        done = people.untie(tx, found.id, people.digest(guard.token()))
    if not done:
        return guard.failed("They were not tied to anybody.", "accounts.person", person_id=found.id)
    text = f"{found.email} is untied and signed out. Their next sign-in through the provider ties them anew."
    return guard.done(text, "accounts.person", person_id=found.id)


def _found(person_id: str) -> Person:
    with here().database.each() as tx:
        found = people.find(tx, person_id)
    if found is None:
        abort(404)
    return found
