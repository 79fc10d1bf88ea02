"""The C1 surface: generated interfaces on chat completions and responses, and the ids that ask for them.

identify -> read, by the reference's tables of parameters -> admit -> answer in components -> respond.
"""

import datetime
import functools
from collections.abc import Callable
from typing import Any, cast

import msgspec
from flask import Flask
from flask import request as current
from flask.typing import ResponseReturnValue
from msgspec import Struct
from msgspec.structs import replace

from thermly import ids, listing
from thermly.background import Background
from thermly.caller import Caller
from thermly.cards import Card
from thermly.dialects import openai_chat, openai_models, responses
from thermly.errors import UnknownModel
from thermly.exchange import ChatRequest
from thermly.gateway import Gateway
from thermly.generated import Generated
from thermly.genui import custom, parameters
from thermly.genui import ids as c1_ids
from thermly.genui.ids import C1
from thermly.genui.library import Library, library
from thermly.genui.parameters import Vendor
from thermly.memory import Memory
from thermly.web import respond
from thermly.web import responses as responding
from thermly.web.edge import Body
from thermly.web.limits import Limits
from thermly.web.responses import Reading
from thermly.web.surfaces import Surface

Apply = Callable[[dict[str, Any], Vendor], dict[str, Any]]


def register(
    app: Flask,
    surfaces: tuple[Surface, ...],
    memory: Memory,
    background: Background,
    gateway: Gateway,
    limits: Limits,
) -> None:
    for surface in surfaces:
        if "embed" in surface.serves:
            Views(surface, memory, background, gateway, limits).register(app)


class Understood(Struct, frozen=True):
    """A body without what is not for its vendor, asking the catalogue's model; and the components it may have."""

    c1: C1
    body: bytes
    library: Library


class Views(responding.Views):
    def register(self, app: Flask) -> None:
        super().register(app)
        prefix, name = self._surface.prefix, self._surface.name
        app.add_url_rule(f"{prefix}/chat/completions", f"chat.{name}", self._chat, methods=["POST"])
        app.add_url_rule(f"{prefix}/models", f"models.{name}", self._models, methods=["GET"])
        app.add_url_rule(f"{prefix}/models/<path:model>", f"model.{name}", self._model, methods=["GET"])

    def _chat(self) -> ResponseReturnValue:
        caller = self._identify()
        understood = self._understand(cast(Body, current).whole_body(), parameters.apply)
        asked = self._thinking(openai_chat.read_request(understood.body, self._surface.bounds), understood.c1)
        with self._limits.admitted(caller) as told:
            answer = self._generated(asked, caller, understood.library)
            return respond.answered(answer, replace(asked, model=understood.c1.name), self._surface, told)

    def _read(self, body: bytes) -> Reading:
        understood = self._understand(body, parameters.apply_responses)
        asked = responses.read_request(understood.body, self._surface.bounds)
        asked = replace(asked, chat=self._thinking(asked.chat, understood.c1))
        answer = functools.partial(self._generated, own=understood.library)
        return Reading(asked, understood.c1.name, answer)

    def _understand(self, body: bytes, apply: Apply) -> Understood:
        """Raises UnknownModel for what is no C1 id, InvalidRequest that names the parameter."""
        raw = openai_chat.parse(body)
        name = raw.get("model")
        if not isinstance(name, str):
            openai_chat.read_request(body, self._surface.bounds)  # says what is wrong with it
        c1 = c1_ids.parse(str(name))
        if c1 is None:
            shown = str(name)[: c1_ids.LONGEST_SHOWN]
            raise UnknownModel(f"'{shown}' is not a C1 model id. They look like {c1_ids.SHAPE}.", param="model")
        model = c1_ids.resolve(c1, self._gateway.catalog)
        own = library(c1.format, custom.read(raw))
        cleaned = apply(raw, parameters.vendor_of(c1.provider)) | {"model": model}
        return Understood(c1, msgspec.json.encode(cleaned), own)

    def _thinking(self, asked: ChatRequest, c1: C1) -> ChatRequest:
        if parameters.vendor_of(c1.provider) != "google":
            return asked
        model = self._gateway.catalog.find(asked.model, datetime.date.today())
        return parameters.think(asked, model.upstream if model else asked.model)

    def _generated(self, asked: ChatRequest, caller: Caller, own: Library) -> Generated:
        return Generated(self._gateway, asked, own, caller, self._surface.name)

    # ---- models

    def _cards(self, caller: Caller) -> list[Card]:
        today, catalog = datetime.date.today(), self._gateway.catalog
        cards = {card.id: card for card in listing.cards(catalog, caller.models, today)}
        found = []
        for shown, name in c1_ids.offers(catalog):
            card = cards.get(name) or listing.card(name, catalog, caller.models, today)
            if card is not None:
                found.append(replace(card, id=shown, tier=None))
        return found

    def _models(self) -> ResponseReturnValue:
        return respond.whole(openai_models.write_list(self._cards(self._identify())), ids.new())

    def _model(self, model: str) -> ResponseReturnValue:
        card = next((card for card in self._cards(self._identify()) if card.id == model), None)
        if card is None:
            raise UnknownModel(f"The model '{model[:100]}' does not exist on this server.", param="model")
        return respond.whole(openai_models.write_one(card), ids.new())
