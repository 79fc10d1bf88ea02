"""Whose turn it is: what waits for workers, of every kind, in an order that is fair to the accounts."""

from typing import Literal

from msgspec import Struct

from thermly.store.db import Tx

Kind = Literal["image", "response"]


class Turn(Struct, frozen=True):
    kind: Kind
    id: str


def first(tx: Tx) -> Turn | None:
    """Of the account for which the least is being done, what was asked for first."""
    row = tx.one(
        """WITH
             task (kind, id, account_id, state, created_at_ms) AS (
               SELECT 'response', response_id, account_id, state, created_at_ms
               FROM background JOIN response ON response.id = response_id
               UNION ALL
               SELECT 'image', id, account_id, state, created_at_ms
               FROM image_job WHERE state IN ('queued', 'running')),
             busy (account_id, tasks) AS (
               SELECT account_id, COUNT(*) FROM task WHERE state = 'running' GROUP BY account_id)
           SELECT kind, id FROM task LEFT JOIN busy ON busy.account_id = task.account_id
           WHERE state = 'queued'
           ORDER BY COALESCE(tasks, 0), created_at_ms, id
           LIMIT 1"""
    )
    return Turn(*row) if row else None
