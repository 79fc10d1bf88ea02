"""What an upstream's refusal or nonsense means: the caller's mistake, or an upstream that cannot be used just now.

Knows: statuses and what vendors say. Must not know: sockets, any vendor's reply, money.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from thermly.errors import ContentRefused, GatewayError, InvalidRequest, UpstreamFailed
from thermly.providers.redaction import redact

# How the vendors' 400s begin that are about the gateway's own account. Only a beginning counts: further on, a
# sentence may quote the caller, who must not be able to put a model out of use for everybody.
OUR_ACCOUNT = (
    "your credit balance is too low",
    "api key not valid",
    "api key expired",
    "incorrect api key",
    "billing hard limit has been reached",
)


class VendorError(Struct, frozen=True):
    """What a vendor said went wrong. `kind` is the vendor's own word for it; `retry_after_s` is told in the body
    by those who have no header for it."""

    message: str
    kind: str = ""
    param: str | None = None
    retry_after_s: int | None = None


# Words for what the vendor's safety system refused: OpenAI's, and those of servers like it.
CONTENT = (
    "content_policy",
    "content_filter",
    "content_moderation",
    "moderation_blocked",
    "invalid_prompt",
    "safety",
)

Explain = Callable[[Any], VendorError]


def failure(status: int, error: VendorError, retry_after_s: int | None = None) -> GatewayError:
    """What an upstream's refusal means: the caller's mistake, or an upstream that cannot be used just now.

    The status decides before the message does: a 500 that happens to mention a policy is an outage. Only a
    refusal that is about the caller's own request hands on the vendor's sentence, and that one redacted.
    """
    detail = f"status {status} {error.kind}: {redact(error.message)}"
    if status in (400, 413, 422) and error.message:
        words = f"{error.kind} {error.message}".lower()
        if error.message.lower().startswith(OUR_ACCOUNT):
            return UpstreamFailed("The model's provider refused the gateway.", detail=detail, retry_after_s=60)
        kind: type[InvalidRequest] = InvalidRequest
        code = "upstream_rejected"
        if (
            any(word in error.kind.lower() for word in CONTENT)
            or "content_policy" in words
            or "content_filter" in words
        ):
            kind, code = ContentRefused, "content_policy_violation"
        elif "context_length" in words or "prompt is too long" in words or "maximum context" in words:
            code = "context_length_exceeded"
        return kind(
            "The model's provider refused the request: " + redact(error.message),
            param=error.param,
            code=code,
            detail=f"status {status} {error.kind}",  # the sentence may quote the prompt, which no log may hold
        )
    if status in (401, 402, 403, 404):
        return UpstreamFailed("The model's provider refused the gateway.", detail=detail, retry_after_s=60)
    if status == 200:
        return UpstreamFailed("The model's provider sent something that is no answer.", detail=detail)
    if retry_after_s is None:
        retry_after_s = error.retry_after_s
    return UpstreamFailed(
        "The model's provider is not able to answer just now.", detail=detail, retry_after_s=retry_after_s
    )


def decode(data: bytes) -> Any:
    """Parse an upstream's JSON. Raises UpstreamFailed."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed("The model's provider sent something that is no answer.") from error


def malformed(error: Exception) -> UpstreamFailed:
    """For documents that parse but do not have the shape of their vendor's answers."""
    return UpstreamFailed(
        "The model's provider sent something that is no answer.", detail=f"{type(error).__name__}: {error}"
    )


def cut() -> UpstreamFailed:
    """The upstream's stream stopped before it said that it was complete."""
    return UpstreamFailed("The model's provider ended its answer early.", code="upstream_cut")
