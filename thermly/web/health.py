"""Liveness, readiness and metrics. No paid probe: readiness looks at the database only."""

import sqlite3

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

from thermly.gateway import Gateway


def register(app: Flask, gateway: Gateway) -> None:
    @app.get("/health/liveness")
    def liveness() -> ResponseReturnValue:
        return jsonify(status="alive")

    @app.get("/health/readiness")
    def readiness() -> ResponseReturnValue:
        try:
            with gateway.database.begin() as tx:
                tx.one("SELECT 1 FROM account")
        except sqlite3.Error as error:
            return jsonify(status="not ready", database=type(error).__name__), 503
        cooling = sorted(gateway.health.cooling())
        serving = sorted(p.name for p in gateway.catalog.providers.values() if p.available)
        return jsonify(status="ready", database="ok", providers=serving, cooling=cooling)
