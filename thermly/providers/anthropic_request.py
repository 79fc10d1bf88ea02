"""A canonical request as the body of Anthropic's Messages API.

Knows: Anthropic's request (its API reference, "Create a Message") and the pages named below. Must not know:
replies, sockets, dialects, money. A model's `can` tells the generations apart, so that a new model needs a
row and no code: Anthropic retired thinking budgets together with sampling parameters (Opus 4.7), and the
switch that turns thinking off together with forced tool use (Opus 5.5); see its migration guides.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from thermly.catalog import Target
from thermly.errors import InvalidRequest
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
    ToolResult,
)
from thermly.providers.json_schema import closed
from thermly.providers.shapes import JSON, arguments_of, facts_of, forces_tools, refuse, unsupported

WIRE = "anthropic"
BUDGETS = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16384, "xhigh": 32768, "max": 32768}
EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
LEAST_BUDGET = 1024
TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
JSON_ONLY = "Answer with one valid JSON object and nothing else: no prose, no code fence."
SIGNS = {"signature", "redacted"}
LONGEST_USER_ID = 256
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")


def write_request(request: ChatRequest, target: Target, max_output_tokens: int) -> JSON:
    can = target.model.can
    refuse(request, (can | {"anthropic_tools"}) - {"n", "logprobs", "audio_output", "web_search"})
    body: JSON = {name: fact for name, fact in facts_of(request, WIRE).items() if name != "betas"}  # a header
    body["model"] = target.model.upstream
    body["max_tokens"] = max_output_tokens
    body.update(write_messages(request))
    if stops := [stop for stop in request.stop if stop.strip()]:
        body["stop_sequences"] = stops  # the API refuses sequences of white space
    if request.tools:
        body["tools"] = [*body.get("tools", ()), *write_tools(request, can)]
        if choice := write_choice(request):
            body["tool_choice"] = choice
    thinking, effort = write_thinking(request, can, max_output_tokens)
    _replace(body, "thinking", thinking)
    _replace(body, "output_config", write_output_config(request, effort, can))
    write_sampling(body, request, thinks=bool(thinking) and thinking != {"type": "disabled"}, can=can)
    if request.tuning.user:
        body["metadata"] = {**body.get("metadata", {}), "user_id": request.tuning.user[:LONGEST_USER_ID]}
    if tier := TIERS.get(request.tuning.service_tier or ""):
        body["service_tier"] = tier
    if request.stream:
        body["stream"] = True
    return body


def _replace(body: JSON, key: str, value: Any) -> None:
    if value:
        body[key] = value
    else:
        body.pop(key, None)


# ---- messages


def write_messages(request: ChatRequest) -> JSON:
    """System blocks apart, in order; turns that alternate; the results of tools first in theirs."""
    system: list[JSON] = []
    turns: list[JSON] = []
    for message in request.messages:
        blocks = write_blocks(message)
        if message.role in ("system", "developer"):
            system += blocks
        elif blocks:
            role = "assistant" if message.role == "assistant" else "user"
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += blocks
            else:
                turns.append({"role": role, "content": blocks})
    if request.response_format and request.response_format.kind == "json_object":
        system.append({"type": "text", "text": JSON_ONLY})
    if not turns:
        turns, system = [{"role": "user", "content": system}], []
    if turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": "."}]})
    for turn in turns:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    last = turns[-1]["content"][-1:]
    if turns[-1]["role"] == "assistant" and last and last[0]["type"] == "text":
        last[0]["text"] = last[0]["text"].rstrip()  # the API refuses a prefill that ends in white space
    return {"messages": turns, **({"system": system} if system else {})}


def write_blocks(message: Message) -> list[JSON]:
    blocks = [block for part in message.parts for block in write_part(part)]
    mark = facts_of(message, WIRE).get("cache_control")
    if mark and blocks and "thinking" not in blocks[-1]["type"]:
        blocks[-1].setdefault("cache_control", mark)
    return blocks


def write_part(part: Part) -> Iterator[JSON]:
    """One block, or none: the API refuses blank text, and thoughts that it has not signed. A client of the
    vendor's own wire may have given the block itself."""
    facts = facts_of(part, WIRE)
    if "block" in facts:
        yield facts["block"]
    elif isinstance(part, Text | Refusal):
        if part.text.strip():
            yield {"type": "text", "text": part.text, **facts}
    elif isinstance(part, Reasoning):
        if "redacted" in facts:
            yield {"type": "redacted_thinking", "data": facts["redacted"]}
        elif "signature" in facts:
            yield {"type": "thinking", "thinking": part.text, "signature": facts["signature"]}
    elif isinstance(part, Media):
        yield write_media(part)
    elif isinstance(part, ToolCall):
        call = {"type": "tool_use", "id": write_id(part.id), "name": part.name, "input": arguments_of(part)}
        yield {**call, **facts}
    else:
        yield write_result(part)


