"""The log of requests, in pages, the newest first; one request, found by its id.

Requests have no index but that of the account, since each would be paid for by every one of them. So a page looks
at `LOOKED` rows at most, and says how far it came where it found too little.
"""

from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from thermly.store.db import Database, Tx

PAGE = 50
LOOKED = 20_000
LOOKS = 10
"""How many times as many rows a search by id goes through before it gives up."""

EARLIER_MS = 2_000
"""Rows stand in the order of their ends, but for such differences as clocks and threads make."""


class Wanted(Struct, frozen=True):
    """Rows from `first` to before `last`, by seq, and what else must be so of them; None: anything. `outcome` is
    one of the rows' own, or "failed"."""

    account_id: str | None = None
    first: int = 1
    last: int = 2**63 - 1
    key_id: str | None = None
    model: str | None = None
    outcome: str | None = None
    cache: str | None = None
    level: int | None = None
    above_nanousd: int | None = None


class Entry(Struct, frozen=True):
    seq: int
    id: str
    started_at_ms: int
    account_id: str
    account: str
    key_id: str
    key: str
    hint: str
    surface: str
    requested_model: str
    model: str
    provider: str
    level: int
    outcome: str
    cache: str
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    images: int
    estimated: int
    stream: int
    cost_nanousd: int
    baseline_nanousd: int
    first_ms: int | None
    duration_ms: int | None
    state: str
    escalated_from: str
    score_ppm: int | None

    @property
    def saved_nanousd(self) -> int:
        return self.baseline_nanousd - self.cost_nanousd

    @property
    def answered_by(self) -> str:
        """The model; "": none answered, and `model` is the one that was asked last, if any was."""
        return self.model if self.state == "settled" else ""


class Page(Struct, frozen=True):
    """`older` and `newer` are the marks of the pages behind and before it, None where there is none. `seen_to_ms`:
    the time down (or up) to which was looked, where that was not to the end and too little was found."""

    entries: list[Entry]
    older: int | None
    newer: int | None
    seen_to_ms: int | None = None


_COLUMNS = """u.seq, u.id, u.started_at_ms, u.account_id, COALESCE(a.name, ''), u.key_id, COALESCE(k.name, ''),
  COALESCE(k.hint, ''), u.surface, u.requested_model, u.model, u.provider, u.complexity_level, u.outcome, u.cache,
  u.input_tokens, u.cached_input_tokens, u.cache_write_tokens, u.output_tokens, u.reasoning_tokens, u.images,
  u.estimated, u.stream, u.cost_nanousd, u.baseline_nanousd, u.first_ms, u.duration_ms, u.state, u.escalated_from,
  u.score_ppm"""
_FROM = """FROM usage u LEFT JOIN account a ON a.id = u.account_id LEFT JOIN api_key k ON k.id = u.key_id"""
_CLAUSES = {
    "account_id": "u.account_id = :account_id",
    "key_id": "u.key_id = :key_id",
    "model": "(u.requested_model = :model OR (u.model = :model AND u.state = 'settled'))",
    "outcome": """CASE :outcome WHEN 'failed' THEN u.outcome NOT IN ('ok', 'client_gone')
      ELSE u.outcome = :outcome END""",
    "cache": "u.cache = :cache",
    "level": "u.complexity_level = :level",
    "above_nanousd": "u.cost_nanousd > :above_nanousd",
}


def newest(tx: Tx) -> int:
    """The last seq there is."""
    row = tx.one("SELECT COALESCE(MAX(seq), 0) FROM usage")
    assert row is not None
    return int(row[0])


def since(tx: Tx, at_ms: int) -> int:
    """The first seq whose request ended at that time or later. A search by halves, past the requests of processes
    that died: their rows are written when that is noticed."""
    row = tx.one("SELECT COALESCE((SELECT MIN(seq) FROM usage), 1)")
    assert row is not None
    low, high = int(row[0]), newest(tx) + 1
    while low < high:
        middle = (low + high) // 2
        found = tx.one(
            """SELECT seq, started_at_ms + COALESCE(duration_ms, 0) FROM usage
               WHERE seq >= :middle AND outcome <> 'process_died' ORDER BY seq LIMIT 1""",
            {"middle": middle},
        )
        if found is None or found[1] >= at_ms:
            high = middle
        else:
            low = int(found[0]) + 1
    return low


def page(tx: Tx, wanted: Wanted, before: int | None = None, size: int = PAGE) -> Page:
    """The newest that are older than `before`."""
    high = min(wanted.last, newest(tx) + 1)
    if before is not None:
        high = min(high, before)
    low = _down(tx, wanted, high)
    entries = _entries(tx, wanted, low, high, "DESC", size + 1)
    newer = None if before is None else before - 1
    if len(entries) > size:
        return Page(entries[:size], entries[size - 1].seq, newer)
    if low > wanted.first:
        return Page(entries, low, newer, _time(tx, low))
    return Page(entries, None, newer)


