"""Gemini's generateContent as clients speak it: reading of requests.

Knows: the wire's request and its rules (Google's API reference, "Generating content", "Counting tokens"). Must not
know: providers, prices, Flask. Contents are read in `gemini_contents`, embeddings in `gemini_vectors`; writing is
in `gemini_writing`: this module hands all of it on, so that a dialect is one name.

Carried to Gemini alone, since nobody else has a word for it: topK, mediaResolution, speechConfig, imageConfig and
other known fields of `generationConfig`, safetySettings, store, retrievalConfig, some built-in tools. Dropped:
labels, which are for Google's bills, and the model in the body, which the path tells.
"""

from typing import Any

import msgspec

from thermly.dialects import Bounds
from thermly.dialects import gemini_types as t
from thermly.dialects.gemini_contents import JSON, Contents, read_system
from thermly.dialects.gemini_schema import json_schema
from thermly.dialects.gemini_signatures import WIRE
from thermly.dialects.gemini_vectors import (
    read_batch_embed_request,
    read_embed_request,
    write_embedding,
    write_embeddings,
)
from thermly.dialects.gemini_writing import (
    BARE,
    THOUGHTS,
    rename_field,
    write_count,
    write_error,
    write_error_event,
    write_events,
    write_reply,
)
from thermly.dialects.openai_chat import parse
from thermly.errors import InvalidRequest
from thermly.exchange import ChatRequest, ResponseFormat, Tool, ToolChoice, Tuning

__all__ = [
    "read_batch_embed_request",
    "read_count_request",
    "read_embed_request",
    "read_request",
    "rename_field",
    "write_count",
    "write_embedding",
    "write_embeddings",
    "write_error",
    "write_error_event",
    "write_events",
    "write_reply",
]

# The most thinking tokens of each effort; a larger budget is high (Thesys, "reasoning_effort", read backwards).
BUDGETS = ((0, "none"), (512, "minimal"), (1024, "low"), (2048, "medium"))
LEVELS = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high", "XHIGH": "xhigh"}
MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "auto"}
STANDARD_TIERS = ("", "SERVICE_TIER_UNSPECIFIED", "STANDARD", "SERVICE_TIER_STANDARD", "UNSPECIFIED")
SEARCHES = frozenset(("googleSearch", "googleSearchRetrieval", "enterpriseWebSearch"))
# Tools of Google's whose whole price is in the tokens that it counts, and that reach nothing of the operator's.
# Its searches are known, so that routing can say which model has none.
BUILT_IN = frozenset(("codeExecution", "urlContext", "computerUse")) | SEARCHES
# What goes to Gemini alone. Not among it: words by which a caller would choose another model, or that ask for
# another form of answer.
CONFIGURED = frozenset(
    (
        *("topK", "mediaResolution", "speechConfig", "imageConfig", "audioTimestamp", "responseModalities"),
        *("thinkingConfig", "enableAffectiveDialog", "enableEnhancedCivicAnswers"),
    )
)
TOOL_CONFIGURED = frozenset(("functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"))
# Words that have a place in the exchange. The thinking budget has, but it is a number and the place a word.
NAMED = frozenset(t.camel_name(field) for field in t.Config.__struct_fields__) - {"responseModalities"}
DECLARED = ("name", "description", "parameters", "parametersJsonSchema")

# msgspec prepares a type at its first use, and a thread that meets a half prepared one crashes the process.
msgspec.json.Decoder(t.Body)
msgspec.json.Decoder(t.CountBody)


def read_request(body: bytes, bounds: Bounds, model: str, stream: bool) -> ChatRequest:
    """Raises InvalidRequest with the offending field in `param`."""
    return _read(parse(body), bounds, model, stream)


def read_count_request(body: bytes, bounds: Bounds, model: str) -> ChatRequest:
    """What to count: bare contents, or a whole request of generateContent."""
    raw = parse(body)
    try:
        asked = msgspec.convert({t.camel_name(key): value for key, value in raw.items()}, t.CountBody)
    except msgspec.ValidationError as error:
        raise t.refusal(error) from None
    inner = asked.generate_content_request
    if inner is None:
        return _read({"contents": asked.contents} if asked.contents is not None else {}, bounds, model, False)
    if asked.contents is not None:
        raise InvalidRequest("Give contents or generateContentRequest, not both.", param="contents")
    try:
        return _read(inner, bounds, model, False)
    except InvalidRequest as error:
        path = "generateContentRequest" + (f".{error.param}" if error.param else "")
        message = error.message.replace(f"'{error.param}'", f"'{path}'")
        raise InvalidRequest(message, param=path, code=error.code) from None


def _read(given: JSON, bounds: Bounds, model: str, stream: bool) -> ChatRequest:
    try:
        raw = t.camel(given)
        body = msgspec.convert(raw, t.Body)
        return _request(body, raw, bounds, model, stream)
    except msgspec.ValidationError as error:
        raise t.refusal(error) from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None


