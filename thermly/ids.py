"""Identifiers made here, never in the database: sortable by time, so that new rows go to the end of a table."""

import os
import secrets
import time


def new() -> str:
    """22 hexadecimal characters: the millisecond, then 44 random bits."""
    return f"{time.time_ns() // 1_000_000:011x}{os.urandom(6).hex()[1:]}"


def new_key() -> str:
    """An API key with 192 random bits."""
    return "sk-thermo-" + secrets.token_urlsafe(24)
