import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.fitting import fits

PLACE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "at": {"$ref": "#/$defs/point"},
        "kind": {"enum": ["city", "river"]},
        "near": {"type": "array", "items": {"$ref": "#"}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["name", "at"],
    "additionalProperties": False,
    "$defs": {"point": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}},
}
PARIS = {"name": "Paris", "at": {"x": 1}}


@pytest.mark.parametrize("changes", [
    {}, {"kind": "city"}, {"near": []}, {"near": [PARIS, PARIS]}, {"note": None}, {"at": {"x": 1.5, "y": "more"}},
])  # fmt: skip
def test_what_fits_fits(changes: dict[str, Any]):
    assert fits(PARIS | changes, PLACE)


@pytest.mark.parametrize("changes", [
    {"name": 1}, {"name": None}, {"kind": "sea"}, {"near": [{}]}, {"near": {}}, {"note": 1}, {"at": {}}, {"at": []},
    {"at": {"x": True}}, {"more": 1}, {"near": [{**PARIS, "near": [{**PARIS, "at": {"x": "1"}}]}]},
])  # fmt: skip
def test_what_does_not_fit_is_seen_however_deep(changes: dict[str, Any]):
    assert not fits(PARIS | changes, PLACE)


@pytest.mark.parametrize("value", [None, 1, "Paris", [], [PARIS], {"name": "Paris"}])
def test_another_value_altogether_does_not_fit(value: Any):
    assert not fits(value, PLACE)


@pytest.mark.parametrize(("value", "schema", "expected"), [
    (1.0, {"type": "integer"}, True), (1.5, {"type": "integer"}, False), (True, {"type": "integer"}, False),
    (1, {"type": ["string", "integer"]}, True), (None, {"type": "string", "nullable": True}, True),
    ("x", {"type": "STRING"}, True), (1, {"type": "STRING"}, False), (1, {"const": 2}, False),
    (1, {"allOf": [{"type": "integer"}, {"enum": [2]}]}, False), (1, {"oneOf": [{"type": "string"}]}, False),
    ([1, "x"], {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, True),
    ({"a": 1}, {"patternProperties": {"a": {}}, "additionalProperties": False}, True),
    ({"a": 1}, {"additionalProperties": {"type": "string"}}, False), ([1], {"items": False}, False),
    (1, {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "string"}}}, False),
])  # fmt: skip
def test_each_word(value: Any, schema: dict[str, Any], expected: bool):
    assert fits(value, schema) is expected


@pytest.mark.parametrize("schema", [
    None, True, 5, "x", [], {}, {"type": 5}, {"type": "vector"}, {"type": [5]}, {"required": 5}, {"required": [5]},
    {"properties": 5}, {"properties": {"a": 5}}, {"anyOf": 5}, {"allOf": {}}, {"enum": 5}, {"$ref": 5},
    {"$ref": "https://example.org/schema"}, {"$ref": "#/$defs/gone"}, {"$ref": "#"}, {"$ref": "#/$ref"},
    {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, {"$part": "x"}, {"minimum": 9}, {"not": {}},
])  # fmt: skip
def test_what_is_unknown_or_malformed_lets_everything_pass(schema: Any):
    assert all(fits(value, schema) for value in ({"a": [1]}, [{"a": 1}]))


def test_an_endless_schema_ends():
    twice = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}
    began = time.monotonic()
    assert fits(1, {**twice, "$defs": {"a": {"allOf": [twice, {"type": "string"}]}}})
    assert fits([[1] * 1_000] * 1_000, {"items": {"items": {"type": "string"}}}) is False
    assert fits([[1] * 1_000] * 1_000, {"items": {"items": {"type": "integer"}}}), "as far as was looked"
    assert time.monotonic() - began < 5


LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b"])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
)
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={
        "type": KINDS | st.lists(KINDS, min_size=1, max_size=2, unique=True),
        "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        "required": st.lists(st.sampled_from("ab"), max_size=2, unique=True),
        "additionalProperties": inner,
        "items": inner,
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "allOf": st.lists(inner, min_size=1, max_size=2),
        "enum": st.lists(st.sampled_from(["a", 2, None]), min_size=1, unique=True),
    })  # fmt: skip


SCHEMAS = st.recursive(st.booleans() | st.just({}), _schemas, max_leaves=6)


@given(VALUES, SCHEMAS)
def test_it_says_what_a_full_validator_says(value: Any, schema: Any):
    assert fits(value, schema) is jsonschema_rs.is_valid(schema, value)
