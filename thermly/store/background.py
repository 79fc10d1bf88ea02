"""Responses that are made in the background: what is to be done, and who is at it."""

from msgspec import Struct

from thermly.store.db import Tx


class Task(Struct, frozen=True):
    response_id: str
    request: bytes
    state: str
    owner: str
    attempts: int
    queued_at_ms: int


_TASK = ", ".join(Task.__struct_fields__)


def add(tx: Tx, response_id: str, request: bytes, now_ms: int) -> None:
    tx.run(
        """INSERT INTO background (response_id, request, state, queued_at_ms)
           VALUES (:id, :request, 'queued', :now)""",
        {"id": response_id, "request": request, "now": now_ms},
    )


def claim(tx: Tx, response_id: str, owner: str) -> Task | None:
    """Take up what is queued; None when it is not, or somebody else was first."""
    row = tx.one(
        f"""UPDATE background SET state = 'running', owner = :owner, attempts = attempts + 1
            WHERE response_id = :id AND state = 'queued' RETURNING {_TASK}""",  # noqa: S608
        {"id": response_id, "owner": owner},
    )
    return Task(*row) if row else None


def requeue(tx: Tx, task: Task, now_ms: int) -> bool:
    """For one of all those who find that it has been waiting for too long, or that its process has died."""
    changed = tx.run(
        """UPDATE background SET state = 'queued', owner = '', queued_at_ms = :now
           WHERE response_id = :id AND state = :state AND owner = :owner AND queued_at_ms = :queued""",
        {
            "id": task.response_id,
            "state": task.state,
            "owner": task.owner,
            "queued": task.queued_at_ms,
            "now": now_ms,
        },
    )
    return changed > 0


def end(tx: Tx, response_id: str) -> bool:
    """False when it has ended before (cancelled, or done by another)."""
    return tx.run("DELETE FROM background WHERE response_id = :id", {"id": response_id}) > 0


def is_wanted(tx: Tx, response_id: str, owner: str) -> bool:
    row = tx.one(
        "SELECT 1 FROM background WHERE response_id = :id AND owner = :owner", {"id": response_id, "owner": owner}
    )
    return row is not None


def all_of_them(tx: Tx) -> list[Task]:
    return [Task(*row) for row in tx.all(f"SELECT {_TASK} FROM background")]  # noqa: S608
