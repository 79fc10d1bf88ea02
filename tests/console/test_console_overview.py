"""The overview: its sums are those of the rows, and nothing in it is taken for HTML."""

from __future__ import annotations

import html
import re

from stories.stack import Stack, mark, order, wait_for

from console.conftest import Arrive, Visitor


def figures(text: str) -> dict[str, str]:
    """The tiles, by what they say they are."""
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text, re.S)
    return {name: html.unescape(re.sub(r"<[^>]+>", " ", value)).split()[0] for name, value in found}


def accounted(stack: Stack, account_id: str, requests: int) -> None:
    sql = "SELECT COALESCE(SUM(requests), 0) AS n FROM usage_day WHERE account_id = :id"
    assert wait_for(lambda: stack.rows(sql, id=account_id)[0]["n"] == requests, 20)


def test_a_new_account_is_told_what_to_do(member: Visitor):
    text = member.page("/")
    assert "Nothing was asked in this time" in text and "/v1/chat/completions" in text


def test_sums_are_those_of_the_rows(stack: Stack, arrive: Arrive):
    caller = stack.caller()
    told = mark()
    for text, model in ((told, "auto"), (told, "auto"), ("Hello", "gpt-4o")):
        caller.told(text, model)
    assert caller.ask("Hello", "none-such").status_code == 404
    rows = caller.usage(3)
    accounted(stack, caller.account_id, 3)
    visitor = arrive("member", caller.account_id)
    for path in ("/", "/?span=24h", "/?span=90d"):
        text = visitor.page(path)
        tiles = figures(text)
        assert tiles["Requests"] == "3" and tiles["Answered from the cache"] == "33", path
        exact = sum(row["cost_nanousd"] for row in rows)
        assert f'title="${exact / 1e9:.9f}'.rstrip("0") in text, path
        assert text.count('class="chart"') == 2 and "<title>" in text


def test_where_nobody_ever_answered_the_page_says_so(stack: Stack, arrive: Arrive, calm: None):
    caller = stack.caller()
    try:
        assert caller.ask(order("status=529"), "auto").status_code == 503
    finally:
        stack.calm()
    accounted(stack, caller.account_id, 1)
    visitor = arrive("member", caller.account_id)
    for path in ("/", "/?span=24h"):
        text = visitor.page(path)
        assert figures(text)["Failed"] == "100.0" and "none answered</th>" in text, path
        assert caller.usage()[0]["model"] not in text and text.count('class="chart"') == 2, path


def test_a_member_sees_nothing_of_other_accounts(stack: Stack, member: Visitor, admin: Visitor):
    caller = stack.caller()
    caller.told("Hello", "gpt-4o-mini")
    accounted(stack, caller.account_id, 1)
    assert "Nothing was asked" in member.page(f"/?account={caller.account_id}")
    assert figures(admin.page(f"/?account={caller.account_id}"))["Requests"] == "1"


def test_dates_that_make_no_sense_are_the_usual_week(member: Visitor):
    for query in (
        "span=never",
        "from=2027-13-45",
        "from=9999-12-31&to=0001-01-01",
        "to=2026-01-01",
        "from=<script>",
    ):
        text = member.page(f"/?{query}")
        assert "<script>&" not in text and "(UTC)" in text


def test_an_accounts_name_is_no_html(stack: Stack, arrive: Arrive):
    visitor = arrive("admin")
    stack.change(
        "UPDATE account SET name = :n WHERE id = :id", n=f"<script>{mark()}</script>", id=visitor.account_id
    )
    text = visitor.page(f"/?account={visitor.account_id}")
    assert "&lt;script&gt;" in text and "<script>mark" not in text


def test_models_beyond_the_first_are_there_too(stack: Stack, arrive: Arrive):
    caller, models = stack.caller(), [
        *("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "claude-sonnet-4-5", "claude-haiku-4-5"),
        *("claude-opus-5-5", "gemini-2.5-flash", "gemini-2.5-pro", "gpt-6-luna"),
    ]  # fmt: skip
    for model in models:
        caller.told("Hello", model)
    accounted(stack, caller.account_id, len(models))
    text = arrive("member", caller.account_id).page("/")
    assert "and 2 more" in text and all(f">{model}</th>" in text for model in models)
    first, _, rest = text.partition("<details")
    assert (first.count('<th scope="row">'), rest.count('<th scope="row">')) == (8, 2)


def test_members_are_told_that_their_account_is_disabled(stack: Stack, member: Visitor, admin: Visitor):
    told, path = "is disabled since", f"/?account={member.account_id}"
    assert told not in member.page("/") and told not in admin.page(path)
    stack.change("UPDATE account SET disabled_at_ms = 1 WHERE id = :id", id=member.account_id)
    assert told in member.page("/") and "Ask an admin" in member.page("/")
    assert f"/accounts/{member.account_id}" in admin.page(path).partition(told)[2].partition("</div>")[0]
    assert told not in admin.page("/")
