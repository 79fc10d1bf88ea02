"""Loose vendor deltas in, the grammar of events out: one assembler per choice.

Knows: when a part begins and ends. Must not know: any wire format.
Vendors may interleave the fragments of parallel tool calls; the grammar has one open part. So a call that
is not the open one is kept back until the open one is complete, and nothing is lost or reordered.
"""

from collections import deque
from typing import Any
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from thermly.exchange import (
    Begin,
    End,
    Event,
    Extras,
    Part,
    PartBegin,
    PartDelta,
    PartEnd,
    Reason,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
    tell_part,
)

TextLike = type[Text] | type[Reasoning] | type[Refusal]


class _Call:
    """A tool call under way. `followed`: the vendor has begun another one in its place."""

    __slots__ = ("ended", "extras", "followed", "fragments", "id", "name")

    def __init__(self, call_id: str, name: str, extras: Extras) -> None:
        self.id, self.name, self.extras = call_id, name, extras
        self.fragments: list[str] = []
        self.followed = self.ended = False

    @property
    def arguments(self) -> str:
        return "".join(self.fragments)

    def part(self) -> ToolCall:
        return ToolCall(self.id, self.name, self.arguments, self.extras)

    def complete(self) -> bool:
        if self.followed:
            return True
        try:
            msgspec.json.decode(self.arguments)
        except (msgspec.DecodeError, RecursionError):
            return False
        return True


class Assembler:
    """Every method returns the events to pass on, in order."""

    def __init__(self, choice: int = 0) -> None:
        self.choice = choice
        self.begun = False
        self.ended = False
        self._kind: TextLike | None = None
        self._fragments: list[str] = []
        self._extras: dict[str, dict[str, Any]] = {}
        self._calls: dict[Any, _Call] = {}
        self._queue: deque[_Call] = deque()  # the open call, and behind it those kept back
        self._logprobs: list[Any] | None = None
        self._saw_call = False

    def begin(self, usage: Usage | None = None, extras: Extras = None) -> list[Event]:
        self.begun = True
        return [Begin(self.choice, usage, extras)]

    def text(self, text: str, kind: TextLike = Text, logprobs: list[Any] | None = None) -> list[Event]:
        """More text, reasoning or refusal; a change of kind ends the part before it."""
        if logprobs:
            self._logprobs = (self._logprobs or []) + logprobs
        if self._kind is kind:
            self._fragments.append(text)
            return [PartDelta(text, self.choice, logprobs)]
        out = self._close()
        self._kind = kind
        self._fragments.append(text)
        out += [PartBegin(kind(""), self.choice), PartDelta(text, self.choice, logprobs)]
        return out

    def annotate(self, wire: str, **facts: Any) -> None:
        """Attach vendor facts (a signature, say) to the open text-like part."""
        self._extras.setdefault(wire, {}).update(facts)

    def tool(
        self,
        key: Any,
        call_id: str = "",
        name: str = "",
        fragment: str = "",
        extras: Extras = None,
        logprobs: list[Any] | None = None,
    ) -> list[Event]:
        """A fragment of the tool call that the vendor knows as `key`; id and name come with its first one.

        Some servers give all their calls the same key, and some tell a call's id and name with each fragment:
        a new call is one that is named and has another id. Raises ValueError for more of a call that has ended.
        """
        if logprobs:
            self._logprobs = (self._logprobs or []) + logprobs
        out: list[Event] = self._close() if self._kind is not None else []
        call = self._calls.get(key)
        if call is None or (name and (call_id != call.id if call_id else call.ended)):
            if call is not None:
                call.followed = True
            if not name:
                return out + _nothing(fragment)
            call = self._calls[key] = _Call(call_id or new_call_id(), name, extras)
            self._saw_call = True
            out += self._queue_up(call)
        if call.ended:
            return out + _nothing(fragment)
        if fragment:
            call.fragments.append(fragment)
            if call is self._queue[0]:
                out.append(PartDelta(fragment, self.choice, logprobs or None))
        return out

    def _queue_up(self, call: _Call) -> list[Event]:
        """A new call; the open one ends here where it is complete, and the next in the queue is open."""
        self._queue.append(call)
        if len(self._queue) == 1:
            return self._open_call()
        out: list[Event] = []
        while len(self._queue) > 1 and self._queue[0].complete():
            out += [self._end_call(), *self._open_call()]
        return out

    def whole(self, part: Part) -> list[Event]:
        """A part that arrives finished."""
        self._saw_call = self._saw_call or isinstance(part, ToolCall)
        return [*self._close(), *tell_part(part, self.choice)]

    def close_part(self) -> list[Event]:
        """The vendor says that the open part is complete."""
        return self._close()

    def end(self, reason: Reason, logprobs: list[Any] | None = None, extras: Extras = None) -> list[Event]:
        """A reply that called tools ends as `tool_calls`, whatever word its vendor uses for stopping."""
        out = [] if self.begun else self.begin()
        out += self._close()
        self.ended = True
        if self._saw_call and reason == "stop":
            reason = "tool_calls"
        out.append(End(reason, self.choice, logprobs or self._logprobs, extras))
        return out

    def _close(self) -> list[Event]:
        """End the open part, and tell whole what was kept back behind it."""
        out: list[Event] = []
        if self._kind is not None:
            part = self._kind("".join(self._fragments), self._extras or None)
            out.append(PartEnd(part, self.choice))
            self._kind, self._fragments, self._extras = None, [], {}
        if self._queue:
            out.append(self._end_call())
            while self._queue:
                out += [*self._open_call(), self._end_call()]
        return out

    def _open_call(self) -> list[Event]:
        """Open the first call of the queue, with what is there of it."""
        call = self._queue[0]
        out: list[Event] = [PartBegin(replace(call.part(), arguments=""), self.choice)]
        if call.fragments:
            out.append(PartDelta(call.arguments, self.choice))
        return out

    def _end_call(self) -> Event:
        call = self._queue.popleft()
        call.ended = True
        return PartEnd(call.part(), self.choice)


def _nothing(fragment: str) -> list[Event]:
    """Some servers send a call's last line end apart."""
    if fragment.strip():
        raise ValueError("a fragment of a tool call that has ended, or has no name")
    return []


def new_call_id() -> str:
    """For calls of servers that give none: a client needs it to send the result back."""
    return f"call_{uuid4().hex[:24]}"
