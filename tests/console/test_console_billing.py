"""Balance, ledger, credit by hand."""

from __future__ import annotations

import csv
import io
import re
import time

import pytest
from stories.stack import Caller, Stack, at_once, wait_for

from console.conftest import TOKEN, Arrive, Visitor
from thermly.amounts import parse_usd
from thermly.store import accounts

NANO = 10**9
SCRIPT = "<script>alert(1)</script>"


def once(page: str) -> str:
    found = re.search(r'name="once"[^>]*value="([0-9a-f]{22})"', page)
    assert found
    return found[1]


def add(admin: Visitor, account_id: str, amount: str, note: str = "", sure: str = "") -> tuple[int, str]:
    """Fill the form in as a browser does; status and text of the page that follows."""
    path = f"/billing?account={account_id}"
    form = {"once": once(admin.page(path)), "amount": amount, "note": note, "sure": sure}
    response = admin.post(f"/billing/credit?account={account_id}", form, of=path)
    return response.status_code, response.text


def ledger(visitor: Visitor, query: str = "") -> list[dict[str, str]]:
    response = visitor.get("/billing/ledger.csv" + query)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith("attachment; filename=")
    assert "\r\n" in response.text
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def balance(stack: Stack, account_id: str) -> int:
    row = stack.rows("SELECT balance_nanousd AS balance FROM account WHERE id = :id", id=account_id)[0]
    return int(row["balance"])


def name(stack: Stack, account_id: str) -> str:
    return str(stack.rows("SELECT name FROM account WHERE id = :id", id=account_id)[0]["name"])


def test_a_member_sees_its_balance_and_what_moved_it(arrive: Arrive, caller: Caller):
    member = arrive(account_id=caller.account_id)
    caller.told(model="gpt-4o")
    caller.told(model="claude-sonnet-4-5")
    caller.usage(2)
    page = member.page("/billing")
    assert re.search(r"about \d+ day|over a year", page)
    assert "gpt-<wbr>4o" in page and "1 request" in page and "Everything that has moved the balance" in page
    rows = ledger(member)
    assert {row["kind"] for row in rows} == {"usage", "grant"}
    assert parse_usd(rows[0]["balance_usd"], True) == caller.funds()[0], "the newest first, to the last nano-dollar"
    total = sum(parse_usd(row["amount_usd"], True) for row in rows)
    assert total == caller.funds()[0]


