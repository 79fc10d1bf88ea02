"""Gemini's wire at /api/v1beta: its keys, its two forms of a stream, its money, and its refusals."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from stories.stack import NANO, Caller, Stack, at_once, mark, order, wait_for
from stories.test_chat import PERSON, PIXEL
from stories.test_limits import told as limits
from stories.test_money import PRICES, cost_nanousd

BASE = "/api/v1beta/models/"
FAMILIES = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "deepseek-v4-flash")
VECTORS = ("text-embedding-3-small", "gemini-embedding-2")
JSON = dict[str, Any]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"functionDeclarations": [{"name": "get_weather", "description": "The weather", "parameters": SCHEMA}]}]
every_family = pytest.mark.parametrize("model", FAMILIES)
both_forms = pytest.mark.parametrize("form", ["sse", "array"])


def body_of(text: str = "Hello!", **fields: Any) -> JSON:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], **fields}


def path_of(model: str, verb: str = "generateContent", **query: str) -> str:
    return f"{BASE}{model}:{verb}" + "".join(
        f"{'&' if i else '?'}{k}={v}" for i, (k, v) in enumerate(query.items())
    )


def ask(caller: Caller, text: str = "Hello!", model: str = "gpt-4o", **fields: Any) -> requests.Response:
    return caller.post(body_of(text, **fields), path_of(model))


def reply_of(caller: Caller, text: str = "Hello!", model: str = "gpt-4o", **fields: Any) -> JSON:
    response = ask(caller, text, model, **fields)
    assert response.status_code == 200, response.text
    reply: JSON = response.json()
    return reply


def text_of(reply: JSON) -> str:
    return "".join(p.get("text", "") for c in reply.get("candidates", ()) for p in c["content"]["parts"])


def refused(
    response: requests.Response,
    status: int,
    kind: str,
    code: str,
    param: str | None,
    name: str = "INVALID_ARGUMENT",
) -> str:
    """Assert a refusal in its whole shape; returns its message."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["x-request-id"].startswith("req_")
    body = response.json()
    assert set(body) == {"error"} and set(body["error"]) == {"message", "type", "code", "param", "status"}
    error = body["error"]
    assert (error["type"], error["code"], error["param"], error["status"]) == (kind, code, param, name), error
    assert error["message"] and "Traceback" not in error["message"]
    return str(error["message"])


