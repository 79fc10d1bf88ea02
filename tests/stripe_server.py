"""As much of Stripe as Checkout needs, over a socket: it makes sessions, and signs events as Stripe does."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import time
from typing import Any
from urllib.parse import parse_qs

KEY, SIGNING_SECRET = "sk_test_fake", "whsec_fake"


class Stripe(http.server.ThreadingHTTPServer):
    """`answer` goes in place of a session where it is set: status and body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.forms: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.sessions: dict[str, dict[str, Any]] = {}
        self.answer: tuple[int, bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Stripe

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
        self.server.forms.append(form)
        self.server.headers.append(dict(self.headers.items()))
        if self.server.answer:
            return self._say(*self.server.answer)
        if self.path != "/v1/checkout/sessions" or self.headers["Authorization"] != f"Bearer {KEY}":
            error = {"type": "invalid_request_error", "message": "Invalid API Key provided"}
            return self._say(401, json.dumps({"error": error}).encode())
        session_id = f"cs_test_{len(self.server.sessions)}_{time.time_ns()}"
        self.server.sessions[session_id] = session = {
            "id": session_id,
            "object": "checkout.session",
            "amount_total": int(form["line_items[0][price_data][unit_amount]"]),
            "currency": form["line_items[0][price_data][currency]"],
            "payment_status": "unpaid",
            "status": "open",
            "url": f"{self.server.url}/pay/{session_id}",
        }
        self._say(200, json.dumps(session).encode())

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def event(session: dict[str, Any], kind: str = "checkout.session.completed", **changes: Any) -> bytes:
    told = {**session, "payment_status": "paid", **changes}
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "data": {"object": told}}).encode()


def signature(payload: bytes, at_s: int | None = None, key: str = SIGNING_SECRET) -> str:
    at_s = int(time.time()) if at_s is None else at_s
    signed = hmac.new(key.encode(), f"{at_s}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={signed}"
