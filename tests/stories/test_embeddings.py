"""Embeddings: every form of input and of vector, in order, and paid for exactly."""

from __future__ import annotations

import base64
import json
import math
import time
from array import array
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest
import requests

from stories.stack import NANO, Caller, Stack, at_once, mark, order, refusal
from stories.test_limits import assert_refused, told
from stories.test_money import PRICES

EMBED, API_EMBED = "/v1/embeddings", "/api/v1/embeddings"
SMALL, LARGE, ADA, GEMINI = (
    "text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002", "gemini-embedding-2",
)  # fmt: skip
every_model = pytest.mark.parametrize("model", [SMALL, LARGE, ADA, GEMINI])
both_surfaces = pytest.mark.parametrize(("path", "status"), [(EMBED, 422), (API_EMBED, 400)])


def ask(caller: Caller, given: Any, model: str = SMALL, path: str = EMBED, **fields: Any) -> requests.Response:
    return caller.post({"model": model, "input": given, **fields}, path)


def vectors(response: requests.Response) -> list[Any]:
    """The vectors of a good reply, whose shape is checked."""
    assert response.status_code == 200, response.text
    reply = response.json()
    assert set(reply) == {"object", "data", "model", "usage"} and reply["object"] == "list"
    assert [row["index"] for row in reply["data"]] == [*range(len(reply["data"]))]
    assert {row["object"] for row in reply["data"]} <= {"embedding"}
    usage = reply["usage"]
    assert set(usage) == {"prompt_tokens", "total_tokens"} and usage["total_tokens"] == usage["prompt_tokens"] > 0
    return [row["embedding"] for row in reply["data"]]


def numbers(encoded: str) -> list[float]:
    return array("f", base64.b64decode(encoded, validate=True)).tolist()


def close(one: list[float], other: list[float]) -> bool:
    return len(one) == len(other) and all(abs(a - b) < 1e-6 for a, b in zip(one, other, strict=True))


# ---- inputs and vectors


@every_model
@pytest.mark.parametrize("path", [EMBED, API_EMBED])
def test_a_text_has_a_vector_of_length_one(rich: Caller, model: str, path: str) -> None:
    response = ask(rich, "Hello!", model, path)
    (vector,) = vectors(response)
    assert len(vector) == PRICES[model]["dimensions"] and abs(math.hypot(*vector) - 1) < 1e-4
    assert response.json()["model"] == model
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["x-request-id"].startswith("req_")


@every_model
def test_texts_have_their_vectors_in_their_order(rich: Caller, model: str) -> None:
    texts = [f"text {i}" for i in (3, 1, 2, 1)]
    together = vectors(ask(rich, texts, model))
    assert together == [vectors(ask(rich, text, model))[0] for text in texts]
    assert together[1] == together[3] != together[0]


@pytest.mark.parametrize("model", [SMALL, LARGE, ADA])
def test_tokens_are_one_input_and_lists_of_tokens_several(rich: Caller, model: str) -> None:
    response = ask(rich, [1, 2, 3], model)
    (alone,) = vectors(response)
    assert response.json()["usage"]["prompt_tokens"] == 3
    response = ask(rich, [[4, 5], [1, 2, 3]], model)
    several = vectors(response)
    assert response.json()["usage"]["prompt_tokens"] == 5
    assert several[1] == alone != several[0]


@every_model
def test_base64_holds_the_same_numbers(rich: Caller, model: str) -> None:
    plain = vectors(ask(rich, ["a", "b"], model, encoding_format="float"))
    packed = vectors(ask(rich, ["a", "b"], model, encoding_format="base64"))
    assert all(close(numbers(text), row) for text, row in zip(packed, plain, strict=True))
    assert vectors(ask(rich, ["a", "b"], model)) == plain, "numbers unless something else is asked for"


@pytest.mark.parametrize("model", [SMALL, LARGE, GEMINI])
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_fewer_dimensions_may_be_asked_for(rich: Caller, model: str, encoding: str) -> None:
    (vector,) = vectors(ask(rich, "Hello!", model, dimensions=256, encoding_format=encoding))
    vector = numbers(vector) if encoding == "base64" else vector
    assert len(vector) == 256 and abs(math.hypot(*vector) - 1) < 1e-4


