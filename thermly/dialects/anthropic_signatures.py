"""Other vendors' signatures in the `signature` of Anthropic's thinking blocks.

A client of this wire sends a thinking block back as it got it. So what the makers of thoughts want back travels in
its signature, in the form of `gemini_signatures`: a tag, then JSON, all in base64. A tool call that is signed has
no field for it here, so an empty thinking block goes before it, marked `call`. Knows: which words of other wires
that are. Must not know: requests, replies.
"""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from thermly.dialects.gemini_signatures import MARK, TAG, OpenAI, standard
from thermly.errors import InvalidRequest
from thermly.exchange import Extras

WIRE = "anthropic"


class Gemini(Struct, forbid_unknown_fields=True, rename="camel"):
    thought_signature: str


class Foreign(Struct, omit_defaults=True, forbid_unknown_fields=True):
    gemini: Gemini | UnsetType = UNSET
    openai: OpenAI | UnsetType = UNSET
    call: bool = False


# msgspec prepares a type at its first use, and a thread that meets a half prepared one crashes the process.
_foreign = msgspec.json.Decoder(Foreign)


def is_signed(extras: Extras) -> bool:
    """Whether its maker, another vendor, wants something back with it."""
    return "thoughtSignature" in (extras or {}).get("gemini", {})


def pack(extras: Extras, call: bool = False) -> str:
    """A signature for thoughts that are not Anthropic's; never empty, so that they are known again as such."""
    told: dict[str, Any] = {}
    for wire, field in (("gemini", "thoughtSignature"), ("openai", "field")):
        facts = (extras or {}).get(wire, {})
        if field in facts:
            told[wire] = {field: facts[field]}
    if call:
        told["call"] = True
    return base64.b64encode(TAG + msgspec.json.encode(told)).decode()


def unpack(signature: str, where: str) -> tuple[Extras, bool]:
    """The extras that a signature stands for, and whether they are those of the call that follows.

    Raises InvalidRequest, naming `where`, for a broken one.
    """
    if not signature.startswith(MARK):
        return ({WIRE: {"signature": signature}} if signature else None), False
    try:
        told = _foreign.decode(base64.b64decode(standard(signature), validate=True)[len(TAG) :])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise InvalidRequest(f"The signature at '{where}' is damaged.", param=where) from None
    found: dict[str, Any] = msgspec.to_builtins(told)
    call = bool(found.pop("call", False))
    return found or None, call
