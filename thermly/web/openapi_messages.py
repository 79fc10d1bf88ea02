"""The rows of the Messages surface in the table of operations.

Knows: its paths and types. Must not know: its prefix, statuses and bounds.
"""

from thermly.dialects import anthropic_answers as answers
from thermly.dialects import anthropic_types as types
from thermly.errors import UnsupportedContent
from thermly.web import openapi_samples as samples
from thermly.web.openapi_schemas import tool_bounds
from thermly.web.openapi_terms import ESCALATED, FRESH, JSON, MADE, SENT, SSE, Answer, Operation, Parameter

BETA = Parameter(
    "anthropic-beta",
    "header",
    "Beta features for Claude models, with commas between them. Those that are not known are left out.",
    example="interleaved-thinking-2025-05-14",
)

MESSAGES = (
    Operation(
        "messages",
        "post",
        "",
        "createMessage",
        "Answer a conversation",
        (
            Answer(
                {JSON: answers.Message, SSE: answers.MessageEvent},
                headers=ESCALATED,
                about="The message; with `stream`, its events as server-sent events.",
            ),
        ),
        MADE,
        "Any model of any provider, in Anthropic's words; no `anthropic-version` is needed. A field that is "
        "not listed is refused, as Anthropic refuses it. An `error` event means that the answer broke off.",
        (types.Body,),
        bounds=tool_bounds,
        parameters=(FRESH, BETA),
        counted="chat",
        example={"model": "auto", "max_tokens": 1024, "messages": [samples.HELLO]},
        sample=samples.MESSAGE,
    ),
    Operation(
        "messages",
        "post",
        "/count_tokens",
        "countMessageTokens",
        "Count the tokens of a message",
        (Answer({JSON: answers.MessageTokensCount}),),
        (*SENT, UnsupportedContent),
        "Costs nothing. Exact where the model's provider counts, else an estimate.",
        (types.CountBody,),
        bounds=tool_bounds,
        parameters=(BETA,),
        counted="chat",
        example={"model": "auto", "messages": [samples.HELLO]},
        sample=samples.COUNT_MESSAGE,
    ),
)
