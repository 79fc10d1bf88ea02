"""Numbers as the pages write them."""

import pytest

from thermly.console import words


@pytest.mark.parametrize(
    ("nanousd", "decimals", "text"),
    [
        (1_234_567_890_000, 2, "$1,234.57"),
        (0, 2, "$0.00"),
        (1, 2, "$0.000000001"),
        (4_200_000, 2, "$0.004"),
        (-1_500_000_000, 2, "−$1.50"),
        (1_500_000_000, 4, "$1.5000"),
    ],
)
def test_a_little_is_never_shown_as_nothing(nanousd: int, decimals: int, text: str):
    assert f">{text}<" in words.money(nanousd, decimals)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "$0.00"), (2.4, "$2.40"), (1200, "$1,200.00"), (0.016, "$0.016"), (0.5, "$0.50"), (0.00042, "$0.00042")],
)
def test_an_axis_never_rounds_two_marks_to_one(value: float, text: str):
    assert words.axis_dollars(value) == text


def test_the_exact_amount_is_in_the_title():
    assert 'title="$0.004200001"' in words.money(4_200_001)


def test_sentences_tell_amounts_with_all_their_decimals():
    told = [words.in_full(n) for n in (2_000 * 10**9, -994_010_000_000, 1, 1_234_567_890_000_001)]
    assert told == ["$2,000.00", "−$994.01", "$0.000000001", "$1,234,567.890000001"]


def test_large_numbers_are_short_on_tiles():
    told = [words.short(n) for n in (None, 0, 999, 9_999, 12_300, 3_400_000, 2_000_000_000)]
    assert told == ["–", "0", "999", "9,999", "12.3k", "3.4M", "2.0B"]


def test_shares_of_nothing_are_no_number():
    assert (words.percent(1, 0), words.percent(None), words.percent(1, 4), words.percent(1, 3, 1)) == (
        "–", "–", "25 %", "33.3 %",
    )  # fmt: skip


def test_spans_of_time_are_read_at_a_glance():
    assert [words.millis(n) for n in (None, 0, 999, 12_345)] == ["–", "0 ms", "999 ms", "12.3 s"]


def test_times_are_given_to_the_script_and_to_people_without():
    assert words.moment(1_767_225_600_000) == (
        '<time datetime="2026-01-01T00:00:00+00:00">2026-01-01 00:00 UTC</time>'
    )
    assert ">2026-01-01 00:00:07 UTC<" in words.moment(1_767_225_607_000, seconds=True)
    assert words.moment(None, "<never>") == '<span class="muted">&lt;never&gt;</span>'
    assert (words.day(1_767_225_600_000), words.day(None)) == ("2026-01-01", "never")


def test_identifiers_break_where_they_may_and_stay_text():
    assert words.breakable("a-b/<i>") == "a-<wbr>b/<wbr>&lt;i&gt;"


def test_every_outcome_has_a_colour():
    assert [words.kind_of_outcome(o) for o in ("ok", "client_gone", "anything")] == ["ok", "warn", "bad"]
