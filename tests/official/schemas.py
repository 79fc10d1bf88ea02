"""What OpenAI and Open Responses say that answers look like, and whether a value does.

Knows: the types of OpenAI's Python client, and the two OpenAPI documents that `make test` brings (README.md).
Must not know: what is asked. A union is never settled by "one of them fits": its member is picked by the value's
own `type`.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from openai.pagination import SyncPage
from openai.types import CreateEmbeddingResponse, ImagesResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItem
from openai.types.conversations.conversation_item_list import ConversationItemList
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_item_list import ResponseItemList
from pydantic import TypeAdapter

JSON = dict[str, Any]
Also = tuple[tuple[str, str, JSON], ...]
NULL: JSON = {"type": "null"}
FOLDER = Path(os.environ.get("TEST_SPECIFICATIONS") or Path(sys.prefix) / "specifications")
EVENT, HOME, PATH = "ResponseStreamEvent", "official:", "#/components/schemas/"
# What else may be there, against the documents' letter. OpenAI: null in its own examples or by its later editions,
# and wanted by Open Responses. Open Responses: its schema of a format's `schema` knows null alone.
OPENAI_ALSO: Also = (
    ("Response", "usage", NULL),
    ("ModelResponseProperties", "user", NULL),
    ("ModelResponseProperties", "safety_identifier", NULL),
    ("ModelResponseProperties", "prompt_cache_key", NULL),
)
OPEN_RESPONSES_ALSO: Also = (("JsonSchemaResponseFormat", "schema", {"type": "object"}),)
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


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as JSON knows it: a date in an example is a string."""


_Loader.yaml_implicit_resolvers = {
    first: [row for row in rows if row[0] != "tag:yaml.org,2002:timestamp"]
    for first, rows in _Loader.yaml_implicit_resolvers.items()
}


class Document:
    """The schemas of one OpenAPI 3.1 document (YAML, of which JSON is a part)."""

    def __init__(self, path: Path, also: Also) -> None:
        self.raw: JSON = yaml.load(path.read_text(), _Loader)["components"]["schemas"]
        schemas = self._strict(self.raw)
        for name, field, schema in also:
            for part in schemas[name].get("allOf", [schemas[name]]):
                if field in part.get("properties", {}):
                    part["properties"][field] = {"anyOf": [part["properties"][field], schema]}
        document = {"$id": HOME, "components": {"schemas": schemas}}
        self._registry = jsonschema_rs.Registry([(HOME, document)], draft=jsonschema_rs.Draft202012)
        self._validator = functools.cache(self._made)

    def faults(self, name: str, value: JSON) -> list[str]:
        """Where the value differs from the schema of this name."""
        return [
            f"{error.instance_path}: {error.message[-300:]}" for error in self._validator(name).iter_errors(value)
        ]

    def kinds(self, names: list[str]) -> dict[str, str]:
        """Type of an event -> its schema."""
        return {kind: name for name in names for kind in self._kinds(self.raw[name], "type")}

    def _made(self, name: str) -> Any:
        return jsonschema_rs.Draft202012Validator({"$ref": HOME + PATH + name}, registry=self._registry)

    def _strict(self, node: Any) -> Any:
        """The schema in plain JSON Schema: null where `nullable` says so, unions told apart by discriminators."""
        if isinstance(node, list):
            return [self._strict(row) for row in node]
        if not isinstance(node, dict):
            return node
        union = next((word for word in ("oneOf", "anyOf") if word in node), "")
        if union and isinstance(told := node.get("discriminator"), dict):
            node = self._told_apart(node, union, told["propertyName"])
        plain = {
            key: self._strict(value) for key, value in node.items() if key not in ("nullable", "discriminator")
        }
        return {"anyOf": [plain, NULL]} if node.get("nullable") is True else plain

    def _told_apart(self, node: JSON, union: str, by: str) -> JSON:
        """For each word of the property the members that bear it. A member without a word leaves it as it is."""
        members: dict[str, list[JSON]] = {}
        for member in node[union]:
            words = list(self._kinds(member, by))
            if not words:
                return node
            for word in words:
                members.setdefault(word, []).append(member)
        cases = [
            {"if": {"properties": {by: {"const": word}}}, "then": rows[0] if len(rows) == 1 else {union: rows}}
            for word, rows in members.items()
        ]
        rest = {key: value for key, value in node.items() if key != union}
        return {
            **rest,
            "type": "object",
            "required": [by],
            "properties": {by: {"enum": [*members]}},
            "allOf": cases,
        }

    def _kinds(self, node: JSON, by: str) -> Iterator[str]:
        """The words that the property may have in a schema."""
        if "$ref" in node:
            yield from self._kinds(self.raw[node["$ref"].removeprefix(PATH)], by)
        told = node.get("properties", {}).get(by, {})
        yield from told.get("enum", [told["const"]] if "const" in told else [])
        for word in ("allOf", "oneOf", "anyOf"):
            for member in node.get(word, ()):
                yield from self._kinds(member, by)


@functools.cache
def openai() -> Document:
    return Document(_brought("openai.yml"), OPENAI_ALSO)


@functools.cache
def openai_events() -> dict[str, str]:
    return openai().kinds([row["$ref"].removeprefix(PATH) for row in openai().raw[EVENT]["anyOf"]])


@functools.cache
def open_responses() -> Document:
    return Document(_brought("openresponses.json"), OPEN_RESPONSES_ALSO)


@functools.cache
def open_responses_events() -> dict[str, str]:
    return open_responses().kinds([name for name in open_responses().raw if name.endswith("StreamingEvent")])


def check(name: str, value: JSON) -> JSON:
    """The value, which is what the schema of this name says."""
    CLIENT[name].validate_python(value, strict=True)
    _none(openai().faults(name, value), name, value)
    if name == "Response":
        _none(open_responses().faults("ResponseResource", value), "ResponseResource", value)
    return value


def check_error(body: JSON) -> JSON:
    """The body of a refusal, which every OpenAI surface has alike."""
    _none(openai().faults("ErrorResponse", body), "ErrorResponse", body)
    return body


def check_event(event: JSON) -> JSON:
    """An event of a response's stream, by the schema of its own type."""
    CLIENT[EVENT].validate_python(event, strict=True)
    name = openai_events().get(event["type"])
    assert name, f"no event is called {event['type']}"
    _none(openai().faults(name, event), name, event)
    if name := open_responses_events().get(event["type"]):
        _none(open_responses().faults(name, event), name, event)
    return event


def _none(faults: list[str], name: str, value: JSON) -> None:
    assert not faults, f"no {name}: {faults}\n{json.dumps(value)[:2000]}"


def _brought(name: str) -> Path:
    """Where the document is. Without it the test is skipped, unless it must not be."""
    path = FOLDER / name
    if not path.exists() and "specifications" not in os.environ.get("TEST_NEEDS", ""):
        pytest.skip(f"{path} is not there: `make test` brings it where the package index can be reached.")
    return path
