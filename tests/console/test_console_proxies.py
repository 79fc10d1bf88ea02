"""Proxies in front of the whole server: who is believed, by which web server, and what the addresses say then."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from stories.stack import Stack, free_port, wait_for

TOLD = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.5"}
OTHERS = ({"X-Forwarded-Ssl": "on"}, {"X-Forwarded-Protocol": "ssl"}, {"X-Forwarded-Host": "evil.example"})
SERVERS = ("gunicorn", "waitress")
Serve = Callable[..., str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """serve(server, proxies) -> the address of a web server that believes so many."""
    processes = []

    def start(server: str, proxies: int) -> str:
        stack = Stack(tmp_path / "instance", trusted_proxies=proxies, web_workers=1, port=free_port())
        assert stack.run("migrate").returncode == 0
        url = f"http://127.0.0.1:{stack.env['THERMLY_PORT']}"
        command = [sys.executable, "-m", "thermly", "serve", "--server", server]
        processes.append(subprocess.Popen(command, env=stack.env, stderr=subprocess.DEVNULL))
        assert wait_for(lambda: _answers(url), 30)
        return url

    yield start
    for process in processes:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return requests.get(url + "/health/liveness", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def api(url: str, **headers: str) -> str:
    """The address that the API says it has."""
    page = requests.get(url + "/docs", headers={**headers, "Host": "llm.example"}, timeout=30).text
    (found,) = set(re.findall(r"(https?://[\w.]*example)/v1\b", page))
    return str(found)


def cookie(url: str, **headers: str) -> str:
    return requests.get(url + "/console/sign-in", headers=headers, timeout=30).headers["Set-Cookie"]


@pytest.mark.parametrize("server", SERVERS)
def test_nobody_is_believed_unless_told_to(serve: Serve, server: str):
    url = serve(server, 0)
    for told in (TOLD, *OTHERS):
        assert api(url, **told) == "http://llm.example"
        assert "Secure" not in cookie(url, **told)
    away = requests.get(url + "/console/", headers={"SCRIPT_NAME": "/evil"}, allow_redirects=False, timeout=30)
    assert away.headers["Location"].startswith("/console/")


@pytest.mark.parametrize("server", SERVERS)
def test_a_trusted_proxy_speaks_for_api_and_console(serve: Serve, server: str):
    url = serve(server, 1)
    assert api(url, **TOLD) == "https://llm.example" and "Secure" in cookie(url, **TOLD)
    assert api(url) == "http://llm.example" and "Secure" not in cookie(url)
    for told in OTHERS:
        assert api(url, **told) == "http://llm.example"


@pytest.mark.parametrize("server", SERVERS)
def test_metrics_stay_with_this_machine_whoever_a_proxy_names(serve: Serve, server: str):
    url = serve(server, 1)
    assert requests.get(url + "/metrics", timeout=30).status_code == 200
    assert requests.get(url + "/metrics", headers={"X-Forwarded-For": "127.0.0.1"}, timeout=30).status_code == 403
