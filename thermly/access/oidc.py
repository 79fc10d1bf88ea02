"""Signing in through an OpenID provider: the authorization code flow with PKCE, state and nonce, and who is let in.

Knows: OpenID Connect Core 1.0, through Authlib. Must not know: Flask, pages, cookies.
Authlib is imported when somebody first comes: it takes 16 MiB that most processes need for nothing.
"""

import hmac
import logging
import os
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from thermly import clock, trust
from thermly.access.people import MOST_EMAIL_CHARS, is_email
from thermly.plans import DEFAULT
from thermly.settings import Settings, SettingsError, secret
from thermly.store import accounts, people
from thermly.store.db import Database, Tx
from thermly.store.people import Person

log = logging.getLogger("thermly.oidc")
SCOPE = "openid email profile"
# Signatures with a key that only the provider has. HS256 would be one with the client's secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
TIMEOUT_S = 10
REMEMBERED_S = 600
ATTEMPT_S = 600
LEEWAY_S = 60
MOST_NEXT_CHARS = 500
AGAIN = "Go back to the sign-in page and try once more."
WORDS = {
    "aud": "it is meant for another server",
    "azp": "it is meant for another server",
    "iss": "somebody else has written it",
    "nonce": "it answers another sign-in",
    "exp": "it is too old",
    "iat": "it is from the future",
    "nbf": "it is from the future",
    "expired_token": "it is too old",
    "invalid_token": "it is from the future",
    "bad_signature": "its signature is not the provider's",
}


class Refused(Exception):
    """The message is for the person."""


class Attempt(Struct):
    """What a browser keeps between its leaving for the provider and its return."""

    state: str
    nonce: str
    verifier: str
    next: str
    begun_at_s: int


class Identity(Struct, frozen=True):
    """Who the provider says it is. `email` is empty unless the provider has verified it."""

    subject: str
    email: str
    name: str


