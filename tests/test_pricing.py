import base64
import struct

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from thermly import pricing
from thermly.catalog import Price
from thermly.exchange import (
    ChatRequest,
    Media,
    Message,
    Reasoning,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)

NANO = 1_000_000_000
GPT_4O = Price(2_500_000, 10_000_000, 1_250_000, 2_500_000, 2_500_000)
SONNET = Price(3_000_000, 15_000_000, 300_000, 3_750_000, 6_000_000)
PRO_LONG = Price(2_500_000, 15_000_000, 250_000, 2_500_000, 2_500_000)
PRO = Price(1_250_000, 10_000_000, 125_000, 1_250_000, 1_250_000, ((200_000, PRO_LONG),))

rates = st.integers(0, 100_000_000)
flat_prices = st.builds(Price, rates, rates, rates, rates, rates)
prices = st.builds(
    Price,
    rates,
    rates,
    rates,
    rates,
    rates,
    st.lists(st.tuples(st.integers(1, 3_000_000), flat_prices), max_size=3).map(tuple),
)
counts = st.integers(0, 2_000_000)
anything = st.integers(-10, 2_000_000)


def ask(*parts, **fields):
    return ChatRequest(model="auto", messages=(Message("user", parts),), **fields)


@pytest.mark.parametrize(
    ("usage", "price", "nanousd"),
    [
        # OpenAI: 1,000 read of which 600 cached, 200 written:
        # 400 x $2.50 + 600 x $1.25 + 200 x $10 per million = $0.001 + $0.00075 + $0.002
        (Usage(1_000, 600, output_tokens=200, reasoning_tokens=150), GPT_4O, 3_750_000),
        # Anthropic: 10 fresh, 2,000 from the cache, 500 into it for 5 minutes, 100 for an hour, 300 written:
        # 10 x $3 + 2,000 x $0.30 + 500 x $3.75 + 100 x $6 + 300 x $15 = 30 + 600 + 1,875 + 600 + 4,500 µ$
        (Usage(2_610, 2_000, 500, 100, 300), SONNET, 7_605_000),
        # Gemini at its threshold: 200,000 x $1.25 + 1,000 x $10 = $0.25 + $0.01
        (Usage(200_000, output_tokens=1_000), PRO, 260_000_000),
        # and one token past it, everything dearer, half of it cached:
        # 100,001 x $2.50 + 100,000 x $0.25 + 1,000 x $15 = $0.2500025 + $0.025 + $0.015
        (Usage(200_001, 100_000, output_tokens=1_000), PRO, 290_002_500),
        (Usage(), SONNET, 0),
    ],
)
def test_golden_invoices(usage, price, nanousd):
    assert pricing.cost(usage, price) == nanousd


def test_a_part_of_a_nano_dollar_counts_as_a_whole_one_but_only_once():
    price = Price(1, 1, 1, 1, 1)
    assert pricing.cost(Usage(1, output_tokens=1), price) == 1
    assert pricing.cost(Usage(600, output_tokens=401), price) == 2


def test_counts_that_contradict_each_other_are_clamped():
    assert pricing.cost(Usage(100, 500), SONNET) == pricing.cost(Usage(100, 100), SONNET)
    assert pricing.cost(Usage(100, 80, 80, 80), SONNET) == pricing.cost(Usage(100, 80, 0, 20), SONNET)
    assert pricing.cost(Usage(-5, -5, -5, -5, -5, -5), SONNET) == 0


@given(prices, counts, counts, st.integers(1, 8), anything, anything, anything, anything, anything)
def test_no_usage_within_the_bounds_costs_more_than_its_ceiling(
    price, bound, output, n, read, cached, written, written_1h, made
):
    usage = Usage(min(read, bound), cached, written, written_1h, min(made, output * n))
    assert 0 <= pricing.cost(usage, price) <= pricing.ceiling(bound, output, n, price)


@given(prices, counts, st.integers(1, 8), st.integers(0, 10**13))
def test_the_affordable_output_is_exact(price, bound, n, available):
    tokens = pricing.affordable_output(available, bound, n, price)
    if tokens:
        assert pricing.ceiling(bound, tokens, n, price) <= available
    if tokens < pricing.NO_LIMIT:
        assert pricing.ceiling(bound, tokens + 1, n, price) > available


@given(prices, counts, counts, st.integers(1, 7), st.integers(0, 1_000))
def test_more_never_needs_a_smaller_hold(price, bound, output, n, more):
    held = pricing.ceiling(bound, output, n, price)
    assert held <= pricing.ceiling(bound + more, output, n, price)
    assert held <= pricing.ceiling(bound, output + more, n, price)
    assert held <= pricing.ceiling(bound, output, n + 1, price)


@given(flat_prices, counts, counts, st.integers(0, 1_000))
def test_more_tokens_never_cost_less(price, read, made, more):
    assume(price.cached_input <= price.input)
    cost = pricing.cost(Usage(read, output_tokens=made), price)
    assert cost <= pricing.cost(Usage(read + more, output_tokens=made), price)
    assert cost <= pricing.cost(Usage(read, output_tokens=made + more), price)
    assert cost >= pricing.cost(Usage(read, more, output_tokens=made), price)


def test_what_cannot_be_paid_affords_nothing_and_what_is_free_has_no_limit():
    assert pricing.affordable_output(1, 1_000, 1, SONNET) == 0
    assert pricing.affordable_output(-1, 0, 1, SONNET) == 0
    assert pricing.affordable_output(0, 1_000, 1, Price(0, 0, 0, 0, 0)) == pricing.NO_LIMIT
    assert pricing.affordable_output(-1, 1_000, 1, Price(0, 0, 0, 0, 0)) == 0


