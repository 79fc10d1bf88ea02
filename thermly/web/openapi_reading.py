"""The document as people read it: rows of fields, with types and bounds in words.

Knows: OpenAPI 3.1. Must not know: which operations and types there are, HTML.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

JSON = dict[str, Any]
COUNTED = (
    ("minLength", "maxLength", "characters"),
    ("minItems", "maxItems", "items"),
    ("minProperties", "maxProperties", "entries"),
)


class Word(NamedTuple):
    """A piece of a type's name; `type` is the component that it links to."""

    text: str
    type: str | None = None


class Row(NamedTuple):
    name: str
    required: bool
    kind: list[Word]
    limits: list[str]
    values: list[str]
    default: str | None
    about: str


class Answer(NamedTuple):
    status: str
    about: str
    media: list[tuple[str, list[Word]]]
    headers: list[str]
    rows: list[Row]


class Endpoint(NamedTuple):
    id: str
    method: str
    path: str
    summary: str
    about: str
    parameters: list[tuple[str, Row]]
    body: list[Row]
    answers: list[Answer]
    refusals: list[Answer]
    samples: list[tuple[str, str]]


class Group(NamedTuple):
    name: str
    about: str
    keys: list[str]
    endpoints: list[Endpoint]


class Shape(NamedTuple):
    name: str
    about: str
    rows: list[Row]


class Problem(NamedTuple):
    status: str
    type: str
    code: str
    message: str
    about: str


class Reader:
    def __init__(self, document: JSON) -> None:
        self._document = document
        self.openapi: str = document["openapi"]
        self.title: str = document["info"]["title"]
        self.version: str = document["info"]["version"]
        self.about: str = document["info"]["description"]

    def groups(self) -> list[Group]:
        found: dict[str, Group] = {}
        about = {tag["name"]: tag["description"] for tag in self._document["tags"]}
        for path, methods in self._document["paths"].items():
            for method, operation in methods.items():
                name = operation["tags"][0]
                group = found.setdefault(name, Group(name, about[name], self._keys(operation), []))
                group.endpoints.append(self._endpoint(path, method, operation))
        return list(found.values())

    def _keys(self, operation: JSON) -> list[str]:
        schemes = self._document["components"]["securitySchemes"]
        return [schemes[name]["description"] for way in operation["security"] for name in way]

    def shapes(self) -> list[Shape]:
        schemas = self._document["components"]["schemas"]
        return [
            Shape(name, schema.get("description", ""), self.rows(schema))
            for name, schema in sorted(schemas.items())
        ]

    def problems(self) -> list[tuple[str, list[Problem]]]:
        """The errors of each group, as its operations answer them; once where groups share them."""
        found: dict[str, dict[str, list[Problem]]] = {}
        seen: set[str] = set()
        for methods in self._document["paths"].values():
            for operation in methods.values():
                for status, response in operation["responses"].items():
                    if "$ref" in response and operation["security"] and response["$ref"] not in seen:
                        seen.add(response["$ref"])
                        of_group = found.setdefault(operation["tags"][0], {})
                        of_group[status] = list(self._problems(status, self.resolved(response)))
        return [(name, [p for _, ps in sorted(by.items()) for p in ps]) for name, by in found.items()]

    def headers(self) -> list[tuple[str, str]]:
        return [(name, header["description"]) for name, header in self._document["components"]["headers"].items()]

    def resolved(self, node: JSON) -> JSON:
        if "$ref" not in node:
            return node
        found: Any = self._document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return {**found, **{key: value for key, value in node.items() if key != "$ref"}}

    # ---- endpoints

    def _endpoint(self, path: str, method: str, operation: JSON) -> Endpoint:
        answers = [self._answer(status, one) for status, one in operation["responses"].items()]
        body = operation.get("requestBody", {}).get("content", {})
        return Endpoint(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            summary=operation["summary"],
            about=operation["description"],
            parameters=[self._parameter(one) for one in operation.get("parameters", ())],
            body=[row for content in body.values() for row in self.rows(content["schema"])],
            answers=[a for a in answers if a.status < "400"],
            refusals=[a for a in answers if a.status >= "400"],
            samples=[(sample["label"], sample["source"]) for sample in operation["x-codeSamples"]],
        )

    def _parameter(self, parameter: JSON) -> tuple[str, Row]:
        schema = {"description": parameter["description"], **parameter["schema"]}
        return parameter["in"], self._row(parameter["name"], schema, parameter["required"])

    def _answer(self, status: str, response: JSON) -> Answer:
        told = self.resolved(response)
        content = told.get("content", {})
        return Answer(
            status,
            told["description"],
            [(media, _sent(one["schema"]) if "schema" in one else []) for media, one in content.items()],
            list(told.get("headers", ())),
            self.rows(next((one["schema"] for one in content.values() if "schema" in one), {})),
        )

    def _problems(self, status: str, response: JSON) -> Iterator[Problem]:
        for content in response["content"].values():
            for example in content["examples"].values():
                error = example["value"]["error"]
                code = error.get("code", "")
                yield Problem(status, error["type"], code, error["message"], response["description"])

    # ---- fields

    def rows(self, schema: JSON) -> list[Row]:
        """The fields of an object, those that must be there first."""
        whole = self._merged(schema)
        needed = whole.get("required", ())
        found = [self._row(name, one, name in needed) for name, one in whole.get("properties", {}).items()]
        return sorted(found, key=lambda row: not row.required)

    def _merged(self, schema: JSON) -> JSON:
        """With the bounds that stand beside a type."""
        whole = self.resolved(schema)
        for more in whole.get("allOf", ()):
            whole = _joined(whole, self.resolved(more))
        return whole

    def _row(self, name: str, schema: JSON, required: bool) -> Row:
        default = json.dumps(schema["default"]) if "default" in schema else None
        return Row(
            name, required, kind(schema), list(limits(schema)), list(values(schema)), default,
            schema.get("description", ""),
        )  # fmt: skip


