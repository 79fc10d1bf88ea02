"""Where images are kept: names and bytes, in a folder, or in whatever else can do these five things.

Knows: files. Must not know: whose images they are, how long they live, how they are served.
"""

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

TEMPORARY_S = 3600
_NAME = re.compile(r"[A-Za-z0-9_-]{16,64}\.(?:png|jpg|webp|gif)")
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")


class Storage(Protocol):
    """A name is written once, and never seen before all of it is there."""

    def put(self, name: str, data: bytes) -> None:
        """Raises OSError where it cannot be kept."""

    def open(self, name: str) -> BinaryIO | None:
        """None where there is no such image, and for what is no name of one."""

    def delete(self, name: str) -> None:
        """Also where it has gone already."""

    def names(self) -> Iterator[str]: ...

    def sweep_temporary(self, now_s: float) -> None:
        """Remove what writers have left behind that were killed."""


class Folder(Storage):
    """Files in one folder, made at the first use, for nobody else on the machine to read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, name: str, data: bytes) -> None:
        target = self._at(name)
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._path / f".{secrets.token_hex(8)}.tmp"
        try:
            _write(temporary, data)
            os.replace(temporary, target)
        except BaseException:  # a worker's time may be up at any line
            temporary.unlink(missing_ok=True)
            raise
        _sync(self._path)

    def open(self, name: str) -> BinaryIO | None:
        if not _NAME.fullmatch(name):
            return None
        try:
            return self._at(name).open("rb")
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        self._at(name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        return (name for name in self._files() if _NAME.fullmatch(name))

    def sweep_temporary(self, now_s: float) -> None:
        for name in self._files():
            if _TEMPORARY.fullmatch(name) and _age_s(self._path / name, now_s) > TEMPORARY_S:
                (self._path / name).unlink(missing_ok=True)

    def _at(self, name: str) -> Path:
        """Raises ValueError: a path must not lead out of the folder, nor to what is no image."""
        if not _NAME.fullmatch(name):
            raise ValueError("that is no name of an image")
        return self._path / name

    def _files(self) -> list[str]:
        try:
            return os.listdir(self._path)
        except (FileNotFoundError, NotADirectoryError):  # nothing was kept yet, or nothing can be
            return []


def _write(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """A renamed file's new name is on the disk only when its folder is; Windows cannot be asked for that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _age_s(path: Path, now_s: float) -> float:
    try:
        return now_s - path.stat().st_mtime
    except FileNotFoundError:  # its writer has finished, or another has swept it
        return 0