def test_a_hold_is_priced_at_the_dearest_input_and_tier_in_reach():
    assert pricing.ceiling(1_000_000, 0, 1, SONNET) == 6 * NANO
    assert pricing.ceiling(200_000, 1_000, 2, PRO) == 270_000_000
    assert pricing.ceiling(200_001, 1_000, 2, PRO) == 500_002_500 + 30_000_000


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=50))
def test_every_byte_of_text_is_within_the_bound(said, thought, name):
    request = ask(
        Text(said),
        Reasoning(thought),
        ToolCall("id", name, said),
        ToolResult("id", (Text(thought),), name),
        tools=(Tool(name, description=said, parameters={"x": thought}),),
    )
    every_byte = sum(2 * len(text.encode()) + len(text.encode()) for text in (said, thought, name))
    assert every_byte <= pricing.measure(request).bound()
    assert pricing.estimate_input_tokens(request) <= pricing.measure(request).bound()


def test_plain_words_are_estimated_within_a_third():
    text = "The quick brown fox jumps over the lazy dog, and nobody in the village minds. " * 10
    assert 170 * 2 / 3 <= pricing.estimate_input_tokens(ask(Text(text))) <= 170 * 4 / 3


def test_schemas_and_unknown_fields_are_read_by_the_upstream_too():
    plain = pricing.measure(ask(Text("hi"))).bound()
    schema = ResponseFormat("json_schema", schema={"title": "x" * 500})
    assert pricing.measure(ask(Text("hi"), response_format=schema)).bound() >= plain + 500
    assert pricing.measure(ask(Text("hi"), extras={"openai": {"x": "y" * 500}})).bound() >= plain + 500
    signed = Reasoning("", extras={"anthropic": {"signature": "s" * 500}})
    assert pricing.measure(ask(Text("hi"), signed)).bound() >= plain + 500


@pytest.mark.parametrize(
    ("media", "kind", "least", "most"),
    [
        (Media("image", url="https://x.example/a.png"), "", 48_169, 50_000),
        (Media("image", url="https://x.example/a.png"), "anthropic", 4_784, 6_000),
        (Media("image", data="", extras={"openai": {"detail": "low"}}), "openai_like", 2_833, 3_000),
        (Media("image", data="", extras={"openai": {"detail": "low"}}), "gemini", 48_169, 50_000),
        (Media("audio", "audio/wav", base64.b64encode(bytes(320_000)).decode()), "", 700, 40_100),
        (Media("audio", url="https://x.example/a.mp3"), "", 1_048_576, 1_049_000),
        (Media("file", "application/pdf", base64.b64encode(bytes(9_000)).decode()), "", 50_000, 60_000),
        (Media("file", "text/csv", base64.b64encode(bytes(9_000)).decode()), "", 9_000, 9_100),
        (Media("file", url="https://x.example/a.pdf"), "", 1_048_576, 1_049_000),
    ],
)
def test_media_are_bounded_by_the_dearest_counting(media, kind, least, most):
    for part in (media, ToolResult("id", (media,))):
        assert least <= pricing.measure(ask(part)).bound(kind) <= most
        assert 0 < pricing.estimate_input_tokens(ask(part)) <= least


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    # The first three are the examples of OpenAI's guide; the others are what a file may claim.
    [
        (1024, 1024, 765), (2048, 4096, 1105), (4096, 8192, 1105), (512, 512, 255), (513, 100, 425),
        (1, 1, 255), (1, 2**32 - 1, 765), (2**32 - 1, 2**32 - 1, 765),
    ],
)  # fmt: skip
def test_an_image_is_estimated_by_its_pixels_as_openai_counts_them(width, height, tokens):
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    empty = pricing.estimate_input_tokens(ask(Text("")))
    image = Media("image", "image/png", base64.b64encode(head + bytes(99)).decode())
    assert pricing.estimate_input_tokens(ask(image)) - empty == tokens
    assert pricing.measure(ask(image)).bound() > 48_000
    for low in (image, Media("image", url="https://x.example/a.png")):
        low = msgspec.structs.replace(low, extras={"openai": {"detail": "low"}})
        assert 85 <= pricing.estimate_input_tokens(ask(low)) - empty < 100


def test_an_image_that_nobody_has_seen_is_estimated_as_a_common_one():
    empty = pricing.estimate_input_tokens(ask(Text("")))
    for image in (Media("image", url="https://x.example/a.png"), Media("image", data="AAAA")):
        assert pricing.estimate_input_tokens(ask(image)) - empty == 765


@pytest.mark.parametrize(
    ("wire", "facts", "fills"),
    [
        ("gemini", {"tools": [{"codeExecution": {}}]}, True),
        ("gemini", {"tools": [{"functionDeclarations": [], "urlContext": {}}]}, True),
        ("gemini", {"tools": [{"computerUse": {}}]}, False),
        ("anthropic", {"tools": [{"type": "web_fetch_20260318"}]}, True),
        ("anthropic", {"tools": [{"type": "mcp_toolset"}]}, True),
        ("anthropic", {"mcp_servers": [{"url": "https://x"}]}, True),
        ("anthropic", {"tools": [{"type": "tool_search_tool_regex_20251119"}]}, False),
        ("anthropic", {"tools": [{"type": "news"}]}, True),
        ("openai", {"x": 1}, False),
    ],
)
def test_what_a_vendors_own_tool_brings_in_may_fill_the_window(wire, facts, fills):
    bound = pricing.measure(ask(Text("hi"), extras={wire: facts})).bound()
    assert (bound > pricing.UNKNOWN_MEDIA_BOUND) == fills


def test_pages_of_a_web_search_are_as_many_as_a_model_can_read():
    assert pricing.measure(ask(Text("hi"), web_search={})).bound() > 1_000_000
