"""Responses in the background: one job each, answered by this process."""

from workers import here


def answer(response_id: str) -> None:
    here.background().answer(response_id)
