"""OpenAI's images over real sockets: from the sandbox, and from servers that each differ a little."""

import base64
import json
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from test_upstream import SHORT, answering, certificate, serving, whole

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.errors import ContentRefused, GatewayError, InvalidRequest, UpstreamFailed
from thermly.exchange import Usage
from thermly.pictures import MOST_BYTES, ImageReply, ImageRequest, Picture, sniff
from thermly.providers import fetching, openai_images
from thermly.providers.fetching import fetch
from thermly.providers.openai_images import draw
from thermly.providers.upstream import Client
from thermly.sandbox.server import Sandbox, start

__all__ = ["certificate"]

GPT = "gpt-image-2.5-flare"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(65))
JPEG = b"\xff\xd8\xff\xe0" + bytes(60)
WEBP = b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(40)
GIF = b"GIF89a" + bytes(40)
FOX = ImageRequest("m", "a fox")


def target(base_url: str, upstream: str = "stablediffusion", key: str | None = "key") -> Target:
    price = Price(0, 0, 0, 0, 0)
    model = Model("painter", "openai", upstream, 0, 0, price, frozenset(), kind="image")
    return Target(model, ProviderRow("openai", "openai_like", base_url, key), price)


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(SHORT)


# ---- the sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    running = start()
    yield running
    running.stop()


def ask(
    sandbox: Sandbox,
    client: Client,
    upstream: str,
    prompt: str = "a fox",
    n: int = 1,
    size: str | None = "1024x1024",
    quality: str | None = None,
    **extras: Any,
) -> ImageReply:
    request = ImageRequest("m", prompt, n, user="u", extras={"openai": extras})
    return draw(request, target(sandbox.url + "/openai/v1", upstream), n, size, quality, client)


def measured(picture: Picture) -> tuple[int, int]:
    assert picture.media_type == "image/png"
    width, height = struct.unpack(">II", picture.data[16:24])
    return width, height


def test_gpt_images_are_counted_by_tokens(sandbox: Sandbox, client: Client):
    reply = ask(sandbox, client, GPT, n=2, size="1536x1024", quality="low", background="opaque")
    assert [measured(picture) for picture in reply.pictures] == [(1536, 1024)] * 2
    assert reply.pictures[0].data != reply.pictures[1].data
    assert reply.usage is not None
    assert (reply.usage.output_tokens, reply.usage.input_tokens > 0) == (800, True)


def test_gpt_images_choose_what_is_left_open(sandbox: Sandbox, client: Client):
    assert measured(ask(sandbox, client, GPT, size=None).pictures[0]) == (1024, 1024)


def test_dall_e_3_has_a_style_and_revises(sandbox: Sandbox, client: Client):
    reply = ask(sandbox, client, "dall-e-3", size="1024x1792", quality="hd", style="natural")
    (made,) = reply.pictures
    assert measured(made) == (1024, 1792)
    assert made.revised_prompt == "A natural picture: a fox"
    assert reply.usage is None


def test_dall_e_2_draws_several(sandbox: Sandbox, client: Client):
    reply = ask(sandbox, client, "dall-e-2", n=3, size="256x256", quality="standard")
    assert [measured(picture) for picture in reply.pictures] == [(256, 256)] * 3
    assert [picture.revised_prompt for picture in reply.pictures] == [None] * 3


@pytest.mark.parametrize("upstream", [GPT, "dall-e-3", "dall-e-2", "stablediffusion"])
def test_no_family_is_told_what_it_refuses(sandbox: Sandbox, client: Client, upstream: str):
    extras = {"style": "vivid", "background": "opaque", "moderation": "low", "output_format": "png"}
    reply = ask(sandbox, client, upstream, output_compression=100, safety_identifier="s", **extras)
    assert len(reply.pictures) == 1


def test_what_nobody_knows_is_the_vendors_to_refuse(sandbox: Sandbox, client: Client):
    with pytest.raises(InvalidRequest) as caught:
        ask(sandbox, client, GPT, frames=3)
    assert caught.value.param == "frames"


@pytest.mark.parametrize("upstream", [GPT, "dall-e-3", "stablediffusion"])
def test_a_prompt_that_moderation_stops_is_refused(sandbox: Sandbox, client: Client, upstream: str):
    with pytest.raises(ContentRefused, match="safety system") as caught:
        ask(sandbox, client, upstream, "a [[sandbox: block]]")
    assert (caught.value.param, caught.value.code) == ("prompt", "content_policy_violation")


@pytest.mark.parametrize(
    ("order", "retry_after_s"),
    [
        ("status=429 retry_after=2", 2),
        ("status=503", None),
        ("status=401", 60),
        ("html status=502", None),
        ("badjson", None),
        ("empty", None),
        ("cut=1", None),
    ],
)
def test_failures(sandbox: Sandbox, client: Client, order: str, retry_after_s: int | None):
    with pytest.raises(UpstreamFailed) as caught:
        ask(sandbox, client, "dall-e-2", f"a [[sandbox: {order}]]")
    assert caught.value.retry_after_s == retry_after_s


