"""How many tokens a request has: the vendor's own count where it gives one for nothing, else our estimate.

Knows: who can count. Must not know: Flask, money (counting is free), vendor JSON.
"""

from thermly import pricing
from thermly.caller import Caller
from thermly.errors import GatewayError
from thermly.exchange import ChatRequest
from thermly.gateway import Gateway
from thermly.providers import COUNT


def count_tokens(gateway: Gateway, request: ChatRequest, caller: Caller) -> int:
    """Raises what a request for the same model would: an unknown name, one that the key may not use …"""
    target = gateway.plan(request, caller).targets[0]
    counter = COUNT.get(target.provider.kind)
    if counter is not None and target.name not in gateway.health.cooling():
        try:
            return counter(request, target, gateway.client)
        except GatewayError:
            pass  # an estimate is better than no answer
    return pricing.estimate_input_tokens(request)
