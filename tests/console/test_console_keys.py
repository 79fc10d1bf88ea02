"""The page of API keys: made, shown once, changed, revoked; whose is whose."""

from __future__ import annotations

import html
import re
import time
from typing import Any

import requests
from stories.stack import Stack, wait_for

from console.conftest import Arrive, Visitor
from thermly.store import accounts, keys
from thermly.store.keys import ApiKey

EVIL = "<script>alert(1)</script>"
KEY = re.compile(r'<code id="key">(sk-thermo-[\w-]{32})</code>')


def made(visitor: Visitor, **fields: Any) -> tuple[str, requests.Response]:
    """A new key, and the page that shows it."""
    response = visitor.post("/keys/new", {"name": "ci", "cap_period": "", "plan": "", **fields})
    assert response.status_code == 200, response.text
    found = KEY.search(response.text)
    assert found, response.text
    return found[1], response


def stored(stack: Stack, text: str) -> ApiKey:
    with stack.database.each() as tx:
        found = keys.find(tx, text)
        assert found is not None
        key = keys.by_id(tx, found.caller.key_id)
    assert key is not None
    return key


def ask(stack: Stack, text: str, model: str = "gpt-4o") -> requests.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    return requests.post(
        stack.url + "/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {text}"}, timeout=30
    )


def rest(key: ApiKey) -> dict[str, Any]:
    """What the form of an unchanged key sends."""
    return {"name": key.name, "models": key.allowed, "cap_period": key.cap_period or ""}


# ---- making one


def test_a_key_that_was_made_in_the_page_works_and_is_shown_once(stack: Stack, member: Visitor):
    text, response = made(member, name="the website")
    assert response.headers["Cache-Control"] == "no-store"
    assert text not in response.url and text not in str(response.headers) and text not in str(member.http.cookies)
    assert ask(stack, text).status_code == 200
    key = stored(stack, text)
    assert (key.name, key.account_id, key.allowed, key.cap_nanousd) == ("the website", member.account_id, [], None)
    for path in ("/keys", f"/keys/{key.id}", "/keys/new", "/"):
        page = member.page(path)
        assert text not in page
        assert path != "/keys" or ("the website" in page and f"…{text[-4:]}" in page)
    for file in stack.folder.glob("thermly.db*"):
        assert text.removeprefix("sk-thermo-").encode() not in file.read_bytes()
    assert text not in stack.log()


def test_what_to_paste_is_ready(stack: Stack, member: Visitor):
    text, response = made(member)
    code = [html.unescape(found) for found in re.findall(r"<pre[^>]*>(.*?)</pre>", response.text, re.S)]
    curl, sdk = code
    assert f"curl {stack.url}/v1/chat/completions" in curl and f"Bearer {text}" in curl
    assert f'base_url="{stack.url}/v1"' in sdk and f'api_key="{text}"' in sdk and 'model="auto"' in sdk
    _, response = made(member, models=["gpt-4o"])
    assert 'model="gpt-4o"' in html.unescape(response.text), "one that this key may use"
    _, response = made(member, models=["text-embedding-3-small"])
    assert "chat/completions" not in response.text, "it may use no chat model"


def test_every_choice_is_kept(stack: Stack, member: Visitor):
    text, _ = made(
        member, name="  two   words ", models=["auto", "gpt-4o"], cap="2.5", cap_period="week", expires="2099-12-31"
    )
    key = stored(stack, text)
    assert (key.name, key.allowed) == ("two words", ["auto", "gpt-4o"])
    assert (key.cap_nanousd, key.cap_period, key.expires_at_ms) == (2_500_000_000, "week", 4_102_358_400_000)
    page = member.page(f"/keys/{key.id}")
    assert "of <span" in page and "this week" in page and "<meter" in page and "auto, gpt-<wbr>4o" in page
    assert ask(stack, text, "dall-e-3").status_code in (400, 403, 404, 422)
    assert ask(stack, text, "gpt-4").status_code == 403


def test_a_period_without_a_cap_means_nothing(stack: Stack, member: Visitor):
    key = stored(stack, made(member, cap="", cap_period="day")[0])
    assert (key.cap_nanousd, key.cap_period, key.cap_resets_at_ms) == (None, None, None)


def test_members_cannot_give_themselves_a_plan_or_an_account(stack: Stack, member: Visitor, arrive: Arrive):
    other = arrive()
    more = {"plan": "enterprise", "rpm": "0", "image_rpm": "0", "account": other.account_id}
    text, _ = made(member, **more)
    key = stored(stack, text)
    assert key.account_id == member.account_id
    assert (key.plan, key.own_plan, key.rpm, key.image_rpm) == ("standard", None, None, None)
    assert "The key is changed" in member.post(f"/keys/{key.id}", {**rest(key), **more}).text
    key = stored(stack, text)
    assert key.account_id == member.account_id
    assert (key.plan, key.own_plan, key.rpm, key.image_rpm) == ("standard", None, None, None)
    page = member.page(f"/keys/{key.id}")
    assert 'name="plan"' not in page and 'name="rpm"' not in page and 'name="account"' not in page


