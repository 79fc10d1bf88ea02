"""Small servers of other people's, for tests that look at what arrives there: a webhook's, and a mail server."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from typing import Any


class Webhook(http.server.ThreadingHTTPServer):
    """Takes down what is posted, and answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[Any] = []
        self.status = 204
        self.meanwhile: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/alert"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.meanwhile()
        self.server.posted.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as a client needs. `refuses` a recipient; `login` is what it wants, if anything."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Mail)
        self.mails: list[tuple[str, list[str], Message]] = []
        self.said: list[str] = []
        self.refuses = ""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Mail(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        sender, to = "", []
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            self.server.said.append(line)
            verb = line.split()[0].upper()
            if verb == "EHLO":
                self._say("250-here\r\n250 AUTH PLAIN")
            elif verb == "MAIL":
                sender = line.partition("<")[2].partition(">")[0]
                self._say("250 ok")
            elif verb == "RCPT":
                to.append(line.partition("<")[2].partition(">")[0])
                self._say("550 nobody" if to[-1] == self.server.refuses else "250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                body = b""
                while (text := self.rfile.readline()) != b".\r\n":
                    body += text
                self.server.mails.append((sender, to, message_from_bytes(body)))
                self._say("250 taken")
            elif verb == "AUTH":
                self._say("235 welcome")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    with server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
