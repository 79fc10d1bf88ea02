"""`datasette`: the real one on loopback, which reads what it may and is told no for the rest."""

import contextlib
import http.client
import importlib.util
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import books
import pytest
from click.testing import Result

from thermly.cli import browsing
from thermly.store import accounts, datasette, money, shown, usage
from thermly.store.db import Database

Run = Callable[..., Result]
Refused = Callable[..., str]
INSTALLED = importlib.util.find_spec("datasette") is not None
needs_datasette = pytest.mark.skipif(not INSTALLED, reason="Datasette is an extra, and is not installed here")


class Browser:
    """Somebody on this machine, with the cookie of whoever followed the link, or without."""

    def __init__(self, port: int, cookie: str = "") -> None:
        self.port, self.cookie = port, cookie

    def get(self, path: str, method: str = "GET") -> tuple[int, str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, headers={"Cookie": self.cookie})
            response = connection.getresponse()
            cookie = (response.getheader("Set-Cookie") or "").partition(";")[0]
            return response.status, response.read().decode(), cookie
        finally:
            connection.close()

    def status(self, path: str) -> int:
        return self.get(path)[0]

    def rows(self, path: str) -> list[dict[str, Any]]:
        status, body, _ = self.get(path)
        assert status == 200, body
        found = json.loads(body)
        return [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]

    def sql(self, text: str) -> tuple[int, str]:
        return self.get(f"/thermly.json?{urllib.parse.urlencode({'sql': text})}")[:2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(said: Path, *words: str) -> Iterator[Browser]:
    """The command running; whoever has followed its link. What it says goes to a file, since it may say a lot."""
    port = free_port()
    with said.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *words, "--port", str(port)], stdout=out, stderr=out, cwd=books.ROOT
        )
    try:
        yield sign_in(process, said, port)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)


def sign_in(process: subprocess.Popen[bytes], said: Path, port: int) -> Browser:
    until = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < until:
        link = re.search(rf"^http://127\.0\.0\.1:{port}(/-/auth-token\?token=\w+)$", said.read_text(), re.M)
        try:
            if link:
                status, _, cookie = Browser(port).get(link[1])
                assert status == 302
                return Browser(port, cookie)
        except ConnectionRefusedError:
            pass
        time.sleep(0.05)
    raise AssertionError(said.read_text())


@pytest.fixture
def by(base: Database) -> books.Payer:
    by = books.payer(base, "acme", 10**12)
    with base.begin() as tx:
        money.record(tx, books.opening(by), books.settled(45_001))
        usage.account_batch(tx)
        tx.run(
            """INSERT INTO person (id, email, role, account_id, password, created_at_ms)
               VALUES ('p', 'a@b.example', 'admin', :account, 'scrypt:secret', 1000)""",
            {"account": by.account_id},
        )
    return by


@pytest.fixture
def browser(base: Database, by: books.Payer, tmp_path: Path) -> Iterator[Browser]:
    with served(tmp_path / "said", "thermly", "datasette") as browser:
        yield browser


@needs_datasette
def test_the_views_are_read_also_while_the_gateway_writes(
    browser: Browser, base: Database, by: books.Payer
) -> None:
    balance = "/thermly/balances.json?_shape=array"
    assert json.loads(browser.get(balance)[1])[0]["balance_nanousd"] == 10**12 - 45_001
    with base.begin() as tx:
        accounts.credit(tx, by.account_id, 1, "grant", "", books.NOW_MS)
    assert json.loads(browser.get(balance)[1])[0]["balance_nanousd"] == 10**12 - 45_000
    for name in shown.SHOWN:
        assert browser.status(f"/thermly/{name}") == 200
        assert browser.status(f"/thermly/{name}.csv") == 200
    for name in datasette.QUERIES:
        assert browser.status(f"/thermly/{name}") == 200
    assert browser.rows("/thermly/spent_in_a_month.json?month=")[0]["account"] == "acme"


@needs_datasette
def test_pages_explain_themselves_and_show_amounts_as_people_write_them(browser: Browser) -> None:
    page = browser.get("/thermly/requests")[1]
    assert "0.000045001" in page and "4.5001e-05" not in page
    assert "What x-request-id said." in page
    start = browser.get("/thermly")[1]
    assert "savings_by_day" in start and "What each account spent in a month" in start
    assert not re.search(r"\b(api_key|sign_in|transcript)\b", start)


