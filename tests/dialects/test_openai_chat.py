"""OpenAI's chat as values: requests read into the exchange, replies and chunks written from it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from thermly.dialects import Bounds, Label
from thermly.dialects.openai_chat import read_request, write_error, write_error_event, write_events, write_reply
from thermly.errors import InvalidRequest, RateLimited, kinds
from thermly.exchange import (
    Begin,
    ChatRequest,
    Choice,
    Done,
    End,
    Event,
    KeepAlive,
    Media,
    Message,
    PartBegin,
    PartDelta,
    PartEnd,
    Reasoning,
    Refusal,
    Reply,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Tuning,
    Usage,
    replay,
)

FREE = Bounds(max_tools=128)
LABEL = Label("thermo-1", 1_700_000_000, "gpt-4o", "gpt-4o", 2, False)
USAGE = Usage(10, 4, output_tokens=6, reasoning_tokens=2)
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def read(bounds: Bounds = FREE, **fields: Any) -> ChatRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    return read_request(json.dumps(body).encode(), bounds)


def said(*messages: dict[str, Any]) -> tuple[Message, ...]:
    return read(messages=list(messages)).messages


# ---- requests


def test_the_least_request() -> None:
    assert read() == ChatRequest("m", (Message("user", (Text("hi"),)),))


@pytest.mark.parametrize(("fields", "name", "value"), [
    ({"max_tokens": 5}, "max_output_tokens", 5),
    ({"max_completion_tokens": 7}, "max_output_tokens", 7),
    ({"max_tokens": 5, "max_completion_tokens": 7}, "max_output_tokens", 7),
    ({"stop": "x"}, "stop", ("x",)),
    ({"stop": ["x", "y"]}, "stop", ("x", "y")),
    ({"stop": None}, "stop", ()),
    ({"n": 3}, "n", 3),
    ({"n": None}, "n", 1),
    ({"logprobs": True, "top_logprobs": 2}, "top_logprobs", 2),
    ({"stream": True}, "stream", True),
    ({"stream": True, "stream_options": {"include_usage": True}}, "wishes", ("include_usage",)),
    ({"stream": True, "stream_options": {"include_usage": False}}, "wishes", ()),
    ({"functions": [{"name": "f"}]}, "wishes", ("legacy_functions",)),
    ({"functions": [{"name": "f"}]}, "tools", (Tool("f"),)),
    ({"tools": []}, "tools", ()),
    ({"tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"a": 1},
                                                   "strict": True}}]}, "tools", (Tool("f", "d", {"a": 1}, True),)),
    ({"tool_choice": "none"}, "tool_choice", None),
    ({"functions": [{"name": "f"}], "function_call": {"name": "f"}}, "tool_choice", ToolChoice("required", ("f",))),
    ({"functions": [{"name": "f"}], "function_call": "none"}, "tool_choice", ToolChoice("none")),
    ({"response_format": {"type": "text"}}, "response_format", None),
    ({"response_format": {"type": "json_object"}}, "response_format", ResponseFormat("json_object")),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"},
                                                                   "strict": True}}},
     "response_format", ResponseFormat("json_schema", {"type": "object"}, "s", None, True)),
    ({"modalities": ["text"], "audio": {"voice": "v", "format": "mp3"}}, "audio", None),
    ({"modalities": ["text", "audio"], "audio": {"voice": "v", "format": "mp3"}}, "audio",
     {"voice": "v", "format": "mp3"}),
    ({"web_search_options": {}}, "web_search", {}),
    ({"temperature": 0.5, "top_p": 1, "seed": 3, "store": True}, "tuning",
     Tuning(temperature=0.5, top_p=1.0, seed=3, store=True)),
    ({"unheard_of": [1]}, "extras", {"openai": {"unheard_of": [1]}}),
    ({"safety_identifier": "s"}, "extras", {"openai": {"safety_identifier": "s"}}),
])  # fmt: skip
def test_each_parameter_has_its_place(fields: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(read(**fields), name) == value


@pytest.mark.parametrize(("choice", "wanted"), [
    ("auto", ToolChoice("auto")),
    ("required", ToolChoice("required")),
    ({"type": "function", "function": {"name": "f"}}, ToolChoice("required", ("f",))),
    ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"function": {"name": "f"}}]}},
     ToolChoice("auto", ("f",))),
])  # fmt: skip
def test_a_tool_choice_has_its_place(choice: Any, wanted: ToolChoice) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert read(tools=tools, tool_choice=choice).tool_choice == wanted


def test_the_surfaces_bound_goes_with_the_request() -> None:
    assert read(Bounds(64, max_output_tokens=100)).output_bound == 100 and read().output_bound is None


@pytest.mark.parametrize(("message", "wanted"), [
    ({"role": "system", "content": "s"}, Message("system", (Text("s"),))),
    ({"role": "developer", "content": [{"type": "text", "text": "d"}]}, Message("developer", (Text("d"),))),
    ({"role": "user", "content": "u", "name": "n"}, Message("user", (Text("u"),), {"openai": {"name": "n"}})),
    ({"role": "user", "content": "u", "new": 1}, Message("user", (Text("u"),), {"openai": {"new": 1}})),
    ({"role": "assistant", "content": "a", "refusal": "r"}, Message("assistant", (Text("a"), Refusal("r")))),
    ({"role": "assistant", "content": None, "tool_calls": [CALL]},
     Message("assistant", (ToolCall("c1", "f", "{}"),))),
    ({"role": "assistant", "content": "a", "reasoning_content": "t"},
     Message("assistant", (Reasoning("t", {"openai": {"field": "reasoning_content"}}), Text("a")))),
    ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y", "detail": "low"}}]},
     Message("user", (Media("image", url="https://x/y", extras={"openai": {"detail": "low"}}),))),
    ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
     Message("user", (Media("image", "image/png", "AAAA"),))),
    ({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}]},
     Message("user", (Media("audio", "audio/mpeg", "AAAA"),))),
    ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA"}}]},
     Message("user", (Media("image", "image/jpeg", "AAAA"),))),
    ({"role": "user", "content": [{"type": "file", "file": {"file_data": "data:text/plain;base64,AAAA"}}]},
     Message("user", (Media("file", "text/plain", "AAAA"),))),
    ({"role": "user", "content": [{"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}}]},
     Message("user", (Text("t", {"openai": {"cache_control": {"type": "ephemeral"}}}),))),
])  # fmt: skip
def test_each_message_has_its_place(message: dict[str, Any], wanted: Message) -> None:
    assert said(message) == (wanted,)


def test_tool_results_know_the_name_of_their_tool() -> None:
    messages = said(
        {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "c1", "content": "r"}
    )
    assert messages[1] == Message("tool", (ToolResult("c1", (Text("r"),), "f"),))
    legacy = said(
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "r"},
    )
    call, result = legacy[0].parts[0], legacy[1].parts[0]
    assert isinstance(call, ToolCall) and isinstance(result, ToolResult) and call.id == result.call_id


GOOGLES = "https://generativelanguage.googleapis.com/v1beta/files/abc"


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": parts}]}


@pytest.mark.parametrize(("fields", "param"), [
    ({"temperature": 3}, "temperature"),
    ({"metadata": {"k" * 65: "v"}}, "metadata"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "tool", "tool_call_id": "c", "content": ""}]}, "messages[0].tool_call_id"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}] * 2}, "tools"),
    ({"seed": 2**64}, "seed"),
    ({"top_logprobs": 1}, "top_logprobs"),
    ({"model": 1}, "model"),
    (user({"type": "file", "file": {"file_id": "file-1"}}), "messages[0].content[0].file.file_id"),
    (user({"type": "file", "file": {"file_id": "file-1", "file_data": "AAAA"}}),
     "messages[0].content[0].file.file_id"),
    (user({"type": "image_url", "image_url": {"url": "data:text/html;base64,AAAA"}}),
     "messages[0].content[0].image_url.url"),
    (user({"type": "image_url", "image_url": {"url": "data:;base64,AAAA"}}),
     "messages[0].content[0].image_url.url"),
    (user({"type": "image_url", "image_url": {"url": GOOGLES}}), "messages[0].content[0].image_url.url"),
    ({"messages": [{"role": "assistant", "content": "a", "audio": {"id": "audio_1"}}]}, "messages[0].audio"),
    ({"modalities": ["audio"], "audio": {"voice": {"id": "voice_1"}, "format": "wav"}}, "audio.voice"),
    ({"modalities": ["audio"], "audio": {"voice": "voice_1", "format": "wav"}}, "audio.voice"),
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ({"container": "cntr_1"}, "container"),
    ({"data_sources": [{"type": "azure_search"}]}, "data_sources"),
])  # fmt: skip
def test_a_refusal_names_the_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param and "`" not in caught.value.message


@pytest.mark.parametrize(("bounds", "fields", "param"), [
    (Bounds(1), {"tools": [{"type": "function", "function": {"name": n}} for n in "ab"]}, "tools"),
    (Bounds(1, max_messages=1), {"messages": [{"role": "user", "content": "x"}] * 2}, "messages"),
    (Bounds(1, max_message_chars=3), {"messages": [{"role": "user", "content": "abcd"}]}, "messages[0].content"),
    (Bounds(1, max_output_tokens=9), {"max_tokens": 10}, "max_tokens"),
    (Bounds(1, max_output_tokens=9), {"max_completion_tokens": 10}, "max_completion_tokens"),
])  # fmt: skip
def test_the_surfaces_bounds_are_kept(bounds: Bounds, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(bounds, **fields)
    assert caught.value.param == param
    assert read(FREE, **fields)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(body, FREE)
    assert caught.value.code == "invalid_json"


ALL_AT_ONCE = """
import sys, threading
from thermly.dialects import Bounds, openai_chat

