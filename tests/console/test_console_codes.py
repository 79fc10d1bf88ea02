"""Redeem codes in the browser."""

from __future__ import annotations

import csv
import io
import re
import time

import pytest
import requests
from stories.stack import Caller, Stack, at_once

from console.conftest import TOKEN, Arrive, Visitor
from thermly.store import accounts

NANO = 10**9
NOTHING = "That code is not worth anything: it is unknown, used, or expired."


def make(admin: Visitor, count: int = 1, **form: str) -> list[dict[str, str]]:
    response = admin.post("/billing/codes", {"count": str(count), "amount": "5", **form})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def redeem(visitor: Visitor, code: str) -> requests.Response:
    return visitor.post("/billing/redeem", {"code": code}, of="/billing")


def balance(stack: Stack, account_id: str) -> int:
    row = stack.rows("SELECT balance_nanousd AS balance FROM account WHERE id = :id", id=account_id)[0]
    return int(row["balance"])


def test_codes_are_made_redeemed_and_spent(stack: Stack, arrive: Arrive, admin: Visitor):
    poor = stack.caller(usd=0)
    assert poor.ask().status_code == 402
    [row] = make(admin, note="spring")
    assert re.fullmatch(r"THRM(-[0-9A-Z]{4}){4}", row["code"])
    assert (row["amount_usd"], row["note"], row["expires_utc"]) == ("5.00", "spring", "")
    member = arrive(account_id=poor.account_id)
    response = redeem(member, f" {row['code'].lower()} ")
    assert response.status_code == 200 and "5.00 USD added." in response.text
    assert "spring" in response.text and row["code"] not in response.text
    assert poor.ask().status_code == 200, "the next request counts on it"
    again = redeem(member, row["code"])
    assert again.status_code == 422 and "This account has redeemed that code already." in again.text


def test_unknown_used_and_expired_ones_get_the_same_answer(stack: Stack, arrive: Arrive, admin: Visitor):
    used, expired = (row["code"] for row in make(admin, 2))
    redeem(arrive(), used)
    stack.change("UPDATE redeem_code SET expires_at_ms = 1 WHERE hint = :hint", hint=expired[-4:])
    member = arrive()
    before = balance(stack, member.account_id)
    answers = {redeem(member, code).text for code in (used, expired, "THRM-0000-0000-0000-0000", "<b>x</b>")}
    told = {re.search(r'id="code-error">([^<]*)<', text)[1] for text in answers}  # type: ignore[index]
    assert told == {NOTHING}
    assert balance(stack, member.account_id) == before


def test_of_two_people_at_the_same_instant_one_gets_it(stack: Stack, arrive: Arrive, admin: Visitor):
    visitors = [arrive() for _ in range(6)]
    before = [balance(stack, v.account_id) for v in visitors]
    for row in make(admin, 3):
        forms = []
        for visitor in visitors:
            found = TOKEN.search(visitor.page("/billing"))
            assert found
            forms.append({"csrf_token": found[1], "code": row["code"]})

        def send(i: int, forms: list[dict[str, str]] = forms) -> str:
            return visitors[i].http.post(visitors[i].base + "/billing/redeem", data=forms[i], timeout=60).text

        texts = at_once(len(visitors), send)
        assert sum("5.00 USD added." in text for text in texts) == 1
        assert sum(NOTHING in text for text in texts) == len(visitors) - 1
    after = [balance(stack, v.account_id) for v in visitors]
    assert sum(after) - sum(before) == 15 * NANO


def test_somebody_who_guesses_is_stopped(member: Visitor, admin: Visitor):
    [row] = make(admin)
    statuses = [redeem(member, f"THRM-0000-0000-0000-{i:04}").status_code for i in range(11)]
    assert statuses == [422] * 10 + [429]
    late = redeem(member, row["code"])
    assert late.status_code == 429 and "Too many tries" in late.text


def test_an_admin_redeems_for_an_account(stack: Stack, member: Visitor, admin: Visitor):
    [row] = make(admin)
    before = balance(stack, member.account_id)
    path = f"?account={member.account_id}"
    response = admin.post("/billing/redeem" + path, {"code": row["code"]}, of="/billing" + path)
    assert "5.00 USD added." in response.text
    assert balance(stack, member.account_id) - before == 5 * NANO


def test_a_member_redeems_for_its_own_account_only(stack: Stack, member: Visitor, admin: Visitor):
    [row] = make(admin)
    before = balance(stack, admin.account_id)
    member.post(f"/billing/redeem?account={admin.account_id}", {"code": row["code"]}, of="/billing")
    assert balance(stack, admin.account_id) == before
    assert "This account has redeemed" in redeem(member, row["code"]).text


def test_batches_are_listed_and_the_rest_made_void(stack: Stack, member: Visitor, admin: Visitor):
    note = f"<script>batch {time.time_ns()}</script>"
    rows = make(admin, 3, note=note, until="8999-12-31")
    assert rows[0]["note"] == note and rows[0]["expires_utc"] == "9000-01-01 00:00"
    redeem(member, rows[0]["code"])
    page = admin.page("/billing/codes")
    assert note not in page and "&lt;script&gt;batch" in page
    response = admin.post(f"/billing/codes/{rows[0]['batch']}/void", of="/billing/codes")
    assert "2 codes made void." in response.text
    again = admin.post(f"/billing/codes/{rows[0]['batch']}/void", of="/billing/codes")
    assert "Nothing was left of that batch." in again.text
    assert NOTHING in redeem(member, rows[1]["code"]).text


def test_a_note_is_no_formula_in_the_file(admin: Visitor):
    [row] = make(admin, note="=HYPERLINK(1)")
    assert row["note"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"count": "0"}, "count"),
        ({"count": "1001"}, "count"),
        ({"count": "many"}, "count"),
        ({"count": "1" * 400}, "count"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "1e30"}, "amount"),
        ({"amount": ""}, "amount"),
        ({"note": "x" * 201}, "note"),
        ({"until": "2020-01-01"}, "until"),
        ({"until": "9999-12-31"}, "until"),
        ({"until": "soon"}, "until"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(stack: Stack, admin: Visitor, form: dict[str, str], field: str):
    count = "SELECT COUNT(*) AS count FROM redeem_code"
    before = stack.rows(count)
    response = admin.post("/billing/codes", {"count": "2", "amount": "5", **form})
    assert response.status_code == 422 and f'id="{field}-error"' in response.text
    assert stack.rows(count) == before


def test_a_thousand_at_once(admin: Visitor):
    assert len({row["code"] for row in make(admin, 1000)}) == 1000


def test_members_make_no_codes(caller: Caller, arrive: Arrive):
    member = arrive(account_id=caller.account_id)
    assert member.get("/billing/codes").status_code == 404
    assert member.post("/billing/codes", {"count": "1", "amount": "5"}, of="/billing").status_code == 404
    assert "/billing/codes" not in member.page("/billing")


def test_a_code_that_would_be_too_much_is_kept(stack: Stack, admin: Visitor, arrive: Arrive):
    with stack.database.begin() as tx:
        rich = accounts.create(tx, f"rich {time.time_ns()}", "pro", 1)
        assert rich is not None
        accounts.credit(tx, rich.id, 10**9 * NANO, "grant", "", 1)
    [row] = make(admin)
    response = redeem(arrive(account_id=rich.id), row["code"])
    assert response.status_code == 422 and "at most 1,000,000,000 dollars" in response.text
    assert "5.00 USD added." in redeem(arrive(), row["code"]).text
