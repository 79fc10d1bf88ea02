"""People of accounts: adding them, links, roles, and that nobody locks everybody out."""

from __future__ import annotations

import re

import pytest
from stories.stack import Stack, at_once, mark

from console.conftest import PASSWORD, Arrive, Visitor

LINK = re.compile(r'<code id="link">(http://[^<]+/console/invitation/([\w-]{43}))</code>')


def added(admin: Visitor, email: str, role: str = "member", name: str = "") -> str:
    """The link of somebody new in the admin's own account."""
    path = f"/accounts/{admin.account_id}/people/new"
    response = admin.post(path, {"email": email, "name": name, "role": role})
    found = LINK.search(response.text)
    assert response.status_code == 200 and found, response.text
    assert found[1].startswith(admin.base + "/invitation/")
    return found[2]


def person(stack: Stack, email: str) -> dict[str, object]:
    return stack.rows("SELECT * FROM person WHERE email = :e", e=email)[0]


def page_of(stack: Stack, visitor: Visitor) -> str:
    return f"/people/{visitor.person_id}"


def test_somebody_new_comes_in_by_the_link_shown_once(stack: Stack, admin: Visitor):
    email = f"{mark()}@example.com"
    link = added(admin, email, name="Ada")
    row = person(stack, email)
    assert (row["name"], row["role"], row["account_id"]) == ("Ada", "member", admin.account_id)
    visitor = Visitor(stack, str(row["id"]), email)
    assert "You are signed in" in visitor.post(f"/invitation/{link}", {"password": PASSWORD}).text
    for path in (f"/accounts/{admin.account_id}", f"/people/{row['id']}"):
        assert link not in admin.page(path)
    assert visitor.get("/accounts").status_code == 404, "a member"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"email": "nobody"}, "no e-mail address"),
        ({"email": ""}, "This field is required"),
        ({"email": "a@b\r\nBcc: c@d"}, "no e-mail address"),
        ({"email": "x" * 200 + "@example.com"}, "longer than 200"),
        ({"role": "owner"}, "Not a valid choice"),
    ],
)
def test_what_cannot_be_is_told_at_its_field(stack: Stack, admin: Visitor, form: dict[str, str], words: str):
    before = stack.rows("SELECT COUNT(*) AS n FROM person")
    path = f"/accounts/{admin.account_id}/people/new"
    response = admin.post(path, {"email": f"{mark()}@example.com", "name": "", "role": "member", **form})
    assert response.status_code == 422 and words in response.text
    assert stack.rows("SELECT COUNT(*) AS n FROM person") == before


def test_an_address_is_one_persons(admin: Visitor, member: Visitor):
    path = f"/accounts/{admin.account_id}/people/new"
    response = admin.post(path, {"email": member.email.upper(), "role": "admin"})
    assert response.status_code == 422 and "somebody with this address" in response.text


def test_a_new_link_opens_and_the_old_one_does_not(stack: Stack, admin: Visitor, member: Visitor):
    page = page_of(stack, member)
    links = [LINK.search(admin.post(page + "/link", of=page).text) for _ in range(2)]
    assert links[0] and links[1] and member.get("/").url.endswith("/console/"), "signed in until it is used"
    guest = Visitor(stack)
    assert "was used" in guest.post(f"/invitation/{links[0][2]}", {"password": PASSWORD}).text
    assert "You are signed in" in guest.post(f"/invitation/{links[1][2]}", {"password": PASSWORD}).text
    assert "/sign-in" in member.get("/").url, "another password ends the sessions of before"


def test_disabling_is_at_once_and_can_be_taken_back(stack: Stack, admin: Visitor, member: Visitor):
    page = page_of(stack, member)
    assert "disabled and signed out" in admin.post(page + "/disable", of=page).text
    assert "/sign-in" in member.get("/").url and member.sign_in().status_code == 403
    assert "may sign in again" in admin.post(page + "/enable", of=page).text
    assert "/sign-in" in member.get("/").url, "sessions of before are gone"
    assert member.sign_in().status_code == 200


def test_signing_somebody_out_everywhere(stack: Stack, admin: Visitor, member: Visitor):
    page = page_of(stack, member)
    assert "1 session is ended" in admin.post(page + "/sign-out", of=page).text
    assert "/sign-in" in member.get("/").url


