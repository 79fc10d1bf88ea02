"""Whose turn it is among what waits for workers: images and responses in the background.

Knows: that the queue says when there is something to be made, and the rows what. Must not know: RQ, SQL text, how
any of them is made. One account that asks for hundreds waits for them itself; another's first is made as soon as a
worker is free.
"""

from collections.abc import Callable, Mapping

from thermly.store import turns as store
from thermly.store.db import Database

Make = Callable[[str], bool]
"""Makes what has this id; False where somebody else was first."""


class Turns:
    def __init__(self, database: Database, make: Mapping[store.Kind, Make]) -> None:
        self._database, self._make = database, make

    def take(self) -> bool:
        """Make one; False where none waits."""
        while True:
            with self._database.each() as tx:
                turn = store.first(tx)
            if turn is None:
                return False
            if self._make[turn.kind](turn.id):
                return True
