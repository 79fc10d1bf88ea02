"""Identical questions to a smart name: answered once, free the second time, and never to somebody else."""

from __future__ import annotations

import time

import pytest

from stories.stack import CHAT, Caller, Stack, at_once, mark, order, user
from stories.test_chat import message_of

EVERYBODY = ("openai", "anthropic", "google", "deepseek")


@pytest.mark.parametrize("model", ["auto", "fast", "balanced", "best"])
def test_the_same_question_is_answered_once_and_then_for_free(caller: Caller, stack: Stack, model: str) -> None:
    marker = mark()
    first, second = (caller.told(marker, model) for _ in range(2))
    assert first["x_thermostat"]["cached"] is False and second["x_thermostat"]["cached"] is True
    assert first["choices"] == second["choices"] and first["usage"] == second["usage"]
    assert first["model"] == second["model"] == second["x_thermostat"]["actual_model"]
    assert first["id"] != second["id"] and len(stack.heard(marker)) == 1
    fetched, hit = caller.usage(2)
    assert (fetched["cache"], hit["cache"]) == ("fresh", "hit")
    assert fetched["cost_nanousd"] > 0 == hit["cost_nanousd"] and hit["baseline_nanousd"] > 0
    assert caller.funds() == (100 * 10**9 - fetched["cost_nanousd"], 0)


def test_an_account_without_credit_still_gets_what_it_paid_for_before(stack: Stack) -> None:
    caller, marker = stack.caller(), mark()
    caller.told(marker, "auto")
    stack.credit(caller, -caller.funds()[0])
    assert caller.told(marker, "auto")["x_thermostat"]["cached"] is True
    assert caller.ask(mark(), "auto").status_code == 402


def test_a_direct_model_is_never_cached(caller: Caller, stack: Stack) -> None:
    marker = mark()
    replies = [caller.told(marker, "gpt-4o") for _ in range(2)]
    assert [r["x_thermostat"]["cached"] for r in replies] == [False, False] and len(stack.heard(marker)) == 2


def test_another_account_never_sees_it(caller: Caller, stack: Stack) -> None:
    marker = mark()
    caller.told(marker, "auto")
    assert stack.caller().told(marker, "auto")["x_thermostat"]["cached"] is False
    same = Caller(stack, caller.account_id, stack.key(caller.account_id))
    assert same.told(marker, "auto")["x_thermostat"]["cached"] is True


@pytest.mark.parametrize("value", ["true", "True"])
def test_a_fresh_answer_is_fetched_and_kept_on_demand(caller: Caller, stack: Stack, value: str) -> None:
    marker = mark()
    body = {"model": "auto", "messages": user(marker)}

    def said(words: str, headers: dict[str, str] | None = None) -> tuple[str, bool]:
        with stack.upstream(**{p: {"directive": f"say={words}"} for p in EVERYBODY}):
            reply = caller.post(body, headers=headers).json()
        return message_of(reply)["content"], reply["x_thermostat"]["cached"]

    assert said("old") == ("old", False)
    assert said("new") == ("old", True)
    assert said("new", {"x-no-cache": value}) == ("new", False)
    assert said("newer") == ("new", True)


def test_streams_and_whole_replies_share_their_answers(caller: Caller, stack: Stack) -> None:
    marker = mark()
    told = caller.stream(marker, "auto", stream_options={"include_usage": True})
    again = caller.stream(marker, "auto", stream_options={"include_usage": True})
    whole = caller.told(marker, "auto")
    assert told.text == again.text == message_of(whole)["content"] and again.done
    assert again.reasons == ["stop"] and again.chunks[-1]["usage"] == told.chunks[-1]["usage"] == whole["usage"]
    assert again.chunks[0]["x_thermostat"]["cached"] and again.chunks[-1]["x_thermostat"]["cached"]
    assert whole["x_thermostat"]["cached"] and len(stack.heard(marker)) == 1


def test_the_surfaces_share_their_answers_and_keep_their_ids(caller: Caller) -> None:
    marker = mark()
    caller.told(marker, "auto")
    reply = caller.ask(marker, "auto", "/api" + CHAT).json()
    assert reply["id"].startswith("chatcmpl-")


