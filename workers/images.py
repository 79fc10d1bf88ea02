"""Images: one job each, drawn by this process."""

from workers import here


def draw(job_id: str) -> None:
    here.images().draw(job_id)
