"""Identifiers made here, never in the database: sortable by time, so that new rows go to the end of a table."""

import os
import secrets

from thermly import clock


def new() -> str:
    """22 hexadecimal characters: the millisecond, then 44 random bits."""
    return f"{clock.now_ms():011x}{os.urandom(6).hex()[1:]}"


def of_attempt(number: str, attempt: int) -> str:
    """The number of another attempt at what has this number; the first has it itself. Who knows the one finds the
    others."""
    return f"{int(number, 16) + attempt - 1:022x}"


def new_key() -> str:
    """An API key with 192 random bits."""
    return "sk-thermo-" + secrets.token_urlsafe(24)