def test_admins_choose_account_plan_and_limits(stack: Stack, admin: Visitor, arrive: Arrive):
    other = arrive()
    page = admin.page(f"/keys/new?account={other.account_id}")
    assert f'<option selected value="{other.account_id}">' in page
    text, _ = made(admin, account=other.account_id, plan="pro", rpm="7", image_rpm="0")
    key = stored(stack, text)
    assert (key.account_id, key.own_plan, key.rpm, key.image_rpm) == (other.account_id, "pro", 7, 0)
    assert "7 requests, any number of images a minute" in " ".join(admin.page(f"/keys/{key.id}").split())
    admin.post(f"/keys/{key.id}", {**rest(key), "plan": "", "rpm": "", "image_rpm": ""})
    key = stored(stack, text)
    assert (key.own_plan, key.plan, key.rpm, key.image_rpm) == (None, "standard", None, None)


# ---- the list


def test_the_list_says_what_is_the_matter_with_a_key(stack: Stack, member: Visitor):
    assert "No key in use" in member.page("/keys")
    names = ("running", "late", "spent", "gone")
    ids = {name: stored(stack, made(member, name=name, cap="0" if name == "spent" else "")[0]).id for name in names}
    stack.change("UPDATE api_key SET expires_at_ms = 1 WHERE id = :id", id=ids["late"])
    member.post(f"/keys/{ids['gone']}/revoke", of=f"/keys/{ids['gone']}")
    page = member.page("/keys")
    live, revoked = page.split("<details")
    for name, state in (("running", "active"), ("late", "expired"), ("spent", "cap reached")):
        row = live[live.index(f">{name}</span></a>") :]
        assert f">{state}</span>" in row[: row.index("</tr>")], name
    assert "1 revoked" in revoked and ">gone</span></a>" in revoked and ">gone</span></a>" not in live
    with stack.database.begin() as tx:
        accounts.disable(tx, member.account_id, 1)
    assert member.page("/keys").count("account disabled") == 3


def test_the_spending_of_a_key_is_on_its_page(stack: Stack, member: Visitor):
    text, _ = made(member, cap="1", cap_period="month")
    key = stored(stack, text)
    assert "Nothing was asked with this key." in member.page(f"/keys/{key.id}")
    assert ask(stack, text).status_code == 200
    assert wait_for(lambda: "for 1 requests" in member.page(f"/keys/{key.id}"), 20)
    page = member.page(f"/keys/{key.id}")
    assert "Dollars spent per day" in page and 'class="chart"' in page
    assert stored(stack, text).spent_nanousd > 0


