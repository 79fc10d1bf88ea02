"""The server itself: HTTP as clients write it, many streams at once, and the command that starts it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from thermly.sandbox.server import Sandbox, listen, start

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]}).encode()
HEAD = b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n"
WHOLE = HEAD + b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = start()
    yield sandbox
    sandbox.stop()


def talk(port: int, data: bytes, until: bytes = b"") -> bytes:
    """What the server says to these bytes, up to its hanging up or to an ending."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.sendall(data)
        heard = b""
        while not (until and heard.endswith(until)):
            more = sock.recv(65536)
            if not more:
                break
            heard += more
        return heard


def test_requests_in_a_row_share_a_connection(sandbox: Sandbox) -> None:
    last = WHOLE.replace(b"host: x", b"connection: close")
    heard = talk(sandbox.port, WHOLE + WHOLE + last)
    assert heard.count(b"HTTP/1.1 200 OK") == 3 and heard.count(b"connection: close") == 1


def test_bodies_come_in_chunks_or_after_a_nod(sandbox: Sandbox) -> None:
    chunked = b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\n%b\r\n%x;x=y\r\n%b\r\n0\r\n\r\n"
    heard = talk(sandbox.port, HEAD + chunked % (BODY[:5], len(BODY) - 5, BODY[5:]))
    assert b"200 OK" in heard and b"You said: hello" in heard
    polite = WHOLE.replace(b"host: x", b"expect: 100-continue\r\nconnection: close")
    assert talk(sandbox.port, polite).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


def test_old_clients_get_a_stream_that_ends_with_the_connection(sandbox: Sandbox) -> None:
    body = BODY[:-1] + b', "stream": true}'
    old = HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    heard = talk(sandbox.port, old)
    assert b"chunked" not in heard and heard.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", b"413"),
        (b"GET /" + b"a" * 65_531, b"400"),
        (WHOLE.replace(BODY, b"x" * len(BODY)).replace(b"host: x", b"connection: close"), b"400"),
    ],
)
def test_what_is_no_request_is_refused(sandbox: Sandbox, data: bytes, status: bytes) -> None:
    assert talk(sandbox.port, data)[9:12] == status


def test_many_streams_at_once(sandbox: Sandbox) -> None:
    body = BODY.replace(b"hello", b"[[sandbox: chunks=4 interval_ms=3000]]")[:-1] + b', "stream": true}'
    request = HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    socks = [socket.create_connection(("127.0.0.1", sandbox.port), timeout=5) for _ in range(200)]
    try:
        for sock in socks:
            sock.sendall(request)
        began = time.monotonic()
        while sandbox.control.counts()["active"] < len(socks) and time.monotonic() - began < 5:
            time.sleep(0.005)
        assert sandbox.control.counts()["active"] == len(socks)
    finally:
        for sock in socks:
            sock.close()


def test_stopping_ends_what_is_under_way() -> None:
    sandbox = start()
    body = BODY.replace(b"hello", b"[[sandbox: hang=60]]")
    request = HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    heard: list[bytes] = []
    waiting = threading.Thread(target=lambda: heard.append(talk(sandbox.port, request)))
    waiting.start()
    while not sandbox.control.counts()["active"]:
        time.sleep(0.005)
    sandbox.stop()
    waiting.join(5)
    assert heard == [b""]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sandbox.port), timeout=1)


def test_the_command_serves_an_inherited_socket_in_silence_and_ends_when_told() -> None:
    with listen("127.0.0.1", 0) as listener:
        port, fd = listener.getsockname()[1], listener.fileno()
        command = [sys.executable, "-m", "thermly.sandbox", "--fd", str(fd)]
        process = subprocess.Popen(command, pass_fds=[fd], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        heard = talk(port, WHOLE.replace(b"host: x", b"connection: close"))
        assert b"200 OK" in heard
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=5)
        assert (process.returncode, out) == (0, b"")
    finally:
        process.kill()
        process.communicate()


def test_the_command_tells_its_port_when_asked() -> None:
    command = [sys.executable, "-m", "thermly.sandbox", "--port", "0", "--verbose"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and select.select([process.stdout], [], [], 5)[0]
        line = os.read(process.stdout.fileno(), 1000).decode()
        port = int(line.rsplit(":", 1)[1])
        assert b"200 OK" in talk(port, WHOLE.replace(b"host: x", b"connection: close"))
    finally:
        process.terminate()
        process.communicate(timeout=5)


def test_it_needs_nothing_but_the_standard_library() -> None:
    program = "import sys, thermly.sandbox.__main__; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    roots = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) - {"thermly"}
    assert not {name for name in roots if "site" not in name and not name.startswith("_")}
    ours = {name for name in loaded if name.startswith("thermly.")}
    assert all(name.startswith("thermly.sandbox") for name in ours)
