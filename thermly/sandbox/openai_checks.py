"""What OpenAI refuses of a Chat Completions request, in its own words.

Bounds, roles and tool results hold for everyone on this wire; unknown parameters and the rules of reasoning
models only for OpenAI's own models. Knows nothing of replies.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from thermly.sandbox.values import JSON
from thermly.sandbox.wire import Refused, objects_left_open

_OWN = re.compile(r"^(ft:)?(gpt-(?!oss)|chatgpt-|o\d)")
_REASONING = re.compile(r"^(ft:)?(o\d|gpt-[5-9])(?!.*-chat)")
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_TOOL_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_KNOWN_WORDS = """
    audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens
    messages metadata modalities model moderation n parallel_tool_calls prediction presence_penalty
    prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort response_format
    safety_identifier seed service_tier stop store stream stream_options temperature tool_choice tools
    top_logprobs top_p user verbosity web_search_options
"""
_KNOWN = frozenset(_KNOWN_WORDS.split())
_BOUNDS = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "n": (1, 128),
    "max_tokens": (1, None),
    "max_completion_tokens": (1, None),
    "top_logprobs": (0, 20),
}
_NOT_WHEN_REASONING = (
    "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs",
)  # fmt: skip


def is_own(model: str) -> bool:
    return bool(_OWN.match(model))


def is_reasoning(model: str) -> bool:
    return bool(_REASONING.match(model))


def check_chat(body: JSON) -> None:
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Refused(400, "you must provide a model parameter")
    if "messages" not in body:
        raise _bad("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if is_own(body["model"]):
        _check_own(body)
    _check_bounds(body)
    _check_messages(body["messages"])
    _check_tools(body)
    _check_format(body)
    if body.get("stream_options") and not body.get("stream"):
        raise _bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")


def _bad(message: str, param: str | None = None, code: str | None = None) -> Refused:
    return Refused(400, message, param=param, code=code)


def _check_own(body: JSON) -> None:
    for name in body:
        if name not in _KNOWN:
            raise _bad(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    if not is_reasoning(body["model"]):
        if body.get("reasoning_effort") is not None:
            raise _bad("Unrecognized request argument supplied: reasoning_effort")
        return
    if body.get("max_tokens") is not None:
        message = "Unsupported parameter: 'max_tokens' is not supported with this model. "
        raise _bad(message + "Use 'max_completion_tokens' instead.", "max_tokens", "unsupported_parameter")
    if body.get("temperature") not in (None, 1):
        message = f"Unsupported value: 'temperature' does not support {body['temperature']} with this model. "
        raise _bad(message + "Only the default (1) value is supported.", "temperature", "unsupported_value")
    for name in _NOT_WHEN_REASONING:
        if body.get(name):
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise _bad(message, name, "unsupported_parameter")


def _check_bounds(body: JSON) -> None:
    for name, (low, high) in _BOUNDS.items():
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _bad(f"Invalid type for '{name}': expected a number.", name, "invalid_type")
        if value < low:
            message = f"Invalid '{name}': expected a value >= {low}, but got {value} instead."
            raise _bad(
                message, name, "integer_below_min_value" if isinstance(low, int) else "decimal_below_min_value"
            )
        if high is not None and value > high:
            message = f"Invalid '{name}': expected a value <= {high}, but got {value} instead."
            raise _bad(message, name, "decimal_above_max_value")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise _bad("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
    if body.get("top_logprobs") and not body.get("logprobs"):
        raise _bad("'top_logprobs' requires 'logprobs' to be true.", "top_logprobs")
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        raise _bad("Invalid 'stop': array too long. Expected at most 4 elements.", "stop", "array_above_max_length")


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        message = "Invalid 'messages': empty array. Expected an array with minimum length 1."
        raise _bad(message, "messages", "empty_array")
    waiting: set[str] = set()
    for i, message in enumerate(messages):
        at = f"messages.[{i}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            allowed = ", ".join(f"'{role}'" for role in _ROLES)
            raise _bad(
                f"Invalid value for '{at}.role'. Supported values are: {allowed}.", f"{at}.role", "invalid_value"
            )
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                text = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                raise _bad(f"Invalid parameter: {text}", f"{at}.role")
            waiting.discard(message["tool_call_id"])
            continue
        _check_answered(waiting, at)
        waiting = {str(call.get("id")) for call in message.get("tool_calls") or ()}
        _check_content(message, at)
    _check_answered(waiting, f"messages.[{len(messages)}]")


def _check_answered(waiting: set[str], at: str) -> None:
    if waiting:
        message = "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        missing = ", ".join(sorted(waiting))
        message += f"'tool_call_id'. The following tool_call_ids did not have response messages: {missing}"
        raise _bad(message, f"{at}.role")


def _check_content(message: JSON, at: str) -> None:
    content = message.get("content")
    if content is None and not (message["role"] == "assistant" and len(message) > 1):
        text = f"Invalid value for 'content': expected a string, got null. ({at})"
        raise _bad(text, f"{at}.content")
    for j, part in enumerate(content if isinstance(content, list) else ()):
        if part.get("type") == "image_url":
            _check_image(str((part.get("image_url") or {}).get("url", "")))
        elif part.get("type") == "file":
            _check_file(part.get("file") or {}, f"{at}.content[{j}].file")


def _check_image(url: str) -> None:
    head, _, data = url.partition(";base64,")
    try:
        if head.startswith("data:"):
            base64.b64decode(data, validate=True)
    except binascii.Error:
        message = "Invalid base64 image_url."
        raise _bad(message, None, "invalid_base64") from None
    if not head.startswith(("data:image/", "http://", "https://")):
        raise _bad("Invalid image URL: expected a valid URL, but got a value with an invalid format.")


def _check_file(file: JSON, at: str) -> None:
    """Data without a name is no file to OpenAI, which then misses the other form of one."""
    if not file.get("file_id") and not (file.get("file_data") and file.get("filename")):
        message = f"Missing required parameter: '{at}.file_id'."
        raise _bad(message, f"{at}.file_id", "missing_required_parameter")


def _check_tools(body: JSON) -> None:
    tools = body.get("tools")
    for name in ("tool_choice", "parallel_tool_calls"):
        if not tools and body.get(name) not in (None, "none"):
            raise _bad(f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.", name)
    for i, tool in enumerate(tools or ()):
        function = tool.get("function") or {}
        if tool.get("type") == "function" and not _TOOL_NAME.match(str(function.get("name", ""))):
            at = f"tools[{i}].function.name"
            raise _bad(f"Invalid '{at}': it does not match '^[a-zA-Z0-9_-]+$'.", at, "invalid_value")
        if function.get("strict"):
            _check_strict(function.get("parameters") or {}, f"function '{function['name']}'")


def _check_format(body: JSON) -> None:
    response_format = body.get("response_format") or {}
    if response_format.get("type") == "json_object":
        if "json" not in str(body["messages"]).lower():
            message = "'messages' must contain the word 'json' in some form, to use 'response_format' of type "
            raise _bad(message + "'json_object'.", "messages")
    elif response_format.get("type") == "json_schema":
        named = response_format.get("json_schema") or {}
        if not _TOOL_NAME.match(str(named.get("name", ""))):
            at = "response_format.json_schema.name"
            raise _bad(f"Missing required parameter: '{at}'.", at, "missing_required_parameter")
        if named.get("strict"):
            _check_strict(named.get("schema") or {}, f"response_format '{named['name']}'")


def _check_strict(schema: JSON, what: str) -> None:
    for path in objects_left_open(schema):
        text = f"In context={path!r}, 'additionalProperties' is required to be supplied and to be false."
        raise _bad(f"Invalid schema for {what}: {text}", "response_format", "invalid_json_schema")
    properties, required = schema.get("properties") or {}, schema.get("required") or []
    missing = [name for name in properties if name not in required]
    if missing:
        text = "In context=(), 'required' is required to be supplied and to be an array including every key in "
        text = f"Invalid schema for {what}: {text}properties. Missing '{missing[0]}'."
        raise _bad(text, "response_format", "invalid_json_schema")
