"""Models and routing: what the page tells, what admins change in it, and that all processes serve by it."""

from __future__ import annotations

import html
import os
import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from stories.stack import NANO, Caller, Stack, at_once, mark, wait_for

from console.conftest import Arrive, Visitor
from thermly.store import limits

IN_TIME_S = 1.5
PRICES = {
    "input_per_mtok": "2.5", "output_per_mtok": "10", "cached_input_per_mtok": "1.25", "cache_write_per_mtok": "",
    "cache_write_1h_per_mtok": "",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _as_it_was(stack: Stack) -> Iterator[None]:
    """Other tests find the catalogue of the files."""
    yield
    if stack.change("DELETE FROM catalog_change"):
        time.sleep(IN_TIME_S)


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.replace("<wbr>", ""))).split())


def table(page: str, label: str) -> list[str]:
    """The names in a table, from top to bottom."""
    found = re.search(rf'aria-label="{label}.*?</table>', page, re.S)
    return re.findall(r'/console/models/model/([^"?]+)', found[0]) if found else []


def changed(response: Any, told: str) -> str:
    assert response.status_code == 200 and told in text_of(response.text), text_of(response.text)
    return str(response.text)


def cost(stack: Stack, caller: Caller, model: str) -> tuple[int, int, int]:
    """What a request has cost, in nano-dollars, and its tokens in and out."""
    caller.told(f"Hello {mark()}", model)
    row = stack.rows("SELECT * FROM usage WHERE account_id = :id ORDER BY seq DESC LIMIT 1", id=caller.account_id)[
        0
    ]
    return row["cost_nanousd"], row["input_tokens"], row["output_tokens"]


# ---- what it tells


def test_everybody_sees_tiers_prices_and_who_answers(member: Visitor):
    page = member.page("/models")
    text = text_of(page)
    assert table(page, "Fast")[:2] == ["gpt-6-luna", "claude-haiku-5-5"]
    assert "gpt-4o openai available $2.50 $10.00 $1.25" in text
    assert "Savings are measured against gpt-6.1-sol" in text
    assert "retired gpt-4o-mini answers" in text and "unpriced openai no price" in text
    assert "dall-e-3" in table(page, "Image models") and "$0.04 to $0.12 an image" in text
    assert "gemini-embedding-2" in table(page, "Embedding models")
    assert "Add a model" not in text and "Move gpt-6-luna up" not in text and "Changes" not in text


def test_the_filter_leaves_what_fits_and_is_no_html(admin: Visitor):
    page = admin.page("/models?q=gpt+images+in&provider=openai")
    assert "gpt-4o" in table(page, "Other chat models") and table(page, "Embedding models") == []
    assert "Move" not in text_of(page), "there is no order in a part of a tier"
    nothing = admin.page("/models?q=%3Cscript%3Ealert(1)%3C/script%3E&account=none")
    assert "No model is like that" in nothing and "<script>alert" not in nothing
    for q in ("%00", "x" * 900, "%F0%9F%92%A9"):
        assert admin.get(f"/models?q={q}").status_code == 200


