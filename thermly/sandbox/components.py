"""Small made-up answers of a model that was asked for components, chosen by words of the question.

Knows: what a model would write, in both formats, as plain text. Must not know: the gateway's own libraries: it
plays the other side. The tests hold its answers against them.
"""

import json
import re
from typing import Any

_LONGEST_QUESTION = 120
_KINDS = {
    "form": ("form", "book", "register", "sign", "contact", "apply", "order", "schedule"),
    "chart": ("chart", "graph", "plot", "trend", "grow", "grew", "growth", "population", "statistics"),
    "table": ("table", "compare", "comparison", "versus", "list", "rows", "prices"),
}


def format_of(system: str) -> str | None:
    """Which format a system message asks for: "json", "openui", or None."""
    if "a program in openui-lang" in system:
        return "openui"
    return "json" if "a component tree in JSON" in system else None


def kind_of(question: str) -> str:
    words = set(re.findall(r"[a-z]+", question.lower()))
    return next((kind for kind, own in _KINDS.items() if words & set(own)), "card")


def answer(question: str, form: str) -> str:
    """What a model would write: no frame, nothing escaped."""
    asked = " ".join(question.split())[:_LONGEST_QUESTION] or "Hello"
    kind = kind_of(question)
    if form == "openui":
        return "\n".join(_PROGRAMS[kind]).replace('"$asked"', json.dumps(asked, ensure_ascii=False)) + "\n"
    children = json.loads(json.dumps(_TREES[kind]).replace('"$asked"', json.dumps(asked)))
    return json.dumps({"component": "Card", "props": {"children": children}}, ensure_ascii=False)


def _part(name: str, /, **props: Any) -> dict[str, Any]:
    return {"component": name, "props": props}


_YEARS, _MILLIONS = ["1950", "1980", "2000", "2020"], [2499, 4444, 6149, 7841]
_TREES: dict[str, list[dict[str, Any]]] = {
    "card": [
        _part("Header", title="$asked", subtitle="An answer from the sandbox"),
        _part("TextContent", textMarkdown='This is a **made-up** answer: it is <safe>, short & quoted "as is".'),
        _part("List", items=[{"title": "First", "subtitle": "One thing"}, {"title": "Second"}]),
        _part("FollowUpBlock", items=[{"text": "Tell me more"}]),
    ],
    "chart": [
        _part("Header", title="$asked", subtitle="In millions"),
        _part("LineChart", labels=_YEARS, series=[{"category": "World", "values": _MILLIONS}], variant="natural"),
        _part("TextContent", textMarkdown="The numbers are made up, and they only go one way."),
    ],
    "table": [
        _part("InlineHeader", heading="$asked"),
        _part(
            "Table",
            columns=[{"label": "Name", "type": "string"}, {"label": "Price", "type": "number"}],
            rows=[["Tea", 2.5], ["Coffee", 3], ["Water", None]],
        ),
        _part("CalloutV2", variant="info", title="Made up", description="The sandbox knows no prices."),
    ],
    "form": [
        _part("TextContent", textMarkdown="$asked"),
        _part(
            "Form",
            name="details",
            buttons=_part("Buttons", buttons=[_part("Button", label="Send", variant="primary")]),
            fields=[
                _part("FormControl", label="Name", input=_part("Input", name="name", rules={"required": True})),
                _part("FormControl", label="Day", input=_part("DatePicker", name="day", mode="single")),
                _part(
                    "FormControl",
                    label="Size",
                    input=_part("Select", name="size", items=[{"value": "s", "label": "Small"}]),
                ),
            ],
        ),
    ],
}
_PROGRAMS: dict[str, tuple[str, ...]] = {
    "card": (
        "root = Card([head, text, entries, next])",
        'head = CardHeader("$asked", "An answer from the sandbox")',
        'text = TextContent("This is a **made-up** answer: it is <safe>, short & quoted \\"as is\\".")',
        'entries = ListBlock([first, ListItem("Second")])',
        'first = ListItem("First", "One thing")',
        'next = FollowUpBlock([FollowUpItem("Tell me more")])',
    ),
    "chart": (
        "root = Card([head, chart, note])",
        'head = CardHeader("$asked", "In millions")',
        'chart = LineChart(years, [world], "natural")',
        f"years = {json.dumps(_YEARS)}",
        f'world = Series("World", {_MILLIONS})',
        'note = TextContent("The numbers are made up, and they only go one way.")',
    ),
    "table": (
        "root = Card([head, table, note])",
        'head = CardHeader("$asked")',
        'table = Table([Col("Name", "string"), Col("Price", "number")], rows)',
        'rows = [["Tea", 2.5], ["Coffee", 3], ["Water", null]]',
        'note = Callout("info", "Made up", "The sandbox knows no prices.")',
    ),
    "form": (
        "root = Card([text, form])",
        'text = TextContent("$asked")',
        'form = Form("details", buttons, [name, day, size])',
        'buttons = Buttons([Button("Send", null, "primary")])',
        'name = FormControl("Name", Input("name", null, "text", {required: true}))',
        'day = FormControl("Day", DatePicker("day", "single"))',
        'size = FormControl("Size", Select("size", [SelectItem("s", "Small")]))',
    ),
}
