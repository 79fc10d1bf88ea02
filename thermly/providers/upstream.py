"""The only place that opens sockets to upstreams: connections, timeouts, status to errors, reading of SSE.

Knows: HTTP. Must not know: any vendor's JSON, Flask, SQL, money.
libcurl does the transport (TLS, keep-alive, chunking); its socket interface is driven from the calling
thread, so a stream is read as it is pulled and is cancelled by dropping it. A `Line` is one curl handle
with its kept-alive connection; the pool hands out the line used last, which is the one still open.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import certifi
import msgspec
import pycurl
from msgspec import Struct

from thermly.errors import ContentRefused, GatewayError, InvalidRequest, UpstreamFailed
from thermly.providers.redaction import redact
from thermly.providers.waiting import READABLE, WRITABLE, poller

MAX_REPLY_BYTES = 64 << 20
MAX_EVENT_BYTES = 16 << 20
MAX_ERROR_BYTES = 64 << 10
MAX_IDLE_LINES = 512
# How the vendors' 400s begin that are about the gateway's own account. Only a beginning counts: further on, a
# sentence may quote the caller, who must not be able to put a model out of use for everybody.
OUR_ACCOUNT = ("your credit balance is too low", "api key not valid", "api key expired", "incorrect api key")
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


class VendorError(Struct, frozen=True):
    """What a vendor said went wrong. `kind` is the vendor's own word for it; `retry_after_s` is told in the body
    by those who have no header for it."""

    message: str
    kind: str = ""
    param: str | None = None
    retry_after_s: int | None = None


Explain = Callable[[Any], VendorError]


class _Line:
    """One curl handle, its connection, and what its transfer has received so far."""

    def __init__(self, connect_s: float) -> None:
        self.received: list[bytes] = []
        self.running = 0
        self.poller = poller()
        self.watched: set[int] = set()
        self.due_s: float | None = None
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

    def begin(self, url: str, headers: list[str], body: bytes) -> None:
        self.received.clear()
        easy = self.easy
        easy.setopt(pycurl.URL, url)
        easy.setopt(pycurl.HTTPHEADER, headers)
        easy.setopt(pycurl.POSTFIELDS, body)
        self.multi.add_handle(easy)
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
        self.easy.close()


class Transfer:
    """One request under way. Close it in every case; closing early cancels it at the upstream."""

    def __init__(self, client: "Client", origin: str, line: _Line) -> None:
        self._client, self._origin, self._line = client, origin, line
        self._closed = False

    @property
    def status(self) -> int:
        return int(self._line.easy.getinfo(pycurl.RESPONSE_CODE))

    @property
    def content_type(self) -> str:
        return self._line.easy.getinfo(pycurl.CONTENT_TYPE) or ""

    @property
    def retry_after_s(self) -> int | None:
        return int(self._line.easy.getinfo(pycurl.RETRY_AFTER)) or None

    def chunks(self) -> Iterator[bytes]:
        """The body's bytes as they arrive; b"" after each `keepalive_s` of silence.

        Raises UpstreamFailed when the connection fails, ends early or stays silent too long.
        """
        line, times = self._line, self._client.timeouts
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
                    raise UpstreamFailed(
                        "The connection to the model's provider failed.", code=_cause(number), detail=text
                    )
                return
            now = time.monotonic()
            if (stop_at := self._client.stop_at) is not None and now >= stop_at:
                raise UpstreamFailed("The gateway is shutting down.", code="shutting_down")
            if now - silent_since >= limit_s:
                raise UpstreamFailed("The model's provider did not answer in time.", code="upstream_timeout")
            if now - told >= times.keepalive_s:
                told = now
                yield b""
            line.turn(min(times.keepalive_s - (now - told), limit_s - (now - silent_since), LOOK_UP_S))

    def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamFailed when it is longer than `limit` bytes."""
        parts, size = [], 0
        for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                raise UpstreamFailed("The model's provider sent more than can be read.", code="upstream_error")
            parts.append(chunk)
        return b"".join(parts)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        line = self._line
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
        self._idle: dict[str, deque[_Line]] = {}
        self._streams: set[Transfer] = set()
        self.stop_at: float | None = None  # when what is still under way breaks off, on the monotonic clock
        self._lock = threading.Lock()

    def send(self, url: str, headers: list[str], body: bytes) -> Transfer:
        origin = url[: url.find("/", 8)]
        idle = self._idle.get(origin)
        try:
            line = idle.pop() if idle else _Line(self.timeouts.connect_s)
        except IndexError:
            line = _Line(self.timeouts.connect_s)
        line.begin(url, headers, body)
        return Transfer(self, origin, line)

    def give_back(self, origin: str, line: _Line) -> None:
        idle = self._idle.get(origin)
        if idle is None:
            with self._lock:
                idle = self._idle.setdefault(origin, deque())
        if len(idle) < MAX_IDLE_LINES:
            idle.append(line)
        else:
            line.close()

    def json(self, url: str, headers: list[str], body: bytes, explain: Explain) -> Any:
        """One JSON document. Raises GatewayError as `failure` decides."""
        transfer = self.send(url, headers, body)
        try:
            data = transfer.read(MAX_REPLY_BYTES)
            check(transfer, data, explain)
            return decode(data)
        finally:
            transfer.close()

    def sse(self, url: str, headers: list[str], body: bytes, explain: Explain) -> Iterator[Sse]:
        """The (event, data) pairs of a stream; None after those of one read, and in silence.

        Raises GatewayError as `failure` decides.
        """
        transfer = self.send(url, headers, body)
        self._streams.add(transfer)
        try:
            chunks = self._paced(transfer.chunks())
            for first in chunks:
                if not first:
                    yield None
                    continue
                if transfer.status != 200 or not transfer.content_type.startswith("text/event-stream"):
                    rest = b"".join(_bounded(chunks, MAX_ERROR_BYTES))
                    check(transfer, first + rest, explain, "text/event-stream")
                yield from _pairs(first, chunks)
                return
            check(transfer, b"", explain, "text/event-stream")
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


