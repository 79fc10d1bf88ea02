import http.server
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import books
import pytest

from thermly import accounting
from thermly.accounting import Here
from thermly.settings import read
from thermly.store import accounts, cache, limits, money
from thermly.store.db import Database

USD = 10**9


class Webhook(http.server.ThreadingHTTPServer):
    """Takes down what is posted, and answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[Any] = []
        self.status = 204

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/alert"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


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


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    caplog.clear()
    return found


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


def test_a_low_balance_is_posted_to_the_webhook(base: Database, webhook: Webhook) -> None:
    at = here(base, THERMLY_ALERT_WEBHOOK_URL=webhook.url)
    by = books.payer(base, credit_nanousd=USD)
    spend(base, by, 250_000_000)
    accounting.account(at)
    accounting.account(at)
    body = {
        "event": "balance.low",
        "account": "someone",
        "account_id": by.account_id,
        "balance_nanousd": 750_000_000,
        "balance_usd": "0.750000",
    }
    assert webhook.posted == [("/alert", "application/json", body)]


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
    assert len(webhook.posted) == (2 if trouble in ("status", "redirect") else 0), "and nobody is sent elsewhere"
    failures = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(failures) == (0 if trouble == "redirect" else 2)
    assert accounting.account(at) == 0


def test_nothing_is_locked_while_the_webhook_is_waited_for(base: Database, webhook: Webhook) -> None:
    seen: list[int] = []

    def post(self: _Handler) -> None:
        seen.append(books.number(base, "SELECT COUNT(*) FROM usage"))
        with base.begin() as tx:
            tx.run("DELETE FROM cooldown")
        self.send_response(204)
        self.end_headers()

    webhook.RequestHandlerClass = type("Handler", (_Handler,), {"do_POST": post})
    spend(base, books.payer(base, credit_nanousd=USD), 1)
    accounting.account(here(base, THERMLY_ALERT_WEBHOOK_URL=webhook.url))
    assert seen == [1]


def test_accounting_comes_to_an_end_although_requests_never_stop(
    base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = books.payer(base, credit_nanousd=USD)
    pauses: list[float] = []

    def pause(span_s: float) -> None:
        pauses.append(span_s)
        if len(pauses) < 50:
            spend(base, by, 1)

    monkeypatch.setattr(accounting.time, "sleep", pause)
    spend(base, by, 1)
    accounting.account(here(base))
    assert len(pauses) < 5


def test_many_rows_are_accounted_in_batches(base: Database) -> None:
    by = books.payer(base, credit_nanousd=USD)
    with base.begin() as tx:
        for _ in range(4500):
            money.record(tx, books.opening(by), books.settled(0))
    assert accounting.account(here(base)) == 4500
    assert books.number(base, "SELECT SUM(requests) FROM usage_day") == 4500


def test_sweeping_drops_what_has_expired_and_frees_what_the_dead_held(
    base: Database, caplog: pytest.LogCaptureFixture
) -> None:
    by = books.payer(base, credit_nanousd=1000)
    later_ms = 4_000_000_000_000
    with base.begin() as tx:
        for i in range(1200):
            limits.count(tx, f"old {i}", 60, 1, 0)
            cache.claim(tx, f"old {i}", "1-me", 0, 1)
        limits.count(tx, "new", 60, 1, later_ms)
        cache.claim(tx, "new", "1-me", 0, later_ms)
        assert money.hold(tx, books.opening(by, "999999-dead"), 600)
    accounting.sweep(here(base))
    assert books.number(base, "SELECT COUNT(*) FROM rate_window") == 1
    assert books.number(base, "SELECT COUNT(*) FROM cache") == 1
    assert books.account_of(base, by).held_nanousd == 0
    assert warned(caplog) == ["released 1 hold(s) of processes that died"]
    accounting.sweep(here(base))
    assert warned(caplog) == []


def test_the_cache_is_kept_within_its_setting(base: Database) -> None:
    later_ms = 4_000_000_000_000
    with base.begin() as tx:
        for i in range(3):
            cache.keep(tx, f"key {i}", "1-me", "gpt-4o", 1, b"x" * 600_000, i, later_ms)
    accounting.sweep(here(base, THERMLY_CACHE_MAX_MIB="1"))
    assert books.number(base, "SELECT COUNT(*) FROM cache WHERE key = 'key 2'") == 1
    assert books.number(base, "SELECT COUNT(*) FROM cache") == 1
