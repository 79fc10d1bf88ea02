"""Unit vectors made from a hash of the text, and OpenAI's embeddings endpoint that serves them.

Deterministic: equal texts have equal vectors, and nothing else is meant by them.
"""

from __future__ import annotations

import base64
import hashlib
import math
import sys
from array import array
from typing import Any

from thermly.sandbox.values import JSON, tokens
from thermly.sandbox.wire import Answer, Refused, Request

_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "gemini-embedding-001": 3072,
    "gemini-embedding-2": 3072,
    "text-embedding-004": 768,
}
_USUAL_DIMENSIONS = 1536
_MOST_DIMENSIONS = 4096
_MOST_INPUTS = 2048


def default_dimensions(model: str) -> int:
    return _DIMENSIONS.get(model, _USUAL_DIMENSIONS)


def unit_vector(seed: bytes, dimensions: int) -> list[float]:
    raw = array("h", hashlib.shake_128(seed).digest(2 * dimensions))
    if sys.byteorder == "big":
        raw.byteswap()
    length = math.sqrt(sum(x * x for x in raw)) or 1.0
    return [x / length for x in raw]


def embeddings(request: Request, _: str) -> Answer:
    body = request.json()
    inputs = _inputs(body)
    last = inputs[-1] if isinstance(inputs[-1], str) else ""
    orders, _question = request.orders(last)
    model, encoding = str(body.get("model")), body.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise Refused(400, "Invalid value for 'encoding_format'.", param="encoding_format")
    dimensions = _dimensions(body, model)
    rows = [
        {"object": "embedding", "index": i, "embedding": _encoded(_seed(value), dimensions, encoding)}
        for i, value in enumerate(inputs)
    ]
    reply: JSON = {"object": "list", "data": rows, "model": model}
    if not orders.no_usage:
        count = sum(tokens(value) if isinstance(value, str) else len(value) for value in inputs)
        reply["usage"] = {"prompt_tokens": count, "total_tokens": count}
    return Answer(orders, reply, mangle=orders.badjson)


def _inputs(body: JSON) -> list[Any]:
    if not body.get("model"):
        raise Refused(400, "you must provide a model parameter")
    given = body.get("input")
    if isinstance(given, list) and given and isinstance(given[0], int):
        given = [given]
    inputs = given if isinstance(given, list) else [given]
    good = all((isinstance(v, str) and v) or (isinstance(v, list) and v) for v in inputs)
    if not inputs or not good or len(inputs) > _MOST_INPUTS:
        message = (
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
        )
        raise Refused(400, message)
    return inputs


def _dimensions(body: JSON, model: str) -> int:
    asked = body.get("dimensions")
    if asked is None:
        return default_dimensions(model)
    if model.endswith("ada-002"):
        raise Refused(400, "This model does not support specifying dimensions.", param="dimensions")
    if not isinstance(asked, int) or not 1 <= asked <= _DIMENSIONS.get(model, _MOST_DIMENSIONS):
        raise Refused(400, f"Invalid value for 'dimensions' = {asked}.", param="dimensions")
    return asked


def _seed(value: str | list[int]) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else repr(value).encode()


def _encoded(seed: bytes, dimensions: int, encoding: str) -> Any:
    vector = unit_vector(seed, dimensions)
    if encoding == "float":
        return [round(x, 9) for x in vector]
    packed = array("f", vector)
    if sys.byteorder == "big":
        packed.byteswap()
    return base64.b64encode(packed.tobytes()).decode()
