"""Refusals of the Responses dialect name the whole path of the field at fault."""

from typing import Any

import pytest

from thermly.dialects import responses_types as t
from thermly.errors import InvalidRequest


@pytest.mark.parametrize(("raw", "kind", "where", "param"), [
    ({}, t.Message, "input[2]", "input[2].role"),
    ({"role": "user", "content": 5}, t.Message, "input[2]", "input[2].content"),
    ({"role": "user", "content": 5}, t.Message, "", "content"),
    ([], t.Message, "input[2]", "input[2]"),
    ([], t.Message, "", None),
    ({"effort": "extreme"}, t.ReasoningBody, "reasoning", "reasoning.effort"),
    ({"mode": "pro"}, t.ReasoningBody, "reasoning", "reasoning.mode"),
    ({"model": "m", "temprature": 1}, t.Body, "", "temprature"),
    ({"model": "m", "text": {"formt": 1}}, t.Body, "", "text.formt"),
])  # fmt: skip
def test_a_refusal_names_the_place(raw: Any, kind: Any, where: str, param: str | None):
    with pytest.raises(InvalidRequest) as caught:
        t.take(raw, kind, where)
    assert caught.value.param == param
    assert param is None or f"'{param}'" in caught.value.message
