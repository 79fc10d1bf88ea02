"""Providers, models, aliases, tiers and prices, as data: `catalog.toml`, then what the admin adds.

Knows: what could be served and what it costs. Must not know: the request being served, the network.
Prices are written as people quote them, in dollars per million tokens, read as Decimal and kept as whole
pico-dollars per token: 0.0375 $/Mtok is 37,500 p$/token, exactly.
"""

import datetime
import difflib
import re
import tomllib
from collections.abc import Hashable, Mapping
from decimal import Decimal
from functools import cached_property
from importlib.resources import files
from typing import Any, Literal

from msgspec import Struct

TIERS = ("fast", "balanced", "best")
SMART = ("auto", *TIERS)
CAPABILITIES = frozenset(
    (
        *("vision", "heic", "files", "video", "audio_input", "audio_output", "web_search"),
        *("tools", "parallel_tools", "forced_tools"),
        *("json_schema", "json_object", "logprobs", "n", "prefill"),
        *("reasoning", "sampling"),
        *("dimensions", "token_input"),
        *("anthropic_tools", "gemini_tools", "image_output"),
    )
)
KINDS = ("chat", "embedding", "image")
DEFAULT_CAN = {
    "chat": ("tools", "parallel_tools", "forced_tools", "json_schema", "json_object", "prefill", "sampling"),
    "embedding": ("token_input",),
    "image": (),
}
PICO_PER_USD, NANO_PER_USD = 10**12, 10**9
UNORDERED = 2**63

_TEXT, _COUNT, _PRICE = (str,), (int,), (int, float, Decimal, str)
PRICE_FIELDS: dict[str, tuple[type, ...]] = dict.fromkeys(
    (
        *("input_per_mtok", "output_per_mtok", "cached_input_per_mtok"),
        *("cache_write_per_mtok", "cache_write_1h_per_mtok"),
    ),
    _PRICE,
)
IMAGE_PRICE_FIELDS: dict[str, tuple[type, ...]] = {"size": _TEXT, "quality": _TEXT, "usd": _PRICE}
TABLES = ("long_context_tiers", "per_image")
TIER_FIELDS: dict[str, tuple[type, ...]] = {**PRICE_FIELDS, "above_input_tokens": _COUNT}
MODEL_FIELDS: dict[str, tuple[type, ...]] = {
    **PRICE_FIELDS,
    **dict.fromkeys(("kind", "provider", "upstream", "tier", "replacement"), _TEXT),
    **dict.fromkeys(("context_window", "max_output_tokens", "order"), _COUNT),
    **dict.fromkeys(("dimensions", "max_inputs", "images_per_call", "max_prompt_chars"), _COUNT),
    **dict.fromkeys(("can", "sizes", "qualities"), (list, tuple)),
    "per_image": (list, tuple),
    "image_tokens": (dict,),
    "free": (bool,),
    "long_context_tiers": (list, tuple),
    "retired_on": (datetime.date,),
    "as_of": (str, datetime.date),
}
PROVIDER_FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("kind", "base_url", "base_url_env", "owned_by"), _TEXT),
    "key_env": (str, list, tuple),
    "options": (list, tuple),
}


class CatalogError(ValueError):
    """The catalogue contradicts itself; the message names the row."""


class Price(Struct, frozen=True):
    """Whole pico-dollars per token. `above`: from that many input tokens on, the whole request is billed at
    the longer tier (OpenAI's, Google's and Anthropic's long-context pricing pages)."""

    input: int
    output: int
    cached_input: int
    cache_write: int
    cache_write_1h: int
    above: tuple[tuple[int, "Price"], ...] = ()


class Drawing(Struct, frozen=True):
    """What an image model draws. The first of `sizes` ("WIDTHxHEIGHT" or "auto") and of `qualities` is the
    default; no sizes: any. `per_image` maps (size, quality) to nano-dollars an image, where it is not billed by
    tokens; "" stands for any. `tokens` bounds an image's output tokens by quality, where it is."""

    sizes: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    per_call: int = 1
    max_prompt_chars: int = 4_000
    per_image: dict[tuple[str, str], int] = {}
    tokens: dict[str, int] = {}