def test_signing_oneself_out_spares_this_session(stack: Stack, admin: Visitor):
    other = Visitor(stack, admin.person_id, admin.email)
    other.sign_in()
    page = page_of(stack, admin)
    assert "1 session is ended" in admin.post(page + "/sign-out", of=page).text
    assert "/sign-in" in other.get("/").url


def test_a_role_holds_from_the_next_page_on(stack: Stack, admin: Visitor, member: Visitor):
    page = page_of(stack, member)
    assert "are saved" in admin.post(page, {"name": "Grace", "role": "admin"}).text
    assert member.get("/accounts").status_code == 200
    admin.post(page, {"name": "Grace", "role": "member"})
    assert member.get("/accounts").status_code == 404
    assert person(stack, member.email)["name"] == "Grace"


def test_nobody_does_away_with_themselves(stack: Stack, admin: Visitor):
    page = page_of(stack, admin)
    assert "You cannot disable yourself" in admin.post(page + "/disable", of=page).text
    response = admin.post(page, {"name": "Me", "role": "member"})
    assert response.status_code == 422 and "Nobody takes their own role away" in response.text
    row = person(stack, admin.email)
    assert (row["role"], row["disabled_at_ms"], row["name"]) == ("admin", None, "")
    assert "are saved" in admin.post(page, {"name": "Me", "role": "admin"}).text


def test_two_admins_who_disable_each_other_leave_one(stack: Stack, admin: Visitor, arrive: Arrive):
    both = [admin, arrive("admin")]
    pages = [page_of(stack, visitor) for visitor in reversed(both)]
    tokens = [visitor.token(page) for visitor, page in zip(both, pages, strict=True)]
    others = {"a": both[0].person_id, "b": both[1].person_id}
    used = "role = 'admin' AND disabled_at_ms IS NULL"
    stack.change(f"UPDATE person SET disabled_at_ms = 7 WHERE {used} AND id NOT IN (:a, :b)", **others)
    try:
        at_once(
            2, lambda i: both[i].http.post(both[i].base + pages[i] + "/disable", data={"csrf_token": tokens[i]})
        )
        assert len(stack.rows(f"SELECT id FROM person WHERE {used}")) == 1
    finally:
        stack.change("UPDATE person SET disabled_at_ms = NULL WHERE disabled_at_ms = 7")


def test_nobody_is_found_who_is_not_there(admin: Visitor):
    assert admin.get("/people/per_none").status_code == 404
    for act in ("link", "disable", "enable", "sign-out", "untie"):
        assert admin.post(f"/people/per_none/{act}", of="/").status_code == 404


def test_somebody_is_untied_from_the_identity_provider(stack: Stack, admin: Visitor, member: Visitor):
    page = f"/people/{member.person_id}"
    assert "Untie" not in admin.page(page)
    assert "not tied to anybody" in admin.post(page + "/untie", of=page).text
    stack.change("UPDATE person SET subject = 'https://id.example|<b>' WHERE id = :id", id=member.person_id)
    text = admin.page(page)
    assert "Untie" in text and "|&lt;b&gt;" in text.replace("<wbr>", "")
    assert member.post(page + "/untie", of="/profile").status_code == 404
    assert "is untied and signed out" in admin.post(page + "/untie", of=page).text
    assert stack.rows("SELECT subject FROM person WHERE id = :id", id=member.person_id) == [{"subject": None}]
    assert "/sign-in" in member.get("/").url


def test_an_admin_who_unties_themselves_stays_here(stack: Stack, admin: Visitor):
    page = f"/people/{admin.person_id}"
    stack.change("UPDATE person SET subject = :me WHERE id = :id", id=admin.person_id, me=admin.email)
    assert "is untied" in admin.post(page + "/untie", of=page).text


def test_names_are_no_html(stack: Stack, admin: Visitor):
    email = f"{mark()}@example.com"
    added(admin, email, name="<script>alert(1)</script>")
    for path in (f"/accounts/{admin.account_id}", f"/people/{person(stack, email)['id']}", "/profile"):
        text = admin.page(path)
        assert "&lt;script&gt;alert" in text and "<script>alert" not in text
