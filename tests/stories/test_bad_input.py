"""What nobody should send, and what upstreams should not answer: a sentence in JSON every time, never a 500."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stories.stack import CHAT, Caller, Stack, mark, order, refusal, user

API = "/api" + CHAT
both_surfaces = pytest.mark.parametrize(("path", "status"), [(CHAT, 422), (API, 400)])
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


# ---- bodies


@both_surfaces
@pytest.mark.parametrize("body", [
    b"", b"{", b"nonsense", b"'single': 1", b"{\"model\": \"gpt-4o\",}", b"\xff\xfe\x00", b"null", b"[]", b"7",
    b'"text"', b"true", b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000,
    b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
    b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}], "temperature": Infinity}',
    b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]} and more',
    b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "\\ud800"}], "n": "',
    b"model=gpt-4o&messages=Hello",
], ids=lambda b: repr(b[:24]) if isinstance(b, bytes) else None)  # fmt: skip
def test_what_is_no_json_object_is_the_callers_mistake(rich: Caller, path: str, status: int, body: bytes) -> None:
    refusal(rich.post(body, path), status, "invalid_request_error", "invalid_json")


def with_raw(field: str, value: str) -> bytes:
    """A good body with one more field, whose value is JSON already."""
    body = json.dumps({"model": "gpt-4o", "messages": user("x")})
    return f'{body[:-1]}, "{field}": {value}}}'.encode()


@both_surfaces
@pytest.mark.parametrize("field", ["metadata", "tools", "messages", "logit_bias", "unknown", "prediction"])
def test_deep_nesting_inside_a_field_is_no_internal_error(rich: Caller, path: str, status: int, field: str) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    response = rich.post(with_raw(field, deep), path)
    assert response.status_code == status and response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("depth", [100, 300, 600, 900, 1_200, 5_000])
def test_nesting_of_any_depth_is_no_internal_error(rich: Caller, depth: int) -> None:
    for field in ("metadata", "unknown", "web_search_options"):
        deep = '{"a":' * depth + "1" + "}" * depth
        assert rich.post(with_raw(field, deep)).status_code < 500


def test_a_lone_surrogate_is_no_internal_error(rich: Caller) -> None:
    body = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "\\ud800"}]}'
    assert rich.post(body).status_code in (200, 422)


@both_surfaces
def test_a_huge_body_is_413_and_the_connection_lives_on(rich: Caller, path: str, status: int) -> None:
    refusal(rich.post(b"x" * (33 << 20), path), 413, "invalid_request_error", "request_too_large")
    assert rich.ask(path=path).status_code == 200


def test_a_body_as_large_as_allowed_is_read(rich: Caller) -> None:
    body = {"model": "gpt-4o", "messages": user("Hello!"), "unknown": "x" * (4 << 20)}
    assert rich.post(body).status_code < 500


@pytest.mark.parametrize(("param", "messages"), [
    ("messages[0]", ["Hello!"]),
    ("messages[0]", [{"content": "no role"}]),
    ("messages[0]", [{"role": "wizard", "content": "x"}]),
    ("messages[0]", [{"role": None, "content": "x"}]),
    ("messages[0].content", [{"role": "user"}]),
    ("messages[0].content", [{"role": "user", "content": None}]),
    ("messages[0].content", [{"role": "user", "content": 7}]),
    ("messages[0].content", [{"role": "user", "content": []}]),
    ("messages[0].content", [{"role": "user", "content": {"type": "text"}}]),
    ("messages[0].content[0]", [{"role": "user", "content": ["x"]}]),
    ("messages[0].content[0]", [{"role": "user", "content": [{"type": "hologram"}]}]),
    ("messages[0].content[0]", [{"role": "user", "content": [{"type": "text"}]}]),
    ("messages[0].content[0]", [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
    ("messages[0].content[0].image_url", [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]),
    ("messages[0].content", [{"role": "assistant"}]),
    ("messages[0].tool_call_id", [{"role": "tool", "tool_call_id": "call_1", "content": "x"}]),
    ("messages[0].tool_call_id", [{"role": "tool", "content": "x"}]),
    ("messages[0].name", [{"role": "function", "name": "f", "content": "x"}]),
    ("messages[2].tool_call_id", [
        {"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_2", "content": "x"},
    ]),
    ("messages[0].tool_calls[0]", [{"role": "assistant", "tool_calls": [{"id": "x"}]}]),
    ("messages[0].tool_calls[0].function.arguments", [
        {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]},
    ]),
])  # fmt: skip
@both_surfaces
def test_a_message_that_makes_no_sense_is_named(
    rich: Caller, path: str, status: int, param: str, messages: list[Any]
) -> None:
    response = rich.post({"model": "gpt-4o", "messages": messages}, path)
    assert response.status_code == status, response.text
    told = response.json()["error"]["param"]
    assert told is not None and (told == param or told.startswith((param + ".", param + "["))), response.text


@pytest.mark.parametrize("url", [
    "data:image/png;base64,", "data:image/png;base64,!!!", "data:image/png;base64,abc", "data:image/png,abc",
    "file:///etc/passwd", "javascript:alert(1)", "ftp://example.com/x.png", "just words", "gopher://x",
])  # fmt: skip
def test_an_image_that_is_none_is_named(rich: Caller, url: str) -> None:
    content = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": url}}]
    response = rich.ask(content)
    refusal(response, 422, "invalid_request_error", "invalid_request", "messages[0].content[1].image_url.url")


def test_sounds_and_files_that_are_none_are_named(rich: Caller) -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "!!!", "format": "wav"}}
    file = {"type": "file", "file": {"filename": "a.pdf"}}
    for part, param in ((sound, "input_audio.data"), (file, "file.file_data")):
        assert rich.ask([part]).json()["error"]["param"] == f"messages[0].content[0].{param}"


# ---- paths and methods


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/nothing", "/api/v1/nothing", "/api", "/nothing",
                                  "/v1/chat/completions/", "/v1/chat", "/V1/chat/completions",
                                  "/.env", "/v1/%00", "/v1/..%2f..%2fetc/passwd"])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_that_nobody_serves_is_404_in_json(stack: Stack, path: str, method: str) -> None:
    response = stack.http.request(method, stack.url + path, data=b"{}" if method == "POST" else None,
                                  allow_redirects=False)  # fmt: skip
    if path == "/":
        assert response.status_code < 500  # pages may live there
        return
    refusal(response, 404, "not_found_error", "not_found")


def test_a_doubled_slash_is_answered_in_json(rich: Caller) -> None:
    body = json.dumps({"model": "gpt-4o", "messages": user("Hello!")})
    response = rich.stack.http.post(
        rich.stack.url + "/v1//chat/completions", data=body, headers=rich.headers(), allow_redirects=False
    )
    assert response.headers["Content-Type"] == "application/json" and response.status_code in (200, 404)


@pytest.mark.parametrize("path", [CHAT, API])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_wrong_method_is_405_and_the_right_one_is_told(stack: Stack, path: str, method: str) -> None:
    response = stack.http.request(method, stack.url + path)
    refusal(response, 405, "invalid_request_error", "method_not_allowed")
    assert response.headers["Allow"] == "POST"


def test_head_of_the_chat_path_is_405_without_a_body(stack: Stack) -> None:
    response = stack.http.head(stack.url + CHAT)
    assert response.status_code == 405 and response.content == b""


def test_another_content_type_is_read_as_json_all_the_same(rich: Caller) -> None:
    body = {"model": "gpt-4o", "messages": user("Hello!")}
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert rich.post(body, headers={"Content-Type": kind}).status_code == 200


# ---- upstreams


FAULTS = ("status=500", "status=429", "status=529", "status=401", "html", "badjson", "cut=0")
OTHER_FAULTS = ("status=502", "status=503", "status=403", "status=404", "html status=500")


@pytest.mark.parametrize(("model", "stream", "directive"), [
    *(("gpt-4o", False, fault) for fault in FAULTS + OTHER_FAULTS),
    *(("claude-sonnet-4-5", True, fault) for fault in FAULTS),
    *(("gemini-2.5-flash", False, fault) for fault in FAULTS),
])  # fmt: skip
def test_an_upstream_that_fails_is_503_in_our_words(rich: Caller, model: str, stream: bool, directive: str) -> None:
    text = order(directive)
    if directive == "cut=0" and stream:
        return  # it has begun: see the streams
    response = rich.ask(text, model, stream=stream)
    if response.status_code == 200 and stream and directive == "badjson":
        return  # the same
    code = response.json()["error"]["code"]
    refusal(response, 503, "service_unavailable_error", code)
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    for words in ("<html", "Bad Gateway", "sandbox", "Incorrect API key", "x-api-key", "organization", "127.0.0.1"):
        assert words not in response.text


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_empty_answer_is_an_answer(rich: Caller, model: str, stream: bool) -> None:
    if stream:
        told = rich.stream(order("empty"), model)
        assert told.done and told.error is None and told.text == "" and told.reasons == ["stop"]
    else:
        choice = rich.told(order("empty"), model)["choices"][0]
        assert choice["message"]["content"] == "" and choice["finish_reason"] == "stop"


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"])
def test_a_call_with_broken_arguments_is_handed_on_or_refused_and_never_a_500(rich: Caller, model: str) -> None:
    function = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    fields = {"tools": [{"type": "function", "function": function}], "tool_choice": "required"}
    assert rich.ask(order("badjson", "Weather in Paris"), model, **fields).status_code in (200, 503)


def test_what_the_upstream_refuses_is_told_without_its_secrets(rich: Caller) -> None:
    response = rich.ask(order("status=400"))
    message = refusal(response, 422, "invalid_request_error", "upstream_rejected")
    assert not re.search(r"sk-|org-|req_|https?://", message)


# ---- anything at all

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "model", "messages", "store", "metadata", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs",
    "max_tokens", "max_completion_tokens", "n", "modalities", "prediction", "audio", "presence_penalty",
    "response_format", "seed", "service_tier", "stop", "stream", "stream_options", "temperature", "top_p", "tools",
    "tool_choice", "parallel_tool_calls", "user", "function_call", "functions", "reasoning_effort", "verbosity",
    "web_search_options", "unknown_field",
)  # fmt: skip
parts = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "input_audio", "file", "refusal", "x"])},
    optional={
        "text": st.text(max_size=20),
        "image_url": st.sampled_from([{"url": u} for u in ("https://x.example/", "data:a/b;base64,AA==", "x")]),
        "input_audio": json_values,
        "file": json_values,
        "refusal": st.text(max_size=5),
    },
)  # fmt: skip
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"])},
        optional={
            "content": st.text(max_size=30) | st.lists(parts, max_size=3) | json_values,
            "name": st.text(max_size=5),
            "tool_calls": st.lists(st.just(CALL), max_size=2) | json_values,
            "tool_call_id": st.sampled_from(["call_1", "call_2"]),
            "reasoning_content": st.text(max_size=5),
        },
    ),
    max_size=4,
)
bodies = st.builds(
    lambda base, more: base | more,
    st.fixed_dictionaries({
        "model": st.sampled_from(["auto", "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "deepseek-v4-flash"]),
        "messages": messages | st.just(user("Hello!")),
    }),
    st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=2),
)  # fmt: skip
SLOW = settings(
    max_examples=250,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@SLOW
@given(body=bodies | json_values)
def test_no_body_whatsoever_is_an_internal_error(rich: Caller, body: Any) -> None:
    response = rich.post(json.dumps(body).encode("utf-8", "surrogatepass"))
    assert response.status_code < 500, (body, response.text)
    if response.status_code != 200:
        error = response.json()["error"]
        assert set(error) == {"message", "type", "code", "param"} and error["message"]


@SLOW
@given(body=st.binary(max_size=200))
def test_no_bytes_whatsoever_are_an_internal_error(rich: Caller, body: bytes) -> None:
    assert rich.post(body).status_code in (400, 422)


def test_words_that_look_like_code_are_words(rich: Caller) -> None:
    for text in ("'; DROP TABLE account; --", "{{7*7}}", "%s%n", "\x00", "\u202e", mark() + "\r\n\r\ndata: [DONE]"):
        stream = rich.stream(text)
        assert stream.done and stream.error is None


@pytest.mark.parametrize("name", ["api_base", "api_key", "models", "provider", "best_of"])
def test_what_would_steer_an_upstream_is_no_parameter(rich: Caller, name: str) -> None:
    refusal(rich.ask("Hello!", **{name: "x"}), 422, "invalid_request_error", "invalid_request", name)


def test_a_callers_words_do_not_put_a_model_out_of_use(rich: Caller) -> None:
    response = rich.ask("Hello!", billing_quota_api_key=1)
    assert response.status_code == 422
    ready = rich.stack.http.get(rich.stack.url + "/health/readiness").json()
    assert "openai/gpt-4o" not in ready["cooling"]


def test_a_broken_chunk_is_the_callers_mistake(rich: Caller) -> None:
    head = "\r\n".join(f"{k}: {v}" for k, v in rich.headers().items())
    with socket.create_connection(("127.0.0.1", int(rich.stack.url.rpartition(":")[2])), 5) as raw:
        raw.sendall(
            f"POST {CHAT} HTTP/1.1\r\nHost: x\r\n{head}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode()
        )
        assert raw.recv(12) in (b"HTTP/1.1 422", b"HTTP/1.1 400")
