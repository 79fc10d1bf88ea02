"""What of the usage log is wanted, read from the page's address.

Knows: the fields, and what may stand in them. Must not know: how requests are found.
"""

from typing import Any

from flask import request
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField, ValidationError
from wtforms.validators import Length, Optional

from thermly.amounts import parse_usd
from thermly.catalog import SMART, Catalog

OUTCOMES = {
    "ok": "Answered",
    "client_gone": "Client left",
    "upstream_failed": "Provider failed",
    "unavailable": "Nobody could answer",
    "shutting_down": "Cut off by a restart",
    "invalid_request": "Refused by the provider",
    "unsupported_content": "Not supported by the model",
    "content_refused": "Refused as unsafe",
    "too_large": "Too large",
    "rate_limited": "Too many requests",
    "insufficient_funds": "Out of credit",
    "unauthenticated": "Key not accepted",
    "permission_denied": "Not allowed",
    "not_found": "Not found",
    "unknown_model": "Unknown model",
    "method_not_allowed": "Not allowed",
    "internal": "Failed here",
    "process_died": "Interrupted",
}
FAILURES = (
    *("upstream_failed", "unavailable", "invalid_request", "unsupported_content", "content_refused"),
    *("insufficient_funds", "internal", "shutting_down", "process_died"),
)
"""Those that a request in the books can have ended with."""

CACHES = {"hit": "From the cache", "fresh": "Kept in the cache"}
MARKS = ("before", "after")


class FilterForm(FlaskForm):  # type: ignore[misc]
    """Sent by GET: it changes nothing, and an address with it can be kept."""

    class Meta:
        csrf = False

    key = SelectField("Key")
    model = StringField(
        "Model",
        [Optional(), Length(max=200)],
        render_kw={"list": "models", "autocomplete": "off", "placeholder": "any"},
    )
    outcome = SelectField(
        "Outcome",
        choices=[
            ("", "Any"),
            ("ok", OUTCOMES["ok"]),
            ("failed", "Failed in any way"),
            ("client_gone", OUTCOMES["client_gone"]),
            *((kind, OUTCOMES[kind]) for kind in FAILURES),
        ],
    )
    cache = SelectField("Cache", choices=[("", "Any"), *CACHES.items()])
    level = SelectField("Complexity", choices=[("", "Any"), *((str(n), f"Level {n}") for n in range(1, 6))])
    dearer = StringField(
        "Dearer than",
        [Optional(), Length(max=40)],
        render_kw={"autocomplete": "off", "inputmode": "decimal", "placeholder": "0.01"},
        description="In dollars.",
    )
    above_nanousd: int | None = None

    def validate_dearer(self, field: StringField) -> None:
        if field.errors:
            return
        try:
            self.above_nanousd = parse_usd(field.data)
        except ValueError as error:
            raise ValidationError(str(error)) from error

    @property
    def chosen(self) -> dict[str, Any]:
        """The fields of `Wanted` that are asked for."""
        found: dict[str, Any] = {
            "key_id": self.key.data,
            "model": (self.model.data or "").strip(),
            "outcome": self.outcome.data,
            "cache": self.cache.data,
            "level": int(self.level.data) if self.level.data else None,
        }
        return {k: v for k, v in found.items() if v} | (
            {"above_nanousd": self.above_nanousd} if self.above_nanousd is not None else {}
        )

    @property
    def query(self) -> dict[str, str]:
        """What names the choice in an address."""
        return {name: field.data for name, field in self._fields.items() if field.data}


def read(askers: list[tuple[str, str, str, str]], all_accounts: bool) -> FilterForm:
    """`askers` are the keys there are to choose from: id, name, hint, account."""
    form = FilterForm(formdata=request.args)
    form.key.choices = [("", "Any")]
    for key_id, name, hint, account in askers:
        words = f"{name} …{hint}" if name else f"…{hint}"
        form.key.choices.append((key_id, f"{account}: {words}" if all_accounts else words))
    for field in (form.key, form.outcome, form.cache, form.level):
        field.data = field.data or ""  # what is not in the address
    return form


def names(catalog: Catalog) -> list[str]:
    """Models that can have been asked for."""
    return [*SMART, *sorted({*catalog.models, *catalog.aliases})]
