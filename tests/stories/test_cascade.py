"""A better model is asked where the cheap one's answer is visibly inadequate: what is told, kept and paid."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stories.stack import CHAT, NANO, Caller, Stack, mark, user, wait_for
from stories.test_chat import PERSON, WEATHER, message_of
from stories.test_money import cost_nanousd
from stories.test_openapi import Contract
from thermly.gateway import TOO_DEAR
from thermly.ratings import adequacy

# All that the callers here may use: one model of a tier, and one of a better tier and of another vendor.
CHEAP, BETTER = "gpt-6.1-terra", "gemini-4-argon"
PERSON_FORM = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
TOOLS: dict[str, Any] = {"tools": [WEATHER]}
FORCED = {**TOOLS, "tool_choice": "required"}
WEATHER_TEXT = "What is the weather in Paris? "
CASES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "empty": ("empty", "", {}, adequacy.EMPTY),
    "refused": ("refuse", "", {}, adequacy.REFUSED),
    "cut short": ("length", "", {}, adequacy.CUT),
    "no JSON": ("say=Sure!", "As json, ", {"response_format": {"type": "json_object"}}, adequacy.NO_JSON),
    "misfit": ('say={"name": "Ada"}', "", {"response_format": PERSON_FORM}, adequacy.MISFIT),
    "no arguments": ("badjson", WEATHER_TEXT, TOOLS, adequacy.NO_ARGUMENTS),
    "stranger": ("call=delete_everything", WEATHER_TEXT, TOOLS, adequacy.STRANGER),
    "no call": ("empty", WEATHER_TEXT, FORCED, adequacy.NO_CALL),
}


@pytest.fixture
def caller(stack: Stack, calm: None) -> Caller:
    return stack.caller(models=[CHEAP, BETTER])


def ask_twice(caller: Caller, directive: str = "empty", text: str = "", **fields: Any) -> dict[str, Any]:
    """The reply to a question that the cheap model answers as it is told."""
    with caller.stack.upstream(openai={"directive": directive}):
        return caller.told(text or f"Hello! {mark()}", "auto", **fields)


def of_first(row: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    """What the row has beyond the answer that was given: the usage of the one that was not."""
    return {
        "prompt_tokens": row["input_tokens"] - reply["usage"]["prompt_tokens"],
        "completion_tokens": row["output_tokens"] - reply["usage"]["completion_tokens"],
        "prompt_tokens_details": {"cached_tokens": row["cached_input_tokens"]},
    }


@pytest.mark.parametrize("case", CASES)
def test_a_better_model_answers_and_the_caller_is_told_why_and_pays_for_both(caller: Caller, case: str) -> None:
    directive, text, fields, why = CASES[case]
    marker = mark()
    reply = ask_twice(caller, directive, f"{text}{marker}", **fields)
    told = reply["x_thermostat"]
    assert (told["escalated_from"], told["escalated_because"]) == (CHEAP, why)
    assert [heard["model"] for heard in caller.stack.heard(marker)] == [CHEAP, BETTER]
    assert (reply["model"], told["actual_model"], told["cached"]) == (BETTER, BETTER, False)
    (row,) = caller.usage()
    first = of_first(row, reply)
    assert row["cost_nanousd"] == cost_nanousd(CHEAP, first) + cost_nanousd(BETTER, reply["usage"])
    assert first["completion_tokens"] > 0 and row["baseline_nanousd"] > 0
    assert (row["model"], row["escalated_from"], row["outcome"], row["state"]) == (BETTER, CHEAP, "ok", "settled")
    assert json.loads(row["reasons"])[-1]["failed"] == [[CHEAP, why]]
    assert caller.funds() == (100 * NANO - row["cost_nanousd"], 0)


@pytest.mark.parametrize(("path", "body"), [
    (CHAT, {"messages": user("")}),
    ("/v1/messages", {"messages": user(""), "max_tokens": 99}),
    ("/v1/responses", {"input": ""}),
    ("/api/v1beta/models/auto:generateContent", {"contents": [{"parts": [{"text": ""}]}]}),
], ids=["chat", "messages", "responses", "gemini"])  # fmt: skip
def test_every_surface_tells_it_in_headers(caller: Caller, stack: Stack, path: str, body: dict[str, Any]) -> None:
    document = stack.http.get(stack.url + "/openapi.json").json()
    text = json.dumps({**body, **({} if "beta" in path else {"model": "auto"})}).replace(
        '""', json.dumps(f"Hello! {mark()}")
    )
    with stack.upstream(openai={"directive": "refuse"}):
        response = caller.post(text.encode(), path)
    told = response.headers
    assert (told["x-escalated-from"], told["x-escalated-because"]) == (CHEAP, adequacy.REFUSED), response.text
    listed = Contract(document, path.replace("auto:", "{model}:")).response["headers"]
    assert {"x-escalated-from", "x-escalated-because"} <= listed.keys()
    plain = caller.post(text.replace("Hello! ", "Hi! ").encode(), path)
    assert plain.status_code == 200 and "x-escalated-from" not in plain.headers


def test_what_is_told_is_documented(caller: Caller, stack: Stack) -> None:
    document = stack.http.get(stack.url + "/openapi.json").json()
    Contract(document, CHAT).holds(ask_twice(caller))


def test_what_the_better_model_says_is_what_is_given(caller: Caller) -> None:
    form = ask_twice(caller, "say=Sure!", f"Ada, 36 {mark()}", response_format=PERSON_FORM)
    assert set(json.loads(message_of(form)["content"])) == {"name", "age"}
    (call,) = message_of(ask_twice(caller, "badjson", WEATHER_TEXT + mark(), **TOOLS))["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}


def test_an_answer_that_can_be_used_is_left_alone(caller: Caller) -> None:
    marker = mark()
    reply = caller.told(f"Hello! {marker}", "auto")
    assert not {"escalated_from", "escalated_because"} & reply["x_thermostat"].keys()
    assert len(caller.stack.heard(marker)) == 1 and caller.usage()[0]["escalated_from"] == ""


def test_nobody_is_asked_a_third_time(caller: Caller, stack: Stack) -> None:
    marker = mark()
    with stack.upstream(openai={"directive": "empty"}, google={"directive": "empty"}):
        reply = caller.told(f"Hello! {marker}", "auto")
    assert len(stack.heard(marker)) == 2 and message_of(reply)["content"] in ("", None)
    assert reply["x_thermostat"]["escalated_from"] == CHEAP
    again = caller.told(f"Hello! {marker}", "auto")
    assert again["x_thermostat"]["cached"] is False, "what cannot be used is not kept"


def test_the_answer_that_was_given_is_the_one_that_is_kept(caller: Caller) -> None:
    text = f"Hello! {mark()}"
    first, second = (ask_twice(caller, "empty", text) for _ in range(2))
    assert second["x_thermostat"]["cached"] is True and "escalated_from" not in second["x_thermostat"]
    assert first["choices"] == second["choices"] and first["model"] == second["model"] == BETTER
    fetched, hit = caller.usage(2)
    assert (fetched["escalated_from"], hit["escalated_from"], hit["cost_nanousd"]) == (CHEAP, "", 0)
    assert hit["baseline_nanousd"] == fetched["baseline_nanousd"], "one answer of the best model, not two"


@pytest.mark.parametrize("state", [{"status": 500}, {"status": 400}, {"directive": "cut=0"}])
def test_where_the_better_model_fails_the_first_answer_is_given(
    caller: Caller, stack: Stack, state: dict[str, Any]
) -> None:
    marker = mark()
    with stack.upstream(openai={"directive": "length"}, google=state):
        reply = caller.told(f"Hello! {marker}", "auto")
    assert reply["model"] == CHEAP and marker in message_of(reply)["content"]
    assert "escalated_from" not in reply["x_thermostat"]
    (row,) = caller.usage()
    assert row["cost_nanousd"] == cost_nanousd(CHEAP, reply["usage"]) and row["escalated_from"] == ""
    assert len(json.loads(row["reasons"])[-1]["failed"]) == 1
    assert caller.funds() == (100 * NANO - row["cost_nanousd"], 0)
    assert caller.told(f"Hello! {marker}", "auto")["x_thermostat"]["cached"] is False


def test_who_cancels_while_the_better_model_answers_pays_for_both(caller: Caller, stack: Stack) -> None:
    marker, path = mark(), "/v1/responses"
    with stack.upstream(openai={"directive": "empty"}, google={"directive": "chunks=200 interval_ms=50"}):
        made = caller.post({"model": "auto", "input": f"Hello! {marker}", "background": True}, path).json()
        assert wait_for(lambda: len(stack.heard(marker)) == 2)
        time.sleep(1.5)
        assert caller.post({}, f"{path}/{made['id']}/cancel").json()["status"] == "cancelled"
        (row,) = wait_for(caller.usage)
    assert (row["outcome"], row["model"], row["escalated_from"]) == ("client_gone", BETTER, CHEAP)
    alone = cost_nanousd(CHEAP, {"prompt_tokens": row["input_tokens"], "completion_tokens": 5,
                                 "prompt_tokens_details": {"cached_tokens": 0}})  # fmt: skip
    assert row["cost_nanousd"] > alone and row["output_tokens"] > 10
    assert caller.funds() == (100 * NANO - row["cost_nanousd"], 0)


def test_where_the_balance_cannot_pay_both_the_first_answer_is_given(stack: Stack, calm: None) -> None:
    thin, marker = stack.caller(0.0009, models=[CHEAP, BETTER]), mark()
    reply = ask_twice(thin, "empty", f"Hello! {marker}", max_tokens=100)
    assert reply["model"] == CHEAP and len(stack.heard(marker)) == 1
    (row,) = thin.usage()
    assert json.loads(row["reasons"])[-1]["passed_over"][TOO_DEAR] == [BETTER]
    assert row["cost_nanousd"] == cost_nanousd(CHEAP, reply["usage"])
    assert thin.funds() == (900_000 - row["cost_nanousd"], 0)


def test_an_answer_that_a_thin_balance_has_cut_short_is_given_as_it_is(stack: Stack, calm: None) -> None:
    thin, marker = stack.caller(0.0009, models=[CHEAP, BETTER]), mark()
    reply = ask_twice(thin, "tokens=2000", f"Hello! {marker}")
    assert reply["choices"][0]["finish_reason"] == "length" and len(stack.heard(marker)) == 1


def test_a_bound_of_the_callers_own_is_no_fault(caller: Caller) -> None:
    marker = mark()
    assert ask_twice(caller, "tokens=2000", marker, max_tokens=20)["x_thermostat"].get("escalated_from") is None
    assert len(caller.stack.heard(marker)) == 1


@pytest.mark.parametrize("model", ["fast", CHEAP])
def test_who_names_a_tier_or_a_model_gets_its_answer_as_it_is(caller: Caller, model: str) -> None:
    marker = mark()
    with caller.stack.upstream(openai={"directive": "empty"}):
        reply = caller.told(marker, model)
    assert reply["model"] == CHEAP and len(caller.stack.heard(marker)) == 1


def test_a_stream_is_never_asked_twice(caller: Caller) -> None:
    marker = mark()
    with caller.stack.upstream(openai={"directive": "empty"}):
        stream = caller.stream(f"Hello! {marker}", "auto")
    assert stream.done and stream.chunks[0]["model"] == CHEAP and len(caller.stack.heard(marker)) == 1


@pytest.mark.parametrize("directive", ["empty", "length", "say=Sure!"])
def test_what_a_stream_has_to_put_up_with_is_nothing_for_the_cache(caller: Caller, directive: str) -> None:
    text, form = f"As json: Ada {mark()}", {"response_format": {"type": "json_object"}}
    with caller.stack.upstream(openai={"directive": directive}):
        assert caller.stream(text, "auto", **form).done
        told = caller.told(text, "auto", **form)["x_thermostat"]
    assert (told["escalated_from"], told["cached"]) == (CHEAP, False)
    with caller.stack.upstream(openai={"directive": directive}):
        again = [caller.told(text + "!", "fast", **form)["x_thermostat"]["cached"] for _ in range(2)]
    assert again == [False, False], "nor of a tier"


@pytest.mark.parametrize(("path", "body"), [
    ("/api" + CHAT, {"messages": user("Hello! {}")}),
    ("/v1/messages", {"messages": user("Hello! {}"), "max_tokens": 500}),
    ("/v1/responses", {"input": "Hello! {}"}),
    ("/api/v1beta/models/auto:generateContent", {"contents": [{"role": "user", "parts": [{"text": "Hello! {}"}]}]}),
])  # fmt: skip
def test_every_surface_gets_the_better_answer(caller: Caller, path: str, body: dict[str, Any]) -> None:
    marker = mark()
    asked = json.loads(json.dumps(body).replace("{}", marker))
    if "v1beta" not in path:
        asked["model"] = "auto"
    with caller.stack.upstream(openai={"directive": "empty"}):
        response = caller.post(asked, path, {"x-goog-api-key": caller.key})
    assert response.status_code == 200 and marker in response.text
    (row,) = caller.usage()
    assert row["escalated_from"] == CHEAP and len(caller.stack.heard(marker)) == 2


@pytest.mark.parametrize(("model", "judged"), [("auto", True), ("best", True), ("gpt-4o", False)])
def test_how_hard_a_smart_request_was_taken_to_be_is_in_its_row(stack: Stack, model: str, judged: bool) -> None:
    caller = stack.caller()
    caller.told(f"Hello! {mark()}", model)
    (row,) = caller.usage()
    assert (0 < row["score_ppm"] < 1_000_000) if judged else row["score_ppm"] is None


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "instance", web_workers=1, cascade="off").start()
    yield stack
    stack.stop()


def test_it_can_be_switched_off(plain: Stack) -> None:
    caller, marker = plain.caller(models=[CHEAP, BETTER]), mark()
    reply = ask_twice(caller, "empty", f"Hello! {marker}")
    assert reply["model"] == CHEAP and len(plain.heard(marker)) == 1
    assert caller.usage()[0]["escalated_from"] == ""
