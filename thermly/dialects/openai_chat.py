"""OpenAI Chat Completions as clients speak it: reading of requests.

Knows: the wire's request and its rules. Must not know: providers, prices, Flask. Writing is in
`openai_chat_writing`, which this module hands on, so that a dialect is one name.
"""

import base64
import binascii
import re
from typing import Any

import msgspec

from thermly import sources
from thermly.dialects import Bounds
from thermly.dialects import openai_types as t
from thermly.dialects.openai_chat_writing import write_error, write_error_event, write_events, write_reply
from thermly.errors import InvalidRequest
from thermly.exchange import (
    ChatRequest,
    Media,
    Message,
    Part,
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

__all__ = ["read_request", "write_error", "write_error_event", "write_events", "write_reply"]

WIRE = "openai"
SEED_BOUND = 9_223_372_036_854_776_000  # as the reference prints it: 2**63, rounded
# Unknown fields pass to OpenAI-like upstreams, but for those by which other gateways and servers let a caller
# choose the upstream, its key or another model, or multiply what is produced.
NOT_FOR_CALLERS = frozenset(
    (
        *("api_base", "api_key", "api_version", "base_url", "extra_body", "extra_headers", "user_config"),
        *("custom_llm_provider", "models", "provider", "route", "fallbacks", "plugins", "transforms"),
        *("best_of", "use_beam_search"),
    )
)
# Words by which other APIs and servers name what is stored in an account, which here would be the operator's.
STORED = frozenset(
    (
        *("assistant_id", "thread_id", "conversation", "previous_response_id", "previous_interaction_id"),
        *("prompt", "prompt_id", "preset", "agent_id", "batch_id", "container", "cached_content", "cachedContent"),
        *("attachments", "files", "file_ids", "vector_store_ids", "data_sources"),
    )
)
NAMED = frozenset(t.ChatBody.__struct_fields__)
MESSAGE_NAMED = {
    role: frozenset(kind.__struct_fields__) | {"role"}
    for role, kind in (
        ("system", t.System),
        ("developer", t.Developer),
        ("user", t.User),
        ("assistant", t.Assistant),
        ("tool", t.ToolMessage),
        ("function", t.Function),
    )
}
_PATH = re.compile(r"^(.*?)(?: - at (?:`key` in )?`\$\.?(.*)`)?$", re.S)
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,")


# msgspec prepares a type at its first use, and a thread that meets a half prepared one crashes the process.
msgspec.json.Decoder(t.ChatBody)


def read_request(body: bytes, bounds: Bounds) -> ChatRequest:
    """Raises InvalidRequest with the offending field in `param`."""
    raw = parse(body)
    try:
        chat = msgspec.convert(raw, t.ChatBody)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None
    if foreign := NOT_FOR_CALLERS & raw.keys():
        name = min(foreign)
        raise InvalidRequest(f"'{name}' is not a parameter of this API.", param=name)
    if stored := [name for name in STORED if raw.get(name) is not None]:
        raise InvalidRequest(f"{min(stored)}: there is nothing stored here that could be named.", param=min(stored))
    _check(chat, bounds)
    wishes = []
    if chat.stream_options and chat.stream_options.include_usage:
        wishes.append("include_usage")
    if chat.functions:
        wishes.append("legacy_functions")
    unnamed = {k: v for k, v in raw.items() if k not in NAMED}
    if chat.safety_identifier is not None:
        unnamed["safety_identifier"] = chat.safety_identifier
    return ChatRequest(
        model=chat.model,
        messages=_Messages(raw["messages"], chat.messages, bounds).read(),
        tools=_tools(chat, raw),
        tool_choice=_choice(chat),
        response_format=_format(chat.response_format),
        stop=(chat.stop,) if isinstance(chat.stop, str) else tuple(chat.stop or ()),
        max_output_tokens=chat.max_completion_tokens or chat.max_tokens,
        output_bound=bounds.max_output_tokens,
        n=chat.n or 1,
        logprobs=bool(chat.logprobs),
        top_logprobs=chat.top_logprobs,
        audio=raw.get("audio") if chat.modalities and "audio" in chat.modalities else None,
        web_search=chat.web_search_options,
        tuning=_tuning(chat, raw),
        stream=bool(chat.stream),
        wishes=tuple(wishes),
        extras={WIRE: unnamed} if unnamed else None,
    )


def parse(body: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises InvalidRequest; NaN and Infinity are no JSON (RFC 8259)."""
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}", code="invalid_json") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.", code="invalid_json") from None
    if not isinstance(raw, dict):
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    return raw


def invalid(error: msgspec.ValidationError) -> InvalidRequest:
    match = _PATH.match(str(error))
    assert match is not None
    text, path = match[1], (match[2] or "").replace("[...]", "")
    if missing := re.match(r"Object missing required field `(\w+)`$", text):
        path = f"{path}.{missing[1]}".lstrip(".")
        text = "Missing required field"
    where = f" at '{path}'" if path else ""
    return InvalidRequest(f"{text.replace('`', chr(39))}{where}.", param=path or None)


def _check(chat: t.ChatBody, bounds: Bounds) -> None:
    """The rules that a type cannot say."""
    if bounds.max_messages is not None and len(chat.messages) > bounds.max_messages:
        raise InvalidRequest(f"At most {bounds.max_messages} messages are allowed.", param="messages")
    if len(chat.tools or ()) > bounds.max_tools:
        raise InvalidRequest(f"At most {bounds.max_tools} tools are allowed.", param="tools")
    most = bounds.max_output_tokens
    for name in ("max_tokens", "max_completion_tokens"):
        value = getattr(chat, name)
        if most is not None and value is not None and value > most:
            raise InvalidRequest(f"{name} must be at most {most}.", param=name)
    if chat.top_logprobs is not None and not chat.logprobs:
        raise InvalidRequest("top_logprobs needs logprobs to be true.", param="top_logprobs")
    if chat.seed is not None and abs(chat.seed) > SEED_BOUND:
        raise InvalidRequest(f"seed must be between -{SEED_BOUND} and {SEED_BOUND}.", param="seed")
    if chat.stream_options is not None and not chat.stream:
        raise InvalidRequest("stream_options is allowed only when stream is true.", param="stream_options")
    _check_audio(chat)
    if chat.tools and chat.functions:
        raise InvalidRequest("functions is deprecated in favor of tools: give one of them.", param="functions")
    names = [tool.function.name for tool in chat.tools or ()] + [f.name for f in chat.functions or ()]
    if len(set(names)) != len(names):
        raise InvalidRequest("Two tools have the same name.", param="tools" if chat.tools else "functions")
    for name in _chosen(chat):
        if name not in names:
            param = "tool_choice" if chat.tools or chat.tool_choice else "function_call"
            raise InvalidRequest(f"{param} names '{name}', which is not among the tools.", param=param)
    if chat.tool_choice == "required" and not chat.tools:
        raise InvalidRequest("tool_choice is 'required' but there are no tools.", param="tool_choice")


def _check_audio(chat: t.ChatBody) -> None:
    if chat.modalities and "audio" in chat.modalities and chat.audio is None:
        raise InvalidRequest("audio is required when modalities asks for audio.", param="audio")
    if chat.audio is not None and chat.audio.voice.startswith("voice_"):
        raise InvalidRequest("audio.voice: there are no stored voices here.", param="audio.voice")


def _chosen(chat: t.ChatBody) -> tuple[str, ...]:
    if isinstance(chat.tool_choice, t.NamedTool):
        return (chat.tool_choice.function.name,)
    if isinstance(chat.tool_choice, t.AllowedTools):
        return tuple(row.function.name for row in chat.tool_choice.allowed_tools.tools)
    return (chat.function_call.name,) if isinstance(chat.function_call, t.Named) else ()


def _choice(chat: t.ChatBody) -> ToolChoice | None:
    chosen, names = chat.tool_choice, _chosen(chat)
    if isinstance(chosen, t.AllowedTools):
        return ToolChoice(chosen.allowed_tools.mode, names)
    if names:
        return ToolChoice("required", names)
    mode = chosen if isinstance(chosen, str) else chat.function_call
    return ToolChoice(mode) if isinstance(mode, str) and (chat.tools or chat.functions) else None


def _tools(chat: t.ChatBody, raw: dict[str, Any]) -> tuple[Tool, ...]:
    if not chat.tools:
        return tuple(Tool(f.name, f.description, f.parameters, f.strict) for f in chat.functions or ())
    rows = zip((tool.function for tool in chat.tools), raw["tools"], strict=True)
    return tuple(
        Tool(f.name, f.description, f.parameters, f.strict, _unnamed(row, "type", "function")) for f, row in rows
    )


def _format(form: t.FormatText | t.FormatJson | t.FormatSchema | None) -> ResponseFormat | None:
    if form is None or isinstance(form, t.FormatText):
        return None
    if isinstance(form, t.FormatJson):
        return ResponseFormat("json_object")
    schema = form.json_schema
    return ResponseFormat("json_schema", schema.schema or {}, schema.name, schema.description, schema.strict)


def _tuning(chat: t.ChatBody, raw: dict[str, Any]) -> Tuning:
    return Tuning(
        temperature=chat.temperature,
        top_p=chat.top_p,
        frequency_penalty=chat.frequency_penalty,
        presence_penalty=chat.presence_penalty,
        seed=chat.seed,
        logit_bias=chat.logit_bias,
        reasoning_effort=chat.reasoning_effort,
        verbosity=chat.verbosity,
        prediction=raw.get("prediction"),
        service_tier=chat.service_tier,
        prompt_cache_key=chat.prompt_cache_key,
        user=chat.user,
        store=chat.store,
        metadata=chat.metadata,
        parallel_tool_calls=chat.parallel_tool_calls,
    )


class _Messages:
    """Reads the messages in order, since a tool result must answer a call made before it."""

    def __init__(self, raw: list[dict[str, Any]], messages: list[t.MessageBody], bounds: Bounds) -> None:
        self._raw, self._messages, self._bounds = raw, messages, bounds
        self._calls: dict[str, str] = {}
        self._legacy = 0

    def read(self) -> tuple[Message, ...]:
        return tuple(self._message(i, m) for i, m in enumerate(self._messages))

    def _message(self, i: int, body: t.MessageBody) -> Message:
        where = f"messages[{i}]"
        most = self._bounds.max_message_chars
        if most is not None and _length(body.content) > most:
            raise InvalidRequest(f"A message may have at most {most} characters.", param=f"{where}.content")
        raw = self._raw[i]
        role = raw["role"]
        if raw.get("audio") is not None:
            raise InvalidRequest(
                f"No sounds are stored here; send what was said as content, at '{where}.audio'.",
                param=f"{where}.audio",
            )
        unnamed = {k: v for k, v in raw.items() if k not in MESSAGE_NAMED[role]}
        if isinstance(body, t.System | t.Developer | t.User | t.Assistant) and body.name is not None:
            unnamed["name"] = body.name
        extras = {WIRE: unnamed} if unnamed else None
        if isinstance(body, t.ToolMessage | t.Function):
            return Message("tool", (self._result(body, raw, where),), extras)
        if isinstance(body, t.Assistant):
            return Message("assistant", self._assistant(body, raw, where), extras)
        return Message(role, _parts(body.content, raw["content"], where), extras)

    def _assistant(self, body: t.Assistant, raw: dict[str, Any], where: str) -> tuple[Part, ...]:
        parts: list[Part] = []
        for field in ("reasoning_content", "reasoning"):
            if text := getattr(body, field):
                parts.append(Reasoning(text, {WIRE: {"field": field}}))
        if body.content is not None:
            parts += _parts(body.content, raw["content"], where)
        if body.refusal:
            parts.append(Refusal(body.refusal))
        for i, call in enumerate(body.tool_calls or ()):
            self._calls[call.id] = call.function.name
            extras = _unnamed(raw["tool_calls"][i], "id", "type", "function")
            parts.append(ToolCall(call.id, call.function.name, call.function.arguments, extras))
        if body.function_call:
            self._legacy += 1
            call_id = f"call_legacy_{self._legacy}"
            self._calls[call_id] = body.function_call.name
            parts.append(ToolCall(call_id, body.function_call.name, body.function_call.arguments))
        if not parts and body.content is None:
            raise InvalidRequest("An assistant message needs content or tool_calls.", param=f"{where}.content")
        return tuple(parts)

    def _result(self, body: t.ToolMessage | t.Function, raw: dict[str, Any], where: str) -> ToolResult:
        if isinstance(body, t.Function):
            made = [i for i, name in self._calls.items() if name == body.name]
            if not made:
                raise InvalidRequest(
                    f"No function_call to '{body.name}' comes before its result.", param=f"{where}.name"
                )
            return ToolResult(made[-1], (Text(body.content or ""),), body.name)
        name = self._calls.get(body.tool_call_id)
        if name is None:
            raise InvalidRequest(
                f"No tool call with the id '{body.tool_call_id}' comes before its result.",
                param=f"{where}.tool_call_id",
            )
        parts = _parts(body.content, raw["content"], where)
        return ToolResult(body.tool_call_id, parts, name)  # type: ignore[arg-type]


def _unnamed(raw: dict[str, Any], *named: str) -> dict[str, dict[str, Any]] | None:
    """What a client sent beyond the fields that have a word here."""
    unnamed = {k: v for k, v in raw.items() if k not in named}
    return {WIRE: unnamed} if unnamed else None


def _length(content: Any) -> int:
    if isinstance(content, str):
        return len(content)
    return sum(len(p.text) for p in content or () if isinstance(p, t.TextPart))


def _parts(content: Any, raw: Any, where: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    if not content:
        raise InvalidRequest("content must not be an empty list.", param=f"{where}.content")
    return tuple(_part(p, raw[i], f"{where}.content[{i}]") for i, p in enumerate(content))


def _part(part: Any, raw: Any, where: str) -> Part:
    if isinstance(part, t.TextPart):
        return Text(part.text, _unnamed(raw, "type", "text"))
    if isinstance(part, t.RefusalPart):
        return Refusal(part.refusal)
    if isinstance(part, t.ImagePart):
        detail = part.image_url.detail
        extras = {WIRE: {"detail": detail}} if detail else None
        where = f"{where}.image_url.url"
        media_type, data, url = _source(part.image_url.url, where)
        if url is None:
            media_type = sources.image_type(media_type, where)
        return Media("image", media_type, data, url, extras=extras)
    if isinstance(part, t.AudioPart):
        _base64(part.input_audio.data, f"{where}.input_audio.data")
        media_type = "audio/" + {"mp3": "mpeg"}.get(part.input_audio.format, part.input_audio.format)
        return Media("audio", media_type, part.input_audio.data)
    return _file(part.file, f"{where}.file")


def _file(facts: t.FileFacts, where: str) -> Media:
    if facts.file_id is not None:
        raise InvalidRequest(
            f"There are no stored files here; send file_data, at '{where}.file_id'.", param=f"{where}.file_id"
        )
    if not facts.file_data:
        raise InvalidRequest("A file needs file_data.", param=f"{where}.file_data")
    if not facts.file_data.startswith("data:"):
        _base64(facts.file_data, f"{where}.file_data")
        return Media("file", "application/pdf", facts.file_data, name=facts.filename)
    media_type, data, _ = _source(facts.file_data, f"{where}.file_data")
    return Media("file", media_type, data, name=facts.filename)


def _source(url: str, where: str) -> tuple[str | None, str | None, str | None]:
    """(media type, base64 data, None) of a data URL, or (None, None, url)."""
    if url.startswith(("https://", "http://")):
        sources.check_address(url, where)
        return None, None, url
    match = _DATA_URL.match(url)
    if match is None:
        raise InvalidRequest("Expected an http(s) URL or a base64 data URL.", param=where)
    data = url[match.end() :]
    _base64(data, where)
    return match[1], data, None


def _base64(data: str, where: str) -> None:
    try:
        if not base64.b64decode(data, validate=True):
            raise InvalidRequest("The base64 data is empty.", param=where)
    except (binascii.Error, ValueError):
        raise InvalidRequest("The data is not valid base64.", param=where) from None
