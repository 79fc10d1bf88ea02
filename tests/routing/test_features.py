import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.exchange import ChatRequest, Media, Message, ResponseFormat, Text, Tool
from thermly.routing import Features, judge, read
from thermly.routing.features import HEAD_CHARS, KINDS, TAIL_CHARS
from thermly.routing.words import STEMS, UNSPACED, WORDS


def ask(text, *before, **fields):
    return ChatRequest("auto", (*before, Message("user", (Text(text),))), **fields)


def test_every_kind_of_word_has_its_feature_and_no_word_two_kinds():
    assert set(KINDS) <= set(Features.__struct_fields__)
    for table in (WORDS, STEMS, UNSPACED):
        words = [word for text in table.values() for word in set(text.split())]
        assert sorted(words) == sorted(set(words))
        assert all(word == word.lower() for word in words)


def test_the_last_user_turn_is_read_and_the_rest_measured():
    before = (
        Message("system", (Text("s" * 30),)),
        Message("user", (Text("u" * 20),)),
        Message("assistant", (Text("a" * 10),)),
    )
    features = read(ask("What is 2 + 2? And 3 + 3?", *before))
    assert (features.chars, features.earlier_chars, features.system_chars, features.turns) == (25, 30, 30, 2)
    assert (features.questions, features.maths_signs) == (2, 2)


def test_what_comes_with_the_text_is_counted():
    features = read(
        ChatRequest(
            "auto",
            (Message("user", (Text("look"), Media("image", url="https://x.example/a.png"))),),
            tools=(Tool("a"), Tool("b")),
            response_format=ResponseFormat("json_schema", schema={}),
        )
    )
    assert (features.tools, features.images, features.schema) == (2, 1, True)


def test_shapes_are_seen():
    features = read(ask("Do this:\n1. `a`\n2) b\n- c\n```python\nx = f();\n```"))
    assert features.fences == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("an essay in 2000 words", 2000),
        ("an essay of 2,000 words", 2000),
        ("ein Aufsatz mit 500 Wörtern", 500),
        ("un texte de 300 mots", 300),
        ("写一篇800字的文章", 800),
        ("a report of 10 pages", 4000),
        ("a 1500-word story", 1500),
        ("in my own words", 0),
        ("room 12", 0),
    ],
)
def test_the_asked_length_is_read(text, words):
    assert read(ask(text)).asked_words == words


def test_both_ends_of_a_long_text_are_read():
    filler = "lorem ipsum " * 5_000
    assert read(ask(f"Prove this theorem. {filler}")).proof_words == 2
    assert read(ask(f"{filler} Prove this theorem.")).proof_words == 2
    assert read(ask(f"{filler} Prove this theorem. {filler}")).proof_words == 0


@given(st.text(max_size=400))
def test_any_text_can_be_read_and_judged(text):
    features = read(ask(text))
    judgement = judge(features)
    assert features == read(ask(text))
    assert 0 <= judgement.score <= 1 and 1 <= judgement.level <= 5
    assert 0 <= features.non_latin <= 1


def test_nothing_to_read_is_no_error():
    assert judge(read(ChatRequest("auto", ()))).level == 1
    assert judge(read(ChatRequest("auto", (Message("assistant", (Text("so"),)),)))).level == 1


@pytest.mark.parametrize("piece", ["a", "1", " ", "\n ", "1,", "- ", "a-", "```", "证", "?", "\\", "İ", "(a"])
def test_reading_takes_no_longer_where_one_sign_repeats(piece):
    request = ask(piece * (50_000 // len(piece)))
    judge(read(request))
    began = time.process_time()
    judge(read(request))
    assert time.process_time() - began < 0.05
    assert read(request).words <= HEAD_CHARS + TAIL_CHARS
