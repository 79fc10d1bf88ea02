"""Your sign-in: name, password, sessions, and who else is there."""

from __future__ import annotations

import re

import pytest
from stories.stack import Stack

from console.conftest import PASSWORD, Arrive, Visitor
from thermly.console.profile import browser

OTHER = "another fine password"


def again(stack: Stack, visitor: Visitor, agent: str = "curl/8") -> Visitor:
    """The same person in another browser."""
    found = Visitor(stack, visitor.person_id, visitor.email, visitor.account_id)
    found.http.headers["User-Agent"] = agent
    assert found.sign_in().status_code == 200
    return found


def sessions(page: str) -> list[str]:
    return re.findall(r'name="session" value="(\w{64})"', page)


def test_a_name_is_changed_and_is_no_html(stack: Stack, member: Visitor):
    text = member.post("/profile", {"name": "  <script>alert(1)</script>  "}).text
    assert "Your name is changed" in text and "&lt;script&gt;alert" in text and "<script>alert" not in text
    row = stack.rows("SELECT name, role FROM person WHERE id = :id", id=member.person_id)[0]
    assert row == {"name": "<script>alert(1)</script>", "role": "member"}
    assert member.post("/profile", {"name": "x" * 201}).status_code == 422


def test_no_form_makes_a_member_an_admin(stack: Stack, member: Visitor):
    member.post("/profile", {"name": "Ada", "role": "admin", "account_id": "acc_other"})
    row = stack.rows("SELECT role, account_id FROM person WHERE id = :id", id=member.person_id)[0]
    assert row == {"role": "member", "account_id": member.account_id}


def test_another_password_ends_every_other_session(stack: Stack, member: Visitor):
    other = again(stack, member)
    before = dict(member.http.cookies)
    response = member.post("/profile/password", {"old": PASSWORD, "new": OTHER}, of="/profile")
    assert response.status_code == 200 and "Your password is changed" in response.text
    assert "/sign-in" in other.get("/").url
    stolen = Visitor(stack)
    stolen.http.cookies.update(before)
    assert "/sign-in" in stolen.get("/").url, "this browser has a new session too"
    assert other.sign_in().status_code == 403 and other.sign_in(OTHER).status_code == 200


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("wrong", OTHER, "The present password is another one"),
        (PASSWORD, "short", "At least 10"),
        (PASSWORD, "aaaaaaaaaaaa", "too easily guessed"),
        ("", OTHER, "This field is required"),
        (PASSWORD, "x" * 257, "longer than 256"),
    ],
)
def test_a_password_that_cannot_be_is_told_at_its_field(member: Visitor, old: str, new: str, words: str):
    response = member.post("/profile/password", {"old": old, "new": new}, of="/profile")
    assert response.status_code == 422 and words in response.text and 'aria-invalid="true"' in response.text
    assert OTHER not in response.text and PASSWORD not in response.text
    assert member.get("/").status_code == 200


def test_the_present_password_is_not_guessed_here(member: Visitor):
    for _ in range(10):
        member.post("/profile/password", {"old": "wrong", "new": OTHER}, of="/profile")
    response = member.post("/profile/password", {"old": PASSWORD, "new": OTHER}, of="/profile")
    assert response.status_code == 422 and "Too many attempts" in response.text


def test_whoever_has_no_password_is_told_so(stack: Stack, member: Visitor):
    stack.change("UPDATE person SET password = NULL WHERE id = :id", id=member.person_id)
    assert "You have none here" in member.page("/profile")
    response = member.post("/profile/password", {"old": "x", "new": OTHER}, of="/profile")
    assert response.status_code == 422
    assert stack.rows("SELECT password FROM person WHERE id = :id", id=member.person_id) == [{"password": None}]


def test_a_session_is_ended_from_another(stack: Stack, member: Visitor):
    other = again(stack, member, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    text = member.page("/profile")
    assert "Firefox on Linux" in text and text.count("this one") == 1
    (theirs,) = sessions(text)
    response = member.post("/profile/end-session", {"session": theirs}, of="/profile")
    assert "The session is ended" in response.text and sessions(response.text) == []
    assert "/sign-in" in other.get("/").url and member.get("/").url.endswith("/console/")


def test_all_other_sessions_are_ended_together(stack: Stack, member: Visitor):
    others = [again(stack, member) for _ in range(2)]
    assert "nowhere else" in member.post("/profile/end-others", of="/profile").text
    assert all("/sign-in" in other.get("/").url for other in others)
    assert sessions(member.page("/profile")) == []


def test_ending_this_session_is_signing_out(stack: Stack, member: Visitor):
    other = again(stack, member)
    (this,) = sessions(other.page("/profile"))
    response = member.post("/profile/end-session", {"session": this}, of="/profile")
    assert response.url.endswith("/console/sign-in")


def test_nobody_ends_the_sessions_of_others(stack: Stack, member: Visitor, arrive: Arrive):
    victim = arrive("member")
    theirs = stack.rows("SELECT hash FROM sign_in WHERE person_id = :id", id=victim.person_id)[0]["hash"]
    response = member.post("/profile/end-session", {"session": theirs}, of="/profile")
    assert "had ended before" in response.text
    assert victim.get("/").url.endswith("/console/")


def test_members_see_who_is_in_their_account_and_nobody_else(stack: Stack, member: Visitor, arrive: Arrive):
    mate, stranger = arrive("member", member.account_id), arrive("member")
    off = arrive("member", member.account_id)
    stack.change("UPDATE person SET disabled_at_ms = 1 WHERE id = :id", id=off.person_id)
    text = member.page("/profile")
    assert mate.email in text and member.email in text
    assert stranger.email not in text and off.email not in text


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
         "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
         "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Mobile Safari/604",
         "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
         "Safari on macOS"),
        ("", "a browser"),
        ("<script>", "a browser"),
    ],
)  # fmt: skip
def test_browsers_in_words(agent: str, words: str):
    assert browser(agent) == words
