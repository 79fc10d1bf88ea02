import time
from collections.abc import Iterator
from pathlib import Path

import books
import pytest

from thermly.access import people
from thermly.access.people import CannotSignIn, People, TooManyAttempts, WeakPassword, hash_password, is_email
from thermly.store import people as store
from thermly.store.people import Person

GOOD, HOME = "correct horse battery", "192.0.2.1"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[People]:
    base = books.fresh(tmp_path)
    yield People(base)
    base.close()


def somebody(at: People, email: str = "ada@example.com", password: str | None = GOOD) -> Person:
    account_id = books.payer(at.database, f"of {email}").account_id
    with at.database.begin() as tx:
        person_id = store.create(tx, email, "", "member", account_id, books.NOW_MS)
        assert person_id is not None
        if password:
            store.set_password(tx, person_id, hash_password(password))
    return found(at, person_id)


def found(at: People, person_id: str) -> Person:
    with at.database.each() as tx:
        person = store.find(tx, person_id)
    assert person is not None
    return person


def refused(at: People, email: str, password: str = "wrong", address: str = HOME) -> str:
    with pytest.raises(CannotSignIn) as caught:
        at.sign_in(email, password, address, "")
    return "many" if isinstance(caught.value, TooManyAttempts) else str(caught.value)


def test_the_right_password_opens_a_session(at: People) -> None:
    person = somebody(at)
    token = at.sign_in("ADA@example.com", GOOD, HOME, "a browser" * 100)
    assert at.of_session(token) == found(at, person.id)
    with at.database.each() as tx:
        (session,) = store.sessions(tx, person.id, books.NOW_MS)
    assert len(session.agent) == 200 and token not in session.hash
    at.sign_out(token)
    assert at.of_session(token) is None


def test_nothing_tells_who_is_known_here(at: People) -> None:
    somebody(at)
    somebody(at, "invited@example.com", None)
    off = somebody(at, "off@example.com")
    with at.database.begin() as tx:
        store.disable(tx, off.id, 1)
    told = {refused(at, email) for email in ("ada@example.com", "none@example.com", "invited@example.com")}
    told |= {refused(at, "off@example.com", GOOD), refused(at, "ada@example.com", GOOD + "x" * 300)}
    assert told == {"E-mail and password do not match."}


def test_an_unknown_address_takes_as_long_as_a_known_one(at: People) -> None:
    somebody(at)
    somebody(at, "invited@example.com", None)
    refused(at, "warm@example.com")
    took = {}
    for email in ("ada@example.com", "none@example.com", "invited@example.com"):
        began = time.process_time()
        for _ in range(3):
            refused(at, email)
        took[email] = time.process_time() - began
    assert min(took.values()) > 0.4 * max(took.values()), took


def test_guesses_at_one_person_from_one_place_are_few(at: People) -> None:
    somebody(at)
    assert [refused(at, "ada@example.com") == "many" for _ in range(12)] == [False] * 10 + [True] * 2
    assert refused(at, "ADA@EXAMPLE.COM", GOOD) == "many", "the right one comes too late as well"


def test_whoever_guesses_elsewhere_does_not_keep_the_owner_out(at: People) -> None:
    somebody(at)
    for _ in range(12):
        refused(at, "ada@example.com", address="198.51.100.7")
    assert at.sign_in("ada@example.com", GOOD, HOME, "")


def test_guesses_at_one_person_from_everywhere_have_an_end(at: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "ATTEMPTS_BY_EMAIL", 5)
    somebody(at)
    for n in range(5):
        refused(at, "ada@example.com", address=f"198.51.100.{n}")
    assert refused(at, "ada@example.com", GOOD) == "many"
    assert refused(at, "grace@example.com") != "many"


def test_guesses_from_one_place_at_everybody_have_an_end(at: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "ATTEMPTS_BY_ADDRESS", 4)
    somebody(at)
    for n in range(4):
        refused(at, f"{n}@example.com", address="2001:db8::1")
    assert refused(at, "ada@example.com", GOOD, "2001:db8::ffff:2") == "many", "of the same network"
    assert at.sign_in("ada@example.com", GOOD, "2001:db8:0:1::1", "")


def test_an_address_that_looks_like_a_place_counts_for_nobody_else(
    at: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "ATTEMPTS_BY_ADDRESS", 3)
    somebody(at)
    for name in (f"@{HOME}", f"from/{HOME}", f"sign-in/from/{HOME}"):
        refused(at, name, address="198.51.100.7")
    assert at.sign_in("ada@example.com", GOOD, HOME, "")


