"""Canonical requests as bodies of Anthropic's wire."""

import base64
from typing import Any

import pytest

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.errors import InvalidRequest, UnsupportedContent
from thermly.exchange import (
    ChatRequest,
    Media,
    Message,
    Reasoning,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Tuning,
)
from thermly.providers.anthropic_request import JSON_ONLY, write_request

OLDER = frozenset(
    ("vision", "tools", "parallel_tools", "forced_tools", "json_schema", "reasoning", "files", "sampling")
)
HAIKU = OLDER - {"sampling"}
SONNET = HAIKU - {"forced_tools"}
PRICE = Price(0, 0, 0, 0, 0)
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
CLOCK = Tool("clock")
SIGNED = Reasoning("Hm.", {"anthropic": {"signature": "sig=="}})


def target(can: frozenset[str] = OLDER, upstream: str = "claude-sonnet-4-5", base_url: str = "http://x") -> Target:
    model = Model(upstream, "anthropic", upstream, 200_000, 64_000, PRICE, can)
    return Target(model, ProviderRow("anthropic", "anthropic", base_url, "key"), PRICE)


def user(*parts: Any) -> Message:
    return Message("user", tuple(Text(p) if isinstance(p, str) else p for p in parts))


def assistant(*parts: Any) -> Message:
    return Message("assistant", tuple(Text(p) if isinstance(p, str) else p for p in parts))


def body_of(
    *messages: Message, can: frozenset[str] = OLDER, max_tokens: int = 8000, **fields: Any
) -> dict[str, Any]:
    request = ChatRequest("m", messages or (user("Hi"),), **fields)
    return write_request(request, target(can), max_tokens)


def text(value: str) -> dict[str, str]:
    return {"type": "text", "text": value}


# ---- messages


def test_a_plain_request():
    assert body_of(user("Hi")) == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 8000,
        "messages": [{"role": "user", "content": [text("Hi")]}],
    }


def test_system_messages_are_taken_out_in_order_wherever_they_stand():
    body = body_of(
        Message("system", (Text("A"),)), user("Hi"), Message("developer", (Text("B"),)), assistant("Ho"), user("Go")
    )
    assert body["system"] == [text("A"), text("B")]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]


def test_turns_of_one_role_merge_and_blank_text_goes():
    body = body_of(user("A", " \n"), user("B"), assistant(""), user("C"))
    assert body["messages"] == [{"role": "user", "content": [text("A"), text("B"), text("C")]}]


def test_a_conversation_always_begins_with_the_user():
    assert body_of(Message("system", (Text("Rhyme."),)))["messages"] == [
        {"role": "user", "content": [text("Rhyme.")]}
    ]
    assert body_of(assistant("Welcome!"), user("Hi"))["messages"][0]["role"] == "user"


def test_a_prefill_loses_the_white_space_at_its_end():
    assert body_of(user("Hi"), assistant("Ho \n"))["messages"][-1]["content"] == [text("Ho")]


def test_tool_results_come_first_in_the_users_turn():
    call = ToolCall("call:1", "weather", '{"city":"Oslo"}')
    result = ToolResult("call:1", (Text("rain"), Media("image", "image/png", "AAAA")), is_error=True)
    body = body_of(user("?"), assistant(call), user("Well?"), Message("tool", (result,)), tools=(WEATHER,))
    assert body["messages"][1]["content"] == [
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}}
    ]
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "call_1", "content": [text("rain"), picture], "is_error": True},
        text("Well?"),
    ]


@pytest.mark.parametrize(
    ("arguments", "input_"),
    [
        ("", {}),
        ('{"a":1}', {"a": 1}),
        ('{"a":', {"arguments": '{"a":'}),
        ("[1]", {"arguments": [1]}),
        ("[" * 5000, {"arguments": "[" * 5000}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(arguments: str, input_: dict[str, Any]):
    body = body_of(user("?"), assistant(ToolCall("c", "clock", arguments)))
    assert body["messages"][1]["content"][0]["input"] == input_


def test_only_signed_thoughts_go_back_and_refusals_go_as_text():
    redacted = Reasoning("", {"anthropic": {"redacted": "xyz"}})
    foreign = Reasoning("Mine.", {"openai": {"field": "reasoning"}})
    body = body_of(user("?"), assistant(SIGNED, redacted, foreign, Refusal("No.")), user("Why?"))
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "xyz"},
        text("No."),
    ]


@pytest.mark.parametrize(
    ("media", "block"),
    [
        (
            Media("image", url="https://x/y.png"),
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        ),
        (
            Media("file", "application/pdf", "JVBE", name="a.pdf"),
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
            },
        ),
        (
            Media("file", "text/csv", base64.b64encode("a,ü".encode()).decode()),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,ü"}},
        ),
        (
            Media("file", extras={"anthropic": {"source": {"type": "file", "file_id": "file_1"}}}),
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        ),
    ],
)
def test_media(media: Media, block: dict[str, Any]):
    assert body_of(user(media))["messages"][0]["content"] == [block]


