"""Generated interfaces: the surface of their own, and their ids on surfaces of plain models.

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

from thermly import ids
from thermly.background import Background
from thermly.caller import Caller
from thermly.dialects import openai_chat, openai_models, responses
from thermly.dialects.responses import Asked
from thermly.errors import UnknownModel
from thermly.exchange import ChatRequest
from thermly.gateway import Gateway
from thermly.generated import Generated
from thermly.genui import custom, parameters
from thermly.genui import ids as c1_ids
from thermly.genui.history import spoken
from thermly.genui.ids import C1
from thermly.genui.library import Library, library
from thermly.genui.parameters import Vendor
from thermly.keeping.memory import Memory
from thermly.web import models, respond
from thermly.web import responses as responding
from thermly.web.edge import Body
from thermly.web.limits import Limits
from thermly.web.responses import Reading
from thermly.web.surfaces import Surface

JSON = dict[str, Any]
Apply = Callable[[JSON, Vendor], JSON]
MARK, FAMILIES = b'"c1', ("c1/", "c1-exp/")


def register(
    app: Flask,
    surfaces: tuple[Surface, ...],
    memory: Memory,
    background: Background,
    gateway: Gateway,
    limits: Limits,
) -> None:
    """The surface of their own, and responses wherever there are any: their ids may be asked for there too."""
    for surface in surfaces:
        if "embed" in surface.serves:
            Views(surface, memory, background, gateway, limits).register(app)
        elif "responses" in surface.serves:
            Beside(surface, background, gateway, limits).register(app)


def is_wanted(body: bytes) -> bool:
    """Whether the body names one of their ids. Few bodies are looked into. Raises InvalidRequest."""
    if MARK not in body:
        return False
    name = openai_chat.parse(body).get("model")
    return isinstance(name, str) and name.startswith(FAMILIES)


class Understood(Struct, frozen=True):
    """A body without what is not for its vendor, asking the catalogue's model; the components it may have; and the
    body as it came."""

    c1: C1
    body: bytes
    library: Library
    raw: JSON

    @property
    def vendor(self) -> Vendor:
        return parameters.vendor_of(self.c1.provider)


class Interfaces:
    """Answers bodies that ask for an interface, by the rules of the surface."""

    def __init__(self, surface: Surface, gateway: Gateway, limits: Limits) -> None:
        self._surface, self._gateway, self._limits = surface, gateway, limits

    def chat(self, body: bytes, caller: Caller) -> ResponseReturnValue:
        understood = self._understand(body, parameters.apply)
        asked = self._named(openai_chat.read_request(understood.body, self._surface.bounds), understood.c1)
        with self._limits.admitted(caller) as told:
            answer = self._generated(asked, caller, understood.library)
            return respond.answered(answer, asked, self._surface, told)

    def response(self, body: bytes) -> Reading:
        understood = self._understand(body, parameters.apply_responses)
        asked = responses.read_request(understood.body, self._surface.bounds)
        chat, facts = self._named(asked.chat, understood.c1), self._facts(asked, understood)
        asked = replace(asked, chat=chat, facts=facts)
        answer = functools.partial(self._generated, own=understood.library)
        return Reading(asked, understood.c1.name, answer)

    def _facts(self, asked: Asked, understood: Understood) -> JSON:
        """What the response repeats of the request, with what its vendor was not told."""
        more = parameters.passed_over(understood.raw, understood.vendor)
        body = msgspec.json.encode({"model": asked.chat.model, "input": "x", **more})
        told = responses.read_request(body, self._surface.bounds).facts
        return asked.facts | {name: told[name] for name in more}

    def _understand(self, body: bytes, apply: Apply) -> Understood:
        """Raises UnknownModel for what is no C1 id, InvalidRequest that names the parameter."""
        raw = openai_chat.parse(body)
        name = raw.get("model")
        if not isinstance(name, str):
            openai_chat.read_request(body, self._surface.bounds)  # says what is wrong with it
        c1 = parsed(str(name))
        model = c1_ids.resolve(c1, self._gateway.catalog)
        own = library(c1.format, custom.read(raw))
        cleaned = apply(raw, parameters.vendor_of(c1.provider)) | {"model": model}
        return Understood(c1, msgspec.json.encode(cleaned), own, raw)

    def _named(self, asked: ChatRequest, c1: C1) -> ChatRequest:
        """Whoever reads the books or an error finds the id that was asked for."""
        return replace(self._thinking(asked, c1), model=c1.name, means=asked.model)

    def _thinking(self, asked: ChatRequest, c1: C1) -> ChatRequest:
        if parameters.vendor_of(c1.provider) != "google":
            return asked
        model = self._gateway.catalog.find(asked.model, datetime.date.today())
        return parameters.think(asked, model.upstream if model else asked.model)

    def _generated(self, asked: ChatRequest, caller: Caller, own: Library) -> Generated:
        return Generated(self._gateway, asked, own, caller, self._surface.name)


def parsed(name: str) -> C1:
    """Raises UnknownModel."""
    c1 = c1_ids.parse(name)
    if c1 is None:
        shown = name[: c1_ids.LONGEST_SHOWN]
        raise UnknownModel(f"'{shown}' is not a C1 model id. They look like {c1_ids.SHAPE}.", param="model")
    return c1


class Views(responding.Views):
    """Interfaces and nothing else."""

    def __init__(
        self, surface: Surface, memory: Memory, background: Background, gateway: Gateway, limits: Limits
    ) -> None:
        super().__init__(surface, memory, background, gateway, limits)
        self._interfaces = Interfaces(surface, gateway, limits)

    def register(self, app: Flask) -> None:
        super().register(app)
        prefix, name = self._surface.prefix, self._surface.name
        app.add_url_rule(f"{prefix}/chat/completions", f"chat.{name}", self._chat, methods=["POST"])
        app.add_url_rule(f"{prefix}/models", f"models.{name}", self._models, methods=["GET"])
        app.add_url_rule(f"{prefix}/models/<path:model>", f"model.{name}", self._model, methods=["GET"])

    def _chat(self) -> ResponseReturnValue:
        caller = self._identify()
        return self._interfaces.chat(cast(Body, current).whole_body(), caller)

    def _read(self, body: bytes) -> Reading:
        return self._interfaces.response(body)

    def _models(self) -> ResponseReturnValue:
        found = models.generated_cards(self._gateway, self._identify())
        return respond.whole(openai_models.write_list(found), ids.new())

    def _model(self, model: str) -> ResponseReturnValue:
        found = models.generated_card(self._gateway, self._identify(), parsed(model))
        return respond.whole(openai_models.write_one(found), ids.new())


class InWords(Memory):
    """Answers in components are remembered as they were; a model that was not told of components is told words."""

    def recall(self, account_id: str, previous_id: str | None, conversation_id: str | None) -> list[dict[str, Any]]:
        return [spoken(item) for item in super().recall(account_id, previous_id, conversation_id)]


class Beside(responding.Views):
    """Responses of plain models, and of those that answer in components."""

    def __init__(self, surface: Surface, background: Background, gateway: Gateway, limits: Limits) -> None:
        memory = InWords(gateway.database, gateway.settings.memory_lifetime_d, gateway.settings.memory_max_mib)
        super().__init__(surface, memory, background, gateway, limits)
        self._interfaces = Interfaces(surface, gateway, limits)

    def _read(self, body: bytes) -> Reading:
        return self._interfaces.response(body) if is_wanted(body) else super()._read(body)