class Stream:
    """What was sent, and the responses that could be read from it, in either form."""

    def __init__(self, response: requests.Response) -> None:
        assert response.status_code == 200, response.text
        self.response, self.began_at = response, time.monotonic()
        self.pieces: list[bytes] = []
        self.rows: list[JSON] = []
        self.at: list[float] = []
        self._coming = response.iter_content(None)

    @property
    def raw(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def array(self) -> bool:
        return self.response.headers["Content-Type"].startswith("application/json")

    def read(self, rows: int | None = None) -> Stream:
        """To the end, or until so many have come."""
        while rows is None or len(self.rows) < rows:
            piece = next(self._coming, None)
            if piece is None:
                return self
            self.pieces.append(piece)
            found = list(_elements(self.raw) if self.array else _events(self.raw))
            self.at += [time.monotonic()] * (len(found) - len(self.rows))
            self.rows = found
        return self

    @property
    def text(self) -> str:
        return "".join(map(text_of, self.rows))

    @property
    def error(self) -> JSON | None:
        return self.rows[-1].get("error") if self.rows else None


def _events(raw: bytes) -> Iterator[JSON]:
    """Any of what EventSource understands: blocks that end in an empty line."""
    *blocks, _ = raw.replace(b"\r\n", b"\n").split(b"\n\n")
    for block in blocks:
        lines = [line for line in block.split(b"\n") if line]
        assert all(line.startswith(b"data:") for line in lines), block
        if lines:
            yield json.loads(b"\n".join(line[5:] for line in lines))


def _elements(raw: bytes) -> Iterator[JSON]:
    """The elements of an array that has not come to its end."""
    rest, decoder = raw.decode().lstrip(), json.JSONDecoder()
    while rest and rest[0] in "[,":
        try:
            value, end = decoder.raw_decode(rest[1:].lstrip())
        except ValueError:
            return
        yield value
        rest = rest[1:].lstrip()[end:].lstrip()


@contextmanager
def opened(
    caller: Caller, text: str = "Hello!", model: str = "gpt-4o", form: str = "sse", **fields: Any
) -> Iterator[Stream]:
    """A stream under way, on a connection of its own."""
    url = caller.stack.url + path_of(model, "streamGenerateContent", **({"alt": "sse"} if form == "sse" else {}))
    with (
        requests.Session() as http,
        http.post(url, json=body_of(text, **fields), headers=caller.headers(), stream=True, timeout=60) as response,
    ):
        yield Stream(response)


def streamed(caller: Caller, text: str = "Hello!", model: str = "gpt-4o", form: str = "sse", **f: Any) -> Stream:
    """A stream read to its end, which is whole in its form."""
    with opened(caller, text, model, form, **f) as stream:
        stream.read()
    if form == "array":
        assert json.loads(stream.raw) == stream.rows
    else:
        assert stream.raw.startswith(b"data: ") and stream.raw.endswith(b"\n\n") and b"[DONE]" not in stream.raw
    return stream


# ---- who asks


@pytest.mark.parametrize("way", ["header", "query", "bearer", "query beside another scheme"])
def test_a_key_is_taken_from_each_place_where_googles_clients_put_it(
    stack: Stack, caller: Caller, way: str
) -> None:
    headers = {
        "header": {"x-goog-api-key": caller.key},
        "query": {},
        "bearer": {"Authorization": f"Bearer {caller.key}"},
        "query beside another scheme": {"Authorization": "Basic eDp5"},
    }[way]
    query = {"key": caller.key} if way.startswith("query") else {}
    for path, body in [
        (path_of("gpt-4o", **query), body_of()),
        (path_of("gpt-4o", "streamGenerateContent", alt="sse", **query), body_of()),
        (path_of("gpt-4o", "countTokens", **query), body_of()),
        (path_of(VECTORS[0], "embedContent", **query), {"content": {"parts": [{"text": "x"}]}}),
    ]:
        assert stack.http.post(stack.url + path, json=body, headers=headers).status_code == 200
    listed = stack.http.get(f"{stack.url}{BASE}gpt-4o", params=query, headers=headers)
    assert listed.status_code == 200 and len(caller.usage(3)) == 3


@pytest.mark.parametrize("path", [
    path_of("gpt-4o"), path_of("gpt-4o", "streamGenerateContent", alt="sse"), path_of("gpt-4o", "countTokens"),
    path_of(VECTORS[0], "embedContent"), path_of(VECTORS[0], "batchEmbedContents"), path_of("no-model", "no-verb"),
])  # fmt: skip
def test_without_a_key_nothing_is_told_but_where_it_belongs(stack: Stack, path: str) -> None:
    response = stack.http.post(stack.url + path, data=b"no JSON")
    message = refused(response, 401, "authentication_error", "missing_api_key", None, "UNAUTHENTICATED")
    assert "x-goog-api-key" in message


def test_a_key_that_is_none_is_refused_wherever_it_stands(stack: Stack) -> None:
    wrong, expired = "sk-thermo-" + "x" * 32, stack.caller(expires_at_ms=1).key
    for key in (wrong, expired, "x" * 1_000):
        for headers, query in (({"x-goog-api-key": key}, ""), ({}, f"?key={key}")):
            for response in (
                stack.http.post(f"{stack.url}{path_of('gpt-4o')}{query}", json=body_of(), headers=headers),
                stack.http.get(f"{stack.url}/api/v1beta/models{query}", headers=headers),
            ):
                message = refused(response, 401, "authentication_error", "invalid_api_key", None, "UNAUTHENTICATED")
                assert key not in message


def test_the_other_surfaces_take_no_key_from_the_url(stack: Stack, rich: Caller) -> None:
    for path in ("/v1/models", "/api/v1/models"):
        assert stack.http.get(f"{stack.url}{path}?key={rich.key}").status_code == 401


def test_a_key_in_the_url_is_in_no_log_and_goes_to_no_upstream(stack: Stack, caller: Caller) -> None:
    marker, key = mark(), caller.key

    def post(text: str, verb: str = "generateContent", **query: str) -> requests.Response:
        url = stack.url + path_of("gpt-4o", verb, key=key, **query)
        return stack.http.post(url, json=body_of(text))

    assert post(marker).status_code == 200
    assert post(order("cut=2 chunks=5", marker), "streamGenerateContent", alt="sse").status_code == 200
    assert post(marker, "noVerb").status_code == 404
    assert stack.http.post(stack.url + path_of("gpt-4o", key=key), data=b"{").status_code == 400
    assert stack.http.delete(f"{stack.url}{BASE}gpt-4o?key={key}").status_code == 405
    last = post(order("status=500", marker)).headers["x-request-id"]
    assert wait_for(lambda: last in stack.log())
    for written in (stack.log(), stack.out_path.read_text(), json.dumps(stack.heard(marker))):
        assert key not in written and key.removeprefix("sk-thermo-") not in written


# ---- replies and streams


@every_family
def test_a_reply_has_googles_shape(rich: Caller, model: str) -> None:
    response = ask(rich, model=model)
    reply = response.json()
    assert set(reply) == {"candidates", "usageMetadata", "modelVersion", "responseId"}
    (candidate,) = reply["candidates"]
    assert candidate["index"] == 0 and candidate["finishReason"] == "STOP"
    assert candidate["content"]["role"] == "model" and "You said: Hello!" in text_of(reply)
    usage = reply["usageMetadata"]
    parts = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    assert usage["totalTokenCount"] == sum(usage.get(name, 0) for name in parts) > 0
    assert reply["modelVersion"] == model
    assert response.headers["x-request-id"] == "req_" + reply["responseId"]


@pytest.mark.parametrize("model", ["gpt-4o", "auto", "fast"])
def test_json_needs_no_word_of_it(rich: Caller, model: str) -> None:
    reply = reply_of(rich, f"Three colours {mark()}", model, **config(responseMimeType="application/json"))
    assert isinstance(json.loads(text_of(reply)), dict)


@both_forms
@every_family
def test_a_stream_is_made_of_responses(rich: Caller, model: str, form: str) -> None:
    stream = streamed(rich, "Tell me", model, form)
    headers, rows = stream.response.headers, stream.rows
    kind = "text/event-stream" if form == "sse" else "application/json"
    assert headers["Content-Type"] == f"{kind}; charset=utf-8" and headers["Cache-Control"] == "no-cache"
    assert {row["responseId"] for row in rows} == {headers["x-request-id"].removeprefix("req_")}
    assert {row["modelVersion"] for row in rows} == {model} and len(rows) > 5
    assert all(row["candidates"][0]["content"]["role"] == "model" for row in rows)
    ended = [("usageMetadata" in row, row["candidates"][0].get("finishReason")) for row in rows]
    assert ended == [(False, None)] * (len(rows) - 1) + [(True, "STOP")]
    whole = reply_of(rich, "Tell me", model)
    assert stream.text == text_of(whole) and rows[-1]["usageMetadata"] == whole["usageMetadata"]


@both_forms
def test_the_pieces_arrive_as_they_come(rich: Caller, form: str) -> None:
    with opened(rich, order("chunks=5 interval_ms=120"), form=form) as stream:
        stream.read()
    told = [at for at, row in zip(stream.at, stream.rows, strict=True) if text_of(row)]
    assert len(told) == 5 and told[-1] - told[0] > 0.35


def test_silence_is_filled_in_both_forms_and_harms_neither(rich: Caller) -> None:
    for stream in at_once(2, lambda i: streamed(rich, order("hang=1.6"), form=("sse", "array")[i])):
        assert b"candidates" not in stream.pieces[0] and stream.at[0] - stream.began_at > 0.3
        assert stream.text and "usageMetadata" in stream.rows[-1]


@both_forms
@pytest.mark.parametrize("directive", ["cut=2 chunks=5", "inband=2 chunks=5"])
@pytest.mark.parametrize("model", FAMILIES[:3])
def test_a_stream_that_breaks_off_ends_in_an_error(rich: Caller, model: str, directive: str, form: str) -> None:
    stream = streamed(rich, order(directive), model, form)
    error = stream.error
    assert error is not None and set(error) == {"message", "type", "code", "param", "status"}
    assert (error["code"], error["status"]) == (502, "UNAVAILABLE") and error["message"]
    assert not any("finishReason" in c for row in stream.rows for c in row.get("candidates", ()))
    assert all("error" not in row for row in stream.rows[:-1])


def test_a_stream_that_cannot_begin_is_refused_as_a_whole(stack: Stack, caller: Caller) -> None:
    for query in ({"alt": "sse"}, {}):
        path = path_of("gpt-4o", "streamGenerateContent", **query)
        response = caller.post(body_of(order("status=500")), path)
        refused(response, 503, "service_unavailable_error", "service_unavailable", None, "UNAVAILABLE")
        assert int(response.headers["Retry-After"]) > 0
    assert caller.funds() == (100 * NANO, 0)


@both_forms
@pytest.mark.parametrize("model", ["gpt-4o", "gemini-2.5-flash"])
def test_a_client_that_leaves_stops_the_upstream_and_pays_for_what_came(
    stack: Stack, caller: Caller, model: str, form: str
) -> None:
    marker = mark()
    with opened(caller, order("chunks=400 interval_ms=25", marker), model, form) as stream:
        stream.read(3)
    (row,) = caller.usage()
    assert (row["state"], row["outcome"], row["estimated"]) == ("settled", "client_gone", 1)
    assert 1 <= row["output_tokens"] < 200 and row["cost_nanousd"] > 0
    assert caller.funds() == (100 * NANO - row["cost_nanousd"], 0)
    assert wait_for(lambda: stack.heard(marker)[0]["aborted"])


# ---- money and the cache


def as_openai(usage: JSON) -> JSON:
    written = usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0)
    cached = {"cached_tokens": usage.get("cachedContentTokenCount", 0)}
    return {
        "prompt_tokens": usage["promptTokenCount"],
        "completion_tokens": written,
        "prompt_tokens_details": cached,
    }


