import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import books
import pytest
import stripe_server
from listeners import serving
from stripe_server import Stripe, event, signature

from thermly.money.payments import CannotPay, Payments, Refused
from thermly.settings import SettingsError, read
from thermly.store import money
from thermly.store import payments as store
from thermly.store.db import Database

USD = 10**9
ASYNC = "checkout.session.async_payment_succeeded"


@pytest.fixture
def stripe() -> Iterator[Stripe]:
    with serving(Stripe()) as server:
        yield server


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Database]:
    base = books.fresh(tmp_path)
    yield base
    base.close()


def payments(base: Database, url: str = "http://127.0.0.1:1", currency: str = "usd", **environ: str) -> Payments:
    settings = read({"THERMLY_INSTANCE": str(base.path.parent), "THERMLY_STRIPE_CURRENCY": currency})
    known = {
        "STRIPE_SECRET_KEY": stripe_server.KEY,
        "STRIPE_WEBHOOK_SECRET": stripe_server.SIGNING_SECRET,
        "STRIPE_BASE_URL": url,
    }
    return Payments(base, settings, known | environ)


def begun(at: Payments, stripe: Stripe, by: books.Payer, amount: int = 25 * USD) -> dict[str, object]:
    at.begin(by.account_id, amount, "a@example.com", "https://llm.example/console/billing?")
    return stripe.sessions[[*stripe.sessions][-1]]


def balance(base: Database, by: books.Payer) -> int:
    return books.account_of(base, by).balance_nanousd


def hear(at: Payments, payload: bytes) -> str:
    return at.hear(payload, signature(payload))


def test_a_payment_is_on_record_before_anybody_can_pay(base: Database, stripe: Stripe) -> None:
    at, by = payments(base, stripe.url), books.payer(base)
    url = at.begin(by.account_id, 25_500_000_000, "a@example.com", "https://llm.example/console/billing?")
    [(session_id, session)] = stripe.sessions.items()
    assert url == session["url"]
    with base.each() as tx:
        found = store.find(tx, session_id)
        assert found is not None and store.latest(tx, by.account_id) == [found]
    assert (found.account_id, found.amount_nanousd, found.state) == (by.account_id, 25_500_000_000, "open")
    assert balance(base, by) == 0
    [form], [headers] = stripe.forms, stripe.headers
    assert form["mode"] == "payment" and form["line_items[0][price_data][unit_amount]"] == "2550"
    assert form["line_items[0][price_data][currency]"] == "usd" and form["adaptive_pricing[enabled]"] == "false"
    assert form["success_url"] == "https://llm.example/console/billing?payment=done"
    assert form["customer_email"] == "a@example.com"
    assert headers["Stripe-Version"]


@pytest.mark.parametrize("kind", ["checkout.session.completed", ASYNC])
def test_what_was_paid_becomes_credit_once(base: Database, stripe: Stripe, kind: str) -> None:
    at, by = payments(base, stripe.url), books.payer(base)
    session = begun(at, stripe, by)
    payload = event(session, kind)
    assert [hear(at, payload) for _ in range(3)] == ["credited", "nothing to do", "nothing to do"]
    assert balance(base, by) == 25 * USD
    with base.each() as tx:
        assert tx.all("SELECT id, kind, note FROM credit") == [(f"pay_{session['id']}", "card", "paid by card")]
        assert money.contradictions(tx) == []
        assert [p.state for p in store.latest(tx, by.account_id)] == ["paid"]