def test_a_model_of_one_length_may_be_told_that_length(rich: Caller) -> None:
    assert len(vectors(ask(rich, "Hello!", ADA, dimensions=1536))[0]) == 1536


def test_what_reaches_the_upstream(stack: Stack, rich: Caller) -> None:
    text = mark()
    vectors(ask(rich, text, dimensions=8, encoding_format="base64", user="somebody"))
    (heard,) = stack.heard(text)
    assert heard["path"] == "/openai/v1/embeddings"
    assert heard["body"] == {
        "model": SMALL, "input": [text], "encoding_format": "base64", "dimensions": 8, "user": "somebody",
    }  # fmt: skip
    assert rich.key not in json.dumps(heard)


# ---- many inputs


def test_more_than_a_call_takes_is_split_and_comes_back_in_order(stack: Stack, caller: Caller) -> None:
    text = mark()
    texts = [f"{text} {i}" for i in range(250)]
    response = ask(caller, texts, GEMINI, dimensions=4)
    found = vectors(response)
    calls = stack.heard(text)
    assert [len(call["body"]["requests"]) for call in calls] == [100, 100, 50]
    for i in (0, 99, 100, 199, 200, 249):
        assert found[i] == vectors(ask(caller, texts[i], GEMINI, dimensions=4))[0], i
    row = caller.usage(7)[0]
    assert row["input_tokens"] == response.json()["usage"]["prompt_tokens"]
    assert row["cost_nanousd"] == cost_nanousd(GEMINI, row["input_tokens"]), "one charge for all calls"


def test_a_split_request_of_which_a_part_fails_is_not_charged(stack: Stack, caller: Caller) -> None:
    texts = [*(f"text {i}" for i in range(149)), order("status=500")]
    assert ask(caller, texts, GEMINI, dimensions=4).status_code == 503
    assert_released(caller)


@pytest.mark.parametrize("given", [
    [f"text {i}" for i in range(2048)], [[i + 1] for i in range(2048)],
], ids=["texts", "tokens"])  # fmt: skip
def test_2048_inputs_are_taken(rich: Caller, given: Any) -> None:
    assert len(vectors(ask(rich, given, dimensions=2))) == 2048


@both_surfaces
@pytest.mark.parametrize("given", [["x"] * 2049, [[1]] * 2049], ids=["texts", "tokens"])
def test_2049_inputs_are_too_many(rich: Caller, path: str, status: int, given: Any) -> None:
    refusal(ask(rich, given, path=path), status, "invalid_request_error", "invalid_request", "input")


# ---- refusals


@both_surfaces
@pytest.mark.parametrize(("param", "fields"), [
    ("input", {"input": None}),
    ("input", {"input": ""}),
    ("input", {"input": []}),
    ("input", {"input": 7}),
    ("input", {"input": {"text": "x"}}),
    ("input", {"input": ["x", ""]}),
    ("input", {"input": ["x", 1]}),
    ("input", {"input": [1, "x"]}),
    ("input", {"input": [1, [2]]}),
    ("input", {"input": [[1], "x"]}),
    ("input", {"input": [[1], []]}),
    ("input", {"input": [-1]}),
    ("input", {"input": [[1, -1]]}),
    ("input", {"input": [1 << 32]}),
    ("input", {"input": [1.5]}),
    ("input", {"input": [True]}),
    ("input", {"input": [None]}),
    ("model", {"model": None}),
    ("model", {"model": ""}),
    ("model", {"model": 3}),
    ("encoding_format", {"encoding_format": "hex"}),
    ("dimensions", {"dimensions": 0}),
    ("dimensions", {"dimensions": -5}),
    ("dimensions", {"dimensions": "8"}),
    ("dimensions", {"dimensions": 1537}),
    ("user", {"user": 5}),
    ("api_key", {"api_key": "sk-other"}),
], ids=str)  # fmt: skip
def test_what_breaks_the_rules_is_refused_by_name(
    caller: Caller, path: str, status: int, param: str, fields: dict[str, Any]
) -> None:
    response = caller.post({"model": SMALL, "input": "x", **fields}, path)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert str(error["param"]).split("[")[0] == param, error
    assert caller.funds() == (100 * NANO, 0)


