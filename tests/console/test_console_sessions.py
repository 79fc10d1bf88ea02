"""Signing in and choosing a password, as a browser does it."""

from __future__ import annotations

import pytest
from stories.stack import Stack, mark

from console.conftest import PASSWORD, Arrive, Visitor
from thermly.access.people import People


@pytest.fixture
def link(stack: Stack, arrive: Arrive) -> tuple[Visitor, str]:
    """Somebody, and the path of a link to choose a password with."""
    visitor = arrive(signed_in=False)
    return visitor, "/invitation/" + People(stack.database).invite(str(visitor.person_id))


def test_they_sign_in_in_any_case_and_land_where_they_wanted_to_go(arrive: Arrive):
    visitor = arrive(signed_in=False)
    visitor.email = f"  {visitor.email.upper()} "
    response = visitor.get("/profile?x=1&y=%3Cz%3E")
    assert "/sign-in?next=" in response.url
    form = {"email": visitor.email, "password": PASSWORD, "csrf_token": visitor.token("/sign-in")}
    response = visitor.http.post(response.url, data=form, timeout=30)
    assert response.url.endswith("/console/profile?x=1&y=%3Cz%3E") and response.status_code == 200


def test_the_form_keeps_the_address_and_never_the_password(arrive: Arrive):
    visitor = arrive(signed_in=False)
    visitor.email = f'"><script>{mark()}</script>'
    response = visitor.sign_in("hush hush hush")
    assert response.status_code == 403 and "&lt;script&gt;mark" in response.text
    assert "hush" not in response.text and "<script>mark" not in response.text


@pytest.mark.parametrize(
    ("email", "password"), [("", PASSWORD), ("a@b", ""), ("x" * 201, PASSWORD), ("a@b", "x" * 257)]
)
def test_what_is_missing_or_too_long_is_told(nobody: Visitor, email: str, password: str):
    response = nobody.post("/sign-in", {"email": email, "password": password})
    assert 'aria-invalid="true"' in response.text and "do not match" not in response.text


def test_a_link_signs_in_whoever_uses_it_and_nobody_before(stack: Stack, link: tuple[Visitor, str], arrive: Arrive):
    """Also in a browser where somebody else was signed in."""
    visitor, path = link
    other = arrive("member")
    assert visitor.email in other.post(path, {"password": "another fine one"}).text
    row = stack.rows("SELECT COUNT(*) AS n FROM sign_in WHERE person_id = :id", id=visitor.person_id)[0]
    assert row["n"] == 1


def test_looking_at_a_link_does_not_use_it_up(link: tuple[Visitor, str]):
    visitor, path = link
    for _ in range(2):
        assert "Choose a password" in visitor.page(path), "previews of mail programs look too"
    assert "You are signed in" in visitor.post(path, {"password": "another fine one"}).text


def test_a_link_that_is_none_says_so_before_anything_is_typed(nobody: Visitor):
    path = "/invitation/" + "x" * 43
    response = nobody.get(path)
    assert response.url.endswith("/sign-in") and "was used" in response.text
    assert "was used" in nobody.post(path, {"password": PASSWORD}, of="/sign-in").text


def test_a_used_link_says_so_too(stack: Stack, link: tuple[Visitor, str]):
    visitor, path = link
    assert visitor.get(path).headers["Referrer-Policy"] == "same-origin", "no other site is told of it"
    visitor.post(path, {"password": "another fine one"})
    again = Visitor(stack).get(path)
    assert "was used" in again.text and "Choose a password" not in again.text


def test_a_link_of_a_disabled_person_is_no_way_in(stack: Stack, link: tuple[Visitor, str]):
    visitor, path = link
    stack.change("UPDATE person SET disabled_at_ms = 1 WHERE id = :id", id=visitor.person_id)
    assert "was used" in visitor.post(path, {"password": "another fine one"}).text