def test_events_that_come_at_once_credit_once(base: Database, stripe: Stripe) -> None:
    by, made = books.payer(base), payments(base, stripe.url)
    payload = event(begun(made, stripe, by))
    bases = [Database(base.path) for _ in range(6)]
    gate, said = threading.Barrier(len(bases)), []

    def run(own: Database) -> None:
        at = payments(own, stripe.url)
        gate.wait()
        said.append(hear(at, payload))

    threads = [threading.Thread(target=run, args=(own,)) for own in bases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for own in bases:
        own.close()
    assert sorted(said) == ["credited", *["nothing to do"] * 5]
    assert balance(base, by) == 25 * USD


def test_what_is_not_paid_yet_waits(base: Database, stripe: Stripe) -> None:
    at, by = payments(base, stripe.url), books.payer(base)
    session = begun(at, stripe, by)
    assert hear(at, event(session, payment_status="unpaid")) == "not paid yet"
    assert hear(at, event(session, payment_status="no_payment_required")) == "not paid yet"
    assert balance(base, by) == 0
    assert hear(at, event(session, ASYNC)) == "credited"


def test_what_expires_is_closed_but_money_that_came_counts(base: Database, stripe: Stripe) -> None:
    at, by = payments(base, stripe.url), books.payer(base)
    session = begun(at, stripe, by)
    over = event(session, "checkout.session.expired", payment_status="unpaid")
    assert [hear(at, over) for _ in range(2)] == ["expired", "nothing to do"]
    assert balance(base, by) == 0
    assert hear(at, event(session)) == "credited", "events come out of order"
    assert hear(at, over) == "nothing to do"
    with base.each() as tx:
        assert [p.state for p in store.latest(tx, by.account_id)] == ["paid"]


@pytest.mark.parametrize(
    "changes", [{"amount_total": 2501}, {"amount_total": None}, {"currency": "eur"}, {"currency": None}]
)
def test_another_amount_or_currency_than_asked_for_is_refused(
    base: Database, stripe: Stripe, caplog: pytest.LogCaptureFixture, changes: dict[str, object]
) -> None:
    at, by = payments(base, stripe.url), books.payer(base)
    session = begun(at, stripe, by)
    with pytest.raises(Refused, match="not what was asked for"):
        hear(at, event(session, **changes))
    assert balance(base, by) == 0
    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    assert hear(at, event(session)) == "credited"


def test_events_of_others_are_left_alone(base: Database, stripe: Stripe) -> None:
    at = payments(base)
    assert hear(at, event({"id": "cs_of_another_shop", "amount_total": 1, "currency": "usd"})) == "not for us"
    assert hear(at, b'{"type": "invoice.paid", "data": {"object": {"lines": []}}}') == "not for us"


def test_an_event_without_a_good_signature_is_refused(base: Database, stripe: Stripe) -> None:
    at, by = payments(base, stripe.url), books.payer(base)
    payload = event(begun(at, stripe, by))
    good = signature(payload, 1000)
    digest = good.partition("v1=")[2]
    bad = [
        *("", "nonsense", "t=1000", f"v1={digest}", f"t=1000,v0={digest}", f"t=1001,v1={digest}", "t=1000,v1="),
        *(f"t=x,v1={digest}", f"t=1000,t=1000,v1={digest}", f"t=1000,v1={digest[:-1]}", "t=1000,v1=\udcff"),
        *(f"t=-1000,v1={digest}", f"t=١٠٠٠,v1={digest}", signature(payload, 1000, "whsec_other")),
    ]
    for header in bad:
        with pytest.raises(Refused):
            at.hear(payload, header, now_s=1000)
    with pytest.raises(Refused):
        at.hear(payload.replace(b"2500", b"2600"), good, now_s=1000)
    assert balance(base, by) == 0
    assert at.hear(payload, f"t=1000,v1={'0' * 64},v1={digest}", now_s=1000) == "credited", "a secret being rolled"


@pytest.mark.parametrize(("now_s", "fine"), [(1300, True), (700, True), (1301, False), (699, False)])
def test_an_old_event_is_refused(base: Database, now_s: int, fine: bool) -> None:
    at, payload = payments(base), b'{"type": "ping", "data": {"object": {}}}'
    if fine:
        assert at.hear(payload, signature(payload, 1000), now_s) == "not for us"
    else:
        with pytest.raises(Refused, match="too long ago"):
            at.hear(payload, signature(payload, 1000), now_s)


def test_a_refund_is_left_to_somebody_who_reads_the_log(
    base: Database, stripe: Stripe, caplog: pytest.LogCaptureFixture
) -> None:
    at, by = payments(base, stripe.url), books.payer(base)
    hear(at, event(begun(at, stripe, by)))
    charge = {"id": "ch_1", "payment_intent": "pi_7", "amount_refunded": 1205, "currency": "usd"}
    with caplog.at_level(logging.WARNING, "thermly.payments"):
        assert hear(at, event(charge, "charge.refunded")) == "noted"
        assert hear(at, event({"id": "ch_2"}, "charge.refunded")) == "noted"
    assert "payment pi_7 (charge ch_1) was refunded, 12.05 usd" in caplog.text and "ch_2" in caplog.text
    assert balance(base, by) == 25 * USD


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"[]", b"{", b'{"type": "checkout.session.completed", "data": {"object": 1}}'),
        b'{"type": "charge.refunded", "data": {"object": {"id": 1}}}',
    ],
)
def test_a_signed_event_that_cannot_be_read_is_refused(base: Database, payload: bytes) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        hear(payments(base), payload)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((500, b"oops"), "refused"),
        ((400, b'{"error": {"type": "x", "message": "y"}}'), "refused"),
        ((302, b""), "refused"),
        ((200, b"oops"), "does not answer"),
        ((200, b'{"id": "cs_1", "url": null}'), "does not answer"),
        ((200, b'{"id": "cs_1", "url": "javascript:alert(1)"}'), "no safe address"),
    ],
)
def test_without_a_page_to_pay_on_nothing_is_on_record(
    base: Database, stripe: Stripe, answer: tuple[int, bytes], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    stripe.answer, by = answer, books.payer(base)
    with pytest.raises(CannotPay, match=f"{why}.*Nothing was charged"):
        payments(base, stripe.url).begin(by.account_id, USD, "a@example.com", "http://x/?")
    assert books.number(base, "SELECT COUNT(*) FROM payment") == 0
    assert stripe_server.KEY not in caplog.text


def test_a_service_that_is_gone_is_told(base: Database) -> None:
    by = books.payer(base)
    with pytest.raises(CannotPay, match="does not answer"):
        payments(base).begin(by.account_id, USD, "a@example.com", "http://x/?")


def test_cards_are_offered_with_both_secrets_only(base: Database, tmp_path: Path) -> None:
    assert payments(base).offered and not payments(base).lacking
    without = payments(base, STRIPE_WEBHOOK_SECRET="")
    assert (without.offered, without.listens, without.lacking) == (False, False, "STRIPE_WEBHOOK_SECRET")
    assert payments(base, STRIPE_SECRET_KEY="").lacking == "STRIPE_SECRET_KEY"
    assert payments(base, STRIPE_SECRET_KEY="", STRIPE_WEBHOOK_SECRET="").lacking == ""
    with pytest.raises(Refused, match="not signed"):
        hear(without, b"{}")
    (tmp_path / "key").write_text("sk_from_a_file\n")
    assert payments(base, STRIPE_SECRET_KEY="", STRIPE_SECRET_KEY_FILE=str(tmp_path / "key")).offered
    with pytest.raises(SettingsError, match="STRIPE_SECRET_KEY_FILE cannot be read"):
        payments(base, STRIPE_SECRET_KEY_FILE=str(tmp_path / "none"))


def test_another_currency_is_asked_for_and_expected(base: Database, stripe: Stripe) -> None:
    at, by = payments(base, stripe.url, "eur"), books.payer(base)
    session = begun(at, stripe, by)
    assert session["currency"] == "eur"
    assert hear(at, event(session)) == "credited"
    assert balance(base, by) == 25 * USD
