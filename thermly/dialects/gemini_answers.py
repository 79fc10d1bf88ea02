"""Gemini's answers as types: what `gemini_writing` and its neighbours write, for those who document it.

Knows: shapes, in a reader's words. Must not know: how answers are made; nothing is decoded or written through
these types. What only Gemini says of an answer (safety ratings, grounding) is handed on; not all of it is listed.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType


def _says(text: str, *examples: Any) -> Meta:
    return Meta(description=text, examples=list(examples) or None)


Count = Annotated[int, Meta(ge=0)]
Facts = dict[str, Any]


class Shape(Struct, rename="camel"):
    pass


# ---- errors


class Problem(Shape):
    message: Annotated[str, _says("What went wrong, in a sentence for people.")]
    type: Annotated[str, _says("The family of the error.", "invalid_request_error", "rate_limit_error")]
    code: Annotated[
        str | int,
        _says("The exact reason, for programs; within a stream, the HTTP status.", "invalid_api_key", 503),
    ]
    param: Annotated[str | None, _says("The field at fault, where there is one.", "contents[0].parts")]
    status: Annotated[str, _says("Google's name for it.", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")]


class Error(Shape):
    error: Problem


# ---- generateContent


class AnswerBlob(Shape):
    data: Annotated[str, _says("In base64.")]
    mime_type: str | UnsetType = UNSET


class AnswerFile(Shape):
    file_uri: str
    mime_type: str | UnsetType = UNSET


class AnswerCall(Shape):
    name: str
    args: Annotated[Facts, _says("The arguments.")]
    id: Annotated[str, _says("Send it back with the function's response.")]


class AnswerPart(Shape):
    """One of its fields says what it is; the signature goes back with the part as it came."""

    text: str | UnsetType = UNSET
    thought: Annotated[bool | UnsetType, _says("True where the text is a thought.")] = UNSET
    thought_signature: str | UnsetType = UNSET
    inline_data: AnswerBlob | UnsetType = UNSET
    file_data: AnswerFile | UnsetType = UNSET
    function_call: AnswerCall | UnsetType = UNSET
    executable_code: Facts | UnsetType = UNSET
    code_execution_result: Facts | UnsetType = UNSET


class AnswerContent(Shape):
    role: Literal["model"]
    parts: list[AnswerPart]


class LikelyToken(Shape):
    token: str | None
    log_probability: Annotated[float | None, _says("Natural logarithm of the probability.")]


class TopTokens(Shape):
    candidates: list[LikelyToken]


class LogprobsResult(Shape):
    chosen_candidates: Annotated[list[LikelyToken], _says("The tokens of the answer.")]
    top_candidates: Annotated[list[TopTokens], _says("The likeliest tokens at each place.")]


class Candidate(Shape):
    index: Count
    content: AnswerContent
    finish_reason: Annotated[
        str | UnsetType, _says("Why it ended; in a stream, with the last chunk.", "STOP", "MAX_TOKENS", "SAFETY")
    ] = UNSET
    finish_message: str | UnsetType = UNSET
    logprobs_result: Annotated[LogprobsResult | UnsetType, _says("With `responseLogprobs`.")] = UNSET
    avg_logprobs: float | UnsetType = UNSET
    safety_ratings: list[Facts] | UnsetType = UNSET
    citation_metadata: Facts | UnsetType = UNSET
    grounding_metadata: Annotated[Facts | UnsetType, _says("Sources of a web search.")] = UNSET
    url_context_metadata: Facts | UnsetType = UNSET


class UsageMetadata(Shape):
    prompt_token_count: Annotated[Count, _says("Everything that was read, cached tokens included.")]
    candidates_token_count: Annotated[Count, _says("What was written, without thoughts.")]
    total_token_count: Count
    cached_content_token_count: Annotated[Count | UnsetType, _says("Read from a cache, at a lower price.")] = UNSET
    thoughts_token_count: Annotated[Count | UnsetType, _says("Thought, and paid like all output.")] = UNSET


class GenerateContentResponse(Shape, kw_only=True):
    """An answer, or a chunk of one."""

    candidates: list[Candidate]
    usage_metadata: Annotated[UsageMetadata | UnsetType, _says("In a stream, with the last chunk.")] = UNSET
    model_version: Annotated[str, _says("The model that answered.")]
    response_id: Annotated[str, _says("Also in `x-request-id`, behind a prefix.")]


class CountTokensResponse(Shape):
    total_tokens: Annotated[Count, _says("What the request would read.")]


# ---- embeddings


class ContentEmbedding(Shape):
    values: list[float]


class EmbedUsage(Shape):
    prompt_token_count: Count
    total_token_count: Count


class EmbedContentResponse(Shape):
    embedding: ContentEmbedding
    usage_metadata: EmbedUsage | UnsetType = UNSET


class BatchEmbedContentsResponse(Shape):
    """One vector for each request, in their order."""

    embeddings: list[ContentEmbedding]
    usage_metadata: EmbedUsage | UnsetType = UNSET


# ---- models


class Model(Shape):
    """A model that this key may use."""

    name: Annotated[str, _says("The path to ask for, below the surface's.", "models/gemini-2.5-flash")]
    base_model_id: Annotated[str, _says("The model that answers.")]
    version: str
    display_name: str
    description: str
    input_token_limit: Annotated[Count, _says("Tokens that it reads at once.")]
    output_token_limit: Annotated[Count, _says("Tokens that it writes at most.")]
    supported_generation_methods: Annotated[list[str], _says("What it can be asked.", ["generateContent"])]
    temperature: Annotated[float | UnsetType, _says("Its default.")] = UNSET
    max_temperature: float | UnsetType = UNSET
    thinking: Annotated[bool | UnsetType, _says("Whether it thinks.")] = UNSET


class ListModelsResponse(Shape):
    models: list[Model]
    next_page_token: Annotated[str | UnsetType, _says("Ask for the next page with it; absent on the last.")] = UNSET
