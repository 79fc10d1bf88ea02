"""Charts, drawn on the server by pygal as SVG without style or script: the page's own stylesheet colours them.

Knows: shapes. Must not know: what is counted.
"""

import functools
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from flask import Flask
from markupsafe import Markup
from msgspec import Struct

WIDTH, HEIGHT = 480, 190
LABELS = 6
STEPS = 4
"""So many lie between the marks of the upright axis, at most."""
NEEDLESS = {"titles", "overlay", "text-overlay", "tooltip-overlay"}
NEEDLESS_TAGS = {"defs", "title", "script", "style"}


class Series(Struct, frozen=True):
    """`tone` names its colour in the stylesheet."""

    name: str
    tone: str
    values: Sequence[float]


def bars(
    title: str, labels: Sequence[str], series: Sequence[Series], write: Callable[[float], str] = str
) -> Markup:
    """Stacked columns, one for each label, told by their titles when somebody points at them."""
    pygal = _library()
    every = max(1, -(-len(labels) // LABELS))
    chart = pygal.StackedBar(
        width=WIDTH, height=HEIGHT, js=(), css=(), disable_xml_declaration=True, show_legend=False, margin=2,
        no_prefix=True, rounded_bars=1, spacing=3, truncate_label=-1, x_labels_major_every=every,
        show_minor_x_labels=False, no_data_text="", value_formatter=write, print_values=False,
    )  # fmt: skip
    chart.x_labels = list(labels)
    if series:
        chart.y_labels = marks([sum(column) for column in zip(*(row.values for row in series), strict=True)])
    for row in series:
        chart.add(row.name, list(row.values))
    tree = chart.render_tree()
    _strip(tree, [s.name for s in series], [s.tone for s in series])
    tree.set("role", "img")
    tree.set("aria-label", title)
    tree.set("class", "chart")
    tree.set("preserveAspectRatio", "none" if not labels else "xMidYMid meet")
    return Markup(tostring(tree, encoding="unicode"))  # the library escapes what it is given


def marks(heights: Sequence[float]) -> list[float]:
    """Round numbers at equal distances from 0 to the top; whole ones where all that is counted is whole."""
    top = max(heights, default=0)
    if top <= 0:
        return [0]
    whole = all(float(height).is_integer() for height in heights)
    size = 10.0 ** math.floor(math.log10(top / STEPS))
    steps = (n * size for n in (1, 2, 2.5, 5, 10))
    step = next(step for step in steps if step * STEPS >= top and (step.is_integer() or not whole))
    return [i * step for i in range(math.ceil(top / step) + 1)]


@functools.cache
def _library() -> Any:
    """pygal, without the import hook that it leaves behind for plugins which nobody has here: it lacks what Python
    asks of one, so each later import of this process would warn."""
    import pygal

    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]
    return pygal


def _strip(node: Any, names: list[str], tones: list[str]) -> None:
    """Leave shapes and words; a value's description becomes its title, which browsers show."""
    for child in list(node):
        tag = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else "comment"
        classes = child.get("class", "").split()
        if tag == "comment" or tag in NEEDLESS_TAGS or NEEDLESS.intersection(classes):
            node.remove(child)
        else:
            child.attrib.pop("style", None)
            _strip(child, names, tones)
            if "series" in classes:
                at = int(next(c for c in classes if c.startswith("serie-")).removeprefix("serie-"))
                child.set("class", f"series tone-{tones[at]}")
                for bar in child.iter():
                    if bar.get("class") == "bar":
                        _tell(bar, names[at])


def _tell(bar: Element, name: str) -> None:
    told = {d.get("class"): d.text or "" for d in bar if str(d.tag).endswith("desc")}
    for child in list(bar):
        if str(child.tag).endswith("desc"):
            bar.remove(child)
    for rect in bar:
        SubElement(rect, "title").text = f"{told.get('x_label', '')} · {name}: {told.get('value', '')}"


def shares(parts: Sequence[tuple[str, str, float]]) -> list[dict[str, Any]]:
    """(name, tone, amount) -> rows for a bar of shares: where each begins and how wide it is, in percent."""
    total, at, rows = sum(p[2] for p in parts), 0.0, []
    for name, tone, amount in parts:
        width = 100 * amount / total if total else 0
        rows.append({"name": name, "tone": tone, "amount": amount, "at": round(at, 3), "width": round(width, 3)})
        at += width
    return rows


def register(app: Flask) -> None:
    app.add_template_global(bars)
    app.add_template_global(shares)
