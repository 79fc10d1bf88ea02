"""Routing: request + catalogue + caller -> ordered targets, with the reasons. Pure; no network, no money, no clock.

features     request -> numbers that mean something
complexity   numbers -> how hard it is, and why; the file that a trained model replaces
names        a direct name -> its one target
drawing      an image request -> its one target, and its words for size and quality
sticky       the turns of a conversation -> a tier that does not change from turn to turn
thresholds   the quality to keep, and prices -> the scores up to which each tier is asked
targets      how hard, who is able, who is there -> whom to ask, in order
"""

from thermly.routing.complexity import Judgement, judge
from thermly.routing.drawing import plan_images
from thermly.routing.features import Features, read
from thermly.routing.names import is_served, permitted_models, resolve
from thermly.routing.targets import Plan, plan

__all__ = [
    "Features",
    "Judgement",
    "Plan",
    "is_served",
    "judge",
    "permitted_models",
    "plan",
    "plan_images",
    "read",
    "resolve",
]
