"""Signatures of several vendors in one field."""

import base64

import pytest

from thermly.dialects.gemini_signatures import MARK, TAG
from thermly.dialects.responses_signatures import seal, unseal
from thermly.errors import InvalidRequest
from thermly.exchange import Extras


@pytest.mark.parametrize("of_call", [False, True])
@pytest.mark.parametrize(
    "extras",
    [
        {"anthropic": {"signature": "sig+/=="}},
        {"anthropic": {"redacted": "data"}},
        {"openai": {"field": "reasoning_content"}},
        {"gemini": {"thoughtSignature": "AbC-_=="}},
    ],
)
def test_each_comes_back_as_it_was(extras: dict[str, dict[str, str]], of_call: bool):
    sealed = seal(extras, of_call)
    assert sealed and unseal(sealed, "at") == (extras, of_call)


@pytest.mark.parametrize(
    "extras", [None, {}, {"other": {"a": 1}}, {"openai": {"field": "role"}}, {"gemini": {"thought": True}}]
)
def test_what_could_not_be_taken_back_is_not_told(extras: Extras):
    assert seal(extras) is None


def test_what_others_have_encrypted_is_for_nobody():
    assert unseal("gAAAAABpM0Yj-secret", "at") == (None, False)
    assert unseal(None, "at") == (None, False)


@pytest.mark.parametrize(
    "inner",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"facts":{"anthropic":{"signature":5}}}',
        b'{"facts":{"openai":{"field":"content"}}}',
        b'{"facts":{"gemini":{"text":"b"}}}',
        b'{"facts":{"anthropic":{"cache_control":"x"}}}',
        b'{"facts":{},"model":"other"}',
        b"\xff",
    ],
)
def test_a_forged_one_is_refused_by_name(inner: bytes):
    for content in (base64.b64encode(TAG + inner).decode(), MARK + "!" * 4, MARK + "a"):
        with pytest.raises(InvalidRequest) as caught:
            unseal(content, "input[0].encrypted_content")
        assert caught.value.param == "input[0].encrypted_content"
