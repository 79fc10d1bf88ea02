"""OpenAI's own client asks for images, as the references tell people to do."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests
from openai import AsyncOpenAI, OpenAI
from sandbox.pictures import read
from stories.stack import Caller, Stack, mark, order

SD = "stable-diffusion"
every_model = pytest.mark.parametrize("model", ["dall-e-3", "gpt-image-2.5-flare", SD, "gemini-3.1-flash-image"])


@pytest.fixture(scope="module", params=["/v1", "/api/v1"])
def client(request: pytest.FixtureRequest, stack: Stack, rich: Caller) -> Iterator[OpenAI]:
    with OpenAI(base_url=stack.url + request.param, api_key=rich.key, max_retries=0, timeout=30) as client:
        yield client


def size_at(url: str | None) -> tuple[int, int]:
    assert url is not None
    response = requests.get(url, timeout=10)
    assert response.status_code == 200 and response.headers["content-type"] == "image/png"
    picture = read(response.content)
    return picture.width, picture.height


@every_model
def test_generate_an_address(client: OpenAI, model: str) -> None:
    made = client.images.generate(model=model, prompt="A cute baby sea otter", size="1024x1024")
    assert made.created > 1_700_000_000 and made.data is not None and len(made.data) == 1
    assert made.data[0].b64_json is None and made.data[0].revised_prompt == "A cute baby sea otter"
    assert size_at(made.data[0].url) == (1024, 1024)
    assert (made.usage is None) == (model == SD)
    assert made._request_id is not None and made._request_id.startswith("req_")


@every_model
def test_generate_base64(client: OpenAI, model: str) -> None:
    made = client.images.generate(model=model, prompt="A fox", response_format="b64_json", size="1024x1024")
    assert made.data is not None and made.data[0].url is None
    assert read(base64.b64decode(made.data[0].b64_json or "", validate=True)).width == 1024


def test_generate_as_the_reference_shows(client: OpenAI) -> None:
    made = client.images.generate(
        model="dall-e-3", prompt="A futuristic city", size="1792x1024", quality="hd", style="vivid", n=1
    )
    assert made.data is not None and size_at(made.data[0].url) == (1792, 1024)
    assert (made.size, made.quality) == ("1792x1024", "high")
    assert made.usage is not None and made.usage.output_tokens > 1000


def test_four_at_once(client: OpenAI) -> None:
    made = client.images.generate(model="dall-e-2", prompt=mark(), n=4, size="256x256")
    assert made.data is not None and len({row.url for row in made.data}) == 4
    assert {size_at(row.url) for row in made.data} == {(1024, 1024)}


def test_the_async_client(client: OpenAI) -> None:
    async def main() -> set[str]:
        async with AsyncOpenAI(base_url=client.base_url, api_key=client.api_key, max_retries=0) as there:
            several = [there.images.generate(model=SD, prompt="An owl", size="256x256") for _ in range(3)]
            return {row.url or "" for made in await asyncio.gather(*several) for row in made.data or ()}

    assert len(asyncio.run(main())) == 3


def test_who_does_not_want_to_wait_is_given_a_job(client: OpenAI) -> None:
    raw = client.images.with_raw_response.generate(
        model=SD, prompt="A fox", size="256x256", extra_headers={"Prefer": "respond-async"}
    )
    assert raw.status_code == 202
    where = raw.headers["location"].removeprefix("/api").removeprefix("/v1")
    for _ in range(500):
        job: Any = client.get(where, cast_to=object)
        if job["status"] == "completed":
            break
    assert size_at(job["result"]["data"][0]["url"]) == (256, 256)


@pytest.mark.parametrize(("fields", "kind", "code", "param"), [
    ({"model": "dall-e-9"}, openai.NotFoundError, "model_not_found", "model"),
    ({"prompt": order("block")}, openai.BadRequestError, "content_policy_violation", "prompt"),
    ({"prompt": order("status=500")}, openai.InternalServerError, "service_unavailable", None),
])  # fmt: skip
def test_errors_are_the_clients_own_classes(
    client: OpenAI, fields: dict[str, Any], kind: type[openai.APIStatusError], code: str, param: str | None
) -> None:
    with pytest.raises(kind) as caught:
        client.images.generate(**({"model": "dall-e-3", "prompt": "A fox"} | fields))
    assert (caught.value.code, caught.value.param) == (code, param) and caught.value.request_id


@pytest.mark.parametrize(("fields", "param"), [
    ({"n": 5}, "n"), ({"size": "100x100"}, "size"), ({"quality": "ultra"}, "quality"),
    ({"prompt": "x" * 4001}, "prompt"), ({"model": "gpt-4o"}, "model"), ({"stream": True}, "stream"),
])  # fmt: skip
def test_a_bad_value_is_422_on_v1_and_400_on_api_v1(client: OpenAI, fields: dict[str, Any], param: str) -> None:
    wanted = openai.BadRequestError if "/api/" in str(client.base_url) else openai.UnprocessableEntityError
    with pytest.raises(wanted) as caught:
        client.images.generate(**({"model": "dall-e-3", "prompt": "A fox"} | fields))
    assert caught.value.param == param and caught.value.type == "invalid_request_error"


def test_callers_that_may_not_are_told_so(stack: Stack, client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as poor:
        client.with_options(api_key=stack.caller(0).key).images.generate(model="dall-e-3", prompt="A fox")
    assert poor.value.status_code == 402
    with pytest.raises(openai.PermissionDeniedError):
        limited = client.with_options(api_key=stack.caller(models=["gpt-4o"]).key)
        limited.images.generate(model="dall-e-3", prompt="A fox")
    free = client.with_options(api_key=stack.caller(plan="free").key)
    for _ in range(5):
        free.images.generate(model=SD, prompt="A fox", size="256x256")
    with pytest.raises(openai.RateLimitError) as limit:
        free.images.generate(model=SD, prompt="A fox", size="256x256")
    assert int(limit.value.response.headers["retry-after"]) >= 1
