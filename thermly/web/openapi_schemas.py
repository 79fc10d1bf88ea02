"""Types -> the schemas of the document: named, tidied, and with a sentence for each field.

Knows: msgspec's JSON schema and what OpenAPI 3.1 wants of it. Must not know: routes, surfaces, Flask.
"""

import typing
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from thermly.dialects import Bounds
from thermly.dialects.openai_chat import SEED_BOUND
from thermly.dialects.responses_items import MOST_OTHERS
from thermly.web.openapi_words import FIELDS, GENERATED_MODEL, TYPES

JSON = dict[str, Any]
PLACE = "#/components/schemas/"
NAMES = {"GeminiEmbedEmbed": "GeminiEmbedBody", "GeminiEmbedBatch": "GeminiEmbedBatchBody"}
BORROWED = {
    ("GeminiCountBody", "contents"): ("GeminiBody", "contents"),
    ("GeminiCountBody", "generateContentRequest"): ("GeminiBody", None),
}
"""Fields that are read by another type than their own says: (type, field), or (type, None) for the type itself."""


class Schemas:
    """The components under which types are found. `families`: how the names of a module's types begin, since two
    wires have the same words for different things."""

    def __init__(self, families: dict[str, str]) -> None:
        self._families = families
        self.components: dict[str, JSON] = {}

    def of(self, kind: Any) -> JSON:
        """The schema of a type; what it consists of is among the components then."""
        begin = self._families[home(kind)]
        (schema,), parts = msgspec.json.schema_components([kind], ref_template=PLACE + "{name}")
        names = {name: NAMES.get(begin + name) or begin + name.removeprefix(begin) for name in parts}
        placed = {PLACE + name: PLACE + shown for name, shown in names.items()}
        for name, part in parts.items():
            self._add(names[name], tidy(part, placed))
        found: JSON = tidy(schema, placed)
        return found

    def one_of(self, name: str, kinds: Sequence[Any]) -> JSON:
        """One object for types that differ in a field: it may be whatever one of them allows."""
        shapes = [self.components.pop(self.of(kind)["$ref"].removeprefix(PLACE)) for kind in kinds]
        fields = {}
        for field in shapes[0]["properties"]:
            forms: list[JSON] = []
            for shape in shapes:
                form = shape["properties"][field]
                forms += [one for one in form.get("anyOf", [form]) if one not in forms]
            fields[field] = {"anyOf": forms} if len(forms) > 1 else forms[0]
        self._add(name, {**shapes[0], "properties": fields})
        return {"$ref": PLACE + name}

    def describe(self) -> None:
        """Give the fields of requests their sentence and default; answers carry their own."""
        for name, text in TYPES.items():
            self.components[name] = {**self.components[name], "description": text}
        for name, fields in FIELDS.items():
            properties = self.components[name]["properties"]
            for field, said in fields.items():
                text, default = said if isinstance(said, tuple) else (said, None)
                properties[field] = {"description": text, **properties[field]}
                if default is not None:
                    properties[field]["default"] = default

    def borrow(self) -> None:
        for (name, field), (source, of) in BORROWED.items():
            schema = self.components[source]["properties"][of] if of else {"$ref": PLACE + source}
            self.components[name]["properties"][field] = schema

    def _add(self, name: str, schema: JSON) -> None:
        if self.components.setdefault(name, schema) != schema:
            raise ValueError(f"two types are called {name}")


def home(kind: Any) -> str:
    """The module of a type, of what a list consists of, or of the first of several."""
    inner, *_ = typing.get_args(kind) or (kind,)
    return str(inner.__module__)


def tidy(node: Any, placed: dict[str, str]) -> Any:
    """Without titles, which only repeat names, and without null as a default, which says nothing."""
    if isinstance(node, list):
        return [tidy(one, placed) for one in node]
    if not isinstance(node, dict):
        return node
    found: JSON = {}
    for key, value in node.items():
        if (key == "title" and isinstance(value, str)) or (key == "default" and value is None):
            continue
        if isinstance(value, str):
            found[key] = _text(key, value, placed)
        elif key == "mapping":
            found[key] = {word: placed[at] for word, at in value.items()}
        else:
            found[key] = tidy(value, placed)
    if len(found.get("enum", ())) == 1:
        found["const"] = found.pop("enum")[0]
    return _nullable(found)


def _text(key: str, value: str, placed: dict[str, str]) -> str:
    if key == "pattern":
        return value.replace(r"\Z", "$")  # what ECMA 262, JSON Schema's language of patterns, calls the end
    return placed[value] if key == "$ref" else value


def _nullable(schema: JSON) -> JSON:
    """`string or null` in one schema where that can be said."""
    forms = schema.get("anyOf", ())
    if len(forms) != 2 or forms[1] != {"type": "null"}:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    form = forms[0]
    if "enum" in form:
        return {**form, **rest, "enum": [*form["enum"], None]}
    if isinstance(form.get("type"), str) and "const" not in form:
        return {**form, **rest, "type": [form["type"], "null"]}
    if isinstance(form.get("anyOf"), list) and "discriminator" not in form:
        return {**form, **rest, "anyOf": [*form["anyOf"], forms[1]]}
    return schema


Bounding = Callable[[Bounds], JSON]


def gemini_bounds(bounds: Bounds) -> JSON:
    functions = {"properties": {"functionDeclarations": {"maxItems": bounds.max_tools}}}
    return {"properties": {"tools": {"items": functions}}}


def tool_bounds(bounds: Bounds) -> JSON:
    return {"properties": {"tools": {"maxItems": bounds.max_tools}}}


def response_bounds(bounds: Bounds) -> JSON:
    """What a surface allows of a response's body."""
    chars = {} if bounds.max_message_chars is None else {"maxLength": bounds.max_message_chars}
    items = {} if bounds.max_messages is None else {"maxItems": bounds.max_messages + MOST_OTHERS}
    tokens = {} if bounds.max_output_tokens is None else {"maximum": bounds.max_output_tokens}
    fields: dict[str, JSON] = {
        "input": {**chars, **items},
        "instructions": chars,
        "tools": {"maxItems": bounds.max_tools},
        "max_output_tokens": tokens,
    }
    return {"properties": {name: schema for name, schema in fields.items() if schema}}


def generated_bounds(bounds: Bounds) -> JSON:
    """What is the same in every body that asks for a generated interface."""
    model = {"description": GENERATED_MODEL}
    return {"properties": {"model": model, "tools": {"maxItems": bounds.max_tools}}}


def chat_bounds(bounds: Bounds) -> JSON:
    """What a surface allows of a chat body, and what its type cannot say."""
    messages: JSON = {}
    if bounds.max_messages is not None:
        messages["maxItems"] = bounds.max_messages
    if bounds.max_message_chars is not None:
        messages["items"] = {"properties": {"content": {"maxLength": bounds.max_message_chars}}}
    tokens = {} if bounds.max_output_tokens is None else {"maximum": bounds.max_output_tokens}
    fields = {
        "messages": messages,
        "tools": {"maxItems": bounds.max_tools},
        "max_tokens": tokens,
        "max_completion_tokens": tokens,
        "seed": {"minimum": -SEED_BOUND, "maximum": SEED_BOUND},
    }
    return {"properties": {name: schema for name, schema in fields.items() if schema}}
