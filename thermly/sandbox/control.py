"""What a test may set and see from outside: provider states, the last requests, the last images, a few counters.

Knows HTTP as values. Safe to use from every connection's thread. Remembers at most 200 requests and 64 images.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from thermly.sandbox.directives import Orders, read_orders
from thermly.sandbox.values import JSON
from thermly.sandbox.wire import Answer, Refused, Request

_REMEMBERED = 200
_IMAGES_KEPT = 64
_STATE_FIELDS: dict[str, type | tuple[type, ...]] = {
    "down": bool,
    "status": int,
    "latency_ms": (int, float),
    "directive": str,
}


@dataclass(slots=True)
class Record:
    path: str
    headers: dict[str, str]
    body: bytes
    provider: str
    model: str = ""
    aborted: bool = False

    def told(self) -> JSON:
        try:
            body = json.loads(self.body) if self.body else None
        except ValueError:
            body = None
        return {
            "path": self.path,
            "headers": self.headers,
            "body": body,
            "provider": self.provider,
            "model": self.model or (body.get("model") if isinstance(body, dict) else None),
            "aborted": self.aborted,
        }


class Control:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, JSON] = {}
        self._records: deque[Record] = deque(maxlen=_REMEMBERED)
        self._counts = {"requests": 0, "streams": 0, "active": 0, "aborted": 0}
        self._drawn: Counter[str] = Counter()
        self._images: dict[str, bytes] = {}

    def state(self, provider: str) -> JSON:
        return self._states.get(provider, {})

    def opened(self, record: Record) -> None:
        with self._lock:
            self._records.append(record)
            self._counts["requests"] += 1
            self._counts["active"] += 1

    def streaming(self) -> None:
        with self._lock:
            self._counts["streams"] += 1

    def answering(self, provider: str, answer: Answer) -> None:
        if not answer.images_drawn:
            return
        with self._lock:
            self._drawn[provider] += answer.images_drawn
            self._images |= answer.images_served
            for name in [*self._images][:-_IMAGES_KEPT]:
                del self._images[name]

    def closed(self, record: Record) -> None:
        with self._lock:
            self._counts["active"] -= 1
            self._counts["aborted"] += record.aborted

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    def respond(self, request: Request) -> Any:
        """The body that answers a call below /_sandbox/: bytes are a PNG image, all else is JSON."""
        what = request.path.removeprefix("/_sandbox/")
        if what == "state":
            return self._state(request)
        if what == "requests" and request.method in ("GET", "DELETE"):
            return self._requests(request)
        if what == "stats" and request.method == "GET":
            return self._stats()
        if what.startswith("images/") and request.method == "GET":
            return self._image(what.removeprefix("images/"))
        raise Refused(404, f"The sandbox has no {request.method} {request.path}")

    def _stats(self) -> JSON:
        with self._lock:
            return {**self._counts, "images": dict(self._drawn)}

    def _image(self, name: str) -> bytes:
        with self._lock:
            image = self._images.get(name)
        if image is None:
            raise Refused(404, f"The sandbox has no image '{name}', or no longer.")
        return image

    def _state(self, request: Request) -> JSON:
        if request.method == "POST":
            given = request.json()
            for provider, fields in given.items():
                _check_state(provider, fields)
            with self._lock:
                for provider, fields in given.items():
                    self._states[provider] = {**self._states.get(provider, {}), **fields}
        elif request.method == "DELETE":
            with self._lock:
                self._states.clear()
        elif request.method != "GET":
            raise Refused(404, f"The sandbox has no {request.method} {request.path}")
        return dict(self._states)

    def _requests(self, request: Request) -> list[JSON]:
        with self._lock:
            records = list(self._records)
            if request.method == "DELETE":
                self._records.clear()
                records = []
        return [record.told() for record in records]


def standing_orders(state: JSON) -> Orders:
    """The orders that a provider's state gives to every request that brings none of its own."""
    status = f"status={state['status']} " if state.get("status") else ""
    return read_orders(f"[[sandbox:{status}{state.get('directive') or ''}]]")[0]


def _check_state(provider: str, fields: Any) -> None:
    if not isinstance(fields, dict):
        raise Refused(400, f"The state of '{provider}' must be an object.")
    for name, value in fields.items():
        if name not in _STATE_FIELDS:
            raise Refused(400, f"A state has no '{name}'; it has {', '.join(_STATE_FIELDS)}.")
        if value is not None and not isinstance(value, _STATE_FIELDS[name]):
            raise Refused(400, f"'{name}' has a value of the wrong type.")
    try:
        standing_orders(fields)
    except ValueError as error:
        raise Refused(400, str(error)) from None
