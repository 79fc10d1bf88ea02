"""A request that somebody has just made, found again by its id.

Knows: usage. Must not know: who may see it.
"""

import msgspec
from msgspec import Struct

from thermly.store.db import Tx

LATEST = 200
"""So many of the account's newest rows are looked at: an index by id would be paid for by every request."""


class Run(Struct, frozen=True):
    outcome: str
    model: str
    complexity_level: int
    reasons_json: str
    cache: str
    cost_nanousd: int
    baseline_nanousd: int
    estimated: int

    @property
    def reasons(self) -> list[str]:
        return [row for row in _rows.decode(self.reasons_json) if isinstance(row, str)]


_rows = msgspec.json.Decoder(list)


def find(tx: Tx, account_id: str, request_id: str) -> Run | None:
    """None for what is not in the books yet, is long past, or is another account's."""
    row = tx.one(
        """SELECT outcome, model, complexity_level, reasons, cache, cost_nanousd, baseline_nanousd, estimated
           FROM (SELECT * FROM usage WHERE account_id = :account ORDER BY seq DESC LIMIT :latest)
           WHERE id = :id""",
        {"account": account_id, "latest": LATEST, "id": request_id},
    )
    return Run(*row) if row else None
