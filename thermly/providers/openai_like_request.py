"""A canonical request as the body of OpenAI's Chat Completions.

Knows: OpenAI's request (its API reference, "Create chat completion"). Must not know: replies, sockets, dialects,
money. A provider row's `options` say where a server differs: `max_tokens` wants that older name for the bound,
`no_stop` refuses stop sequences, `many_stops` takes more than OpenAI's four (routing looks at that one).
"""

import base64
import mimetypes
from collections.abc import Iterator
from typing import Any

from thermly.catalog import Target
from thermly.exchange import (
    ChatRequest,
    Media,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from thermly.providers.shapes import unsupported

WIRE = "openai"
# Sent only to models that can be tuned: the others answer 400 to them (OpenAI, "Reasoning models").
SAMPLING = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "logit_bias")
# OpenAI gives a JSON object only where some message has the word, a rule that callers of other wires cannot know.
JSON_ONLY = "Answer in JSON."
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


def write_request(request: ChatRequest, target: Target, max_output_tokens: int) -> dict[str, Any]:
    model, options = target.model, target.provider.options
    body: dict[str, Any] = dict((request.extras or {}).get(WIRE, ()))
    body["model"] = model.upstream
    body["messages"] = _write_messages(request)
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


def _write_messages(request: ChatRequest) -> list[dict[str, Any]]:
    rows = [row for message in request.messages for row in write_message(message)]
    form = request.response_format
    if form is not None and form.kind == "json_object" and not _says_json(request):
        _instruct(rows, JSON_ONLY)
    return rows


def _says_json(request: ChatRequest) -> bool:
    parts = (part for message in request.messages for part in message.parts)
    return any(isinstance(part, Text) and "json" in part.text.lower() for part in parts)


def _instruct(rows: list[dict[str, Any]], text: str) -> None:
    """Many compatible servers take one system message, and only as the first."""
    if not rows or rows[0]["role"] not in ("system", "developer"):
        rows.insert(0, {"role": "system", "content": text})
    elif isinstance(rows[0]["content"], str):
        rows[0]["content"] += "\n\n" + text
    else:
        rows[0]["content"] = [*(rows[0]["content"] or ()), {"type": "text", "text": text}]


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
    if part.url:
        raise unsupported("This model takes sounds only with their data, not by their URL.")
    form = (part.media_type or "audio/wav").removeprefix("audio/").replace("mpeg", "mp3")
    return {
        "type": "input_audio",
        "input_audio": {"data": part.data, "format": form, **(part.extras or {}).get(WIRE, {})},
    }


def _file(part: Media) -> dict[str, Any]:
    if part.url:
        raise unsupported("This model takes files only with their data, not by their URL.")
    media_type = part.media_type or "application/pdf"
    kind = media_type.partition(";")[0].strip().lower()
    # As a file, OpenAI's chat refuses it: "Expected a base64-encoded data URL with an application/pdf MIME type".
    if kind == "text/plain" and (text := _text_of(part)):
        return {"type": "text", "text": text}
    facts = dict((part.extras or {}).get(WIRE, {}))
    if part.name:
        facts["filename"] = part.name
    if part.data:
        # OpenAI takes data without a name for no file: "Missing required parameter".
        facts.setdefault("filename", f"document{mimetypes.guess_extension(kind) or ''}")
        facts["file_data"] = f"data:{media_type};base64,{part.data}"
    return {"type": "file", "file": facts}


def _text_of(part: Media) -> str:
    """A document's name and what it says; "" where it is no text."""
    try:
        text = base64.b64decode(part.data or "", validate=True).decode()
    except ValueError:
        return ""
    return f"{part.name}\n\n{text}" if part.name and text else text


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
