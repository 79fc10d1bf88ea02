"""The Flask application, without what an API called thousands of times a second does not need.

Knows: Flask, WSGI. Must not know: routes.
"""

import functools
from collections.abc import Iterable
from typing import Any

from flask import Flask
from flask.wrappers import Request, Response
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.routing import MapAdapter, Rule

API = ("/v1/", "/api/")


class Whole:
    """A finished JSON body with status 200, handed to the server as it is: Werkzeug's response object would
    read, copy and rewrite the headers three times (8 % of a chat request)."""

    def __init__(self, body: bytes, headers: list[tuple[str, str]]) -> None:
        self.body, self.headers = body, headers

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(
            "200 OK",
            [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(self.body))),
                *self.headers,
            ],
        )
        return (self.body,)


class Body(Request):
    def whole_body(self) -> bytes:
        """The body in one read where its length is told. Raises RequestEntityTooLarge or ClientDisconnected."""
        length = self.environ.get("CONTENT_LENGTH", "")
        if not length.isdecimal():
            return self.get_data(cache=False)
        if self.max_content_length is not None and int(length) > self.max_content_length:
            raise RequestEntityTooLarge()
        body: bytes = self.environ["wsgi.input"].read(int(length))
        if len(body) < int(length):
            raise ClientDisconnected()
        return body


class Known:
    """A URL adapter for a path without variables: what would be found is known before."""

    def __init__(self, found: tuple[Rule, dict[str, Any]]) -> None:
        self._found = found

    def match(self, **_options: Any) -> tuple[Rule, dict[str, Any]]:
        return self._found


class Edge(Flask):
    request_class = Body

    @functools.cached_property
    def _known(self) -> dict[tuple[str, str], Known]:
        fixed = [rule for rule in self.url_map.iter_rules() if not rule.arguments and rule.rule.startswith(API)]
        return {
            (method, rule.rule): Known((rule, {}))
            for rule in fixed
            for method in (rule.methods or set()) - {"OPTIONS"}
        }

    def create_url_adapter(self, request: Any) -> Any:
        """API paths depend on path and method alone; Flask's own way reads the Host header twice (20 µs)."""
        if request is None or not request.path.startswith(API):
            return super().create_url_adapter(request)
        known = self._known.get((request.method, request.path))
        return known or MapAdapter(self.url_map, "", "/", "", request.scheme, request.path, request.method)

    def finalize_request(self, rv: Any, from_error_handler: bool = False) -> Response:
        if isinstance(rv, Whole):
            return rv  # type: ignore[return-value]  # Flask only calls it
        return super().finalize_request(rv, from_error_handler)
