"""Payments by card through Stripe Checkout: a page of Stripe's to pay on, and its word that it was paid.

Knows: Stripe's wire. Must not know: Flask, pages.
Credit comes from signed events only, never from a browser that returns. Stripe delivers an event again until it is
answered well, and out of order; a payment becomes credit once.
"""

import hashlib
import hmac
import logging
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from thermly import clock
from thermly.amounts import NANO_PER_USD
from thermly.settings import Settings, secret
from thermly.store import payments
from thermly.store.db import Database

if TYPE_CHECKING:
    import requests

log = logging.getLogger("thermly.payments")
STRIPE = "https://api.stripe.com"
VERSION = "2025-03-31.basil"
NANO_PER_CENT = NANO_PER_USD // 100
LEAST_USD, MOST_USD = 1, 999_999
TOLERANCE_S = 300
TIMEOUT_S = (5, 30)
PAID = ("checkout.session.completed", "checkout.session.async_payment_succeeded")
OVER = ("checkout.session.expired", "checkout.session.async_payment_failed")
REFUNDED = "charge.refunded"


class CannotPay(Exception):
    """There is no page to pay on; the message is for the person."""


class Refused(Exception):
    """An event that is not believed; the message is for whoever sent it."""


class Begun(Struct):
    id: str
    url: str


class Session(Struct):
    id: str
    payment_status: str = ""
    amount_total: int | None = None
    currency: str | None = None


class Charge(Struct):
    id: str
    payment_intent: str | None = None
    amount_refunded: int = 0
    currency: str = ""


class _Data(Struct):
    object: msgspec.Raw


class Event(Struct):
    type: str
    data: _Data


_read_begun = msgspec.json.Decoder(Begun).decode
_read_event = msgspec.json.Decoder(Event).decode
_read_charge = msgspec.json.Decoder(Charge).decode
_read_session = msgspec.json.Decoder(Session).decode


class Payments:
    """Raises SettingsError for a file of secrets that cannot be read."""

    def __init__(self, database: Database, settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
        self._database = database
        self.currency = settings.stripe_currency
        self._key = secret(environ, "STRIPE_SECRET_KEY")
        self._signing_secret = secret(environ, "STRIPE_WEBHOOK_SECRET")
        self._base_url = (secret(environ, "STRIPE_BASE_URL") or STRIPE).rstrip("/")

    @property
    def offered(self) -> bool:
        """Nobody is sent to pay whose payment could not be told to us."""
        return bool(self._key and self._signing_secret)

    @property
    def lacking(self) -> str:
        """The secret that is missing where the other one is set."""
        if self.offered or not (self._key or self._signing_secret):
            return ""
        return "STRIPE_WEBHOOK_SECRET" if self._key else "STRIPE_SECRET_KEY"

    @property
    def listens(self) -> bool:
        return bool(self._signing_secret)

    def begin(self, account_id: str, amount_nanousd: int, email: str, back_url: str) -> str:
        """The address of the page to pay on; the payment is on record before anybody sees it. Raises CannotPay."""
        form = {
            "mode": "payment",
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": self.currency,
            "line_items[0][price_data][unit_amount]": str(amount_nanousd // NANO_PER_CENT),
            "line_items[0][price_data][product_data][name]": "API credit",
            "adaptive_pricing[enabled]": "false",  # else another currency than ours might be told
            "client_reference_id": account_id,
            "success_url": back_url + "payment=done",
            "cancel_url": back_url + "payment=left",
        }
        if not email.endswith("@localhost"):
            form["customer_email"] = email
        begun = self._ask(form)
        with self._database.begin() as tx:
            payments.open_one(tx, begun.id, account_id, amount_nanousd, clock.now_ms())
        return begun.url

    def _ask(self, form: dict[str, str]) -> Begun:
        import requests

        headers = {"Authorization": f"Bearer {self._key}", "Stripe-Version": VERSION}
        url = self._base_url + "/v1/checkout/sessions"
        try:
            response = requests.post(url, data=form, headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
            begun = _read_begun(response.content) if response.status_code == 200 else None
        except (requests.RequestException, msgspec.DecodeError) as error:
            log.error("Stripe gave no page to pay on: %s", type(error).__name__)
            raise CannotPay("The card service does not answer. Nothing was charged: try again later.") from error
        if begun is None:
            log.error("Stripe gave no page to pay on: %s %s", response.status_code, _complaint(response))
            raise CannotPay("The card service refused. Nothing was charged; the reason is in the server's log.")
        if not begun.url.startswith(("https://", self._base_url)):
            raise CannotPay("The card service gave no safe address. Nothing was charged.")
        return begun

    def hear(self, payload: bytes, signature: str, now_s: int | None = None) -> str:
        """Do what an event says; returns what was done. Raises Refused."""
        self._check(payload, signature, int(time.time()) if now_s is None else now_s)
        try:
            event = _read_event(payload)
            if event.type == REFUNDED:
                return _refunded(_read_charge(event.data.object))
            if event.type not in PAID + OVER:
                return "not for us"
            session = _read_session(event.data.object)
        except msgspec.DecodeError as error:
            raise Refused(f"The event cannot be read: {error}") from error
        if event.type in OVER:
            with self._database.begin() as tx:
                return "expired" if payments.expire(tx, session.id, clock.now_ms()) else "nothing to do"
        if session.payment_status != "paid":
            return "not paid yet"
        return self._credit(session)

    def _check(self, payload: bytes, signature: str, now_s: int) -> None:
        parts = [part.strip().partition("=") for part in signature.split(",")]
        times = [value for name, _, value in parts if name == "t"]
        if not self._signing_secret or len(times) != 1 or not (times[0].isascii() and times[0].isdigit()):
            raise Refused("The event is not signed.")
        signed = times[0].encode() + b"." + payload
        expected = hmac.new(self._signing_secret.encode(), signed, hashlib.sha256).hexdigest().encode()
        given = [value.encode("utf-8", "replace") for name, _, value in parts if name == "v1"]
        if not any([hmac.compare_digest(expected, one) for one in given]):
            raise Refused("The event's signature is not right.")
        if abs(now_s - int(times[0][:12])) > TOLERANCE_S:
            raise Refused("The event was signed too long ago.")

    def _credit(self, session: Session) -> str:
        with self._database.begin() as tx:
            payment = payments.find(tx, session.id)
            if payment is None:  # of another shop with the same Stripe account
                return "not for us"
            told = (session.amount_total, session.currency)
            if told != (payment.amount_nanousd // NANO_PER_CENT, self.currency):
                log.error("payment %s is of %s %s, which is not what was asked for", session.id, *told)
                raise Refused("The amount or the currency is not what was asked for.")
            return "credited" if payments.pay(tx, session.id, clock.now_ms()) else "nothing to do"


def _refunded(charge: Charge) -> str:
    """Whose credit it was, and whether that is still there, is not known here: somebody has to look."""
    log.warning(
        "payment %s (charge %s) was refunded, %s.%02d %s so far: if it was for credit here, take that back by hand",
        *(charge.payment_intent, charge.id, *divmod(charge.amount_refunded, 100), charge.currency),
    )
    return "noted"


def _complaint(response: "requests.Response") -> str:
    """What Stripe says is wrong, for the log. It never repeats a whole key."""
    try:
        error = response.json()["error"]
        return f"{error.get('type')}: {str(error.get('message'))[:500]}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return response.text[:200]