def _request(body: t.Body, raw: JSON, bounds: Bounds, model: str, stream: bool) -> ChatRequest:
    config = body.generation_config or t.Config()
    tools = _tools(body, raw)
    _check(body, config, bounds, tools)
    _check_built_in(raw)
    system = (read_system(body.system_instruction, raw["systemInstruction"]),) if body.system_instruction else ()
    searches = any(SEARCHES & row.keys() for row in raw.get("tools") or ())
    extras = _extras(raw)
    return ChatRequest(
        model=model,
        messages=(*system, *Contents(body.contents, raw["contents"], bounds).read()),
        tools=tools,
        tool_choice=_choice(body, tools),
        response_format=_format(config),
        stop=tuple(config.stop_sequences or ()),
        max_output_tokens=config.max_output_tokens,
        output_bound=bounds.max_output_tokens,
        n=config.candidate_count or 1,
        logprobs=bool(config.response_logprobs),
        top_logprobs=config.logprobs,
        web_search={} if searches else None,
        tuning=_tuning(config),
        stream=stream,
        wishes=_wishes(config),
        extras={WIRE: extras} if extras else None,
    )


def _check(body: t.Body, config: t.Config, bounds: Bounds, tools: tuple[Tool, ...]) -> None:
    """The rules that a type cannot say."""
    if body.cached_content:
        raise InvalidRequest("cachedContent: there are no cached contents here.", param="cachedContent")
    if (body.service_tier or "").upper() not in STANDARD_TIERS:
        raise InvalidRequest("serviceTier: only the standard tier is served.", param="serviceTier")
    if len(tools) > bounds.max_tools:
        raise InvalidRequest(f"At most {bounds.max_tools} functions are allowed.", param="tools")
    if len({tool.name for tool in tools}) != len(tools):
        raise InvalidRequest("Two functions have the same name.", param="tools")
    _check_calling(body, {tool.name for tool in tools})
    _check_config(config, bounds)
    _check_format(config)


def _check_calling(body: t.Body, names: set[str]) -> None:
    calling = _calling(body)
    where = "toolConfig.functionCallingConfig"
    if calling.mode == "ANY" and not names:
        raise InvalidRequest("The mode is ANY but there are no functions.", param=f"{where}.mode")
    allowed = calling.allowed_function_names or []
    if allowed and calling.mode not in ("ANY", "VALIDATED"):
        raise InvalidRequest(
            "allowedFunctionNames needs the mode ANY or VALIDATED.", param=f"{where}.allowedFunctionNames"
        )
    for i, name in enumerate(allowed):
        if name not in names:
            path = f"{where}.allowedFunctionNames[{i}]"
            raise InvalidRequest(f"'{name[:100]}' is not among the functions, at '{path}'.", param=path)


def _check_config(config: t.Config, bounds: Bounds) -> None:
    most, asked = bounds.max_output_tokens, config.max_output_tokens
    if most is not None and asked is not None and asked > most:
        raise _wrong(f"maxOutputTokens must be at most {most}.", "maxOutputTokens")
    if config.logprobs is not None and not config.response_logprobs:
        raise _wrong("logprobs needs responseLogprobs to be true.", "logprobs")
    if "AUDIO" in (config.response_modalities or ()):
        raise _wrong("responseModalities: answers in sound are not served here.", "responseModalities")
    thinking = config.thinking_config or t.Thinking()
    if thinking.thinking_level is not None:
        if thinking.thinking_budget is not None:
            raise _wrong("Give thinkingBudget or thinkingLevel, not both.", "thinkingConfig")
        if thinking.thinking_level.upper() not in (*LEVELS, "THINKING_LEVEL_UNSPECIFIED"):
            levels = ", ".join(LEVELS)
            raise _wrong(f"thinkingLevel must be one of {levels}.", "thinkingConfig.thinkingLevel")


def _check_format(config: t.Config) -> None:
    field = "responseSchema" if config.response_schema is not None else "responseJsonSchema"
    schema = _schema(config)
    if config.response_schema is not None and config.response_json_schema is not None:
        raise _wrong("Give responseSchema or responseJsonSchema, not both.", "responseJsonSchema")
    if schema is not None and config.response_mime_type not in ("application/json", "text/x.enum"):
        raise _wrong(f"{field} needs the responseMimeType 'application/json' or 'text/x.enum'.", field)
    if config.response_mime_type == "text/x.enum" and not (schema or {}).get("enum"):
        raise _wrong("The responseMimeType 'text/x.enum' needs a schema with an enum.", "responseMimeType")


def _wrong(message: str, field: str) -> InvalidRequest:
    return InvalidRequest(message, param=f"generationConfig.{field}")


# ---- tools


def _check_built_in(raw: JSON) -> None:
    for i, row in enumerate(raw.get("tools") or ()):
        for name in _rest(row, "functionDeclarations", *BUILT_IN):
            path = f"tools[{i}].{name}"
            raise InvalidRequest(f"The tool '{name[:100]}' is not served, at '{path}'.", param=path)
    for name in _rest(raw.get("toolConfig") or {}, *TOOL_CONFIGURED):
        raise InvalidRequest(f"There is no field 'toolConfig.{name}'.", param=f"toolConfig.{name}")