def test_no_usage(sandbox: Sandbox, client: Client):
    assert ask(sandbox, client, GPT, "a [[sandbox: no_usage]]").usage is None


# ---- what is asked


def reply_of(*rows: Any, **fields: Any) -> bytes:
    return json.dumps({"created": 7, "data": rows, **fields}).encode()


def packed(data: bytes, **fields: Any) -> dict[str, Any]:
    return {"b64_json": base64.b64encode(data).decode(), **fields}


def asked(upstream: str, request: ImageRequest = FOX, size: str | None = None, quality: str | None = None) -> Any:
    with serving(answering(whole(reply_of(packed(PNG))))) as server:
        draw(request, target(server.url, upstream), 2, size, quality, Client(SHORT))
        return json.loads(server.bodies[0])


@pytest.mark.parametrize("upstream", ["stablediffusion", "dall-e-2", "dall-e-3", "my-gpt-image-2"])
def test_base64_is_asked_for(upstream: str):
    assert asked(upstream) == {"model": upstream, "prompt": "a fox", "n": 2, "response_format": "b64_json"}


@pytest.mark.parametrize("upstream", ["gpt-image-1", GPT, "chatgpt-image-latest", "openai/gpt-image-2"])
def test_gpt_images_are_base64_anyway_and_refuse_to_be_asked(upstream: str):
    assert asked(upstream) == {"model": upstream, "prompt": "a fox", "n": 2}


def test_the_request():
    extras = {"openai": {"step": 20, "style": "vivid", "background": "opaque"}, "gemini": {"x": 1}}
    request = ImageRequest("m", "a fox", 3, "auto", "low", False, "u", extras)
    assert asked("sd", request, "512x512", "hd") == {
        **{"step": 20, "background": "opaque", "model": "sd", "prompt": "a fox", "n": 2},
        **{"size": "512x512", "quality": "hd", "user": "u", "response_format": "b64_json"},
    }


# ---- servers that differ


def told(body: bytes, n: int = 1, **head: Any) -> ImageReply:
    with serving(answering(whole(body, **head))) as server:
        return draw(FOX, target(server.url), n, None, None, Client(SHORT))


@pytest.mark.parametrize(
    ("data", "kind"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp"), (GIF, "image/gif")]
)
def test_an_image_is_what_its_bytes_are(data: bytes, kind: str):
    (made,) = told(reply_of(packed(data, media_type="text/html"))).pictures
    assert made == Picture(data, kind)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"<svg/>", b"<html>", PNG[:7], b" " + PNG, b"\xff\xd8", b"RIFF\x24\x00\x00\x00WAVEfmt ", b"GIF88a"),
        *(b"BM" + bytes(60), b"%PDF-1.7", b"II*\x00"),
    ],
)
def test_what_is_no_image_is_not_taken_for_one(data: bytes):
    assert sniff(data) is None
    with pytest.raises(UpstreamFailed):
        told(reply_of(packed(data)))


def test_more_images_than_asked_for_are_left_and_fewer_are_told():
    rows = [packed(PNG + bytes([i])) for i in range(3)]
    assert [picture.data for picture in told(reply_of(*rows), 2).pictures] == [PNG + b"\0", PNG + b"\1"]
    assert len(told(reply_of(*rows), 4).pictures) == 3


def test_an_image_may_be_as_large_as_allowed_and_no_larger():
    data = PNG + bytes(MOST_BYTES - len(PNG))
    assert len(told(reply_of(packed(data))).pictures[0].data) == MOST_BYTES
    for excess in (1, 8):
        with pytest.raises(UpstreamFailed, match="no answer"):
            told(reply_of(packed(data + bytes(excess))))


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"input_tokens": 9, "output_tokens": 272, "total_tokens": 281}, Usage(9, output_tokens=272)),
        (
            {
                "input_tokens": 9,
                "output_tokens": 5,
                "input_tokens_details": {"text_tokens": 4, "image_tokens": 5},
            },
            Usage(9, output_tokens=5),
        ),
        ({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "input_tokens_details": None}, None),
        ({"input_tokens": 9}, None),
        ({}, None),
        (None, None),
    ],
)
def test_usage(usage: Any, read: Usage | None):
    assert told(reply_of(packed(PNG), usage=usage)).usage == read


