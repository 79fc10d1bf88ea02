"""The embeddings routes: identify, read, admit, embed, respond."""

from typing import cast

from flask import Flask
from flask import request as current
from flask.typing import ResponseReturnValue

from thermly import embeddings
from thermly.dialects import openai_embeddings
from thermly.gateway import Gateway
from thermly.web import callers, respond
from thermly.web.edge import Body
from thermly.web.limits import Limits
from thermly.web.surfaces import Surface


def register(app: Flask, surfaces: tuple[Surface, ...], gateway: Gateway, limits: Limits) -> None:
    for surface in surfaces:
        if "embeddings" in surface.serves:
            _register(app, surface, gateway, limits)


def _register(app: Flask, surface: Surface, gateway: Gateway, limits: Limits) -> None:
    @app.post(surface.prefix + "/embeddings", endpoint=f"embeddings.{surface.name}")
    def embed() -> ResponseReturnValue:
        request = cast(Body, current)
        caller = callers.identify(request.headers, surface.key_headers, gateway.database)
        asked = openai_embeddings.read_request(request.whole_body())
        with limits.admitted(caller) as told:
            request_id, reply = embeddings.embed(gateway, asked, caller, surface.name)
        return respond.whole(openai_embeddings.write_reply(reply, asked, asked.model), request_id, told)
