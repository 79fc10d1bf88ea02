"""Anthropic's beta features, which clients switch on by the header `anthropic-beta` and use by fields of the body.

Knows: the features whose use costs what is in the books anyway, and the rule that one of them lifts. Must not know:
HTTP beyond that header's text. Source: the vendor's pages of its betas; what Claude Code sends. Any other word is
left out; a field that needs it is the vendor's to refuse, where it gets that far.
"""

import re

from msgspec.structs import replace

from thermly.errors import InvalidRequest
from thermly.exchange import ChatRequest

WIRE = "anthropic"
WORDS = (
    *("claude-code", "interleaved-thinking", "fine-grained-tool-streaming", "token-efficient-tools"),
    *("context-management", "compact", "effort", "structured-outputs", "tool-search-tool", "advanced-tool-use"),
    *("extended-cache-ttl", "prompt-caching", "prompt-caching-scope", "context-1m", "tool-examples", "output-128k"),
    *("search-results", "task-budgets", "thinking-token-count", "adaptive-thinking", "mcp-client", "computer-use"),
)
_DATED = re.compile(r"([a-z0-9-]{1,60})-20\d\d-\d\d-\d\d")


def with_betas(request: ChatRequest, header: str | None) -> ChatRequest:
    """The request with the betas that it may use, for Anthropic alone. Raises InvalidRequest where a budget of
    thoughts would need one that it does not ask for."""
    asked = [word.strip() for word in (header or "").split(",")]
    betas = [word for word in asked if (match := _DATED.fullmatch(word)) and match[1] in WORDS]
    _check_budget(request, betas)
    if not betas:
        return request
    extras = dict(request.extras or {})
    return replace(request, extras={**extras, WIRE: {**extras.get(WIRE, {}), "betas": sorted(set(betas))}})


def _check_budget(request: ChatRequest, betas: list[str]) -> None:
    """Thoughts between calls of tools are many, and their budget is that of all of them ("Extended thinking")."""
    facts = (request.extras or {}).get(WIRE, {})
    thinking = facts.get("thinking") or {}
    budget, most = thinking.get("budget_tokens"), request.max_output_tokens
    if thinking.get("type") != "enabled" or budget is None or most is None or budget < most:
        return
    interleaved = any(word.startswith("interleaved-thinking-") for word in betas)
    if not (interleaved and (request.tools or facts.get("tools"))):
        path = "thinking.budget_tokens"
        raise InvalidRequest(f"max_tokens must be greater than {path}.", param=path)