@every_family
@pytest.mark.parametrize("directive", ["tokens=50", "tokens=7 cached=1000", "reason tokens=20"])
def test_the_books_say_what_the_reply_says(caller: Caller, model: str, directive: str) -> None:
    whole = reply_of(caller, order(directive), model)
    told = whole["usageMetadata"]
    assert streamed(caller, order(directive), model).rows[-1]["usageMetadata"] == told
    rows = caller.usage(2)
    usage = as_openai(told)
    for row in rows:
        assert (row["surface"], row["model"], row["outcome"]) == ("api-v1beta", model, "ok")
        assert (row["state"], row["estimated"], row["requested_model"]) == ("settled", 0, model)
        assert (row["input_tokens"], row["output_tokens"]) == (told["promptTokenCount"], usage["completion_tokens"])
        assert row["cached_input_tokens"] == told.get("cachedContentTokenCount", 0)
        assert row["reasoning_tokens"] == told.get("thoughtsTokenCount", 0)
        assert row["cost_nanousd"] == cost_nanousd(model, usage) > 0
    assert [row["stream"] for row in rows] == [0, 1] and rows[0]["id"] == whole["responseId"]
    assert caller.funds() == (100 * NANO - sum(row["cost_nanousd"] for row in rows), 0)


def test_the_second_time_an_answer_is_free_and_a_fresh_one_is_there_on_demand(stack: Stack, caller: Caller) -> None:
    marker = mark()
    first, second = (reply_of(caller, marker, "auto") for _ in range(2))
    same = ("candidates", "usageMetadata", "modelVersion")
    assert [first[k] for k in same] == [second[k] for k in same] and first["modelVersion"] != "auto"
    assert first["responseId"] != second["responseId"] and len(stack.heard(marker)) == 1
    for form in ("sse", "array"):
        assert streamed(caller, marker, "auto", form).text == text_of(first)
    assert len(stack.heard(marker)) == 1
    for value in ("true", "1"):
        assert caller.post(body_of(marker), path_of("auto"), {"x-no-cache": value}).status_code == 200
    assert len(stack.heard(marker)) == 3
    assert [row["cache"] for row in caller.usage(6)] == ["fresh", "hit", "hit", "hit", "fresh", "fresh"]
    paid = [row["cost_nanousd"] for row in caller.usage(6)]
    assert paid[1:4] == [0, 0, 0] and min(paid[0], paid[4], paid[5]) > 0
    assert caller.funds() == (100 * NANO - sum(paid), 0)


