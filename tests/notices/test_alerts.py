import logging
import time
from collections.abc import Iterator
from pathlib import Path

import books
import pytest
from listeners import MailServer, Webhook, serving

from thermly.notices import alerts
from thermly.running import accounting
from thermly.running.accounting import Here
from thermly.settings import read
from thermly.store import accounts, money
from thermly.store import alerts as store
from thermly.store.alerts import ATTEMPTS, Wishes
from thermly.store.db import Database

USD = 10**9


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with serving(Webhook()) as server:
        yield server


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with serving(MailServer()) as server:
        yield server


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Database]:
    base = books.fresh(tmp_path)
    yield base
    base.close()


def here(base: Database, **environ: str) -> Here:
    return Here(read({"THERMLY_INSTANCE": str(base.path.parent), **environ}), base)


def spend(base: Database, by: books.Payer, cost_nanousd: int) -> None:
    opening = books.opening(by)
    with base.begin() as tx:
        assert money.hold(tx, opening, 0)
        assert money.close(tx, opening.id, books.settled(cost_nanousd))


def top_up(base: Database, by: books.Payer, amount_nanousd: int) -> None:
    with base.begin() as tx:
        accounts.credit(tx, by.account_id, amount_nanousd, "grant", "", books.NOW_MS)


def wish(base: Database, by: books.Payer, below: int | None = None, email: str = "", webhook: str = "") -> None:
    with base.begin() as tx:
        store.wish(tx, by.account_id, Wishes(below, email, webhook))


def low(base: Database, name: str = "someone", webhook: str = "", email: str = "") -> books.Payer:
    """Somebody with 75 cents."""
    by = books.payer(base, name, USD)
    wish(base, by, None, email, webhook)
    spend(base, by, 250_000_000)
    return by


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    caplog.clear()
    return found


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    caplog.clear()
    return found


def told(event: str, by: books.Payer) -> tuple[str, str, dict[str, object]]:
    body = {
        "event": event,
        "account": "someone",
        "account_id": by.account_id,
        "balance_nanousd": 750_000_000,
        "balance_usd": "0.750000",
    }
    return "/alert", "application/json", body


def test_a_low_balance_is_reported_once_per_top_up(base: Database, caplog: pytest.LogCaptureFixture) -> None:
    at, by = here(base), books.payer(base, credit_nanousd=2 * USD)
    spend(base, by, USD)
    assert accounting.account(at) == 1
    assert warned(caplog) == [], "one dollar is not below one dollar"
    spend(base, by, 1)
    assert accounting.account(at) == 1
    assert warned(caplog) == ["account someone is low on credit: 1.000000 USD"]
    spend(base, by, 1)
    accounting.account(at)
    accounting.account(at)
    assert warned(caplog) == []
    top_up(base, by, USD)
    accounting.account(at)
    assert warned(caplog) == []
    spend(base, by, USD)
    accounting.account(at)
    assert len(warned(caplog)) == 1


def test_nobody_is_reported_who_never_asked_anything_or_is_disabled(
    base: Database, caplog: pytest.LogCaptureFixture
) -> None:
    at = here(base)
    books.payer(base, "idle")
    disabled = books.payer(base, "disabled", USD)
    spend(base, disabled, USD)
    with base.begin() as tx:
        accounts.disable(tx, disabled.account_id, books.NOW_MS)
    accounting.account(at)
    assert warned(caplog) == []


def test_the_mark_is_a_setting(base: Database, caplog: pytest.LogCaptureFixture) -> None:
    by = books.payer(base, credit_nanousd=100 * USD)
    spend(base, by, USD)
    accounting.account(here(base, THERMLY_LOW_BALANCE_USD="0"))
    assert warned(caplog) == []
    accounting.account(here(base, THERMLY_LOW_BALANCE_USD="100"))
    assert warned(caplog) == ["account someone is low on credit: 99.000000 USD"]


