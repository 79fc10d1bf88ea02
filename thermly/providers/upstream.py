"""The only place that opens sockets to upstreams: connections, timeouts, reading of SSE.

Knows: HTTP. Must not know: any vendor's JSON, Flask, SQL, money.
libcurl does the transport (TLS, keep-alive, chunking); its socket interface is driven from the calling
thread, so a stream is read as it is pulled and is cancelled by dropping it. A `Line` is one curl handle
with its kept-alive connection; the pool hands out the line used last, which is the one still open.
"""

import os
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

import certifi
import msgspec
import pycurl
from msgspec import Struct

from thermly.errors import GatewayError, ShuttingDown, UpstreamFailed
from thermly.providers.failures import Explain, VendorError, decode, failure
from thermly.providers.waiting import READABLE, WRITABLE, poller

MAX_REPLY_BYTES = 64 << 20
MAX_EVENT_BYTES = 16 << 20
MAX_ERROR_BYTES = 64 << 10
MAX_IDLE = 512
LOOK_UP_S = 2
PACE_FROM_STREAMS, PACE_PER_STREAM_S, PACE_MOST_S = 100, 0.0002, 0.1

Sse = tuple[bytes, bytes] | None


class Timeouts(Struct, frozen=True):
    """Seconds: to connect, for a whole reply or the first byte, between two bytes of a stream, and of silence
    after which a sign of life is due."""

    connect_s: float = 5
    reply_s: float = 600
    idle_s: float = 120
    keepalive_s: float = 15


class _Handle:
    """One curl handle, its kept-alive connection, and what its transfer has received so far."""

    def __init__(self, connect_s: float) -> None:
        self.received: list[bytes] = []
        self.easy = easy = pycurl.Curl()
        easy.setopt(pycurl.NOSIGNAL, 1)
        easy.setopt(pycurl.POST, 1)
        easy.setopt(pycurl.USERAGENT, "thermly")
        easy.setopt(pycurl.CONNECTTIMEOUT_MS, int(connect_s * 1000))
        easy.setopt(pycurl.TCP_NODELAY, 1)
        easy.setopt(pycurl.TCP_KEEPALIVE, 1)
        easy.setopt(pycurl.FOLLOWLOCATION, 0)
        easy.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        easy.setopt(pycurl.CAINFO, os.environ.get("SSL_CERT_FILE") or certifi.where())
        easy.setopt(pycurl.WRITEFUNCTION, self.received.append)

    def ask(self, url: str, headers: list[str], body: bytes) -> None:
        self.received.clear()
        easy = self.easy
        easy.setopt(pycurl.URL, url)
        easy.setopt(pycurl.HTTPHEADER, headers)
        easy.setopt(pycurl.POSTFIELDS, body)

    @property
    def status(self) -> int:
        return int(self.easy.getinfo(pycurl.RESPONSE_CODE))

    @property
    def content_type(self) -> str:
        return self.easy.getinfo(pycurl.CONTENT_TYPE) or ""

    @property
    def retry_after_s(self) -> int | None:
        return int(self.easy.getinfo(pycurl.RETRY_AFTER)) or None

    def close(self) -> None:
        self.easy.close()


class _Call(_Handle):
    """A handle for whole documents: curl itself waits, outside Python, and looks up about once a second."""

    def __init__(self, client: "Client") -> None:
        super().__init__(client.timeouts.connect_s)
        self._client = client
        self._seen = self._since_s = 0.0
        self.easy.setopt(pycurl.TIMEOUT_MS, int(client.timeouts.reply_s * 1000))
        self.easy.setopt(pycurl.MAXFILESIZE_LARGE, MAX_REPLY_BYTES)
        self.easy.setopt(pycurl.NOPROGRESS, 0)
        self.easy.setopt(pycurl.XFERINFOFUNCTION, self._look_up)

    def _look_up(self, _total: int, down: int, _up_total: int, _up: int) -> int:
        """1 aborts the transfer."""
        now = time.monotonic()
        if down != self._seen:
            self._seen, self._since_s = down, now
        return int(self._client.stopped or bool(down and now - self._since_s >= self._client.timeouts.idle_s))

    def perform(self) -> bytes:
        """The whole body. Raises UpstreamFailed, or ShuttingDown."""
        self._seen = 0
        try:
            self.easy.perform()
        except pycurl.error as error:
            number, text = error.args
            if number == pycurl.E_ABORTED_BY_CALLBACK:
                if self._client.stopped:
                    raise _stopping() from None
                number = pycurl.E_OPERATION_TIMEDOUT
            if number == pycurl.E_OPERATION_TIMEDOUT and self.easy.getinfo(pycurl.CONNECT_TIME):
                raise UpstreamFailed(
                    "The model's provider did not answer in time.", code="upstream_timeout"
                ) from None
            if number == pycurl.E_FILESIZE_EXCEEDED:
                raise UpstreamFailed("The model's provider sent more than can be read.") from None
            raise _broken(number, text) from None
        received = self.received
        return received[0] if len(received) == 1 else b"".join(received)


