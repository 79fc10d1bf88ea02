import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from thermly.access.people import People
from thermly.store import people
from thermly.store.db import Database

Run = Callable[..., Result]
LINK = re.compile(r"^http://127\.0\.0\.1:8080/console/invitation/([\w-]{43})$")


@pytest.fixture
def acme(run: Run, base: Database) -> None:
    run("account", "create", "acme")


def listed(run: Run) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run("person", "list", "--json").stdout)
    return rows


def token(result: Result) -> str:
    found = LINK.match(result.stdout.strip().splitlines()[-1])
    assert found, result.stdout
    return found[1]


def test_somebody_new_is_invited_and_then_active(run: Run, base: Database, acme: None) -> None:
    link = token(run("person", "create", "ada@example.com", "--account", "acme", "--name", "Ada"))
    assert [(p["email"], p["name"], p["role"], p["status"]) for p in listed(run)] == [
        ("ada@example.com", "Ada", "member", "invited")
    ]
    assert People(base).accept(link, "correct horse battery", "")
    assert listed(run)[0]["status"] == "active" and listed(run)[0]["signed_in_utc"]


def test_a_new_link_takes_the_place_of_the_old(run: Run, base: Database, acme: None) -> None:
    old = token(run("person", "create", "ada@example.com", "--account", "acme"))
    new = token(run("person", "invite", "ADA@example.com"))
    assert People(base).accept(old, "correct horse battery", "") is None
    assert People(base).accept(new, "correct horse battery", "")


def test_links_begin_with_the_public_address(run: Run, acme: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERMLY_PUBLIC_URL", "https://llm.example.com/")
    result = run("person", "create", "ada@example.com", "--account", "acme")
    assert result.stdout.startswith("https://llm.example.com/console/invitation/")


def test_somebody_is_untied_from_the_identity_provider(
    run: Run, base: Database, acme: None, refused: Callable[..., str]
) -> None:
    run("person", "create", "ada@example.com", "--account", "acme")
    assert "not tied to anybody" in refused("person", "untie", "ada@example.com")
    with base.begin() as tx:
        ada = people.by_email(tx, "ada@example.com")
        assert ada is not None and people.set_subject(tx, ada.id, "issuer|1")
    run("person", "untie", "ada@example.com")
    with base.each() as tx:
        assert people.by_subject(tx, "issuer|1") is None


def test_the_last_admin_cannot_be_disabled(
    run: Run, base: Database, acme: None, refused: Callable[..., str]
) -> None:
    run("person", "create", "ada@example.com", "--account", "acme", "--role", "admin")
    assert "Make another admin first" in refused("person", "disable", "ada@example.com")
    run("person", "create", "grace@example.com", "--account", "acme", "--role", "admin")
    run("person", "disable", "ada@example.com")
    assert {p["email"]: p["status"] for p in listed(run)}["ada@example.com"] == "disabled"
    run("person", "enable", "ada@example.com")
    assert {p["status"] for p in listed(run)} == {"invited"}


def test_mistakes_are_told(acme: None, run: Run, refused: Callable[..., str]) -> None:
    assert "no e-mail address" in refused("person", "create", "ada", "--account", "acme")
    assert "no account named" in refused("person", "create", "ada@example.com", "--account", "none")
    run("person", "create", "ada@example.com", "--account", "acme")
    assert "already" in refused("person", "create", "Ada@Example.com", "--account", "acme")
    for act in ("invite", "disable", "enable"):
        assert "nobody with the address" in refused("person", act, "none@example.com")


def test_the_first_admin_is_made_once(run: Run, base: Database) -> None:
    told = run("person", "first").stdout
    password = re.search(r"admin@localhost +password (\S{12,})", told)
    assert password and run("person", "first").stdout == ""
    session = People(base).sign_in("admin@localhost", password[1], "192.0.2.1", "")
    with base.each() as tx:
        person = people.of_session(tx, session, 0)
    assert person is not None and person.is_admin
