"""Paying by card, against a Stripe of the tests' own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests
import stripe_server
from listeners import serving
from stories.stack import Stack, at_once
from stripe_server import Stripe, event, signature

from console.conftest import PASSWORD, Visitor
from thermly import ids
from thermly.access.people import People
from thermly.store import people

NANO = 10**9


@pytest.fixture(scope="module")
def stripe() -> Iterator[Stripe]:
    with serving(Stripe()) as server:
        yield server


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, stripe: Stripe) -> Iterator[Stack]:
    """A stack that takes cards."""
    stack = Stack(tmp_path_factory.mktemp("shop") / "instance")
    key = stack.folder.parent / "stripe.key"
    key.write_text(stripe_server.KEY + "\n")
    stack.env |= {
        "STRIPE_SECRET_KEY_FILE": str(key),
        "STRIPE_WEBHOOK_SECRET": stripe_server.SIGNING_SECRET,
        "STRIPE_BASE_URL": stripe.url,
    }
    stack.start()
    yield stack
    stack.stop()
    doctor = stack.run("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "Traceback" not in stack.log(), stack.log()
    assert stripe_server.KEY not in stack.log()


@pytest.fixture
def buyer(shop: Stack) -> Visitor:
    caller, email = shop.caller(usd=1), f"{ids.new()}@example.com"
    with shop.database.begin() as tx:
        person_id = people.create(tx, email, "", "member", caller.account_id, 1)
    assert person_id is not None
    at = People(shop.database)
    at.accept(at.invite(person_id), PASSWORD, "")
    visitor = Visitor(shop, person_id, email, caller.account_id)
    assert visitor.sign_in().status_code == 200
    shop.change("DELETE FROM rate_window")
    return visitor


def balance(stack: Stack, visitor: Visitor) -> int:
    row = stack.rows("SELECT balance_nanousd AS balance FROM account WHERE id = :id", id=visitor.account_id)[0]
    return int(row["balance"])


def tell(stack: Stack, payload: bytes, header: str | None = None) -> requests.Response:
    headers = {"Stripe-Signature": signature(payload) if header is None else header}
    return requests.post(stack.url + "/console/stripe/webhook", data=payload, headers=headers, timeout=30)


def begin(visitor: Visitor, amount: str = "25") -> requests.Response:
    return visitor.post("/billing/checkout", {"pay": amount}, of="/billing")


def test_somebody_pays_by_card(shop: Stack, stripe: Stripe, buyer: Visitor):
    assert "Add credit by card" in buyer.page("/billing")
    response = begin(buyer)
    session = stripe.sessions[[*stripe.sessions][-1]]
    assert response.status_code == 200 and f'href="{session["url"]}"' in response.text
    assert stripe.forms[-1]["success_url"] == f"{shop.url}/console/billing?payment=done"
    assert balance(shop, buyer) == NANO
    assert "Thank you." in buyer.page("/billing?payment=done") and balance(shop, buyer) == NANO, (
        "it says so; it proves nothing"
    )
    assert "Nothing was charged" in buyer.page("/billing?payment=left")
    answers = at_once(6, lambda _: tell(shop, event(session)))
    assert [a.status_code for a in answers] == [200] * 6
    assert sorted(a.text for a in answers) == ["credited\n", *["nothing to do\n"] * 5]
    assert balance(shop, buyer) == 26 * NANO
    page = buyer.page("/billing")
    assert "paid by card" in page and ">paid<" in page


def test_a_forged_event_changes_nothing(shop: Stack, stripe: Stripe, buyer: Visitor):
    begin(buyer)
    payload = event(stripe.sessions[[*stripe.sessions][-1]])
    for header in ("", "t=1,v1=00", signature(payload, key="whsec_other"), signature(payload, 1)):
        response = tell(shop, payload, header)
        assert response.status_code == 400 and response.headers["Content-Type"].startswith("text/plain")
    assert tell(shop, payload, signature(payload + b" ")).status_code == 400
    assert tell(shop, b"x" * (2 << 20)).status_code == 413
    assert balance(shop, buyer) == NANO
    assert requests.get(shop.url + "/console/stripe/webhook", timeout=30).status_code == 405


def test_another_amount_is_refused(shop: Stack, stripe: Stripe, buyer: Visitor):
    begin(buyer)
    session = stripe.sessions[[*stripe.sessions][-1]]
    assert tell(shop, event(session, amount_total=1)).status_code == 400
    assert tell(shop, event(session, currency="jpy")).status_code == 400
    assert balance(shop, buyer) == NANO


@pytest.mark.parametrize("amount", ["", "0", "-5", "0.99", "1.005", "1000000", "1e30", "lots", "<b>"])
def test_what_cannot_be_paid_is_refused_at_its_field(stripe: Stripe, buyer: Visitor, amount: str):
    before = len(stripe.forms)
    response = begin(buyer, amount)
    assert response.status_code == 422 and 'id="pay-error"' in response.text
    assert len(stripe.forms) == before


def test_a_card_service_in_trouble_is_told_at_the_field(shop: Stack, stripe: Stripe, buyer: Visitor):
    stripe.answer = (503, b"")
    try:
        response = begin(buyer)
    finally:
        stripe.answer = None
    assert response.status_code == 502
    assert re.search(r'id="pay-error">[^<]*Nothing was charged', response.text)


def test_nobody_begins_payments_all_day(buyer: Visitor):
    statuses = [begin(buyer).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]


def test_a_member_pays_for_its_own_account_only(shop: Stack, stripe: Stripe, buyer: Visitor):
    other = shop.caller(usd=1)
    buyer.post(f"/billing/checkout?account={other.account_id}", {"pay": "5"}, of="/billing")
    assert tell(shop, event(stripe.sessions[[*stripe.sessions][-1]])).text == "credited\n"
    assert (balance(shop, buyer), other.funds()[0]) == (6 * NANO, NANO)


def test_without_its_secrets_nothing_is_offered_and_no_event_believed(
    stack: Stack, member: Visitor, admin: Visitor
):
    assert "Add credit by card" not in member.page("/billing")
    response = begin(member)
    assert "Payments by card are not set up on this server." in response.text
    payload = event({"id": "cs_1", "amount_total": 100, "currency": "usd"})
    for header in ("", signature(payload), signature(payload, key="")):
        response = tell(stack, payload, header)
        assert response.status_code == 503 and "not set up" in response.text
    assert stack.rows("SELECT COUNT(*) AS count FROM payment") == [{"count": 0}]
