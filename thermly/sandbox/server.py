"""The sandbox's server: a listening socket, one thread per connection, and how both end.

Knows sockets and threads; what is answered is told in serving.
"""

from __future__ import annotations

import socket
import sys
import threading

from thermly.sandbox.connection import Connection, Unreadable
from thermly.sandbox.control import Control
from thermly.sandbox.serving import Serving

_BACKLOG = 4096
_PAUSE_AFTER_FAILED_ACCEPT_S = 0.05


class Sandbox:
    def __init__(self, listener: socket.socket, verbose: bool = False) -> None:
        self.host, self.port = listener.getsockname()[:2]
        self.url = f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"
        self.control = Control()
        self._listener, self._verbose = listener, verbose
        self._stopping = threading.Event()
        self._serving = Serving(self.control)
        self._open: set[Connection] = set()
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Accepts connections until stopped."""
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                # Out of file descriptors, or closed under us; the loop's condition knows which.
                self._stopping.wait(_PAUSE_AFTER_FAILED_ACCEPT_S)
                continue
            try:
                threading.Thread(target=self._converse, args=(sock,), daemon=True).start()
            except RuntimeError:
                sock.close()  # no thread to be had; the next client may have more luck

    def stop(self) -> None:
        self._stopping.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            connection.hang_up()

    def _converse(self, sock: socket.socket) -> None:
        try:
            connection = Connection(sock)
        except OSError:
            sock.close()  # the client was gone before it could be greeted
            return
        with self._lock:
            self._open.add(connection)
        try:
            while connection.keep and not self._stopping.is_set():
                request = connection.read()
                if request is None:
                    break
                status = self._serving.serve(connection, request)
                if self._verbose:
                    print(request.method, request.path, status, file=sys.stdout, flush=True)
        except Unreadable as unreadable:
            connection.keep = False
            connection.send_refusal(unreadable)
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(_BACKLOG)
    return listener


def start(host: str = "127.0.0.1", port: int = 0, verbose: bool = False) -> Sandbox:
    """A sandbox that serves from a thread of this process until its stop()."""
    sandbox = Sandbox(listen(host, port), verbose)
    threading.Thread(target=sandbox.serve, name="sandbox", daemon=True).start()
    return sandbox
