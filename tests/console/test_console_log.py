"""The usage log: who sees which requests, why each went where it went, and transcripts for those who want them."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

import pytest
import requests
from stories.stack import Caller, Stack, mark, order, wait_for

from console.conftest import Arrive, Guest, Visitor
from thermly import errors
from thermly.console.log_filters import FAILURES, OUTCOMES

EVIL = "<script>alert(1)</script>"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def of(stack: Stack, visitor: Visitor, **key: Any) -> Caller:
    """Somebody who asks on the visitor's account."""
    return Caller(stack, visitor.account_id, stack.key(visitor.account_id, **key))


def plain(page: str) -> str:
    """The words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.replace("<wbr>", ""))).split())


def listed(visitor: Visitor, query: str = "") -> list[str]:
    """The ids of the requests on a page of the log."""
    return re.findall(r'<th scope="row"><a href="/console/usage/([0-9a-f]{22})"', visitor.page("/usage" + query))


def rows(visitor: Visitor, query: str = "") -> list[dict[str, str]]:
    response = visitor.get("/usage/requests.csv" + query)
    assert response.status_code == 200 and response.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(response.content.decode())))


def switch(visitor: Visitor, keep: str, account_id: str | None = None) -> requests.Response:
    account_id = account_id or visitor.account_id
    return visitor.post("/usage/transcripts", {"account": account_id, "keep": keep}, of="/usage")


# ---- the list


def test_a_request_shows_up_and_its_page_explains_it(stack: Stack, member: Visitor):
    caller = of(stack, member, name="the website")
    reply = caller.told(f"Hello {mark()}", "auto")
    row = caller.usage()[0]
    assert listed(member) == [row["id"]] == [reply["id"].removeprefix("thermo-")]
    text = plain(member.page("/usage"))
    assert "the website" in text and f"auto answered by → {row['model']}" in text
    page = plain(member.page(f"/usage/{row['id']}"))
    assert f"of level {row['complexity_level']} of 5" in page
    assert "short greeting" in page and "What level 1 comes from" in page
    assert f"req_{row['id']}" in page and "the website" in page and "until its first token" in page


def test_the_products_add_up_to_the_cost(stack: Stack, member: Visitor):
    caller = of(stack, member)
    caller.told(f"Hello {mark()}", "claude-haiku")
    row = caller.usage()[0]
    page = plain(member.page(f"/usage/{row['id']}"))
    cost = f"{row['cost_nanousd'] / 1e9:.9f}".rstrip("0")
    assert f"Sum {cost}" in page
    assert "Input" in page and "Output" in page and "prices of then" not in page
    assert "claude-haiku is another name for it" in page and row["model"] in page
    stack.change(
        "UPDATE usage SET baseline_nanousd = baseline_nanousd, input_tokens = 12345 WHERE seq = :s", s=row["seq"]
    )
    assert "They have changed since" in plain(member.page(f"/usage/{row['id']}"))


def test_who_failed_and_who_was_passed_over_is_told(stack: Stack, member: Visitor, calm: None):
    caller = of(stack, member)
    first = stack.first_provider()
    stack.calm()
    with stack.upstream(**{first: {"status": 529}}):
        caller.told(f"Hello {mark()}", "auto")
    row = caller.usage()[0]
    page = plain(member.page(f"/usage/{row['id']}"))
    assert row["provider"] != first
    assert "Asked in vain" in page and "is not able to answer just now" in page
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}
    caller.told([{"type": "text", "text": f"What is this? {mark()}"}, image], "auto")
    page = plain(member.page(f"/usage/{caller.usage(2)[1]['id']}"))
    assert "Passed over" in page and "does not support images" in page
    stack.calm()


def test_a_cache_hit_and_a_failure(stack: Stack, member: Visitor, calm: None):
    caller, question = of(stack, member), f"Hello {mark()}"
    caller.told(question, "auto")
    caller.told(question, "auto")
    caller.ask(order("status=400"), "gpt-4o")
    hit, failed = caller.usage(3)[1:]
    assert "was asked before" in plain(member.page(f"/usage/{hit['id']}"))
    page = plain(member.page(f"/usage/{failed['id']}"))
    assert "Why there is no answer" in page and "Refused by the provider" in page
    assert listed(member, "?outcome=failed") == listed(member, "?outcome=invalid_request") == [failed["id"]]
    assert listed(member, "?cache=hit") == [hit["id"]]


def test_where_nobody_answered_list_download_and_page_say_so(stack: Stack, member: Visitor, calm: None):
    caller = of(stack, member)
    try:
        assert caller.ask(order("status=529"), "auto").status_code == 503
    finally:
        stack.calm()
    (row,) = caller.usage()
    assert row["model"] and row["state"] == "released"
    assert "answered by" not in plain(member.page("/usage"))
    (told,) = rows(member)
    assert (told["asked"], told["answered"], told["provider"]) == ("auto", "", "")
    page = plain(member.page(f"/usage/{row['id']}"))
    assert f"Answered by nobody ( {row['model']} was asked last)" in page.replace("(", "( ").replace("(  ", "( ")
    assert "Why there is no answer" in page
    assert listed(member, f"?model={row['model']}") == []


def test_an_answer_that_broke_off_was_somebodys(stack: Stack, member: Visitor, calm: None):
    caller = of(stack, member)
    stream = caller.stream(order("cut=3"), "gpt-4o")
    stack.calm()
    (row,) = caller.usage()
    assert stream.error and row["state"] == "settled" and row["outcome"] == "upstream_failed"
    assert [told["answered"] for told in rows(member)] == ["gpt-4o"]
    page = plain(member.page(f"/usage/{row['id']}"))
    assert "Answered by gpt-4o of openai (not to the end)" in page and "Why gpt-4o" in page


def test_filters_of_the_address(stack: Stack, member: Visitor):
    one, two = of(stack, member, name="one"), of(stack, member, name="two")
    one.told(f"Hello {mark()}", "gpt-4o")
    two.told(f"Hello {mark()}", "gpt-4o-mini")
    b, a = listed(member)
    row = stack.rows("SELECT key_id FROM usage WHERE id = :id", id=a)[0]
    assert listed(member, "?model=gpt-4o-mini") == [b]
    assert listed(member, f"?key={row['key_id']}") == [a]
    assert listed(member, "?dearer=0.00005") == [a]
    assert listed(member, "?level=5") == listed(member, "?from=2020-01-01&to=2020-01-02") == []
    assert listed(member, "?span=24h") == [b, a]
    assert "No such request in this time" in member.page("/usage?level=5")
    huge = "?dearer=1e9999999999"
    for query in ("?level=9", "?dearer=lots", huge, "?outcome=rain", "?key=key_of_nobody", "?model=" + "x" * 300):
        response = member.get("/usage" + query)
        assert response.status_code == 422 and 'class="error"' in response.text, query
        assert member.get("/usage/requests.csv" + query).status_code == 400
    for query in ("?before=x", "?before=-1", "?after=²", "?before=" + "9" * 40, "?before=1&after=1"):
        assert member.get("/usage" + query).status_code == 200


def test_more_than_a_page(stack: Stack, member: Visitor):
    caller = of(stack, member)
    caller.told(f"Hello {mark()}")
    seq = caller.usage()[0]["seq"]
    columns = "account_id, key_id, state, outcome, surface, requested_model, started_at_ms, duration_ms"
    for i in range(119):
        stack.change(
            f"""INSERT INTO usage (id, {columns})
                SELECT substr(id, 1, 11) || printf('%011x', :i), {columns} FROM usage WHERE seq = :seq""",
            i=i,
            seq=seq,
        )
    found, query = [], ""
    for size in (50, 50, 20):
        page = member.page("/usage" + query)
        ids = re.findall(r'<a href="/console/usage/([0-9a-f]{22})"', page)
        assert len(ids) == size
        found += ids
        older = re.search(r'href="/console/usage(\?before=[^"]+)">Older requests', page)
        query = html.unescape(older[1]) if older else ""
    assert query == "" and len(set(found)) == 120
    newer = re.search(r'href="/console/usage(\?after=[^"]+)">Newer requests', page)
    assert newer and listed(member, html.unescape(newer[1])) == found[50:100]
    assert [row["id"] for row in rows(member)] == found


def test_a_request_is_found_by_any_form_of_its_id(stack: Stack, member: Visitor, admin: Visitor):
    caller = of(stack, member)
    caller.told(f"Hello {mark()}")
    number = caller.usage()[0]["id"]
    for form in ("", "req_", "thermo-", "chatcmpl-", "resp_", "msg_", " req_"):
        for visitor in (member, admin):
            assert visitor.get("/usage", params={"id": form + number}).url.endswith(f"/usage/{number}"), form
    assert member.get(f"/usage/chatcmpl-{number}").status_code == 200
    for nonsense in ("req_" + "0" * 22, EVIL, "x" * 200, "req_", "' OR 1=1"):
        response = member.get("/usage", params={"id": nonsense})
        assert response.status_code == 200 and "There is no request" in response.text and EVIL not in response.text


def test_the_download_has_exact_money_and_no_formula(stack: Stack, member: Visitor):
    caller = of(stack, member, name="=1+cmd|' /C calc'!A0")
    caller.told(f"Hello {mark()}", "gpt-4o-mini")
    row = caller.usage()[0]
    told = rows(member)
    assert len(told) == 1 and told[0]["key"].startswith("'=1+cmd")
    assert told[0]["cost_usd"] == f"{row['cost_nanousd'] / 1e9:.9f}".rstrip("0")
    assert told[0]["id"] == row["id"] and told[0]["answered"] == "gpt-4o-mini"
    assert rows(member, "?level=5") == []


def test_every_kind_of_error_has_words():
    assert errors.kinds().keys() <= OUTCOMES.keys() and set(FAILURES) <= OUTCOMES.keys()


# ---- who sees what


def test_members_see_their_own_account_whatever_the_address_says(stack: Stack, arrive: Arrive, admin: Visitor):
    mine, theirs = arrive(), arrive()
    caller = of(stack, theirs, name="their key")
    caller.told(f"Hello {mark()}")
    row = caller.usage()[0]
    for query in ("", f"?account={theirs.account_id}", "?span=90d"):
        page = mine.page("/usage" + query)
        assert row["id"] not in page and "their key" not in page
        assert rows(mine, query) == []
    assert mine.get(f"/usage?key={row['key_id']}").status_code == 422
    for path in (f"/usage/{row['id']}", f"/usage/req_{row['id']}"):
        assert mine.get(path).status_code == 404
    assert f"/usage/{row['id']}" not in mine.get(f"/usage?id={row['id']}").url
    assert listed(admin, f"?account={theirs.account_id}") == [row["id"]]
    assert row["id"] in listed(admin)
    assert admin.get(f"/usage/{row['id']}").status_code == 200
    assert [r["account"] for r in rows(admin, f"?account={theirs.account_id}")] == [
        stack.rows("SELECT name FROM account WHERE id = :id", id=theirs.account_id)[0]["name"]
    ]
    assert listed(admin, "?account=acc_of_nobody") == []


def test_names_are_harmless(stack: Stack, member: Visitor):
    caller = of(stack, member, name=EVIL)
    caller.told(f"Hello {mark()}")
    number = caller.usage()[0]["id"]
    stack.change(
        """UPDATE usage SET requested_model = :evil, model = :evil, surface = :evil, outcome = :evil,
             reasons = :reasons WHERE id = :id""",
        evil=EVIL,
        reasons=f'["{EVIL}", {{"tier": "{EVIL}", "failed": [["{EVIL}", "{EVIL}"]]}}]',
        id=number,
    )
    for path in ("/usage", f"/usage/{number}"):
        page = member.page(path)
        assert EVIL not in page and "&lt;script&gt;" in page


# ---- transcripts


def ask_everywhere(stack: Stack, caller: Caller, text: str, stream: bool) -> None:
    """The same on every surface, so that nothing but a transcript would keep it."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], "stream": stream}
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/v1/chat/completions", body),
        ("/v1/messages", {**body, "max_tokens": 100}),
        ("/v1/responses", {"model": "gpt-4o-mini", "input": text, "store": False, "stream": stream}),
        (f"/api/v1beta/models/gpt-4o-mini:{verb}", {"contents": [{"role": "user", "parts": [{"text": text}]}]}),
    ]
    for path, wanted in asked:
        response = caller.post(wanted, path, {"x-goog-api-key": caller.key})
        assert response.status_code == 200, response.text
        assert response.content


