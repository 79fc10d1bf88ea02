"""Responses that are made in the background: what is to be done, and who is at it."""

from msgspec import Struct

from thermly.store.db import Tx


class Task(Struct, frozen=True):
    response_id: str
    state: str
    owner: str
    attempts: int
    queued_at_ms: int


_TASK = ", ".join(Task.__struct_fields__)
_UNCHANGED = "response_id = :id AND state = :state AND owner = :owner AND queued_at_ms = :queued"


def add(tx: Tx, response_id: str, request: bytes, now_ms: int) -> None:
    tx.run(
        """INSERT INTO background (response_id, request, state, queued_at_ms)
           VALUES (:id, :request, 'queued', :now)""",
        {"id": response_id, "request": request, "now": now_ms},
    )


def claim(tx: Tx, response_id: str, owner: str) -> tuple[bytes, int] | None:
    """Take up what is queued: the request, and the how manyeth attempt this is; None when it is not queued, or
    somebody else was first."""
    row = tx.one(
        """UPDATE background SET state = 'running', owner = :owner, attempts = attempts + 1
           WHERE response_id = :id AND state = 'queued' RETURNING request, attempts""",
        {"id": response_id, "owner": owner},
    )
    return (row[0], row[1]) if row else None


def requeue(tx: Tx, task: Task, now_ms: int) -> bool:
    """For one of all those who find that it has been waiting for too long, or that its process has died."""
    changed = tx.run(
        f"UPDATE background SET state = 'queued', owner = '', queued_at_ms = :now WHERE {_UNCHANGED}",  # noqa: S608
        {**_values(task), "now": now_ms},
    )
    return changed > 0


def give_up(tx: Tx, task: Task) -> bytes | None:
    """End it as it was found: the request; None when somebody else has it by now."""
    row = tx.one(f"DELETE FROM background WHERE {_UNCHANGED} RETURNING request", _values(task))  # noqa: S608
    return row[0] if row else None


def _values(task: Task) -> dict[str, str | int]:
    return {"id": task.response_id, "state": task.state, "owner": task.owner, "queued": task.queued_at_ms}


def end(tx: Tx, response_id: str) -> bool:
    """False when it has ended before (cancelled, or done by another)."""
    return tx.run("DELETE FROM background WHERE response_id = :id", {"id": response_id}) > 0


def finish(tx: Tx, response_id: str, owner: str) -> bool:
    """End what this owner is at; False when it is no longer its own."""
    changed = tx.run(
        "DELETE FROM background WHERE response_id = :id AND owner = :owner", {"id": response_id, "owner": owner}
    )
    return changed > 0


def is_wanted(tx: Tx, response_id: str, owner: str) -> bool:
    row = tx.one(
        "SELECT 1 FROM background WHERE response_id = :id AND owner = :owner", {"id": response_id, "owner": owner}
    )
    return row is not None


def find(tx: Tx, response_id: str) -> Task | None:
    row = tx.one(f"SELECT {_TASK} FROM background WHERE response_id = :id", {"id": response_id})  # noqa: S608
    return Task(*row) if row else None


def all_of_them(tx: Tx) -> list[Task]:
    return [Task(*row) for row in tx.all(f"SELECT {_TASK} FROM background")]  # noqa: S608


def drop_orphans(tx: Tx) -> None:
    """Forget those whose responses have gone with the days: a prompt is kept no longer than its response."""
    tx.run("DELETE FROM background WHERE NOT EXISTS (SELECT 1 FROM response WHERE response.id = response_id)")
