"""Dollars and nano-dollars: exactly there and back, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.amounts import MOST_USD, NANO_PER_USD, parse_usd, usd, utc

MOST = MOST_USD * NANO_PER_USD


@given(st.integers(-MOST, MOST))
def test_what_is_written_is_read_again(nanousd: int):
    assert parse_usd(usd(nanousd), negative=True) == nanousd


@pytest.mark.parametrize(
    ("text", "nanousd"),
    [
        ("1", 10**9),
        (" $2.50 ", 2_500_000_000),
        ("1_000", 10**12),
        ("$1_000.5", 1_000_500_000_000),
        ("0.000000001", 1),
        ("1e3", 10**12),
        ("0", 0),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, nanousd: int):
    assert parse_usd(text) == nanousd


@pytest.mark.parametrize(
    "text",
    [
        *("", "ten", "1,5", "-1", "NaN", "inf", "-inf", "0.0000000001", "1e400", "9" * 400, "1000000000.01", "--1"),
        *("$", "$$1", "1$", "١", "１", "1e9999999999", "-1e9999999999", "1e-9999999999", "1e" + "9" * 40),
        *("1_0", "1_0000", "_1", "1_000_", "1__000"),
    ],
)
def test_what_cannot_be_kept_is_refused(text: str):
    with pytest.raises(ValueError, match=r"dollars|decimals"):
        parse_usd(text)


def test_less_than_nothing_is_an_amount_only_where_it_may_be():
    for text in ("-1.25", "-$1.25", "$-1.25", " -$1.25 "):
        assert parse_usd(text, negative=True) == -1_250_000_000
    for text in ("-$-1", "--1", "-$", "-1e9999999999"):
        with pytest.raises(ValueError, match="dollars"):
            parse_usd(text, negative=True)
    with pytest.raises(ValueError, match="-1,000,000,000 and 1,000,000,000"):
        parse_usd("-1000000001", negative=True)


def test_times_are_utc():
    assert (utc(1_767_225_600_000), utc(None)) == ("2026-01-01 00:00", "")


def test_the_minus_that_pages_write_is_read():
    assert parse_usd("−$1.50", negative=True) == -1_500_000_000
