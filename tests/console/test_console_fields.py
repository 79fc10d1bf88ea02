"""The fields that forms share: what they take, and the sentence with which they refuse everything else."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import MultiDict
from wtforms import Form, StringField
from wtforms.validators import InputRequired, Optional

from thermly.console.fields import WholeNumber, a_name, an_accounts_name, tidy

BOUNDS = "A whole number between 1 and 1,000, please."


class Both(Form):  # type: ignore[misc]
    needed = WholeNumber("Needed", [InputRequired()], least=1, most=1000, default=5)
    wanted = WholeNumber("Wanted", [Optional()], least=1, most=1000)


class Named(Form):  # type: ignore[misc]
    name = StringField("Name", [a_name], [tidy])
    account = StringField("Account", [an_accounts_name], [tidy])


@pytest.mark.parametrize(("text", "number"), [("1", 1), (" 1000 ", 1000), ("+7", 7), ("0007", 7)])
def test_a_number_within_its_bounds_is_taken(text: str, number: int):
    form = Both(MultiDict({"needed": text, "wanted": text}))
    assert form.validate() and (form.needed.data, form.wanted.data) == (number, number)


@pytest.mark.parametrize(
    "text",
    ["0", "1001", "-1", "1.0", "1e2", "1_0", "many", "١", "１", "9" * 16, "9" * 400, "9" * 5000, "-" + "9" * 400],
)
def test_any_other_text_is_refused_by_a_sentence(text: str):
    form = Both(MultiDict({"needed": text, "wanted": text}))
    assert not form.validate() and form.errors == {"needed": [BOUNDS], "wanted": [BOUNDS]}
    assert form.needed.data is None


def test_nothing_is_a_number_only_where_it_may_be():
    for empty in (MultiDict({"needed": "", "wanted": ""}), MultiDict({"needed": ""})):
        form = Both(empty)
        assert not form.validate() and form.errors == {"needed": ["This field is required."]}
        assert form.wanted.data is None


def test_browsers_are_told_the_bounds():
    shown = str(Both().needed())
    assert 'type="number"' in shown and 'min="1"' in shown and 'max="1000"' in shown and 'value="5"' in shown


def test_a_name_reads_as_it_is():
    assert Named(MultiDict({"name": "  a\n b ", "account": "acme"})).validate()
    turned = Named(MultiDict({"name": "a\u202eb", "account": "a\x1bb"}))
    assert not turned.validate() and len(turned.errors["name"]) == len(turned.errors["account"]) == 1
    ids = Named(MultiDict({"name": "acc_1", "account": "acc_1"}))
    assert not ids.validate() and list(ids.errors) == ["account"] and "acc_" in ids.errors["account"][0]