@both_surfaces
@pytest.mark.parametrize("missing", ["model", "input"])
def test_what_is_missing_is_named(rich: Caller, path: str, status: int, missing: str) -> None:
    body = {name: value for name, value in {"model": SMALL, "input": "x"}.items() if name != missing}
    refusal(rich.post(body, path), status, "invalid_request_error", "invalid_request", missing)
    refusal(rich.post(b"{", path), status, "invalid_request_error", "invalid_json")


@both_surfaces
@pytest.mark.parametrize(("model", "given", "fields", "code", "param"), [
    (ADA, "x", {"dimensions": 8}, "unsupported_content", "dimensions"),
    (GEMINI, [1, 2], {}, "unsupported_content", "input"),
    (GEMINI, [[1, 2]], {}, "unsupported_content", "input"),
    (SMALL, ["x", [1] * 8192], {}, "invalid_request", "input[1]"),
    (SMALL, [[1], [1] * 8192], {}, "context_length_exceeded", "input[1]"),
    (SMALL, ["x", "x" * 200_000], {}, "context_length_exceeded", "input[1]"),
    ("gpt-4o", "x", {}, "model_not_supported", "model"),
    ("dall-e-3", "x", {}, "model_not_supported", "model"),
    ("auto", "x", {}, "invalid_request", "model"),
], ids=lambda v: str(v)[:20])  # fmt: skip
def test_what_a_model_cannot_do_is_refused(
    rich: Caller, path: str, status: int, model: str, given: Any, fields: dict[str, Any], code: str, param: str
) -> None:
    refusal(ask(rich, given, model, path, **fields), status, "invalid_request_error", code, param)


@pytest.mark.parametrize("path", [EMBED, API_EMBED])
def test_who_may_not_is_told_so(stack: Stack, path: str) -> None:
    unknown = ask(stack.caller(), "x", "text-embedding-9", path)
    assert "text-embedding-3" in refusal(unknown, 404, "not_found_error", "model_not_found", "model")
    limited = stack.caller(models=["gpt-4o", LARGE])
    refusal(ask(limited, "x", SMALL, path), 403, "permission_error", "model_not_allowed", "model")
    assert ask(limited, "x", LARGE, path).status_code == 200
    refusal(ask(stack.caller(disabled=True), "x", path=path), 403, "permission_error", "account_disabled")
    refusal(ask(Caller(stack, "", "sk-no"), "x", path=path), 401, "authentication_error", "invalid_api_key")


# ---- money and limits


def cost_nanousd(model: str, tokens: int) -> int:
    dollars = tokens * Decimal(PRICES[model]["input_per_mtok"]) / 10**6
    return int((dollars * NANO).to_integral_value(ROUND_CEILING))


def assert_released(caller: Caller) -> None:
    (row,) = caller.usage()
    assert (row["state"], row["cost_nanousd"]) == ("released", 0) and row["outcome"] != "ok"
    assert caller.funds() == (100 * NANO, 0)


@every_model
@pytest.mark.parametrize("given", ["Hello!", ["a" * 1000, "b" * 77]], ids=["one", "two"])
def test_the_charge_is_the_tokens_times_the_price(caller: Caller, model: str, given: Any) -> None:
    response = ask(caller, given, model)
    tokens = response.json()["usage"]["prompt_tokens"]
    (row,) = caller.usage()
    assert row["cost_nanousd"] == cost_nanousd(model, tokens) == row["baseline_nanousd"] > 0
    counted = model != GEMINI  # whose replies may tell no usage
    assert (row["input_tokens"], row["output_tokens"], row["estimated"]) == (tokens, 0, not counted)
    assert (row["model"], row["requested_model"], row["surface"]) == (model, model, "v1")
    assert (row["state"], row["outcome"], row["images"]) == ("settled", "ok", 0)
    assert caller.funds() == (100 * NANO - row["cost_nanousd"], 0)
    assert response.headers["x-request-id"] == "req_" + row["id"]


