"""The table of operations: what can be asked of this server, with which bodies, and what it answers.

Knows: paths below a surface, types, who may refuse. Must not know: any surface's prefix, statuses and bounds.
A new route is a new row; a test holds the table against the application's own routes.
"""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from thermly.dialects import (
    anthropic,
    anthropic_answers,
    anthropic_types,
    feedback,
    gemini,
    gemini_answers,
    gemini_types,
    gemini_vectors,
    openai_chat,
    openai_embeddings,
    openai_images,
    openai_types,
    responses_answers,
    responses_types,
)
from thermly.dialects import openai_answers as answers
from thermly.errors import Internal, NotFound, PermissionDenied, Unavailable, UnknownModel
from thermly.web import openapi_samples as samples
from thermly.web.openapi_gemini import GEMINI
from thermly.web.openapi_messages import MESSAGES
from thermly.web.openapi_responses import CONVERSATIONS, RESPONSES
from thermly.web.openapi_schemas import chat_bounds, generated_bounds
from thermly.web.openapi_terms import ESCALATED, FRESH, JSON, KEYED, MADE, SENT, SSE, Answer, Operation, Parameter

PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif")


class Alive(Struct):
    status: Literal["alive"]


class Ready(Struct):
    """`providers` have a key; `cooling` are targets that failed and are passed over for a while."""

    status: Literal["ready"]
    database: Literal["ok"]
    providers: list[str]
    cooling: list[str]


class NotReady(Struct):
    status: Literal["not ready"]
    database: str


FAMILIES = {
    openai_types.__name__: "Chat",
    openai_embeddings.__name__: "Embedding",
    openai_images.__name__: "Image",
    feedback.__name__: "Feedback",
    answers.__name__: "",
    gemini_types.__name__: "Gemini",
    gemini_vectors.__name__: "GeminiEmbed",
    gemini_answers.__name__: "Gemini",
    anthropic_types.__name__: "Anthropic",
    anthropic_answers.__name__: "",
    responses_types.__name__: "Responses",
    responses_answers.__name__: "",
    __name__: "Health",
}
ERRORS = {
    openai_chat.__name__: answers.Error,
    gemini.__name__: gemini_answers.Error,
    anthropic.__name__: anthropic_answers.MessageError,
}
"""What each dialect's errors look like."""

NAME = Parameter("id", "path", "The model's name.", example="gpt-4o")
JOB = Parameter("id", "path", "The job's id.")

OPENAI = (
    Operation(
        "chat",
        "post",
        "/chat/completions",
        "createChatCompletion",
        "Answer a conversation",
        (
            Answer(
                {JSON: answers.ChatCompletion, SSE: answers.ChatCompletionChunk},
                headers=ESCALATED,
                about="The answer; with `stream`, its chunks as server-sent events.",
            ),
        ),
        MADE,
        "`auto` takes the cheapest model that can do the job; a model's own name asks that model. Fields that "
        "are not listed go to OpenAI-compatible providers untouched. With `stream`, each event's data is a chunk, "
        "lines that begin with a colon are signs of life, and `data: [DONE]` is the end; an event with an "
        "`error` in place of it means that the answer broke off.",
        (openai_types.ChatBody,),
        bounds=chat_bounds,
        parameters=(FRESH,),
        counted="chat",
        example={"model": "auto", "messages": [samples.HELLO]},
        sample=samples.CHAT,
    ),
    Operation(
        "models",
        "get",
        "/models",
        "listModels",
        "List the models",
        (Answer({JSON: answers.ModelList}),),
        KEYED,
        "The smart names first, then every model that this key may use, with its window, prices and abilities, and "
        "the ids for generated interfaces. The key may stand in `x-api-key` too. To a request with the header "
        "`anthropic-version` the chat models are told page by page, as Anthropic's clients expect them.",
        sample=samples.MODELS,
    ),
    Operation(
        "models",
        "get",
        "/models/{id}",
        "getModel",
        "Look at one model",
        (Answer({JSON: answers.Model}),),
        (*KEYED, UnknownModel),
        "Aliases are found too, and in Anthropic's words where the header `anthropic-version` asks for them.",
        parameters=(NAME,),
        sample=samples.MODEL,
    ),
    Operation(
        "embeddings",
        "post",
        "/embeddings",
        "createEmbeddings",
        "Turn texts into vectors",
        (Answer({JSON: answers.EmbeddingList}),),
        MADE,
        "Up to 2,048 inputs at once, in one answer, in their order.",
        (openai_embeddings.TextBody, openai_embeddings.TokenBody, openai_embeddings.RowBody),
        "EmbeddingBody",
        counted="chat",
        example={"model": "text-embedding-3-small", "input": "The food was delicious."},
        sample=samples.EMBEDDINGS,
    ),
    Operation(
        "images",
        "post",
        "/images/generations",
        "createImages",
        "Draw images",
        (
            Answer({JSON: answers.ImagesAnswer}),
            Answer(
                {JSON: answers.ImageJob}, 202, ("Location", "Preference-Applied", "Retry-After"),
                "With `Prefer: respond-async`: a job to ask for.",
            ),
        ),
        (*MADE, NotFound),
        "Waits for the images, unless `Prefer: respond-async` asks for a job in place of them.",
        (openai_images.Body,),
        parameters=(
            Parameter("Prefer", "header", "`respond-async`: do not wait.", example="respond-async"),
        ),
        counted="image",
        example={"model": "dall-e-3", "prompt": "A lighthouse in the fog"},
        sample=samples.IMAGES,
    ),
    Operation(
        "images",
        "get",
        "/images/generations/{id}",
        "getImageJob",
        "Ask how far a job is",
        (Answer({JSON: answers.ImageJob}, headers=("Retry-After",)),),
        (*KEYED, NotFound),
        "`Retry-After` is sent until it is finished.",
        parameters=(JOB,),
        sample=samples.JOB,
    ),
    Operation(
        "feedback",
        "post",
        "/feedback",
        "createFeedback",
        "Rate a response",
        (Answer({JSON: feedback.Feedback}),),
        (*SENT, NotFound),
        "Of one's own account, within 30 days; a later rating takes the place of an earlier one. Ratings show "
        "where the router was wrong, and it can be taught by them.",
        (feedback.Body,),
        counted="chat",
        example={"response_id": "thermo-ID", "rating": "good"},
        sample=samples.FEEDBACK,
    ),
)  # fmt: skip