class _Line(_Handle):
    """A handle for streams, driven from the thread that reads them."""

    def __init__(self, connect_s: float) -> None:
        super().__init__(connect_s)
        self.running = 0
        self.poller = poller()
        self.watched: set[int] = set()
        self.due_s: float | None = None
        self.multi = multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._remind)

    def _watch(self, what: int, fd: int, _multi: object, _data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            if fd in self.watched:
                self.watched.discard(fd)
                self.poller.unregister(fd)
            return
        mask = 0
        if what in (pycurl.POLL_IN, pycurl.POLL_INOUT):
            mask |= READABLE
        if what in (pycurl.POLL_OUT, pycurl.POLL_INOUT):
            mask |= WRITABLE
        self.watched.add(fd)
        self.poller.register(fd, mask)

    def _remind(self, timeout_ms: int) -> None:
        self.due_s = None if timeout_ms < 0 else time.monotonic() + timeout_ms / 1000

    def begin(self) -> None:
        self.multi.add_handle(self.easy)
        self.running = self.multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)[1]

    def turn(self, wait_s: float) -> None:
        """Wait for the socket at most so long, and let curl work."""
        due = self.due_s
        if due is not None:
            wait_s = min(wait_s, due - time.monotonic())
        for fd, event in self.poller.poll(max(0, wait_s * 1000)):
            mask = (pycurl.CSELECT_IN if event & ~WRITABLE else 0) | (pycurl.CSELECT_OUT if event & WRITABLE else 0)
            self.running = self.multi.socket_action(fd, mask)[1]
        due = self.due_s
        if due is not None and due <= time.monotonic():
            self.due_s = None
            self.running = self.multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)[1]

    def verdict(self) -> tuple[int, str]:
        """The curl error of a transfer that has ended; (0, "") for success."""
        _, _, failed = self.multi.info_read()
        return (failed[0][1], failed[0][2]) if failed else (0, "")

    def close(self) -> None:
        self.multi.close()
        super().close()


class Transfer:
    """One stream under way. Close it in every case; closing early cancels it at the upstream."""

    def __init__(self, client: "Client", origin: str, line: _Line) -> None:
        self._client, self._origin, self.line = client, origin, line
        self._closed = False

    def chunks(self) -> Iterator[bytes]:
        """The body's bytes as they arrive; b"" after each `keepalive_s` of silence.

        Raises UpstreamFailed when the connection fails, ends early or stays silent too long, or ShuttingDown.
        """
        line, times = self.line, self._client.timeouts
        received = line.received
        silent_since = told = time.monotonic()
        limit_s = times.reply_s
        while True:
            if received:
                data = received[0] if len(received) == 1 else b"".join(received)
                received.clear()
                limit_s = times.idle_s
                yield data
                silent_since = told = time.monotonic()
            if not line.running and not received:
                number, text = line.verdict()
                if number:
                    raise _broken(number, text)
                return
            now = time.monotonic()
            if self._client.stopped:
                raise _stopping()
            if now - silent_since >= limit_s:
                raise UpstreamFailed("The model's provider did not answer in time.", code="upstream_timeout")
            if now - told >= times.keepalive_s:
                told = now
                yield b""
            line.turn(min(times.keepalive_s - (now - told), limit_s - (now - silent_since), LOOK_UP_S))

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        line = self.line
        if line.running:
            line.turn(0)  # the end of the body may have come since its last word was read
        line.multi.remove_handle(line.easy)
        if line.running:
            line.close()
        else:
            self._client.give_back(self._origin, line)


