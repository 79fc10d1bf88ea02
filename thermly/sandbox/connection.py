"""One client's connection: HTTP/1.1 read from and written to a socket, and whether the client is still there.

Knows HTTP and nothing of what is asked or answered.
"""

from __future__ import annotations

import math
import select
import socket
import time
from io import BufferedReader
from urllib.parse import parse_qsl, unquote, urlsplit

from thermly.sandbox.wire import Request

_MOST_LINE = 65_536
_MOST_BODY = 64 << 20
_PHRASES = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    408: "Request Timeout", 409: "Conflict", 413: "Content Too Large", 422: "Unprocessable Content",
    429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 529: "Site Overloaded",
}  # fmt: skip


class Gone(Exception):
    """The client left before it had its answer."""


class Unreadable(Exception):
    """What arrived is not an HTTP request, or one too large."""

    def __init__(self, status: int) -> None:
        super().__init__(_PHRASES[status])
        self.status = status


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.keep = True
        self._sock = sock
        self._reader = BufferedReader(socket.SocketIO(sock, "r"), _MOST_LINE)
        self._chunked = True
        self._seen = False  # the client was there a moment ago
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def close(self, abruptly: bool = False) -> None:
        try:
            if abruptly:
                # Linger for zero seconds: the client sees a reset, as from a machine that went down.
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self._reader.close()
            self._sock.close()
        except OSError:
            pass

    def hang_up(self) -> None:
        """Ends the connection from another thread; its own thread then closes it."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def read(self) -> Request | None:
        """The next request, or None where the client has no more."""
        try:
            line = self._line()
            while line in (b"\r\n", b"\n"):
                line = self._line()
            if not line:
                return None
            return self._request(line)
        except (OSError, EOFError):
            return None

    def _line(self) -> bytes:
        line = self._reader.readline(_MOST_LINE)
        if len(line) >= _MOST_LINE:
            raise Unreadable(400)
        return line

    def _request(self, line: bytes) -> Request:
        words = line.decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise Unreadable(400)
        headers = self._headers()
        url = urlsplit(words[1])
        old = words[2] == "HTTP/1.0"
        wants = headers.get("connection", "").lower()
        self._chunked, self.keep = not old, "keep-alive" in wants if old else "close" not in wants
        if headers.get("expect", "").lower() == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        return Request(words[0].upper(), unquote(url.path), query, headers, self._body(headers))

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while (line := self._line()) not in (b"\r\n", b"\n"):
            if not line:
                raise EOFError
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise Unreadable(400)
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    def _body(self, headers: dict[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._chunked_body()
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise Unreadable(400)
        return self._exactly(int(length))

    def _chunked_body(self) -> bytes:
        chunks: list[bytes] = []
        total = 0
        while True:
            try:
                size = int(self._line().split(b";")[0], 16)
            except ValueError:
                raise Unreadable(400) from None
            total += size
            if total > _MOST_BODY:
                raise Unreadable(413)
            if not size:
                self._headers()  # trailers, of which none mean anything here
                return b"".join(chunks)
            chunks.append(self._exactly(size))
            self._line()

    def _exactly(self, length: int) -> bytes:
        if length > _MOST_BODY:
            raise Unreadable(413)
        body = self._reader.read(length) if length else b""
        if len(body) < length:
            raise EOFError
        return body

    def send_whole(self, status: int, headers: dict[str, str], body: bytes, drip_s: float = 0) -> None:
        head = _head(status, {**headers, "content-length": str(len(body))}, self.keep)
        if not drip_s:
            self._send(head + body)
            return
        self._send(head)
        for i in range(len(body)):
            self.pause(drip_s)
            self._send(body[i : i + 1])

    def send_refusal(self, unreadable: Unreadable) -> None:
        try:
            self._send(_head(unreadable.status, {"content-length": "0"}, False))
        except Gone:
            pass

    def send_half(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._send(_head(status, {**headers, "content-length": str(len(body))}, False) + body[: len(body) // 2])

    def start_stream(self, status: int, headers: dict[str, str]) -> None:
        if self._chunked:
            headers = {**headers, "transfer-encoding": "chunked"}
        else:
            self.keep = False
        self._send(_head(status, headers, self.keep))

    def send_chunk(self, data: bytes) -> None:
        self._send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end_stream(self) -> None:
        if self._chunked:
            self._send(b"0\r\n\r\n")

    def pause(self, seconds: float) -> None:
        """Waits, and raises Gone as soon as the client leaves."""
        until = time.monotonic() + seconds
        if self._poll.poll(math.ceil(seconds * 1000)):
            if self._has_left():
                raise Gone
            time.sleep(max(0.0, until - time.monotonic()))  # it has sent its next request already
        else:
            self._seen = True

    def _send(self, data: bytes) -> None:
        try:
            if not self._seen and self._has_left():
                raise Gone
            self._seen = False
            self._sock.sendall(data)
        except OSError:
            raise Gone from None

    def _has_left(self) -> bool:
        # The first write to a closed connection still succeeds; only a look at the other direction tells in time.
        try:
            return not self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True


def _head(status: int, headers: dict[str, str], keep: bool) -> bytes:
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append("connection: keep-alive" if keep else "connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
