"""The Responses API at /v1/responses: what is stored, recalled, streamed, broken off, paid for, and refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_item_list import ResponseItemList
from pydantic import TypeAdapter

from stories.stack import NANO, Caller, Stack, at_once, mark, order, refusal, wait_for
from stories.test_chat import PIXEL
from stories.test_limits import told as limits
from stories.test_money import cost_nanousd
from thermly import settings
from thermly.running import accounting
from thermly.running.accounting import Here

PATH = "/v1/responses"
FAMILIES = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "deepseek-v4-flash")
JSON = dict[str, Any]
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
QUESTION = "What is the weather in Paris and London?"
every_family = pytest.mark.parametrize("model", FAMILIES)


def ask(caller: Caller, text: Any = "Hello!", model: str = "gpt-4o", **fields: Any) -> requests.Response:
    return caller.post({"model": model, "input": text, **fields}, PATH)


def told(caller: Caller, text: Any = "Hello!", model: str = "gpt-4o", **fields: Any) -> JSON:
    """A response to what must be answered, which the vendor's own types accept."""
    response = ask(caller, text, model, **fields)
    assert response.status_code == 200, response.text
    return validated(response.json())


def validated(response: JSON) -> JSON:
    Response.model_validate(response, strict=True)
    return response


def text_of(response: JSON) -> str:
    said = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part.get("text", "") for part in said)


def get(caller: Caller, path: str, method: str = "GET", **query: Any) -> requests.Response:
    return requests.request(method, caller.stack.url + path, params=query, headers=caller.headers(), timeout=30)


def kept(caller: Caller, response_id: str) -> JSON:
    response = get(caller, f"{PATH}/{response_id}")
    assert response.status_code == 200, response.text
    return validated(response.json())


def heard(stack: Stack, marker: str) -> list[str]:
    """The last request that the upstream was sent with this marker, as texts in order."""
    body = stack.heard(marker)[-1]["body"]
    turns = body.get("messages") or body["contents"]
    return [json.dumps(turn, ensure_ascii=False) for turn in turns]


class Stream:
    """The events as they came, each checked with its type; comments; and whether `[DONE]` was said."""

    def __init__(self, response: requests.Response) -> None:
        assert response.status_code == 200, response.text
        self.response = response
        self.events: list[JSON] = []
        self.comments, self.done = 0, False
        self._blocks = self._split()

    def _split(self) -> Iterator[bytes]:
        buffer = b""
        for data in self.response.iter_content(None):
            *blocks, buffer = (buffer + data).split(b"\n\n")
            yield from blocks
        assert not buffer, "the last event is not complete"

    def read(self, events: int | None = None) -> Stream:
        while events is None or len(self.events) < events:
            block = next(self._blocks, None)
            if block is None:
                return self
            assert not self.done, "something follows [DONE]"
            if block.startswith(b":"):
                self.comments += 1
            elif block == b"data: [DONE]":
                self.done = True
            else:
                self._take(*block.split(b"\n"))
        return self

    def _take(self, name: bytes, data: bytes) -> None:
        event = json.loads(data.removeprefix(b"data: "))
        assert name.decode() == "event: " + event["type"]
        assert event["sequence_number"] == len(self.events)
        EVENTS.validate_python(event, strict=True)
        self.events.append(event)

    @property
    def kinds(self) -> list[str]:
        return [event["type"].removeprefix("response.") for event in self.events]

    @property
    def text(self) -> str:
        return "".join(e["delta"] for e in self.events if e["type"] == "response.output_text.delta")

    @property
    def last(self) -> JSON:
        response: JSON = self.events[-1]["response"]
        return response


@contextmanager
def opened(caller: Caller, text: Any = "Hello!", model: str = "gpt-4o", **fields: Any) -> Iterator[Stream]:
    body = {"model": model, "input": text, "stream": True, **fields}
    with (
        requests.Session() as http,
        http.post(
            caller.stack.url + PATH, json=body, headers=caller.headers(), stream=True, timeout=60
        ) as response,
    ):
        yield Stream(response)


def streamed(caller: Caller, text: Any = "Hello!", model: str = "gpt-4o", **fields: Any) -> Stream:
    with opened(caller, text, model, **fields) as stream:
        stream.read()
    assert stream.done
    return stream


