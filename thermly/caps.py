"""When a spend cap begins anew: at midnight, on Monday, on the first of the month, in UTC. Values only."""

import datetime

PERIODS = ("day", "week", "month")


def next_reset_ms(period: str, now_ms: int) -> int:
    """The end of the period that is under way: its first moment that is no longer in it."""
    today = datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC).date()
    if period == "day":
        first = today + datetime.timedelta(days=1)
    elif period == "week":
        first = today + datetime.timedelta(days=7 - today.weekday())
    else:
        first = (today.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
    midnight = datetime.datetime.combine(first, datetime.time(), datetime.UTC)
    return int(midnight.timestamp()) * 1000
