"""Anthropic's beta features, which clients switch on by the header `anthropic-beta` and use by fields of the body.

Knows: the features whose use costs what is in the books anyway. Must not know: HTTP beyond that header's text.
Source: the vendor's pages of its betas; what Claude Code sends. Any other word is left out, and its field with it
is the vendor's to refuse.
"""

import re

from msgspec.structs import replace

from thermly.exchange import ChatRequest

WIRE = "anthropic"
WORDS = (
    *("claude-code", "interleaved-thinking", "fine-grained-tool-streaming", "token-efficient-tools"),
    *("context-management", "compact", "effort", "structured-outputs", "tool-search-tool", "advanced-tool-use"),
    *("extended-cache-ttl", "prompt-caching", "prompt-caching-scope", "context-1m", "tool-examples", "output-128k"),
    *("search-results", "task-budgets", "thinking-token-count", "adaptive-thinking"),
)
_DATED = re.compile(r"([a-z0-9-]{1,60})-20\d\d-\d\d-\d\d")


def with_betas(request: ChatRequest, header: str | None) -> ChatRequest:
    """The request with the betas that it may use, for Anthropic alone."""
    asked = [word.strip() for word in (header or "").split(",")]
    betas = [word for word in asked if (match := _DATED.fullmatch(word)) and match[1] in WORDS]
    if not betas:
        return request
    extras = dict(request.extras or {})
    return replace(request, extras={**extras, WIRE: {**extras.get(WIRE, {}), "betas": sorted(set(betas))}})
