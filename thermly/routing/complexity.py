from msgspec import Struct

from thermly.routing.features import Features


class Judgement(Struct, frozen=True):
    score: float
    level: int
    reasons: tuple[str, ...]


def judge(f: Features) -> Judgement:
    return Judgement(0.5, 3, ())
