"""What this server's own ratings teach the router: gathered, weighed against the shipped score, kept when told to.

Knows: which answers tell about a cheap model, the file that keeps what was learned. Must not know: SQL, how the
regression is made. Nothing is learned by itself: somebody asks for it, sees the figures, and says so.
"""

import datetime
import logging
import math
import os
import secrets
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from thermly.catalog import Catalog
from thermly.routing.recalibration import AS_SHIPPED, Comparison, Example, Recalibration, compare, fit
from thermly.settings import Settings
from thermly.store.feedback import ANSWERED, Served

log = logging.getLogger("thermly.learning")

NAME = "routing.json"
FAILED, DID = 2, 4
"""A rating of at most `FAILED` says that the model failed, one of at least `DID` that it did it."""

MOST = 20_000
"""So many of the latest are learned from, of each kind."""

MOST_INTERCEPT, MOST_SLOPE = 20.0, 20.0
PPM = 1_000_000


class Lesson(Struct, frozen=True):
    """`asked`: requests that a cheap model was asked first. `escalations` are those whose answer was visibly not
    good enough; each counts as `weight` of a rating."""

    learned: Recalibration
    comparison: Comparison
    asked: int
    failed: int
    did: int
    escalations: int
    weight: float


class Kept(Struct, frozen=True):
    """The file. The figures are for people."""

    intercept: float
    slope: float
    trained_utc: str
    days: int
    ratings: int
    failed: int
    escalations: int
    log_loss_before: float
    log_loss_after: float


_read = msgspec.json.Decoder(Kept).decode


def study(rows: Iterable[Served], catalog: Catalog) -> Lesson:
    """All escalations are seen, but of other answers only those that somebody rates. So that a failure does not
    weigh more for being seen, an escalation counts for as much as the chance that it would have been rated."""
    asked, scores = 0, deque[tuple[float, bool]](maxlen=MOST)
    escalated: deque[float] = deque(maxlen=MOST)
    for row in rows:
        first = catalog.models.get(row.escalated_from or row.model)
        if row.score_ppm is None or first is None or first.tier != "fast" or row.outcome not in ANSWERED:
            continue
        asked += 1
        if row.escalated_from:
            escalated.append(row.score_ppm / PPM)
        elif row.rating is not None and (row.rating <= FAILED or row.rating >= DID):
            scores.append((row.score_ppm / PPM, row.rating <= FAILED))
    weight = len(scores) / max(asked - len(escalated), 1)
    examples = [Example(score, failed) for score, failed in scores]
    if weight:
        examples += [Example(score, True, weight) for score in escalated]
    failed = sum(failed for _, failed in scores)
    found = compare(examples)
    found = msgspec.structs.replace(found, examples=len(scores))
    return Lesson(fit(examples), found, asked, failed, len(scores) - failed, len(escalated), weight)


def path(settings: Settings) -> Path:
    return settings.instance / NAME


def keep(settings: Settings, lesson: Lesson, days: int) -> None:
    """Servers read it when they start."""
    kept = Kept(
        intercept=lesson.learned.intercept,
        slope=lesson.learned.slope,
        trained_utc=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        days=days,
        ratings=lesson.comparison.examples,
        failed=lesson.failed,
        escalations=lesson.escalations,
        log_loss_before=round(lesson.comparison.before, 6),
        log_loss_after=round(lesson.comparison.after, 6),
    )
    to = path(settings)
    beside = to.with_name(f".{NAME}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")
    os.replace(beside, to)


def kept(settings: Settings) -> Kept | None:
    """None where nothing was learned. A file that cannot be used keeps no server from serving."""
    try:
        found = _read(path(settings).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("%s cannot be used, so the router judges as shipped: %s", path(settings), error)
        return None
    if not (0 < found.slope <= MOST_SLOPE and math.fabs(found.intercept) <= MOST_INTERCEPT):
        log.warning("%s is out of all bounds, so the router judges as shipped", path(settings))
        return None
    return found


def recalibration(settings: Settings) -> Recalibration:
    found = kept(settings)
    return Recalibration(found.intercept, found.slope) if found else AS_SHIPPED


def forget(settings: Settings) -> bool:
    """Judge as shipped again. False where nothing was learned."""
    try:
        path(settings).unlink()
    except FileNotFoundError:
        return False
    return True
