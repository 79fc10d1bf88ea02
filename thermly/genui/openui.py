"""The part of openui-lang that answers are made of: one `name = value` a statement, read as it comes, and written.

Knows: the grammar: strings, numbers, true, false, null, lists, objects, names told before or after, and
`Component(arguments by position)`. Must not know: which components there are.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from thermly.genui.checks import DEEPEST, Fault, Reference

LARGEST_STATEMENT_CHARS = 200_000
_HEAD = re.compile(r"\s*([A-Za-z_]\w*)\s*=(?!=)")
_TOKEN = re.compile(
    r"""(?:\s++|(?:\#|//)[^\n]*+)*+(?:
    (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
  | (?P<name>[A-Za-z_]\w*)
  | (?P<mark>[()\[\]{},:])
  | (?P<end>\Z)
  )""",
    re.X,
)
# A string that is not closed ends with its line: else each quote in it would be tried as a beginning.
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*+\\?(?:\"|\Z)|'(?:[^'\\]|\\.)*+\\?(?:'|\Z)")
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_WORDS = {"true": True, "false": False, "null": None}
_OPENING, _CLOSING = "([{", ")]}"


class Call(Struct, frozen=True):
    """A component with its arguments by position."""

    name: str
    args: list[Any]


class Statement(Struct, frozen=True):
    name: str
    value: Any
    line: int

    @property
    def where(self) -> str:
        return f"line {self.line} ({self.name})"


class Program:
    """Statements out of text that comes in pieces. Prose and code fences around them are set aside."""

    def __init__(self) -> None:
        self.prose: list[str] = []
        self.broken: list[str] = []
        self._rest = ""
        self._lines: list[str] = []
        self._depth = 0
        self._line = 0
        self._begun = 0
        self._fenced = self._over = False

    def feed(self, text: str) -> Iterator[Statement | Fault]:
        if "\n" not in text:
            self._rest += text
            return
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            yield from self._take(line)

    def end(self) -> Iterator[Statement | Fault]:
        rest, self._rest = self._rest, ""
        if rest.strip():
            yield from self._take(rest)
        if self._lines:
            yield self._statement()

    def _take(self, line: str) -> Iterator[Statement | Fault]:
        self._line += 1
        if self._lines and (_HEAD.match(line) or line.lstrip().startswith("```")):
            # No statement has another in its brackets: one was left open.
            yield self._statement()
        if self._lines:
            self._lines.append(line)
        elif self._is_markup(line):
            self._lines, self._depth, self._begun = [line], 0, self._line
        else:
            yield from self._aside(line)
            return
        self._depth += _balance(line)
        if self._depth <= 0 or sum(map(len, self._lines)) > LARGEST_STATEMENT_CHARS:
            yield self._statement()

    def _is_markup(self, line: str) -> bool:
        return not self._over and _HEAD.match(line) is not None

    def _aside(self, line: str) -> Iterator[Fault]:
        """What is no statement: a fence, a remark, prose, or a statement that is broken from its start."""
        bare = line.strip()
        if bare.startswith("```"):
            self._over, self._fenced = self._fenced, True
        elif bare and not bare.startswith(("#", "//")):
            self.prose.append(line.rstrip())
            if self._fenced and not self._over:
                yield Fault(f"line {self._line}", "is not of the form name = Component(…)")

    def _statement(self) -> Statement | Fault:
        text, self._lines, self._depth = "\n".join(self._lines), [], 0
        head = _HEAD.match(text)
        assert head is not None
        try:
            return Statement(head[1], _Reader(text, head.end()).whole(), self._begun)
        except ValueError as error:
            self.broken.append(text)
            return Fault(f"line {self._begun} ({head[1]})", str(error))


def _balance(line: str) -> int:
    """How many brackets the line leaves open."""
    bare = _QUOTED.sub("", line)
    return sum(bare.count(mark) for mark in _OPENING) - sum(bare.count(mark) for mark in _CLOSING)


class _Reader:
    """One statement's value. Raises ValueError, which says what is wrong."""

    def __init__(self, text: str, start: int) -> None:
        self._text, self._at = text, start
        self._kind, self._word = "", ""
        self._next()

    def whole(self) -> Any:
        value = self._value(0)
        if self._kind == "mark" and self._word == "}":
            raise ValueError("there is a } too many")
        if self._kind != "end":
            raise ValueError(f"{self._word!r} cannot follow here")
        return value

    def _next(self) -> str:
        """Steps on to the next token, and gives the one before."""
        before = self._word
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            rest = self._text[self._at :].lstrip()
            if rest[:1] in "\"'":
                raise ValueError("a string is not closed on its line (write a new line in it as \\n)")
            raise ValueError(f"{rest[:20]!r} cannot be read")
        self._kind, self._at = str(match.lastgroup), match.end()
        self._word = match[self._kind]
        return before

    def _value(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise ValueError("is nested too deeply")
        kind, word = self._kind, self._word
        if kind == "end":
            raise ValueError("ends too early")
        if kind == "string":
            return _unquoted(self._next())
        if kind == "number":
            return _number(self._next())
        if kind == "name":
            self._next()
            if self._word == "(" and self._kind == "mark":
                return Call(word, self._list(")", depth))
            return _WORDS[word] if word in _WORDS else Reference(word)
        if word == "[":
            return self._list("]", depth)
        if word == "{":
            return self._object(depth)
        raise ValueError(f"{word!r} cannot stand here")

    def _list(self, closing: str, depth: int) -> list[Any]:
        self._next()
        found: list[Any] = []
        while not self._closes(closing):
            found.append(self._value(depth + 1))
            self._separate(closing)
        return found

    def _object(self, depth: int) -> dict[str, Any]:
        self._next()
        found: dict[str, Any] = {}
        while not self._closes("}"):
            if self._kind not in ("name", "string"):
                raise ValueError(f"{self._word or 'the end'!r} is no key of an object")
            key = _unquoted(self._word) if self._kind == "string" else self._word
            self._next()
            if self._word != ":" or self._kind != "mark":
                raise ValueError(f"a : is missing after {key!r}")
            self._next()
            found[key] = self._value(depth + 1)
            self._separate("}")
        return found

    def _closes(self, closing: str) -> bool:
        if self._kind == "mark" and self._word == closing:
            self._next()
            return True
        return False

    def _separate(self, closing: str) -> None:
        if self._kind == "mark" and self._word == ",":
            self._next()
        elif not (self._kind == "mark" and self._word == closing):
            found = repr(self._word) if self._kind != "end" else "its end"
            raise ValueError(f"{closing} or a comma is missing before {found}")


def _number(word: str) -> int | float:
    value = float(word)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{word[:20]} is too large a number")
    return value if any(mark in word for mark in ".eE") or len(word) > 18 else int(word)


def _unquoted(word: str) -> str:
    if "\\" not in word:
        return word[1:-1]
    text = _ESCAPED.sub(lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPES.get(m[2], m[2]), word[1:-1])
    # An escaped pair stands for one character; half of one for none.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def write(statement: Statement) -> str:
    return f"{statement.name} = {written(statement.value)}"


def written(value: Any) -> str:
    if isinstance(value, Call):
        return f"{value.name}({', '.join(map(written, value.args))})"
    if isinstance(value, Reference):
        return value.name
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)}: {written(v)}" for k, v in value.items()) + "}"
    return _quoted(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else _quoted(name)


def _quoted(value: Any) -> str:
    """Programs stand between code fences: one in a string would end them for whoever looks for the next."""
    return msgspec.json.encode(value).decode().replace("```", r"\u0060\u0060\u0060")
