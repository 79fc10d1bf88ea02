"""The Responses API's requests as types that validate: their fields, bounds and unions.

Source: OpenAI's API reference ("Responses", "Conversations") and the Open Responses specification. Knows: shapes.
Must not know: what becomes of them. Items, parts and tools are taken one by one, so that a refusal can say which.
"""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from thermly.dialects.gemini_types import refusal
from thermly.dialects.openai_types import FunctionName, Penalty
from thermly.errors import InvalidRequest

JSON = dict[str, Any]
Kind = TypeVar("Kind")
Named = Annotated[str, Meta(min_length=1)]
Status = Literal["in_progress", "completed", "incomplete"]
Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]
MOST_ITEMS_AT_ONCE = 20  # of a conversation


class Open(Struct, kw_only=True):
    pass


class Closed(Struct, kw_only=True, forbid_unknown_fields=True):
    pass


# ---- parts of a message or of a function's output


class InputText(Open, tag_field="type", tag="input_text"):
    text: str


class OutputText(Open, tag_field="type", tag="output_text"):
    text: str
    annotations: list[JSON] | None = None


class RefusalPart(Open, tag_field="type", tag="refusal"):
    refusal: str


class InputImage(Open, tag_field="type", tag="input_image"):
    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["low", "high", "auto", "original"] | None = None


class InputFile(Open, tag_field="type", tag="input_file"):
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None


Part = InputText | OutputText | RefusalPart | InputImage | InputFile


# ---- items


class Message(Open):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[JSON]
    id: Named | None = None
    status: Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class FunctionCall(Open):
    call_id: Named
    name: Named
    arguments: str
    id: Named | None = None
    status: Status | None = None


class FunctionOutput(Open):
    call_id: Named
    output: str | list[JSON]
    id: Named | None = None
    status: Status | None = None


class Thought(Open):
    text: str


class Reasoning(Open):
    summary: list[Thought] = []
    content: list[Thought] | None = None
    encrypted_content: str | None = None
    id: Named | None = None
    status: Status | None = None


class Reference(Open):
    id: Named


# ---- tools


class Function(Open):
    name: FunctionName
    description: str | None = None
    parameters: JSON | None = None
    strict: bool | None = None


class Location(Open):
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class WebSearch(Open):
    type: str
    search_context_size: Literal["low", "medium", "high"] | None = None
    user_location: Location | None = None
    filters: JSON | None = None
    external_web_access: bool | None = None


class NamedFunction(Open, tag_field="type", tag="function"):
    name: FunctionName


class AllowedTools(Open, tag_field="type", tag="allowed_tools"):
    tools: Annotated[list[NamedFunction], Meta(min_length=1)]
    mode: Literal["auto", "required"] = "auto"


# ---- text and thoughts


class FormatText(Open, tag_field="type", tag="text"):
    pass


class FormatJson(Open, tag_field="type", tag="json_object"):
    pass


class FormatSchema(Open, tag_field="type", tag="json_schema"):
    name: FunctionName
    schema: JSON
    description: str | None = None
    strict: bool | None = None


class TextBody(Closed):
    format: FormatText | FormatJson | FormatSchema | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningBody(Closed):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class StreamOptions(Open):
    include_obfuscation: bool | None = None


class ConversationBody(Open):
    id: Named


# ---- whole bodies


class Body(Closed):
    """The whole body of a request. The fields of the last group are refused or passed over, by name."""

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    input: str | list[JSON] | None = None
    instructions: str | None = None
    previous_response_id: Named | None = None
    conversation: Named | ConversationBody | None = None
    store: bool | None = None
    background: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    include: list[str] | None = None
    tools: list[JSON] | None = None
    tool_choice: Literal["none", "auto", "required"] | JSON | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: Annotated[int, Meta(ge=1)] | None = None
    text: TextBody | None = None
    reasoning: ReasoningBody | None = None
    max_output_tokens: Annotated[int, Meta(ge=16, le=10_000_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "default"] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    safety_identifier: str | None = None
    user: str | None = None

    prompt: Any = None
    context_management: Any = None
    moderation: Any = None
    access_programs: Any = None
    image: Any = None
    prompt_cache_options: Any = None
    client_metadata: Any = None


class NewConversation(Closed):
    metadata: Metadata | None = None
    items: Annotated[list[JSON], Meta(max_length=MOST_ITEMS_AT_ONCE)] | None = None


class NewItems(Closed):
    items: Annotated[list[JSON], Meta(min_length=1, max_length=MOST_ITEMS_AT_ONCE)]


class Update(Closed):
    metadata: Metadata | None


# msgspec prepares a type at its first use, and a thread that meets a half prepared one crashes the process.
_TAKEN: tuple[Any, ...] = (
    *(Part, Message, FunctionCall, FunctionOutput, Reasoning, Reference, Function, WebSearch),
    *(NamedFunction | AllowedTools, Body, NewConversation, NewItems, Update),
)
for _kind in _TAKEN:
    msgspec.json.Decoder(_kind)


def take(raw: Any, kind: type[Kind], where: str = "") -> Kind:
    """The value as the type. Raises InvalidRequest with the whole path of the field at fault."""
    try:
        return msgspec.convert(raw, kind)
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.", param=where or None) from None
    except msgspec.ValidationError as error:
        told = refusal(error)
    path = f"{where}.{told.param}" if where and told.param else told.param or where
    if told.param:
        raise InvalidRequest(told.message.replace(f"'{told.param}'", f"'{path}'"), param=path)
    raise InvalidRequest(f"{told.message.rstrip('.')} at '{path}'." if path else told.message, param=path or None)
