"""Signing in through an OpenID provider: the whole way over sockets, and each lie on it refused in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import books
import pytest
import requests
from stories.stack import free_port
from werkzeug.test import Client

from console.identity import CLIENT_ID, CLIENT_SECRET, Identity
from thermly import context
from thermly.access.people import People
from thermly.console import create
from thermly.console.at import At
from thermly.settings import read
from thermly.store import accounts, people
from thermly.store.people import Person

HERE = "http://localhost/console"


@pytest.fixture
def identity() -> Iterator[Identity]:
    identity = Identity()
    yield identity
    identity.close()


class Site:
    """A console that sends people to this provider, and a browser in front of it."""

    def __init__(self, folder: Path, issuer: str, **settings: str) -> None:
        ours = {"INSTANCE": str(folder), "OIDC_ISSUER": issuer, "OIDC_CLIENT_ID": CLIENT_ID, **settings}
        self.gateway = context.gateway(read({f"THERMLY_{name}": value for name, value in ours.items()}))
        self.database = self.gateway.database
        self.app = create(At(self.gateway, lambda environ, start: []))
        self.browser = self.another()

    def another(self) -> Client:
        return self.app.test_client()

    def invite(self, email: str = "ada@example.com", role: str = "member") -> str:
        with self.database.begin() as tx:
            account = accounts.find(tx, "acme") or accounts.create(tx, "acme", "free", 0)
            assert account is not None
            made = people.create(tx, email, "", role, account.id, 0)
        assert made is not None
        return made

    def person(self, email: str = "ada@example.com") -> Person | None:
        with self.database.each() as tx:
            return people.by_email(tx, email)

    def sent(self, **query: str) -> str:
        """The provider's address that a click on the button leads to."""
        response = self.browser.get("/sign-in/openid", base_url=HERE, query_string=query)
        assert response.status_code == 303, response.get_data(as_text=True)
        return response.headers["Location"]

    def back(self, address: str) -> Any:
        """What the console says when the browser comes back to this address."""
        parsed = urlsplit(address)
        assert address.startswith(HERE + "/sign-in/openid/back?")
        return self.browser.get("/sign-in/openid/back", base_url=HERE, query_string=parsed.query)

    def arrive(self, **query: str) -> Any:
        """The whole way there and back."""
        return self.back(away(self.sent(**query)))

    def refusal(self) -> str:
        response = self.arrive()
        text: str = response.get_data(as_text=True)
        assert response.status_code == 403 and 'role="alert"' in text, text
        assert self.browser.get("/", base_url=HERE).status_code == 302, "signed in all the same"
        return text

    def is_in(self, response: Any, path: str = "/console/") -> bool:
        found = response.status_code == 303 and response.headers["Location"] == path
        return found and self.browser.get("/", base_url=HERE).status_code == 200


def away(address: str) -> str:
    """Where the provider sends the browser back to."""
    return requests.get(address, allow_redirects=False, timeout=10).headers["Location"]


Sites = Callable[..., Site]


@pytest.fixture
def site(tmp_path: Path, identity: Identity, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sites]:
    books.fresh(tmp_path).close()
    monkeypatch.setenv("OIDC_CLIENT_SECRET", CLIENT_SECRET)
    made: list[Site] = []

    def make(issuer: str = "", **settings: str) -> Site:
        made.append(Site(tmp_path, issuer or identity.issuer, **settings))
        return made[-1]

    yield make
    for found in made:
        found.gateway.close()


def test_an_invited_person_is_let_in_and_tied(site: Sites, identity: Identity):
    at = site()
    person_id = at.invite("Ada@Example.com")
    assert at.is_in(at.arrive())
    person = at.person()
    assert person and person.id == person_id and person.subject == f"{identity.issuer}|ada-1"
    asked = dict(identity.asked)["/authorize"]
    assert asked["redirect_uri"] == HERE + "/sign-in/openid/back" and len(asked["nonce"]) >= 32


def test_the_tie_outlives_another_address_at_the_provider(site: Sites, identity: Identity):
    at = site()
    at.invite()
    at.arrive()
    identity.who |= {"email": "ada@elsewhere.example", "email_verified": False}
    at.browser = at.another()
    assert at.is_in(at.arrive())


def test_after_a_new_provider_only_whoever_was_untied_is_let_in(site: Sites, identity: Identity):
    at = site()
    person_id = at.invite()
    at.arrive()
    identity.who |= {"sub": "ada-2"}
    at.browser = at.another()
    assert "An admin can untie them" in at.refusal()
    with at.database.begin() as tx:
        assert people.untie(tx, person_id)
    assert at.is_in(at.arrive())
    person = at.person()
    assert person and person.subject == f"{identity.issuer}|ada-2"


def test_they_land_where_they_wanted_to_go(site: Sites):
    at = site()
    at.invite()
    assert at.arrive(next="/profile").headers["Location"] == "/console/profile"
    assert at.arrive(next="//evil.example").headers["Location"] == "/console/"