# ---- responses and their streams


@every_family
def test_a_response_is_told_kept_and_told_again(rich: Caller, model: str) -> None:
    answered = ask(rich, "Hello!", model, metadata={"a": "b"}, instructions="Be brief.")
    response = validated(answered.json())
    assert answered.headers["x-request-id"] == "req_" + response["id"].removeprefix("resp_")
    assert (response["status"], response["model"], response["metadata"]) == ("completed", model, {"a": "b"})
    assert "You said: Hello!" in text_of(response) and response["instructions"] == "Be brief."
    usage = response["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert kept(rich, response["id"]) == response


@every_family
def test_a_stream_comes_to_the_response_that_is_kept(rich: Caller, model: str) -> None:
    stream = streamed(rich, "Hello!", model, reasoning={"effort": "low"})
    kinds = stream.kinds
    assert kinds[:3] == ["created", "in_progress", "output_item.added"]
    assert kinds[-3:] == ["content_part.done", "output_item.done", "completed"]
    assert kinds.count("output_text.done") == 1 and kinds.count("output_text.delta") > 3
    thoughts = kinds.count("reasoning_summary_text.delta")
    assert (thoughts > 0) is (model != "gpt-4o")
    assert stream.events[0]["response"]["status"] == "in_progress" and stream.text == text_of(stream.last)
    assert kept(rich, stream.last["id"]) == validated(stream.last)
    whole = told(rich, "Hello!", model, reasoning={"effort": "low"})
    for name in whole.keys() - {"id", "created_at", "completed_at", "output"}:
        assert whole[name] == stream.last[name], name
    bare = [[{**item, "id": ""} for item in one["output"]] for one in (whole, stream.last)]
    assert bare[0] == bare[1]


@every_family
def test_calls_are_streamed_in_items_of_their_own(rich: Caller, model: str) -> None:
    stream = streamed(rich, QUESTION, model, tools=[WEATHER])
    calls = [item for item in stream.last["output"] if item["type"] == "function_call"]
    assert [json.loads(call["arguments"]) for call in calls] == [{"city": "Paris"}, {"city": "London"}]
    for call in calls:
        mine = [event for event in stream.events if event.get("item_id") == call["id"]]
        assert "".join(e["delta"] for e in mine if "delta" in e) == call["arguments"]
        assert mine[-1]["arguments"] == call["arguments"] and call["call_id"] != call["id"]


def test_a_smart_name_is_shown_as_the_model_that_answered_and_cached(stack: Stack, caller: Caller) -> None:
    marker = mark()
    first, second = (told(caller, marker, "auto") for _ in range(2))
    assert first["model"] == second["model"] != "auto" and first["id"] != second["id"]
    assert text_of(first) == text_of(second) == streamed(caller, marker, "auto").text
    assert len(stack.heard(marker)) == 1
    follow = told(caller, f"And {marker}", "auto", previous_response_id=second["id"])
    assert marker in text_of(follow) and [row["cache"] for row in caller.usage(4)] == [
        "fresh",
        "hit",
        "hit",
        "fresh",
    ]


def test_silence_is_filled_with_comments(rich: Caller) -> None:
    for stream in at_once(2, lambda i: streamed(rich, order(("hang=1.4", "chunks=2 interval_ms=1400")[i]))):
        assert stream.comments and stream.kinds[-1] == "completed" and stream.text


@every_family
def test_an_answer_that_was_cut_is_incomplete(rich: Caller, model: str) -> None:
    response = told(rich, order("tokens=400"), model, max_output_tokens=30)
    assert response["status"] == "incomplete" and response["completed_at"] is None
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    stream = streamed(rich, order("tokens=400"), model, max_output_tokens=30)
    assert stream.kinds[-1] == "incomplete" and text_of(stream.last) == text_of(response)
    assert kept(rich, stream.last["id"]) == stream.last
    follow = told(rich, "Go on", model, previous_response_id=response["id"])
    assert follow["status"] == "completed"


# ---- what was said before


def test_a_history_goes_on_from_model_to_model(stack: Stack, rich: Caller) -> None:
    markers, previous = [mark() for _ in range(4)], None
    models = ("claude-sonnet-4-5", "gpt-4o", "gemini-2.5-flash", "claude-sonnet-4-5")
    for i, (model, marker) in enumerate(zip(models, markers, strict=True)):
        fields = {"previous_response_id": previous} if previous else {}
        told_now = streamed(rich, marker, model, **fields).last if i % 2 else told(rich, marker, model, **fields)
        assert told_now["previous_response_id"] == previous
        previous = told_now["id"]
        turns = heard(stack, marker)
        assert len(turns) == 2 * i + 1
        for j, before in enumerate(markers[:i]):
            assert before in turns[2 * j] and f"You said: {before}" in turns[2 * j + 1]
            assert models[j] in turns[2 * j + 1]


def test_instructions_are_for_one_request_alone(stack: Stack, rich: Caller) -> None:
    marker, rule = mark(), mark()
    first = told(rich, "Hello!", instructions=rule)
    told(rich, marker, previous_response_id=first["id"], instructions="Be kind.")
    turns = heard(stack, marker)
    assert "Be kind." in turns[0] and rule not in "".join(turns)


@pytest.mark.parametrize("model", [*FAMILIES, "gemini-3.8-flash"])
@pytest.mark.parametrize("stream", [False, True])
def test_results_are_sent_alone_to_the_calls_that_are_stored(rich: Caller, model: str, stream: bool) -> None:
    def say(given: Any, **fields: Any) -> JSON:
        fields |= {"tools": [WEATHER], "reasoning": {"effort": "low"}}
        return streamed(rich, given, model, **fields).last if stream else told(rich, given, model, **fields)

    asked = say(QUESTION)
    calls = [item for item in asked["output"] if item["type"] == "function_call"]
    outputs = [
        {"type": "function_call_output", "call_id": call["call_id"], "output": f"{i + 20} degrees"}
        for i, call in enumerate(calls)
    ]
    answer = say(outputs, previous_response_id=asked["id"])
    assert text_of(answer).index("20 degrees") < text_of(answer).index("21 degrees")
    assert "And then?" in text_of(say("And then?", previous_response_id=answer["id"]))
    refused = ask(rich, outputs[:1], model, previous_response_id=asked["id"], tools=[WEATHER])
    refusal(refused, 422, "invalid_request_error", refused.json()["error"]["code"], "input")


@pytest.mark.parametrize("stream", [False, True])
def test_signed_thoughts_are_kept_without_being_asked_for(stack: Stack, rich: Caller, stream: bool) -> None:
    marker = mark()
    fields: JSON = {"tools": [WEATHER], "reasoning": {"effort": "low"}}
    asked = told(rich, f"{QUESTION} {marker}", "claude-sonnet-4-5", **fields)
    assert "encrypted_content" not in json.dumps(asked)
    assert "encrypted_content" not in json.dumps(kept(rich, asked["id"]))
    calls = [item for item in asked["output"] if item["type"] == "function_call"]
    outputs = [{"type": "function_call_output", "call_id": call["call_id"], "output": "20"} for call in calls]
    told(rich, outputs, "claude-sonnet-4-5", previous_response_id=asked["id"], stream=False, **fields)
    thought, *uses = stack.heard(marker)[-1]["body"]["messages"][1]["content"]
    assert thought["type"] == "thinking" and thought["signature"] and len(uses) == 2
    shown = get(rich, f"{PATH}/{asked['id']}", include="reasoning.encrypted_content").json()
    assert shown["output"][0]["encrypted_content"]


def test_what_was_not_stored_is_not_found(rich: Caller) -> None:
    gone = told(rich, store=False)
    assert gone["store"] is False
    for refused in (get(rich, f"{PATH}/{gone['id']}"), get(rich, f"{PATH}/{gone['id']}/input_items")):
        refusal(refused, 404, "not_found_error", "response_not_found")
    refused = ask(rich, previous_response_id=gone["id"])
    refusal(refused, 404, "not_found_error", "previous_response_not_found", "previous_response_id")


def test_what_follows_a_deleted_response_is_not_half_heard(stack: Stack, caller: Caller) -> None:
    first = told(caller)
    second = told(caller, previous_response_id=first["id"])
    deleted = get(caller, f"{PATH}/{first['id']}", "DELETE")
    assert deleted.json() == {"id": first["id"], "object": "response", "deleted": True}
    refusal(get(caller, f"{PATH}/{first['id']}", "DELETE"), 404, "not_found_error", "response_not_found")
    marker = mark()
    for previous in (first["id"], second["id"]):
        refused = ask(caller, marker, previous_response_id=previous)
        refusal(refused, 404, "not_found_error", "previous_response_not_found", "previous_response_id")
    assert kept(caller, second["id"])["previous_response_id"] == first["id"]
    assert stack.heard(marker) == [] and len(caller.usage(2)) == 2


def test_a_response_that_is_still_made_is_not_half_heard(stack: Stack, rich: Caller) -> None:
    made = ask(rich, order("chunks=20 interval_ms=100"), background=True).json()
    refused = ask(rich, previous_response_id=made["id"])
    code = "previous_response_in_progress"
    refusal(refused, 422, "invalid_request_error", code, "previous_response_id")
    assert get(rich, f"{PATH}/{made['id']}/cancel", "POST").json()["status"] == "cancelled"
    assert told(rich, previous_response_id=made["id"])


def test_somebody_elses_response_is_not_there(stack: Stack, rich: Caller, caller: Caller) -> None:
    theirs = told(rich)
    (item,) = get(rich, f"{PATH}/{theirs['id']}/input_items").json()["data"]
    path = f"{PATH}/{theirs['id']}"
    for method, where in (
        ("GET", path), ("DELETE", path), ("GET", path + "/input_items"), ("POST", path + "/cancel"),
    ):  # fmt: skip
        refusal(get(caller, where, method), 404, "not_found_error", "response_not_found")
    refused = ask(caller, previous_response_id=theirs["id"])
    refusal(refused, 404, "not_found_error", "previous_response_not_found", "previous_response_id")
    refused = ask(caller, [{"type": "item_reference", "id": item["id"]}])
    assert refused.status_code == 422 and refused.json()["error"]["param"] == "input[0].id"
    assert kept(rich, theirs["id"])["id"] == theirs["id"] and caller.funds() == (100 * NANO, 0)
    for method, where in (
        ("GET", path),
        ("DELETE", path),
        ("GET", path + "/input_items"),
        ("POST", path + "/cancel"),
    ):
        response = requests.request(method, stack.url + where, timeout=30)
        refusal(response, 401, "authentication_error", "missing_api_key")


def test_another_key_of_the_same_account_finds_it(stack: Stack, caller: Caller) -> None:
    other = Caller(stack, caller.account_id, stack.key(caller.account_id))
    assert kept(other, told(caller)["id"])


def test_what_was_said_is_there_at_once_in_every_process(rich: Caller) -> None:
    """Each request has a connection of its own, and there are two processes."""

    def talk(i: int) -> None:
        previous, said = None, []
        for j in range(6):
            said.append(f"talk {i} turn {j}")
            body = {
                "model": "gpt-4o-mini",
                "input": said[-1],
                "previous_response_id": previous,
                "stream": j % 2 == 1,
            }
            response = requests.post(rich.stack.url + PATH, json=body, headers=rich.headers(), timeout=30)
            assert response.status_code == 200, response.text
            previous = "resp_" + response.headers["x-request-id"].removeprefix("req_")
        items = get(rich, f"{PATH}/{previous}/input_items").json()["data"]
        assert [item["content"][0]["text"] for item in items] == [said[-1]]

    at_once(6, talk)


# ---- items


def test_input_items_are_listed_by_pages(rich: Caller) -> None:
    given = [{"role": "user", "content": f"part {i}"} for i in range(7)]
    path = f"{PATH}/{told(rich, given)['id']}/input_items"

    def page(**query: Any) -> tuple[list[str], JSON]:
        response = get(rich, path, **query)
        assert response.status_code == 200, response.text
        listed = response.json()
        ResponseItemList.model_validate(listed, strict=True)
        return [item["content"][0]["text"][-1] for item in listed["data"]], listed

    assert page()[0] == list("6543210") and page(order="asc")[0] == list("0123456")
    seen, after = "", None
    while True:
        texts, listed = page(order="asc", limit=3, **({"after": after} if after else {}))
        seen, after = seen + "".join(texts), listed["last_id"]
        if not listed["has_more"]:
            break
    assert seen == "0123456" and len(texts) == 1 and listed["first_id"] == listed["last_id"]
    for query, param in (
        ({"limit": 0}, "limit"), ({"limit": 101}, "limit"), ({"limit": "x"}, "limit"), ({"order": "up"}, "order"),
        ({"after": "msg_none"}, "after"), ({"include": "everything"}, "include[0]"),
    ):  # fmt: skip
        response = get(rich, path, **query)
        assert (response.status_code, response.json()["error"]["param"]) == (422, param)


def test_an_item_may_be_referred_to(stack: Stack, rich: Caller) -> None:
    marker, secret = mark(), mark()
    first = told(rich, f"Remember {secret}")
    (asked,) = get(rich, f"{PATH}/{first['id']}/input_items").json()["data"]
    given = [
        {"type": "item_reference", "id": asked["id"]},
        {"id": first["output"][0]["id"]},
        {"role": "user", "content": marker},
    ]
    second = told(rich, given)
    turns = heard(stack, marker)
    assert len(turns) == 3 and secret in turns[0] and secret in turns[1] and '"assistant"' in turns[1]
    listed = get(rich, f"{PATH}/{second['id']}/input_items", order="asc").json()["data"]
    assert [item["id"] for item in listed[:2]] == [asked["id"], first["output"][0]["id"]]
    get(rich, f"{PATH}/{first['id']}", "DELETE")
    later = mark()
    told(rich, later, previous_response_id=second["id"])
    assert secret in heard(stack, later)[0] and secret in heard(stack, later)[1]
    refused = ask(rich, [{"type": "item_reference", "id": "msg_none"}])
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "input[0].id")
    twice = ask(rich, [{"type": "item_reference", "id": asked["id"]}], previous_response_id=second["id"])
    assert (twice.status_code, twice.json()["error"]["param"]) == (422, "input[0].id")


