"""How well the router tells requests that need a strong model from those that do not.

Knows: the rows of the routing benchmark, published figures. Must not know: how the router judges.
Prints, per source: the share of the gap between a weak and a strong model that is recovered over all shares of
strong calls (APGR; at random it is 0.5), of the router and of simple baselines, beside published figures; then
whether the score is the chance that it claims to be, and what judging costs.
"""

import argparse
import json
import math
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HOUSE = HERE.parent
sys.path.insert(0, str(HOUSE))

from thermly import routing  # noqa: E402
from thermly.cli.batch import request  # noqa: E402
from training.figures import apgr, reliability  # noqa: E402
from training.rows import Example, load  # noqa: E402

SLICE = HOUSE / "training" / "slice"
CROSS_VALIDATED = HOUSE / "training" / "figures.json"
PUBLISHED = HERE / "routing_published.json"
HARD = re.compile(
    r"\b(prove|proof|derive|theorem|integral|equation|probability|matrix|algorithm|optimi[sz]e|refactor|debug"
    r"|implement|architecture|analy[sz]e|compare|evaluate|step by step|calculate|compute|how many|sql)\b|\$",
    re.I,
)

Row = dict[str, Any]


def text_of(row: Row) -> str:
    return "\n".join(m["content"] for m in row["messages"] if isinstance(m["content"], str))


def length(row: Row) -> float:
    return len(text_of(row))


def keywords(row: Row) -> float:
    text = text_of(row)
    return math.log1p(len(text)) / 10 + 0.15 * min(6, len(HARD.findall(text))) + 0.1 * len(row.get("tools", ()))


def thermly(row: Row) -> float:
    return routing.judge(routing.read(request(row))).score


def known_pool(row: Row) -> float:
    """What reading the request could give at best: how many other models fail it."""
    return 1 - float(row.get("pool_mean", 0))


SCORERS: dict[str, Callable[[Row], float]] = {"length": length, "keywords": keywords, "thermly": thermly}


def example(row: Row) -> Example:
    return Example(
        row["id"], row["source"], row["source"], "", (), 0.0, row["weak_score"], row["strong_score"], None
    )


def table(rows: list[Row]) -> None:
    of_source: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_source[row["source"]].append(row)
    names = [*SCORERS, "pool"]
    print(f"{'source':14}{'rows':>7}" + "".join(f"{name:>10}" for name in names))
    means: dict[str, list[float]] = defaultdict(list)
    for source, mine in sorted(of_source.items()):
        line = f"{source:14}{len(mine):7}"
        for name in names:
            if name == "pool" and not all("pool_mean" in row for row in mine):
                line += f"{'':>10}"
                continue
            scorer = SCORERS.get(name, known_pool)
            found = apgr([example(row) for row in mine], {row["id"]: scorer(row) for row in mine})
            means[name].append(found)
            line += f"{found:10.3f}"
        print(line)
    print(f"{'mean':14}{len(rows):7}" + "".join(f"{sum(means[n]) / len(means[n]):10.3f}" for n in SCORERS))


def cross_validated() -> None:
    figures = json.loads(CROSS_VALIDATED.read_text())["sources"]
    print("\nOn requests that the heads were not fitted to (training/figures.py; alpaca_eval is never trained on)")
    columns = ("out_of_fold", "without_its_source", "signs_alone")
    print(f"{'source':14}{'rows':>7}" + "".join(f"{name.replace('_', ' '):>21}" for name in columns))
    for source, found in figures.items():
        print(f"{source:14}{found['rows']:7}" + "".join(f"{found[name]:21.3f}" for name in columns))
    means = [sum(found[name] for found in figures.values()) / len(figures) for name in columns]
    print(f"{'mean':14}{'':7}" + "".join(f"{mean:21.3f}" for mean in means))


def published() -> None:
    print("\nPublished: RouteLLM, arXiv 2406.18665 v4, tables 2 and 3; the same pair of models")
    for source, lines in json.loads(PUBLISHED.read_text()).items():
        for name, _, _, found in lines:
            print(f"{source:10}{name:52}{found:.3f}")


def calibration(rows: list[Row]) -> None:
    print("\nChance that the weak model fails, as judged and as it was; all sources alike")
    print(f"{'rows':>7}{'judged':>9}{'failed':>9}")
    for line in reliability([example(row) for row in rows], {row["id"]: thermly(row) for row in rows}):
        print(f"{line['rows']:7}{line['judged']:9.2f}{line['failed']:9.2f}")


def swapped(text: str) -> str:
    """Every twelfth word with two of its letters exchanged."""
    words = text.split(" ")
    for place in range(5, len(words), 12):
        word = words[place]
        if len(word) > 3 and word.isalpha():
            words[place] = word[0] + word[2] + word[1] + word[3:]
    return " ".join(words)


LOREM = (
    "Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy eirmod tempor invidunt ut labore. "
)
CHANGES: dict[str, Callable[[str], str]] = {
    "politely": lambda text: "Please be so kind as to help me with this, I would be very grateful. " + text,
    "thanks after": lambda text: text + "\n\nThank you very much!",
    "lorem ipsum before": lambda text: LOREM * 3 + "\n\n" + text,
    "typing errors": swapped,
    "in capitals": str.upper,
    "in small letters": str.lower,
    "doubled spaces": lambda text: text.replace(" ", "  "),
}


def robustness(rows: list[Row]) -> None:
    print("\nThe same requests written otherwise: how far the score moves, and how often the level does")
    some = [row for row in rows if len(row["messages"]) == 1][:: max(1, len(rows) // 1_500)]
    before = [routing.judge(routing.read(request(row))) for row in some]
    for name, change in CHANGES.items():
        moved, level = 0.0, 0
        for row, was in zip(some, before, strict=True):
            message = {"role": "user", "content": change(row["messages"][0]["content"])}
            now = routing.judge(routing.read(request(row | {"messages": [message]})))
            moved += abs(now.score - was.score)
            level += now.level != was.level
        print(f"{name:20} score {moved / len(some):.3f}   level {level / len(some):5.1%}")


def latency(rows: list[Row]) -> None:
    requests = [request(row) for row in rows[:: max(1, len(rows) // 3_000)]]
    took = []
    for each in requests:
        began = time.process_time()
        routing.judge(routing.read(each))
        took.append(1_000 * (time.process_time() - began))
    took.sort()
    at = [took[min(len(took) - 1, int(share * len(took)))] for share in (0.5, 0.95, 0.99)]
    print("\nMilliseconds of CPU to judge a request: p50 {:.2f}, p95 {:.2f}, p99 {:.2f}".format(*at))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of <source>.jsonl.gz")
    data = parser.parse_args().data
    if data is None:
        print(f"No DATA=folder: the data set is not part of this repository. A slice ({SLICE}) stands in; its few")
        print("rows were trained on and say little. Read the cross-validated table below.\n")
    rows = load(data or SLICE)
    if not rows:
        sys.exit(f"no rows in {data}")
    table(rows)
    print("Of rows that the weights were fitted to (the public half), this flatters: see the next table.")
    cross_validated()
    published()
    calibration(rows)
    robustness(rows)
    latency(rows)


if __name__ == "__main__":
    main()
