"""The components that answers are made of, as data: one library for each format.

Knows: names, properties, their schemas and order. Must not know: how components are written or framed.
The positional format's names and orders are those of OpenUI's MIT chat library, so that its renderer shows them;
the tree's are those that C1's public examples use.
"""

from typing import Any

from msgspec import Struct

from thermly.errors import InvalidRequest
from thermly.genui.checks import ACTION, PART, Checker, Component, Schema
from thermly.genui.custom import NOTHING, PARAM, Custom
from thermly.genui.ids import Format

ROOT = "Card"
_OPTIONAL = "optional"

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
DO: Schema = {ACTION: True}


def one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def part(*names: str) -> Schema:
    """A component of one of these names; without names, any block."""
    return {PART: names}


def opt(schema: Schema) -> Schema:
    return {**schema, _OPTIONAL: True}


def _component(name: str, about: str, place: str = "block", /, **props: Schema) -> Component:
    return Component(
        name=name,
        about=about,
        props={p: {k: v for k, v in schema.items() if k != _OPTIONAL} for p, schema in props.items()},
        required=frozenset(p for p, schema in props.items() if _OPTIONAL not in schema),
        place=place,
    )


RULES: Schema = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("required", "email", "url", "numeric"), FLAG),
        **dict.fromkeys(("min", "max", "minLength", "maxLength"), NUMBER),
        "pattern": TEXT,
    },
    "additionalProperties": False,
}
_CELL: Schema = {"type": ["string", "number", "boolean", "null"]}
_BLOCKS = many(part())


def _chart(name: str, about: str, *variants: str) -> Component:
    return _component(
        name,
        about,
        labels=many(TEXT),
        series=many(part("Series")),
        variant=opt(one_of(*variants)),
        xLabel=opt(TEXT),
        yLabel=opt(TEXT),
    )


SHARED = (
    _component(ROOT, "The whole answer, from top to bottom.", "root", children=_BLOCKS),
    _component("CodeBlock", "Program text.", language=TEXT, codeString=TEXT),
    _component("Table", "Facts in rows and columns.", columns=many(part("Col")), rows=many(many(_CELL))),
    _component("Col", "A column's head.", "item", label=TEXT, type=opt(one_of("string", "number"))),
    _chart("BarChart", "Amounts side by side.", "grouped", "stacked"),
    _chart("LineChart", "How something changes.", "linear", "natural", "step"),
    _chart("AreaChart", "How a volume changes.", "linear", "natural", "step"),
    _component("Series", "One amount for each label.", "item", category=TEXT, values=many(NUMBER)),
    _component("PieChart", "Shares of a whole.", slices=many(part("Slice")), variant=opt(one_of("pie", "donut"))),
    _component("Slice", "One share.", "item", category=TEXT, value=NUMBER),
    _component(
        "Form",
        "Asks the user for several things at once; never inside another form.",
        name=TEXT,
        buttons=part("Buttons"),
        fields=many(part("FormControl")),
    ),
    _component(
        "FormControl",
        "One labelled input.",
        "inner",
        label=TEXT,
        input=part("Input", "TextArea", "Select", "DatePicker", "CheckBoxGroup"),
        hint=opt(TEXT),
    ),
    _component(
        "Input",
        "One line.",
        "inner",
        name=TEXT,
        placeholder=opt(TEXT),
        type=opt(one_of("text", "email", "password", "number", "url")),
        rules=opt(RULES),
    ),
    _component(
        "TextArea",
        "Several lines.",
        "inner",
        name=TEXT,
        placeholder=opt(TEXT),
        rows=opt(NUMBER),
        rules=opt(RULES),
    ),
    _component(
        "Select",
        "One of several.",
        "inner",
        name=TEXT,
        items=many(part("SelectItem")),
        placeholder=opt(TEXT),
        rules=opt(RULES),
    ),
    _component("SelectItem", "One choice.", "item", value=TEXT, label=TEXT),
    _component(
        "DatePicker", "A day, or two.", "inner", name=TEXT, mode=one_of("single", "range"), rules=opt(RULES)
    ),
    _component(
        "CheckBoxGroup",
        "Any of several.",
        "inner",
        name=TEXT,
        items=many(part("CheckBoxItem")),
        rules=opt(RULES),
    ),
    _component(
        "CheckBoxItem",
        "One box.",
        "item",
        label=TEXT,
        description=TEXT,
        name=TEXT,
        defaultChecked=opt(FLAG),
    ),
    _component(
        "Buttons",
        "Buttons in a row or a column.",
        buttons=many(part("Button")),
        direction=opt(one_of("row", "column")),
    ),
    _component(
        "Button",
        "Does its action; without one, its label is what the user says next.",
        "inner",
        label=TEXT,
        action=opt(DO),
        variant=opt(one_of("primary", "secondary", "tertiary")),
    ),
    _component("Tabs", "Views of one thing, one at a time.", items=many(part("TabItem"))),
    _component("TabItem", "`value` is its id.", "item", value=TEXT, trigger=TEXT, content=_BLOCKS),
    _component(
        "SectionBlock",
        "An accordion for long answers.",
        sections=many(part("SectionItem")),
        isFoldable=opt(FLAG),
    ),
    _component("SectionItem", "`value` is its id.", "item", value=TEXT, trigger=TEXT, content=_BLOCKS),
    _component("Steps", "What to do, in order.", items=many(part("StepsItem"))),
    _component("StepsItem", "One step.", "item", title=TEXT, details=TEXT),
    _component("FollowUpBlock", "What the user may ask next; comes last.", items=many(part("FollowUpItem"))),
    _component("FollowUpItem", "Said by the user when clicked.", "item", text=TEXT),
)
_SIZES = one_of("small", "default", "large", "small-heavy", "large-heavy")
_TONES = one_of("info", "warning", "error", "success", "neutral")
_LIST_ITEM = _component("ListItem", "One entry.", "item", title=TEXT, subtitle=opt(TEXT))
OWN: dict[Format, tuple[Component, ...]] = {
    "json": (
        _component("Header", "The answer's head.", title=TEXT, subtitle=opt(TEXT)),
        _component("InlineHeader", "The head of what follows.", heading=TEXT, description=opt(TEXT)),
        _component("TextContent", "A paragraph; Markdown.", textMarkdown=TEXT),
        _component(
            "List",
            "Entries of one kind.",
            items=many(part("ListItem")),
            variant=opt(one_of("number", "image")),
        ),
        _LIST_ITEM,
        _component("CalloutV2", "What must not be missed.", variant=_TONES, title=TEXT, description=TEXT),
        _component("Image", "A picture at an address that exists.", src=TEXT, alt=opt(TEXT)),
    ),
    "openui": (
        _component(
            "CardHeader", "The head of the answer, or of what follows.", title=opt(TEXT), subtitle=opt(TEXT)
        ),
        _component("TextContent", "A paragraph; Markdown.", text=TEXT, size=opt(_SIZES)),
        _component(
            "ListBlock",
            "Entries of one kind.",
            items=many(part("ListItem")),
            variant=opt(one_of("number", "image")),
        ),
        _LIST_ITEM,
        _component("Callout", "What must not be missed.", variant=_TONES, title=TEXT, description=TEXT),
        _component("ImageBlock", "A picture at an address that exists.", src=TEXT, alt=opt(TEXT)),
    ),
}
ACTIONS: dict[str, Schema] = {
    "continue_conversation": {
        "type": "object",
        "properties": {"type": TEXT, "context": TEXT},
        "additionalProperties": False,
    },
    "open_url": {
        "type": "object",
        "properties": {"type": TEXT, "url": {"type": "string"}},
        "required": ["url"],
        "additionalProperties": False,
    },
}