def _tools(body: t.Body, raw: JSON) -> tuple[Tool, ...]:
    return tuple(
        _tool(function, raw["tools"][i]["functionDeclarations"][j], f"tools[{i}].functionDeclarations[{j}]")
        for i, tool in enumerate(body.tools or ())
        for j, function in enumerate(tool.function_declarations or ())
    )


def _tool(function: t.Declaration, raw: JSON, where: str) -> Tool:
    schema = function.parameters_json_schema
    if function.parameters is not None:
        if schema is not None:
            path = f"{where}.parametersJsonSchema"
            raise InvalidRequest(f"Give parameters or parametersJsonSchema, not both, at '{path}'.", param=path)
        schema = json_schema(function.parameters, f"{where}.parameters")
    extras = {key: value for key, value in raw.items() if key not in DECLARED and value is not None}
    return Tool(function.name, function.description, schema, None, {WIRE: extras} if extras else None)


def _calling(body: t.Body) -> t.Calling:
    return (body.tool_config and body.tool_config.function_calling_config) or t.Calling()


def _choice(body: t.Body, tools: tuple[Tool, ...]) -> ToolChoice | None:
    """VALIDATED has no word: it is auto, with arguments that keep to their schema. Where it allows every
    function, Gemini gets it in the extras, which an `auto` here would replace."""
    calling = _calling(body)
    names = tuple(calling.allowed_function_names or ())
    mode = MODES.get(calling.mode or "")
    if not tools or mode is None or (calling.mode == "VALIDATED" and not names):
        return None
    return ToolChoice(mode, names)  # type: ignore[arg-type]


# ---- generationConfig


def _schema(config: t.Config) -> JSON | None:
    if config.response_schema is not None:
        schema: JSON = json_schema(config.response_schema, "generationConfig.responseSchema")
        return schema
    return config.response_json_schema


def _format(config: t.Config) -> ResponseFormat | None:
    if config.response_mime_type not in ("application/json", "text/x.enum"):
        return None
    schema = _schema(config)
    return ResponseFormat("json_object") if schema is None else ResponseFormat("json_schema", schema, "response")


def _tuning(config: t.Config) -> Tuning:
    return Tuning(
        temperature=config.temperature,
        top_p=config.top_p,
        frequency_penalty=config.frequency_penalty,
        presence_penalty=config.presence_penalty,
        seed=config.seed,
        reasoning_effort=_effort(config.thinking_config or t.Thinking()),
    )


def _effort(thinking: t.Thinking) -> str | None:
    if thinking.thinking_level is not None:
        return LEVELS.get(thinking.thinking_level.upper())
    budget = thinking.thinking_budget
    if budget is None:
        return None
    if budget < 0:
        return "medium"  # as much as the model thinks right
    return next((effort for most, effort in BUDGETS if budget <= most), "high")


def _wishes(config: t.Config) -> tuple[str, ...]:
    wishes = []
    if config.thinking_config and config.thinking_config.include_thoughts:
        wishes.append(THOUGHTS)
    if config.response_mime_type == "text/x.enum":
        wishes.append(BARE)
    return tuple(wishes)


# ---- what goes to Gemini alone


def _extras(raw: JSON) -> JSON:
    found = {key: raw[key] for key in ("safetySettings", "store") if raw.get(key) is not None}
    found["tools"] = [
        built_in for row in raw.get("tools") or () if (built_in := _rest(row, "functionDeclarations"))
    ]
    found["toolConfig"] = _tool_config(raw.get("toolConfig") or {})
    found["generationConfig"] = _config(raw.get("generationConfig") or {})
    return {key: value for key, value in found.items() if value or value is False}


def _tool_config(raw: JSON) -> JSON:
    found = _rest(raw, "functionCallingConfig")
    calling = raw.get("functionCallingConfig") or {}
    return {**found, "functionCallingConfig": calling} if calling.get("mode") == "VALIDATED" else found


def _config(raw: JSON) -> JSON:
    """A thinking budget is exact, so Gemini gets the number; a level or no thinking at all is said in full by
    the effort, from which each generation gets the form that it knows."""
    for name in _rest(raw, *NAMED, *CONFIGURED):
        raise _wrong(f"{name} is not a parameter of this API.", name)
    found = _rest(raw, *NAMED)
    if set(raw.get("responseModalities") or ()) <= {"TEXT", "MODALITY_UNSPECIFIED"}:
        found.pop("responseModalities", None)
    thinking: Any = _rest(raw.get("thinkingConfig") or {})
    if thinking and "thinkingLevel" not in thinking and thinking.get("thinkingBudget") != 0:
        found["thinkingConfig"] = thinking
    return found


def _rest(raw: JSON, *named: str) -> JSON:
    return {key: value for key, value in raw.items() if key not in named and value is not None}
