"""Gemini's image models over real sockets: from the sandbox, and from a server that says odd things."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from test_upstream import SHORT, answering, serving, whole

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.errors import ContentRefused, GatewayError, InvalidRequest, UpstreamFailed
from thermly.exchange import Usage
from thermly.pictures import ImageReply, ImageRequest, Picture
from thermly.providers.gemini_images import draw, ratio
from thermly.providers.upstream import Client
from thermly.sandbox.server import Sandbox, start

FLASH = "gemini-3.1-flash-image"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
JPEG = b"\xff\xd8\xff\xe0" + bytes(60)
FOX = ImageRequest("m", "a fox")


def target(base_url: str) -> Target:
    price = Price(0, 0, 0, 0, 0)
    model = Model("painter", "google", FLASH, 0, 0, price, frozenset(), kind="image")
    return Target(model, ProviderRow("google", "gemini", base_url, "key"), price)


# ---- the sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    running = start()
    yield running
    running.stop()


def ask(sandbox: Sandbox, prompt: str = "a fox", size: str | None = None, quality: str | None = None) -> ImageReply:
    request = ImageRequest("m", prompt, extras={"openai": {"style": "vivid"}})
    return draw(request, target(sandbox.url + "/gemini"), 1, size, quality, Client(SHORT))


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        (None, (1024, 1024)),
        ("auto", (1024, 1024)),
        ("1024x1024", (1024, 1024)),
        ("1536x1024", (1248, 832)),
        ("1024x1536", (832, 1248)),
        ("1792x1024", (1344, 768)),
        ("1024x1792", (768, 1344)),
    ],
)
def test_an_image_in_the_shape_that_is_wanted(sandbox: Sandbox, size: str | None, drawn: tuple[int, int]):
    (made,) = ask(sandbox, size=size, quality="hd").pictures
    assert made.media_type == "image/png"
    assert struct.unpack(">II", made.data[16:24]) == drawn


def test_it_is_counted_by_tokens(sandbox: Sandbox):
    usage = ask(sandbox).usage
    assert usage is not None
    assert usage.input_tokens > 0
    assert usage.output_tokens == 1120 + usage.reasoning_tokens


@pytest.mark.parametrize(
    ("order", "kind", "code"),
    [
        ("block", ContentRefused, "content_policy_violation"),
        ("refuse", ContentRefused, "content_policy_violation"),
        ("empty", InvalidRequest, "no_image"),
    ],
)
def test_a_prompt_that_is_not_drawn_is_its_authors_fault(
    sandbox: Sandbox, order: str, kind: type[GatewayError], code: str
):
    with pytest.raises(GatewayError) as caught:
        ask(sandbox, f"a [[sandbox: {order}]]")
    assert (type(caught.value), caught.value.code, caught.value.param) == (kind, code, "prompt")


@pytest.mark.parametrize(
    ("order", "retry_after_s"),
    [("status=429 retry_after=2", 2), ("status=503", None), ("html status=502", None), ("badjson", None)],
)
def test_failures(sandbox: Sandbox, order: str, retry_after_s: int | None):
    with pytest.raises(UpstreamFailed) as caught:
        ask(sandbox, f"a [[sandbox: {order}]]")
    assert caught.value.retry_after_s == retry_after_s


# ---- what is asked


@pytest.mark.parametrize(
    ("size", "config"),
    [
        (None, {}),
        ("auto", {}),
        ("1024x1024", {"imageConfig": {"aspectRatio": "1:1"}}),
        ("1792x1024", {"imageConfig": {"aspectRatio": "16:9"}}),
    ],
)
def test_the_request(size: str | None, config: dict[str, Any]):
    with serving(answering(whole(answer(shown(PNG))))) as server:
        draw(FOX, target(server.url), 1, size, "hd", Client(SHORT))
        body = json.loads(server.bodies[0])
    assert body == {
        "contents": [{"role": "user", "parts": [{"text": "a fox"}]}],
        "generationConfig": {"responseModalities": ["IMAGE"], **config},
    }


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        *(("256x256", "1:1"), ("1000x1001", "1:1"), ("1100x1000", "1:1"), ("1000x1150", "4:5")),
        *(("640x480", "4:3"), ("480x640", "3:4"), ("1920x1080", "16:9"), ("1080x1920", "9:16")),
        *(("2560x1080", "21:9"), ("99999x1", "21:9"), ("1x99999", "9:16"), ("1280x1024", "5:4")),
        ("2045x1000", "21:9"),  # by the factor between them, not by the difference
    ],
)
def test_the_nearest_shape(size: str, shape: str):
    assert ratio(size) == shape


def test_several_images_are_several_calls():
    with serving(answering(whole(answer(shown(PNG))))) as server:
        for n in (0, 2):
            with pytest.raises(ValueError, match="one image"):
                draw(FOX, target(server.url), n, None, None, Client(SHORT))
        assert server.connections == 0


# ---- what is told


def answer(*parts: Any, reason: str | None = "STOP", **fields: Any) -> bytes:
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}
    return json.dumps({"candidates": [candidate], **fields}).encode()


def shown(data: bytes, mime_type: str = "image/png", **fields: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime_type, "data": base64.b64encode(data).decode()}, **fields}


def told(body: bytes, **head: Any) -> ImageReply:
    with serving(answering(whole(body, **head))) as server:
        return draw(FOX, target(server.url), 1, None, None, Client(SHORT))


def test_an_image_is_what_its_bytes_are():
    assert told(answer(shown(JPEG, "image/png"))).pictures == (Picture(JPEG, "image/jpeg"),)


def test_words_and_sketches_are_left():
    parts = [{"text": "Hm.", "thought": True}, shown(JPEG, thought=True), {"text": "Here."}, shown(PNG)]
    assert told(answer(*parts)).pictures == (Picture(PNG, "image/png"),)
    with pytest.raises(InvalidRequest):
        told(answer(*parts[:2]))


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (
            {"promptTokenCount": 3, "candidatesTokenCount": 1120, "thoughtsTokenCount": 30},
            Usage(3, output_tokens=1150, reasoning_tokens=30),
        ),
        ({"promptTokenCount": 3}, None),
        ({}, None),
        (None, None),
    ],
)
def test_usage(usage: Any, read: Usage | None):
    assert told(answer(shown(PNG), usageMetadata=usage)).usage == read


REFUSED = "The model's provider refused "


@pytest.mark.parametrize(
    ("body", "kind", "code", "message"),
    [
        (
            b'{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}',
            *(ContentRefused, "content_policy_violation", REFUSED + "the prompt: PROHIBITED_CONTENT."),
        ),
        (
            b'{"candidates": [], "promptFeedback": {"blockReason": "OTHER"}}',
            *(ContentRefused, "content_policy_violation", REFUSED + "the prompt: OTHER."),
        ),
        *(
            (
                answer(reason=reason),
                *(ContentRefused, "content_policy_violation", f"{REFUSED}to make this image: {reason}."),
            )
            for reason in (
                *("IMAGE_SAFETY", "SAFETY", "PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT"),
                *("IMAGE_RECITATION", "RECITATION", "BLOCKLIST", "SPII"),
            )
        ),
        (answer(reason="NO_IMAGE"), InvalidRequest, "no_image", "The model made no image of this prompt."),
        (
            answer({"text": "I cannot "}, {"text": "draw that.\n"}),
            *(InvalidRequest, "no_image", "The model made no image of this prompt, but said: I cannot draw that."),
        ),
        (
            answer({"text": "Hm.", "thought": True}, {"text": " "}),
            *(InvalidRequest, "no_image", "The model made no image of this prompt."),
        ),
    ],
)
def test_a_prompt_that_is_not_drawn(body: bytes, kind: type[GatewayError], code: str, message: str):
    with pytest.raises(InvalidRequest) as caught:
        told(body)
    error = caught.value
    assert (type(error), error.code, error.message, error.param) == (kind, code, message, "prompt")


def test_what_a_model_says_in_place_of_an_image_is_bounded():
    with pytest.raises(InvalidRequest) as caught:
        told(answer({"text": "no " * 10_000}))
    assert len(caught.value.message) < 600


@pytest.mark.parametrize("reason", ["MAX_TOKENS", "OTHER", "IMAGE_OTHER", "MALFORMED_RESPONSE", "NEW", None])
def test_an_end_without_an_image_that_another_try_may_change(reason: str | None):
    with pytest.raises(UpstreamFailed, match="made no image") as caught:
        told(answer({"text": "Hm"}, reason=reason))
    assert caught.value.detail == f"finishReason {reason or ''}"


ENCODED = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    "body",
    [
        answer(shown(b"<svg/>", "image/svg+xml")),
        answer(shown(b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav")),
        answer({"inlineData": {"mimeType": "image/png", "data": ENCODED[:-1]}}),
        answer({"inlineData": {"mimeType": "image/png", "data": "é"}}),
        answer({"inlineData": {"mimeType": "image/png", "data": ""}}),
        answer({"inlineData": {"mimeType": "image/png"}}),
        answer({"inlineData": ENCODED}),
        answer({"text": 5}),
        answer("x"),
        answer(shown(PNG), usageMetadata={"candidatesTokenCount": "9"}),
        b'{"candidates": [{"content": {"parts": {}}}]}',
        b'{"candidates": {}}',
        b'{"promptFeedback": {"blockReason": 5}}',
        b'{"promptFeedback": {}}',
        b"{}",
        b"null",
        b"5",
        b"{",
    ],
)
def test_what_is_no_answer_is_the_upstreams_failure(body: bytes):
    with pytest.raises(UpstreamFailed, match="no answer"):
        told(body)


@pytest.mark.parametrize(
    ("body", "head", "kind", "retry_after_s"),
    [
        (b"<html></html>", {"kind": "text/html"}, UpstreamFailed, None),
        (b'{"error": {"message": "API key not valid."}}', {"status": "400 Bad"}, UpstreamFailed, 60),
        (b'{"error": {"message": "too wide"}}', {"status": "400 Bad"}, InvalidRequest, None),
    ],
)
def test_refusals(body: bytes, head: dict[str, Any], kind: type[GatewayError], retry_after_s: int | None):
    with pytest.raises(kind) as caught:
        told(body, **head)
    assert caught.value.retry_after_s == retry_after_s


@pytest.mark.parametrize("form", [b"%s", b"[%s]"])
def test_an_error_with_a_good_status_is_an_error(form: bytes):
    with pytest.raises(UpstreamFailed, match="not able"):
        told(form % b'{"error": {"message": "busy", "status": "UNAVAILABLE"}}')
