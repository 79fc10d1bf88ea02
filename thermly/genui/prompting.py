"""What a model is told so that it answers in components, and what it is told when it did not.

Knows: the libraries, how formats are explained. Must not know: versions of the API, frames, vendors.
The words are the same for the same library, byte for byte, so that vendors' prompt caches hold. Whoever changes
them counts `EDITION` up.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from thermly.exchange import ChatRequest, Message, Part, Text, ToolChoice
from thermly.genui.checks import ACTION, PART, Component, Fault
from thermly.genui.history import unwrap
from thermly.genui.ids import Format
from thermly.genui.library import ACTIONS, RULES, Library, defs

EDITION = 1
MOST_FAULTS = 10
MOST_FAULT_CHARS = 300

_FORMAT: dict[Format, str] = {
    "json": """\
Your answer is shown as a user interface. It is a component tree in JSON, and nothing else: no Markdown around \
it, no code fence, no words before or after it. It looks like this:

{"component": "Card", "props": {"children": [
{"component": "Header", "props": {"title": "Population", "subtitle": "In millions"}},
{"component": "BarChart", "props": {"labels": ["1950", "2000"], "series": [{"category": "World", "values": \
[2499, 6149]}]}},
{"component": "TextContent", "props": {"textMarkdown": "It **more than doubled** in fifty years."}}
]}}

- The outermost component is one Card, and `children` is its first and only property.
- A component is {"component": name, "props": {…}}. Where a property asks for one of the plain objects, write \
{…} alone.
- Properties marked with ? may be left out.""",
    "openui": """\
Your answer is shown as a user interface. It is a program in openui-lang, and nothing else: no Markdown around \
it, no code fence, no words before or after it. It looks like this:

root = Card([head, chart, note])
head = CardHeader("Population", "In millions")
chart = BarChart(["1950", "2000"], [world])
world = Series("World", [2499, 6149])
note = TextContent("It **more than doubled** in fifty years.")

- One statement a line: name = value. The first is root = Card([…]).
- A value is a "string", a number, true, false, null, a [list], an {object: …}, a name, or Component(arguments).
- Arguments go by position. Those marked with ? may be left out from the end; null skips one.
- A name may be used before the line that tells it. Every name that is used must be told, and every name that is \
told must be used.
- A string is closed on its own line: write a new line as \\n and a quote as \\".""",
}
_ADVICE = """\
- Take what shows the answer best: tables and charts for figures, steps for instructions, a form to ask for \
several things, and short paragraphs for the rest.
- One thought, one component: each is shown as soon as it is complete.
- Never invent addresses of pictures or pages.
- When you call a tool, call it without any answer."""


def prepare(request: ChatRequest, library: Library) -> ChatRequest:
    """The request with the instructions before its messages, and these as plain text."""
    told = Message("system", (Text(instructions(library)),))
    return replace(request, messages=(told, *map(_unwrapped, request.messages)))


def repair(prepared: ChatRequest, library: Library, answer: str, told: str, faults: Iterable[Fault]) -> ChatRequest:
    """The prepared request once more, with the answer and what was wrong with it, and no tool to be called.
    `told`: what is kept of it."""
    asked = Message("user", (Text(correction(library, told, faults)),))
    said = Message("assistant", (Text(answer),))
    choice = ToolChoice("none") if prepared.tools else None
    return replace(prepared, messages=(*prepared.messages, said, asked), tool_choice=choice)


def instructions(library: Library) -> str:
    """The system message of a library."""
    parts = [_FORMAT[library.format], _ADVICE, "Components:\n" + "\n".join(_rows(library))]
    plain = [_row(c, library) for c in library.components.values() if c.place == "item"]
    if not library.is_openui:
        parts.append("Plain objects:\n" + "\n".join(plain))
    parts.append(f"Rules:\n{_object(RULES, {}, 0)}")
    parts.append("Actions:\n" + "\n".join(_action(name, library) for name in library.actions))
    return "\n\n".join(parts)


def correction(library: Library, told: str, faults: Iterable[Fault]) -> str:
    """What to say to a model whose answer could not be shown as it is."""
    rows = [f"- {fault}"[:MOST_FAULT_CHARS] for fault in faults]
    if len(rows) > MOST_FAULTS:
        rows = [*rows[:MOST_FAULTS], f"- and {len(rows) - MOST_FAULTS} more"]
    if not library.is_openui:
        form = 'one {"component": "Card", "props": {"children": […]}} with what is missing'
    elif told:
        form = "the statements that were wrong or are missing, each on its line"
    else:
        form = "the whole program, from root = Card([…]) on"
    return "\n".join(
        ("Your answer could not be shown:", *rows, *([told] if told else ()), f"Answer again with only {form}.")
    )


def _unwrapped(message: Message) -> Message:
    if message.role not in ("user", "assistant"):
        return message
    parts = tuple(map(_unwrapped_part, message.parts))
    return message if parts == message.parts else replace(message, parts=parts)


def _unwrapped_part(part: Part) -> Part:
    return replace(part, text=unwrap(part.text)) if isinstance(part, Text) and "<" in part.text else part


# ---- signatures


def _rows(library: Library) -> list[str]:
    return [_row(c, library) for c in library.components.values() if library.is_openui or c.place != "item"]


def _row(component: Component, library: Library) -> str:
    opening, closing = "()" if library.is_openui else "{}"
    marks = ((name, "" if name in component.required else "?") for name in component.props)
    props = ", ".join(f"{n}{m}: {_words(component.props[n], component.whole)}" for n, m in marks)
    about = f" — {component.about}" if component.about else ""
    pointed = defs(component.whole)
    where = f" where {_json(pointed)}" if pointed else ""
    return f"{component.name}{opening}{props}{closing}{where}{about}"


def _action(name: str, library: Library) -> str:
    schema = library.actions[name]
    if name not in ACTIONS:
        return f'{{type: "{name}", params: {_json(schema["properties"]["params"])}}}'
    words = (
        f"{key}{'' if key in schema.get('required', ()) else '?'}: {_words(inner, schema)}"
        for key, inner in schema["properties"].items()
        if key != "type"
    )
    return ", ".join((f'{{type: "{name}"', *words)) + "}"


def _words(schema: Any, whole: dict[str, Any], depth: int = 0) -> str:
    """A short form of the schemas that the libraries use; a caller's is told as it is."""
    if not isinstance(schema, dict) or depth > 6:
        return "any"
    if PART in schema:
        return " | ".join(schema[PART]) or "Component"
    if ACTION in schema or schema == RULES:
        return "Action" if ACTION in schema else "Rules"
    if "enum" in schema and schema.keys() <= {"enum", "type"}:
        return " | ".join(map(_json, schema["enum"]))
    kind = schema.get("type")
    if whole and not (isinstance(kind, str) and kind not in ("array", "object") and schema.keys() <= {"type"}):
        return _json(schema)
    if kind == "array":
        inner = _words(schema.get("items"), whole, depth + 1)
        return f"({inner})[]" if "|" in inner and not inner.endswith("]") else f"{inner}[]"
    if kind == "object":
        return _object(schema, whole, depth)
    return " | ".join(kind) if isinstance(kind, list) else str(kind or "any")


def _object(schema: dict[str, Any], whole: dict[str, Any], depth: int) -> str:
    named = schema.get("properties", {})
    return "{" + ", ".join(f"{n}?: {_words(inner, whole, depth + 1)}" for n, inner in named.items()) + "}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
