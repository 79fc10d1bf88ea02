"""What every wire is made of: the request it reads, the answer it gives, the refusal it raises.

Knows HTTP as values (a status, a few headers, bytes) and no socket. Knows no vendor.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from thermly.sandbox.directives import BadOrder, Orders, read_orders
from thermly.sandbox.values import JSON


class Refused(Exception):
    """The vendor would answer this request with an error."""

    def __init__(
        self,
        status: int,
        message: str = "",
        *,
        kind: str | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.kind, self.code, self.param = kind, code, param
        self.retry_after = retry_after


@dataclass(slots=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes
    provider: str = ""
    rest: str = ""
    standing: Orders = field(default_factory=Orders)

    def json(self) -> JSON:
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Refused(400, f"The request body is not valid JSON: {error}") from None
        if not isinstance(body, dict):
            raise Refused(400, "The request body must be a JSON object.")
        return body

    def orders(self, text: str) -> tuple[Orders, str]:
        try:
            return read_orders(text, self.standing)
        except BadOrder as bad:
            raise Refused(400, str(bad)) from None


@dataclass(frozen=True, slots=True)
class Frame:
    data: bytes
    content: bool = False  # whether it carries a piece of the answer, which orders count


@dataclass(slots=True)
class Answer:
    orders: Orders
    body: Any = None
    frames: Iterator[Frame] | None = None
    content_type: str = "text/event-stream"
    inband: bytes = b""  # the vendor's own way to report an error inside a stream
    mangle: bool = False  # break the JSON of the body or of the first content frame
    images_drawn: int = 0
    images_served: dict[str, bytes] = field(default_factory=dict)  # PNG by name, for those who come to fetch them


@dataclass(frozen=True, slots=True)
class Wire:
    name: str
    check_key: Callable[[Request], None]
    error: Callable[[Refused], JSON]
    headers: Callable[[], dict[str, str]]


Handler = Callable[[Request, str], Answer]


def bearer(request: Request) -> str:
    """The bearer token of a request, or nothing."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def sse(value: Any, event: str | None = None) -> bytes:
    head = f"event: {event}\n".encode() if event else b""
    return head + b"data: " + dumps(value) + b"\n\n"


def new_id(prefix: str) -> str:
    return prefix + os.urandom(12).hex()


def parsed(text: str) -> JSON:
    """Arguments as an object, or nothing where they are broken."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def objects_left_open(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of the objects in a schema that do not say `additionalProperties: false`."""
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        yield path
    for word in ("properties", "$defs", "definitions"):
        for name, child in (schema.get(word) or {}).items():
            yield from objects_left_open(child, (*path, word, name))
    if "items" in schema:
        yield from objects_left_open(schema["items"], (*path, "items"))
    for i, child in enumerate(schema.get("anyOf") or ()):
        yield from objects_left_open(child, (*path, "anyOf", str(i)))
