"""Every answer and every event of a stream is what OpenAI's own schemas say, whoever made it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
import requests
from official.schemas import check, check_error, check_event, openai, openai_events

from stories import test_embed as embed
from stories.stack import Caller, Stack, order, wait_for
from stories.test_chat import PIXEL
from stories.test_chat import WEATHER as CHAT_WEATHER
from stories.test_embeddings import EMBED
from stories.test_images import FLARE, GEMINI, IMAGES, LATER, SD, finished
from stories.test_responses import JSON, PATH, QUESTION, WEATHER, Stream, ask, get, opened
from thermly.dialects import Bounds
from thermly.dialects.responses import Writer, opening, read_request, write_error_event, write_events
from thermly.errors import ContentRefused
from thermly.exchange import Choice, Media, Part, Reasoning, Refusal, Reply, Text, ToolCall, Usage, replay

FAMILIES = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORMAT = {"type": "json_schema", "name": "place", "schema": {**SCHEMA, "additionalProperties": False}}
THOUGHTS = "reasoning.encrypted_content"
LONG = order("chunks=60 interval_ms=100", "Tell me a long story.")
SEEN: list[Any] = [
    {"type": "input_text", "text": "What is this?"},
    {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
]
TURNS: list[Any] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": SEEN},
    {"role": "assistant", "content": "A pixel."},
    {"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "sunny"},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
    {"role": "user", "content": "And now?"},
]
# What is asked for -> the request.
ASKED: dict[str, JSON] = {
    "text": {"input": "Hello!"},
    "calls": {"input": QUESTION, "tools": [WEATHER], "parallel_tool_calls": True},
    "one call": {"input": QUESTION, "tools": [{**WEATHER, "strict": False}],
                 "tool_choice": {"type": "function", "name": "get_weather"}},
    "allowed": {"input": QUESTION, "tools": [WEATHER], "tool_choice": {
        "type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "get_weather"}]}},
    "thoughts": {"input": order("reason", "Why?"), "reasoning": {"effort": "low", "summary": "auto"},
                 "include": [THOUGHTS]},
    "thoughts and calls": {"input": order("reason", QUESTION), "tools": [WEATHER], "include": [THOUGHTS]},
    "schema": {"input": "Where?", "text": {"format": FORMAT}},
    "object": {"input": "Where? Answer in JSON.", "text": {"format": {"type": "json_object"}}},
    "declined": {"input": order("refuse")},
    "cut": {"input": order("tokens=400"), "max_output_tokens": 30},
    "empty": {"input": order("empty")},
    "turns": {"input": TURNS, "tools": [WEATHER]},
    "settings": {"input": "Hello!", "instructions": "Be brief.", "metadata": {"a": "b"}, "temperature": 0.5,
                 "top_p": 0.9, "store": False, "user": "u", "safety_identifier": "s", "service_tier": "auto",
                 "prompt_cache_key": "k", "prompt_cache_retention": "24h", "truncation": "disabled"},
}  # fmt: skip
every_family = pytest.mark.parametrize("model", FAMILIES)
every_request = pytest.mark.parametrize("asked", ASKED)


def good(response: requests.Response) -> JSON:
    assert response.status_code == 200, response.text
    body: JSON = response.json()
    return body


def told(caller: Caller, model: str, body: JSON, path: str = PATH) -> JSON:
    return check("Response", good(caller.post({"model": model, **body}, path)))


def kinds_of(found: Iterable[JSON]) -> list[str]:
    return [check_event(event)["type"].removeprefix("response.") for event in found]


def streamed(caller: Caller, model: str, body: JSON) -> list[JSON]:
    data, url = json.dumps({"model": model, "stream": True, **body}), caller.stack.url + PATH
    with requests.post(url, data=data, headers=caller.headers(), stream=True, timeout=60) as response:
        stream = Stream(response).read()
    assert stream.done and kinds_of(stream.events)[0] == "created"
    return stream.events


def listed(caller: Caller, path: str, name: str) -> list[JSON]:
    rows: list[JSON] = check(name, good(get(caller, path, order="asc", limit=100)))["data"]
    return rows


# ---- the measure itself


def test_what_is_wrong_is_found(rich: Caller) -> None:
    response = told(rich, "gpt-4o", {"input": "Hello!"})
    event = {"type": "response.output_text.delta", "sequence_number": 1, "item_id": "m", "output_index": 0,
             "content_index": 0, "delta": "x", "logprobs": []}  # fmt: skip
    check_event(event)
    (item,) = response["output"]
    for name, broken in (
        ("Response", {**response, "status": "done"}),
        ("Response", {**response, "output": [{**item, "type": "function_call"}]}),
        ("Response", {**response, "output": [{**item, "type": "speech"}]}),
        ("ResponseStreamEvent", {**event, "type": "response.output_text.done"}),
        ("ResponseStreamEvent", {**event, "type": "response.unheard_of"}),
        ("ResponseStreamEvent", {**event, "delta": None}),
    ):
        with pytest.raises((AssertionError, ValueError)):
            check_event(broken) if name == "ResponseStreamEvent" else check(name, broken)


def test_the_specification_knows_the_events_and_says_which_field_is_wrong(rich: Caller) -> None:
    assert {"error", "response.created", "response.failed", "response.output_text.delta"} <= openai_events().keys()
    response = told(rich, "gpt-4o", {"input": "Hello!"})
    for missing in ("error", "incomplete_details", "instructions", "tools"):
        (fault,) = openai().faults("Response", {name: value for name, value in response.items() if name != missing})
        assert missing in fault


# ---- responses


@every_family
@every_request
def test_a_whole_response(rich: Caller, model: str, asked: str) -> None:
    response = told(rich, model, ASKED[asked])
    if ASKED[asked].get("store") is not False:
        kept = get(rich, f"{PATH}/{response['id']}", include=THOUGHTS)
        assert check("Response", good(kept))["id"] == response["id"]
        listed(rich, f"{PATH}/{response['id']}/input_items", "ResponseItemList")


@every_family
@every_request
def test_a_stream(rich: Caller, model: str, asked: str) -> None:
    last = streamed(rich, model, ASKED[asked])[-1]
    assert last["type"] in ("response.completed", "response.incomplete")
    if asked in ("calls", "one call", "allowed"):
        assert "function_call" in [item["type"] for item in last["response"]["output"]]
    if asked == "cut":
        assert last["type"] == "response.incomplete"


@every_family
@pytest.mark.parametrize("fault", ["cut=3", "inband=3"])
def test_a_stream_that_fails(rich: Caller, model: str, fault: str) -> None:
    found = streamed(rich, model, {"input": order(f"chunks=10 {fault}")})
    assert found[-1]["type"] == "response.failed"
    check("Response", good(get(rich, f"{PATH}/{found[-1]['response']['id']}")))


def test_a_stream_in_which_nothing_began(rich: Caller) -> None:
    with opened(rich, order("hang=1.2 status=500")) as stream:
        stream.read()
    assert kinds_of(stream.events) == ["error"]


def test_token_rows(rich: Caller) -> None:
    body = {"input": "Hello!", "top_logprobs": 2, "include": ["message.output_text.logprobs"]}
    (message,) = told(rich, "gpt-4o", body)["output"]
    assert message["content"][0]["logprobs"]
    deltas = [e for e in streamed(rich, "gpt-4o", body) if e["type"] == "response.output_text.delta"]
    assert any(delta["logprobs"] for delta in deltas)


PARTS: dict[str, tuple[Part, ...]] = {
    "refusal": (Refusal("No."),),
    "sources": (Text("See."),),
    "picture": (Text("Here: "), Media("image", "image/png", PIXEL)),
    "everything": (Reasoning("Hm.", {"anthropic": {"signature": "s"}}), Text("So."), ToolCall("c", "f", "{}")),
}


@pytest.mark.parametrize("kind", PARTS)
def test_what_no_upstream_says_on_request(kind: str) -> None:
    """Refusals in words and sources: the sandbox has none, the wire does."""
    note = {"type": "url_citation", "url_citation": {
        "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 4}}  # fmt: skip
    extras: Any = {"openai": {"annotations": [note]}} if kind == "sources" else None
    asked = read_request(json.dumps({"model": "m", "input": "x", "include": [THOUGHTS]}).encode(), Bounds(64))
    writer = Writer(opening(asked, "resp_0a1b", 1_700_000_000, "m"), asked.include, lambda: 1_700_000_009)
    reply = Reply((Choice(PARTS[kind], "stop", extras=extras),), Usage(1, output_tokens=1))
    stream = write_events(replay(reply), lambda: writer, lambda response: None)
    found = kinds_of(payloads(b"".join(stream)))
    assert found[-1] == "completed"
    expected = {"refusal": "refusal.done", "sources": "output_text.annotation.added"}
    assert expected.get(kind, "output_item.done") in found
    check("Response", writer.response)


def test_an_error_event() -> None:
    assert kinds_of(payloads(write_error_event(ContentRefused("No.")))) == ["error"]


def payloads(stream: bytes) -> list[JSON]:
    return [json.loads(row) for row in re.findall(r"^data: (\{.*)$", stream.decode(), re.MULTILINE)]


def test_a_deleted_response(rich: Caller) -> None:
    """The specification gives the answer no schema; the guide shows these three fields."""
    response = told(rich, "gpt-4o", {"input": "Hello!"})
    gone = good(get(rich, f"{PATH}/{response['id']}", "DELETE"))
    assert gone == {"id": response["id"], "object": "response", "deleted": True}


# ---- in the background


def at(caller: Caller, made: JSON, *states: str) -> JSON:
    """The response once it is in one of these states; every look at it is checked."""

    def look() -> JSON | None:
        found = check("Response", good(get(caller, f"{PATH}/{made['id']}")))
        return found if found["status"] in states else None

    found = wait_for(look, 30)
    assert found, f"it was never {states}"
    return dict(found)


@every_family
def test_a_background_response_to_its_end(rich: Caller, model: str) -> None:
    made = told(rich, model, {"input": QUESTION, "tools": [WEATHER], "background": True})
    assert made["status"] == "queued"
    assert at(rich, made, "completed")["output"]


@every_family
def test_a_background_response_that_is_cancelled(rich: Caller, model: str) -> None:
    made = told(rich, model, {"input": LONG, "background": True})
    at(rich, made, "in_progress")
    cancelled = check("Response", good(get(rich, f"{PATH}/{made['id']}/cancel", "POST")))
    assert cancelled["status"] == "cancelled"
    assert at(rich, made, "cancelled")["id"] == made["id"]


@every_family
def test_a_background_response_that_fails(rich: Caller, calm: None, model: str) -> None:
    made = told(rich, model, {"input": order("status=500"), "background": True})
    assert at(rich, made, "failed")["error"]["code"] == "server_error"
    rich.stack.calm()


# ---- generated interfaces


@embed.FORMATS
@pytest.mark.parametrize("family", embed.FAMILIES[:3])
def test_a_generated_interface(rich: Caller, family: str, form: str) -> None:
    model = embed.c1(family, form)
    check("Response", good(rich.post(embed.body_of(embed.RESPONSES, model=model), embed.RESPONSES)))
    kinds = kinds_of(embed.events(rich, "Compare tea and coffee", model))
    assert (kinds[0], kinds[-1]) == ("created", "completed")
    check("CreateChatCompletionResponse", good(rich.post(embed.body_of(embed.CHAT, model=model), embed.CHAT)))
    for chunk in embed.streamed(rich, "Hello!", model).chunks:
        check("CreateChatCompletionStreamResponse", chunk)


# ---- conversations


@every_family
@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_a_conversation(rich: Caller, model: str, prefix: str) -> None:
    body = {"metadata": {"a": "b"}, "items": TURNS[:3]}
    made = check("ConversationResource", good(rich.post(body, prefix + "/conversations")))
    path = f"{prefix}/conversations/{made['id']}"
    check("ConversationResource", good(get(rich, path)))
    check("ConversationResource", good(rich.post({"metadata": {"c": "d"}}, path)))
    added = check("ConversationItemList", good(rich.post({"items": TURNS[3:6]}, path + "/items")))["data"]
    assert [item["type"] for item in added] == ["function_call", "function_call_output", "reasoning"]
    told(rich, model, {"input": order("reason", QUESTION), "tools": [WEATHER], "conversation": made["id"]})
    found = listed(rich, path + "/items", "ConversationItemList")
    assert len(found) > 8 and {"message", "function_call"} <= {item["type"] for item in found[6:]}
    for item in found:
        one = check("ConversationItem", good(get(rich, f"{path}/items/{item['id']}")))
        assert one["id"] == item["id"]
    check("ConversationResource", good(get(rich, f"{path}/items/{found[0]['id']}", "DELETE")))
    check("DeletedConversationResource", good(get(rich, path, "DELETE")))


def test_an_empty_list(rich: Caller) -> None:
    made = good(rich.post({}, "/v1/conversations"))
    assert listed(rich, f"/v1/conversations/{made['id']}/items", "ConversationItemList") == []


# ---- chat completions

CHATS: dict[str, tuple[str, JSON]] = {
    "text": ("Hello!", {}),
    "calls": (QUESTION, {"tools": [CHAT_WEATHER]}),
    "thoughts": (order("reason", "Why?"), {}),
    "schema": ("Where?", {"response_format": {"type": "json_schema", "json_schema": {
        "name": "place", "schema": FORMAT["schema"]}}}),
    "declined": (order("refuse"), {}),
    "cut": (order("tokens=400"), {"max_completion_tokens": 30}),
    "empty": (order("empty"), {}),
}  # fmt: skip


@every_family
@pytest.mark.parametrize("asked", CHATS)
def test_a_chat_completion(rich: Caller, model: str, asked: str) -> None:
    text, fields = CHATS[asked]
    check("CreateChatCompletionResponse", rich.told(text, model, **fields))
    for usage in (False, True):
        stream = rich.stream(text, model, stream_options={"include_usage": usage}, **fields)
        assert stream.done and stream.chunks
        for chunk in stream.chunks:
            check("CreateChatCompletionStreamResponse", chunk)


def test_a_chat_completion_with_what_openai_alone_has(rich: Caller) -> None:
    for fields in ({"logprobs": True, "top_logprobs": 2}, {"n": 2}, {"functions": [CHAT_WEATHER["function"]]}):
        check("CreateChatCompletionResponse", rich.told(QUESTION, "gpt-4o", **fields))
        for chunk in rich.stream(QUESTION, "gpt-4o", **fields).chunks:
            check("CreateChatCompletionStreamResponse", chunk)


# ---- embeddings, images, models


@pytest.mark.parametrize("model", ["text-embedding-3-small", "gemini-embedding-2"])
def test_embeddings(rich: Caller, model: str) -> None:
    check("CreateEmbeddingResponse", good(rich.post({"model": model, "input": ["a", "b"]}, EMBED)))


@pytest.mark.parametrize("fields", [{}, {"response_format": "b64_json"}, {"quality": "high"}])
@pytest.mark.parametrize("model", [FLARE, GEMINI, SD])
def test_images(rich: Caller, model: str, fields: JSON) -> None:
    if model != FLARE and "quality" in fields:
        fields = {"n": 2}
    body = {"model": model, "prompt": "a fox", **fields}
    made = good(rich.post(body, IMAGES))
    if model == SD:
        del made["size"], made["quality"]  # the schema lists what OpenAI's own models have
    check("ImagesResponse", made)


def test_the_images_of_a_job(rich: Caller) -> None:
    body = {"model": FLARE, "prompt": "a fox", "size": "1024x1024"}
    made = rich.post(body, IMAGES, LATER)
    assert made.status_code == 202, made.text
    check("ImagesResponse", finished(rich, f"{IMAGES}/{made.json()['id']}")["result"])


def test_models(rich: Caller) -> None:
    for row in check("ListModelsResponse", good(get(rich, "/v1/models")))["data"]:
        assert check("Model", good(get(rich, f"/v1/models/{row['id']}"))) == row


# ---- errors


def test_refusals(stack: Stack, rich: Caller) -> None:
    for response in (
        ask(rich, "x", "gpt-5000"),
        ask(rich, []),
        get(rich, PATH + "/resp_none"),
        get(rich, "/v1/conversations/conv_none"),
        rich.post(b"{", "/v1/chat/completions"),
        rich.post({"model": "gpt-4o", "input": 1}, EMBED),
        rich.post({"model": FLARE, "prompt": "a fox", "n": 0}, IMAGES),
        rich.post({"model": "c1/none"}, embed.CHAT),
        requests.get(stack.url + "/v1/models", timeout=10),
    ):
        assert response.status_code >= 400
        assert check_error(response.json())["error"]["message"]
