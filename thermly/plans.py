"""Plans and what each allows per minute. Knows numbers only. Source: the console reference, "Rate Limits"."""

from msgspec import Struct


class Plan(Struct, frozen=True):
    """Requests per minute and key; None: no limit of the plan's own (enterprise: set per key)."""

    name: str
    rpm: int | None
    image_rpm: int | None


PLANS = {
    p.name: p
    for p in (Plan("free", 10, 5), Plan("standard", 60, 20), Plan("pro", 300, 60), Plan("enterprise", None, None))
}
DEFAULT = "standard"
