"""The client of upstreams over real sockets: a small server of raw bytes, and the sandbox."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.errors import ContentRefused, GatewayError, InvalidRequest, ShuttingDown, UpstreamFailed
from thermly.exchange import ChatRequest, KeepAlive, Message, Text, gather
from thermly.providers import ANSWER, gemini, openai_like, upstream
from thermly.providers.failures import VendorError, failure
from thermly.providers.redaction import redact
from thermly.providers.upstream import Client, Timeouts
from thermly.providers.waiting import READABLE, WRITABLE, SelectPoll
from thermly.sandbox import server as sandbox

HEADERS = ["Content-Type: application/json", "Expect:"]
SHORT = Timeouts(connect_s=2, reply_s=5, idle_s=5, keepalive_s=2)
Play = Callable[["Server", socket.socket], bool]


class Server:
    """One thread per connection. `play` answers one request on the socket and says whether to keep it."""

    def __init__(self, play: Play, tls: ssl.SSLContext | None = None) -> None:
        self.play, self.tls = play, tls
        self.connections = 0
        self.bodies: list[bytes] = []
        self.gone = threading.Event()  # a client has hung up
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock = self._listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._converse, args=(sock,)))
            self._threads[-1].start()

    def _converse(self, sock: socket.socket) -> None:
        try:
            sock.settimeout(20)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            self._open.add(sock)
            while (body := _request(sock)) is not None:
                self.bodies.append(body)
                if not self.play(self, sock):
                    return
        except OSError:
            pass
        finally:
            self.gone.set()
            self._open.discard(sock)
            sock.close()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(20)
        for sock in tuple(self._open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself
        for thread in self._threads:
            thread.join(20)


def _request(sock: socket.socket) -> bytes | None:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := sock.recv(65536)):
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: (\d+)", head)
    while found and len(body) < int(found[1]):
        body += sock.recv(65536)
    return body


@contextmanager
def serving(play: Play, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(play, tls)
    try:
        yield server
    finally:
        server.stop()


def whole(
    body: bytes = b'{"a":1}', status: str = "200 OK", kind: str = "application/json", more: str = ""
) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def answering(*pieces: bytes | float, keep: bool = True) -> Play:
    """Bytes are sent, numbers are pauses in seconds."""

    def play(_server: Server, sock: socket.socket) -> bool:
        for piece in pieces:
            if isinstance(piece, bytes):
                sock.sendall(piece)
            else:
                time.sleep(piece)
        return keep

    return play


def explain(doc: Any) -> VendorError:
    return openai_like.explain(doc)


def ask(client: Client, url: str, body: bytes = b"{}") -> Any:
    return client.json(url, HEADERS, body, explain)


def listen(client: Client, url: str) -> list[Any]:
    with closing(client.sse(url, HEADERS, b"{}", explain)) as pairs:  # type: ignore[type-var]
        return [pair for pair in pairs if pair]


def following(pairs: Iterator[Any]) -> Any:
    """The next event; None says that no more is here for the moment."""
    return next(pair for pair in pairs if pair)


# ---- bodies


@pytest.mark.parametrize(
    "answer",
    [
        (whole(),),
        (whole()[:-3], 0.02, whole()[-3:]),
        (whole(kind="application/json; charset=utf-8"),),
        (
            STREAM.replace(b"text/event-stream", b"application/json"),
            chunk(b'{"a"'),
            0.02,
            chunk(b":1}"),
            chunk(b""),
        ),
    ],
)
def test_one_document(answer: tuple[Any, ...]):
    with serving(answering(*answer)) as server:
        assert ask(Client(SHORT), server.url, b'{"b":2}') == {"a": 1}
        assert server.bodies == [b'{"b":2}']


def test_a_body_that_ends_with_its_connection():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    with serving(answering(head, b'{"a":', 0.02, b"1}", keep=False)) as server:
        client = Client(SHORT)
        assert [ask(client, server.url) for _ in range(2)] == [{"a": 1}] * 2


def test_a_large_body_goes_up_and_comes_down():
    large = b'"' + b"x" * (3 << 20) + b'"'
    with serving(answering(whole(large))) as server:
        assert len(ask(Client(SHORT), server.url, large)) == 3 << 20
        assert server.bodies == [large]


def test_text_split_within_a_character():
    data = 'data: {"é":"漢"}\n\n'.encode()
    pieces: list[Any] = []
    for i in range(len(data)):
        pieces += [chunk(data[i : i + 1]), 0.001]
    with serving(answering(STREAM, *pieces, chunk(b""))) as server:
        assert listen(Client(SHORT), server.url) == [(b"", '{"é":"漢"}'.encode())]


# ---- connections


def test_a_connection_is_used_again():
    with serving(answering(whole())) as server:
        client = Client(SHORT)
        for _ in range(20):
            ask(client, server.url)
        assert server.connections == 1


def test_a_streams_connection_is_used_again_though_its_reader_stops_at_the_last_event():
    done = chunk(b"data: 1\n\n") + chunk(b"data: [DONE]\n\n")
    with serving(answering(STREAM, done, chunk(b""))) as server:
        client = Client(SHORT)
        for _ in range(10):
            with closing(client.sse(server.url, HEADERS, b"{}", explain)) as pairs:  # type: ignore[type-var]
                assert [following(pairs), following(pairs)] == [(b"", b"1"), (b"", b"[DONE]")]
                time.sleep(0.01)
        assert server.connections == 1


def test_a_connection_that_the_upstream_has_closed_meanwhile_is_opened_anew():
    with serving(answering(whole(), keep=False)) as server:
        client = Client(SHORT)
        for _ in range(3):
            assert ask(client, server.url) == {"a": 1}
            server.gone.wait(2)
            time.sleep(0.01)
        assert server.connections == 3


def test_an_answer_that_is_there_before_anybody_waits_never_hangs():
    with serving(answering(whole())) as server:
        client = Client(SHORT)
        started = time.monotonic()
        for i in range(500):
            if i % 10 == 0:
                client = Client(SHORT)
            ask(client, server.url)
        assert time.monotonic() - started < 10


def test_many_threads_share_one_client():
    with serving(answering(0.05, whole())) as server:
        client, gate = Client(Timeouts(10, 20, 20, 20)), threading.Barrier(200)

        def one(i: int) -> Any:
            gate.wait(20)
            return [ask(client, server.url, b"%d" % i) for _ in range(3)]

        with ThreadPoolExecutor(200) as pool:
            assert list(pool.map(one, range(200))) == [[{"a": 1}] * 3] * 200
        assert len(server.bodies) == 600
        assert server.connections <= 400


def test_idle_connections_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(upstream, "MAX_IDLE", 1)
    with serving(answering(0.05, whole())) as server:
        client = Client(SHORT)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: ask(client, server.url), range(3)))
        server.gone.wait(2)
        assert server.connections == 3
        assert [len(idle) for idle in client._calls.values()] == [1]


def test_leaving_a_stream_early_cancels_it_at_the_upstream():
    def play(server: Server, sock: socket.socket) -> bool:
        sock.sendall(STREAM + chunk(b"data: 1\n\n"))
        return bool(sock.recv(1))  # b"": the client has hung up

    with serving(play) as server:
        pairs = Client(SHORT).sse(server.url, HEADERS, b"{}", explain)
        assert following(pairs) == (b"", b"1")
        assert not server.gone.is_set()
        pairs.close()  # type: ignore[attr-defined]
        assert server.gone.wait(2)


def test_closing_twice_is_closing_once():
    with serving(answering(whole())) as server:
        client = Client(SHORT)
        transfer = client.send(server.url, HEADERS, b"{}")
        assert b"".join(transfer.chunks()) == b'{"a":1}'
        transfer.close()
        transfer.close()
        assert [len(idle) for idle in client._lines.values()] == [1]


# ---- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{path}.key", "-out", str(path)]
    subprocess.run(["openssl", *words.split(), *names], check=True, capture_output=True, timeout=20)
    return path


def test_a_certificate_is_refused_until_its_issuer_is_trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, f"{certificate}.key")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with serving(answering(whole()), tls) as server:
        with pytest.raises(UpstreamFailed) as caught:
            ask(Client(SHORT), server.url)
        assert caught.value.code == "upstream_unreachable"
        assert "certificate" in caught.value.detail and not server.bodies
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        client = Client(SHORT)
        assert [ask(client, server.url) for _ in range(3)] == [{"a": 1}] * 3
        assert server.connections == 2
        with pytest.raises(UpstreamFailed):  # the name is checked too
            ask(Client(SHORT), server.url.replace("127.0.0.1", "localhost"))


# ---- time


def test_an_upstream_that_does_not_take_the_connection():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        crowd = [socket.socket() for _ in range(4)]
        try:
            for sock in crowd:  # fill its backlog, so that it leaves the next one without an answer
                sock.setblocking(False)
                sock.connect_ex(listener.getsockname())
            started = time.monotonic()
            with pytest.raises(UpstreamFailed) as caught:
                ask(Client(Timeouts(connect_s=0.3)), f"http://127.0.0.1:{listener.getsockname()[1]}/")
            assert caught.value.code == "upstream_timeout"
            assert 0.2 < time.monotonic() - started < 2
        finally:
            for sock in crowd:
                sock.close()


def test_an_upstream_that_is_not_there():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(UpstreamFailed) as caught:
            ask(Client(SHORT), f"http://127.0.0.1:{sock.getsockname()[1]}/")
    assert caught.value.code == "upstream_unreachable"
    with pytest.raises(UpstreamFailed):
        ask(Client(SHORT), "http://name.invalid/v1")


@pytest.mark.parametrize("call", [ask, listen])
def test_an_upstream_that_never_answers(call: Any):
    with serving(answering(0.6, whole())) as server:
        started = time.monotonic()
        with pytest.raises(UpstreamFailed) as caught:
            call(Client(Timeouts(2, 0.2, 9, 9)), server.url)
        assert caught.value.code == "upstream_timeout"
        assert 0.15 < time.monotonic() - started < 0.55


def test_a_stream_that_falls_silent():
    with serving(answering(STREAM, chunk(b"data: 1\n\n"), 0.6)) as server:
        pairs = Client(Timeouts(2, 9, 0.2, 9)).sse(server.url, HEADERS, b"{}", explain)
        assert following(pairs) == (b"", b"1")
        with pytest.raises(UpstreamFailed) as caught:
            following(pairs)
        assert caught.value.code == "upstream_timeout"


def test_silence_is_told_before_and_within_a_stream():
    pieces = (0.25, STREAM, chunk(b"data: 1\n\n"), 0.25, chunk(b"data: 2\n\n"), chunk(b""))
    with serving(answering(*pieces)) as server:
        told = list(Client(Timeouts(2, 9, 9, 0.1)).sse(server.url, HEADERS, b"{}", explain))
    assert [pair for pair in told if pair] == [(b"", b"1"), (b"", b"2")]
    first, second = told.index((b"", b"1")), told.index((b"", b"2"))
    assert 1 <= first <= 3
    assert 2 <= second - first - 1 <= 4  # one says that nothing more came with the first event


def test_an_upstream_that_only_comments_is_as_good_as_silent():
    comments = [piece for _ in range(10) for piece in (0.05, chunk(b": busy\n\n"))]
    with serving(answering(STREAM, *comments, chunk(b"data: 1\n\n"), chunk(b""))) as server:
        told = list(Client(Timeouts(2, 9, 9, 0.2)).sse(server.url, HEADERS, b"{}", explain))
    assert told[-2:] == [(b"", b"1"), None]
    assert 1 <= len(told) - 2 <= 3, "signs of life are due after a while, not with each comment"


def test_a_stream_breaks_off_when_the_gateway_stops(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(upstream, "LOOK_UP_S", 0.05)
    client = Client(SHORT)
    with serving(answering(STREAM, chunk(b"data: 1\n\n"), 3, keep=False)) as server:
        pairs = client.sse(server.url, HEADERS, b"{}", explain)
        assert following(pairs) == (b"", b"1")
        client.stop_at = time.monotonic()
        with pytest.raises(ShuttingDown):
            following(pairs)
        assert server.gone.wait(5)


def test_a_whole_answer_breaks_off_when_the_gateway_stops():
    client = Client(SHORT)
    with serving(answering(4, keep=False)) as server:
        client.stop_at = time.monotonic() + 0.2
        with pytest.raises(ShuttingDown):
            ask(client, server.url)


def test_a_slow_reader_does_not_count_as_silence():
    with serving(answering(STREAM, chunk(b"data: 1\n\n"), 0.05, chunk(b"data: 2\n\n"), chunk(b""))) as server:
        pairs = Client(Timeouts(2, 9, 0.2, 9)).sse(server.url, HEADERS, b"{}", explain)
        assert following(pairs) == (b"", b"1")
        time.sleep(0.4)
        assert following(pairs) == (b"", b"2")
        assert [pair for pair in pairs if pair] == []


# ---- what is no answer


@pytest.mark.parametrize(
    "pieces",
    [
        (whole()[:-1],),
        (whole()[:30],),
        (STREAM.replace(b"text/event-stream", b"application/json"), chunk(b'{"a":1}')),
        (b"\x00\x01\x02 no HTTP\r\n\r\n",),
        (b"",),
    ],
)
def test_a_body_cut_short(pieces: tuple[bytes, ...]):
    with serving(answering(*pieces, keep=False)) as server, pytest.raises(UpstreamFailed):
        ask(Client(SHORT), server.url)


def test_a_stream_cut_short_tells_what_came():
    with serving(answering(STREAM, chunk(b"data: 1\n\n"), keep=False)) as server:
        pairs = Client(SHORT).sse(server.url, HEADERS, b"{}", explain)
        assert following(pairs) == (b"", b"1")
        with pytest.raises(UpstreamFailed) as caught:
            following(pairs)
        assert caught.value.code == "upstream_unreachable"


def test_a_body_without_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(upstream, "MAX_REPLY_BYTES", 100_000)
    monkeypatch.setattr(upstream, "MAX_EVENT_BYTES", 100_000)
    endless = [chunk(b"x" * 50_000)] * 100

    with serving(answering(STREAM, *endless)) as server:
        for call in (ask, listen):
            with pytest.raises(UpstreamFailed) as caught:
                call(Client(SHORT), server.url)
            assert "more than can be read" in caught.value.message


def test_a_long_error_is_read_in_part(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(upstream, "MAX_ERROR_BYTES", 1000)
    with serving(answering(whole(b"x" * 500_000, "500 Oops"))) as server, pytest.raises(UpstreamFailed):
        listen(Client(SHORT), server.url)


@pytest.mark.parametrize("call", [ask, listen])
def test_a_redirect_is_not_followed(call: Any):
    with (
        serving(answering(whole())) as other,
        serving(answering(whole(b"", "307 Temporary Redirect", more=f"Location: {other.url}\r\n"))) as server,
        pytest.raises(UpstreamFailed),
    ):
        call(Client(SHORT), server.url)
    assert other.connections == 0


MESSAGE = json.dumps({"error": {"message": "no such thing", "type": "t", "param": "p"}}).encode()


@pytest.mark.parametrize("call", [ask, listen])
@pytest.mark.parametrize(
    ("answer", "kind", "detail"),
    [
        (whole(MESSAGE, "400 Bad Request"), InvalidRequest, "status 400 t"),
        (whole(b"<html>", "400 Bad Request", "text/html"), UpstreamFailed, "status 400"),
        (whole(b"<html>", "502 Bad Gateway", "text/html"), UpstreamFailed, "status 502"),
        (whole(b"", "503 Busy", more="Retry-After: 9\r\n"), UpstreamFailed, "status 503"),
        (whole(b"\xff\xfe", "500 Oops"), UpstreamFailed, "status 500"),
        (whole(b"[" * 50_000, "500 Oops"), UpstreamFailed, "status 500"),
        (whole(b"hello", kind="text/plain"), UpstreamFailed, "status 200"),
        (whole(b"", kind="text/plain"), UpstreamFailed, "status 200"),
        (whole(b"", "204 No Content"), UpstreamFailed, "status 204"),
    ],
)
def test_refusals(call: Any, answer: bytes, kind: type[GatewayError], detail: str):
    with serving(answering(answer)) as server, pytest.raises(kind) as caught:
        call(Client(SHORT), server.url)
    assert caught.value.detail.startswith(detail)
    assert caught.value.retry_after_s == (9 if b"Retry-After" in answer else None)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'"\xff"', b"[" * 100_000])
def test_a_document_that_is_no_json(body: bytes):
    with serving(answering(whole(body))) as server, pytest.raises(UpstreamFailed):
        ask(Client(SHORT), server.url)


# ---- server-sent events

EVENTS = (
    b": a comment\n\n"
    b"data: plain\n\n"
    b"event: named\ndata: a\ndata:b\ndata:\nid: 7\nretry: 1\n\n"
    b"\n\n: another\ndata: after a comment\n\n"
    b"event: without data\n\n"
    b'data: {"x":"\xc3\xa9\xe6\xbc\xa2"}\n\n'
    b"data: [DONE]\n\n"
)
PAIRS = [
    (b"", b"plain"),
    (b"named", b"a\nb\n"),
    (b"", b"after a comment"),
    (b"", b'{"x":"\xc3\xa9\xe6\xbc\xa2"}'),
    (b"", b"[DONE]"),
]


def read(*chunks: bytes) -> list[Any]:
    return [pair for pair in upstream._pairs(chunks[0], iter(chunks[1:]), 9) if pair]


@pytest.mark.parametrize("events", [EVENTS, EVENTS.replace(b"\n", b"\r\n")], ids=["LF", "CRLF"])
def test_events_split_at_every_byte(events: bytes):
    assert read(events) == PAIRS
    for i in range(1, len(events)):
        assert read(events[:i], events[i:]) == PAIRS
    assert read(*(events[i : i + 1] for i in range(len(events)))) == PAIRS


def test_the_last_event_needs_no_empty_line():
    assert read(b"data: 1\n\ndata: 2") == [(b"", b"1"), (b"", b"2")]
    assert read(b"data: 1\n\n\n \n") == [(b"", b"1")]


@pytest.mark.parametrize("events", [EVENTS, EVENTS.replace(b"\n", b"\r\n")], ids=["LF", "CRLF"])
def test_events_over_a_socket(events: bytes):
    pieces = [chunk(events[i : i + 7]) for i in range(0, len(events), 7)]
    with serving(answering(STREAM, *pieces, chunk(b""))) as server:
        assert listen(Client(SHORT), server.url) == PAIRS


def test_an_empty_stream_is_no_answer():
    with serving(answering(STREAM, chunk(b""))) as server:
        assert listen(Client(SHORT), server.url) == []


def test_what_came_together_is_told_together():
    together = chunk(b"data: 1\n\ndata: 2\n\nda") + chunk(b"ta: 3\n\n")
    with serving(answering(STREAM, together, 0.1, chunk(b"data: 4\n\n"), chunk(b""))) as server:
        told = list(Client(SHORT).sse(server.url, HEADERS, b"{}", explain))
    assert told[:2] == [(b"", b"1"), (b"", b"2")]
    assert told.index((b"", b"4")) > told.index(None)


# ---- what a refusal means

REFUSED = "content_policy_violation"


@pytest.mark.parametrize(
    ("status", "error", "header", "kind", "code", "retry_after_s"),
    [
        (400, VendorError("bad field", "t", "temperature"), None, InvalidRequest, "upstream_rejected", None),
        (413, VendorError("too big"), None, InvalidRequest, "upstream_rejected", None),
        (422, VendorError("bad"), None, InvalidRequest, "upstream_rejected", None),
        (400, VendorError("maximum context length is 8"), None, InvalidRequest, "context_length_exceeded", None),
        (400, VendorError("x", "context_length_exceeded"), None, InvalidRequest, "context_length_exceeded", None),
        (400, VendorError("x", "content_policy_violation"), None, ContentRefused, "content_policy_violation", None),
        (400, VendorError("x", "content_filter"), None, ContentRefused, "content_policy_violation", None),
        (400, VendorError("x", "invalid_request_error invalid_prompt"), None, ContentRefused, REFUSED, None),
        (
            400,
            VendorError("x", "image_generation_user_error moderation_blocked"),
            None,
            ContentRefused,
            REFUSED,
            None,
        ),
        (400, VendorError("no invalid_prompt here", "t"), None, InvalidRequest, "upstream_rejected", None),
        (400, VendorError("blocked", "SAFETY"), None, ContentRefused, "content_policy_violation", None),
        (400, VendorError(""), None, UpstreamFailed, "upstream_error", None),
        (400, VendorError("API key not valid"), None, UpstreamFailed, "upstream_error", 60),
        (400, VendorError("Your credit balance is too low"), None, UpstreamFailed, "upstream_error", 60),
        (401, VendorError("x"), 5, UpstreamFailed, "upstream_error", 60),
        (402, VendorError("x"), None, UpstreamFailed, "upstream_error", 60),
        (403, VendorError("x"), None, UpstreamFailed, "upstream_error", 60),
        (404, VendorError("no such model"), None, UpstreamFailed, "upstream_error", 60),
        (408, VendorError("x"), None, UpstreamFailed, "upstream_error", None),
        (409, VendorError("x"), None, UpstreamFailed, "upstream_error", None),
        (429, VendorError("x"), 7, UpstreamFailed, "upstream_error", 7),
        (429, VendorError("x", retry_after_s=23), None, UpstreamFailed, "upstream_error", 23),
        (429, VendorError("x", retry_after_s=23), 7, UpstreamFailed, "upstream_error", 7),
        (500, VendorError("content_policy_violation", "SAFETY"), None, UpstreamFailed, "upstream_error", None),
        (529, VendorError("overloaded"), 3, UpstreamFailed, "upstream_error", 3),
        (302, VendorError(""), None, UpstreamFailed, "upstream_error", None),
        (200, VendorError(""), None, UpstreamFailed, "upstream_error", None),
        (0, VendorError(""), None, UpstreamFailed, "upstream_error", None),
    ],
)
def test_failures(
    status: int,
    error: VendorError,
    header: int | None,
    kind: type[GatewayError],
    code: str,
    retry_after_s: int | None,
):
    found = failure(status, error, header)
    assert (type(found), found.code, found.retry_after_s) == (kind, code, retry_after_s)
    assert found.param == (error.param if kind is InvalidRequest else None)
    if kind is UpstreamFailed:
        assert not error.message or error.message not in found.message


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("23s", 23), ("23.5s", 24), ("0s", None), ("x", None), (7, None), ("-1s", None), (None, None)],
)
def test_google_tells_when_to_come_back_in_the_body(delay: Any, seconds: int | None):
    details = [{"@type": "type.googleapis.com/google.rpc.Help"}, 7, {"retryDelay": delay}]
    error = {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": details}
    assert gemini.explain({"error": error}) == VendorError("m", "RESOURCE_EXHAUSTED", None, seconds)
    assert gemini.explain({"error": {**error, "details": delay}}).retry_after_s is None
    with serving(answering(whole(json.dumps({"error": error}).encode(), "429 Slow"))) as server:
        with pytest.raises(UpstreamFailed) as caught:
            Client(SHORT).json(server.url, HEADERS, b"{}", gemini.explain)
        assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123456",
        "sk-ant-api03-abc_def",
        "sk-abcdefghijkl",
        "sk-****************abcd",
        "rk_live_abc123456",
        "AIzaSyA1234567890",
        "Bearer abcdef.123456",
        "gsk_abcdef123456",
        "org-AbC123def456",
        "proj_abc123def",
        "req_011CabcDEF",
        "projects/123456789",
        "https://platform.example.com/account?key=1",
        "http://10.0.0.7:8000/v1",
    ],
)
def test_secrets_are_hidden(secret: str):
    for text in (f"Bad {secret} here", secret, f"({secret})", f"key={secret}"):
        assert secret not in redact(text)
        assert "[…]" in redact(text)


def test_plain_sentences_are_left_as_they_are():
    text = (
        "The requested requirement of this organization was skipped: org-specific projection, request id unknown, "
        "Bearer token missing, key-value pairs in project-level settings."
    )
    assert redact(text) == text
    assert len(redact("x " * 1000)) == 500


# ---- the sandbox, through an adapter


@pytest.fixture(scope="module")
def offline() -> Iterator[str]:
    running = sandbox.start()
    yield running.url
    running.stop()


def chat(url: str, text: str, client: Client, stream: bool = True) -> Any:
    price = Price(0, 0, 0, 0, 0)
    row = ProviderRow("openai", "openai_like", f"{url}/openai/v1", "key")
    target = Target(Model("gpt-4o-mini", "openai", "gpt-4o-mini", 128_000, 16_384, price, frozenset()), row, price)
    request = ChatRequest("gpt-4o-mini", (Message("user", (Text(text),)),), stream=stream)
    return ANSWER["openai_like"](request, target, 16_384, client)


@pytest.mark.parametrize("stream", [False, True])
def test_the_sandbox_answers(offline: str, stream: bool):
    client = Client(SHORT)
    for _ in range(20):
        reply = gather(chat(offline, "Hello there", client, stream))
        assert "Hello there" in "".join(part.text for part in reply.choices[0].parts)
        assert reply.usage and reply.usage.output_tokens


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ("status=503", "upstream_error"),
        ("status=429 retry_after=2", "upstream_error"),
        ("html status=502", "upstream_error"),
        ("cut=2", "upstream_unreachable"),
        ("badjson", "upstream_error"),
        ("inband=1", "upstream_error"),
        ("hang=0.6", "upstream_timeout"),
    ],
)
def test_the_sandbox_fails(offline: str, order: str, code: str):
    with pytest.raises(UpstreamFailed) as caught:
        list(chat(offline, f"Hello there you all [[sandbox: {order}]]", Client(Timeouts(2, 0.3, 0.3, 9))))
    assert caught.value.code == code
    assert caught.value.retry_after_s == (2 if "retry_after" in order else None)


def test_the_sandbox_is_silent_for_a_while(offline: str):
    events = list(chat(offline, "a b c [[sandbox: chunks=3 interval_ms=150]]", Client(Timeouts(2, 5, 5, 0.05))))
    assert KeepAlive() in events


def test_the_sandbox_notices_who_leaves(offline: str):
    events = chat(offline, "a b c d e f [[sandbox: tokens=200 interval_ms=20]]", Client(SHORT))
    next(events)
    events.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with socket.create_connection(("127.0.0.1", int(offline.rpartition(":")[2])), 5) as sock:
            sock.sendall(b"GET /_sandbox/stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            stats = json.loads(b"".join(iter(lambda: sock.recv(65536), b"")).partition(b"\r\n\r\n")[2])
        if stats["aborted"]:
            return
        time.sleep(0.02)
    raise AssertionError("the sandbox never noticed")


# ---- waiting without poll


def test_what_stands_in_for_poll_on_windows(monkeypatch: pytest.MonkeyPatch):
    a, b = socket.socketpair()
    with a, b:
        waiting = SelectPoll()
        started = time.monotonic()
        assert waiting.poll(20) == [] and time.monotonic() - started > 0.015
        waiting.register(a.fileno(), READABLE | WRITABLE)
        assert waiting.poll(100) == [(a.fileno(), WRITABLE)]
        b.sendall(b"x")
        waiting.register(a.fileno(), READABLE)
        assert waiting.poll(100) == [(a.fileno(), READABLE)]
        waiting.unregister(a.fileno())
        assert waiting.poll(0) == []
    monkeypatch.setattr(upstream, "poller", SelectPoll)
    with serving(answering(STREAM, 0.05, chunk(b"data: 1\n\n"), chunk(b""))) as server:
        assert listen(Client(SHORT), server.url) == [(b"", b"1")]
