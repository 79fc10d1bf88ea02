"""Every fault that a user text or a provider's state can order, as a client on a socket sees it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse, IncompleteRead, RemoteDisconnected
from typing import Any

import pytest

from thermly.sandbox.server import Sandbox, start

WIRES = {
    "openai": ("/openai/v1/chat/completions", {"authorization": "Bearer k"}),
    "anthropic": ("/anthropic/v1/messages", {"x-api-key": "k", "anthropic-version": "2023-06-01"}),
    "gemini": ("/gemini/v1beta/models/gemini-2.0-flash:generateContent", {"x-goog-api-key": "k"}),
}
CONTENT = {"openai": b'"content":"', "anthropic": b"text_delta", "gemini": b'"parts":['}
every_wire = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def connection(sandbox: Sandbox) -> Iterator[HTTPConnection]:
    connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    yield connection
    connection.close()


def send(connection: HTTPConnection, wire: str, order: str, stream: bool = False, **fields: Any) -> HTTPResponse:
    path, headers = WIRES[wire]
    text = f"hello [[sandbox: {order}]]"
    if wire == "gemini":
        body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        path = path.replace(":generateContent", ":streamGenerateContent?alt=sse") if stream else path
    else:
        body = {"model": "some-model", "max_tokens": 500, "messages": [{"role": "user", "content": text}]}
        body["stream"] = stream
    connection.request("POST", path, json.dumps({**body, **fields}), headers)
    return connection.getresponse()


def control(connection: HTTPConnection, what: str, method: str = "GET", body: Any = None) -> Any:
    connection.request(method, f"/_sandbox/{what}", json.dumps(body) if body else None)
    response = connection.getresponse()
    told = json.loads(response.read())
    return told if response.status == 200 else (response.status, told)


@every_wire
@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 500, 503, 529])
def test_errors_have_the_vendors_shape(connection: HTTPConnection, wire: str, status: int) -> None:
    response = send(connection, wire, f"status={status} retry_after=2", stream=True)
    body = json.loads(response.read())
    assert (response.status, response.headers["retry-after"]) == (status, "2")
    assert (
        set(body["error"]) - {"details"}
        == {
            "openai": {"message", "type", "param", "code"},
            "anthropic": {"type", "message"},
            "gemini": {"code", "message", "status"},
        }[wire]
    )
    assert send(connection, wire, "say=ok").status == 200, "the connection lives on"


@every_wire
def test_a_cut_stream_ends_without_its_end(connection: HTTPConnection, wire: str) -> None:
    with pytest.raises(IncompleteRead) as broken:
        send(connection, wire, "cut=3", stream=True).read()
    assert broken.value.partial.count(CONTENT[wire]) - (wire == "openai") == 3


@every_wire
def test_a_cut_reply_is_half_of_it(connection: HTTPConnection, wire: str) -> None:
    response = send(connection, wire, "cut=1")
    with pytest.raises(IncompleteRead) as broken:
        response.read()
    assert len(broken.value.partial) == int(response.headers["content-length"]) // 2


@every_wire
@pytest.mark.parametrize("count", [0, 2])
def test_errors_inside_a_stream(connection: HTTPConnection, wire: str, count: int) -> None:
    data = send(connection, wire, f"inband={count}", stream=True).read()
    assert data.count(CONTENT[wire]) - (wire == "openai") == count
    *_, last = data.decode().strip().split("data: ")
    assert json.loads(last)["error"]["message"]
    assert (b"event: error" in data) is (wire == "anthropic")


def test_an_error_inside_a_json_array_leaves_it_readable(connection: HTTPConnection) -> None:
    path, headers = WIRES["gemini"]
    for count in (0, 2):
        body = {"contents": [{"parts": [{"text": f"hi [[sandbox: inband={count}]]"}]}]}
        path = path.replace(":generateContent", ":streamGenerateContent")
        connection.request("POST", path, json.dumps(body), headers)
        listed = json.loads(connection.getresponse().read())
        assert len(listed) == count + 1 and listed[-1]["error"]["status"] == "UNAVAILABLE"


@every_wire
def test_answers_of_n_chunks_are_paced(connection: HTTPConnection, wire: str) -> None:
    began = time.monotonic()
    data = send(connection, wire, "chunks=5 interval_ms=20", stream=True).read()
    assert time.monotonic() - began >= 0.08
    ends = {"openai": 1, "anthropic": 0, "gemini": 1}[wire]
    assert data.count(CONTENT[wire]) - ends == 5


@every_wire
def test_broken_json(connection: HTTPConnection, wire: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(send(connection, wire, "badjson").read())
    data = send(connection, wire, "badjson", stream=True).read().decode()
    broken = 0
    for line in data.splitlines():
        try:
            json.loads(line.removeprefix("data: ")) if line.startswith("data: {") else None
        except json.JSONDecodeError:
            broken += 1
    assert broken == 1


@every_wire
def test_html_hang_and_no_usage(connection: HTTPConnection, wire: str) -> None:
    for order, status in (("html", 200), ("html status=502", 502)):
        response = send(connection, wire, order)
        assert (response.status, response.headers["content-type"]) == (status, "text/html")
        assert response.read().startswith(b"<html>")
    began = time.monotonic()
    response = send(connection, wire, "hang=0.1 status=503")
    assert response.status == 503 and time.monotonic() - began >= 0.1
    response.read()
    for stream in (False, True):
        assert b"usage" not in send(connection, wire, "no_usage", stream).read()


def test_a_dripping_reply_is_whole_in_the_end(connection: HTTPConnection) -> None:
    began = time.monotonic()
    response = send(connection, "gemini", "drip=1 say=x no_usage")
    length = int(response.headers["content-length"])
    assert json.loads(response.read())
    assert time.monotonic() - began >= length / 1000


@every_wire
def test_a_misspelt_order_is_told(connection: HTTPConnection, wire: str) -> None:
    response = send(connection, wire, "stauts=500")
    assert response.status == 400 and "stauts=500" in json.loads(response.read())["error"]["message"]


def test_a_state_gives_every_request_of_a_provider_its_orders(connection: HTTPConnection) -> None:
    def status(wire: str, order: str = "say=ok") -> int:
        response = send(connection, wire, order)
        response.read()
        return response.status

    control(
        connection,
        "state",
        "POST",
        {"openai": {"status": 503}, "gemini": {"directive": "status=429 retry_after=1"}},
    )
    assert (status("openai"), status("gemini"), status("anthropic")) == (503, 429, 200)
    assert control(connection, "state", "POST", {"openai": {"status": None, "latency_ms": 30}})["openai"] == {
        "status": None,
        "latency_ms": 30,
    }
    began = time.monotonic()
    assert status("openai") == 200 and time.monotonic() - began >= 0.03
    control(connection, "state", "POST", {"anthropic": {"directive": "say=standing"}})
    assert b"standing" in send(connection, "anthropic", "cached=1").read()
    control(connection, "state", "DELETE")
    assert (status("openai"), status("gemini")) == (200, 200)
    code, told = control(connection, "state", "POST", {"openai": {"directive": "stauts=500"}})
    assert code == 400 and "stauts" in told["error"]["message"]
    assert control(connection, "state", "POST", {"openai": {"donw": True}})[0] == 400


def test_a_provider_that_is_down_hangs_up(sandbox: Sandbox, connection: HTTPConnection) -> None:
    control(connection, "state", "POST", {"openai": {"down": True}})
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        send(connection, "openai", "say=ok")
    connection.close()
    assert send(connection, "anthropic", "say=ok").status == 200


def test_requests_are_remembered(connection: HTTPConnection) -> None:
    send(connection, "openai", "say=one").read()
    send(connection, "gemini", "say=two").read()
    first, second = control(connection, "requests")
    assert first["path"] == WIRES["openai"][0] and first["headers"]["authorization"] == "Bearer k"
    assert first["body"]["model"] == first["model"] == "some-model"
    assert (second["provider"], second["model"], second["aborted"]) == ("gemini", "gemini-2.0-flash", False)
    assert control(connection, "requests", "DELETE") == []
    assert control(connection, "requests") == []


@pytest.mark.parametrize("order", ["hang=20", "chunks=1000 interval_ms=5"])
def test_a_client_that_leaves_is_noticed(sandbox: Sandbox, connection: HTTPConnection, order: str) -> None:
    leaving = HTTPConnection("127.0.0.1", sandbox.port, timeout=0.1)
    try:
        send(leaving, "openai", order, stream=True).read(50)
    except TimeoutError:
        pass
    assert control(connection, "stats")["active"] == 1
    leaving.close()
    until = time.monotonic() + 5
    while (stats := control(connection, "stats"))["active"] and time.monotonic() < until:
        time.sleep(0.005)
    assert (stats["requests"], stats["active"], stats["aborted"]) == (1, 0, 1)
    assert control(connection, "requests")[0]["aborted"] is True
