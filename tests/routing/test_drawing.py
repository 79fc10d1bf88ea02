import datetime

import pytest

from thermly import catalog as catalogs
from thermly.catalog import Catalog
from thermly.errors import InvalidRequest
from thermly.pictures import ImageRequest
from thermly.routing import plan_images

TODAY = datetime.date(2026, 11, 21)
ROWS = """
[providers.p]
kind = "openai_like"
base_url = "https://p.example"
[models.free-size]
kind = "image"
provider = "p"
per_image = [{ usd = 0.01 }]
[models.square]
kind = "image"
provider = "p"
sizes = ["1024x1024"]
per_image = [{ usd = 0.01 }]
[models.old-square]
kind = "image"
provider = "p"
sizes = ["auto", "512x512", "512x1024"]
qualities = ["hd", "low"]
per_image = [{ usd = 0.01 }]
retired_on = 2026-01-01
replacement = "square"
"""


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return catalogs.load(catalogs.builtin(), dict.fromkeys(catalogs.builtin()["providers"], "key"))


def planned(catalog: Catalog, model: str, **fields: object) -> tuple[str, str | None, str | None]:
    target, asked = plan_images(ImageRequest(model, "a fox", **fields), catalog, None, TODAY)
    return target.model.id, asked.size, asked.quality


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        ("dall-e-3", {}, ("gpt-image-2.5-flare", "1024x1024", "medium")),
        ("dall-e-3", {"size": "1792x1024", "quality": "hd"}, ("gpt-image-2.5-flare", "1792x1024", "high")),
        ("dall-e-2", {"size": "256x256"}, ("gpt-image-2.5-flare", "1024x1024", "medium")),
        ("gpt-image-2", {}, ("gpt-image-2", "1024x1024", "auto")),
        ("gpt-image-2", {"size": "auto", "quality": "low"}, ("gpt-image-2", "auto", "low")),
        ("stable-diffusion", {"size": "512x512"}, ("stable-diffusion", "512x512", "standard")),
        ("gemini-3.1-flash-image", {"quality": "standard"}, ("gemini-3.1-flash-image", "1024x1024", None)),
    ],
)
def test_a_request_is_put_in_the_words_of_the_model_that_draws(shipped: Catalog, model, fields, expected):
    assert planned(shipped, model, **fields) == expected


@pytest.mark.parametrize(
    ("model", "fields", "param", "says"),
    [
        ("dall-e-3", {"size": "512x512"}, "size", "1792x1024"),
        ("dall-e-2", {"quality": "hd"}, "quality", "standard"),
        ("gpt-image-2", {"quality": "standard"}, "quality", "medium"),
        ("gemini-3.1-flash-image", {"quality": "high"}, "quality", "has no qualities"),
    ],
)
def test_what_a_model_does_not_draw_is_refused_by_field(shipped: Catalog, model, fields, param, says):
    with pytest.raises(InvalidRequest, match=says) as caught:
        planned(shipped, model, **fields)
    assert caught.value.param == param


def test_a_longer_prompt_than_promised_is_refused(shipped: Catalog):
    with pytest.raises(InvalidRequest, match="4,000 characters") as caught:
        plan_images(ImageRequest("dall-e-3", "x" * 4_001), shipped, None, TODAY)
    assert caught.value.param == "prompt"
    plan_images(ImageRequest("dall-e-3", "x" * 4_000), shipped, None, TODAY)


def test_the_nearest_shape_stands_in_and_a_model_without_sizes_takes_any():
    catalog = catalogs.load(catalogs.parse(ROWS), {"p": None})
    assert planned(catalog, "free-size", size="640x480") == ("free-size", "640x480", None)
    assert planned(catalog, "free-size") == ("free-size", None, None)
    assert planned(catalog, "old-square", size="512x1024") == ("square", "1024x1024", None)
    assert planned(catalog, "old-square") == ("square", "1024x1024", None), "auto, where the successor has none"