@pytest.mark.parametrize("fields", [
    {"temperature": 0.1}, {"max_tokens": 100}, {"seed": 1}, {"user": "u"}, {"stop": "x"}, {"unknown_field": 1},
    {"response_format": {"type": "json_object"}},
])  # fmt: skip
def test_another_question_is_another_answer(caller: Caller, fields: dict[str, object]) -> None:
    marker = f"json {mark()}"
    caller.told(marker, "auto")
    response = caller.ask(marker, "auto", **fields)
    assert response.status_code != 200 or response.json()["x_thermostat"]["cached"] is False


def test_ten_who_ask_at_once_share_one_answer(caller: Caller, stack: Stack) -> None:
    marker = mark()
    with stack.upstream(**{p: {"latency_ms": 600} for p in EVERYBODY}):
        answers = at_once(10, lambda _: caller.told(marker, "auto"))
    assert len({message_of(a)["content"] for a in answers}) == 1 and len(stack.heard(marker)) == 1
    assert sorted(a["x_thermostat"]["cached"] for a in answers) == [False] + [True] * 9
    rows = caller.usage(10)
    assert sorted(r["cache"] for r in rows) == ["fresh"] + ["hit"] * 9
    assert sum(r["cost_nanousd"] > 0 for r in rows) == 1


@pytest.mark.parametrize("directive", ["refuse hang=1", "length hang=1", "status=400 hang=1"])
def test_nobody_queues_for_an_answer_that_is_not_kept(rich: Caller, directive: str) -> None:
    text = order(directive, mark())
    began = time.monotonic()
    found = at_once(6, lambda _: rich.ask(text, "fast"))
    assert time.monotonic() - began < 4, "one after the other takes six seconds"
    assert {response.status_code for response in found} <= {200, 422}
    assert not any(response.json().get("x_thermostat", {}).get("cached") for response in found)


def test_what_is_not_kept_is_not_told_to_be(caller: Caller) -> None:
    caller.told(order("empty", mark()), "fast")
    assert caller.usage()[0]["cache"] == ""


def test_streams_that_wait_for_each_other_hear_that_they_are_alive(caller: Caller, stack: Stack) -> None:
    marker = mark()
    with stack.upstream(**{p: {"latency_ms": 2400} for p in EVERYBODY}):
        streams = at_once(3, lambda _: caller.stream(marker, "auto"))
    assert len({s.text for s in streams}) == 1 and all(s.done and s.comments for s in streams)
    assert len(stack.heard(marker)) == 1


@pytest.mark.parametrize("directive", ["status=500", "html", "badjson", "cut=0"])
def test_a_failure_is_not_kept(caller: Caller, stack: Stack, directive: str) -> None:
    marker = mark()
    with stack.upstream(**{p: {"directive": directive} for p in EVERYBODY}):
        assert caller.ask(marker, "auto").status_code == 503
    reply = caller.told(marker, "auto")
    assert reply["x_thermostat"]["cached"] is False and marker in message_of(reply)["content"]


@pytest.mark.parametrize("directive", ["cut=2 chunks=5", "inband=2 chunks=5"])
def test_half_an_answer_is_not_kept(caller: Caller, stack: Stack, directive: str) -> None:
    marker = mark()
    with stack.upstream(**{p: {"directive": directive} for p in EVERYBODY}):
        assert caller.stream(marker, "auto").error is not None
    assert caller.told(marker, "auto")["x_thermostat"]["cached"] is False


def test_an_answer_that_nobody_waited_for_is_not_kept(caller: Caller) -> None:
    marker = order("chunks=100 interval_ms=25", mark())
    with caller.open(marker, "auto") as stream:
        stream.read(3)
    assert caller.usage()[0]["outcome"] == "client_gone"
    stream = caller.stream(marker.replace("interval_ms=25", "interval_ms=0"), "auto")
    assert stream.done and stream.chunks[0]["x_thermostat"]["cached"] is False


def test_an_answer_cut_short_by_a_thin_balance_is_not_kept(stack: Stack, calm: None) -> None:
    thin, text = stack.caller(0.0002), order("tokens=2000", mark())
    assert thin.told(text, "auto")["choices"][0]["finish_reason"] == "length"
    stack.credit(thin, 10**9)
    reply = thin.told(text, "auto")
    assert reply["x_thermostat"]["cached"] is False and reply["choices"][0]["finish_reason"] == "stop"
