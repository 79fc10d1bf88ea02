"""A chat request and its whole reply: every family of providers, every parameter, every bound."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from stories.stack import CHAT, Caller, Stack, mark, order, refusal, user

FAMILIES = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "deepseek-v4-flash")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
every_family = pytest.mark.parametrize("model", FAMILIES)


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def message_of(reply: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = reply["choices"][0]["message"]
    return message


@every_family
def test_a_plain_answer_has_every_field_that_openais_schema_requires(rich: Caller, model: str) -> None:
    response = rich.ask("Hello!", model)
    assert response.status_code == 200 and response.headers["Content-Type"] == "application/json"
    reply = response.json()
    assert set(reply) - {"system_fingerprint", "service_tier"} == {
        "id", "object", "created", "model", "choices", "usage", "x_thermostat",
    }  # fmt: skip
    assert reply["object"] == "chat.completion" and isinstance(reply["created"], int)
    (choice,) = reply["choices"]
    assert set(choice) == {"index", "message", "logprobs", "finish_reason"}
    assert (choice["index"], choice["logprobs"], choice["finish_reason"]) == (0, None, "stop")
    message = choice["message"]
    assert set(message) - {"annotations"} == {"role", "content", "refusal"}
    assert message["role"] == "assistant" and message["refusal"] is None
    assert "You said: Hello!" in message["content"]
    ChatCompletion.model_validate(reply, strict=True)


@every_family
def test_usage_adds_up_and_tells_its_details(rich: Caller, model: str) -> None:
    usage = rich.told("Hello!", model)["usage"]
    assert usage["prompt_tokens"] > 0 and usage["completion_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": 0, "audio_tokens": 0}
    assert set(usage["completion_tokens_details"]) == {
        "reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens",
    }  # fmt: skip


@pytest.mark.parametrize(("path", "prefix"), [(CHAT, "thermo-"), ("/api" + CHAT, "chatcmpl-")])
def test_ids_have_the_prefix_of_their_surface_and_are_the_request_ids(rich: Caller, path: str, prefix: str) -> None:
    first, second = (rich.ask(path=path) for _ in range(2))
    assert first.json()["id"].startswith(prefix) and first.json()["id"] != second.json()["id"]
    assert first.headers["x-request-id"] == "req_" + first.json()["id"].removeprefix(prefix)


def test_a_smart_name_is_shown_as_the_model_that_answered(rich: Caller) -> None:
    reply = rich.told(f"Hello {mark()}", "auto")
    thermostat = reply["x_thermostat"]
    assert reply["model"] == thermostat["actual_model"] not in ("auto", "")
    assert thermostat["cached"] is False and thermostat["complexity_level"] == 1
    assert reply["model"] in message_of(reply)["content"]


@pytest.mark.parametrize(("name", "actual"), [
    ("gpt-4o", "gpt-4o"),
    ("gemini-flash", "gemini-2.5-flash"),
    ("retired-last-century", "gpt-4o-mini"),
])  # fmt: skip
def test_a_direct_name_is_shown_as_it_was_asked_for(rich: Caller, name: str, actual: str) -> None:
    reply = rich.told("Hello!", name)
    assert reply["model"] == name and reply["x_thermostat"]["actual_model"] == actual


@every_family
def test_images_are_seen(rich: Caller, model: str) -> None:
    text = {"type": "text", "text": "What is this?"}
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}}
    linked = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    assert "I can see 1 image." in message_of(rich.told([text, image], model))["content"]
    assert "I can see 2 images." in message_of(rich.told([text, image, linked], model))["content"]


@every_family
def test_a_tool_is_called_and_its_result_answered(rich: Caller, model: str) -> None:
    talk: list[dict[str, Any]] = user("What is the weather in Paris?")
    reply = rich.told("What is the weather in Paris?", model, tools=[WEATHER])
    choice = reply["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
    assert call["type"] == "function" and call["id"] and call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    ChatCompletion.model_validate(reply)
    talk += [choice["message"], {"role": "tool", "tool_call_id": call["id"], "content": "21 degrees"}]
    answer = rich.post({"model": model, "messages": talk, "tools": [WEATHER]})
    assert answer.status_code == 200, answer.text
    assert "The tool answered: 21 degrees" in message_of(answer.json())["content"]
    assert answer.json()["choices"][0]["finish_reason"] == "stop"


@every_family
def test_several_tools_are_called_at_once_and_all_answered(rich: Caller, model: str) -> None:
    question = "What is the weather in Paris and London?"
    message = message_of(rich.told(question, model, tools=[WEATHER]))
    calls = message["tool_calls"]
    assert [json.loads(c["function"]["arguments"])["city"] for c in calls] == ["Paris", "London"]
    assert len({c["id"] for c in calls}) == 2
    results = [{"role": "tool", "tool_call_id": c["id"], "content": f"{i} degrees"} for i, c in enumerate(calls)]
    answer = rich.post({"model": model, "messages": [*user(question), message, *results], "tools": [WEATHER]})
    assert answer.status_code == 200, answer.text
    assert "0 degrees; 1 degrees" in message_of(answer.json())["content"]


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5", "deepseek-v4-flash"])
def test_one_call_at_a_time_where_parallel_calls_are_refused(rich: Caller, model: str) -> None:
    question = "What is the weather in Paris and London?"
    reply = rich.told(question, model, tools=[WEATHER], parallel_tool_calls=False)
    assert len(message_of(reply)["tool_calls"]) == 1


@every_family
def test_interleaved_calls_of_a_stream_fall_into_their_places(rich: Caller, model: str) -> None:
    stream = rich.stream(order("interleave", "What is the weather in Paris and London?"), model, tools=[WEATHER])
    assert [json.loads(c["arguments"]) for c in stream.calls()] == [{"city": "Paris"}, {"city": "London"}]
    assert [c["name"] for c in stream.calls()] == ["get_weather"] * 2
    assert stream.reasons == ["tool_calls"] and stream.done


@every_family
@pytest.mark.parametrize("choice", ["none", "required", tool("get_weather")])
def test_a_tool_choice_is_kept(rich: Caller, model: str, choice: Any) -> None:
    text = "What is the weather in Oslo?" if choice == "none" else "Hello Oslo"
    message = message_of(rich.told(text, model, tools=[WEATHER], tool_choice=choice))
    assert bool(message.get("tool_calls")) is (choice != "none")


def test_legacy_functions_are_answered_in_their_own_words(rich: Caller) -> None:
    reply = rich.told("What is the weather in Paris?", functions=[WEATHER["function"]], function_call="auto")
    message = message_of(reply)
    assert message["function_call"]["name"] == "get_weather" and "tool_calls" not in message
    assert reply["choices"][0]["finish_reason"] == "function_call"
    talk = [*user("What is the weather in Paris?"), message,
            {"role": "function", "name": "get_weather", "content": "3 degrees"}]  # fmt: skip
    answer = rich.post({"model": "gpt-4o", "messages": talk, "functions": [WEATHER["function"]]})
    assert "3 degrees" in message_of(answer.json())["content"]


@every_family
def test_an_answer_fits_the_schema(rich: Caller, model: str) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    content = json.loads(message_of(rich.told("Ada is 36", model, response_format=wanted))["content"])
    assert content == {"name": "Ada", "age": 36}


@every_family
def test_json_mode_answers_an_object(rich: Caller, model: str) -> None:
    if model == "claude-sonnet-4-5":
        # This vendor has no JSON mode: it is told to, and the sandbox follows no instructions.
        marker = mark()
        rich.told(f"JSON about {marker}", model, response_format={"type": "json_object"})
        assert "valid JSON" in json.dumps(rich.stack.heard(marker)[0]["body"]["system"])
        return
    reply = rich.told("Answer in JSON about Ada", model, response_format={"type": "json_object"})
    assert isinstance(json.loads(message_of(reply)["content"]), dict)


@every_family
@pytest.mark.parametrize("stop", ["STOP", ["never", "STOP"]])
def test_a_stop_sequence_ends_the_answer_and_is_not_in_it(rich: Caller, model: str, stop: Any) -> None:
    choice = rich.told(order("say=one two STOP three"), model, stop=stop)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("one two ", "stop")


@every_family
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_bound_on_the_output_is_kept_and_told(rich: Caller, model: str, name: str) -> None:
    reply = rich.told(order("tokens=500"), model, **{name: 40})
    assert reply["choices"][0]["finish_reason"] == "length"
    assert 0 < reply["usage"]["completion_tokens"] <= 40


@pytest.mark.parametrize("model", ["gpt-4o", "gemini-2.5-flash"])
def test_several_choices_are_several_answers(rich: Caller, model: str) -> None:
    choices = rich.told("Hello!", model, n=2)["choices"]
    assert [c["index"] for c in choices] == [0, 1]
    assert "(answer 2)" in choices[1]["message"]["content"] != choices[0]["message"]["content"]


@pytest.mark.parametrize("model", ["gpt-4o", "deepseek-v4-flash"])
def test_log_probabilities_cover_the_answer(rich: Caller, model: str) -> None:
    choice = rich.told("Hello!", model, logprobs=True, top_logprobs=2)["choices"][0]
    rows = choice["logprobs"]["content"]
    assert "".join(row["token"] for row in rows) == choice["message"]["content"]
    assert all({"token", "logprob", "bytes", "top_logprobs"} <= set(row) for row in rows)
    assert {len(row["top_logprobs"]) for row in rows} == {2} and choice["logprobs"]["refusal"] is None


@pytest.mark.parametrize(("model", "fields", "param"), [
    ("claude-sonnet-4-5", {"n": 2}, "n"),
    ("deepseek-v4-flash", {"n": 2}, "n"),
    ("claude-sonnet-4-5", {"logprobs": True}, "logprobs"),
    ("gemini-2.5-flash", {"logprobs": True}, "logprobs"),
    ("gpt-4o", {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "mp3"}}, "modalities"),
    ("gpt-4o", {"web_search_options": {}}, "web_search_options"),
])  # fmt: skip
def test_what_changes_the_meaning_is_refused_by_name_and_never_ignored(
    caller: Caller, model: str, fields: dict[str, Any], param: str
) -> None:
    refusal(caller.ask("Hello!", model, **fields), 422, "invalid_request_error", "unsupported_content", param)
    assert caller.funds()[1] == 0


def test_images_are_refused_by_a_model_that_cannot_see(rich: Caller) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    refused = rich.ask([image], "deepseek-v4-pro")
    assert "images" in refusal(refused, 422, "invalid_request_error", "unsupported_content", "messages")


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gemini-2.5-flash", "deepseek-v4-flash"])
def test_thoughts_are_shown_beside_the_answer_and_counted(rich: Caller, model: str) -> None:
    reply = rich.told("Hello!", model, reasoning_effort="medium")
    message = message_of(reply)
    assert message["reasoning_content"] and "You said" in message["content"]
    thoughts = reply["usage"]["completion_tokens_details"]["reasoning_tokens"]
    told = model != "claude-sonnet-4-5"  # this vendor counts them among the output and does not tell them apart
    assert (0 < thoughts < reply["usage"]["completion_tokens"]) is told


@every_family
def test_input_that_the_upstream_had_cached_is_told(rich: Caller, model: str) -> None:
    usage = rich.told(order("cached=64"), model)["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 64 <= usage["prompt_tokens"]


@every_family
def test_a_model_that_declines_says_so_and_is_no_error(rich: Caller, model: str) -> None:
    choice = rich.told(order("refuse"), model)["choices"][0]
    assert choice["finish_reason"] == "content_filter"


@every_family
def test_a_prompt_that_the_upstream_refuses_is_the_callers_mistake(caller: Caller, model: str) -> None:
    response = caller.ask(order("block"), model)
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error"), response.text
    assert error["code"] == "content_policy_violation"
    assert caller.funds() == (100 * 10**9, 0)


def test_system_and_developer_messages_may_be_text_or_parts(rich: Caller) -> None:
    marker = mark()
    talk = [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": f"Hello {marker}", "name": "ada"},
        {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
        {"role": "user", "content": "And?"},
    ]
    for model in FAMILIES:
        assert rich.post({"model": model, "messages": talk}).status_code == 200
    assert rich.stack.heard(marker)[0]["body"]["messages"][2]["name"] == "ada"


# ---- parameters

ACCEPTED: list[dict[str, Any]] = [
    {"store": True},
    {"store": False, "metadata": {"k" * 64: "v" * 512}},
    {"metadata": {str(i): "" for i in range(16)}},
    {"frequency_penalty": -2},
    {"frequency_penalty": 2.0},
    {"presence_penalty": -2},
    {"presence_penalty": 2},
    {"logit_bias": {"50256": -100, "11": 100}},
    {"logprobs": True},
    {"logprobs": True, "top_logprobs": 0},
    {"logprobs": True, "top_logprobs": 20},
    {"max_tokens": 1},
    {"max_tokens": 16384},
    {"max_completion_tokens": 1},
    {"max_completion_tokens": 16384},
    {"n": 1},
    {"n": 128, "max_tokens": 1},
    {"modalities": ["text"]},
    {"prediction": {"type": "content", "content": "Hello"}},
    {"prediction": {"type": "content", "content": [{"type": "text", "text": "Hello"}]}},
    {"response_format": {"type": "text"}},
    {"seed": 7},
    {"seed": 2**63 - 1},
    {"seed": -(2**63)},
    {"service_tier": "auto"},
    {"service_tier": "default"},
    {"stop": "x"},
    {"stop": ["a", "b", "c", "d"]},
    {"stop": []},
    {"stream": False},
    {"temperature": 0},
    {"temperature": 2},
    {"top_p": 0},
    {"top_p": 1},
    {"tools": [WEATHER], "tool_choice": "auto"},
    {"tools": [WEATHER], "tool_choice": "none"},
    {"tools": [WEATHER], "tool_choice": "required"},
    {"tools": [WEATHER], "tool_choice": tool("get_weather")},
    {"tools": [WEATHER], "parallel_tool_calls": True},
    {"tools": []},
    {"parallel_tool_calls": True},
    {"tool_choice": "none"},
    {"user": "user-1234"},
    {"functions": [{"name": "f"}], "function_call": "auto"},
    {"functions": [{"name": "f"}], "function_call": "none"},
    {"functions": [{"name": "f", "parameters": {"type": "object"}}], "function_call": {"name": "f"}},
    {"function_call": "none"},
    {"verbosity": "low"},
    {"prompt_cache_key": "k", "safety_identifier": "s"},
]
NULLABLE = (
    "store", "metadata", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "max_tokens",
    "max_completion_tokens", "n", "modalities", "prediction", "audio", "presence_penalty", "seed", "service_tier",
    "stop", "stream", "stream_options", "temperature", "top_p",
)  # fmt: skip


@pytest.mark.parametrize("fields", ACCEPTED, ids=lambda f: json.dumps(f)[:60])
@pytest.mark.parametrize("path", [CHAT, "/api" + CHAT])
def test_every_parameter_of_the_reference_is_accepted(rich: Caller, fields: dict[str, Any], path: str) -> None:
    response = rich.ask("Hello!", path=path, **fields)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("seed", [9223372036854776000, -9223372036854776000])
@every_family
def test_the_seeds_bounds_are_accepted_as_the_reference_prints_them(rich: Caller, model: str, seed: int) -> None:
    response = rich.ask("Hello!", model, seed=seed)
    assert response.status_code == 200, response.text


def test_every_parameter_that_may_be_null_may_be_null(rich: Caller) -> None:
    response = rich.ask("Hello!", **dict.fromkeys(NULLABLE))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("model", [m for m in FAMILIES if m != "gpt-4o"])
def test_tuning_that_a_vendor_lacks_is_dropped_and_not_refused(rich: Caller, model: str) -> None:
    fields = {
        "temperature": 1.7, "top_p": 0.5, "frequency_penalty": 1, "presence_penalty": 1, "seed": 1, "store": True,
        "logit_bias": {"1": 1}, "metadata": {"a": "b"}, "service_tier": "default", "verbosity": "low",
        "prediction": {"type": "content", "content": "x"}, "prompt_cache_key": "k", "parallel_tool_calls": True,
        "user": "u", "reasoning_effort": "low",
    }  # fmt: skip
    response = rich.ask("Hello!", model, **fields)
    assert response.status_code == 200, response.text


def test_openai_gets_every_parameter_unchanged(rich: Caller) -> None:
    marker = mark()
    fields = {
        "store": True, "metadata": {"a": "b"}, "frequency_penalty": 0.5, "presence_penalty": -0.5,
        "logit_bias": {"1": 1}, "seed": 5, "service_tier": "default", "temperature": 0.3, "top_p": 0.9,
        "user": "me", "prompt_cache_key": "k", "safety_identifier": "s", "logprobs": True, "top_logprobs": 3,
        "stop": ["x"], "n": 2, "max_tokens": 50, "prediction": {"type": "content", "content": "c"},
    }  # fmt: skip
    reply = rich.told(f"Hello {marker}", **fields)
    assert reply["service_tier"] == "default"
    (heard,) = rich.stack.heard(marker)
    assert {name: heard["body"].get(name) for name in fields} == fields


def many_tools(count: int) -> list[dict[str, Any]]:
    return [tool(f"tool_{i}") for i in range(count)]


BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("frequency_penalty", {"frequency_penalty": -2.01}),
    ("frequency_penalty", {"frequency_penalty": 2.01}),
    ("frequency_penalty", {"frequency_penalty": "1"}),
    ("presence_penalty", {"presence_penalty": -2.01}),
    ("presence_penalty", {"presence_penalty": 2.01}),
    ("logit_bias", {"logit_bias": {"1": 100.5}}),
    ("logit_bias", {"logit_bias": {"1": -101}}),
    ("logit_bias", {"logit_bias": [1]}),
    ("logprobs", {"logprobs": "yes"}),
    ("top_logprobs", {"top_logprobs": 1}),
    ("top_logprobs", {"logprobs": True, "top_logprobs": 21}),
    ("top_logprobs", {"logprobs": True, "top_logprobs": -1}),
    ("max_tokens", {"max_tokens": -1}),
    ("max_tokens", {"max_tokens": 1.5}),
    ("max_tokens", {"max_tokens": "100"}),
    ("max_completion_tokens", {"max_completion_tokens": -1}),
    ("n", {"n": 0}),
    ("n", {"n": 129}),
    ("n", {"n": True}),
    ("modalities", {"modalities": ["video"]}),
    ("modalities", {"modalities": "text"}),
    ("audio", {"modalities": ["text", "audio"]}),
    ("audio", {"audio": {"voice": "alloy", "format": "vinyl"}}),
    ("prediction", {"prediction": {"type": "guess", "content": "x"}}),
    ("prediction", {"prediction": "x"}),
    ("metadata", {"metadata": {str(i): "" for i in range(17)}}),
    ("metadata", {"metadata": {"k" * 65: ""}}),
    ("metadata", {"metadata": {"k": "v" * 513}}),
    ("metadata", {"metadata": {"k": 1}}),
    ("store", {"store": "yes"}),
    ("response_format", {"response_format": {"type": "xml"}}),
    ("response_format", {"response_format": "json"}),
    ("response_format", {"response_format": {"type": "json_schema"}}),
    ("response_format", {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}),
    ("response_format", {"response_format": {"type": "json_schema", "json_schema": {"name": "a b"}}}),
    ("seed", {"seed": 9223372036854776001}),
    ("seed", {"seed": -9223372036854776001}),
    ("seed", {"seed": 1.5}),
    ("service_tier", {"service_tier": "platinum"}),
    ("stop", {"stop": ["a", "b", "c", "d", "e"]}),
    ("stop", {"stop": 1}),
    ("stop", {"stop": [1]}),
    ("stream", {"stream": "true"}),
    ("stream_options", {"stream_options": {"include_usage": True}}),
    ("stream_options", {"stream": True, "stream_options": {"include_usage": "yes"}}),
    ("temperature", {"temperature": -0.1}),
    ("temperature", {"temperature": 2.1}),
    ("temperature", {"temperature": "hot"}),
    ("top_p", {"top_p": -0.1}),
    ("top_p", {"top_p": 1.1}),
    ("tools", {"tools": {}}),
    ("tools", {"tools": [{"type": "retrieval"}]}),
    ("tools", {"tools": [tool("two words")]}),
    ("tools", {"tools": [tool("x" * 65)]}),
    ("tools", {"tools": [tool("same"), tool("same")]}),
    ("tools", {"tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]}),
    ("tool_choice", {"tools": [WEATHER], "tool_choice": "any"}),
    ("tool_choice", {"tools": [WEATHER], "tool_choice": tool("unknown")}),
    ("tool_choice", {"tool_choice": "required"}),
    ("tool_choice", {"tools": [WEATHER], "tool_choice": {"type": "function"}}),
    ("parallel_tool_calls", {"parallel_tool_calls": 1}),
    ("user", {"user": 1}),
    ("functions", {"functions": []}),
    ("functions", {"functions": [{"name": f"f{i}"} for i in range(129)]}),
    ("functions", {"functions": [{"name": "f"}], "tools": [WEATHER]}),
    ("function_call", {"functions": [{"name": "f"}], "function_call": {"name": "g"}}),
    ("function_call", {"functions": [{"name": "f"}], "function_call": "required"}),
    ("reasoning_effort", {"reasoning_effort": "extreme"}),
    ("verbosity", {"verbosity": "chatty"}),
    ("web_search_options", {"web_search_options": True}),
    ("model", {"model": None}),
    ("model", {"model": ""}),
    ("model", {"model": ["gpt-4o"]}),
    ("messages", {"messages": []}),
    ("messages", {"messages": None}),
    ("messages", {"messages": "Hello"}),
]
BROKEN_ON_V1: list[tuple[str, dict[str, Any]]] = [
    ("max_tokens", {"max_tokens": 16385}),
    ("max_completion_tokens", {"max_completion_tokens": 16385}),
    ("tools", {"tools": many_tools(65)}),
    ("messages", {"messages": user("x") * 101}),
    ("messages", {"messages": user("x" * 50_001)}),
    ("messages", {"messages": user([{"type": "text", "text": "x" * 25_001}] * 2)}),
    ("messages", {"messages": [{"role": "system", "content": "x" * 50_001}, *user("x")]}),
]


def is_about(param: str | None, field: str) -> bool:
    """`param` names the field, or a place inside it."""
    return param is not None and (param == field or param.startswith((field + ".", field + "[")))


@pytest.mark.parametrize(
    ("field", "fields"), BROKEN + BROKEN_ON_V1, ids=lambda v: v if isinstance(v, str) else json.dumps(v)[:60]
)
def test_a_value_out_of_bounds_is_refused_and_its_field_named(
    rich: Caller, field: str, fields: dict[str, Any]
) -> None:
    response = rich.ask("Hello!", **({"model": "gpt-4o"} | fields))
    assert response.status_code == 422, response.text
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error" and is_about(error["param"], field), error


def test_a_value_out_of_bounds_is_400_on_api_v1(rich: Caller) -> None:
    for field, fields in [*BROKEN, ("tools", {"tools": many_tools(129)})]:
        response = rich.ask("Hello!", path="/api" + CHAT, **({"model": "gpt-4o"} | fields))
        assert response.status_code == 400, (fields, response.text)
        assert is_about(response.json()["error"]["param"], field), (fields, response.text)


@pytest.mark.parametrize("field", ["model", "messages"])
@pytest.mark.parametrize(("path", "status"), [(CHAT, 422), ("/api" + CHAT, 400)])
def test_what_is_required_is_asked_for_by_name(rich: Caller, field: str, path: str, status: int) -> None:
    body: dict[str, Any] = {"model": "gpt-4o", "messages": user("Hello!")}
    del body[field]
    response = rich.post(body, path)
    assert (response.status_code, response.json()["error"]["param"]) == (status, field)


@pytest.mark.parametrize("fields", [
    {"tools": many_tools(64)},
    {"messages": user("x") * 100},
    {"messages": user("é" * 50_000)},
], ids=["64 tools", "100 messages", "50,000 characters"])  # fmt: skip
def test_the_bounds_themselves_are_within_bounds(rich: Caller, fields: dict[str, Any]) -> None:
    response = rich.ask("Hello!", **fields)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("fields", [
    {"tools": many_tools(128)},
    {"messages": user("x") * 101},
    {"messages": user("x" * 60_000)},
    {"max_tokens": 100_000},
], ids=["128 tools", "101 messages", "60,000 characters", "100,000 tokens"])  # fmt: skip
def test_api_v1_has_the_models_own_limits(rich: Caller, stack: Stack, fields: dict[str, Any]) -> None:
    response = rich.ask("Hello!", path="/api" + CHAT, **fields)
    assert response.status_code == 200, response.text


def test_a_bound_beyond_the_models_own_is_lowered_to_it(rich: Caller) -> None:
    marker = mark()
    rich.ask(f"Hello {marker}", path="/api" + CHAT, max_tokens=100_000)
    assert rich.stack.heard(marker)[0]["body"]["max_tokens"] == 16_384
