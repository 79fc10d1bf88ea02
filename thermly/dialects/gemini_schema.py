"""Gemini's `Schema` as a JSON schema.

Knows: the fields of `Schema` (its API reference, "Caching", Schema: a part of OpenAPI 3.0), which are types in
capitals, `nullable` and counts that may be text. Must not know: who is asked. What JSON schema has under the same
name passes as it is. `propertyOrdering` becomes the order of the properties, which is what Gemini goes by in a
JSON schema ("Structured outputs").
"""

from typing import Any

from thermly.dialects.gemini_types import camel_name
from thermly.errors import InvalidRequest

TYPES = frozenset(("string", "number", "integer", "boolean", "array", "object", "null"))
COUNTS = frozenset(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"))
_RENAMED = {"defs": "$defs", "ref": "$ref"}
_MAPS = frozenset(("properties", "$defs"))
_LISTS = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
_ONE = frozenset(("items", "additionalProperties"))
_OWN = frozenset(("type", "nullable", "propertyOrdering", "example", "format"))


def json_schema(schema: Any, where: str) -> Any:
    """Raises InvalidRequest, naming the field below `where`, for what is no schema."""
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict):
        raise InvalidRequest(f"Expected a schema at '{where}'.", param=where)
    given = {_name(key): value for key, value in schema.items() if value is not None}
    out: dict[str, Any] = {}
    if kind := _type(given.get("type"), f"{where}.type"):
        out["type"] = kind
    for word, value in given.items():
        if word not in _OWN:
            out[word] = _word(word, value, f"{where}.{word}")
    if "example" in given:
        out["examples"] = [given["example"]]
    # "enum" says of a string what its `enum` says already, and strict readers of JSON schemas refuse it.
    if given.get("format", "enum") != "enum":
        out["format"] = given["format"]
    _order(out, given.get("propertyOrdering"))
    return _nullable(out) if given.get("nullable") is True else out


def _name(key: str) -> str:
    name = camel_name(key) if not key.startswith("$") else key
    return _RENAMED.get(name, name)


def _type(kind: Any, where: str) -> Any:
    """JSON schema has several types in a list, and clients that mix the two write it here."""
    if isinstance(kind, list) and kind:
        return [_type(one, where) for one in kind]
    if kind is None or kind == "TYPE_UNSPECIFIED":
        return None
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise InvalidRequest(f"No type of a schema at '{where}'.", param=where)
    return kind.lower()


def _word(word: str, value: Any, where: str) -> Any:
    if word in _MAPS and isinstance(value, dict):
        return {name: json_schema(child, f"{where}.{name}") for name, child in value.items()}
    if word in _LISTS and isinstance(value, list):
        return [json_schema(child, f"{where}[{i}]") for i, child in enumerate(value)]
    if word in _ONE:
        return json_schema(value, where)
    if word in _MAPS or word in _LISTS:
        raise InvalidRequest(f"Expected schemas at '{where}'.", param=where)
    if word in COUNTS and isinstance(value, str):
        if not (value.isascii() and value.isdecimal() and len(value) < 20):
            raise InvalidRequest(f"Expected a whole number at '{where}'.", param=where)
        return int(value)  # protobuf writes 64-bit integers as text
    return value


def _order(out: dict[str, Any], names: Any) -> None:
    properties = out.get("properties")
    if isinstance(names, list) and properties:
        first = {name: properties[name] for name in names if isinstance(name, str) and name in properties}
        out["properties"] = {**first, **properties}


def _nullable(out: dict[str, Any]) -> dict[str, Any]:
    if isinstance(out.get("enum"), list) and None not in out["enum"]:
        out["enum"] = [*out["enum"], None]
    if "type" in out:
        kinds = out["type"] if isinstance(out["type"], list) else [out["type"]]
        out["type"] = [*kinds, *(() if "null" in kinds else ("null",))]
    if "anyOf" in out:
        out["anyOf"] = [*out["anyOf"], {"type": "null"}]
    return out
