"""What Gemini refuses of a generateContent request, in its own words.

Knows nothing of replies.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from thermly.sandbox.values import JSON
from thermly.sandbox.wire import Refused

_TOOL_NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$")
_THIRD = re.compile(r"gemini-[3-9]")
_FIELDS_WORDS = """
    cachedContent contents generationConfig labels model safetySettings serviceTier store systemInstruction
    toolConfig tools
"""
_FIELDS = frozenset(_FIELDS_WORDS.split())
_CONFIG_WORDS = """
    audioTimestamp candidateCount enableAffectiveDialog enableEnhancedCivicAnswers frequencyPenalty
    imageConfig logprobs maxOutputTokens mediaResolution presencePenalty responseFormat responseJsonSchema
    responseLogprobs responseMimeType responseModalities responseSchema seed speechConfig stopSequences
    temperature thinkingConfig topK topP _responseJsonSchema
"""
_CONFIG = frozenset(_CONFIG_WORDS.split())
_SCHEMA_WORDS = """
    anyOf default description enum example format items maxItems maxLength maxProperties maximum minItems
    minLength minProperties minimum nullable pattern properties propertyOrdering required title type
"""
_SCHEMA = frozenset(_SCHEMA_WORDS.split())
_PARTS = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
)
# What a caller wrote and the vendor must not read as its own field names.
_OPAQUE = frozenset(
    ("args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema")
)


def is_third(model: str) -> bool:
    """Gemini 3 and later: function calls have ids, and come back with their signatures or not at all."""
    return bool(_THIRD.search(model))


def camel(value: Any) -> Any:
    """Field names in camelCase, as the vendor takes both."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = ((_camel_name(name), child) for name, child in value.items())
    return {name: child if name in _OPAQUE else camel(child) for name, child in named}


def _camel_name(name: str) -> str:
    return re.sub(r"(?<=[a-z])_([a-z])", lambda found: found[1].upper(), name)


def check_generate(body: JSON, model: str) -> None:
    _check_names(body, _FIELDS, "")
    config = body.get("generationConfig") or {}
    _check_names(config, _CONFIG, " at 'generation_config'")
    if not isinstance(body.get("contents"), list) or not body["contents"]:
        raise Refused(400, "* GenerateContentRequest.contents: contents is not specified")
    _check_config(config)
    _check_tools(body, model)
    _check_contents(body["contents"], model)