class ProviderRow(Struct, frozen=True):
    """One upstream. `kind` names the adapter; `key` is None where the server asks for none."""

    name: str
    kind: Literal["openai_like", "anthropic", "gemini"]
    base_url: str
    key: str | None = None
    owned_by: str = ""
    available: bool = False
    options: frozenset[str] = frozenset()


class Model(Struct, frozen=True):
    """One model that can be asked for by name, and the provider's own id for it (`upstream`). `dimensions` and
    `max_inputs` (of one upstream call) are an embedding model's; `drawing` is an image model's. `order`: its
    place in its tier; 0 stands behind those that have one."""

    id: str
    provider: str
    upstream: str
    context_window: int
    max_output_tokens: int
    price: Price | None
    can: frozenset[str]
    tier: str | None = None
    order: int = 0
    retired_on: datetime.date | None = None
    replacement: str | None = None
    as_of: str = ""
    kind: str = "chat"
    dimensions: int = 0
    max_inputs: int = 1
    drawing: Drawing | None = None


class Target(Struct, frozen=True):
    """One (provider, upstream model, price) that could answer."""

    model: Model
    provider: ProviderRow
    price: Price

    @property
    def name(self) -> str:
        return f"{self.provider.name}/{self.model.upstream}"


class Catalog(Struct, frozen=True, dict=True):
    providers: dict[str, ProviderRow]
    models: dict[str, Model]
    aliases: dict[str, str]

    def find(self, name: str, today: datetime.date) -> Model | None:
        """The living model behind a name: aliases followed, retired models replaced."""
        model = self.models.get(self.aliases.get(name, name))
        for _ in range(len(self.models)):
            if model is None or model.retired_on is None or today < model.retired_on:
                return model
            model = self.models.get(model.replacement or "")
        return None

    def target(self, model: Model) -> Target | None:
        """None where the provider is not configured or nobody has priced the model."""
        provider = self.providers[model.provider]
        if not provider.available or model.price is None:
            return None
        return Target(model, provider, model.price)

    @cached_property
    def tiers(self) -> dict[str, tuple[Model, ...]]:
        """Each tier's models: those with an order, then the others as the catalogue has them."""
        found = sorted(self.models.values(), key=lambda model: model.order or UNORDERED)
        return {t: tuple(m for m in found if m.tier == t) for t in TIERS}

    @cached_property
    def worked_out(self) -> dict[Hashable, Any]:
        """What others conclude from this catalogue alone, so that they do it once."""
        return {}

    @property
    def baseline(self) -> Price | None:
        """What savings are measured against: the first model of the best tier."""
        best = self.tiers["best"]
        return best[0].price if best else None


def builtin() -> dict[str, Any]:
    """The rows that ship with the package."""
    return parse(files("thermly").joinpath("catalog.toml").read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, Any]:
    return tomllib.loads(text, parse_float=Decimal)


def load(
    rows: Mapping[str, Any], keys: Mapping[str, str | None], base_urls: Mapping[str, str] | None = None
) -> Catalog:
    """Check the rows and build the catalogue.

    `keys` maps a provider to its secret, or to None where it has none; a provider that wants a key and is
    missing here is not available. `base_urls` overrides bases. Raises CatalogError.
    """
    providers = {
        name: _provider(name, row, keys, (base_urls or {}).get(name))
        for name, row in rows.get("providers", {}).items()
    }
    models: dict[str, Model] = {}
    for name, row in rows.get("models", {}).items():
        models[name] = _model(name, row, providers)
    aliases = dict(rows.get("aliases", {}))
    for alias, name in aliases.items():
        if not isinstance(name, str) or name not in models:
            raise CatalogError(f"alias {alias!r} names {name!r}, which is no model")
        if alias in models or alias in SMART:
            raise CatalogError(f"alias {alias!r} is also the name of a model")
    for model in models.values():
        if model.replacement and model.replacement not in models:
            raise CatalogError(f"model {model.id!r} is replaced by {model.replacement!r}, which is no model")
    return Catalog(providers, models, aliases)


