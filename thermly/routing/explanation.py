"""A dry run of routing: what would be asked for a prompt, in which order, why, and about what it would cost.

Knows: how to put a request together that asks for nothing but a plan. Must not know: the network, money, pages.
"""

import datetime
from collections.abc import Set

from msgspec import Struct

from thermly import pricing, routing
from thermly.catalog import Catalog, Model, Price
from thermly.errors import GatewayError
from thermly.exchange import ChatRequest, Media, Message, ResponseFormat, Text, Tool, Usage
from thermly.routing import Judgement
from thermly.routing.recalibration import AS_SHIPPED, Recalibration, taught
from thermly.routing.targets import EXPECTED_OUTPUT_TOKENS
from thermly.routing.thresholds import QUALITY

PRICED = 3
ANY_OBJECT = {"type": "object", "properties": {}}


class Wish(Struct, frozen=True):
    """`model` is a smart name; the rest comes along with the prompt."""

    prompt: str
    model: str = "auto"
    tools: bool = False
    schema: bool = False
    image: bool = False


class Candidate(Struct, frozen=True):
    """One that would be asked. `cost_nanousd`: of a typical answer, where it is told."""

    model: Model
    cooling: bool
    cost_nanousd: int | None = None


class Explanation(Struct, frozen=True):
    """`refusal`: why nobody would be asked. `best` is the first model of the best tier."""

    judgement: Judgement
    tier: str | None
    candidates: tuple[Candidate, ...]
    passed_over: tuple[tuple[str, str], ...]
    input_tokens: int
    output_tokens: int
    best: Candidate | None
    refusal: str = ""


def explain(
    wish: Wish,
    catalog: Catalog,
    cooling: Set[str],
    today: datetime.date,
    learned: Recalibration = AS_SHIPPED,
    quality: float = QUALITY,
) -> Explanation:
    """`learned`: what scores mean on this server. `quality`: the share of the best tier's that `auto` keeps."""
    request = _request(wish)
    judgement = taught(routing.judge(routing.read(request)), learned)
    usage = Usage(pricing.estimate_input_tokens(request), output_tokens=EXPECTED_OUTPUT_TOKENS[judgement.level])
    first = next(iter(catalog.tiers["best"]), None)
    best = Candidate(first, False, _cost(usage, first.price)) if first else None
    refusal, plan = "", None
    try:
        plan = routing.plan(
            request,
            catalog,
            allowed=None,
            cooling=cooling,
            today=today,
            input_tokens=usage.input_tokens,
            learned=learned,
            quality=quality,
        )
    except GatewayError as error:
        refusal = error.message
    targets = plan.targets if plan else ()
    return Explanation(
        plan.judgement if plan else judgement,
        plan.tier if plan else None,
        tuple(
            Candidate(t.model, t.name in cooling, _cost(usage, t.price) if i < PRICED else None)
            for i, t in enumerate(targets)
        ),
        plan.passed_over if plan else (),
        usage.input_tokens,
        usage.output_tokens,
        best,
        refusal,
    )


def _request(wish: Wish) -> ChatRequest:
    image = (Media("image", url="https://example.org/image.png"),) if wish.image else ()
    return ChatRequest(
        wish.model,
        (Message("user", (Text(wish.prompt), *image)),),
        tools=(Tool("look_up", parameters=ANY_OBJECT),) if wish.tools else (),
        response_format=ResponseFormat("json_schema", ANY_OBJECT, "answer") if wish.schema else None,
    )


def _cost(usage: Usage, price: Price | None) -> int | None:
    return pricing.cost(usage, price) if price is not None else None
