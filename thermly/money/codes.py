"""Redeem codes: how they are made, read back as people type them, and turned into credit.

Knows: the alphabet, batches, how often somebody may try. Must not know: Flask, pages.
"""

import hashlib
import secrets

from thermly import clock, ids
from thermly.store import codes, limits
from thermly.store.codes import Terms
from thermly.store.db import Database

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: nothing in it looks like something else in it."""
PREFIX, GROUPS, GROUP = "THRM", 4, 4
MOST_CODES = 1000
WINDOW_S, ATTEMPTS = 15 * 60, 10
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", "–": "", "_": "", " ": ""})
_LENGTH = GROUPS * GROUP


class Worthless(ValueError):
    """The code gives nothing; the message is for the person, and is the same for unknown, used and expired ones."""


class TooManyTries(Worthless):
    """Whatever the code is worth, it is not looked at now."""


def new() -> str:
    """80 random bits: `THRM-XXXX-XXXX-XXXX-XXXX`."""
    chars = "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH))
    return "-".join((PREFIX, *(chars[i : i + GROUP] for i in range(0, _LENGTH, GROUP))))


def digest(code: str) -> str | None:
    """Of the code as somebody typed it; None for what can be none. As many bits as it has need no salt."""
    plain = "".join(code.upper().split()).translate(_READ_AS)
    if len(plain) == _LENGTH + len(PREFIX):
        plain = plain.removeprefix(PREFIX)
    if len(plain) != _LENGTH or not set(plain) <= set(ALPHABET):
        return None
    return hashlib.sha256(plain.encode()).hexdigest()


def make(
    database: Database, count: int, amount_nanousd: int, note: str, expires_at_ms: int | None
) -> tuple[str, list[str]]:
    """The batch's name and its codes, which are kept nowhere."""
    terms = Terms(ids.new(), amount_nanousd, note, expires_at_ms)
    made = [new() for _ in range(count)]
    hashed = [(digest(code) or "", code[-GROUP:]) for code in made]
    with database.begin() as tx:
        codes.add(tx, terms, hashed, clock.now_ms())
    return terms.batch, made


def redeem(database: Database, code: str, account_id: str, person_id: str) -> int:
    """What it was worth, which the account now has. Raises Worthless, TooMuch."""
    now_ms, key = clock.now_ms(), f"redeem/{person_id}"
    with database.begin() as tx:
        count, resets_at_ms = limits.count(tx, key, WINDOW_S, 1, now_ms)
    if count > ATTEMPTS:
        minutes = max(1, (resets_at_ms - now_ms) // 60_000)
        raise TooManyTries(f"Too many tries. Try again in {minutes} minutes.")
    hashed = digest(code)
    with database.begin() as tx:
        amount_nanousd = codes.redeem(tx, hashed, account_id, now_ms) if hashed else None
        if amount_nanousd is not None:
            limits.give_back(tx, key, now_ms)
            return amount_nanousd
        if hashed and codes.redeemed_by(tx, hashed) == account_id:
            raise Worthless("This account has redeemed that code already.")
    raise Worthless("That code is not worth anything: it is unknown, used, or expired.")
