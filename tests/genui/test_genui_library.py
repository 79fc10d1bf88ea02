"""Every component of both libraries can be written, read and checked."""

import json
from typing import Any

import pytest

from genui import examples
from thermly.errors import InvalidRequest
from thermly.genui.components import TreeReader, tree
from thermly.genui.custom import Custom
from thermly.genui.ids import Format
from thermly.genui.library import ROOT, library
from thermly.genui.programs import ProgramReader, program

JSON, OPENUI = library("json"), library("openui")


@pytest.mark.parametrize("name", JSON.components)
def test_every_component_of_the_tree(name: str):
    reader = TreeReader(JSON)
    text = tree(examples.card(name, JSON))
    assert name == ROOT or name in text or JSON.components[name].place == "item"
    out = reader.head + reader.take(text) + reader.end() + reader.close(None)
    assert reader.faults == []
    assert out == text


@pytest.mark.parametrize("name", OPENUI.components)
def test_every_component_of_the_program(name: str):
    reader = ProgramReader(OPENUI)
    text = program(examples.card(name, OPENUI), OPENUI)
    assert f"{name}(" in text
    assert reader.take(text) + reader.end() + reader.close(None) == text
    assert reader.faults == []


def test_the_root_is_the_only_one_and_takes_blocks():
    for own in (JSON, OPENUI):
        assert [c.name for c in own.components.values() if c.place == "root"] == [ROOT]
        required = [list(c.props)[: len(c.required)] for c in own.components.values()]
        # By position, what may be left out comes last.
        assert all({*head} == c.required for head, c in zip(required, own.components.values(), strict=True))


def test_a_callers_component_joins_the_library():
    schema = {
        "$ref": "#/definitions/Plan",
        "definitions": {
            "Plan": {"type": "object", "properties": {"day": {"$ref": "#/definitions/Day"}}, "required": ["day"]},
            "Day": {"type": "string"},
        },
    }
    custom = Custom({"Plan": schema, "Header": {"type": "object", "properties": {"x": {"type": "number"}}}})
    own = library("openui", custom)
    assert own.custom == {"Plan", "Header"}
    reader = ProgramReader(own)
    reader.take('root = Card([Plan("Monday"), Header(1)])\n')
    assert reader.end() == "" and reader.faults == []
    reader = ProgramReader(own)
    reader.take("root = Card([Plan(3), Header()])\n")
    assert [fault.what for fault in reader.faults] == ["must be string"]


@pytest.mark.parametrize("shape", [{"anyOf": []}, {"properties": {"a": {}}, "additionalProperties": True}])
def test_a_callers_component_may_be_open(shape: dict[str, Any]):
    reader = TreeReader(library("json", Custom({"Plan": shape})))
    told = {"component": "Card", "props": {"children": [{"component": "Plan", "props": {"x": 1}}]}}
    assert reader.take(json.dumps(told)) and reader.faults == []


@pytest.mark.parametrize(("form", "name"), [("json", ROOT), ("json", "Header"), ("openui", "CardHeader")])
def test_a_callers_component_with_the_name_of_one_of_ours_is_refused_by_name(form: Format, name: str):
    with pytest.raises(InvalidRequest) as caught:
        library(form, Custom({"Plan": {}, name: {}}))
    assert caught.value.param == f"metadata.thesys.c1_custom_components.{name}" and name in caught.value.message
