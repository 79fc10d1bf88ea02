"""Transcripts: what was asked and answered, of accounts that want it kept; off for all others.

Knows: how an exchange is written down, how much of it, for how long. Must not know: Flask, SQL text, any wire.
Images, sounds and files are told by their size. What is too long is cut at its old end: the last turns say most.
"""

import logging
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thermly import clock
from thermly.exchange import (
    ChatRequest,
    End,
    Event,
    Media,
    Part,
    PartBegin,
    PartDelta,
    PartEnd,
    Reasoning,
    Refusal,
    Reply,
    Text,
    ToolCall,
    ToolResult,
)
from thermly.metering import Meter
from thermly.store import transcripts as store
from thermly.store.db import Database

log = logging.getLogger("thermly.transcripts")

MOST_BYTES = 200_000
"""Of JSON, for each of request and reply."""

LONGEST_NAME = 200
DAY_MS = 86_400_000
KINDS = {Text: "text", Refusal: "refusal", Reasoning: "reasoning"}


class Piece(Struct, frozen=True, omit_defaults=True):
    """A part of a turn. `kind`: text, refusal, reasoning, call, result, image, audio, file. `name` is a tool's or a
    file's, `bytes` a medium's size, `cut` how many characters are left out behind the text."""

    kind: str
    text: str = ""
    name: str = ""
    media_type: str = ""
    bytes: int | None = None
    cut: int = 0


class Turn(Struct, frozen=True, omit_defaults=True):
    """`reason`: why a choice ended; empty where it broke off."""

    role: str
    pieces: tuple[Piece, ...] = ()
    reason: str = ""


class Said(Struct, frozen=True, omit_defaults=True):
    """`left_out`: so many turns before these were too much to keep."""

    turns: tuple[Turn, ...] = ()
    left_out: int = 0


class Shown(Struct, frozen=True):
    asked: Said
    answered: Said
    expires_at_ms: int


_encode = msgspec.json.encode
_read = msgspec.json.Decoder(Said).decode


class Scribe(Meter):
    """A meter that remembers what was said, also of an answer that breaks off."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: dict[int, list[Piece]] = {}
        self._open: dict[int, tuple[Part, list[str]]] = {}
        self._reasons: dict[int, str] = {}

    def see(self, event: Event) -> None:
        super().see(event)
        if isinstance(event, PartDelta):
            self._open[event.choice][1].append(event.text)
        elif isinstance(event, PartBegin):
            self._open[event.choice] = event.part, []
        elif isinstance(event, PartEnd):
            self._open.pop(event.choice, None)
            self._pieces.setdefault(event.choice, []).extend(pieces(event.part))
        elif isinstance(event, End):
            self._reasons[event.choice] = event.reason

    @property
    def turns(self) -> list[Turn]:
        found = []
        for choice in sorted({*self._pieces, *self._open, *self._reasons}):
            said = self._pieces.get(choice, [])
            if choice in self._open:
                part, texts = self._open[choice]
                said = [*said, *(replace(p, text="".join(texts)) for p in pieces(part))]
            found.append(Turn("assistant", tuple(said), self._reasons.get(choice, "")))
        return found


def of_request(request: ChatRequest) -> list[Turn]:
    return [Turn(m.role, tuple(p for part in m.parts for p in pieces(part))) for m in request.messages]


def of_reply(reply: Reply) -> list[Turn]:
    return [
        Turn("assistant", tuple(p for part in choice.parts for p in pieces(part)), choice.reason)
        for choice in reply.choices
    ]


def pieces(part: Part) -> list[Piece]:
    if isinstance(part, ToolCall):
        return [Piece("call", part.arguments, part.name[:LONGEST_NAME])]
    if isinstance(part, ToolResult):
        text = "".join(p.text for p in part.parts if isinstance(p, Text))
        media = (p for p in part.parts if isinstance(p, Media))
        return [Piece("result", text, part.name[:LONGEST_NAME]), *(found for p in media for found in pieces(p))]
    if isinstance(part, Media):
        size = len(part.data) * 3 // 4 if part.data is not None else None
        name, media_type = (part.name or "")[:LONGEST_NAME], (part.media_type or "")[:LONGEST_NAME]
        return [Piece(part.kind, name=name, media_type=media_type, bytes=size)]
    return [Piece(KINDS[type(part)], part.text)]


# ---- how much of it


def bounded(turns: Sequence[Turn], most_bytes: int = MOST_BYTES) -> str:
    """As JSON of so many bytes at most: the last turns, and of the first of these its beginning."""
    kept: list[Turn] = []
    room = most_bytes - len(_encode(Said(left_out=len(turns)))) - 32
    for turn in reversed(turns):
        size = len(_encode(turn)) + 1
        if size > room:
            if (shortened := _shortened(turn, room)) is not None:
                kept.append(shortened)
            break
        kept.append(turn)
        room -= size
    return _encode(Said(tuple(reversed(kept)), len(turns) - len(kept))).decode()


def _shortened(turn: Turn, room: int) -> Turn | None:
    """What fits of a turn that does not; None where that is nothing."""
    room -= len(_encode(replace(turn, pieces=()))) + 16
    found: list[Piece] = []
    for piece in turn.pieces:
        size = len(_encode(piece)) + 1
        if size <= room:
            found.append(piece)
            room -= size
            continue
        piece = _cut(piece, room)
        if piece.text or not found:
            found.append(piece)
        break
    return replace(turn, pieces=tuple(found)) if found and room > 0 and any(p.text for p in found) else None


def _cut(piece: Piece, room: int) -> Piece:
    """How many bytes a character takes in JSON is only known once it is written: half as much until it fits."""
    length = min(len(piece.text), max(0, room))
    while length:
        shorter = replace(piece, text=piece.text[:length], cut=len(piece.text) - length)
        if len(_encode(shorter)) < room:
            return shorter
        length = length * 3 // 4
    return replace(piece, text="", cut=len(piece.text))


# ---- kept, shown, forgotten


def keep(
    database: Database, usage_id: str, account_id: str, started_ms: int, request: ChatRequest,
    answer: Iterable[Turn], lifetime_d: int,
) -> None:  # fmt: skip
    """Whatever hinders it, the request that it is about has been served."""
    now_ms = clock.now_ms()
    try:
        asked, answered = bounded(of_request(request)), bounded(list(answer))
        with database.each() as tx:
            expires_ms = now_ms + lifetime_d * DAY_MS
            store.add(tx, usage_id, account_id, started_ms, asked, answered, now_ms, expires_ms)
    except Exception as error:  # its text may quote what was said, which no log may hold
        log.error("the transcript of req_%s could not be kept: %s", usage_id, type(error).__name__)


def find(database: Database, usage_id: str, account_id: str) -> Shown | None:
    with database.each() as tx:
        found = store.find(tx, usage_id, account_id, clock.now_ms())
    return Shown(_read(found.request), _read(found.reply), found.expires_at_ms) if found else None


def begin(database: Database, account_id: str) -> bool:
    """Keep what is asked and answered from now on; False where it is kept already."""
    with database.each() as tx:
        return store.switch(tx, account_id, clock.now_ms())


def end(database: Database, account_id: str) -> int:
    """Keep nothing any more, and remove what was kept, also from the file's write-ahead log; returns how many
    there were. Small transactions: requests want the database too."""
    with database.each() as tx:
        store.switch(tx, account_id, None)
    gone = 0
    while True:
        with database.each() as tx:
            some = store.forget(tx, account_id)
        if not some:
            break
        gone += some
    with database.each() as tx:
        store.scrub(tx)
    return gone
