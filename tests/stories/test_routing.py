"""Who answers: smart names, direct names, and what happens when somebody is down or unable."""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

import pytest

from stories.stack import CHAT, Caller, Stack, mark, order, refusal, user
from stories.test_chat import PIXEL, WEATHER, message_of
from thermly import catalog as catalogs
from thermly.catalog import Catalog

HARD = (
    "Prove rigorously, step by step, that there are infinitely many primes, then refactor this multi-threaded "
    "codebase, analyze the legal implications in detail and design a comprehensive roadmap. "
)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The catalogue that ships, as if every provider had a key."""
    rows = catalogs.builtin()
    return catalogs.load(rows, dict.fromkeys(rows["providers"], "key"))


def thermostat(reply: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = reply["x_thermostat"]
    return told


def tier_of(catalog: Catalog, model: str) -> str | None:
    return catalog.models[model].tier


def test_auto_takes_the_cheapest_for_an_easy_question_and_the_best_for_a_hard_one(
    rich: Caller, calm: None, catalog: Catalog
) -> None:
    easy, hard = (thermostat(rich.told(text + mark(), "auto")) for text in ("Hello! ", HARD))
    assert easy["complexity_level"] == 1 and tier_of(catalog, easy["actual_model"]) == "fast"
    assert hard["complexity_level"] >= 4 and tier_of(catalog, hard["actual_model"]) == "best"


@pytest.mark.parametrize("tier", ["fast", "balanced", "best"])
def test_a_tier_is_answered_by_its_first_model_however_hard_the_question(
    rich: Caller, calm: None, catalog: Catalog, tier: str
) -> None:
    for text in ("Hello! ", HARD):
        assert thermostat(rich.told(text + mark(), tier))["actual_model"] == catalog.tiers[tier][0].id


def test_the_reasons_are_kept_with_the_usage(caller: Caller, calm: None) -> None:
    caller.told(HARD + mark(), "auto")
    (row,) = caller.usage()
    assert row["requested_model"] == "auto" and row["complexity_level"] >= 4
    assert "asks for a proof" in json.loads(row["reasons"])
    assert row["baseline_nanousd"] >= row["cost_nanousd"] > 0


@pytest.mark.parametrize("name", [
    *("gpt-4o", "gpt-4o-mini", "gpt-4-turbo", "gpt-4", "gpt-3.5-turbo", "o1", "o3-mini"),
    *("claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4", "claude-3-haiku", "claude-sonnet-4-20250514"),
    *("gemini-2.5-flash", "gemini-2.5-pro", "deepseek-chat", "deepseek-reasoner"),
    *("claude-haiku", "gemini-flash", "claude-3-5-sonnet-20241022"),
])  # fmt: skip
def test_every_name_of_the_references_is_answered_by_a_living_model(
    rich: Caller, catalog: Catalog, name: str
) -> None:
    reply = rich.told("Hello!", name, max_tokens=500)
    living = catalog.models[thermostat(reply)["actual_model"]]
    today = datetime.date.today()
    assert reply["model"] == name and thermostat(reply)["cached"] is False
    if name != "claude-sonnet-4-5":  # kept alive here beyond its day
        assert living.retired_on is None or today < living.retired_on
        assert living == catalog.find(name, today)


@pytest.mark.parametrize(("model", "provider", "path"), [
    ("gpt-4o", "openai", "/v1/chat/completions"),
    ("claude-sonnet-4-5", "anthropic", "/v1/messages"),
    ("gemini-2.5-flash", "google", "/v1beta/models/gemini-2.5-flash:generateContent"),
    ("deepseek-v4-flash", "deepseek", "/v1/chat/completions"),
])  # fmt: skip
def test_a_direct_name_goes_to_its_vendor_unchanged(rich: Caller, model: str, provider: str, path: str) -> None:
    marker = mark()
    rich.told(HARD + marker, model)
    (heard,) = rich.stack.heard(marker)
    assert (heard["provider"], heard["model"], heard["path"]) == (provider, model, f"/{provider}{path}")


def test_an_alias_reaches_the_vendor_under_the_vendors_name(rich: Caller) -> None:
    marker = mark()
    rich.told(marker, "gemini-flash")
    assert rich.stack.heard(marker)[0]["model"] == "gemini-2.5-flash"


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "deepseek-v4-flash"])
def test_nothing_of_the_callers_own_reaches_the_upstream(caller: Caller, model: str) -> None:
    marker = mark()
    headers = {
        "Cookie": "session=tasty-secret", "x-no-cache": "true", "X-Forwarded-For": "203.0.113.7",
        "User-Agent": "callers-own-agent", "OpenAI-Organization": "org-tasty", "x-api-key": caller.key,
        "X-Secret": "tasty-secret", "Referer": "https://tasty.example",
    }  # fmt: skip
    assert caller.post({"model": model, "messages": user(marker)}, headers=headers).status_code == 200
    (heard,) = caller.stack.heard(marker)
    assert set(heard["headers"]) <= {
        "host", "accept", "content-type", "content-length", "authorization", "x-api-key", "x-goog-api-key",
        "anthropic-version", "user-agent",
    }  # fmt: skip
    everything = json.dumps(heard)
    for secret in (caller.key, "tasty", "203.0.113.7", "callers-own-agent", caller.account_id):
        assert secret not in everything


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"])
@pytest.mark.parametrize("stream", [False, True])
def test_nothing_of_the_upstreams_own_reaches_the_caller(rich: Caller, model: str, stream: bool) -> None:
    response = rich.ask("Hello!", model, stream=stream)
    names = {name.lower() for name in response.headers}
    assert not {n for n in names if n.startswith(("openai-", "anthropic-", "x-frame")) or n == "request-id"}
    assert "10000" not in str(response.headers) and "scaffolding" not in str(response.headers)


# ---- somebody is down


@pytest.mark.parametrize("state", [
    {"down": True}, {"status": 500}, {"status": 529}, {"status": 429}, {"status": 401}, {"directive": "html"},
    {"directive": "html status=502"}, {"directive": "badjson"}, {"directive": "cut=0"},
])  # fmt: skip
def test_another_model_answers_where_the_first_is_down(caller: Caller, stack: Stack, state: dict[str, Any]) -> None:
    first = stack.first_provider()
    with stack.upstream(**{first: state}):
        reply = caller.told(f"Hello {mark()}", "auto")
    (row,) = caller.usage()
    assert row["provider"] != first and row["model"] == thermostat(reply)["actual_model"] == reply["model"]


@pytest.mark.parametrize("model", ["auto", "fast", "balanced", "best", "gpt-4o"])
def test_when_all_are_down_it_is_503_with_retry_after(caller: Caller, stack: Stack, model: str) -> None:
    with stack.upstream(**{p: {"status": 500} for p in ("openai", "anthropic", "google", "deepseek")}):
        response = caller.ask(mark(), model)
    refusal(response, 503, "service_unavailable_error", "service_unavailable")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert caller.funds() == (100 * 10**9, 0)


def test_a_direct_name_is_tried_twice_and_nobody_else_is_asked(caller: Caller) -> None:
    marker = mark()
    assert caller.ask(order("status=500", marker)).status_code == 503
    heard = caller.stack.heard(marker)
    assert {h["model"] for h in heard} == {"gpt-4o"} and len(heard) == 2


def test_who_failed_is_asked_last_for_a_while_and_then_again(caller: Caller, stack: Stack, calm: None) -> None:
    first = stack.first_provider()
    with stack.upstream(**{first: {"status": 500}}):
        caller.told(mark(), "auto")
    time.sleep(1.1)
    cooling = stack.http.get(stack.url + "/health/readiness").json()["cooling"]
    assert any(name.startswith(first + "/") for name in cooling)
    marker = mark()
    caller.told(marker, "auto")
    assert [h["provider"] for h in stack.heard(marker)] != [first]
    stack.change("UPDATE cooldown SET until_ms = 0")  # what waiting would bring
    time.sleep(1.1)
    caller.told(mark(), "auto")
    assert caller.usage(3)[-1]["provider"] == first


def test_who_cools_down_is_still_asked_when_nobody_else_is_there(caller: Caller, stack: Stack) -> None:
    providers = ("openai", "anthropic", "google", "deepseek")
    with stack.upstream(**{p: {"status": 500} for p in providers}):
        assert caller.ask(mark(), "auto").status_code == 503
    assert caller.ask(mark(), "auto").status_code == 200


def test_a_refusal_of_the_request_itself_is_not_tried_elsewhere(caller: Caller, stack: Stack) -> None:
    marker = mark()
    response = caller.ask(order("status=400", marker), "auto")
    assert response.status_code == 422 and response.json()["error"]["type"] == "invalid_request_error"
    assert len(stack.heard(marker)) == 1 and caller.funds() == (100 * 10**9, 0)


# ---- somebody is unable


def sent(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"messages": user([{"type": kind, kind: value}])}


@pytest.mark.parametrize(("able", "fields"), [
    ("vision", sent("image_url", {"url": f"data:image/png;base64,{PIXEL}"})),
    ("audio_input", sent("input_audio", {"data": PIXEL, "format": "wav"})),
    ("files", sent("file", {"file_data": f"data:application/pdf;base64,{PIXEL}"})),
    ("video", sent("file", {"file_data": f"data:video/mp4;base64,{PIXEL}"})),
    ("heic", sent("image_url", {"url": f"data:image/heic;base64,{PIXEL}"})),
    ("forced_tools", {"tools": [WEATHER], "tool_choice": "required"}),
    ("logprobs", {"logprobs": True}),
])  # fmt: skip
@pytest.mark.parametrize("model", ["auto", "fast"])
def test_only_a_model_that_is_able_is_asked(
    rich: Caller, catalog: Catalog, able: str, fields: dict[str, Any], model: str
) -> None:
    response = rich.post({"model": model, "messages": user(mark()), "seed": int(mark()[4:12], 16), **fields})
    assert response.status_code == 200, response.text
    assert able in catalog.models[thermostat(response.json())["actual_model"]].can


def test_what_no_model_is_able_to_do_is_refused_by_name(rich: Caller) -> None:
    refused = rich.ask("Hello!", "auto", modalities=["text", "audio"], audio={"voice": "a", "format": "mp3"})
    message = refusal(refused, 422, "invalid_request_error", "unsupported_content", "modalities")
    assert "audio output" in message


def test_n_on_auto_is_served_or_refused_by_name(rich: Caller) -> None:
    response = rich.ask(mark(), "auto", n=2)
    if response.status_code == 200:
        assert len(response.json()["choices"]) == 2
    else:
        refusal(response, 422, "invalid_request_error", "unsupported_content", "n")


def test_smart_names_work_on_both_surfaces(rich: Caller) -> None:
    reply = rich.ask(mark(), "auto", "/api" + CHAT).json()
    assert reply["id"].startswith("chatcmpl-") and message_of(reply)["content"]
