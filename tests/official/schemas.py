"""What OpenAI says that its answers look like, and whether a value does.

Knows: the types of OpenAI's Python client, which are made from its OpenAPI specification, and the specification
itself where `OPENAI_SPECIFICATION` says where its JSON is (README.md). Must not know: what is asked.
A union is never settled by "one of them fits": its member is picked by the value's own `type`.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
from openai.pagination import SyncPage
from openai.types import CreateEmbeddingResponse, ImagesResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItem
from openai.types.conversations.conversation_item_list import ConversationItemList
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_item_list import ResponseItemList
from pydantic import TypeAdapter

JSON = dict[str, Any]
SPECIFICATION = os.environ.get("OPENAI_SPECIFICATION", "")
EVENT, HOME, PATH = "ResponseStreamEvent", "official:openai", "#/components/schemas/"
# Null in the specification's own examples and not by its schemas; Open Responses wants both to be there, or null.
NULL_IN_EXAMPLES = (("Response", "usage"), ("ModelResponseProperties", "user"))
# The specification's word -> the client's type.
CLIENT: dict[str, TypeAdapter[Any]] = {
    "Response": TypeAdapter(Response),
    EVENT: TypeAdapter(ResponseStreamEvent),
    "ResponseItemList": TypeAdapter(ResponseItemList),
    "ConversationResource": TypeAdapter(Conversation),
    "DeletedConversationResource": TypeAdapter(ConversationDeletedResource),
    "ConversationItemList": TypeAdapter(ConversationItemList),
    "ConversationItem": TypeAdapter(ConversationItem),
    "CreateChatCompletionResponse": TypeAdapter(ChatCompletion),
    "CreateChatCompletionStreamResponse": TypeAdapter(ChatCompletionChunk),
    "CreateEmbeddingResponse": TypeAdapter(CreateEmbeddingResponse),
    "ImagesResponse": TypeAdapter(ImagesResponse),
    "ListModelsResponse": TypeAdapter(SyncPage[Model]),
    "Model": TypeAdapter(Model),
}


def check(name: str, value: JSON) -> JSON:
    """The value, which is what the schema of this name says."""
    CLIENT[name].validate_python(value, strict=True)
    if SPECIFICATION:
        assert not (found := faults(name, value)), f"no {name}: {found}\n{json.dumps(value)[:2000]}"
    return value


def check_event(event: JSON) -> JSON:
    """An event of a response's stream, by the schema of its own type."""
    CLIENT[EVENT].validate_python(event, strict=True)
    if SPECIFICATION:
        name = events().get(event["type"])
        assert name, f"no event is called {event['type']}"
        assert not (found := faults(name, event)), f"no {name}: {found}\n{json.dumps(event)[:2000]}"
    return event


def faults(name: str, value: JSON) -> list[str]:
    """Where the value differs from the specification's schema of this name."""
    return [f"{error.instance_path}: {error.message[-300:]}" for error in _validator(name).iter_errors(value)]


@functools.cache
def events() -> dict[str, str]:
    """Type of an event -> its schema."""
    names = [row["$ref"].removeprefix(PATH) for row in _raw()[EVENT]["anyOf"]]
    return {kind: name for name in names for kind in _kinds(_raw()[name], "type")}


@functools.cache
def _raw() -> JSON:
    schemas: JSON = json.loads(Path(SPECIFICATION).read_bytes())["components"]["schemas"]
    return schemas


@functools.cache
def _validator(name: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"$ref": HOME + PATH + name}, registry=_registry())


@functools.cache
def _registry() -> Any:
    schemas = _strict(_raw())
    for name, field in NULL_IN_EXAMPLES:
        for part in schemas[name].get("allOf", [schemas[name]]):
            if field in part.get("properties", {}):
                part["properties"][field] = {"anyOf": [part["properties"][field], {"type": "null"}]}
    document = {"$id": HOME, "components": {"schemas": schemas}}
    return jsonschema_rs.Registry([(HOME, document)], draft=jsonschema_rs.Draft202012)


def _strict(node: Any) -> Any:
    """The schema in plain JSON Schema: null where `nullable` says so, unions told apart by their discriminator."""
    if isinstance(node, list):
        return [_strict(row) for row in node]
    if not isinstance(node, dict):
        return node
    union = next((word for word in ("oneOf", "anyOf") if word in node), "")
    if union and isinstance(told := node.get("discriminator"), dict):
        node = _told_apart(node, union, told["propertyName"])
    plain = {key: _strict(value) for key, value in node.items() if key not in ("nullable", "discriminator")}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


def _told_apart(node: JSON, union: str, by: str) -> JSON:
    """For each word of the property only the members that bear it. A member without a word leaves it as it is."""
    members: dict[str, list[JSON]] = {}
    for member in node[union]:
        words = list(_kinds(member, by))
        if not words:
            return node
        for word in words:
            members.setdefault(word, []).append(member)
    cases = [
        {"if": {"properties": {by: {"const": word}}}, "then": rows[0] if len(rows) == 1 else {union: rows}}
        for word, rows in members.items()
    ]
    rest = {key: value for key, value in node.items() if key != union}
    return {**rest, "type": "object", "required": [by], "properties": {by: {"enum": [*members]}}, "allOf": cases}


def _kinds(node: JSON, by: str) -> Iterator[str]:
    """The words that the property may have in a schema."""
    if "$ref" in node:
        yield from _kinds(_raw()[node["$ref"].removeprefix(PATH)], by)
    told = node.get("properties", {}).get(by, {})
    yield from told.get("enum", [told["const"]] if "const" in told else [])
    for word in ("allOf", "oneOf", "anyOf"):
        for member in node.get(word, ()):
            yield from _kinds(member, by)
