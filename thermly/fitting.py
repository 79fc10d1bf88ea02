"""Does a JSON value fit a JSON Schema? Says no only beyond doubt. Pure.

Knows: the words of JSON Schema that callers use for answers. Must not know: what the value is for.
Schemas are the callers' own: what is unknown, malformed, pointing elsewhere or endless in one lets the value pass.
"""

from typing import Any

DEEPEST = 100
MOST_STEPS = 50_000
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class _Tired(Exception):
    """The schema asks for more work than an answer is worth."""


def fits(value: Any, schema: Any) -> bool:
    try:
        return _Check(schema).fits(value, schema, 0)
    except (_Tired, RecursionError):
        return True


class _Check:
    """One value against one schema, in so many steps at most."""

    def __init__(self, whole: Any) -> None:
        self._whole, self._left = whole, MOST_STEPS

    def fits(self, value: Any, schema: Any, depth: int) -> bool:
        self._left -= 1
        if depth > DEEPEST or self._left < 0:
            raise _Tired
        if schema is False:
            return False
        if not isinstance(schema, dict) or (value is None and schema.get("nullable") is True):
            return True
        if "$ref" in schema and not self.fits(value, self._pointed(schema["$ref"]), depth + 1):
            return False
        return (
            _is_of_kind(value, schema.get("type"))
            and _is_one_of(value, schema)
            and self._combined(value, schema, depth)
            and self._inside(value, schema, depth)
        )

    def _pointed(self, pointer: Any) -> Any:
        if not isinstance(pointer, str) or not pointer.startswith("#"):
            return True
        found = self._whole
        for step in pointer[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                return True
            found = found[name]
        return found

    def _combined(self, value: Any, schema: dict[str, Any], depth: int) -> bool:
        for word, enough in (("anyOf", any), ("oneOf", any), ("allOf", all)):
            ways = schema.get(word)
            if isinstance(ways, list) and not enough(self.fits(value, way, depth + 1) for way in ways):
                return False
        return True

    def _inside(self, value: Any, schema: dict[str, Any], depth: int) -> bool:
        if isinstance(value, dict):
            return self._object(value, schema, depth)
        if isinstance(value, list) and "prefixItems" not in schema:
            items = schema.get("items")
            return items is None or all(self.fits(entry, items, depth + 1) for entry in value)
        return True

    def _object(self, value: dict[str, Any], schema: dict[str, Any], depth: int) -> bool:
        required, named = schema.get("required"), schema.get("properties")
        if isinstance(required, list) and any(isinstance(name, str) and name not in value for name in required):
            return False
        named = named if isinstance(named, dict) else {}
        others = True if "patternProperties" in schema else schema.get("additionalProperties")
        return all(self.fits(entry, named.get(name, others), depth + 1) for name, entry in value.items())


def _is_of_kind(value: Any, kind: Any) -> bool:
    """`kind`: a name or a list of names, in any case: Gemini's are in capitals."""
    names = [name.lower() for name in (kind if isinstance(kind, list) else [kind]) if isinstance(name, str)]
    if not names or any(name not in KINDS for name in names):
        return True
    return any(is_kind(value, name) for name in names)


def is_kind(value: Any, kind: str) -> bool:
    """`kind`: a key of KINDS. 1.0 is an integer, True is no number."""
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, KINDS[kind])


def _is_one_of(value: Any, schema: dict[str, Any]) -> bool:
    if "const" in schema and value != schema["const"]:
        return False
    options = schema.get("enum")
    return not isinstance(options, list) or value in options
