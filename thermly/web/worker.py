"""gunicorn's threaded worker, kept on the same thread while a client goes on talking.

The stock worker hands a connection back to its poller after every response; for a client that sends its next
request at once this costs a tenth of a whole request. Here the thread waits a moment for it.
"""

import errno
import functools
import select
import socket
import struct
import time
from email.utils import formatdate
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.workers.gthread import ThreadWorker

LINGER_MS = 20
STUCK_CLIENT_S = 60
BEFORE_THE_KILL_S = 4


@functools.lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def http_date(timestamp: float | None = None) -> str:
    """The Date header's text (RFC 9110, 5.6.7), made once a second and not once a response."""
    return _date(int(time.time() if timestamp is None else timestamp))


class Told(wsgi.Response):  # type: ignore[misc]
    """Sends a body of known length together with its headers: one system call and one packet instead of two."""

    headers_sent: bool

    def write(self, data: bytes) -> None:
        if self.headers_sent or self.chunked or self._omits_body or len(data) != self.response_length:
            super().write(data)
            return
        head = "".join([*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"])
        self.sock.sendall(head.encode("latin-1") + data)
        self.headers_sent, self.sent = True, len(data)


util.http_date = http_date
wsgi.Response = Told


class Worker(ThreadWorker):  # type: ignore[misc]
    def accept(self, listener: Any) -> None:
        """Out of file handles is no reason to end every stream: the client waits in the backlog meanwhile."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self.log.error("out of file handles: raise the limit (ulimit -n)")
            time.sleep(0.1)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """What the drain has not finished shortly before its end breaks off by itself: with an error that its
        client can read, and settled. The kill that follows would do neither."""
        gateway = getattr(self.wsgi, "extensions", {}).get("thermly")
        if gateway is not None:
            gateway.client.stop_at = time.monotonic() + max(1, self.cfg.graceful_timeout - BEFORE_THE_KILL_S)
        super().handle_exit(sig, frame)

    def handle(self, conn: Any) -> Any:
        if not conn.initialized:  # who sends or takes nothing for so long would keep a thread for ever
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                conn.sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", STUCK_CLIENT_S, 0))
        while True:
            again = super().handle(conn)
            if again is not True or not self.alive or conn.is_http2:
                return again
            if conn.parser.unreader.buf.getvalue():
                continue  # the next request has been read already
            waiting = select.poll()
            waiting.register(conn.sock, select.POLLIN)
            if not waiting.poll(LINGER_MS):
                return again