ENCODED = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    "body",
    [
        reply_of(),
        reply_of({}),
        reply_of({"b64_json": None, "url": ""}),
        reply_of({"b64_json": ENCODED[:-1]}),
        reply_of({"b64_json": ENCODED[:-4] + "\n" + ENCODED[-4:]}),
        reply_of({"b64_json": ENCODED + "AAAA"}),
        reply_of({"b64_json": "data:image/png;base64," + ENCODED}),
        reply_of({"b64_json": ENCODED.replace("/", "_").replace("+", "-") + "_"}),
        reply_of({"b64_json": "é" + ENCODED}),
        reply_of({"b64_json": 5}),
        reply_of({"b64_json": ENCODED, "revised_prompt": ["x"]}),
        reply_of(ENCODED),
        reply_of(packed(PNG), usage={"output_tokens": -1}),
        reply_of(packed(PNG), usage=[1]),
        b'{"data": {"b64_json": ""}}',
        b'{"created": 7}',
        b"[]",
        b'"x"',
        b"null",
        b"{",
    ],
)
def test_what_is_no_answer_is_the_upstreams_failure(body: bytes):
    with pytest.raises(UpstreamFailed, match="no answer"):
        told(body)


MODERATED = "Your request was rejected by the safety system. safety_violations=[sexual] req_8f2a31bb"


@pytest.mark.parametrize(
    ("error", "status", "kind", "param", "code"),
    [
        (
            {"type": "image_generation_user_error", "code": "moderation_blocked", "param": None},
            *("400 Bad", ContentRefused, "prompt", "content_policy_violation"),
        ),
        ({"type": "user_error", "code": "moderation_blocked"}, "400 Bad", ContentRefused, "prompt", None),
        (
            {"type": "invalid_request_error", "code": "content_policy_violation"},
            *("400 Bad", ContentRefused, "prompt", None),
        ),
        ({"code": "contentFilter"}, "400 Bad", ContentRefused, "prompt", None),
        (
            {"type": "image_generation_user_error", "code": "invalid_value", "param": "size"},
            *("400 Bad", InvalidRequest, "size", "upstream_rejected"),
        ),
        ({"code": "moderation_blocked"}, "500 No", UpstreamFailed, None, "upstream_error"),
        ({"code": "moderation_blocked"}, "200 OK", UpstreamFailed, None, "upstream_error"),
        ({"code": "model_not_found"}, "404 No", UpstreamFailed, None, "upstream_error"),
    ],
)
def test_refusals(
    error: dict[str, Any], status: str, kind: type[GatewayError], param: str | None, code: str | None
):
    with pytest.raises(GatewayError) as caught:
        told(json.dumps({"error": {"message": MODERATED, **error}}).encode(), status=status)
    assert type(caught.value) is kind
    assert caught.value.param == param
    assert caught.value.code == (code or "content_policy_violation")
    assert "req_8f2a31bb" not in caught.value.message + caught.value.detail


# ---- images by address


