"""Feedback as clients send it: which response, how good, in words; and what they are told of it.

Knows: the wire and its rules. Must not know: whose responses there are, Flask.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from thermly.dialects.openai_chat import invalid, parse
from thermly.errors import InvalidRequest

WORDS = {"good": 5, "bad": 1}
MOST_COMMENT_CHARS = 2_000


class Body(Struct, forbid_unknown_fields=True):
    response_id: Annotated[str, Meta(min_length=1, max_length=100)]
    rating: Annotated[int, Meta(ge=1, le=5)] | Literal["good", "bad"]
    comment: Annotated[str, Meta(max_length=MOST_COMMENT_CHARS)] | None = None

    @property
    def points(self) -> int:
        return WORDS[self.rating] if isinstance(self.rating, str) else self.rating


class Feedback(Struct, kw_only=True):
    """What was kept. A later rating of the same response takes its place."""

    id: Annotated[str, Meta(description="Of the rating; the same for each rating of a response.")]
    object: Literal["feedback"] = "feedback"
    response_id: Annotated[str, Meta(description="As it was asked for.")]
    rating: Annotated[int, Meta(ge=1, le=5, description="5 for `good`, 1 for `bad`.")]
    model: Annotated[str, Meta(description="The model that answered.")]
    complexity_level: Annotated[
        int, Meta(ge=0, le=5, description="How hard the router took the request to be; 0: it was not judged.")
    ]
    created: Annotated[int, Meta(ge=0, description="Seconds since 1970, UTC.")]


# msgspec prepares a type at its first use, and a thread that meets a half prepared one crashes the process.
msgspec.json.Decoder(Body)


def read_request(body: bytes) -> Body:
    """Raises InvalidRequest with the offending field in `param`."""
    raw = parse(body)
    if unknown := raw.keys() - {*Body.__struct_fields__}:
        name = min(unknown)
        raise InvalidRequest(f"'{name[:100]}' is not a parameter of this API.", param=name[:100])
    try:
        return msgspec.convert(raw, Body)
    except msgspec.ValidationError as error:
        raise invalid(error) from None


def write_reply(kept: Feedback) -> bytes:
    return msgspec.json.encode(kept)
