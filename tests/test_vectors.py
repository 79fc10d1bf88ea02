"""Embedding requests in pieces and their replies as one; vectors as numbers and as bytes."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.exchange import Usage
from thermly.vectors import EmbeddingReply, EmbeddingRequest, check, joined, packed, split, unpacked

TEXTS = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=30)
ROWS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12), min_size=1, max_size=30)
INPUTS = TEXTS | ROWS.map(lambda rows: [tuple(row) for row in rows])
COUNTS = st.integers(0, 1 << 30)
USAGE = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.booleans())


def size(inputs: tuple[str | tuple[int, ...], ...]) -> int:
    return sum(len(v.encode()) if isinstance(v, str) else len(v) for v in inputs)


@given(INPUTS, st.integers(1, 40), st.integers(1, 60))
def test_pieces_are_the_request_in_order_within_bounds(inputs: list, most_inputs: int, most_bytes: int):
    request = EmbeddingRequest("m", tuple(inputs), 8, True, "u", {"openai": {"x": 1}})
    pieces = split(request, most_inputs, most_bytes)
    assert sum((piece.inputs for piece in pieces), ()) == request.inputs
    for piece in pieces:
        assert 1 <= len(piece.inputs) <= most_inputs
        assert size(piece.inputs) <= most_bytes or len(piece.inputs) == 1
        assert (piece.model, piece.dimensions, piece.base64, piece.user, piece.extras) == (
            *("m", 8, True, "u"),
            {"openai": {"x": 1}},
        )


@given(INPUTS, st.integers(1, 40), st.integers(1, 60))
def test_no_piece_could_have_held_the_next_input(inputs: list, most_inputs: int, most_bytes: int):
    pieces = split(EmbeddingRequest("m", tuple(inputs)), most_inputs, most_bytes)
    for piece, following in pairwise(pieces):
        longer = (*piece.inputs, following.inputs[0])
        assert len(longer) > most_inputs or size(longer) > most_bytes


def test_what_fits_is_not_split():
    request = EmbeddingRequest("m", ("äö", "b"))
    assert split(request, 2, 5) == [request] and split(request, 2, 5)[0] is request
    assert [piece.inputs for piece in split(request, 2, 4)] == [("äö",), ("b",)]
    assert [piece.inputs for piece in split(request, 1, 5)] == [("äö",), ("b",)]


@given(st.data(), INPUTS, st.integers(1, 40), st.integers(1, 60))
def test_what_is_split_is_joined(data: st.DataObject, inputs: list, most_inputs: int, most_bytes: int):
    """Each input is answered by a vector made of it, so order and number show."""
    pieces = split(EmbeddingRequest("m", tuple(inputs)), most_inputs, most_bytes)
    told = data.draw(st.lists(st.none() | USAGE, min_size=len(pieces), max_size=len(pieces)))
    replies = [
        EmbeddingReply(tuple(vector(value) for value in piece.inputs), usage)
        for piece, usage in zip(pieces, told, strict=True)
    ]
    reply = joined(replies)
    assert reply.vectors == tuple(vector(value) for value in inputs)
    if None in told:
        assert reply.usage is None
        return
    assert reply.usage is not None
    for name in Usage.__struct_fields__[:-1]:
        assert getattr(reply.usage, name) == sum(getattr(usage, name) for usage in told)
    assert reply.usage.estimated is any(usage.estimated for usage in told)


def vector(value: str | tuple[int, ...]) -> tuple[float, ...] | bytes:
    return packed([float(x) for x in value]) if isinstance(value, tuple) else tuple(map(float, map(ord, value)))


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_numbers_as_bytes(numbers: list[float]):
    assert packed(numbers) == struct.pack(f"<{len(numbers)}f", *numbers)
    assert unpacked(packed(numbers)) == numbers


@pytest.mark.parametrize(
    ("vectors", "dimensions"),
    [
        (((1.0, 2.0),), None),
        (((1.0,), (2.0,), (3.0,)), None),
        (((1.0,), (1.0, 2.0)), None),
        ((packed([1, 2]), (1.0,)), None),
        (((), ()), None),
        ((b"", b""), None),
        (((1.0,), (1.0,)), 2),
        ((packed([1]), packed([1])), 2),
    ],
)
def test_vectors_that_are_not_what_was_asked_for(vectors: tuple, dimensions: int | None):
    with pytest.raises(ValueError, match="vectors"):
        check(EmbeddingReply(vectors), EmbeddingRequest("m", ("a", "b"), dimensions))


@pytest.mark.parametrize("dimensions", [None, 2])
def test_vectors_that_are(dimensions: int | None):
    check(EmbeddingReply((packed([1, 2]), (1.0, 2.0))), EmbeddingRequest("m", ("a", "b"), dimensions))