def test_those_who_sign_in_all_day_are_not_counted(at: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "ATTEMPTS_BY_ADDRESS", 2)
    monkeypatch.setattr(people, "ATTEMPTS_BY_EMAIL", 2)
    somebody(at)
    for _ in range(5):
        assert at.sign_in("ada@example.com", GOOD, HOME, "")


def test_signing_in_forgives_nobody_elses_guesses(at: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "ATTEMPTS_BY_EMAIL", 6)
    somebody(at)
    for _ in range(4):
        refused(at, "ada@example.com", address="198.51.100.7")
    at.sign_in("ada@example.com", GOOD, HOME, "")
    guesses = [refused(at, "ada@example.com", address="198.51.100.8") == "many" for _ in range(3)]
    assert guesses == [False, False, True]


def test_a_link_leads_to_a_password_once(at: People) -> None:
    person = somebody(at, password=None)
    token = at.invite(person.id)
    with pytest.raises(WeakPassword):
        at.accept(token, "short", "")
    session = at.accept(token, GOOD, "")
    assert session is not None and at.of_session(session) is not None
    assert at.accept(token, GOOD, "") is None
    assert at.accept("made-up", GOOD, "") is None
    assert at.sign_in("ada@example.com", GOOD, HOME, "")


def test_another_password_needs_the_present_one_and_ends_other_sessions(at: People) -> None:
    person = somebody(at)
    before = at.sign_in("ada@example.com", GOOD, HOME, "")
    with pytest.raises(CannotSignIn, match="another one"):
        at.change_password(person, "wrong", "another fine one", HOME, "")
    with pytest.raises(WeakPassword):
        at.change_password(person, GOOD, "short", HOME, "")
    assert at.of_session(before) is not None
    token = at.change_password(person, GOOD, "another fine one", HOME, "")
    assert at.of_session(before) is None and at.of_session(token) is not None
    assert refused(at, "ada@example.com", GOOD) != "many"
    assert at.sign_in("ada@example.com", "another fine one", HOME, "")


def test_guesses_at_the_present_password_are_few(at: People) -> None:
    person = somebody(at)
    for _ in range(10):
        with pytest.raises(CannotSignIn, match="another one"):
            at.change_password(person, "wrong", "another fine one", HOME, "")
    with pytest.raises(TooManyAttempts):
        at.change_password(person, GOOD, "another fine one", HOME, "")


def test_a_session_alone_is_no_way_to_a_password(at: People) -> None:
    person = somebody(at, password=None)
    with pytest.raises(CannotSignIn, match="no password"):
        at.change_password(person, "", "another fine one", HOME, "")
    assert found(at, person.id).password is None


@pytest.mark.parametrize(
    "password", ["", "short", "a" * 20, "ababababab", "x" * 257, "1234567890", "Ada@Example.com"]
)
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        hash_password(password, "ada@example.com")


def test_a_password_as_long_as_allowed_has_no_longer_twin(at: People) -> None:
    longest = "abcdefgh" * 32
    somebody(at, password=longest)
    assert refused(at, "ada@example.com", longest + "x") != "many"
    assert at.sign_in("ada@example.com", longest, HOME, "")


@pytest.mark.parametrize("text", ["ada@example.com", "admin@localhost", "a+b@x.y", "jürgen@bücher.example"])
def test_addresses(text: str) -> None:
    assert is_email(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "@", "ada", "ada@", "@example.com", "a b@example.com", "a@b@c", "a@b\nBcc: c@d", "<a@b>", "a,b@c"),
        *("a@b;c", "a" * 200 + "@example.com", "a@b\0", "a@b\u2028c"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert not is_email(text)


def test_waiting_is_told_in_minutes() -> None:
    assert "in 1 minute." in str(TooManyAttempts(5)) and "in 2 minutes." in str(TooManyAttempts(61))


def test_the_database_keeps_nothing_that_opens_a_door(at: People) -> None:
    person = somebody(at, password=None)
    link = at.invite(person.id)
    token = at.accept(link, GOOD, "")
    assert token is not None
    kept = b"".join(path.read_bytes() for path in Path(at.database.path).parent.glob("thermly.db*"))
    assert GOOD.encode() not in kept and link.encode() not in kept and token.encode() not in kept
