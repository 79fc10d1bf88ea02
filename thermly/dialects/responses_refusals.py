"""What the Responses API calls the field that a refusal is about.

Knows: the exchange's words for fields, which are those of Chat Completions, and this wire's. Must not know: who
refuses, or why. Only who refuses after the request was read says them; what reading refuses has this wire's names.
"""

import re

from thermly.dialects.responses_items import SEARCHES
from thermly.errors import GatewayError

FIELDS = {
    "messages": "input",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
}
_WORD = re.compile(r"\w+")
