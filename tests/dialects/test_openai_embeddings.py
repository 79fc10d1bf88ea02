"""OpenAI's embeddings as values: requests read, replies written."""

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.dialects.openai_embeddings import read_request, write_reply
from thermly.errors import InvalidRequest
from thermly.exchange import Usage
from thermly.vectors import EmbeddingReply, EmbeddingRequest, packed


def read(**fields: Any) -> EmbeddingRequest:
    return read_request(json.dumps({"model": "m", "input": "hi", **fields}).encode())


# ---- requests


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("hi", ("hi",)),
        (" ", (" ",)),
        (["a"], ("a",)),
        (["a", "ü"], ("a", "ü")),
        ([1, 2, 0], ((1, 2, 0),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
        (["a"] * 2048, ("a",) * 2048),
        ([7] * 8192, ((7,) * 8192,)),
    ],
)
def test_inputs(given: Any, inputs: tuple[Any, ...]):
    assert read(input=given) == EmbeddingRequest("m", inputs)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ("", "input"),
        ([], "input"),
        (None, "input"),
        (5, "input"),
        ({"text": "a"}, "input"),
        (["a"] * 2049, "input"),
        ([[1]] * 2049, "input"),
        (["a", ""], "input[1]"),
        (["a", None], "input[1]"),
        (["a", 1], "input[1]"),
        (["a", [1]], "input[1]"),
        ([1, "a"], "input[1]"),
        ([1, [2]], "input[1]"),
        ([1, True], "input[1]"),
        ([1, 2.5], "input[1]"),
        ([[1], "a"], "input[1]"),
        ([[1], 2], "input[1]"),
        ([[1], []], "input[1]"),
        ([[1], [2, "a"]], "input[1][1]"),
        ([None], "input[0]"),
        ([True], "input[0]"),
        ([-1], "input[0]"),
        ([[3, -1]], "input[0][1]"),
        ([2**70], "input[0]"),
        ([[]], "input[0]"),
    ],
)
def test_inputs_that_are_refused_by_name(given: Any, param: str):
    with pytest.raises(InvalidRequest) as caught:
        read(input=given)
    assert caught.value.param == param
    assert f"'{param}'" in caught.value.message


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"encoding_format": "base64"}, "base64", True),
        ({"encoding_format": "float"}, "base64", False),
        ({"encoding_format": None}, "base64", False),
        ({"dimensions": 256}, "dimensions", 256),
        ({"dimensions": None}, "dimensions", None),
        ({"user": "u"}, "user", "u"),
        ({"truncate": True, "user": "u"}, "extras", {"openai": {"truncate": True}}),
    ],
)
def test_fields(fields: dict[str, Any], name: str, value: Any):
    assert getattr(read(**fields), name) == value


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": 1.5}, "dimensions"),
        ({"dimensions": 2**70}, "dimensions"),
        ({"user": 5}, "user"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"api_base": "http://x"}, "api_base"),
        ({"provider": {"order": ["x"]}, "models": ["x"]}, "models"),
    ],
)
def test_fields_that_are_refused_by_name(fields: dict[str, Any], param: str):
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b'{"model": "m"}', "input", None),
        (b'{"input": "a"}', "model", None),
        (b"", None, "invalid_json"),
        (b'["a"]', None, "invalid_json"),
        (b'{"model": "m", "input": "a"', None, "invalid_json"),
        (b'{"model": "m", "input": [NaN]}', None, "invalid_json"),
        (b'{"model": "m", "input": ' + b"[" * 99_999, None, "invalid_json"),
    ],
)
def test_bodies_that_are_none(body: bytes, param: str | None, code: str | None):
    with pytest.raises(InvalidRequest) as caught:
        read_request(body)
    assert (caught.value.param, caught.value.code) == (param, code)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_whatever_is_sent_is_read_or_refused(given: Any, form: Any, dimensions: Any, user: Any):
    try:
        request = read(input=given, encoding_format=form, dimensions=dimensions, user=user)
    except InvalidRequest:
        return
    assert 1 <= len(request.inputs) <= 2048
    assert all(request.inputs)
    assert all(type(v) is str or all(type(token) is int and token >= 0 for token in v) for v in request.inputs)


# ---- replies

REQUEST = EmbeddingRequest("m", ("a", "b"))
IN_BASE64 = EmbeddingRequest("m", ("a", "b"), base64=True)


def written(reply: EmbeddingReply, request: EmbeddingRequest = REQUEST) -> Any:
    return json.loads(write_reply(reply, request, "shown"))


def test_a_reply_has_the_wires_shape():
    assert written(EmbeddingReply(((0.5, -1.0), (0.1, 2e-9)), Usage(7))) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.0]},
            {"object": "embedding", "index": 1, "embedding": [0.1, 2e-9]},
        ],
        "model": "shown",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


def test_numbers_are_written_as_they_came():
    text = write_reply(EmbeddingReply(((-0.006929283495992422, 0.1, 0.0023064255),)), REQUEST, "m")
    assert b"[-0.006929283495992422,0.1,0.0023064255]" in text


def test_the_form_is_the_one_asked_for_whichever_came():
    numbers = (0.5, -1.0, 0.25)
    for vector in (numbers, packed(numbers)):
        reply = EmbeddingReply((vector,))
        assert written(reply)["data"][0]["embedding"] == list(numbers)
        told = written(reply, IN_BASE64)["data"][0]["embedding"]
        assert struct.unpack("<3f", base64.b64decode(told, validate=True)) == numbers


def test_bytes_go_through_bit_by_bit():
    data = bytes(range(256))
    told = written(EmbeddingReply((data,)), IN_BASE64)["data"][0]["embedding"]
    assert told == base64.b64encode(data).decode()


def test_a_reply_without_usage_says_zero():
    assert written(EmbeddingReply(((1.0,),)))["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


@given(
    st.lists(st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=5), st.booleans()
)
def test_all_four_ways_tell_the_same_numbers(rows: list[list[float]], as_bytes: bool):
    reply = EmbeddingReply(tuple(packed(row) if as_bytes else tuple(row) for row in rows))
    floats = [row["embedding"] for row in written(reply)["data"]]
    encoded = [row["embedding"] for row in written(reply, IN_BASE64)["data"]]
    assert floats == rows
    assert [list(struct.unpack("<3f", base64.b64decode(text))) for text in encoded] == rows
