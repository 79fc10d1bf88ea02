import json

import pytest

from thermly.dialects import Bounds, anthropic
from thermly.dialects.anthropic_betas import with_betas
from thermly.errors import InvalidRequest
from thermly.exchange import ChatRequest

ASKED = {"model": "auto", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}


def read(**fields: object) -> ChatRequest:
    return anthropic.read_request(json.dumps({**ASKED, **fields}).encode(), Bounds(max_tools=9))


def betas(request: ChatRequest) -> object:
    return ((request.extras or {}).get("anthropic") or {}).get("betas")


def test_known_words_go_along_in_order_and_once() -> None:
    header = "interleaved-thinking-2025-05-14, context-management-2025-06-27,interleaved-thinking-2025-05-14"
    asked = with_betas(read(top_k=3), header)
    assert betas(asked) == ["context-management-2025-06-27", "interleaved-thinking-2025-05-14"]
    assert (asked.extras or {})["anthropic"]["top_k"] == 3


@pytest.mark.parametrize("word", ["mcp-client-2025-11-20", "computer-use-2025-11-24"])
def test_tools_that_are_served_come_with_their_word(word: str) -> None:
    assert betas(with_betas(read(), word)) == [word]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "code-execution-2025-08-25",
        "context-management",
        "context-management-2025-06-27\r\nx-api-key: mine",
        "context-management-2025-06-27;x",
        "files-api-2025-04-14",
    ],
)
def test_other_words_stay_behind(header: str | None) -> None:
    request = read()
    assert with_betas(request, header) is request


def test_a_field_of_the_body_is_no_header() -> None:
    assert betas(read(betas=["x\r\ny: z"])) is None


INTERLEAVED = "interleaved-thinking-2025-05-14"
TOOL = {"name": "f", "input_schema": {"type": "object"}}
FETCH = {"type": "web_fetch_20260318", "name": "web_fetch"}


@pytest.mark.parametrize(
    ("most", "header", "fields", "served"),
    [
        (2_000, None, {}, False),
        (2_048, None, {}, False),
        (2_049, None, {}, True),
        (2_000, INTERLEAVED, {}, False),
        (2_000, None, {"tools": [TOOL]}, False),
        (2_000, "effort-2025-11-24", {"tools": [TOOL]}, False),
        (2_000, INTERLEAVED, {"tools": [TOOL]}, True),
        (2_000, INTERLEAVED, {"tools": [FETCH]}, True),
    ],
)
def test_a_budget_of_thoughts_is_below_the_bound_but_where_several_answers_share_it(
    most: int, header: str | None, fields: dict[str, object], served: bool
) -> None:
    asked = read(max_tokens=most, thinking={"type": "enabled", "budget_tokens": 2_048}, **fields)
    if served:
        assert with_betas(asked, header)
        return
    with pytest.raises(InvalidRequest) as caught:
        with_betas(asked, header)
    assert caught.value.param == "thinking.budget_tokens" and "max_tokens" in caught.value.message


def test_what_is_only_counted_has_no_bound() -> None:
    body = {**ASKED, "thinking": {"type": "enabled", "budget_tokens": 2_048}}
    del body["max_tokens"]
    asked = anthropic.read_count_request(json.dumps(body).encode(), Bounds(max_tools=9))
    assert with_betas(asked, None) is asked
