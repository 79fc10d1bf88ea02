"""JSON schemas as Anthropic takes them."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from thermly.providers.json_schema import closed


def test_a_schema_keeps_what_the_vendor_takes_and_tells_the_rest():
    schema = {
        "$schema": "x",
        "type": ["object", "null"],
        "description": "D",
        "minProperties": 1,
        "properties": {
            "format": {"type": "string", "format": "date", "maxLength": 3},
            "odd": {"type": "string", "format": "zip"},
            "list": {"type": "array", "items": {"oneOf": [{"$ref": "#/$defs/n"}, True]}, "minItems": 1},
            "many": {"type": "array", "minItems": 2},
        },
        "$defs": {"n": {"type": "object", "properties": {}, "additionalProperties": False}},
        "required": ["format"],
    }
    assert closed(schema, "p") == {
        "type": ["object", "null"],
        "description": 'D\n\nConstraints: {"minProperties":1}',
        "properties": {
            "format": {"type": "string", "format": "date", "description": 'Constraints: {"maxLength":3}'},
            "odd": {"type": "string", "description": 'Constraints: {"format":"zip"}'},
            "list": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/n"}, True]}, "minItems": 1},
            "many": {"type": "array", "description": 'Constraints: {"minItems":2}'},
        },
        "$defs": {"n": {"type": "object", "properties": {}, "additionalProperties": False}},
        "required": ["format"],
        "additionalProperties": False,
    }


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "anyOf", "format", "minItems", "description", "allOf", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSONS)
def test_no_schema_however_odd_breaks_the_translation(schema: Any):
    closed(schema, "p")