def _check_names(given: JSON, known: frozenset[str], at: str) -> None:
    for name in given:
        if name not in known:
            raise Refused(400, f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')


def _check_config(config: JSON) -> None:
    bounds = {"temperature": (0, 2), "topP": (0, 1), "maxOutputTokens": (1, 1 << 31), "candidateCount": (1, 8)}
    for name, (low, high) in bounds.items():
        value = config.get(name)
        if value is not None and not low <= value <= high:
            text = (
                f"* GenerateContentRequest.generation_config.{name}: {name} must be in the range [{low}, {high}]."
            )
            raise Refused(400, text)
    if len(config.get("stopSequences") or ()) > 5:
        raise Refused(400, "* GenerateContentRequest.generation_config.stop_sequences: at most 5 are allowed")
    thinking = config.get("thinkingConfig") or {}
    if thinking.get("thinkingBudget") is not None and thinking.get("thinkingLevel") is not None:
        raise Refused(400, "You can only set only one of thinking budget and thinking level.")
    schema, json_schema = config.get("responseSchema"), config.get("responseJsonSchema")
    if schema and json_schema:
        raise Refused(400, "Only one of response_schema and response_json_schema may be set.")
    if (schema or json_schema) and config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        text = (
            "* GenerateContentRequest.generation_config.response_schema: only allowed when response_mime_type is "
        )
        raise Refused(400, text + "'application/json' or 'text/x.enum'")
    if schema:
        _check_schema(schema, "generation_config.response_schema")


def _check_schema(schema: Any, at: str) -> None:
    if not isinstance(schema, dict):
        raise Refused(400, f"Invalid value at '{at}'")
    _check_names(dict.fromkeys(map(_camel_name, schema)), _SCHEMA, f" at '{at}'")
    for name, child in (schema.get("properties") or {}).items():
        _check_schema(child, f"{at}.properties[{name}].value")
    if "items" in schema:
        _check_schema(schema["items"], f"{at}.items")
    for i, child in enumerate(schema.get("anyOf") or schema.get("any_of") or ()):
        _check_schema(child, f"{at}.any_of[{i}]")


def _check_tools(body: JSON, model: str) -> None:
    declared: list[JSON] = []
    for i, tool in enumerate(body.get("tools") or ()):
        for j, function in enumerate(tool.get("functionDeclarations") or ()):
            at = f"tools[{i}].function_declarations[{j}]"
            _check_declaration(function, at)
            declared.append(function)
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    mode = str(calling.get("mode", "AUTO")).upper()
    if mode not in ("AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED"):
        raise Refused(400, f"Invalid value at 'tool_config.function_calling_config.mode', \"{mode}\"")
    allowed = calling.get("allowedFunctionNames") or []
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise Refused(400, "allowed_function_names should be set only when function calling mode is ANY.")
    missing = [name for name in allowed if name not in [function["name"] for function in declared]]
    if missing:
        raise Refused(400, f"allowed_function_names contains '{missing[0]}', which is not declared.")
    if mode == "ANY" and not declared:
        raise Refused(400, "Function calling mode is set to ANY but no function declarations are provided.")
    mime = (body.get("generationConfig") or {}).get("responseMimeType")
    if declared and mime == "application/json" and not is_third(model):
        raise Refused(400, "Function calling with a response mime type: 'application/json' is unsupported")


def _check_declaration(function: JSON, at: str) -> None:
    name = str(function.get("name", ""))
    if not _TOOL_NAME.match(name):
        text = f"* GenerateContentRequest.{at}.name: Invalid function name. Must start with a letter or an "
        raise Refused(400, text + "underscore.")
    if function.get("parameters") and function.get("parametersJsonSchema"):
        raise Refused(
            400, f"* GenerateContentRequest.{at}: only one of parameters and parameters_json_schema may be set"
        )
    if function.get("parameters"):
        _check_schema(function["parameters"], f"{at}.parameters")


def _check_contents(contents: list[Any], model: str) -> None:
    expected = 0
    for i, content in enumerate(contents):
        role, parts = content.get("role"), content.get("parts") or []
        if role not in (None, "user", "model", "function"):
            raise Refused(400, "Please use a valid role: user, model.")
        if not parts:
            raise Refused(400, f"* GenerateContentRequest.contents[{i}].parts: contents.parts must not be empty.")
        responses = sum("functionResponse" in part for part in parts)
        if expected != responses:
            text = "Please ensure that the number of function response parts is equal to the number of function "
            raise Refused(400, text + "call parts of the function call turn.")
        expected = sum("functionCall" in part for part in parts)
        for part in parts:
            _check_part(part)
    if is_third(model):
        _check_signatures(contents)


def _check_part(part: JSON) -> None:
    if not any(kind in part for kind in _PARTS):
        raise Refused(400, "Unable to submit request because it must have a text parameter or another data field.")
    if "inlineData" in part:
        data = str(part["inlineData"].get("data", "")).replace("-", "+").replace("_", "/")
        try:
            base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
        except binascii.Error:
            text = "Invalid value at 'contents.parts.inline_data.data' (TYPE_BYTES), Base64 decoding failed"
            raise Refused(400, text) from None


def _check_signatures(contents: list[JSON]) -> None:
    """In the current turn, every step that called functions must carry the signature of its first call."""
    for content in reversed(contents):
        calls = [part for part in content["parts"] if "functionCall" in part]
        if content.get("role") != "model" and not any("functionResponse" in part for part in content["parts"]):
            return
        if calls and not calls[0].get("thoughtSignature"):
            name = calls[0]["functionCall"].get("name")
            text = "Function call is missing a thought_signature in functionCall parts. This is required for tools "
            text += "to work correctly, and missing thought_signature may lead to degraded model performance. "
            raise Refused(400, f"{text}Additional data, function call `default_api:{name}`.")
