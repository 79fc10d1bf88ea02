"""The models that a caller may ask for by name, and the facts that people look for.

Knows: the catalogue. Must not know: any dialect's JSON.
"""

import datetime
from collections.abc import Iterable
from decimal import Decimal

from msgspec.structs import replace

from thermly import routing
from thermly.cards import Card
from thermly.catalog import PICO_PER_USD, SMART, TIERS, Catalog, Model

PICO_PER_MTOK_USD = PICO_PER_USD // 1_000_000
SMART_WORDS = {
    "auto": "the cheapest model that can do the job",
    "fast": "the first available model of the fast tier",
    "balanced": "the first available model of the balanced tier",
    "best": "the first available model of the best tier",
}


def cards(catalog: Catalog, allowed: frozenset[str] | None, today: datetime.date) -> list[Card]:
    """Smart names first, then the catalogue's models in its order; only what would be served to this caller."""
    names = [*SMART, *catalog.models]
    return [found for name in names if (found := card(name, catalog, allowed, today)) is not None]


def card(name: str, catalog: Catalog, allowed: frozenset[str] | None, today: datetime.date) -> Card | None:
    """None for a name that would not be served to this caller. Aliases have a card of their own."""
    permitted = routing.permitted_models(name, allowed, catalog, today)
    if name in SMART:
        return _smart(name, catalog, permitted, today)
    if not routing.is_served(name, catalog, permitted, today):
        return None
    own = catalog.models[catalog.aliases.get(name, name)]
    living = catalog.find(name, today)
    assert living is not None
    return _direct(name, own, living, catalog)


def offered(
    offers: Iterable[tuple[str, str]], catalog: Catalog, allowed: frozenset[str] | None, today: datetime.date
) -> list[Card]:
    """The cards of models under ids of another grammar: (id, the catalogue's name), in this order."""
    pairs = list(offers)
    own = {name: card(name, catalog, allowed, today) for _, name in pairs}
    return [renamed(found, shown) for shown, name in pairs if (found := own[name]) is not None]


def renamed(found: Card, shown: str) -> Card:
    """No tier: `fast` and its like choose the model, and not what it is called elsewhere."""
    return replace(found, id=shown, tier=None)


def _smart(name: str, catalog: Catalog, permitted: frozenset[str] | None, today: datetime.date) -> Card | None:
    tiers = TIERS[TIERS.index(name) :] if name in TIERS else TIERS
    behind = [
        model
        for tier in tiers
        for model in catalog.tiers[tier]
        if routing.is_served(model.id, catalog, permitted, today)
    ]
    if not behind:
        return None
    return Card(
        id=name,
        kind="chat",
        owned_by="thermly",
        created_s=max(_epoch_s(model.as_of) for model in behind),
        description=SMART_WORDS[name],
        context_window=max(model.context_window for model in behind),
        max_output_tokens=max(model.max_output_tokens for model in behind),
        capabilities=tuple(sorted(frozenset().union(*(model.can for model in behind)))),
        tier=name if name in TIERS else None,
    )


def _direct(name: str, own: Model, living: Model, catalog: Catalog) -> Card:
    """The prices are those of the model that answers; the sizes those that may be asked for under this name."""
    drawing = own.drawing
    return Card(
        id=name,
        kind=own.kind,
        owned_by=catalog.providers[own.provider].owned_by,
        created_s=_epoch_s(own.as_of),
        context_window=living.context_window if own.kind != "image" else None,
        max_output_tokens=living.max_output_tokens if own.kind == "chat" else None,
        dimensions=own.dimensions or None,
        sizes=drawing.sizes if drawing else (),
        qualities=drawing.qualities if drawing else (),
        prices=_prices(living),
        capabilities=tuple(sorted(living.can)),
        tier=living.tier,
        retired_on=str(own.retired_on) if own is not living else None,
        answered_by=living.id if own is not living else None,
    )


def _prices(model: Model) -> dict[str, str]:
    drawing, price = model.drawing, model.price
    if drawing is not None and drawing.per_image:
        return {
            " ".join(filter(None, ("image", size, quality))): _usd(nanousd, 10**9)
            for (size, quality), nanousd in drawing.per_image.items()
        }
    if price is None:
        return {}
    found = {"input": price.input, "cached_input": price.cached_input}
    if model.kind != "embedding":
        found["output"] = price.output
    return {f"{what}_per_mtok": _usd(pico, PICO_PER_MTOK_USD) for what, pico in found.items()}


def _usd(amount: int, parts: int) -> str:
    return f"{(Decimal(amount) / parts).normalize():f}"


def _epoch_s(day: str) -> int:
    """Models have no date of birth here; the day their facts were read is the honest nearest."""
    try:
        read = datetime.datetime.fromisoformat(day)
    except ValueError:
        return 0
    return int(read.replace(tzinfo=datetime.UTC).timestamp())
