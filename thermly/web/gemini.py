"""The Gemini surface: its verbs after the model's name, its key in a header or the query.

identify -> read -> admit -> answer -> respond, as on every surface.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import cast

from flask import Flask
from flask import request as current
from flask.typing import ResponseReturnValue
from msgspec.structs import replace

from thermly import counting, embeddings, ids
from thermly.caller import Caller
from thermly.dialects import gemini, gemini_models
from thermly.errors import GatewayError, MethodNotAllowed, NotFound, UnknownModel
from thermly.gateway import Gateway
from thermly.vectors import EmbeddingReply, EmbeddingRequest
from thermly.web import callers, models, respond
from thermly.web.edge import Body
from thermly.web.limits import Limits
from thermly.web.respond import Headers, Writing
from thermly.web.surfaces import Surface

Verb = Callable[[str, bytes, Caller], ResponseReturnValue]
SSE = Writing(gemini.write_events, gemini.write_error_event)
ARRAY = Writing(
    functools.partial(gemini.write_events, sse=False),
    functools.partial(gemini.write_error_event, sse=False),
    "application/json; charset=utf-8",
)


def register(app: Flask, surfaces: tuple[Surface, ...], gateway: Gateway, limits: Limits) -> None:
    for surface in surfaces:
        if "gemini" in surface.serves:
            Views(surface, gateway, limits).register(app)


class Views:
    def __init__(self, surface: Surface, gateway: Gateway, limits: Limits) -> None:
        self._surface, self._gateway, self._limits = surface, gateway, limits
        self._verbs: dict[str, Verb] = {
            "generateContent": functools.partial(self._generate, stream=False),
            "streamGenerateContent": functools.partial(self._generate, stream=True),
            "countTokens": self._count,
            "embedContent": self._embed,
            "batchEmbedContents": self._embed_batch,
        }

    def register(self, app: Flask) -> None:
        prefix, name = self._surface.prefix, self._surface.name
        app.add_url_rule(f"{prefix}/models", f"models.{name}", self._list, methods=["GET"])
        app.add_url_rule(f"{prefix}/models/<path:model>", f"model.{name}", self._get, methods=["GET"])
        app.add_url_rule(f"{prefix}/models/<path:what>", f"ask.{name}", self._ask, methods=["POST"])

    def _identify(self) -> Caller:
        return callers.identify(
            current.headers, self._surface.key_headers, self._gateway.database, current.args.get("key")
        )

    def _list(self) -> ResponseReturnValue:
        cards = models.cards(self._gateway, self._identify())
        args = current.args
        return respond.whole(
            gemini_models.write_list(cards, args.get("pageSize"), args.get("pageToken")), ids.new()
        )

    def _get(self, model: str) -> ResponseReturnValue:
        if model.rpartition(":")[2] in self._verbs:
            refusal = MethodNotAllowed(f"GET is not allowed at {current.path[:200]}.")
            refusal.headers.append(("Allow", "POST"))
            raise refusal
        card = models.card(self._gateway, self._identify(), model)
        if card.kind not in gemini_models.METHODS:
            raise UnknownModel(f"The model '{model[:100]}' is not asked on this surface.", param="model")
        return respond.whole(gemini_models.write_one(card), ids.new())

    def _ask(self, what: str) -> ResponseReturnValue:
        caller = self._identify()
        model, _, name = what.rpartition(":")
        verb = self._verbs.get(name)
        if verb is None or not model:
            raise NotFound(f"There is nothing at {current.path[:200]}.")
        return verb(model, cast(Body, current).whole_body(), caller)

    def _generate(self, model: str, body: bytes, caller: Caller, stream: bool) -> ResponseReturnValue:
        asked = gemini.read_request(body, self._surface.bounds, model, stream)
        if current.headers.get("x-no-cache", "").lower() in ("true", "1"):
            asked = replace(asked, fresh=True)
        with self._admitted(caller) as told:
            answer = self._gateway.answer(asked, caller, self._surface.name)
            writing = SSE if current.args.get("alt") == "sse" else ARRAY
            return respond.answered(answer, asked, self._surface, told, writing)

    def _count(self, model: str, body: bytes, caller: Caller) -> ResponseReturnValue:
        asked = gemini.read_count_request(body, self._surface.bounds, model)
        with self._admitted(caller) as told:
            total = counting.count_tokens(self._gateway, asked, caller)
        return respond.whole(gemini.write_count(total), ids.new(), told)

    def _embed(self, model: str, body: bytes, caller: Caller) -> ResponseReturnValue:
        request_id, reply, told = self._embedded(gemini.read_embed_request(body, model), caller)
        return respond.whole(gemini.write_embedding(reply), request_id, told)

    def _embed_batch(self, model: str, body: bytes, caller: Caller) -> ResponseReturnValue:
        request_id, reply, told = self._embedded(gemini.read_batch_embed_request(body, model), caller)
        return respond.whole(gemini.write_embeddings(reply), request_id, told)

    def _embedded(self, asked: EmbeddingRequest, caller: Caller) -> tuple[str, EmbeddingReply, Headers]:
        with self._admitted(caller) as told:
            request_id, reply = embeddings.embed(self._gateway, asked, caller, self._surface.name)
        return request_id, reply, told

    @contextlib.contextmanager
    def _admitted(self, caller: Caller) -> Iterator[Headers]:
        """The headers that the limits tell; a refusal has them too, and the field in this wire's words."""
        with self._limits.admitted(caller) as told:
            try:
                yield told
            except GatewayError as error:
                gemini.rename_field(error)
                raise
