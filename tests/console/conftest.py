"""The console as a browser without script sees it: over HTTP, against the running stack."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from stories.stack import Stack

from console import browser
from thermly import ids
from thermly.access.people import People
from thermly.store import accounts, people

TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
PASSWORD = "correct horse battery"


class Visitor:
    """Somebody with a browser of their own. `person_id` is None for nobody in particular."""

    def __init__(self, stack: Stack, person_id: str | None = None, email: str = "", account_id: str = "") -> None:
        self.stack, self.person_id, self.email, self.account_id = stack, person_id, email, account_id
        self.http = requests.Session()
        self.base = stack.url + "/console"

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.http.get(self.base + path, timeout=30, **options)

    def page(self, path: str) -> str:
        """The text of a page that must be there."""
        response = self.get(path)
        assert response.status_code == 200, (path, response.status_code, response.text[:2000])
        return response.text

    def token(self, path: str) -> str:
        found = TOKEN.search(self.page(path))
        assert found, f"no form on {path}"
        return found[1]

    def post(
        self, path: str, form: dict[str, Any] | None = None, of: str | None = None, **options: Any
    ) -> requests.Response:
        """Send a form as the page `of` (else the path itself, by GET) would; follows the redirect."""
        data = {"csrf_token": self.token(of or path), **(form or {})}
        return self.http.post(self.base + path, data=data, timeout=60, **options)

    def sign_in(self, password: str = PASSWORD) -> requests.Response:
        return self.post("/sign-in", {"email": self.email, "password": password})


Arrive = Callable[..., Visitor]


@pytest.fixture
def arrive(stack: Stack) -> Arrive:
    """arrive(role, account_id=None, signed_in=True) -> a Visitor; without an account, of a new one with credit."""

    def make(role: str = "member", account_id: str | None = None, signed_in: bool = True) -> Visitor:
        now_ms, email = time.time_ns() // 1_000_000, f"{ids.new()}@example.com"
        with stack.database.begin() as tx:
            if account_id is None:
                account = accounts.create(tx, "console " + ids.new(), "standard", now_ms)
                assert account is not None
                account_id = account.id
                accounts.credit(tx, account_id, 100 * 10**9, "grant", "", now_ms)
            person_id = people.create(tx, email, "", role, account_id, now_ms)
        assert person_id is not None
        at = People(stack.database)
        visitor = Visitor(stack, person_id, email, account_id)
        session = at.accept(at.invite(person_id), PASSWORD, "")
        assert session is not None
        at.sign_out(session)
        if signed_in:
            response = visitor.sign_in()
            assert response.status_code == 200 and "/sign-in" not in response.url, response.text
            with stack.database.each() as tx:  # the tests' own sign-ins are not counted
                tx.run("DELETE FROM rate_window WHERE key LIKE 'sign-in/%'")
        return visitor

    return make


@pytest.fixture
def member(arrive: Arrive) -> Visitor:
    return arrive("member")


@pytest.fixture
def admin(arrive: Arrive) -> Visitor:
    return arrive("admin")


@pytest.fixture
def nobody(stack: Stack) -> Visitor:
    return Visitor(stack)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    with browser.launched() as found:
        yield found


class Guest:
    """A visitor's pages in Chromium, signed in."""

    def __init__(self, chromium: Any, visitor: Visitor) -> None:
        self._chromium, self.visitor = chromium, visitor

    def open(self, path: str = "/", size: str = "desktop", scheme: str = "light") -> Any:
        page = browser.opened(self._chromium, size, scheme)
        page.complaints = []
        page.on("console", lambda told: page.complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.context.add_cookies(
            [{"name": c.name, "value": c.value, "url": self.visitor.stack.url} for c in self.visitor.http.cookies]
        )
        page.goto(self.visitor.base + path)
        return page
