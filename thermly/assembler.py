"""Loose vendor deltas in, the grammar of events out: one assembler per choice.

Knows: when a part begins and ends. Must not know: any wire format.
Vendors may interleave the fragments of parallel tool calls; the grammar has one open part. So a call that
is not the open one is kept back until the open one is complete, and nothing is lost or reordered.
"""

from typing import Any

import msgspec

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
    """A tool call under way."""

    __slots__ = ("extras", "fragments", "id", "name")

    def __init__(self, call_id: str, name: str, extras: Extras) -> None:
        self.id, self.name, self.extras = call_id, name, extras
        self.fragments: list[str] = []

    def part(self) -> ToolCall:
        return ToolCall(self.id, self.name, "".join(self.fragments), self.extras)


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
        self._open: Any = None
        self._logprobs: list[Any] | None = None
        self._saw_call = False

    def begin(self, usage: Usage | None = None, extras: Extras = None) -> list[Event]:
        self.begun = True
        return [Begin(self.choice, usage, extras)]

    def text(self, text: str, kind: TextLike = Text, logprobs: list[Any] | None = None) -> list[Event]:
        """More text, reasoning or refusal; a change of kind ends the part before it."""
        if logprobs is not None:
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
        self, key: Any, call_id: str = "", name: str = "", fragment: str = "", extras: Extras = None
    ) -> list[Event]:
        """A fragment of the tool call that the vendor knows as `key`; id and name come with its first one."""
        out: list[Event] = []
        if self._kind is not None:
            out = self._close()
        call = self._calls.get(key)
        if call is None:
            if not call_id and not name:
                return out  # a stray fragment of a call that was complete already
            if self._open is not None and _complete(self._calls[self._open]):
                out += self._close()
            call = self._calls[key] = _Call(call_id, name, extras)
            self._saw_call = True
            if self._open is None:
                self._open = key
                out.append(PartBegin(ToolCall(call_id, name, "", extras), self.choice))
        if fragment:
            call.fragments.append(fragment)
            if key == self._open:
                out.append(PartDelta(fragment, self.choice))
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
        if self._open is not None:
            out.append(PartEnd(self._calls.pop(self._open).part(), self.choice))
            self._open = None
            for key in list(self._calls):
                out += tell_part(self._calls.pop(key).part(), self.choice)
        return out


def _complete(call: _Call) -> bool:
    try:
        msgspec.json.decode("".join(call.fragments))
    except msgspec.DecodeError:
        return False
    return True
