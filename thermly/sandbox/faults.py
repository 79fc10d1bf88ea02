"""How orders bend an answer on its way out: what is sent, what is broken off, and when.

Knows frames and bytes. Knows no vendor and no socket: pausing and sending are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from thermly.sandbox.wire import Answer, Frame

HTML = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n"
)


class Cut(Exception):
    """Hang up on the client now."""


def played(answer: Answer, frames: Iterator[Frame], pause: Callable[[float], None]) -> Iterator[bytes]:
    """The bytes of a stream, paced and broken as ordered. Counts content frames only."""
    orders, sent, mangle = answer.orders, 0, answer.mangle
    for frame in frames:
        if frame.content or sent:
            if orders.cut is not None and sent >= orders.cut:
                raise Cut
            if orders.inband is not None and sent >= orders.inband:
                yield answer.inband
                return
        if frame.content:
            if sent and orders.interval_ms:
                pause(orders.interval_ms / 1000)
            sent += 1
        if mangle and frame.content:
            mangle = False
            yield mangled(frame.data)
        else:
            yield frame.data


def mangled(data: bytes) -> bytes:
    """The same message with its JSON no longer whole."""
    bare = data.rstrip()
    return bare[:-2] + data[len(bare) :]
