"""OpenAI Chat Completions and the many servers that speak it (DeepSeek, Ollama, vLLM …): rows, not files.

Knows: OpenAI's request, reply and chunks (its API reference, "Chat"). Must not know: dialects, money.
A provider row's `options` say where a server differs: `max_tokens` wants that older name for the bound.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from thermly.assembler import Assembler
from thermly.catalog import Target
from thermly.errors import UpstreamFailed
from thermly.exchange import (
    Begin,
    ChatRequest,
    Done,
    End,
    Event,
    KeepAlive,
    Media,
    Message,
    Part,
    Reason,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Usage,
    tell_part,
)
from thermly.providers.upstream import Client, VendorError, cut, decode, failure, malformed

WIRE = "openai"
REASONS: dict[str, Reason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
# Sent only to models that can be tuned: the others answer 400 to them (OpenAI, "Reasoning models").
SAMPLING = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "logit_bias")
PLAIN = (
    "seed",
    "verbosity",
    "prediction",
    "service_tier",
    "prompt_cache_key",
    "user",
    "store",
    "metadata",
)
# Words of a delta or message that have a place in the vocabulary; the rest travels in extras.
NAMED = frozenset(("role", "content", "refusal", "tool_calls", "reasoning_content", "reasoning", "function_call"))
BROKEN = (KeyError, TypeError, AttributeError, ValueError, IndexError)


def answer(request: ChatRequest, target: Target, max_output_tokens: int, client: Client) -> Iterator[Event]:
    body = msgspec.json.encode(write_request(request, target, max_output_tokens))
    url = target.provider.base_url + "/chat/completions"
    headers = ["Content-Type: application/json", "Expect:"]
    if target.provider.key:
        headers.append("Authorization: Bearer " + target.provider.key)
    if not request.stream:
        yield from read_reply(client.json(url, headers, body, explain))
        return
    pairs = client.sse(url, headers, body, explain)
    try:
        yield from read_stream(pairs)
    finally:
        pairs.close()  # type: ignore[attr-defined]


def explain(doc: Any) -> VendorError:
    error = doc["error"]
    if isinstance(error, str):
        return VendorError(error)
    kind = f"{error.get('type') or ''} {error.get('code') or ''}".strip()
    return VendorError(str(error.get("message") or ""), kind, error.get("param"))


# ---- request


def write_request(request: ChatRequest, target: Target, max_output_tokens: int) -> dict[str, Any]:
    model, options = target.model, target.provider.options
    body: dict[str, Any] = dict((request.extras or {}).get(WIRE, ()))
    body["model"] = model.upstream
    body["messages"] = [row for message in request.messages for row in write_message(message)]
    if max_output_tokens < model.max_output_tokens or request.max_output_tokens is not None:
        body["max_completion_tokens" if _wants_completion_tokens(target) else "max_tokens"] = max_output_tokens
    tuning = request.tuning
    for name in PLAIN if "sampling" not in model.can else SAMPLING + PLAIN:
        value = getattr(tuning, name)
        if value is not None:
            body[name] = value
    if tuning.reasoning_effort is not None and "reasoning" in model.can:
        body["reasoning_effort"] = tuning.reasoning_effort
    body.update(_write_tools(request, target))
    body.update(_write_meaning(request))
    if request.stop and "no_stop" not in options:
        body["stop"] = list(request.stop)
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _write_tools(request: ChatRequest, target: Target) -> Iterator[tuple[str, Any]]:
    if not request.tools:
        return
    yield "tools", [write_tool(tool) for tool in request.tools]
    if request.tool_choice:
        yield "tool_choice", write_choice(request.tool_choice)
    parallel = request.tuning.parallel_tool_calls
    if parallel is not None and "parallel_tools" in target.model.can:
        yield "parallel_tool_calls", parallel


def _write_meaning(request: ChatRequest) -> Iterator[tuple[str, Any]]:
    """What changes the meaning of the answer; routing lets these through only to models that can."""
    if request.response_format:
        yield "response_format", write_format(request)
    if request.n > 1:
        yield "n", request.n
    if request.logprobs:
        yield "logprobs", True
        if request.top_logprobs is not None:
            yield "top_logprobs", request.top_logprobs
    if request.audio is not None:
        yield "modalities", ["text", "audio"]
        yield "audio", request.audio
    if request.web_search is not None:
        yield "web_search_options", request.web_search


def _wants_completion_tokens(target: Target) -> bool:
    """OpenAI's reasoning models refuse `max_tokens`; many compatible servers know nothing newer."""
    return "reasoning" in target.model.can and "max_tokens" not in target.provider.options


