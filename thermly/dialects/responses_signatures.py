"""Vendors' signatures in the Responses API's `encrypted_content`.

A client of this wire sends a reasoning item back as it got it. So what the maker of the thoughts wants back
travels in it: a tag, then JSON, all in base64. What is meant for a call, which has no such field on this wire, is
told by a reasoning item before it. Knows: which words of other wires that are. Must not know: requests, replies.
"""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from thermly.dialects.gemini_signatures import MARK, TAG, Anthropic, OpenAI
from thermly.errors import InvalidRequest
from thermly.exchange import Extras

ENCRYPTED = "reasoning.encrypted_content"


class Gemini(Struct, forbid_unknown_fields=True):
    thoughtSignature: str


class Sealed(Struct, omit_defaults=True, forbid_unknown_fields=True):
    anthropic: Anthropic | UnsetType = UNSET
    gemini: Gemini | UnsetType = UNSET
    openai: OpenAI | UnsetType = UNSET


class Envelope(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """`of_call`: the facts belong to the next call, not to thoughts."""

    facts: Sealed
    of_call: bool = False


# msgspec prepares a type at its first use, and a thread that meets a half prepared one crashes the process.
_envelope = msgspec.json.Decoder(Envelope)


def seal(extras: Extras, of_call: bool = False) -> str | None:
    """The encrypted content to write, or None where there is nothing that a vendor could take back."""
    told = {wire: facts for wire, facts in (extras or {}).items() if wire in Sealed.__struct_fields__}
    try:
        facts = msgspec.convert(told, Sealed)
    except msgspec.ValidationError:
        return None
    return base64.b64encode(TAG + msgspec.json.encode(Envelope(facts, of_call))).decode() if told else None


def unseal(content: str | None, where: str) -> tuple[dict[str, Any] | None, bool]:
    """The extras, and whether they belong to the next call. What others have encrypted is for nobody here.

    Raises InvalidRequest, naming `where`, for a damaged one.
    """
    if not content or not content.startswith(MARK):
        return None, False
    try:
        told = _envelope.decode(base64.b64decode(content, validate=True)[len(TAG) :])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise InvalidRequest(f"The encrypted content at '{where}' is damaged.", param=where) from None
    return msgspec.to_builtins(told.facts) or None, told.of_call