def check(transfer: Transfer, data: bytes, explain: Explain, wanted: str = "application/json") -> None:
    """Raise unless the upstream answered 200 with the content type that was asked for."""
    status = transfer.status
    if status == 200 and transfer.content_type.startswith(wanted):
        return
    try:
        error = explain(msgspec.json.decode(data))
    except (msgspec.DecodeError, RecursionError, AttributeError, LookupError, TypeError, ValueError):
        error = VendorError("")
    raise failure(status, error, transfer.retry_after_s)


def failure(status: int, error: VendorError, retry_after_s: int | None = None) -> GatewayError:
    """What an upstream's refusal means: the caller's mistake, or an upstream that cannot be used just now.

    The status decides before the message does: a 500 that happens to mention a policy is an outage. Only a
    refusal that is about the caller's own request hands on the vendor's sentence, and that one redacted.
    """
    detail = f"status {status} {error.kind}: {redact(error.message)}"
    if status in (400, 413, 422) and error.message:
        words = f"{error.kind} {error.message}".lower()
        if error.message.lower().startswith(OUR_ACCOUNT):
            return UpstreamFailed("The model's provider refused the gateway.", detail=detail, retry_after_s=60)
        kind: type[InvalidRequest] = InvalidRequest
        code = "upstream_rejected"
        if "content_policy" in words or "content_filter" in words or "safety" in error.kind.lower():
            kind, code = ContentRefused, "content_policy_violation"
        elif "context_length" in words or "prompt is too long" in words or "maximum context" in words:
            code = "context_length_exceeded"
        return kind(
            "The model's provider refused the request: " + redact(error.message),
            param=error.param,
            code=code,
            detail=f"status {status} {error.kind}",  # the sentence may quote the prompt, which no log may hold
        )
    if status in (401, 402, 403, 404):
        return UpstreamFailed("The model's provider refused the gateway.", detail=detail, retry_after_s=60)
    if status == 200:
        return UpstreamFailed("The model's provider sent something that is no answer.", detail=detail)
    if retry_after_s is None:
        retry_after_s = error.retry_after_s
    return UpstreamFailed(
        "The model's provider is not able to answer just now.", detail=detail, retry_after_s=retry_after_s
    )


def decode(data: bytes) -> Any:
    """Parse an upstream's JSON. Raises UpstreamFailed."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed("The model's provider sent something that is no answer.") from error


def malformed(error: Exception) -> UpstreamFailed:
    """For documents that parse but do not have the shape of their vendor's answers."""
    return UpstreamFailed(
        "The model's provider sent something that is no answer.", detail=f"{type(error).__name__}: {error}"
    )


def cut() -> UpstreamFailed:
    """The upstream's stream stopped before it said that it was complete."""
    return UpstreamFailed("The model's provider ended its answer early.", code="upstream_cut")


def _bounded(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    for chunk in chunks:
        limit -= len(chunk)
        if limit < 0:
            return
        yield chunk


def _pairs(first: bytes, chunks: Iterator[bytes]) -> Iterator[Sse]:
    buffer = first
    while True:
        if b"\r" in buffer:
            buffer = buffer.replace(b"\r\n", b"\n")
        *blocks, buffer = buffer.split(b"\n\n")
        told = False
        for block in blocks:
            if pair := _pair(block):
                told = True
                yield pair
        if told:
            yield None
        if len(buffer) > MAX_EVENT_BYTES:
            raise UpstreamFailed("The model's provider sent more than can be read.")
        chunk = next(chunks, None)
        if chunk is None:
            if buffer.strip() and (pair := _pair(buffer)):
                yield pair
            return
        if not chunk:
            yield None
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


def _cause(number: int) -> str:
    return "upstream_timeout" if number == pycurl.E_OPERATION_TIMEDOUT else "upstream_unreachable"