def kept(stack: Stack, caller: Caller) -> int:
    return int(
        stack.rows("SELECT COUNT(*) AS n FROM transcript WHERE account_id = :a", a=caller.account_id)[0]["n"]
    )


def on_disk(stack: Stack, text: str) -> bool:
    return any(text.encode() in file.read_bytes() for file in stack.folder.glob("thermly.db*"))


def test_off_by_default_and_on_for_every_surface_and_gone_when_off_again(stack: Stack, member: Visitor):
    caller, quiet, loud = of(stack, member), mark(), mark()
    for stream in (False, True):
        ask_everywhere(stack, caller, quiet, stream)
    caller.usage(8)
    assert kept(stack, caller) == 0 and not on_disk(stack, quiet) and quiet not in stack.log()
    page = plain(member.page("/usage"))
    assert "Transcripts off" in page and "admins of this server can read them" in page and "7 days" in page

    for words in ("Responses and conversations", "30 days", "store", "up to 24 hours", "Images that were made"):
        assert words in page, "what is kept besides is said too"

    page = plain(switch(member, "on").text)
    assert "transcript of each request is kept" in page and "Responses and conversations" in page
    for stream in (False, True):
        ask_everywhere(stack, caller, loud, stream)
    caller.usage(16)
    assert wait_for(lambda: kept(stack, caller) == 8)
    assert on_disk(stack, loud) and loud not in stack.log()
    for number in listed(member)[:8]:
        page = plain(member.page(f"/usage/{number}"))
        assert page.count(loud) >= 2, "what was asked, and what quotes it"

    answer = plain(switch(member, "off").text)
    assert "deleted (8 requests)" in answer
    assert kept(stack, caller) == 0 and not on_disk(stack, loud)
    ask_everywhere(stack, caller, quiet, False)
    caller.usage(20)
    assert kept(stack, caller) == 0
    page = plain(member.page(f"/usage/{listed(member)[0]}"))
    assert "No transcripts of this account's requests are kept" in page and "what is kept besides" in page


