"""Whom this process believes to be who they say they are: the machine's own roots, and Mozilla's where it has none.

Knows: certificates. Must not know: who is spoken to.
"""

import ssl

import certifi


def context() -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.load_verify_locations(certifi.where())
    return made
