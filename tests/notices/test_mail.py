from collections.abc import Iterator
from pathlib import Path

import pytest
from listeners import MailServer, serving
from msgspec.structs import replace

from thermly.notices import mail
from thermly.notices.mail import NotSent
from thermly.settings import Settings, read


@pytest.fixture
def server() -> Iterator[MailServer]:
    with serving(MailServer()) as made:
        yield made


def at(folder: Path, url: str, **more: str) -> Settings:
    return read({"THERMLY_INSTANCE": str(folder), "THERMLY_SMTP_URL": url, **more})


def test_a_mail_arrives_as_it_was_written(tmp_path: Path, server: MailServer) -> None:
    settings = at(tmp_path, f"smtp://{server.address}", THERMLY_MAIL_FROM="Billing <billing@example.com>")
    mail.send(settings, "someone@example.com", "Grüße", "Zeile 1\n.\nZeile 3\n")
    [(sender, to, message)] = server.mails
    assert (sender, to) == ("billing@example.com", ["someone@example.com"])
    assert message["From"] == "Billing <billing@example.com>"
    assert message["Auto-Submitted"] == "auto-generated" and message["Date"] and message["Message-ID"]
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes) and payload.decode().splitlines()[0] == "Zeile 1"


def test_it_signs_in(tmp_path: Path, server: MailServer) -> None:
    mail.send(at(tmp_path, f"smtp://me%40x:p%3Aw@{server.address}"), "a@example.com", "s", "t")
    assert any(line.startswith("AUTH PLAIN") for line in server.said)


def test_a_password_is_not_sent_in_the_clear(
    tmp_path: Path, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "HERE", ())
    with pytest.raises(NotSent, match="no encryption"):
        mail.send(at(tmp_path, f"smtp://me:secret@{server.address}"), "a@example.com", "s", "t")
    assert not any("AUTH" in line for line in server.said)


@pytest.mark.parametrize(
    ("url", "to", "why"),
    [
        ("", "a@example.com", "no mail server"),
        ("http://localhost", "a@example.com", "cannot be used"),
        ("smtp://localhost:port", "a@example.com", "cannot be used"),
        ("smtp://127.0.0.1:1", "a@example.com", "could not be used"),
        ("smtps://127.0.0.1:1", "a@example.com", "could not be used"),
        ("smtp://127.0.0.1:1", "a@example.com\r\nBcc: b@example.com", "cannot be used"),
    ],
)
def test_what_cannot_be_sent_says_why_without_the_password(tmp_path: Path, url: str, to: str, why: str) -> None:
    with pytest.raises(NotSent, match=why):
        mail.send(replace(at(tmp_path, ""), smtp_url=url), to, "s", "t")


def test_a_refused_recipient_is_told(tmp_path: Path, server: MailServer) -> None:
    server.refuses = "a@example.com"
    with pytest.raises(NotSent, match="does not take mail for this address"):
        mail.send(at(tmp_path, f"smtp://{server.address}"), "a@example.com", "s", "t")