def test_who_did_not_ask_for_thoughts_gets_none_from_the_cache_either(caller: Caller) -> None:
    marker = mark()
    thinking = {"includeThoughts": True, "thinkingBudget": 2048}
    for include in (True, False, True):
        config = {"generationConfig": {"thinkingConfig": {**thinking, "includeThoughts": include}}}
        reply = reply_of(caller, order("reason", marker), "gemini-2.5-flash", **config)
        parts = reply["candidates"][0]["content"]["parts"]
        assert any(part.get("thought") for part in parts) is include
        reply = reply_of(caller, marker, "auto", **config)
        assert include or not any(part.get("thought") for part in reply["candidates"][0]["content"]["parts"])


@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent"])
def test_without_credit_nothing_is_asked_of_anybody(stack: Stack, verb: str) -> None:
    poor, marker = stack.caller(0), mark()
    response = poor.post(body_of(marker), path_of("gpt-4o", verb))
    refused(response, 402, "insufficient_credits", "insufficient_credits", None, "FAILED_PRECONDITION")
    assert stack.heard(marker) == [] and poor.funds() == (0, 0)


# ---- tokens


def test_google_counts_its_own_tokens_and_counting_is_free(stack: Stack) -> None:
    poor, marker = stack.caller(0), mark()
    asked = body_of(marker, systemInstruction={"parts": [{"text": "Be brief. " * 20}]}, tools=TOOLS)
    response = poor.post({"generateContentRequest": asked}, path_of("gemini-2.5-pro", "countTokens"))
    assert response.status_code == 200 and set(response.json()) == {"totalTokens"}
    (heard,) = stack.heard(marker)
    assert heard["path"].endswith("gemini-2.5-pro:countTokens")
    inner = heard["body"]["generateContentRequest"]
    assert inner["systemInstruction"]["parts"] and inner["tools"] and response.json()["totalTokens"] > 40
    assert poor.funds() == (0, 0)
    assert stack.rows("SELECT 1 FROM usage WHERE account_id = :id", id=poor.account_id) == []