def merge(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The admin's rows over the built-in ones, field by field; `models.x = false` removes a row."""
    out: dict[str, Any] = {}
    for table in ("providers", "models", "aliases"):
        rows: dict[str, Any] = dict(base.get(table, {}))
        changes = extra.get(table, {})
        if not isinstance(changes, Mapping):
            raise CatalogError(f"{table} must be a table of rows, not {changes!r}")
        for name, row in changes.items():
            if row is False:
                rows.pop(name, None)
            elif table != "aliases" and not isinstance(row, dict):
                raise CatalogError(f"{table}.{name} must be a row, or false to remove one, not {row!r}")
            elif isinstance(row, dict):
                rows[name] = {**rows.get(name, {}), **row}
            else:
                rows[name] = row
        out[table] = rows
    gone = {name for name, row in extra.get("models", {}).items() if row is False}
    out["aliases"] = {alias: name for alias, name in out["aliases"].items() if name not in gone}
    for name, row in out["models"].items():
        if isinstance(row, dict) and row.get("replacement") in gone:
            out["models"][name] = {k: v for k, v in row.items() if k != "replacement"}
    return out


def _provider(
    name: str, row: Mapping[str, Any], keys: Mapping[str, str | None], base_url: str | None
) -> ProviderRow:
    check(f"provider {name!r}", row, PROVIDER_FIELDS)
    kind = row.get("kind")
    if kind not in ("openai_like", "anthropic", "gemini"):
        raise CatalogError(f"provider {name!r}: kind must be openai_like, anthropic or gemini, not {kind!r}")
    url = base_url or row.get("base_url", "")
    if not str(url).startswith(("http://", "https://")):
        raise CatalogError(f"provider {name!r}: base_url must begin with http:// or https://")
    return ProviderRow(
        name=name,
        kind=kind,
        base_url=str(url).rstrip("/"),
        key=keys.get(name),
        owned_by=row.get("owned_by", name),
        available=name in keys,
        options=frozenset(row.get("options", ())),
    )


def _model(name: str, row: Mapping[str, Any], providers: Mapping[str, ProviderRow]) -> Model:
    if name in SMART:
        raise CatalogError(f"model {name!r}: that name is the router's")
    check(f"model {name!r}", row, MODEL_FIELDS)
    if row.get("provider") not in providers:
        raise CatalogError(f"model {name!r}: provider {row.get('provider')!r} is not in the catalogue")
    kind = row.get("kind", "chat")
    if kind not in KINDS:
        raise CatalogError(f"model {name!r}: kind must be one of {', '.join(KINDS)}, not {kind!r}")
    can = frozenset(map(str, row.get("can", DEFAULT_CAN[kind])))
    if kind == "chat" and (family := providers[row["provider"]].kind) != "openai_like":
        can |= {f"{family}_tools"}
    if unknown := can - CAPABILITIES:
        raise CatalogError(f"model {name!r}: unknown capability {', '.join(sorted(unknown))}")
    if row.get("tier") not in (None, *TIERS):
        raise CatalogError(f"model {name!r}: tier must be one of {', '.join(TIERS)}")
    if kind != "chat" and "tier" in row:
        raise CatalogError(f"model {name!r}: only chat models have a tier")
    return Model(
        id=name,
        provider=row["provider"],
        upstream=row.get("upstream", name),
        context_window=row.get("context_window", 128_000),
        max_output_tokens=row.get("max_output_tokens", 16_384),
        price=_price(name, row),
        can=can,
        tier=row.get("tier"),
        order=row.get("order", 0),
        retired_on=row.get("retired_on"),
        replacement=row.get("replacement"),
        as_of=str(row.get("as_of", "")),
        kind=kind,
        dimensions=row.get("dimensions", 0),
        max_inputs=row.get("max_inputs", 2_048),
        drawing=_drawing(name, row) if kind == "image" else None,
    )


def _drawing(name: str, row: Mapping[str, Any]) -> Drawing:
    sizes = tuple(row.get("sizes", ()))
    for size in sizes:
        if size != "auto" and not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", size):
            raise CatalogError(f"model {name!r}: sizes are auto or WIDTHxHEIGHT, not {size!r}")
    per_image = {}
    for entry in row.get("per_image", ()):
        check(f"model {name!r}: per_image", entry, IMAGE_PRICE_FIELDS)
        nanousd = _whole(f"model {name!r}: per_image.usd", entry.get("usd"), NANO_PER_USD, "n$")
        per_image[entry.get("size", ""), entry.get("quality", "")] = nanousd
    tokens = row.get("image_tokens", {})
    if any(type(count) is not int or count < 1 for count in tokens.values()):
        raise CatalogError(f"model {name!r}: image_tokens must be counts by quality, not {tokens!r}")
    if not per_image and not tokens and row.get("free") is not True:
        raise CatalogError(f"model {name!r}: an image model needs per_image or image_tokens")
    return Drawing(
        sizes=sizes,
        qualities=tuple(row.get("qualities", ())),
        per_call=row.get("images_per_call", 1),
        max_prompt_chars=row.get("max_prompt_chars", 4_000),
        per_image=per_image,
        tokens=dict(tokens),
    )


def check(what: str, row: Mapping[str, Any], fields: Mapping[str, tuple[type, ...]]) -> None:
    """Each field is known and of its type; counts are above 0."""
    if not isinstance(row, Mapping):
        raise CatalogError(f"{what}: {row!r} is not a row")
    for field, value in row.items():
        if field not in fields:
            close = difflib.get_close_matches(field, fields, 1)
            raise CatalogError(
                f"{what}: there is no field {field!r}." + (f" Did you mean {close[0]}?" if close else "")
            )
        kinds = fields[field]
        fits = isinstance(value, kinds) and (type(value) is not bool or bool in kinds)
        if isinstance(value, (list, tuple)) and field not in TABLES:
            fits = fits and all(isinstance(v, str) for v in value)
        if not fits or isinstance(value, datetime.datetime) or (kinds is _COUNT and value < 1):
            raise CatalogError(f"{what}: {field} cannot be {value!r}")


def _price(name: str, row: Mapping[str, Any]) -> Price | None:
    """None where the row has no price: such a model is refused, unless it says `free = true`."""
    if row.get("free") is True or row.get("per_image"):
        return Price(0, 0, 0, 0, 0)
    if row.get("kind") == "embedding":
        row = {"output_per_mtok": 0, **row}
    if "input_per_mtok" not in row or "output_per_mtok" not in row:
        return None
    for tier in row.get("long_context_tiers", ()):
        check(f"model {name!r}: long_context_tiers", tier, TIER_FIELDS)
        if "above_input_tokens" not in tier:
            raise CatalogError(f"model {name!r}: each of long_context_tiers needs above_input_tokens")
    long = tuple(
        (tier["above_input_tokens"], _tier_price(name, {**row, "long_context_tiers": (), **tier}))
        for tier in sorted(row.get("long_context_tiers", ()), key=lambda t: -int(t["above_input_tokens"]))
    )
    price = _tier_price(name, row)
    return Price(price.input, price.output, price.cached_input, price.cache_write, price.cache_write_1h, long)


def _tier_price(name: str, row: Mapping[str, Any]) -> Price:
    def pico(field: str, default: str) -> int:
        return _whole(
            f"model {name!r}: {field}", row.get(field, row.get(default)), PICO_PER_USD // 1_000_000, "p$/token"
        )

    return Price(
        input=pico("input_per_mtok", "input_per_mtok"),
        output=pico("output_per_mtok", "output_per_mtok"),
        cached_input=pico("cached_input_per_mtok", "input_per_mtok"),
        cache_write=pico("cache_write_per_mtok", "input_per_mtok"),
        cache_write_1h=pico("cache_write_1h_per_mtok", "cache_write_per_mtok")
        if "cache_write_per_mtok" in row
        else pico("cache_write_1h_per_mtok", "input_per_mtok"),
    )


def _whole(what: str, usd: Any, parts: int, unit: str) -> int:
    """Dollars as a whole number of the unit that has so many `parts` to a dollar (or to a million)."""
    try:
        value = Decimal(usd) * parts
    except (ArithmeticError, TypeError, ValueError):
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value < 2**63 or value != int(value):
        raise CatalogError(f"{what} = {usd} is not a whole, positive number of {unit}")
    return int(value)
