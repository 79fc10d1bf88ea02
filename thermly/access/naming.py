"""What accounts, keys and people may be called. Values only."""

import unicodedata

OF_IDS = "acc_"
UNSEEN = frozenset(("Cc", "Cs", "Zl", "Zp"))
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""With these a name reads as another one, and so does what stands behind it."""


class BadName(ValueError):
    """The message says what would do."""


def check(name: str) -> None:
    """Raises BadName for what nobody sees, or sees in another order than it is in."""
    if any(unicodedata.category(c) in UNSEEN or c in TURNING for c in name):
        raise BadName("A name has no control characters, and none that turn the direction of the text.")


def check_account(name: str) -> None:
    """Raises BadName. A name that looks like an id could be taken for that of another account."""
    check(name)
    if name.lower().startswith(OF_IDS):
        raise BadName(f"A name does not begin with {OF_IDS}: ids do.")
