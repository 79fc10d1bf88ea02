"""The real thing: `thermly up` as a process of its own, and what tests do with it from outside.

Knows: processes, HTTP, the store's functions on the same file. A test never looks inside the running server.
"""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests

from thermly import ids
from thermly.store import accounts, keys
from thermly.store.db import Database

CHAT = "/v1/chat/completions"
NANO = 10**9
FOREIGN = ("REDIS_URL", "WEB_CONCURRENCY", "GUNICORN_CMD_ARGS")
CATALOGUE = """
# Tests of these names must not depend on the day they run.
[models.claude-sonnet-4-5]
retired_on = 2999-01-01

[models.retired-last-century]
provider = "openai"
input_per_mtok = 1
output_per_mtok = 1
retired_on = 1999-12-31
replacement = "gpt-4o-mini"

[models.unpriced]
provider = "openai"

[models."house/of/words"]
provider = "openai"
input_per_mtok = 1
output_per_mtok = 1
"""


def mark() -> str:
    """A word that no other request has said."""
    return "mark" + secrets.token_hex(6)


def order(directive: str, text: str = "") -> str:
    """A text that tells the sandbox what to do."""
    return f"{text}[[sandbox: {directive}]]"


def user(text: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def wait_for(what: Callable[[], Any], seconds: float = 10) -> Any:
    """The first truth that `what` tells, however long it takes on a busy machine."""
    until = time.monotonic() + seconds
    while True:
        found = what()
        if found or time.monotonic() > until:
            return found
        time.sleep(0.02)


def at_once(count: int, what: Callable[[int], Any]) -> list[Any]:
    """`what` called by so many threads at the same time; what they returned. Raises what one of them met."""
    found: list[Any] = [None] * count
    gate = threading.Barrier(count)

    def run(index: int) -> None:
        gate.wait()
        try:
            found[index] = what(index)
        except Exception as error:
            found[index] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in found:
        if isinstance(result, Exception):
            raise result
    return found


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def children(pid: int) -> dict[int, str]:
    """The living children of a process, and their command lines."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent, state = _stat(folder)
            if parent == pid and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
    return found


def alive(pid: int) -> bool:
    try:
        return _stat(Path("/proc") / str(pid))[1] != "Z"
    except OSError:
        return False


def _stat(folder: Path) -> tuple[int, str]:
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), fields[0]


class Stack:
    """One running `thermly up`. `stop` it in every case."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path, self.out_path = folder.parent / "log", folder.parent / "out"
        kept = {k: v for k, v in os.environ.items() if not _is_ours(k)}
        ours = {"instance": folder, "port": self.port, "web_workers": 2, "keepalive_s": 1, **settings}
        self.env = kept | {f"THERMLY_{k.upper()}": str(v) for k, v in ours.items()}
        self.env["PYTHONFAULTHANDLER"] = "1"  # a crash of a process tells its stack in the log
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "thermly.toml").exists():
            (folder / "thermly.toml").write_text(CATALOGUE)
        self.process: subprocess.Popen[bytes]
        self.database = Database(folder / "thermly.db")
        self.http = requests.Session()

    # ---- the processes

    def start(self) -> Stack:
        self.launch()
        if not wait_for(self.ready, 30):
            self.kill()
            raise AssertionError(f"the stack did not come up:\n{self.log()}")
        return self

    def launch(self) -> None:
        with self.log_path.open("ab") as log, self.out_path.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "thermly", "up"],
                env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=log, start_new_session=True,
                preexec_fn=_die_with_the_tests,
            )  # fmt: skip

    def ready(self) -> bool:
        try:
            return requests.get(self.url + "/health/readiness", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def stop(self) -> int:
        """The exit code after a SIGTERM."""
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.kill()

    def kill(self) -> None:
        """Leave nothing behind, whatever went wrong."""
        left = self.family() if self.process.poll() is None else []
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in left:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)

    def family(self) -> list[int]:
        """The processes below the supervisor, all generations."""
        found, todo = [], [self.process.pid]
        while todo:
            born = list(children(todo.pop()))
            found += born
            todo += born
        return found

    def child(self, words: str) -> int:
        """The supervisor's child whose command line says `words`; waits for one."""

        def find() -> int:
            return next((pid for pid, line in children(self.process.pid).items() if words in line), 0)

        return int(wait_for(find))

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def cli(self, *words: str) -> str:
        """What a command prints; fails with what it complains about."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "thermly", *words]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60)

    # ---- callers

    def caller(self, usd: float = 100, plan: str = "enterprise", disabled: bool = False, **key: Any) -> Caller:
        """A new account with one key; without a limit of requests unless one is asked for."""
        now_ms = time.time_ns() // 1_000_000
        with self.database.begin() as tx:
            account = accounts.create(tx, "account " + ids.new(), plan, now_ms, disabled)
            assert account is not None
            accounts.credit(tx, account.id, round(usd * NANO), "grant", "", now_ms)
        caller = Caller(self, account.id, "")
        caller.key = self.key(account.id, **key)
        return caller

    def credit(self, caller: Caller, amount_nanousd: int) -> None:
        with self.database.begin() as tx:
            accounts.credit(tx, caller.account_id, amount_nanousd, "correction", "", 0)

    def key(self, account_id: str, **facts: Any) -> str:
        key = ids.new_key()
        with self.database.begin() as tx:
            keys.create(tx, account_id, key, time.time_ns() // 1_000_000, **facts)
        return key

    # ---- the upstream

    @property
    def sandbox_url(self) -> str:
        if "THERMLY_SANDBOX_URL" not in self.env:
            told = Path(f"/proc/{self.child('serve --fd')}/environ").read_bytes().decode().split("\0")
            self.env["THERMLY_SANDBOX_URL"] = dict(row.split("=", 1) for row in told if row)["THERMLY_SANDBOX_URL"]
        return self.env["THERMLY_SANDBOX_URL"]

    def sandbox(self, what: str, method: str = "GET", **body: Any) -> Any:
        url = f"{self.sandbox_url}/_sandbox/{what}"
        return self.http.request(method, url, json=body or None, timeout=10).json()

    def heard(self, marker: str) -> list[dict[str, Any]]:
        """What the upstream was sent in requests that say the marker, oldest first."""
        return [r for r in self.sandbox("requests") if marker in json.dumps(r["body"])]

    @contextmanager
    def upstream(self, **states: dict[str, Any]) -> Iterator[None]:
        """Providers in these states for a while."""
        self.sandbox("state", "POST", **states)
        try:
            yield
        finally:
            self.sandbox("state", "DELETE")

    def first_provider(self, model: str = "auto") -> str:
        """Who answers an easy question while nobody is cooling down."""
        caller = self.caller()
        caller.told(f"Hello {mark()}", model)
        return str(caller.usage()[0]["provider"])

    def calm(self) -> None:
        """Forget every failure of every target, in all processes."""
        if self.change("DELETE FROM cooldown"):
            time.sleep(1.1)  # processes look once a second

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        with closing(self._connect()) as connection:
            cursor = connection.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def change(self, sql: str, **values: Any) -> int:
        """How many rows it changed."""
        with closing(self._connect()) as connection:
            return connection.execute(sql, values).rowcount

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "thermly.db", timeout=10, isolation_level=None)


def _die_with_the_tests() -> None:
    """A run that is killed leaves no stack behind (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _is_ours(name: str) -> bool:
    provider = name.startswith(("OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "DEEPSEEK_"))
    return name.startswith("THERMLY_") or provider or name in FOREIGN


class Caller:
    """Somebody with a key."""

    def __init__(self, stack: Stack, account_id: str, key: str) -> None:
        self.stack, self.account_id, self.key = stack, account_id, key

    def headers(self, more: dict[str, str] | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **(more or {})}

    def post(self, body: Any, path: str = CHAT, headers: dict[str, str] | None = None) -> requests.Response:
        """`body`: something to write as JSON, or the bytes themselves."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        # A session is not made for threads; the main one's saves the connections of hundreds of requests.
        here = self.stack.http if threading.current_thread() is threading.main_thread() else requests
        return here.post(self.stack.url + path, data=data, headers=self.headers(headers), timeout=60)

    def ask(
        self, text: Any = "Hello!", model: str = "gpt-4o", path: str = CHAT, **fields: Any
    ) -> requests.Response:
        return self.post({"model": model, "messages": user(text), **fields}, path)

    def told(self, text: Any = "Hello!", model: str = "gpt-4o", **fields: Any) -> dict[str, Any]:
        """The reply to a question that must be answered."""
        response = self.ask(text, model, **fields)
        assert response.status_code == 200, response.text
        reply: dict[str, Any] = response.json()
        return reply

    @contextmanager
    def open(self, text: Any = "Hello!", model: str = "gpt-4o", **fields: Any) -> Iterator[Stream]:
        """A stream under way."""
        body = {"model": model, "messages": user(text), "stream": True, **fields}
        with requests.Session() as http:
            response = http.post(
                self.stack.url + CHAT, data=json.dumps(body), headers=self.headers(), stream=True, timeout=60
            )
            with response:
                yield Stream(response)

    def stream(self, text: Any = "Hello!", model: str = "gpt-4o", **fields: Any) -> Stream:
        """A stream read to its end."""
        with self.open(text, model, **fields) as stream:
            stream.read()
        return stream

    def usage(self, count: int = 1) -> list[dict[str, Any]]:
        """The usage rows of the account, oldest first, once there are so many."""

        def rows() -> tuple[list[dict[str, Any]]] | None:
            found = self.stack.rows("SELECT * FROM usage WHERE account_id = :id ORDER BY seq", id=self.account_id)
            return (found,) if len(found) >= count else None

        found = wait_for(rows)
        assert found is not None and len(found[0]) == count
        return list(found[0])

    def funds(self) -> tuple[int, int]:
        """Balance and held sum, in nano-dollars."""
        sql = "SELECT balance_nanousd AS balance, held_nanousd AS held FROM account WHERE id = :id"
        row = self.stack.rows(sql, id=self.account_id)[0]
        return row["balance"], row["held"]


class Stream:
    """Server-sent events as they came: chunks, comments, an error, and whether `[DONE]` was said."""

    def __init__(self, response: requests.Response) -> None:
        self.response = response
        self.began_at = time.monotonic()
        self.chunks: list[dict[str, Any]] = []
        self.at: list[float] = []  # when each chunk came, in seconds after the head
        self.comments = 0
        self.done = False
        self.error: dict[str, Any] | None = None
        self._blocks = self._split()

    def read(self, chunks: int | None = None) -> None:
        """To the end, or until so many chunks more have come."""
        wanted = None if chunks is None else len(self.chunks) + chunks
        while wanted is None or len(self.chunks) < wanted:
            block = next(self._blocks, None)
            if block is None:
                return
            self._take(block)

    def _split(self) -> Iterator[bytes]:
        buffer = b""
        for data in self.response.iter_content(None):
            *blocks, buffer = (buffer + data).split(b"\n\n")
            yield from blocks
        assert not buffer, "the last event is not complete"

    def _take(self, block: bytes) -> None:
        assert not self.done, "something follows [DONE]"
        if block.startswith(b":"):
            self.comments += 1
            return
        assert block.startswith(b"data: ") and b"\n" not in block, block
        if block == b"data: [DONE]":
            self.done = True
            return
        event = json.loads(block[6:])
        if "error" in event:
            self.error = event["error"]
        else:
            self.chunks.append(event)
            self.at.append(time.monotonic() - self.began_at)

    @property
    def choices(self) -> list[dict[str, Any]]:
        return [choice for chunk in self.chunks for choice in chunk["choices"]]

    @property
    def text(self) -> str:
        return "".join(choice["delta"].get("content") or "" for choice in self.choices)

    @property
    def reasons(self) -> list[str]:
        return [choice["finish_reason"] for choice in self.choices if choice["finish_reason"]]

    def calls(self) -> list[dict[str, str]]:
        """The tool calls, put together by their index as clients do."""
        found: dict[int, dict[str, str]] = {}
        for choice in self.choices:
            for row in choice["delta"].get("tool_calls") or ():
                call = found.setdefault(row["index"], {"id": "", "name": "", "arguments": ""})
                call["id"] += row.get("id") or ""
                call["name"] += row["function"].get("name") or ""
                call["arguments"] += row["function"].get("arguments") or ""
        return [found[index] for index in sorted(found)]


def refusal(response: requests.Response, status: int, kind: str, code: str, param: str | None = None) -> str:
    """Assert a refusal in its whole shape; returns its message."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["x-request-id"].startswith("req_")
    body = response.json()
    assert set(body) == {"error"} and set(body["error"]) == {"message", "type", "code", "param"}
    error = body["error"]
    assert (error["type"], error["code"], error["param"]) == (kind, code, param), error
    assert error["message"] and "Traceback" not in error["message"]
    return str(error["message"])
