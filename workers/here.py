"""What the jobs of this worker process share, made by the first that needs it: a database, and one gateway."""

import functools
import threading

from msgspec.structs import replace

from thermly import context
from thermly.background import Background
from thermly.gateway import Gateway
from thermly.images import Images
from thermly.jobs import Pulse
from thermly.running.accounting import Here
from thermly.running.turns import Turns
from thermly.settings import read

SIGN_OF_LIFE_S = 1
_lock = threading.RLock()


@functools.cache
def books() -> Here:
    """The settings and the database, for jobs that ask nobody."""
    settings = read()
    return Here(settings, context.database(settings))


@functools.cache
def _gateway() -> Gateway:
    settings = read()
    # Nobody is sent these signs of life: each is a chance to see that what is made is no longer wanted.
    gateway = context.gateway(replace(settings, keepalive_s=SIGN_OF_LIFE_S))
    pulse = Pulse(
        settings.redis_url,
        settings.accounting_delay_s,
        settings.housekeeping_interval_s,
        gateway.books.settle_leftovers,
    )
    gateway.books.nudge = pulse.nudge
    return gateway


@functools.cache
def _images() -> Images:
    return context.images(_gateway())


@functools.cache
def _background() -> Background:
    return context.background(_gateway())


@functools.cache
def _turns() -> Turns:
    return Turns(_gateway().database, {"image": _images().draw, "response": _background().answer})


def images() -> Images:
    with _lock:
        return _images()


def background() -> Background:
    with _lock:
        return _background()


def turns() -> Turns:
    with _lock:
        return _turns()
