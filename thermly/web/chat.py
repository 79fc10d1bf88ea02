"""The chat routes: one view for every surface, which walks the request through its steps.

identify -> read -> admit -> answer -> respond. A body that is refused uses up no allowance, so reading comes
before counting; a key that is refused costs no parsing, so identifying comes before both.
"""

from typing import cast

from flask import Flask
from flask import request as current
from flask.typing import ResponseReturnValue
from msgspec.structs import replace

from thermly.dialects import anthropic, openai_chat
from thermly.dialects.anthropic_betas import with_betas
from thermly.gateway import Gateway
from thermly.web import callers, respond
from thermly.web.edge import Body
from thermly.web.embed import Interfaces, is_wanted
from thermly.web.limits import Limits
from thermly.web.surfaces import Surface

PATHS = {"chat": "/chat/completions", "messages": ""}
"""What a surface serves, and where; a dialect reads and writes it."""


def register(app: Flask, surfaces: tuple[Surface, ...], gateway: Gateway, limits: Limits) -> None:
    for surface in surfaces:
        path = next((path for what, path in PATHS.items() if what in surface.serves), None)
        if path is None:
            continue
        app.add_url_rule(
            surface.prefix + path,
            f"chat.{surface.name}",
            view(surface, gateway, limits),
            methods=["POST"],
            provide_automatic_options=False,
        )


def view(surface: Surface, gateway: Gateway, limits: Limits):  # type: ignore[no-untyped-def]
    interfaces = Interfaces(surface, gateway, limits) if surface.dialect is openai_chat else None

    def chat() -> ResponseReturnValue:
        request = cast(Body, current)
        headers = request.headers
        caller = callers.identify(headers, surface.key_headers, gateway.database)
        body = request.whole_body()
        if interfaces is not None and is_wanted(body):
            return interfaces.chat(body, caller)
        asked = surface.dialect.read_request(body, surface.bounds)
        if headers.get("x-no-cache", "").lower() in ("true", "1"):
            asked = replace(asked, fresh=True)
        if surface.dialect is anthropic:
            asked = with_betas(asked, headers.get("anthropic-beta"))
        with limits.admitted(caller) as told:
            return respond.answered(gateway.answer(asked, caller, surface.name), asked, surface, told)

    return chat
