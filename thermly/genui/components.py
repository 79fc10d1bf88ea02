"""Answers as a tree of components in JSON, checked child by child as they come: only what is sound is passed on.

Knows: a library, and how models wrap what they were asked for. Must not know: frames, events.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from thermly.genui.checks import DEEPEST, Element, Fault
from thermly.genui.library import ROOT, Library

_CHILDREN = re.compile(
    r'\{\s*"component"\s*:\s*"' + ROOT + r'"\s*,\s*"props"\s*:\s*\{\s*"children"\s*:\s*\[',
)
# What ends or nests a value, and what ends a string.
_MARK = re.compile(r'["\[\]{},]')
_IN_STRING = re.compile(r'\\.|"', re.S)
_LOOKS_LIKE_IT = re.compile(r'"(?:component|props|children)"\s*:')


class TreeReader:
    """Text in, the root's children that are sound out, as JSON. `faults` are those of the last attempt."""

    head = f'{{"component":{{"component":"{ROOT}","props":{{"children":['

    def __init__(self, library: Library) -> None:
        self.faults: list[Fault] = []
        self.count = 0
        self._library, self._checker = library, library.checker()
        self._items = frozenset(c.name for c in library.components.values() if c.place == "item")
        self._owes = False
        self._begin()

    def _begin(self) -> None:
        self._text = ""
        self._at = self._start = self._depth = self._number = 0
        self._in_children = self._in_string = self._over = False

    @property
    def has_markup(self) -> bool:
        return bool(self._in_children or self.count or self.faults)

    @property
    def prose(self) -> str:
        return self._text.strip()

    @property
    def told(self) -> str:
        """What has been passed on, in words for the model that is to add to it."""
        return f"{self.count} of its children were right and are kept: leave them out." if self.count else ""

    def take(self, text: str) -> str:
        self._text += text
        if not self._in_children and (match := _CHILDREN.search(self._text)):
            self._in_children, self._at, self._start = True, match.end(), match.end()
        return "".join(self._scan()) if self._in_children and not self._over else ""

    def end(self) -> str:
        """The text is complete; what is wrong with the whole is among the faults from here on."""
        if self._in_children:
            if not self._over:
                self._over = True
                self.faults.append(Fault(f"child {self._number + 1}", "the answer ends inside of it"))
            return self._added("")
        if not self._text.lstrip().startswith(("{", "```")) and not _LOOKS_LIKE_IT.search(self._text):
            return self._added("") if self.count or not self.prose else ""
        found = _whole(self._text)
        if found is None:
            self.faults.append(Fault("the answer", "is not valid JSON"))
            return ""
        children = _children(found)
        if children is None:
            self.faults.append(Fault("the answer", f"is not a {ROOT} with children"))
            return ""
        self._in_children = self._over = True
        return self._added("".join(self._accept(child) for child in children))

    def _added(self, out: str) -> str:
        if self._owes and not self._number:
            self.faults.append(Fault("the answer", "has nothing of what is missing"))
        return out

    def again(self) -> None:
        """Another text adds to what has been passed on, and has to where that had faults."""
        self._owes = bool(self.faults)
        self.faults, self._checker = [], self._library.checker()
        self._begin()

    def close(self, notice: Element | None) -> str:
        added = self._write(notice) if notice is not None else ""
        return added + ']}},"error":null}'

    def _scan(self) -> Iterator[str]:
        """The children that are complete. Nothing is looked at twice: a long string comes in many pieces."""
        while not self._over:
            match = (_IN_STRING if self._in_string else _MARK).search(self._text, self._at)
            if match is None:
                half_escape = self._in_string and self._text.endswith("\\", self._at)
                self._at = len(self._text) - half_escape
                return
            self._at = match.end()
            if match[0] == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                yield from self._mark(match[0], match.start())

    def _mark(self, mark: str, at: int) -> Iterator[str]:
        if mark in "[{":
            self._depth += 1
        elif self._depth:
            self._depth -= mark in "]}"
        else:
            yield self._child(self._text[self._start : at])
            self._start, self._over = self._at, mark != ","
            if mark == "}":
                self.faults.append(Fault(f"child {self._number}", "there is a } too many"))

    def _child(self, text: str) -> str:
        if not text.strip():
            return ""
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            self._number += 1
            self.faults.append(Fault(f"child {self._number}", f"is not valid JSON: {error}"))
            return ""
        return self._accept(value)

    def _accept(self, value: Any) -> str:
        self._number += 1
        where = f"child {self._number}"
        try:
            child = element(value, self._items)
        except ValueError as error:
            self.faults.append(Fault(where, str(error)))
            return ""
        if not isinstance(child, Element):
            self.faults.append(Fault(where, 'must be {"component": …, "props": {…}}'))
            return ""
        faults = list(self._checker.element(Element(ROOT, {"children": [child]}), where))
        self.faults += faults
        return "" if faults else self._write(child)

    def _write(self, child: Element) -> str:
        comma = "," if self.count else ""
        self.count += 1
        return comma + msgspec.json.encode(plain(child)).decode()


def element(value: Any, items: frozenset[str], depth: int = 0) -> Any:
    """A decoded value with its components as elements; items are plain objects, however they are told.
    Raises ValueError."""
    if depth > 2 * DEEPEST:
        raise ValueError("is nested too deeply")
    if isinstance(value, list):
        return [element(entry, items, depth + 1) for entry in value]
    if not isinstance(value, dict):
        return value
    props = {key: element(entry, items, depth + 1) for key, entry in value.items()}
    name, inner = value.get("component"), props.get("props", {})
    if not isinstance(name, str):
        return props
    if not value.keys() <= {"component", "props"} or not isinstance(inner, dict):
        raise ValueError('a component is {"component": …, "props": {…}} and nothing else')
    return inner if name in items else Element(name, inner)


def plain(value: Any) -> Any:
    """An element, and what is in it, as the tree writes it."""
    if isinstance(value, Element):
        return {"component": value.name, "props": plain(value.props)}
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, list) else value


def tree(card: Element) -> str:
    """A whole card as the payload of a content element."""
    return msgspec.json.encode({"component": plain(card), "error": None}).decode()


def _whole(text: str) -> Any:
    """The first JSON object in the text, whatever is around it; None where there is none."""
    start = text.find("{")
    end = text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        return msgspec.json.decode(text[start : end + 1])
    except (msgspec.DecodeError, RecursionError):
        return None


def _children(found: Any) -> list[Any] | None:
    """Of a card, of one in the outer object of the format, or the one component that was told instead of a card."""
    inner = found.get("component")
    card = inner if isinstance(inner, dict) else found
    name, props = card.get("component"), card.get("props")
    if not isinstance(name, str) or not isinstance(props, dict):
        return None
    if name != ROOT:
        return [card]
    children = props.get("children")
    return children if isinstance(children, list) else None
