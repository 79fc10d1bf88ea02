"""What has expired goes; what dead processes held is released."""

from thermly import accounting


def sweep() -> None:
    accounting.sweep(accounting.here())
