from typing import Any

import pytest

from thermly.genui.checks import Checker, Element, Reference
from thermly.genui.custom import Custom
from thermly.genui.library import library


def faults(value: Any, schema: Any) -> list[str]:
    return [str(fault) for fault in Checker({}, {}).value(value, schema, "x", schema)]


TREE = {"type": "object", "properties": {"inner": {"$ref": "#"}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ("a", {"type": "string"}),
        (1, {"type": "integer"}),
        (1.0, {"type": "integer"}),
        (None, {"type": ["string", "null"]}),
        ("a", {"enum": ["a", "b"]}),
        ("a", {"anyOf": [{"type": "number"}, {"const": "a"}]}),
        ({"a": 1, "b": 2}, {"properties": {"a": {"type": "number"}}, "required": ["a"]}),
        ({"a": None}, {"properties": {"a": {"type": "number"}}}),
        ({"inner": {"inner": {}}}, TREE),
        ([1, "a", {}], {}),
        (Reference("later"), {"type": "number"}),
        ("a", True),
    ],
)
def test_what_fits(value: Any, schema: Any):
    assert faults(value, schema) == []


@pytest.mark.parametrize(
    ("value", "schema", "says"),
    [
        (1, {"type": "string"}, "x: must be string"),
        (True, {"type": "number"}, "must be number"),
        (1.5, {"type": "integer"}, "must be integer"),
        ("c", {"enum": ["a", "b"]}, "one of 'a', 'b'"),
        ("a", {"anyOf": [{"type": "number"}, {"const": "b"}]}, "none of its kinds"),
        ([1, "a"], {"type": "array", "items": {"type": "number"}}, "x[1]: must be number"),
        ({"inner": {"inner": {"b": 1}}}, TREE, "x.inner.inner: there is no property b"),
        ({}, {"type": "object", "required": ["a"]}, "a is missing"),
        ({"a": None}, {"properties": {"a": {"type": "number"}}, "required": ["a"]}, "x.a: must be number"),
        (Element("Card", {}), {}, "cannot be a component"),
        ("a", {"allOf": [{"type": "string"}, {"const": "b"}]}, "must be 'b'"),
    ],
)
def test_what_does_not(value: Any, schema: Any, says: str):
    assert says in faults(value, schema)[0]


def test_a_schema_that_points_at_itself_ends():
    both = {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}
    assert faults(1, both) != []
    assert faults(1, {"$ref": "#"}) == []


def test_actions_are_those_of_the_library():
    told = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    own = library("json", Custom(actions={"book": told}))

    def button(action: Any) -> list[str]:
        buttons = Element("Buttons", {"buttons": [Element("Button", {"label": "a", "action": action})]})
        return [str(fault) for fault in own.checker().element(buttons, "x")]

    assert button({"type": "open_url", "url": "https://example.com"}) == []
    assert button({"type": "book", "params": {"id": "1"}}) == []
    assert "url is missing" in button({"type": "open_url"})[0]
    assert "params is missing" in button({"type": "book"})[0]
    assert "params.id: must be string" in button({"type": "book", "params": {"id": 1}})[0]
    for odd in ({"type": "sell"}, {"type": []}, "open_url", []):
        assert "type must be one of continue_conversation, open_url, book" in button(odd)[0]


def test_components_stand_where_they_may():
    plain = library("json")
    card = Element("Card", {"children": [Element("Input", {"name": "a"}), Element("Card", {"children": []})]})
    assert [str(f) for f in plain.checker().element(card, "x")] == [
        "x: Card.children[0]: Input cannot stand here",
        "x: Card.children[1]: Card cannot stand here",
    ]
    table = Element("Table", {"columns": [{"label": 1}], "rows": [[{}]], "size": 3})
    assert [f.what for f in plain.checker().element(table, "x")] == [
        *("must be string", "must be string or number or boolean or null", "there is no property size")
    ]
