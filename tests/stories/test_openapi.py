"""The document and the running server say the same: what is asked by it is answered by it, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests

from stories.stack import CHAT, Caller, Stack, mark, order, user, wait_for

JSON = dict[str, Any]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
# Most of what is made up must reach a model, or all of it ends in 404.
STEERED = """
continue-on-failure = true
max-failures = 10

[headers]
Authorization = "Bearer {key}"
x-goog-api-key = "{key}"
x-api-key = "{key}"

[generation]
deterministic = true
database = "none"

[dictionaries]
chat = {{ values = ["auto", "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "deepseek-chat"] }}
embedding = {{ values = ["text-embedding-3-small", "gemini-embedding-2"] }}
image = {{ values = ["dall-e-3", "gpt-image-2"] }}
any = {{ values = ["auto", "gpt-4o", "dall-e-3", "gemini-embedding-2"] }}
interface = {{ values = ["c1/anthropic/claude-sonnet-4/v-20260331", "c1/openai/gpt-4o/v-20250930"] }}
response = {{ values = {responses} }}
conversation = {{ values = {conversations} }}
item = {{ values = ["msg_known"] }}

[parameters]
"path.id" = {{ dictionary = "any", probability = 0.6 }}
"path.model" = {{ dictionary = "chat", probability = 0.6 }}
"path.response_id" = {{ dictionary = "response", probability = 0.7 }}
"path.conversation_id" = {{ dictionary = "conversation", probability = 0.7 }}
"path.item_id" = {{ dictionary = "item", probability = 0.7 }}

[[operations]]
include-path-regex = "^/(api/)?v1/(chat/completions|messages.*|responses)$"
parameters = {{ "body.model" = {{ dictionary = "chat", probability = 0.6 }} }}

[[operations]]
include-path-regex = "^/v1/embed/(chat/completions|responses)$"
parameters = {{ "body.model" = {{ dictionary = "interface", probability = 0.6 }} }}

[[operations]]
include-path-regex = "/embeddings$"
parameters = {{ "body.model" = {{ dictionary = "embedding", probability = 0.6 }} }}

[[operations]]
include-path-regex = "mbedContent"
parameters = {{ "path.model" = {{ dictionary = "embedding", probability = 0.6 }} }}

[[operations]]
include-path-regex = "/images/generations$"
parameters = {{ "body.model" = {{ dictionary = "image", probability = 0.6 }} }}
"""
SLOW = order("chunks=100 interval_ms=100")
WEATHER: JSON = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture(scope="module")
def document(stack: Stack) -> JSON:
    """As anybody gets it, without a key."""
    response = requests.get(stack.url + "/openapi.json", timeout=10)
    assert response.status_code == 200 and response.headers["Content-Type"] == "application/json"
    found: JSON = response.json()
    return found


# ---- whatever the document allows, and much that it forbids


def run_schemathesis(stack: Stack, caller: Caller, document: JSON, folder: Path, *words: str) -> None:
    known = {f"{kind}s": json.dumps([make(caller) for _ in range(8)]) for kind, make in NAMED.items()}
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "schemathesis.toml").write_text(STEERED.format(key=caller.key, **known))
    command = [
        str(Path(sys.executable).with_name("st")), "--config-file", "schemathesis.toml", "run", "openapi.json",
        "--url", stack.url, "--no-color", *words,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, env=os.environ)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr


def named_response(caller: Caller, **fields: Any) -> str:
    return str(caller.post({"model": "auto", "input": "Hello!", **fields}, "/v1/responses").json()["id"])


def named_conversation(caller: Caller) -> str:
    item = {"id": "msg_known", "role": "user", "content": "Hello!"}
    return str(caller.post({"items": [item]}, "/v1/conversations").json()["id"])


NAMED = {"response": named_response, "conversation": named_conversation}
"""What has a name of the server's own, in paths."""


def outcomes(stack: Stack, caller: Caller) -> dict[tuple[str, str], int]:
    sql = "SELECT surface, outcome, COUNT(*) AS count FROM usage WHERE account_id = :id GROUP BY 1, 2"
    return {(row["surface"], row["outcome"]): row["count"] for row in stack.rows(sql, id=caller.account_id)}


def test_every_operation_answers_what_the_document_allows_as_documented(
    stack: Stack, document: JSON, tmp_path: Path
) -> None:
    caller = stack.caller(usd=10_000)
    words = (
        *("--phases", "examples,fuzzing", "--mode", "positive", "-n", "4"),
        *("--exclude-path-regex", "^/conversations|^/v1/embed/(models|responses/)"),  # read as those below /v1
        *("--checks", ",".join(CHECKS)),
    )
    run_schemathesis(stack, caller, document, tmp_path, *words)
    told = outcomes(stack, caller)
    assert all(told.get((surface, "ok"), 0) >= 5 for surface in ("v1", "api-v1", "api-v1beta")), told
    assert told.get(("messages", "ok")) and told.get(("embed", "ok")), told


def test_every_bound_and_method_is_kept_as_documented(stack: Stack, document: JSON, tmp_path: Path) -> None:
    """Each field at and beyond each of its bounds. What is read by the same code is asked once; lists of
    2,048 lists take too long to make up."""
    caller = stack.caller(usd=10_000)
    words = (
        *("--phases", "coverage", "--exclude-path-regex"),
        "^/api/v1/|^/v1/embed|^/conversations|:streamGenerate|:countTokens|/count_tokens",
        *("--checks", ",".join((*CHECKS, "unsupported_method"))),
    )
    run_schemathesis(stack, caller, document, tmp_path, *words)
    told = outcomes(stack, caller)
    assert all(told.get((surface, "ok"), 0) >= 50 for surface in ("v1", "messages", "api-v1beta")), told


# ---- the types of answers


class Contract:
    """What the document says of one answer."""

    def __init__(self, document: JSON, path: str, method: str = "post", status: int = 200) -> None:
        self._document = document
        response = document["paths"][path][method]["responses"][str(status)]
        self.response = self.resolved(response)

    def resolved(self, node: JSON) -> JSON:
        found: Any = self._document
        for step in node["$ref"].removeprefix("#/").split("/") if "$ref" in node else ():
            found = found[step]
        return found if "$ref" in node else node

    def schema(self, media: str = "application/json") -> JSON:
        found: JSON = self.response["content"][media]["schema"]
        return found

    def errors(self, value: Any, schema: JSON) -> list[str]:
        whole = {**schema, "components": self._document["components"]}
        return [
            f"{list(e.instance_path)}: {e.message}" for e in jsonschema_rs.validator_for(whole).iter_errors(value)
        ]

    def holds(self, value: Any, schema: JSON | None = None) -> None:
        """It matches, and has no fields but those that are documented."""
        schema = schema or self.schema()
        assert self.errors(value, schema) == []
        assert sorted(set(self.foreign(value, schema, ""))) == []

    def foreign(self, value: Any, schema: JSON, at: str) -> Iterator[str]:
        whole = self.resolved(schema)
        if "anyOf" in whole:
            whole = self.resolved(next(form for form in whole["anyOf"] if not self.errors(value, form)))
        if isinstance(value, list):
            for item in value:
                yield from self.foreign(item, whole.get("items", {}), at + "[]")
        elif isinstance(value, dict) and "properties" in whole:
            for name, inner in value.items():
                if name in whole["properties"]:
                    yield from self.foreign(inner, whole["properties"][name], f"{at}.{name}")
                else:
                    yield f"{at}.{name}"

    def holds_stream(self, text: str) -> int:
        """How many of the events carry something."""
        schema = self.schema("text/event-stream")
        said = [form for form in schema["properties"]["data"]["anyOf"] if "contentSchema" in form]
        data = [row.removeprefix("data: ") for row in text.splitlines() if row.startswith("data: ")]
        for one in data:
            assert self.errors({"data": one}, schema) == []
            if one != "[DONE]":
                carried = said[0]["contentSchema"]
                self.holds(json.loads(one), carried.get("anyOf", [carried])[0])
        return len(data)


ANSWERS: list[JSON] = [
    {},
    {"model": "auto"},
    {"model": "claude-sonnet-4-5"},
    {"model": "gemini-2.5-flash"},
    {"model": "deepseek-reasoner"},
    {"n": 2, "logprobs": True, "top_logprobs": 2},
    {"tools": [WEATHER], "tool_choice": "required"},
    {"model": "claude-sonnet-4-5", "tools": [WEATHER], "tool_choice": "required"},
    {"functions": [WEATHER["function"]], "function_call": {"name": "get_weather"}},
    {"service_tier": "auto", "max_tokens": 2},
    {"response_format": {"type": "json_object"}},
]
each_answer = pytest.mark.parametrize("fields", ANSWERS, ids=lambda f: " ".join(map(str, f)) or "plain")


@each_answer
def test_whole_answers_are_what_the_type_says(rich: Caller, document: JSON, fields: JSON) -> None:
    for path in (CHAT, "/api" + CHAT):
        body = {"model": "gpt-4o", "messages": user(f"Hello {mark()}, in JSON"), **fields}
        response = rich.post(body, path)
        assert response.status_code == 200, response.text
        Contract(document, path).holds(response.json())


@each_answer
def test_chunks_are_what_the_type_says(rich: Caller, document: JSON, fields: JSON) -> None:
    body = {"model": "gpt-4o", "messages": user(f"Hello {mark()}, in JSON"), "stream": True, **fields}
    for more in ({}, {"stream_options": {"include_usage": True}}):
        response = rich.post({**body, **more})
        assert response.status_code == 200, response.text
        assert Contract(document, CHAT).holds_stream(response.text) > 2


@pytest.mark.usefixtures("calm")
def test_an_answer_that_breaks_off_is_documented_too(rich: Caller, document: JSON, stack: Stack) -> None:
    response = rich.ask(order("cut=2"), stream=True)
    events = [row[6:] for row in response.text.splitlines() if row.startswith("data: ")]
    schema = Contract(document, CHAT).schema("text/event-stream")
    whole = schema["properties"]["data"]["anyOf"][0]["contentSchema"]
    assert "error" in json.loads(events[-1])
    Contract(document, CHAT).holds(json.loads(events[-1]), whole)
    stack.calm()


def get(caller: Caller, path: str) -> Any:
    response = requests.get(caller.stack.url + path, headers=caller.headers(), timeout=10)
    assert response.status_code == 200, response.text
    return response.json()


def delete(caller: Caller, path: str) -> Any:
    response = requests.delete(caller.stack.url + path, headers=caller.headers(), timeout=10)
    assert response.status_code == 200, response.text
    return response.json()


def test_models_are_what_the_types_say(rich: Caller, document: JSON) -> None:
    for prefix in ("/v1", "/api/v1"):
        listed = get(rich, prefix + "/models")
        Contract(document, prefix + "/models", "get").holds(listed)
        for name in ("auto", "gpt-4o", "dall-e-3", "text-embedding-3-small", "gpt-4"):
            Contract(document, prefix + "/models/{id}", "get").holds(get(rich, f"{prefix}/models/{name}"))
    Contract(document, "/api/v1beta/models", "get").holds(get(rich, "/api/v1beta/models?pageSize=5"))
    Contract(document, "/api/v1beta/models/{model}", "get").holds(get(rich, "/api/v1beta/models/gemini-2.5-flash"))


@pytest.mark.parametrize("form", ["float", "base64"])
def test_embeddings_are_what_the_type_says(rich: Caller, document: JSON, form: str) -> None:
    body = {"model": "text-embedding-3-small", "input": ["a", "b"], "encoding_format": form}
    for path in ("/v1/embeddings", "/api/v1/embeddings"):
        Contract(document, path).holds(rich.post(body, path).json())


@pytest.mark.parametrize(
    "fields", [{}, {"response_format": "b64_json"}, {"model": "gpt-image-2", "quality": "low"}]
)
def test_images_are_what_the_type_says(rich: Caller, document: JSON, fields: JSON) -> None:
    body = {"model": "dall-e-3", "prompt": "A lighthouse", **fields}
    response = rich.post(body, "/v1/images/generations")
    Contract(document, "/v1/images/generations").holds(response.json())


@pytest.mark.parametrize("prompt", ["A lighthouse", order("status=400", "A lighthouse ")])
def test_jobs_are_what_the_type_says(rich: Caller, document: JSON, prompt: str) -> None:
    path = "/v1/images/generations"
    body = {"model": "dall-e-3", "prompt": prompt}
    response = rich.post(body, path, {"Prefer": "respond-async"})
    assert response.status_code == 202 and response.headers["Location"].startswith(path)
    Contract(document, path, status=202).holds(response.json())
    done = wait_for(lambda: finished(get(rich, response.headers["Location"])))
    assert done["status"] == ("failed" if "sandbox" in prompt else "completed")
    Contract(document, path + "/{id}", "get").holds(done)


def finished(job: JSON) -> JSON | None:
    return job if job["status"] in ("completed", "failed") else None


GEMINI: list[JSON] = [
    {},
    {"generationConfig": {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024}}},
    {"generationConfig": {"candidateCount": 2, "maxOutputTokens": 3}},
    {
        "tools": [{"functionDeclarations": [WEATHER["function"]]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    },
]


@pytest.mark.parametrize("fields", GEMINI, ids=lambda f: json.dumps(f)[:40])
def test_gemini_answers_are_what_the_types_say(rich: Caller, document: JSON, fields: JSON) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": f"Hello {mark()}"}]}], **fields}
    whole, bits = (f"/api/v1beta/models/{{model}}:{verb}Content" for verb in ("generate", "streamGenerate"))
    for model in ("gemini-2.5-flash", "gpt-4o", "claude-sonnet-4-5"):
        if model == "claude-sonnet-4-5" and "candidateCount" in json.dumps(fields):
            continue
        response = rich.post(body, whole.format(model=model))
        assert response.status_code == 200, response.text
        Contract(document, whole).holds(response.json())
        Contract(document, bits).holds(rich.post(body, bits.format(model=model)).json())
        assert (
            Contract(document, bits).holds_stream(rich.post(body, bits.format(model=model) + "?alt=sse").text) >= 1
        )


def test_what_else_gemini_says_is_what_the_types_say(rich: Caller, document: JSON) -> None:
    content = {"parts": [{"text": "Hello!"}]}
    for model, verb, body in (
        ("gemini-2.5-flash", "countTokens", {"contents": [content]}),
        ("gemini-embedding-2", "embedContent", {"content": content}),
        ("gemini-embedding-2", "batchEmbedContents", {"requests": [{"content": content}] * 2}),
    ):
        path = f"/api/v1beta/models/{{model}}:{verb}"
        response = rich.post(body, path.format(model=model))
        assert response.status_code == 200, response.text
        Contract(document, path).holds(response.json())


CLAUDE, RESPONSES = "/v1/messages", "/v1/responses"
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
ENCRYPTED = {"include": ["reasoning.encrypted_content"], "reasoning": {"effort": "high"}}
MESSAGES: list[JSON] = [
    {},
    {"max_tokens": 2},
    THINKING,
    {
        "tools": [{"name": "get_weather", "input_schema": WEATHER["function"]["parameters"]}],
        "tool_choice": {"type": "any"},
    },
]
ASKED: list[JSON] = [
    {},
    {"max_output_tokens": 16, "metadata": {"a": "b"}, "instructions": "Be brief.", "store": False},
    ENCRYPTED,
    {"tools": [{"type": "function", **WEATHER["function"]}], "tool_choice": "required"},
    {"include": ["message.output_text.logprobs"], "text": {"format": {"type": "json_object"}}},
]


@pytest.mark.parametrize("fields", MESSAGES, ids=lambda f: json.dumps(f)[:40])
def test_messages_are_what_the_types_say(rich: Caller, document: JSON, fields: JSON) -> None:
    for model in ("claude-sonnet-4-5", "gpt-4o", "gemini-2.5-flash", "auto"):
        body = {"model": model, "max_tokens": 2048, "messages": user(f"Hello {mark()}"), **fields}
        response = rich.post(body, CLAUDE)
        assert response.status_code == 200, response.text
        Contract(document, CLAUDE).holds(response.json())
        told = rich.post({**body, "stream": True}, CLAUDE)
        assert Contract(document, CLAUDE).holds_stream(told.text) > 4
    counted = rich.post({"model": "claude-sonnet-4-5", "messages": user("Hello")}, CLAUDE + "/count_tokens")
    Contract(document, CLAUDE + "/count_tokens").holds(counted.json())
    for path, answer in ((CLAUDE, told), (CLAUDE + "/count_tokens", counted)):
        assert "request-id" in Contract(document, path).response["headers"]
        assert answer.headers["request-id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("fields", ASKED, ids=lambda f: json.dumps(f)[:40])
def test_responses_are_what_the_types_say(rich: Caller, document: JSON, fields: JSON) -> None:
    for model in ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"):
        if "include" in fields and "text" in fields and model != "gpt-4o":
            continue
        body = {"model": model, "input": f"Hello {mark()}, in JSON", **fields}
        response = rich.post(body, RESPONSES)
        assert response.status_code == 200, response.text
        Contract(document, RESPONSES).holds(response.json())
        told = rich.post({**body, "stream": True}, RESPONSES)
        assert Contract(document, RESPONSES).holds_stream(told.text) > 6


def test_generated_interfaces_are_what_the_types_say(rich: Caller, document: JSON) -> None:
    asked = {"model": "c1/anthropic/claude-sonnet-4/v-20260331"}
    for path, said in (
        ("/v1/embed/chat/completions", {"messages": user("Hello")}),
        ("/v1/embed/responses", {"input": "Hello"}),
    ):
        Contract(document, path).holds(rich.post({**asked, **said}, path).json())
        assert Contract(document, path).holds_stream(rich.post({**asked, **said, "stream": True}, path).text) > 2
    Contract(document, "/v1/embed/models", "get").holds(get(rich, "/v1/embed/models"))


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize("path", [CLAUDE, RESPONSES])
def test_an_event_that_tells_of_an_error_is_documented_too(
    rich: Caller, document: JSON, stack: Stack, path: str
) -> None:
    text = order("cut=2")
    body = {"model": "gpt-4o", "max_tokens": 99, "messages": user(text)}
    body = body if path == CLAUDE else {"model": "gpt-4o", "input": text}
    told = rich.post({**body, "stream": True}, path).text
    events = [json.loads(row[6:]) for row in told.splitlines() if row.startswith("data: {")]
    assert events[-1]["type"] == ("error" if path == CLAUDE else "response.failed")
    schema = Contract(document, path).schema("text/event-stream")["properties"]["data"]["anyOf"][0]
    for event in events:
        assert Contract(document, path).errors(event, schema["contentSchema"]) == []
    stack.calm()


def test_what_is_kept_is_what_the_types_say(rich: Caller, document: JSON) -> None:
    talk = [
        {"role": "user", "content": [{"type": "input_text", "text": "The weather?"}]},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "Sunny"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"role": "assistant", "content": "It is sunny."},
        {"role": "user", "content": [{"type": "input_image", "image_url": "https://a.example/b.png"}]},
    ]
    made = rich.post({"model": "gpt-4o", "input": [*talk[:-1], {"role": "user", "content": "Sure?"}]}, RESPONSES)
    kept = f"{RESPONSES}/{made.json()['id']}"
    Contract(document, RESPONSES + "/{response_id}", "get").holds(get(rich, kept))
    listed = get(rich, kept + "/input_items?limit=100")
    Contract(document, RESPONSES + "/{response_id}/input_items", "get").holds(listed)
    assert len(listed["data"]) == len(talk)
    Contract(document, RESPONSES + "/{response_id}", "delete").holds(delete(rich, kept))
    later = rich.post({"model": "gpt-4o", "input": SLOW, "background": True}, RESPONSES).json()
    cancelled = rich.post({}, f"{RESPONSES}/{later['id']}/cancel")
    Contract(document, RESPONSES + "/{response_id}/cancel").holds(cancelled.json())
    Contract(document, RESPONSES).holds(later)


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_conversations_are_what_the_types_say(rich: Caller, document: JSON, prefix: str) -> None:
    path, one = prefix + "/conversations", prefix + "/conversations/{conversation_id}"
    begun = rich.post({"metadata": {"a": "b"}}, path).json()
    Contract(document, path).holds(begun)
    here = f"{path}/{begun['id']}"
    Contract(document, one, "get").holds(get(rich, here))
    Contract(document, one).holds(rich.post({"metadata": {"a": "c"}}, here).json())
    added = rich.post({"items": [{"role": "user", "content": "Hello"}, {"type": "reasoning"}]}, here + "/items")
    Contract(document, one + "/items").holds(added.json())
    copied = [{"type": "item_reference", "id": added.json()["first_id"]}]
    other = rich.post({"items": copied}, path).json()
    Contract(document, one + "/items", "get").holds(get(rich, f"{path}/{other['id']}/items"))
    item = f"{here}/items/{added.json()['first_id']}"
    Contract(document, one + "/items/{item_id}", "get").holds(get(rich, item))
    Contract(document, one + "/items/{item_id}", "delete").holds(delete(rich, item))
    Contract(document, one, "delete").holds(delete(rich, here))


def test_health_is_what_the_types_say(rich: Caller, document: JSON) -> None:
    for path in ("/health/liveness", "/health/readiness"):
        Contract(document, path, "get").holds(get(rich, path))


GENERATE = "/api/v1beta/models/{model}:generateContent"


@pytest.mark.parametrize("path", [CHAT, "/api" + CHAT, GENERATE, CLAUDE, RESPONSES])
def test_refusals_are_what_the_types_say(stack: Stack, document: JSON, path: str) -> None:
    text: JSON = {"messages": user("Hi"), **({"max_tokens": 99} if path == CLAUDE else {})}
    text = {GENERATE: {"contents": [{"parts": [{"text": "Hi"}]}]}, RESPONSES: {"input": "Hi"}}.get(path, text)
    limited = stack.caller(plan="free")

    def refused(caller: Caller, body: JSON, status: int, model: str = "gpt-4o") -> None:
        more = {} if path == GENERATE else {"model": model}
        response = caller.post({**body, **more}, path.format(model=model))
        assert response.status_code == status, response.text
        contract = Contract(document, path, status=status)
        contract.holds(response.json())
        told = {name.lower() for name in response.headers}
        wanted = {"x-request-id", "retry-after"} if status in (429, 503) else {"x-request-id"}
        assert wanted <= told & {name.lower() for name in contract.response["headers"]}

    refused(Caller(stack, "", "sk-thermo-nobody"), text, 401)
    refused(stack.caller(usd=0), text, 402)
    refused(stack.caller(disabled=True), text, 403)
    refused(stack.caller(), text, 404, "gpt-0")
    refused(stack.caller(), {}, 422 if path in (CHAT, RESPONSES) else 400)
    for _ in range(10):
        limited.post({"model": "gpt-4o", **text}, path.format(model="gpt-4o"))
    refused(limited, text, 429)


# ---- the samples


def samples(document: JSON, label: str) -> list[tuple[str, str]]:
    return [
        (operation["operationId"], sample["source"])
        for methods in document["paths"].values()
        for operation in methods.values()
        for sample in operation["x-codeSamples"]
        if (sample["label"] == "curl") == (label == "curl")
    ]


class Named:
    """What stands for the names that only an answer can tell. What a sample may take away is made anew."""

    def __init__(self, rich: Caller) -> None:
        self._rich = rich
        job = rich.post({"model": "dall-e-3", "prompt": "A lighthouse"}, "/v1/images/generations")
        self._image = job.json()["data"][0]["url"].rpartition("/")[2]
        self._job = job.headers["x-request-id"].removeprefix("req_")

    def names(self, operation: str) -> list[str]:
        """In the order in which its path names them."""
        kind = operation.rpartition("_")[2]
        if kind in ("getImage", "getImageJob"):
            return [self._image if kind == "getImage" else self._job]
        if kind in ("getResponse", "deleteResponse", "listInputItems"):
            return [named_response(self._rich)]
        if kind == "cancelResponse":
            return [named_response(self._rich, input=SLOW, background=True)]
        if kind == "createFeedback":  # its sample says thermo-ID
            return [self._rich.told("Hello!", "gpt-4o")["id"].removeprefix("thermo-")]
        return [named_conversation(self._rich), "msg_known"]

    def filled(self, operation: str, source: str) -> str:
        if not UNKNOWN.search(source):
            return source
        names = iter(self.names(operation))
        return UNKNOWN.sub(lambda _: next(names), source)


UNKNOWN = re.compile(r"\bID\b")


def test_every_line_for_the_shell_works(rich: Caller, document: JSON) -> None:
    named, found = Named(rich), samples(document, "curl")
    assert len(found) == sum(len(methods) for methods in document["paths"].values())
    for operation, source in found:
        line = named.filled(operation, source)
        done = subprocess.run(
            ["sh", "-c", line.replace("curl ", "curl -sS --fail-with-body -o /dev/null ", 1)],
            env={**os.environ, "THERMLY_KEY": rich.key}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, (line, done.stderr)


def test_every_line_of_python_works(
    rich: Caller, document: JSON, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, found = Named(rich), samples(document, "python")
    assert len(found) == sum(len(methods) for methods in document["paths"].values())
    monkeypatch.setenv("THERMLY_KEY", rich.key)
    monkeypatch.chdir(tmp_path)
    run: set[str] = set()
    for operation, source in found:
        lines = set(source.splitlines())
        if lines <= run:  # each of its lines has worked in another sample
            continue
        run |= lines
        exec(compile(named.filled(operation, source), operation, "exec"), {})
    assert (tmp_path / "image.png").read_bytes().startswith(b"\x89PNG")
