"""The models that a key may use: listed, looked up, and nobody else's business."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from openai.types import Model

from stories.stack import Caller, Stack, refusal

SURFACES = ("/v1", "/api/v1")
SMART = ["auto", "fast", "balanced", "best"]
C1 = "c1/openai/gpt-4o/v-20251230"
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


def plain(rows: dict[str, Any]) -> list[str]:
    """The names without those that ask for a generated interface."""
    return [name for name in rows if not name.startswith("c1/")]


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
    direct = {name for name in plain(rows) if name not in SMART}
    assert direct == {"gpt-4o", "gemini-2.5-flash", "text-embedding-3-small"}
    for name in (*rows, "gemini-flash"):
        assert get(limited, f"{surface}/models/{name}").status_code == 200
    generated = {name.split("/")[2] for name in rows.keys() - plain(rows)}
    assert generated == {"gpt-4o", "gemini-2.5-flash"}, "what answers may answer in components"
    for name in ("gpt-4o-mini", "dall-e-3", "claude-haiku", C1.replace("gpt-4o", "gpt-4o-mini")):
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
    assert plain(listed(Caller(stack, account.account_id, key))) == ["gpt-4o", "house/of/words"]


@on_both
def test_the_ids_of_generated_interfaces_are_listed_last_and_looked_up(rich: Caller, surface: str) -> None:
    rows = listed(rich, surface)
    ids = [name for name in rows if name.startswith("c1/")]
    assert [*rows][-len(ids) :] == ids and C1 in ids
    embedded = get(rich, "/v1/embed/models").json()["data"]
    assert [rows[name] for name in ids] == embedded
    assert get(rich, f"{surface}/models/{C1}").json() == rows[C1]
    assert (rows[C1]["owned_by"], rows[C1].get("tier")) == ("openai", None)
    unlisted = "c1/anthropic/claude-sonnet-4.5/v-20250815"
    assert get(rich, f"{surface}/models/{unlisted}").json()["id"] == unlisted, "it is answered too"
    for name in ("c1/openai/gpt-5000/v-20251230", "c1/openai/dall-e-3/v-20251230", "c1/openai/gpt-4o"):
        refusal(get(rich, f"{surface}/models/{name}"), 404, "not_found_error", "model_not_found", "model")


# ---- in Anthropic's words


def page(caller: Caller, query: str = "", headers: dict[str, str] | None = None) -> requests.Response:
    told = {"anthropic-version": "2023-06-01", **({"x-api-key": caller.key} if headers is None else headers)}
    return caller.stack.http.get(f"{caller.stack.url}/v1/models{query}", headers=told, timeout=10)


def test_a_key_may_stand_where_anthropics_clients_put_it(rich: Caller) -> None:
    response = requests.get(rich.stack.url + "/v1/models", headers={"x-api-key": rich.key}, timeout=10)
    assert response.json() == get(rich, "/v1/models").json(), "which says nothing of the words"


def test_pages_in_anthropics_words_are_the_chat_models(rich: Caller) -> None:
    chat = [name for name, row in listed(rich).items() if row["kind"] == "chat" and not name.startswith("c1/")]
    first = page(rich)
    body = first.json()
    assert first.headers["request-id"] == first.headers["x-request-id"]
    assert set(body) == {"data", "has_more", "first_id", "last_id"} and len(body["data"]) == 20
    assert (body["has_more"], body["first_id"], body["last_id"]) == (True, chat[0], chat[19])
    row = page(rich, "?limit=1000").json()["data"][chat.index("claude-sonnet-4-5")]
    assert (row["type"], row["id"], row["lifecycle"]) == ("model", "claude-sonnet-4-5", "active")
    assert row["created_at"].endswith("Z") and row["max_input_tokens"] >= 200_000
    found, query = [], "?limit=7"
    while query:
        body = page(rich, query).json()
        found += [row["id"] for row in body["data"]]
        query = f"?limit=7&after_id={body['last_id']}" if body["has_more"] else ""
    assert found == chat
    before = page(rich, f"?limit=2&before_id={chat[5]}").json()
    assert [row["id"] for row in before["data"]] == chat[3:5] and before["has_more"] is True
    assert page(rich, f"?before_id={chat[0]}").json() == {
        "data": [], "has_more": False, "first_id": None, "last_id": None,
    }  # fmt: skip


def test_a_retired_name_is_deprecated_in_anthropics_words(rich: Caller) -> None:
    rows = {row["id"]: row["lifecycle"] for row in page(rich, "?limit=1000").json()["data"]}
    old = {name for name, row in listed(rich).items() if row["kind"] == "chat" and "answered_by" in row}
    old = {name for name in old if not name.startswith("c1/")}
    assert old and {name for name, stage in rows.items() if stage == "deprecated"} == old
    only = page(rich, "?limit=1000&lifecycle[]=deprecated").json()["data"]
    assert {row["id"] for row in only} == old
    assert page(rich, "?lifecycle=retired").json()["data"] == []


@pytest.mark.parametrize("query", [
    "?limit=0", "?limit=1001", "?limit=x", "?after_id=nobody", "?before_id=dall-e-3", "?lifecycle=young",
])  # fmt: skip
def test_refusals_are_in_anthropics_words_too(rich: Caller, query: str) -> None:
    response = page(rich, query)
    body = response.json()
    assert response.status_code == 400 and body["type"] == "error"
    assert body["error"]["type"] == "invalid_request_error"
    assert query[1:].partition("=")[0] in body["error"]["message"]


def test_who_may_not_is_told_in_anthropics_words(stack: Stack, rich: Caller) -> None:
    for headers in ({}, {"x-api-key": "sk-thermo-no"}):
        response = page(rich, headers=headers)
        assert response.status_code == 401 and response.json()["error"]["type"] == "authentication_error"
    for name in ("nobody", "dall-e-3", C1):
        response = page(rich, f"/{name}")
        assert response.status_code == 404 and response.json()["error"]["type"] == "not_found_error"
    few = stack.caller(models=["gpt-4o"])
    assert [row["id"] for row in page(few).json()["data"]] == ["gpt-4o"]
    bearer = page(few, "/gpt-4o", {"Authorization": f"Bearer {few.key}"})
    assert bearer.status_code == 200 and bearer.json()["id"] == "gpt-4o"


# ---- for whom


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
