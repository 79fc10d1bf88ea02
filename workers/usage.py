"""Totals and alerts from the raw usage rows. Safe to repeat."""

from thermly.running import accounting
from workers import here


def account() -> None:
    accounting.account(here.books())
