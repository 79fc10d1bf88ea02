"""Other vendors' signatures in Gemini's `thoughtSignature`.

A client of this wire sends a part's signature back as it got it, and nothing else that came with the part. So
what the makers of thoughts want back travels in it: a tag, then JSON, all in base64. Knows: which words of other
wires that are. Must not know: requests, replies.
"""

import base64
import binascii
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from thermly.errors import InvalidRequest
from thermly.exchange import Extras

WIRE = "gemini"
TAG = b"thermly1:"  # a multiple of three bytes, so that it looks the same at the head of any base64
MARK = base64.b64encode(TAG).decode()


class Anthropic(Struct, omit_defaults=True, forbid_unknown_fields=True):
    signature: str | UnsetType = UNSET
    redacted: str | UnsetType = UNSET


class OpenAI(Struct, forbid_unknown_fields=True):
    field: Literal["reasoning_content", "reasoning"]


class Foreign(Struct, omit_defaults=True, forbid_unknown_fields=True):
    anthropic: Anthropic | UnsetType = UNSET
    openai: OpenAI | UnsetType = UNSET


# msgspec prepares a type at its first use, and a thread that meets a half prepared one crashes the process.
_foreign = msgspec.json.Decoder(Foreign)


def pack(extras: Extras) -> str | None:
    """The signature to write, or None: Gemini's own as it is, or what others' thoughts must come back with."""
    extras = extras or {}
    if own := extras.get(WIRE, {}).get("thoughtSignature"):
        return str(own)
    told = {wire: extras[wire] for wire in Foreign.__struct_fields__ if wire in extras}
    try:
        msgspec.convert(told, Foreign)
    except msgspec.ValidationError:
        return None  # nothing that could be taken back
    return base64.b64encode(TAG + msgspec.json.encode(told)).decode() if told else None


def unpack(signature: str, where: str) -> dict[str, dict[str, str]]:
    """The extras that a signature stands for. Raises InvalidRequest, naming `where`, for a broken one."""
    if not signature.startswith(MARK):
        return {WIRE: {"thoughtSignature": signature}}
    try:
        told = _foreign.decode(base64.b64decode(standard(signature), validate=True)[len(TAG) :])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise InvalidRequest(f"The signature at '{where}' is damaged.", param=where) from None
    found: dict[str, dict[str, str]] = msgspec.to_builtins(told)
    return found


def standard(data: str) -> str:
    """base64 of either alphabet, padded or not, in the standard one with padding."""
    data = data.rstrip("=").replace("-", "+").replace("_", "/")
    return data + "=" * (-len(data) % 4)