def test_an_account_without_any_entry_is_told_what_to_do(stack: Stack, arrive: Arrive):
    with stack.database.begin() as tx:
        made = accounts.create(tx, f"empty {time.time_ns()}", "free", time.time_ns() // 1_000_000)
    assert made is not None
    page = arrive(account_id=made.id).page("/billing")
    assert "Nothing has moved the balance yet" in page and "nothing was spent in the last 7 days" in page
    assert arrive(account_id=made.id).get("/billing?kind=usage").status_code == 200


def test_a_member_sees_its_own_account_whatever_the_address_says(stack: Stack, member: Visitor, admin: Visitor):
    theirs, own = name(stack, admin.account_id), name(stack, member.account_id)
    for query in (f"?account={admin.account_id}", f"?account={theirs}", "?account=none-such"):
        page = member.page("/billing" + query)
        assert own in page and theirs not in page
        assert {row["account"] for row in ledger(member, query)} == {own}
    assert "Change the balance" not in member.page("/billing")


def test_an_admin_sees_all_accounts_and_each(stack: Stack, member: Visitor, admin: Visitor):
    page = admin.page("/billing")
    assert name(stack, member.account_id) in page and name(stack, admin.account_id) in page
    assert "Change the balance" in admin.page(f"/billing?account={member.account_id}")
    assert admin.get("/billing?account=none-such").status_code == 404
    assert len({row["account"] for row in ledger(admin)}) > 1


def test_an_admin_adds_credit_and_takes_it_back(stack: Stack, member: Visitor, admin: Visitor):
    before, whose = balance(stack, member.account_id), name(stack, member.account_id)
    status, text = add(admin, member.account_id, "12.345678901", f"invoice {SCRIPT}")
    assert status == 200 and f"Added $12.345678901 to {whose}; its balance is $112.35." in text
    assert SCRIPT not in text and "invoice &lt;script&gt;" in text
    assert SCRIPT not in member.page("/billing")
    status, text = add(admin, member.account_id, "-2", "=too much")
    assert status == 200 and f"Took $2.00 from {whose}; its balance is $110.35." in text
    assert balance(stack, member.account_id) - before == parse_usd("10.345678901")
    rows = ledger(member)
    assert [(row["kind"], row["note"], row["amount_usd"]) for row in rows[:2]] == [
        ("correction", "'=too much", "-2.00"),
        ("grant", f"invoice {SCRIPT}", "12.345678901"),
    ]


@pytest.mark.parametrize(
    ("amount", "why"),
    [
        ("", "required"),
        ("0", "changes nothing"),
        ("-0", "changes nothing"),
        ("much", "is not an amount of dollars"),
        ("1e400", "not between"),
        ("9" * 39, "not between"),
        ("1000000000.01", "not between"),
        ("-1000000001", "not between"),
        ("NaN", "not between"),
        ("0.0000000001", "more than nine decimals"),
        (SCRIPT, "is not an amount of dollars"),
        ("1000000000", "at most 1,000,000,000 dollars"),
    ],
)
def test_an_amount_that_cannot_be_is_refused_at_its_field(
    stack: Stack, member: Visitor, admin: Visitor, amount: str, why: str
):
    before = balance(stack, member.account_id)
    status, text = add(admin, member.account_id, amount, "a note that stays")
    assert status == 422 and SCRIPT not in text
    error = re.search(r'id="amount-error">([^<]*)<', text)
    assert error and why in error[1]
    assert 'value="a note that stays"' in text
    assert balance(stack, member.account_id) == before


def test_taking_more_than_there_is_asks_first(stack: Stack, member: Visitor, admin: Visitor):
    whose = name(stack, member.account_id)
    status, text = add(admin, member.account_id, "-2000", "a slip")
    assert status == 422 and f"the balance of {whose} would be" in text and "−$1,900.00" in text
    assert 'value="a slip"' in text and "Take $2,000.00 all the same" in text and 'data-confirm=""' in text
    sure = re.search(r'name="sure" value="(-?\d+)"', text)
    assert sure and balance(stack, member.account_id) == 100 * NANO
    status, text = add(admin, member.account_id, "-3000", "", sure[1])
    assert status == 422 and "−$2,900.00" in text, "another amount is asked about anew"
    status, text = add(admin, member.account_id, "-2000", "", sure[1])
    assert status == 200 and f"Took $2,000.00 from {whose}; its balance is −$1,900.00." in text
    assert balance(stack, member.account_id) == -1900 * NANO
    assert "nothing left" in member.page("/billing") and "less than a day" not in member.page("/billing")
    assert add(admin, member.account_id, "1")[0] == 200, "to give needs no question"


def test_below_the_lowest_balance_the_sentence_is_of_that_side(stack: Stack, member: Visitor, admin: Visitor):
    stack.change("UPDATE account SET balance_nanousd = -1 WHERE id = :id", id=member.account_id)
    status, text = add(admin, member.account_id, "-1000000000")
    assert status == 422 and "An account owes at most 1,000,000,000 dollars." in text
    stack.change("UPDATE account SET balance_nanousd = :b WHERE id = :id", b=100 * NANO, id=member.account_id)


def test_what_is_spent_lasts_for_no_day_more(stack: Stack, arrive: Arrive, caller: Caller):
    member = arrive(account_id=caller.account_id)
    caller.told(model="gpt-4o")
    caller.usage(1)
    (before,) = stack.rows("SELECT balance_nanousd AS b FROM account WHERE id = :id", id=caller.account_id)
    stack.change("UPDATE account SET balance_nanousd = 0 WHERE id = :id", id=caller.account_id)
    page = member.page("/billing")
    stack.change("UPDATE account SET balance_nanousd = :b WHERE id = :id", b=before["b"], id=caller.account_id)
    assert "nothing left" in page and "less than a day" not in page


def test_a_note_that_is_too_long_is_refused(member: Visitor, admin: Visitor):
    status, text = add(admin, member.account_id, "1", "x" * 201)
    assert status == 422 and 'id="note-error"' in text


def test_a_form_that_is_sent_twice_adds_once(stack: Stack, member: Visitor, admin: Visitor):
    before = balance(stack, member.account_id)
    page = admin.page(f"/billing?account={member.account_id}")
    found = TOKEN.search(page)
    assert found
    form = {"csrf_token": found[1], "once": once(page), "amount": "5", "note": ""}
    url, cookies = f"{admin.base}/billing/credit?account={member.account_id}", dict(admin.http.cookies)

    def send(_: int) -> str:
        import requests

        return requests.post(url, data=form, cookies=cookies, timeout=60).text

    texts = at_once(6, send)
    assert sum("Added $5.00 to" in text for text in texts) <= 1
    assert balance(stack, member.account_id) - before == 5 * NANO


def test_members_cannot_add_credit(stack: Stack, member: Visitor):
    before = balance(stack, member.account_id)
    form = {"once": "0" * 22, "amount": "5"}
    assert member.post("/billing/credit", form, of="/billing").status_code == 404
    assert balance(stack, member.account_id) == before


def test_the_ledger_is_paged_and_filtered(stack: Stack, member: Visitor):
    now_ms = time.time_ns() // 1_000_000
    with stack.database.begin() as tx:
        for i in range(119):
            accounts.credit(tx, member.account_id, NANO + i, ["grant", "code"][i % 2], f"note {i}", now_ms - i)
    seen, path = [], "/billing"
    for _ in range(3):
        page = member.page(path)
        seen += re.findall(r" note (\d+)</td>", page)
        older = re.search(r'href="/console(/billing\?[^"]*before=[^"]*)"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert not path and len(seen) == len(set(seen)) == 119
    assert "To the newest" in page
    assert {row["kind"] for row in ledger(member, "?kind=code")} == {"code"}
    assert len(ledger(member, "?kind=code")) == 59
    assert "Nothing in this time" in member.page("/billing?from=2020-01-01&to=2020-01-31")
    assert ledger(member, "?from=2020-01-01&to=2020-01-31") == []
    for junk in ("?before=nonsense", "?kind=nonsense", "?span=nonsense", "?from=9999-99-99", "?before=a.b.c.d"):
        assert member.get("/billing" + junk).status_code == 200


def test_a_long_export_is_whole_and_adds_up(stack: Stack, member: Visitor):
    now_ms = time.time_ns() // 1_000_000
    with stack.database.begin() as tx:
        for i in range(2500):
            accounts.credit(tx, member.account_id, i + 1, "grant", "", now_ms - i)
    rows = ledger(member)
    assert len(rows) == 2501
    running = balance(stack, member.account_id)
    for row in rows:
        assert parse_usd(row["balance_usd"], True) == running
        running -= parse_usd(row["amount_usd"], True)
    assert running == 0


def test_what_happens_while_somebody_looks_adds_up(stack: Stack, arrive: Arrive, caller: Caller):
    member = arrive(account_id=caller.account_id)

    def work(i: int) -> None:
        if i < 3:
            for _ in range(5):
                caller.told(model="gpt-4o")
        else:
            import requests

            for _ in range(5):
                url = f"{member.base}/billing/ledger.csv"
                text = requests.get(url, cookies=dict(member.http.cookies), timeout=60).text
                rows = list(csv.DictReader(io.StringIO(text, newline="")))
                total = sum(parse_usd(row["amount_usd"], True) for row in rows)
                assert parse_usd(rows[0]["balance_usd"], True) == total

    at_once(5, work)
    assert wait_for(lambda: caller.funds()[1] == 0)
    assert parse_usd(ledger(member)[0]["balance_usd"], True) == caller.funds()[0]
