"""OpenAI's image generation as values: requests read, replies and jobs written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.dialects.openai_images import Shown, read_request, write_job, write_reply
from thermly.errors import ContentRefused, InvalidRequest
from thermly.exchange import Usage
from thermly.pictures import ImageRequest


def read(**fields: Any) -> ImageRequest:
    return read_request(json.dumps({"model": "m", "prompt": "a fox", **fields}).encode())


# ---- requests


def test_the_least_request():
    assert read() == ImageRequest("m", "a fox", 1, None, None, False, None, None)


def test_a_whole_request():
    body = {
        **{"size": "1792x1024", "quality": "hd", "n": 4, "response_format": "b64_json", "user": "u"},
        **{"style": "natural", "background": "opaque", "moderation": "low", "output_format": "webp"},
        **{"output_compression": 50, "stream": False, "partial_images": None, "step": 20},
    }
    extras = {name: body[name] for name in ("style", "background", "moderation", "output_format")}
    extras |= {"output_compression": 50, "step": 20}
    assert read(**body) == ImageRequest("m", "a fox", 4, "1792x1024", "hd", True, "u", {"openai": extras})


def test_null_is_as_good_as_nothing():
    names = ("n", "size", "quality", "response_format", "user", "stream", "style", "background", "step")
    assert read(**dict.fromkeys(names)) == read()


@pytest.mark.parametrize("size", ["auto", "1x1", "256x256", "1024x1792", "99999x99999"])
def test_sizes_are_passed_on(size: str):
    assert read(size=size).size == size


def test_the_bounds_themselves_are_allowed():
    assert len(read(prompt="ü" * 4000).prompt) == 4000
    assert (read(n=1).n, read(n=4).n) == (1, 4)
    assert read(output_compression=0).extras == {"openai": {"output_compression": 0}}
    assert read(response_format="url").b64 is False


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": "x" * 4001}, "prompt"),
        ({"prompt": ["a fox"]}, "prompt"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"n": 0}, "n"),
        ({"n": 5}, "n"),
        ({"n": "2"}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.5}, "n"),
        ({"size": ""}, "size"),
        ({"size": "1024"}, "size"),
        ({"size": "1024x"}, "size"),
        ({"size": "0x1024"}, "size"),
        ({"size": "1024X1024"}, "size"),
        ({"size": "1024x1024\n"}, "size"),
        ({"size": "1١x1"}, "size"),
        ({"size": "123456x1"}, "size"),
        ({"size": [1024, 1024]}, "size"),
        ({"quality": ""}, "quality"),
        ({"quality": 1}, "quality"),
        ({"quality": "x" * 41}, "quality"),
        ({"response_format": "png"}, "response_format"),
        ({"user": 5}, "user"),
        ({"style": "loud"}, "style"),
        ({"background": "blue"}, "background"),
        ({"moderation": "none"}, "moderation"),
        ({"output_format": "svg"}, "output_format"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_compression": 101}, "output_compression"),
        ({"stream": True}, "stream"),
        ({"stream": "yes"}, "stream"),
        ({"partial_images": 0}, "partial_images"),
        ({"partial_images": 4}, "partial_images"),
        ({"api_base": "http://x"}, "api_base"),
        ({"extra_body": {}, "models": ["x"]}, "extra_body"),
    ],
)
def test_fields_that_are_refused_by_name(fields: dict[str, Any], param: str):
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param
    assert param in caught.value.message


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b'{"model": "m"}', "prompt", None),
        (b'{"prompt": "a"}', "model", None),
        (b"", None, "invalid_json"),
        (b'"a fox"', None, "invalid_json"),
        (b'{"model": "m", "prompt": "a"', None, "invalid_json"),
        (b'{"model": "m", "prompt": "\\ud800"}', None, "invalid_json"),
        (b'{"model": "m", "prompt": "a", "x": ' + b"[" * 99_999, None, "invalid_json"),
    ],
)
def test_bodies_that_are_none(body: bytes, param: str | None, code: str | None):
    with pytest.raises(InvalidRequest) as caught:
        read_request(body)
    assert (caught.value.param, caught.value.code) == (param, code)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)


@given(ANYTHING, st.none() | ANYTHING, st.none() | ANYTHING, st.none() | ANYTHING)
def test_whatever_is_sent_is_read_or_refused(prompt: Any, n: Any, size: Any, stream: Any):
    try:
        request = read(prompt=prompt, n=n, size=size, stream=stream)
    except InvalidRequest as error:
        assert error.param in ("prompt", "n", "size", "stream")
        return
    assert type(request.prompt) is str and 1 <= len(request.prompt) <= 4000
    assert type(request.n) is int and 1 <= request.n <= 4
    assert not stream


# ---- replies

LINKED = Shown("http://host/images/a.png", None, "A red fox")
PACKED = Shown(None, "AAEC", None)


def written(*pictures: Shown, usage: Usage | None = None, **facts: str) -> Any:
    return json.loads(write_reply(1_709_150_000, pictures, usage, facts))


def test_the_references_own_reply():
    assert written(LINKED) == {
        "created": 1_709_150_000,
        "data": [{"url": "http://host/images/a.png", "revised_prompt": "A red fox"}],
    }


def test_what_is_not_there_is_not_told():
    assert written(PACKED, PACKED)["data"] == [{"b64_json": "AAEC"}] * 2
    assert written(PACKED, size="", quality="auto").keys() == {"created", "data"}


def test_a_reply_with_all_that_can_be_known():
    facts = {"size": "1024x1024", "quality": "low", "output_format": "png", "background": "opaque"}
    reply = written(PACKED, usage=Usage(12, output_tokens=272), **facts)
    assert reply == {
        "created": 1_709_150_000,
        "data": [{"b64_json": "AAEC"}],
        **facts,
        "usage": {
            "total_tokens": 284,
            "input_tokens": 12,
            "output_tokens": 272,
            "input_tokens_details": {"text_tokens": 12, "image_tokens": 0},
        },
    }


def test_openais_own_client_reads_a_reply():
    images_response = pytest.importorskip("openai.types.images_response").ImagesResponse
    data = write_reply(7, [LINKED], Usage(1, output_tokens=2), {"size": "1024x1024", "quality": "high"})
    read_back = images_response.model_validate_json(data)
    assert read_back.data[0].url == LINKED.url and read_back.data[0].b64_json is None
    assert (read_back.usage.total_tokens, read_back.quality) == (3, "high")


# ---- jobs


def job(**fields: Any) -> Any:
    told = {"id": "j1", "status": "in_progress", "created_s": 7, "done": 1, "of": 3, **fields}
    return json.loads(write_job(**told))


def test_a_job_under_way_says_how_far_it_is():
    assert job() == {
        "id": "j1",
        "object": "image.generation.job",
        "status": "in_progress",
        "created": 7,
        "progress": {"done": 1, "of": 3},
    }


def test_a_job_that_is_completed_has_the_reply_that_waiting_would_have_got():
    result = (9, [LINKED], Usage(1, output_tokens=2), {"size": "512x512"})
    assert job(status="completed", done=1, of=1, result=result)["result"] == json.loads(write_reply(*result))


def test_a_job_that_failed_says_why_as_any_error_does():
    told = job(status="failed", done=0, error=ContentRefused("No.", param="prompt"))
    assert told["error"] == {
        "message": "No.",
        "type": "invalid_request_error",
        "code": "content_policy_violation",
        "param": "prompt",
    }
    assert "result" not in told
