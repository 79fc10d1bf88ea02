"""Images: one job each, drawn by this process."""

import functools
import threading

from thermly import context
from thermly.images import Images
from thermly.settings import read

_lock = threading.Lock()


@functools.cache
def _here() -> Images:
    return context.images(context.gateway(read()))


def here() -> Images:
    """The image side of this worker process, whose drawers share it."""
    with _lock:
        return _here()


def draw(job_id: str) -> None:
    here().draw(job_id)