class Site(ThreadingHTTPServer):
    """Raw answers by path; numbers in them are pauses in seconds."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.pages: dict[str, tuple[bytes | float, ...]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def has(self, path: str, *pieces: bytes | float) -> str:
        self.pages[path] = pieces
        return self.url + path


class Page(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.close_connection = True
        try:
            for piece in self.server.pages.get(self.path, (whole(b"", "404 Not Found"),)):
                if isinstance(piece, bytes):
                    self.wfile.write(piece)
                else:
                    time.sleep(piece)
        except OSError:
            pass  # whoever asked has read enough

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def site(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    with Site() as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
            server.url = server.url.replace("http:", "https:")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(20)


@pytest.fixture
def host() -> Iterator[Site]:
    with site() as server:
        yield server


def moved(to: str, status: str = "302 Found") -> bytes:
    return whole(b"elsewhere", status, more=f"Location: {to}\r\nSet-Cookie: a=b\r\n")


def failed(url: str, base_url: str) -> str:
    """Why it was not fetched."""
    with pytest.raises(UpstreamFailed, match="could not be fetched") as caught:
        fetch(url, base_url)
    assert url not in caught.value.message + caught.value.detail
    return caught.value.detail


def test_an_address_in_a_reply_is_fetched(host: Site):
    url = host.has("/generated/a.png", whole(PNG, kind="image/png"))
    host.has("/v1/images/generations", whole(reply_of({"url": url, "b64_json": ""}, packed(JPEG))))
    reply = draw(FOX, target(host.url + "/v1"), 2, None, None, Client(SHORT))
    assert [picture.media_type for picture in reply.pictures] == ["image/png", "image/jpeg"]
    (_, head), (path, page) = host.asked
    assert path == "/generated/a.png"
    assert (head["authorization"], page.get("authorization"), page.get("cookie")) == ("Bearer key", None, None)


def test_the_sandboxs_own_addresses(sandbox: Sandbox, client: Client):
    body = json.dumps({"model": "dall-e-2", "prompt": "a fox", "size": "256x256"}).encode()
    base_url = sandbox.url + "/openai/v1"
    headers = ["Content-Type: application/json", "Authorization: Bearer k"]
    doc = client.json(base_url + "/images/generations", headers, body, openai_images.explain)
    (made,) = openai_images.read_reply(doc, 1, base_url).pictures
    assert measured(made) == (256, 256)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_followed_without_cookies(host: Site, status: str):
    host.has("/c", whole(PNG))
    host.has("/b", moved("/c", status))
    assert fetch(host.has("/a", moved(host.url + "/b", status)), host.url) == PNG
    assert [path for path, _ in host.asked] == ["/a", "/b", "/c"]
    assert not any("cookie" in head for _, head in host.asked)


def test_three_redirects_and_no_more(host: Site):
    for i in range(4):
        host.has(f"/{i}", moved(f"/{i + 1}"))
    host.has("/4", whole(PNG))
    assert fetch(host.url + "/1", host.url) == PNG
    assert failed(host.url + "/0", host.url) == "too many redirects"


def test_an_address_may_be_relative(host: Site):
    host.has("/generated/a.png", whole(PNG))
    assert fetch("/generated/a.png", host.url + "/v1") == PNG


def test_nothing_of_the_machine_is_told(host: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    url = host.has("/a", whole(PNG)).replace("//", "//user:word@")
    assert fetch(url, host.url) == PNG
    assert host.asked[0][1].keys() == {"host", "accept", "accept-encoding", "user-agent", "connection"}


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:{port}/a",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1.example/a",
        "http://127.0.0.1@localhost:{port}/a",
        "http://localhost:{port}\\@127.0.0.1/a",
        "http://localhost:{port}#@127.0.0.1/a",
        "http://127.0.0.1\t@localhost:{port}/a",
        "//localhost:{port}/a",
        "ftp://127.0.0.1/a",
        "file:///etc/hostname",
        "data:image/png;base64,iVBORw0KGgo=",
        "https://",
        "http://[",
        "https://127.0.0.1:99999999/",
    ],
)
def test_no_other_address_is_asked(host: Site, url: str):
    """In the clear only the provider's own host; `localhost` is the same machine by another name."""
    host.has("/a", whole(PNG))
    url = url.format(port=host.server_port)
    assert failed(url, host.url + "/v1")
    host.has("/b", moved(url))
    assert failed(host.url + "/b", host.url + "/v1")
    assert [path for path, _ in host.asked] == ["/b"]


def test_another_host_must_speak_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, f"{certificate}.key")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with site(tls) as server:
        url = server.has("/a", whole(PNG))
        assert failed(url, "http://provider.example/v1") == "SSLError"
        assert server.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetch(url, "http://provider.example/v1") == PNG


LENGTHY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ((whole(PNG, "404 Not Found"),), "status 404"),
        ((whole(PNG, "206 Partial Content"),), "status 206"),
        ((whole(PNG, "302 Found"),), "status 302"),
        ((LENGTHY % 100, PNG), "ProtocolError"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nabc"), "ProtocolError"),
        ((b"hello\r\n\r\n",), "ConnectionError"),
        ((), "ConnectionError"),
    ],
)
def test_what_is_not_all_there_is_not_taken(host: Site, pieces: tuple[bytes | float, ...], why: str):
    assert failed(host.has("/a", *pieces), host.url) == why


def test_what_is_fetched_must_be_an_image(host: Site):
    url = host.has("/a.png", whole(b"<html>Hello</html>", kind="image/png"))
    with pytest.raises(UpstreamFailed, match="no answer"):
        told(reply_of({"url": url}))
    with pytest.raises(UpstreamFailed, match="no answer"):
        told(reply_of({"url": host.has("/b.png", whole(b"", kind="image/png"))}))


def test_an_image_without_a_length_is_bounded_too(host: Site):
    head, block = b"HTTP/1.1 200 OK\r\n\r\n", bytes(1 << 20)
    blocks = MOST_BYTES >> 20
    assert len(fetch(host.has("/a", head, *[block] * blocks), host.url)) == MOST_BYTES
    assert failed(host.has("/b", head, *[block] * (blocks + 8)), host.url) == "it is too large"


def test_an_image_that_drips_is_given_up(host: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching, "FETCH_S", 0.2)
    started = time.monotonic()
    assert failed(host.has("/a", LENGTHY % 100, *[b"x", 0.05] * 100), host.url) == "it comes too slowly"
    assert failed(host.has("/b", LENGTHY % 100, b"x", 3.0), host.url) == "ReadTimeoutError"
    assert failed(host.has("/c", 3.0), host.url) == "ReadTimeout"
    assert time.monotonic() - started < 2.5


def test_nobody_is_at_the_address(host: Site):
    assert failed("http://127.0.0.1:1/a", host.url) == "ConnectionError"
