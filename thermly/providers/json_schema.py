"""A JSON schema as Anthropic's constrained decoding accepts it.

Knows: JSON schema, and which of its words the vendor takes (Anthropic, "Structured outputs", JSON Schema
limitations). Must not know: requests, sockets. What the vendor refuses is said in the description instead,
which is what its own SDKs do, so that the model still tries to keep it.
"""

from typing import Any

import msgspec

from thermly.errors import UnsupportedContent

_KEPT = frozenset(("type", "enum", "const", "title", "description", "default", "$ref", "required"))
_MAPS = frozenset(("properties", "$defs", "definitions"))
_UNIONS = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"))
# Words that constrain nothing and help no model.
_SILENT = frozenset(("$schema", "$id", "$comment", "additionalProperties"))
_DEEPEST = 64


def closed(schema: Any, param: str, depth: int = 0) -> Any:
    """The schema with every object closed and without the words that the vendor refuses.

    Raises UnsupportedContent, naming `param`, for objects with free keys: closing those would leave nothing.
    """
    if not isinstance(schema, dict):
        return schema
    if depth > _DEEPEST:
        raise UnsupportedContent("The schema is nested too deeply for this model.", param=param)
    out: dict[str, Any] = {}
    told: dict[str, Any] = {}
    for word, value in schema.items():
        if word in _MAPS and isinstance(value, dict):
            out[word] = {name: closed(child, param, depth + 1) for name, child in value.items()}
        elif word in _UNIONS and isinstance(value, list):
            out.setdefault(_UNIONS[word], []).extend(closed(child, param, depth + 1) for child in value)
        elif word == "items" and isinstance(value, dict):
            out[word] = closed(value, param, depth + 1)
        elif _is_kept(word, value):
            out[word] = value
        elif word not in _SILENT:
            told[word] = value
    if _is_object(schema):
        if not schema.get("properties") and schema.get("additionalProperties", False) is not False:
            raise UnsupportedContent("This model cannot promise objects with free keys.", param=param)
        out["additionalProperties"] = False
    if told:
        constraints = "Constraints: " + msgspec.json.encode(told).decode()
        out["description"] = "\n\n".join(filter(None, (_text(schema.get("description")), constraints)))
    return out


def _is_kept(word: str, value: Any) -> bool:
    return (
        word in _KEPT
        or (word == "format" and isinstance(value, str) and value in _FORMATS)
        or (word == "minItems" and value in (0, 1))
    )


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
