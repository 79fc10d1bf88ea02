"""The kept answer of one request: found, waited for while another request fetches it, kept, or given up.

Knows: the request's print, claims, who is at it. Must not know: money, targets, what an answer has cost.
"""

import functools
import logging
import sqlite3
import time
from collections.abc import Callable, Generator

import msgspec
from msgspec import Struct

from thermly import clock, fingerprint
from thermly.caller import Caller
from thermly.exchange import ChatRequest, Event, KeepAlive, Reply
from thermly.store import cache
from thermly.store.db import Database, Tx

log = logging.getLogger("thermly.recall")

KEPT_REPLY_BYTES = 1 << 20
SINGLE_FLIGHT_WAIT_S = 30
CLAIM_S = 120
OPEN_MS = 1_000

_read = msgspec.msgpack.Decoder(Reply).decode


class Kept(Struct, frozen=True):
    reply: Reply
    model: str
    complexity_level: int


def print_of(request: ChatRequest, caller: Caller, scope: str) -> fingerprint.Print | None:
    """None where the request must not be answered from the cache. `scope` is the setting."""
    if scope == "off":
        return None
    who = caller.account_id if scope == "account" else fingerprint.EVERYONE
    if caller.models is not None:  # what one key may see must not come from models another may not use
        who = ",".join((who, *sorted(caller.models)))
    return fingerprint.of(request, who)


class Recall:
    """`owner` names the process; `number` is that of the request, which tells its claim from all others."""

    def __init__(
        self, database: Database, owner: str, number: str, print_: fingerprint.Print | None, fresh: bool
    ) -> None:
        self._database, self._owner, self._claim = database, owner, f"{owner}/{number}"
        self._print, self._fresh = print_, fresh
        self._claimed = False
        self._began_at = time.monotonic()

    @property
    def keeps(self) -> bool:
        """Whether the answer is for the cache at all."""
        return self._print is not None

    def find(self, keepalive_s: float) -> Generator[Event, None, Kept | None]:
        """The kept answer of an identical request; waits for one that is being fetched just now."""
        if self._print is None or self._fresh:
            return None
        alive_at, pause_s = self._began_at, 0.01
        while True:
            kept = self._look(self._print.key)
            if kept is None:
                if self._take(self._print.key):
                    return None
                continue
            if kept.body is not None:
                return Kept(_read(kept.body), kept.model, kept.complexity_level)
            if not kept.owner:
                return None
            if (now := time.monotonic()) - self._began_at > SINGLE_FLIGHT_WAIT_S:
                return None
            if now - alive_at > keepalive_s:
                alive_at = now
                yield KeepAlive()
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.1)

    def _look(self, key: str) -> cache.Kept | None:
        with self._database.each() as tx:
            return cache.find(tx, key, clock.now_ms())

    def _take(self, key: str) -> bool:
        now_ms = clock.now_ms()
        with self._database.each() as tx:
            self._claimed = cache.claim(tx, key, self._claim, now_ms, now_ms + CLAIM_S * 1000)
        return self._claimed

    def keep(self, reply: Reply, model: str, complexity_level: int) -> bool:
        """For the next identical request; False for what broke off or is too large, which is not kept."""
        if self._print is None:
            return False
        whole = all(c.reason in ("stop", "tool_calls", "length") for c in reply.choices)
        try:
            body = msgspec.msgpack.encode(reply)
        except (OverflowError, RecursionError):  # a vendor's unknown field that no cache can hold
            whole, body = False, b""
        if not whole or len(body) > KEPT_REPLY_BYTES:
            self.leave_open()
            return False
        now_ms = clock.now_ms()
        until_ms = now_ms + self._print.lifetime_s * 1000
        try:
            with self._database.each() as tx:
                cache.keep(tx, self._print.key, self._owner, model, complexity_level, body, now_ms, until_ms)
        except sqlite3.Error:
            log.exception("an answer could not be kept")
            return False
        return True

    def abandon(self) -> None:
        """There is no answer: one of those who wait fetches it."""
        self._give_up(cache.abandon)

    def leave_open(self) -> None:
        """What came is for nobody else, and what comes next would hardly be: all who wait fetch at once, not one
        after the other."""
        self._give_up(functools.partial(cache.leave_open, until_ms=clock.now_ms() + OPEN_MS))

    def _give_up(self, how: Callable[[Tx, str, str], None]) -> None:
        if self._print is None or not self._claimed:
            return
        try:
            with self._database.each() as tx:
                how(tx, self._print.key, self._claim)
        except sqlite3.Error:
            log.exception("a claim could not be given up")