# ---- when something breaks


@pytest.mark.parametrize("model", FAMILIES[:3])
@pytest.mark.parametrize("fault", ["cut=3", "inband=3"])
def test_a_stream_that_breaks_off_fails_in_band_and_stays_readable(
    stack: Stack, caller: Caller, model: str, fault: str
) -> None:
    stream = streamed(caller, order(f"chunks=10 {fault}"), model)
    assert stream.kinds[-1] == "failed" and "completed" not in stream.kinds and stream.text
    failed = validated(stream.last)
    assert failed["status"] == "failed" and failed["completed_at"] is None
    assert failed["error"]["code"] == "server_error" and failed["error"]["message"]
    assert failed["output"][-1]["status"] == "incomplete" and text_of(failed) == stream.text
    assert kept(caller, failed["id"]) == failed
    (row,) = caller.usage()
    assert (row["state"], row["outcome"], row["estimated"]) == ("settled", "upstream_failed", 1)
    assert row["output_tokens"] == -(-len(stream.text.encode()) // 4) and row["cost_nanousd"] > 0
    assert caller.funds() == (100 * NANO - row["cost_nanousd"], 0)
    marker = mark()
    told(caller, marker, previous_response_id=failed["id"])
    assert stream.text[:20] in heard(stack, marker)[1]


def test_a_call_that_broke_off_is_not_taken_for_one(stack: Stack, rich: Caller) -> None:
    stream = streamed(rich, order("cut=2", "What is the weather in Paris?"), tools=[WEATHER])
    (call,) = stream.last["output"]
    assert (call["type"], call["status"], stream.last["status"]) == ("function_call", "incomplete", "failed")
    assert "function_call_arguments.done" not in stream.kinds
    marker = mark()
    told(rich, marker, previous_response_id=stream.last["id"], tools=[WEATHER])
    assert "get_weather" not in "".join(heard(stack, marker))


def test_a_whole_response_that_breaks_off_is_refused_and_not_kept(stack: Stack, caller: Caller) -> None:
    response = ask(caller, order("cut=0"))
    assert response.status_code == 503 and response.json()["error"]["type"] == "service_unavailable_error"
    sql = "SELECT 1 FROM response WHERE account_id = :id"
    assert stack.rows(sql, id=caller.account_id) == [] and caller.funds() == (100 * NANO, 0)


def test_a_stream_that_cannot_begin_is_refused_as_a_whole(stack: Stack, caller: Caller) -> None:
    response = ask(caller, order("status=500"), stream=True)
    refusal(response, 503, "service_unavailable_error", "service_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert stack.rows("SELECT 1 FROM response WHERE account_id = :id", id=caller.account_id) == []


def test_an_upstream_that_goes_silent_after_the_head_is_told_in_the_stream(caller: Caller) -> None:
    with opened(caller, order("hang=1.2 status=500")) as stream:
        stream.read()
    assert stream.comments and stream.kinds == ["error"] and caller.funds() == (100 * NANO, 0)


@pytest.mark.parametrize("model", FAMILIES[:3])
def test_a_client_that_leaves_finds_what_had_arrived(stack: Stack, caller: Caller, model: str) -> None:
    marker = mark()
    with opened(caller, order("chunks=400 interval_ms=25", marker), model) as stream:
        stream.read(10)
    response_id = stream.events[0]["response"]["id"]
    (row,) = caller.usage()
    assert (row["state"], row["outcome"], row["estimated"]) == ("settled", "client_gone", 1)
    assert 1 <= row["output_tokens"] < 200 and row["cost_nanousd"] > 0
    assert caller.funds() == (100 * NANO - row["cost_nanousd"], 0)
    assert wait_for(lambda: stack.heard(marker)[0]["aborted"])
    failed = kept(caller, response_id)
    assert failed["status"] == "failed" and failed["error"]["code"] == "server_error"
    assert text_of(failed).startswith(stream.text) and failed["output"][-1]["status"] == "incomplete"


def test_a_client_that_leaves_what_is_not_stored_leaves_nothing(stack: Stack, caller: Caller) -> None:
    with opened(caller, order("chunks=400 interval_ms=25"), store=False) as stream:
        stream.read(6)
    (row,) = caller.usage()
    assert row["outcome"] == "client_gone"
    assert stack.rows("SELECT 1 FROM response WHERE account_id = :id", id=caller.account_id) == []


# ---- money and limits


@every_family
@pytest.mark.parametrize("directive", ["tokens=50", "tokens=7 cached=1000", "reason tokens=20"])
def test_the_books_say_what_the_response_says(caller: Caller, model: str, directive: str) -> None:
    whole = told(caller, order(directive), model)
    usage = whole["usage"]
    assert streamed(caller, order(directive), model).last["usage"] == usage
    for row in (rows := caller.usage(2)):
        assert (row["surface"], row["model"], row["outcome"]) == ("v1", model, "ok")
        assert (row["input_tokens"], row["output_tokens"]) == (usage["input_tokens"], usage["output_tokens"])
        assert row["cached_input_tokens"] == usage["input_tokens_details"]["cached_tokens"]
        assert row["reasoning_tokens"] == usage["output_tokens_details"]["reasoning_tokens"]
        chat = {
            "prompt_tokens": usage["input_tokens"],
            "completion_tokens": usage["output_tokens"],
            "prompt_tokens_details": usage["input_tokens_details"],
        }
        assert row["cost_nanousd"] == cost_nanousd(model, chat) > 0
    assert rows[0]["id"] == whole["id"].removeprefix("resp_")
    assert caller.funds() == (100 * NANO - sum(row["cost_nanousd"] for row in rows), 0)


def test_without_credit_nothing_is_asked_or_kept(stack: Stack) -> None:
    poor, marker = stack.caller(0), mark()
    for stream in (False, True):
        refusal(ask(poor, marker, stream=stream), 402, "insufficient_credits", "insufficient_credits")
    assert stack.heard(marker) == [] and poor.funds() == (0, 0)


def test_what_is_recalled_counts_against_no_limit_and_a_history_that_is_gone_against_one(stack: Stack) -> None:
    caller = stack.caller(rpm=3)
    for body in (b"{", {"model": "gpt-4o"}, {"model": "gpt-4o", "input": "x", "temperature": 3}):
        assert caller.post(body, PATH).status_code == 422
    first = ask(caller)
    assert limits(first)[:2] == (3, 2)
    for _ in range(5):
        kept(caller, first.json()["id"])
    missing = ask(caller, previous_response_id="resp_none")
    assert missing.status_code == 404 and limits(missing)[:2] == (3, 1)


# ---- refusals

BROKEN: list[tuple[str, JSON]] = [
    ("model", {"model": None}),
    ("model", {"model": ""}),
    ("input", {"input": None}),
    ("input", {"input": []}),
    ("input", {"input": [{"role": "user", "content": "x"}] * 101}),
    ("input[0].content", {"input": "x" * 50_001}),
    ("input[0].type", {"input": [{"type": "computer_call"}]}),
    ("input[0].role", {"input": [{"role": "tool", "content": "x"}]}),
    ("input[0].content[0].image_url", {"input": [{"role": "user", "content": [
        {"type": "input_image", "image_url": "data:image/png;base64,***"}]}]}),
    ("input[0].encrypted_content", {"input": [
        {"type": "reasoning", "summary": [], "encrypted_content": "dGhlcm1seTE6bm90aGluZw=="}]}),
    ("input[0].call_id", {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}),
    ("input[1].id", {"input": [{"role": "user", "content": "x", "id": "m"}] * 2}),
    ("instructions", {"instructions": 5}),
    ("instructions", {"instructions": "x" * 50_001}),
    ("max_output_tokens", {"max_output_tokens": 15}),
    ("max_output_tokens", {"max_output_tokens": 16_385}),
    ("temperature", {"temperature": 2.1}),
    ("tools", {"tools": [{"type": "function", "name": f"f{i}"} for i in range(65)]}),
    ("tools[0].type", {"tools": [{"type": "file_search"}]}),
    ("tool_choice", {"tool_choice": "required"}),
    ("text.format.type", {"text": {"format": {"type": "grammar"}}}),
    ("reasoning.effort", {"reasoning": {"effort": "extreme"}}),
    ("truncation", {"truncation": "auto"}),
    ("prompt", {"prompt": {"id": "pmpt_1"}}),
    ("seed", {"seed": 1}),
    ("include[0]", {"include": ["everything"]}),
    ("previous_response_id", {"previous_response_id": "resp_1", "conversation": "conv_1"}),
    ("conversation", {"conversation": "conv_1", "store": False}),
    ("metadata", {"metadata": {str(i): "" for i in range(17)}}),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
def test_what_breaks_the_rules_is_refused_and_its_field_named(rich: Caller, stream: bool) -> None:
    for param, fields in BROKEN:
        response = rich.post({"model": "gpt-4o", "input": "Hello!", "stream": stream, **fields}, PATH)
        assert response.status_code == 422, (fields, response.text)
        error = response.json()["error"]
        assert (error["type"], error["param"]) == ("invalid_request_error", param), error
        assert error["message"] and "Traceback" not in error["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_model_cannot_do_is_named_as_it_was_asked_for(rich: Caller, stream: bool) -> None:
    function = {"type": "function", "name": "f"}
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}
    for model, param, fields in (
        ("gpt-4o", "tools[1]", {"tools": [function, {"type": "web_search"}]}),
        ("claude-sonnet-4-5", "top_logprobs", {"top_logprobs": 2}),
        ("claude-sonnet-4-5", "include", {"include": ["message.output_text.logprobs"]}),
        ("deepseek-v4-pro", "input", {"input": [{"role": "user", "content": [picture]}]}),
    ):
        response = rich.post({"model": model, "input": "Hello!", "stream": stream, **fields}, PATH)
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (422, "unsupported_content", param)


def test_an_account_that_has_kept_all_it_may_asks_for_no_more(stack: Stack, caller: Caller) -> None:
    first, marker = told(caller), mark()
    most = 512 * 1_048_576
    change = "UPDATE account SET memory_bytes = memory_bytes + :more WHERE id = :id"
    stack.change(change, more=most, id=caller.account_id)
    for fields in ({}, {"stream": True}, {"background": True}):
        response = ask(caller, marker, **fields)
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (422, "memory_full"), response.text
        assert "512 MiB" in error["message"] and "store: false" in error["message"]
    assert stack.heard(marker) == []
    assert told(caller, store=False)["status"] == "completed"
    assert get(caller, f"{PATH}/{first['id']}").status_code == 200
    assert get(caller, f"{PATH}/{first['id']}", "DELETE").status_code == 200
    stack.change(change, more=-most, id=caller.account_id)
    again = told(caller)
    assert get(caller, f"{PATH}/{again['id']}").json() == again


def test_without_credit_a_free_answer_is_given_and_not_kept(stack: Stack, caller: Caller) -> None:
    marker = mark()
    told(caller, marker, "auto")
    stack.credit(caller, -caller.funds()[0])
    refusal(ask(caller, marker, "auto"), 402, "insufficient_credits", "insufficient_credits")
    again = told(caller, marker, "auto", store=False)
    assert text_of(again) and get(caller, f"{PATH}/{again['id']}").status_code == 404
    kept = "SELECT COUNT(*) AS count FROM response WHERE account_id = :id"
    assert stack.rows(kept, id=caller.account_id) == [{"count": 1}]


@pytest.mark.parametrize("calls", [51, 1_000])
def test_an_agent_may_call_its_tools_more_often_than_it_may_speak(rich: Caller, calls: int) -> None:
    items: list[JSON] = [{"role": "user", "content": "Hello!"}]
    for i in range(calls):
        items.append({"type": "function_call", "call_id": f"c{i}", "name": "f", "arguments": "{}"})
        items.append({"type": "function_call_output", "call_id": f"c{i}", "output": "x"})
    f = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
    assert told(rich, items, tools=[f])["status"] == "completed"
    assert told(rich, items, tools=[f], store=False)["status"] == "completed"
    refusal(ask(rich, [items[0]] * 101), 422, "invalid_request_error", "invalid_request", "input")


def test_other_refusals_have_the_shape_of_the_surface(stack: Stack, rich: Caller) -> None:
    refusal(ask(rich, model="gpt-5000"), 404, "not_found_error", "model_not_found", "model")
    few = stack.caller(models=["gpt-4o-mini"])
    assert ask(few).status_code == 403
    refusal(requests.post(stack.url + PATH, json={}), 401, "authentication_error", "missing_api_key")
    refusal(get(rich, PATH), 405, "invalid_request_error", "method_not_allowed")
    refusal(get(rich, PATH + "/resp_none"), 404, "not_found_error", "response_not_found")
    refusal(get(rich, PATH + "/resp_none", "POST"), 405, "invalid_request_error", "method_not_allowed")
    for nothing in ("/compact", "/input_tokens"):
        refusal(get(rich, PATH + nothing, "POST"), 404, "not_found_error", "not_found")
    done = get(rich, f"{PATH}/{told(rich)['id']}/cancel", "POST")
    assert done.status_code == 422 and "background" in done.json()["error"]["message"]
    again = get(rich, f"{PATH}/{told(rich)['id']}", stream="true")
    assert (again.status_code, again.json()["error"]["param"]) == (422, "stream")


# ---- retention


def test_what_has_expired_is_gone_before_it_is_swept_and_swept_then(stack: Stack, caller: Caller) -> None:
    old, new = told(caller), told(caller)
    follow = told(caller, previous_response_id=old["id"])
    row = stack.rows("SELECT created_at_ms, expires_at_ms FROM response WHERE id = :id", id=new["id"])[0]
    assert row["expires_at_ms"] - row["created_at_ms"] == 30 * 86_400_000
    assert abs(row["created_at_ms"] - time.time() * 1000) < 60_000
    assert stack.change("UPDATE response SET expires_at_ms = 1 WHERE id = :id", id=old["id"]) == 1
    for method, path in (("GET", ""), ("GET", "/input_items"), ("DELETE", "")):
        refusal(get(caller, f"{PATH}/{old['id']}{path}", method), 404, "not_found_error", "response_not_found")
    for previous in (old["id"], follow["id"]):
        assert ask(caller, previous_response_id=previous).status_code == 404
    referred = ask(caller, [{"type": "item_reference", "id": old["output"][0]["id"]}])
    assert (referred.status_code, referred.json()["error"]["param"]) == (422, "input[0].id")
    accounting.sweep(Here(settings.read({"THERMLY_INSTANCE": str(stack.folder)}), stack.database))
    left = stack.rows("SELECT id FROM response WHERE account_id = :id", id=caller.account_id)
    assert {row["id"] for row in left} == {new["id"], follow["id"]}
    assert stack.rows("SELECT 1 FROM response_item WHERE response_id = :id", id=old["id"]) == []
    assert kept(caller, new["id"])