def test_a_transcript_is_shown_harmless_and_only_within_the_account(stack: Stack, arrive: Arrive, admin: Visitor):
    mine, colleague_less = arrive(), arrive()
    caller = of(stack, mine)
    switch(mine, "on")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}
    caller.told([{"type": "text", "text": f"{EVIL} {mark()}"}, image], "gpt-4o-mini")
    number = caller.usage()[0]["id"]
    assert wait_for(lambda: kept(stack, caller))
    for visitor in (mine, admin):
        page = visitor.page(f"/usage/{number}")
        assert EVIL not in page and page.count("&lt;script&gt;alert(1)") == 2
        assert re.search(r"image/png, 7\d bytes, not kept", plain(page))
        assert PNG not in page
    assert colleague_less.get(f"/usage/{number}").status_code == 404


def test_hits_broken_streams_and_failures_are_written_too(stack: Stack, member: Visitor, calm: None):
    caller, question = of(stack, member), f"Hello {mark()}"
    switch(member, "on")
    caller.told(question, "auto")
    caller.told(question, "auto")
    caller.stream(order("cut=3 chunks=9", question), "gpt-4o-mini")
    caller.ask(order("status=400", question), "gpt-4o-mini")
    numbers = [row["id"] for row in caller.usage(4)]
    assert wait_for(lambda: kept(stack, caller) == 4)
    pages = [plain(member.page(f"/usage/{number}")) for number in numbers]
    assert pages[0].count(question) == pages[1].count(question) >= 2
    assert question in pages[2] and "Answered assistant" in pages[2]
    assert question in pages[3] and "Answered Nothing." in pages[3]


