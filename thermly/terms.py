"""What one request may cost on a target, before it is asked, and what it has used, after. Pure integers.

Knows: the request, prices, what a meter saw. Must not know: holds, accounts, who else could answer.
"""

import functools

import msgspec

from thermly import pricing
from thermly.catalog import Target
from thermly.exchange import ChatRequest, Usage
from thermly.metering import Meter

SHORT_ANSWER_TOKENS = 16  # an account that cannot pay this much more is out of credit
BYTES_PER_TOKEN = 4  # of produced text, where the upstream never told its usage


class Terms:
    """Of one request. Output bounds are tokens per choice."""

    def __init__(self, request: ChatRequest) -> None:
        self._request = request

    @functools.cached_property
    def size(self) -> pricing.Size:
        return pricing.measure(self._request)

    @property
    def shortest(self) -> int:
        """The least that an answer must be able to say, in tokens."""
        return min(SHORT_ANSWER_TOKENS, self._request.max_output_tokens or SHORT_ANSWER_TOKENS)

    def output_bound(self, target: Target) -> int:
        request, model = self._request, target.model
        bound = min(
            request.max_output_tokens or model.max_output_tokens,
            request.output_bound or model.max_output_tokens,
            model.max_output_tokens,
        )
        room = model.context_window - self.size.estimate
        return max(SHORT_ANSWER_TOKENS, min(bound, room)) if request.max_output_tokens is None else bound

    def ceiling(self, target: Target, output_bound: int) -> int:
        """The worst case, in nano-dollars."""
        return pricing.ceiling(self._input_bound(target), output_bound, self._request.n, target.price)

    def affordable(self, target: Target, payable_nanousd: int) -> int:
        """The output bound that so much pays for; it may be less than `shortest`, and less than nothing."""
        return pricing.affordable_output(payable_nanousd, self._input_bound(target), self._request.n, target.price)

    def _input_bound(self, target: Target) -> int:
        return min(self.size.bound(target.provider.kind), target.model.context_window)

    def charged(self, outcome: str, meter: Meter) -> Usage | None:
        """What is to be paid for; None: nothing, since nothing came."""
        if meter.usage is not None:
            return meter.usage
        if not meter.began or (outcome != "ok" and not meter.produced_bytes and outcome != "client_gone"):
            return None
        if not self._request.stream and outcome != "ok":
            return None  # a whole reply that broke off was never given to anybody
        early = meter.early or Usage(input_tokens=self.size.estimate)
        output = -(-meter.produced_bytes // BYTES_PER_TOKEN)
        return msgspec.structs.replace(early, output_tokens=output, estimated=True)