@pytest.mark.parametrize("model", ["auto", *FAMILIES])
def test_what_is_counted_is_about_what_is_charged(rich: Caller, model: str) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 40 + mark()
    counted = rich.post(body_of(text), path_of(model, "countTokens")).json()["totalTokens"]
    charged = reply_of(rich, text, model)["usageMetadata"]["promptTokenCount"]
    assert charged * 0.7 < counted < charged * 1.6


def test_an_id_of_generated_interfaces_says_where_they_are(rich: Caller) -> None:
    for verb in ("generateContent", "countTokens"):
        response = rich.post(body_of(), path_of("c1/openai/gpt-4o/v-20250930", verb))
        message = refused(response, 404, "not_found_error", "model_not_found", "model", "NOT_FOUND")
        assert "/v1/embed" in message


def test_counting_refuses_what_asking_would(stack: Stack, rich: Caller) -> None:
    def count(body: Any, model: str = "gpt-4o", caller: Caller = rich) -> requests.Response:
        return caller.post(body, path_of(model, "countTokens"))

    bad = "invalid_request_error"
    refused(count(body_of(), "gpt-5000"), 404, "not_found_error", "model_not_found", "model", "NOT_FOUND")
    refused(count({}), 400, bad, "invalid_request", "contents")
    both = {**body_of(), "generateContentRequest": body_of()}
    refused(count(both), 400, bad, "invalid_request", "contents")
    wrong = {"generateContentRequest": {"contents": [{"parts": [{"text": 7}]}]}}
    path = "generateContentRequest.contents[0].parts[0].text"
    assert path in refused(count(wrong), 400, bad, "invalid_request", path)
    few = stack.caller(models=["gpt-4o-mini"])
    response = count(body_of(), caller=few)
    refused(response, 403, "permission_error", "model_not_allowed", "model", "PERMISSION_DENIED")


# ---- embeddings


def embed(caller: Caller, model: str, text: str, **fields: Any) -> requests.Response:
    return caller.post({"content": {"parts": [{"text": text}]}, **fields}, path_of(model, "embedContent"))


def batch(caller: Caller, model: str, *rows: JSON) -> requests.Response:
    return caller.post({"requests": list(rows)}, path_of(model, "batchEmbedContents"))


@pytest.mark.parametrize("model", VECTORS)
def test_vectors_are_the_same_alone_and_together(caller: Caller, model: str) -> None:
    texts = [f"{mark()} {i}" for i in range(3)]
    alone = [embed(caller, model, text, outputDimensionality=8).json()["embedding"]["values"] for text in texts]
    rows = [
        {"model": f"models/{model}", "content": {"parts": [{"text": t}]}, "output_dimensionality": 8} for t in texts
    ]
    response = batch(caller, model, *rows)
    together = response.json()
    assert [row["values"] for row in together["embeddings"]] == alone and len(alone[0]) == 8
    assert len({tuple(vector) for vector in alone}) == 3
    usage = together["usageMetadata"]
    assert usage["promptTokenCount"] == usage["totalTokenCount"] > 0
    books = caller.usage(4)
    assert {(row["surface"], row["model"], row["outcome"]) for row in books} == {("api-v1beta", model, "ok")}
    assert books[-1]["input_tokens"] == usage["promptTokenCount"]
    assert books[-1]["cost_nanousd"] == round(usage["promptTokenCount"] * PRICES[model]["input_per_mtok"] * 1000)
    assert books[-1]["id"] == response.headers["x-request-id"].removeprefix("req_")
    assert caller.funds() == (100 * NANO - sum(row["cost_nanousd"] for row in books), 0)


def test_what_only_google_knows_of_embeddings_goes_to_google_alone(stack: Stack, rich: Caller) -> None:
    for model in VECTORS:
        marker = mark()
        assert embed(rich, model, marker, taskType="RETRIEVAL_QUERY", title="T").status_code == 200
        told = json.dumps(stack.heard(marker)[0]["body"])
        assert ("RETRIEVAL_QUERY" in told) is (model == "gemini-embedding-2")


GOOD = {"content": {"parts": [{"text": "good"}]}}


