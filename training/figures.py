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


def figures(found: list[Example]) -> dict[str, object]:
    mine = list(trainable(found))
    fit = Fit(mine)
    scores = out_of_fold(fit, found)
    calibrated = calibrations(mine, scores)
    by_source: dict[str, list[Example]] = defaultdict(list)
    for e in found:
        by_source[e.source].append(e)
    seen = logits(found, scores, calibrated)
    table = {}
    for source, each in sorted(by_source.items()):
        unseen = logits(each, without_source(fit, each, source), calibrated)
        signs = {e.id: e.evidence for e in each}
        table[source] = {
            "rows": len(each),
            "out_of_fold": round(apgr(each, seen), 3),
            "without_its_source": round(apgr(each, unseen), 3),
            "signs_alone": round(apgr(each, signs), 3),
        }
    chance = {i: 1 / (1 + math.exp(-logit)) for i, logit in seen.items()}
    return {"sources": table, "reliability": reliability(mine, chance)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = figures(examples(load(arguments.data)))
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