@needs_datasette
def test_secrets_are_not_to_be_had(browser: Browser, by: books.Payer) -> None:
    for name in ("api_key", "person", "sign_in", "invitation", "redeem_code", "transcript", "response", "account"):
        for ending in ("", ".json", ".csv?_stream=on", ".json?_shape=array"):
            assert browser.status(f"/thermly/{name}{ending}") == 403, name
    assert browser.status(f"/thermly/api_key/{by.key_id}.json") == 403
    assert browser.status("/thermly.db") == 403
    for text in (
        "SELECT hash FROM api_key",
        "SELECT * FROM api_key",
        "WITH people AS (SELECT password FROM person) SELECT * FROM people",
        "SELECT data FROM sqlite_dbpage",
    ):
        status, body = browser.sql(text)
        assert status == 400 and ("prohibited" in body or "no such table" in body), body
    status, body, _ = browser.get(
        "/thermly/requests.json?_where=" + urllib.parse.quote("(SELECT COUNT(hash) FROM api_key)")
    )
    assert status >= 400 and "prohibited" in body
    assert browser.sql("SELECT account FROM balances")[0] == 200


@needs_datasette
def test_nothing_can_be_written(browser: Browser, base: Database) -> None:
    for text in ("DELETE FROM credit", "UPDATE account SET balance_nanousd = 1", "PRAGMA journal_mode = DELETE",
                 "WITH x AS (SELECT 1) DELETE FROM credit"):  # fmt: skip
        assert browser.sql(text)[0] == 400
    assert browser.get("/thermly/credit", "POST")[0] >= 400
    assert books.number(base, "SELECT COUNT(*) FROM credit") == 1


@needs_datasette
def test_without_the_link_there_is_nothing(browser: Browser) -> None:
    stranger = Browser(browser.port)
    for path in (
        "/",
        "/thermly",
        "/thermly/balances.json",
        "/thermly.json?sql=SELECT+1",
        "/thermly/dearest_requests",
    ):
        assert stranger.status(path) == 403
    assert stranger.status("/-/auth-token?token=guess") == 403


@pytest.mark.skipif(INSTALLED, reason="Datasette is installed here")
def test_where_it_is_not_installed_the_command_says_how_to(refused: Refused, base: Database) -> None:
    assert "pip install 'datasette>=0.65,<1'" in refused("datasette")


def test_the_metadata_is_printed_for_a_datasette_of_ones_own(run: Run, base: Database) -> None:
    told = json.loads(run("datasette", "--metadata").stdout)
    assert told["databases"]["thermly"]["allow_sql"] is False
    assert told["databases"]["thermly"]["tables"]["api_key"]["allow"] is False
    assert told["databases"]["thermly"]["tables"]["_sqlite_migrations"]["allow"] is False


@needs_datasette
def test_the_metadata_alone_keeps_secrets(run: Run, base: Database, by: books.Payer, tmp_path: Path) -> None:
    metadata = tmp_path / "metadata.json"
    metadata.write_text(run("datasette", "--metadata").stdout)
    with served(tmp_path / "said", "datasette", str(base.path), "-m", str(metadata), "--root") as browser:
        assert browser.status("/thermly/balances.json") == 200
        assert browser.rows("/thermly/dearest_requests.json")[0]["account"] == "acme"
        for path in ("/thermly/api_key", "/thermly/person.json", "/thermly.json?sql=SELECT+1",
                     "/thermly/balances.json?_where=1"):  # fmt: skip
            assert browser.status(path) == 403
        assert Browser(browser.port).status("/thermly/balances.json") == 403


def test_amounts_are_shown_as_people_write_them() -> None:
    assert browsing.render_cell(4.5e-05, "cost_usd") == "0.000045"
    assert browsing.render_cell(-0.1, "amount_usd") == "-0.10"
    assert browsing.render_cell(None, "cost_usd") is None
    assert browsing.render_cell(66.7, "saved_percent") is None


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_is_none_is_refused(refused: Refused, port: str) -> None:
    refused("datasette", "--port", port)
