"""Gemini's embeddings over real sockets: from the sandbox, and from a server that says odd things."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_upstream import SHORT, answering, serving, whole

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.errors import InvalidRequest, UnsupportedContent, UpstreamFailed
from thermly.exchange import Usage
from thermly.providers.gemini_embeddings import embed, unit
from thermly.providers.upstream import Client
from thermly.sandbox.server import Sandbox, start
from thermly.vectors import EmbeddingReply, EmbeddingRequest

TWO = EmbeddingRequest("m", ("a", "b"))


def target(base_url: str) -> Target:
    price = Price(0, 0, 0, 0, 0)
    model = Model(
        *("embedder", "google", "gemini-embedding-001", 2048, 0, price, frozenset()),
        kind="embedding",
        dimensions=3072,
        max_inputs=100,
    )
    return Target(model, ProviderRow("google", "gemini", base_url, "key"), price)


# ---- the sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    running = start()
    yield running
    running.stop()


def ask(sandbox: Sandbox, *inputs: Any, **fields: Any) -> EmbeddingReply:
    return embed(EmbeddingRequest("m", inputs, **fields), target(sandbox.url + "/gemini"), Client(SHORT))


def test_vectors(sandbox: Sandbox):
    reply = ask(sandbox, "one", "two", "one", base64=True)
    assert [len(vector) for vector in reply.vectors] == [3072] * 3
    assert reply.vectors[0] == reply.vectors[2] != reply.vectors[1]
    assert reply.usage is None


def test_dimensions(sandbox: Sandbox):
    vectors = ask(sandbox, "one", "two", dimensions=64).vectors
    assert [len(vector) for vector in vectors] == [64, 64]


@pytest.mark.parametrize(
    ("order", "retry_after_s"),
    [("status=429 retry_after=2", 2), ("status=503", None), ("html status=502", None), ("badjson", None)],
)
def test_failures(sandbox: Sandbox, order: str, retry_after_s: int | None):
    with pytest.raises(UpstreamFailed) as caught:
        ask(sandbox, f"a [[sandbox: {order}]]")
    assert caught.value.retry_after_s == retry_after_s


def test_a_refusal_is_the_callers(sandbox: Sandbox):
    with pytest.raises(InvalidRequest, match="outputDimensionality"):
        ask(sandbox, "a", dimensions=4000)


# ---- what is asked


def reply_of(*rows: Any, **fields: Any) -> bytes:
    return json.dumps({"embeddings": [{"values": values} for values in rows], **fields}).encode()


def told(body: bytes, request: EmbeddingRequest = TWO, **head: Any) -> EmbeddingReply:
    with serving(answering(whole(body, **head))) as server:
        return embed(request, target(server.url), Client(SHORT))


def test_the_request():
    extras = {"gemini": {"taskType": "RETRIEVAL_DOCUMENT", "title": "T", "other": 1}, "openai": {"x": 1}}
    with serving(answering(whole(reply_of([1.0, 0.0], [0.0, 1.0])))) as server:
        embed(EmbeddingRequest("m", ("a", "b"), 2, True, "u", extras), target(server.url), Client(SHORT))
        body = json.loads(server.bodies[0])
    common = {"model": "models/gemini-embedding-001", "taskType": "RETRIEVAL_DOCUMENT", "title": "T"}
    assert body == {
        "requests": [{**common, "outputDimensionality": 2, "content": {"parts": [{"text": text}]}} for text in "ab"]
    }


def test_tokens_are_refused_before_anything_is_sent():
    with serving(answering(whole(reply_of([1.0])))) as server:
        with pytest.raises(UnsupportedContent) as caught:
            embed(EmbeddingRequest("m", ((1, 2),)), target(server.url), Client(SHORT))
        assert (caught.value.param, server.connections) == ("input", 0)


# ---- what is told


def test_short_vectors_are_made_as_long_as_openais():
    """Truncated vectors come shorter than 1, and no other form than floats is known to the vendor."""
    assert told(reply_of([0.3, 0.4], [0.0, -0.5])).vectors == ((0.6, 0.8), (0.0, -1.0))


def test_vectors_of_length_1_are_left_as_they_came():
    vector = (0.6000001, 0.8)
    assert told(reply_of(vector, [0, 1])).vectors == (vector, (0.0, 1.0))


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20))
def test_every_vector_with_a_direction_keeps_it_at_length_1(numbers: list[float]):
    vector = unit(tuple(numbers))
    length = math.hypot(*numbers)
    if not length:
        assert vector == tuple(numbers)
        return
    assert math.hypot(*vector) == pytest.approx(1, abs=2e-5)
    assert [x * length for x in vector] == pytest.approx(numbers, rel=2e-5)


@pytest.mark.parametrize(
    ("fields", "usage"),
    [
        ({"usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}, Usage(9)),
        ({"usageMetadata": {"promptTokenCount": 0}}, None),
        ({"usageMetadata": {}}, None),
        ({}, None),
    ],
)
def test_usage(fields: dict[str, Any], usage: Usage | None):
    assert told(reply_of([1.0], [1.0], **fields)).usage == usage


@pytest.mark.parametrize(
    "body",
    [
        reply_of([1.0]),
        reply_of([1.0], [1.0], [1.0]),
        reply_of([1.0], [1.0, 0.0]),
        reply_of([], []),
        reply_of([1.0], None),
        reply_of([1.0], ["1"]),
        reply_of([1.0], "AACAPw=="),
        reply_of([1.0], [1.0], usageMetadata={"promptTokenCount": "9"}),
        b'{"embeddings": [{"values": [1.0]}, {}]}',
        b'{"embeddings": {"values": [1.0]}}',
        b'{"embedding": {"values": [1.0]}}',
        b"[]",
        b"null",
        b"{",
    ],
)
def test_what_is_no_answer_is_the_upstreams_failure(body: bytes):
    with pytest.raises(UpstreamFailed) as caught:
        told(body)
    assert "no answer" in caught.value.message


def test_other_dimensions_than_asked_for_are_a_failure():
    with pytest.raises(UpstreamFailed):
        told(reply_of([1.0, 0.0], [0.0, 1.0]), EmbeddingRequest("m", ("a", "b"), dimensions=3))


def test_an_error_with_a_good_status_is_an_error():
    with pytest.raises(UpstreamFailed, match="not able"):
        told(b'{"error": {"message": "busy", "status": "UNAVAILABLE"}}')
    with pytest.raises(UpstreamFailed):
        told(b"<html></html>", kind="text/html")