class Client:
    """The connections of one process, shared by its threads."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self._lines: dict[str, deque[_Line]] = defaultdict(deque)
        self._calls: dict[str, deque[_Call]] = defaultdict(deque)
        self._streams: set[Transfer] = set()
        self.stop_at: float | None = None  # when what is still under way breaks off, on the monotonic clock

    @property
    def stopped(self) -> bool:
        return self.stop_at is not None and time.monotonic() >= self.stop_at

    def send(self, url: str, headers: list[str], body: bytes) -> Transfer:
        origin = _origin(url)
        try:
            line = self._lines[origin].pop()
        except IndexError:
            line = _Line(self.timeouts.connect_s)
        line.ask(url, headers, body)
        line.begin()
        return Transfer(self, origin, line)

    def give_back(self, origin: str, line: _Line) -> None:
        _keep(line, self._lines[origin])

    def json(self, url: str, headers: list[str], body: bytes, explain: Explain) -> Any:
        """One JSON document. Raises GatewayError as `failure` decides."""
        idle = self._calls[_origin(url)]
        try:
            call = idle.pop()
        except IndexError:
            call = _Call(self)
        call.ask(url, headers, body)
        try:
            data = call.perform()
        except GatewayError:
            call.close()
            raise
        try:
            check(call, data, explain)
        finally:
            _keep(call, idle)
        return decode(data)

    def sse(self, url: str, headers: list[str], body: bytes, explain: Explain) -> Iterator[Sse]:
        """The (event, data) pairs of a stream; None after those of one read, and in silence.

        Raises GatewayError as `failure` decides.
        """
        transfer = self.send(url, headers, body)
        line = transfer.line
        self._streams.add(transfer)
        try:
            chunks = self._paced(transfer.chunks())
            for first in chunks:
                if not first:
                    yield None
                    continue
                if line.status != 200 or not line.content_type.startswith("text/event-stream"):
                    rest = b"".join(_bounded(chunks, MAX_ERROR_BYTES))
                    check(line, first + rest, explain, "text/event-stream")
                yield from _pairs(first, chunks, self.timeouts.keepalive_s)
                return
            check(line, b"", explain, "text/event-stream")
        finally:
            self._streams.discard(transfer)
            transfer.close()

    def _paced(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """With hundreds of streams under way, look at each a few times less often: what has gathered meanwhile
        costs one pass instead of several. At most `PACE_MOST_S` is added to a token, none to the first."""
        for chunk in chunks:
            yield chunk
            if (streams := len(self._streams)) >= PACE_FROM_STREAMS:
                time.sleep(min(streams * PACE_PER_STREAM_S, PACE_MOST_S))


def check(said: _Handle, data: bytes, explain: Explain, wanted: str = "application/json") -> None:
    """Raise unless the upstream answered 200 with the content type that was asked for."""
    status = said.status
    if status == 200 and said.content_type.startswith(wanted):
        return
    try:
        error = explain(msgspec.json.decode(data))
    except (msgspec.DecodeError, RecursionError, AttributeError, LookupError, TypeError, ValueError):
        error = VendorError("")
    raise failure(status, error, said.retry_after_s)


def _bounded(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    for chunk in chunks:
        limit -= len(chunk)
        if limit < 0:
            return
        yield chunk


def _pairs(first: bytes, chunks: Iterator[bytes], keepalive_s: float) -> Iterator[Sse]:
    buffer, told_at = first, time.monotonic()
    while True:
        if b"\r" in buffer:
            buffer = buffer.replace(b"\r\n", b"\n")
        *blocks, buffer = buffer.split(b"\n\n")
        told = False
        for block in blocks:
            if pair := _pair(block):
                told = True
                yield pair
        if told or time.monotonic() - told_at >= keepalive_s:  # comments and pieces of an event say nothing
            yield None
            told_at = time.monotonic()
        if len(buffer) > MAX_EVENT_BYTES:
            raise UpstreamFailed("The model's provider sent more than can be read.")
        chunk = next(chunks, None)
        if chunk is None:
            if buffer.strip() and (pair := _pair(buffer)):
                yield pair
            return
        buffer += chunk


def _pair(block: bytes) -> tuple[bytes, bytes] | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return b"", block[6:]
    name, data = b"", []
    for row in block.split(b"\n"):
        field, _, value = row.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return (name, b"\n".join(data)) if data else None


def _keep(handle: _Handle, idle: deque[Any]) -> None:
    if len(idle) < MAX_IDLE:
        idle.append(handle)
    else:
        handle.close()


def _broken(number: int, text: str) -> UpstreamFailed:
    code = "upstream_timeout" if number == pycurl.E_OPERATION_TIMEDOUT else "upstream_unreachable"
    return UpstreamFailed("The connection to the model's provider failed.", code=code, detail=text)


def _stopping() -> ShuttingDown:
    return ShuttingDown("The gateway is shutting down.", retry_after_s=5)


def _origin(url: str) -> str:
    return url[: url.find("/", 8)]
