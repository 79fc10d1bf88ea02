"""Accounts: what admins make and change there, and that it holds at once."""

from __future__ import annotations

import re

import pytest
import requests
from stories.stack import Caller, Stack, at_once, mark, wait_for

from console.conftest import Visitor


def made(admin: Visitor, **form: str) -> str:
    """The id of a new account."""
    response = admin.post("/accounts/new", {"name": mark(), "plan": "standard", "credit": "", **form})
    assert response.status_code == 200 and "is there" in response.text, response.text
    return response.url.rpartition("/")[2]


def account(stack: Stack, account_id: str) -> dict[str, object]:
    return stack.rows("SELECT * FROM account WHERE id = :id", id=account_id)[0]


def test_a_new_account_has_its_credit_in_the_ledger(stack: Stack, admin: Visitor):
    name = mark()
    account_id = made(admin, name=f"  {name}  ", plan="pro", credit="12.3456789")
    row = account(stack, account_id)
    assert (row["name"], row["plan"], row["balance_nanousd"]) == (name, "pro", 12_345_678_900)
    credits = stack.rows("SELECT amount_nanousd, kind FROM credit WHERE account_id = :id", id=account_id)
    assert credits == [{"amount_nanousd": 12_345_678_900, "kind": "grant"}]
    assert name in admin.page("/accounts")


def test_without_credit_the_ledger_is_empty(stack: Stack, admin: Visitor):
    assert stack.rows("SELECT 1 FROM credit WHERE account_id = :id", id=made(admin)) == []


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"name": " \0 "}, "This field is required"),
        ({"name": "x" * 201}, "longer than 200"),
        ({"name": "acc_0123"}, "does not begin with acc_"),
        ({"name": "a\u202eb"}, "no control characters"),
        ({"plan": "unlimited"}, "Not a valid choice"),
        ({"credit": "-1"}, "is not between"),
        ({"credit": "1e30"}, "is not between"),
        ({"credit": "1e9999999999"}, "is not between"),
        ({"credit": "١"}, "is not an amount"),
        ({"credit": "0.0000000001"}, "more than nine decimals"),
        ({"credit": "<script>"}, "is not an amount"),
    ],
)
def test_what_cannot_be_is_told_at_its_field(stack: Stack, admin: Visitor, form: dict[str, str], words: str):
    before = stack.rows("SELECT COUNT(*) AS n FROM account")
    response = admin.post("/accounts/new", {"name": mark(), "plan": "free", "credit": "", **form})
    assert response.status_code == 422 and words in response.text and 'aria-invalid="true"' in response.text
    assert stack.rows("SELECT COUNT(*) AS n FROM account") == before
    assert "<script>&" not in response.text and "'<script>'" not in response.text


def test_a_name_is_one_accounts(stack: Stack, admin: Visitor):
    name = mark()
    first, second = made(admin, name=name), made(admin)
    assert "Another account has this name" in admin.post("/accounts/new", {"name": name, "plan": "free"}).text
    response = admin.post(f"/accounts/{second}", {"name": name, "plan": "free"})
    assert response.status_code == 422 and "Another account has this name" in response.text
    assert account(stack, second)["plan"] == "standard", "nothing of it was changed"
    assert admin.post(f"/accounts/{first}", {"name": name, "plan": "free"}).status_code == 200
    response = admin.post(f"/accounts/{first}", {"name": second, "plan": "free"})
    assert response.status_code == 422 and "does not begin with acc_" in response.text


def test_an_id_is_that_of_its_account_whatever_another_is_called(stack: Stack, admin: Visitor):
    first, second = made(admin), made(admin)
    stack.change("UPDATE account SET name = :first WHERE id = :second", first=first, second=second)
    assert f"<p>Account {account(stack, first)['name']}" in admin.page(f"/billing?account={first}")


def test_two_who_choose_a_name_at_the_same_instant(stack: Stack, admin: Visitor):
    name, token = mark(), admin.token("/accounts/new")
    form = {"csrf_token": token, "name": name, "plan": "free", "credit": "1"}

    def send(_: int) -> int:
        url, cookies = admin.base + "/accounts/new", admin.http.cookies
        return requests.post(url, data=form, cookies=cookies, allow_redirects=False, timeout=30).status_code

    assert sorted(at_once(4, send)) == [303, 422, 422, 422]
    assert stack.rows("SELECT balance_nanousd AS b FROM account WHERE name = :n", n=name) == [{"b": 10**9}]


def test_name_and_plan_hold_from_the_next_request_on(stack: Stack, admin: Visitor):
    account_id, name = made(admin, plan="free", credit="1"), mark()
    caller = Caller(stack, account_id, stack.key(account_id))
    assert caller.ask().headers["x-ratelimit-limit-requests"] == "10"
    admin.post(f"/accounts/{account_id}", {"name": name, "plan": "pro"})
    assert account(stack, account_id)["name"] == name
    assert caller.ask().headers["x-ratelimit-limit-requests"] == "300"


def test_disabling_refuses_the_next_request_and_enabling_serves_again(stack: Stack, admin: Visitor):
    account_id = made(admin, credit="1")
    caller = Caller(stack, account_id, stack.key(account_id))
    assert caller.ask().status_code == 200
    page = f"/accounts/{account_id}"
    assert "requests with its keys are refused" in admin.post(page + "/disable", of=page).text
    assert caller.ask().status_code in (401, 403)
    assert "is served again" in admin.post(page + "/enable", of=page).text
    assert caller.ask().status_code == 200


def test_the_list_counts_people_keys_requests_and_money(stack: Stack, admin: Visitor):
    caller = stack.caller(usd=3)
    caller.told("Hello")
    (row,) = caller.usage()
    sql = "SELECT COALESCE(SUM(requests), 0) AS n FROM usage_day WHERE account_id = :id"
    assert wait_for(lambda: stack.rows(sql, id=caller.account_id)[0]["n"] == 1, 20)
    found = re.search(
        rf'<tr>\s*<th scope="row"><a href="[^"]*{caller.account_id}">.*?</tr>', admin.page("/accounts"), re.S
    )
    assert found, "not in the list"
    cells = [re.sub(r"<[^>]+>", "", c).strip() for c in re.findall(r"<td.*?>(.*?)</td>", found[0], re.S)]
    assert cells[:2] == ["active", "enterprise"] and cells[3:7] == ["$0.00", "0", "1", "1"]
    assert f'title="${row["cost_nanousd"] / 1e9:.9f}'.rstrip("0") in found[0]


def test_an_account_that_is_not_there_is_not_found(admin: Visitor):
    assert admin.get("/accounts/acc_none").status_code == 404
    assert admin.post("/accounts/acc_none/disable", of="/").status_code == 404


def test_a_name_is_no_html(admin: Visitor):
    account_id = made(admin, name=f"<script>{mark()}</script>")
    for path in ("/accounts", f"/accounts/{account_id}", f"/accounts/{account_id}/people/new"):
        text = admin.page(path)
        assert "&lt;script&gt;mark" in text and "<script>mark" not in text