@pytest.mark.parametrize(
    "media",
    [
        Media("audio", "audio/wav", "AAAA"),
        Media("file", "application/zip", "AAAA"),
        Media("file", extras={"openai": {"file_id": "file-1"}}),
        Media("file", "text/plain", "!"),
    ],
)
def test_media_that_cannot_be_sent_is_refused_by_name(media: Media):
    with pytest.raises(InvalidRequest) as caught:
        body_of(user(media))
    assert caught.value.param == "messages"


def test_cache_marks_are_passed_on_from_parts_tools_and_messages():
    mark = {"anthropic": {"cache_control": {"type": "ephemeral"}}}
    body = body_of(
        Message("system", (Text("A", mark),)),
        Message("user", (Text("B"), Text("C")), mark),
        tools=(Tool("clock", extras=mark),),
    )
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert body["tools"][0]["cache_control"] == {"type": "ephemeral"}
    assert [("cache_control" in block) for block in body["messages"][0]["content"]] == [False, True]


# ---- tools


@pytest.mark.parametrize(
    ("choice", "parallel", "written", "names"),
    [
        (None, None, None, ["weather", "clock"]),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}, ["weather", "clock"]),
        (ToolChoice("auto"), True, {"type": "auto"}, ["weather", "clock"]),
        (ToolChoice("none"), False, {"type": "none"}, ["weather", "clock"]),
        (ToolChoice("required"), None, {"type": "any"}, ["weather", "clock"]),
        (ToolChoice("required", ("clock",)), None, {"type": "tool", "name": "clock"}, ["weather", "clock"]),
        (ToolChoice("required", ("clock", "x")), None, {"type": "any"}, ["clock"]),
        (ToolChoice("auto", ("clock",)), None, {"type": "auto"}, ["clock"]),
    ],
)
def test_tool_choice(choice: ToolChoice | None, parallel: bool | None, written: Any, names: list[str]):
    body = body_of(tools=(WEATHER, CLOCK), tool_choice=choice, tuning=Tuning(parallel_tool_calls=parallel))
    assert body.get("tool_choice") == written
    assert [tool["name"] for tool in body["tools"]] == names


def test_tools_have_a_schema_that_says_object():
    body = body_of(tools=(CLOCK, Tool("t", parameters={"properties": {}}), WEATHER))
    assert body["tools"][0] == {"name": "clock", "input_schema": {"type": "object", "properties": {}}}
    assert body["tools"][1]["input_schema"] == {"type": "object", "properties": {}}
    assert body["tools"][2]["description"] == "Tells the weather."


def test_a_strict_tool_is_strict_and_closed():
    tool = body_of(tools=(Tool("t", parameters=WEATHER.parameters, strict=True),))["tools"][0]
    assert tool["strict"] is True
    assert tool["input_schema"]["additionalProperties"] is False


def test_the_vendors_own_tools_pass():
    search = Tool("web_search", extras={"anthropic": {"type": "web_search_20250305", "max_uses": 2}})
    assert body_of(tools=(search,))["tools"] == [
        {"name": "web_search", "type": "web_search_20250305", "max_uses": 2}
    ]


# ---- thinking and sampling


def thinking(effort: str | None, can: frozenset[str], max_tokens: int = 40_000, **fields: Any) -> Any:
    body = body_of(
        can=can, max_tokens=max_tokens, tuning=Tuning(reasoning_effort=effort, temperature=0.5), **fields
    )
    return body.get("thinking"), body.get("output_config"), body.get("temperature")


@pytest.mark.parametrize(
    ("effort", "max_tokens", "budget"),
    [
        (None, 8000, None),
        ("none", 8000, None),
        ("minimal", 8000, 1024),
        ("low", 8000, 1024),
        ("medium", 8000, 4096),
        ("high", 40_000, 16_384),
        ("xhigh", 64_000, 32_768),
        ("high", 4000, 3000),
        ("high", 1366, 1024),
        ("high", 1365, None),
    ],
)
def test_thinking_budgets_stay_below_the_bound(effort: str | None, max_tokens: int, budget: int | None):
    wanted = {"type": "enabled", "budget_tokens": budget} if budget else None
    assert thinking(effort, OLDER, max_tokens) == (wanted, None, None if budget else 0.5)


def test_no_budget_where_the_vendor_would_refuse_it():
    forced = {"tools": (CLOCK,), "tool_choice": ToolChoice("required")}
    assert thinking("high", OLDER, **forced)[0] is None
    assert thinking("high", OLDER - {"reasoning"})[0] is None
    tuning = Tuning(reasoning_effort="low")
    assert "thinking" not in body_of(user("?"), assistant("So"), tuning=tuning)
    call, result = ToolCall("c", "clock", ""), Message("tool", (ToolResult("c", (Text("noon"),)),))
    assert "thinking" not in body_of(user("?"), assistant(call), result, tuning=tuning)
    assert "thinking" in body_of(user("?"), assistant(SIGNED, call), result, tuning=tuning)
    assert "thinking" in body_of(user("?"), assistant(call), result, assistant("Noon."), user("Ok"), tuning=tuning)


ADAPTIVE = {"type": "adaptive", "display": "summarized"}
OFF = {"type": "disabled"}


