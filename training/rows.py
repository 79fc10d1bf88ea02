"""The benchmark's rows -> what the heads are fitted to: form, measures, labels, and a fold for cross-validation.

Knows: the layout of the data, who may be trained on. Must not know: how heads are fitted.
"""

import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from thermly import routing
from thermly.cli.batch import request
from thermly.routing.complexity import signs

NEVER_TRAINED_ON = {"alpaca_eval"}
"""Its licence is non-commercial: it is scored, and no weight may depend on it."""
MIXTURES = {"uiuc_mix"}
"""Sources that are made of others: each part is a unit of its own."""
FOLDS = 5
SHINGLE = 6
COMMON = 12
"""A run of words that stands in more rows than this is a template, and makes no two rows near-duplicates."""


class Example(Struct):
    """`evidence` is what the signs that hold for every request say, in logits."""

    id: str
    source: str
    unit: str
    form: str
    values: tuple[float, ...]
    evidence: float
    weak: float
    strong: float
    pool: float | None
    fold: int = 0


def load(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(folder.glob("*.jsonl*"))
        for line in _read(path).decode().split("\n")
        if line.strip()
    ]


def _read(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def examples(rows: list[dict[str, Any]], draw: int = 0) -> list[Example]:
    """`draw`: which of many ways to deal the rows into folds."""
    found = [_example(row) for row in rows]
    mine = [(example, _text(row)) for example, row in zip(found, rows, strict=True) if _may_train(example)]
    for (example, _), fold in zip(mine, folds((text for _, text in mine), draw), strict=True):
        example.fold = fold
    return found


def _example(row: dict[str, Any]) -> Example:
    features = routing.read(request(row))
    unit = row["source"] + (f"/{row['subset']}" if row["source"] in MIXTURES else "")
    return Example(
        row["id"],
        row["source"],
        unit,
        features.form,
        features.measures,
        signs(features),
        row["weak_score"],
        row["strong_score"],
        row.get("pool_mean"),
    )


def _text(row: dict[str, Any]) -> str:
    return "\n".join(m["content"] for m in row["messages"] if isinstance(m["content"], str))


def folds(texts: Iterable[str], draw: int = 0) -> list[int]:
    """Rows that share a run of words are in the same fold, so that no head is tested on what it has seen."""
    runs = [_runs(text) for text in texts]
    seen_in = Counter(run for each in runs for run in each)
    group = list(range(len(runs)))
    first: dict[int, int] = {}
    for row, each in enumerate(runs):
        for run in sorted(run for run in each if seen_in[run] <= COMMON)[:SHINGLE]:
            group[_root(group, row)] = _root(group, first.setdefault(run, row))
    return [_hash(f"fold {draw} {_root(group, row)}") % FOLDS for row in range(len(runs))]


def _root(group: list[int], row: int) -> int:
    while group[row] != row:
        group[row] = group[group[row]]
        row = group[row]
    return row


def _runs(text: str) -> set[int]:
    words = re.findall(r"\w+", text.lower())
    return {_hash(" ".join(words[i : i + SHINGLE])) for i in range(max(1, len(words) - SHINGLE + 1))}


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def trainable(found: Iterable[Example]) -> Iterator[Example]:
    return filter(_may_train, found)


def _may_train(example: Example) -> bool:
    return example.source not in NEVER_TRAINED_ON
