"""The forms in which the catalogue is changed and asked.

Knows: what may be typed. Must not know: how changes are kept, what they lead to.
Prices are dollars as people quote them, kept as the text that was typed: exact to the catalogue's smallest part.
"""

import re
from decimal import Decimal
from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    FieldList,
    Form,
    FormField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from thermly.catalog import DEFAULT_CAN, SMART, TIERS
from thermly.console.fields import WholeNumber
from thermly.console.model_rows import ABILITIES

MOST_TOKENS = 100_000_000
MOST_PROMPT_CHARS = 50_000
_PRICE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_IMAGE_PRICE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")
_NAME = re.compile(r"[.:@+-]*\w[\w.:@+-]*(/[.:@+-]*\w[\w.:@+-]*)*")
TYPED = {"autocomplete": "off", "inputmode": "decimal"}
PLAIN = {"autocomplete": "off", "spellcheck": "false"}


def _tidy(text: str | None) -> str:
    return (text or "").replace("\0", "").strip()


def _amount(text: str | None) -> str:
    return _tidy(text).removeprefix("$").replace("_", "")


def _is_price(form: Any, field: StringField) -> None:
    if not _PRICE.fullmatch(field.data):
        raise ValidationError("A number of dollars from 0 to 999,999 with at most six decimals.")


def _is_image_price(form: Any, field: StringField) -> None:
    if not _IMAGE_PRICE.fullmatch(field.data):
        raise ValidationError("A number of dollars from 0 to 999,999 with at most nine decimals.")


def _price(label: str, description: str = "", required: bool = False) -> StringField:
    first = InputRequired("A price is needed.") if required else Optional()
    return StringField(label, [first, _is_price], [_amount], description=description, render_kw=TYPED)


class LongForm(Form):  # type: ignore[misc]
    """The prices of requests with much input."""

    input_per_mtok = _price("Input", required=True)
    output_per_mtok = _price("Output", required=True)
    cached_input_per_mtok = _price("Cached input")


class PriceForm(FlaskForm):  # type: ignore[misc]
    """Of a model that is billed by tokens. The names are those of the catalogue's fields."""

    input_per_mtok = _price("Input")
    output_per_mtok = _price("Output")
    cached_input_per_mtok = _price("Cached input", "Empty: as input.")
    cache_write_per_mtok = _price("Written to the cache", "Empty: as input.")
    cache_write_1h_per_mtok = _price("Written for an hour", "Empty: as written to the cache.")
    free = BooleanField("It costs nothing", description="For a server of your own. Nobody is charged for it.")
    long_context_tiers = FieldList(FormField(LongForm))

    def fields(self, row: dict[str, Any]) -> dict[str, Any]:
        """The fields of the model's row that these prices are."""
        if self.free.data:
            return {"free": True}
        found: dict[str, Any] = {name: self[name].data or None for name in BY_TOKEN if name in self}
        tiers = row.get("long_context_tiers", ())
        if tiers and "long_context_tiers" in self:
            typed = ({k: v or None for k, v in t.items()} for t in self.long_context_tiers.data)
            found["long_context_tiers"] = [_present(dict(was) | now) for was, now in zip(tiers, typed, strict=True)]
        return found | {"free": False if row.get("free") else None}

    def validate_free(self, field: BooleanField) -> None:
        _require_price_or_none(self)


class ImagePriceForm(FlaskForm):  # type: ignore[misc]
    """Of a model that is billed by the image: one price for each of its sizes and qualities."""

    per_image = FieldList(StringField("", [InputRequired("A price is needed."), _is_image_price], [_amount]))

    def fields(self, row: dict[str, Any]) -> dict[str, Any]:
        rows = zip(row["per_image"], self.per_image.data, strict=True)
        return {"per_image": [dict(was) | {"usd": usd} for was, usd in rows]}


BY_TOKEN = (
    *("input_per_mtok", "output_per_mtok", "cached_input_per_mtok"),
    *("cache_write_per_mtok", "cache_write_1h_per_mtok"),
)

OF_FAMILIES = ("anthropic_tools", "gemini_tools")
"""What a provider's whole family of models has, by its kind."""


