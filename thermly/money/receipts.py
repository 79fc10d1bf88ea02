"""What a request has cost, told by kinds of tokens: counts and prices whose products add up to the charge.

Knows: how kinds of tokens are counted. Must not know: the books, who pays.
Only the sum is kept in the books, so the prices are those of today; a sum that is another tells that they were
different then.
"""

from decimal import Decimal

from msgspec import Struct

from thermly import pricing
from thermly.catalog import PICO_PER_USD, Price
from thermly.exchange import Usage

PICO_PER_NANO = 1_000


class Line(Struct, frozen=True):
    """`tokens` at so many pico-dollars each. `note` says more of them."""

    words: str
    tokens: int
    pico_each: int
    note: str = ""

    @property
    def per_mtok(self) -> str:
        """Dollars per million tokens."""
        return _plain(Decimal(self.pico_each * 1_000_000) / PICO_PER_USD)

    @property
    def usd(self) -> str:
        """Dollars, exactly."""
        return _plain(Decimal(self.tokens * self.pico_each) / PICO_PER_USD)


class Receipt(Struct, frozen=True):
    """`sum_nanousd` is what the lines add up to; `exact`: it is what was charged."""

    lines: tuple[Line, ...]
    sum_nanousd: int
    exact: bool


def of(used: Usage, price: Price, charged_nanousd: int) -> Receipt:
    """The books do not tell for how long a vendor's cache was written to keep: the price that fits is taken."""
    written = used.cache_write_tokens + used.cache_write_1h_tokens
    first = _receipt(_counts(used, written, 0), price, charged_nanousd)
    if first.exact or not written:
        return first
    other = _receipt(_counts(used, 0, written), price, charged_nanousd)
    return other if other.exact else first


def _counts(used: Usage, short: int, long: int) -> Usage:
    return Usage(
        used.input_tokens, used.cached_input_tokens, short, long, used.output_tokens, used.reasoning_tokens
    )


def _receipt(used: Usage, price: Price, charged_nanousd: int) -> Receipt:
    reached = [row for row in price.above if used.input_tokens > row[0]]
    above, tier = max(reached, key=lambda row: row[0]) if reached else (0, price)
    fresh = used.input_tokens - used.cached_input_tokens - used.cache_write_tokens - used.cache_write_1h_tokens
    long = f"more than {above:,} tokens of input have prices of their own" if reached else ""
    thoughts = f"{used.reasoning_tokens:,} of them reasoning" if used.reasoning_tokens else ""
    lines = (
        Line("Input", max(fresh, 0), tier.input, long),
        Line("Input read from the provider's cache", used.cached_input_tokens, tier.cached_input),
        Line("Input written to the provider's cache", used.cache_write_tokens, tier.cache_write),
        Line("Input written to the provider's cache for an hour", used.cache_write_1h_tokens, tier.cache_write_1h),
        Line("Output", used.output_tokens, tier.output, thoughts),
    )
    total = pricing.cost(used, price)
    return Receipt(tuple(row for row in lines if row.tokens), total, total == charged_nanousd)


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"
