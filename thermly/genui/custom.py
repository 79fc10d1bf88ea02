"""What a caller adds to the library: `metadata.thesys`, a JSON text with components and actions as JSON schemas.

Knows: its fields and bounds. Must not know: what becomes of them.
"""

import re
from typing import Any

import msgspec
from msgspec import Struct

from thermly.errors import InvalidRequest
from thermly.genui.checks import ACTION, PART

PARAM = "metadata.thesys"
LARGEST_CHARS = 100_000
MOST_ENTRIES = 50
DEEPEST = 32
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}\Z")


class Custom(Struct, frozen=True):
    """Schemas by name."""

    components: dict[str, dict[str, Any]] = {}
    actions: dict[str, dict[str, Any]] = {}


class _Told(Struct):
    c1_custom_components: dict[str, dict[str, Any]] | None = None
    c1_custom_actions: dict[str, dict[str, Any]] | None = None
    c1_artifact_type: str | None = None


NOTHING = Custom()
# msgspec prepares a type at its first use, and a thread that meets a half prepared one crashes the process.
_told = msgspec.json.Decoder(_Told)


def read(raw: dict[str, Any]) -> Custom:
    """Of a request's whole body. Raises InvalidRequest."""
    metadata = raw.get("metadata")
    text = metadata.get("thesys") if isinstance(metadata, dict) else None
    if text is None:
        return NOTHING
    if not isinstance(text, str):
        raise InvalidRequest("metadata.thesys must be a string that holds JSON.", param=PARAM)
    if len(text) > LARGEST_CHARS:
        raise InvalidRequest(f"metadata.thesys may have at most {LARGEST_CHARS} characters.", param=PARAM)
    try:
        told = _told.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidRequest(f"metadata.thesys cannot be read: {error}", param=PARAM) from None
    if told.c1_artifact_type is not None:
        raise InvalidRequest("Artifacts are not offered on this endpoint.", param=f"{PARAM}.c1_artifact_type")
    return Custom(
        _checked(told.c1_custom_components or {}, "c1_custom_components"),
        _checked(told.c1_custom_actions or {}, "c1_custom_actions"),
    )


def _checked(schemas: dict[str, dict[str, Any]], field: str) -> dict[str, dict[str, Any]]:
    where = f"{PARAM}.{field}"
    if len(schemas) > MOST_ENTRIES:
        raise InvalidRequest(f"At most {MOST_ENTRIES} entries are allowed.", param=where)
    for name, schema in schemas.items():
        if not _NAME.match(name):
            raise InvalidRequest("A name has letters, digits and _, and begins with a letter.", param=where)
        if field == "c1_custom_components" and not name[0].isupper():
            raise InvalidRequest(f"The component '{name}' must begin with a capital letter.", param=where)
        if schema.get("type", "object") != "object" or not _is_schema(schema):
            raise InvalidRequest(f"'{name}' must be the JSON schema of an object.", param=f"{where}.{name}")
    return schemas


def _is_schema(schema: Any, depth: int = 0) -> bool:
    """The words that are followed later have the shapes that they must have."""
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict) or depth > DEEPEST or PART in schema or ACTION in schema:
        return False
    inner: list[Any] = []
    for word in ("properties", "$defs", "definitions"):
        if not isinstance(schema.get(word, {}), dict):
            return False
        inner += schema.get(word, {}).values()
    for word in ("anyOf", "oneOf", "allOf", "required"):
        if not isinstance(schema.get(word, []), list):
            return False
        inner += schema.get(word, []) if word != "required" else ()
    if isinstance(schema.get("items"), dict):
        inner.append(schema["items"])
    return all(isinstance(name, str) for name in schema.get("required", ())) and all(
        _is_schema(child, depth + 1) for child in inner
    )
