"""OpenAI's chat request as types that validate: its fields, bounds and unions.

Source: the Thyris reference ("Creates a model response for the given chat conversation") and OpenAI's own.
Knows: shapes. Must not know: what becomes of them.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Penalty = Annotated[float, Meta(ge=-2, le=2)]
FunctionName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}\Z")]
Tokens = Annotated[int, Meta(ge=1, le=10_000_000)]


class TextPart(Struct, tag_field="type", tag="text"):
    text: str


class ImageUrl(Struct):
    url: Annotated[str, Meta(min_length=1)]
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(Struct, tag_field="type", tag="image_url"):
    image_url: ImageUrl


class InputAudio(Struct):
    data: Annotated[str, Meta(min_length=1)]
    format: Literal["wav", "mp3", "flac", "opus", "pcm16", "aac", "ogg"]


class AudioPart(Struct, tag_field="type", tag="input_audio"):
    input_audio: InputAudio


class FileFacts(Struct):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(Struct, tag_field="type", tag="file"):
    file: FileFacts


class RefusalPart(Struct, tag_field="type", tag="refusal"):
    refusal: str


UserPart = TextPart | ImagePart | AudioPart | FilePart
AssistantPart = TextPart | RefusalPart


class FunctionCall(Struct):
    name: FunctionName
    arguments: str


class ToolCallBody(Struct):
    id: Annotated[str, Meta(min_length=1)]
    function: FunctionCall
    type: Literal["function"] = "function"


class System(Struct, tag_field="role", tag="system"):
    content: str | list[TextPart]
    name: str | None = None


class Developer(Struct, tag_field="role", tag="developer"):
    content: str | list[TextPart]
    name: str | None = None


class User(Struct, tag_field="role", tag="user"):
    content: str | list[UserPart]
    name: str | None = None


class Assistant(Struct, tag_field="role", tag="assistant"):
    content: str | list[AssistantPart] | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[ToolCallBody] | None = None
    function_call: FunctionCall | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class ToolMessage(Struct, tag_field="role", tag="tool"):
    tool_call_id: Annotated[str, Meta(min_length=1)]
    content: str | list[UserPart]


class Function(Struct, tag_field="role", tag="function"):
    name: FunctionName
    content: str | None


MessageBody = System | Developer | User | Assistant | ToolMessage | Function


class FunctionBody(Struct):
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolBody(Struct):
    type: Literal["function"]
    function: FunctionBody


class Named(Struct):
    name: FunctionName


class NamedTool(Struct, tag_field="type", tag="function"):
    function: Named


class AllowedRow(Struct):
    function: Named
    type: Literal["function"] = "function"


class Allowed(Struct):
    mode: Literal["auto", "required"]
    tools: Annotated[list[AllowedRow], Meta(min_length=1)]


class AllowedTools(Struct, tag_field="type", tag="allowed_tools"):
    allowed_tools: Allowed


class JsonSchema(Struct):
    name: FunctionName
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class FormatText(Struct, tag_field="type", tag="text"):
    pass


class FormatJson(Struct, tag_field="type", tag="json_object"):
    pass


class FormatSchema(Struct, tag_field="type", tag="json_schema"):
    json_schema: JsonSchema


class StreamOptions(Struct):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Prediction(Struct):
    type: Literal["content"]
    content: str | list[TextPart]


class AudioOut(Struct):
    voice: str
    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]


class ChatBody(Struct):
    """The whole body. Fields that are not here are passed to OpenAI-like upstreams untouched."""

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    messages: Annotated[list[MessageBody], Meta(min_length=1)]
    store: bool | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
        ]
        | None
    ) = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    modalities: Annotated[list[Literal["text", "audio"]], Meta(min_length=1)] | None = None
    audio: AudioOut | None = None
    prediction: Prediction | None = None
    response_format: FormatText | FormatJson | FormatSchema | None = None
    seed: int | None = None
    service_tier: Literal["auto", "default"] | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    tools: list[ToolBody] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | AllowedTools | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[FunctionBody], Meta(min_length=1, max_length=128)] | None = None
    function_call: Literal["none", "auto"] | Named | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    web_search_options: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    user: str | None = None