sys.setswitchinterval(1e-6)
gate = threading.Barrier(24)

def read():
    gate.wait()
    openai_chat.read_request(b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}', Bounds(64))

threads = [threading.Thread(target=read) for _ in range(24)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_the_first_requests_of_a_process_may_come_all_at_once() -> None:
    """msgspec prepares types lazily and not thread-safely; where it is let, it takes the process down."""
    assert subprocess.run([sys.executable, "-c", ALL_AT_ONCE], timeout=60).returncode == 0


# ---- replies


def wrote(*parts: Any, reason: Any = "stop", wishes: tuple[str, ...] = (), **facts: Any) -> dict[str, Any]:
    request = ChatRequest("m", (), wishes=wishes)
    body = write_reply(Reply((Choice(parts, reason, **facts),), USAGE), request, LABEL)
    choice: dict[str, Any] = json.loads(body)["choices"][0]
    return choice


def test_a_whole_reply() -> None:
    reply = Reply((Choice((Text("Hel"), Text("lo")), "stop"),), USAGE, {"openai": {"system_fingerprint": "fp"}})
    assert json.loads(write_reply(reply, ChatRequest("m", ()), LABEL)) == {
        "id": "thermo-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 6,
            "total_tokens": 16,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 2, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "system_fingerprint": "fp",
        "x_thermostat": {"actual_model": "gpt-4o", "complexity_level": 2, "cached": False},
    }  # fmt: skip


@pytest.mark.parametrize(("parts", "message"), [
    ((), {"content": "", "refusal": None}),
    ((Refusal("No."),), {"content": None, "refusal": "No."}),
    ((Reasoning("Hm."), Text("Yes.")), {"content": "Yes.", "refusal": None, "reasoning_content": "Hm."}),
    ((Text("See"), Media("image", "image/png", "AAAA")),
     {"content": "See![image](data:image/png;base64,AAAA)", "refusal": None}),
])  # fmt: skip
def test_each_part_has_its_place_in_a_message(parts: tuple[Any, ...], message: dict[str, Any]) -> None:
    assert wrote(*parts)["message"] == {"role": "assistant", **message}


def test_calls_are_written_as_tools_or_as_the_function_that_was_asked_for() -> None:
    call = ToolCall("c1", "f", "{}")
    choice = wrote(call, reason="tool_calls")
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": None, "tool_calls": [CALL]}
    legacy = wrote(call, reason="tool_calls", wishes=("legacy_functions",))
    assert legacy["finish_reason"] == "function_call"
    assert legacy["message"]["function_call"] == {"name": "f", "arguments": "{}"}


def test_log_probabilities_and_what_the_vendor_added_are_handed_on() -> None:
    choice = wrote(Text("x"), logprobs=[{"token": "x"}], extras={"openai": {"annotations": []}})
    assert choice["logprobs"] == {"content": [{"token": "x"}], "refusal": None}
    assert choice["message"]["annotations"] == []


# ---- streams


def chunks(events: list[Event], wishes: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    data = b"".join(write_events(events, ChatRequest("m", (), stream=True, wishes=wishes), lambda: LABEL))
    rows = data.decode().split("\n\n")
    assert rows[-2:] == ["data: [DONE]", ""]
    return [json.loads(row.removeprefix("data: ")) for row in rows[:-2] if not row.startswith(":")]


def test_a_whole_stream() -> None:
    events = list(replay(Reply((Choice((Text("Hi"),), "stop"),), USAGE)))
    head = {"id": "thermo-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "gpt-4o"}
    thermostat = {"actual_model": "gpt-4o", "complexity_level": 2, "cached": False}

    def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**head, "choices": [choice], **more}

    assert chunks(events) == [
        chunk({"role": "assistant", "content": "", "refusal": None}, x_thermostat=thermostat),
        chunk({"content": "Hi"}),
        chunk({}, "stop", x_thermostat=thermostat),
    ]
    counted = chunks(events, ("include_usage",))
    assert [c["usage"] for c in counted[:-1]] == [None] * 3
    assert counted[-1]["choices"] == [] and counted[-1]["usage"]["total_tokens"] == 16
    assert counted[-1]["x_thermostat"] == thermostat and "x_thermostat" not in counted[-2]


@pytest.mark.parametrize("text", ['"', "\\", "\n\n", "\x00", "é", "😀", "\u2028", "data: [DONE]", ""])
def test_text_is_written_so_that_it_is_read_again(text: str) -> None:
    deltas = [PartBegin(Text("")), PartDelta(text), PartEnd(Text(text))]
    told = chunks([Begin(), *deltas, End("stop"), Done(USAGE)])
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in told) == text


@pytest.mark.parametrize(("part", "field"), [
    (Reasoning("x"), "reasoning_content"), (Refusal("x"), "refusal"), (Text("x"), "content"),
])  # fmt: skip
def test_each_kind_of_text_has_its_field(part: Any, field: str) -> None:
    told = chunks(list(replay(Reply((Choice((part,), "stop"),), USAGE))))
    assert told[1]["choices"][0]["delta"] == {field: "x"}


def test_calls_are_counted_by_their_index() -> None:
    calls = (ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "[]"))
    told = chunks(list(replay(Reply((Choice(calls, "tool_calls"),), USAGE))))
    rows = [c["choices"][0]["delta"]["tool_calls"][0] for c in told[1:-1]]
    assert [(r["index"], r.get("id"), r["function"]["arguments"]) for r in rows] == [
        (0, "c1", ""), (0, None, "{}"), (1, "c2", ""), (1, None, "[]"),
    ]  # fmt: skip
    assert told[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_silence_is_a_comment_unless_there_is_something_to_say() -> None:
    request = ChatRequest("m", (), stream=True)
    events: list[Event] = [KeepAlive(), Begin(), KeepAlive(), End("stop"), Done(USAGE)]
    told = list(write_events(events, request, lambda: LABEL))
    assert told[0] == b": keep-alive\n\n" and told[-1].endswith(b"data: [DONE]\n\n")
    assert told[1].startswith(b"data: {") and b"".join(told).count(b"keep-alive") == 1, "what waits is told first"


def test_the_label_is_asked_for_only_when_something_is_known() -> None:
    asked = []
    stream = write_events([KeepAlive(), Begin()], ChatRequest("m", ()), lambda: asked.append(1) or LABEL)
    next(stream)
    assert asked == []
    next(stream)
    assert asked == [1]


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_refusal_can_be_written(kind: str) -> None:
    told = json.loads(write_error(kinds()[kind]("A sentence.", param="p")))["error"]
    assert set(told) == {"message", "type", "code", "param"} and told["type"] and told["code"]


def test_an_error_in_a_stream_is_an_event() -> None:
    told = write_error_event(RateLimited("Slow down."))
    assert told.startswith(b'data: {"error":') and told.endswith(b"}\n\n") and b"[DONE]" not in told
