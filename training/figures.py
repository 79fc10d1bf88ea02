"""How well heads do on requests that they were not fitted to: python -m training.figures --data FOLDER.

Knows: the curve of quality against the share of strong calls (RouteLLM's APGR). Judges every request twice: with
heads fitted without its fold (near-duplicates share a fold), and with heads fitted without its whole source.
"""

import argparse
import json
import math
from collections import defaultdict
from pathlib import Path

from training.heads import Fit, calibrations, out_of_fold, without_source
from training.rows import Example, examples, load, trainable

DRAWS = 3
"""What is learned without a fold depends on how the folds are dealt: the mean over several ways is told."""


def apgr(examples: list[Example], score: dict[str, float]) -> float:
    """The mean share of the gap between weak and strong that is recovered, over all shares of strong calls."""
    at: dict[float, list[float]] = defaultdict(list)
    for example in examples:
        at[score[example.id]].append(example.strong - example.weak)
    area = height = 0.0
    for level in sorted(at, reverse=True):
        gain = sum(at[level])
        area += len(at[level]) * (height + gain / 2)
        height += gain
    return area / len(examples) / height


def reliability(examples: list[Example], chance: dict[str, float]) -> list[dict[str, float]]:
    """Ten bins of the judged chance that the weak model fails, and how often it did; all sources alike."""
    rows_of: dict[str, int] = defaultdict(int)
    for example in examples:
        rows_of[example.source] += 1
    bins: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
    for e in examples:
        weight = 1 / rows_of[e.source]
        bins[min(9, int(chance[e.id] * 10))].append((weight, weight * chance[e.id], weight * (1 - e.weak)))
    table = []
    for place in sorted(bins):
        weight, judged, failed = (sum(column) for column in zip(*bins[place], strict=True))
        table.append(
            {"rows": len(bins[place]), "judged": round(judged / weight, 3), "failed": round(failed / weight, 3)}
        )
    return table


def logits(
    examples: list[Example], scores: dict[str, float], calibrated: dict[str, tuple[float, float]]
) -> dict[str, float]:
    found = {}
    for e in examples:
        base, slope = calibrated.get(e.form, (0.0, 0.0))
        found[e.id] = base + slope * scores[e.id] if e.id in scores and slope else e.evidence
    return found


def figures(draws: list[list[Example]]) -> dict[str, object]:
    found = draws[0]
    mine = list(trainable(found))
    fit = Fit(mine)
    scores = out_of_fold(fit, found)
    calibrated = calibrations(mine, scores)
    seen = logits(found, scores, calibrated)
    out = [by_source(found, seen), *(by_source(each, unseen_rows(each)) for each in draws[1:])]
    unseen: dict[str, float] = {}
    for source in out[0]:
        each = [e for e in found if e.source == source]
        unseen |= logits(each, without_source(fit, each, source), calibrated)
    without = by_source(found, unseen)
    signs = by_source(found, {e.id: e.evidence for e in found})
    table = {
        source: {
            "rows": sum(e.source == source for e in found),
            "out_of_fold": round(sum(draw[source] for draw in out) / len(out), 3),
            "without_its_source": round(without[source], 3),
            "signs_alone": round(signs[source], 3),
        }
        for source in sorted(out[0])
    }
    chance = {i: 1 / (1 + math.exp(-logit)) for i, logit in seen.items()}
    return {"sources": table, "reliability": reliability(mine, chance)}


def unseen_rows(found: list[Example]) -> dict[str, float]:
    mine = list(trainable(found))
    scores = out_of_fold(Fit(mine), found)
    return logits(found, scores, calibrations(mine, scores))


def by_source(found: list[Example], score: dict[str, float]) -> dict[str, float]:
    of_source: dict[str, list[Example]] = defaultdict(list)
    for example in found:
        of_source[example.source].append(example)
    return {source: apgr(each, score) for source, each in of_source.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = load(arguments.data)
    found = figures([examples(rows, draw) for draw in range(DRAWS)])
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
