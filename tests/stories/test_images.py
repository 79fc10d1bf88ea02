"""Images: asked for, waited for or polled, fetched by their address, paid for exactly, and forgotten in time."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest
import requests
from sandbox.pictures import Picture, read

from stories.stack import NANO, Caller, Stack, at_once, mark, order, refusal, wait_for
from stories.test_limits import assert_refused, told
from stories.test_money import PRICES

IMAGES, API_IMAGES = "/v1/images/generations", "/api/v1/images/generations"
FLARE, SD, GEMINI = "gpt-image-2.5-flare", "stable-diffusion", "gemini-3.1-flash-image"
SD_NANOUSD = 35_000_000
LATER = {"Prefer": "respond-async"}
SWEEP = "from workers.housekeeping import sweep; sweep()"
both_paths = pytest.mark.parametrize("path", [IMAGES, API_IMAGES])
both_surfaces = pytest.mark.parametrize(("path", "status"), [(IMAGES, 422), (API_IMAGES, 400)])
every_family = pytest.mark.parametrize("model", [FLARE, SD, GEMINI])


def make(
    caller: Caller,
    prompt: str = "a fox",
    model: str = SD,
    path: str = IMAGES,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> requests.Response:
    size = {"size": "256x256"} if model == SD else {}
    return caller.post({"model": model, "prompt": prompt, **size, **fields}, path, headers)


def images(response: requests.Response) -> list[dict[str, Any]]:
    """The images of a good reply, whose shape is checked."""
    assert response.status_code == 200, response.text
    assert response.headers["x-request-id"].startswith("req_")
    reply = response.json()
    assert set(reply) - {"size", "quality", "usage"} == {"created", "data"}
    assert abs(reply["created"] - time.time()) < 60
    rows: list[dict[str, Any]] = reply["data"]
    return rows


def fetched(url: str) -> Picture:
    response = requests.get(url, timeout=10)
    assert response.status_code == 200 and response.headers["Content-Type"] == "image/png", url
    return read(response.content)


def sized(picture: Picture) -> str:
    return f"{picture.width}x{picture.height}"


def job_at(caller: Caller, path: str) -> requests.Response:
    return requests.get(caller.stack.url + path, headers=caller.headers(), timeout=10)


def finished(caller: Caller, path: str) -> dict[str, Any]:
    """The job at the path, once it is over."""

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = job_at(caller, path).json()
        return job if job["status"] in ("completed", "failed") else None

    found = wait_for(look)
    assert found is not None, "the job does not end"
    return dict(found)


def assert_released(caller: Caller) -> None:
    (row,) = caller.usage()
    assert (row["state"], row["cost_nanousd"], row["images"]) == ("released", 0, 0) and row["outcome"] != "ok"
    assert caller.funds() == (100 * NANO, 0)


# ---- made and fetched


@both_paths
@every_family
def test_an_image_has_an_address_and_is_there(rich: Caller, path: str, model: str) -> None:
    (row,) = images(make(rich, "a fox", model, path))
    assert set(row) == {"url", "revised_prompt"} and row["revised_prompt"] == "a fox"
    assert row["url"].startswith(rich.stack.url + "/images/") and row["url"].endswith(".png")
    assert sized(fetched(row["url"])) == ("256x256" if model == SD else "1024x1024")


@both_paths
@every_family
def test_an_image_may_come_with_the_reply(rich: Caller, path: str, model: str) -> None:
    (row,) = images(make(rich, "a fox", model, path, response_format="b64_json"))
    assert set(row) == {"b64_json", "revised_prompt"}
    assert sized(read(base64.b64decode(row["b64_json"], validate=True))) in ("256x256", "1024x1024")


@pytest.mark.parametrize("model", [SD, GEMINI])
def test_four_images_are_four_different_images(stack: Stack, caller: Caller, model: str) -> None:
    text = mark()
    rows = images(make(caller, text, model, n=4))
    assert len({row["url"] for row in rows}) == 4
    assert len({b"".join(fetched(row["url"]).rows) for row in rows}) == (4 if model == SD else 1)
    assert len(stack.heard(text)) == (1 if model == SD else 4), "a model that draws one at a time is asked so often"
    assert caller.usage()[0]["images"] == 4


@pytest.mark.parametrize(("model", "size", "upstream", "drawn"), [
    ("dall-e-3", "1024x1024", FLARE, "1024x1024"),
    ("dall-e-3", "1792x1024", FLARE, "1792x1024"),
    ("dall-e-3", "1024x1792", FLARE, "1024x1792"),
    ("dall-e-3", None, FLARE, "1024x1024"),
    ("dall-e-2", "256x256", FLARE, "1024x1024"),
    ("dall-e-2", "512x512", FLARE, "1024x1024"),
    (FLARE, "1536x1024", FLARE, "1536x1024"),
    (FLARE, "auto", FLARE, "1024x1024"),
    (SD, "512x512", SD, "512x512"),
    (SD, None, SD, "1024x1024"),
    (GEMINI, "1024x1536", GEMINI, "832x1248"),
    (GEMINI, "1792x1024", GEMINI, "1344x768"),
])  # fmt: skip
def test_an_image_has_the_size_that_was_asked_for(
    stack: Stack, rich: Caller, model: str, size: str | None, upstream: str, drawn: str
) -> None:
    text = mark()
    (row,) = images(make(rich, text, model, size=size))
    assert sized(fetched(row["url"])) == drawn
    assert [heard["model"] for heard in stack.heard(text)] == [upstream]


@pytest.mark.parametrize(("model", "quality", "heard"), [
    ("dall-e-3", "hd", "high"), ("dall-e-3", "standard", "medium"), ("dall-e-3", None, "medium"),
    ("dall-e-2", None, "medium"), (FLARE, "low", "low"), (FLARE, None, "auto"), (SD, "standard", "standard"),
])  # fmt: skip
def test_qualities_are_told_in_the_words_of_who_draws(
    stack: Stack, rich: Caller, model: str, quality: str | None, heard: str
) -> None:
    text = mark()
    images(make(rich, text, model, quality=quality))
    (request,) = stack.heard(text)
    assert request["body"]["quality"] == heard


def test_what_else_an_upstream_hears_and_what_not(stack: Stack, rich: Caller) -> None:
    text = mark()
    images(make(rich, text, FLARE, user="somebody", background="transparent", response_format="url", style="vivid"))
    (heard,) = stack.heard(text)
    assert heard["path"] == "/openai/v1/images/generations"
    assert set(heard["body"]) == {"model", "prompt", "n", "size", "quality", "user", "background"}
    assert rich.key not in json.dumps(heard)


def test_a_prompt_of_4000_characters_in_any_script_is_drawn(rich: Caller) -> None:
    for prompt in ("x" * 4000, "狐" * 4000, "🦊\n\t\x01 \\\"'{{}}"):
        images(make(rich, prompt))


# ---- the address


@pytest.fixture(scope="module")
def address(rich: Caller) -> str:
    return str(images(make(rich))[0]["url"])


def test_an_address_needs_no_key_and_may_be_kept(address: str) -> None:
    response = requests.get(address, timeout=10)
    assert response.status_code == 200 and read(response.content).width == 256
    assert int(response.headers["Content-Length"]) == len(response.content)
    control = response.headers["Cache-Control"]
    assert "immutable" in control and 86_000 < int(control.partition("max-age=")[2].split(",")[0]) <= 86_400
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    again = requests.get(address, headers={"If-None-Match": response.headers["ETag"]}, timeout=10)
    assert (again.status_code, again.content) == (304, b"") and again.headers["ETag"] == response.headers["ETag"]
    other = requests.get(address, headers={"If-None-Match": '"another"'}, timeout=10)
    assert other.status_code == 200 and other.content == response.content


def test_an_address_may_be_asked_for_its_head(address: str) -> None:
    whole, head = requests.get(address, timeout=10), requests.head(address, timeout=10)
    assert head.status_code == 200 and head.content == b""
    assert (head.headers["Content-Length"], head.headers["ETag"]) == (
        str(len(whole.content)),
        whole.headers["ETag"],
    )


def test_nothing_else_is_served_from_there(stack: Stack, address: str) -> None:
    name = address.rpartition("/")[2]
    for other in (
        "x" * 32 + ".png", name[:-4], name[:-4] + ".jpg", name.swapcase(), name + "/", "..%2Fthermly.db",
        "%2e%2e/thermly.db", "....//thermly.db", "%00.png", "x" * 3000 + ".png",
    ):  # fmt: skip
        response = requests.get(f"{stack.url}/images/{other}", timeout=10)
        assert response.status_code == 404 and response.json()["error"]["type"] == "not_found_error", other
    refusal(requests.get(f"{stack.url}/images/{'x' * 32}.png", timeout=10), 404, "not_found_error", "not_found")
    assert requests.post(address, timeout=10).status_code == 405


# ---- refusals


@both_surfaces
@pytest.mark.parametrize(("param", "model", "fields"), [
    ("size", "dall-e-3", {"size": "512x512"}),
    ("size", "dall-e-2", {"size": "1792x1024"}),
    ("size", SD, {"size": "auto"}),
    ("size", SD, {"size": "big"}),
    ("size", SD, {"size": "0x0"}),
    ("size", SD, {"size": 256}),
    ("quality", "dall-e-3", {"quality": "ultra"}),
    ("quality", SD, {"quality": "hd"}),
    ("quality", GEMINI, {"quality": "hd"}),
    ("n", SD, {"n": 5}),
    ("n", SD, {"n": 0}),
    ("n", SD, {"n": "2"}),
    ("n", "dall-e-3", {"n": 1.5}),
    ("prompt", SD, {"prompt": "x" * 4001}),
    ("prompt", SD, {"prompt": ""}),
    ("prompt", SD, {"prompt": None}),
    ("prompt", SD, {"prompt": ["x"]}),
    ("model", "gpt-4o", {}),
    ("model", "text-embedding-3-small", {}),
    ("model", "auto", {}),
    ("model", SD, {"model": None}),
    ("response_format", SD, {"response_format": "png"}),
    ("style", "dall-e-3", {"style": "wild"}),
    ("stream", FLARE, {"stream": True}),
    ("partial_images", FLARE, {"partial_images": 2}),
    ("user", SD, {"user": 7}),
    ("base_url", SD, {"base_url": "http://example.com"}),
], ids=lambda v: str(v)[:24])  # fmt: skip
def test_what_breaks_the_rules_is_refused_by_name(
    caller: Caller, path: str, status: int, param: str, model: str, fields: dict[str, Any]
) -> None:
    body = {"model": model, "prompt": "a fox", "size": "256x256" if model == SD else None}
    response = caller.post({**body, **fields}, path)
    error = response.json()["error"]
    assert response.status_code == status, response.text
    assert (error["type"], error["param"]) == ("invalid_request_error", param), error
    assert caller.funds() == (100 * NANO, 0)
    assert caller.stack.rows("SELECT id FROM image_job WHERE account_id = :id", id=caller.account_id) == []


@both_surfaces
def test_what_is_no_image_request_at_all_is_refused(rich: Caller, path: str, status: int) -> None:
    refusal(rich.post(b"{", path), status, "invalid_request_error", "invalid_json")
    refusal(rich.post({"model": SD}, path), status, "invalid_request_error", "invalid_request", "prompt")
    refusal(rich.post({"prompt": "x"}, path), status, "invalid_request_error", "invalid_request", "model")


@both_paths
def test_who_may_not_is_told_so(stack: Stack, path: str) -> None:
    unknown = make(stack.caller(), model="dall-e-4", path=path)
    assert "dall-e-3" in refusal(unknown, 404, "not_found_error", "model_not_found", "model")
    limited = stack.caller(models=[SD])
    refusal(make(limited, model=FLARE, path=path), 403, "permission_error", "model_not_allowed", "model")
    assert make(limited, path=path).status_code == 200
    refusal(make(stack.caller(disabled=True), path=path), 403, "permission_error", "account_disabled")
    refusal(make(Caller(stack, "", "sk-no"), path=path), 401, "authentication_error", "invalid_api_key")
    refusal(requests.post(stack.url + path, timeout=10), 401, "authentication_error", "missing_api_key")


@both_paths
@every_family
def test_a_prompt_that_the_upstream_will_not_draw_is_a_400_everywhere(
    stack: Stack, caller: Caller, path: str, model: str
) -> None:
    text = mark()
    response = make(caller, order("block", text), model, path)
    refusal(response, 400, "invalid_request_error", "content_policy_violation", "prompt")
    assert len(stack.heard(text)) == 1, "asking again would not help"
    assert_released(caller)


# ---- money and limits


@pytest.mark.parametrize(("fields", "nanousd"), [
    ({"size": "256x256"}, SD_NANOUSD), ({"size": "512x512", "n": 3}, 3 * SD_NANOUSD),
])  # fmt: skip
def test_an_image_costs_what_the_price_list_says(caller: Caller, fields: dict[str, Any], nanousd: int) -> None:
    response = make(caller, **fields)
    assert "usage" not in response.json()
    (row,) = caller.usage()
    assert (row["cost_nanousd"], row["images"], row["estimated"]) == (nanousd, fields.get("n", 1), 0)
    assert (row["model"], row["provider"], row["surface"], row["state"]) == (SD, "localai", "v1", "settled")
    assert caller.funds() == (100 * NANO - nanousd, 0)
    assert response.headers["x-request-id"] == "req_" + row["id"]


@pytest.mark.parametrize(("name", "model", "fields", "output"), [
    (FLARE, FLARE, {"quality": "low"}, 272),
    (FLARE, FLARE, {"quality": "high", "n": 2}, 2 * 4160),
    ("dall-e-3", FLARE, {"quality": "hd", "size": "1024x1024"}, 4160),
    ("dall-e-2", FLARE, {"size": "256x256"}, 1056),
    (GEMINI, GEMINI, {}, 1120),
    (GEMINI, GEMINI, {"n": 3}, 3 * 1120),
])  # fmt: skip
def test_an_image_costs_its_tokens_times_the_price(
    caller: Caller, name: str, model: str, fields: dict[str, Any], output: int
) -> None:
    usage = make(caller, "a fox in the snow", name, **fields).json()["usage"]
    thoughts = usage["output_tokens"] - output
    assert (0 < thoughts < 100 if model == GEMINI else thoughts == 0) and usage["input_tokens"] > 0
    output += thoughts
    assert usage["total_tokens"] == usage["input_tokens"] + output
    price = PRICES[model]
    dollars = usage["input_tokens"] * Decimal(price["input_per_mtok"]) + output * Decimal(price["output_per_mtok"])
    cost = int((dollars / 10**6 * NANO).to_integral_value(ROUND_CEILING))
    (row,) = caller.usage()
    assert (row["cost_nanousd"], row["output_tokens"]) == (cost, output)
    assert (row["model"], row["requested_model"], row["images"]) == (model, name, fields.get("n", 1))
    assert caller.funds() == (100 * NANO - cost, 0)


@both_paths
def test_without_credit_nothing_is_asked_of_anybody(stack: Stack, path: str) -> None:
    text, poor = mark(), stack.caller(0.1)
    refusal(make(poor, text, path=path, n=3), 402, "insufficient_credits", "insufficient_credits")
    capped = stack.caller(cap_nanousd=SD_NANOUSD - 1)
    refusal(make(capped, text, path=path), 402, "insufficient_credits", "spend_cap_reached")
    assert stack.heard(text) == [] and poor.funds() == (NANO // 10, 0)
    assert make(poor, text, path=path, n=2).status_code == 200


def test_concurrent_requests_never_overdraw_a_small_balance(stack: Stack) -> None:
    poor = stack.caller(0.12)
    statuses = [r.status_code for r in at_once(8, lambda _: make(poor))]
    assert sorted(statuses) == [200] * 3 + [402] * 5
    assert poor.funds() == (120_000_000 - 3 * SD_NANOUSD, 0)


def test_images_have_an_allowance_of_their_own(stack: Stack) -> None:
    free = stack.caller(plan="free")
    assert make(free, n=5).status_code == 422, "a refused body uses up nothing"
    answers = [make(free, n=2) for _ in range(5)]
    assert [(a.status_code, told(a)[:2]) for a in answers] == [(200, (5, 4 - i)) for i in range(5)]
    assert_refused(make(free), 5)
    assert_refused(make(free, path=API_IMAGES, headers=LATER), 5)
    assert told(free.ask())[:2] == (10, 9), "chat goes on, and has been counted by itself"
    assert told(make(stack.caller(plan="standard")))[:2] == (20, 19)
    assert "X-RateLimit-Limit-Requests" not in make(stack.caller()).headers


# ---- for those who do not wait


@both_paths
def test_a_job_is_polled_until_it_is_done(caller: Caller, path: str) -> None:
    response = make(caller, order("hang=0.5", "a fox"), path=path, n=2, headers=LATER)
    assert response.status_code == 202 and response.headers["Preference-Applied"] == "respond-async"
    assert response.headers["Content-Type"] == "application/json" and int(response.headers["Retry-After"]) > 0
    job, where = response.json(), response.headers["Location"]
    assert where == f"{path}/{job['id']}" and response.headers["x-request-id"] == "req_" + job["id"]
    assert set(job) == {"id", "object", "status", "created", "progress"}
    assert job["object"] == "image.generation.job" and job["status"] in ("queued", "in_progress")
    assert job["progress"] == {"done": 0, "of": 2}
    assert caller.funds() == (100 * NANO, 2 * SD_NANOUSD), "held while it is made"
    early = job_at(caller, where)
    assert early.json()["status"] in ("queued", "in_progress") and int(early.headers["Retry-After"]) > 0
    done = finished(caller, where)
    assert (done["status"], done["progress"]) == ("completed", {"done": 2, "of": 2})
    rows = done["result"]["data"]
    assert [set(row) for row in rows] == [{"url"}] * 2, "the prompt is kept nowhere, so it is not told either"
    assert {sized(fetched(row["url"])) for row in rows} == {"256x256"}
    assert caller.funds() == (100 * NANO - 2 * SD_NANOUSD, 0) and caller.usage()[0]["id"] == job["id"]
    assert "Retry-After" not in job_at(caller, where).headers


def test_a_job_may_hold_its_images_in_base64(caller: Caller) -> None:
    response = make(caller, headers={"Prefer": "wait=1, respond-async"}, response_format="b64_json")
    (row,) = finished(caller, response.headers["Location"])["result"]["data"]
    assert read(base64.b64decode(row["b64_json"])).width == 256


@pytest.mark.parametrize(("directive", "kind", "code"), [
    ("block", "invalid_request_error", "content_policy_violation"),
    ("status=500", "service_unavailable_error", "service_unavailable"),
])  # fmt: skip
def test_a_job_that_failed_says_why(caller: Caller, directive: str, kind: str, code: str) -> None:
    where = make(caller, order(directive), headers=LATER).headers["Location"]
    job = finished(caller, where)
    assert job["status"] == "failed" and "result" not in job and job["progress"] == {"done": 0, "of": 1}
    assert (job["error"]["type"], job["error"]["code"]) == (kind, code) and job["error"]["message"]
    assert_released(caller)


def test_refusals_are_told_at_once_to_those_who_do_not_wait_too(stack: Stack) -> None:
    refusal(make(stack.caller(0), headers=LATER), 402, "insufficient_credits", "insufficient_credits")
    refusal(
        make(stack.caller(), model="dall-e-4", headers=LATER), 404, "not_found_error", "model_not_found", "model"
    )


def test_a_job_is_nobody_elses_business(stack: Stack, caller: Caller) -> None:
    where = make(caller, headers=LATER).headers["Location"]
    finished(caller, where)
    for path in (where, IMAGES + "/nothing", IMAGES + "/" + "x" * 500):
        refusal(job_at(stack.caller(), path), 404, "not_found_error", "not_found")
    refusal(requests.get(stack.url + where, timeout=10), 401, "authentication_error", "missing_api_key")
    colleague = Caller(stack, caller.account_id, stack.key(caller.account_id))
    assert job_at(colleague, where.replace("/v1", "/api/v1")).json()["status"] == "completed"


# ---- upstreams that fail


@pytest.mark.parametrize(("model", "directive"), [
    (FLARE, "status=500"), (SD, "status=429"), (GEMINI, "status=500"), (FLARE, "html"), (GEMINI, "badjson"),
])  # fmt: skip
def test_an_upstream_that_fails_is_a_503_and_nothing_is_charged(
    stack: Stack, caller: Caller, model: str, directive: str
) -> None:
    text = mark()
    response = make(caller, order(directive, text), model)
    message = refusal(response, 503, "service_unavailable_error", "service_unavailable")
    assert model in message and int(response.headers["Retry-After"]) >= 1
    assert response.headers["x-request-id"] == "req_" + caller.usage()[0]["id"]
    assert len(stack.heard(text)) == 2, "it was asked twice"
    assert_released(caller)


@pytest.mark.parametrize(("directive", "model", "status", "code"), [
    ("empty", SD, 503, "service_unavailable"),
    ("empty", GEMINI, 422, "no_image"),
    ("status=400", FLARE, 422, "upstream_rejected"),
    ("cut=0", FLARE, 503, "upstream_unreachable"),
])  # fmt: skip
def test_an_answer_without_an_image_is_no_image(
    caller: Caller, directive: str, model: str, status: int, code: str
) -> None:
    response = make(caller, order(directive), model)
    assert response.status_code == status and response.json()["error"]["code"] == code, response.text
    assert_released(caller)


def test_who_leaves_while_waiting_finds_the_job_done(stack: Stack, caller: Caller) -> None:
    with pytest.raises(requests.Timeout):
        body = {"model": SD, "prompt": order("hang=0.6"), "size": "256x256"}
        requests.post(stack.url + IMAGES, json=body, headers=caller.headers(), timeout=0.3)
    (row,) = caller.usage()
    assert (row["outcome"], row["cost_nanousd"]) == ("ok", SD_NANOUSD)
    assert finished(caller, f"{IMAGES}/{row['id']}")["status"] == "completed"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory, stack: Stack) -> Iterator[Stack]:
    """A stack that waits a second and no longer. (The shared one is only asked for so that it skips with it.)"""
    hasty = Stack(
        tmp_path_factory.mktemp("hasty") / "instance",
        web_workers=1,
        image_wait_s=1,
        public_url="https://img.test/t/",
    ).start()
    yield hasty
    assert hasty.stop() == 0, hasty.log()


def test_who_has_waited_long_enough_is_told_where_the_job_goes_on(hasty: Stack) -> None:
    def one(index: int) -> None:
        caller, path = hasty.caller(), (IMAGES, API_IMAGES)[index]
        response = make(caller, order("hang=1.3"), path=path)
        message = refusal(response, 503, "service_unavailable_error", "images_not_ready")
        job_id = response.headers["x-request-id"].removeprefix("req_")
        assert f"{path}/{job_id}" in message and int(response.headers["Retry-After"]) >= 1
        assert response.headers["x-should-retry"] == "false", "a client's own retry would be a second job to pay"
        assert caller.funds()[1] == SD_NANOUSD
        job = finished(caller, f"{path}/{job_id}")
        assert job["status"] == "completed" and caller.usage()[0]["cost_nanousd"] == SD_NANOUSD
        assert job["result"]["data"][0]["url"].startswith("https://img.test/t/images/")

    at_once(2, one)


# ---- afterwards


def written(stack: Stack) -> dict[str, bytes]:
    """What is in the instance folder but for the images themselves, once the database's log has gone into it."""

    def merged() -> bool:
        row = stack.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]
        return bool(row["busy"] == 0)

    assert wait_for(merged), "somebody reads all the time"
    files = [path for path in stack.folder.rglob("*") if path.is_file() and path.parent.name != "images"]
    return {str(path): path.read_bytes() for path in files}


