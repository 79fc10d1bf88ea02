"""Fetching what a provider names by its address, where an image was asked for and an address came.

Knows: HTTP, which addresses are fetched. Must not know: any vendor's JSON. Few ever need it, so who does imports it
then: `requests` costs every process 50 ms and 8 MiB.
"""

import os
import time
from urllib.parse import urljoin, urlsplit

import certifi
import requests
from urllib3.exceptions import HTTPError

from thermly.errors import UpstreamFailed
from thermly.pictures import MOST_BYTES

CONNECT_S, FETCH_S = 5, 60
MOST_REDIRECTS = 3
CHUNK_BYTES = 1 << 16


def fetch(url: str, base_url: str) -> bytes:
    """The bytes at an address that the provider told, which may be relative to its own."""
    deadline = time.monotonic() + FETCH_S
    try:
        for _ in range(1 + MOST_REDIRECTS):
            url = allowed(urljoin(base_url, url), base_url)
            with _get(url) as response:
                location = response.headers.get("Location")
                if not (response.is_redirect and location):
                    return _read(response, deadline)
            url = urljoin(url, location)
    except (requests.RequestException, HTTPError, ValueError) as error:
        # No more of the error: it quotes the address, which is a key to the image.
        raise not_fetched(type(error).__name__) from error
    raise not_fetched("too many redirects")


def allowed(url: str, base_url: str) -> str:
    """The address, where it is one to fetch: in the clear only from the provider's own host. It is looked at as it
    will be asked for, since no two readers of an odd address agree on its host."""
    url = requests.Request("GET", url).prepare().url or ""
    where = urlsplit(url)
    if where.scheme != "https" and (where.scheme != "http" or where.hostname != urlsplit(base_url).hostname):
        raise not_fetched(f"an address of the scheme {where.scheme[:20]} on another host")
    return url


def _get(url: str) -> requests.Response:
    """Without the provider's key, cookies of an earlier answer, and what a .netrc has for the host."""
    return requests.get(
        url,
        headers={"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "thermly"},
        auth=lambda request: request,
        timeout=(CONNECT_S, FETCH_S),
        stream=True,
        allow_redirects=False,
        verify=os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )


def _read(response: requests.Response, deadline: float) -> bytes:
    if response.status_code != 200:
        raise not_fetched(f"status {response.status_code}")
    found = bytearray()
    while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
        found += chunk
        if len(found) > MOST_BYTES:
            raise not_fetched("it is too large")
        if time.monotonic() > deadline:
            raise not_fetched("it comes too slowly")
    return bytes(found)


def not_fetched(detail: str) -> UpstreamFailed:
    return UpstreamFailed("The image that the model's provider made could not be fetched.", detail=detail)
