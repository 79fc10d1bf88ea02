"""OpenAI's embeddings and the many servers that speak them (Ollama, vLLM, LocalAI …).

Knows: OpenAI's embedding request and reply (its API reference, "Embeddings"). Must not know: dialects, money.
Servers differ in whether they heed `encoding_format`, number their vectors and tell their usage, so the reply
decides what it is.
"""

import base64
from typing import Any

import msgspec

from thermly.catalog import Target
from thermly.exchange import Usage
from thermly.providers.failures import failure, malformed
from thermly.providers.openai_like import explain, headers_for, read_usage
from thermly.providers.openai_like_request import WIRE
from thermly.providers.shapes import BROKEN, JSON, read_count, read_object, read_objects
from thermly.providers.upstream import Client
from thermly.vectors import NUMBER_BYTES, EmbeddingReply, EmbeddingRequest, Vector, check

# A number is up to 25 bytes as text: a full reply of long vectors would be more than is read of one reply.
MOST_NUMBERS_AS_TEXT = 1 << 20


def embed(request: EmbeddingRequest, target: Target, client: Client) -> EmbeddingReply:
    body = msgspec.json.encode(write_request(request, target))
    return read_reply(
        client.json(target.provider.base_url + "/embeddings", headers_for(target), body, explain), request
    )


def write_request(request: EmbeddingRequest, target: Target) -> JSON:
    body: JSON = dict((request.extras or {}).get(WIRE, ()))
    body["model"] = target.model.upstream
    body["input"] = request.inputs
    numbers = len(request.inputs) * (request.dimensions or target.model.dimensions)
    body["encoding_format"] = "base64" if request.base64 or numbers > MOST_NUMBERS_AS_TEXT else "float"
    # Models of one length refuse the field even where it names that length (OpenAI's ada-002).
    if request.dimensions is not None and "dimensions" in target.model.can:
        body["dimensions"] = request.dimensions
    if request.user is not None:
        body["user"] = request.user
    return body


def read_reply(doc: Any, request: EmbeddingRequest) -> EmbeddingReply:
    try:
        if doc.get("error"):
            raise failure(502, explain(doc))
        rows = in_order(read_objects(doc, "data"))
        usage = read_told(read_object(doc, "usage"))
        reply = EmbeddingReply(tuple(read_vector(row["embedding"]) for row in rows), usage)
        check(reply, request)
    except BROKEN as error:
        raise malformed(error) from error
    return reply


def in_order(rows: list[JSON]) -> list[JSON]:
    """By their index; a row without one is where it belongs. Raises KeyError where two have the same."""
    found = {i if row.get("index") is None else read_count(row, "index"): row for i, row in enumerate(rows)}
    return [found[i] for i in range(len(rows))]


def read_vector(value: Any) -> Vector:
    if not isinstance(value, str):
        return msgspec.convert(value, tuple[float, ...])
    data = base64.b64decode(value, validate=True)
    if len(data) % NUMBER_BYTES:
        raise ValueError("a vector ends within a number")
    return data


def read_told(usage: JSON) -> Usage | None:
    """Nothing is embedded for no tokens: servers that say so do not count."""
    told = read_usage(usage)
    return told if told and told.input_tokens else None
