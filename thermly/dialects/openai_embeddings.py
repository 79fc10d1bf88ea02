"""OpenAI's embeddings as clients speak it: requests read, replies written.

Source: the Thyris reference ("Creates an embedding vector representing the input text") and OpenAI's own.
Knows: the wire and its rules. Must not know: providers, prices, Flask, what a model takes.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from thermly.dialects.openai_chat import NOT_FOR_CALLERS, WIRE, invalid, parse
from thermly.errors import InvalidRequest
from thermly.exchange import Usage
from thermly.vectors import EmbeddingReply, EmbeddingRequest, Input, Vector, packed, unpacked

MOST_INPUTS = 2048
MOST_DIMENSIONS = 1 << 20
Text = Annotated[str, Meta(min_length=1)]
Token = Annotated[int, Meta(ge=0, lt=1 << 32)]
Tokens = Annotated[tuple[Token, ...], Meta(min_length=1)]
Texts = Annotated[tuple[Text, ...], Meta(min_length=1, max_length=MOST_INPUTS)]
Rows = Annotated[tuple[Tokens, ...], Meta(min_length=1, max_length=MOST_INPUTS)]

_encode = msgspec.json.encode


class Body(Struct):
    model: Annotated[str, Meta(min_length=1, max_length=200)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=MOST_DIMENSIONS)] | None = None
    user: str | None = None


class TextBody(Body, kw_only=True):
    input: Text | Texts


class TokenBody(Body, kw_only=True):
    input: Tokens


class RowBody(Body, kw_only=True):
    input: Rows


NAMED = frozenset(TextBody.__struct_fields__)

# msgspec prepares a type at its first use, and a thread that meets a half prepared one crashes the process.
msgspec.json.Decoder(TextBody)
msgspec.json.Decoder(TokenBody)
msgspec.json.Decoder(RowBody)


def read_request(body: bytes) -> EmbeddingRequest:
    """Raises InvalidRequest with the offending field in `param`."""
    raw = parse(body)
    try:
        asked = msgspec.convert(raw, _kind(raw.get("input")))
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    if foreign := NOT_FOR_CALLERS & raw.keys():
        name = min(foreign)
        raise InvalidRequest(f"'{name}' is not a parameter of this API.", param=name)
    unnamed = {k: v for k, v in raw.items() if k not in NAMED}
    return EmbeddingRequest(
        model=asked.model,
        inputs=_inputs(asked),
        dimensions=asked.dimensions,
        base64=asked.encoding_format == "base64",
        user=asked.user,
        extras={WIRE: unnamed} if unnamed else None,
    )


def _kind(given: Any) -> type[TextBody] | type[TokenBody] | type[RowBody]:
    """A type cannot be a union of lists, so the first input says what all of them must be."""
    first = type(given[0]) if isinstance(given, list) and given else str
    if first is int:
        return TokenBody
    return RowBody if first is list else TextBody


def _inputs(asked: TextBody | TokenBody | RowBody) -> tuple[Input, ...]:
    if isinstance(asked, TokenBody):
        return (asked.input,)
    return (asked.input,) if isinstance(asked.input, str) else asked.input


def write_reply(reply: EmbeddingReply, request: EmbeddingRequest, model: str) -> bytes:
    """`model` is the name to show."""
    usage = reply.usage or Usage()
    return _encode(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": i, "embedding": _shown(vector, request.base64)}
                for i, vector in enumerate(reply.vectors)
            ],
            "model": model,
            "usage": {
                "prompt_tokens": usage.input_tokens,
                "total_tokens": usage.input_tokens + usage.output_tokens,
            },
        }
    )


def _shown(vector: Vector, base64: bool) -> Any:
    """msgspec writes bytes as base64."""
    if not isinstance(vector, bytes):
        return packed(vector) if base64 else vector
    # Vector by vector, since millions of numbers that are there at once cost twice the time.
    return vector if base64 else msgspec.Raw(_encode(unpacked(vector)))
