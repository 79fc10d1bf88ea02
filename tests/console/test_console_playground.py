"""The playground's own way to the API: who may go it, where to, what goes along, what it costs."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import books
import pytest
import requests
from stories.stack import Stack, mark, order, user, wait_for

from console.conftest import PASSWORD, Arrive, Visitor
from thermly import context
from thermly.console import create
from thermly.console.at import At
from thermly.console.playground import PATHS, by_maker, by_version
from thermly.settings import read
from thermly.store import accounts, people

CHAT = "v1/chat/completions"


def ask(visitor: Visitor, body: Any, path: str = CHAT, token: str | None = "", **options: Any) -> requests.Response:
    """As the page does; `token` None: without one."""
    if token == "":
        token = visitor.token("/playground")
    headers = {"X-Requested-With": "fetch", "Content-Type": "application/json"}
    headers |= {"X-CSRFToken": token} if token else {}
    headers |= options.pop("headers", {})
    url = f"{visitor.base}/playground/api/{path}"
    return visitor.http.post(url, data=json.dumps(body), headers=headers, timeout=30, **options)


def question(text: str = "Hello", model: str = "gpt-4o-mini", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": user(text), **more}


def spent(visitor: Visitor) -> list[dict[str, Any]]:
    sql = """SELECT usage.*, api_key.name AS key_name FROM usage JOIN api_key ON api_key.id = key_id
             WHERE usage.account_id = :id ORDER BY seq"""
    return visitor.stack.rows(sql, id=visitor.account_id)


def test_an_answer_is_the_apis_own_and_is_paid_by_the_members_account(member: Visitor):
    response = ask(member, question())
    assert response.status_code == 200 and response.json()["object"] == "chat.completion"
    assert response.headers["x-request-id"].startswith("req_")
    (row,) = wait_for(lambda: spent(member))
    assert row["id"] == response.headers["x-request-id"].removeprefix("req_")
    assert row["key_name"] == "Playground" and row["cost_nanousd"] > 0
    (account,) = member.stack.rows("SELECT balance_nanousd AS b FROM account WHERE id = :id", id=member.account_id)
    assert account["b"] == 100 * 10**9 - row["cost_nanousd"]


def test_nobody_asks_as_somebody_else(member: Visitor, arrive: Arrive):
    other = arrive("member")
    token = member.token("/playground")
    response = ask(
        member,
        question(),
        f"{CHAT}?account={other.account_id}",
        token,
        headers={"Authorization": "Bearer sk-thermo-nonsense", "x-api-key": "nonsense"},
    )
    assert response.status_code == 200
    assert wait_for(lambda: spent(member)) and not spent(other)


def test_without_the_pages_token_nothing_is_asked(member: Visitor, nobody: Visitor):
    for token in (None, "nonsense"):
        response = ask(member, question(), token=token)
        assert response.status_code == 400
        assert "out of date" in response.json()["error"]["message"]
    assert ask(nobody, question(), token=nobody.token("/sign-in")).status_code == 401
    assert not spent(member)


@pytest.mark.parametrize(
    "path",
    ["v1/models", "v1/responses", "v1/messages", "health/liveness", "metrics", "v1/embeddings/", "console/keys",
     "v1/images/../embeddings", "v1%2fchat/completions/..", "/v1/embeddings"],
)  # fmt: skip
def test_other_paths_are_not_there(member: Visitor, path: str):
    prepared = requests.Request(
        "POST", member.base, data="{}", headers={"X-CSRFToken": member.token("/playground")}
    )
    request = member.http.prepare_request(prepared)
    request.url = f"{member.base}/playground/api/{path}"
    request.headers["Content-Type"] = "application/json"
    response = member.http.send(request, allow_redirects=False, timeout=30)
    assert response.status_code in (404, 308), path
    assert not spent(member)


def test_only_json_goes_along(member: Visitor):
    response = ask(member, question(), headers={"Content-Type": "text/plain"})
    assert response.status_code == 400 and not spent(member)


def test_refusals_are_the_apis_with_their_number(member: Visitor):
    response = ask(member, question(model="no-such-model"))
    assert response.status_code == 404 and "no-such-model" in response.json()["error"]["message"]
    assert response.headers["x-request-id"].startswith("req_")
    response = ask(member, {"model": "auto"})
    assert response.status_code == 422 and response.json()["error"]["param"] == "messages"


def test_a_stream_comes_piece_by_piece(member: Visitor):
    body = question(order("chunks=12 interval_ms=100", mark()), stream=True)
    at = []
    with ask(member, body, stream=True) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["X-Accel-Buffering"] == "no"
        for _ in response.iter_content(None):
            at.append(time.monotonic())
    assert len(at) >= 6 and at[-1] - at[0] > 0.5


def test_leaving_ends_the_request_upstream(member: Visitor):
    body = question(order("chunks=600 interval_ms=100", mark()), stream=True)
    with ask(member, body, stream=True) as response:
        next(response.iter_content(64))
        response.close()
    (row,) = wait_for(lambda: spent(member), 15)
    assert row["outcome"] == "client_gone"


def test_people_who_come_at_once_share_one_key(member: Visitor):
    token = member.token("/")
    cookies = dict(member.http.cookies)
    statuses: list[int] = []

    def come() -> None:
        headers = {"X-CSRFToken": token, "X-Requested-With": "fetch"}
        url = f"{member.base}/playground/api/{CHAT}"
        response = requests.post(url, json=question(), headers=headers, cookies=cookies, timeout=30)
        statuses.append(response.status_code)

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8
    sql = "SELECT COUNT(*) AS n FROM api_key WHERE account_id = :id"
    assert member.stack.rows(sql, id=member.account_id)[0]["n"] == 1
    assert len(wait_for(lambda: rows if len(rows := spent(member)) == 8 else None)) == 8


@pytest.mark.parametrize("role", ["member", "admin"])
def test_a_revoked_key_closes_the_playground_until_it_has_a_new_one(arrive: Arrive, role: str):
    visitor, told = arrive(role), "was revoked, so nothing can be asked"
    assert "data-send" in visitor.page("/playground")
    for count in (1, 2):
        visitor.stack.change("UPDATE api_key SET revoked_at_ms = 1 WHERE account_id = :id", id=visitor.account_id)
        page = visitor.page("/playground")
        assert told in page and "Make it a new key" in page and "data-send" not in page
        assert ask(visitor, question()).status_code == 401, "looking makes no new one"
        page = visitor.post("/playground/key", of="/playground").text
        assert "has a new key" in page and "data-send" in page and told not in page
        assert ask(visitor, question()).status_code == 200
        sql = "SELECT revoked_at_ms AS at FROM api_key WHERE account_id = :id ORDER BY created_at_ms, id"
        rows = [row["at"] for row in visitor.stack.rows(sql, id=visitor.account_id)]
        assert rows == [1] * count + [None], "what was revoked stays so"


def test_a_new_key_is_made_only_in_place_of_a_revoked_one(member: Visitor):
    member.page("/playground")
    for _ in range(2):
        member.post("/playground/key", of="/playground")
    sql = "SELECT COUNT(*) AS n FROM api_key WHERE account_id = :id"
    assert member.stack.rows(sql, id=member.account_id)[0]["n"] == 1


def test_what_the_key_may_not_ask_for_is_not_offered(member: Visitor):
    assert "gpt-4o-mini" in member.page("/playground")
    member.stack.change("""UPDATE api_key SET models = '["fast"]' WHERE account_id = :id""", id=member.account_id)
    page = member.page("/playground")
    assert 'value="fast"' in page and 'value="gpt-4o-mini"' not in page
    assert "No model is there for this" in member.page("/playground?tab=images")


@pytest.mark.parametrize(
    ("tab", "there", "not_there"),
    [
        ("chat", 'value="auto"', 'value="c1/'),
        ("images", 'value="gpt-image-', 'value="auto"'),
        ("embeddings", 'value="text-embedding-3-small"', 'value="auto"'),
        ("interfaces", 'value="c1/', 'value="auto"'),
    ],
)
def test_each_tab_offers_its_models(member: Visitor, tab: str, there: str, not_there: str):
    page = member.page(f"/playground?tab={tab}")
    assert there in page and not_there not in page
    assert page.count('aria-current="page"') == 2
    assert "$100.0000" in page and "paid from its credit" in page and "<noscript>" in page


def test_a_tab_that_is_not_there_is_not_found(member: Visitor):
    assert member.get("/playground?tab=<script>").status_code == 404


def test_what_a_request_has_cost_is_told_to_its_account_only(member: Visitor, arrive: Arrive):
    id_ = ask(member, question("Hello there", "auto")).headers["x-request-id"].removeprefix("req_")
    told = wait_for(lambda: member.get(f"/playground/runs/{id_}").json())
    assert told["cost"].startswith("$0.") and told["balance"] in ("$99.9999", "$100.0000")
    assert told["reasons"] and told["model"] and not told["estimated"]
    assert f"req_{id_}" in member.page(told["log"].removeprefix("/console"))
    other = arrive("member").get(f"/playground/runs/{id_}")
    assert (other.status_code, other.json()) == (202, {})
    admin = arrive("admin").get(f"/playground/runs/{id_}")
    assert (admin.status_code, admin.json()) == (202, {})


# ---- on an API that tells what it was sent


@pytest.fixture
def mirror(tmp_path: Path) -> Any:
    """The console in front of a WSGI application that answers what came."""

    def api(environ: dict[str, Any], start: Any) -> list[bytes]:
        shown = {k: str(v) for k, v in environ.items() if k.isupper()} | {
            "body": environ["wsgi.input"].read().decode()
        }
        start("200 OK", [("Content-Type", "application/json"), ("x-request-id", "req_1")])
        return [json.dumps(shown).encode()]

    books.fresh(tmp_path).close()
    gateway = context.gateway(read({"THERMLY_INSTANCE": str(tmp_path)}))
    at = At(gateway, api)
    now_ms = time.time_ns() // 1_000_000
    with gateway.database.begin() as tx:
        account = accounts.create(tx, "someone", "standard", now_ms)
        assert account is not None
        person = people.create(tx, "a@example.com", "", "member", account.id, now_ms)
    assert person is not None
    at.people.accept(at.people.invite(person), PASSWORD, "")
    app = create(at)
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post("/sign-in", data={"email": "a@example.com", "password": PASSWORD})
    yield client
    gateway.close()


def test_what_browsers_send_besides_stays_here(mirror: Any):
    headers = {
        "Authorization": "Basic mine",
        "Referer": "http://elsewhere",
        "X-Forwarded-For": "1.2.3.4",
        "x-api-key": "mine",
        "x-no-cache": "true",
        "Prefer": "respond-async",
    }
    told = mirror.post(f"/playground/api/{CHAT}?key=mine", json={"a": 1}, headers=headers).get_json()
    assert {name for name in told if name.startswith("HTTP_")} == {
        "HTTP_AUTHORIZATION",
        "HTTP_HOST",
        "HTTP_X_NO_CACHE",
    }
    assert told["HTTP_AUTHORIZATION"].startswith("Bearer sk-thermo-")
    assert (told["SCRIPT_NAME"], told["PATH_INFO"], told["QUERY_STRING"]) == ("", f"/{CHAT}", "")
    assert json.loads(told["body"]) == {"a": 1} and told["CONTENT_LENGTH"] == str(len(told["body"]))


def test_every_path_that_may_be_asked_is_one_of_the_apis(stack: Stack):
    paths = requests.get(stack.url + "/openapi.json", timeout=30).json()["paths"]
    assert {f"/{path}" for path in PATHS} <= {path for path, operations in paths.items() if "post" in operations}


# ---- lists of models


def test_models_stand_under_their_makers_and_retired_names_last():
    models = [
        {"id": "gpt-4", "owned_by": "openai", "retired_on": "2026-01-01"},
        {"id": "gpt-4o", "owned_by": "openai"},
        {"id": "auto", "owned_by": "thermly"},
        {"id": "claude", "owned_by": "anthropic"},
    ]
    found = by_maker(models)
    assert list(found) == ["Chosen for each request", "openai", "anthropic", "Retired names"]
    assert [m["id"] for m in found["openai"]] == ["gpt-4o"]


def test_interfaces_stand_under_their_version_the_newest_first():
    ids = ("c1/openai/gpt-4o/v-20250930", "c1/openai/gpt-4o/v-20260331", "c1/openai/o1/v-20260331")
    found = by_version([{"id": id_, "owned_by": "openai"} for id_ in ids])
    assert {name: len(rows) for name, rows in found.items()} == {"v-20260331": 2, "v-20250930": 1}
    assert next(iter(found)) == "v-20260331"
