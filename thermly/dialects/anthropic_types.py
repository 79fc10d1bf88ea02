"""Anthropic's Messages requests as types that validate: their fields, bounds and unions.

Source: Anthropic's API reference ("Create a Message", "Count tokens in a Message"). A block's `type` decides which
of these it is, and new types come often, so `convert` is called block by block. Knows: shapes. Must not know: what
becomes of them.
"""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from thermly.dialects.openai_chat import invalid
from thermly.errors import InvalidRequest

Kind = TypeVar("Kind", bound=Struct)
JSON = dict[str, Any]
Named = Annotated[str, Meta(min_length=1)]
ToolName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,128}\Z")]
Tokens = Annotated[int, Meta(ge=1, le=10_000_000)]
Effort = Literal["low", "medium", "high", "xhigh", "max"]


def convert(raw: JSON, kind: type[Kind], where: str) -> Kind:
    """Raises InvalidRequest, naming the field below `where`."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        refused = invalid(error)
    if refused.param is None:
        raise InvalidRequest(f"{refused.message.rstrip('.')} at '{where}'.", param=where)
    path = f"{where}.{refused.param}"
    raise InvalidRequest(refused.message.replace(f"'{refused.param}'", f"'{path}'"), param=path)


# ---- sources


class Base64(Struct, tag_field="type", tag="base64"):
    media_type: Named
    data: Named


class Url(Struct, tag_field="type", tag="url"):
    url: Named


class Stored(Struct, tag_field="type", tag="file"):
    file_id: str


class Plain(Struct, tag_field="type", tag="text"):
    data: str
    media_type: str = "text/plain"


class Content(Struct, tag_field="type", tag="content"):
    content: str | list[JSON]


# ---- blocks


class Text(Struct):
    text: str


class Image(Struct):
    source: Base64 | Url | Stored


class Document(Struct):
    source: Base64 | Url | Stored | Plain | Content
    title: str | None = None
    context: str | None = None


class SearchResult(Struct):
    source: str
    title: str
    content: list[Text]


class ToolReference(Struct):
    tool_name: Named


class ToolUse(Struct):
    id: Named
    name: ToolName
    input: JSON


class ToolResult(Struct):
    tool_use_id: Named
    content: str | list[JSON] | None = None
    is_error: bool | None = None


class Thinking(Struct):
    thinking: str
    signature: str = ""


class Redacted(Struct):
    data: Named


# ---- the request


class Message(Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[JSON]


class Tool(Struct):
    """A tool whose input the caller describes."""

    name: ToolName
    input_schema: JSON
    description: str | None = None
    strict: bool | None = None


class OwnTool(Struct):
    """A tool that Anthropic describes. Some kinds have no name, since they are several tools."""

    type: Named
    name: ToolName | None = None
    user_location: JSON | None = None


class ToolChoice(Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingConfig(Struct):
    type: Named
    budget_tokens: Annotated[int, Meta(ge=1024, le=10_000_000)] | None = None


class JsonFormat(Struct):
    type: Literal["json_schema"]
    schema: JSON


class OutputConfig(Struct):
    effort: Effort | None = None
    format: JsonFormat | None = None


class Metadata(Struct):
    user_id: str | None = None


class CountBody(Struct, kw_only=True):
    """What to count. `anthropic` says which other fields there may be."""

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    messages: Annotated[list[Message], Meta(min_length=1)]
    system: str | list[JSON] | None = None
    max_tokens: Tokens | None = None
    stop_sequences: list[Named] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    tools: list[JSON] | None = None
    tool_choice: ToolChoice | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    output_format: JsonFormat | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    metadata: Metadata | None = None
    inference_geo: str | None = None
    stream: bool | None = None


class Body(CountBody, kw_only=True):
    """The whole body of a message's making."""

    max_tokens: Tokens


# msgspec prepares a type at its first use, and a thread that meets a half prepared one crashes the process.
_DECODED: tuple[type[Struct], ...] = (
    *(Text, Image, Document, SearchResult, ToolReference, ToolUse, ToolResult, Thinking, Redacted),
    *(Tool, OwnTool, CountBody, Body),
)
for _kind in _DECODED:
    msgspec.json.Decoder(_kind)
