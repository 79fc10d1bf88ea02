"""Transcripts: what is written of an exchange, how much of it, and that it goes when it should."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import books
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly import clock
from thermly.exchange import (
    Begin,
    ChatRequest,
    Choice,
    Done,
    End,
    Media,
    Message,
    PartBegin,
    PartDelta,
    PartEnd,
    Reasoning,
    Reply,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    replay,
)
from thermly.keeping import transcripts
from thermly.keeping.transcripts import Piece, Said, Scribe, Turn, bounded
from thermly.running.accounting import Here, sweep
from thermly.settings import read
from thermly.store import transcripts as store
from thermly.store.db import Database

said = msgspec.json.Decoder(Said).decode


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Database]:
    base = books.fresh(tmp_path)
    yield base
    base.close()


def chat(*texts: str) -> ChatRequest:
    return ChatRequest("auto", tuple(Message("user", (Text(text),)) for text in texts))


def keep(base: Database, who: books.Payer, text: str, started_ms: int | None = None, number: str = "") -> str:
    number = number or secrets.token_hex(11)
    started_ms = clock.now_ms() if started_ms is None else started_ms
    answer = [Turn("assistant", (Piece("text", "answer to " + text),), "stop")]
    transcripts.keep(base, number, who.account_id, started_ms, chat(text), answer, 7)
    return number


def on_disk(base: Database, text: str) -> bool:
    return any(text.encode() in file.read_bytes() for file in base.path.parent.glob("thermly.db*"))


# ---- what is written


def test_every_part_is_told_and_media_are_told_by_their_size():
    request = ChatRequest(
        "auto",
        (
            Message("system", (Text("be brief"),)),
            Message("user", (Text("look"), Media("image", data="QUJD" * 100), Media("file", url="x:y"))),
            Message("assistant", (Reasoning("hm"), ToolCall("c1", "search", '{"q": 1}'))),
            Message("tool", (ToolResult("c1", (Text("found"), Media("image", data="QUJD")), "search"),)),
        ),
    )  # fmt: skip
    text = bounded(transcripts.of_request(request))
    assert "QUJD" not in text
    turns = said(text).turns
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "tool"]
    assert [(p.kind, p.text, p.bytes) for p in turns[1].pieces] == [
        ("text", "look", None), ("image", "", 300), ("file", "", None),
    ]  # fmt: skip
    assert [(p.kind, p.text, p.name) for p in turns[2].pieces] == [
        ("reasoning", "hm", ""), ("call", '{"q": 1}', "search"),
    ]  # fmt: skip
    assert [(p.kind, p.text) for p in turns[3].pieces] == [("result", "found"), ("image", "")]


def test_a_scribe_writes_what_the_reply_says():
    reply = Reply(
        (
            Choice((Reasoning("hm"), Text("one")), "stop"),
            Choice((ToolCall("c", "search", "{}"),), "tool_calls"),
        ),
        Usage(1, output_tokens=2),
    )
    scribe = Scribe()
    for event in replay(reply):
        scribe.see(event)
    assert scribe.turns == transcripts.of_reply(reply)
    assert scribe.usage == reply.usage and scribe.produced_bytes == 7, "it still meters"


def test_what_breaks_off_is_written_as_far_as_it_came():
    scribe = Scribe()
    for event in (Begin(), PartBegin(Text("")), PartDelta("half "), PartDelta("a word")):
        scribe.see(event)
    assert scribe.turns == [Turn("assistant", (Piece("text", "half a word"),))]
    for event in (PartEnd(Text("half a word.")), End("stop"), Done()):
        scribe.see(event)
    assert scribe.turns == [Turn("assistant", (Piece("text", "half a word."),), "stop")]


# ---- how much


@given(
    st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=400), max_size=4), max_size=8),
    st.integers(200, 3000),
)
def test_it_is_never_longer_than_it_may_be(turns: list[list[str]], most: int):
    text = bounded([Turn("user", tuple(Piece("text", t) for t in texts)) for texts in turns], most)
    assert len(text.encode()) <= most
    found = said(text)
    assert len(found.turns) + found.left_out == len(turns)
    for kept, whole in zip(found.turns[1:], turns[found.left_out + 1 :], strict=True):
        assert [p.text for p in kept.pieces] == whole, "only the oldest is cut"
    if found.turns:
        for piece, whole_text in zip(found.turns[0].pieces, turns[found.left_out], strict=False):
            assert whole_text.startswith(piece.text) and len(piece.text) + piece.cut == len(whole_text)


def test_the_last_turns_are_kept_and_the_cut_is_told():
    long = [Turn("user", (Piece("text", f"{i} " + "x" * 30_000),)) for i in range(20)]
    found = said(bounded(long))
    assert found.left_out > 10 and found.turns[-1].pieces[0].text.startswith("19 ")
    one = said(bounded([Turn("user", (Piece("text", "ü\x00" * 500_000),))]))
    piece = one.turns[0].pieces[0]
    assert piece.text.startswith("ü\x00ü") and piece.cut > 0 and len(piece.text) + piece.cut == 1_000_000


# ---- whether at all


def test_nothing_is_kept_unless_it_is_wanted(base: Database):
    who = books.payer(base, "one")
    number = keep(base, who, "a quiet word")
    assert transcripts.find(base, number, who.account_id) is None
    base.close()
    assert not on_disk(base, "a quiet word")


def test_kept_shown_to_its_account_and_gone_when_switched_off(base: Database):
    one, two = books.payer(base, "one"), books.payer(base, "two")
    for who in (one, two):
        assert transcripts.begin(base, who.account_id) and not transcripts.begin(base, who.account_id)
    mine = [keep(base, one, f"loud word {i} " + "x" * 20_000) for i in range(230)]
    theirs = keep(base, two, "other word")
    found = transcripts.find(base, mine[0], one.account_id)
    assert found is not None
    assert found.asked.turns[0].pieces[0].text.startswith("loud word 0")
    assert found.answered.turns[0].pieces[0].text.startswith("answer to loud word 0")
    assert transcripts.find(base, mine[0], two.account_id) is None
    assert on_disk(base, "loud word")
    assert transcripts.end(base, one.account_id) == 230
    assert not on_disk(base, "loud word"), "neither in the file nor in its log"
    assert transcripts.find(base, mine[0], one.account_id) is None
    assert transcripts.find(base, theirs, two.account_id) is not None
    assert transcripts.end(base, one.account_id) == 0


def test_what_was_asked_before_or_after_is_not_kept(base: Database):
    who = books.payer(base, "one")
    before_ms = clock.now_ms() - 10
    transcripts.begin(base, who.account_id)
    assert transcripts.find(base, keep(base, who, "early", before_ms), who.account_id) is None
    now_ms = clock.now_ms()
    transcripts.end(base, who.account_id)
    assert transcripts.find(base, keep(base, who, "late", now_ms), who.account_id) is None
    with base.each() as tx:
        store.switch(tx, who.account_id, now_ms + 1)  # on again while a request of before is under way
    keep(base, who, "between", now_ms)
    with base.each() as tx:
        assert tx.one("SELECT COUNT(*) FROM transcript") == (0,)


def test_a_transcript_goes_after_its_lifetime(base: Database, tmp_path: Path):
    who = books.payer(base, "one")
    transcripts.begin(base, who.account_id)
    old, new = keep(base, who, "old"), keep(base, who, "new")
    with base.each() as tx:
        tx.run("UPDATE transcript SET expires_at_ms = 1 WHERE id = :id", {"id": old})
    assert transcripts.find(base, old, who.account_id) is None, "not shown, though not swept yet"
    sweep(Here(read({"THERMLY_INSTANCE": str(tmp_path)}), base))
    with base.each() as tx:
        assert tx.all("SELECT id FROM transcript") == [(new,)]


def test_what_hinders_it_does_not_reach_the_request(base: Database, caplog: pytest.LogCaptureFixture):
    who = books.payer(base, "one")
    transcripts.begin(base, who.account_id)
    keep(base, who, "a word \ud800 that no file can hold")
    base.connection.execute("DROP TABLE transcript")
    keep(base, who, "a word without a table")
    assert len(caplog.records) == 2
    assert "a word" not in caplog.text


def test_the_kept_json_is_plain(base: Database):
    who = books.payer(base, "one")
    transcripts.begin(base, who.account_id)
    number = keep(base, who, "hello")
    with base.each() as tx:
        row = tx.one("SELECT request, reply FROM transcript WHERE id = :id", {"id": number})
    assert row is not None
    assert json.loads(row[0]) == {"turns": [{"role": "user", "pieces": [{"kind": "text", "text": "hello"}]}]}
    assert json.loads(row[1])["turns"][0]["reason"] == "stop"
