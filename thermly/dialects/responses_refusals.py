"""What the Responses API calls the field that a refusal is about.

Knows: the words of Chat Completions, in which the exchange and OpenAI's refusals are told, and this wire's. Must
not know: who refuses, or why. What reading a request refuses has this wire's names already.
"""

import re
from typing import Any

from thermly.errors import GatewayError

FIELDS = {
    "messages": "input",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
}


def rename_field(error: GatewayError, told: dict[str, Any]) -> None:
    """`told`: what the response repeats of the request."""
    param = error.param or ""
    if param == "web_search_options":
        searches = (i for i, tool in enumerate(told["tools"]) if tool["type"] != "function")
        error.param = f"tools[{next(searches, 0)}]"
    elif param == "logprobs":
        error.param = "top_logprobs" if told["top_logprobs"] else "include"
    elif param:
        # A message's number is none of an item's, and its parts have other names.
        error.param = FIELDS.get(re.split(r"\W", param, maxsplit=1)[0], param)
