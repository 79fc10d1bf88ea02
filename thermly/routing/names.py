"""A model's name -> the one target behind it, or the refusal that says why there is none.

Knows: names, aliases, retired names, kinds of models. Must not know: what is asked of the model.
"""

import datetime
import difflib

from thermly.catalog import SMART, Catalog, Model, Target
from thermly.errors import InvalidRequest, PermissionDenied, UnknownModel

NAME_CHARS = 100
GENERATED = ("c1/", "c1-exp/")
"""How the ids of generated interfaces begin, which are no names of the catalogue."""
ENDPOINTS = {"chat": "chat/completions", "embedding": "embeddings", "image": "images/generations"}


def permitted_models(
    name: str, allowed: frozenset[str] | None, catalog: Catalog, today: datetime.date
) -> frozenset[str] | None:
    """The ids of the models that a key with these allowed names may reach when it asks for `name`; None: all."""
    if allowed is None or name in allowed:
        return None
    return frozenset(model.id for n in allowed if (model := catalog.find(n, today)) is not None)


def resolve(
    name: str, kind: str, catalog: Catalog, permitted: frozenset[str] | None, today: datetime.date
) -> Target:
    """Raises UnknownModel, PermissionDenied, or InvalidRequest for a model of another kind."""
    model = catalog.find(name, today)
    if model is None and name in SMART:
        raise InvalidRequest(f"'{name}' chooses among chat models: name one for this endpoint.", param="model")
    if model is None:
        raise _unknown(name, kind, catalog, permitted, today)
    if model.kind != kind:
        raise InvalidRequest(
            f"'{name}' is not a model for this endpoint: use {ENDPOINTS[model.kind]}.",
            param="model",
            code="model_not_supported",
        )
    if permitted is not None and model.id not in permitted:
        raise forbidden(name)
    target = catalog.target(model)
    if target is None:
        raise _not_served(name, model, catalog)
    return target


def is_served(name: str, catalog: Catalog, permitted: frozenset[str] | None, today: datetime.date) -> bool:
    model = catalog.find(name, today)
    return model is not None and catalog.target(model) is not None and (permitted is None or model.id in permitted)


def forbidden(name: str) -> PermissionDenied:
    return PermissionDenied(
        f"This API key may not use the model '{name}'.", param="model", code="model_not_allowed"
    )


def _unknown(
    name: str, kind: str, catalog: Catalog, permitted: frozenset[str] | None, today: datetime.date
) -> UnknownModel:
    shown = name[:NAME_CHARS]
    if name.startswith(GENERATED):
        return UnknownModel(
            f"'{shown}' generates interfaces: ask at /v1/chat/completions, /v1/responses or below /v1/embed.",
            param="model",
        )
    known = catalog.models.get(catalog.aliases.get(name, name))
    if known is not None:
        return UnknownModel(
            f"The model '{shown}' was retired on {known.retired_on}, and no other replaces it.", param="model"
        )
    served = [n for n in (*catalog.models, *catalog.aliases) if is_served(n, catalog, permitted, today)]
    fitting = [n for n in served if catalog.models[catalog.aliases.get(n, n)].kind == kind]
    close = difflib.get_close_matches(shown, [*(SMART if kind == "chat" else ()), *fitting], n=3)
    hint = f" Close names: {', '.join(close)}." if close else ""
    return UnknownModel(f"The model '{shown}' does not exist on this server.{hint}", param="model")


def _not_served(name: str, model: Model, catalog: Catalog) -> UnknownModel:
    if not catalog.providers[model.provider].available:
        return UnknownModel(
            f"The model '{name}' is answered by {model.provider}, and this server has no key for {model.provider}.",
            param="model",
        )
    return UnknownModel(
        f"The model '{name}' has no price on this server and is therefore not served.", param="model"
    )
