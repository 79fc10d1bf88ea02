"""Which targets are cooling down, shared by all processes of the box through the database.

Knows: failures and how long they count. Must not know: why a target is asked.
"""

import datetime
import logging
import time
from collections.abc import Set

from thermly import clock
from thermly.catalog import Catalog, Target
from thermly.errors import GatewayError
from thermly.store import limits
from thermly.store.db import Database

log = logging.getLogger("thermly.health")

COOL_BASE_MS, COOL_MOST_MS = 5_000, 120_000


def unable(catalog: Catalog, cooling: Set[str], today: datetime.date) -> str:
    """Which tiers have nobody but who failed of late, as a sentence; "" where each has somebody. A tier that serves
    no model is left out: requests pass it over, and nothing is wrong with it."""
    served = {tier: names for tier in catalog.tiers if (names := _targets(catalog, tier, today))}
    silent = [tier for tier, names in served.items() if names <= cooling]
    if not silent:
        return ""
    if len(silent) == len(served):
        return f"Every model of every tier ({', '.join(silent)}) has failed of late: requests may find nobody."
    which = f"the tier {silent[0]}" if len(silent) == 1 else f"the tiers {' and '.join(silent)}"
    return f"Every model of {which} has failed of late and is asked last for now."


def _targets(catalog: Catalog, tier: str, today: datetime.date) -> set[str]:
    living = [m for m in catalog.tiers[tier] if m.retired_on is None or today < m.retired_on]
    return {target.name for m in living if (target := catalog.target(m)) is not None}


class Health:
    """Which targets are cooling down, as all processes of the box see it; read at most once a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cooling: dict[str, str] = {}
        self._read_at = 0.0

    def cooling(self) -> dict[str, str]:
        now = time.monotonic()
        if now - self._read_at > 1:
            self._read_at = now
            with self._database.each() as tx:
                self._cooling = limits.cooling(tx, clock.now_ms())
        return self._cooling

    def failed(self, target: Target, error: GatewayError) -> None:
        base_ms = min((error.retry_after_s or 0) * 1000 or COOL_BASE_MS, COOL_MOST_MS)
        log.warning("%s failed: %s %s", target.name, error.message, error.detail)
        with self._database.each() as tx:
            limits.cool(tx, target.name, error.code or error.kind, clock.now_ms(), base_ms, COOL_MOST_MS)
        self._read_at = 0.0

    def answered(self, target: Target) -> None:
        if target.name in self._cooling:
            with self._database.each() as tx:
                limits.warm(tx, target.name)
            self._read_at = 0.0
