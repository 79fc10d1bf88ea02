"""Thermly: a self-hosted LLM gateway. `create_app` is the only place that names every part of the web app."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from thermly.gateway import Gateway
    from thermly.images import Images
    from thermly.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application. Raises SettingsError, CatalogError or SchemaBehind, each saying what mends it."""
    from thermly import context
    from thermly.console import Mounted
    from thermly.console.at import At
    from thermly.console.proxies import behind
    from thermly.jobs import Pulse
    from thermly.running import logs
    from thermly.settings import read
    from thermly.web.edge import Edge

    settings = settings or read()
    logs.configure(settings.log_level)
    gateway = context.gateway(settings)
    studio = context.images(gateway)
    pulse = Pulse(
        settings.redis_url,
        settings.accounting_delay_s,
        settings.housekeeping_interval_s,
        gateway.books.settle_leftovers,
        studio.rescue,
    )
    gateway.books.nudge = pulse.nudge

    app = Edge("thermly", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_mib << 20
    app.url_map.merge_slashes = False  # else a doubled slash is a redirect, which no client follows with its body
    app.extensions["thermly"] = gateway
    app.before_request(gateway.look)
    _register(app, gateway, studio)
    api = app.wsgi_app
    app.wsgi_app = Mounted(behind(api, settings.trusted_proxies), At(gateway, api))  # type: ignore[method-assign]
    pulse.nudge()
    return app


def _register(app: Flask, gateway: Gateway, studio: Images) -> None:
    """Every route of the API."""
    from thermly import context
    from thermly.web import (
        chat,
        conversations,
        docs,
        embed,
        embeddings,
        failures,
        feedback,
        gemini,
        health,
        images,
        messages,
        metrics,
        models,
    )
    from thermly.web.limits import Limits
    from thermly.web.surfaces import surfaces

    limits = Limits(gateway.settings, gateway.database)
    memory = context.memory(gateway)
    rows = surfaces(gateway.settings.invalid_request_status)
    chat.register(app, rows, gateway, limits)
    models.register(app, rows, gateway)
    embeddings.register(app, rows, gateway, limits)
    images.register(app, rows, studio, gateway, limits)
    feedback.register(app, rows, gateway, limits)
    gemini.register(app, rows, gateway, limits)
    messages.register(app, rows, gateway, limits)
    embed.register(app, rows, memory, context.background(gateway), gateway, limits)
    conversations.register(app, rows[-1], memory, gateway, limits)
    health.register(app, gateway)
    metrics.register(app, gateway)
    docs.register(app, rows, gateway)
    failures.register(app, rows)
