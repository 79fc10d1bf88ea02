"""Medians over the rounds, and the page that is printed.

Knows: the targets. Must not know: how anything is measured.
"""

import statistics
from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]
# What is printed, where it is found in a round, and how many decimals it deserves.
FIGURES = (
    ("CPU-ms per request, 32 connections", "plain_32.cpu_ms_per_request", 3),
    ("… 8 connections", "plain_8.cpu_ms_per_request", 3),
    ("… 1 connection", "plain_1.cpu_ms_per_request", 3),
    ("CPU-ms per cache hit, 32 connections", "cache_hit.cpu_ms_per_request", 3),
    ("requests/s, 32 connections", "plain_32.rps", 0),
    ("… share of its core it was given", "plain_32.got_core", 2),
    ("added latency p50 ms, 1 connection", "added_1.p50_ms", 2),
    ("… p99", "added_1.p99_ms", 2),
    ("added latency p50 ms, 8 connections", "added_8.p50_ms", 2),
    ("… p99", "added_8.p99_ms", 2),
    ("cache hit p50 ms, 32 connections", "cache_hit.p50_ms", 2),
    ("… p99", "cache_hit.p99_ms", 2),
    ("start to first answer, s", "start_s", 2),
    ("RSS of all processes idle, MiB", "idle_rss_mib", 0),
    ("… after the plain load", "loaded_rss_mib", 0),
    ("… after the streams", "last_rss_mib", 0),
)
STREAM_FIGURES = ("cpu_ms_per_1000_chunks", "first_chunk_p99_ms", "transit_p50_ms", "transit_p99_ms", "gap_p99_ms")
TARGETS = (
    ("CPU-ms per request, 32 connections", "plain_32.cpu_ms_per_request", 0.60),
    ("CPU-ms per cache hit, 32 connections", "cache_hit.cpu_ms_per_request", 0.45),
    ("CPU-ms per 1000 chunks, 500 streams", "streams_500.cpu_ms_per_1000_chunks", 60),
    ("start to first answer, s", "start_s", 2.5),
    ("RSS of all processes idle, MiB", "idle_rss_mib", 250),
)
SUBJECT, REFERENCE = "Thermly", "bare passthrough"


def find(row: Row, path: str) -> float | None:
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return None if value is None else float(value)


def median(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return statistics.median(known) if known else None


def summarise(rows: list[Row]) -> Row:
    """gateway -> figure -> median of the rounds; `streams` by level."""
    base = {row["round"]: row for row in rows if row["gateway"] == "direct"}
    for row in rows:
        for n in (1, 8):
            here, there = row.get(f"plain_{n}"), base[row["round"]].get(f"plain_{n}")
            if here and there and row["gateway"] != "direct" and here["requests"]:
                row[f"added_{n}"] = {q: here[q] - there[q] for q in ("p50_ms", "p99_ms")}
    out: Row = {}
    for name in dict.fromkeys(row["gateway"] for row in rows):
        mine = [row for row in rows if row["gateway"] == name]
        figures: Row = {path: median([find(row, path) for row in mine]) for _, path, _ in FIGURES}
        streams = [s for row in mine for s in row.get("streams", [])]
        figures["streams"] = {}
        for level in sorted({s["level"] for s in streams}):
            these = [s for s in streams if s["level"] == level]
            figures["streams"][level] = {k: median([s.get(k) for s in these]) for k in STREAM_FIGURES} | {
                "failed": sum(s["failed"] for s in these),
                "held": all(s["held"] for s in these),
                "on_time": sum(s["on_time"] for s in these) * 2 > len(these),
            }
            figures[f"streams_{level}.cpu_ms_per_1000_chunks"] = figures["streams"][level]["cpu_ms_per_1000_chunks"]
        out[name] = figures
    return out


def show(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:,.{decimals}f}"


def table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for k, row in enumerate([head, *rows]):
        yield "| " + " | ".join(x.ljust(w) if i == 0 else x.rjust(w)
                                for i, (x, w) in enumerate(zip(row, widths, strict=True))) + " |"  # fmt: skip
        if k == 0:
            yield "|" + "|".join("-" * (w + 1) + ("-" if i == 0 else ":") for i, w in enumerate(widths)) + "|"


def figures(summary: Row) -> Iterator[str]:
    names = [n for n in summary if n != "direct"]
    rows = [[label, *(show(summary[n].get(path), d) for n in names)] for label, path, d in FIGURES]
    yield from table(["", *names], [row for row in rows if set(row[1:]) != {"–"}])


def streams(summary: Row) -> Iterator[str]:
    rows = []
    for level in sorted({level for s in summary.values() for level in s["streams"]}):
        for name, s in summary.items():
            if found := s["streams"].get(level):
                verdict = "on time" if found["on_time"] else "held" if found["held"] else "failed"
                rows.append([f"{level} {name}", show(found["cpu_ms_per_1000_chunks"], 1), str(found["failed"]),
                             show(found["first_chunk_p99_ms"], 1), show(found["transit_p50_ms"], 1),
                             show(found["transit_p99_ms"], 1), show(found["gap_p99_ms"], 0), verdict])  # fmt: skip
    if rows:
        yield "\nStreams of 100 chunks, one every 20 ms, all opened within a second. Held: none failed. On time:"
        yield "also first chunk p99 within 1 s and a chunk's way through the gateway (transit) p99 within 250 ms.\n"
        yield from table(["streams", "CPU-ms/1000 chunks", "failed", "first chunk p99 ms", "transit p50 ms",
                          "p99", "worst gap p99 ms", ""], rows)  # fmt: skip


def targets(summary: Row) -> Iterator[str]:
    mine = summary.get(SUBJECT, {})
    rows = [[label, show(mine[path], 2), f"≤ {wanted:g}", "met" if mine[path] <= wanted else "missed"]
            for label, path, wanted in TARGETS if mine.get(path) is not None]  # fmt: skip
    if rows:
        yield ""
        yield from table([f"targets of {SUBJECT}", "measured", "target", ""], rows)
    ratios = []
    for path, what in (("plain_32.cpu_ms_per_request", "a plain request"),
                       ("streams_500.cpu_ms_per_1000_chunks", "500 streams")):  # fmt: skip
        there = summary.get(REFERENCE, {}).get(path)
        if mine.get(path) and there:
            ratios.append(f"{mine[path] / there:.2f} times for {what}")
    if ratios:
        yield f"\n{SUBJECT}, with keys, limits, money and books, over a {REFERENCE}, in CPU time:"
        yield ", ".join(ratios) + "."


def checks(rows: list[Row]) -> Iterator[str]:
    every = [(row, c) for row in rows for c in row["checks"]]
    bad = [(row, c) for row, c in every if not c["ok"]]
    yield f"\n{len(every) - len(bad)} of {len(every)} checks passed."
    for row in rows:
        for c in row["checks"]:
            if "usage row" in c["what"] and c["ok"]:
                yield f"- {row['gateway']}, round {row['round']}: {c['what']}: {c['details']}"
    for row, c in bad:
        yield f"- FAILED: {row['gateway']}, round {row['round']}: {c['what']}: {c['details']}"


def text(summary: Row, rows: list[Row], facts: Row, took_s: float) -> str:
    head = ", ".join(f"{k} {v}" for k, v in facts.items() if v)
    rounds = max(row["round"] for row in rows)
    lines = [f"{rounds} round(s), {took_s:.0f} s; {head}", "", *figures(summary), *streams(summary),
             *targets(summary), *checks(rows)]  # fmt: skip
    return "\n".join(lines)
