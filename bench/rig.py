"""What the benchmark stands on: the C tools, pinned processes and what they cost, and the gateways.

Knows: processes, /proc and how each gateway is started. Must not know: what is measured or how it is printed.
"""

import http.client
import json
import os
import re
import resource
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BIN = HERE / ".bin"
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORE, LOAD_CORE = CORES[0], CORES[-1]
MARK = "BENCH_RUN"
CHAT = "/v1/chat/completions"
MODEL = "gpt-4o"


class Failed(RuntimeError):
    """Something did not work; the message says what."""


def build() -> None:
    """Compile the C tools into .bin/ where they are missing or older than their source."""
    cc = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not cc:
        raise Failed("No C compiler found: install gcc (or cc), or name one in CC.")
    BIN.mkdir(exist_ok=True)
    for name in ("upstream", "load"):
        source, target = HERE / f"{name}.c", BIN / name
        if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
            continue
        fresh = BIN / f"{name}.{os.getpid()}"  # moved into place whole: two runs may compile at once
        command = [*shlex.split(cc), "-O2", "-Wall", "-Wextra", "-o", str(fresh), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or done.stderr:
            raise Failed(f"{' '.join(command)}: {done.stderr[:2000]}")
        fresh.replace(target)


# ---- processes


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return []


class Running:
    """A started program with everything it started in turn: its descendants, and what has left its family
    (a daemon such as redis-server) but still carries the mark in its environment."""

    def __init__(self, command: list[str], core: int, env: dict[str, str], log: Path, cwd: Path | None = None):
        self.mark = env.setdefault(MARK, uuid.uuid4().hex)
        self.log, self.command = log, command
        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {core})  # inherited; kinder than code between fork and exec
        try:
            with log.open("ab") as out:
                self.process = subprocess.Popen(
                    command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                    start_new_session=True,
                )  # fmt: skip
        finally:
            os.sched_setaffinity(0, own)

    def pids(self) -> set[int]:
        parents: dict[int, int] = {}
        found = {self.process.pid}
        mark = f"{MARK}={self.mark}".encode()
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            if (fields := stat(pid)) and fields[0] != "Z":
                parents[pid] = int(fields[1])
                try:
                    if mark in Path(f"/proc/{pid}/environ").read_bytes():
                        found.add(pid)
                except OSError:
                    pass
        while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
            found |= more
        return found & parents.keys()

    def cpu_ms(self) -> float:
        """User and system time of all processes, and of the children that they have reaped."""
        return sum(int(x) for pid in self.pids() for x in stat(pid)[11:15]) * TICK_MS

    def rss_mib(self) -> float:
        """The sum over the processes: pages that they share count once for each."""
        total = 0
        for pid in self.pids():
            try:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except OSError:
                pass
        return total * PAGE_BYTES / 2**20

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-1500:]

    def stop(self, patience_s: float = 40) -> int:
        """Ask the program to end, and end what it leaves behind; returns how many processes those were."""
        if self.process.poll() is None:
            self.process.terminate()
        until = time.monotonic() + patience_s
        while self.pids() and time.monotonic() < until:
            self.process.poll()
            time.sleep(0.1)
        left = self.pids()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        return len(left)


def clean_env(work: Path) -> dict[str, str]:
    """No key, proxy or setting of the user's reaches a gateway, but for the settings of Thermly itself."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "TZ")}
    return kept | {"HOME": str(work), "TMPDIR": str(work), "NO_PROXY": "127.0.0.1,localhost"}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def allow_many_files() -> None:
    """Thousands of streams need file handles; services get them from their unit (LimitNOFILE)."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# ---- HTTP and load


def call(url: str, headers: list[str], body: Any = None, timeout_s: float = 20) -> tuple[int, bytes]:
    """One request; status 0 when there was no answer."""
    host, port, path = re.fullmatch(r"http://([^:/]+):(\d+)(/.*)", url).groups()  # type: ignore[union-attr]
    lines = dict(h.split(": ", 1) for h in headers) | {"Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(host, int(port), timeout=timeout_s)) as connection:
        try:
            connection.request("GET" if body is None else "POST", path, body and json.dumps(body), lines)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error).encode()


class Upstream:
    """The fake provider, on the load core."""

    def __init__(self, work: Path, delay_ms: float = 0, interval_ms: float = 20):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        options = ["--port", str(self.port), "--delay-ms", str(delay_ms), "--interval-ms", str(interval_ms)]
        self.running = Running([str(BIN / "upstream"), *options], LOAD_CORE, {}, work / "upstream.log")
        for _ in range(100):
            if call(self.url + "/stats", [])[0] == 200:
                return
            time.sleep(0.05)
        raise Failed("The fake upstream did not start: " + self.running.tail())

    def stats(self) -> dict[str, int]:
        status, body = call(self.url + "/stats", [])
        if status != 200:
            raise Failed("The fake upstream is gone: " + self.running.tail())
        return dict(json.loads(body))


def load(url: str, headers: list[str], options: dict[str, Any], limit_s: float) -> dict[str, Any]:
    """Run the load driver; `options` are its long options, True for a bare one."""
    port, path = re.fullmatch(r"http://[^:/]+:(\d+)(/.*)", url).groups()  # type: ignore[union-attr]
    command = [str(BIN / "load"), "--port", port, "--path", path]
    for header in headers:
        command += ["--header", header]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"The load driver did not end within {limit_s:.0f} s.") from error
    finally:
        os.sched_setaffinity(0, own)
    if done.returncode:
        raise Failed(f"The load driver failed: {done.stderr[-500:]}")
    return dict(json.loads(done.stdout))


# ---- gateways


