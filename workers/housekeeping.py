"""What has expired goes; what dead processes held or had begun is released or begun again."""

from thermly import accounting
from workers import here


def sweep() -> None:
    accounting.sweep(accounting.here())
    try:
        here.images().rescue()
    finally:  # a disk that refuses images is no reason to leave responses lying
        here.background().rescue()
