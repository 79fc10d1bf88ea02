"""Signing in: passwords, sessions, links to choose a password.

Knows: how a person proves who it is, and how often it may try. Must not know: Flask, pages, cookies.
Passwords are kept as scrypt hashes with Werkzeug's parameters (N = 2**15, r = 8, p = 1: 32 MiB and some 60 ms
each), so few are tried at a time, and attempts are counted before one is.
"""

import ipaddress
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.security import check_password_hash, generate_password_hash

from thermly import clock
from thermly.store import limits, people
from thermly.store.db import Database, Tx
from thermly.store.people import Person

SESSION_S = 14 * 86_400
INVITATION_S = 7 * 86_400
SEEN_EVERY_MS = 60_000
WINDOW_S = 15 * 60
# Of one person from one place: few, so that passwords cannot be guessed. Of one person from everywhere: more, so
# that whoever knows an address cannot keep its owner out from one place alone. From one place: an office's worth.
ATTEMPTS, ATTEMPTS_BY_EMAIL, ATTEMPTS_BY_ADDRESS = 10, 100, 60
UNNAMED_BY_ADDRESS = 200
LEAST_CHARS, MOST_CHARS = 10, 256
MOST_EMAIL_CHARS = 200
TURN_S = 15
_at_a_time = threading.Semaphore(2)


class CannotSignIn(Exception):
    """The message is for the person; it never tells whether the address is known."""


