"""A caller's opinion of an answer: which answer it is, whether it may be rated, and kept in place of the last one.

Knows: ids, times, who asks. Must not know: JSON, Flask, what a rating teaches the router.
"""

import re
import time

from thermly import clock, ids
from thermly.caller import Caller
from thermly.errors import InvalidRequest
from thermly.store import feedback as store
from thermly.store.db import Database
from thermly.store.feedback import ANSWERED, Answered, Feedback

LIFETIME_D = 30
DIED, MOST_ATTEMPTS = "process_died", 3
"""What is made in the background is begun again, with a number of its own, where a process has died."""

SETTLING_S = 1.0
"""A client has the last byte of a stream some moments before its request is in the books."""

LOOK_AGAIN_S = 0.02
AHEAD_MS = 60_000
_id = re.compile(r"(?:[a-z]{3,8}[-_])?([0-9a-f]{11})([0-9a-f]{11})")


def rate(database: Database, caller: Caller, response_id: str, rating: int, comment: str) -> Feedback | None:
    """None for what is no answer of the caller's account. Raises InvalidRequest for what is too old, or has not
    ended."""
    now_ms = clock.now_ms()
    matched = _id.fullmatch(response_id)
    if matched is None:
        return None
    request_id, accepted_at_ms = matched[1] + matched[2], int(matched[1], 16)
    if accepted_at_ms > now_ms + AHEAD_MS:
        return None
    if accepted_at_ms < now_ms - LIFETIME_D * 86_400_000:
        raise InvalidRequest(
            f"Responses can be rated for {LIFETIME_D} days.", param="response_id", code="response_too_old"
        )
    for attempt in range(MOST_ATTEMPTS, 0, -1):  # the last made the answer, whatever the others came to
        number = ids.of_attempt(request_id, attempt)
        found = _ended(database, caller.account_id, number, accepted_at_ms)
        if found is not None and found.outcome != DIED:
            break
    if found is None or found.outcome not in ANSWERED or found.state != "settled":
        return None  # also of one that was left before anything came
    feedback = Feedback(
        id=number,
        account_id=caller.account_id,
        key_id=caller.key_id,
        rating=rating,
        comment=comment,
        score_ppm=found.score_ppm,
        complexity_level=found.complexity_level,
        requested_model=found.requested_model,
        model=found.model,
        created_at_ms=now_ms,
    )
    with database.each() as tx:
        store.keep(tx, feedback)
    return feedback


def _ended(database: Database, account_id: str, request_id: str, accepted_at_ms: int) -> Answered | None:
    give_up = time.monotonic() + SETTLING_S
    while True:
        with database.each() as tx:
            under_way = store.is_under_way(tx, account_id, request_id)
        if not under_way:  # looked at first: it ends with the very write that makes the row
            return store.find(database, account_id, request_id, accepted_at_ms)
        if time.monotonic() > give_up:
            raise InvalidRequest(
                "The response is still being made: rate it when it has ended.",
                param="response_id",
                code="response_in_progress",
            )
        time.sleep(LOOK_AGAIN_S)