def test_only_ones_own_transcripts_can_be_switched(stack: Stack, arrive: Arrive, admin: Visitor):
    mine, theirs = arrive(), arrive()
    assert switch(mine, "on", theirs.account_id).status_code == 404
    assert switch(mine, "on", "acc_of_nobody").status_code == 404
    sql = "SELECT transcripts_since_ms AS since FROM account WHERE id = :id"
    assert stack.rows(sql, id=theirs.account_id)[0]["since"] is None
    assert switch(admin, "on", theirs.account_id).status_code == 200
    assert stack.rows(sql, id=theirs.account_id)[0]["since"]
    assert "Transcripts on" in plain(theirs.page("/usage"))
    assert switch(theirs, "off").status_code == 200
    assert stack.rows(sql, id=theirs.account_id)[0]["since"] is None
    assert wait_for(lambda: f"{admin.email} switched transcripts of {theirs.account_id} on" in stack.log())


@pytest.mark.parametrize("path", ["/usage", "/usage/requests.csv", "/usage/0123456789abcdef012345"])
def test_nobody_in_particular_sees_nothing(nobody: Visitor, path: str):
    assert "/sign-in" in nobody.get(path).url


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_the_pages_can_be_used_by_everybody(stack: Stack, member: Visitor, chromium: Any, size: str, scheme: str):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    caller = of(stack, member)
    switch(member, "on")
    caller.told("x" * 500 + f" {mark()}", "auto")
    caller.ask(order("status=400"), "gpt-4o")
    assert wait_for(lambda: kept(stack, caller) == 2)
    page = Guest(chromium, member).open("/usage", size, scheme)
    for path in ("/usage", "/usage?level=5", "/usage?id=req_0", *(f"/usage/{n}" for n in listed(member))):
        page.goto(member.base + path)
        page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
        found = axe.Axe().run(page).response["violations"]
        assert [
            f"{path} {v['id']}: {v['nodes'][0]['html'][:200]}"
            for v in found
            if v["impact"] in ("serious", "critical")
        ] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"], path
        assert page.locator("h1").count() == 1 and page.complaints == [], path
