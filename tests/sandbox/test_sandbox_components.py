"""The sandbox's answers fit the libraries, and it knows what it is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.genui import prompting
from thermly.genui.components import TreeReader
from thermly.genui.library import library
from thermly.genui.programs import ProgramReader
from thermly.sandbox import components as sample

QUESTIONS = {
    "card": "Hello there!",
    "chart": "How did the population of the world grow from 1950 to 2020?",
    "table": "Compare tea and coffee",
    "form": "I want to book a table",
}


@pytest.mark.parametrize("kind", QUESTIONS)
def test_words_choose(kind: str):
    assert sample.kind_of(QUESTIONS[kind]) == kind


@given(st.sampled_from([*QUESTIONS.values()]), st.text(max_size=300))
def test_every_answer_is_sound(question: str, more: str):
    for reader in (TreeReader(library("json")), ProgramReader(library("openui"))):
        text = sample.answer(question + more, "openui" if isinstance(reader, ProgramReader) else "json")
        assert reader.take(text) + reader.end()
        assert reader.faults == [] and reader.has_markup


def test_the_format_is_told_by_the_instructions():
    assert sample.format_of(prompting.instructions(library("json"))) == "json"
    assert sample.format_of(prompting.instructions(library("openui"))) == "openui"
    assert sample.format_of("Be kind.") is None