PLAIN = (
    Operation(
        "",
        "get",
        "/images/{name}",
        "getImage",
        "Fetch an image",
        (
            Answer(
                dict.fromkeys(PICTURES), headers=("ETag", "Cache-Control"),
                about="The image. Whoever knows its name may fetch it.",
            ),
            Answer({}, 304, ("ETag", "Cache-Control")),
        ),
        (NotFound, Internal, Unavailable),
        "The address comes with the answer that drew it, and is gone when the image expires.",
        parameters=(Parameter("name", "path", "The image's name, from its `url`."),),
        sample=samples.IMAGE,
    ),
    Operation(
        "",
        "get",
        "/health/liveness",
        "getLiveness",
        "Is the process alive?",
        (Answer({JSON: Alive}),),
        sample=samples.LIVENESS,
    ),
    Operation(
        "",
        "get",
        "/health/readiness",
        "getReadiness",
        "Can requests be served?",
        (Answer({JSON: Ready}), Answer({JSON: NotReady}, 503, about="The database cannot be reached.")),
        about="Looks at the database; asks no provider.",
        sample=samples.READINESS,
    ),
    Operation(
        "",
        "get",
        "/metrics",
        "getMetrics",
        "Numbers for Prometheus",
        (Answer({"text/plain": None}),),
        (PermissionDenied, Internal, Unavailable),
        "Of all processes together, in Prometheus' text format. From elsewhere than the machine itself, send the "
        "setting `THERMLY_METRICS_TOKEN` as Bearer token.",
        sample=samples.METRICS,
    ),
    Operation(
        "",
        "get",
        "/openapi.json",
        "getOpenApi",
        "This document",
        (Answer({JSON: None}),),
        about="OpenAPI 3.1, made from the types that check the requests.",
        sample=samples.OPENAPI,
    ),
    Operation(
        "",
        "get",
        "/docs",
        "getDocs",
        "This document as a page",
        (Answer({"text/html": None}),),
        about="Needs nothing from any other server.",
        sample=samples.DOCS,
    ),
)  # fmt: skip

INTERFACE = "c1/anthropic/claude-sonnet-4/v-20260331"
COMPARE = "Compare tea and coffee."
GENERATED = {
    "createChatCompletion": {
        "summary": "Answer with an interface",
        "about": "As chat completions, but the content is a generated interface. What has no meaning for one is "
        "refused by name.",
        "bounds": generated_bounds,
        "example": {"model": INTERFACE, "messages": [{"role": "user", "content": COMPARE}]},
        "sample": samples.GENERATED_CHAT,
    },
    "createResponse": {
        "summary": "Make a response with an interface",
        "about": "As responses, but the text is a generated interface, and nothing is made in the background.",
        "bounds": generated_bounds,
        "example": {"model": INTERFACE, "input": COMPARE},
        "sample": samples.GENERATED_RESPONSE,
    },
    "listModels": {"about": "Every model that this key may use, by its ids for generated interfaces."},
    "getModel": {
        "about": "Every id that is answered is found, also where the list does not have it.",
        "parameters": (Parameter("id", "path", "The model's id.", example=INTERFACE),),
        "sample": samples.GENERATED_MODEL,
    },
}
"""What is another in the rows of the surface for generated interfaces."""

EMBED = tuple(
    replace(row, serves="embed", **GENERATED.get(row.id, {}))  # type: ignore[arg-type]
    for row in (*OPENAI, *RESPONSES)
    if row.serves in ("chat", "models", "responses")
)

OPERATIONS = (*OPENAI, *RESPONSES, *CONVERSATIONS, *MESSAGES, *EMBED, *GEMINI, *PLAIN)
