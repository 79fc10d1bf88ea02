"""Spend caps of keys, in each period anew, on the running stack."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from stories.stack import Caller, Stack, order, refusal, wait_for

CAP_NANOUSD = 5_000_000


def used_up(stack: Stack, period: str | None) -> Caller:
    """Somebody whose cap leaves nothing to spend."""
    capped = stack.caller(10, cap_nanousd=CAP_NANOUSD, cap_period=period)
    for _ in range(8):
        answer = capped.ask(order("tokens=100"), max_tokens=100)
    refusal(answer, 402, "insufficient_credits", "spend_cap_reached")
    return capped


def end_period(stack: Stack, capped: Caller) -> None:
    sql = "UPDATE api_key SET cap_resets_at_ms = 1 WHERE account_id = :id AND cap_period IS NOT NULL"
    stack.change(sql, id=capped.account_id)


def spent(stack: Stack, capped: Caller) -> int:
    row = stack.rows("SELECT spent_nanousd AS spent FROM api_key WHERE account_id = :id", id=capped.account_id)[0]
    return int(row["spent"])


def test_a_key_goes_on_when_its_period_is_over(stack: Stack) -> None:
    capped = used_up(stack, "day")
    end_period(stack, capped)
    assert capped.ask(order("tokens=100"), max_tokens=100).status_code == 200
    assert 0 < spent(stack, capped) < CAP_NANOUSD / 2


def test_a_cap_without_a_period_is_one_for_ever(stack: Stack) -> None:
    capped = used_up(stack, None)
    end_period(stack, capped)
    refusal(capped.ask(), 402, "insufficient_credits", "spend_cap_reached")


def test_a_response_in_the_background_is_answered_when_the_period_is_over(stack: Stack) -> None:
    capped = used_up(stack, "week")
    end_period(stack, capped)
    body = {"model": "gpt-4o", "input": order("tokens=100"), "max_output_tokens": 100, "background": True}
    made = capped.post(body, "/v1/responses")
    assert made.status_code == 200, made.text
    assert wait_for(lambda: spent(stack, capped)), "it was served, under the new period"


def test_images_are_drawn_again_when_the_period_is_over(stack: Stack) -> None:
    capped = stack.caller(10, cap_nanousd=40_000_000, cap_period="month")
    body = {"model": "stable-diffusion", "prompt": "a cat"}
    assert capped.post(body, "/v1/images/generations").status_code == 200
    refusal(capped.post(body, "/v1/images/generations"), 402, "insufficient_credits", "spend_cap_reached")
    end_period(stack, capped)
    assert capped.post(body, "/v1/images/generations").status_code == 200


def test_many_at_once_at_the_turn_of_the_period_spend_one_cap(stack: Stack) -> None:
    capped = used_up(stack, "month")
    end_period(stack, capped)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: capped.ask(order("tokens=100"), max_tokens=100), range(20)))
    assert {a.status_code for a in answers} == {200, 402}
    assert CAP_NANOUSD / 2 < spent(stack, capped) <= CAP_NANOUSD
