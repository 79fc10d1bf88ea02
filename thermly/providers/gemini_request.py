"""A canonical request as the body of Gemini's generateContent.

Knows: Gemini's request (its API reference, "Generating content") and the pages named below. Must not know:
replies, sockets, dialects, money. The generation, which the model's name tells, decides how thinking is asked
for and whether function calls must be signed.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from thermly import sources
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
    ToolChoice,
    ToolResult,
)
from thermly.providers.shapes import JSON, arguments_of, facts_of, plain_text, refuse, unsupported

WIRE = "gemini"
# Accepted in place of the signature of a call that Gemini did not make ("Thought signatures", FAQ).
NO_SIGNATURE = "skip_thought_signature_validator"
SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
}
BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
LEAST_PRO_BUDGET = 128
LEVELS = {"none": "minimal", "minimal": "minimal", "low": "low", "medium": "medium"}
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
SEEDS = 1 << 31
_GENERATION = re.compile(r"gemini-(\d+)")
# The other models from Gemini 3 on refuse the level `minimal` ("Thinking", thinking levels).
_MINIMAL = re.compile(r"flash-lite|gemini-3-flash|gemini-3\.[56]-flash")
_GUESSED = {"image": "image/jpeg", "audio": "audio/mpeg", "file": "application/pdf"}


def generation(target: Target) -> int:
    """A name without a number, such as gemini-flash-latest, is the newest."""
    found = _GENERATION.search(target.model.upstream)
    return int(found[1]) if found else 3


def write_request(request: ChatRequest, target: Target, max_output_tokens: int) -> JSON:
    can = target.model.can
    refuse(request, (can | {"gemini_tools", "image_output"}) - {"logprobs", "audio_output", "web_search"})
    body: JSON = dict(facts_of(request, WIRE))
    system, contents = write_contents(request)
    if not contents:
        system, contents = [], [{"role": "user", "parts": system}]
    if generation(target) >= 3:
        sign(contents)
    body["contents"] = contents
    if system:
        body["systemInstruction"] = {"parts": system}
    if request.tools:
        body["tools"] = [*body.get("tools", ()), {"functionDeclarations": write_tools(request)}]
        if request.tool_choice:
            config = write_choice(request.tool_choice)
            body["toolConfig"] = {**body.get("toolConfig", {}), "functionCallingConfig": config}
    body["generationConfig"] = write_config(request, target, max_output_tokens)
    if not body["generationConfig"]:
        del body["generationConfig"]
    return body


# ---- contents


def write_contents(request: ChatRequest) -> tuple[list[JSON], list[JSON]]:
    """The system's parts apart; contents whose roles alternate, function responses first in theirs."""
    names = {p.id: p.name for m in request.messages for p in m.parts if isinstance(p, ToolCall)}
    system: list[JSON] = []
    contents: list[JSON] = []
    for message in request.messages:
        parts = list(write_parts(message, names))
        if message.role in ("system", "developer"):
            system += parts
        elif parts:
            role = "model" if message.role == "assistant" else "user"
            if contents and contents[-1]["role"] == role:
                contents[-1]["parts"] += parts
            else:
                contents.append({"role": role, "parts": parts})
    for content in contents:
        if content["role"] == "user":
            content["parts"].sort(key=lambda part: "functionResponse" not in part)
    return system, contents


def write_parts(message: Message, names: dict[str, str]) -> Iterator[JSON]:
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield write_result(part, names)
            yield from (write_media(inner) for inner in part.parts if isinstance(inner, Media))
        elif (written := write_part(part)) is not None:
            yield written


def write_part(part: Part) -> JSON | None:
    """None for empty text, and for thoughts that Gemini has not signed."""
    facts = facts_of(part, WIRE)
    if isinstance(part, Text | Refusal):
        return {"text": part.text, **facts} if part.text or facts else None
    if isinstance(part, Reasoning):
        return {"text": part.text, "thought": True, **facts} if "thoughtSignature" in facts else None
    if isinstance(part, Media):
        return write_media(part)
    assert isinstance(part, ToolCall)
    return {"functionCall": {"id": part.id, "name": part.name, "args": arguments_of(part)}, **facts}


def write_result(part: ToolResult, names: dict[str, str]) -> JSON:
    name = part.name or names.get(part.call_id)
    if not name:
        raise InvalidRequest("A tool's result answers no call of this conversation.", param="messages")
    response = {"id": part.call_id, "name": name, "response": write_response(part)}
    return {"functionResponse": response, **facts_of(part, WIRE)}


def write_response(part: ToolResult) -> JSON:
    """An object, which the API insists on: the tool's own, or its text under the key that Google's SDK uses."""
    text = plain_text(part.parts)
    if part.is_error:
        return {"error": text}
    if text.lstrip().startswith("{"):
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return {"result": text}
        if isinstance(value, dict):
            return value
    return {"result": text}


