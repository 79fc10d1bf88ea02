"""The training makes the same bytes of the same rows, and learns nothing from what it may not."""

import gzip
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
SLICE = HOUSE / "training" / "slice"
SHA256 = "c16bacda1bb5a816d4f1763ea84c347df95d48cfa1637af74ff0adc1e067f8da"


def trained(data, out):
    command = [sys.executable, "-m", "training.train", "--data", str(data), "--out", str(out)]
    subprocess.run(command, cwd=HOUSE, check=True, capture_output=True)
    return out.read_bytes()


def test_the_slice_gives_the_weights_that_it_always_gave(tmp_path):
    found = trained(SLICE, tmp_path / "weights.json")
    assert hashlib.sha256(found).hexdigest() == SHA256
    assert set(json.loads(found)) >= {"options", "many options", "far options", "sum", "formula", "code", "grid"}


def test_what_may_only_be_evaluated_on_leaves_no_trace(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for path in SLICE.glob("*.jsonl"):
        (data / path.name).write_bytes(path.read_bytes())
    rows = [json.loads(line) for line in (SLICE / "gsm8k.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row |= {"source": "alpaca_eval", "id": "x" + row["id"], "weak_score": 0.0}
        row["messages"][0]["content"] = "zyx " * 20 + row["messages"][0]["content"]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    with gzip.open(data / "alpaca_eval.jsonl.gz", "wt", encoding="utf-8") as out:
        out.write(lines)
    assert trained(data, tmp_path / "a.json") == trained(SLICE, tmp_path / "b.json")


def test_a_form_that_no_row_speaks_of_is_judged_as_the_larger_one_that_it_is_akin_to(monkeypatch):
    monkeypatch.syspath_prepend(str(HOUSE))
    from training.heads import Fit
    from training.rows import examples, load

    fit = Fit(examples(load(SLICE)))
    heads = fit.heads(lambda source, _: source not in ("mmlu_pro", "gaokao"))
    assert any(heads["options"])
    for form in ("many options", "far options"):
        spread, larger = fit.scales[form].spread, fit.scales["options"].spread
        slopes = [weight / each for weight, each in zip(heads[form], spread, strict=True)]
        akin = [weight / each for weight, each in zip(heads["options"][: len(larger)], larger, strict=True)]
        assert slopes == pytest.approx(akin)


def test_every_source_of_the_slice_has_its_licence():
    said = (SLICE / "LICENCES.md").read_text(encoding="utf-8")
    assert all(f"| {path.stem} |" in said for path in SLICE.glob("*.jsonl"))
