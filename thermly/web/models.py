"""The model lists: what the key that asks may use. They cost nothing and count against no limit.

A client that names Anthropic's version of the API is answered in Anthropic's words, refusals too.
"""

import datetime
from collections.abc import Callable

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from thermly import ids
from thermly.caller import Caller
from thermly.cards import Card
from thermly.dialects import anthropic_models, openai_models
from thermly.errors import GatewayError, UnknownModel
from thermly.gateway import Gateway
from thermly.genui import ids as c1_ids
from thermly.genui.ids import C1
from thermly.models import listing
from thermly.web import callers, respond
from thermly.web.edge import Whole
from thermly.web.surfaces import Surface


def register(app: Flask, surfaces: tuple[Surface, ...], gateway: Gateway) -> None:
    messages = next(surface for surface in surfaces if "messages" in surface.serves)
    for surface in surfaces:
        if "models" in surface.serves:
            Views(surface, messages, gateway).register(app)


class Views:
    def __init__(self, surface: Surface, messages: Surface, gateway: Gateway) -> None:
        """`messages`: the surface by whose rules Anthropic's clients are answered."""
        self._surface, self._messages, self._gateway = surface, messages, gateway
        self._key_headers = (*surface.key_headers, "x-api-key")

    def register(self, app: Flask) -> None:
        prefix, name = self._surface.prefix, self._surface.name
        app.add_url_rule(f"{prefix}/models", f"models.{name}", self._list, methods=["GET"])
        app.add_url_rule(f"{prefix}/models/<path:name>", f"model.{name}", self._one, methods=["GET"])

    def _list(self) -> ResponseReturnValue:
        if "anthropic-version" in request.headers:
            return self._to_anthropic(self._page)
        caller = callers.identify(request.headers, self._key_headers, self._gateway.database)
        found = [*cards(self._gateway, caller), *generated_cards(self._gateway, caller)]
        return respond.whole(openai_models.write_list(found), ids.new())

    def _one(self, name: str) -> ResponseReturnValue:
        if "anthropic-version" in request.headers:
            return self._to_anthropic(
                lambda caller: anthropic_models.write_one(card(self._gateway, caller, name, "chat"))
            )
        caller = callers.identify(request.headers, self._key_headers, self._gateway.database)
        c1 = c1_ids.parse(name)
        found = generated_card(self._gateway, caller, c1) if c1 else card(self._gateway, caller, name)
        return respond.whole(openai_models.write_one(found), ids.new())

    def _page(self, caller: Caller) -> bytes:
        args = request.args
        stages = [*args.getlist("lifecycle"), *args.getlist("lifecycle[]")]
        return anthropic_models.write_list(
            cards(self._gateway, caller), args.get("limit"), args.get("after_id"), args.get("before_id"), stages
        )

    def _to_anthropic(self, write: Callable[[Caller], bytes]) -> Whole | Response:
        request_id = ids.new()
        try:
            caller = callers.identify(request.headers, self._messages.key_headers, self._gateway.database)
            return Whole(write(caller), respond.named(request_id, self._messages))
        except GatewayError as error:
            return respond.refused(error, self._messages, request_id)


def cards(gateway: Gateway, caller: Caller) -> list[Card]:
    return listing.cards(gateway.catalog, caller.models, datetime.date.today())


def card(gateway: Gateway, caller: Caller, name: str, kind: str | None = None) -> Card:
    """Raises UnknownModel also for a model that this key may not use: it does not exist for it."""
    found = listing.card(name, gateway.catalog, caller.models, datetime.date.today())
    if found is None or kind not in (None, found.kind):
        raise UnknownModel(f"The model '{name[:100]}' does not exist on this server.", param="model")
    return found


def generated_cards(gateway: Gateway, caller: Caller) -> list[Card]:
    """The ids that answer in components."""
    offers = c1_ids.offers(gateway.catalog)
    return listing.offered(offers, gateway.catalog, caller.models, datetime.date.today())


def generated_card(gateway: Gateway, caller: Caller, c1: C1) -> Card:
    """Of every id that is answered, whether it is listed or not. Raises UnknownModel."""
    return listing.renamed(card(gateway, caller, c1_ids.resolve(c1, gateway.catalog), "chat"), c1.name)
