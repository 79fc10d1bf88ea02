"""The embeddings story: resolve the model, hold, ask in the pieces that the upstream takes, settle.

Knows: the order of the steps. Must not know: Flask, SQL text, vendor JSON.
"""

import datetime
import functools
import time

from thermly import pricing, routing
from thermly.caller import Caller
from thermly.catalog import Model, Target
from thermly.errors import GatewayError, InvalidRequest, UnsupportedContent
from thermly.exchange import Usage
from thermly.gateway import Gateway
from thermly.money.bill import Bill
from thermly.providers import EMBED
from thermly.store.money import Closing
from thermly.vectors import EmbeddingReply, EmbeddingRequest, joined, split

BYTES_PER_CALL = 256 << 10
"""OpenAI takes 300,000 tokens a call, and a token is a byte at least."""


def embed(gateway: Gateway, request: EmbeddingRequest, caller: Caller, surface: str) -> tuple[str, EmbeddingReply]:
    """(the request's id, its vectors). Raises GatewayError; then nothing is charged."""
    target = _target(gateway, request, caller)
    estimate, bound = pricing.measure_embedding(request)
    bill = Bill(gateway.books, caller, surface, request.model)
    clock = time.monotonic()
    bill.require(pricing.cost(Usage(input_tokens=bound), target.price))
    outcome, used = "internal", None
    try:
        reply = _ask(gateway, request, target)
        outcome, used = "ok", reply.usage or Usage(input_tokens=estimate, estimated=True)
        return bill.id, EmbeddingReply(reply.vectors, used)
    except GatewayError as error:
        outcome, error.request_id = error.kind, bill.id
        raise
    finally:
        bill.close(_closing(outcome, target, used, int((time.monotonic() - clock) * 1000)))


def _target(gateway: Gateway, request: EmbeddingRequest, caller: Caller) -> Target:
    today, catalog = datetime.date.today(), gateway.catalog
    permitted = routing.permitted_models(request.model, caller.models, catalog, today)
    target = routing.resolve(request.model, "embedding", catalog, permitted, today)
    _check(request, target.model)
    return target


def _check(request: EmbeddingRequest, model: Model) -> None:
    if request.dimensions is not None and request.dimensions != model.dimensions:
        if "dimensions" not in model.can:
            raise UnsupportedContent(
                f"The model '{request.model}' has {model.dimensions} dimensions and no other number of them.",
                param="dimensions",
            )
        if model.dimensions and request.dimensions > model.dimensions:
            raise InvalidRequest(
                f"The model '{request.model}' has at most {model.dimensions} dimensions.", param="dimensions"
            )
    for i, value in enumerate(request.inputs):
        if isinstance(value, str):
            # The upstream counts exactly: refuse only what is beyond doubt.
            too_long = len(value) // 16 > model.context_window
        elif "token_input" not in model.can:
            raise UnsupportedContent(f"The model '{request.model}' reads text, not token numbers.", param="input")
        else:
            too_long = len(value) > model.context_window
        if too_long:
            raise InvalidRequest(
                f"The model '{request.model}' reads at most {model.context_window:,} tokens.",
                param=f"input[{i}]",
                code="context_length_exceeded",
            )


def _ask(gateway: Gateway, request: EmbeddingRequest, target: Target) -> EmbeddingReply:
    adapter = EMBED.get(target.provider.kind)
    if adapter is None:
        raise UnsupportedContent(f"The provider of '{request.model}' makes no embeddings.", param="model")
    replies = []
    for piece in split(request, target.model.max_inputs, BYTES_PER_CALL):
        replies.append(gateway.ask(target, functools.partial(adapter, piece, target, gateway.client)))
    return joined(replies)


def _closing(outcome: str, target: Target, used: Usage | None, duration_ms: int) -> Closing:
    cost = pricing.cost(used, target.price) if used else 0
    return Closing(
        state="settled" if used else "released",
        outcome=outcome,
        cost_nanousd=cost,
        baseline_nanousd=cost,
        model=target.model.id,
        provider=target.provider.name,
        usage=used or Usage(),
        duration_ms=duration_ms,
    )