class TooManyAttempts(CannotSignIn):
    def __init__(self, wait_s: int) -> None:
        minutes = max(1, -(-wait_s // 60))
        super().__init__(f"Too many attempts. Try again in {minutes} minute{'s' if minutes > 1 else ''}.")
        self.wait_s = wait_s


class WeakPassword(ValueError):
    """The message says what would do."""


class People:
    def __init__(self, database: Database) -> None:
        self.database = database

    def sign_in(self, email: str, password: str, address: str, agent: str) -> str:
        """The token of a new session. Raises CannotSignIn, TooManyAttempts."""
        counted = self._count(email, address)
        with self.database.each() as tx:
            person = people.by_email(tx, email)
        known = person is not None and person.password is not None
        right = _matches(person.password if person and person.password else _nobodys(), password)
        if not known or not right or person is None or person.disabled_at_ms is not None:
            raise CannotSignIn("E-mail and password do not match.")
        with self.database.begin() as tx:
            _uncount(tx, counted)
            return self._begin(tx, person.id, agent)

    def knock(self, address: str) -> None:
        """Count an attempt of somebody who has not said yet who it is. Raises TooManyAttempts."""
        self._count_all([(f"{_from(address)}/unnamed", UNNAMED_BY_ADDRESS)])

    def welcome(self, person: Person, agent: str) -> str:
        """The token of a new session for somebody whom somebody else has vouched for."""
        with self.database.begin() as tx:
            return self._begin(tx, person.id, agent)

    def of_session(self, token: str) -> Person | None:
        now_ms = clock.now_ms()
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
        token, now_ms = secrets.token_urlsafe(32), clock.now_ms()
        with self.database.begin() as tx:
            people.invite(tx, person_id, token, now_ms, now_ms + INVITATION_S * 1000)
        return token

    def invites(self, token: str) -> bool:
        """Whether a link is still good."""
        with self.database.each() as tx:
            return people.invited(tx, token, clock.now_ms()) is not None

    def accept(self, token: str, password: str, agent: str) -> str | None:
        """Choose a password by link; the token of a new session, or None for a link that is used or too old.
        Raises WeakPassword, TooManyAttempts."""
        with self.database.each() as tx:
            person = people.invited(tx, token, clock.now_ms())
        if person is None:
            return None
        hashed = hash_password(password, person.email)
        with self.database.begin() as tx:
            if people.accept(tx, token, clock.now_ms()) is None:
                return None
            people.set_password(tx, person.id, hashed)
            return self._begin(tx, person.id, agent)

    def change_password(self, person: Person, old: str, new: str, address: str, agent: str) -> str:
        """All other sessions end; the token of a new one. Raises CannotSignIn, WeakPassword."""
        counted = self._count(person.email, address)
        if person.password is None:  # a session alone must not become a password that outlives it
            raise CannotSignIn("You have no password here. An admin can make you a link to choose one.")
        if not _matches(person.password, old):
            raise CannotSignIn("The present password is another one.")
        hashed = hash_password(new, person.email)
        with self.database.begin() as tx:
            _uncount(tx, counted)
            people.set_password(tx, person.id, hashed)
            return self._begin(tx, person.id, agent)

    def _begin(self, tx: Tx, person_id: str, agent: str) -> str:
        token, now_ms = secrets.token_urlsafe(32), clock.now_ms()
        people.begin(tx, person_id, token, agent[:200], now_ms, now_ms + SESSION_S * 1000)
        return token

    def _count(self, email: str, address: str) -> list[str]:
        """What was counted under. Raises TooManyAttempts."""
        who = email.lower()[:MOST_EMAIL_CHARS]
        both = f"{_from(address)}/of/{who}"
        return self._count_all(
            [
                (both, ATTEMPTS),
                (f"sign-in/of/{who}", ATTEMPTS_BY_EMAIL),
                (_from(address), ATTEMPTS_BY_ADDRESS),
            ]
        )

    def _count_all(self, bounds: list[tuple[str, int]]) -> list[str]:
        now_ms = clock.now_ms()
        with self.database.begin() as tx:
            for key, most in bounds:
                count, resets_at_ms = limits.count(tx, key, WINDOW_S, 1, now_ms)
                if count > most:
                    raise TooManyAttempts((resets_at_ms - now_ms) // 1000)
        return [key for key, _ in bounds]


def hash_password(password: str, email: str = "") -> str:
    """Raises WeakPassword, TooManyAttempts. Length is what counts (NIST SP 800-63B-4, 3.1.1.2); no rules of
    composition."""
    if not LEAST_CHARS <= len(password) <= MOST_CHARS:
        raise WeakPassword(f"A password has between {LEAST_CHARS} and {MOST_CHARS} characters.")
    if len(set(password)) < 5 or password.lower() in (email.lower(), "thermly" * 2, "password123", "1234567890"):
        raise WeakPassword("That password is too easily guessed.")
    with _turn():
        return generate_password_hash(password, method="scrypt")


def is_email(text: str) -> bool:
    """Whether it can be one; only a message that arrives proves that it is."""
    name, at, place = text.rpartition("@")
    plain = text.isprintable() and not any(c.isspace() or c in '<>",;:@\\' for c in name + place)
    return bool(name and at and place) and plain and len(text) <= MOST_EMAIL_CHARS


def link(base: str, token: str) -> str:
    """The address with which a password is chosen, at a server that is reached at `base`."""
    return f"{base.rstrip('/')}/console/invitation/{token}"


@contextmanager
def _turn() -> Iterator[None]:
    """Raises TooManyAttempts when too many others wait for theirs."""
    if not _at_a_time.acquire(timeout=TURN_S):
        raise TooManyAttempts(TURN_S)
    try:
        yield
    finally:
        _at_a_time.release()


def _matches(hashed: str, password: str) -> bool:
    with _turn():
        return len(password) <= MOST_CHARS and check_password_hash(hashed, password)


_nobody: list[str] = []


def _nobodys() -> str:
    """A hash to check against where there is none, so that an unknown address takes as long as a known one."""
    if not _nobody:
        _nobody.append(generate_password_hash(secrets.token_urlsafe(), method="scrypt"))
    return _nobody[0]


def _from(address: str) -> str:
    """Where attempts come from: a home or an office, which has a whole network of IPv6 addresses."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"sign-in/from/{address[:64]}"
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return f"sign-in/from/{mapped or ipaddress.ip_network((found, 64), strict=False)}"
    return f"sign-in/from/{found}"


def _uncount(tx: Tx, counted: list[str]) -> None:
    """An attempt that was right is none. What others tried meanwhile stays counted."""
    both, *rest = counted
    limits.clear(tx, both)
    for key in rest:
        limits.give_back(tx, key, clock.now_ms())
