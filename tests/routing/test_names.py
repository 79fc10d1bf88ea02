import datetime

import pytest

from thermly import catalog as catalogs
from thermly.catalog import Catalog
from thermly.errors import GatewayError, InvalidRequest, PermissionDenied, UnknownModel
from thermly.routing import is_served, permitted_models, resolve

TODAY = datetime.date(2026, 11, 21)


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return catalogs.load(catalogs.builtin(), {"openai": "key", "google": "key"})


def refusal(kind: type[GatewayError], shipped: Catalog, name: str, of: str = "embedding", allowed=None):
    permitted = permitted_models(name, allowed, shipped, TODAY)
    with pytest.raises(GatewayError) as caught:
        resolve(name, of, shipped, permitted, TODAY)
    assert type(caught.value) is kind and caught.value.param == "model"
    return caught.value


def test_a_name_an_alias_and_a_retired_name_resolve(shipped: Catalog):
    assert resolve("text-embedding-3-small", "embedding", shipped, None, TODAY).provider.name == "openai"
    assert resolve("gemini-flash", "chat", shipped, None, TODAY).model.id == "gemini-2.5-flash"
    assert resolve("dall-e-3", "image", shipped, None, TODAY).model.id == "gpt-image-2.5-flare"
    assert resolve("dall-e-3", "image", shipped, None, datetime.date(2026, 5, 11)).model.id == "dall-e-3"


@pytest.mark.parametrize(
    ("name", "of", "says"),
    [
        ("gpt-4o", "embedding", "use chat/completions"),
        ("dall-e-3", "chat", "use images/generations"),
        ("text-embedding-3-small", "image", "use embeddings"),
        ("auto", "embedding", "chooses among chat models"),
    ],
)
def test_a_model_of_another_kind_says_where_it_is_asked(shipped: Catalog, name: str, of: str, says: str):
    assert says in refusal(InvalidRequest, shipped, name, of).message


def test_close_names_are_of_the_right_kind(shipped: Catalog):
    message = refusal(UnknownModel, shipped, "text-embeding-3-smal").message
    assert "text-embedding-3-small" in message and "gpt" not in message
    assert "auto" in refusal(UnknownModel, shipped, "atuo", "chat").message
    assert "x" * 101 not in refusal(UnknownModel, shipped, "x" * 5_000).message


@pytest.mark.parametrize("name", ["c1/openai/gpt-4o/v-20250930", "c1-exp/openai/gpt-4o/v-20250930", "c1/nonsense"])
@pytest.mark.parametrize("of", ["chat", "embedding"])
def test_ids_of_generated_interfaces_say_where_they_are_answered(shipped: Catalog, name: str, of: str):
    message = refusal(UnknownModel, shipped, name, of).message
    assert "/v1/responses or below /v1/embed" in message and "Close names" not in message


def test_what_the_key_may_use_decides(shipped: Catalog):
    refusal(PermissionDenied, shipped, "text-embedding-3-large", allowed=frozenset({"text-embedding-3-small"}))
    permitted = permitted_models("dall-e-3", frozenset({"dall-e-3"}), shipped, TODAY)
    assert permitted is None
    alias = permitted_models("gpt-4o-2024-08-06", frozenset({"gpt-4o"}), shipped, TODAY)
    assert alias == {"gpt-4o"}


def test_a_provider_without_a_key_is_named(shipped: Catalog):
    assert "no key for anthropic" in refusal(UnknownModel, shipped, "claude-sonnet-4-5", "chat").message
    assert not is_served("claude-sonnet-4-5", shipped, None, TODAY)
    assert is_served("gpt-4o", shipped, None, TODAY)
    assert not is_served("gpt-4o", shipped, frozenset({"gpt-4o-mini"}), TODAY)