def test_a_playground_key_is_shown_like_others(stack: Stack, member: Visitor):
    with stack.database.begin() as tx:
        keys.playground(tx, member.account_id, b"secret", time.time_ns() // 1_000_000)
    assert ">Playground</a>" in member.page("/keys")


# ---- whose is whose


def test_members_find_no_keys_but_their_own(stack: Stack, member: Visitor, arrive: Arrive, admin: Visitor):
    other = arrive()
    text, _ = made(other, name="not yours")
    key = stored(stack, text)
    for query in ("", f"?account={other.account_id}", "?account="):
        assert "not yours" not in member.page("/keys" + query)
    assert member.get(f"/keys/{key.id}").status_code == 404
    assert member.post(f"/keys/{key.id}", {"name": "mine", "cap_period": ""}, of="/keys/new").status_code == 404
    assert member.post(f"/keys/{key.id}/revoke", of="/keys/new").status_code == 404
    assert stored(stack, text).name == "not yours" and ask(stack, text).status_code == 200
    assert "not yours" in admin.page("/keys") and "not yours" in admin.page(f"/keys?account={other.account_id}")
    assert "not yours" not in admin.page(f"/keys?account={admin.account_id}")
    assert admin.get(f"/keys/{key.id}").status_code == 200
    assert admin.get("/keys/key_nobody").status_code == 404


# ---- changing and revoking


def test_a_key_is_changed_from_its_next_request_on(stack: Stack, member: Visitor):
    text, _ = made(member)
    key = stored(stack, text)
    response = member.post(f"/keys/{key.id}", {"name": "renamed", "models": ["gpt-4o-mini"], "cap_period": ""})
    assert "The key is changed" in response.text and "counts from now on" not in response.text
    assert stored(stack, text).name == "renamed"
    assert ask(stack, text).status_code == 403 and ask(stack, text, "gpt-4o-mini").status_code == 200
    response = member.post(f"/keys/{key.id}", {"name": "renamed", "cap": "0", "cap_period": "day"})
    assert "Spending under its cap counts from now on." in response.text
    assert ask(stack, text).status_code == 402


def test_what_is_not_changed_stays_to_the_millisecond(stack: Stack, member: Visitor):
    text, _ = made(member, cap="3", cap_period="month", models=["auto"])
    key = stored(stack, text)
    stack.change(
        'UPDATE api_key SET expires_at_ms = 1600000012345, models = \'["auto","long-gone"]\' WHERE id = :id',
        id=key.id,
    )
    assert ask(stack, text).status_code == 401, "it has expired"
    page = member.page(f"/keys/{key.id}")
    assert 'value="2020-09-13"' in page and 'value="long-gone" checked' in page
    assert "Other names that the key has" in page
    before = stored(stack, text)
    form = {**rest(before), "cap": "3.00", "expires": "2020-09-13", "name": "the same"}
    assert "The key is changed" in member.post(f"/keys/{key.id}", form).text
    after = stored(stack, text)
    assert (after.expires_at_ms, after.allowed) == (1600000012345, ["auto", "long-gone"])
    assert (after.cap_nanousd, after.cap_resets_at_ms) == (before.cap_nanousd, before.cap_resets_at_ms)
    member.post(f"/keys/{key.id}", {**form, "expires": ""})
    assert stored(stack, text).expires_at_ms is None and ask(stack, text, "auto").status_code == 200


def test_a_revoked_key_is_refused_at_once_and_cannot_be_changed(stack: Stack, member: Visitor):
    text, _ = made(member, name="old")
    key = stored(stack, text)
    assert ask(stack, text).status_code == 200
    response = member.post(f"/keys/{key.id}/revoke", of=f"/keys/{key.id}")
    assert "is revoked" in response.text and response.url.endswith("/console/keys")
    assert ask(stack, text).status_code == 401
    page = member.page(f"/keys/{key.id}")
    assert "Change it" not in page and "/revoke" not in page
    assert "revoked before" in member.post(f"/keys/{key.id}/revoke", of="/keys/new").text
    response = member.post(f"/keys/{key.id}", {"name": "new", "cap_period": ""}, of="/keys/new")
    assert "cannot be changed" in response.text
    assert stored(stack, text).name == "old"


# ---- bad input


def test_script_in_a_name_is_harmless_everywhere(stack: Stack, member: Visitor):
    text, response = made(member, name=EVIL)
    key = stored(stack, text)
    pages = [response.text, member.page("/keys"), member.page(f"/keys/{key.id}")]
    pages.append(member.post(f"/keys/{key.id}", {"name": EVIL, "cap": EVIL, "cap_period": ""}).text)
    pages.append(member.post(f"/keys/{key.id}/revoke", of=f"/keys/{key.id}").text)
    for page in pages:
        assert EVIL not in page and html.escape(EVIL) in page


def test_the_playgrounds_key_is_told_apart_and_not_counted(stack: Stack, member: Visitor, admin: Visitor):
    member.page("/playground")
    page = member.page("/keys")
    assert "No key in use" in page and "The playground&#39;s key" in page and ">playground</span>" in page
    (row,) = stack.rows("SELECT id FROM api_key WHERE account_id = :id", id=member.account_id)
    stack.change("UPDATE api_key SET name = 'another name' WHERE id = :id", id=row["id"])
    page = member.page(f"/keys/{row['id']}")
    assert ">playground</span>" in page and "made it by itself" in page
    assert "Keys that may use it" not in member.page("/models/model/gpt-4o")
    in_use = re.compile(r"<dt>Keys in use</dt><dd>(\d+)</dd>")
    path = f"/accounts/{member.account_id}"
    assert in_use.findall(admin.page(path)) == ["0"]
    text, _ = made(member, name="Playground")
    assert in_use.findall(admin.page(path)) == ["1"]
    page = member.page("/keys")
    assert "No key in use" not in page and page.count(">playground</span>") == 1
    assert ">playground</span>" not in member.page(f"/keys/{stored(stack, text).id}"), "the name makes none"
    member.post(f"/keys/{row['id']}/revoke", of="/keys")
    assert member.page("/keys").count(">playground</span>") == 1 and in_use.findall(admin.page(path)) == ["1"]


def test_the_page_says_when_a_cap_begins_to_count_anew(stack: Stack, member: Visitor):
    text, _ = made(member, cap="3", cap_period="month")
    page = member.page(f"/keys/{stored(stack, text).id}")
    assert "Another amount keeps what was spent under the cap so far; another period" in page
