"""OpenAI's own client: an answer is rated by its id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from stories.stack import Caller, Stack


@pytest.fixture(scope="module", params=["/v1", "/api/v1"])
def client(request: pytest.FixtureRequest, stack: Stack, rich: Caller) -> Iterator[OpenAI]:
    with OpenAI(base_url=stack.url + request.param, api_key=rich.key, max_retries=0, timeout=30) as client:
        yield client


def rate(client: OpenAI, **body: Any) -> Any:
    return client.post("/feedback", body=body, cast_to=object)


def test_a_completion_is_rated(client: OpenAI) -> None:
    reply = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Hello!"}])
    kept = rate(client, response_id=reply.id, rating="good", comment="Hello yourself!")
    assert (kept["object"], kept["rating"], kept["model"]) == ("feedback", 5, reply.model)


def test_a_stream_is_rated_at_its_end(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Hello!"}], stream=True
    )
    number = [chunk.id for chunk in stream][-1]
    assert rate(client, response_id=number, rating=2)["rating"] == 2


def test_a_response_is_rated(stack: Stack, rich: Caller) -> None:
    with OpenAI(base_url=stack.url + "/v1", api_key=rich.key, max_retries=0, timeout=30) as client:
        reply = client.responses.create(model="auto", input="Hello!")
        assert rate(client, response_id=reply.id, rating=1)["response_id"] == reply.id


def test_what_is_wrong_is_told_by_its_field(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        rate(client, response_id="thermo-ID", rating="great")
    assert caught.value.param == "rating"
    with pytest.raises(openai.NotFoundError) as missing:
        rate(client, response_id="thermo-ID", rating="good")
    assert (missing.value.code, missing.value.param) == ("response_not_found", "response_id")
