"""Measures Thermly beside a bare passthrough, against a fake provider on this machine. See README.md.

    python bench/bench.py                                   # about a minute and a half
    python bench/bench.py --rounds 3 --json bench/results.json
    python bench/bench.py --only plain,cache --seconds 3

Needs Linux, a C compiler and an installed Thermly. Exits with 1 when something did not work, never because
a figure is worse than its target.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import time
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import report
import rig
from rig import Failed, Gateway, Reference, Running, Thermly, Upstream, load

PARTS = ("plain", "latency", "cache", "streams")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Round:
    """All measurements of one gateway, started afresh. What it finds is in `out`."""

    def __init__(self, gateway: Gateway, upstream: Upstream, options: argparse.Namespace, work: Path):
        self.gateway, self.upstream, self.options, self.work = gateway, upstream, options, work
        self.answered = self.failed = 0
        self.out: dict[str, Any] = {"gateway": gateway.name, "checks": []}
        self.running: Running

    def check(self, what: str, ok: bool, details: str = "") -> None:
        self.out["checks"].append({"what": what, "ok": bool(ok), "details": " ".join(details.split())[:800]})

    def run(self) -> dict[str, Any]:
        try:
            self.gateway.prepare(self.work, self.upstream.url)
            began = time.monotonic()
            self.running = self.gateway.start()
            try:
                self.first_answer(began)
                self.measure()
                for what, ok, details in self.gateway.books(self.answered, self.failed):
                    self.check(what, ok, details)
            finally:
                left = self.running.stop()
            self.check("it ends when asked to, and leaves no process behind", not left, f"{left} left")
        except Exception as error:  # a gateway that fails must not stop the others
            self.check("the measurements", False, f"{type(error).__name__}: {error}")
        return self.out

    def ask(self, model: str = "", text: str = "") -> dict[str, Any]:
        """One answered request; for another reply than 200 or not the expected shape: Failed."""
        status, body = self.gateway.ask(model, text)
        if status != 200:
            self.failed += status != 0
            raise Failed(f"status {status}: {body[:300]!r} {self.running.tail()[-600:]}")
        self.answered += 1
        reply: dict[str, Any] = json.loads(body)
        if not reply["choices"][0]["message"]["content"] or not reply["usage"]["total_tokens"]:
            raise Failed(f"an answer without content or usage: {body[:300]!r}")
        return reply

    def first_answer(self, began: float) -> None:
        while True:
            try:
                self.ask()
                break
            except Failed as error:
                if self.running.process.poll() is not None or time.monotonic() - began > 60:
                    raise Failed(f"no answer after {time.monotonic() - began:.1f} s: {error}") from error
            time.sleep(0.02)
        self.out["start_s"] = time.monotonic() - began

    def measure(self) -> None:
        parts = self.options.only
        self.drive("check", {"stream": True, "connections": 2, "chunks": 5, "ramp_ms": 0})
        self.check("streams carry their usage", self.out["check"]["with_usage"] == 2)
        time.sleep(1)
        self.out["idle_rss_mib"] = self.running.rss_mib()
        self.drive("warm_up", {"connections": 8, "seconds": 1})
        if "latency" in parts:
            for n in (1, 8):
                self.plain(f"plain_{n}", n)
        if "plain" in parts:
            self.plain("plain_32", 32)
        if "cache" in parts and self.gateway.cached_model:
            self.cache()
        self.out["loaded_rss_mib"] = self.running.rss_mib()
        if "streams" in parts:
            self.streams()
        self.out["last_rss_mib"] = self.running.rss_mib()

    def drive(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """One run of the load driver with the CPU time it cost the gateway, work put off included."""
        gateway, model = self.gateway, options.pop("model", self.gateway.model)
        before, cpu_ms, began = self.upstream.stats(), self.running.cpu_ms(), time.monotonic()
        found = load(gateway.filled_url, gateway.filled_headers, options | {"model": model}, 120)
        found["got_core"] = (self.running.cpu_ms() - cpu_ms) / 1000 / (time.monotonic() - began)
        gateway.catch_up()
        after = self.upstream.stats()
        found["cpu_ms"] = self.running.cpu_ms() - cpu_ms
        found["reached"] = {k: after[k] - before[k] for k in ("chat", "chunks", "connections")}
        found["failed"] = sum(found["errors"].values())
        self.answered += found["requests"]
        self.failed += found["failed"]
        self.out[name] = found
        return found

    def closed_loop(self, name: str, connections: int, options: dict[str, Any]) -> dict[str, Any]:
        found = self.drive(name, options | {"connections": connections, "seconds": self.options.seconds})
        count = found["requests"]
        details = f"{count:,} answered, {found['failed']} failed {found['statuses'] or ''} {found['first_bad']}"
        self.check(f"{name}: every request answered", count and not found["failed"], details.strip())
        found["rps"] = count / found["wall_s"]
        found["cpu_ms_per_request"] = found["cpu_ms"] / count if count else None
        say(f"  {name}: {count:,} requests, {found['cpu_ms_per_request'] or 0:.3f} CPU-ms each")
        return found

    def plain(self, name: str, connections: int) -> None:
        found = self.closed_loop(name, connections, {})
        reached = found["reached"]["chat"]
        fresh = reached >= found["requests"]
        self.check(f"{name}: none answered from a cache", fresh, f"{reached:,} reached the provider")

    def cache(self) -> None:
        model = self.gateway.cached_model
        text = f"What is a heat pump? ({time.time_ns()})"
        told = [self.ask(model, text).get("x_thermostat", {}).get("cached") for _ in range(2)]
        self.check("the second of two equal requests is a cache hit", told == [False, True], f"cached: {told}")
        self.drive("fill_cache", {"same": True, "model": model, "connections": 1, "seconds": 0.3})
        found = self.closed_loop("cache_hit", 32, {"same": True, "model": model})
        reached = found["reached"]["chat"]
        self.check("cache_hit: none reached the provider", not reached, f"{reached:,} reached it")

    def streams(self) -> None:
        self.out["streams"] = levels = []
        for level in self.options.levels:
            found = self.drive("stream", stream_options(level))
            del self.out["stream"]
            sent = found["reached"]["chunks"]
            found["level"], found["cpu_ms_per_1000_chunks"] = level, found["cpu_ms"] / sent * 1000 if sent else None
            judge(found)
            levels.append(found)
            say(f"  {level} streams: {found['cpu_ms_per_1000_chunks'] or 0:.1f} CPU-ms per 1000 chunks, "
                f"{found['failed']} failed")  # fmt: skip
            if level == self.options.levels[0]:
                self.check(f"{level} streams hold", found["held"], f"{found['errors']} {found['first_bad']}")
            until = time.monotonic() + 15
            while self.upstream.stats()["active"] and time.monotonic() < until:
                time.sleep(0.1)
            if not found["held"]:
                break


def stream_options(level: int) -> dict[str, Any]:
    return {"stream": True, "connections": level, "chunks": 100, "ramp_ms": 1000, "timeout_s": 30}


def judge(found: dict[str, Any]) -> None:
    found["held"] = found["requests"] == found["asked"]
    found["on_time"] = found["held"] and found["first_chunk_p99_ms"] <= 1000 and found["transit_p99_ms"] <= 250


def direct(upstream: Upstream, options: argparse.Namespace) -> dict[str, Any]:
    """The same driver without a gateway: what the measuring itself costs and is able to do."""
    url = upstream.url + rig.CHAT
    out: dict[str, Any] = {"gateway": "direct", "checks": []}
    if "latency" in options.only:
        for n in (1, 8):
            out[f"plain_{n}"] = load(url, [], {"connections": n, "seconds": min(2, options.seconds)}, 60)
    if "streams" in options.only and options.levels:
        found = load(url, [], stream_options(options.levels[-1]), 60)
        found["level"], found["failed"] = options.levels[-1], sum(found["errors"].values())
        judge(found)
        out["streams"] = [found]
        out["checks"].append({"what": "driver and provider alone hold the streams", "ok": found["held"],
                              "details": str(found["errors"])})  # fmt: skip
    return out


def gateways(options: argparse.Namespace) -> list[Any]:
    made: list[Any] = [] if options.no_thermly else [Thermly]
    if not options.no_reference:
        made.append(Reference)
    for i, other in enumerate(options.other):
        name, _, command = other.partition("=")
        url = options.other_url[i] if i < len(options.other_url) else "http://127.0.0.1:{port}"
        model = options.other_model[i] if i < len(options.other_model) else rig.MODEL
        headers = [h.split("=", 1)[1] for h in options.other_header if h.split("=", 1)[0] == name]
        made.append(partial(Gateway, name, command, url, headers, model))
    return made


def parse() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=1, help="every gateway is started afresh in each; medians")
    p.add_argument("--seconds", type=float, default=5, help="length of each closed-loop run")
    p.add_argument("--levels", default="10,100,500,1000,2000", help="streams at once")
    p.add_argument("--only", default=",".join(PARTS), help="which of " + ", ".join(PARTS))
    p.add_argument("--json", type=Path, help="write everything that was measured to this file")
    p.add_argument("--delay-ms", type=float, default=0, help="how long the provider thinks before it answers")
    p.add_argument("--no-thermly", action="store_true")
    p.add_argument("--no-reference", action="store_true", help="leave the bare passthrough out")
    p.add_argument("--other", action="append", default=[], metavar="NAME=COMMAND",
                   help="another gateway; {port}, {upstream} and {work} are filled in")  # fmt: skip
    p.add_argument("--other-url", action="append", default=[], help="of the n-th; default http://127.0.0.1:{port}")
    p.add_argument("--other-model", action="append", default=[], help="of the n-th; default " + rig.MODEL)
    p.add_argument("--other-header", action="append", default=[], metavar="NAME=HEADER: VALUE")
    p.add_argument("--keep", action="store_true", help="keep instance folders and logs")
    options = p.parse_args()
    options.only = [x for x in options.only.split(",") if x]
    options.levels = [int(x) for x in options.levels.split(",") if x]
    if unknown := set(options.only) - set(PARTS):
        p.error(f"--only knows {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    if any("=" not in x for x in options.other + options.other_header):
        p.error("--other is NAME=COMMAND, --other-header is NAME=HEADER: VALUE")
    return options


def machine() -> dict[str, Any]:
    found: dict[str, Any] = {"cores": len(rig.CORES), "kernel": platform.release()}
    found["python"] = platform.python_version()
    for name in ("thermly", "flask", "gunicorn", "requests"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    found["settings"] = {k: v for k, v in os.environ.items() if k.startswith("THERMLY_")}
    return found


def measure_all(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    upstream = Upstream(folder, options.delay_ms)
    try:
        for i in range(options.rounds):
            say(f"round {i + 1}: direct")
            rows.append(direct(upstream, options) | {"round": i + 1})
            for n, make in enumerate(gateways(options)):
                work = folder / f"{i + 1}-{n}"
                work.mkdir()
                gateway = make()
                say(f"round {i + 1}: {gateway.name}")
                rows.append(Round(gateway, upstream, options, work).run() | {"round": i + 1})
    finally:
        upstream.running.stop()
    return rows


def main() -> int:
    options = parse()
    if sys.platform != "linux":
        say("The benchmark needs Linux: it reads /proc and pins processes to cores.")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything started is stopped
    rig.allow_many_files()
    if len(rig.CORES) == 1:
        say("This machine has one core: gateway, provider and load driver share it. CPU-ms still compare; "
            "latencies and requests per second say little.")  # fmt: skip
    else:
        os.sched_setaffinity(0, {rig.LOAD_CORE})
    folder = rig.work_folder()
    began = time.monotonic()
    try:
        rig.build()
        rows = measure_all(options, folder)
    except Failed as error:
        say(str(error))
        return 1
    finally:
        if options.keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    facts = machine()
    summary = report.summarise(rows)
    if options.json:
        settings = {k: v for k, v in vars(options).items() if k != "json"}
        document = {"settings": settings, "machine": facts, "summary": summary, "rounds": rows}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    print(report.text(summary, rows, facts, time.monotonic() - began))
    return int(any(not c["ok"] for row in rows for c in row["checks"]))


if __name__ == "__main__":
    sys.exit(main())
