"""Gemini's embeddings as values: requests read, replies written."""

import json
from typing import Any

import pytest
from google.genai import types

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.dialects.gemini_vectors import (
    read_batch_embed_request,
    read_embed_request,
    write_embedding,
    write_embeddings,
)
from thermly.errors import InvalidRequest
from thermly.exchange import Usage
from thermly.providers import gemini_embeddings
from thermly.vectors import EmbeddingReply, EmbeddingRequest, packed

HI = {"content": {"parts": [{"text": "hi"}]}}


def one(**fields: Any) -> EmbeddingRequest:
    return read_embed_request(json.dumps({**HI, **fields}).encode(), "m")


def many(*rows: dict[str, Any]) -> EmbeddingRequest:
    return read_batch_embed_request(json.dumps({"requests": [{**HI, **row} for row in rows]}).encode(), "m")


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, EmbeddingRequest("m", ("hi",))),
        ({"model": "models/m"}, EmbeddingRequest("m", ("hi",))),
        ({"outputDimensionality": 256}, EmbeddingRequest("m", ("hi",), 256)),
        ({"output_dimensionality": 256}, EmbeddingRequest("m", ("hi",), 256)),
        (
            {"task_type": "RETRIEVAL_DOCUMENT", "title": "t"},
            EmbeddingRequest("m", ("hi",), extras={"gemini": {"taskType": "RETRIEVAL_DOCUMENT", "title": "t"}}),
        ),
        ({"content": {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}}, EmbeddingRequest("m", ("a\nb",))),
    ],
)
def test_fields(fields: dict[str, Any], wanted: EmbeddingRequest):
    assert one(**fields) == wanted
    assert many(fields) == wanted


def test_a_batch():
    rows = [{"content": {"parts": [{"text": text}]}, "model": "models/m"} for text in "ab"]
    assert many(*rows) == EmbeddingRequest("m", ("a", "b"))
    assert len(many(*[{}] * 100).inputs) == 100


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"content": None}, "content"),
        ({"content": {"parts": []}}, "content.parts"),
        ({"content": {"parts": [{"text": ""}]}}, "content.parts[0].text"),
        ({"content": {"parts": [{"inline_data": {}}]}}, "content.parts[0].inlineData"),
        ({"content": "hi"}, "content"),
        ({"model": "models/other"}, "model"),
        ({"outputDimensionality": 0}, "outputDimensionality"),
        ({"what": 1}, "what"),
    ],
)
def test_what_is_refused_by_name(fields: dict[str, Any], param: str):
    with pytest.raises(InvalidRequest) as caught:
        one(**fields)
    assert caught.value.param == param
    with pytest.raises(InvalidRequest) as caught:
        many({}, fields)
    assert caught.value.param == f"requests[1].{param}"


@pytest.mark.parametrize("field", ["taskType", "title", "outputDimensionality"])
def test_a_batch_agrees_on_all_but_its_texts(field: str):
    value: Any = 5 if field == "outputDimensionality" else "CLUSTERING"
    assert many({field: value}, {field: value}).inputs == ("hi", "hi")
    with pytest.raises(InvalidRequest) as caught:
        many({field: value}, {})
    assert caught.value.param == f"requests[1].{field}"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"requests": []}', b'{"requests": {}}', b"[" * 99_999])
def test_bodies_that_are_none(body: bytes):
    for read in (read_embed_request, read_batch_embed_request):
        with pytest.raises(InvalidRequest):
            read(body, "m")


def test_a_batch_has_a_bound():
    with pytest.raises(InvalidRequest) as caught:
        many(*[{}] * 101)
    assert caught.value.param == "requests"


def test_what_gemini_is_asked_is_what_was_asked():
    price = Price(0, 0, 0, 0, 0)
    target = Target(
        Model("m", "gemini", "m", 2048, 0, price, frozenset()), ProviderRow("g", "gemini", "u", "k"), price
    )
    row = {**HI, "model": "models/m", "taskType": "CLUSTERING", "title": "t", "outputDimensionality": 9}
    assert gemini_embeddings.write_request(many(row, row), target) == {"requests": [row, row]}


@pytest.mark.parametrize("vector", [(0.5, -1.0), packed((0.5, -1.0))])
def test_replies(vector: Any):
    reply = EmbeddingReply((vector, vector), Usage(7))
    usage = {"promptTokenCount": 7, "totalTokenCount": 7}
    values = {"values": [0.5, -1.0]}
    assert json.loads(write_embeddings(reply)) == {"embeddings": [values, values], "usageMetadata": usage}
    assert json.loads(write_embedding(EmbeddingReply((vector,)))) == {"embedding": values}
    told = types.EmbedContentResponse.model_validate_json(write_embeddings(EmbeddingReply((vector,))))
    assert told.embeddings and told.embeddings[0].values == [0.5, -1.0]
