"""A refusal names the field as the client has written it."""

from typing import Any

import pytest

from thermly.dialects.responses_refusals import rename_field
from thermly.errors import UnsupportedContent

TOLD: dict[str, Any] = {"tools": [], "top_logprobs": 0}
F = {"type": "function", "name": "f"}
SEARCH = {"type": "web_search_preview"}


@pytest.mark.parametrize(("param", "told", "name"), [
    ("web_search_options", {"tools": [SEARCH]}, "tools[0]"),
    ("web_search_options", {"tools": [F, F, SEARCH, F]}, "tools[2]"),
    ("logprobs", {"top_logprobs": 2}, "top_logprobs"),
    ("logprobs", {}, "include"),
    ("messages", {}, "input"),
    ("messages[3].content[0].image_url", {}, "input"),
    ("response_format", {}, "text.format"),
    ("response_format.json_schema.schema", {}, "text.format"),
    ("max_completion_tokens", {}, "max_output_tokens"),
    ("input[2].content", {}, "input[2].content"),
    ("previous_response_id", {}, "previous_response_id"),
    ("tools", {"tools": [F]}, "tools"),
    (None, {}, None),
])  # fmt: skip
def test_the_field_has_this_wires_name(param: str | None, told: dict[str, Any], name: str | None) -> None:
    error = UnsupportedContent("No.", param=param)
    rename_field(error, {**TOLD, **told})
    assert error.param == name
