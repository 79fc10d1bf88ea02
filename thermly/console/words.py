"""Numbers, money and times as the pages write them.

Knows: formats. Must not know: what is counted.
"""

import datetime
import math
from collections.abc import Callable

from flask import Flask
from markupsafe import Markup, escape

from thermly.amounts import NANO_PER_USD, usd

KINDS_OF_OUTCOME = {"ok": "ok", "client_gone": "warn"}


def money(nanousd: int | None, decimals: int = 2) -> Markup:
    """Dollars, rounded for reading; the exact amount is in the title. A little is never shown as nothing."""
    if nanousd is None:
        return Markup("–")
    value = nanousd / NANO_PER_USD
    while 0 < abs(value) < 10**-decimals and decimals < 9:
        decimals += 1
    sign = "−" if nanousd < 0 else ""
    text = f"{sign}${abs(value):,.{decimals}f}"
    return Markup('<span class="money" title="${}">{}</span>').format(usd(nanousd), text)


def axis_dollars(value: float) -> str:
    """On the axis of a chart: cents, or two digits of what is less."""
    if value == 0 or abs(value) >= 1:
        return f"${value:,.2f}"
    whole, _, rest = f"{value:.9f}"[: 1 + max(4, 2 - math.floor(math.log10(abs(value))))].partition(".")
    return f"${whole}.{rest.rstrip('0').ljust(2, '0')}"


def exact(nanousd: int | None) -> str:
    return "" if nanousd is None else usd(nanousd)


def in_full(nanousd: int) -> str:
    """Dollars with all their decimals, for sentences."""
    whole, _, rest = usd(abs(nanousd)).partition(".")
    return f"{'−' if nanousd < 0 else ''}${int(whole):,}.{rest}"


def count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def short(number: float | None) -> str:
    """1.2k, 3.4M: for tiles."""
    if number is None:
        return "–"
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**4, "k")):
        if abs(number) >= size:
            return f"{number / (1000 if unit == 'k' else size):,.1f}{unit}"
    return f"{number:,.0f}"


def percent(part: float | None, whole: float | None = 1, decimals: int = 0) -> str:
    if part is None or not whole:
        return "–"
    return f"{100 * part / whole:.{decimals}f} %"


def millis(ms: int | float | None) -> str:
    if ms is None:
        return "–"
    return f"{ms:,.0f} ms" if ms < 10_000 else f"{ms / 1000:,.1f} s"


def moment(at_ms: int | None, none: str = "never", seconds: bool = False) -> Markup:
    """UTC, as days, caps and spans are; the page's script tells the reader's own time to whoever points at it."""
    if at_ms is None:
        return Markup('<span class="muted">{}</span>').format(none)
    at = datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        at.isoformat(timespec="seconds"), at.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
    )


def day(at_ms: int | None, none: str = "never") -> str:
    if at_ms is None:
        return none
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).strftime("%Y-%m-%d")


def kind_of_outcome(outcome: str) -> str:
    return KINDS_OF_OUTCOME.get(outcome, "bad")


def breakable(text: str) -> Markup:
    """A long identifier that may break after its dashes and slashes."""
    return Markup(escape(text).replace("-", Markup("-<wbr>")).replace("/", Markup("/<wbr>")))


FILTERS: tuple[Callable[..., object], ...] = (
    *(money, exact, in_full, count, short, percent, millis, moment, day, kind_of_outcome, breakable),
)


def register(app: Flask) -> None:
    for function in FILTERS:
        app.add_template_filter(function)
