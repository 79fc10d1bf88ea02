"""The Responses API's answers as types: what `responses_writing` and `responses_lists` write, for those who
document it.

Knows: shapes, in a reader's words. Must not know: how answers are made; nothing is decoded or written through
these types. UNSET: left out, not null.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from thermly.dialects.openai_answers import Epoch, TokenRow


def _says(text: str, *examples: Any) -> Meta:
    return Meta(description=text, examples=list(examples) or None)


Count = Annotated[int, Meta(ge=0)]
Facts = dict[str, Any]
ItemStatus = Literal["in_progress", "completed", "incomplete"]

# ---- parts


class InputTextPart(Struct, kw_only=True, tag_field="type", tag="input_text"):
    text: str


class OutputTextPart(Struct, kw_only=True, tag_field="type", tag="output_text"):
    text: str
    annotations: Annotated[list[Facts], _says("Sources of a web search.")]
    logprobs: Annotated[list[TokenRow], _says("With `message.output_text.logprobs` in `include`.")]


class DeclinedPart(Struct, kw_only=True, tag_field="type", tag="refusal"):
    refusal: Annotated[str, _says("What the model said when it declined.")]


class InputImagePart(Struct, kw_only=True, tag_field="type", tag="input_image"):
    image_url: str | None
    file_id: str | None
    detail: Literal["low", "high", "auto", "original"]


class InputFilePart(Struct, kw_only=True, tag_field="type", tag="input_file"):
    file_data: str | UnsetType = UNSET
    file_id: str | UnsetType = UNSET
    file_url: str | UnsetType = UNSET
    filename: str | UnsetType = UNSET


class SummaryPart(Struct, kw_only=True, tag_field="type", tag="summary_text"):
    text: str


class ThoughtPart(Struct, kw_only=True):
    type: Literal["reasoning_text"]
    text: str


InputPart = InputTextPart | InputImagePart | InputFilePart

# ---- items


class Item(Struct, kw_only=True, tag_field="type"):
    id: Annotated[str, _says("Say it in an `item_reference` to send the item again.")]
    status: ItemStatus


class MessageItem(Item, kw_only=True, tag="message"):
    """What somebody said."""

    role: Literal["user", "assistant", "system", "developer"]
    content: list[InputTextPart | OutputTextPart | DeclinedPart | InputImagePart | InputFilePart]
    phase: Literal["commentary", "final_answer"] | UnsetType = UNSET


class FunctionCallItem(Item, kw_only=True, tag="function_call"):
    """A function to call."""

    call_id: Annotated[str, _says("Say it in the `function_call_output` that carries the result.")]
    name: str
    arguments: Annotated[str, _says("Its arguments as JSON text. A model may write invalid JSON: check it.")]


class FunctionOutputItem(Item, kw_only=True, tag="function_call_output"):
    """The result of a call."""

    call_id: str
    output: str | list[InputPart]


class ReasoningItem(Item, kw_only=True, tag="reasoning"):
    """What the model thought."""

    summary: list[SummaryPart]
    content: list[ThoughtPart] | UnsetType = UNSET
    encrypted_content: Annotated[
        str | UnsetType, _says("With `reasoning.encrypted_content` in `include`: send it back to go on from it.")
    ] = UNSET


OutputItem = MessageItem | FunctionCallItem | ReasoningItem
AnyItem = MessageItem | FunctionCallItem | FunctionOutputItem | ReasoningItem

# ---- responses


class ResponseProblem(Struct, kw_only=True):
    code: Annotated[str, _says("The reason, for programs.", "server_error", "rate_limit_exceeded")]
    message: str


class Incomplete(Struct, kw_only=True):
    reason: Literal["max_output_tokens", "content_filter"]


class InputDetails(Struct, kw_only=True):
    cached_tokens: Annotated[Count, _says("Read from the vendor's prompt cache, at a lower price.")]
    cache_write_tokens: Annotated[Count, _says("Written to it.")]


class ReasoningDetails(Struct, kw_only=True):
    reasoning_tokens: Annotated[Count, _says("Thought, and paid like all output.")]


class ResponseUsage(Struct, kw_only=True):
    input_tokens: Annotated[Count, _says("Everything that was read, cached tokens included.")]
    input_tokens_details: InputDetails
    output_tokens: Annotated[Count, _says("Everything that was written, reasoning included.")]
    output_tokens_details: ReasoningDetails
    total_tokens: Count


class ConversationOf(Struct, kw_only=True):
    id: str


class Response(Struct, kw_only=True):
    """An answer, and what was asked for."""

    id: Annotated[str, _says("Say it in `previous_response_id` to go on from here.")]
    object: Literal["response"]
    created_at: Epoch
    completed_at: Epoch | None
    status: Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
    error: Annotated[ResponseProblem | None, _says("Why it failed.")]
    incomplete_details: Annotated[Incomplete | None, _says("Why it is not complete.")]
    model: Annotated[str, _says("The name that was asked for; for smart names the model that answered.")]
    output: list[OutputItem]
    usage: Annotated[ResponseUsage | None, _says("Once it has ended.")]
    instructions: str | None
    previous_response_id: str | None
    conversation: ConversationOf | None
    store: bool
    background: bool
    tools: list[Facts]
    tool_choice: str | Facts
    parallel_tool_calls: bool
    max_tool_calls: int | None
    text: Facts
    reasoning: Facts
    max_output_tokens: int | None
    temperature: float
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    top_logprobs: int
    truncation: Literal["disabled"]
    metadata: dict[str, str]
    service_tier: str
    prompt: None
    prompt_cache_key: str | None
    prompt_cache_retention: str | None
    safety_identifier: str | None
    user: str | None


class ResponseEvent(Struct, kw_only=True):
    """The data of one event. `response.completed`, `response.incomplete`, `response.failed` or `error` is the
    last one before `[DONE]`."""

    type: Annotated[
        str,
        _says(
            "What has happened; it says which of the other fields there are.",
            *("response.created", "response.output_item.added", "response.output_text.delta", "response.completed"),
        ),
    ]
    sequence_number: Annotated[Count, _says("Counts the events, from 0.")]
    response: Annotated[Response | UnsetType, _says("The whole of it, in the first and the last event.")] = UNSET
    output_index: Annotated[Count | UnsetType, _says("Which of the items it is about.")] = UNSET
    item: OutputItem | UnsetType = UNSET
    item_id: str | UnsetType = UNSET
    content_index: Annotated[Count | UnsetType, _says("Which of a message's parts it is about.")] = UNSET
    summary_index: Annotated[Count | UnsetType, _says("Which of the summaries it is about.")] = UNSET
    part: OutputTextPart | DeclinedPart | SummaryPart | UnsetType = UNSET
    delta: Annotated[str | UnsetType, _says("A fragment: join them in order.")] = UNSET
    logprobs: list[TokenRow] | UnsetType = UNSET
    text: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    name: Annotated[str | UnsetType, _says("Of the function whose arguments are complete.")] = UNSET
    arguments: str | UnsetType = UNSET
    annotation_index: Count | UnsetType = UNSET
    annotation: Facts | UnsetType = UNSET
    code: Annotated[str | UnsetType, _says("Of an `error`: the exact reason, for programs.")] = UNSET
    message: Annotated[str | UnsetType, _says("Of an `error`: what went wrong.")] = UNSET
    param: Annotated[str | UnsetType | None, _says("Of an `error`: the field at fault.")] = UNSET


# ---- lists, conversations


class ItemList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[AnyItem]
    first_id: Annotated[str, _says("Empty where there are no items.")]
    last_id: Annotated[str, _says("Say it in `after` for the next page.")]
    has_more: bool


class Conversation(Struct, kw_only=True):
    id: Annotated[str, _says("Say it in the `conversation` of a request.")]
    object: Literal["conversation"]
    created_at: Epoch
    metadata: dict[str, str]


class ResponseDeleted(Struct, kw_only=True):
    id: str
    object: Literal["response"]
    deleted: bool


class ConversationDeleted(Struct, kw_only=True):
    id: str
    object: Literal["conversation.deleted"]
    deleted: bool