def test_a_target_that_cools_down_is_told_with_its_reason(stack: Stack, member: Visitor):
    with stack.database.each() as tx:
        limits.cool(tx, "openai/gpt-4.1", "upstream_timeout", time.time_ns() // 1_000_000, 60_000, 120_000)
    try:
        for path in ("/models", "/models/model/gpt-4.1"):
            text = text_of(member.page(path))
            assert re.search(r"cooling down until [\d-]{10} \d\d:\d\d:\d\d UTC because: upstream timeout", text)
    finally:
        stack.change("DELETE FROM cooldown WHERE target = 'openai/gpt-4.1'")


def test_a_tier_whose_models_have_all_failed_is_told_of(stack: Stack, member: Visitor):
    told = "Every model of the tier best has failed of late"
    names = re.findall(
        r'/models/model/([^"?]+)"', member.page("/models").partition('id="best"')[2].split("</table>")[0]
    )
    assert names and told not in member.page("/models")
    now_ms = time.time_ns() // 1_000_000
    try:
        with stack.database.each() as tx:
            for name in names:
                for provider in ("openai", "anthropic", "google", "gemini", "deepseek"):
                    limits.cool(tx, f"{provider}/{name}", "overloaded", now_ms, 60_000, 120_000)
        assert told in member.page("/models")
    finally:
        stack.calm()


def test_a_date_of_more_than_90_days_is_marked(stack: Stack, admin: Visitor):
    stack.change("INSERT INTO catalog_change VALUES ('gpt-4o', :f, 'x', 1)", f='{"as_of": "2020-01-01"}')
    assert "2020-01-01 check it" in text_of(admin.page("/models/model/gpt-4o"))


def test_it_tells_which_of_the_accounts_own_keys_may_use_a_model(stack: Stack, arrive: Arrive):
    visitor = arrive("member")
    assert "Keys that may use it" not in text_of(visitor.page("/models/model/gpt-4o"))
    stack.key(visitor.account_id, models=["gpt-4o", "fast"])
    stack.key(visitor.account_id, models=["claude-haiku"])
    other = stack.caller()
    for name, allowed in (("gpt-4o", 1), ("gpt-6-luna", 1), ("gpt-6.1-sol", 1), ("claude-haiku-4-5", 1), ("o1", 0)):
        text = text_of(visitor.page(f"/models/model/{name}?account={other.account_id}"))
        assert f"Keys that may use it {allowed} of 2" in text, name
    stack.key(visitor.account_id)
    assert "Keys that may use it 1 of 3" in text_of(visitor.page("/models/model/o1"))
    stack.change(
        "UPDATE api_key SET revoked_at_ms = 1 WHERE account_id = :id AND models IS NULL", id=visitor.account_id
    )
    assert "Keys that may use it 0 of 2" in text_of(visitor.page("/models/model/o1"))


def test_a_model_whose_name_has_slashes_has_a_page(member: Visitor):
    assert "house/of/words" in text_of(member.page("/models/model/house/of/words"))
    assert member.get("/models/model/none-such").status_code == 404
    assert "Save prices" not in member.page("/models/model/gpt-4o")


# ---- the dry run


def explain(visitor: Visitor, prompt: str, **wish: str) -> str:
    response = visitor.post("/models/explain", {"prompt": prompt, "model": "auto", **wish})
    assert response.status_code == 200, response.text
    return str(response.text)


def test_a_decision_is_explained_and_nothing_is_asked(stack: Stack, member: Visitor):
    told = mark()
    rows = stack.rows("SELECT COUNT(*) AS n FROM usage")[0]["n"]
    text = text_of(explain(member, f"Hello {told}"))
    assert "Level 1 of 5" in text and "Tier fast" in text
    assert re.search(r"1 gpt-6-luna openai fast \$0\.0\d+ would answer", text), text
    assert re.search(r"The same answer by gpt-6\.1-sol, the first of the best tier: about \$0\.\d+", text)
    assert stack.heard(told) == [] and stack.rows("SELECT COUNT(*) AS n FROM usage")[0]["n"] == rows
    assert told not in stack.log(), "prompts are nobody's business"


def test_what_comes_along_decides_who_is_passed_over(member: Visitor):
    text = text_of(explain(member, "What is in it?", model="balanced", image="y", tools="y", schema="y"))
    assert "Tier balanced as asked for" in text
    assert "deepseek-v4-pro does not support images" in text
    hard = text_of(explain(member, "Prove rigorously that there are infinitely many primes; compare two proofs."))
    assert "Tier best" in hard and "asks for a proof" in hard


def test_a_prompt_is_needed_and_is_no_html(member: Visitor):
    response = member.post("/models/explain", {"prompt": "", "model": "auto"})
    assert response.status_code == 422 and "This field is required" in response.text
    assert member.post("/models/explain", {"prompt": "x", "model": "gpt-4o"}).status_code == 422
    assert member.post("/models/explain", {"prompt": "x" * 50_001, "model": "auto"}).status_code == 422
    page = explain(member, "</textarea><script>alert(1)</script>")
    assert "<script>alert" not in page


def test_it_tells_when_nobody_would_answer(stack: Stack, admin: Visitor):
    models = [row for tier in ("Fast", "Balanced", "Best") for row in table(admin.page("/models"), tier)]
    for name in models:
        stack.change("INSERT INTO catalog_change VALUES (:m, 'false', 'x', 1)", m=name)
    assert "Nobody: This server has no model configured for 'auto'" in text_of(explain(admin, "Hello"))


# ---- what admins change


def test_a_price_holds_in_all_processes_within_a_second(stack: Stack, admin: Visitor):
    caller = stack.caller(usd=100_000)
    before, *_ = cost(stack, caller, "gpt-4o")
    form = PRICES | {"input_per_mtok": "1000", "output_per_mtok": "2000.000001", "cached_input_per_mtok": ""}
    changed(admin.post("/models/prices/gpt-4o", form, of="/models/model/gpt-4o"), "gpt-4o costs this")
    began = time.monotonic()
    text = text_of(admin.page("/models/model/gpt-4o"))
    assert f"Changed by {admin.email}" in text and "output $2000.000001" in text
    time.sleep(max(0, IN_TIME_S - (time.monotonic() - began)))
    at_once(12, lambda i: caller.told(f"Hello {mark()}", "gpt-4o"))
    rows = stack.rows("SELECT * FROM usage WHERE account_id = :id ORDER BY seq", id=caller.account_id)[1:]
    assert len(rows) == 12
    for row in rows:
        pico = row["input_tokens"] * 1_000_000_000 + row["output_tokens"] * 2_000_000_001
        assert row["cost_nanousd"] == -(-pico // 1000) > before * 50
    listed = stack.http.get(f"{stack.url}/v1/models/gpt-4o", headers=caller.headers(), timeout=10).json()
    assert "2000.000001" in str(listed)


def test_a_request_under_way_keeps_the_price_it_began_with(stack: Stack, admin: Visitor):
    caller = stack.caller()
    with caller.open(f"[[sandbox: chunks=30 interval_ms=100]] {mark()}", "gpt-4o") as stream:
        stream.read(2)
        changed(
            admin.post("/models/prices/gpt-4o", PRICES | {"output_per_mtok": "5000"}, of="/models/model/gpt-4o"),
            "gpt-4o costs this",
        )
        stream.read()
    row = caller.usage()[0]
    assert row["cost_nanousd"] < row["output_tokens"] * 5_000_000_000 // 1000
    assert row["cost_nanousd"] == -(-(row["input_tokens"] * 2_500_000 + row["output_tokens"] * 10_000_000) // 1000)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"input_per_mtok": "much"}, "at most six decimals"),
        ({"input_per_mtok": "-1"}, "at most six decimals"),
        ({"input_per_mtok": "0.0000001"}, "at most six decimals"),
        ({"input_per_mtok": "1e3"}, "at most six decimals"),
        ({"input_per_mtok": "99999999"}, "at most six decimals"),
        ({"input_per_mtok": ""}, "A price is needed"),
        ({"input_per_mtok": "0", "output_per_mtok": "0"}, "say that it costs nothing"),
        ({"input_per_mtok": "<script>alert(1)</script>"}, "at most six decimals"),
    ],
)
def test_a_price_that_is_none_is_refused_at_its_field(
    stack: Stack, admin: Visitor, form: dict[str, str], told: str
):
    response = admin.post("/models/prices/gpt-4o", PRICES | form, of="/models/model/gpt-4o")
    assert response.status_code == 422 and told in text_of(response.text)
    assert 'aria-invalid="true"' in response.text and "<script>alert" not in response.text
    assert stack.rows("SELECT 1 FROM catalog_change") == []


def test_prices_of_long_input_and_of_images_are_changed_too(stack: Stack, admin: Visitor):
    form = PRICES | {
        "long_context_tiers-0-input_per_mtok": "7", "long_context_tiers-0-output_per_mtok": "8",
        "long_context_tiers-0-cached_input_per_mtok": "",
    }  # fmt: skip
    changed(admin.post("/models/prices/gpt-6-luna", form, of="/models/model/gpt-6-luna"), "costs this")
    page = admin.page("/models/model/gpt-6-luna")
    assert re.search(r'name="long_context_tiers-0-input_per_mtok"[^>]*value="7"', page)
    assert "From 272,000 tokens of input on" in text_of(page)
    assert admin.post("/models/prices/gpt-6-luna", PRICES, of="/models/model/gpt-6-luna").status_code == 400

    images = {f"per_image-{i}": "0.5" for i in range(1)}
    path = "/models/model/stable-diffusion"
    changed(admin.post("/models/prices/stable-diffusion", images, of=path), "costs this")
    assert "$0.50 an image" in text_of(admin.page("/models"))
    bad = admin.post("/models/prices/stable-diffusion", {"per_image-0": "dear"}, of=path)
    assert bad.status_code == 422 and "at most nine decimals" in text_of(bad.text)
    caller = stack.caller()
    time.sleep(IN_TIME_S)
    body = {"model": "stable-diffusion", "prompt": mark(), "response_format": "b64_json"}
    assert caller.post(body, "/v1/images/generations").status_code == 200
    assert caller.usage()[0]["cost_nanousd"] == NANO // 2


def test_a_model_of_ones_own_may_cost_nothing_and_cost_again(stack: Stack, admin: Visitor):
    path, caller = "/models/model/gpt-4o-mini", stack.caller()
    both = admin.post("/models/prices/gpt-4o-mini", {**PRICES, "free": "y"}, of=path)
    assert both.status_code == 422 and "It has prices: empty them" in both.text
    nothing = dict.fromkeys(PRICES, "")
    changed(admin.post("/models/prices/gpt-4o-mini", {**nothing, "free": "y"}, of=path), "costs this")
    time.sleep(IN_TIME_S)
    assert cost(stack, caller, "gpt-4o-mini")[0] == 0
    changed(admin.post("/models/prices/gpt-4o-mini", PRICES, of=path), "costs this")
    time.sleep(IN_TIME_S)
    assert cost(stack, caller, "gpt-4o-mini")[0] > 0


def test_a_model_that_is_switched_off_is_gone_at_once_and_the_next_one_answers(stack: Stack, admin: Visitor):
    caller = stack.caller()
    assert caller.usage(0) == []
    first, second = table(admin.page("/models"), "Best")[:2]
    changed(admin.post(f"/models/serve/{first}", {"served": "no"}, of=f"/models/model/{first}"), "switched off")
    assert first in table(admin.page("/models"), "Switched off")
    time.sleep(IN_TIME_S)
    refused = at_once(8, lambda i: caller.ask("Hello", first))
    assert {(r.status_code, r.json()["error"]["code"]) for r in refused} == {(404, "model_not_found")}
    assert caller.told(f"Hello {mark()}", "best")["x_thermostat"]["actual_model"] == second
    changed(admin.post(f"/models/serve/{first}", {"served": "yes"}, of=f"/models/model/{first}"), "served again")
    time.sleep(IN_TIME_S)
    assert caller.ask(f"Hello {mark()}", first).status_code == 200


def test_the_order_of_a_tier_decides_who_is_asked_first(stack: Stack, admin: Visitor):
    caller = stack.caller()
    first, second, *rest = table(admin.page("/models"), "Fast")
    asked = lambda name: caller.told(f"Hello {mark()}", name)["x_thermostat"]["actual_model"]  # noqa: E731
    assert asked("fast") == asked("auto") == first, "both cost the same"
    page = changed(admin.post(f"/models/move/{second}", {"to": "up"}, of="/models"), f"{second} is tried earlier")
    assert table(page, "Fast") == [second, first, *rest]
    time.sleep(IN_TIME_S)
    assert asked("fast") == asked("auto") == second
    changed(admin.post("/models/order/fast", of="/models"), "order of the files again")
    time.sleep(IN_TIME_S)
    assert asked("fast") == first


def test_a_model_moves_to_another_tier(stack: Stack, admin: Visitor):
    path = "/models/model/gpt-4o"
    changed(admin.post("/models/tier/gpt-4o", {"tier": "best"}, of=path), "best now. This holds within a second")
    assert table(admin.page("/models"), "Best")[-1] == "gpt-4o"
    changed(admin.post("/models/tier/gpt-4o", {"tier": ""}, of=path), "in no tier now")
    assert "gpt-4o" in table(admin.page("/models"), "Other chat models")
    told = "Nothing was changed"
    changed(admin.post("/models/tier/gpt-4o", {"tier": "fastest"}, of=path), told)
    changed(admin.post("/models/tier/text-embedding-3-small", {"tier": "fast"}, of=path), told)
    changed(admin.post("/models/move/gpt-4o", {"to": "up"}, of="/models"), told)
    changed(admin.post("/models/reset/nobody", of="/models"), told)


NEW = {
    "name": "llama3.2:1b", "provider": "deepseek", "upstream": "deepseek-chat", "kind": "chat", "tier": "",
    "input_per_mtok": "3", "output_per_mtok": "$4", "cached_input_per_mtok": "", "context_window": "32000",
    "max_output_tokens": "", "dimensions": "", "can": ["tools", "sampling"],
}  # fmt: skip


def test_a_model_is_added_asked_and_removed(stack: Stack, admin: Visitor):
    caller = stack.caller()
    assert caller.ask("Hello", "llama3.2:1b").status_code == 404
    page = changed(admin.post("/models/new", NEW), "llama3.2:1b is served")
    assert "deepseek, as deepseek-chat" in text_of(page) and "32,000 tokens" in text_of(page)
    time.sleep(IN_TIME_S)
    spent, read, written = cost(stack, caller, "llama3.2:1b")
    assert spent == read * 3000 + written * 4000
    row = text_of(admin.page("/models/changes"))
    assert "llama3.2:1b added" in row and admin.email in row
    again = admin.post("/models/new", NEW)
    assert again.status_code == 422 and "already" in text_of(again.text)
    changed(admin.post("/models/reset/llama3.2:1b", of="/models/model/llama3.2:1b"), "llama3.2:1b is removed")
    assert stack.rows("SELECT 1 FROM catalog_change") == []


def test_an_embedding_model_is_added(stack: Stack, admin: Visitor):
    form = NEW | {
        "name": "mine-embed", "provider": "openai", "upstream": "text-embedding-3-small", "kind": "embedding",
        "output_per_mtok": "", "dimensions": "1536", "can": ["dimensions", "tools"],
    }  # fmt: skip
    changed(admin.post("/models/new", form), "mine-embed is served")
    caller = stack.caller()
    time.sleep(IN_TIME_S)
    response = caller.post({"model": "mine-embed", "input": "one"}, "/v1/embeddings")
    assert response.status_code == 200, response.text
    row = caller.usage()[0]
    assert row["cost_nanousd"] == row["input_tokens"] * 3000


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"name": "auto"}, "that name is the router's"),
        ({"name": "claude-haiku"}, "also the name of a model"),
        ({"name": "gpt-4o"}, "already"),
        ({"name": "a/../b"}, "Letters, digits"),
        ({"name": "<script>alert(1)</script>"}, "Letters, digits"),
        ({"name": ""}, "This field is required"),
        ({"provider": "nobody"}, "Not a valid choice"),
        ({"input_per_mtok": ""}, "A price is needed"),
        ({"input_per_mtok": "0", "output_per_mtok": "0.0"}, "say that it costs nothing"),
        ({"context_window": "0"}, "A whole number between 256 and 100,000,000"),
        ({"context_window": "9" * 400}, "A whole number between 256 and 100,000,000"),
        ({"dimensions": "9" * 400}, "A whole number between 1 and 100,000"),
        ({"input_per_mtok": "١"}, "A number of dollars"),
        ({"kind": "embedding", "tier": "fast"}, "Only chat models have a tier"),
        ({"can": ["fly"]}, "is not a valid choice"),
    ],
)
def test_a_model_that_makes_no_sense_is_not_added(stack: Stack, admin: Visitor, form: dict[str, Any], told: str):
    response = admin.post("/models/new", NEW | form)
    assert response.status_code == 422 and told in text_of(response.text), text_of(response.text)
    assert stack.rows("SELECT 1 FROM catalog_change") == [] and "<script>alert" not in response.text


