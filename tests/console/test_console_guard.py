"""Every page says who may see it, and nobody else does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from stories.stack import Stack, wait_for

from console.conftest import PASSWORD, Arrive, Visitor
from thermly import context
from thermly.console import create
from thermly.console.at import At
from thermly.settings import read
from thermly.store import db


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str, str]]:
    """(method, path, endpoint, access) of every page; what stands for an id is an id that nothing has."""
    folder = tmp_path_factory.mktemp("rules")
    settings = read({"THERMLY_INSTANCE": str(folder)})
    db.migrate(settings.database)
    gateway = context.gateway(settings)
    app = create(At(gateway, lambda environ, start: []))
    gateway.close()
    found = []
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?\w+>", "none-such", rule.rule)
        for method in (rule.methods or set()) & {"GET", "POST"}:
            found.append((method, path, rule.endpoint, app.config["ACCESS"].get(rule.endpoint, "undecided")))
    return found


def test_every_page_has_an_access(rules: list[tuple[str, str, str, str]]):
    assert {access for *_, access in rules} == {"anyone", "member", "admin"}


def test_nobody_sees_what_is_not_for_anyone(rules: list[tuple[str, str, str, str]], nobody: Visitor):
    token = nobody.token("/sign-in")
    for method, path, endpoint, access in rules:
        if access == "anyone":
            continue
        if method == "GET":
            response = nobody.get(path, allow_redirects=False)
            assert response.status_code == 302 and "/console/sign-in?next=" in response.headers["Location"], (
                endpoint
            )
        else:
            response = nobody.http.post(nobody.base + path, data={"csrf_token": token}, allow_redirects=False)
            assert response.status_code == 401, (endpoint, response.status_code)


def test_members_do_not_find_what_is_for_admins(rules: list[tuple[str, str, str, str]], member: Visitor):
    token = member.token("/")
    for method, path, endpoint, access in rules:
        if access != "admin":
            continue
        response = (
            member.get(path, allow_redirects=False)
            if method == "GET"
            else member.http.post(member.base + path, data={"csrf_token": token}, allow_redirects=False)
        )
        assert response.status_code == 404, (endpoint, response.status_code)


def test_admins_see_every_page_that_needs_no_id(rules: list[tuple[str, str, str, str]], admin: Visitor):
    for method, path, endpoint, access in rules:
        if method == "GET" and access != "anyone" and "none-such" not in path:
            assert admin.get(path).status_code == 200, endpoint


def test_no_form_works_without_its_token(rules: list[tuple[str, str, str, str]], admin: Visitor):
    for method, path, endpoint, _ in rules:
        if method == "POST" and "webhook" not in path:
            response = admin.http.post(admin.base + path, data={"name": "x"}, allow_redirects=False)
            assert response.status_code == 400, (endpoint, response.status_code)
            assert "out of date" in response.text, endpoint


def test_pages_forbid_foreign_script_and_frames(member: Visitor, nobody: Visitor):
    for response in (member.get("/"), nobody.get("/sign-in"), member.get("/none-such")):
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert response.headers["Cache-Control"] == "no-store"
        assert "style=" not in response.text and "onclick" not in response.text


def test_a_revoked_session_is_out_at_once(stack: Stack, member: Visitor):
    assert member.get("/").status_code == 200
    stack.change("DELETE FROM sign_in WHERE person_id = :id", id=member.person_id)
    assert "/sign-in" in member.get("/").url


def test_a_disabled_person_is_out_at_once(stack: Stack, member: Visitor):
    stack.change("UPDATE person SET disabled_at_ms = 1 WHERE id = :id", id=member.person_id)
    assert "/sign-in" in member.get("/").url


def test_signing_out_ends_the_session_and_not_only_the_cookie(stack: Stack, member: Visitor):
    cookies = dict(member.http.cookies)
    member.post("/sign-out", of="/")
    assert not stack.rows("SELECT 1 FROM sign_in WHERE person_id = :id", id=member.person_id)
    member.http.cookies.update(cookies)
    assert "/sign-in" in member.get("/").url


def test_a_wrong_password_says_no_more_than_a_wrong_address(arrive: Arrive):
    visitor = arrive(signed_in=False)
    wrong = visitor.sign_in("something else")
    visitor.email = "nobody-" + visitor.email
    unknown = visitor.sign_in()
    assert wrong.status_code == unknown.status_code == 403
    for response in (wrong, unknown):
        assert "E-mail and password do not match." in response.text


def test_attempts_are_counted(arrive: Arrive):
    visitor = arrive(signed_in=False)
    statuses = [visitor.sign_in(f"wrong {i}").status_code for i in range(11)]
    assert statuses == [403] * 10 + [429]
    assert visitor.sign_in().status_code == 429, "the right one comes too late as well"


def test_where_they_wanted_to_go_is_only_here(arrive: Arrive):
    for wanted in ("//evil.example/", "/\\evil.example", "https://evil.example", "/\t/evil.example"):
        visitor = arrive(signed_in=False)
        response = visitor.http.post(
            visitor.base + "/sign-in",
            params={"next": wanted},
            data={
                "csrf_token": visitor.token("/sign-in"),
                "email": visitor.email,
                "password": PASSWORD,
            },
            allow_redirects=False,
        )
        assert response.status_code == 303
        assert response.headers["Location"].startswith("/console/"), response.headers["Location"]


def test_a_link_works_once(stack: Stack, arrive: Arrive):
    from thermly.access.people import People

    visitor = arrive(signed_in=False)
    token = People(stack.database).invite(str(visitor.person_id))
    weak = visitor.post(f"/invitation/{token}", {"password": "short"})
    assert weak.status_code == 422 and "At least 10" in weak.text
    assert visitor.post(f"/invitation/{token}", {"password": "another fine one"}).status_code == 200
    again = Visitor(stack).post(f"/invitation/{token}", {"password": "yet another one"})
    assert "This link was used" in again.text


def test_the_session_cookie_is_closed_to_script_and_other_sites(member: Visitor, arrive: Arrive):
    visitor = arrive(signed_in=False)
    response = visitor.get("/sign-in")
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie


def test_the_root_leads_to_the_console(stack: Stack, nobody: Visitor):
    assert nobody.http.get(stack.url + "/").url.startswith(nobody.base + "/sign-in")


def test_the_first_admin_is_told_once(stack: Stack):
    told = wait_for(lambda: Path(stack.out_path).read_text())
    assert re.search(r"console .*admin@localhost +password \S{12,}", told)
    row = stack.rows("SELECT password FROM person WHERE email = 'admin@localhost'")[0]
    assert row["password"].startswith("scrypt:")
