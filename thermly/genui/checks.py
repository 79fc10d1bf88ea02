"""Does a component fit its schema? Values, faults, and a checker for the part of JSON Schema that is used.

Knows: JSON Schema's common words, and two of its own: `$part` (a component of one of these names) and `$action`.
Must not know: how components are written. What it does not know in a caller's schema, it lets pass.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from thermly.fitting import KINDS, is_kind

Schema = dict[str, Any]

PART, ACTION = "$part", "$action"
DEEPEST = 40
# A schema may point at itself from both sides of a choice: without an end, that is 2**DEEPEST steps.
MOST_STEPS = 200_000


class Element(Struct, frozen=True):
    """A component with its properties by name."""

    name: str
    props: dict[str, Any]


class Reference(Struct, frozen=True):
    """A name that is told later; it fits anywhere until then."""

    name: str


class Fault(Struct, frozen=True):
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Component(Struct, frozen=True):
    """`props` are in the order of the positional format. `place`: `root`, what stands in it (`block`), or what
    only another component takes (`inner`); `item` is an inner one that the tree writes as a plain object."""

    name: str
    about: str
    props: dict[str, Schema]
    required: frozenset[str]
    place: str = "block"
    # What `$ref` in the schemas of the properties points into.
    whole: Schema = {}
    # A caller's component may have more properties than it names.
    is_open: bool = False


class Checker:
    """Checks values against schemas, within one library. For one answer: it tires after so many steps."""

    def __init__(self, components: Mapping[str, Component], actions: Mapping[str, Schema]) -> None:
        self._components, self._actions = components, actions
        self._steps_left = MOST_STEPS

    def element(self, element: Element, where: str, depth: int = 0) -> Iterator[Fault]:
        component = self._components.get(element.name)
        if component is None:
            yield Fault(where, f"there is no component {element.name}")
            return
        yield from self._props(component, element.props, f"{where}: {element.name}", depth)

    def _props(self, component: Component, props: Mapping[str, Any], where: str, depth: int) -> Iterator[Fault]:
        for name in component.props:
            if name in component.required and props.get(name) is None:
                yield Fault(where, f"{name} is missing")
        for name, value in props.items():
            if name not in component.props and component.is_open:
                continue
            if name not in component.props:
                yield Fault(where, f"there is no property {name}")
            elif value is not None or name in component.required:
                schema = component.props[name]
                yield from self.value(value, schema, f"{where}.{name}", component.whole, depth + 1)

    def value(self, value: Any, schema: Any, where: str, whole: Schema, depth: int = 0) -> Iterator[Fault]:
        """`whole` is the schema that local references point into."""
        self._steps_left -= 1
        if depth > DEEPEST or self._steps_left < 0:
            yield Fault(where, "is nested too deeply" if depth > DEEPEST else "takes too long to check")
            return
        if isinstance(value, Reference) or not isinstance(schema, dict):
            return
        if PART in schema:
            yield from self._part(value, schema[PART], where, depth)
        elif ACTION in schema:
            yield from self._action(value, where, depth)
        else:
            yield from self._plain(value, _pointed(schema, whole), where, whole, depth)

    def _part(self, value: Any, names: tuple[str, ...], where: str, depth: int) -> Iterator[Fault]:
        if isinstance(value, dict) and len(names) == 1 and self._is_item(names[0]):
            yield from self._props(self._components[names[0]], value, f"{where}: {names[0]}", depth)
        elif not isinstance(value, Element):
            yield Fault(where, f"must be {' or '.join(names) if names else 'a component'}")
        elif value.name in self._components and not self._stands(value.name, names):
            yield Fault(where, f"{value.name} cannot stand here")
        else:
            yield from self.element(value, where, depth + 1)

    def _is_item(self, name: str) -> bool:
        return self._components[name].place == "item"

    def _stands(self, name: str, names: tuple[str, ...]) -> bool:
        return name in names if names else self._components[name].place == "block"

    def _action(self, value: Any, where: str, depth: int) -> Iterator[Fault]:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in self._actions:
            yield Fault(where, f"type must be one of {', '.join(self._actions)}")
            return
        yield from self._plain(value, self._actions[kind], where, self._actions[kind], depth)

    def _plain(self, value: Any, schema: Schema, where: str, whole: Schema, depth: int) -> Iterator[Fault]:
        for word in ("anyOf", "oneOf"):
            ways = schema.get(word)
            if isinstance(ways, list) and not any(self._fits(value, way, where, whole, depth) for way in ways):
                yield Fault(where, "fits none of its kinds")
                return
        for way in schema.get("allOf") or ():
            yield from self.value(value, way, where, whole, depth + 1)
        if (fault := _mismatch(value, schema)) is not None:
            yield Fault(where, fault)
            return
        if isinstance(value, list):
            for i, entry in enumerate(value):
                yield from self.value(entry, schema.get("items"), f"{where}[{i}]", whole, depth + 1)
        elif isinstance(value, dict):
            yield from self._object(value, schema, where, whole, depth)

    def _fits(self, value: Any, schema: Any, where: str, whole: Schema, depth: int) -> bool:
        return next(self.value(value, schema, where, whole, depth + 1), None) is None

    def _object(
        self, value: dict[str, Any], schema: Schema, where: str, whole: Schema, depth: int
    ) -> Iterator[Fault]:
        named = schema.get("properties") or {}
        for name in schema.get("required") or ():
            if name not in value:
                yield Fault(where, f"{name} is missing")
        for name, entry in value.items():
            if name in named:
                # A property that may be left out may as well be null.
                if entry is not None or name in (schema.get("required") or ()):
                    yield from self.value(entry, named[name], f"{where}.{name}", whole, depth + 1)
            elif schema.get("additionalProperties") is False:
                yield Fault(where, f"there is no property {name}")


def _mismatch(value: Any, schema: Schema) -> str | None:
    kinds = schema.get("type")
    names = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    known = [name for name in names if name in KINDS]
    if known and not any(is_kind(value, name) for name in known):
        return f"must be {' or '.join(known)}"
    if "const" in schema and value != schema["const"]:
        return f"must be {schema['const']!r}"
    options = schema.get("enum")
    if isinstance(options, list | tuple) and value not in options:
        return "must be one of " + ", ".join(repr(option) for option in options)
    if isinstance(value, Element) and not known and "anyOf" not in schema and "oneOf" not in schema:
        return "cannot be a component"
    return None


def _pointed(schema: Schema, whole: Schema) -> Schema:
    """What a local `$ref` points at; anything else, and a circle, is a schema that says nothing."""
    for _ in range(DEEPEST):
        if "$ref" not in schema:
            return schema
        found: Any = whole
        for step in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
            found = found.get(step) if isinstance(found, dict) and step else found
        if not isinstance(found, dict):
            return {}
        schema = found
    return {}
