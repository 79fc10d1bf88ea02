"""Sending a plain e-mail through the mail server of the settings.

Knows: SMTP. Must not know: what is written, and to whom.
"""

import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from thermly import trust
from thermly.settings import Settings

TIMEOUT_S = 15
PORTS = {"smtp": 587, "smtps": 465}
HERE = ("localhost", "127.0.0.1", "::1")


class NotSent(Exception):
    """The message says why, without secrets."""


def send(settings: Settings, to: str, subject: str, text: str) -> None:
    """Raises NotSent. A password goes over an encrypted connection only, or to this machine."""
    if not settings.smtp_url:
        raise NotSent("no mail server is set up (THERMLY_SMTP_URL)")
    message = EmailMessage()
    try:
        url = urlsplit(settings.smtp_url)
        host, port = url.hostname or "", url.port or PORTS[url.scheme]
        message["From"] = settings.mail_from or f"thermly@{socket.getfqdn()}"
        message["To"], message["Subject"] = to, subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="thermly")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
    except (ValueError, KeyError) as error:
        raise NotSent(f"THERMLY_SMTP_URL or an address cannot be used ({type(error).__name__})") from error
    try:
        with _server(url.scheme, host, port) as server:
            if url.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=trust.context())
                server.ehlo()
            if url.username is not None:
                if not isinstance(server.sock, ssl.SSLSocket) and host not in HERE:
                    raise NotSent("the mail server offers no encryption, so it gets no password")
                server.login(unquote(url.username), unquote(url.password or ""))
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(_why(error)) from error


def _server(scheme: str, host: str, port: int) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=trust.context())
    server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    server.ehlo()
    return server


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the mail server answered {error.smtp_code}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "the mail server does not take mail for this address"
    return f"the mail server could not be used ({type(error).__name__})"
