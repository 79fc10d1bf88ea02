"""Gemini's embedContent and batchEmbedContents as clients speak them: requests read, replies written.

Source: Google's API reference ("Embeddings"). Knows: the wire and its rules. Must not know: providers, prices,
Flask. The waist asks for all texts of a request in one way, so a batch must agree on everything but its texts.
`taskType` and `title` mean something to Gemini alone.
"""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from thermly.dialects.gemini_signatures import WIRE
from thermly.dialects.gemini_types import Closed, camel, refusal
from thermly.dialects.openai_chat import parse
from thermly.errors import InvalidRequest
from thermly.exchange import Usage
from thermly.vectors import EmbeddingReply, EmbeddingRequest, Vector, unpacked

MOST_REQUESTS = 100
MOST_DIMENSIONS = 1 << 20
SAME = {"task_type": "taskType", "title": "title", "output_dimensionality": "outputDimensionality"}
Kind = TypeVar("Kind")

_encode = msgspec.json.encode


class Part(Closed):
    text: Annotated[str, Meta(min_length=1)]


class Content(Closed):
    parts: Annotated[list[Part], Meta(min_length=1)]
    role: str | None = None


class Embed(Closed):
    content: Content
    model: str | None = None
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: Annotated[int, Meta(ge=1, le=MOST_DIMENSIONS)] | None = None


class Batch(Closed):
    requests: Annotated[list[Embed], Meta(min_length=1, max_length=MOST_REQUESTS)]


# msgspec prepares a type at its first use, and a thread that meets a half prepared one crashes the process.
msgspec.json.Decoder(Embed)
msgspec.json.Decoder(Batch)


def read_embed_request(body: bytes, model: str) -> EmbeddingRequest:
    """Raises InvalidRequest with the offending field in `param`."""
    return _request([_decode(body, Embed)], model, "")


def read_batch_embed_request(body: bytes, model: str) -> EmbeddingRequest:
    """Raises InvalidRequest with the offending field in `param`."""
    rows = _decode(body, Batch).requests
    for i, row in enumerate(rows):
        for field, name in SAME.items():
            if getattr(row, field) != getattr(rows[0], field):
                path = f"requests[{i}].{name}"
                raise InvalidRequest(f"'{path}' differs from that of the first request.", param=path)
    return _request(rows, model, "requests")


def _decode(body: bytes, kind: type[Kind]) -> Kind:
    try:
        return msgspec.convert(camel(parse(body)), kind)
    except msgspec.ValidationError as error:
        raise refusal(error) from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None


def _request(rows: Sequence[Embed], model: str, where: str) -> EmbeddingRequest:
    for i, row in enumerate(rows):
        if row.model is not None and row.model.removeprefix("models/") != model.removeprefix("models/"):
            path = f"{where}[{i}].model" if where else "model"
            raise InvalidRequest(f"'{path}' must be the model of the path.", param=path)
    first = rows[0]
    facts = {"taskType": first.task_type, "title": first.title}
    told = {name: value for name, value in facts.items() if value}
    return EmbeddingRequest(
        model=model,
        inputs=tuple("\n".join(part.text for part in row.content.parts) for row in rows),
        dimensions=first.output_dimensionality,
        extras={WIRE: told} if told else None,
    )


def write_embedding(reply: EmbeddingReply) -> bytes:
    """The answer to embedContent."""
    return _encode({"embedding": _shown(reply.vectors[0]), **_usage(reply.usage)})


def write_embeddings(reply: EmbeddingReply) -> bytes:
    """The answer to batchEmbedContents."""
    return _encode({"embeddings": [_shown(vector) for vector in reply.vectors], **_usage(reply.usage)})


def _shown(vector: Vector) -> dict[str, Any]:
    # Vector by vector, since millions of numbers that are there at once cost twice the time.
    values = msgspec.Raw(_encode(unpacked(vector))) if isinstance(vector, bytes) else vector
    return {"values": values}


def _usage(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    return {"usageMetadata": {"promptTokenCount": usage.input_tokens, "totalTokenCount": usage.input_tokens}}
