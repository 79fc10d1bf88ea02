"""The cookie over TLS and without, behind proxies that are trusted and behind those that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import books
import pytest
from werkzeug.test import Client

from console.conftest import PASSWORD, TOKEN
from thermly import context
from thermly.access.people import hash_password
from thermly.console import create
from thermly.console.at import At
from thermly.settings import read
from thermly.store import people

EMAIL = "ada@example.com"
Open = Callable[..., Client]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """A browser at the console of a server with these settings."""
    books.fresh(tmp_path).close()
    gateways = []

    def open_(**settings: str) -> Client:
        gateway = context.gateway(read({"THERMLY_INSTANCE": str(tmp_path), **settings}))
        gateways.append(gateway)
        if len(gateways) == 1:
            account_id = books.payer(gateway.database).account_id
            with gateway.database.begin() as tx:
                made = people.create(tx, EMAIL, "", "member", account_id, 0)
                assert made is not None
                people.set_password(tx, made, hash_password(PASSWORD))
        return create(At(gateway, lambda environ, start: [])).test_client()

    yield open_
    for gateway in gateways:
        gateway.close()


def sign_in(browser: Client, password: str = PASSWORD, **how: Any) -> Any:
    found = TOKEN.search(browser.get("/sign-in", **how).get_data(as_text=True))
    assert found
    return browser.post("/sign-in", data={"csrf_token": found[1], "email": EMAIL, "password": password}, **how)


def test_over_tls_the_cookie_goes_over_tls_only(opened: Open):
    response = sign_in(opened(), base_url="https://llm.example")
    (cookie,) = response.headers.getlist("Set-Cookie")
    assert response.status_code == 303
    assert cookie.startswith("__Host-thermly=") and "; Secure" in cookie and "; HttpOnly" in cookie
    assert "; Path=/;" in cookie and "Domain" not in cookie and "SameSite=Lax" in cookie


def test_over_tls_a_cookie_that_could_be_planted_is_not_looked_at(opened: Open):
    browser = opened()
    sign_in(browser)
    planted = browser.get_cookie("thermly")
    assert planted is not None and browser.get("/").status_code == 200
    other = opened()
    other.set_cookie("thermly", planted.value, domain="llm.example")
    assert other.get("/", base_url="https://llm.example").status_code == 302


def test_the_session_of_before_does_not_become_the_signed_in_one(opened: Open):
    browser = opened()
    browser.get("/sign-in")
    before = browser.get_cookie("thermly")
    response = sign_in(browser)
    after = browser.get_cookie("thermly")
    assert response.status_code == 303 and before and after and before.value != after.value
    token = TOKEN.search(opened().get("/sign-in").get_data(as_text=True))
    assert token and browser.post("/sign-out", data={"csrf_token": token[1]}).status_code == 400, (
        "of another session"
    )


def test_a_form_over_tls_needs_no_referer(opened: Open):
    browser = opened(THERMLY_TRUSTED_PROXIES="1")
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.5"}
    assert sign_in(browser, headers={**told, "Referer": "https://llm.example/console/sign-in"}).status_code == 303


def test_nobody_is_believed_who_is_not_trusted(opened: Open):
    browser = opened()
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.5"}
    (cookie,) = sign_in(browser, headers=told).headers.getlist("Set-Cookie")
    assert cookie.startswith("thermly=") and "Secure" not in cookie
    for n in range(11):
        last = sign_in(browser, "wrong", headers={"X-Forwarded-For": f"203.0.113.{n}"})
    assert last.status_code == 429, "another name for oneself is no other place"


def test_a_trusted_proxy_tells_who_comes_and_how(opened: Open):
    browser = opened(THERMLY_TRUSTED_PROXIES="1")
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.1, 203.0.113.5"}
    (cookie,) = sign_in(browser, headers=told).headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-thermly=")
    browser = opened(THERMLY_TRUSTED_PROXIES="1")
    for n in range(11):
        last = sign_in(browser, "wrong", headers={"X-Forwarded-For": f"10.0.0.{n}, 203.0.113.5"})
    assert last.status_code == 429, "only what the proxy itself has added counts"
    assert sign_in(browser, headers={"X-Forwarded-For": "203.0.113.6"}).status_code == 303


def test_no_proxy_says_what_this_server_is_called(opened: Open):
    browser = opened(THERMLY_TRUSTED_PROXIES="2")
    told = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil", "X-Forwarded-For": "1.1.1.1"}
    response = browser.get("/", headers=told)
    assert "evil" not in response.headers["Location"]


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "/%0d%0aX-Evil: 1",
               "/\r\nX-Evil: 1", "javascript:alert(1)", "", "/../../evil", "\\\\evil.example", "///evil.example"]
)  # fmt: skip
def test_where_they_wanted_to_go_is_here(opened: Open, wanted: str):
    browser = opened()
    found = TOKEN.search(browser.get("/sign-in").get_data(as_text=True))
    assert found
    form = {"csrf_token": found[1], "email": EMAIL, "password": PASSWORD}
    response = browser.post(
        "/sign-in", data=form, query_string={"next": wanted}, base_url="http://localhost/console"
    )
    assert response.status_code == 303 and response.headers["Location"].startswith("/console/")
    assert "X-Evil" not in response.headers


def test_signing_out_leaves_nothing_in_the_cookie(opened: Open):
    browser = opened()
    sign_in(browser)
    found = TOKEN.search(browser.get("/profile").get_data(as_text=True))
    assert found and browser.post("/sign-out", data={"csrf_token": found[1]}).status_code == 303
    assert browser.get_cookie("thermly") is None
