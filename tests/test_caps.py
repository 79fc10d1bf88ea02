import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.caps import PERIODS, next_reset_ms

UTC = datetime.UTC


def ms(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text + "+00:00").timestamp() * 1000)


@pytest.mark.parametrize(
    ("period", "now", "then"),
    [
        ("day", "2027-01-31T00:00:00", "2027-02-01T00:00:00"),
        ("day", "2027-12-31T23:59:59.999", "2028-01-01T00:00:00"),
        ("week", "2027-02-01T00:00:00", "2027-02-08T00:00:00"),  # a Monday
        ("week", "2027-02-07T23:59:59.999", "2027-02-08T00:00:00"),
        ("month", "2027-01-31T12:00:00", "2027-02-01T00:00:00"),
        ("month", "2027-02-01T00:00:00", "2027-03-01T00:00:00"),
        ("month", "2027-12-01T00:00:00", "2028-01-01T00:00:00"),
        ("month", "2028-02-29T12:00:00", "2028-03-01T00:00:00"),
    ],
)
def test_a_cap_begins_anew_at_midnight_on_monday_on_the_first(period: str, now: str, then: str):
    assert next_reset_ms(period, ms(now)) == ms(then)


@given(st.sampled_from(PERIODS), st.integers(0, 4_102_444_800_000))
def test_the_next_reset_lies_ahead_and_is_the_next_one(period: str, now_ms: int):
    at_ms = next_reset_ms(period, now_ms)
    at = datetime.datetime.fromtimestamp(at_ms / 1000, UTC)
    assert now_ms < at_ms <= now_ms + {"day": 1, "week": 7, "month": 31}[period] * 86_400_000
    assert at.time() == datetime.time() and at_ms % 86_400_000 == 0
    assert period != "week" or at.weekday() == 0
    assert period != "month" or at.day == 1
    assert next_reset_ms(period, at_ms - 1) == at_ms < next_reset_ms(period, at_ms)