def write_media(part: Media) -> JSON:
    """Gemini fetches public https addresses ("File input methods"). It knows its own files and buckets too, which
    are the operator's."""
    facts = facts_of(part, WIRE)
    if part.data:
        kind = part.media_type or ("image/png" if part.kind == "image" else _GUESSED[part.kind])
        return {"inlineData": {"mimeType": kind, "data": part.data}, **facts}
    url = part.url or ""
    if not url.startswith("https://") or sources.names_stored(url):
        raise unsupported("This model takes media as bytes or by a public https:// address.")
    if part.kind == "image" and sources.is_film(url):
        raise unsupported("This model takes a film for no image.")
    if "fileData" in facts:
        return facts
    file: JSON = {"fileUri": url}
    if mime := part.media_type or sources.guessed_type(url):
        file["mimeType"] = mime
    else:
        file["mimeType"] = _GUESSED[part.kind]
    return {"fileData": file, **facts}


def sign(contents: list[JSON]) -> None:
    """Gemini 3 refuses a step of the current turn whose first call has no signature ("Thought signatures").
    Calls lack theirs where another model made them, or a client's wire has no place for it."""
    for content in reversed(contents):
        calls = [part for part in content["parts"] if "functionCall" in part]
        if content["role"] == "user":
            if not any("functionResponse" in part for part in content["parts"]):
                return
        elif calls:
            calls[0].setdefault("thoughtSignature", NO_SIGNATURE)


# ---- tools


def write_tools(request: ChatRequest) -> list[JSON]:
    """Names narrow `ANY` in the vendor's own field; for the other modes only the named tools are sent."""
    choice = request.tool_choice
    narrowed = choice.names if choice and choice.mode != "required" else ()
    return [write_tool(tool) for tool in request.tools if not narrowed or tool.name in narrowed]


def write_tool(tool: Tool) -> JSON:
    out: JSON = {"name": tool.name}
    if tool.description:
        out["description"] = tool.description
    if tool.parameters and tool.parameters.get("properties") != {}:
        out["parametersJsonSchema"] = tool.parameters
    return {**out, **facts_of(tool, WIRE)}


def write_choice(choice: ToolChoice) -> JSON:
    out: JSON = {"mode": MODES[choice.mode]}
    if choice.mode == "required" and choice.names:
        out["allowedFunctionNames"] = list(choice.names)
    return out


# ---- generationConfig


def write_config(request: ChatRequest, target: Target, max_output_tokens: int) -> JSON:
    model, tuning = target.model, request.tuning
    config: JSON = dict(facts_of(request, WIRE).get("generationConfig") or {})
    if max_output_tokens < model.max_output_tokens or request.max_output_tokens is not None:
        config["maxOutputTokens"] = max_output_tokens
    for name, word in SAMPLING.items():
        value = getattr(tuning, name)
        if "sampling" not in model.can:
            config.pop(word, None)
        elif value is not None:
            config[word] = value
    if "sampling" not in model.can:
        config.pop("topK", None)
    if tuning.seed is not None:
        config["seed"] = tuning.seed % SEEDS
    if request.stop:
        config["stopSequences"] = list(request.stop)
    if request.n > 1:
        config["candidateCount"] = request.n
    config.update(write_format(request, target))
    if "reasoning" not in model.can:
        config.pop("thinkingConfig", None)
    elif tuning.reasoning_effort and not config.get("thinkingConfig"):
        config["thinkingConfig"] = write_thinking(tuning.reasoning_effort, target)
    return config


def write_format(request: ChatRequest, target: Target) -> JSON:
    form = request.response_format
    if form is None or form.kind == "text":
        return {}
    if request.tools and generation(target) < 3:
        # The vendor's own refusal would name no field ("Structured outputs", with tools).
        raise unsupported("This model cannot use tools and a response format at once.", "response_format")
    out: JSON = {"responseMimeType": "application/json"}
    if form.kind == "json_schema":
        out["responseJsonSchema"] = form.schema or {}
    return out


def write_thinking(effort: str, target: Target) -> JSON:
    """Budgets up to Gemini 2.5, levels from 3 on ("Thinking"). Which cannot stop thinking thinks least."""
    name = target.model.upstream
    config: dict[str, Any] = {}
    if generation(target) >= 3:
        level = LEVELS.get(effort, "high")
        config["thinkingLevel"] = "low" if level == "minimal" and not _MINIMAL.search(name) else level
    else:
        least = LEAST_PRO_BUDGET if "pro" in name else 0
        config["thinkingBudget"] = max(BUDGETS.get(effort, BUDGETS["medium"]), least)
    if effort != "none":
        config["includeThoughts"] = True
    return config
