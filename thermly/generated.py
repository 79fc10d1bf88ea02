"""The story of a generated interface: ask for components, pass on what is sound, ask once more for what is not.

Knows: the order of the steps. Must not know: Flask, vendor JSON, what a component looks like. Each upstream call
is an answer of its own, with its own hold and its own row in the books.
"""

import logging
import time
from collections.abc import Generator, Iterable, Iterator

from msgspec.structs import replace

from thermly.caller import Caller
from thermly.errors import GatewayError
from thermly.exchange import (
    ChatRequest,
    Done,
    End,
    Event,
    KeepAlive,
    PartBegin,
    Reply,
    Text,
    Usage,
    gather,
)
from thermly.gateway import Answer, Gateway
from thermly.genui.framing import Framer
from thermly.genui.library import Library
from thermly.genui.prompting import prepare, repair

log = logging.getLogger("thermly.generated")

# Only a write tells that a client has left, and what the model writes until then is paid for.
SIGN_OF_LIFE_S = 0.25

LEAST_REPAIR_TOKENS = 64
"""What one component with a sentence takes. Where the caller's bound leaves less, a repair would be cut off too."""


class Generated:
    """An answer as `Answer` is, whose text is one framed program or tree. Iterate it; close it in every case."""

    smart = False
    cached = False
    escalation = None

    def __init__(
        self, gateway: Gateway, request: ChatRequest, library: Library, caller: Caller, surface: str
    ) -> None:
        """Raises GatewayError when there will be no answer."""
        self._gateway, self._library, self._caller, self._surface = gateway, library, caller, surface
        self._prepared = prepare(request, library)
        self._answer = self._current = gateway.answer(self._prepared, caller, surface)
        self.id, self.started_ms = self._answer.id, self._answer.started_ms
        self._events = _paced(self._tell())

    @property
    def actual_model(self) -> str:
        return self._answer.actual_model

    @property
    def complexity_level(self) -> int:
        return self._answer.complexity_level

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def close(self) -> None:
        self._events.close()  # type: ignore[attr-defined]
        self._current.close()
        self._answer.close()

    def reply(self) -> Reply:
        """The whole reply. Raises GatewayError when it breaks off."""
        try:
            return gather(self)
        finally:
            self.close()

    def _tell(self) -> Iterator[Event]:
        framer = Framer(self._library, at_once=not self._prepared.stream)
        end, done = yield from _shown(self._answer, framer)
        out, faults = framer.review()
        yield from out
        left = self._left(done)
        if faults and end.reason == "stop" and (left is None or left >= LEAST_REPAIR_TOKENS):
            end, done = yield from self._mended(framer, end, done, left)
        yield from framer.see(end)
        yield done

    def _left(self, done: Done) -> int | None:
        """What of the caller's own bound the answer has not used up; None where there is no such bound."""
        bound = self._prepared.max_output_tokens
        return None if bound is None else bound - (done.usage or Usage()).output_tokens

    def _mended(
        self, framer: Framer, end: End, done: Done, left: int | None
    ) -> Generator[Event, None, tuple[End, Done]]:
        """Ask once for what is missing, within the frame that is open. The end of both calls."""
        again = repair(self._prepared, self._library, framer.written, framer.told, framer.review()[1])
        again = replace(again, max_output_tokens=left)
        framer.again()
        try:
            self._current = self._gateway.answer(again, self._caller, self._surface)
            last, more = yield from _shown(_texts(self._current), framer)
        except GatewayError as error:  # what there is can be shown, and says what it lacks
            log.warning("req_%s could not be mended: %s %s", self.id, error.kind, error.detail)
            return end, done
        # It calls no tool; whatever else ended it has ended the answer.
        reason = end.reason if last.reason == "tool_calls" else last.reason
        return replace(end, reason=reason), Done(_sum(done.usage, more.usage), done.extras)


def _paced(events: Iterator[Event]) -> Iterator[Event]:
    """Signs of life where something waits to be sent, and now and then where nothing does: most of what a model
    writes cannot be shown yet, and each word of it would be one."""
    waiting, told_s = False, time.monotonic()
    for event in events:
        if not isinstance(event, KeepAlive):
            waiting = True
        elif waiting or time.monotonic() - told_s >= SIGN_OF_LIFE_S:
            waiting, told_s = False, time.monotonic()
        else:
            continue
        yield event


def _texts(answer: Answer) -> Iterator[Event]:
    """What a repair adds to the frame that is open; its thoughts are about what nobody has seen."""
    shown = False
    for event in answer:
        if isinstance(event, PartBegin):
            shown = isinstance(event.part, Text)
        if shown or isinstance(event, End | Done | KeepAlive):
            yield event


def _shown(answer: Iterable[Event], framer: Framer) -> Generator[Event, None, tuple[End, Done]]:
    """What is to be seen of an upstream's events; then its last two."""
    end: End | None = None
    for event in answer:
        if isinstance(event, Done):
            assert end is not None
            return end, event
        if isinstance(event, End):
            end = event
        else:
            yield from framer.see(event)
    raise AssertionError("an answer ends with Done, or raises")


def _sum(first: Usage | None, second: Usage | None) -> Usage | None:
    if first is None or second is None:
        return first or second
    return first + second
