"""The span of time that a page shows, read from its address.

Knows: dates. Must not know: what is shown.
"""

import datetime

from msgspec import Struct
from werkzeug.datastructures import MultiDict

from thermly import clock

CHOICES = {"24h": ("24 hours", 1), "7d": ("7 days", 7), "30d": ("30 days", 30), "90d": ("90 days", 90)}
DEFAULT = "7d"
MOST_DAYS = 400
DAY_MS = 86_400_000


class Span(Struct, frozen=True):
    """`name` is that of a choice, or "custom". `hourly`: it is short enough for hours."""

    name: str
    from_ms: int
    to_ms: int
    hourly: bool

    @property
    def first(self) -> str:
        return _day(self.from_ms)

    @property
    def last(self) -> str:
        return _day(self.to_ms - 1)

    @property
    def buckets(self) -> list[str]:
        """The days or hours in it, as the reports name them."""
        if self.hourly:
            start = self.from_ms - self.from_ms % 3_600_000
            return [_moment(at).strftime("%Y-%m-%d %H:00") for at in range(start, self.to_ms, 3_600_000)]
        start = self.from_ms - self.from_ms % DAY_MS
        return [_day(at) for at in range(start, self.to_ms, DAY_MS)]

    @property
    def labels(self) -> list[str]:
        return [b[11:] if self.hourly else f"{int(b[8:])} {MONTHS[int(b[5:7]) - 1]}" for b in self.buckets]

    @property
    def query(self) -> dict[str, str]:
        """What names it in an address."""
        return {"from": self.first, "to": self.last} if self.name == "custom" else {"span": self.name}


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def read(args: "MultiDict[str, str]", now_ms: int | None = None) -> Span:
    """`span=7d`, or `from` and `to` as dates, both included. What makes no sense is the default."""
    now_ms = now_ms or clock.now_ms()
    if first := _date(args.get("from")):
        last = _date(args.get("to")) or _moment(now_ms).date()
        first, last = min(first, last), max(first, last)
        first = max(first, last - datetime.timedelta(days=MOST_DAYS))
        return Span("custom", _ms(first), _ms(last) + DAY_MS, False)
    name = args.get("span", DEFAULT)
    if name not in CHOICES:
        name = DEFAULT
    if name == "24h":
        return Span(name, now_ms - now_ms % 3_600_000 - 23 * 3_600_000, now_ms + 1, True)
    today_ms = now_ms - now_ms % DAY_MS
    return Span(name, today_ms - (CHOICES[name][1] - 1) * DAY_MS, today_ms + DAY_MS, False)


def _date(text: str | None) -> datetime.date | None:
    try:
        found = datetime.date.fromisoformat(text or "")
    except ValueError:
        return None
    return found if 2000 <= found.year <= 9000 else None


def _ms(day: datetime.date) -> int:
    return int(datetime.datetime.combine(day, datetime.time(), datetime.UTC).timestamp()) * 1000


def _moment(at_ms: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC)


def _day(at_ms: int) -> str:
    return _moment(at_ms).strftime("%Y-%m-%d")