def _sent(schema: JSON) -> list[Word]:
    """The type of an answer, or of what the events of a stream carry."""
    data = schema.get("properties", {}).get("data", {})
    carried = [form["contentSchema"] for form in data.get("anyOf", ()) if "contentSchema" in form]
    return [Word("events of "), *kind(carried[0])] if carried else kind(schema)


def _joined(one: JSON, other: JSON) -> JSON:
    found = dict(one)
    for key, value in other.items():
        found[key] = _joined(found[key], value) if isinstance(found.get(key), dict) else value
    return found


def kind(schema: JSON) -> list[Word]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [Word(name, name)]
    if "anyOf" in schema:
        return _or([kind(one) for one in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        named = {_type_of(value) for value in schema.get("enum", [schema.get("const")])}
        return _or([[Word(name)] for name in sorted(named, key=lambda name: name == "null")])
    types = schema.get("type", "anything")
    return _or([_one(name, schema) for name in (types if isinstance(types, list) else [types])])


def _one(name: str, schema: JSON) -> list[Word]:
    if name == "array":
        return [Word("list of "), *kind(schema.get("items", {}))]
    if name == "object" and isinstance(schema.get("additionalProperties"), dict):
        return [Word("map of "), *kind(schema["additionalProperties"])]
    return [Word(name)]


def _or(forms: list[list[Word]]) -> list[Word]:
    found: list[Word] = []
    for i, form in enumerate(form for at, form in enumerate(forms) if form not in forms[:at]):
        found += [Word(" or "), *form] if i else form
    return found


def _type_of(value: Any) -> str:
    return {"str": "string", "bool": "boolean", "int": "integer", "NoneType": "null"}[type(value).__name__]


def values(schema: JSON) -> Iterator[str]:
    """What the field may be, where that can be counted."""
    told = schema.get("enum", [schema["const"]] if "const" in schema else [])
    yield from (json.dumps(value) for value in told if value is not None)
    for one in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])):
        yield from values(one)


def limits(schema: JSON) -> Iterator[str]:
    if text := _range(schema, "minimum", "maximum", "", "exclusiveMaximum"):
        yield text
    for least, most, unit in COUNTED:
        if text := _range(schema, least, most, unit):
            yield text
    if "pattern" in schema:
        yield f"matches `{schema['pattern']}`"
    for one in schema.get("anyOf", ()):
        yield from limits(one)
    if "items" in schema:
        yield from (f"each {text}" for text in limits(schema["items"]))
        for name, one in schema["items"].get("properties", {}).items():
            yield from (f"each `{name}` {text}" for text in limits(one))


def _range(schema: JSON, least: str, most: str, unit: str, below: str = "") -> str:
    low, high = schema.get(least), schema.get(most, schema.get(below))
    if low is None and high is None:
        return ""
    if low is None:
        text = f"at most {high:,}"
    elif high is None:
        text = f"at least {low:,}"
    else:
        text = f"{low:,} to {high:,}"
    return f"{text if below not in schema else text + ' (excluded)'} {unit}".strip()