def page_after(tx: Tx, wanted: Wanted, after: int, size: int = PAGE) -> Page:
    """The oldest that are newer than `after`; the newest page where there are not so many."""
    low, end = max(wanted.first, after + 1), min(wanted.last, newest(tx) + 1)
    high = _up(tx, wanted, low, end)
    entries = _entries(tx, wanted, low, high, "ASC", size + 1)
    if len(entries) > size:
        entries = entries[:size]
        return Page(entries[::-1], low, entries[-1].seq)
    if high < end:
        return Page(entries[::-1], low, high - 1, _time(tx, high - 1))
    return page(tx, wanted, None, size)


def _entries(tx: Tx, wanted: Wanted, low: int, high: int, order: str, limit: int) -> list[Entry]:
    values: dict[str, Any] = {name: value for name, value in asdict(wanted).items() if value is not None}
    clauses = " AND ".join(clause for name, clause in _CLAUSES.items() if name in values)
    rows = tx.all(
        f"""SELECT {_COLUMNS} {_FROM} WHERE u.seq >= :low AND u.seq < :high AND {clauses or "1"}
            ORDER BY u.seq {order} LIMIT :limit""",
        {**values, "low": low, "high": high, "limit": limit},
    )
    return [Entry(*row) for row in rows]


def _down(tx: Tx, wanted: Wanted, high: int) -> int:
    """The seq from which `LOOKED` rows of the account (or of all) end before `high`."""
    if wanted.account_id is None:
        return max(wanted.first, high - LOOKED)
    row = tx.one(
        """SELECT MIN(seq), COUNT(*) FROM (SELECT seq FROM usage
             WHERE account_id = :account AND seq >= :first AND seq < :high ORDER BY seq DESC LIMIT :looked)""",
        {"account": wanted.account_id, "first": wanted.first, "high": high, "looked": LOOKED},
    )
    assert row is not None
    return int(row[0]) if row[1] == LOOKED else wanted.first


def _up(tx: Tx, wanted: Wanted, low: int, end: int) -> int:
    """The seq before which `LOOKED` rows begin from `low` on."""
    if wanted.account_id is None:
        return min(end, low + LOOKED)
    row = tx.one(
        """SELECT MAX(seq), COUNT(*) FROM (SELECT seq FROM usage
             WHERE account_id = :account AND seq >= :low AND seq < :end ORDER BY seq LIMIT :looked)""",
        {"account": wanted.account_id, "low": low, "end": end, "looked": LOOKED},
    )
    assert row is not None
    return int(row[0]) + 1 if row[1] == LOOKED else end


def _time(tx: Tx, seq: int) -> int | None:
    row = tx.one("SELECT started_at_ms FROM usage WHERE seq >= :seq ORDER BY seq LIMIT 1", {"seq": seq})
    return row[0] if row else None


# ---- one of them


def find(database: Database, request_id: str, account_id: str | None = None) -> Entry | None:
    """Of this account, or of any. Ids begin with the millisecond at which a request was accepted, and its row is
    written when it ends: it is looked for from that time on."""
    try:
        at_ms = int(request_id[:11], 16)
    except ValueError:
        return None
    with database.each() as tx:
        low, end = since(tx, at_ms - EARLIER_MS), newest(tx) + 1
    wanted = Wanted(account_id)
    whose = "1" if account_id is None else "account_id = :account"
    for _ in range(LOOKS):
        if low >= end:
            break
        with database.each() as tx:
            high = _up(tx, wanted, low, end)
            found = tx.one(
                f"SELECT seq FROM usage WHERE seq >= :low AND seq < :high AND id = :id AND {whose}",  # noqa: S608
                {"low": low, "high": high, "id": request_id, "account": account_id},
            )
            if found:
                return _entries(tx, wanted, found[0], found[0] + 1, "ASC", 1)[0]
        low = high
    return None


def grounds(tx: Tx, seq: int) -> str:
    """Why this model, as it was written down."""
    row = tx.one("SELECT reasons FROM usage WHERE seq = :seq", {"seq": seq})
    return str(row[0]) if row else "[]"


def askers(tx: Tx, account_id: str | None, limit: int) -> list[tuple[str, str, str, str]]:
    """(id, name, hint, account) of the keys that may have asked; the newest."""
    return tx.all(
        """SELECT k.id, k.name, k.hint, a.name FROM api_key k JOIN account a ON a.id = k.account_id
           WHERE :account IS NULL OR k.account_id = :account ORDER BY k.created_at_ms DESC, k.id LIMIT :limit""",
        {"account": account_id, "limit": limit},
    )