def test_the_address_is_asked_for_where_the_token_does_not_tell_it(site: Sites, identity: Identity):
    identity.thin = True
    at = site()
    at.invite()
    assert at.is_in(at.arrive())
    identity.userinfo_sub, at.browser = "somebody-else", at.another()
    assert "cannot be asked who you are" in at.refusal()


@pytest.mark.parametrize(
    ("lies", "words"),
    [
        ({"nonce": "another"}, "it answers another sign-in"),
        ({"nonce": None}, "it answers another sign-in"),
        ({"aud": "another-client"}, "it is meant for another server"),
        ({"aud": "another-client", "azp": CLIENT_ID}, "it is meant for another server"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "it is meant for another server"),
        ({"aud": None}, "it is meant for another server"),
        ({"iss": "https://evil.example"}, "somebody else has written it"),
        ({"exp": int(time.time()) - 3600, "iat": int(time.time()) - 7200}, "it is too old"),
        ({"exp": None}, "it is too old"),
        ({"iat": int(time.time()) + 7200, "exp": int(time.time()) + 9999}, "it is from the future"),
        ({"at_hash": "AAAA"}, "it cannot be read"),
    ],
)
def test_a_token_that_lies_is_refused(site: Sites, identity: Identity, lies: dict[str, Any], words: str):
    at = site()
    at.invite()
    identity.lies = lies
    assert words in at.refusal()
    person = at.person()
    assert person and person.subject is None


def test_a_token_that_somebody_else_has_signed_is_refused(site: Sites, identity: Identity):
    at = site()
    at.invite()
    identity.forged = True
    assert "its signature is not the provider" in at.refusal()


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_that_anybody_can_sign_is_refused(site: Sites, identity: Identity, algorithm: str):
    at = site()
    at.invite()
    identity.algorithm = algorithm
    assert "cannot be believed" in at.refusal()


@pytest.mark.parametrize("verified", [False, None, "false", "yes", 2])
def test_an_address_that_nobody_has_verified_is_refused(site: Sites, identity: Identity, verified: Any):
    at = site(OIDC_ALLOWED_DOMAINS="example.com")
    at.invite()
    identity.who["email_verified"] = verified
    assert "does not say that it has verified" in at.refusal()


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(site: Sites, identity: Identity):
    at = site()
    at.invite()
    somebody_elses = away(at.sent())
    at.browser = at.another()
    for address in (somebody_elses, somebody_elses):
        response = at.back(address)
        assert response.status_code == 403 and "not begun in this browser" in response.get_data(as_text=True)
    at.sent()
    assert "not begun in this browser" in at.back(somebody_elses).get_data(as_text=True), "of another attempt"
    assert all(path != "/token" for path, _ in identity.asked), "the code went nowhere"


def test_an_answer_works_once(site: Sites):
    at = site()
    at.invite()
    address = away(at.sent())
    assert at.is_in(at.back(address))
    assert at.back(address).status_code == 403


def test_an_attempt_is_over_when_it_was_refused(site: Sites, identity: Identity):
    at = site()
    at.invite()
    address, identity.lies = away(at.sent()), {"nonce": "another"}
    assert "another sign-in" in at.back(address).get_data(as_text=True)
    assert "not begun in this browser" in at.back(address).get_data(as_text=True)


def test_a_code_of_another_attempt_is_refused_by_the_provider(site: Sites):
    at = site()
    at.invite()
    stolen = parse_qs(urlsplit(away(at.sent())).query)["code"][0]
    own = away(at.sent())
    code = parse_qs(urlsplit(own).query)["code"][0]
    response = at.back(own.replace(code, stolen))
    assert response.status_code == 403 and "cannot be asked" in response.get_data(as_text=True), "PKCE"


def test_an_answer_of_another_provider_is_refused(site: Sites, identity: Identity):
    at = site()
    at.invite()
    address = away(at.sent())
    parsed = urlsplit(address)
    query = parse_qs(parsed.query) | {"iss": ["https://evil.example"]}
    response = at.browser.get("/sign-in/openid/back", base_url=HERE, query_string=query)
    assert response.status_code == 403 and "does not come from" in response.get_data(as_text=True)
    assert all(path != "/token" for path, _ in identity.asked), "the code went nowhere"


def test_an_attempt_does_not_wait_for_ever(site: Sites, monkeypatch: pytest.MonkeyPatch):
    at = site()
    at.invite()
    address = away(at.sent())
    monkeypatch.setattr("thermly.access.oidc.ATTEMPT_S", -1)
    assert "too long ago" in at.back(address).get_data(as_text=True)


def test_whoever_cancels_is_told_so(site: Sites, identity: Identity):
    identity.refuses = True
    assert "you have cancelled" in site().refusal()


def test_what_the_address_says_is_no_html(site: Sites):
    at = site()
    at.sent()
    state = "<script>alert(1)</script>"
    response = at.browser.get("/sign-in/openid/back", base_url=HERE, query_string={"state": state, "error": state})
    assert "<script>alert" not in response.get_data(as_text=True)


