"""Dollars as people write them <-> whole nano-dollars; times as people read them. Values only."""

import datetime
import re
from decimal import Decimal, InvalidOperation

NANO_PER_USD = 10**9
MOST_USD = 1_000_000_000
_NANO = Decimal("1e-9")
_GROUPED = re.compile(r"-?\d{1,3}(?:_\d{3})+(?:\.\d*)?")
_SIGN = re.compile(r"^(-?)\$")


def parse_usd(text: str, negative: bool = False) -> int:
    """Nano-dollars. Raises ValueError, with a sentence, for what is no amount, is beyond a billion dollars, or has
    more than nine decimals, which could not be kept."""
    plain = _SIGN.sub(r"\1", text.strip().replace("\N{MINUS SIGN}", "-"))
    if _GROUPED.fullmatch(plain):
        plain = plain.replace("_", "")
    try:
        # Decimal takes an underscore anywhere, and with it 1_0 for ten.
        amount = Decimal(plain if plain.isascii() and "_" not in plain else "")
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not an amount of dollars.") from error
    least = -MOST_USD if negative else 0
    if not amount.is_finite() or not least <= amount <= MOST_USD:
        raise ValueError(f"{text!r} is not between {least:,} and {MOST_USD:,} dollars.")
    kept = amount.quantize(_NANO)
    if kept != amount:
        raise ValueError(f"{text!r} has more than nine decimals.")
    return int(kept * NANO_PER_USD)


def usd(nanousd: int) -> str:
    """Exactly, with at least two decimals."""
    sign, whole, nano = "-" if nanousd < 0 else "", abs(nanousd) // NANO_PER_USD, abs(nanousd) % NANO_PER_USD
    return f"{sign}{whole}.{f'{nano:09d}'.rstrip('0').ljust(2, '0')}"


def utc(at_ms: int | None) -> str:
    if at_ms is None:
        return ""
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).strftime("%Y-%m-%d %H:%M")
