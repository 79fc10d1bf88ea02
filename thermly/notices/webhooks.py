"""Posting JSON to an address that somebody has typed in.

Knows: HTTP, and which addresses may be reached. Must not know: what is posted, and why.
Members choose where their webhooks lead, and this machine may reach what they may not: a name is looked up once,
each of its addresses must be public, and the connection goes to one of those, whatever the name means later.
"""

import http.client
import ipaddress
import socket
import threading
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from thermly import trust

CONNECT_S, WHOLE_S = 3, 10
MOST_CHARS = 500
GLOBAL_V6 = ipaddress.ip_network("2000::/3")


class BadAddress(ValueError):
    """The address cannot be a webhook's; the message is for whoever typed it."""


class NotDelivered(Exception):
    """The message says why."""


def check(url: str, anywhere: bool) -> None:
    """Raises BadAddress for what is no address, and without `anywhere` for what leads into this network."""
    parsed = _parse(url)
    if not anywhere:
        _look_up(parsed)


def post(url: str, body: dict[str, Any], anywhere: bool) -> None:
    """Raises NotDelivered. Redirects are not followed."""
    try:
        parsed = _parse(url)
        address = (parsed.hostname or "") if anywhere else _look_up(parsed)
    except BadAddress as error:
        raise NotDelivered(str(error)) from error
    connection = _Straight(parsed, address)
    watch = threading.Timer(WHOLE_S, connection.break_off)
    watch.start()
    try:
        path = (parsed.path or "/") + (f"?{parsed.query}" if parsed.query else "")
        headers = {"Content-Type": "application/json", "User-Agent": "Thermly"}
        connection.request("POST", path, msgspec.json.encode(body), headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotDelivered(f"it could not be reached ({type(error).__name__})") from error
    finally:
        watch.cancel()
        connection.close()
    if not 200 <= status < 300:
        raise NotDelivered(f"it answered {status}")


class _Straight(http.client.HTTPConnection):
    """Goes to the address that was looked at; asks, and checks the certificate, by the name."""

    def __init__(self, url: SplitResult, address: str) -> None:
        self._tls = trust.context() if url.scheme == "https" else None
        self.default_port = 443 if self._tls else 80
        super().__init__(url.hostname or "", url.port or self.default_port, timeout=WHOLE_S)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), CONNECT_S)
        self.sock.settimeout(WHOLE_S)
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)

    def break_off(self) -> None:
        """Time is up, however busily the other side talks."""
        try:
            if self.sock is not None:
                self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _parse(url: str) -> SplitResult:
    try:
        parsed = urlsplit(url)
        port, host = parsed.port, parsed.hostname
    except ValueError as error:
        raise BadAddress("This is no address of a webhook.") from error
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= MOST_CHARS
    if parsed.scheme not in ("http", "https") or not host or not plain or port == 0:
        raise BadAddress("A webhook's address begins with https:// or http:// and has no spaces in it.")
    if parsed.username is not None or parsed.password is not None:
        raise BadAddress("A webhook's address has no user and password in it.")
    return parsed


def _look_up(url: SplitResult) -> str:
    """The address to connect to, when all that the name has are public."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(url.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadAddress("This name cannot be found.") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(_public(address) for address in addresses):
        raise BadAddress("This address leads into the server's own network, where webhooks may not go.")
    return addresses[0]


def _public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _public(str(address.ipv4_mapped))
        if address not in GLOBAL_V6 or address.sixtofour is not None or address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast
