"""Anthropic's answers as types: what `anthropic_writing` writes, for those who document it.

Knows: shapes, in a reader's words. Must not know: how answers are made; nothing is decoded or written through
these types. Blocks and facts that only Anthropic has are handed on; not all of them are listed.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType


def _says(text: str, *examples: Any) -> Meta:
    return Meta(description=text, examples=list(examples) or None)


Count = Annotated[int, Meta(ge=0)]
Facts = dict[str, Any]

# ---- errors


class MessageProblem(Struct, kw_only=True):
    type: Annotated[str, _says("The family of the error.", "invalid_request_error", "rate_limit_error")]
    message: Annotated[str, _says("What went wrong, in a sentence that begins with the field at fault.")]
    details: Annotated[Facts | UnsetType, _says("For programs, where a client needs more than the family.")] = UNSET


class MessageError(Struct, kw_only=True):
    type: Literal["error"]
    error: MessageProblem
    request_id: Annotated[str | UnsetType, _says("As in `x-request-id`, where a model was asked.")] = UNSET


# ---- messages


class MessageBlock(Struct, kw_only=True):
    """Its `type` says which of the other fields it has. Send blocks back as they came."""

    type: Annotated[str, _says("What it is.", "text", "thinking", "redacted_thinking", "tool_use")]
    text: str | UnsetType = UNSET
    citations: Annotated[list[Facts] | UnsetType | None, _says("Where a text is from.")] = UNSET
    thinking: Annotated[str | UnsetType, _says("The model's thoughts.")] = UNSET
    signature: Annotated[str | UnsetType, _says("Lets the model take its thoughts up again.")] = UNSET
    data: Annotated[str | UnsetType, _says("Thoughts that the vendor has encrypted.")] = UNSET
    id: Annotated[str | UnsetType, _says("Say it in the `tool_use_id` of the result.")] = UNSET
    name: Annotated[str | UnsetType, _says("The tool to call.")] = UNSET
    input: Annotated[Facts | UnsetType, _says("Its arguments.")] = UNSET


class CacheCreation(Struct, kw_only=True):
    ephemeral_5m_input_tokens: Count
    ephemeral_1h_input_tokens: Count


class OutputDetails(Struct, kw_only=True):
    thinking_tokens: Annotated[Count, _says("Thought, and paid like all output.")]


class MessageUsage(Struct, kw_only=True):
    input_tokens: Annotated[Count, _says("What was read, without what the next two count.")]
    cache_creation_input_tokens: Annotated[Count, _says("Written to the vendor's prompt cache.")]
    cache_read_input_tokens: Annotated[Count, _says("Read from it, at a lower price.")]
    cache_creation: CacheCreation
    output_tokens: Annotated[Count, _says("Everything that was written, thoughts included.")]
    output_tokens_details: OutputDetails | UnsetType = UNSET
    server_tool_use: Annotated[Facts | UnsetType | None, _says("Calls of Anthropic's own tools.")] = UNSET
    service_tier: str | UnsetType | None = UNSET


StopReason = Annotated[
    str | None,
    _says(
        "Why it ended: by itself, at its bound, for a tool, by a safety system.",
        *("end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"),
    ),
]


class Message(Struct, kw_only=True):
    """A whole answer; in `message_start` still without content."""

    id: Annotated[str, _says("Also in `x-request-id`, behind another prefix.")]
    type: Literal["message"]
    role: Literal["assistant"]
    model: Annotated[str, _says("The name that was asked for; for smart names the model that answered.")]
    content: list[MessageBlock]
    stop_reason: StopReason
    stop_sequence: Annotated[str | None, _says("Which of the `stop_sequences` ended it.")]
    usage: MessageUsage


class MessageTokensCount(Struct, kw_only=True):
    input_tokens: Annotated[Count, _says("What the request would read.")]


# ---- streams


class MessageStart(Struct, kw_only=True, tag_field="type", tag="message_start"):
    message: Message


class ContentBlockStart(Struct, kw_only=True, tag_field="type", tag="content_block_start"):
    index: Count
    content_block: Annotated[MessageBlock, _says("The block, empty.")]


class BlockDelta(Struct, kw_only=True):
    """One of `text_delta`, `thinking_delta`, `signature_delta`, `input_json_delta`, `citations_delta`."""

    type: Annotated[str, _says("Which of the other fields it has.", "text_delta", "input_json_delta")]
    text: str | UnsetType = UNSET
    thinking: str | UnsetType = UNSET
    signature: str | UnsetType = UNSET
    partial_json: Annotated[str | UnsetType, _says("A fragment of a call's input: join them in order.")] = UNSET
    citation: Facts | UnsetType = UNSET


class ContentBlockDelta(Struct, kw_only=True, tag_field="type", tag="content_block_delta"):
    index: Count
    delta: BlockDelta


class ContentBlockStop(Struct, kw_only=True, tag_field="type", tag="content_block_stop"):
    index: Count


class MessageEnd(Struct, kw_only=True):
    stop_reason: StopReason
    stop_sequence: str | None


class MessageDelta(Struct, kw_only=True, tag_field="type", tag="message_delta"):
    delta: MessageEnd
    usage: MessageUsage


class MessageStop(Struct, kw_only=True, tag_field="type", tag="message_stop"):
    pass


class Ping(Struct, kw_only=True, tag_field="type", tag="ping"):
    """A sign of life."""


MessageEvent = (
    MessageStart | ContentBlockStart | ContentBlockDelta | ContentBlockStop | MessageDelta | MessageStop | Ping
)
"""The data of one event. An `error` in place of it means that the answer broke off."""
