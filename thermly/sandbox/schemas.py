"""A minimal valid instance of a JSON schema, filled from a text where that makes sense.

Pure. Reads both JSON Schema and the OpenAPI subset that Gemini speaks. Not a validator: `pattern` is ignored.
"""

from __future__ import annotations

import math
from typing import Any

from thermly.sandbox.hints import Hints

_MOST_ITEMS = 1_000
_MOST_CHARACTERS = 10_000
_MOST_VALUES = 20_000
_FREE = {"type", "description", "title"}


class Endless(Exception):
    """The schema asks for itself inside itself, or for more than anyone would read."""


def instance(schema: Any, hints: Hints) -> Any:
    try:
        return _Maker(schema, hints).make(schema, "", frozenset())
    except Endless:
        return {}


class _Maker:
    def __init__(self, root: Any, hints: Hints) -> None:
        self.root, self.hints = root, hints
        self._left = _MOST_VALUES

    def make(self, schema: Any, key: str, seen: frozenset[str]) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Endless
        if not isinstance(schema, dict) or not schema:
            return self.hints.string(key, "")
        if "$ref" in schema:
            return self._ref(str(schema["$ref"]), key, seen)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return next((v for v in schema["enum"] if self.hints.mentions(v)), schema["enum"][0])
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            rest = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}
            return self._first_of(rest, options, key, seen)
        if schema.get("allOf"):
            return self.make(self._merged(schema), key, seen)
        return getattr(self, f"_{_kind(schema)}")(schema, key, seen)

    def _ref(self, ref: str, key: str, seen: frozenset[str]) -> Any:
        if ref in seen:
            raise Endless
        return self.make(self._resolved(ref), key, seen | {ref})

    def _resolved(self, ref: str) -> Any:
        target: Any = self.root
        for step in ref.lstrip("#/").split("/") if ref.strip("#/") else []:
            step = step.replace("~1", "/").replace("~0", "~")
            target = target.get(step, {}) if isinstance(target, dict) else {}
        return target

    def _first_of(self, rest: dict[str, Any], options: list[Any], key: str, seen: frozenset[str]) -> Any:
        nulls_last = sorted(options, key=lambda o: isinstance(o, dict) and _kind(o) == "null")
        for option in nulls_last:
            try:
                return self.make({**rest, **option} if isinstance(option, dict) else option, key, seen)
            except Endless:
                continue
        raise Endless

    def _merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        merged: dict[str, Any] = {k: v for k, v in schema.items() if k != "allOf"}
        for part in schema["allOf"]:
            part = self._resolved(str(part["$ref"])) if "$ref" in part else part
            for name, value in part.items():
                if name == "properties":
                    merged[name] = {**merged.get(name, {}), **value}
                elif name == "required":
                    merged[name] = [*merged.get(name, []), *value]
                else:
                    merged[name] = value
        return merged

    def _object(self, schema: dict[str, Any], key: str, seen: frozenset[str]) -> dict[str, Any]:
        properties: dict[str, Any] = schema.get("properties") or {}
        required = schema.get("required", list(properties)[:1]) or []
        made: dict[str, Any] = {}
        for name in dict.fromkeys([*properties, *required]):
            child = properties.get(name, {})
            if name not in required and not self._asked_for(child):
                continue
            try:
                made[name] = self.make(child, name, seen)
            except Endless:
                if name in schema.get("required", ()):
                    raise
        return made

    def _asked_for(self, child: Any) -> bool:
        return isinstance(child, dict) and any(map(self.hints.mentions, child.get("enum") or ()))

    def _array(self, schema: dict[str, Any], key: str, seen: frozenset[str]) -> list[Any]:
        if schema.get("prefixItems"):
            return [self.make(item, key, seen) for item in schema["prefixItems"]]
        items, least = schema.get("items", {}), int(schema.get("minItems") or 0)
        most = min(int(schema.get("maxItems", _MOST_ITEMS)), _MOST_ITEMS)
        if least <= len(self.hints.names) <= most and _is_free_text(items) and self.hints.names:
            return list(self.hints.names)
        count = min(max(least, 1), most)
        try:
            return [self.make(items, key, seen) for _ in range(count)]
        except Endless:
            if least:
                raise
            return []

    def _string(self, schema: dict[str, Any], key: str, seen: frozenset[str]) -> str:
        value = self.hints.string(key, str(schema.get("format", "")))
        value = value[: int(schema.get("maxLength", len(value)))]
        return value.ljust(min(int(schema.get("minLength") or 0), _MOST_CHARACTERS), ".")

    def _number(self, schema: dict[str, Any], key: str, seen: frozenset[str]) -> float:
        return self._numeric(schema, whole=False)

    def _integer(self, schema: dict[str, Any], key: str, seen: frozenset[str]) -> int:
        return int(self._numeric(schema, whole=True))

    def _numeric(self, schema: dict[str, Any], whole: bool) -> float:
        low, high = _bounds(schema, 1 if whole else 1e-6)
        step = schema.get("multipleOf")

        def fits(value: float) -> bool:
            return low <= value <= high and not (whole and value % 1) and not (step and value % step)

        value = self.hints.number(fits)
        if value is None:
            value = low if low > 1 else min(1, high)
            value = math.ceil(value / step) * step if step else math.ceil(value) if whole else value
        return int(value) if not value % 1 else value

    def _boolean(self, schema: dict[str, Any], key: str, seen: frozenset[str]) -> bool:
        return True

    def _null(self, schema: dict[str, Any], key: str, seen: frozenset[str]) -> None:
        return None


def _is_free_text(schema: Any) -> bool:
    return isinstance(schema, dict) and str(schema.get("type")).lower() == "string" and schema.keys() <= _FREE


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    kind = str(kind).lower()
    return kind if kind in ("object", "array", "string", "number", "integer", "boolean", "null") else "string"


def _bounds(schema: dict[str, Any], step: float) -> tuple[float, float]:
    """The least and the greatest number allowed, both inclusive. Draft 4 wrote exclusive bounds as booleans."""
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    below, above = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if below is not None and below is not False:
        low = (low if below is True else below) + step
    if above is not None and above is not False:
        high = (high if above is True else above) - step
    return low, high
