"""What the meter sees of an exchange going by."""

from thermly.exchange import Begin, Done, End, KeepAlive, PartBegin, PartDelta, PartEnd, Text, Usage
from thermly.metering import Meter


def test_produced_bytes_are_those_of_the_deltas_in_utf8():
    meter = Meter()
    for event in (Begin(), PartBegin(Text("")), PartDelta("é"), KeepAlive(), PartDelta("abc")):
        meter.see(event)
    assert meter.began
    assert meter.produced_bytes == 5
    assert meter.usage is None


def test_usage_told_early_and_at_the_end_are_kept_apart():
    meter = Meter()
    meter.see(Begin(usage=Usage(input_tokens=7)))
    assert meter.early == Usage(input_tokens=7)
    assert meter.usage is None
    meter.see(Done(Usage(input_tokens=7, output_tokens=2)))
    assert meter.usage == Usage(input_tokens=7, output_tokens=2)


def test_the_reply_is_what_the_events_add_up_to():
    meter = Meter()
    for event in (Begin(), PartBegin(Text("")), PartDelta("hi"), PartEnd(Text("hi")), End("stop"), Done()):
        meter.see(event)
    (choice,) = meter.reply().choices
    assert choice.parts == (Text("hi"),)
    assert choice.reason == "stop"


def test_before_the_first_event_there_is_no_first_moment():
    meter = Meter()
    assert meter.first_ms(0.0) is None
    meter.see(Begin())
    assert meter.first_ms(0.0) is not None
