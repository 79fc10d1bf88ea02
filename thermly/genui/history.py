"""What clients send back as history, as plain text for the model: content elements, and what stands beside them.

Knows: the elements of both formats. Must not know: what a model makes of them. Nothing is checked here: a
component that is not known, or half a payload, still has words.
"""

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import msgspec

from thermly.genui.checks import Fault, Reference
from thermly.genui.framing import unescape
from thermly.genui.library import library
from thermly.genui.openui import Call, Program

_TAG = re.compile(
    r"<(/?)(content|custommarkdown|thinkitem|artifact_diff|artifact|context)((?:\s[^<>]*)?)>", re.IGNORECASE
)
_MARKED = re.compile(r'\bthesys\s*=\s*["\']true', re.IGNORECASE)
# How what was answered in components begins, and beside it what was said before a call.
_SHOWN = ('<content thesys="true"', "<custommarkdown>")
# Thoughts are not for the model that had them, and a difference says nothing without what it changes.
_DROPPED = frozenset(("thinkitem", "artifact_diff"))
_FENCED = re.compile(r"\A\s*```[\w-]*\s*?\n(.*?)(?:```\s*)?\Z", re.S)
_PROGRAM = re.compile(r"^\s*root\s*=", re.M)
# Properties whose text is for the renderer and not for people.
_SILENT = frozenset(("component", "variant", "size", "type", "mode", "icon", "iconName", "iconCategory", "src"))
# The same of components that are not known here, whose arguments have no names.
_STYLES = frozenset(
    (
        *("small", "default", "large", "small-heavy", "large-heavy", "primary", "secondary", "tertiary"),
        *("info", "warning", "error", "success", "neutral", "danger", "clear", "card", "sunk", "sm", "md", "lg"),
    )
)
_KNOWN = library("openui").components
# In half a tree: a key whose value is no string, or a string with or without its key; the last may be unclosed.
_PIECES = re.compile(r'"\w+"\s*:\s*(?=[^"\s])|(?:"(\w+)"\s*:\s*)?"((?:[^"\\]|\\.|\\\Z)*)(?:"|\Z)', re.S)


def spoken(item: dict[str, Any]) -> dict[str, Any]:
    """An item of a conversation; one that shows an interface as its words."""
    if item["type"] != "message" or item["role"] != "assistant":
        return item
    return {**item, "content": [_spoken(part) for part in item["content"]]}


def _spoken(part: dict[str, Any]) -> dict[str, Any]:
    shown = part["type"] == "output_text" and part["text"].startswith(_SHOWN)
    return {**part, "text": unwrap(part["text"])} if shown else part


def unwrap(text: str) -> str:
    """The words of a message. Text that is not wrapped stays as it is, to the letter."""
    found = list(_elements(text))
    if not any(name for name, _, _ in found):
        return text
    # Prompts use such tags of their own: where nothing says C1, the message must be elements and nothing else.
    if not any(name and _MARKED.search(attributes) for name, attributes, _ in found):
        odd = any(not name and inner.strip() for name, _, inner in found)
        own = all(name in ("", "context", "artifact") for name, _, _ in found)
        if odd or own:
            return text
    words = (_words(name, inner) for name, _, inner in found if name not in _DROPPED)
    return "\n\n".join(filter(None, (w.strip() for w in words)))


def _elements(text: str) -> Iterator[tuple[str, str, str]]:
    """(tag, attributes, what is inside) in order; the tag is "" for what is outside.

    A tag without its end counts where only elements come before it: an answer that broke off, and not a sentence
    that mentions one.
    """
    at, quiet = 0, True
    while opening := _next_tag(text, at):
        yield "", "", text[at : opening.start()]
        quiet = quiet and not text[at : opening.start()].strip()
        name = opening[2].lower()
        closing = next((m for m in _TAG.finditer(text, opening.end()) if m[1] and m[2].lower() == name), None)
        if closing is None:
            yield (name, opening[3], text[opening.end() :]) if quiet else ("", "", text[opening.start() :])
            return
        yield name, opening[3], text[opening.end() : closing.start()]
        at = closing.end()
    yield "", "", text[at:]


def _next_tag(text: str, at: int) -> re.Match[str] | None:
    return next((match for match in _TAG.finditer(text, at) if not match[1]), None)


def _words(name: str, inner: str) -> str:
    if name == "":
        return inner
    payload = unescape(inner)
    if name not in ("content", "artifact"):
        return payload
    fenced = _FENCED.match(payload)
    body = fenced[1] if fenced else payload
    if fenced or _PROGRAM.search(body):
        return _of_program(body)
    return _of_tree(body) if body.lstrip().startswith("{") else body


def _of_tree(body: str) -> str:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return "\n".join(_pieces(body))
    return "\n".join(_lines(value))


def _pieces(broken: str) -> Iterator[str]:
    """The strings of what cannot be parsed."""
    for match in _PIECES.finditer(broken):
        if match[2] and match[1] not in _SILENT and not _is_style(match[2]):
            yield match[2].replace('\\"', '"').replace("\\n", "\n")


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, entry in value.items():
            if key not in _SILENT or isinstance(entry, dict | list):
                yield from _lines(entry)
    elif isinstance(value, list):
        if value and all(not isinstance(entry, dict | list) for entry in value):
            yield " | ".join(map(_scalar, value))
        else:
            for entry in value:
                yield from _lines(entry)
    elif value is not None and not isinstance(value, bool):
        yield _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _of_program(body: str) -> str:
    reader = Program()
    items = [*reader.feed(body), *reader.end()]
    told = {item.name: item.value for item in items if not isinstance(item, Fault)}
    used: set[str] = set()
    lines = list(_lines(_plain(told.get("root"), told, used)))
    for name, value in told.items():
        if name not in used and name != "root":
            lines += _lines(_plain(value, told, used))
    for broken in reader.broken:
        lines += _pieces(broken)
    return "\n".join(lines)


def _plain(value: Any, told: dict[str, Any], used: set[str]) -> Any:
    """Lists and texts only; each name once, since a program may say one a million times."""
    if isinstance(value, Reference):
        if value.name in used or value.name not in told:
            return None
        used.add(value.name)
        return _plain(told[value.name], told, used)
    if isinstance(value, Call):
        known = _KNOWN.get(value.name)
        names = list(known.props) if known else []
        args = [_plain(arg, told, used) for arg in value.args if known or not _is_style(arg)]
        return {name or str(i): arg for i, (name, arg) in enumerate(zip_longest(names[: len(args)], args))}
    if isinstance(value, list):
        plain = ((entry, _plain(entry, told, used)) for entry in value)
        return [made for entry, made in plain if made is not None or entry is None]
    if isinstance(value, dict):
        return {key: _plain(entry, told, used) for key, entry in value.items()}
    return value


def _is_style(arg: Any) -> bool:
    return isinstance(arg, str) and arg in _STYLES
