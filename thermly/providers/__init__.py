"""Providers: a canonical request to one upstream family, its answer as events. No Flask, SQL, money, dialects.

A provider raises InvalidRequest (or a child of it) where the caller's request is at fault, and UpstreamFailed
where the upstream is: the gateway then asks the next target.
"""

from collections.abc import Iterator
from typing import Protocol

from thermly.catalog import Target
from thermly.exchange import ChatRequest, Event
from thermly.providers import anthropic, gemini, openai_like
from thermly.providers.upstream import Client


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
