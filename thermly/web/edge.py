"""The Flask application, with the one thing that an API called thousands of times a second does not need.

Knows: Flask. Must not know: routes.
"""

from typing import Any

from flask import Flask
from werkzeug.routing import MapAdapter

API = ("/v1/", "/api/")


class Edge(Flask):
    def create_url_adapter(self, request: Any) -> MapAdapter | None:
        """API paths depend on path and method alone; Flask's own way reads the Host header twice (20 µs)."""
        if request is None or not request.path.startswith(API):
            return super().create_url_adapter(request)
        return MapAdapter(self.url_map, "", "/", "", request.scheme, request.path, request.method)
