"""Providers: a canonical request to one upstream family, its answer as events. No Flask, SQL, money, dialects.

A provider raises InvalidRequest (or a child of it) where the caller's request is at fault, and UpstreamFailed
where the upstream is: the gateway then asks the next target.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from thermly.catalog import Target
from thermly.exchange import ChatRequest, Event
from thermly.pictures import ImageReply, ImageRequest
from thermly.providers import (
    anthropic,
    gemini,
    gemini_embeddings,
    gemini_images,
    openai_embeddings,
    openai_images,
    openai_like,
)
from thermly.providers.upstream import Client
from thermly.vectors import EmbeddingReply, EmbeddingRequest


class Answering(Protocol):
    def __call__(
        self, request: ChatRequest, target: Target, max_output_tokens: int, client: Client, /
    ) -> Iterator[Event]:
        """Ask the target. `max_output_tokens` bounds each choice, thoughts included."""


ANSWER: dict[str, Answering] = {
    "openai_like": openai_like.answer,
    "anthropic": anthropic.answer,
    "gemini": gemini.answer,
}

EMBED: dict[str, Callable[[EmbeddingRequest, Target, Client], EmbeddingReply]] = {
    "openai_like": openai_embeddings.embed,
    "gemini": gemini_embeddings.embed,
}

# The request, the target, how many images, their size and quality, the client.
DRAW: dict[str, Callable[[ImageRequest, Target, int, str | None, str | None, Client], ImageReply]] = {
    "openai_like": openai_images.draw,
    "gemini": gemini_images.draw,
}

COUNT: dict[str, Callable[[ChatRequest, Target, Client], int]] = {
    "anthropic": anthropic.count_tokens,
    "gemini": gemini.count_tokens,
}
