"""Counting the tokens of an Anthropic message; messages themselves are chat in another dialect (`chat`)."""

from typing import cast

from flask import Flask
from flask import request as current
from flask.typing import ResponseReturnValue

from thermly import counting, ids
from thermly.dialects import anthropic
from thermly.dialects.anthropic_betas import with_betas
from thermly.gateway import Gateway
from thermly.web import callers, respond
from thermly.web.edge import Body, Whole
from thermly.web.limits import Limits
from thermly.web.surfaces import Surface


def register(app: Flask, surfaces: tuple[Surface, ...], gateway: Gateway, limits: Limits) -> None:
    for surface in surfaces:
        if "messages" in surface.serves:
            _register(app, surface, gateway, limits)


def _register(app: Flask, surface: Surface, gateway: Gateway, limits: Limits) -> None:
    @app.post(surface.prefix + "/count_tokens", endpoint=f"count.{surface.name}")
    def count() -> ResponseReturnValue:
        request = cast(Body, current)
        caller = callers.identify(request.headers, surface.key_headers, gateway.database)
        asked = anthropic.read_count_request(request.whole_body(), surface.bounds)
        asked = with_betas(asked, request.headers.get("anthropic-beta"))
        with limits.admitted(caller) as told:
            total = counting.count_tokens(gateway, asked, caller)
        return Whole(anthropic.write_count(total), [*told, *respond.named(ids.new(), surface)])