class Library(Struct, frozen=True):
    """`custom` are the names that came with the request."""

    format: Format
    components: dict[str, Component]
    actions: dict[str, Schema]
    custom: frozenset[str] = frozenset()

    def checker(self) -> Checker:
        return Checker(self.components, self.actions)

    @property
    def is_openui(self) -> bool:
        return self.format == "openui"


def library(form: Format, custom: Custom = NOTHING) -> Library:
    """The format's library with the caller's own components and actions. Raises InvalidRequest where one has the
    name of a component that is there already: whoever shows the answer would not know which of them is meant."""
    own = {c.name: c for c in (*SHARED, *OWN[form])}
    for name, schema in custom.components.items():
        if name in own:
            where = f"{PARAM}.c1_custom_components.{name}"
            raise InvalidRequest(f"There is a component '{name}' already: choose another name.", param=where)
        own[name] = _custom(name, schema)
    actions = {**ACTIONS, **{name: _action(schema) for name, schema in custom.actions.items()}}
    return Library(form, own, actions, frozenset(custom.components))


def _custom(name: str, schema: Schema) -> Component:
    described = schema.get("description")
    shape = _shape(schema)
    return Component(
        name=name,
        about=described if isinstance(described, str) else "",
        props=dict(shape.get("properties") or {}),
        required=frozenset(map(str, shape.get("required") or ())),
        whole=schema,
        is_open=not shape.get("properties") or bool(shape.get("additionalProperties")),
    )


def _shape(schema: Schema) -> Schema:
    """zod-to-json-schema puts a named schema behind a reference."""
    steps = str(schema.get("$ref", "")).removeprefix("#/").split("/")
    found: Any = schema
    for step in steps if "properties" not in schema and "$ref" in schema else ():
        found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _action(schema: Schema) -> Schema:
    shape = {"type": "object", "properties": {"type": TEXT, "params": schema}, "additionalProperties": False}
    return {**defs(schema), **shape, **({"required": ["params"]} if schema.get("required") else {})}


def defs(schema: Schema) -> Schema:
    """What local references in a schema point into."""
    return {word: schema[word] for word in ("$defs", "definitions") if word in schema}