class Gateway:
    """One thing to measure: how it is started, and where and how it is asked. This base runs any command."""

    cached_model = ""  # a model whose answers it caches; none: its cache is not measured

    def __init__(self, name: str, command: str, url: str, headers: list[str], model: str = MODEL):
        self.name, self.url, self.model = name, url, model
        self.headers = headers
        self.template = command
        self.env: dict[str, str] = {}
        self.command: list[str] = []
        self.cwd: Path | None = None

    def prepare(self, work: Path, upstream: str) -> None:
        """Everything before its start, in a fresh folder."""
        port = free_port()

        def fill(text: str) -> str:
            values = {"{port}": str(port), "{upstream}": upstream, "{work}": str(work)}
            return re.sub(r"\{(port|upstream|work)\}", lambda m: values[m[0]], text)

        self.work, self.env = work, clean_env(work) | {MARK: uuid.uuid4().hex}
        self.filled_url, self.filled_headers = fill(self.url), [fill(h) for h in self.headers]
        if not self.filled_url.endswith(CHAT):
            self.filled_url = self.filled_url.rstrip("/").removesuffix("/v1") + CHAT
        self.command = ["sh", "-c", "exec " + fill(self.template)]

    def start(self) -> Running:
        return Running(self.command, GATEWAY_CORE, self.env, self.work / "log.txt", self.cwd)

    def ask(self, model: str = "", text: str = "") -> tuple[int, bytes]:
        text = text or f"ping {time.time_ns()}"
        body = {"model": model or self.model, "max_tokens": 64, "messages": [{"role": "user", "content": text}]}
        return call(self.filled_url, self.filled_headers, body)

    def catch_up(self) -> None:
        """Let work put off until after the answers be done, so that it counts."""
        time.sleep(0.3)

    def books(self, answered: int, failed: int) -> Iterator[tuple[str, bool, str]]:
        """What must be true after all measurements: (what, whether, details)."""
        yield from ()


class Reference(Gateway):
    """A bare passthrough (reference.py) on the same gunicorn."""

    def __init__(self) -> None:
        serve = "-w 1 -k gthread --threads 2100 --worker-connections 5000 --keep-alive 75 --backlog 4096 -t 0"
        command = f"{shlex.quote(sys.executable)} -m gunicorn {serve} -b 127.0.0.1:{{port}} reference:app"
        super().__init__("bare passthrough", command, "http://127.0.0.1:{port}", [])

    def prepare(self, work: Path, upstream: str) -> None:
        super().prepare(work, upstream)
        self.env["UPSTREAM"] = upstream
        self.cwd = HERE


class Thermly(Gateway):
    """`thermly up` as anybody runs it, in a fresh instance folder."""

    cached_model = "fast"

    def __init__(self) -> None:
        super().__init__("Thermly", "", "http://127.0.0.1:{port}", [])

    def cli(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        script = Path(sys.executable).parent / "thermly"
        if not script.exists():
            raise Failed(f"{script} is missing: install Thermly beside the Python that runs this.")
        done = subprocess.run([str(script), *words], env=self.env, cwd=self.work, capture_output=True,
                              text=True, timeout=60)  # fmt: skip
        if check and done.returncode:
            raise Failed(f"thermly {' '.join(words)}: {(done.stderr or done.stdout)[-1500:]}")
        return done

    def prepare(self, work: Path, upstream: str) -> None:
        super().prepare(work, upstream)
        port = self.filled_url.split(":")[2].split("/")[0]
        self.env |= {k: v for k, v in os.environ.items() if k.startswith("THERMLY_")} | {
            "OPENAI_API_KEY": "bench", "OPENAI_BASE_URL": upstream + "/v1",
            "THERMLY_INSTANCE": str(work / "instance"), "THERMLY_HOST": "127.0.0.1", "THERMLY_PORT": port,
        }  # fmt: skip
        self.cli("migrate")
        self.cli("account", "create", "bench", "--plan", "enterprise", "--credit", "1000000")
        key = self.cli("key", "create", "--account", "bench", "--rpm", "unlimited").stdout.split()[-1]
        self.filled_headers = [f"Authorization: Bearer {key}"]
        self.command = [str(Path(sys.executable).parent / "thermly"), "up", "--no-demo"]

    def ledger(self) -> tuple[int, int, int]:
        """Rows settled; ended requests that are not in the daily totals yet; nano-dollars held."""
        with closing(sqlite3.connect(f"file:{self.work}/instance/thermly.db?mode=ro", uri=True)) as db:
            row = db.execute(
                """SELECT COUNT(*) FILTER (WHERE state = 'settled'),
                     COUNT(*) - (SELECT COALESCE(SUM(requests), 0) FROM usage_day),
                     (SELECT SUM(held_nanousd) FROM account) FROM usage"""
            ).fetchone()
        return int(row[0]), int(row[1]), int(row[2])

    def catch_up(self) -> None:
        """Until nothing is under way and the workers have brought every request into the daily totals."""
        until = time.monotonic() + 30
        time.sleep(0.1)
        while any(self.ledger()[1:]) and time.monotonic() < until:
            time.sleep(0.2)

    def books(self, answered: int, failed: int) -> Iterator[tuple[str, bool, str]]:
        self.catch_up()
        settled, late, held = self.ledger()
        say = f"{settled:,} rows settled, {answered:,} requests answered"
        if failed:  # what the driver gave up may have been answered and paid for
            say += f", {failed:,} failed"
        yield "one usage row per request answered", answered <= settled <= answered + failed, say
        done = "nothing is held, every request is in the daily totals"
        yield done, not late and not held, f"{held} nano-dollars held, {late} requests late"
        doctor = self.cli("doctor", check=False)
        say = "passes" if not doctor.returncode else (doctor.stdout + doctor.stderr)[-600:].replace("\n", "; ")
        yield "`thermly doctor`", not doctor.returncode, say


def work_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="thermly-bench-"))
