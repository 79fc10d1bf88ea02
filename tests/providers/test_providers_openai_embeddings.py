"""OpenAI's embeddings over real sockets: from the sandbox, and from servers that each differ a little."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from test_upstream import SHORT, answering, serving, whole

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.errors import GatewayError, InvalidRequest, UpstreamFailed
from thermly.exchange import Usage
from thermly.providers.openai_embeddings import embed
from thermly.providers.upstream import Client
from thermly.sandbox.server import Sandbox, start
from thermly.vectors import EmbeddingReply, EmbeddingRequest, packed, unpacked

TWO = EmbeddingRequest("m", ("a", "b"))


ADA = "text-embedding-ada-002"


def target(
    base_url: str, key: str | None = "key", dimensions: int = 1536, upstream: str = "text-embedding-3-small"
) -> Target:
    price = Price(0, 0, 0, 0, 0)
    can = frozenset(() if upstream == ADA else ("dimensions",))
    model = Model(
        *("embedder", "openai", upstream, 8191, 0, price, can),
        kind="embedding",
        dimensions=dimensions,
    )
    return Target(model, ProviderRow("openai", "openai_like", base_url, key), price)


# ---- the sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    running = start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(SHORT)


def ask(sandbox: Sandbox, client: Client, *inputs: Any, **fields: Any) -> EmbeddingReply:
    request = EmbeddingRequest("m", inputs, **fields)
    return embed(request, target(sandbox.url + "/openai/v1"), client)


def test_floats(sandbox: Sandbox, client: Client):
    reply = ask(sandbox, client, "one", "two", "one")
    assert [len(vector) for vector in reply.vectors] == [1536] * 3
    assert all(type(x) is float for x in reply.vectors[0])
    assert reply.vectors[0] == reply.vectors[2] != reply.vectors[1]
    assert reply.usage is not None and reply.usage.input_tokens > 0


def test_base64_is_the_same_numbers(sandbox: Sandbox, client: Client):
    floats = ask(sandbox, client, "one", dimensions=64).vectors[0]
    encoded = ask(sandbox, client, "one", dimensions=64, base64=True).vectors[0]
    assert isinstance(encoded, bytes) and len(encoded) == 256
    assert unpacked(encoded) == pytest.approx(floats, abs=1e-6)


def test_a_model_of_one_length_is_not_told_it(sandbox: Sandbox, client: Client):
    request = EmbeddingRequest("m", ("a",), dimensions=1536)
    reply = embed(request, target(sandbox.url + "/openai/v1", upstream=ADA), client)
    assert len(reply.vectors[0]) == 1536


def test_tokens(sandbox: Sandbox, client: Client):
    reply = ask(sandbox, client, (1, 2, 3), (4,), dimensions=8)
    assert (len(reply.vectors), reply.usage) == (2, Usage(4))


def test_no_usage(sandbox: Sandbox, client: Client):
    assert ask(sandbox, client, "a [[sandbox: no_usage]]").usage is None


@pytest.mark.parametrize(
    ("order", "code", "retry_after_s"),
    [
        ("status=429 retry_after=2", "upstream_error", 2),
        ("status=503", "upstream_error", None),
        ("status=401", "upstream_error", 60),
        ("html status=502", "upstream_error", None),
        ("badjson", "upstream_error", None),
    ],
)
def test_failures(sandbox: Sandbox, client: Client, order: str, code: str, retry_after_s: int | None):
    with pytest.raises(UpstreamFailed) as caught:
        ask(sandbox, client, f"a [[sandbox: {order}]]")
    assert (caught.value.code, caught.value.retry_after_s) == (code, retry_after_s)


def test_a_refusal_names_the_field(sandbox: Sandbox, client: Client):
    with pytest.raises(InvalidRequest) as caught:
        ask(sandbox, client, "a", dimensions=4000)
    assert caught.value.param == "dimensions"


# ---- what is asked


def reply_of(*rows: Any, **fields: Any) -> bytes:
    return json.dumps({"object": "list", "data": rows, "usage": {"prompt_tokens": 3}, **fields}).encode()


def row(embedding: Any, **fields: Any) -> dict[str, Any]:
    return {"object": "embedding", "embedding": embedding, **fields}


PLAIN = reply_of(row([1.0, 0.0], index=0), row([0.0, 1.0], index=1))


def asked(request: EmbeddingRequest, dimensions: int = 1536) -> Any:
    with serving(answering(whole(PLAIN))) as server:
        embed(request, target(server.url, dimensions=dimensions), Client(SHORT))
        return json.loads(server.bodies[0])


def test_the_request():
    extras = {"openai": {"model": "other", "truncate": "END"}, "gemini": {"taskType": "x"}}
    request = EmbeddingRequest("m", ("a", "b"), 2, True, "u", extras)
    assert asked(request) == {
        "truncate": "END",
        "model": "text-embedding-3-small",
        "input": ["a", "b"],
        "encoding_format": "base64",
        "dimensions": 2,
        "user": "u",
    }


def test_the_least_request():
    body = {"model": "text-embedding-3-small", "input": ["a", "b"], "encoding_format": "float"}
    assert asked(TWO) == body
    assert asked(EmbeddingRequest("m", ((1, 2), (3,)))) == {**body, "input": [[1, 2], [3]]}


def test_what_is_long_as_text_is_asked_for_in_base64():
    assert asked(TWO, 1 << 19)["encoding_format"] == "float"
    assert asked(TWO, (1 << 19) + 1)["encoding_format"] == "base64"
    assert asked(EmbeddingRequest("m", ("a", "b"), dimensions=2), 1 << 20)["encoding_format"] == "float"


# ---- servers that differ


def told(body: bytes, request: EmbeddingRequest = TWO, **head: Any) -> EmbeddingReply:
    with serving(answering(whole(body, **head))) as server:
        return embed(request, target(server.url, key=None), Client(SHORT))


def test_a_shuffled_reply_is_put_in_order():
    request = EmbeddingRequest("m", ("a", "b", "c"))
    rows = [row([float(i), 1.0], index=i) for i in (2, 0, 1)]
    assert told(reply_of(*rows), request).vectors == ((0.0, 1.0), (1.0, 1.0), (2.0, 1.0))


def test_rows_without_an_index_are_in_order():
    assert told(reply_of(row([1.0]), row([2.0], index=None))).vectors == ((1.0,), (2.0,))


def test_whole_numbers_are_numbers():
    vectors = told(reply_of(row([1, 0], index=0), row([0, -1], index=1))).vectors
    assert vectors == ((1.0, 0.0), (0.0, -1.0))
    assert all(type(x) is float for x in vectors[0])


@pytest.mark.parametrize("base64_wanted", [False, True])
def test_either_form_is_read_whichever_was_asked_for(base64_wanted: bool):
    request = EmbeddingRequest("m", ("a", "b"), base64=base64_wanted)
    data = struct.pack("<2f", 0.5, -1.0)
    body = reply_of(row([0.5, -1.0], index=0), row(base64.b64encode(data).decode(), index=1))
    assert told(body, request).vectors == ((0.5, -1.0), data)


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"prompt_tokens": 3, "total_tokens": 3}, Usage(3)),
        ({"prompt_tokens": 3, "completion_tokens": 0, "prompt_tokens_details": None}, Usage(3)),
        ({"prompt_tokens": 0, "total_tokens": 0}, None),
        ({}, None),
        (None, None),
    ],
)
def test_usage(usage: Any, read: Usage | None):
    assert told(reply_of(row([1.0], index=0), row([2.0], index=1), usage=usage)).usage == read


ONE, OTHER = row([1.0, 0.0], index=0), row([0.0, 1.0], index=1)
NO_BASE64 = "A" * 5
CUT_BASE64 = base64.b64encode(packed([1, 2]) + b"?").decode()
FOREIGN_BASE64 = base64.b64encode(packed([1, 2])).decode().replace("A", "*A", 1)


@pytest.mark.parametrize(
    "body",
    [
        reply_of(ONE),
        reply_of(ONE, OTHER, row([1.0, 1.0], index=2)),
        reply_of(),
        reply_of(ONE, row([0.0, 1.0], index=0)),
        reply_of(ONE, row([0.0, 1.0], index=2)),
        reply_of(ONE, row([0.0, 1.0], index=-1)),
        reply_of(ONE, row([0.0, 1.0], index="1")),
        reply_of(ONE, row([0.0], index=1)),
        reply_of(row([], index=0), row([], index=1)),
        reply_of(row("", index=0), row("", index=1)),
        reply_of(ONE, row([None, 1.0], index=1)),
        reply_of(ONE, row(["0", 1.0], index=1)),
        reply_of(ONE, row([True, 1.0], index=1)),
        reply_of(ONE, row(None, index=1)),
        reply_of(ONE, row([[0.0, 1.0]], index=1)),
        reply_of(ONE, row({"0": 1.0}, index=1)),
        reply_of(ONE, {"index": 1}),
        reply_of(ONE, [0.0, 1.0]),
        reply_of(ONE, row(NO_BASE64, index=1)),
        reply_of(ONE, row("ä", index=1)),
        reply_of(ONE, row(CUT_BASE64, index=1)),
        reply_of(ONE, row(FOREIGN_BASE64, index=1)),
        reply_of(ONE, OTHER, usage={"prompt_tokens": -1}),
        reply_of(ONE, OTHER, usage=[3]),
        b'{"data": {"0": [1.0]}}',
        b'{"object": "list"}',
        b"[]",
        b"[[1.0], [2.0]]",
        b'"x"',
        b"null",
        b"{",
        b'{"data": [{"embedding": [NaN], "index": 0}]}',
    ],
)
def test_what_is_no_answer_is_the_upstreams_failure(body: bytes):
    with pytest.raises(UpstreamFailed) as caught:
        told(body)
    assert "no answer" in caught.value.message


def test_other_dimensions_than_asked_for_are_a_failure():
    assert told(PLAIN, EmbeddingRequest("m", ("a", "b"), dimensions=2)).vectors[0] == (1.0, 0.0)
    with pytest.raises(UpstreamFailed):
        told(PLAIN, EmbeddingRequest("m", ("a", "b"), dimensions=3))


@pytest.mark.parametrize(
    ("body", "head", "kind", "retry_after_s"),
    [
        (b"<html>Hello</html>", {"kind": "text/html"}, UpstreamFailed, None),
        (b"<html>Busy</html>", {"kind": "text/html", "status": "502 Bad Gateway"}, UpstreamFailed, None),
        (b'{"error": {"message": "slow"}}', {"status": "429 No", "more": "Retry-After: 7\r\n"}, UpstreamFailed, 7),
        (b'{"error": "model not found"}', {"status": "404 Not Found"}, UpstreamFailed, 60),
        (b'{"error": {"message": "too long", "param": "input"}}', {"status": "400 Bad"}, InvalidRequest, None),
        (b'{"detail": "input is too long"}', {"status": "422 No"}, InvalidRequest, None),
    ],
)
def test_refusals(body: bytes, head: dict[str, Any], kind: type[GatewayError], retry_after_s: int | None):
    with pytest.raises(kind) as caught:
        told(body, **head)
    assert caught.value.retry_after_s == retry_after_s


def test_an_error_with_a_good_status_is_an_error():
    with pytest.raises(UpstreamFailed, match="not able") as caught:
        told(b'{"error": {"message": "model is loading"}}')
    assert "model is loading" in caught.value.detail
