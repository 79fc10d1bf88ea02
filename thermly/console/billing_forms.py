"""The forms of the billing page.

Knows: fields and their bounds. Must not know: what is done with them.
"""

import datetime
import re
from typing import Any

from flask_wtf import FlaskForm
from wtforms import DateField, HiddenField, StringField
from wtforms.validators import (
    InputRequired,
    Length,
    Optional,
    Regexp,
    ValidationError,
)

from thermly import ids
from thermly.amounts import NANO_PER_USD, parse_usd
from thermly.console.at import here
from thermly.console.fields import WholeNumber, tidy
from thermly.money import payments
from thermly.money.codes import MOST_CODES
from thermly.notices import webhooks
from thermly.notices.webhooks import BadAddress

AMOUNT = {"inputmode": "decimal", "autocomplete": "off"}
EMAIL = re.compile(r"[^@\s<>,;:\"()\[\]\\]+@[^@\s<>,;:\"()\[\]\\]+")


def nano(text: str, negative: bool = False) -> int:
    """Raises what a field shows."""
    try:
        return parse_usd(text, negative)
    except ValueError as error:
        raise ValidationError(str(error)) from error


class CreditForm(FlaskForm):  # type: ignore[misc]
    """`once` names the credit: a form that is sent twice adds it once. `sure` is the amount that may be taken
    although it is more than there is; another amount is asked about anew."""

    once = HiddenField(default=ids.new, validators=[Regexp(r"^[0-9a-f]{22}\Z")])
    amount = StringField(
        "Amount in USD",
        [InputRequired(), Length(max=40)],
        description="With a minus in front of it, credit is taken back.",
        render_kw=AMOUNT,
    )
    note = StringField(
        "Note", [Length(max=200)], [tidy], description="Stands in the ledger, for everybody to read."
    )
    sure = StringField()
    wanted_nanousd = 0
    left_nanousd: int | None = None

    def validate_amount(self, field: Any) -> None:
        self.wanted_nanousd = nano(field.data, negative=True)
        if self.wanted_nanousd == 0:
            raise ValidationError("An amount of nothing changes nothing.")

    @property
    def is_sure(self) -> bool:
        return bool(self.sure.data == str(self.wanted_nanousd))


class RedeemForm(FlaskForm):  # type: ignore[misc]
    code = StringField(
        "Code",
        [InputRequired(), Length(max=60)],
        render_kw={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false",
                   "placeholder": "THRM-XXXX-XXXX-XXXX-XXXX"},
    )  # fmt: skip


class CardForm(FlaskForm):  # type: ignore[misc]
    pay = StringField("Amount", [InputRequired(), Length(max=40)], render_kw=AMOUNT)

    def validate_pay(self, field: Any) -> None:
        amount = nano(field.data)
        if not payments.LEAST_USD * NANO_PER_USD <= amount <= payments.MOST_USD * NANO_PER_USD:
            raise ValidationError(f"Between {payments.LEAST_USD} and {payments.MOST_USD:,}, please.")
        if amount % payments.NANO_PER_CENT:
            raise ValidationError("Cards pay whole cents.")


class AlertForm(FlaskForm):  # type: ignore[misc]
    below = StringField("Below, in USD", [Optional(), Length(max=40)], [tidy], render_kw=AMOUNT)
    email = StringField("E-mail", [Optional(), Length(max=200)], [tidy], render_kw={"autocomplete": "email"})
    webhook = StringField(
        "Webhook",
        [Optional(), Length(max=webhooks.MOST_CHARS)],
        [tidy],
        render_kw={"autocomplete": "off", "inputmode": "url"},
    )

    def validate_below(self, field: Any) -> None:
        nano(field.data)

    def validate_email(self, field: Any) -> None:
        if not (field.data.isascii() and EMAIL.fullmatch(field.data)):
            raise ValidationError("This is no e-mail address.")

    def validate_webhook(self, field: Any) -> None:
        try:
            webhooks.check(field.data, here().gateway.settings.alert_webhooks == "anywhere")
        except BadAddress as error:
            raise ValidationError(str(error)) from error


class CodesForm(FlaskForm):  # type: ignore[misc]
    count = WholeNumber("How many", [InputRequired()], least=1, most=MOST_CODES, default=10)
    amount = StringField("Worth, each, in USD", [InputRequired(), Length(max=40)], render_kw=AMOUNT)
    note = StringField(
        "Note", [Length(max=200)], [tidy], description="What they are for. It stands in the ledger later."
    )
    until = DateField("Good until", [Optional()], description="The whole of that day, UTC. Empty: for ever.")

    def validate_amount(self, field: Any) -> None:
        if nano(field.data) == 0:
            raise ValidationError("A code is worth something.")

    def validate_until(self, field: Any) -> None:
        if field.data is not None and not _today() <= field.data <= datetime.date(9000, 1, 1):
            raise ValidationError("That day is over, or too far away.")

    @property
    def expires_at_ms(self) -> int | None:
        day: datetime.date | None = self.until.data
        if day is None:
            return None
        end = datetime.datetime.combine(day + datetime.timedelta(1), datetime.time(), datetime.UTC)
        return int(end.timestamp()) * 1000


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()
