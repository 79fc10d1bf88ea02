"""Requests per minute and key: admit or refuse, and the headers that tell.

Knows: flask-limiter's storage and strategy. Its decorator would cost 100 to 210 µs a request, so the chat
path calls the strategy itself. Windows are fixed and open with a key's first request: the reference speaks
of "the current window" and of the epoch second when it resets.
"""

import logging
import math
import time
from typing import Any

import limits as lib
import redis
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits.storage import MemoryStorage, Storage
from limits.strategies import FixedWindowRateLimiter

from thermly import clock
from thermly.caller import Caller
from thermly.errors import GatewayError, InvalidRequest, NotFound, PermissionDenied, RateLimited
from thermly.settings import Settings
from thermly.store import limits as store
from thermly.store.db import Database

log = logging.getLogger("thermly.limits")
WITHOUT_REDIS_S = 5
REFUSALS = (InvalidRequest, NotFound, PermissionDenied)
BY_THE_VENDOR = ("upstream_rejected", "content_policy_violation", "context_length_exceeded", "no_image")
"""Refusals after the upstream was asked: those were requests."""


class DatabaseStorage(Storage):
    """The `limits` library's counters in our own database: exact across the processes of one box."""

    STORAGE_SCHEME = ["thermly"]  # noqa: RUF012

    def __init__(self, uri: str | None = None, *, database: Database, **options: Any) -> None:
        super().__init__(uri, **options)
        self._database = database

    @property
    def base_exceptions(self) -> type[Exception]:
        return OSError

    def take(self, key: str, expiry_s: int) -> tuple[int, float]:
        """Count one and tell at once: (count, epoch second of the reset). The library's own three calls
        (incr, get, get_expiry) would be three statements."""
        with self._database.each() as tx:
            count, resets_at_ms = store.count(tx, key, expiry_s, 1, clock.now_ms())
        return count, resets_at_ms / 1000

    def give_back(self, key: str) -> None:
        with self._database.each() as tx:
            store.give_back(tx, key, clock.now_ms())

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        with self._database.each() as tx:
            return store.count(tx, key, int(expiry), amount, clock.now_ms())[0]

    def get(self, key: str) -> int:
        with self._database.each() as tx:
            return store.peek(tx, key, clock.now_ms())[0]

    def get_expiry(self, key: str) -> float:
        with self._database.each() as tx:
            return store.peek(tx, key, clock.now_ms())[1] / 1000

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        with self._database.each() as tx:
            return store.clear(tx)

    def clear(self, key: str) -> None:
        with self._database.each() as tx:
            store.clear(tx, key)


class Window(FixedWindowRateLimiter):
    """The fixed window, in one step where the storage can."""

    def take(self, item: lib.RateLimitItem, *identifiers: str) -> tuple[bool, int, float]:
        """(admitted, requests left, epoch second of the reset)"""
        if isinstance(self.storage, DatabaseStorage):
            count, reset_s = self.storage.take(item.key_for(*identifiers), item.get_expiry())
            return count <= item.amount, max(0, item.amount - count), reset_s
        admitted = self.hit(item, *identifiers)
        window = self.get_window_stats(item, *identifiers)
        return admitted, window.remaining, window.reset_time

    def give_back(self, item: lib.RateLimitItem, *identifiers: str) -> None:
        if isinstance(self.storage, DatabaseStorage):
            self.storage.give_back(item.key_for(*identifiers))
        else:
            self.storage.incr(item.key_for(*identifiers), item.get_expiry(), -1)


class Admission:
    """`with` the headers that tell of the limit: an error takes them along, and a request that is refused by its
    body, though only the model it names shows that, uses up no allowance."""

    def __init__(self, limits: "Limits", caller: Caller, kind: str) -> None:
        self._limits, self._caller, self._kind = limits, caller, kind
        self._told = limits.admit(caller, kind)

    def __enter__(self) -> list[tuple[str, str]]:
        return self._told

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, GatewayError):
            error.headers += self._told
            if self._told and isinstance(error, REFUSALS) and error.code not in BY_THE_VENDOR:
                self._limits.give_back(self._caller, self._kind)


class Limits:
    """One limits storage behind flask-limiter for everything."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._in_redis = settings.limits_storage == "redis" and bool(settings.redis_url)
        if self._in_redis:
            uri = settings.redis_url.replace("unix://", "redis+unix://")
            options: dict[str, Any] = {"socket_timeout": 1, "socket_connect_timeout": 1}
        else:
            uri, options = "thermly://", {"database": database}
        self.limiter = Limiter(
            get_remote_address,
            storage_uri=uri,
            storage_options=options,
            strategy="fixed-window",
            headers_enabled=False,
        )
        # Its per-request hooks (60 µs) serve its decorator only, so they go to an application of their own.
        self.limiter.init_app(Flask("limits"))
        self._shared = Window(self.limiter.storage)
        self._memory = Window(MemoryStorage())
        self._without_redis_until = 0.0
        self._items: dict[int, lib.RateLimitItem] = {}

    def admit(self, caller: Caller, kind: str = "chat") -> list[tuple[str, str]]:
        """Count the request; the headers to send. Raises RateLimited."""
        rpm = caller.rpm if kind == "chat" else caller.image_rpm
        if rpm is None:
            return []
        item = self._items.get(rpm)
        if item is None:
            item = self._items[rpm] = lib.RateLimitItemPerMinute(rpm)
        admitted, remaining, reset_s = self._take(item, kind, caller.key_id)
        headers = [
            ("X-RateLimit-Limit-Requests", str(rpm)),
            ("X-RateLimit-Remaining-Requests", str(remaining)),
            ("X-RateLimit-Reset-Requests", str(math.ceil(reset_s))),
        ]
        if not admitted:
            wait_s = max(1, math.ceil(reset_s - time.time()))
            error = RateLimited(
                f"Rate limit exceeded: {rpm} requests per minute for this API key. Try again in {wait_s} s.",
                retry_after_s=wait_s,
            )
            error.headers = headers
            raise error
        return headers

    def admitted(self, caller: Caller, kind: str = "chat") -> Admission:
        """Raises RateLimited."""
        return Admission(self, caller, kind)

    def give_back(self, caller: Caller, kind: str) -> None:
        rpm = caller.rpm if kind == "chat" else caller.image_rpm
        item = self._items.get(rpm or 0)
        if item is None:
            return
        try:
            alone = self._in_redis and time.monotonic() <= self._without_redis_until
            (self._memory if alone else self._shared).give_back(item, kind, caller.key_id)
        except (redis.RedisError, lib.errors.StorageError):
            log.warning("Redis is gone: a refused request stays counted")

    def _take(self, item: lib.RateLimitItem, kind: str, key_id: str) -> tuple[bool, int, float]:
        if not self._in_redis:
            return self._shared.take(item, kind, key_id)
        if time.monotonic() > self._without_redis_until:
            try:
                return self._shared.take(item, kind, key_id)
            except (redis.RedisError, lib.errors.StorageError):
                log.warning("Redis is gone: limits are counted in this process for %s s", WITHOUT_REDIS_S)
                self._without_redis_until = time.monotonic() + WITHOUT_REDIS_S
        return self._memory.take(item, kind, key_id)
