"""The model lists: what the key that asks may use. They cost nothing and count against no limit."""

import datetime

from flask import Flask, request
from flask.typing import ResponseReturnValue

from thermly import ids, listing
from thermly.caller import Caller
from thermly.cards import Card
from thermly.dialects import openai_models
from thermly.errors import UnknownModel
from thermly.gateway import Gateway
from thermly.web import callers, respond
from thermly.web.surfaces import Surface


def register(app: Flask, surfaces: tuple[Surface, ...], gateway: Gateway) -> None:
    for surface in surfaces:
        if "models" in surface.serves:
            _register(app, surface, gateway)


def _register(app: Flask, surface: Surface, gateway: Gateway) -> None:
    @app.get(surface.prefix + "/models", endpoint=f"models.{surface.name}")
    def models() -> ResponseReturnValue:
        caller = callers.identify(request.headers, surface.key_headers, gateway.database)
        return respond.whole(openai_models.write_list(cards(gateway, caller)), ids.new())

    @app.get(surface.prefix + "/models/<path:name>", endpoint=f"model.{surface.name}")
    def model(name: str) -> ResponseReturnValue:
        caller = callers.identify(request.headers, surface.key_headers, gateway.database)
        return respond.whole(openai_models.write_one(card(gateway, caller, name)), ids.new())


def cards(gateway: Gateway, caller: Caller) -> list[Card]:
    return listing.cards(gateway.catalog, caller.models, datetime.date.today())


def card(gateway: Gateway, caller: Caller, name: str) -> Card:
    """Raises UnknownModel also for a model that this key may not use: it does not exist for it."""
    found = listing.card(name, gateway.catalog, caller.models, datetime.date.today())
    if found is None:
        raise UnknownModel(f"The model '{name[:100]}' does not exist on this server.", param="model")
    return found
