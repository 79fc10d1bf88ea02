"""Anthropic's requests as values, and what becomes of them on the way to Anthropic: nothing is lost."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.dialects import Bounds
from thermly.dialects.anthropic import read_count_request, read_request
from thermly.errors import InvalidRequest
from thermly.exchange import ChatRequest, Message, ResponseFormat, Text, Tool, ToolChoice, Tuning
from thermly.providers import anthropic_request, gemini_request, openai_like_request
from thermly.providers.anthropic import count_tokens
from thermly.providers.upstream import Client, Timeouts
from thermly.sandbox.server import start

JSON = dict[str, Any]
FREE = Bounds(max_tools=128)
HI = [{"role": "user", "content": "hi"}]
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
F = {"name": "f", "input_schema": SCHEMA}
G = {"name": "g", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
BASH = {"type": "bash_20250124", "name": "bash"}
CACHED = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def read(bounds: Bounds = FREE, **fields: Any) -> ChatRequest:
    body = {"model": "m", "max_tokens": 100, "messages": HI, **fields}
    return read_request(json.dumps({k: v for k, v in body.items() if v is not ...}).encode(), bounds)


def own(**facts: Any) -> dict[str, JSON]:
    return {"anthropic": facts}


def test_the_least_request():
    assert read() == ChatRequest("m", (Message("user", (Text("hi"),)),), max_output_tokens=100)


@pytest.mark.parametrize(("fields", "name", "value"), [
    ({"stream": True}, "stream", True),
    ({"stream": None}, "stream", False),
    ({"stop_sequences": ["x", "y"]}, "stop", ("x", "y")),
    ({"temperature": 1, "top_p": 0.5}, "tuning", Tuning(temperature=1.0, top_p=0.5)),
    ({"top_k": 0}, "extras", own(top_k=0)),
    ({"top_k": 5}, "extras", own(top_k=5)),
    ({"metadata": {"user_id": "u"}}, "tuning", Tuning(user="u")),
    ({"metadata": {"user_id": "u" * 64}}, "tuning", Tuning(user="u" * 64)),
    ({"metadata": {"user_id": "u" * 65}}, "tuning", Tuning()),
    ({"metadata": {"user_id": "u" * 65}}, "extras", own(metadata={"user_id": "u" * 65})),
    ({"metadata": {"user_id": None}}, "extras", None),
    ({"metadata": {"user_id": "u", "more": 1}}, "extras", own(metadata={"more": 1})),
    ({"service_tier": "auto"}, "tuning", Tuning(service_tier="auto")),
    ({"service_tier": "standard_only"}, "tuning", Tuning(service_tier="default")),
    ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "response_format",
     ResponseFormat("json_schema", SCHEMA, "response")),
    ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "extras", None),
    ({"output_format": {"type": "json_schema", "schema": SCHEMA}}, "response_format",
     ResponseFormat("json_schema", SCHEMA, "response")),
    ({"output_config": {"effort": "max"}}, "tuning", Tuning(reasoning_effort="max")),
    ({"output_config": {"effort": "max"}}, "extras", own(output_config={"effort": "max"})),
    ({"context_management": {"edits": []}, "container": None, "mcp_servers": [], "cache_control": None}, "extras",
     own(context_management={"edits": []}, mcp_servers=[])),
    ({"diagnostics": {"previous_message_id": "msg_1"}}, "extras", None),
    ({"speed": "fast", "fallbacks": "default", "fallback_credit_token": "t", "billing_policy": {}}, "extras", None),
    ({"inference_geo": "global"}, "extras", own(inference_geo="global")),
    ({"tools": [F]}, "tools", (Tool("f", None, SCHEMA),)),
    ({"tools": [{**F, "type": "custom", "description": "d", "strict": True, "defer_loading": True, **CACHED}]},
     "tools", (Tool("f", "d", SCHEMA, True, own(type="custom", defer_loading=True, **CACHED)),)),
    ({"tools": [SEARCH, F]}, "tools", (Tool("f", None, SCHEMA),)),
    ({"tools": [SEARCH, F]}, "extras", own(tools=[SEARCH])),
    ({"tools": [SEARCH, F]}, "web_search", {}),
    ({"tools": [{**SEARCH, "user_location": {"type": "approximate", "city": "Bern"}}]}, "web_search",
     {"user_location": {"type": "approximate", "approximate": {"city": "Bern"}}}),
    ({"tools": [{"type": "mcp_toolset"}]}, "extras", own(tools=[{"type": "mcp_toolset"}])),
    ({"tools": [{"type": "mcp_toolset"}]}, "web_search", None),
    ({"tools": []}, "extras", None),
])  # fmt: skip
def test_each_field_has_its_place(fields: JSON, name: str, value: Any):
    assert getattr(read(**fields), name) == value


@pytest.mark.parametrize(("system", "parts"), [
    ("be kind", (Text("be kind"),)),
    ([{"type": "text", "text": "a"}, {"type": "text", "text": "b", **CACHED}],
     (Text("a"), Text("b", own(**CACHED)))),
    ("", None),
    ([], None),
    (None, None),
])  # fmt: skip
def test_the_system_prompt(system: Any, parts: Any):
    before = (Message("system", parts),) if parts else ()
    assert read(system=system).messages == (*before, Message("user", (Text("hi"),)))


@pytest.mark.parametrize(("fields", "effort"), [
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, "low"),
    ({"thinking": {"type": "enabled", "budget_tokens": 8192}}, "medium"),
    ({"thinking": {"type": "enabled", "budget_tokens": 31999, "display": "omitted"}}, "high"),
    ({"thinking": {"type": "adaptive"}}, None),
    ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}, "xhigh"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "max"}}, "max"),
    ({"thinking": {"type": "disabled"}}, "none"),
    ({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}, "none"),
    ({"thinking": {"type": "between_tools"}}, None),
])  # fmt: skip
def test_thinking(fields: JSON, effort: str | None):
    asked = read(**fields)
    assert asked.tuning.reasoning_effort == effort
    assert asked.extras == own(**fields)


@pytest.mark.parametrize(("choice", "tools", "wanted", "single", "kept"), [
    (None, [F], None, None, False),
    ({"type": "auto"}, [F], ToolChoice("auto"), None, False),
    ({"type": "auto"}, [], None, None, False),
    ({"type": "none"}, [F], ToolChoice("none"), None, False),
    ({"type": "any"}, [F], ToolChoice("required"), None, False),
    ({"type": "tool", "name": "f"}, [F, G], ToolChoice("required", ("f",)), None, False),
    ({"type": "auto", "disable_parallel_tool_use": True}, [F], ToolChoice("auto"), False, False),
    ({"type": "any", "disable_parallel_tool_use": False}, [F], ToolChoice("required"), None, False),
    ({"type": "any"}, [SEARCH, F], ToolChoice("required"), None, False),
    ({"type": "any", "disable_parallel_tool_use": True}, [SEARCH], None, None, True),
    ({"type": "tool", "name": "web_search", "disable_parallel_tool_use": True}, [SEARCH, F], None, None, True),
])  # fmt: skip
def test_a_choice_of_tools(choice: Any, tools: list[JSON], wanted: Any, single: bool | None, kept: bool):
    asked = read(tools=tools, tool_choice=choice)
    assert (asked.tool_choice, asked.tuning.parallel_tool_calls) == (wanted, single)
    assert ("tool_choice" in (asked.extras or {}).get("anthropic", {})) == kept


def test_a_tool_that_the_caller_runs_can_be_called_by_any_model():
    (tool,) = read(tools=[BASH]).tools
    assert (tool.name, tool.parameters, tool.extras) == ("bash", {"type": "object"}, own(type="bash_20250124"))
    assert tool.description and "bash_20250124" in tool.description


def test_the_surfaces_bound_goes_with_the_request():
    assert read(Bounds(64, max_output_tokens=100)).output_bound == 100 and read().output_bound is None


# ---- refusals

SMALL = Bounds(2, max_messages=2, max_message_chars=10, max_output_tokens=200)


@pytest.mark.parametrize(("fields", "param"), [
    ({"model": ...}, "model"),
    ({"model": ""}, "model"),
    ({"messages": ...}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": HI * 3}, "messages"),
    ({"messages": [{"role": "user", "content": "x" * 11}]}, "messages[0].content"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"max_tokens": ...}, "max_tokens"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 201}, "max_tokens"),
    ({"temperature": 1.1}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"top_k": -1}, "top_k"),
    ({"stop_sequences": [""]}, "stop_sequences[0]"),
    ({"stream": "yes"}, "stream"),
    ({"service_tier": "priority"}, "service_tier"),
    ({"inference_geo": "us"}, "inference_geo"),
    ({"system": [{"type": "image"}]}, "system[0].type"),
    ({"system": [{"type": "text"}]}, "system[0].text"),
    ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1023}}, "thinking.budget_tokens"),
    ({"thinking": {}}, "thinking.type"),
    ({"output_config": {"effort": "huge"}}, "output_config.effort"),
    ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
    ({"tools": [F, F]}, "tools"),
    ({"tools": [F, G, BASH]}, "tools"),
    ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
    ({"tools": [F, {"name": "a b", "input_schema": {}}]}, "tools[1].name"),
    ({"tools": [{"type": 5, "name": "f"}]}, "tools[0].type"),
    ({"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "x"}]}, "tools[0].type"),
    ({"tool_choice": {"type": "any"}}, "tool_choice"),
    ({"tool_choice": {"type": "tool", "name": "f"}}, "tool_choice"),
    ({"tools": [F], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name"),
    ({"tools": [F], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"tools": [F], "tool_choice": "auto"}, "tool_choice"),
    ({"api_base": "http://x"}, "api_base"),
    ({"api_key": "x"}, "api_key"),
    ({"provider": {}}, "provider"),
    ({"models": []}, "models"),
    ({"container": "container_1"}, "container"),
    ({"container": {"skills": [{"type": "custom", "skill_id": "s", "version": "1"}]}}, "container"),
    ({"news": 1}, "news"),
    ({"tools": [{"type": "code_execution_20260521", "name": "code_execution"}]}, "tools[0].type"),
    ({"tools": [{"type": "news_20270101", "name": "news"}]}, "tools[0].type"),
])  # fmt: skip
def test_a_field_is_refused_by_name(fields: JSON, param: str):
    with pytest.raises(InvalidRequest) as caught:
        read(SMALL, **fields)
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"messages": [NaN]}', b'{"messages": ' + b"[" * 99_999])
def test_bodies_that_are_none(body: bytes):
    for reader in (read_request, read_count_request):
        with pytest.raises(InvalidRequest):
            reader(body, FREE)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(("", "text", "user", "f")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("type", "text", "role", "content", "name", "source", "id")), inner)
    ),
)


@given(
    st.dictionaries(
        st.sampled_from(("messages", "system", "tools", "tool_choice", "thinking", "output_config", "metadata")),
        ANYTHING,
    )
)
def test_whatever_is_sent_is_read_or_refused(fields: JSON):
    try:
        read(**fields)
    except InvalidRequest:
        pass


# ---- from Anthropic to Anthropic

PRICE = Price(0, 0, 0, 0, 0)
WORDS = frozenset(("tools", "forced_tools", "json_schema", "reasoning", "sampling", "vision", "files", "prefill"))


def target(kind: str, upstream: str, can: frozenset[str] = WORDS, url: str = "http://x") -> Target:
    model = Model("m", kind, upstream, 200_000, 8_000, PRICE, can)
    return Target(model, ProviderRow(kind, kind, url, "k"), PRICE)  # type: ignore[arg-type]


def through(can: frozenset[str] = WORDS, **fields: Any) -> JSON:
    """What Anthropic is asked; as JSON."""
    asked = read(max_tokens=8_000, **fields)
    written = anthropic_request.write_request(asked, target("anthropic", "m", can), 8_000)
    found: JSON = json.loads(json.dumps(written))
    return found


TALK = [
    {"role": "user", "content": [
        {"type": "text", "text": "look", **CACHED},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}, **CACHED},
        {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
         "title": "t", "context": "c", "citations": {"enabled": True}, **CACHED},
        {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}},
    ]},
    {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "EqQB"},
        {"type": "thinking", "thinking": "", "signature": "EqQC"},
        {"type": "redacted_thinking", "data": "Emw"},
        {"type": "text", "text": "so", "citations": [{"type": "char_location", "cited_text": "x"}]},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, 2.5, None, {"b": "ü"}]}, **CACHED},
        {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}, "caller": {"type": "direct"}},
        {"type": "tool_use", "id": "toolu_3", "name": "g", "input": {}},
    ]},
    {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": [
            {"type": "text", "text": "one", **CACHED},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        ]},
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "no"}],
         "is_error": True, **CACHED},
        {"type": "tool_result", "tool_use_id": "toolu_3"},
        {"type": "text", "text": "and now?", **CACHED},
        {"type": "text", "text": "well?"},
    ]},
]  # fmt: skip
# Blocks that only Anthropic has.
PLAIN = {"type": "text", "media_type": "text/plain", "data": "d"}
SEARCHED = {"query": "x"}
BLOCKS = [
    {"role": "user", "content": [
        {"type": "document", "source": PLAIN, "title": "t", "citations": {"enabled": True}, **CACHED},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}},
        {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "a"}]},
    ]},
    {"role": "assistant", "content": [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": SEARCHED},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"encrypted_content": "e"}]},
        {"type": "text", "text": "so"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
    ]},
    {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": [
            {"type": "tool_reference", "tool_name": "g"},
            {"type": "search_result", "source": "s", "title": "t", "content": [], "citations": {"enabled": True}},
        ]},
    ]},
]  # fmt: skip
WHOLE: JSON = {
    "model": "m",
    "max_tokens": 8_000,
    "messages": TALK,
    "system": [{"type": "text", "text": "be kind", **CACHED}, {"type": "text", "text": "be brief"}],
    "tools": [
        {"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 2, **CACHED},
        {"type": "mcp_toolset", "mcp_server_name": "s"},
        {**BASH, **CACHED},
        {"type": "custom", "name": "f", "description": "d", "input_schema": SCHEMA, "strict": True, **CACHED},
        {"name": "g", "input_schema": {"type": "object"}, "input_examples": [{}], "eager_input_streaming": True},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "stop_sequences": ["a", "b", "c", "d", "e"],
    "stream": True,
    "thinking": {"type": "enabled", "budget_tokens": 1500, "display": "summarized"},
    "metadata": {"user_id": "u"},
    "service_tier": "standard_only",
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "task_budget": {"total": 5}},
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "mcp_servers": [{"type": "url", "name": "s", "url": "https://x"}],
    "cache_control": {"type": "ephemeral"},
}  # fmt: skip


@pytest.mark.parametrize("field", WHOLE)
def test_anthropic_is_asked_what_was_asked(field: str):
    asked = {k: v for k, v in WHOLE.items() if k not in ("model", "max_tokens")}
    assert through(**asked)[field] == WHOLE[field]


def test_anthropic_is_asked_nothing_else():
    asked = {k: v for k, v in WHOLE.items() if k not in ("model", "max_tokens")}
    assert through(**asked).keys() == WHOLE.keys()
    told = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    assert through() == {"model": "m", "max_tokens": 8_000, "messages": told}


@pytest.mark.parametrize("fields", [
    {"temperature": 0.5, "top_k": 5},
    {"top_p": 0.5},
    {"metadata": {"user_id": "u" * 200}},
    {"service_tier": "auto"},
    {"tools": [F, G], "tool_choice": {"type": "any"}},
    {"tools": [F, G], "tool_choice": {"type": "tool", "name": "g", "disable_parallel_tool_use": True}},
    {"tools": [F], "tool_choice": {"type": "none"}},
    {"inference_geo": "global"},
    {"output_config": {"task_budget": {"total": 5}}},
    {"messages": BLOCKS},
])  # fmt: skip
def test_what_does_not_go_with_the_rest(fields: JSON):
    asked = through(**fields)
    assert {name: asked[name] for name in fields} == fields


@pytest.mark.parametrize("fields", [
    {"thinking": {"type": "adaptive"}},
    {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}},
    {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}},
    {"output_config": {"effort": "low"}},
])  # fmt: skip
def test_adaptive_thinkers_are_asked_as_they_were(fields: JSON):
    asked = through(WORDS - {"sampling"}, **fields)
    assert {name: asked[name] for name in fields} == fields


def test_an_effort_alone_asks_for_no_thinking():
    for can in (WORDS, WORDS - {"sampling"}):
        assert "thinking" not in through(can, output_config={"effort": "low"})


# ---- to others


def test_other_vendors_are_asked_in_their_words():
    fields = {k: v for k, v in WHOLE.items() if k not in ("output_config", "model", "max_tokens")}
    asked = read(max_tokens=8_000, **{**fields, "messages": [*HI, *TALK[1:]]})
    body = openai_like_request.write_request(asked, target("openai_like", "o"), 100)
    rows = body["messages"]
    assert [row["role"] for row in rows] == ["system", "user", "assistant", "tool", "tool", "tool", "user"]
    assert [call["id"] for call in rows[2]["tool_calls"]] == ["toolu_1", "toolu_2", "toolu_3"]
    assert [row["tool_call_id"] for row in rows[3:6]] == ["toolu_2", "toolu_1", "toolu_3"]
    assert rows[5]["content"] == ""
    assert "reasoning_content" not in rows[2]
    assert body.keys() == {
        *("model", "messages", "max_completion_tokens", "service_tier", "user", "reasoning_effort", "tools"),
        *("tool_choice", "stop", "stream", "stream_options"),
    }
    assert body["service_tier"] == "default"
    gemini_request.write_request(asked, target("gemini", "gemini-3.8-flash"), 100)


CODE: JSON = {
    "model": "gpt-5",
    "max_tokens": 32_000,
    "stream": True,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1"},
        {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
    ],
    "messages": [
        {"role": "user", "content": [
            {"type": "text", "text": "<system-reminder>\nToday is Monday.\n</system-reminder>"},
            {"type": "text", "text": "list the files", "cache_control": {"type": "ephemeral"}},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "I list.", "signature": ""},
            {"type": "tool_use", "id": "call_1", "name": "Bash", "input": {"command": "ls"}},
            {"type": "tool_use", "id": "call_2", "name": "ToolSearch", "input": {"query": "x"}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "a\nb", "is_error": False},
            {"type": "tool_result", "tool_use_id": "call_2", "content": [
                {"type": "tool_reference", "tool_name": "mcp__x__y"},
            ]},
            {"type": "text", "text": "<system-reminder>\nBe brief.\n</system-reminder>"},
        ]},
        {"role": "system", "content": "The mode is now: plan."},
    ],
    "tools": [
        {"name": "Bash", "description": "Runs.", "input_schema": {"$schema": "x", **SCHEMA}},
        {"name": "ToolSearch", "input_schema": SCHEMA},
        {"name": "mcp__x__y", "input_schema": SCHEMA, "defer_loading": True},
    ],
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "metadata": {"user_id": "user_" + "0" * 64 + "_account__session_" + "1" * 36},
    "temperature": 1,
    "speed": "fast",
}  # fmt: skip


def test_a_coding_agent_can_ask_any_model():
    asked = read_request(json.dumps(CODE).encode(), FREE)
    assert asked.needs() == {"tools"}
    for write, kind, upstream in (
        (openai_like_request.write_request, "openai_like", "gpt-5"),
        (gemini_request.write_request, "gemini", "gemini-2.5-pro"),
    ):
        written = json.dumps(write(asked, target(kind, upstream), 100))
        for word in ("cache_control", "context_management", "speed", "defer_loading", "user_0", "tool_reference"):
            assert word not in written
        assert "mcp__x__y" in written and "The mode is now" in written


# ---- counting


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    running = start()
    yield running.url
    running.stop()


def test_what_to_count(sandbox: str):
    def count(**body: Any) -> ChatRequest:
        return read_count_request(json.dumps({"model": "m", "messages": HI, **body}).encode(), FREE)

    assert count().max_output_tokens is None and count(max_tokens=5).max_output_tokens == 5
    assert count(system="s", tools=[F]).messages == read(system="s").messages
    with pytest.raises(InvalidRequest):
        count(max_tokens=0)
    at = target("anthropic", "claude-haiku-4-5", url=sandbox + "/anthropic")
    client = Client(Timeouts(reply_s=10))
    few = count_tokens(count(), at, client)
    whole = {**WHOLE, "messages": HI, "tools": WHOLE["tools"][2:], "temperature": 1}
    del whole["max_tokens"]
    many = count_tokens(count(**whole), at, client)
    assert 0 < few < many
