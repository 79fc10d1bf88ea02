"""Why this model, as it is kept in the books."""

import json

from thermly.keeping import grounds


def test_reasons_alone_are_a_plain_list():
    assert grounds.written(("short greeting",)) == '["short greeting"]'
    assert grounds.written(()) == "[]"
    assert grounds.read("[]") == grounds.Grounds()


def test_everything_comes_back():
    text = grounds.written(
        ("is about law",), "best", (("a", "too small"), ("b", "too small"), ("c", "no images")), (("d", "gone"),)
    )
    found = grounds.read(text)
    assert found.reasons == ("is about law",) and found.tier == "best"
    assert found.passed_over == (("too small", ("a", "b")), ("no images", ("c",)))
    assert found.failed == (("d", "gone"),)


def test_what_holds_for_every_request_is_not_kept_with_each():
    text = grounds.written(("x",), None, (("a", "no key for openai"), ("b", "retired on 1999-12-31")))
    assert json.loads(text) == ["x"]


def test_many_models_stay_few():
    text = grounds.written((), None, [(f"model-{i}", "too small") for i in range(1000)])
    assert len(grounds.read(text).passed_over[0][1]) == grounds.MOST_NAMES


def test_nonsense_tells_nothing():
    for text in ("", "{}", "[1]", "[[]]", "null", '[{"tier": 3}]'):
        assert grounds.read(text) == grounds.Grounds()
