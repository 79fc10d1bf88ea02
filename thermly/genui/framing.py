"""A model's events, out again with their text as one content element of C1's wire.

Knows: the element, its escaping, when a frame opens and closes. Must not know: who asked, what the model costs.
The payload is passed on in pieces that are sound by themselves (a statement, a child of the card), as each is
complete: nothing broken is ever sent, and what was broken can be asked for once more within the same frame.
"""

import html
from typing import Protocol

from thermly.exchange import (
    End,
    Event,
    PartBegin,
    PartDelta,
    PartEnd,
    Reason,
    Reasoning,
    Text,
    ToolCall,
)
from thermly.genui.checks import Element, Fault
from thermly.genui.components import TreeReader, tree
from thermly.genui.ids import Format
from thermly.genui.library import ROOT, Library
from thermly.genui.programs import ProgramReader, program

FENCE = "```"
OPEN: dict[Format, str] = {"json": '<content thesys="true">', "openui": '<content thesys="true" version="2">'}
CLOSE = "</content>"
_LEAD: dict[Format, str] = {"json": "", "openui": f"\n{FENCE}openui-lang\n"}
_TRAIL: dict[Format, str] = {"json": "", "openui": f"{FENCE}\n"}
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
BROKEN = "A part of this answer could not be shown."
CUT = "The answer was cut off at its length limit."
FAILED = "This answer could not be shown."


class Reader(Protocol):
    """What checks the model's text: ProgramReader and TreeReader."""

    head: str
    faults: list[Fault]

    @property
    def has_markup(self) -> bool: ...
    @property
    def prose(self) -> str: ...
    @property
    def told(self) -> str: ...
    def take(self, text: str) -> str: ...
    def end(self) -> str: ...
    def again(self) -> None: ...
    def close(self, notice: Element | None) -> str: ...


class Framer:
    """The events of one choice. `review` before its `End` is passed on; `again` before those of the repair.
    `at_once`: nobody looks before the end, and what is replaced in between need not be told."""

    def __init__(self, library: Library, at_once: bool = False) -> None:
        self._library, self._at_once = library, at_once
        self._reader: Reader = _reader(library, at_once)
        self._text: list[str] = []  # what the model wrote, for the repair
        self._out: list[str] = []  # of the open part
        self._in_text = self._open = self._framed = self._reviewed = False
        self._held: list[Event] = []  # thoughts that came while a frame was open: they would split it
        self._holds = False

    @property
    def written(self) -> str:
        """The model's own text, since the frame began."""
        return "".join(self._text)

    @property
    def told(self) -> str:
        return self._reader.told

    def see(self, event: Event) -> list[Event]:
        if isinstance(event, PartBegin) and isinstance(event.part, Text):
            self._in_text, self._reviewed = True, False
            return []
        if self._in_text and isinstance(event, PartDelta):
            self._text.append(event.text)
            return self._tell(self._reader.take(event.text))
        if self._in_text and isinstance(event, PartEnd):
            self._in_text = False
            return []
        if self._holds and isinstance(event, PartDelta | PartEnd):
            self._holds = isinstance(event, PartDelta)
            self._held.append(event)
            return []
        if self._open and isinstance(event, PartBegin) and isinstance(event.part, Reasoning):
            self._holds = True
            self._held.append(event)
            return []
        if isinstance(event, PartBegin):
            before = self._finish("tool_calls") if isinstance(event.part, ToolCall) else []
            return [*before, *self._end_part(), event]
        return [*self._finish(event.reason), event] if isinstance(event, End) else [event]

    def review(self) -> tuple[list[Event], tuple[Fault, ...]]:
        """The text is complete: what is still to be passed on of it, and what is wrong with it."""
        if self._reviewed:
            return [], tuple(self._reader.faults)
        self._reviewed = True
        return self._tell(self._reader.end()), tuple(self._reader.faults)

    def again(self) -> None:
        self._text.clear()
        self._reader.again()
        self._reviewed = False

    def _finish(self, reason: Reason) -> list[Event]:
        """Closes the frame. A reply without markup is a card of its words; one that only introduces a call is
        no answer yet, and is told beside the frame."""
        out, faults = self.review()
        prose = self._reader.prose.strip()
        if self._reader.has_markup:
            cut = reason == "length"
            notice = _notice(self._library, CUT if cut else BROKEN) if faults or cut else None
            out += self._tell(self._reader.close(notice), closing=True)
        elif prose and reason == "tool_calls":
            out += self._raw(f"<custommarkdown>{escape(prose)}</custommarkdown>")
        elif prose:
            out += self._raw(card(self._library, paragraph(self._library, prose)))
        out += self._end_part()
        self._reader = _reader(self._library, self._at_once)
        self._framed = self._reviewed = False
        self._text.clear()
        return out

    def _tell(self, payload: str, closing: bool = False) -> list[Event]:
        if not payload and not (closing and (self._framed or self._reader.has_markup)):
            return []
        form = self._library.format
        text = escape(payload)
        if not self._framed:
            self._framed = True
            text = OPEN[form] + _LEAD[form] + escape(self._reader.head) + text
        return self._raw(text + _TRAIL[form] + CLOSE if closing else text)

    def _raw(self, text: str) -> list[Event]:
        begin: list[Event] = [] if self._open else [PartBegin(Text(""))]
        self._open = True
        self._out.append(text)
        return [*begin, PartDelta(text)]

    def _end_part(self) -> list[Event]:
        if not self._open:
            return []
        part = Text("".join(self._out))
        held, self._held = self._held, []
        self._open = False
        self._out.clear()
        return [PartEnd(part), *held]


def _reader(library: Library, at_once: bool) -> Reader:
    return ProgramReader(library, at_once) if library.is_openui else TreeReader(library)


def escape(text: str) -> str:
    return text.translate(_ENTITIES)


def unescape(text: str) -> str:
    """Undoes `escape`, and what other writers escape besides."""
    return html.unescape(text) if "&" in text else text


def card(library: Library, *children: Element) -> str:
    """A whole card in its content element."""
    element = Element(ROOT, {"children": list(children)})
    form = library.format
    payload = program(element, library) if library.is_openui else tree(element)
    return OPEN[form] + _LEAD[form] + escape(payload) + _TRAIL[form] + CLOSE


def paragraph(library: Library, text: str) -> Element:
    return Element("TextContent", {"text" if library.is_openui else "textMarkdown": text})


def _notice(library: Library, message: str) -> Element:
    props = {"variant": "error", "title": "Something went wrong", "description": message}
    return Element("Callout" if library.is_openui else "CalloutV2", props)
