"""The document against what it is made from: the application's routes, the surfaces' bounds, the types."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask

from thermly import errors
from thermly.dialects import openai_types
from thermly.web import openapi_words as words
from thermly.web.openapi import document
from thermly.web.openapi_operations import OPERATIONS
from thermly.web.openapi_reading import Reader, Row
from thermly.web.openapi_schemas import Schemas, tidy
from thermly.web.surfaces import surfaces

JSON = dict[str, Any]
Make = Callable[..., Flask]
CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"


@pytest.fixture(scope="module")
def made() -> JSON:
    return document(surfaces(422))


def operations(made: JSON) -> Iterator[tuple[str, str, JSON]]:
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


# ---- complete


def test_routes_and_operations_are_the_same(make_app: Make, made: JSON) -> None:
    adapter = make_app().url_map.bind("localhost")
    served = {
        (rule.rule, method)
        for rule in make_app().url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    found = set()
    for path, method, _ in operations(made):
        rule, _arguments = adapter.match(re.sub(r"{\w+}", "x", path), method.upper(), return_rule=True)
        found.add((rule.rule, method.upper()))
    assert found == served


def test_the_document_is_served_to_everybody(make_app: Make, made: JSON) -> None:
    response = make_app().test_client().get("/openapi.json")
    assert response.status_code == 200 and response.content_type == "application/json"
    assert response.headers["x-request-id"].startswith("req_")
    assert response.get_json()["paths"].keys() == made["paths"].keys()


@pytest.mark.parametrize(("public_url", "host", "shown"), [
    ("", "gateway.example:8443", "http://gateway.example:8443"),
    ("https://llm.example/", "inside", "https://llm.example"),
    ("", "evil'$(id)", "http://127.0.0.1:8080"),
    ("https://x\"><script>", "inside", "http://127.0.0.1:8080"),
])  # fmt: skip
def test_samples_name_the_server_that_was_asked(make_app: Make, public_url: str, host: str, shown: str) -> None:
    client = make_app(public_url=public_url).test_client()
    text = client.get("/openapi.json", headers={"Host": host}).get_data(as_text=True)
    assert f"curl '{shown}{CHAT}'" in text and "thermly.invalid" not in text and "script>" not in text


def test_every_reference_leads_somewhere_and_every_type_is_used(made: JSON) -> None:
    reader = Reader(made)
    assert all(reader.resolved({"$ref": ref}) is not None for ref in refs(made))
    named = {ref.rpartition("/")[2] for ref in refs(made) if "/schemas/" in ref}
    assert made["components"]["schemas"].keys() == named


def test_every_schema_is_one(made: JSON) -> None:
    schemas = made["components"]["schemas"]
    for name, schema in schemas.items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
        assert schema["type"] == "object", name
    assert r"\\Z" not in json.dumps(made) and '"title": "' not in json.dumps(schemas)


def test_operations_have_names_of_their_own(made: JSON) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(made)]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[A-Za-z]\w*", name) for name in ids)


def test_every_field_of_a_body_is_described(made: JSON) -> None:
    reader = Reader(made)
    bare = [
        f"{path}: {row.name}"
        for path, _, operation in operations(made)
        if "requestBody" in operation
        for row in reader.rows(operation["requestBody"]["content"]["application/json"]["schema"])
        if not row.about
    ]
    assert bare == []


def test_every_kind_of_error_has_an_example(made: JSON) -> None:
    shown = {
        kind
        for response in made["components"]["responses"].values()
        for kind in response["content"]["application/json"]["examples"]
    }
    assert shown == errors.kinds().keys() == words.KINDS.keys()


# ---- right


def matches(made: JSON, path: str, body: JSON) -> bool:
    schema = made["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return bool(jsonschema_rs.is_valid({**schema, "components": made["components"]}, body))


def test_examples_match_their_schemas(made: JSON) -> None:
    for path, _, operation in operations(made):
        if "requestBody" in operation:
            assert matches(made, path, operation["requestBody"]["content"]["application/json"]["example"]), path


def chat(**fields: Any) -> JSON:
    return {"model": "auto", "messages": [{"role": "user", "content": "Hi"}], **fields}


def tools(count: int) -> list[JSON]:
    return [{"type": "function", "function": {"name": f"f{i}"}} for i in range(count)]


def message(**fields: Any) -> JSON:
    return {**chat(max_tokens=1), **fields}


def response(**fields: Any) -> JSON:
    return {"model": "auto", "input": "Hi", **fields}


@pytest.mark.parametrize(("path", "good", "bad"), [
    (CHAT, chat(max_tokens=16_384), chat(max_tokens=16_385)),
    ("/api" + CHAT, chat(max_tokens=16_385), chat(max_tokens=0)),
    (CHAT, chat(tools=tools(64)), chat(tools=tools(65))),
    ("/api" + CHAT, chat(tools=tools(128)), chat(tools=tools(129))),
    (CHAT, chat(messages=chat()["messages"] * 100), chat(messages=chat()["messages"] * 101)),
    ("/api" + CHAT, chat(messages=chat()["messages"] * 101), chat(messages=[])),
    (CHAT, chat(messages=[{"role": "user", "content": "x" * 50_000}]),
     chat(messages=[{"role": "user", "content": "x" * 50_001}])),
    (CHAT, chat(temperature=2), chat(temperature=2.1)),
    (CHAT, chat(stop=["a"] * 4), chat(stop=["a"] * 5)),
    (CHAT, chat(tools=[{"type": "function", "function": {"name": "a-b"}}]),
     chat(tools=[{"type": "function", "function": {"name": "a b"}}])),
    ("/v1/embeddings", {"model": "m", "input": [[1], [2]]}, {"model": "m", "input": [1, "a"]}),
    ("/v1/images/generations", {"model": "m", "prompt": "p", "n": 4}, {"model": "m", "prompt": "p", "n": 5}),
    ("/api/v1beta/models/{model}:generateContent", {"contents": [{"parts": [{"text": "a"}]}]},
     {"contents": [{"parts": [{"text": "a"}]}], "unknown": 1}),
    (MESSAGES, message(tools=tools(1_000)), message(tools=tools(1_001))),
    (MESSAGES, message(unknown=1), message(max_tokens=0)),
    (MESSAGES, message(messages=chat()["messages"] * 200), message(messages=[])),
    (MESSAGES + "/count_tokens", message(max_tokens=None), message(top_p=1.1)),
    (RESPONSES, response(max_output_tokens=16_384), response(max_output_tokens=16_385)),
    ("/v1/embed/responses", response(max_output_tokens=16_385), response(max_output_tokens=15)),
    (RESPONSES, response(input="x" * 50_000), response(input="x" * 50_001)),
    (RESPONSES, response(input=[{}] * 2_100), response(input=[{}] * 2_101)),
    (RESPONSES, response(instructions=None), response(unknown=1)),
    (RESPONSES, response(tools=tools(64)), response(tools=tools(65))),
    ("/v1/embed/responses", response(tools=tools(128)), response(tools=tools(129))),
    ("/v1/embed/chat/completions", chat(tools=tools(128)), chat(tools=tools(129))),
    ("/conversations", {}, {"items": [{}] * 21}),
    ("/v1/conversations/{conversation_id}/items", {"items": [{}] * 20}, {"items": []}),
    ("/conversations/{conversation_id}", {"metadata": {"a": "b"}}, {"metadata": {"a": 1}}),
], ids=lambda v: v if isinstance(v, str) else "")  # fmt: skip
def test_bounds_are_those_of_the_surface(made: JSON, path: str, good: JSON, bad: JSON) -> None:
    assert matches(made, path, good) and not matches(made, path, bad)


@pytest.mark.parametrize(("setting", "status"), [(422, {"400", "422"}), (400, {"400"})])
def test_the_status_of_a_bad_body_is_the_surfaces(setting: int, status: set[str]) -> None:
    paths = document(surfaces(setting))["paths"]
    assert paths[CHAT]["post"]["responses"].keys() & {"400", "422"} == status
    assert paths["/api" + CHAT]["post"]["responses"].keys() & {"400", "422"} == {"400"}


def test_keys_are_asked_for_where_they_are_looked_at(made: JSON) -> None:
    ways = {
        operation["tags"][0]: [name for way in operation["security"] for name in way]
        for _, _, operation in operations(made)
    }
    assert ways == {
        "/v1": ["bearer"],
        "/v1/messages": ["x-api-key", "bearer"],
        "/v1/embed": ["bearer"],
        "/": ["bearer"],
        "/api/v1": ["bearer"],
        "/api/v1beta": ["x-goog-api-key", "bearer", "key"],
        "Without a key": [],
    }
    assert {name for names in ways.values() for name in names} == made["components"]["securitySchemes"].keys()


def test_what_is_counted_says_how_much_is_left(made: JSON) -> None:
    for path, method, operation in operations(made):
        told = operation["responses"]["200"].get("headers", {})
        counted = method == "post" and not path.endswith("/cancel")
        counted = counted or (method == "delete" and "/conversations" in path)
        assert ("X-RateLimit-Remaining-Requests" in told) == counted, path
        assert ("429" in operation["responses"]) == counted, path


def test_a_key_that_is_refused_is_answered_with_the_surfaces_own_status(made: JSON) -> None:
    for path, _, operation in operations(made):
        refused = "403" if path.startswith("/v1/embed/") else "401"
        assert (refused in operation["responses"]) == bool(operation["security"]), path
        assert "401" not in operation["responses"] or refused == "401", path
    for name in ("v1-401", "embed-403"):
        response = made["components"]["responses"][name]
        assert "WWW-Authenticate" in response["headers"] and "The key is missing" in response["description"]
    assert "WWW-Authenticate" not in made["components"]["responses"]["v1-403"]["headers"]


def test_what_stands_at_the_root_is_what_stands_below_the_prefix(made: JSON) -> None:
    at_root = {path: one for path, one in made["paths"].items() if path.startswith("/conversations")}
    assert len(at_root) == 4
    for path, methods in at_root.items():
        below = made["paths"]["/v1" + path]
        assert methods.keys() == below.keys()
        for method, operation in methods.items():
            for part in ("summary", "description", "security", "responses"):
                assert operation[part] == below[method][part]


# ---- the pieces


def test_two_types_of_one_name_are_refused() -> None:
    schemas = Schemas({openai_types.__name__: "Chat"})
    schemas.of(openai_types.TextPart)
    schemas.of(openai_types.TextPart)
    schemas.components["ChatUser"] = {"type": "string"}
    with pytest.raises(ValueError, match="ChatUser"):
        schemas.of(openai_types.User)


@pytest.mark.parametrize(("given", "tidied"), [
    ({"title": "X", "type": "string"}, {"type": "string"}),
    ({"properties": {"title": {"type": "string"}}}, {"properties": {"title": {"type": "string"}}}),
    ({"enum": ["a"]}, {"const": "a"}),
    ({"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}], "default": None},
     {"type": ["string", "null"], "maxLength": 3}),
    ({"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]}, {"enum": ["a", "b", None]}),
    ({"anyOf": [{"$ref": "A"}, {"type": "null"}]}, {"anyOf": [{"$ref": "B"}, {"type": "null"}]}),
    ({"pattern": r"^a\Z"}, {"pattern": "^a$"}),
])  # fmt: skip
def test_tidy(given: JSON, tidied: JSON) -> None:
    assert tidy(given, {"A": "B"}) == tidied


def row(made: JSON, path: str, name: str) -> Row:
    schema = made["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return next(row for row in Reader(made).rows(schema) if row.name == name)


def test_bounds_in_words(made: JSON) -> None:
    assert row(made, CHAT, "max_tokens").limits == ["1 to 16,384"]
    assert row(made, "/api" + CHAT, "max_tokens").limits == ["1 to 10,000,000"]
    assert row(made, CHAT, "messages").limits == ["1 to 100 items", "each `content` at most 50,000 characters"]
    assert row(made, CHAT, "stop").limits == ["at most 4 items"]
    assert row(made, CHAT, "verbosity").values == ['"high"', '"low"', '"medium"']
    assert (row(made, CHAT, "n").default, row(made, CHAT, "n").limits) == ("1", ["1 to 128"])


def test_types_in_words(made: JSON) -> None:
    def said(name: str) -> str:
        return "".join(word.text for word in row(made, CHAT, name).kind)

    assert said("stop") == "string or list of string or null"
    assert said("tool_choice") == "string or ChatNamedTool or ChatAllowedTools or null"
    assert said("logit_bias") == "map of number or null"
    assert said("web_search_options") == "object or null"


def test_the_events_of_a_stream_in_words(made: JSON) -> None:
    def events(path: str) -> str:
        endpoints = [one for group in Reader(made).groups() for one in group.endpoints]
        (answer,) = next(one.answers for one in endpoints if (one.path, one.method) == (path, "POST"))
        return "".join(word.text for word in dict(answer.media)["text/event-stream"])

    assert events(RESPONSES) == "events of ResponseEvent"
    assert events(MESSAGES).startswith("events of MessageStart or ContentBlockStart or ")


def test_errors_are_shown_once_where_groups_share_them(made: JSON) -> None:
    shown = dict(Reader(made).problems())
    assert shown.keys() == {"/v1", "/v1/messages", "/v1/embed", "/api/v1", "/api/v1beta"}
    assert {problem.type for problem in shown["/v1/messages"]} >= {"billing_error", "overloaded_error"}
    assert {problem.code for problem in shown["/v1/messages"]} == {""}


def test_every_row_of_the_table_is_on_some_surface() -> None:
    served = {word for surface in surfaces(422) for word in surface.serves}
    assert {operation.serves for operation in OPERATIONS} - {""} <= served
