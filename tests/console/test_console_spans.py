"""The span of time in an address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from thermly.console.spans import DAY_MS, DEFAULT, MOST_DAYS, read

NOW_MS = 1_795_219_200_000 + 55_000_000  # 2026-11-21, in the afternoon


def test_a_week_is_seven_days_with_today():
    span = read(MultiDict(), NOW_MS)
    assert (span.name, span.first, span.last, len(span.buckets)) == (DEFAULT, "2026-11-15", "2026-11-21", 7)
    assert span.labels[0] == "15 Nov" and span.query == {"span": "7d"}


def test_a_day_is_24_hours_with_this_one():
    span = read(MultiDict({"span": "24h"}), NOW_MS)
    assert span.hourly and len(span.buckets) == 24
    assert span.buckets[-1] == "2026-11-21 15:00" and span.labels[-1] == "15:00"
    assert span.from_ms <= NOW_MS < span.to_ms


def test_dates_are_included_and_may_be_the_wrong_way_round():
    for first, last in (("2026-01-30", "2026-02-02"), ("2026-02-02", "2026-01-30")):
        span = read(MultiDict([("from", first), ("to", last)]), NOW_MS)
        assert (span.first, span.last, len(span.buckets)) == ("2026-01-30", "2026-02-02", 4)
        assert span.query == {"from": "2026-01-30", "to": "2026-02-02"}


@pytest.mark.parametrize("text", ["", "x", "2026-02-30", "0001-01-01", "9999-12-31", "2026-1-1", "٢٠٢٦-٠١-٠١"])
def test_what_is_no_date_is_the_usual_span(text: str):
    assert read(MultiDict([("from", text)]), NOW_MS).name == DEFAULT


@given(st.text(max_size=12), st.text(max_size=12), st.dates(), st.dates())
def test_no_address_makes_it_long_or_fail(name: str, text: str, first: object, last: object):
    for args in ({"span": name}, {"from": text, "to": name}, {"from": str(first), "to": str(last)}):
        span = read(MultiDict(args), NOW_MS)
        assert 0 < span.to_ms - span.from_ms <= (MOST_DAYS + 1) * DAY_MS
        assert len(span.labels) == len(span.buckets) <= MOST_DAYS + 1
