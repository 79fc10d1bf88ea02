"""Gemini's batchEmbedContents.

Knows: Gemini's embedding request and reply (its API reference, "Embeddings"). Must not know: dialects, money.
OpenAI's vectors have length 1 and clients rely on it. Gemini's guide ("Embeddings", "Ensuring quality for smaller
dimensions") says that gemini-embedding-001 normalises only its 3,072 dimensions and that shorter vectors are left
to the caller; later models do it themselves. So whatever is not of length 1 is made so.
"""

import math
from typing import Any

import msgspec

from thermly.catalog import Target
from thermly.exchange import Usage
from thermly.providers.failures import failure, malformed
from thermly.providers.gemini import explain, headers_for, read_usage
from thermly.providers.gemini_request import WIRE
from thermly.providers.shapes import BROKEN, JSON, read_object, read_objects, unsupported
from thermly.providers.upstream import Client
from thermly.vectors import EmbeddingReply, EmbeddingRequest, Input, check

# What a vector that its vendor has normalised may be off by, in 32-bit floats written as text.
ROUNDING = 1e-5


def embed(request: EmbeddingRequest, target: Target, client: Client) -> EmbeddingReply:
    """Refuses token numbers: they are another vendor's."""
    body = msgspec.json.encode(write_request(request, target))
    url = f"{target.provider.base_url}/v1beta/models/{target.model.upstream}:batchEmbedContents"
    return read_reply(client.json(url, headers_for(target), body, explain), request)


def write_request(request: EmbeddingRequest, target: Target) -> JSON:
    facts = (request.extras or {}).get(WIRE, {})
    common: JSON = {"model": "models/" + target.model.upstream}
    common |= {name: facts[name] for name in ("taskType", "title") if name in facts}
    if request.dimensions is not None:
        common["outputDimensionality"] = request.dimensions
    return {"requests": [{**common, "content": write_content(value)} for value in request.inputs]}


def write_content(value: Input) -> JSON:
    if not isinstance(value, str):
        raise unsupported("This model reads text, not token numbers.", "input")
    return {"parts": [{"text": value}]}


def read_reply(doc: Any, request: EmbeddingRequest) -> EmbeddingReply:
    try:
        if isinstance(doc, list) or doc.get("error"):
            raise failure(502, explain(doc))
        vectors = tuple(read_vector(row["values"]) for row in read_objects(doc, "embeddings"))
        reply = EmbeddingReply(vectors, read_told(read_object(doc, "usageMetadata")))
        check(reply, request)
    except BROKEN as error:
        raise malformed(error) from error
    return reply


def read_vector(value: Any) -> tuple[float, ...]:
    return unit(msgspec.convert(value, tuple[float, ...]))


def unit(vector: tuple[float, ...]) -> tuple[float, ...]:
    """The vector at length 1; as it is where it was already, or has no direction."""
    length = math.hypot(*vector)
    if not length or abs(length - 1) < ROUNDING:
        return vector
    return tuple(number / length for number in vector)


def read_told(usage: JSON) -> Usage | None:
    """Models that do not count tell nothing, or 0."""
    told = read_usage(usage)
    return told if told.input_tokens else None