@every_family
def test_a_prompt_is_kept_nowhere(stack: Stack, rich: Caller, model: str) -> None:
    secret = mark()
    for directive in ("block", "status=500", "status=400"):
        make(rich, order(directive, secret), model)
    job = make(rich, order("hang=0.1", secret), model, headers=LATER)
    finished(rich, job.headers["Location"])
    make(rich, secret + "x" * 4000, model)
    found = written(stack)
    assert any(name.endswith("thermly.db") for name in found)
    assert [name for name, data in found.items() if secret.encode() in data] == []
    assert secret not in stack.log() and rich.key not in stack.log()


def test_an_expired_image_is_gone_and_so_is_its_file(stack: Stack, caller: Caller) -> None:
    responses = [make(caller) for _ in range(2)]
    urls = [images(r)[0]["url"] for r in responses]
    files = [stack.folder / "images" / url.rpartition("/")[2] for url in urls]
    old, young = (r.headers["x-request-id"].removeprefix("req_") for r in responses)
    assert all(file.is_file() and file.stat().st_mode & 0o077 == 0 for file in files)
    assert stack.change("UPDATE image_job SET expires_at_ms = 1 WHERE id = :id", id=old) == 1
    refusal(requests.get(urls[0], timeout=10), 404, "not_found_error", "not_found")
    subprocess.run([sys.executable, "-c", SWEEP], env=stack.env, check=True, timeout=30, stderr=subprocess.PIPE)
    assert not files[0].exists() and files[1].exists()
    refusal(job_at(caller, f"{IMAGES}/{old}"), 404, "not_found_error", "not_found")
    assert job_at(caller, f"{IMAGES}/{young}").json()["status"] == "completed"
    assert sized(fetched(urls[1])) == "256x256" and len(caller.usage(2)) == 2, "the books remember"


def test_every_file_has_its_row_and_every_row_its_file(stack: Stack, rich: Caller) -> None:
    make(rich, n=2)
    rows = {row["name"]: row["size_bytes"] for row in stack.rows("SELECT name, size_bytes FROM image")}
    files = {name: (stack.folder / "images" / name).stat().st_size for name in os.listdir(stack.folder / "images")}
    assert rows == files
