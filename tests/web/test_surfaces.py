"""The rows: each mount of the API with the rules it keeps."""

from __future__ import annotations

import pytest

from thermly.dialects import Bounds
from thermly.errors import ContentRefused, InsufficientFunds, InvalidRequest, Unauthenticated, UnsupportedContent
from thermly.web.surfaces import surfaces

ROWS = {row.prefix: row for row in surfaces(422)}


def test_the_rules_are_the_references_own() -> None:
    v1, api = ROWS["/v1"], ROWS["/api/v1"]
    assert v1.bounds == Bounds(64, 100, 50_000, 16_384) and v1.id_prefix == "thermo-"
    assert api.bounds == Bounds(128) and api.id_prefix == "chatcmpl-"


def test_the_longest_prefix_comes_first() -> None:
    """The first row whose prefix a path has must be the right one."""
    prefixes = [row.prefix for row in surfaces(422)]
    for i, prefix in enumerate(prefixes):
        assert not any(later.startswith(prefix + "/") for later in prefixes[i + 1 :])


@pytest.mark.parametrize(("error", "v1", "api"), [
    (InvalidRequest("x"), 422, 400),
    (UnsupportedContent("x"), 422, 400),
    (ContentRefused("x"), 400, 400),
    (Unauthenticated("x"), 401, 401),
    (InsufficientFunds("x"), 402, 402),
])  # fmt: skip
def test_a_surface_chooses_the_status(error: Exception, v1: int, api: int) -> None:
    assert (ROWS["/v1"].status(error), ROWS["/api/v1"].status(error)) == (v1, api)  # type: ignore[arg-type]


def test_an_admin_may_choose_400_for_v1_too() -> None:
    row = next(row for row in surfaces(400) if row.prefix == "/v1")
    assert row.status(InvalidRequest("x")) == 400
