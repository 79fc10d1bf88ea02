"""GET /openapi.json and GET /docs: the same document for programs and for people.

Knows: HTTP around them. Must not know: what the document says. Both are made at the first request, since most
processes are never asked, and kept as text in which only the server's address is open.
"""

import base64
import functools
import hashlib
import re
from collections.abc import Callable

import msgspec
from flask import Blueprint, Flask, Response, render_template, request
from markupsafe import Markup, escape

from thermly import ids
from thermly.gateway import Gateway
from thermly.web.surfaces import Surface

HOST = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~/-]*)?")
INLINE = re.compile(r"<(style|script)>(.*?)</\1>", re.S)
CODE = re.compile(r"`([^`]+)`")
NOWHERE = "http://127.0.0.1:8080"


def register(app: Flask, surfaces: tuple[Surface, ...], gateway: Gateway) -> None:
    @functools.cache
    def document() -> str:
        from thermly.web import openapi

        return msgspec.json.encode(openapi.document(surfaces)).decode()

    @functools.cache
    def page() -> str:
        from thermly.web.openapi_reading import Reader

        return render_template("docs.html", doc=Reader(msgspec.json.decode(document())))

    pages = Blueprint("docs", __name__, template_folder="templates")
    pages.add_app_template_filter(marked)
    pages.add_url_rule("/openapi.json", "openapi", functools.partial(_openapi, document, gateway))
    pages.add_url_rule("/docs", "page", functools.partial(_docs, page, gateway))
    app.register_blueprint(pages)


def _openapi(document: Callable[[], str], gateway: Gateway) -> Response:
    response = _answer(document(), "application/json", gateway)
    response.headers["Access-Control-Allow-Origin"] = "*"  # tools in a browser read it, and it is no secret
    return response


def _docs(page: Callable[[], str], gateway: Gateway) -> Response:
    text = page()
    response = _answer(text, "text/html; charset=utf-8", gateway)
    response.headers["Content-Security-Policy"] = policy(text)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _answer(text: str, content_type: str, gateway: Gateway) -> Response:
    from thermly.web.openapi_samples import BASE

    body = text.replace(BASE, address(gateway.settings.public_url or request.host_url))
    headers = [
        ("x-request-id", "req_" + ids.new()),
        ("Cache-Control", "no-cache"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return Response(body, 200, headers, content_type=content_type)


def address(url: str) -> str:
    """The server's address as it may be written into JSON, HTML and a line for the shell."""
    url = url.rstrip("/")
    return url if HOST.fullmatch(url) else NOWHERE


def policy(page: str) -> str:
    """What the page may do: nothing but the style and the script that it came with."""
    allowed = {
        kind: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for kind, text in INLINE.findall(page)
    }
    return (
        f"default-src 'none'; style-src {allowed['style']}; script-src {allowed['script']}; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def marked(text: str) -> Markup:
    """Words between backticks as code, everything else as it is."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))
