"""The waist for embeddings: one request and its reply, in the words that dialects and providers share.

Knows: texts, tokens, vectors; how a request is split and its reply joined. Must not know: any wire, vendor, price.
"""

import sys
from array import array
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from thermly.exchange import Extras, Usage

Input = str | tuple[int, ...]
Vector = tuple[float, ...] | bytes
"""Numbers as the upstream told them; as bytes: little-endian 32-bit floats."""
NUMBER_BYTES = 4

_COUNTS = tuple(name for name in Usage.__struct_fields__ if name != "estimated")


class EmbeddingRequest(Struct, frozen=True):
    """`inputs` are texts or rows of token numbers. `base64`: how the client wants its vectors written, which is
    also how an upstream that can is asked, so that no number is written twice."""

    model: str
    inputs: tuple[Input, ...]
    dimensions: int | None = None
    base64: bool = False
    user: str | None = None
    extras: Extras = None


class EmbeddingReply(Struct, frozen=True):
    """One vector for each input, in their order. `usage` is None where the upstream did not tell."""

    vectors: tuple[Vector, ...]
    usage: Usage | None = None


def split(request: EmbeddingRequest, most_inputs: int, most_bytes: int) -> list[EmbeddingRequest]:
    """The request in pieces, in order, each within both bounds; an input that is beyond `most_bytes` by itself
    is a piece of its own. A token counts as a byte, as it is at least one."""
    pieces = list(_pieces(request.inputs, most_inputs, most_bytes))
    return [request] if len(pieces) == 1 else [replace(request, inputs=piece) for piece in pieces]


def _pieces(inputs: tuple[Input, ...], most_inputs: int, most_bytes: int) -> Iterator[tuple[Input, ...]]:
    start = size = 0
    for i, value in enumerate(inputs):
        more = len(value.encode() if isinstance(value, str) else value)
        if i > start and (i - start == most_inputs or size + more > most_bytes):
            yield inputs[start:i]
            start, size = i, 0
        size += more
    yield inputs[start:]


def joined(replies: Sequence[EmbeddingReply]) -> EmbeddingReply:
    """The replies to the pieces of one request as the reply to it: what `split` undoes."""
    if len(replies) == 1:
        return replies[0]
    vectors = tuple(vector for reply in replies for vector in reply.vectors)
    told = [reply.usage for reply in replies if reply.usage is not None]
    return EmbeddingReply(vectors, _sum(told) if len(told) == len(replies) else None)


def _sum(told: Sequence[Usage]) -> Usage:
    counts = {name: sum(getattr(usage, name) for usage in told) for name in _COUNTS}
    return Usage(**counts, estimated=any(usage.estimated for usage in told))


def check(reply: EmbeddingReply, request: EmbeddingRequest) -> None:
    """One vector for each input, all of one length, which is the one asked for. Raises ValueError."""
    if len(reply.vectors) != len(request.inputs):
        raise ValueError(f"{len(reply.vectors)} vectors for {len(request.inputs)} inputs")
    lengths = {len(v) // NUMBER_BYTES if isinstance(v, bytes) else len(v) for v in reply.vectors}
    if len(lengths) > 1 or 0 in lengths:
        raise ValueError(f"vectors of {sorted(lengths)} numbers")
    if request.dimensions not in (None, *lengths):
        raise ValueError(f"vectors of {max(lengths)} numbers where {request.dimensions} were asked for")


def packed(numbers: Sequence[float]) -> bytes:
    return _little_endian(array("f", numbers)).tobytes()


def unpacked(data: bytes) -> list[float]:
    return _little_endian(array("f", data)).tolist()


def _little_endian(numbers: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