class Metadata(Struct):
    """What we need of a provider's discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


_read_metadata = msgspec.json.Decoder(Metadata).decode


def is_offered(settings: Settings) -> bool:
    return bool(settings.oidc_issuer and settings.oidc_client_id)


class Provider:
    def __init__(self, settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
        self._settings, self._environ = settings, environ
        self._metadata: Metadata | None = None
        self._read_at = 0.0

    @property
    def name(self) -> str:
        return urlsplit(self._settings.oidc_issuer).netloc or self._settings.oidc_issuer

    def begin(self, back: str, then: str) -> tuple[str, Attempt]:
        """Where to send the browser, and what it is to bring along when it returns to `back`. Raises Refused."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        attempt = Attempt(state, nonce, verifier, then[:MOST_NEXT_CHARS], int(time.time()))
        metadata = self._discovered()
        with self._client(metadata, back) as client:
            address, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )
        return str(address), attempt

    def finish(self, attempt: Attempt | None, back: str, told: Mapping[str, str]) -> Identity:
        """`told` are the parameters with which the browser has come back. Raises Refused."""
        fresh = attempt is not None and 0 <= time.time() - attempt.begun_at_s <= ATTEMPT_S
        if not fresh or attempt is None or not hmac.compare_digest(attempt.state, told.get("state", "")):
            raise Refused(f"This sign-in was not begun in this browser, or too long ago. {AGAIN}")
        if told.get("error") == "access_denied":
            raise Refused(f"{self.name} did not let you in, or you have cancelled.")
        metadata = self._discovered()
        if told.get("iss", metadata.issuer) != metadata.issuer:  # RFC 9207: an answer of another provider
            raise Refused(f"This answer does not come from {self.name}. {AGAIN}")
        if not told.get("code"):
            log.warning("the OpenID provider answered with the error %r", told.get("error", "")[:100])
            raise Refused(f"{self.name} could not sign you in. {AGAIN}")
        return self._identity(metadata, attempt, back, told["code"])

    def _identity(self, metadata: Metadata, attempt: Attempt, back: str, code: str) -> Identity:
        from authlib.common.errors import AuthlibBaseError
        from joserfc.errors import JoseError
        from requests import RequestException

        try:
            with self._client(metadata, back) as client:
                token = client.fetch_token(
                    metadata.token_endpoint,
                    code=code,
                    code_verifier=attempt.verifier,
                    grant_type="authorization_code",
                )
                claims = self._claims(client, metadata, token, attempt.nonce)
        except JoseError as error:
            log.warning("the OpenID provider's ID token is refused: %s", error)
            why = WORDS.get(getattr(error, "claim", "")) or WORDS.get(error.error) or "it cannot be read"
            raise Refused(f"What {self.name} says of you cannot be believed: {why}. {AGAIN}") from error
        except (AuthlibBaseError, RequestException, SettingsError, ValueError, KeyError, TypeError) as error:
            raise self._failed(error) from error
        verified = claims.get("email_verified") in (True, "true")
        email, name = str(claims.get("email") or ""), claims.get("name")
        return Identity(
            subject=f"{metadata.issuer}|{claims['sub']}",
            email=email if verified and is_email(email) else "",
            name=" ".join(name.split())[:MOST_EMAIL_CHARS] if isinstance(name, str) else "",
        )

    def _claims(self, client: Any, metadata: Metadata, token: Any, nonce: str) -> dict[str, Any]:
        """Those of the ID token, and of the userinfo endpoint where the token does not tell the e-mail address.
        Raises JoseError, RequestException, KeyError."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.jwk import KeySet
        from joserfc.jws import JWSRegistry

        keys = KeySet.import_key_set(_fetched(client, metadata.jwks_uri).json())
        registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
        read = jwt.decode(token["id_token"], keys, registry=registry)
        options = {
            "iss": {"essential": True, "value": metadata.issuer},
            "aud": {"essential": True, "value": client.client_id},
        }
        params = {"nonce": nonce, "client_id": client.client_id, "access_token": token.get("access_token")}
        claims = CodeIDToken(read.claims, read.header, options, params)
        claims.validate(leeway=LEEWAY_S)
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise ValueError("the ID token has no subject")
        if "email" in claims or not metadata.userinfo_endpoint:
            return dict(claims)
        more = client.get(metadata.userinfo_endpoint)
        more.raise_for_status()
        told: dict[str, Any] = more.json()
        if told["sub"] != claims["sub"]:
            raise ValueError("the userinfo endpoint tells of somebody else")
        return {**told, **claims}

    def _discovered(self) -> Metadata:
        """Raises Refused."""
        from requests import RequestException

        if self._metadata is not None and time.monotonic() - self._read_at < REMEMBERED_S:
            return self._metadata
        issuer = self._settings.oidc_issuer
        try:
            with self._client(None, "") as client:
                body = _fetched(client, issuer.rstrip("/") + "/.well-known/openid-configuration").content
            found = _read_metadata(body)
            if found.issuer.rstrip("/") != issuer.rstrip("/"):
                raise ValueError(f"the discovery document is that of {found.issuer!r}")
        except (RequestException, SettingsError, ValueError) as error:
            raise self._failed(error) from error
        self._metadata, self._read_at = found, time.monotonic()
        return found

    def _client(self, metadata: Metadata | None, back: str) -> Any:
        """A session of requests that knows OAuth. Raises SettingsError."""
        from authlib.integrations.requests_client import OAuth2Session
        from requests.adapters import HTTPAdapter

        class Trusting(HTTPAdapter):
            def init_poolmanager(self, *args: Any, **options: Any) -> None:
                super().init_poolmanager(*args, **options, ssl_context=trust.context())

        client = OAuth2Session(
            self._settings.oidc_client_id,
            key := secret(self._environ, "OIDC_CLIENT_SECRET"),
            token_endpoint_auth_method=_auth_method(metadata) if key else "none",
            scope=SCOPE,
            redirect_uri=back,
            code_challenge_method="S256",
            default_timeout=TIMEOUT_S,
        )
        client.mount("https://", Trusting())
        return client

    def _failed(self, error: Exception) -> Refused:
        log.warning("signing in through %s failed: %s: %s", self.name, type(error).__name__, error)
        return Refused(f"{self.name} cannot be asked who you are right now. Why is in the server's log.")


def _auth_method(metadata: Metadata | None) -> str:
    known = metadata.token_endpoint_auth_methods_supported if metadata else ()
    return "client_secret_post" if "client_secret_basic" not in known else "client_secret_basic"


def _fetched(client: Any, url: str) -> Any:
    """Raises RequestException."""
    response = client.request("GET", url, withhold_token=True)
    response.raise_for_status()
    return response


# ---- who is let in


def let_in(database: Database, settings: Settings, who: Identity) -> Person:
    """The person, tied to the provider's word from now on. Raises Refused."""
    with database.begin() as tx:
        person = people.by_subject(tx, who.subject) or _tied(tx, settings, who)
        if person.disabled_at_ms is not None:
            raise Refused("You are disabled here. An admin can let you in again.")
    return person


def _tied(tx: Tx, settings: Settings, who: Identity) -> Person:
    """Somebody who comes in this way for the first time."""
    if not who.email:
        raise Refused("Your identity provider does not say that it has verified your e-mail address.")
    person = people.by_email(tx, who.email) or _made(tx, settings, who)
    if person is None:
        raise Refused(f"{who.email} was not invited here. An admin can add you.")
    if not people.set_subject(tx, person.id, who.subject):
        raise Refused(f"{who.email} signs in here as somebody else at the provider. An admin can untie them.")
    return person


def _made(tx: Tx, settings: Settings, who: Identity) -> Person | None:
    """A member, where everybody of the address's domain is welcome."""
    domains = {d.strip().lower().lstrip("@") for d in settings.oidc_allowed_domains.split(",")} - {""}
    if who.email.rpartition("@")[2].lower() not in domains:
        return None
    now_ms = clock.now_ms()
    name = settings.oidc_default_account
    account = accounts.find(tx, name) or accounts.create(tx, name, DEFAULT, now_ms)
    assert account is not None
    made = people.create(tx, who.email, who.name, "member", account.id, now_ms)
    return people.find(tx, made) if made else None
