"""The application's short cut for API paths changes nothing that a client can see."""

import pytest
from flask import Flask

from thermly.web.edge import Edge


def routes(app: Flask) -> Flask:
    app.add_url_rule("/v1/chat/completions", "chat", lambda: "chat", methods=["POST"])
    app.add_url_rule("/health/liveness", "live", lambda: "live")
    return app


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1/nothing"),
        ("POST", "/v1/"),
        ("GET", "/api/x"),
        ("GET", "/health/liveness"),
        ("GET", "/elsewhere"),
    ],
)
@pytest.mark.parametrize("host", ["localhost", "thermly.example:8443", "[::1]:8080"])
def test_every_path_is_answered_as_flask_itself_would(method: str, path: str, host: str):
    told = [
        routes(app).test_client().open(path, method=method, headers={"Host": host})
        for app in (Edge("edge"), Flask("plain"))
    ]
    assert told[0].status_code == told[1].status_code
    assert told[0].data == told[1].data