@pytest.mark.parametrize(
    ("effort", "can", "field", "config"),
    [
        (None, HAIKU, None, None),
        ("none", HAIKU, OFF, None),
        ("minimal", HAIKU, ADAPTIVE, {"effort": "low"}),
        ("high", HAIKU, ADAPTIVE, {"effort": "high"}),
        ("xhigh", SONNET, ADAPTIVE, {"effort": "xhigh"}),
        ("none", SONNET, None, {"effort": "low"}),
    ],
)
def test_models_without_sampling_think_adaptively(effort: str | None, can: frozenset[str], field: Any, config: Any):
    assert thinking(effort, can) == (field, config, None)


def test_a_forced_tool_turns_adaptive_thinking_off():
    forced = {"tools": (CLOCK,), "tool_choice": ToolChoice("required")}
    assert thinking("high", HAIKU, **forced) == (OFF, None, None)


@pytest.mark.parametrize(
    ("given", "can", "written"),
    [
        ({"type": "enabled", "budget_tokens": 2000}, OLDER, {"type": "enabled", "budget_tokens": 2000}),
        ({"type": "enabled", "budget_tokens": 9000}, OLDER, {"type": "enabled", "budget_tokens": 6000}),
        ({"type": "enabled", "budget_tokens": 2000}, SONNET, {"type": "adaptive"}),
        ({"type": "between_tools"}, SONNET, {"type": "between_tools"}),
        ({"type": "disabled"}, HAIKU, OFF),
        ({"type": "disabled"}, SONNET, None),
        ({"type": "disabled"}, OLDER, None),
    ],
)
def test_thinking_given_on_the_vendors_own_wire_is_fitted_to_the_model(
    given: Any, can: frozenset[str], written: Any
):
    assert body_of(can=can, extras={"anthropic": {"thinking": given}}).get("thinking") == written


@pytest.mark.parametrize("word", ["interleaved-thinking-2025-05-14", "effort-2025-11-24"])
def test_a_budget_that_several_answers_share_may_be_beyond_the_bound_of_each(word: str):
    facts = {"thinking": {"type": "enabled", "budget_tokens": 50_000}, "betas": [word]}
    extras = {"anthropic": facts}
    shared = word.startswith("interleaved")
    assert body_of(extras=extras, tools=(Tool("f"),))["thinking"]["budget_tokens"] == (50_000 if shared else 6_000)
    assert body_of(extras=extras)["thinking"]["budget_tokens"] == 6_000


@pytest.mark.parametrize(
    ("tuning", "sent"),
    [
        (Tuning(temperature=1.5), {"temperature": 1}),
        (Tuning(temperature=0.3, top_p=0.5), {"temperature": 0.3}),
        (Tuning(top_p=0.5, frequency_penalty=1, seed=1), {"top_p": 0.5}),
    ],
)
def test_sampling(tuning: Tuning, sent: dict[str, float]):
    names = ("temperature", "top_p", "top_k")
    body = body_of(tuning=tuning)
    assert {k: v for k, v in body.items() if k in names} == sent
    assert not set(names) & set(body_of(tuning=tuning, can=HAIKU, extras={"anthropic": {"top_k": 4}}))


def test_the_rest_of_a_request():
    body = body_of(
        stop=("END", " \n"),
        stream=True,
        tuning=Tuning(user="u" * 300, service_tier="default"),
        extras={"anthropic": {"top_k": 4, "metadata": {"a": 1}, "container": "c"}},
    )
    assert body["stop_sequences"] == ["END"]
    assert body["stream"] is True
    assert body["metadata"] == {"a": 1, "user_id": "u" * 256}
    assert (body["top_k"], body["container"], body["service_tier"]) == (4, "c", "standard_only")


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("n", {"n": 2}),
        ("logprobs", {"logprobs": True}),
        ("modalities", {"audio": {}}),
        ("web_search_options", {"web_search": {}}),
        ("tool_choice", {"tools": (CLOCK,), "tool_choice": ToolChoice("required"), "can": SONNET}),
    ],
)
def test_what_changes_the_meaning_is_refused_by_name(param: str, fields: dict[str, Any]):
    with pytest.raises(UnsupportedContent) as caught:
        body_of(**fields)
    assert caught.value.param == param


# ---- format


def test_formats():
    assert body_of(response_format=ResponseFormat("json_object"))["system"] == [text(JSON_ONLY)]
    assert "system" not in body_of(response_format=ResponseFormat("text"))
    form = ResponseFormat("json_schema", {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}})
    body = body_of(response_format=form, can=HAIKU, tuning=Tuning(reasoning_effort="high"))
    assert body["output_config"] == {
        "effort": "high",
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {"a": {"type": "integer", "description": 'Constraints: {"minimum":1}'}},
                "additionalProperties": False,
            },
        },
    }


def test_schemas_that_cannot_be_closed_are_refused():
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"type": "array", "items": deep}
    for schema in (deep, {"type": "object", "additionalProperties": {"type": "string"}}):
        with pytest.raises(UnsupportedContent) as caught:
            body_of(response_format=ResponseFormat("json_schema", schema))
        assert caught.value.param == "response_format"
