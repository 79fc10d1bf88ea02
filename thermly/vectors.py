"""The waist for embeddings: one request and its reply, in the words that dialects and providers share. Values only."""

from msgspec import Struct

from thermly.exchange import Extras, Usage

Vector = tuple[float, ...] | bytes
"""Numbers as the upstream told them; as bytes: little-endian 32-bit floats."""


class EmbeddingRequest(Struct, frozen=True):
    """`inputs` are texts or rows of token numbers. `base64`: how the client wants its vectors written, which is
    also how an upstream that can is asked, so that no number is written twice."""

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None
    base64: bool = False
    user: str | None = None
    extras: Extras = None


class EmbeddingReply(Struct, frozen=True):
    """One vector for each input, in their order. `usage` is None where the upstream did not tell."""

    vectors: tuple[Vector, ...]
    usage: Usage | None = None
