"""The forms in which a key is made and changed.

Knows: what may be typed. Must not know: how keys are kept.
Plan and requests per minute are an admin's to give; the forms of members have no such fields, whatever is sent.
"""

import datetime
from typing import Any

from flask_wtf import FlaskForm
from wtforms import DateField, SelectField, SelectMultipleField, StringField, ValidationError
from wtforms.validators import DataRequired, Length, Optional

from thermly import clock
from thermly.amounts import parse_usd, usd
from thermly.caps import PERIODS
from thermly.console.fields import WholeNumber, a_name, tidy
from thermly.plans import PLANS
from thermly.store.keys import ApiKey

MOST_RPM = 10_000_000
UNTYPED = {"autocomplete": "off"}


def _of_plan(plan: str) -> str:
    row = PLANS[plan]
    return f"{plan}: {row.rpm} requests, {row.image_rpm} images a minute" if row.rpm else f"{plan}: no limit"


class KeyForm(FlaskForm):  # type: ignore[misc]
    """`before` is the key that is changed; None for a new one."""

    name = StringField(
        "Name",
        [DataRequired(), Length(max=100), a_name],
        [tidy],
        description="To tell keys apart: what uses it, and where.",
        render_kw=UNTYPED,
    )
    models = SelectMultipleField("Allowed models", choices=[])
    cap = StringField(
        "Spend cap in dollars",
        [Optional(), Length(max=40)],
        description="Empty: no cap. Requests that could go beyond it are refused.",
        render_kw={**UNTYPED, "inputmode": "decimal", "placeholder": "no cap"},
    )
    cap_period = SelectField(
        "The cap is",
        choices=[("", "one for ever"), *((period, f"one for each {period}, in UTC") for period in PERIODS)],
    )
    expires = DateField(
        "Expires on",
        [Optional()],
        description="It stops at 00:00 UTC on this day. Empty: never.",
        render_kw=UNTYPED,
    )
    before: ApiKey | None = None
    cap_nanousd: int | None = None
    expires_at_ms: int | None = None

    @property
    def period(self) -> str | None:
        return self.cap_period.data or None if self.cap_nanousd is not None else None

    def validate_cap(self, field: StringField) -> None:
        if field.errors:
            return  # this is asked whatever was found before
        try:
            self.cap_nanousd = parse_usd(field.data)
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def validate_expires(self, field: DateField) -> None:
        """A day that was not changed stands for the very moment that the key has."""
        if field.errors:
            return
        if self.before is not None and field.data == _day(self.before.expires_at_ms):
            self.expires_at_ms = self.before.expires_at_ms
            return
        midnight = datetime.datetime.combine(field.data, datetime.time(), datetime.UTC)
        self.expires_at_ms = int(midnight.timestamp()) * 1000
        if self.expires_at_ms <= clock.now_ms():
            raise ValidationError("This day has begun already: choose a later one.")


class AdminKeyForm(KeyForm):
    plan = SelectField("Plan", choices=[("", "the account's"), *((name, _of_plan(name)) for name in PLANS)])
    rpm = WholeNumber(
        "Requests a minute",
        [Optional()],
        least=0,
        most=MOST_RPM,
        description="Empty: the plan's number. 0: no limit.",
        render_kw={"placeholder": "as the plan says"},
    )
    image_rpm = WholeNumber(
        "Images a minute",
        [Optional()],
        least=0,
        most=MOST_RPM,
        description="Empty: the plan's number. 0: no limit.",
        render_kw={"placeholder": "as the plan says"},
    )

    def limits(self) -> dict[str, Any]:
        return {"plan": self.plan.data or None, "rpm": self.rpm.data, "image_rpm": self.image_rpm.data}


class NewKeyForm(AdminKeyForm):
    account = SelectField("Account", description="Who pays for its requests.")


def filled(key: ApiKey) -> dict[str, Any]:
    """What the form of this key says before anybody has typed."""
    return {
        "name": key.name,
        "models": key.allowed,
        "cap": usd(key.cap_nanousd) if key.cap_nanousd is not None else "",
        "cap_period": key.cap_period or "",
        "expires": _day(key.expires_at_ms),
        "plan": key.own_plan or "",
        "rpm": key.rpm,
        "image_rpm": key.image_rpm,
    }


def _day(at_ms: int | None) -> datetime.date | None:
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).date() if at_ms is not None else None
