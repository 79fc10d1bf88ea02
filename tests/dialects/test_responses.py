"""The Responses API's requests as values."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response

from thermly.dialects import Bounds
from thermly.dialects.responses import Asked, opening, read_request, with_history
from thermly.dialects.responses_types import Body
from thermly.errors import InvalidRequest
from thermly.exchange import (
    ChatRequest,
    Message,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Tuning,
)

JSON = dict[str, Any]
FREE = Bounds(max_tools=64)
F = {"type": "function", "name": "f"}
G = {"type": "function", "name": "g", "description": "d", "parameters": {"type": "object"}, "strict": True}
SCHEMA = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}


def read(bounds: Bounds = FREE, **fields: Any) -> Asked:
    return read_request(json.dumps({"model": "m", "input": "hi", **fields}).encode(), bounds)


def opened(asked: Asked) -> JSON:
    response = opening(asked, "resp_1", 1_700_000_000, "gpt-x")
    Response.model_validate(response, strict=True)
    return response


def test_the_least_request():
    asked = read()
    assert asked.chat == ChatRequest("m", (Message("user", (Text("hi"),)),))
    assert with_history(asked, ()) == asked.chat
    assert (asked.store, asked.background, asked.stream) == (True, False, False)
    assert asked.previous_response_id is asked.conversation is asked.instructions is None


@pytest.mark.parametrize(("fields", "name", "value"), [
    ({"stream": True, "stream_options": {"include_obfuscation": False}}, "stream", True),
    ({"max_output_tokens": 16}, "max_output_tokens", 16),
    ({"instructions": "be"}, "messages", (Message("system", (Text("be"),)), Message("user", (Text("hi"),)))),
    ({"instructions": ""}, "messages", (Message("user", (Text("hi"),)),)),
    ({"tools": [F, G]}, "tools", (Tool("f"), Tool("g", "d", {"type": "object"}, True))),
    ({"tools": [F]}, "tool_choice", ToolChoice("auto")),
    ({"tools": [F], "tool_choice": "required"}, "tool_choice", ToolChoice("required")),
    ({"tools": [F], "tool_choice": {"type": "function", "name": "f"}}, "tool_choice",
     ToolChoice("required", ("f",))),
    ({"tools": [F, G], "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [F]}}, "tool_choice",
     ToolChoice("required", ("f",))),
    ({"tools": [F, G], "tool_choice": {"type": "allowed_tools", "tools": [F, G]}}, "tool_choice",
     ToolChoice("auto", ("f", "g"))),
    ({"tool_choice": "none"}, "tool_choice", None),
    ({"tools": [{"type": "web_search"}]}, "web_search", {}),
    ({"tools": [{"type": "web_search_preview", "search_context_size": "low",
                 "user_location": {"type": "approximate", "city": "Bern", "region": None}}]}, "web_search",
     {"search_context_size": "low", "user_location": {"type": "approximate", "approximate": {"city": "Bern"}}}),
    ({"text": {"format": {"type": "text"}}}, "response_format", None),
    ({"text": {"format": {"type": "json_object"}}}, "response_format", ResponseFormat("json_object")),
    ({"text": {"format": SCHEMA}}, "response_format", ResponseFormat("json_schema", {"type": "object"}, "n")),
    ({"text": {"format": {**SCHEMA, "strict": True, "description": "d"}}}, "response_format",
     ResponseFormat("json_schema", {"type": "object"}, "n", "d", True)),
    ({"include": ["message.output_text.logprobs"]}, "logprobs", True),
    ({"top_logprobs": 3}, "logprobs", True),
    ({"top_logprobs": 3}, "top_logprobs", 3),
    ({"top_logprobs": 0}, "logprobs", False),
    ({"temperature": 2, "top_p": 0.5, "presence_penalty": 1, "frequency_penalty": -1}, "tuning",
     Tuning(temperature=2.0, top_p=0.5, presence_penalty=1.0, frequency_penalty=-1.0)),
    ({"reasoning": {"effort": "low", "summary": "auto"}, "text": {"verbosity": "high"}}, "tuning",
     Tuning(reasoning_effort="low", verbosity="high")),
    ({"service_tier": "auto", "prompt_cache_key": "k", "user": "u", "parallel_tool_calls": False}, "tuning",
     Tuning(service_tier="auto", prompt_cache_key="k", user="u", parallel_tool_calls=False)),
    ({"store": True, "metadata": {"a": "b"}}, "tuning", Tuning()),
    ({"safety_identifier": "s", "prompt_cache_retention": "in-memory"}, "extras",
     {"openai": {"safety_identifier": "s", "prompt_cache_retention": "in_memory"}}),
    ({"prompt": None, "image": {"context_compression": "auto"}, "client_metadata": {"a": "b"}}, "extras", None),
])  # fmt: skip
def test_each_field_has_its_place(fields: JSON, name: str, value: Any):
    asked = read(**fields)
    opened(asked)
    assert getattr(asked.chat, name) == value


@pytest.mark.parametrize(("fields", "name", "value"), [
    ({"instructions": "be"}, "instructions", "be"),
    ({"previous_response_id": "resp_0", "input": None}, "previous_response_id", "resp_0"),
    ({"conversation": "conv_1"}, "conversation", "conv_1"),
    ({"conversation": {"id": "conv_1"}}, "conversation", "conv_1"),
    ({"store": False}, "store", False),
    ({"background": True}, "background", True),
    ({"include": ["reasoning.encrypted_content"]}, "include", frozenset(("reasoning.encrypted_content",))),
])  # fmt: skip
def test_what_is_asked_of_the_gateway_itself(fields: JSON, name: str, value: Any):
    assert getattr(read(**fields), name) == value


@pytest.mark.parametrize(("fields", "name", "value"), [
    ({}, "text", {"format": {"type": "text"}, "verbosity": "medium"}),
    ({"text": {"format": SCHEMA, "verbosity": "low"}}, "text",
     {"format": {**SCHEMA, "description": "", "strict": False}, "verbosity": "low"}),
    ({"conversation": "conv_1"}, "conversation", {"id": "conv_1"}),
    ({"conversation": {"id": "conv_1"}}, "conversation", {"id": "conv_1"}),
    ({"reasoning": {"effort": "low", "generate_summary": "concise"}}, "reasoning",
     {"effort": "low", "summary": "concise"}),
    ({"tools": [F]}, "tools", [{**F, "description": None, "parameters": None, "strict": None}]),
    ({"tools": [{"type": "web_search", "x": 1}]}, "tools",
     [{"type": "web_search", "search_context_size": "medium", "user_location": None}]),
    ({"tools": [{"type": "web_search_preview", "user_location": {"type": "approximate", "city": "Bern"}}]}, "tools",
     [{"type": "web_search_preview", "search_context_size": "medium",
       "user_location": {"type": "approximate", "city": "Bern"}}]),
    ({"tools": [{"type": "web_search"}, F]}, "tools",
     [{"type": "web_search", "search_context_size": "medium", "user_location": None},
      {**F, "description": None, "parameters": None, "strict": None}]),
    ({"tools": [F], "tool_choice": {"type": "function", "name": "f"}}, "tool_choice",
     {"type": "function", "name": "f"}),
    ({"tools": [F], "tool_choice": {"type": "allowed_tools", "tools": [F]}}, "tool_choice",
     {"type": "allowed_tools", "mode": "auto", "tools": [F]}),
    ({"temperature": 0}, "temperature", 0),
    ({"parallel_tool_calls": False}, "parallel_tool_calls", False),
    ({"metadata": {"a": "b"}}, "metadata", {"a": "b"}),
    ({"max_tool_calls": 3}, "max_tool_calls", 3),
    ({"store": False}, "store", False),
    ({"background": True}, "background", True),
    ({"prompt_cache_retention": "24h"}, "prompt_cache_retention", "24h"),
])  # fmt: skip
def test_the_response_repeats_what_was_asked(fields: JSON, name: str, value: Any):
    assert opened(read(**fields))[name] == value


# Open Responses, "ResponseResource": what must be there, and of that what must not be null.
NULL = (
    *("completed_at", "incomplete_details", "previous_response_id", "instructions", "error", "usage"),
    *("max_output_tokens", "max_tool_calls", "safety_identifier", "prompt_cache_key"),
)
THERE = (
    *("id", "object", "created_at", "status", "model", "output", "tools", "tool_choice", "truncation", "text"),
    *("parallel_tool_calls", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs", "temperature"),
    *("reasoning", "store", "background", "service_tier", "metadata"),
)


def test_every_field_is_there():
    response = opened(read())
    assert [name for name in NULL if response[name] is not None] == []
    assert [name for name in THERE if response.get(name) is None] == []
    mine = {name: field.alias or name for name, field in Response.model_fields.items()}
    unknown = {"access_programs", "image", "input_transformations", "moderation", "prompt_cache_diagnostics"}
    assert {*mine.values()} - response.keys() == unknown | {"prompt_cache_options", "tool_usage"}
    assert opening(read(), "resp_1", 1, "m", "queued")["status"] == "queued"


@pytest.mark.parametrize(("fields", "param"), [
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": 5}, "input"),
    ({"input": [5]}, "input[0]"),
    ({"input": [{"type": "mcp_call"}]}, "input[0].type"),
    ({"max_output_tokens": 15}, "max_output_tokens"),
    ({"max_tool_calls": 0}, "max_tool_calls"),
    ({"max_tool_calls": 1, "tools": [{"type": "web_search"}]}, "max_tool_calls"),
    ({"temperature": 2.1}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"top_logprobs": 21}, "top_logprobs"),
    ({"truncation": "auto"}, "truncation"),
    ({"service_tier": "priority"}, "service_tier"),
    ({"metadata": {str(i): "" for i in range(17)}}, "metadata"),
    ({"metadata": {"a": "x" * 513}}, "metadata"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ({"context_management": [{"type": "compaction"}]}, "context_management"),
    ({"moderation": {"model": "m"}}, "moderation"),
    ({"seed": 1}, "seed"),
    ({"include": ["everything"]}, "include[0]"),
    ({"stream_options": {}}, "stream_options"),
    ({"previous_response_id": "r", "conversation": "c"}, "previous_response_id"),
    ({"conversation": "c", "store": False}, "conversation"),
    ({"conversation": {}}, "conversation.id"),
    ({"background": True, "store": False}, "background"),
    ({"background": True, "stream": True}, "stream"),
    ({"reasoning": {"effort": "extreme"}}, "reasoning.effort"),
    ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
    ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
    ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
    ({"text": {"stop": "x"}}, "text.stop"),
    ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
    ({"tools": [F, {"type": "mcp", "server_url": "x"}]}, "tools[1].type"),
    ({"tools": [F, {}]}, "tools[1].type"),
    ({"tools": [{"type": ["function"]}]}, "tools[0].type"),
    ({"tools": [{"type": "web_search", "user_location": {"city": 5}}]}, "tools[0].user_location.city"),
    ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
    ({"tools": [F, F]}, "tools"),
    ({"tools": [{"type": "web_search", "filters": {"allowed_domains": ["a"]}}]}, "tools[0].filters"),
    ({"tools": [{"type": "web_search", "external_web_access": False}]}, "tools[0].external_web_access"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": "any"}, "tool_choice"),
    ({"tools": [F], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice"),
    ({"tools": [F], "tool_choice": {"type": "web_search_preview"}}, "tool_choice.type"),
    ({"tools": [F], "tool_choice": {"type": "allowed_tools", "tools": []}}, "tool_choice.tools"),
])  # fmt: skip
def test_what_cannot_be_is_refused_by_name(fields: JSON, param: str):
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(("fields", "param"), [
    ({"max_output_tokens": 101}, "max_output_tokens"),
    ({"tools": [F, G]}, "tools"),
    ({"input": [{"role": "user", "content": "x"}] * 3}, "input"),
    ({"input": "x" * 6}, "input[0].content"),
    ({"instructions": "x" * 6}, "instructions"),
])  # fmt: skip
def test_the_bounds_of_a_surface(fields: JSON, param: str):
    bounds = Bounds(max_tools=1, max_messages=2, max_message_chars=5, max_output_tokens=100)
    assert read(bounds).chat.output_bound == 100
    with pytest.raises(InvalidRequest) as caught:
        read(bounds, **fields)
    assert caught.value.param == param


def test_history_comes_between_the_instructions_and_the_input():
    before = read(input=[{"role": "user", "content": "first"}], instructions="be old").items
    call = {"type": "function_call", "id": "fc_1", "status": "completed"}
    call |= {"call_id": "c1", "name": "f", "arguments": "{}"}
    asked = read(
        instructions="be new",
        previous_response_id="resp_0",
        input=[{"type": "function_call_output", "call_id": "c1", "output": "5"}],
    )
    assert with_history(asked, (*before, call)).messages == (
        Message("system", (Text("be new"),)),
        Message("user", (Text("first"),)),
        Message("assistant", (ToolCall("c1", "f", "{}"),)),
        Message("tool", (ToolResult("c1", (Text("5"),), "f"),)),
    )
    with pytest.raises(InvalidRequest) as caught:
        with_history(asked, before)
    assert caught.value.param == "input[0].call_id"


def test_an_item_is_said_once():
    asked = read(input=[{"id": "msg_1", "role": "user", "content": "hi"}])
    with pytest.raises(InvalidRequest) as caught:
        with_history(asked, asked.items)
    assert caught.value.param == "input[0].id"


def test_an_empty_conversation_has_nothing_to_answer():
    with pytest.raises(InvalidRequest) as caught:
        with_history(read(input=None, conversation="conv_1", instructions="be"), ())
    assert caught.value.param == "input"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model": NaN}', b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_json_object_is_refused(body: bytes):
    with pytest.raises(InvalidRequest):
        read_request(body, FREE)


WORD = st.text("ab._ä", max_size=4)
NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from(
    ["type", "role", "content", "id", "call_id", "output", "summary", "image_url", "name", "text"]
)
KINDS = st.sampled_from(
    (
        *("message", "function_call", "function_call_output", "reasoning", "item_reference", "input_text"),
        *("input_image", "input_file", "output_text", "refusal", "user", "assistant", "function", "allowed_tools"),
    )
)
ODD = st.dictionaries(WORDS, KINDS | st.lists(st.dictionaries(WORDS, KINDS | NESTED), max_size=2) | NESTED)
FIELDS = st.sampled_from(Body.__struct_fields__ + ("input", "tools", "tool_choice", "text") * 8)


@settings(deadline=None)
@given(st.dictionaries(FIELDS, ODD | st.lists(ODD, max_size=3) | NESTED, max_size=4))
def test_whatever_comes_it_is_read_or_refused(fields: JSON):
    try:
        asked = read(**fields)
        opened(asked)
        with_history(asked, ())
    except InvalidRequest as error:
        assert error.message and error.status == 400


def test_types_are_ready_before_threads_come():
    """A type that is first prepared by two threads at once takes the process down."""
    script = """
import json, threading
from thermly.dialects import Bounds
from thermly.dialects.responses import read_conversation, read_request
items = [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]
items += [{"type": "reasoning", "summary": []}, {"id": "a"}]
body = json.dumps({"model": "m", "input": items, "tools": [{"type": "function", "name": "f"}],
                   "tool_choice": {"type": "function", "name": "f"}}).encode()
start = threading.Barrier(8)
def work():
    start.wait()
    read_request(body, Bounds(64)), read_conversation(b"{}", Bounds(64))
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print("fine")
"""
    for _ in range(3):
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert ran.stdout == "fine\n", ran.stderr
