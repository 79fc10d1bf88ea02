"""Which processes are alive: each holds a locked file, and the kernel drops the lock however it dies.

Knows: lock files under `instance/run`. Must not know: what is owned.
"""

import os
from pathlib import Path

from thermly import ids

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt


class Owner:
    """This process, by a name that no other process ever had. Must be made after a fork, not before."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = f"{os.getpid()}-{ids.new()}"
        # Locked under a name that nobody looks for: no living owner's file is ever seen unlocked. (Windows cannot
        # rename an open file; there one process serves.)
        draft = folder / f"{self.name}.{'new' if fcntl is None else 'draft'}"
        self._file = draft.open("w")
        _lock(self._file.fileno())
        if fcntl is None:
            return
        draft.rename(folder / f"{self.name}.lock")

    def close(self) -> None:
        """From now on this owner is dead to others."""
        self._file.close()


def dead(folder: Path, name: str) -> bool:
    """Whether the process that had this name is gone."""
    for path in (folder / f"{name}.lock", folder / f"{name}.new"):
        try:
            file = path.open("r+")
        except FileNotFoundError:  # never was, or another process has just found it dead
            continue
        with file:
            try:
                _lock(file.fileno())
            except OSError:
                return False
    return True


def forget(folder: Path, name: str) -> None:
    for suffix in ("lock", "new"):
        (folder / f"{name}.{suffix}").unlink(missing_ok=True)


def known(folder: Path) -> list[str]:
    """Every owner that has left a file, dead or alive."""
    return [p.stem for p in folder.glob("*-*.*") if p.suffix in (".lock", ".new")]


def _lock(fd: int) -> None:
    """Raises OSError when another process holds the lock."""
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