def test_usage_that_the_upstream_does_not_tell_is_estimated(caller: Caller) -> None:
    response = ask(caller, order("no_usage", "x" * 400))
    assert response.status_code == 200, response.text
    (row,) = caller.usage()
    assert row["estimated"] == 1 and 100 <= row["input_tokens"] <= 200
    assert row["cost_nanousd"] == cost_nanousd(SMALL, row["input_tokens"])


@pytest.mark.parametrize("path", [EMBED, API_EMBED])
def test_without_credit_nothing_is_asked_of_anybody(stack: Stack, path: str) -> None:
    poor, text = stack.caller(0), mark()
    refusal(ask(poor, text, path=path), 402, "insufficient_credits", "insufficient_credits")
    capped = stack.caller(cap_nanousd=1)
    refusal(ask(capped, text, path=path), 402, "insufficient_credits", "spend_cap_reached")
    assert stack.heard(text) == [] and poor.funds() == (0, 0)


def test_concurrent_requests_never_overdraw_a_small_balance(stack: Stack) -> None:
    poor = stack.caller(0.000_02)
    answers = at_once(20, lambda _: ask(poor, "x" * 400, dimensions=2))
    statuses = [a.status_code for a in answers]
    assert set(statuses) == {200, 402}
    spent = sum(row["cost_nanousd"] for row in poor.usage(statuses.count(200)))
    assert poor.funds() == (20_000 - spent, 0) and spent <= 20_000


def test_embeddings_share_the_allowance_of_chat(stack: Stack) -> None:
    caller = stack.caller(rpm=2)
    assert ask(caller, "").status_code == 422, "a refused body uses up nothing"
    assert told(ask(caller, "x"))[:2] == (2, 1)
    assert told(caller.ask())[:2] == (2, 0)
    assert_refused(ask(caller, "x"), 2)
    failing = stack.caller(rpm=2)
    assert told(ask(failing, order("status=500")))[:2] == (2, 1), "failures tell the allowance too"


# ---- upstreams that fail


@pytest.mark.parametrize("model", [SMALL, GEMINI])
@pytest.mark.parametrize("directive", ["status=429", "status=500", "status=503 html", "html", "badjson", "cut=0"])
def test_an_upstream_that_fails_is_a_503_and_nothing_is_charged(
    stack: Stack, caller: Caller, model: str, directive: str
) -> None:
    text = mark()
    response = ask(caller, order(directive, text), model)
    message = refusal(response, 503, "service_unavailable_error", response.json()["error"]["code"])
    assert model in message and "html" not in message.lower()
    assert int(response.headers["Retry-After"]) >= 1
    assert len(stack.heard(text)) == 2, "it was asked twice"
    assert_released(caller)


def test_an_upstreams_time_to_wait_is_handed_on(rich: Caller) -> None:
    response = ask(rich, order("status=429 retry_after=17"))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "17")


def test_an_upstream_that_is_down_is_a_503(stack: Stack, caller: Caller) -> None:
    with stack.upstream(openai={"down": True}):
        refusal(ask(caller, "x"), 503, "service_unavailable_error", "upstream_unreachable")
    assert_released(caller)
    assert ask(caller, "x").status_code == 200, "and who asks for it by name finds it as soon as it is back"


@every_model
def test_what_the_upstream_refuses_is_the_callers_to_know(caller: Caller, model: str) -> None:
    refusal(ask(caller, order("status=400"), model), 422, "invalid_request_error", "upstream_rejected")
    assert_released(caller)


def test_no_input_is_in_the_log(stack: Stack, rich: Caller) -> None:
    secret = mark()
    for model in (SMALL, GEMINI):
        for directive in ("tokens=1", "status=500", "status=400"):
            ask(rich, order(directive, secret), model)
    ask(rich, [secret, ""])
    time.sleep(0.2)
    assert secret not in stack.log() and rich.key not in stack.log()
