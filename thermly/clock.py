"""The time of day as rows keep it. Intervals are measured by `time.monotonic`, which nobody can set."""

import time


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000
