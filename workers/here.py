"""What the jobs of this worker process share: one gateway, made by the first that needs it."""

import functools
import threading

from thermly import context
from thermly.background import Background
from thermly.gateway import Gateway
from thermly.images import Images
from thermly.settings import read

_lock = threading.RLock()


@functools.cache
def _gateway() -> Gateway:
    return context.gateway(read())


@functools.cache
def _images() -> Images:
    return context.images(_gateway())


@functools.cache
def _background() -> Background:
    return context.background(_gateway())


def images() -> Images:
    with _lock:
        return _images()


def background() -> Background:
    with _lock:
        return _background()
