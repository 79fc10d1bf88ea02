"""The lines of a receipt add up to the charge, for every usage and price."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from thermly import pricing
from thermly.catalog import Price
from thermly.exchange import Usage
from thermly.money import receipts

counts = st.integers(0, 10**7)
picos = st.integers(0, 10**9)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    fresh, cached, short, long = (draw(counts) for _ in range(4))
    if draw(st.booleans()):
        short, long = (short, 0) if draw(st.booleans()) else (0, long)
    else:
        short = long = 0
    output = draw(counts)
    return Usage(fresh + cached + short + long, cached, short, long, output, output // 2)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    def one(above: tuple[tuple[int, Price], ...] = ()) -> Price:
        return Price(*(draw(picos) for _ in range(5)), above)

    return one(tuple((draw(counts), one()) for _ in range(draw(st.integers(0, 2)))))


@given(usages(), prices())
def test_the_lines_add_up_to_what_was_charged(used: Usage, price: Price):
    charged = pricing.cost(used, price)
    # The books keep both kinds of cache writes in one sum.
    kept = Usage(
        used.input_tokens,
        used.cached_input_tokens,
        used.cache_write_tokens + used.cache_write_1h_tokens,
        0,
        used.output_tokens,
        used.reasoning_tokens,
    )
    receipt = receipts.of(kept, price, charged)
    assert receipt.exact and receipt.sum_nanousd == charged
    pico = sum(line.tokens * line.pico_each for line in receipt.lines)
    assert -(-pico // 1000) == charged
    assert sum(Decimal(line.usd) for line in receipt.lines) * 10**12 == pico


def test_other_prices_than_then_are_told():
    price = Price(2_500_000, 10_000_000, 1_250_000, 2_500_000, 2_500_000)
    receipt = receipts.of(Usage(1000, output_tokens=100), price, 1)
    assert not receipt.exact and receipt.sum_nanousd == 3_500_000
    assert [(row.words, row.per_mtok, row.usd) for row in receipt.lines] == [
        ("Input", "2.50", "0.0025"),
        ("Output", "10.00", "0.001"),
    ]
