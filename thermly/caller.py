"""Who asks: the API key, its account and what both allow. A value; where it comes from is not its business."""

from msgspec import Struct


class Caller(Struct, frozen=True):
    """`rpm` and `image_rpm`: requests per minute, None without a limit. `models`: names the key may use, None
    for all. `capped`: the key has a spend cap of its own. `keeps_transcripts`: the account wants what is asked and
    answered kept."""

    account_id: str
    account: str
    key_id: str
    plan: str
    rpm: int | None
    image_rpm: int | None
    models: frozenset[str] | None = None
    capped: bool = False
    keeps_transcripts: bool = False