@pytest.mark.parametrize(("param", "rows"), [
    ("requests[1].content.parts", [GOOD, {"content": {"parts": []}}]),
    ("requests[1].content.parts[0].text", [GOOD, {"content": {"parts": [{"text": ""}]}}, GOOD]),
    ("requests[2].content.parts[0].text", [GOOD, GOOD, {"content": {"parts": [{"text": 7}]}}]),
    ("requests[1]", [GOOD, "text"]),
    ("requests[1].contents", [GOOD, {"contents": []}]),
    ("requests[1].outputDimensionality", [GOOD, {**GOOD, "outputDimensionality": 5}]),
    ("requests[1].taskType", [{**GOOD, "taskType": "CLUSTERING"}, {**GOOD, "task_type": "CODE"}]),
    ("requests[1].model", [GOOD, {**GOOD, "model": "models/gemini-embedding-2"}]),
    ("requests", []),
    ("requests", [GOOD] * 101),
])  # fmt: skip
def test_one_bad_request_of_a_batch_is_named_and_nothing_is_asked(
    caller: Caller, param: str, rows: list[JSON]
) -> None:
    response = batch(caller, VECTORS[0], *rows)
    assert param in refused(response, 400, "invalid_request_error", "invalid_request", param)
    assert caller.funds() == (100 * NANO, 0)


# ---- refusals


def test_a_verb_that_nobody_knows_is_404(rich: Caller) -> None:
    for what in ("gpt-4o:predict", "gpt-4o:", "gpt-4o", ":generateContent", "gpt-4o:generateContent:x", "a/b:c"):
        response = rich.post(body_of(), BASE + what)
        refused(response, 404, "not_found_error", "not_found", None, "NOT_FOUND")
    refused(rich.post(body_of(), "/api/v1beta/nothing"), 404, "not_found_error", "not_found", None, "NOT_FOUND")


@pytest.mark.parametrize(("method", "what", "allowed"), [
    ("GET", "gpt-4o:generateContent", "POST"),
    ("GET", "gpt-4o:streamGenerateContent?alt=sse", "POST"),
    ("GET", "no-model:countTokens", "POST"),
    ("DELETE", "gpt-4o:generateContent", "POST"),
    ("PUT", "gpt-4o", "GET"),
    ("POST", "", "GET"),
])  # fmt: skip
def test_a_method_that_is_not_allowed_is_405(
    stack: Stack, rich: Caller, method: str, what: str, allowed: str
) -> None:
    url = (stack.url + BASE).rstrip("/") + ("/" + what if what else "")
    response = stack.http.request(method, url, headers=rich.headers())
    refused(response, 405, "invalid_request_error", "method_not_allowed", None, "UNIMPLEMENTED")
    assert allowed in response.headers["Allow"]


