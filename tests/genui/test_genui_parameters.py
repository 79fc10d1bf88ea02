"""The tables are complete, and each row does what the reference says of it."""

from typing import Any

import pytest

from thermly.dialects.openai_types import ChatBody
from thermly.errors import InvalidRequest
from thermly.exchange import ChatRequest, Message, Text, Tuning
from thermly.genui import parameters
from thermly.genui.parameters import VENDORS, Vendor, apply, apply_responses, think

CHAT_NAMES = """
    messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens
    max_tokens metadata modalities n parallel_tool_calls prediction presence_penalty prompt_cache_key
    reasoning_effort response_format service_tier stop stream temperature tool_choice tools top_p verbosity
    web_search_options
"""
RESPONSES_NAMES = """
    background conversation include input instructions max_output_tokens max_tool_calls metadata model
    parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_retention reasoning
    safety_identifier service_tier store stream temperature text tool_choice tools top_logprobs top_p
"""
ITEM_NAMES = """
    message function_call function_call_output item_reference reasoning compaction web_search_call
    file_search_call computer_call computer_call_output code_interpreter_call image_generation_call
    local_shell_call local_shell_call_output shell_call shell_call_output apply_patch_call
    apply_patch_call_output mcp_list_tools mcp_approval_request mcp_approval_response mcp_call custom_tool_call
    custom_tool_call_output
"""


def refusal(body: dict[str, Any], vendor: Vendor = "openai", ask: Any = apply) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        ask(body, vendor)
    assert caught.value.param
    return caught.value


def test_the_tables_are_complete():
    assert {*CHAT_NAMES.split()} | {*ChatBody.__struct_fields__} <= parameters.CHAT.keys()
    assert {*RESPONSES_NAMES.split()} <= parameters.RESPONSES.keys()
    assert {*ITEM_NAMES.split()} == parameters.ITEMS.keys()


def test_every_refusal_says_something():
    for row in (*parameters.CHAT.values(), *parameters.RESPONSES.values()):
        for vendor in VENDORS:
            rule = row.rule(vendor)
            assert bool(rule.say) is (rule.kind in ("refuse", "must_be"))


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("function_call", "auto", "use tool_choice"),
        ("functions", [{"name": "f"}], "use tools"),
        ("n", 2, "n must be 1"),
        ("n", True, "n must be 1"),
        ("metadata", {"user": "1"}, "only metadata.thesys"),
        ("metadata", {"thesys": "{}", "user": "1"}, "only metadata.thesys"),
        ("metadata", "x", "only metadata.thesys"),
        ("audio", {"voice": "alloy"}, "audio is not supported"),
        ("modalities", ["text", "audio"], "only text"),
        ("logprobs", True, "logprobs"),
        ("top_logprobs", 3, "logprobs"),
        ("response_format", {"type": "json_object"}, "always generative UI"),
    ],
)
def test_what_is_refused_is_named(vendor: Vendor, name: str, value: Any, says: str):
    error = refusal({"model": "m", name: value}, vendor)
    assert error.param == name and says in error.message


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_as_it_must_be_is_as_if_it_had_not_been_given(vendor: Vendor):
    given = {"n": 1, "modalities": ["text"], "logprobs": False, "response_format": {"type": "text"}}
    given |= {"metadata": {"thesys": "{}"}, "audio": None, "functions": None}
    assert apply({"model": "m", **given}, vendor) == {"model": "m"}


def test_what_a_vendor_has_nothing_like_is_dropped_for_it():
    body = {"model": "m", "logit_bias": {"1": 2}, "seed": 1, "service_tier": "auto", "presence_penalty": 0.5}
    body["unknown"] = 1
    assert apply(body, "openai") == body
    assert apply(body, "anthropic").keys() == {"model", "service_tier", "unknown"}
    assert apply(body, "google").keys() == {"model", "seed", "presence_penalty", "unknown"}
    assert "web search" in refusal({"web_search_options": {}}, "google").message
    assert apply({"web_search_options": {}}, "openai") == {"web_search_options": {}}


def test_audio_in_messages():
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "text"}, sound]}]
    assert refusal({"messages": messages}).param == "messages[1].content[1]"
    assert refusal({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}).param == "messages[0].audio"
    odd: list[Any] = [None, 3, {"content": None}, {"content": [4]}]
    assert apply({"messages": odd}, "openai") == {"messages": odd}


def test_responses_keep_what_needs_storing_with_store():
    for name in ("conversation", "previous_response_id"):
        assert refusal({name: "x", "store": False}, ask=apply_responses).param == name
        assert apply_responses({name: "x"}, "openai") == {name: "x"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format"),
        ({"tools": [{"type": "function"}, {"type": "web_search_preview"}]}, "tools[1].type"),
        ({"input": [{"role": "user"}, {"type": "mcp_call"}]}, "input[1].type"),
        ({"input": [{"type": "shell_call"}]}, "input[0].type"),
        ({"input": [{"type": "of no kind"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0]"),
        ({"top_logprobs": 1}, "top_logprobs"),
    ],
)
def test_responses_refuse_by_name(body: dict[str, Any], param: str):
    assert refusal(body, ask=apply_responses).param == param


def test_soon_and_never_are_told_apart():
    assert "not supported yet" in refusal({"input": [{"type": "compaction"}]}, ask=apply_responses).message
    assert "yet" not in refusal({"input": [{"type": "shell_call"}]}, ask=apply_responses).message
    assert "yet" in refusal({"tools": [{"type": "mcp"}]}, ask=apply_responses).message


def test_responses_keep_of_reasoning_the_effort_and_of_text_the_verbosity():
    body = {"reasoning": {"effort": "low", "summary": "auto"}, "background": False, "max_tool_calls": 3}
    body |= {"text": {"verbosity": "low", "format": {"type": "text"}}, "input": "Hello"}
    kept = {"reasoning": {"effort": "low"}, "text": {"verbosity": "low"}, "input": "Hello"}
    assert apply_responses(body, "openai") == kept
    assert apply_responses(body, "google") == {**kept, "text": {}}


@pytest.mark.parametrize(
    ("effort", "flash", "pro"),
    [
        *(("none", 0, 256), ("minimal", 512, 512), ("low", 1024, 1024)),
        *(("medium", 2048, 2048), ("high", 4096, 4096), ("xhigh", 8192, 8192)),
    ],
)
def test_geminis_effort_is_a_budget(effort: str, flash: int, pro: int):
    request = ChatRequest("m", (Message("user", (Text("a"),)),), tuning=Tuning(reasoning_effort=effort))
    for model, budget in (("gemini-3-flash", flash), ("gemini-3-pro-preview", pro)):
        extras = think(request, model).extras
        assert extras is not None
        config = extras["gemini"]["generationConfig"]["thinkingConfig"]
        assert config["thinkingBudget"] == budget and ("includeThoughts" in config) is (effort != "none")
    assert think(ChatRequest("m", ()), "gemini-3-flash").extras is None


def test_a_provider_that_has_no_column_has_openais():
    assert [parameters.vendor_of(name) for name in ("anthropic", "google", "deepseek")] == [
        *("anthropic", "google", "openai")
    ]
