"""Where an account wants to be told of a low balance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from listeners import MailServer, Webhook, serving
from stories.stack import Stack, wait_for

from console.conftest import Arrive, Visitor

NANO = 10**9


def save(visitor: Visitor, **form: str) -> tuple[int, str]:
    response = visitor.post("/billing/alerts", form, of="/billing")
    return response.status_code, response.text


def wishes(stack: Stack, account_id: str) -> tuple[int | None, str, str]:
    row = stack.rows("SELECT * FROM account WHERE id = :id", id=account_id)[0]
    return row["alert_below_nanousd"], row["alert_email"], row["alert_webhook"]


def test_a_member_says_where_it_wants_to_be_told(stack: Stack, member: Visitor):
    status, text = save(member, below="2.5", email=" money@example.com ", webhook="https://1.1.1.1/hook?a=1")
    assert status == 200 and "Saved, but no mail server is set up here" in text
    assert "so money@example.com gets no mail yet" in text
    wanted = (2_500_000_000, "money@example.com", "https://1.1.1.1/hook?a=1")
    assert wishes(stack, member.account_id) == wanted
    page = member.page("/billing")
    assert 'value="2.50"' in page and "Send a test" in page
    assert "An https:// or http:// address, which the internet can reach;" in page
    assert "Saved." in save(member, below="", email="", webhook="")[1]
    assert wishes(stack, member.account_id) == (None, "", "")
    assert "Send a test" not in member.page("/billing")


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("below", "-1", "not between"),
        ("below", "1e30", "not between"),
        ("below", "little", "not an amount"),
        ("email", "nobody", "no e-mail address"),
        ("email", "a@b\r\nBcc: c@d", "no e-mail address"),
        ("email", "a@example.com, b@example.com", "no e-mail address"),
        ("email", "<script>@x", "no e-mail address"),
        ("email", "x" * 200 + "@x", "longer than"),
        ("webhook", "javascript:alert(1)", "begins with https://"),
        ("webhook", "http://127.0.0.1:6379/", "own network"),
        ("webhook", "http://169.254.169.254/latest/meta-data", "own network"),
        ("webhook", "http://[::ffff:10.0.0.1]/", "own network"),
        ("webhook", "https://me:secret@1.1.1.1/", "no user and password"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(stack: Stack, member: Visitor, field: str, value: str, why: str):
    status, text = save(member, **{"below": "", "email": "", "webhook": "", field: value})
    assert status == 422 and "<script>@x" not in text
    assert why in text.partition(f'id="{field}-error"')[2].partition("</p>")[0]
    assert wishes(stack, member.account_id) == (None, "", "")


def test_a_member_changes_its_own_account_only(stack: Stack, member: Visitor, admin: Visitor):
    form = {"email": "mine@example.com"}
    member.post(f"/billing/alerts?account={admin.account_id}", form, of="/billing")
    assert wishes(stack, admin.account_id) == (None, "", "")
    assert wishes(stack, member.account_id)[1] == "mine@example.com"
    path = f"?account={member.account_id}"
    admin.post("/billing/alerts" + path, {"email": "other@example.com"}, of="/billing" + path)
    assert wishes(stack, member.account_id)[1] == "other@example.com"


def test_nobody_makes_this_server_write_often(member: Visitor):
    save(member, email="stranger@example.com")
    said = [member.post("/billing/alerts/test", of="/billing").text for _ in range(11)]
    assert "no mail server is set up" in said[0]
    assert "That was often." in said[-1]
    assert save(member, email="stranger@example.com")[0] == 429


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with serving(MailServer()) as server:
        yield server


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    with serving(Webhook()) as server:
        yield server


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory, mail: MailServer) -> Iterator[Stack]:
    """A stack with a mail server, whose accounts may post into this network."""
    folder: Path = tmp_path_factory.mktemp("reached") / "instance"
    stack = Stack(
        folder,
        smtp_url=f"smtp://{mail.address}", alert_webhooks="anywhere", accounting_delay_s=1,
        public_url="https://llm.example", web_workers=1,
    ).start()  # fmt: skip
    yield stack
    stack.stop()
    assert "Traceback" not in stack.log(), stack.log()


def test_a_request_that_empties_an_account_is_told_by_mail_and_webhook(
    reached: Stack, mail: MailServer, webhook: Webhook
):
    from console.conftest import PASSWORD
    from thermly import ids
    from thermly.access.people import People
    from thermly.store import people

    caller = reached.caller(usd=100)
    email = f"{ids.new()}@example.com"
    with reached.database.begin() as tx:
        person_id = people.create(tx, email, "", "member", caller.account_id, 1)
    assert person_id is not None
    at = People(reached.database)
    at.accept(at.invite(person_id), PASSWORD, "")
    member = Visitor(reached, person_id, email, caller.account_id)
    member.sign_in()

    assert "own network too; a JSON object" in member.page("/billing")
    status, text = save(member, below="99.99999", email="money@example.com", webhook=webhook.url)
    assert status == 200 and "Saved." in text and "No mail server" not in text, text
    said = member.post("/billing/alerts/test", of="/billing").text
    assert "E-mail: sent. Webhook: sent." in said
    assert webhook.posted.pop()[2]["event"] == "balance.test"
    assert mail.mails.pop()[1] == ["money@example.com"]
    for _ in range(3):
        caller.told("Hello! " * 50, model="gpt-4o")
    assert wait_for(lambda: webhook.posted and mail.mails, 20)
    assert webhook.posted[0][2]["event"] == "balance.low"
    assert webhook.posted[0][2]["account_id"] == caller.account_id
    assert "low on credit" in mail.mails[0][2]["Subject"]


def test_guests_are_kept_out(nobody: Visitor, arrive: Arrive):
    token = nobody.token("/sign-in")
    url = nobody.base + "/billing/alerts"
    assert nobody.http.post(url, data={"csrf_token": token, "email": "a@b"}, timeout=30).status_code == 401