@pytest.mark.parametrize("body", [
    b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe\x00", b"[" * 100_000, b'{"contents": NaN}',
    b'{"contents": [{"parts": [{"text": "\xff"}]}]}', b"contents=Hello",
], ids=lambda body: repr(body[:16]))  # fmt: skip
def test_what_is_no_json_object_is_the_callers_mistake(rich: Caller, body: bytes) -> None:
    for verb in ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"):
        refused(rich.post(body, path_of("gpt-4o", verb)), 400, "invalid_request_error", "invalid_json", None)


def config(**fields: Any) -> JSON:
    return {"generationConfig": fields}


@pytest.mark.parametrize(("param", "fields"), [
    ("contents", {"contents": "Hello!"}),
    ("contents", {"contents": []}),
    ("contents[0].parts", {"contents": [{"parts": []}]}),
    ("contents[0].parts", {"contents": [{"parts": "Hello!"}]}),
    ("contents[0].parts[0].text", {"contents": [{"parts": [{"text": 7}]}]}),
    ("contents[0].parts[0]", {"contents": [{"parts": [{}]}]}),
    ("contents[0].role", {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}),
    ("contents[0].parts[0].inlineData.data", {"contents": [{"parts": [
        {"inline_data": {"mime_type": "image/png", "data": "!"}}]}]}),
    ("contents[0].parts[0].functionResponse.name", {"contents": [{"parts": [
        {"functionResponse": {"name": "f", "response": {}}}]}]}),
    ("systemInstruction.parts", {"systemInstruction": {"parts": []}}),
    ("tools[0].functionDeclarations[0].name", {"tools": [{"function_declarations": [{"name": "no name"}]}]}),
    ("toolConfig.functionCallingConfig.mode", {"toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}}),
    ("toolConfig.functionCallingConfig.allowedFunctionNames[0]", {"tools": TOOLS, "toolConfig": {
        "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["other"]}}}),
    ("generationConfig.temperature", config(temperature="hot")),
    ("generationConfig.temperature", config(temperature=2.1)),
    ("generationConfig.maxOutputTokens", {"generation_config": {"max_output_tokens": 0}}),
    ("generationConfig.candidateCount", config(candidateCount=9)),
    ("generationConfig.stopSequences", config(stopSequences=["a"] * 6)),
    ("generationConfig.responseSchema", config(responseSchema=PERSON)),
    ("generationConfig.thinkingConfig.thinkingBudget", config(thinkingConfig={"thinkingBudget": "much"})),
    ("generationConfig.responseModalities", config(responseModalities=["AUDIO"])),
    ("cachedContent", {"cachedContent": "cachedContents/x"}),
    ("tools[0].googleMaps", {"tools": [{"googleMaps": {}}]}),
    ("tools[0].fileSearch", {"tools": [{"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/x"]}}]}),
    ("contents[0].parts[0].fileData.fileUri", {"contents": [{"parts": [{"fileData": {"fileUri": "gs://b/x"}}]}]}),
    ("messages", {"messages": []}),
])  # fmt: skip
def test_a_refusal_names_the_field(rich: Caller, param: str, fields: JSON) -> None:
    response = rich.post(body_of() | fields, path_of("gpt-4o"))
    code = response.json()["error"]["code"]
    message = refused(response, 400, "invalid_request_error", code, param)
    assert param.split(".")[-1] in message and code == "invalid_request"


FILM = "https://www.youtube.com/watch?v=x"


@pytest.mark.parametrize(("param", "model", "fields"), [
    ("generationConfig.candidateCount", "claude-sonnet-4-5", config(candidateCount=2)),
    ("generationConfig.responseLogprobs", "claude-sonnet-4-5", config(responseLogprobs=True)),
    ("generationConfig.responseModalities", "gpt-4o", config(responseModalities=["TEXT", "IMAGE"])),
    ("generationConfig.responseModalities", "gemini-2.5-flash", config(responseModalities=["IMAGE"])),
    ("generationConfig.stopSequences", "gpt-4o", config(stopSequences=[*"abcde"])),
    ("tools", "gpt-4o", {"tools": [{"codeExecution": {}}]}),
    ("toolConfig.functionCallingConfig", "claude-sonnet-5-5", {
        "tools": TOOLS, "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
    ("contents", "deepseek-v4-pro", {"contents": [{"parts": [
        {"inlineData": {"mimeType": "audio/wav", "data": PIXEL}}]}]}),
    ("contents", "claude-sonnet-4-5", {"contents": [{"parts": [{"fileData": {"fileUri": FILM}}]}]}),
    ("contents", "gpt-4o", {"contents": [{"parts": [{"inlineData": {"mimeType": "video/mp4", "data": PIXEL}}]}]}),
    ("contents", "gpt-4o", {"contents": [{"parts": [{"inlineData": {"mimeType": "image/heic", "data": PIXEL}}]}]}),
])  # fmt: skip
def test_what_a_model_cannot_do_is_named_in_the_callers_own_words(
    rich: Caller, param: str, model: str, fields: JSON
) -> None:
    for verb in ("generateContent", "countTokens"):
        body = body_of() | fields
        response = rich.post(body if verb[0] == "g" else {"generateContentRequest": body}, path_of(model, verb))
        assert "does not" in refused(response, 400, "invalid_request_error", "unsupported_content", param)


def test_dimensions_that_a_model_has_not_are_named_in_the_callers_own_words(rich: Caller) -> None:
    response = embed(rich, "text-embedding-ada-002", "x", outputDimensionality=8)
    refused(response, 400, "invalid_request_error", "unsupported_content", "outputDimensionality")


def test_deep_nesting_is_no_internal_error(rich: Caller) -> None:
    for depth in (100, 900, 100_000):
        for field in ("labels", "contents", "generationConfig", "tools", "safetySettings"):
            deep = b'{"a":' * depth + b"1" + b"}" * depth
            body = json.dumps(body_of())[:-1].encode() + b', "%b": %b}' % (field.encode(), deep)
            assert rich.post(body, path_of("gpt-4o")).status_code < 500


def test_the_number_of_functions_is_bounded(rich: Caller) -> None:
    def ask_with(count: int) -> requests.Response:
        declared = [{"functionDeclarations": [{"name": f"f{i}"}]} for i in range(count)]
        return ask(rich, tools=declared)

    assert ask_with(128).status_code == 200
    refused(ask_with(129), 400, "invalid_request_error", "invalid_request", "tools")


@pytest.mark.parametrize(("model", "verb", "words"), [
    ("gemini-3.1-flash-image", "generateContent", "images/generations"),
    ("gemini-3.1-flash-image", "streamGenerateContent", "images/generations"),
    ("dall-e-3", "countTokens", "images/generations"),
    ("text-embedding-3-small", "generateContent", "embed"),
])  # fmt: skip
def test_a_model_of_another_kind_is_refused_with_what_it_is_for(
    caller: Caller, model: str, verb: str, words: str
) -> None:
    response = caller.post(body_of(), path_of(model, verb))
    message = refused(response, 400, "invalid_request_error", "model_not_supported", "model")
    assert model in message and words in message and caller.funds() == (100 * NANO, 0)


# ---- the same in other words


def test_snake_case_says_what_camel_case_says(stack: Stack, rich: Caller) -> None:
    image = {"mimeType": "image/png", "data": PIXEL.replace("+", "-").replace("/", "_")}
    camel = {
        "contents": [{"role": "user", "parts": [{"text": "MARK what is this"}, {"inlineData": image}]}],
        "systemInstruction": {"parts": [{"text": "Be brief"}]},
        "tools": [{"functionDeclarations": [{"name": "snake_case", "parameters": {
            "type": "OBJECT", "properties": {"in_tact": {"type": "STRING"}}, "required": ["in_tact"]}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["snake_case"]}},
        "generationConfig": {"maxOutputTokens": 300, "stopSequences": ["END"], "topP": 0.5},
    }  # fmt: skip

    def snake(value: Any) -> Any:
        if isinstance(value, list):
            return [snake(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {"".join("_" + c.lower() if c.isupper() else c for c in k): snake(v) for k, v in value.items()}

    for model in FAMILIES:
        heard = []
        for body in (camel, snake(camel)):
            marker = mark()
            response = rich.post(json.loads(json.dumps(body).replace("MARK", marker)), path_of(model))
            assert response.status_code == 200, response.text
            call = response.json()["candidates"][0]["content"]["parts"][-1]["functionCall"]
            assert call["name"] == "snake_case" and call["args"].keys() == {"in_tact"}
            heard.append(json.dumps(stack.heard(marker)[0]["body"]).replace(marker, "MARK"))
        assert heard[0] == heard[1] and "Be brief" in heard[0] and "END" in heard[0] and "300" in heard[0]


def test_what_only_google_knows_goes_to_google_alone(stack: Stack, rich: Caller) -> None:
    safety = [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}]
    for model in FAMILIES:
        marker = mark()
        reply_of(rich, marker, model, safetySettings=safety, generationConfig={"topK": 7}, labels={"team": "a"})
        told = stack.heard(marker)[0]["body"]
        assert ("safetySettings" in told) is (model == "gemini-2.5-flash")
        assert (told.get("generationConfig", {}).get("topK") == 7) is (model == "gemini-2.5-flash")
        assert "labels" not in told


@pytest.mark.parametrize("model", ["auto", "fast"])
@pytest.mark.parametrize("part", [
    {"fileData": {"fileUri": FILM}},
    {"inlineData": {"mimeType": "video/mp4", "data": PIXEL}},
    {"inlineData": {"mimeType": "image/heic", "data": PIXEL}},
], ids=["film", "video", "heic"])  # fmt: skip
def test_what_only_google_reads_goes_to_google_alone(stack: Stack, rich: Caller, model: str, part: JSON) -> None:
    marker = mark()
    reply_of(rich, model=model, contents=[{"parts": [{"text": marker}, part]}])
    (heard,) = stack.heard(marker)
    assert heard["provider"] == "google" and heard["body"]["contents"][0]["parts"][1] == part


def test_a_pdf_without_a_name_reaches_every_vendor(rich: Caller) -> None:
    pdf = {"inlineData": {"mimeType": "application/pdf", "data": PIXEL}}
    for model in ("auto", *FAMILIES[:3]):
        reply_of(rich, model=model, contents=[{"parts": [{"text": mark()}, pdf]}])


# ---- limits


def test_each_request_counts_once_whatever_its_verb(stack: Stack) -> None:
    caller = stack.caller(rpm=6)
    content = {"content": {"parts": [{"text": "x"}]}}
    verbs = [
        ("gpt-4o", "generateContent", body_of()),
        ("gpt-4o", "streamGenerateContent", body_of()),
        ("gemini-2.5-flash", "countTokens", body_of()),
        (VECTORS[0], "embedContent", content),
        (VECTORS[0], "batchEmbedContents", {"requests": [content] * 5}),
        ("gpt-4o", "generateContent", body_of(order("status=500"))),
    ]
    for i, (model, verb, body) in enumerate(verbs):
        assert caller.post(b"{", path_of(model, verb)).status_code == 400
        assert caller.post(body, path_of(model, "noVerb")).status_code == 404
        assert stack.http.get(stack.url + BASE + model, headers=caller.headers()).status_code == 200
        assert limits(caller.post(body, path_of(model, verb)))[:2] == (6, 5 - i)
    for model, verb, body in verbs[:5]:
        response = caller.post(body, path_of(model, verb))
        refused(response, 429, "rate_limit_error", "rate_limit_exceeded", None, "RESOURCE_EXHAUSTED")
        assert 1 <= int(response.headers["Retry-After"]) <= 61 and limits(response)[:2] == (6, 0)
    assert limits(caller.ask())[:2] == (6, 0)
