"""A small OpenID provider on a real socket, which keeps to the rules until it is told to break one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "thermly-client", "s3cret/with:signs"
_KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})
_OTHER_KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})


class Identity:
    """`who` are the claims of whoever signs in; `lies` go over those of the ID token (None: left out)."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.who: dict[str, Any] = {
            "sub": "ada-1",
            "email": "ada@example.com",
            "email_verified": True,
            "name": "Ada",
        }
        self.lies: dict[str, Any] = {}
        self.discovery: dict[str, Any] = {}
        self.forged = self.thin = self.refuses = False
        self.algorithm = "RS256"
        self.userinfo_sub: str | None = None
        self.methods = ["client_secret_basic"]
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.issuer = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        identity = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                query = {k: v[0] for k, v in parse_qs(url.query).items()}
                identity.asked.append((url.path, query))
                if url.path == "/authorize":
                    self.send_response(302)
                    self.send_header("Location", identity.authorized(query))
                    self.end_headers()
                else:
                    self._tell(*identity.got(url.path, self.headers.get("Authorization", "")))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {k: v[0] for k, v in parse_qs(body).items()}
                identity.asked.append((self.path, form))
                self._tell(*identity.exchanged(form, self.headers.get("Authorization", "")))

            def _tell(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler

    def authorized(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        back, told = query["redirect_uri"], {"state": query["state"], "iss": self.issuer}
        assert query["client_id"] == CLIENT_ID and query["response_type"] == "code"
        assert "openid" in query["scope"].split() and query["code_challenge_method"] == "S256"
        if self.refuses:
            return f"{back}?{urlencode({**told, 'error': 'access_denied'})}"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return f"{back}?{urlencode({**told, 'code': code})}"

    def got(self, path: str, authorization: str) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": self.issuer + "/authorize",
                "token_endpoint": self.issuer + "/token",
                "jwks_uri": self.issuer + "/jwks",
                "userinfo_endpoint": self.issuer + "/userinfo",
                "token_endpoint_auth_methods_supported": self.methods,
                **self.discovery,
            }
        if path == "/jwks":
            return 200, {"keys": [_KEY.as_dict(private=False)]}
        if path == "/userinfo" and authorization == "Bearer access":
            return 200, {**self.who, "sub": self.userinfo_sub or self.who["sub"]}
        return 404, {}

    def exchanged(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        query = self.codes.pop(form.get("code", ""), None)
        challenge = _base64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if query is None or query["code_challenge"] != challenge or query["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": self._token(query["nonce"])}

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if self.methods == ["client_secret_post"]:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        return authorization == f"Basic {pair}" and "client_secret" not in form

    def _token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce}
        claims |= {"sub": self.who["sub"]} if self.thin else self.who
        claims |= self.lies
        told = {k: v for k, v in claims.items() if v is not None}
        if self.algorithm != "RS256":
            return self._signed_by_anybody(told)
        return jwt.encode({"alg": "RS256", "kid": "first"}, told, _OTHER_KEY if self.forged else _KEY)

    def _signed_by_anybody(self, claims: dict[str, Any]) -> str:
        """Without a signature, or with one whose key everybody may know: the public one."""
        head, body = (_base64(json.dumps(d).encode()) for d in ({"alg": self.algorithm, "kid": "first"}, claims))
        key = _KEY.as_pem(private=False)
        signature = hmac.digest(key, f"{head}.{body}".encode(), "sha256") if self.algorithm == "HS256" else b""
        return f"{head}.{body}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


if __name__ == "__main__":
    provider = Identity()
    print(provider.issuer, flush=True)
    threading.Event().wait()
