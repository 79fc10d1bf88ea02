"""The rows of the Gemini surface in the table of operations.

Knows: its paths and types. Must not know: its prefix, statuses and bounds.
"""

from typing import Annotated

from msgspec import Meta

from thermly.dialects import gemini_answers, gemini_types, gemini_vectors
from thermly.errors import InvalidRequest, UnknownModel, UnsupportedContent
from thermly.web import openapi_samples as samples
from thermly.web.openapi_schemas import gemini_bounds
from thermly.web.openapi_terms import ESCALATED, FRESH, JSON, KEYED, MADE, SENT, SSE, Answer, Operation, Parameter

COUNT = Annotated[int, Meta(ge=0, lt=10**9)]
PAGE = Annotated[str, Meta(pattern="^[0-9]{0,9}$")]
MODEL = Parameter("model", "path", "The model's name.", example="gemini-2.5-flash")
EMBEDDER = Parameter("model", "path", "An embedding model's name.", example="gemini-embedding-2")

GEMINI = (
    Operation(
        "gemini",
        "post",
        "/models/{model}:generateContent",
        "generateContent",
        "Answer a conversation",
        (Answer({JSON: gemini_answers.GenerateContentResponse}, headers=ESCALATED),),
        MADE,
        "Any model of any provider, in Gemini's words. Field names may also be in snake_case.",
        (gemini_types.Body,),
        bounds=gemini_bounds,
        parameters=(MODEL, FRESH),
        counted="chat",
        example={"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]},
        sample=samples.GENERATE,
    ),
    Operation(
        "gemini",
        "post",
        "/models/{model}:streamGenerateContent",
        "streamGenerateContent",
        "Answer a conversation bit by bit",
        (
            Answer(
                {
                    JSON: list[gemini_answers.GenerateContentResponse],
                    SSE: gemini_answers.GenerateContentResponse,
                },
                about="The responses, in an array; with `alt=sse`, as server-sent events.",
            ),
        ),
        MADE,
        "Both forms are sent while the answer is made. An error in place of a response means that it broke off.",
        (gemini_types.Body,),
        bounds=gemini_bounds,
        parameters=(
            MODEL,
            Parameter("alt", "query", "`sse`: server-sent events in place of an array.", example="sse"),
            FRESH,
        ),
        counted="chat",
        example={"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]},
        sample=samples.STREAM_GENERATE,
    ),
    Operation(
        "gemini",
        "post",
        "/models/{model}:countTokens",
        "countTokens",
        "Count the tokens of a request",
        (Answer({JSON: gemini_answers.CountTokensResponse}),),
        (*SENT, UnsupportedContent),
        "Costs nothing. Exact where the model's provider counts, else an estimate.",
        (gemini_types.CountBody,),
        parameters=(MODEL,),
        counted="chat",
        example={"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]},
        sample=samples.COUNT,
    ),
    Operation(
        "gemini",
        "post",
        "/models/{model}:embedContent",
        "embedContent",
        "Turn a text into a vector",
        (Answer({JSON: gemini_answers.EmbedContentResponse}),),
        MADE,
        "Any embedding model of any provider.",
        (gemini_vectors.Embed,),
        parameters=(EMBEDDER,),
        counted="chat",
        example={"content": {"parts": [{"text": "The food was delicious."}]}},
        sample=samples.EMBED,
    ),
    Operation(
        "gemini",
        "post",
        "/models/{model}:batchEmbedContents",
        "batchEmbedContents",
        "Turn texts into vectors",
        (Answer({JSON: gemini_answers.BatchEmbedContentsResponse}),),
        MADE,
        "Everything but the texts must be the same in all of the requests.",
        (gemini_vectors.Batch,),
        parameters=(EMBEDDER,),
        counted="chat",
        example={"requests": [{"content": {"parts": [{"text": "The food was delicious."}]}}]},
        sample=samples.EMBED_BATCH,
    ),
    Operation(
        "gemini",
        "get",
        "/models",
        "listModels",
        "List the models",
        (Answer({JSON: gemini_answers.ListModelsResponse}),),
        (*KEYED, InvalidRequest),
        "Smart names and models of every provider that this surface can ask.",
        parameters=(
            Parameter("pageSize", "query", "How many at most: 50, up to 1,000.", COUNT, 10),
            Parameter("pageToken", "query", "The `nextPageToken` of the page before.", PAGE),
        ),
        sample=samples.GEMINI_MODELS,
    ),
    Operation(
        "gemini",
        "get",
        "/models/{model}",
        "getModel",
        "Look at one model",
        (Answer({JSON: gemini_answers.Model}),),
        (*KEYED, UnknownModel),
        "Aliases are found too.",
        parameters=(MODEL,),
        sample=samples.GEMINI_MODEL,
    ),
)
