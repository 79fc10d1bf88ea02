"""What has expired goes; what dead processes held or had begun is released or begun again."""

from thermly.running import accounting
from workers import here


def sweep() -> None:
    accounting.sweep(here.books())
    try:
        here.images().rescue()
    finally:  # a disk that refuses images is no reason to leave responses lying
        here.background().rescue()