def write_result(part: ToolResult) -> JSON:
    out: JSON = {"type": "tool_result", "tool_use_id": write_id(part.call_id)}
    if content := [block for inner in part.parts for block in write_part(inner)]:
        out["content"] = content
    if part.is_error:
        out["is_error"] = True
    return {**out, **facts_of(part, WIRE)}


def write_id(call_id: str) -> str:
    """Other vendors' ids may hold characters that the API refuses in `tool_use.id`."""
    return _NOT_IN_IDS.sub("_", call_id) or "_"


def write_media(part: Media) -> JSON:
    facts = facts_of(part, WIRE)
    if part.kind == "audio":
        raise unsupported("This model cannot listen to audio.")
    out: JSON = {"type": "image" if part.kind == "image" else "document"}
    if part.kind == "file" and part.name:
        out["title"] = part.name
    if "source" not in facts:
        out["source"] = write_source(part)
    return {**out, **facts}


def write_source(part: Media) -> JSON:
    if part.url:
        return {"type": "url", "url": part.url}
    if not part.data:
        raise unsupported("Files for this model must come as their bytes or as a URL.")
    if part.kind == "image":
        return {"type": "base64", "media_type": part.media_type or "image/png", "data": part.data}
    kind = part.media_type or "application/pdf"
    if kind == "application/pdf":
        return {"type": "base64", "media_type": kind, "data": part.data}
    if kind.startswith("text/") or kind == "application/json":
        try:
            text = base64.b64decode(part.data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidRequest("A text file is not base64 of UTF-8.", param="messages") from error
        return {"type": "text", "media_type": "text/plain", "data": text}
    raise unsupported(f"This model cannot read files of type {kind[:100]}.")


# ---- tools


def write_tools(request: ChatRequest, can: frozenset[str]) -> Iterator[JSON]:
    """A choice narrowed to several tools is kept by sending only those: the API can force one or any."""
    choice = request.tool_choice
    narrowed = choice.names if choice and not (choice.mode == "required" and len(choice.names) == 1) else ()
    for tool in request.tools:
        if not narrowed or tool.name in narrowed:
            yield write_tool(tool, can)


def write_tool(tool: Tool, can: frozenset[str]) -> JSON:
    facts = facts_of(tool, WIRE)
    if facts.get("type", "custom") != "custom":
        return {"name": tool.name, **facts}  # one of the vendor's own tools, which has its schema already
    schema = {"type": "object", "properties": {}} if tool.parameters is None else dict(tool.parameters)
    out: JSON = {"name": tool.name, "input_schema": {"type": "object", **schema}}
    if tool.description:
        out["description"] = tool.description
    if tool.strict and "json_schema" in can:
        out["strict"] = True
        out["input_schema"] = closed(out["input_schema"], "tools")
    return {**out, **facts}


def write_choice(request: ChatRequest) -> JSON | None:
    choice, single = request.tool_choice, request.tuning.parallel_tool_calls is False
    if choice and choice.mode == "none":
        return {"type": "none"}
    out: JSON = {"type": "auto"}
    if choice and choice.mode == "required":
        out = {"type": "tool", "name": choice.names[0]} if len(choice.names) == 1 else {"type": "any"}
    if single:
        out["disable_parallel_tool_use"] = True
    return out if choice or single else None


# ---- thinking, format, sampling


def write_thinking(request: ChatRequest, can: frozenset[str], max_tokens: int) -> tuple[JSON | None, str | None]:
    """The `thinking` field and the effort. A client of the vendor's own wire may have given the field."""
    if "reasoning" not in can:
        return None, None
    facts = facts_of(request, WIRE)
    given = facts.get("thinking")
    given = given if isinstance(given, dict) else {}
    if not given and "effort" in facts.get("output_config", ()) and not forces_tools(request):
        return None, None  # the vendor's own wire, where an effort alone asks for no thinking
    effort = "none" if given.get("type") == "disabled" else request.tuning.reasoning_effort
    if "sampling" in can:
        return _budget(request, given, effort, max_tokens), None
    return _adaptive(request, given, effort, can)


def _budget(request: ChatRequest, given: JSON, effort: str | None, max_tokens: int) -> JSON | None:
    """A budget leaves a quarter of the bound to the answer; where it would be too small, no thinking. One that is
    shared by the thoughts of several answers may be beyond the bound of each ("Extended thinking", interleaved)."""
    effort = effort or ("high" if given else "none")
    if effort == "none" or forces_tools(request) or _continues_unthought(request):
        return None
    asked = given.get("budget_tokens")
    budget = asked if isinstance(asked, int) else BUDGETS.get(effort, BUDGETS["medium"])
    if not (asked and _interleaves(request)):
        budget = min(budget, max_tokens * 3 // 4)
    return {**given, "type": "enabled", "budget_tokens": budget} if budget >= LEAST_BUDGET else None


def _interleaves(request: ChatRequest) -> bool:
    facts = facts_of(request, WIRE)
    asked = any(word.startswith("interleaved-thinking-") for word in facts.get("betas") or ())
    return asked and bool(request.tools or facts.get("tools"))


def _continues_unthought(request: ChatRequest) -> bool:
    """With thinking on, an answer cannot be prefilled, and a turn that goes on after tools must begin with its
    signed thoughts (Anthropic, "Extended thinking"), which clients of other wires do not have."""
    if request.messages and request.messages[-1].role == "assistant":
        return True
    answers = False
    for message in reversed(request.messages):
        if message.role == "assistant":
            signed = (isinstance(p, Reasoning) and SIGNS & facts_of(p, WIRE).keys() for p in message.parts)
            return answers and not any(signed)
        answers = answers or any(isinstance(part, ToolResult) for part in message.parts)
    return False


def _adaptive(
    request: ChatRequest, given: JSON, effort: str | None, can: frozenset[str]
) -> tuple[JSON | None, str | None]:
    """These models think unless told not to, and say nothing of it unless `display` asks (Anthropic,
    "Thinking"). One that cannot be told not to thinks least at low effort."""
    off = {"type": "disabled"} if "forced_tools" in can else None
    if forces_tools(request):
        return off, None
    if effort == "none":
        return (off, None) if off else (None, "low")
    level = EFFORTS.get(effort, "medium") if effort else None
    if given.get("type") == "enabled":
        given = {"type": "adaptive", **({"display": given["display"]} if "display" in given else {})}
    if given:
        return given, level
    return ({"type": "adaptive", "display": "summarized"}, level) if level else (None, None)


def write_output_config(request: ChatRequest, effort: str | None, can: frozenset[str]) -> JSON:
    """What a client of the vendor's own wire gave stands, but for effort where the model has budgets."""
    config: JSON = dict(facts_of(request, WIRE).get("output_config") or {})
    if effort:
        config["effort"] = effort
    if "sampling" in can or "reasoning" not in can:
        config.pop("effort", None)
    form = request.response_format
    if form and form.kind == "json_schema":
        config["format"] = {"type": "json_schema", "schema": closed(form.schema or {}, "response_format")}
    return config


def write_sampling(body: JSON, request: ChatRequest, *, thinks: bool, can: frozenset[str]) -> None:
    """Not together with thinking ("Extended thinking", feature compatibility), and of temperature and top_p
    only one: Claude 4.5 refuses both."""
    for name in ("temperature", "top_p"):
        body.pop(name, None)
    if "sampling" not in can or thinks:
        body.pop("top_k", None)
        return
    tuning = request.tuning
    if tuning.temperature is not None:
        body["temperature"] = min(tuning.temperature, 1)
    elif tuning.top_p is not None:
        body["top_p"] = tuning.top_p
