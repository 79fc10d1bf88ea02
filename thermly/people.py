"""Signing in: passwords, sessions, links to choose a password.

Knows: how a person proves who it is, and how often it may try. Must not know: Flask, pages, cookies.
Passwords are kept as scrypt hashes with Werkzeug's parameters (N = 2**15, r = 8, p = 1: 32 MiB and some 60 ms
each), so few are tried at a time, and attempts are counted before one is.
"""

import secrets
import threading
import time

from werkzeug.security import check_password_hash, generate_password_hash

from thermly.store import limits, people
from thermly.store.db import Database, Tx
from thermly.store.people import Person

SESSION_S = 14 * 86_400
INVITATION_S = 7 * 86_400
SEEN_EVERY_MS = 60_000
WINDOW_S = 15 * 60
ATTEMPTS_BY_EMAIL = 10
ATTEMPTS_BY_ADDRESS = 60
LEAST_CHARS, MOST_CHARS = 10, 256
_at_a_time = threading.Semaphore(2)


class CannotSignIn(Exception):
    """The message is for the person; it never tells whether the address is known."""


class TooManyAttempts(CannotSignIn):
    def __init__(self, wait_s: int) -> None:
        super().__init__(f"Too many attempts. Try again in {max(1, wait_s // 60)} minutes.")
        self.wait_s = wait_s


class WeakPassword(ValueError):
    """The message says what would do."""


class People:
    def __init__(self, database: Database) -> None:
        self.database = database

    def sign_in(self, email: str, password: str, address: str, agent: str) -> str:
        """The token of a new session. Raises CannotSignIn, TooManyAttempts."""
        self._count(email.lower(), address)
        with self.database.each() as tx:
            person = people.by_email(tx, email)
        known = person is not None and person.password is not None
        hashed = person.password if person and person.password else _nobodys()
        with _at_a_time:
            right = len(password) <= MOST_CHARS and check_password_hash(hashed, password)
        if not known or not right or person is None or person.disabled_at_ms is not None:
            raise CannotSignIn("E-mail and password do not match.")
        with self.database.begin() as tx:
            limits.clear(tx, _by_email(email.lower()))
            return self._begin(tx, person.id, agent)

    def welcome(self, person: Person, agent: str) -> str:
        """The token of a new session for somebody whom somebody else has vouched for."""
        with self.database.begin() as tx:
            return self._begin(tx, person.id, agent)

    def of_session(self, token: str) -> Person | None:
        now_ms = _now_ms()
        with self.database.each() as tx:
            person = people.of_session(tx, token, now_ms)
            if person is not None:
                people.seen(tx, token, now_ms, SEEN_EVERY_MS)
        return person

    def sign_out(self, token: str) -> None:
        with self.database.each() as tx:
            people.end(tx, people.digest(token))

    def invite(self, person_id: str) -> str:
        """The token of a link with which the person chooses a password."""
        token, now_ms = secrets.token_urlsafe(32), _now_ms()
        with self.database.begin() as tx:
            people.invite(tx, person_id, token, now_ms, now_ms + INVITATION_S * 1000)
        return token

    def accept(self, token: str, password: str, agent: str) -> str | None:
        """Choose a password by link; the token of a new session, or None for a link that is used or too old.
        Raises WeakPassword."""
        with self.database.each() as tx:
            person = people.invited(tx, token, _now_ms())
        if person is None:
            return None
        hashed = hash_password(password, person.email)
        with self.database.begin() as tx:
            if people.accept(tx, token, _now_ms()) is None:
                return None
            people.set_password(tx, person.id, hashed)
            return self._begin(tx, person.id, agent)

    def change_password(self, person: Person, old: str, new: str, address: str, agent: str) -> str:
        """All other sessions end; the token of a new one. Raises CannotSignIn, WeakPassword."""
        self._count(person.email.lower(), address)
        with _at_a_time:
            if person.password is not None and not check_password_hash(person.password, old[:MOST_CHARS]):
                raise CannotSignIn("The present password is another one.")
        hashed = hash_password(new, person.email)
        with self.database.begin() as tx:
            people.set_password(tx, person.id, hashed)
            return self._begin(tx, person.id, agent)

    def _begin(self, tx: Tx, person_id: str, agent: str) -> str:
        token, now_ms = secrets.token_urlsafe(32), _now_ms()
        people.begin(tx, person_id, token, agent[:200], now_ms, now_ms + SESSION_S * 1000)
        return token

    def _count(self, email: str, address: str) -> None:
        now_ms = _now_ms()
        with self.database.begin() as tx:
            for key, most in ((_by_email(email), ATTEMPTS_BY_EMAIL), (f"sign-in/@{address}", ATTEMPTS_BY_ADDRESS)):
                count, resets_at_ms = limits.count(tx, key, WINDOW_S, 1, now_ms)
                if count > most:
                    raise TooManyAttempts((resets_at_ms - now_ms) // 1000)


def hash_password(password: str, email: str = "") -> str:
    """Raises WeakPassword. Length is what counts (NIST SP 800-63B-4, 3.1.1.2); no rules of composition."""
    if not LEAST_CHARS <= len(password) <= MOST_CHARS:
        raise WeakPassword(f"A password has between {LEAST_CHARS} and {MOST_CHARS} characters.")
    if len(set(password)) < 5 or password.lower() in (email.lower(), "thermly" * 2, "password123", "1234567890"):
        raise WeakPassword("That password is too easily guessed.")
    with _at_a_time:
        return generate_password_hash(password, method="scrypt")


_nobody: list[str] = []


def _nobodys() -> str:
    """A hash to check against where there is none, so that an unknown address takes as long as a known one."""
    if not _nobody:
        _nobody.append(generate_password_hash(secrets.token_urlsafe(), method="scrypt"))
    return _nobody[0]


def _by_email(email: str) -> str:
    return f"sign-in/{email[:200]}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
