"""Work that processes take up from a table: who is at it, who has left it, and an end that is insisted on.

Knows: owners, transactions. Must not know: the tables, what the work is.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from thermly.store import owners
from thermly.store.db import Database, Tx

log = logging.getLogger("thermly.underway")
PAUSES_S = (1, 2, 4, 8)
T = TypeVar("T")


class Underway:
    """What one process is at, of one kind of work. `folder`: where processes prove that they live."""

    def __init__(self, database: Database, folder: Path, owner: str) -> None:
        self._database, self._folder, self._owner = database, folder, owner
        self._keys: set[str] = set()
        self._claiming = threading.Lock()

    def claim(self, key: str, take: Callable[[Tx], T | None]) -> T | None:
        """Both at once: what is claimed and not marked looks as if its process had died."""
        with self._claiming:
            with self._database.each() as tx:
                taken = take(tx)
            if taken is not None:
                self._keys.add(key)
        return taken

    def leave(self, key: str) -> None:
        self._keys.discard(key)

    def is_left(self, key: str, owner: str) -> bool:
        """Whether the process that claimed it has died, or is at it no more without having ended it."""
        if owner != self._owner:
            return owners.dead(self._folder, owner)
        with self._claiming:
            return key not in self._keys

    def insist(self, what: str, write: Callable[[Tx], T]) -> T:
        """`write` in one transaction, again and again while the database is stuck: the work has been done.
        Raises sqlite3.Error when patience ends."""
        for pause_s in PAUSES_S:
            try:
                with self._database.begin() as tx:
                    return write(tx)
            except sqlite3.Error as error:
                log.warning("the end of %s could not be written and will be tried again: %s", what, error)
                time.sleep(pause_s)
        with self._database.begin() as tx:
            return write(tx)
