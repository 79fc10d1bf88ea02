"""What vendors say, without what is nobody's business: keys, accounts, request ids, addresses.

Knows: how such things look. Must not know: who said it.
"""

import re

# Ids of accounts and requests have a digit or a mask; without that, "org-specific" would be one.
_SECRET = re.compile(
    r"\b(?:(?:sk|rk|pk|gsk|xai)[-_]|AIza|Bearer +)[\w\-*.]{6,}"
    r"|\b(?:org|proj|req|acct)[-_](?=[\w\-]*[\d*])[\w\-*]{6,}"
    r"|\bprojects/[\w\-]+"
    r"|https?://\S+"
)


def redact(text: str) -> str:
    """A vendor's sentence without keys, organisations, request ids and addresses, and of bounded length."""
    return _SECRET.sub("[…]", text)[:500]
