import socket
import threading
import time
from collections.abc import Iterator

import pytest
from listeners import Webhook, serving

from thermly import trust
from thermly.notices import webhooks
from thermly.notices.webhooks import BadAddress, NotDelivered

INSIDE = [
    *("http://127.0.0.1/", "http://localhost:8080/", "http://[::1]/", "http://0.0.0.0/", "http://10.1.2.3/"),
    *("http://172.16.0.1/", "http://192.168.0.1/", "http://169.254.169.254/latest/", "http://100.64.0.1/"),
    *("http://[::ffff:127.0.0.1]/", "http://[::ffff:10.0.0.1]/", "http://[fd00::1]/", "http://[fe80::1]/"),
    *("http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://224.0.0.1/", "http://255.255.255.255/"),
    *("http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://[::]/", "http://[::127.0.0.1]/"),
]


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with serving(Webhook()) as server:
        yield server


@pytest.mark.parametrize("url", INSIDE)
def test_members_do_not_reach_into_this_network(url: str) -> None:
    with pytest.raises(BadAddress, match=r"own network|cannot be found"):
        webhooks.check(url, anywhere=False)
    with pytest.raises(NotDelivered, match=r"own network|cannot be found"):
        webhooks.post(url, {}, anywhere=False)
    webhooks.check(url, anywhere=True)


@pytest.mark.parametrize("url", ["https://1.1.1.1/hook?x=1", "http://[2606:4700:4700::1111]:8080/"])
def test_public_addresses_will_do(url: str) -> None:
    webhooks.check(url, anywhere=False)


@pytest.mark.parametrize(
    "url",
    [
        *("", "hook", "ftp://1.1.1.1/", "file:///etc/passwd", "https://", "https:///x", "https://1.1.1.1:99999/"),
        *(
            "https://1.1.1.1:port/",
            "https://[::1/",
            "https://a b/",
            "https://1.1.1.1/\r\nX: y",
            "https://ü.example/",
        ),
        *("https://user:pw@1.1.1.1/", "https://1.1.1.1:0/", "javascript:alert(1)", "https://1.1.1.1/" + "x" * 500),
    ],
)
def test_what_is_no_address_is_told(url: str) -> None:
    for anywhere in (False, True):
        with pytest.raises(BadAddress, match="address"):
            webhooks.check(url, anywhere)


def test_the_connection_goes_to_what_was_looked_at(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that means something else a moment later."""
    port = webhook.server_address[1]
    answers = iter([[(2, 1, 6, "", ("127.0.0.1", port))]])
    monkeypatch.setattr(webhooks, "_public", lambda address: True)
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **k: next(answers) if host == "hook.example" else real(host, *a, **k),
    )
    webhooks.post(f"http://hook.example:{port}/alert?a=b", {"x": 1}, anywhere=False)
    assert webhook.posted == [("/alert?a=b", "application/json", {"x": 1})]


def test_redirects_are_not_followed(webhook: Webhook) -> None:
    webhook.status = 308
    with pytest.raises(NotDelivered, match="it answered 308"):
        webhooks.post(webhook.url, {}, anywhere=True)
    assert len(webhook.posted) == 1


def test_one_that_talks_on_and_on_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "WHOLE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            client, _ = listener.accept()
            with client:
                try:
                    while True:
                        client.sendall(b"H")
                        time.sleep(0.02)
                except OSError:
                    pass

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        with pytest.raises(NotDelivered):
            webhooks.post(f"http://127.0.0.1:{listener.getsockname()[1]}/", {}, anywhere=True)
        assert time.monotonic() - began < 3
        thread.join()


def test_a_certificate_must_be_right(webhook: Webhook) -> None:
    with pytest.raises(NotDelivered, match="could not be reached"):
        webhooks.post(webhook.url.replace("http:", "https:"), {}, anywhere=True)
    assert trust.context().check_hostname and trust.context().get_ca_certs()