def write_message(message: Message) -> Iterator[dict[str, Any]]:
    """One canonical message is one wire message, except that each tool result is a message of its own."""
    extras = (message.extras or {}).get(WIRE, {})
    if message.role == "tool":
        for part in message.parts:
            if isinstance(part, ToolResult):
                yield {
                    **extras,
                    "role": "tool",
                    "tool_call_id": part.call_id,
                    "content": write_content(part.parts),
                }
        return
    out: dict[str, Any] = {**extras, "role": message.role}
    said = [p for p in message.parts if isinstance(p, Text | Media)]
    out["content"] = write_content(tuple(said)) if said else None
    if message.role == "assistant":
        if calls := [write_call(p) for p in message.parts if isinstance(p, ToolCall)]:
            out["tool_calls"] = calls
        if refusal := "".join(p.text for p in message.parts if isinstance(p, Refusal)):
            out["refusal"] = refusal
        for part in message.parts:
            if isinstance(part, Reasoning) and WIRE in (part.extras or {}):
                field = (part.extras or {})[WIRE].get("field", "reasoning_content")
                out[field] = out.get(field, "") + part.text
    yield out


def write_content(parts: tuple[Part, ...]) -> str | list[dict[str, Any]]:
    if len(parts) == 1 and isinstance(parts[0], Text) and not parts[0].extras:
        return parts[0].text
    return [write_part(part) for part in parts]


def write_part(part: Part) -> dict[str, Any]:
    if isinstance(part, Media):
        return _MEDIA[part.kind](part)
    assert isinstance(part, Text)
    return {"type": "text", "text": part.text, **(part.extras or {}).get(WIRE, {})}


def _image(part: Media) -> dict[str, Any]:
    url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data}"
    return {"type": "image_url", "image_url": {"url": url, **(part.extras or {}).get(WIRE, {})}}


def _audio(part: Media) -> dict[str, Any]:
    form = (part.media_type or "audio/wav").removeprefix("audio/").replace("mpeg", "mp3")
    return {
        "type": "input_audio",
        "input_audio": {"data": part.data, "format": form, **(part.extras or {}).get(WIRE, {})},
    }


def _file(part: Media) -> dict[str, Any]:
    facts = dict((part.extras or {}).get(WIRE, {}))
    if part.name:
        facts["filename"] = part.name
    if part.data:
        facts["file_data"] = f"data:{part.media_type or 'application/pdf'};base64,{part.data}"
    return {"type": "file", "file": facts}


_MEDIA = {"image": _image, "audio": _audio, "file": _file}


def write_call(part: ToolCall) -> dict[str, Any]:
    return {
        **(part.extras or {}).get(WIRE, {}),
        "id": part.id,
        "type": "function",
        "function": {"name": part.name, "arguments": part.arguments},
    }


def write_tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function, **(tool.extras or {}).get(WIRE, {})}


def write_choice(choice: ToolChoice) -> Any:
    if not choice.names:
        return choice.mode
    named = [{"type": "function", "function": {"name": name}} for name in choice.names]
    if choice.mode == "required" and len(named) == 1:
        return named[0]
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": named}}


def write_format(request: ChatRequest) -> dict[str, Any]:
    form = request.response_format
    assert form is not None
    if form.kind != "json_schema":
        return {"type": form.kind}
    schema: dict[str, Any] = {"name": form.name or "answer", "schema": form.schema or {}}
    if form.description is not None:
        schema["description"] = form.description
    if form.strict is not None:
        schema["strict"] = form.strict
    return {"type": "json_schema", "json_schema": schema}


# ---- reply


def read_reply(doc: Any) -> Iterator[Event]:
    try:
        if doc.get("error"):
            raise failure(502, explain(doc))
        events: list[Event] = []
        for choice in doc["choices"]:
            index = choice.get("index", 0)
            message = choice["message"]
            rows = (choice.get("logprobs") or {}).get("content")
            events.append(Begin(index))
            for part in read_parts(message):
                events += tell_part(part, index, rows)
            unnamed = {k: v for k, v in message.items() if k not in NAMED}
            reason = REASONS.get(choice.get("finish_reason"), "stop")
            events.append(End(reason, index, rows, {WIRE: unnamed} if unnamed else None))
        if not events:
            raise ValueError("no choices")
        events.append(Done(read_usage(doc.get("usage")), facts_of(doc)))
    except BROKEN as error:
        raise malformed(error) from error
    yield from events


