"""`thermly up`: Redis, the web server, the job workers and, without provider keys, the sandbox, as one.

Knows: child processes. Must not know: what they do. A child that dies is started again; one that keeps dying
takes the whole down with a non-zero exit: never half a gateway that looks alive.
"""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from thermly.running import redis_server
from thermly.settings import Settings

RESTARTS, RESTARTS_WITHIN_S = 5, 60
PR_SET_PDEATHSIG = 1


class CannotStart(RuntimeError):
    """Something outside is missing or in the way; the message says what to do."""


class Child:
    """A process and how to start it again."""

    def __init__(
        self, name: str, command: list[str], env: dict[str, str], fds: tuple[int, ...] = (), patience_s: float = 5
    ) -> None:
        self.name, self.command, self.env, self.fds, self.patience_s = name, command, env, fds, patience_s
        self.process: subprocess.Popen[bytes] | None = None
        self.started: deque[float] = deque(maxlen=RESTARTS)

    def start(self) -> None:
        self.started.append(time.monotonic())
        self.process = subprocess.Popen(
            self.command,
            env=self.env,
            pass_fds=self.fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the supervisor, which ends its children in order
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )

    def dead(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def hopeless(self) -> bool:
        """Whether it has been started so often of late that once more will not help."""
        return len(self.started) == RESTARTS and time.monotonic() - self.started[0] < RESTARTS_WITHIN_S

    def stop(self) -> None:
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(self.patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _die_with_parent() -> None:
    """A supervisor killed outright leaves nothing behind (prctl(2), Linux only)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.children: list[Child] = []
        self._stop_signals = 0
        self._env = dict(os.environ, THERMLY_INSTANCE=str(settings.instance), PYTHONUNBUFFERED="1")
        self._listener: socket.socket | None = None

    def lock(self) -> None:
        """One gateway to a folder: two would take each other's Redis away."""
        folder = self.settings.instance / "run"
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / "up.lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CannotStart(
                f"Another Thermly runs on {self.settings.instance}. THERMLY_INSTANCE chooses another folder."
            ) from error

    def listen(self) -> None:
        """Bind before anything is started; the socket outlives the servers, so restarts refuse nobody."""
        settings = self.settings
        try:
            self._listener = socket.create_server((settings.host, settings.port), backlog=4096)
        except OSError as error:
            raise CannotStart(
                f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Is another Thermly running? "
                "THERMLY_PORT chooses another port."
            ) from error

    def add_redis(self) -> None:
        if self.settings.redis_url:
            self._env["THERMLY_REDIS_URL"] = self.settings.redis_url
            return
        binary = redis_server.find()
        if binary is None:
            raise CannotStart(redis_server.MISSING)
        path = redis_server.socket_path(self.settings.instance)
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in path.parent.glob("redis-*.sock"):
            stale.unlink()
        self._env["THERMLY_REDIS_URL"] = f"unix://{path}"
        command = redis_server.command(binary, path, self.settings.instance / "run")
        self.children.append(Child("redis", command, self._env))

    def add_sandbox(self) -> str:
        """The offline upstream on a free loopback port; returns its URL."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._sandbox_listener = listener
        self._env["THERMLY_SANDBOX_URL"] = url
        command = [sys.executable, "-m", "thermly.sandbox", "--fd", str(listener.fileno())]
        self.children.append(Child("sandbox", command, self._env, (listener.fileno(),)))
        return url

    def add_servers(self) -> None:
        assert self._listener is not None
        fd = self._listener.fileno()
        here = [sys.executable, "-m", "thermly"]
        drain_s = self.settings.drain_s + 5
        for i in range(self.settings.rq_workers):
            self.children.append(Child(f"worker {i + 1}", [*here, "worker"], self._env, patience_s=drain_s))
        self.children.append(Child("web", [*here, "serve", "--fd", str(fd)], self._env, (fd,), drain_s))

    def run(self, ready: Callable[[], None]) -> int:
        """Start everything, call `ready` once it answers, and watch until told to stop; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._told_to_stop)
        code = 0
        try:
            for child in self.children:
                child.start()
            told = False
            while not self._stop_signals:
                if not told and self._answers():
                    told = True
                    ready()
                if self._mend() is False:
                    code = 1
                    break
                time.sleep(0.2 if told else 0.02)
        finally:
            self._stop_all()
        return code

    def _told_to_stop(self, _number: int, _frame: object) -> None:
        self._stop_signals += 1
        if self._stop_signals > 1:
            for child in self.children:
                if child.process is not None and child.process.poll() is None:
                    os.killpg(child.process.pid, signal.SIGKILL)

    def _mend(self) -> bool:
        """Start dead children again; False when one of them cannot be kept alive."""
        for child in self.children:
            if not child.dead() or self._stop_signals:
                continue
            assert child.process is not None
            say(f"{child.name} ended with code {child.process.returncode}")
            if child.hopeless():
                say(f"{child.name} keeps ending: stopping everything")
                return False
            time.sleep(0.1 * len(child.started))
            child.start()
        return True

    def _stop_all(self) -> None:
        """In the reverse order: the web first, so that what it leaves behind is still taken up."""
        if self._listener is not None:
            self._listener.close()
        for child in reversed(self.children):
            child.stop()

    def _answers(self) -> bool:
        assert self._listener is not None
        host, port = self._listener.getsockname()[:2]
        try:
            with socket.create_connection(("127.0.0.1" if host == "0.0.0.0" else host, port), 1) as probe:
                probe.settimeout(1)
                probe.sendall(b"GET /health/readiness HTTP/1.1\r\nHost: thermly\r\nConnection: close\r\n\r\n")
                return probe.recv(12) == b"HTTP/1.1 200"
        except OSError:
            return False


def say(text: str) -> None:
    print(f"thermly: {text}", file=sys.stderr, flush=True)


def write_private(path: Path, text: str) -> None:
    """A file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
