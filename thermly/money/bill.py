"""What one request costs: its worst case held before it is served, closed exactly once after.

Knows: holds and their ends. Must not know: models, prices, events, what the money is for.
"""

import logging
import sqlite3
from collections import deque
from collections.abc import Callable

from thermly import clock, ids
from thermly.caller import Caller
from thermly.errors import InsufficientFunds
from thermly.store import keys, money
from thermly.store.db import Database, Tx
from thermly.store.money import Closing, Funds, Opening

OF_JOB = "job/"
"""How the owner of a hold begins that belongs to a job and not to a process."""

log = logging.getLogger("thermly.bill")


class Books:
    """Where one process writes its bills. `owner` names the process in its holds."""

    def __init__(self, database: Database, owner: str) -> None:
        self.database, self.owner = database, owner
        self.nudge: Callable[[], None] = lambda: None
        self.unsettled: deque[tuple[str, Closing]] = deque()

    def close(self, usage_id: str, closing: Closing) -> None:
        """Settle. A full disk or a stuck database must not lose it: then it is tried again later."""
        try:
            with self.database.each() as tx:
                money.close(tx, usage_id, closing)
        except sqlite3.Error:
            log.exception("settlement of %s failed and will be tried again", usage_id)
            self.unsettled.append((usage_id, closing))
        self.nudge()

    def settle_leftovers(self) -> None:
        for _ in range(len(self.unsettled)):
            self.close(*self.unsettled.popleft())


class Bill:
    """The bill of one request, known by `id` in the usage log. `held_nanousd` is None until funds are held."""

    def __init__(
        self,
        books: Books,
        caller: Caller,
        surface: str,
        requested_model: str,
        outlives_us: bool = False,
        number: str = "",
    ) -> None:
        """`outlives_us`: the hold is not this process's but that of a job, which others may take up. `number`: the
        id that the request has been told, where it has been."""
        self._books = books
        self.id = number or ids.new()
        self.started_ms = clock.now_ms()
        self.held_nanousd: int | None = None
        self.opening = Opening(
            id=self.id,
            account_id=caller.account_id,
            key_id=caller.key_id,
            owner=OF_JOB + self.id if outlives_us else books.owner,
            capped=int(caller.capped),
            surface=surface,
            requested_model=requested_model,
            started_at_ms=self.started_ms,
        )

    def hold(self, amount_nanousd: int) -> bool:
        """Hold so much in all, or change nothing and say False."""
        with self._books.database.each() as tx:
            return self.hold_in(tx, amount_nanousd)

    def hold_in(self, tx: Tx, amount_nanousd: int) -> bool:
        held = self._reserve(tx, amount_nanousd)
        if not held and self.opening.capped:
            keys.renew_caps(tx, clock.now_ms(), self.opening.key_id)
            held = self._reserve(tx, amount_nanousd)  # also when it was another process that renewed
        if held:
            self.held_nanousd = max(amount_nanousd, self.held_nanousd or 0)
        return held

    def _reserve(self, tx: Tx, amount_nanousd: int) -> bool:
        if self.held_nanousd is None:
            return money.hold(tx, self.opening, amount_nanousd)
        return money.extend(tx, self.opening, max(0, amount_nanousd - self.held_nanousd))

    def require(self, amount_nanousd: int) -> None:
        """Hold so much. Raises InsufficientFunds."""
        if not self.hold(amount_nanousd):
            raise refusal(self.funds())

    def funds(self) -> Funds:
        with self._books.database.each() as tx:
            return money.funds(tx, self.opening.account_id, self.opening.key_id, clock.now_ms())

    def close(self, closing: Closing) -> None:
        """The hold ends; without one there is nothing to close."""
        if self.held_nanousd is not None:
            self._books.close(self.id, closing)

    def record(self, closing: Closing) -> None:
        """A request that cost nothing and so held nothing."""
        with self._books.database.each() as tx:
            money.record(tx, self.opening, closing)
        self._books.nudge()


def refusal(funds: Funds) -> InsufficientFunds:
    if funds.cap_is_in_the_way:
        return InsufficientFunds("This API key's spend cap is reached.", code="spend_cap_reached")
    return InsufficientFunds("Insufficient credits. Add credits on the billing page to go on.")
