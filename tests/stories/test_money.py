"""Money: who may spend, what is held, what is charged, and that the books balance whatever happens."""

from __future__ import annotations

import json
import threading
import time
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest

from stories.stack import CHAT, NANO, Caller, Stack, at_once, mark, order, refusal, user
from stories.test_chat import FAMILIES
from thermly import catalog

every_family = pytest.mark.parametrize("model", FAMILIES)
PRICES = catalog.builtin()["models"]


def cost_nanousd(model: str, usage: dict[str, Any]) -> int:
    """Tokens times the catalogue's dollars per million, rounded up once."""
    row = PRICES[model]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    dollars = (
        (usage["prompt_tokens"] - cached) * Decimal(row["input_per_mtok"])
        + cached * Decimal(row["cached_input_per_mtok"])
        + usage["completion_tokens"] * Decimal(row["output_per_mtok"])
    ) / 10**6
    return int((dollars * NANO).to_integral_value(ROUND_CEILING))


@every_family
@pytest.mark.parametrize("directive", ["tokens=123", "tokens=7 cached=1000", "reason tokens=50"])
def test_the_charge_is_the_tokens_times_the_price(caller: Caller, model: str, directive: str) -> None:
    usage = caller.told(order(directive), model)["usage"]
    (row,) = caller.usage()
    assert row["cost_nanousd"] == cost_nanousd(model, usage) > 0
    assert (row["input_tokens"], row["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert (row["model"], row["estimated"], row["state"]) == (model, 0, "settled")
    assert caller.funds() == (100 * NANO - row["cost_nanousd"], 0)


@every_family
def test_a_stream_costs_what_the_whole_reply_costs(caller: Caller, model: str) -> None:
    caller.told(order("tokens=123"), model)
    caller.stream(order("tokens=123"), model)
    whole, streamed = caller.usage(2)
    assert whole["cost_nanousd"] == streamed["cost_nanousd"] > 0 and streamed["estimated"] == 0


@every_family
def test_cached_input_is_cheaper(caller: Caller, model: str) -> None:
    text = "x" * 8_000
    caller.told(order("tokens=10", text), model)
    caller.told(order("tokens=10 cached=1500", text), model)
    plain, cached = caller.usage(2)
    assert cached["cached_input_tokens"] == 1500 and cached["cost_nanousd"] < plain["cost_nanousd"]


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-sonnet-4-5"])
def test_what_is_written_into_the_upstreams_cache_has_its_own_price(caller: Caller, model: str) -> None:
    usage = caller.told(order("tokens=10 cache_write=1000"), model)["usage"]
    (row,) = caller.usage()
    assert row["cache_write_tokens"] == 1000
    extra = 1000 * (Decimal(PRICES[model]["cache_write_per_mtok"]) - Decimal(PRICES[model]["input_per_mtok"]))
    assert row["cost_nanousd"] == cost_nanousd(model, usage) + int(extra * 1000)


def test_every_choice_is_charged(caller: Caller) -> None:
    usage = caller.told(order("tokens=30"), n=3)["usage"]
    (row,) = caller.usage()
    assert usage["completion_tokens"] == 90 and row["cost_nanousd"] == cost_nanousd("gpt-4o", usage)


@pytest.mark.parametrize("stream", [False, True])
def test_without_credit_nothing_is_asked_of_anybody(stack: Stack, stream: bool) -> None:
    poor, marker = stack.caller(0), mark()
    message = refusal(poor.ask(marker, stream=stream), 402, "insufficient_credits", "insufficient_credits")
    assert "credit" in message.lower() and stack.heard(marker) == [] and poor.funds() == (0, 0)


@pytest.mark.parametrize("path", [CHAT, "/api" + CHAT])
@pytest.mark.parametrize("model", ["auto", "gpt-4o"])
def test_402_is_402_on_every_surface(stack: Stack, path: str, model: str) -> None:
    response = stack.caller(0).ask("Hello!", model, path)
    assert response.status_code == 402


def test_a_thin_balance_lowers_the_bound_that_reaches_the_upstream(stack: Stack) -> None:
    thin, marker = stack.caller(0.0021), mark()
    reply = thin.told(order("tokens=5000", marker))
    (heard,) = stack.heard(marker)
    bound = heard["body"]["max_tokens"]
    assert 100 < bound < 210  # 10 dollars a million: 2.1 thousandths buy 210 tokens, and the input is paid too
    assert reply["choices"][0]["finish_reason"] == "length" and reply["usage"]["completion_tokens"] <= bound
    assert thin.funds()[0] >= 0 == thin.funds()[1]


def test_a_thin_balance_that_cannot_pay_a_short_answer_is_402(stack: Stack) -> None:
    assert stack.caller(0.0001).ask("Hello!").status_code == 402


def test_a_balance_is_used_up_to_the_end_and_never_overdrawn(stack: Stack) -> None:
    thin = stack.caller(0.004)
    statuses = [thin.ask(order("tokens=60")).status_code for _ in range(12)]
    assert statuses[0] == 200 and statuses[-1] == 402 and set(statuses) == {200, 402}
    assert 0 <= thin.funds()[0] < 0.001 * NANO


@every_family
@pytest.mark.parametrize("directive", ["status=500", "badjson", "cut=0"])
def test_nothing_is_charged_for_an_answer_that_never_came(
    caller: Caller, stack: Stack, model: str, directive: str
) -> None:
    response = caller.ask(order(directive), model)
    assert response.status_code == 503, response.text
    (row,) = caller.usage()
    assert (row["state"], row["cost_nanousd"]) == ("released", 0) and row["outcome"] != "ok"
    assert caller.funds() == (100 * NANO, 0)


def test_concurrent_requests_never_overdraw_a_small_balance(stack: Stack) -> None:
    poor = stack.caller(0.02)
    seen: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            balance, held = poor.funds()
            seen.append(balance - held)
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    answers = at_once(30, lambda _: poor.ask(order("tokens=100"), max_tokens=100))
    stop.set()
    watcher.join()
    statuses = [a.status_code for a in answers]
    assert set(statuses) == {200, 402} and min(seen) >= 0
    rows = poor.usage(statuses.count(200))
    assert poor.funds() == (round(0.02 * NANO) - sum(r["cost_nanousd"] for r in rows), 0)


def test_concurrent_streams_never_overdraw_a_small_balance(stack: Stack) -> None:
    poor = stack.caller(0.01)

    def one(_: int) -> int:
        with poor.open(order("tokens=80"), max_tokens=80) as stream:
            if stream.response.status_code == 200:
                stream.read()
            return stream.response.status_code

    statuses = at_once(20, one)
    assert set(statuses) == {200, 402}
    rows = poor.usage(statuses.count(200))
    assert 0 <= poor.funds()[0] == round(0.01 * NANO) - sum(r["cost_nanousd"] for r in rows)
    assert poor.funds()[1] == 0


# ---- keys


def test_a_key_spends_up_to_its_cap_and_its_account_goes_on(stack: Stack) -> None:
    capped = stack.caller(10, cap_nanousd=5_000_000)
    answers = [capped.ask(order("tokens=100"), max_tokens=100) for _ in range(8)]
    assert answers[0].status_code == 200
    refusal(answers[-1], 402, "insufficient_credits", "spend_cap_reached")
    spent = sum(r["cost_nanousd"] for r in capped.usage(sum(a.ok for a in answers)))
    assert 3_000_000 < spent <= 5_000_000
    assert Caller(stack, capped.account_id, stack.key(capped.account_id)).ask().status_code == 200


def test_a_thin_cap_lowers_the_bound_as_a_thin_balance_does(stack: Stack) -> None:
    capped, marker = stack.caller(10, cap_nanousd=2_100_000), mark()
    response = capped.ask(order("tokens=5000", marker))
    assert response.status_code == 200, response.text
    assert 100 < stack.heard(marker)[0]["body"]["max_tokens"] < 210


def test_concurrent_requests_never_exceed_a_cap(stack: Stack) -> None:
    capped = stack.caller(10, cap_nanousd=10_000_000)
    answers = at_once(20, lambda _: capped.ask(order("tokens=100"), max_tokens=100))
    assert {a.status_code for a in answers} == {200, 402}
    sql = "SELECT spent_nanousd AS spent, held_nanousd AS held FROM api_key WHERE account_id = :id"
    (row,) = stack.rows(sql, id=capped.account_id)
    assert 0 < row["spent"] <= 10_000_000 and row["held"] == 0


@pytest.mark.parametrize("path", [CHAT, "/api" + CHAT])
def test_a_disabled_account_is_403(stack: Stack, path: str) -> None:
    refused = stack.caller(disabled=True).ask(path=path)
    refusal(refused, 403, "permission_error", "account_disabled")


@pytest.mark.parametrize("path", [CHAT, "/api" + CHAT])
@pytest.mark.parametrize("header", [
    None, "", "Bearer", "Bearer ", "Bearer sk-thermo-garbage", "Basic c2s6c2s=", "sk-thermo-garbage",
    "Bearer " + "x" * 5000, "Bearer sk-thermo-\xe9\xff", "Bearer ' OR 1=1 --",
])  # fmt: skip
def test_without_a_good_key_it_is_401(stack: Stack, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    body = json.dumps({"model": "gpt-4o", "messages": user("Hello!")})
    response = stack.http.post(stack.url + path, data=body, headers=headers)
    code = "invalid_api_key" if header and len(header) > 8 and header.startswith("Bearer") else "missing_api_key"
    refusal(response, 401, "authentication_error", code)
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_that_was_revoked_or_has_expired_is_401(stack: Stack) -> None:
    revoked = stack.caller()
    assert revoked.ask().status_code == 200
    stack.cli("key", "revoke", revoked.key)
    refusal(revoked.ask(), 401, "authentication_error", "invalid_api_key")
    expired = stack.caller(expires_at_ms=int(time.time() * 1000) - 1)
    refusal(expired.ask(), 401, "authentication_error", "invalid_api_key")
    assert stack.caller(expires_at_ms=int(time.time() * 1000) + 60_000).ask().status_code == 200


@pytest.mark.parametrize("path", [CHAT, "/api" + CHAT])
def test_a_key_for_some_models_is_403_for_the_others(stack: Stack, path: str) -> None:
    limited = stack.caller(models=["gpt-4o", "gemini-flash"])
    refusal(limited.ask("Hello!", "gpt-4o-mini", path), 403, "permission_error", "model_not_allowed", "model")
    for name in ("gpt-4o", "gemini-flash", "gemini-2.5-flash"):
        assert limited.ask("Hello!", name, path).status_code == 200
    smart = stack.caller(models=["auto"])
    assert smart.ask(mark(), "auto", path).status_code == 200
    assert smart.ask("Hello!", "gpt-4o", path).status_code == 403


@pytest.mark.parametrize("path", [CHAT, "/api" + CHAT])
@pytest.mark.parametrize("model", ["gpt-5000", "GPT-4o", "auto ", "../etc/passwd", "unpriced", "x" * 200])
def test_a_model_that_is_unknown_or_has_no_price_is_404_and_never_free(
    caller: Caller, path: str, model: str
) -> None:
    refusal(caller.ask("Hello!", model, path), 404, "not_found_error", "model_not_found", "model")
    assert caller.funds() == (100 * NANO, 0)


def test_the_command_line_and_the_gateway_tell_the_same_story(stack: Stack) -> None:
    name = "told by the command line " + mark()
    account_id = stack.cli("account", "create", name, "--credit", "1.5").strip()
    key = stack.cli("key", "create", "--account", name, "--models", "gpt-4o", "--cap", "1").splitlines()[-1]
    assert key.startswith("sk-thermo-")
    caller = Caller(stack, account_id, key)
    reply = caller.told(order("tokens=10"))
    left = Decimal("1.5") - Decimal(cost_nanousd("gpt-4o", reply["usage"])) / NANO
    assert Decimal(stack.cli("account", "balance", name)) == left
    assert Decimal(stack.cli("account", "credit", name, "0.25")) == left + Decimal("0.25")
    stack.cli("account", "disable", name)
    assert caller.ask().status_code == 403
    stack.cli("account", "enable", name)
    assert caller.ask().status_code == 200
    listed = json.loads(stack.cli("key", "list", "--account", name, "--json"))
    assert key not in json.dumps(listed) and listed[0]["key"].endswith(key[-4:])
    day = [row for row in json.loads(stack.cli("usage", "--json")) if row["account"] == name]
    assert len(day) == 1 and day[0]["requests"] == 2 and day[0]["model"] == "gpt-4o"
