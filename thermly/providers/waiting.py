"""Waiting for sockets: `select.poll`, or on Windows what stands in for it.

Knows: file descriptors. Must not know: HTTP, curl.
"""

import select
import time
from typing import Any

READABLE, WRITABLE = getattr(select, "POLLIN", 1), getattr(select, "POLLOUT", 4)


class SelectPoll:
    """`select.poll` for Windows, which has none."""

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}

    def register(self, fd: int, mask: int) -> None:
        self._masks[fd] = mask

    def unregister(self, fd: int) -> None:
        del self._masks[fd]

    def poll(self, timeout_ms: float) -> list[tuple[int, int]]:
        reads = [fd for fd, mask in self._masks.items() if mask & READABLE]
        writes = [fd for fd, mask in self._masks.items() if mask & WRITABLE]
        if not reads and not writes:
            time.sleep(timeout_ms / 1000)
            return []
        ready_r, ready_w, _ = select.select(reads, writes, [], timeout_ms / 1000)
        return [(fd, READABLE) for fd in ready_r] + [(fd, WRITABLE) for fd in ready_w]


def poller() -> Any:
    return select.poll() if hasattr(select, "poll") else SelectPoll()