def read_parts(message: dict[str, Any]) -> Iterator[Part]:
    for field in ("reasoning_content", "reasoning"):
        if isinstance(text := message.get(field), str) and text:
            yield Reasoning(text, {WIRE: {"field": field}})
            break
    if content := message.get("content"):
        yield Text(content if isinstance(content, str) else "".join(p.get("text", "") for p in content))
    if refusal := message.get("refusal"):
        yield Refusal(refusal)
    for call in message.get("tool_calls") or ():
        function = call["function"]
        yield ToolCall(
            call.get("id") or f"call_{function['name']}",
            function["name"],
            function.get("arguments") or "",
            _call_extras(call),
        )


def _call_extras(call: dict[str, Any]) -> dict[str, Any] | None:
    unnamed = {k: v for k, v in call.items() if k not in ("id", "type", "function", "index")}
    return {WIRE: unnamed} if unnamed else None


def read_usage(usage: dict[str, Any] | None) -> Usage | None:
    if not usage or usage.get("prompt_tokens") is None:
        return None
    read = usage.get("prompt_tokens_details") or {}
    written = usage.get("completion_tokens_details") or {}
    cached = read.get("cached_tokens")
    if cached is None:
        cached = usage.get("prompt_cache_hit_tokens")  # DeepSeek's word for it
    return Usage(
        input_tokens=int(usage["prompt_tokens"]),
        cached_input_tokens=int(cached or 0),
        cache_write_tokens=int(read.get("cache_write_tokens") or 0),
        output_tokens=int(usage.get("completion_tokens") or 0),
        reasoning_tokens=int(written.get("reasoning_tokens") or 0),
    )


def facts_of(doc: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
    facts = {k: doc[k] for k in ("system_fingerprint", "service_tier") if doc.get(k) is not None}
    return {WIRE: facts} if facts else None


def read_stream(pairs: Iterator[tuple[bytes, bytes] | None]) -> Iterator[Event]:
    stream = _Stream()
    try:
        for pair in pairs:
            if pair is None:
                yield KeepAlive()
            elif pair[1] == b"[DONE]":
                break
            else:
                yield from stream.read(decode(pair[1]))
    except BROKEN as error:
        raise malformed(error) from error
    if not stream.complete():
        raise cut()
    yield Done(stream.usage, stream.facts)


class _Stream:
    """The state of one stream: an assembler per choice, and what is told of the whole."""

    def __init__(self) -> None:
        self.choices: dict[int, Assembler] = {}
        self.usage: Usage | None = None
        self.facts: dict[str, dict[str, Any]] | None = None
        self._unnamed: dict[int, dict[str, Any]] = {}

    def complete(self) -> bool:
        return bool(self.choices) and all(a.ended for a in self.choices.values())

    def read(self, doc: dict[str, Any]) -> list[Event]:
        if error := doc.get("error"):
            raise UpstreamFailed("The model's provider failed during its answer.", detail=str(error)[:500])
        out: list[Event] = []
        for choice in doc.get("choices") or ():
            out += self._choice(choice)
        if usage := read_usage(doc.get("usage")):
            self.usage = usage
        if self.facts is None:
            self.facts = facts_of(doc)
        return out

    def _choice(self, choice: dict[str, Any]) -> list[Event]:
        index = choice.get("index", 0)
        out: list[Event] = []
        asm = self.choices.get(index)
        if asm is None:
            asm = self.choices[index] = Assembler(index)
            out += asm.begin()
        if asm.ended:
            return out
        delta = choice.get("delta") or {}
        rows = (choice.get("logprobs") or {}).get("content")
        if content := delta.get("content"):
            out += asm.text(content, Text, rows)
        if len(delta) > 1 or not content:
            out += self._rest(asm, delta)
        if reason := choice.get("finish_reason"):
            unnamed = self._unnamed.get(index)
            out += asm.end(REASONS.get(reason, "stop"), None, {WIRE: unnamed} if unnamed else None)
        return out

    def _rest(self, asm: Assembler, delta: dict[str, Any]) -> list[Event]:
        out: list[Event] = []
        for field in ("reasoning_content", "reasoning"):
            if isinstance(text := delta.get(field), str) and text:
                out += asm.text(text, Reasoning)
                asm.annotate(WIRE, field=field)
                break
        if refusal := delta.get("refusal"):
            out += asm.text(refusal, Refusal)
        for call in delta.get("tool_calls") or ():
            function = call.get("function") or {}
            out += asm.tool(
                call.get("index", 0),
                call.get("id") or "",
                function.get("name") or "",
                function.get("arguments") or "",
                _call_extras(call),
            )
        for name, value in delta.items():
            if name not in NAMED and value is not None:
                self._unnamed.setdefault(asm.choice, {})[name] = value
        return out
