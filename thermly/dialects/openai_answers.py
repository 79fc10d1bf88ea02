"""OpenAI's answers as types: what `openai_chat_writing` and its neighbours write, for those who document it.

Knows: shapes, in a reader's words. Must not know: how answers are made; nothing is decoded or written through
these types. Fields that a vendor adds of its own are handed on and are not listed; UNSET: left out, not null.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType


def _says(text: str, *examples: Any) -> Meta:
    return Meta(description=text, examples=list(examples) or None)


Count = Annotated[int, Meta(ge=0)]
Epoch = Annotated[int, Meta(ge=0, description="Seconds since 1970, UTC.")]

# ---- errors


class Problem(Struct, kw_only=True):
    message: Annotated[str, _says("What went wrong, in a sentence for people.")]
    type: Annotated[str, _says("The family of the error.", "invalid_request_error", "rate_limit_error")]
    code: Annotated[str, _says("The exact reason, for programs.", "invalid_api_key", "model_not_found")]
    param: Annotated[str | None, _says("The field at fault, where there is one.", "messages[0].content")]


class Error(Struct, kw_only=True):
    error: Problem


# ---- chat


class CalledFunction(Struct, kw_only=True):
    name: Annotated[str, _says("The function to call.")]
    arguments: Annotated[str, _says("Its arguments as JSON text. A model may write invalid JSON: check it.")]


class ToolCall(Struct, kw_only=True):
    id: Annotated[str, _says("Say it in the `tool_call_id` of the message that carries the result.")]
    type: Literal["function"]
    function: CalledFunction


class Likely(Struct, kw_only=True):
    token: str
    logprob: Annotated[float, _says("Natural logarithm of the probability.")]
    bytes: Annotated[list[int] | UnsetType | None, _says("The token's UTF-8 bytes.")] = UNSET


class TokenRow(Likely, kw_only=True):
    top_logprobs: Annotated[list[Likely] | UnsetType, _says("The likeliest tokens at this place.")] = UNSET


class Logprobs(Struct, kw_only=True):
    content: list[TokenRow] | None
    refusal: list[TokenRow] | None


class AnswerMessage(Struct, kw_only=True):
    role: Literal["assistant"]
    content: Annotated[str | None, _says("The text; null beside tool calls that came without any.")]
    refusal: Annotated[str | None, _says("What the model said when it declined.")]
    reasoning_content: Annotated[str | UnsetType, _says("The model's thoughts, where it shows them.")] = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET
    function_call: Annotated[CalledFunction | UnsetType, _says("In answer to `functions`.")] = UNSET
    annotations: Annotated[list[dict[str, Any]] | UnsetType, _says("Sources of a web search.")] = UNSET
    audio: Annotated[dict[str, Any] | UnsetType | None, _says("Speech, where it was asked for.")] = UNSET


FinishReason = Annotated[
    Literal["stop", "length", "tool_calls", "content_filter", "function_call"],
    _says("Why the answer ended: by itself, at its bound, for a tool, by a safety system."),
]


class ChatChoice(Struct, kw_only=True):
    index: Count
    message: AnswerMessage
    logprobs: Annotated[Logprobs | None, _says("Where `logprobs` was true.")]
    finish_reason: FinishReason


class PromptDetails(Struct, kw_only=True):
    cached_tokens: Annotated[Count, _says("Read from the vendor's prompt cache, at a lower price.")]
    audio_tokens: Count
    cache_write_tokens: Annotated[Count | UnsetType, _says("Written to the vendor's prompt cache.")] = UNSET


class CompletionDetails(Struct, kw_only=True):
    reasoning_tokens: Annotated[Count, _says("Thought, and paid like all output.")]
    audio_tokens: Count
    accepted_prediction_tokens: Count
    rejected_prediction_tokens: Count


class ChatUsage(Struct, kw_only=True):
    prompt_tokens: Annotated[Count, _says("Everything that was read, cached tokens included.")]
    completion_tokens: Annotated[Count, _says("Everything that was written, reasoning included.")]
    total_tokens: Count
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails
    prompt_cache_hit_tokens: Annotated[Count | UnsetType, _says("DeepSeek's own count.")] = UNSET
    prompt_cache_miss_tokens: Annotated[Count | UnsetType, _says("DeepSeek's own count.")] = UNSET


class Thermostat(Struct, kw_only=True):
    actual_model: Annotated[str, _says("The model that answered.", "gpt-4o-mini")]
    complexity_level: Annotated[int, Meta(ge=1, le=5, description="How hard the request looked, from 1 to 5.")]
    cached: Annotated[bool, _says("Answered from the cache, free of charge.")]
    escalated_from: Annotated[
        str | UnsetType, _says("A cheaper model that was asked first. Its answer is paid too.", "gpt-6-luna")
    ] = UNSET
    escalated_because: Annotated[
        str | UnsetType, _says("What was wrong with that answer.", "its answer was not valid JSON")
    ] = UNSET


class Completion(Struct, kw_only=True):
    id: Annotated[str, _says("Also in `x-request-id`, behind another prefix.")]
    created: Epoch
    model: Annotated[str, _says("The name that was asked for; for smart names the model that answered.")]
    system_fingerprint: str | UnsetType | None = UNSET
    service_tier: str | UnsetType | None = UNSET


class ChatCompletion(Completion, kw_only=True):
    """A whole answer."""

    object: Literal["chat.completion"]
    choices: list[ChatChoice]
    usage: ChatUsage
    x_thermostat: Annotated[Thermostat, _says("What Thermly decided for this request.")]


class CalledPiece(Struct, kw_only=True):
    name: str | UnsetType = UNSET
    arguments: Annotated[str | UnsetType, _says("A fragment: join them in order.")] = UNSET


class ToolCallPiece(Struct, kw_only=True):
    index: Annotated[Count, _says("Which of the calls this fragment belongs to.")]
    id: Annotated[str | UnsetType, _says("In the first fragment of a call.")] = UNSET
    type: Literal["function"] | UnsetType = UNSET
    function: CalledPiece


class Delta(Struct, kw_only=True):
    role: Annotated[Literal["assistant"] | UnsetType, _says("In the first chunk of a choice.")] = UNSET
    content: Annotated[str | UnsetType | None, _says("More text.")] = UNSET
    refusal: str | UnsetType | None = UNSET
    reasoning_content: Annotated[str | UnsetType, _says("More of the model's thoughts.")] = UNSET
    tool_calls: list[ToolCallPiece] | UnsetType = UNSET
    function_call: CalledPiece | UnsetType = UNSET
    annotations: list[dict[str, Any]] | UnsetType = UNSET
    audio: dict[str, Any] | UnsetType | None = UNSET


class ChunkChoice(Struct, kw_only=True):
    index: Count
    delta: Delta
    logprobs: Logprobs | None
    finish_reason: Annotated[FinishReason | None, _says("Null until the choice ends.")]


class ChatCompletionChunk(Completion, kw_only=True):
    """The data of one event. `data: [DONE]` ends a complete stream; a broken one ends with an error event."""

    object: Literal["chat.completion.chunk"]
    choices: Annotated[list[ChunkChoice], _says("Empty in the chunk that only carries the usage.")]
    usage: Annotated[
        ChatUsage | UnsetType | None, _says("With `stream_options.include_usage`: null until the last chunk.")
    ] = UNSET
    x_thermostat: Annotated[Thermostat | UnsetType, _says("In the first and the last chunk.")] = UNSET


# ---- models


class Model(Struct, kw_only=True):
    """A model that this key may use."""

    id: Annotated[str, _says("The name to ask for.", "auto", "gpt-4o")]
    object: Literal["model"]
    created: Epoch
    owned_by: Annotated[str, _says("Who made it.", "openai", "thermly")]
    capabilities: Annotated[list[str], _says("What it is able to do.", ["tools", "vision"])]
    kind: Literal["chat", "embedding", "image"]
    description: str | UnsetType = UNSET
    context_window: Annotated[Count | UnsetType, _says("Tokens that it reads at once.")] = UNSET
    max_output_tokens: Annotated[Count | UnsetType, _says("Tokens that it writes at most.")] = UNSET
    dimensions: Annotated[Count | UnsetType, _says("Numbers in one of its vectors.")] = UNSET
    sizes: Annotated[list[str] | UnsetType, _says("Sizes of images that it makes.")] = UNSET
    qualities: Annotated[list[str] | UnsetType, _says("Qualities of images that it makes.")] = UNSET
    pricing_usd: Annotated[
        dict[str, str] | UnsetType,
        _says("Dollars per million tokens or per image, as exact decimals.", {"input_per_mtok": "2.5"}),
    ] = UNSET
    tier: Literal["fast", "balanced", "best"] | UnsetType = UNSET
    retired_on: Annotated[str | UnsetType, _says("The day its vendor retired it.", "2025-10-28")] = UNSET
    answered_by: Annotated[str | UnsetType, _says("The living model that answers for it.")] = UNSET


class ModelList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[Model]


# ---- embeddings


class Embedding(Struct, kw_only=True):
    object: Literal["embedding"]
    index: Annotated[Count, _says("Which of the inputs it belongs to.")]
    embedding: Annotated[
        list[float] | str, _says("Numbers; with `base64` their little-endian 32-bit floats as base64.")
    ]


class EmbeddingUsage(Struct, kw_only=True):
    prompt_tokens: Count
    total_tokens: Count


class EmbeddingList(Struct, kw_only=True):
    """One vector for each input, in their order."""

    object: Literal["list"]
    data: list[Embedding]
    model: Annotated[str, _says("The name that was asked for.")]
    usage: EmbeddingUsage


# ---- images


class ImageUsage(Struct, kw_only=True):
    total_tokens: Count
    input_tokens: Count
    output_tokens: Count
    input_tokens_details: dict[str, Count]


class Image(Struct, kw_only=True):
    url: Annotated[str | UnsetType, _says("Where the image is until it expires.")] = UNSET
    b64_json: Annotated[str | UnsetType, _says("The image itself, with `response_format: b64_json`.")] = UNSET
    revised_prompt: Annotated[str | UnsetType, _says("The prompt as the vendor rewrote it.")] = UNSET


class ImagesAnswer(Struct, kw_only=True):
    """The images, in the order of their positions."""

    created: Epoch
    data: list[Image]
    size: Annotated[str | UnsetType, _says("The size that was asked for.", "1024x1024")] = UNSET
    quality: Annotated[str | UnsetType, _says("The quality that was asked for.", "hd")] = UNSET
    usage: Annotated[ImageUsage | UnsetType, _says("Where the vendor counts tokens.")] = UNSET


class Progress(Struct, kw_only=True):
    done: Count
    of: Count


class ImageJob(Struct, kw_only=True):
    """A request for images that nobody waits for."""

    id: Annotated[str, _says("Ask for the job under this id.")]
    object: Literal["image.generation.job"]
    status: Literal["queued", "in_progress", "completed", "failed"]
    created: Epoch
    progress: Annotated[Progress, _says("How many of the images are made.")]
    result: Annotated[ImagesAnswer | UnsetType, _says("The answer, once completed.")] = UNSET
    error: Annotated[Problem | UnsetType, _says("Why there is none, once failed.")] = UNSET
