"""Settings and health: what is in use and where it comes from, no secret, and an answer whatever is broken."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import books
import pytest
from stories.stack import Stack, free_port

from console.conftest import Visitor
from thermly import context, jobs
from thermly.console import create
from thermly.console import settings as page
from thermly.console.at import At
from thermly.settings import SETTINGS, read
from thermly.store import limits, money

SECRETS = {
    "THERMLY_REDIS_URL": "redis://:hush-redis@127.0.0.1:{port}/0",
    "THERMLY_SMTP_URL": "smtp://me:hush-smtp@127.0.0.1",
    "THERMLY_METRICS_TOKEN": "hush-metrics",
    "THERMLY_ALERT_WEBHOOK_URL": "https://hooks.example/hush-hook",
}
WARNING = "If a proxy is in front, set THERMLY_TRUSTED_PROXIES"
Start = Callable[..., "Server"]


def rows(text: str, label: str) -> dict[str, list[str]]:
    """The rows of a table, by the words of their heads."""
    table = re.search(rf'aria-label="{label}".*?</table>', text, re.S)
    assert table, f"no table {label}"
    found = {}
    for row in re.findall(r"<tr.*?</tr>", table[0], re.S)[1:]:
        cells = [unescape(re.sub(r"<[^>]+>", "", c)).strip() for c in re.findall(r"<t[hd].*?</t[hd]>", row, re.S)]
        found[cells[0]] = cells[1:]
    return found


class Server:
    """One that was started with this thermly.toml and environment, and what its page says."""

    def __init__(self, folder: Path) -> None:
        books.fresh(folder).close()
        self.gateway = context.gateway(read())
        self._app = create(At(self.gateway, lambda environ, start: []))

    def visit(self, **how: Any) -> None:
        assert self._app.test_client().get("/sign-in", **how).status_code == 200

    def page(self, check: bool = False) -> str:
        with self._app.test_request_context("/"):
            view = page.check if check else page.settings
            return self._app.make_response(view()).get_data(as_text=True)


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    servers = []

    def start(toml: str = "", **environ: str) -> Server:
        (tmp_path / "thermly.toml").write_text(toml)
        for name, value in {"THERMLY_INSTANCE": str(tmp_path), **environ}.items():
            monkeypatch.setenv(name, value)
        servers.append(Server(tmp_path))
        return servers[-1]

    for name in ("REDIS_URL", *SECRETS):
        monkeypatch.delenv(name, raising=False)
    yield start
    for server in servers:
        server.gateway.close()


def test_every_setting_is_told_with_value_source_and_default(started: Start):
    text = started('port = 1234\n[models."gpt-4o"]\ninput_per_mtok = 2.0\n', THERMLY_IMAGE_WAIT_S="77").page()
    found = rows(text, "Settings")
    assert list(found) == [f"THERMLY_{s.name.upper()}" for s in SETTINGS]
    assert found["THERMLY_PORT"][:3] == ["1234", "file", "8080"]
    assert found["THERMLY_IMAGE_WAIT_S"][:3] == ["77", "environment", "180"]
    assert found["THERMLY_DRAIN_S"][:3] == ["30", "default", "30"]
    assert found["THERMLY_PUBLIC_URL"][:3] == ["empty", "default", "empty"]


def test_no_secret_is_shown(started: Start, tmp_path: Path):
    (tmp_path / "key").write_text("hush-file")
    secrets = {name: value.format(port=free_port()) for name, value in SECRETS.items()}
    text = started(
        OIDC_CLIENT_SECRET_FILE=str(tmp_path / "key"),
        STRIPE_SECRET_KEY="hush-stripe",
        OPENAI_API_KEY="hush-openai",
        **secrets,
    ).page()
    assert "hush" not in text
    found = rows(text, "Settings")
    assert {found[name][0] for name in SECRETS} == {"set"}
    assert rows(text, "Secrets")["OIDC_CLIENT_SECRET"][0] == rows(text, "Secrets")["STRIPE_SECRET_KEY"][0] == "set"
    assert rows(text, "Secrets")["STRIPE_WEBHOOK_SECRET"][0] == "not set"
    assert {name: row[2] for name, row in rows(text, "Providers").items()}["openai"] == "ready"


def test_cards_that_are_set_up_by_half_stand_out(started: Start):
    told = "Payments by card are not offered: STRIPE_WEBHOOK_SECRET is not set."
    assert told in started(STRIPE_SECRET_KEY="hush").page()
    assert "Payments by card are" not in started(STRIPE_SECRET_KEY="hush", STRIPE_WEBHOOK_SECRET="hush").page()


def test_a_proxy_that_nobody_has_told_of_stands_out(started: Start):
    server, proxied = started(), {"X-Forwarded-For": "203.0.113.5"}
    server.visit()
    assert WARNING not in server.page()
    server.visit(headers=proxied)
    assert WARNING in server.page()
    believing = started(THERMLY_TRUSTED_PROXIES="1")
    believing.visit(headers=proxied)
    assert WARNING not in believing.page()


def test_settings_whose_names_tell_of_secrets_are_marked():
    telling = re.compile("token|secret|password|smtp_url|redis_url|webhook_url")
    assert {s.name for s in SETTINGS if telling.search(s.name)} == {s.name for s in SETTINGS if s.secret}


def test_an_answer_comes_at_once_when_redis_is_gone(started: Start):
    began = time.monotonic()
    text = started(THERMLY_REDIS_URL=f"redis://127.0.0.1:{free_port()}").page()
    assert time.monotonic() - began < 8 and "Redis does not answer" in text and "does not answer</span>" in text
    began = time.monotonic()
    assert jobs.look("redis://192.0.2.1") is None, "an address where nothing answers"
    assert time.monotonic() - began < 3


def test_a_settings_file_that_is_broken_meanwhile_is_no_reason_to_fail(started: Start, tmp_path: Path):
    server = started("port = 1234")
    (tmp_path / "thermly.toml").write_text("port = [")
    assert rows(server.page(), "Settings")["THERMLY_PORT"][0] == "1234"


def test_a_tier_whose_models_have_all_failed_stands_out(started: Start):
    server = started(OPENAI_API_KEY="hush", ANTHROPIC_API_KEY="hush")
    catalog, now_ms = server.gateway.catalog, time.time_ns() // 1_000_000
    best = [target for model in catalog.tiers["best"] if (target := catalog.target(model))]
    assert len(best) > 1
    for target in best:
        text = server.page(check=True)
        assert "Every model" not in text and rows(text, "What the checks found")["targets"][0] == "fine"
        with server.gateway.database.begin() as tx:
            limits.cool(tx, target.name, "overloaded", now_ms, 60_000, 60_000)
    told = "Every model of the tier best has failed of late"
    text = server.page(check=True)
    assert text.count(told) == 2 and rows(text, "What the checks found")["targets"][0] == "warning"
    assert "All is well" not in text
    assert told in server.page() and "Nothing stands out" not in server.page()


def test_a_running_server_is_well(stack: Stack, admin: Visitor, calm: None):
    text = admin.page("/settings")
    assert "Nothing stands out" in text and 'class="badge ok">answers' in text
    assert "THERMLY_INSTANCE" in text and str(stack.folder) in text
    assert re.search(r"Accounting and housekeeping</dt><dd>\d+ waiting, \d+ failed, 1 worker<", text)


def test_the_checks_run_on_demand(admin: Visitor, calm: None):
    response = admin.post("/settings/check", of="/settings")
    found = rows(response.text, "What the checks found")
    assert found["balances equal the ledger"][0] == found["database file"][0] == "fine"
    assert "All is well" in response.text


def test_books_that_contradict_themselves_are_told(started: Start):
    server = started()
    books.payer(server.gateway.database, "acme", 10**9)
    assert "All is well" in server.page(check=True).replace("REDIS", "")
    with server.gateway.database.begin() as tx:
        tx.run("UPDATE account SET balance_nanousd = 5")
    text = server.page(check=True)
    assert "The checks found something wrong: balances equal the ledger" in text
    assert rows(text, "What the checks found")["balances equal the ledger"][0] == "wrong"
    assert "Nothing stands out" in server.page(), "the quick look does not add up the books"


def test_what_is_behind_the_requests_is_counted(started: Start):
    server, now_ms = started(), time.time_ns() // 1_000_000
    base = server.gateway.database
    payer = books.payer(base, "acme", 10**9)
    with base.begin() as tx:
        assert money.hold(tx, books.opening(payer, server.gateway.owner, now_ms - 7_200_000), 1000)
    text = server.page()
    assert "more than an hour" in text and "<dt>Open holds</dt><dd>1</dd>" in text
    assert "<dt>Image jobs</dt><dd>0 queued, 0 running, 0 done, 0 failed</dd>" in text