class NewModelForm(FlaskForm):  # type: ignore[misc]
    name = StringField(
        "Name",
        [DataRequired(), Length(max=100)],
        [_tidy],
        description="By which it is asked for.",
        render_kw=PLAIN,
    )
    provider = SelectField("Provider", description="Others are added in thermly.toml.")
    upstream = StringField(
        "The provider's own name for it",
        [Length(max=200)],
        [_tidy],
        description="Empty: the same.",
        render_kw=PLAIN,
    )
    kind = SelectField("Kind", choices=[("chat", "chat model"), ("embedding", "embedding model")])
    tier = SelectField("Tier", choices=[("", "none: asked for by name only"), *((t, t) for t in TIERS)])
    input_per_mtok = _price("Input, per million tokens")
    output_per_mtok = _price("Output, per million tokens")
    cached_input_per_mtok = _price("Cached input, per million tokens", "Empty: as input.")
    free = BooleanField("It costs nothing", description="For a server of your own. Nobody is charged for it.")
    context_window = WholeNumber("Context window, in tokens", [InputRequired()], least=256, most=MOST_TOKENS)
    max_output_tokens = WholeNumber(
        "Longest answer, in tokens", [Optional()], least=16, most=MOST_TOKENS, description="Empty: 16,384."
    )
    dimensions = WholeNumber(
        "Dimensions", [Optional()], least=1, most=100_000, description="Of an embedding model."
    )
    can = SelectMultipleField("Abilities", choices=[(n, n) for n in ABILITIES if n not in OF_FAMILIES])

    def validate_name(self, field: StringField) -> None:
        if not _NAME.fullmatch(field.data):
            raise ValidationError("Letters, digits and . : @ + - _ /, as in llama3.2 or qwen3:8b.")

    def validate_tier(self, field: SelectField) -> None:
        if field.data and self.kind.data != "chat":
            raise ValidationError("Only chat models have a tier.")

    def validate_free(self, field: BooleanField) -> None:
        _require_price_or_none(self)

    def fields(self) -> dict[str, Any]:
        is_chat = self.kind.data == "chat"
        names = ("provider", "upstream", "kind", "tier", "context_window", "max_output_tokens")
        found = {name: self[name].data or None for name in names}
        if not is_chat:
            found |= {"dimensions": self.dimensions.data, "tier": None}
        if self.free.data:
            found["free"] = True
        else:
            found |= {name: self[name].data or None for name in BY_TOKEN[:3]}
        able = self.can.data or [] if is_chat else [n for n in self.can.data or [] if n in OF_EMBEDDINGS]
        return found | {"can": able}


OF_EMBEDDINGS = ("dimensions", "token_input")
DEFAULTS = {"can": list(DEFAULT_CAN["chat"]), "context_window": 128_000}


class ExplainForm(FlaskForm):  # type: ignore[misc]
    prompt = TextAreaField("Prompt", [DataRequired(), Length(max=MOST_PROMPT_CHARS)])
    model = SelectField("Asked for as", choices=[(name, name) for name in SMART])
    tools = BooleanField("offers tools")
    schema = BooleanField("wants an answer that fits a JSON schema")
    image = BooleanField("brings an image along")


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if v is not None}


def _require_price_or_none(form: Any) -> None:
    if not form.free.data:
        _require_price(form)
    elif any(_PRICE.fullmatch(form[n].data or "") and Decimal(form[n].data) for n in BY_TOKEN if n in form):
        raise ValidationError("It has prices: empty them, or leave this out.")


def _require_price(form: Any) -> None:
    """Nothing is served at price zero by accident."""
    prices = [form.input_per_mtok]
    if "output_per_mtok" in form and ("kind" not in form or form.kind.data == "chat"):
        prices.append(form.output_per_mtok)
    missing = [price for price in prices if not price.data and not price.errors]
    for price in missing:
        price.errors = [*price.errors, "A price is needed; or say that it costs nothing."]
    if not missing and all(_PRICE.fullmatch(p.data or "") and not Decimal(p.data) for p in prices):
        prices[0].errors = [*prices[0].errors, "Where all is 0, say that it costs nothing."]
    elif not missing:
        return
    raise ValidationError("It has no price.")
