"""What the forms of keys refuse, at the field that is wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest
from stories.stack import Stack

from console.conftest import Visitor

UNTOUCHED = {"name": "", "cap": "", "cap_period": "", "expires": "", "plan": "", "rpm": "", "image_rpm": ""}


def errors(page: str) -> list[str]:
    return re.findall(r'<p class="error"[^>]*>(.*?)</p>', page)


def refused(visitor: Visitor, path: str = "/keys/new", **fields: Any) -> list[str]:
    """What the form complains about; nothing may have been made."""
    before = visitor.stack.rows("SELECT * FROM api_key")
    response = visitor.post(path, {**UNTOUCHED, "name": "x", **fields})
    assert response.status_code == 422, response.text
    assert visitor.stack.rows("SELECT * FROM api_key") == before
    return errors(response.text)


@pytest.mark.parametrize("name", ["", "   ", "\0", "x" * 101, "a\u202eb", "a\x1b[1mb"])
def test_a_key_has_a_name(member: Visitor, name: str):
    assert len(refused(member, name=name)) == 1


@pytest.mark.parametrize(
    "cap",
    [
        "lots",
        "-1",
        "NaN",
        "Infinity",
        "1e400",
        "0.0000000001",
        "1000000001",
        "9" * 41,
        "1,50",
        "$",
        "0x10",
        "1e9999999999",
        "١",
    ],
)
def test_a_cap_is_an_amount_that_can_be_kept(member: Visitor, cap: str):
    (complaint,) = refused(member, cap=cap)
    assert "dollars" in complaint or "decimals" in complaint or "between 0" in complaint or "40" in complaint


def test_a_period_is_one_of_three(member: Visitor):
    assert refused(member, cap="1", cap_period="year") == ["Not a valid choice."]


@pytest.mark.parametrize("day", ["2020-01-01", "0001-01-01", "31.12.2099", "2099-02-30", "tomorrow", "10000-01-01"])
def test_a_last_day_is_a_day_to_come(member: Visitor, day: str):
    assert len(refused(member, expires=day)) == 1


def test_a_model_is_one_that_there_is(member: Visitor):
    (complaint,) = refused(member, models=["auto", "nonsense"])
    assert "nonsense" in complaint


@pytest.mark.parametrize("rate", ["-1", "1.5", "many", "10000001", "9" * 40, "9" * 400, "١"])
def test_limits_are_numbers(admin: Visitor, rate: str):
    told = ["A whole number between 0 and 10,000,000, please."]
    assert refused(admin, account=admin.account_id, rpm=rate) == told
    assert refused(admin, account=admin.account_id, image_rpm=rate) == told


def test_an_admin_names_a_plan_and_an_account_that_there_are(admin: Visitor):
    assert refused(admin, account=admin.account_id, plan="gold") == ["Not a valid choice."]
    assert refused(admin, account="acc_nobody") == ["Not a valid choice."]


def test_what_was_typed_stays_in_a_form_that_is_refused(stack: Stack, member: Visitor):
    response = member.post("/keys/new", {"name": "mine", "cap": "lots", "models": ["auto", "gpt-4o"]})
    assert 'value="mine"' in response.text and 'value="lots"' in response.text
    assert 'value="gpt-4o" checked' in response.text and "(2 chosen)" in response.text
    assert 'aria-invalid="true"' in response.text


def test_changing_a_key_is_refused_as_making_one_is(stack: Stack, member: Visitor):
    member.post("/keys/new", {**UNTOUCHED, "name": "mine"})
    (row,) = stack.rows("SELECT id FROM api_key WHERE account_id = :id", id=member.account_id)
    for fields in ({"name": ""}, {"cap": "-1"}, {"expires": "2020-01-01"}, {"models": ["nonsense"]}):
        assert len(refused(member, f"/keys/{row['id']}", **fields)) == 1
