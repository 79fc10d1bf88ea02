"""The catalogue's models in words and figures: groups, prices, abilities, who answers now.

Knows: how a model is told of. Must not know: forms, requests, where changes come from.
"""

import datetime
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from thermly.amounts import usd
from thermly.catalog import TIERS, Catalog, Model
from thermly.models.catalog_changes import Change

STALE_DAYS = 90
KINDS = {"chat": "Chat model", "embedding": "Embedding model", "image": "Image model"}
ABILITIES = {
    "vision": "images in",
    "heic": "HEIC images in",
    "files": "files in",
    "video": "video in",
    "audio_input": "sound in",
    "audio_output": "sound out",
    "image_output": "images out",
    "web_search": "web search",
    "tools": "tools",
    "parallel_tools": "tools at once",
    "forced_tools": "forced tools",
    "json_schema": "JSON schema",
    "json_object": "JSON",
    "reasoning": "reasoning",
    "logprobs": "logprobs",
    "n": "several choices",
    "prefill": "begun answers",
    "sampling": "temperature",
    "dimensions": "fewer dimensions",
    "token_input": "token numbers in",
    "anthropic_tools": "Anthropic's tools",
    "gemini_tools": "Google's tools",
}
FIELDS = {
    "served": "served",
    "tier": "tier",
    "order": "place in its tier",
    "input_per_mtok": "input",
    "output_per_mtok": "output",
    "cached_input_per_mtok": "cached input",
    "cache_write_per_mtok": "written to the cache",
    "cache_write_1h_per_mtok": "written for an hour",
    "long_context_tiers": "prices of long input",
    "per_image": "prices of an image",
    "as_of": "prices as of",
    "context_window": "context window",
    "max_output_tokens": "longest answer",
    "upstream": "the provider's name",
    "can": "abilities",
    "free": "costs nothing",
}


class Shelf(Struct, frozen=True):
    """What the rows are told from. `keys`: the names that each live key of the account may use; None: all."""

    served: Catalog
    everything: Catalog
    cooling: dict[str, tuple[int, str]]
    today: datetime.date
    changes: dict[str, Change]
    keys: tuple[frozenset[str] | None, ...]


class Row(Struct, frozen=True):
    """`kind` is that of the state's badge, `why` the rest of its sentence. `allowed`: how many of the account's
    keys may use it."""

    model: Model
    state: str
    kind: str
    why: str
    until_ms: int | None
    price: tuple[str, str, str]
    is_stale: bool
    change: Change | None
    allowed: int
    keys: int
    is_first: bool
    is_last: bool
    is_served: bool


Group = tuple[str, str, list[Row]]


def groups(shelf: Shelf, wanted: str = "", provider: str = "") -> list[Group]:
    """(anchor, heading, rows), of those that the filter leaves."""
    off = [m for m in shelf.everything.models.values() if m.id not in shelf.served.models]
    others = [m for m in shelf.served.models.values() if m.tier is None]
    listed: list[tuple[str, str, Iterable[Model]]] = [
        *((tier, tier.capitalize(), shelf.served.tiers[tier]) for tier in TIERS),
        ("other", "Other chat models", (m for m in others if m.kind == "chat")),
        ("embeddings", "Embedding models", (m for m in others if m.kind == "embedding")),
        ("images", "Image models", (m for m in others if m.kind == "image")),
        ("off", "Switched off", off),
    ]
    return [
        (anchor, heading, [row(m, shelf) for m in found if _fits(m, wanted.lower(), provider)])
        for anchor, heading, found in listed
    ]


def _fits(model: Model, wanted: str, provider: str) -> bool:
    words = " ".join((model.id, model.provider, model.upstream, *(ABILITIES.get(c, c) for c in model.can)))
    return provider in ("", model.provider) and all(word in words.lower() for word in wanted.split())


