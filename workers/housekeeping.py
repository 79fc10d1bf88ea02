"""What has expired goes; what dead processes held or had begun is released or begun again."""

from thermly import accounting
from workers import here


def sweep() -> None:
    accounting.sweep(accounting.here())
    here.images().rescue()
    here.background().rescue()
