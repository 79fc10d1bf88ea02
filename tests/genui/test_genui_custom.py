import json
from typing import Any

import pytest

from thermly.errors import InvalidRequest
from thermly.genui import custom

SCHEMA = {"type": "object", "properties": {"days": {"type": "array", "items": {"type": "string"}}}}


def thesys(**told: Any) -> dict[str, Any]:
    return {"metadata": {"thesys": json.dumps(told)}}


def test_components_and_actions_are_read():
    found = custom.read(thesys(c1_custom_components={"Plan": SCHEMA}, c1_custom_actions={"book": SCHEMA}, other=1))
    assert found.components == {"Plan": SCHEMA} and found.actions == {"book": SCHEMA}


@pytest.mark.parametrize("raw", [{}, {"metadata": None}, {"metadata": {}}, {"metadata": {"thesys": None}}])
def test_nothing_is_told(raw: dict[str, Any]):
    assert custom.read(raw) == custom.NOTHING


@pytest.mark.parametrize(
    "raw",
    [
        {"metadata": {"thesys": {"c1_custom_components": {}}}},
        {"metadata": {"thesys": "{"}},
        {"metadata": {"thesys": "[]"}},
        {"metadata": {"thesys": "{" * 100_001}},
        {"metadata": {"thesys": '{"a":' * 20_000}},
        thesys(c1_custom_components=[]),
        thesys(c1_custom_components={"Plan": 1}),
        thesys(c1_custom_components={"plan": SCHEMA}),
        thesys(c1_custom_components={"Pl an": SCHEMA}),
        thesys(c1_custom_components={"Plan": {"type": "string"}}),
        thesys(c1_custom_components={"Plan": {"type": "object", "properties": []}}),
        thesys(c1_custom_components={"Plan": {"properties": {"a": 3}}}),
        thesys(c1_custom_components={"Plan": {"properties": {"a": {"anyOf": {}}}}}),
        thesys(c1_custom_components={"Plan": {"required": [3]}}),
        thesys(c1_custom_components={"Plan": {"properties": {"a": {"$part": ["Card"]}}}}),
        thesys(c1_custom_actions={f"a{i}": SCHEMA for i in range(51)}),
        thesys(c1_artifact_type="slides"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(raw: dict[str, Any]):
    with pytest.raises(InvalidRequest) as caught:
        custom.read(raw)
    assert str(caught.value.param).startswith("metadata.thesys")
    assert len(caught.value.message) < 300


def test_a_schema_as_deep_as_a_well_is_refused():
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(40):
        schema = {"type": "object", "properties": {"a": schema}}
    with pytest.raises(InvalidRequest):
        custom.read(thesys(c1_custom_components={"Deep": schema}))
