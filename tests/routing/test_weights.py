import hashlib
import subprocess
import sys

import pytest

from thermly.routing import weights
from thermly.routing.complexity import FORMS
from thermly.routing.measures import NAMES

SHA256 = "2f7652abb3dcdedffc2fc424412d053878c82a3b14908d6761bc1e5fa32ea994"


def test_the_weights_are_those_that_the_model_card_speaks_of():
    found = hashlib.sha256(weights.FILE.read_bytes()).hexdigest()
    assert found == SHA256
    assert found in weights.FILE.with_name("MODEL.md").read_text(encoding="utf-8")


def test_every_form_has_a_head_and_a_name():
    heads = weights.heads(NAMES)
    assert heads.keys() == FORMS.keys()
    assert all(0 <= place < len(NAMES) for head in heads.values() for place, *_ in head.terms)


def test_nothing_counts_beyond_its_bounds():
    for head in weights.heads(NAMES).values():
        least, most = sum(head.parts((-1e9,) * len(NAMES))), sum(head.parts((1e9,) * len(NAMES)))
        assert -40 < least < 40 and -40 < most < 40
        assert all(low <= high for _, low, high, *_ in head.terms)


def test_a_part_is_slope_times_what_lies_between_the_bounds():
    head = weights.Head(0.0, 0.0, ("a", "b"), ((0, -1.0, 1.0, 2.0, 0.0, 0.0), (1, 0.0, 5.0, -1.0, 2.5, 0.0)))
    assert head.parts((0.5, 3.0)) == [1.0, -3.0]
    assert head.parts((9.0, -9.0)) == [2.0, -0.0]
    bent = weights.Head(0.0, 0.0, ("a",), ((0, -1.0, 3.0, 1.0, 1.0, 0.5),))
    assert bent.parts((2.0,)) == [2.5] and bent.parts((9.0,)) == [5.0]


def test_the_file_is_small_and_read_quickly():
    assert weights.FILE.stat().st_size < 100_000
    code = (
        "import time; from thermly.routing import measures, weights; began = time.process_time();"
        "weights.heads(measures.NAMES); print(time.process_time() - began)"
    )
    took = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(took) < 0.05


def test_a_measure_that_nobody_takes_is_an_error():
    with pytest.raises(KeyError):
        weights._head(weights.Stored(0, 0, (weights.Row("nothing", 0, 1, 1),)), "sum", NAMES)
