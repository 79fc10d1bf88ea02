"""One request from its arrival to the last byte of its answer, faults included.

Joins the wires, the control desk and a connection. Opens no socket and starts no thread.
"""

from __future__ import annotations

from thermly.sandbox import routes
from thermly.sandbox.connection import Connection, Gone
from thermly.sandbox.control import Control, Record, standing_orders
from thermly.sandbox.faults import HTML, Cut, mangled, played
from thermly.sandbox.wire import Answer, Refused, Request, Wire, dumps

_JSON = {"content-type": "application/json"}
_PNG = {"content-type": "image/png"}


class Serving:
    def __init__(self, control: Control) -> None:
        self._control = control

    def serve(self, connection: Connection, request: Request) -> int:
        """Answers one request and returns its status, 0 where nothing was said."""
        if request.path.startswith("/_sandbox/"):
            return self._serve_control(connection, request)
        segment, _, rest = request.path.lstrip("/").partition("/")
        request.provider, request.rest = segment, f"/{rest}"
        record = Record(request.path, request.headers, request.body, segment)
        self._control.opened(record)
        try:
            return self._serve_vendor(connection, request, record)
        except Gone:
            record.aborted = True
            connection.keep = False
            return 0
        finally:
            self._control.closed(record)

    def _serve_control(self, connection: Connection, request: Request) -> int:
        try:
            status, told = 200, self._control.respond(request)
        except Refused as refused:
            status, told = refused.status, {"error": {"message": refused.message}}
        try:
            if isinstance(told, bytes):
                connection.send_whole(status, _PNG, told)
            else:
                connection.send_whole(status, _JSON, dumps(told))
        except Gone:
            connection.keep = False
        return status

    def _serve_vendor(self, connection: Connection, request: Request, record: Record) -> int:
        state = self._control.state(request.provider)
        if state.get("down"):
            connection.keep = False
            connection.close(abruptly=True)
            return 0
        if state.get("latency_ms"):
            connection.pause(state["latency_ms"] / 1000)
        request.standing = standing_orders(state)
        wire, handler, record.model = routes.find(request)
        try:
            answer = routes.answer(wire, handler, request, record.model)
            orders = answer.orders
            if orders.hang:
                connection.pause(orders.hang)
            if orders.status is not None and not orders.html:
                raise Refused(orders.status, retry_after=orders.retry_after)
        except Refused as refused:
            return self._refuse(connection, wire, refused)
        return self._send(connection, wire, answer, record)

    def _refuse(self, connection: Connection, wire: Wire, refused: Refused) -> int:
        headers = {**_JSON, **wire.headers()}
        if refused.retry_after is not None:
            headers["retry-after"] = f"{refused.retry_after:g}"
        connection.send_whole(refused.status, headers, dumps(wire.error(refused)))
        return refused.status

    def _send(self, connection: Connection, wire: Wire, answer: Answer, record: Record) -> int:
        orders = answer.orders
        if orders.html:
            status = orders.status or 200
            connection.send_whole(status, {"content-type": "text/html"}, HTML)
            return status
        self._control.answering(record.provider, answer)
        if answer.frames is not None:
            self._control.streaming()
            self._send_stream(connection, wire, answer)
            return 200
        body = dumps(answer.body)
        body = mangled(body) if answer.mangle else body
        headers = {**_JSON, **wire.headers()}
        if orders.cut is not None:
            connection.send_half(200, headers, body)
            connection.keep = False
        else:
            connection.send_whole(200, headers, body, (orders.drip or 0) / 1000)
        return 200

    def _send_stream(self, connection: Connection, wire: Wire, answer: Answer) -> None:
        assert answer.frames is not None
        headers = {"content-type": answer.content_type, "cache-control": "no-cache", **wire.headers()}
        connection.start_stream(200, headers)
        try:
            for data in played(answer, answer.frames, connection.pause):
                connection.send_chunk(data)
        except Cut:
            connection.keep = False
            return
        try:
            connection.end_stream()
        except Gone:
            connection.keep = False  # it has its whole answer and need not wait for our good-bye