def row(model: Model, shelf: Shelf) -> Row:
    state, kind, why, until_ms = _state(model, shelf)
    tier = shelf.served.tiers.get(model.tier or "", ())
    return Row(
        model=model,
        state=state,
        kind=kind,
        why=why,
        until_ms=until_ms,
        price=_price(model),
        is_stale=_is_stale(model.as_of, shelf.today),
        change=shelf.changes.get(model.id),
        allowed=sum(_may_use(model, allowed, shelf) for allowed in shelf.keys),
        keys=len(shelf.keys),
        is_first=bool(tier) and tier[0].id == model.id,
        is_last=bool(tier) and tier[-1].id == model.id,
        is_served=model.id in shelf.served.models,
    )


def _state(model: Model, shelf: Shelf) -> tuple[str, str, str, int | None]:
    provider = shelf.everything.providers[model.provider]
    if model.id not in shelf.served.models:
        return "switched off", "bad", "", None
    if model.retired_on is not None and shelf.today >= model.retired_on:
        living = shelf.served.find(model.id, shelf.today)
        return "retired", "", f"{living.id} answers" if living else "nobody answers", None
    if model.price is None:
        return "no price", "warn", "not served until it has one", None
    if not provider.available:
        return "no key", "", f"for {provider.name}", None
    if cools := shelf.cooling.get(f"{provider.name}/{model.upstream}"):
        return "cooling down", "warn", cools[1].replace("_", " "), cools[0]
    leaves = f"until {model.retired_on}" if model.retired_on else ""
    return "available", "ok", leaves, None


def _is_stale(as_of: str, today: datetime.date) -> bool:
    try:
        return (today - datetime.date.fromisoformat(as_of)).days > STALE_DAYS
    except ValueError:
        return True


def _may_use(model: Model, allowed: frozenset[str] | None, shelf: Shelf) -> bool:
    """By its name, or through a smart name that may come to it."""
    if allowed is None or model.id in {m.id for n in allowed if (m := shelf.served.find(n, shelf.today))}:
        return True
    if model.tier is None:
        return False
    return "auto" in allowed or any(t in allowed for t in TIERS[: TIERS.index(model.tier) + 1])


def _price(model: Model) -> tuple[str, str, str]:
    """Input, output and cached input, each per million tokens; of an image model that is billed so, per image."""
    price, drawing = model.price, model.drawing
    if drawing is not None and drawing.per_image:
        each = sorted(set(drawing.per_image.values()))
        return "", " to ".join(f"${usd(n)}" for n in dict.fromkeys((each[0], each[-1]))) + " an image", ""
    if price is None:
        return "–", "–", "–"
    if not (price.input or price.output):
        return "free", "free", "free"
    output = "" if model.kind == "embedding" else per_mtok(price.output)
    return per_mtok(price.input), output, per_mtok(price.cached_input)


def per_mtok(pico_per_token: int) -> str:
    return f"${usd(pico_per_token * 1000)}"


def image_prices(model: Model) -> list[str]:
    """What the prices of an image are for, in their order."""
    drawing = model.drawing
    if drawing is None:
        return []
    return [" ".join(filter(None, key)) or "any size" for key in drawing.per_image]


def names_of(name: str, shelf: Shelf) -> list[str]:
    """The other names that lead to it: aliases, and models that it replaces."""
    catalog = shelf.everything
    leading = [alias for alias, of in catalog.aliases.items() if of == name]
    retired = [
        m.id
        for m in catalog.models.values()
        if m.id != name and (living := catalog.find(m.id, shelf.today)) is not None and living.id == name
    ]
    return sorted({*leading, *retired})


def changed_words(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, to what) of a change."""
    return [(FIELDS.get(name, name.replace("_", " ")), _value(name, value)) for name, value in fields.items()]


def _value(name: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_value(name, v) for v in value)
    if isinstance(value, dict):
        return " ".join(f"{v}" for v in value.values())
    return f"${value}" if name.endswith("_per_mtok") else str(value)