def test_a_disabled_person_is_refused_and_not_tied(site: Sites):
    at = site()
    person_id = at.invite()
    with at.database.begin() as tx:
        people.disable(tx, person_id, 1)
    assert "You are disabled here" in at.refusal()
    person = at.person()
    assert person and person.subject is None


def test_somebody_who_was_not_invited_is_refused(site: Sites):
    at = site()
    assert "was not invited here" in at.refusal()
    assert at.person() is None


@pytest.mark.parametrize("email", ["ada@example.com.evil.example", "ada@notexample.com", "ada@sub.example.com"])
def test_another_domain_is_not_the_allowed_one(site: Sites, identity: Identity, email: str):
    identity.who["email"] = email
    at = site(OIDC_ALLOWED_DOMAINS="example.com")
    assert "was not invited here" in at.refusal()


def test_everybody_of_an_allowed_domain_becomes_a_member(site: Sites, identity: Identity):
    identity.who |= {"email": "Grace@EXAMPLE.com", "name": "  Grace\n<b>Hopper</b> "}
    at = site(OIDC_ALLOWED_DOMAINS="other.org, @Example.com", OIDC_DEFAULT_ACCOUNT="research")
    assert at.is_in(at.arrive())
    person = at.person("grace@example.com")
    assert person and (person.role, person.account, person.name) == ("member", "research", "Grace <b>Hopper</b>")
    assert "&lt;b&gt;Hopper" in at.browser.get("/", base_url=HERE).get_data(as_text=True)
    at.browser = at.another()
    assert at.is_in(at.arrive()), "again, as the same one"
    with at.database.each() as tx:
        account = accounts.find(tx, "research")
        assert account and account.balance_nanousd == 0 and len(people.listed(tx)) == 1


def test_an_address_that_is_tied_to_somebody_else_is_refused(site: Sites, identity: Identity):
    at = site()
    at.invite()
    at.arrive()
    identity.who["sub"], at.browser = "impostor", at.another()
    assert "as somebody else" in at.refusal()


def test_a_provider_that_takes_the_secret_in_the_form(site: Sites, identity: Identity):
    identity.methods = ["client_secret_post"]
    at = site()
    at.invite()
    assert at.is_in(at.arrive())


def test_a_wrong_secret_is_told_to_the_log_and_not_to_the_visitor(
    site: Sites, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    at = site()
    at.invite()
    monkeypatch.setenv("OIDC_CLIENT_SECRET", "hush-wrong")
    text = at.refusal()
    assert "cannot be asked who you are" in text and "invalid_client" not in text and "hush" not in text
    assert "invalid_client" in caplog.text and "hush" not in caplog.text


@pytest.mark.parametrize(
    "discovery", [{"issuer": "https://evil.example"}, {"token_endpoint": None}, {"authorization_endpoint": 5}]
)
def test_a_provider_that_describes_itself_wrongly_is_not_asked(
    site: Sites, identity: Identity, discovery: dict[str, Any]
):
    identity.discovery = discovery
    response = site().browser.get("/sign-in/openid", base_url=HERE)
    assert response.status_code == 403 and "cannot be asked" in response.get_data(as_text=True)


def test_a_provider_that_is_away_leaves_passwords(site: Sites):
    at = site(f"http://127.0.0.1:{free_port()}")
    response = at.browser.get("/sign-in/openid", base_url=HERE)
    text = response.get_data(as_text=True)
    assert response.status_code == 403 and "cannot be asked" in text
    assert 'action="/console/sign-in"' in text and 'name="password"' in text


def test_comings_and_goings_are_counted(site: Sites, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("thermly.access.people.UNNAMED_BY_ADDRESS", 3)
    at = site()
    statuses = [at.browser.get("/sign-in/openid", base_url=HERE).status_code for _ in range(4)]
    assert statuses == [303, 303, 303, 429]


def test_the_way_is_shown_where_it_is_set_up_and_only_there(site: Sites, identity: Identity):
    text = site().browser.get("/sign-in?next=/profile", base_url=HERE).get_data(as_text=True)
    assert f"Sign in with {identity.issuer.removeprefix('http://')}" in text
    assert "/console/sign-in/openid?next=/profile" in text
    without = site(OIDC_CLIENT_ID="", OIDC_ISSUER="")
    assert "openid" not in without.browser.get("/sign-in", base_url=HERE).get_data(as_text=True)
    assert without.browser.get("/sign-in/openid", base_url=HERE).status_code == 404


def test_the_public_address_is_the_one_to_come_back_to(site: Sites):
    query = parse_qs(urlsplit(site(PUBLIC_URL="https://llm.example/").sent()).query)
    assert query["redirect_uri"] == ["https://llm.example/console/sign-in/openid/back"]


def test_a_password_works_on_beside_it(site: Sites):
    at = site()
    person_id = at.invite()
    door = People(at.database)
    assert door.accept(door.invite(person_id), "correct horse battery", "")
    assert at.is_in(at.arrive())
    assert door.sign_in("ada@example.com", "correct horse battery", "192.0.2.1", "")