def test_members_change_nothing(stack: Stack, member: Visitor):
    for act, form in (("prices", PRICES), ("move", {"to": "up"}), ("tier", {"tier": "fast"}),
                      ("serve", {"served": "no"}), ("reset", {})):  # fmt: skip
        assert member.post(f"/models/{act}/gpt-4o", form, of="/models").status_code == 404, act
    assert member.post("/models/order/fast", of="/models").status_code == 404
    assert member.post("/models/new", NEW, of="/models").status_code == 404
    assert member.get("/models/changes").status_code == 404
    assert stack.rows("SELECT 1 FROM catalog_change") == []


def test_a_change_that_no_longer_makes_sense_is_told_and_harms_nobody(
    stack: Stack, admin: Visitor, member: Visitor
):
    name = "<script>alert(1)</script>"
    stack.change("INSERT INTO catalog_change VALUES (:n, '{\"provider\": \"gone\"}', 'somebody@x', 1)", n=name)
    page = admin.page("/models")
    assert "is left out, since it does not go with thermly.toml" in text_of(page) and "<script>alert" not in page
    assert "left out" in text_of(admin.page("/models/changes"))
    assert "left out" not in text_of(member.page("/models"))
    assert stack.caller().ask(f"Hello {mark()}", "auto").status_code == 200
    assert "left out" in stack.run("doctor").stdout
    changed(admin.post(f"/models/reset/{name}", of="/models"), "is removed")
    assert stack.rows("SELECT 1 FROM catalog_change") == []


