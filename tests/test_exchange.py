"""The waist: a reply is its events, and its bytes in the cache are the reply."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.exchange import (
    Begin,
    ChatRequest,
    Choice,
    Done,
    End,
    KeepAlive,
    Media,
    Message,
    Part,
    PartBegin,
    PartDelta,
    PartEnd,
    Reasoning,
    Refusal,
    Reply,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Usage,
    emptied,
    gather,
    replay,
    tell_part,
    text_of,
)

WORDS = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
EXTRAS = st.none() | st.dictionaries(
    st.sampled_from(("openai", "anthropic")), st.dictionaries(WORDS, JSON, max_size=3)
)
MEDIA = st.builds(
    Media,
    st.sampled_from(("image", "audio", "file")),
    st.none() | WORDS,
    st.none() | WORDS,
    st.none() | WORDS,
    st.none() | WORDS,
    EXTRAS,
)
TEXT = st.builds(Text, WORDS, EXTRAS)
PARTS = st.one_of(
    TEXT,
    st.builds(Refusal, WORDS, EXTRAS),
    st.builds(Reasoning, WORDS, EXTRAS),
    MEDIA,
    st.builds(ToolCall, WORDS, WORDS, WORDS, EXTRAS),
    st.builds(ToolResult, WORDS, st.lists(TEXT | MEDIA, max_size=3).map(tuple), WORDS, st.booleans(), EXTRAS),
)
COUNTS = st.integers(0, 2**63 - 1)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.booleans())
REASONS = st.sampled_from(("stop", "length", "tool_calls", "content_filter"))
ROWS = st.none() | st.lists(st.dictionaries(WORDS, JSON, max_size=2), max_size=3)
CHOICES = st.builds(Choice, st.lists(PARTS, max_size=5).map(tuple), REASONS, ROWS, EXTRAS)
REPLIES = st.builds(Reply, st.lists(CHOICES, max_size=3).map(tuple), st.none() | USAGES, EXTRAS)


@given(REPLIES)
def test_gathering_undoes_replaying(reply: Reply):
    assert gather(replay(reply)) == reply


@given(REPLIES)
def test_a_kept_answer_is_the_answer(reply: Reply):
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(reply), type=Reply)
    assert kept == reply
    assert gather(replay(kept)) == reply


@given(PARTS, st.integers(0, 9), ROWS)
def test_the_deltas_of_a_part_are_its_text(part: Part, choice: int, rows: Any):
    begin, *deltas, end = tell_part(part, choice, rows)
    assert begin == PartBegin(emptied(part), choice)
    assert end == PartEnd(part, choice)
    assert all(isinstance(event, PartDelta) and event.choice == choice for event in deltas)
    assert "".join(event.text for event in deltas) == text_of(part)
    assert text_of(emptied(part)) == ""


@given(st.lists(CHOICES, min_size=2, max_size=3), st.randoms(use_true_random=False))
def test_choices_may_interleave(choices: list[Choice], random: Any):
    queues = [
        [
            msgspec.structs.replace(event, choice=i)
            for event in replay(Reply((choice,)))
            if not isinstance(event, Done)
        ]
        for i, choice in enumerate(choices)
    ]
    events: list[Any] = []
    while queues := [queue for queue in queues if queue]:
        events += [random.choice(queues).pop(0), KeepAlive()]
    assert gather([*events, Done()]).choices == tuple(choices)


def test_events_that_stop_before_the_end_are_no_reply():
    with pytest.raises(ValueError, match="before Done"):
        gather([Begin(), End("stop")])


def test_the_plain_text_of_a_message():
    parts = (Reasoning("no"), Text("a"), ToolCall("1", "f", "{}"), Refusal("b"))
    assert Message("assistant", parts).text == "ab"


FILM = "https://www.youtube.com/watch?v=x"
IMAGE, SOUND, FILE = Media("image", url="https://x"), Media("audio", data="AA"), Media("file", data="AA")


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({}, set()),
        ({"messages": (Message("user", (IMAGE, SOUND, FILE)),)}, {"vision", "audio_input", "files"}),
        ({"messages": (Message("tool", (ToolResult("1", (Text("x"), IMAGE)),)),)}, {"vision"}),
        ({"messages": (Message("user", (Media("file", "Video/MP4", "AA"),)),)}, {"files", "video"}),
        ({"messages": (Message("user", (Media("file", url=FILM),)),)}, {"files", "video"}),
        ({"messages": (Message("user", (Media("file", "application/pdf", url=FILM),)),)}, {"files", "video"}),
        ({"messages": (Message("user", (Media("file", url="https://x/a.mp4?b"),)),)}, {"files", "video"}),
        ({"messages": (Message("user", (Media("file", "application/pdf", url="https://x/a.mp4"),)),)}, {"files"}),
        ({"messages": (Message("user", (Media("image", url="https://img.youtube.com/vi/a/0.jpg"),)),)}, {"vision"}),
        ({"messages": (Message("user", (Media("image", "image/heic", "AA"),)),)}, {"vision", "heic"}),
        ({"messages": (Message("user", (Media("image", "image/HEIF", url="https://x/a"),)),)}, {"vision", "heic"}),
        ({"messages": (Message("assistant", (Text("x"),)),)}, {"prefill"}),
        ({"tools": (Tool("f"),), "tool_choice": ToolChoice("auto")}, {"tools"}),
        ({"tools": (Tool("f"),), "tool_choice": ToolChoice("required")}, {"tools", "forced_tools"}),
        ({"response_format": ResponseFormat("json_schema", {})}, {"json_schema"}),
        ({"response_format": ResponseFormat("json_object")}, set()),
        (
            {"logprobs": True, "n": 2, "audio": {}, "web_search": {}},
            {"logprobs", "n", "audio_output", "web_search"},
        ),
    ],
)
def test_what_a_request_needs_of_a_model(fields: dict[str, Any], needs: set[str]):
    request = ChatRequest(**{"model": "m", "messages": (Message("user", (Text("x"),)),), **fields})
    assert request.needs() == needs
