"""Totals and alerts from the raw usage rows. Safe to repeat."""

from thermly import accounting


def account() -> None:
    accounting.account(accounting.here())
