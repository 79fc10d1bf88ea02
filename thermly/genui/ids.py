"""C1's model ids: `c1/{provider}/{model}/v-YYYYMMDD`, and `c1-exp/…` for the experimental ones.

Knows: the grammar, the versions, how a catalogue's names are found. Must not know: whether a model is served.
"""

import difflib
import re
from typing import Literal

from msgspec import Struct

from thermly.catalog import Catalog, Model
from thermly.errors import UnknownModel

Format = Literal["json", "openui"]

VERSIONS = ("20250617", "20250709", "20250815", "20250915", "20250930", "20251230", "20260331")
SHOWN_VERSIONS = ("20250930", "20251230", "20260331")
FIRST_OPENUI_VERSION = "20260331"
SHOWN_PROVIDERS = ("openai", "anthropic", "google")
# Names that the reference prints and that are only aliases in the catalogue.
SHOWN_ALIASES = ("claude-sonnet-4", "gemini-3-flash", "gemini-3-pro")
SHAPE = "c1/{provider}/{model}/v-YYYYMMDD"
LONGEST_SHOWN = 100
_ID = re.compile(r"(c1|c1-exp)/([^/\s]+)/(\S+)/v-(\d{8})\Z")


class C1(Struct, frozen=True):
    """`version` is the date in the id, as it is written there."""

    name: str
    provider: str
    model: str
    version: str
    format: Format
    experimental: bool = False


def parse(name: str) -> C1 | None:
    """None for names that are no C1 ids. Raises UnknownModel for those that begin like one."""
    family, slash, _ = name.partition("/")
    if not slash or family not in ("c1", "c1-exp"):
        return None
    shown = name[:LONGEST_SHOWN]
    if name.startswith(f"{family}/artifact/"):
        raise UnknownModel(f"'{shown}' makes artifacts, which this server does not offer.", param="model")
    match = _ID.match(name)
    if match is None:
        raise UnknownModel(f"'{shown}' is not a C1 model id. They look like {SHAPE}.", param="model")
    version = match[4]
    if version not in VERSIONS:
        known = ", ".join(f"v-{v}" for v in VERSIONS)
        raise UnknownModel(f"'{shown}' names the version v-{version}. There are {known}.", param="model")
    form: Format = "openui" if version >= FIRST_OPENUI_VERSION else "json"
    return C1(name, match[2], match[3], version, form, family == "c1-exp")


def resolve(c1: C1, catalog: Catalog) -> str:
    """The catalogue's name for the model, which routing then resolves as any other. Raises UnknownModel."""
    if c1.provider not in catalog.providers:
        known = ", ".join(sorted(catalog.providers))
        raise UnknownModel(
            f"'{c1.name[:LONGEST_SHOWN]}' names the provider {c1.provider}. There are {known}.", param="model"
        )
    # C1 writes dots where Anthropic's own ids have dashes.
    for name in (c1.model, c1.model.replace(".", "-")):
        if _chat_model(name, c1.provider, catalog):
            return name
    names = [n for n in (*catalog.models, *catalog.aliases) if _chat_model(n, c1.provider, catalog)]
    close = difflib.get_close_matches(c1.model[:LONGEST_SHOWN], names, n=3)
    hint = f" Close names: {', '.join(close)}." if close else ""
    raise UnknownModel(
        f"'{c1.name[:LONGEST_SHOWN]}' names the model {c1.model[:LONGEST_SHOWN]}, "
        f"which {c1.provider} does not have on this server.{hint}",
        param="model",
    )


def offers(catalog: Catalog) -> list[tuple[str, str]]:
    """(id, the catalogue's name) of what a list of models shows, in the catalogue's order, newest version last."""
    found = []
    for name in (*catalog.models, *SHOWN_ALIASES):
        for provider in SHOWN_PROVIDERS:
            if _chat_model(name, provider, catalog):
                found += [(f"c1/{provider}/{name}/v-{version}", name) for version in SHOWN_VERSIONS]
    return found


def _chat_model(name: str, provider: str, catalog: Catalog) -> Model | None:
    model = catalog.models.get(catalog.aliases.get(name, name))
    return model if model and model.kind == "chat" and model.provider == provider else None
