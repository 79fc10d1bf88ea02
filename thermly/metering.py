"""Watching the events of an exchange go by: what was produced, what it used, the reply they add up to.

Knows: events. Must not know: prices, accounts.
"""

import time

from thermly.exchange import Begin, Done, End, Event, KeepAlive, PartBegin, PartDelta, PartEnd, Reply, Usage, gather


class Meter:
    """`early` is what the upstream told of its usage at the start, `usage` what it told at the end."""

    def __init__(self) -> None:
        self.produced_bytes = 0
        self.began = False
        self.early: Usage | None = None
        self.usage: Usage | None = None
        self._told: list[Event] = []
        self._first_at = 0.0

    def see(self, event: Event) -> None:
        kind = type(event)
        if kind is PartDelta:
            self.produced_bytes += len(event.text.encode())  # type: ignore[union-attr]
        elif kind is PartEnd or kind is End:
            self._told.append(event)
        elif kind is Begin:
            if not self.began:
                self.began, self._first_at = True, time.monotonic()
                self.early = event.usage  # type: ignore[union-attr]
            self._told.append(event)
        elif kind is Done:
            self.usage = event.usage  # type: ignore[union-attr]
            self._told.append(event)
        else:
            assert kind is PartBegin or kind is KeepAlive

    def reply(self) -> Reply:
        return gather(self._told)

    def first_ms(self, clock: float) -> int | None:
        return int((self._first_at - clock) * 1000) if self.began else None
