"""What a text offers to fill a form with: names, numbers, quotations, dates and addresses.

Pure. Knows nothing of schemas beyond a property's name and its `format`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_WORD = r"(?<!\w)[A-ZÀ-ÖØ-Þ](?:[^\W_]|['’-])*(?!\w)"
_NAME = rf"{_WORD}(?: {_WORD})*"
_LIST = re.compile(rf"{_NAME}(?:, {_NAME})*(?:,? (?:and|or|und|&) {_NAME})*")
_JOINED = re.compile(r",? (?:and|or|und|&) ")
# Words that begin a sentence with a capital and name nothing.
_OPENERS_WORDS = """
    a add all also an and are ask at book build by calculate call can check compare compute could create
    delete describe do does draft email explain extract fetch find for forecast from generate get give go
    hello help hey hi how i i'd i'll i'm if in is it it's let let's list look make may my need next no now
    of ok on one open or order our pick plan please put query read reply run say search see send set should
    show sing so some summarize tell thanks that the then there these they this to today tomorrow translate
    try two update use very want was we weather what what's when where which who whose why will with would
    write yes you your
"""
_OPENERS = frozenset(_OPENERS_WORDS.split())
_PLACE = re.compile(r"city|cities|place|location|town|country|region|destination|origin|capital|airport")
_WHOLE = re.compile(
    r"^(q|text|content|message|prompt|question|query|input|body|answer|summary|description|request|task|expression)$"
)
_NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w-])")
_QUOTED = re.compile(r"[\"“]([^\"“”]+)[\"”]|(?<!\w)'([^']+)'(?!\w)")
_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "duration": "PT1H",
    "email": "user@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_FOUND = {
    "date": re.compile(r"\b\d{4}-\d\d-\d\d\b(?!T)"),
    "email": re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]*\w"),
    "uri": re.compile(r"https?://[^\s\"'<>]+"),
    "url": re.compile(r"https?://[^\s\"'<>]+"),
}


class Hints:
    """What a text offers to fill a form with. Numbers and quotations are used up in their order."""

    def __init__(self, text: str, names: list[str] | None = None) -> None:
        self.text = text.strip() or "sandbox"
        self.names = capitalised(text) if names is None else names
        self._numbers = [float(n) for n in _NUMBER.findall(text)]
        self._quotes: list[str] = [a or b for a, b in _QUOTED.findall(text)]
        self._next_name = 0

    def mentions(self, value: object) -> bool:
        return isinstance(value, str) and bool(
            re.search(rf"(?<!\w){re.escape(value)}(?!\w)", self.text, re.IGNORECASE)
        )

    def name(self) -> str | None:
        if not self.names:
            return None
        self._next_name += 1
        return self.names[(self._next_name - 1) % len(self.names)]

    def number(self, fits: Callable[[float], bool]) -> float | None:
        for value in self._numbers:
            if fits(value):
                self._numbers.remove(value)
                return value
        return None

    def string(self, key: str, format_: str) -> str:
        format_ = format_ or key.lower()
        found = _FOUND[format_].search(self.text) if format_ in _FOUND else None
        if found:
            return str(found.group(0))
        if format_ in _FORMATS:
            return _FORMATS[format_]
        if _WHOLE.match(key.lower()):
            return self.text
        if self._quotes and not _PLACE.search(key.lower()):
            return self._quotes.pop(0)
        return self.name() or self.text[:80]


def capitalised(text: str) -> list[str]:
    """The capitalised names in a text: "Paris and London" are two, "Paris, France" is one."""
    found: list[str] = []
    for match in _LIST.finditer(text):
        words = match.group(0).split(" ")
        while words and words[0].strip(",.'").lower() in _OPENERS:
            words.pop(0)
        phrase = " ".join(words)
        joined = _JOINED.search(phrase) or phrase.count(", ") > 1
        values = re.split(rf"{_JOINED.pattern}|, ", phrase) if joined else [phrase]
        found += filter(None, (value.strip(" ,'’-") for value in values))
    return list(dict.fromkeys(found))
