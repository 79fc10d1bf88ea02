"""What is told of a model to those who ask which there are. A value, between the catalogue and the dialects."""

from msgspec import Struct


class Card(Struct, frozen=True):
    """`prices` are dollars per million tokens, or per image, by what they are for, as exact decimals.
    `answered_by`: the living model behind a name that its vendor has retired."""

    id: str
    kind: str
    owned_by: str
    created_s: int
    description: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None
    dimensions: int | None = None
    sizes: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    prices: dict[str, str] = {}
    capabilities: tuple[str, ...] = ()
    tier: str | None = None
    retired_on: str | None = None
    answered_by: str | None = None
