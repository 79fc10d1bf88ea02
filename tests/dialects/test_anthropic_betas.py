import json

import pytest

from thermly.dialects import Bounds, anthropic
from thermly.dialects.anthropic_betas import with_betas
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


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "computer-use-2025-01-24",
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