def test_changes_at_the_same_time_all_hold(stack: Stack, arrive: Arrive):
    admins = [arrive("admin") for _ in range(4)]
    tokens = [a.token("/models") for a in admins]

    def send(i: int) -> int:
        path, form = (
            ("prices/gpt-4o", PRICES | {"input_per_mtok": "3"}),
            ("tier/gpt-4o", {"tier": "balanced"}),
            ("serve/o1", {"served": "no"}),
            ("move/claude-haiku-5-5", {"to": "up"}),
        )[i]
        form = form | {"csrf_token": tokens[i]}
        return int(admins[i].http.post(f"{admins[i].base}/models/{path}", data=form, timeout=60).status_code)

    assert at_once(4, send) == [200] * 4
    page = admins[0].page("/models")
    assert "gpt-4o" in table(page, "Balanced") and "o1" in table(page, "Switched off")
    assert table(page, "Fast")[0] == "claude-haiku-5-5"
    assert re.search(r" input: \$3\b", text_of(admins[0].page("/models/changes")))


def test_the_command_line_tells_changes_with_who_made_them(stack: Stack, admin: Visitor):
    changed(admin.post("/models/serve/gpt-4o", {"served": "no"}, of="/models/model/gpt-4o"), "switched off")
    line = next(line for line in stack.cli("models").splitlines() if line.startswith("gpt-4o "))
    assert "switched off" in line and f"served by {admin.email}" in line
    assert stack.run("route", "Hello", "--model", "gpt-4o").returncode != 0


@pytest.mark.last
def test_changes_outlive_a_killed_process_and_a_restart(stack: Stack, admin: Visitor):
    """A web process that dies is replaced; the one that comes has what was changed."""
    caller = stack.caller()
    changed(admin.post("/models/serve/gpt-4.1", {"served": "no"}, of="/models/model/gpt-4.1"), "switched off")
    web = stack.child("serve")
    workers = [pid for pid in stack.family() if pid != web]
    os.kill(web, signal.SIGKILL)
    assert wait_for(lambda: stack.child("serve") not in (0, web), 30) and workers
    assert wait_for(lambda: _code(caller, "gpt-4.1") == 404, 30)
    assert wait_for(lambda: _code(caller, "gpt-4o") == 200, 30)


def _code(caller: Caller, model: str) -> int:
    import requests

    try:
        return caller.ask(f"Hello {mark()}", model).status_code
    except requests.RequestException:
        return 0