def test_an_accounts_own_mark_goes_over_the_setting(base: Database, caplog: pytest.LogCaptureFixture) -> None:
    high, none = books.payer(base, "high", 100 * USD), books.payer(base, "none", USD)
    wish(base, high, 100 * USD)
    wish(base, none, 0)
    for by in (high, none):
        spend(base, by, USD // 2)
    accounting.account(here(base))
    assert warned(caplog) == ["account high is low on credit: 99.500000 USD"]


def test_another_mark_is_another_question(base: Database, caplog: pytest.LogCaptureFixture) -> None:
    at, by = here(base), books.payer(base, credit_nanousd=10 * USD)
    wish(base, by, 10 * USD)
    spend(base, by, USD)
    accounting.account(at)
    wish(base, by, 10 * USD, email="other@example.com")
    accounting.account(at)
    assert len(warned(caplog)) == 1, "another address asks nothing"
    wish(base, by, 5 * USD)
    accounting.account(at)
    assert warned(caplog) == []
    spend(base, by, 5 * USD)
    accounting.account(at)
    assert warned(caplog) == ["account someone is low on credit: 4.000000 USD"]


def test_it_is_posted_to_the_deployments_webhook_and_the_accounts_own(base: Database, webhook: Webhook) -> None:
    at = here(base, THERMLY_ALERT_WEBHOOK_URL=webhook.url, THERMLY_ALERT_WEBHOOKS="anywhere")
    by = low(base, webhook=webhook.url)
    accounting.account(at)
    accounting.account(at)
    accounting.sweep(at)
    assert webhook.posted == [told("balance.low", by)] * 2


def test_it_is_mailed(base: Database, mail: MailServer) -> None:
    settings = {"THERMLY_SMTP_URL": f"smtp://{mail.address}", "THERMLY_PUBLIC_URL": "https://llm.example/"}
    at = here(base, **settings)
    low(base, email="money@example.com")
    accounting.account(at)
    accounting.sweep(at)
    [(sender, to, message)] = mail.mails
    assert (sender.split("@")[0], to) == ("thermly", ["money@example.com"])
    assert message["Subject"] == "Account someone is low on credit"
    text = str(message.get_payload())
    assert "0.75 USD" in text and "https://llm.example/console/billing" in text


def test_an_account_cannot_send_reports_into_this_network(
    base: Database, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    low(base, webhook=webhook.url)
    accounting.account(here(base))
    assert webhook.posted == []
    assert "the server's own network" in failures(caplog)[0]


@pytest.mark.parametrize("trouble", ["refused", "status", "redirect", "no address"])
def test_a_webhook_that_fails_harms_nothing(
    base: Database, webhook: Webhook, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    url = {"refused": "http://127.0.0.1:1/", "no address": "not an address"}.get(trouble, webhook.url)
    webhook.status = 307 if trouble == "redirect" else 500
    at = here(base, THERMLY_ALERT_WEBHOOK_URL=url)
    for name in ("one", "two"):
        spend(base, books.payer(base, name, USD), 1)
    assert accounting.account(at) == 2
    assert books.number(base, "SELECT SUM(requests) FROM usage_day") == 2
    assert [path for path, *_ in webhook.posted] == (["/alert"] * 2 if trouble in ("status", "redirect") else [])
    assert len(failures(caplog)) == 2
    assert accounting.account(at) == 0


def test_what_has_not_arrived_is_tried_again_until_it_does(base: Database, webhook: Webhook) -> None:
    at = here(base, THERMLY_ALERT_WEBHOOK_URL=webhook.url)
    webhook.status = 503
    low(base)
    accounting.account(at)
    accounting.sweep(at)
    webhook.status = 200
    accounting.sweep(at)
    accounting.sweep(at)
    assert len(webhook.posted) == 3


def test_it_is_given_up_after_some_tries(
    base: Database, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    at = here(base, THERMLY_ALERT_WEBHOOK_URL=webhook.url)
    webhook.status = 500
    low(base)
    accounting.account(at)
    for _ in range(ATTEMPTS + 3):
        accounting.sweep(at)
    assert len(webhook.posted) == ATTEMPTS
    assert "(5 of 5): it answered 500" in failures(caplog)[-1]


def test_one_way_that_fails_does_not_repeat_the_other(base: Database, webhook: Webhook, mail: MailServer) -> None:
    at = here(base, THERMLY_SMTP_URL=f"smtp://{mail.address}", THERMLY_ALERT_WEBHOOK_URL=webhook.url)
    webhook.status = 500
    low(base, email="money@example.com")
    accounting.account(at)
    accounting.sweep(at)
    assert (len(mail.mails), len(webhook.posted)) == (1, 2)


def test_a_top_up_in_between_makes_the_report_needless(base: Database, webhook: Webhook) -> None:
    at = here(base, THERMLY_ALERT_WEBHOOK_URL=webhook.url)
    webhook.status = 500
    by = low(base)
    accounting.account(at)
    top_up(base, by, 10 * USD)
    accounting.sweep(at)
    assert len(webhook.posted) == 1
    assert books.number(base, "SELECT COUNT(*) FROM rate_window") == 0


def test_a_report_is_not_lost_with_its_process(base: Database, webhook: Webhook) -> None:
    at, now_ms = here(base, THERMLY_ALERT_WEBHOOK_URL=webhook.url), time.time_ns() // 1_000_000
    by = low(base)
    with base.begin() as tx:
        tx.run("UPDATE account SET alerted_at_ms = 1")
        store.begin(tx, by.account_id, alerts.OPERATOR, now_ms)
    accounting.sweep(at)
    assert webhook.posted == [told("balance.low", by)]


def test_of_two_workers_one_tries(base: Database) -> None:
    by, now_ms = low(base), time.time_ns() // 1_000_000
    with base.begin() as tx:
        store.begin(tx, by.account_id, alerts.EMAIL, now_ms)
        [one] = store.pending(tx, now_ms)
        assert [store.claim(tx, one), store.claim(tx, one)] == [True, False]


def test_nothing_is_locked_while_the_webhook_is_waited_for(base: Database, webhook: Webhook) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(books.number(base, "SELECT COUNT(*) FROM usage"))
        with base.begin() as tx:
            tx.run("DELETE FROM cooldown")

    webhook.meanwhile = look
    spend(base, books.payer(base, credit_nanousd=USD), 1)
    accounting.account(here(base, THERMLY_ALERT_WEBHOOK_URL=webhook.url))
    assert seen == [1]


def test_a_test_says_what_went_wrong(base: Database, webhook: Webhook) -> None:
    at = here(base, THERMLY_ALERT_WEBHOOKS="anywhere", THERMLY_ALERT_WEBHOOK_URL="http://127.0.0.1:1/")
    by = low(base, webhook=webhook.url, email="money@example.com")
    found = alerts.try_out(at.settings, base, books.account_of(base, by))
    assert found == {"email": "no mail server is set up (THERMLY_SMTP_URL)", "webhook": ""}
    assert webhook.posted == [told("balance.test", by)]
