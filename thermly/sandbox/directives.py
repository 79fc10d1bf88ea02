"""The orders a user text may carry, `[[sandbox: name=value flag say=TEXT]]`, and nothing about obeying them.

A gateway forwards bodies and nothing else, so the last user text is the one place from which a test can
reach through it and ask for a fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any

_BLOCK = re.compile(r"\[\[sandbox:(.*?)\]\]", re.DOTALL)
_SAY = re.compile(r"(?:^|\s)say=(.*)$", re.DOTALL)
_MOST = 1_000_000


class BadOrder(ValueError):
    """An order that does not exist or has no sensible value. A typing error in a test must be seen."""


@dataclass(frozen=True, slots=True)
class Orders:
    status: int | None = None
    retry_after: float | None = None
    html: bool = False
    hang: float | None = None  # seconds
    cut: int | None = None
    inband: int | None = None
    chunks: int | None = None
    interval_ms: float | None = None
    tokens: int | None = None
    reason: bool = False
    refuse: bool = False
    block: bool = False
    length: bool = False
    cached: int | None = None
    cache_write: int | None = None
    no_usage: bool = False
    empty: bool = False
    badjson: bool = False
    interleave: bool = False
    drip: float | None = None  # milliseconds
    call: str | None = None  # the name of a tool, offered or not
    say: str | None = None

    @property
    def words_given(self) -> bool:
        """Whether the orders say what to answer, so that no tool is called of the brain's own accord."""
        return self.say is not None or self.tokens is not None


_KINDS = {f.name: str(f.type).split(" ")[0] for f in fields(Orders)}
_LEAST = {"status": 400, "chunks": 1}


def read_orders(text: str, standing: Orders | None = None) -> tuple[Orders, str]:
    """The orders in a text, over the standing ones, and the text without them."""
    given: dict[str, Any] = {}
    for block in _BLOCK.findall(text):
        given.update(_read_block(block))
    return replace(standing or Orders(), **given), _BLOCK.sub("", text).strip()


def _read_block(block: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    say = _SAY.search(block)
    if say:
        given["say"] = say.group(1)
        block = block[: say.start()]
    for word in block.split():
        name, equals, value = word.partition("=")
        given[name] = _value(name, value if equals else None)
    return given


def _value(name: str, value: str | None) -> int | float | bool | str:
    kind = _KINDS.get(name)
    try:
        if kind == "bool" and value is None:
            return True
        if kind == "int" and value is not None and _LEAST.get(name, 0) <= int(value) <= _MOST:
            return int(value)
        if kind == "float" and value is not None and 0 <= float(value) <= _MOST:
            return float(value)
        if kind == "str" and value:
            return value
    except ValueError:
        pass
    raise BadOrder(f"the sandbox knows no order '{name if value is None else f'{name}={value}'}'")
