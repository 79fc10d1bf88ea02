"""Images over a socket, on both wires that make them, and with the vendors' own clients."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.client import HTTPConnection, IncompleteRead, RemoteDisconnected
from typing import Any
from urllib.request import urlopen

import pytest
from pictures import Picture, read

from thermly.sandbox.server import Sandbox, start

GPT = "gpt-image-2.5-flare"
FLASH = "gemini-3.1-flash-image"
HEADERS = {"authorization": "Bearer k", "x-goog-api-key": "k"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = start()
    yield sandbox
    sandbox.stop()


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    sandbox = start()
    yield sandbox
    sandbox.stop()


def call(sandbox: Sandbox, path: str, body: Any = None, method: str = "POST") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), HEADERS)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def make(sandbox: Sandbox, prompt: str = "a fox", /, provider: str = "openai", **fields: Any) -> tuple[int, Any]:
    body = {"model": "dall-e-2", "prompt": prompt, "size": "256x256", **fields}
    status, data = call(sandbox, f"/{provider}/v1/images/generations", body)
    return status, json.loads(data)


def fetched(url: str) -> Picture:
    with urlopen(url, timeout=5) as response:
        assert response.headers["content-type"] == "image/png"
        return read(response.read())


def decoded(data: str) -> Picture:
    return read(base64.b64decode(data, validate=True))


def sized(picture: Picture) -> str:
    return f"{picture.width}x{picture.height}"


def drawn(sandbox: Sandbox) -> Any:
    return json.loads(call(sandbox, "/_sandbox/stats", method="GET")[1])["images"]


# ---- the OpenAI wire


def test_dall_e_2_gives_addresses_or_base64(sandbox: Sandbox) -> None:
    status, body = make(sandbox, n=3)
    assert status == 200 and set(body) == {"created", "data"} and isinstance(body["created"], int)
    assert all(set(row) == {"url"} and row["url"].startswith(sandbox.url) for row in body["data"])
    pictures = [fetched(row["url"]) for row in body["data"]]
    assert {sized(picture) for picture in pictures} == {"256x256"}
    assert len({picture.pixel(0, 0) for picture in pictures}) == 3, "no two of one request are the same"
    _, encoded = make(sandbox, response_format="b64_json")
    assert decoded(encoded["data"][0]["b64_json"]).rows == pictures[0].rows
    assert drawn(sandbox) == {"openai": 4}


def test_dall_e_3_revises_the_prompt(shared: Sandbox) -> None:
    _, body = make(shared, model="dall-e-3", size="1792x1024", quality="hd", style="natural")
    (row,) = body["data"]
    assert "a fox" in row["revised_prompt"] and "natural" in row["revised_prompt"]
    assert sized(fetched(row["url"])) == "1792x1024" and "usage" not in body


@pytest.mark.parametrize(
    ("quality", "size", "tokens", "told"),
    [
        ("low", "1024x1024", 272, ("low", "1024x1024")),
        ("medium", "1024x1536", 1584, ("medium", "1024x1536")),
        ("high", "1536x1024", 6208, ("high", "1536x1024")),
        ("auto", "auto", 1056, ("medium", "1024x1024")),
        (None, None, 1056, ("medium", "1024x1024")),
        ("medium", "1792x1024", 1848, ("medium", "1792x1024")),
    ],
)
def test_gpt_images_are_counted_in_tokens(
    shared: Sandbox, quality: str | None, size: str | None, tokens: int, told: tuple[str, str]
) -> None:
    _, body = make(shared, "a fox in the snow", model=GPT, quality=quality, size=size, n=2)
    assert [sized(decoded(row.pop("b64_json"))) for row in body["data"]] == [told[1]] * 2
    assert body["data"] == [{}, {}]
    assert (body["quality"], body["size"]) == told
    assert (body["background"], body["output_format"]) == ("opaque", "png")
    usage = body["usage"]
    assert usage["output_tokens"] == 2 * tokens
    assert usage["input_tokens_details"] == {"text_tokens": usage["input_tokens"], "image_tokens": 0}
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > usage["output_tokens"]


def test_gpt_images_may_be_transparent(shared: Sandbox) -> None:
    _, body = make(shared, model=GPT, size="1024x1024", background="transparent")
    assert body["background"] == "transparent"
    assert decoded(body["data"][0]["b64_json"]).transparent is not None


def test_servers_like_openais_are_lenient(sandbox: Sandbox) -> None:
    status, body = make(sandbox, provider="localai", model="stablediffusion", size="640x360", n=2, steps=20)
    assert status == 200 and "usage" not in body
    assert [sized(fetched(row["url"])) for row in body["data"]] == ["640x360"] * 2
    _, body = make(sandbox, provider="localai", model="stablediffusion", size=None, response_format="b64_json")
    assert sized(decoded(body["data"][0]["b64_json"])) == "1024x1024"
    for size in ("2049x10", "0x10", "big", "10x10x10", "-5x5"):
        status, body = make(sandbox, provider="localai", model="stablediffusion", size=size)
        assert (status, body["error"]["param"]) == (400, "size")
    assert drawn(sandbox) == {"localai": 3}


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": None}, None, None),
        ({"prompt": None}, "prompt", "missing_required_parameter"),
        ({"prompt": ""}, "prompt", "empty_string"),
        ({"prompt": ["x"]}, "prompt", "invalid_type"),
        ({"prompt": "x" * 1001}, "prompt", "string_above_max_length"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 11}, "n", "integer_above_max_value"),
        ({"n": "2"}, "n", "invalid_type"),
        ({"n": True}, "n", "invalid_type"),
        ({"size": "1792x1024"}, "size", "invalid_value"),
        ({"style": "vivid"}, "style", "unknown_parameter"),
        ({"quality": "hd"}, "quality", "invalid_value"),
        ({"response_format": "png"}, "response_format", "invalid_value"),
        ({"model": "dall-e-3"}, "size", "invalid_value"),
        ({"model": "dall-e-3", "size": "1024x1024", "n": 2}, "n", "invalid_value"),
        ({"model": "dall-e-3", "size": None, "prompt": "x" * 4001}, "prompt", "string_above_max_length"),
        ({"model": "dall-e-3", "size": None, "style": "loud"}, "style", "invalid_value"),
        ({"model": "dall-e-3", "size": None, "quality": "high"}, "quality", "invalid_value"),
        ({"model": GPT}, "size", "invalid_value"),
        ({"model": GPT, "size": None, "response_format": "url"}, "response_format", "unknown_parameter"),
        ({"model": GPT, "size": None, "quality": "hd"}, "quality", "invalid_value"),
        ({"model": GPT, "size": None, "output_format": "webp"}, "output_format", "unsupported_value"),
        ({"model": GPT, "size": None, "output_format": "gif"}, "output_format", "invalid_value"),
        ({"model": GPT, "size": None, "moderation": "none"}, "moderation", "invalid_value"),
        ({"model": GPT, "size": None, "stream": True}, "stream", "unsupported_value"),
    ],
)
def test_refusals(shared: Sandbox, fields: dict[str, Any], param: str | None, code: str | None) -> None:
    status, body = make(shared, **fields)
    error = body["error"]
    assert (status, error["type"], error["param"], error["code"]) == (400, "invalid_request_error", param, code)


def test_the_bounds_themselves_are_allowed(shared: Sandbox) -> None:
    assert make(shared, "x" * 1000, n=10)[0] == 200
    assert make(shared, "x" * 4000, model="dall-e-3", size="1024x1024")[0] == 200
    assert make(shared, "x" * 4001, model=GPT, size=None, n=1)[0] == 200
    status, body = make(shared, model=GPT, size=None, response_format="b64_json")
    assert (status, body["error"]["message"]) == (400, "Unknown parameter: 'response_format'.")


# ---- orders


@pytest.mark.parametrize("model", ["dall-e-2", GPT, "stablediffusion"])
def test_flagged_prompts_are_rejected(sandbox: Sandbox, model: str) -> None:
    status, body = make(sandbox, "something [[sandbox: block]]", model=model, size=None)
    assert status == 400 and body["error"] == {
        "message": "Your request was rejected as a result of our safety system.",
        "type": "image_generation_user_error",
        "param": None,
        "code": "content_policy_violation",
    }
    assert drawn(sandbox) == {}


def test_orders_bend_images_too(sandbox: Sandbox) -> None:
    status, body = make(sandbox, "x [[sandbox: status=429 retry_after=1]]")
    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    assert make(sandbox, "x [[sandbox: stauts=500]]")[0] == 400
    path, body = "/openai/v1/images/generations", {"model": "dall-e-2", "prompt": "x [[sandbox: html status=502]]"}
    status, data = call(sandbox, path, body)
    assert status == 502 and data.startswith(b"<html>")
    assert drawn(sandbox) == {}, "nothing has left the house so far"
    for order, error in (("badjson", json.JSONDecodeError), ("cut=1", IncompleteRead)):
        with pytest.raises(error):
            make(sandbox, f"x [[sandbox: {order}]]")
    assert "usage" not in make(sandbox, "x [[sandbox: no_usage]]", model=GPT, size=None)[1]
    assert make(sandbox, "x [[sandbox: empty]]")[1]["data"] == []


def test_orders_are_not_drawn_and_words_that_were_ordered_are(shared: Sandbox) -> None:
    def data(prompt: str) -> Any:
        return make(shared, prompt, response_format="b64_json")[1]["data"]

    assert data("a fox [[sandbox: hang=0]]") == data("a fox") != data("a dog")
    assert data("a dog [[sandbox: say=a fox]]") == data("a fox")


def test_states_hold_for_images(sandbox: Sandbox) -> None:
    call(sandbox, "/_sandbox/state", {"openai": {"status": 503}, "localai": {"down": True}})
    assert make(sandbox)[0] == 503
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        make(sandbox, provider="localai")
    call(sandbox, "/_sandbox/state", method="DELETE")
    assert make(sandbox)[0] == make(sandbox, provider="localai")[0] == 200
    assert drawn(sandbox) == {"openai": 1, "localai": 1}


def test_the_oldest_addresses_die(sandbox: Sandbox) -> None:
    urls = [row["url"] for _ in range(7) for row in make(sandbox, n=10)[1]["data"]]

    def status(url: str) -> int:
        return call(sandbox, url.removeprefix(sandbox.url), method="GET")[0]

    assert [status(url) for url in urls[5:7]] == [404, 200] and status(urls[-1]) == 200
    assert status("/_sandbox/images/unknown.png") == 404
    make(sandbox, model=GPT, size=None)
    assert status(urls[6]) == 200, "images that have no address take nobody's place"


# ---- the Gemini wire


def ask(sandbox: Sandbox, text: str = "a fox", /, model: str = FLASH, **config: Any) -> tuple[int, Any]:
    body = {"contents": [{"parts": [{"text": text}]}], "generationConfig": config}
    status, data = call(sandbox, f"/gemini/v1beta/models/{model}:generateContent", body)
    return status, json.loads(data)


def parts(body: Any) -> list[Any]:
    found: list[Any] = body["candidates"][0]["content"]["parts"]
    return found


@pytest.mark.parametrize("wanted", [{}, {"responseModalities": ["TEXT", "IMAGE"]}])
def test_gemini_says_and_shows(sandbox: Sandbox, wanted: dict[str, Any]) -> None:
    status, body = ask(sandbox, **wanted)
    assert status == 200
    text, image = parts(body)
    assert text["text"] and image["inlineData"]["mimeType"] == "image/png" and image["thoughtSignature"]
    assert sized(decoded(image["inlineData"]["data"])) == "1024x1024"
    usage = body["usageMetadata"]
    details = {row["modality"]: row["tokenCount"] for row in usage["candidatesTokensDetails"]}
    assert details["IMAGE"] == 1120 and sum(details.values()) == usage["candidatesTokenCount"]
    counted = usage["promptTokenCount"] + usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
    assert usage["totalTokenCount"] == counted
    assert drawn(sandbox) == {"gemini": 1}


def test_gemini_shows_only_or_says_only(sandbox: Sandbox) -> None:
    _, shown = ask(sandbox, model="gemini-2.5-flash-image", responseModalities=["IMAGE"])
    (image,) = parts(shown)
    assert "inlineData" in image
    assert shown["usageMetadata"]["candidatesTokenCount"] == 1290
    assert shown["usageMetadata"]["candidatesTokensDetails"] == [{"modality": "IMAGE", "tokenCount": 1290}]
    _, said = ask(sandbox, responseModalities=["TEXT"])
    assert ["text" in part for part in parts(said)] == [True]
    assert "candidatesTokensDetails" not in said["usageMetadata"]
    assert drawn(sandbox) == {"gemini": 1}


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        ("1:1", "1024x1024"),
        ("16:9", "1344x768"),
        ("9:16", "768x1344"),
        ("3:2", "1248x832"),
        ("2:3", "832x1248"),
        ("4:3", "1184x864"),
        ("3:4", "864x1184"),
    ],
)
def test_gemini_has_shapes(shared: Sandbox, ratio: str, size: str) -> None:
    _, body = ask(shared, imageConfig={"aspectRatio": ratio}, responseModalities=["IMAGE"])
    assert sized(decoded(parts(body)[0]["inlineData"]["data"])) == size


@pytest.mark.parametrize(
    ("model", "config", "complaint"),
    [
        ("gemini-2.5-flash", {"responseModalities": ["TEXT", "IMAGE"]}, "modalities: image, text"),
        (FLASH, {"responseModalities": ["AUDIO"]}, "modalities: audio"),
        (FLASH, {"imageConfig": {"aspectRatio": "7:5"}}, "aspect_ratio"),
        (FLASH, {"imageConfig": {"imageSize": "4K"}}, "1K only"),
    ],
)
def test_gemini_refuses(shared: Sandbox, model: str, config: dict[str, Any], complaint: str) -> None:
    status, body = ask(shared, model=model, **config)
    assert (status, body["error"]["status"]) == (400, "INVALID_ARGUMENT") and complaint in body["error"]["message"]


def test_gemini_may_show_nothing(sandbox: Sandbox) -> None:
    _, blocked = ask(sandbox, "x [[sandbox: block]]")
    assert blocked["promptFeedback"]["blockReason"] == "SAFETY" and "candidates" not in blocked
    for order, reason in (("refuse", "IMAGE_SAFETY"), ("empty", "NO_IMAGE")):
        _, body = ask(sandbox, f"x [[sandbox: {order}]]", responseModalities=["IMAGE"])
        (candidate,) = body["candidates"]
        assert candidate["finishReason"] == reason and not candidate.get("content", {}).get("parts")
        assert "candidatesTokensDetails" not in body["usageMetadata"]
    assert ask(sandbox, "x [[sandbox: status=429]]")[0] == 429
    assert drawn(sandbox) == {}


def test_gemini_streams_an_image_whole(sandbox: Sandbox) -> None:
    body = {"contents": [{"parts": [{"text": "a fox"}]}]}
    status, data = call(sandbox, f"/gemini/v1beta/models/{FLASH}:streamGenerateContent?alt=sse", body)
    assert status == 200
    seen = [json.loads(line.removeprefix("data: ")) for line in data.decode().split("\r\n\r\n") if line]
    images = [part["inlineData"] for one in seen for part in parts(one) if "inlineData" in part]
    _, whole = ask(sandbox)
    assert images == [parts(whole)[1]["inlineData"]]
    assert "".join(part.get("text", "") for one in seen for part in parts(one)) == parts(whole)[0]["text"]
    assert seen[-1]["usageMetadata"] == whole["usageMetadata"]
    assert drawn(sandbox) == {"gemini": 2}


# ---- the vendors' own clients


def test_the_openai_client(shared: Sandbox) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(api_key="k", base_url=f"{shared.url}/openai/v1", max_retries=0) as client:
        linked = client.images.generate(model="dall-e-3", prompt="a fox", size="1024x1792")
        assert linked.data[0].revised_prompt and sized(fetched(linked.data[0].url)) == "1024x1792"
        packed = client.images.generate(model="dall-e-2", prompt="a fox", n=2, response_format="b64_json")
        assert [sized(decoded(image.b64_json)) for image in packed.data] == ["1024x1024"] * 2
        counted = client.images.generate(model=GPT, prompt="a fox", quality="low", size="1024x1536")
        assert sized(decoded(counted.data[0].b64_json)) == counted.size and counted.usage.output_tokens == 408
        with pytest.raises(openai.BadRequestError) as rejected:
            client.images.generate(model=GPT, prompt="a fox [[sandbox: block]]")
        assert rejected.value.code == "content_policy_violation"
        listed = [model.id for model in client.models.list()]
        assert GPT in listed and "dall-e-3" in listed


def test_the_google_client(shared: Sandbox) -> None:
    genai = pytest.importorskip("google.genai")
    client = genai.Client(api_key="k", http_options={"base_url": f"{shared.url}/gemini"})
    try:
        config = {"response_modalities": ["TEXT", "IMAGE"], "image_config": {"aspect_ratio": "16:9"}}
        made = client.models.generate_content(model=FLASH, contents="a fox", config=config)
        (data,) = [part.inline_data.data for part in made.parts if part.inline_data]
        assert made.text and sized(read(data)) == "1344x768"
        counted = made.usage_metadata.candidates_tokens_details
        assert [one.token_count for one in counted if one.modality == "IMAGE"] == [1120]
        streamed = client.models.generate_content_stream(model=FLASH, contents="a fox", config=config)
        found = [part for chunk in streamed for part in chunk.parts or () if part.inline_data]
        assert [part.inline_data.data for part in found] == [data]
        assert f"models/{FLASH}" in [model.name for model in client.models.list()]
    finally:
        client.close()
