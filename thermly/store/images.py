"""Image jobs and the images they made. Every change of a job's state is one conditional statement."""

from msgspec import Struct

from thermly.exchange import Usage
from thermly.store.db import Tx


class Job(Struct, frozen=True):
    """`state`: queued, running, done or failed. `owner`: the process that draws."""

    id: str
    account_id: str
    state: str
    owner: str
    attempts: int
    request: str
    model: str
    wanted: int
    b64: int
    size: str
    quality: str
    input_tokens: int | None
    output_tokens: int | None
    error: str
    created_at_ms: int
    queued_at_ms: int

    @property
    def finished(self) -> bool:
        return self.state in ("done", "failed")

    @property
    def usage(self) -> Usage | None:
        """None where the upstream counts no tokens."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return Usage(self.input_tokens, output_tokens=self.output_tokens)


class Image(Struct, frozen=True):
    name: str
    position: int
    media_type: str
    size_bytes: int
    revised_prompt: str | None


_JOB = ", ".join(Job.__struct_fields__)
_IMAGE = ", ".join(Image.__struct_fields__)


def add(tx: Tx, job: Job, expires_at_ms: int) -> None:
    tx.run(
        """INSERT INTO image_job (id, account_id, state, request, model, wanted, b64, size, quality, created_at_ms,
             queued_at_ms, expires_at_ms)
           VALUES (:id, :account, 'queued', :request, :model, :wanted, :b64, :size, :quality, :now,
             :now, :expires)""",
        {"id": job.id, "account": job.account_id, "request": job.request, "model": job.model,
         "wanted": job.wanted, "b64": job.b64, "size": job.size, "quality": job.quality,
         "now": job.created_at_ms, "expires": expires_at_ms},
    )  # fmt: skip


def find(tx: Tx, job_id: str) -> Job | None:
    row = tx.one(f"SELECT {_JOB} FROM image_job WHERE id = :id", {"id": job_id})  # noqa: S608
    return Job(*row) if row else None


def claim(tx: Tx, job_id: str, owner: str) -> Job | None:
    """Take up a queued job; None when there is none, or somebody else has it."""
    row = tx.one(
        f"""UPDATE image_job SET state = 'running', owner = :owner, attempts = attempts + 1
            WHERE id = :id AND state = 'queued' RETURNING {_JOB}""",  # noqa: S608
        {"id": job_id, "owner": owner},
    )
    return Job(*row) if row else None


def queue_again(tx: Tx, job_id: str, queued_at_ms: int, now_ms: int) -> bool:
    """For one of all those who find that a queued job has been waiting for too long."""
    changed = tx.run(
        """UPDATE image_job SET queued_at_ms = :now
           WHERE id = :id AND state = 'queued' AND queued_at_ms = :queued""",
        {"id": job_id, "queued": queued_at_ms, "now": now_ms},
    )
    return changed > 0


def requeue(tx: Tx, job_id: str, owner: str, now_ms: int) -> bool:
    """Give back what a dead process had taken up."""
    changed = tx.run(
        """UPDATE image_job SET state = 'queued', owner = '', queued_at_ms = :now
           WHERE id = :id AND state = 'running' AND owner = :owner""",
        {"id": job_id, "owner": owner, "now": now_ms},
    )
    return changed > 0


def keep(tx: Tx, job_id: str, owner: str, images: list[Image], usage: Usage | None) -> bool:
    """Images that are there, with what they used. False when the job is no longer this owner's."""
    mine = tx.run(
        """UPDATE image_job SET
             input_tokens = CASE WHEN :told = 1 THEN COALESCE(input_tokens, 0) + :input ELSE input_tokens END,
             output_tokens = CASE WHEN :told = 1 THEN COALESCE(output_tokens, 0) + :output ELSE output_tokens END
           WHERE id = :id AND state = 'running' AND owner = :owner""",
        {"id": job_id, "owner": owner, "told": int(usage is not None),
         "input": usage.input_tokens if usage else 0, "output": usage.output_tokens if usage else 0},
    )  # fmt: skip
    if not mine:
        return False
    for image in images:
        tx.run(
            """INSERT INTO image (name, job_id, position, media_type, size_bytes, revised_prompt)
               VALUES (:name, :job, :position, :type, :size, :revised)""",
            {"name": image.name, "job": job_id, "position": image.position, "type": image.media_type,
             "size": image.size_bytes, "revised": image.revised_prompt},
        )  # fmt: skip
    return True


def finish(tx: Tx, job_id: str, owner: str, state: str, error: str, now_ms: int) -> bool:
    """Close the job, once. The prompt goes with it."""
    changed = tx.run(
        """UPDATE image_job SET state = :state, error = :error, request = '', finished_at_ms = :now
           WHERE id = :id AND state = 'running' AND owner = :owner""",
        {"id": job_id, "owner": owner, "state": state, "error": error, "now": now_ms},
    )
    return changed > 0


def of_job(tx: Tx, job_id: str) -> list[Image]:
    rows = tx.all(f"SELECT {_IMAGE} FROM image WHERE job_id = :id ORDER BY position", {"id": job_id})  # noqa: S608
    return [Image(*row) for row in rows]


def by_name(tx: Tx, name: str, now_ms: int) -> tuple[Image, int] | None:
    """(the image, when it expires), of a job that is done."""
    columns = ", ".join(f"image.{field}" for field in Image.__struct_fields__)
    row = tx.one(
        f"""SELECT expires_at_ms, {columns} FROM image JOIN image_job ON image_job.id = image.job_id
            WHERE image.name = :name AND state = 'done' AND expires_at_ms > :now""",  # noqa: S608
        {"name": name, "now": now_ms},
    )
    return (Image(*row[1:]), row[0]) if row else None


def unfinished(tx: Tx) -> list[Job]:
    rows = tx.all(f"SELECT {_JOB} FROM image_job WHERE state IN ('queued', 'running')")  # noqa: S608
    return [Job(*row) for row in rows]


def forget_images(tx: Tx, job_id: str) -> list[str]:
    """The names whose files can go."""
    rows = tx.all("DELETE FROM image WHERE job_id = :id RETURNING name", {"id": job_id})
    return [name for (name,) in rows]


def expired(tx: Tx, now_ms: int, limit: int = 100) -> list[str]:
    rows = tx.all(
        "SELECT id FROM image_job WHERE expires_at_ms <= :now AND state IN ('done', 'failed') LIMIT :limit",
        {"now": now_ms, "limit": limit},
    )
    return [job_id for (job_id,) in rows]


def forget(tx: Tx, job_id: str) -> None:
    tx.run("DELETE FROM image_job WHERE id = :id", {"id": job_id})


def known(tx: Tx, name: str) -> bool:
    return tx.one("SELECT 1 FROM image WHERE name = :name", {"name": name}) is not None


def holds_without_job(tx: Tx) -> list[str]:
    """Owners of holds that say they are a job's, where the job is over or never was."""
    rows = tx.all(
        """SELECT owner FROM hold WHERE substr(owner, 1, 4) = 'job/' AND NOT EXISTS (
             SELECT 1 FROM image_job WHERE image_job.id = hold.id AND state IN ('queued', 'running'))"""
    )
    return [owner for (owner,) in rows]
