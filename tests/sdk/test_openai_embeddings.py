"""OpenAI's own client: models and embeddings, as it asks for them by default."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from stories.stack import Caller, Stack

SMALL, GEMINI = "text-embedding-3-small", "gemini-embedding-2"
every_model = pytest.mark.parametrize("model", [SMALL, "text-embedding-ada-002", GEMINI])


@pytest.fixture(scope="module", params=["/v1", "/api/v1"])
def client(request: pytest.FixtureRequest, stack: Stack, rich: Caller) -> Iterator[OpenAI]:
    with OpenAI(base_url=stack.url + request.param, api_key=rich.key, max_retries=0, timeout=30) as client:
        yield client


# ---- models


def test_list_models(client: OpenAI) -> None:
    page = client.models.list()
    owners = {model.id: model.owned_by for model in page}
    assert [*owners][:4] == ["auto", "fast", "balanced", "best"] and owners["auto"] == "thermly"
    assert owners["gpt-4o"] == "openai" and owners["claude-sonnet-4-5"] == "anthropic"
    assert {model.object for model in page.data} == {"model"} and all(model.created for model in page.data[4:9])


@pytest.mark.parametrize("name", ["auto", "gpt-4o", "gemini-flash", "dall-e-3", "house/of/words"])
def test_retrieve_a_model(client: OpenAI, name: str) -> None:
    found = client.models.retrieve(name)
    assert found.id == name and found.object == "model" and found.owned_by


def test_more_is_told_of_a_model_than_the_client_knows(client: OpenAI) -> None:
    more = client.models.retrieve("dall-e-3").model_extra or {}
    assert (more["retired_on"], more["answered_by"]) == ("2026-05-12", "gpt-image-2.5-flare")


def test_a_model_that_is_not_there_is_not_found(stack: Stack, client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-5000")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    limited = client.with_options(api_key=stack.caller(models=["gpt-4o"]).key)
    assert "gpt-4o-mini" not in [model.id for model in limited.models.list()]
    with pytest.raises(openai.NotFoundError):
        limited.models.retrieve("gpt-4o-mini")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-nobody").models.list()


# ---- embeddings


@every_model
def test_the_default_is_base64_on_the_way_and_numbers_in_hand(client: OpenAI, model: str) -> None:
    made = client.embeddings.create(model=model, input=["Hello!", "Goodbye!"])
    plain = client.embeddings.create(model=model, input=["Hello!", "Goodbye!"], encoding_format="float")
    assert made.object == "list" and made.model == model and made.usage.prompt_tokens == made.usage.total_tokens > 0
    for i, (one, other) in enumerate(zip(made.data, plain.data, strict=True)):
        assert one.index == other.index == i
        assert len(one.embedding) == len(other.embedding) and abs(math.hypot(*one.embedding) - 1) < 1e-4
        assert max(abs(a - b) for a, b in zip(one.embedding, other.embedding, strict=True)) < 1e-6
    assert made.data[0].embedding != made.data[1].embedding


def test_the_client_really_asks_for_base64(client: OpenAI) -> None:
    raw = client.embeddings.with_raw_response.create(model=SMALL, input="Hello!")
    assert isinstance(raw.http_response.json()["data"][0]["embedding"], str)
    assert len(raw.parse().data[0].embedding) == 1536
    assert raw.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("model", [SMALL, GEMINI])
def test_fewer_dimensions(client: OpenAI, model: str) -> None:
    made = client.embeddings.create(model=model, input="Hello!", dimensions=64, user="somebody")
    assert [len(row.embedding) for row in made.data] == [64]


def test_tokens_and_lists_of_tokens(client: OpenAI) -> None:
    (alone,) = client.embeddings.create(model=SMALL, input=[1, 2, 3]).data
    several = client.embeddings.create(model=SMALL, input=[[4], [1, 2, 3]]).data
    assert several[1].embedding == alone.embedding != several[0].embedding


def test_the_async_client(client: OpenAI) -> None:
    async def main() -> list[int]:
        async with AsyncOpenAI(base_url=client.base_url, api_key=client.api_key, max_retries=0) as there:
            several = [there.embeddings.create(model=SMALL, input=["x"] * n, dimensions=2) for n in (1, 2, 3)]
            return [len(made.data) for made in await asyncio.gather(*several)]

    assert asyncio.run(main()) == [1, 2, 3]


def test_errors_are_the_clients_own_classes(stack: Stack, client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.embeddings.create(model="text-embedding-9", input="x")
    assert unknown.value.code == "model_not_found"
    refused = openai.BadRequestError if "/api/" in str(client.base_url) else openai.UnprocessableEntityError
    with pytest.raises(refused) as empty:
        client.embeddings.create(model=SMALL, input="")
    assert empty.value.param == "input" and empty.value.type == "invalid_request_error"
    with pytest.raises(openai.InternalServerError) as failing:
        client.embeddings.create(model=SMALL, input="[[sandbox: status=500]]")
    assert failing.value.status_code == 503 and failing.value.code == "service_unavailable"
    with pytest.raises(openai.APIStatusError) as poor:
        client.with_options(api_key=stack.caller(0).key).embeddings.create(model=SMALL, input="x")
    assert poor.value.status_code == 402
