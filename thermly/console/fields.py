"""What forms share: whole numbers, names, and texts without what nobody means to type.

Knows: WTForms. Must not know: any form.
"""

import re
from collections.abc import Sequence
from typing import Any

from wtforms import IntegerField, StringField, ValidationError

from thermly.access import naming

_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")


def tidy(text: str | None) -> str:
    return " ".join((text or "").replace("\0", "").split())


class WholeNumber(IntegerField):  # type: ignore[misc]
    """Within bounds of its own: WTForms' validator fails on numbers of hundreds of digits."""

    data: Any

    def __init__(self, label: str, validators: Sequence[Any], least: int, most: int, **options: Any) -> None:
        super().__init__(label, validators, **options)
        self.least, self.most = least, most
        self.flags.min, self.flags.max = least, most

    def process_formdata(self, valuelist: list[str]) -> None:
        if not valuelist:
            return
        text, self.data = valuelist[0].strip(), None
        if not _WHOLE.fullmatch(text) or not self.least <= int(text) <= self.most:
            raise ValueError(f"A whole number between {self.least:,} and {self.most:,}, please.")
        self.data = int(text)


def a_name(_form: Any, field: StringField) -> None:
    """Of a key or a person."""
    _told(naming.check, field)


def an_accounts_name(_form: Any, field: StringField) -> None:
    _told(naming.check_account, field)


def _told(check: Any, field: StringField) -> None:
    try:
        check(field.data)
    except naming.BadName as error:
        raise ValidationError(str(error)) from error
