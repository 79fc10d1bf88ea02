"""The words of the table of operations: an operation, its parameters, its answers, and who may refuse it.

Knows: shapes, and what may go wrong together. Must not know: any one operation.
"""

from typing import Any, Literal

from msgspec import Struct

from thermly.errors import (
    ContentRefused,
    GatewayError,
    InsufficientFunds,
    Internal,
    InvalidRequest,
    PermissionDenied,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnknownModel,
    UnsupportedContent,
    UpstreamFailed,
)
from thermly.web.openapi_samples import Sample
from thermly.web.openapi_schemas import Bounding

Refusals = tuple[type[GatewayError], ...]
Where = Literal["path", "query", "header"]
JSON, SSE = "application/json", "text/event-stream"

KEYED: Refusals = (Unauthenticated, PermissionDenied, Internal, Unavailable)
SENT: Refusals = (*KEYED, InvalidRequest, TooLarge, UnknownModel, RateLimited)
MADE: Refusals = (*SENT, UnsupportedContent, ContentRefused, InsufficientFunds, UpstreamFailed)


class Parameter(Struct, frozen=True):
    name: str
    where: Where
    about: str
    kind: Any = str
    example: Any = None


class Answer(Struct, frozen=True):
    """One way to succeed: the types by their media type (None: no type of ours), and what else the headers say.
    `tells_errors`: the events of a stream say in their own words that it broke off."""

    kinds: dict[str, Any]
    status: int = 200
    headers: tuple[str, ...] = ()
    about: str = ""
    tells_errors: bool = False


class Operation(Struct, frozen=True):
    """`serves`: the word of the surfaces that have it; empty: it stands at the root, needs no key and counts
    against no limit. `at_root`: it stands there as well, by the rules of the surface. `counted`: in which limit a
    request counts. `body`: the types one of which it must match."""

    serves: str
    method: Literal["get", "post", "delete"]
    path: str
    id: str
    summary: str
    answers: tuple[Answer, ...]
    refusals: Refusals = ()
    about: str = ""
    body: tuple[Any, ...] = ()
    body_name: str = ""
    bounds: Bounding | None = None
    at_root: bool = False
    parameters: tuple[Parameter, ...] = ()
    counted: Literal["chat", "image"] | None = None
    example: dict[str, Any] | None = None
    sample: Sample | None = None


ESCALATED = ("x-escalated-from", "x-escalated-because")
FRESH = Parameter("x-no-cache", "header", "`true`: no answer from the cache, and keep the new one.", example="true")
