"""Surfaces: one row per mount of the API, with the rules it keeps. Data only.

Source: the references' own numbers, reconciled (codes, bounds, ids); a new surface is a new row.
"""

from types import ModuleType

from msgspec import Struct

from thermly.dialects import Bounds, anthropic, gemini, openai_chat
from thermly.errors import GatewayError, InvalidRequest, Unauthenticated

OPENAI = ("chat", "models", "embeddings", "images", "feedback")


class Surface(Struct, frozen=True):
    """`dialect` also writes the errors of paths below `prefix` that nobody serves."""

    name: str
    prefix: str
    dialect: ModuleType
    bounds: Bounds
    id_prefix: str
    invalid_status: int = 400
    bad_key_status: int = 401
    key_headers: tuple[str, ...] = ("Authorization",)
    id_headers: tuple[str, ...] = ("x-request-id",)
    serves: tuple[str, ...] = OPENAI

    def status(self, error: GatewayError) -> int:
        if isinstance(error, InvalidRequest) and error.code != "content_policy_violation":
            return self.invalid_status
        if isinstance(error, Unauthenticated):
            return self.bad_key_status
        return error.status


def surfaces(invalid_request_status: int) -> tuple[Surface, ...]:
    """Longest prefix first, so that the first match is the right one."""
    return (
        Surface(
            "api-v1beta",
            "/api/v1beta",
            gemini,
            Bounds(max_tools=128),
            "",
            key_headers=("x-goog-api-key", "Authorization"),
            serves=("gemini",),
        ),
        Surface("api-v1", "/api/v1", openai_chat, Bounds(max_tools=128), "chatcmpl-"),
        Surface(
            "embed",
            "/v1/embed",
            openai_chat,
            Bounds(max_tools=128),
            "chatcmpl-",
            bad_key_status=403,
            serves=("embed",),
        ),
        Surface(
            "messages",
            "/v1/messages",
            anthropic,
            Bounds(max_tools=1_000),
            "msg_",
            key_headers=("x-api-key", "Authorization"),
            id_headers=("x-request-id", "request-id"),
            serves=("messages",),
        ),
        Surface(
            "v1",
            "/v1",
            openai_chat,
            Bounds(max_tools=64, max_messages=100, max_message_chars=50_000, max_output_tokens=16_384),
            "thermo-",
            invalid_status=invalid_request_status,
            serves=(*OPENAI, "responses"),
        ),
    )
