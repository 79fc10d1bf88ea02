"""`thermly person …`: who signs in to the console. Works while the gateway serves."""

import secrets

import click

from thermly import clock
from thermly.access import naming
from thermly.access.people import INVITATION_S, People, hash_password, is_email, link
from thermly.amounts import utc
from thermly.cli.common import account, as_json, checked, database, out
from thermly.settings import read
from thermly.store import accounts, people
from thermly.store.db import Tx
from thermly.store.people import Person

ROLE = click.Choice(["admin", "member"])
FIRST_EMAIL = "admin@localhost"


@click.group("person")
def person_group() -> None:
    """People who sign in to the console."""


@person_group.command("create")
@click.argument("email")
@click.option("--account", "account_name", required=True, metavar="NAME")
@click.option("--name", default="", help="As the pages call them.")
@click.option("--role", type=ROLE, default="member", show_default=True)
def person_create(email: str, account_name: str, name: str, role: str) -> None:
    """Add somebody; the last line printed is a link with which they choose a password."""
    if not is_email(email):
        raise click.ClickException(f"{email!r} is no e-mail address.")
    checked(naming.check, name)
    store = database()
    with store.begin() as tx:
        person_id = people.create(tx, email, name[:200], role, account(tx, account_name).id, clock.now_ms())
    if person_id is None:
        raise click.ClickException(f"There is somebody with the address {email!r} already.")
    click.echo(_link(People(store).invite(person_id)))


@person_group.command("invite")
@click.argument("email")
def person_invite(email: str) -> None:
    """Print a link with which somebody chooses a new password."""
    store = database()
    with store.each() as tx:
        found = _person(tx, email)
    click.echo(f"good for {INVITATION_S // 86_400} days, once:", err=True)
    click.echo(_link(People(store).invite(found.id)))


@person_group.command("disable")
@click.argument("email")
def person_disable(email: str) -> None:
    """Sign them out everywhere, and refuse them from now on."""
    with database().begin() as tx:
        if not people.disable(tx, _person(tx, email).id, clock.now_ms()):
            raise click.ClickException("Nobody else could administer then. Make another admin first.")


@person_group.command("enable")
@click.argument("email")
def person_enable(email: str) -> None:
    """Let them in again."""
    with database().begin() as tx:
        people.disable(tx, _person(tx, email).id, None)


@person_group.command("untie")
@click.argument("email")
def person_untie(email: str) -> None:
    """Forget who they are at the identity provider, and sign them out; their next sign-in there ties them anew."""
    with database().begin() as tx:
        if not people.untie(tx, _person(tx, email).id):
            raise click.ClickException(f"{email} is not tied to anybody at an identity provider.")


@person_group.command("list")
@as_json
def person_list(as_json: bool) -> None:
    """Everybody who may sign in."""
    with database().each() as tx:
        rows = [
            {"email": p.email, "name": p.name, "role": p.role, "account": p.account,
             "status": "disabled" if p.disabled_at_ms else "active" if p.password or p.subject else "invited",
             "signed_in_utc": utc(p.signed_in_at_ms)}
            for p in people.listed(tx)
        ]  # fmt: skip
    out(rows, as_json)


@person_group.command("first", hidden=True)
def person_first() -> None:
    """Make the first admin where there is nobody yet, and print the password, this once."""
    password = secrets.token_urlsafe(12)
    hashed = hash_password(password)
    with database().begin() as tx:
        if people.listed(tx):
            return
        home = next(iter(accounts.everyone(tx)), None) or accounts.create(tx, "admin", "standard", clock.now_ms())
        assert home is not None
        person_id = people.create(tx, FIRST_EMAIL, "", "admin", home.id, clock.now_ms())
        assert person_id is not None
        people.set_password(tx, person_id, hashed)
    click.echo(f"{FIRST_EMAIL}   password {password}   (shown this once)")


def _person(tx: Tx, email: str) -> Person:
    found = people.by_email(tx, email)
    if found is None:
        raise click.ClickException(f"There is nobody with the address {email!r}. `thermly person list` shows them.")
    return found


def _link(token: str) -> str:
    settings = read()
    base = settings.public_url or f"http://{settings.host}:{settings.port}"
    return link(base, token)


COMMANDS = (person_group,)
