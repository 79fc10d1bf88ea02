"""Gemini's requests as types that validate: their fields, bounds and unions.

Source: Google's API reference ("Generating content", "Counting tokens", "Caching"). Google's parser takes each
field in camelCase and in snake_case, and one object for a list of one; `camel` makes them one. A type that is
closed has no fields but those named here; the others carry what is not named to Gemini. Knows: shapes. Must not
know: what becomes of them.
"""

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, ValidationError

from thermly.dialects.openai_chat import invalid
from thermly.errors import InvalidRequest

Penalty = Annotated[float, Meta(ge=-2, le=2)]
FunctionName = Annotated[str, Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}\Z")]
Named = Annotated[str, Meta(min_length=1)]
# What a caller wrote, whose names must stay as they are.
OPAQUE = frozenset(
    (
        *("args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"),
        *("labels", "partMetadata", "headers"),
    )
)
# Google's own examples write `"system_instruction": {"parts": {"text": …}}`.
REPEATED = frozenset(("contents", "parts", "tools", "functionDeclarations"))
_SNAKE = re.compile(r"(?<=[a-zA-Z0-9])_([a-z0-9])")


class _Twice(Exception):
    """The steps to the field, its own first: only who refuses needs a path, and names may be long."""

    def __init__(self, name: str) -> None:
        self.steps = [f".{name}"]


def camel(value: Any) -> Any:
    """The value with its field names in camelCase, and lists where they belong. Raises InvalidRequest where a field
    was given in both ways."""
    try:
        return _camel(value)
    except _Twice as twice:
        path = "".join(reversed(twice.steps)).lstrip(".")[:200]
        raise InvalidRequest(f"'{path}' is given twice.", param=path) from None


def _camel(value: Any) -> Any:
    if isinstance(value, list):
        return [_within(item, f"[{i}]") if isinstance(item, dict | list) else item for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    out: dict[str, Any] = {}
    for key, child in value.items():
        name = camel_name(key)
        if name in out:
            raise _Twice(name)
        if name in REPEATED and isinstance(child, dict):
            child = [child]
        out[name] = child if name in OPAQUE else _within(child, f".{name}")
    return out


def _within(value: Any, step: str) -> Any:
    try:
        return _camel(value)
    except _Twice as twice:
        twice.steps.append(step)
        raise


def camel_name(name: str) -> str:
    """Google's own clients also write `_responseJsonSchema`."""
    return _SNAKE.sub(lambda found: found[1].upper(), name.lstrip("_"))


def refusal(error: ValidationError) -> InvalidRequest:
    """A field that does not exist is named itself, not what it was found in."""
    refused = invalid(error)
    before, _, field = refused.message.rstrip(".").partition("Object contains unknown field ")
    if before or not field:
        return refused
    name = field.split("'")[1]
    path = f"{refused.param}.{name}" if refused.param else name
    return InvalidRequest(f"There is no field '{path}'.", param=path)


class Open(Struct, rename="camel", kw_only=True):
    pass


class Closed(Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    pass


class Blob(Open):
    mime_type: Named
    data: Named


class File(Open):
    file_uri: Named
    mime_type: str | None = None


class FunctionCall(Closed):
    name: FunctionName
    id: str | None = None
    args: dict[str, Any] | None = None


class ResponsePart(Open):
    inline_data: Blob | None = None
    file_data: File | None = None


class FunctionResponse(Open):
    name: str | None = None
    id: str | None = None
    response: dict[str, Any] | None = None
    parts: list[ResponsePart] | None = None


class Part(Open):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: File | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    tool_call: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None


class Content(Closed):
    parts: Annotated[list[Part], Meta(min_length=1)]
    role: Literal["", "user", "model", "function"] | None = None


class SystemPart(Open):
    text: str


class System(Closed):
    parts: Annotated[list[SystemPart], Meta(min_length=1)]
    role: str | None = None


class Declaration(Open):
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None


class ToolBody(Open):
    function_declarations: list[Declaration] | None = None


class Calling(Closed):
    mode: Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"] | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Open):
    function_calling_config: Calling | None = None


class Thinking(Closed):
    include_thoughts: bool | None = None
    thinking_budget: Annotated[int, Meta(ge=-1, le=1 << 20)] | None = None
    thinking_level: str | None = None


class Config(Open):
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    candidate_count: Annotated[int, Meta(ge=1, le=8)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    stop_sequences: Annotated[list[Named], Meta(max_length=5)] | None = None
    response_mime_type: Literal["", "text/plain", "application/json", "text/x.enum"] | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Annotated[int, Meta(ge=-(1 << 31), lt=1 << 31)] | None = None
    response_logprobs: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    thinking_config: Thinking | None = None
    response_modalities: list[Literal["MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO"]] | None = None


class Body(Closed):
    """The whole body of generateContent."""

    contents: Annotated[list[Content], Meta(min_length=1)]
    system_instruction: System | None = None
    tools: list[ToolBody] | None = None
    tool_config: ToolConfig | None = None
    safety_settings: list[dict[str, Any]] | None = None
    generation_config: Config | None = None
    cached_content: str | None = None
    labels: dict[str, Any] | None = None
    model: str | None = None
    service_tier: str | None = None
    store: bool | None = None


class CountBody(Closed):
    """The whole body of countTokens: one of the two."""

    contents: list[Any] | dict[str, Any] | None = None
    generate_content_request: dict[str, Any] | None = None
