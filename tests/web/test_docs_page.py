"""The page: complete without its script, closed to everything but itself, and true to the document."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from thermly.web.docs import address, marked, policy

Make = Callable[..., Flask]
VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """The tags of a page; fails on one that is not closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]


@pytest.fixture
def response(make_app: Make) -> TestResponse:
    return make_app().test_client().get("/docs")


@pytest.fixture
def text(response: TestResponse) -> str:
    return response.get_data(as_text=True)


@pytest.fixture
def document(make_app: Make) -> dict[str, Any]:
    found: dict[str, Any] = make_app().test_client().get("/openapi.json").get_json()
    return found


def test_the_page_is_served_to_everybody(response: TestResponse) -> None:
    assert response.status_code == 200 and response.content_type == "text/html; charset=utf-8"
    assert response.headers["x-request-id"].startswith("req_")


def test_every_tag_is_closed_and_every_anchor_is_there_once(text: str) -> None:
    page = Page(text)
    ids = page.all("id")
    assert len(set(ids)) == len(ids)
    assert {href[1:] for href in page.all("href") if href.startswith("#")} <= set(ids)


def test_nothing_is_fetched_from_anywhere(text: str) -> None:
    page = Page(text)
    assert {href for href in page.all("href") if not href.startswith("#")} == {"/openapi.json", "data:,"}
    assert page.all("src") == [] and "@import" not in text and "url(" not in text


def test_only_its_own_style_and_script_may_run(response: TestResponse, text: str) -> None:
    rules = dict(rule.split(" ", 1) for rule in response.headers["Content-Security-Policy"].split("; "))
    assert (rules["default-src"], rules["base-uri"], rules["frame-ancestors"]) == ("'none'",) * 3
    for kind in ("style", "script"):
        (inline,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    page = Page(text)
    assert page.all("style") == [] and not [name for _, a in page.tags for name in a if name.startswith("on")]


def test_the_policy_follows_the_page() -> None:
    page = "<style>a</style><script>b</script>"
    assert policy(page) != policy(page.replace("b", "c")) != policy(page.replace(">a", ">c"))


def test_the_script_closes_nothing_early_and_quotes_nothing_from_outside(text: str) -> None:
    assert text.count("<script") == text.count("</script") == 1 and "{{" not in text and "{%" not in text


def test_every_operation_type_field_and_header_is_on_the_page(text: str, document: dict[str, Any]) -> None:
    anchors, names = set(Page(text).all("id")), set(re.findall(r'<span class="name">([^<]+)<', text))
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert {operation["operationId"] for operation in operations} <= anchors
    assert {f"type-{name}" for name in document["components"]["schemas"]} <= anchors
    for schema in document["components"]["schemas"].values():
        assert schema.get("properties", {}).keys() <= names
    assert document["components"]["headers"].keys() <= names
    for path in document["paths"]:
        assert f"</b>{path}</div>" in text


def test_every_error_is_on_the_page(text: str) -> None:
    for code in ("invalid_api_key", "insufficient_credits", "rate_limit_exceeded", "model_not_found", "422"):
        assert f">{code}<" in text


def test_samples_are_there_as_text(text: str) -> None:
    assert "curl &#39;http://localhost/v1/chat/completions&#39;" in text
    assert "client.chat.completions.create(" in text and "thermly.invalid" not in text


@pytest.mark.parametrize(("given", "shown"), [
    ("a `b` c", "a <code>b</code> c"),
    ("`<i>` & <b>", "<code>&lt;i&gt;</code> &amp; &lt;b&gt;"),
    ("one ` alone", "one ` alone"),
])  # fmt: skip
def test_marked(given: str, shown: str) -> None:
    assert str(marked(given)) == shown


@pytest.mark.parametrize(("given", "kept"), [
    ("http://127.0.0.1:8080/", True),
    ("https://[::1]:8443", True),
    ("https://example.org/llm/", True),
    ("https://example.org/'$(id)'", False),
    ("https://example.org\"><b>", False),
    ("javascript:alert(1)", False),
    ("https://example.org\n", False),
])  # fmt: skip
def test_only_a_plain_address_is_written_into_the_page(given: str, kept: bool) -> None:
    assert address(given) == (given.rstrip("/") if kept else "http://127.0.0.1:8080")
