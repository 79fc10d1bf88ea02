"""Routing: request + catalogue + caller -> ordered targets, with the reasons. Pure; no network, no money, no clock.

features     request -> numbers that mean something
complexity   numbers -> how hard it is, and why; the file that a trained model replaces
targets      how hard, who is able, who is there -> whom to ask, in order
"""

from thermly.routing.complexity import Judgement, judge
from thermly.routing.features import Features, read
from thermly.routing.targets import Plan, plan

__all__ = ["Features", "Judgement", "Plan", "judge", "plan", "read"]
