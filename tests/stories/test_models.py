"""The models that a key may use: listed, looked up, and nobody else's business."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from openai.types import Model

from stories.stack import Caller, Stack, refusal

SURFACES = ("/v1", "/api/v1")
SMART = ["auto", "fast", "balanced", "best"]
on_both = pytest.mark.parametrize("surface", SURFACES)


def get(caller: Caller, path: str) -> requests.Response:
    return caller.stack.http.get(caller.stack.url + path, headers=caller.headers(), timeout=10)


def listed(caller: Caller, surface: str = "/v1") -> dict[str, dict[str, Any]]:
    response = get(caller, surface + "/models")
    assert response.status_code == 200, response.text
    body = response.json()
    assert set(body) == {"object", "data"} and body["object"] == "list"
    found = {row["id"]: row for row in body["data"]}
    assert len(found) == len(body["data"]), "no id is there twice"
    return found


@on_both
def test_the_list_has_the_smart_names_and_every_model_that_is_served(rich: Caller, surface: str) -> None:
    response = get(rich, surface + "/models")
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["x-request-id"].startswith("req_")
    rows = listed(rich, surface)
    assert [*rows][:4] == SMART
    owners = {
        "auto": "thermly", "gpt-4o": "openai", "claude-sonnet-4-5": "anthropic", "gemini-2.5-flash": "google",
        "deepseek-v4-flash": "deepseek", "text-embedding-3-small": "openai", "gemini-embedding-2": "google",
        "gemini-3.1-flash-image": "google", "stable-diffusion": "localai",
    }  # fmt: skip
    assert {name: rows[name]["owned_by"] for name in owners} == owners
    assert "unpriced" not in rows, "what nobody has priced is not served"
    for row in rows.values():
        Model.model_validate(row, strict=True)
        assert row["object"] == "model" and row["created"] >= 0 and isinstance(row["capabilities"], list)


def test_both_surfaces_tell_the_same(rich: Caller) -> None:
    assert listed(rich) == listed(rich, "/api/v1")


@on_both
@pytest.mark.parametrize("name", ["auto", "best", "gpt-4o", "dall-e-3", "text-embedding-3-small"])
def test_one_model_is_told_as_in_the_list(rich: Caller, surface: str, name: str) -> None:
    response = get(rich, f"{surface}/models/{name}")
    assert response.status_code == 200 and response.json() == listed(rich, surface)[name]


def test_each_kind_of_model_tells_what_people_look_for(rich: Caller) -> None:
    rows = listed(rich)
    chat, vectors, images = rows["gpt-4o"], rows["text-embedding-3-small"], rows["stable-diffusion"]
    assert (chat["kind"], vectors["kind"], images["kind"]) == ("chat", "embedding", "image")
    assert chat["context_window"] == 128_000 and "tools" in chat["capabilities"]
    assert chat["pricing_usd"]["input_per_mtok"] == "2.5"
    assert vectors["dimensions"] == 1536 and vectors["pricing_usd"]["input_per_mtok"] == "0.02"
    assert "512x512" in images["sizes"] and images["pricing_usd"] == {"image": "0.035"}
    assert {rows[name].get("tier") for name in SMART} == {None, "fast", "balanced", "best"}


@on_both
def test_a_retired_model_says_when_and_who_answers_for_it(rich: Caller, surface: str) -> None:
    found = get(rich, surface + "/models/dall-e-3").json()
    assert (found["retired_on"], found["answered_by"]) == ("2026-05-12", "gpt-image-2.5-flare")
    assert "1792x1024" in found["sizes"] and "hd" in found["qualities"], "what was promised under the name"
    assert "retired_on" not in get(rich, surface + "/models/gpt-4o").json()


@on_both
def test_an_alias_can_be_looked_up_though_it_is_not_listed(rich: Caller, surface: str) -> None:
    found = get(rich, surface + "/models/gemini-flash").json()
    assert found["id"] == "gemini-flash" and found["owned_by"] == "google"
    assert "gemini-flash" not in listed(rich, surface)


@on_both
@pytest.mark.parametrize("path", ["house/of/words", "house%2Fof%2Fwords"])
def test_an_id_may_have_slashes(rich: Caller, surface: str, path: str) -> None:
    assert get(rich, f"{surface}/models/{path}").json()["id"] == "house/of/words"
    assert rich.told("Hello!", "house/of/words", path=surface + "/chat/completions")["model"] == "house/of/words"


@on_both
@pytest.mark.parametrize("name", ["gpt-5000", "GPT-4o", "unpriced", "house/of", "gpt-4o/", "x" * 300, "%FF"])
def test_an_unknown_model_is_404(rich: Caller, surface: str, name: str) -> None:
    refusal(get(rich, f"{surface}/models/{name}"), 404, "not_found_error", "model_not_found", "model")


@on_both
def test_a_key_for_some_models_sees_those_and_no_others(stack: Stack, surface: str) -> None:
    limited = stack.caller(models=["gpt-4o", "gemini-flash", "text-embedding-3-small"])
    rows = listed(limited, surface)
    direct = {name for name in rows if name not in SMART}
    assert direct == {"gpt-4o", "gemini-2.5-flash", "text-embedding-3-small"}
    for name in (*rows, "gemini-flash"):
        assert get(limited, f"{surface}/models/{name}").status_code == 200
    for name in ("gpt-4o-mini", "dall-e-3", "claude-haiku"):
        refusal(get(limited, f"{surface}/models/{name}"), 404, "not_found_error", "model_not_found", "model")


def test_what_a_limited_key_is_shown_is_what_it_may_ask(stack: Stack) -> None:
    limited = stack.caller(models=["gpt-4o", "gemini-flash"])
    shown = listed(limited)
    for name in (*SMART, "gpt-4o", "gemini-2.5-flash", "gpt-4o-mini"):
        assert (limited.ask(f"Hello {name}", name).status_code == 200) == (name in shown), name


def test_a_key_for_a_smart_name_sees_that_name(stack: Stack) -> None:
    assert [*listed(stack.caller(models=["auto"]))] == ["auto"]
    assert [*listed(stack.caller(models=["best", "fast"]))] == ["fast", "best"]


def test_the_models_of_a_key_from_the_command_line(stack: Stack) -> None:
    account = stack.caller()
    name = stack.rows("SELECT name FROM account WHERE id = :id", id=account.account_id)[0]["name"]
    key = stack.cli("key", "create", "--account", name, "--models", "gpt-4o,house/of/words").splitlines()[-1]
    assert [*listed(Caller(stack, account.account_id, key))] == ["gpt-4o", "house/of/words"]


@on_both
@pytest.mark.parametrize("path", ["/models", "/models/gpt-4o", "/models/nobody"])
def test_without_a_key_nothing_is_told(stack: Stack, surface: str, path: str) -> None:
    refusal(requests.get(stack.url + surface + path, timeout=10), 401, "authentication_error", "missing_api_key")
    wrong = requests.get(stack.url + surface + path, headers={"Authorization": "Bearer sk-thermo-no"}, timeout=10)
    refusal(wrong, 401, "authentication_error", "invalid_api_key")
    assert wrong.headers["WWW-Authenticate"] == "Bearer"


def test_looking_costs_nothing_and_uses_up_no_allowance(stack: Stack) -> None:
    caller = stack.caller(0, rpm=1)
    for _ in range(3):
        assert get(caller, "/v1/models").status_code == get(caller, "/v1/models/auto").status_code == 200
    assert stack.rows("SELECT id FROM usage WHERE account_id = :id", id=caller.account_id) == []


def test_a_list_is_only_to_be_read(rich: Caller) -> None:
    response = rich.post({}, "/v1/models")
    refusal(response, 405, "invalid_request_error", "method_not_allowed")
    assert "GET" in response.headers["Allow"]
