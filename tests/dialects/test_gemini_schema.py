"""Gemini's schemas as JSON schemas."""

from typing import Any

import pytest

from thermly.dialects.gemini_schema import json_schema
from thermly.errors import InvalidRequest


@pytest.mark.parametrize(("given", "wanted"), [
    ({"type": "STRING"}, {"type": "string"}),
    ({"type": "string"}, {"type": "string"}),
    ({"type": "TYPE_UNSPECIFIED", "title": "t"}, {"title": "t"}),
    ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
    ({"type": "STRING", "nullable": False}, {"type": "string"}),
    ({"type": "STRING", "enum": ["a"], "format": "enum"}, {"type": "string", "enum": ["a"]}),
    ({"type": "STRING", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
    ({"anyOf": [{"type": "STRING"}], "nullable": True}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ({"any_of": [{"type": "STRING"}, {"type": "NULL"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ({"type": "INTEGER", "format": "int32", "minimum": 1, "maximum": 2.5},
     {"type": "integer", "format": "int32", "minimum": 1, "maximum": 2.5}),
    ({"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": "1", "max_items": 3},
     {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 3}),
    ({"type": "STRING", "example": "e", "default": "d", "pattern": "^a", "description": "x"},
     {"type": "string", "examples": ["e"], "default": "d", "pattern": "^a", "description": "x"}),
    ({"type": "OBJECT", "properties": {"min_items": {"type": "STRING"}, "type": {"type": "BOOLEAN"}},
      "required": ["type"]},
     {"type": "object", "properties": {"min_items": {"type": "string"}, "type": {"type": "boolean"}},
      "required": ["type"]}),
    ({"defs": {"a_b": {"type": "STRING"}}, "ref": "#/$defs/a_b"},
     {"$defs": {"a_b": {"type": "string"}}, "$ref": "#/$defs/a_b"}),
    ({"type": "OBJECT", "additionalProperties": False}, {"type": "object", "additionalProperties": False}),
    ({"type": "OBJECT", "title": None}, {"type": "object"}),
    ({"type": ["STRING", "NULL"]}, {"type": ["string", "null"]}),
    ({}, {}),
])  # fmt: skip
def test_a_schema(given: dict[str, Any], wanted: dict[str, Any]):
    assert json_schema(given, "at") == wanted


def test_properties_stand_in_the_order_that_was_asked_for():
    given = {name: {"type": "STRING"} for name in "abc"}
    told = json_schema({"type": "OBJECT", "properties": given, "propertyOrdering": ["c", "x", "a"]}, "at")
    assert [*told["properties"]] == ["c", "a", "b"]
    assert "propertyOrdering" not in told


@pytest.mark.parametrize(("given", "param"), [
    ("STRING", "at"),
    ({"type": "TEXT"}, "at.type"),
    ({"type": 5}, "at.type"),
    ({"properties": []}, "at.properties"),
    ({"properties": {"a": {"items": {"type": "X"}}}}, "at.properties.a.items.type"),
    ({"anyOf": [{}, 5]}, "at.anyOf[1]"),
    ({"anyOf": {}}, "at.anyOf"),
    ({"minItems": "x"}, "at.minItems"),
])  # fmt: skip
def test_what_is_no_schema_is_refused_by_name(given: Any, param: str):
    with pytest.raises(InvalidRequest) as caught:
        json_schema(given, "at")
    assert caught.value.param == param and f"'{param}'" in caught.value.message
