"""Signatures of several vendors in one field."""

import base64

import pytest

from thermly.dialects.gemini_signatures import MARK, TAG, pack, standard, unpack
from thermly.errors import InvalidRequest
from thermly.exchange import Extras


@pytest.mark.parametrize(
    "extras",
    [
        {"anthropic": {"signature": "sig+/=="}},
        {"anthropic": {"redacted": "data"}},
        {"openai": {"field": "reasoning_content"}},
        {"gemini": {"thoughtSignature": "AbC-_=="}},
    ],
)
def test_each_comes_back_as_it_was(extras: dict[str, dict[str, str]]):
    told = pack(extras)
    assert told and unpack(told, "at") == extras


def test_a_client_may_change_the_alphabet():
    for length in range(20):
        extras = {"anthropic": {"signature": "ÿ¾?>" * length}}
        told = pack(extras)
        assert told
        changed = base64.urlsafe_b64encode(base64.b64decode(told)).decode().rstrip("=")
        assert unpack(changed, "at") == extras


@pytest.mark.parametrize("extras", [None, {}, {"other": {"a": 1}}, {"openai": {"field": "role"}}])
def test_what_could_not_be_taken_back_is_not_told(extras: Extras):
    assert pack(extras) is None


@pytest.mark.parametrize(
    "inner",
    [
        b"",
        b"{",
        b"[]",
        b'{"anthropic":{"signature":5}}',
        b'{"openai":{"field":"content"}}',
        b'{"gemini":{"a":"b"}}',
        b'{"anthropic":{"cache_control":"x"}}',
        b"\xff",
    ],
)
def test_a_forged_one_is_refused_by_name(inner: bytes):
    for signature in (base64.b64encode(TAG + inner).decode(), MARK + "!" * 4, MARK + "a"):
        with pytest.raises(InvalidRequest) as caught:
            unpack(signature, "contents[0]")
        assert caught.value.param == "contents[0]"


@pytest.mark.parametrize(
    ("given", "wanted"), [("-_-_", "+/+/"), ("YQ", "YQ=="), ("YWI=", "YWI="), ("YQ==", "YQ=="), ("", "")]
)
def test_one_alphabet(given: str, wanted: str):
    assert standard(given) == wanted
