"""What passes between a wire and the brain: the question, the answer, and how tokens are counted.

Values only. Knows no vendor, no JSON shape of one, and no socket.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from thermly.sandbox.directives import Orders

JSON = dict[str, Any]

TOKENS_PER_MESSAGE = 3
TOKENS_PER_IMAGE = 85
BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Turn:
    role: str  # system, user, assistant or tool
    text: str
    images: int = 0


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str = ""
    schema: JSON = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    model: str
    turns: tuple[Turn, ...]
    question: str = ""  # the last user text without its orders
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"  # auto, none or required
    allowed: tuple[str, ...] = ()  # names of the tools that may be called; empty: all
    parallel: bool = True
    schema: JSON | None = None  # the answer must be JSON of this schema
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()
    reasons: bool = False
    orders: Orders = field(default_factory=Orders)


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: str  # JSON text, as a model would write it


@dataclass(frozen=True, slots=True)
class Usage:
    prompt: int  # everything read, cached or not
    cached: int
    cache_write: int
    output: int  # everything written, reasoning included
    reasoning: int


@dataclass(frozen=True, slots=True)
class Reply:
    reasoning: str
    text: str
    calls: tuple[Call, ...]
    finish: str  # stop, sequence, length, calls or refused
    stop_sequence: str | None
    usage: Usage


def last_user_text(turns: tuple[Turn, ...]) -> str:
    return next((turn.text for turn in reversed(turns) if turn.role == "user"), "")


def tokens(text: str) -> int:
    return max(1, -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN))


def prompt_tokens(turns: tuple[Turn, ...]) -> int:
    return sum(tokens(turn.text) + TOKENS_PER_MESSAGE + TOKENS_PER_IMAGE * turn.images for turn in turns)


def clipped(text: str, limit: int) -> str:
    """The longest start of `text` that is at most `limit` tokens."""
    return text.encode("utf-8", "replace")[: limit * BYTES_PER_TOKEN].decode("utf-8", "ignore")


def pieces(text: str, count: int | None = None) -> list[str]:
    """A text as a model would stream it: word by word, or in `count` equal pieces."""
    if count is None:
        return re.findall(r"\s*\S+|\s+\Z", text)
    bounds = [len(text) * i // count for i in range(count + 1)]
    return [text[a:b] for a, b in pairwise(bounds) if a < b]


def fragments(arguments: str, size: int = 8) -> list[str]:
    return [arguments[i : i + size] for i in range(0, len(arguments), size)]
