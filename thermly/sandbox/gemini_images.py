"""Images on the Gemini wire: which models draw them, when, how large, and what they cost in tokens.

How an image looks is in drawing.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from thermly.sandbox.drawing import draw
from thermly.sandbox.values import JSON, Ask, Reply
from thermly.sandbox.wire import Refused

_SIZES = {
    "1:1": (1024, 1024), "2:3": (832, 1248), "3:2": (1248, 832), "3:4": (864, 1184), "4:3": (1184, 864),
    "4:5": (896, 1152), "5:4": (1152, 896), "9:16": (768, 1344), "16:9": (1344, 768), "21:9": (1536, 672),
}  # fmt: skip
_TOKENS, _TOKENS_OF_GEMINI_2 = 1120, 1290


@dataclass(frozen=True, slots=True)
class Picture:
    data: str  # base64
    tokens: int


def modalities(config: JSON, model: str) -> set[str]:
    """What the answer is to be made of: TEXT, IMAGE or both."""
    asked = {str(one).upper() for one in config.get("responseModalities") or ()}
    able = {"TEXT", "IMAGE"} if _draws(model) else {"TEXT"}
    if asked - able:
        told = ", ".join(sorted(one.lower() for one in asked))
        raise Refused(400, f"Model does not support the requested response modalities: {told}")
    return asked or able


def pictures(config: JSON, ask: Ask) -> list[Picture]:
    """An image for each candidate; none where none is asked for."""
    if "IMAGE" not in modalities(config, ask.model):
        return []
    width, height = _size(config.get("imageConfig") or {})
    if ask.orders.block or ask.orders.refuse or ask.orders.empty:
        return []
    words = ask.question if ask.orders.say is None else ask.orders.say
    cost = _TOKENS_OF_GEMINI_2 if ask.model.startswith("gemini-2") else _TOKENS
    drawn = [draw(ask.model, words, width, height, i) for i in range(config.get("candidateCount") or 1)]
    return [Picture(base64.b64encode(png).decode(), cost) for png in drawn]


def wordless(reply: Reply) -> Reply:
    """The same reply where nothing but images is wanted."""
    return replace(reply, text="", usage=replace(reply.usage, output=reply.usage.reasoning))


def _draws(model: str) -> bool:
    return "image" in model


def _size(config: JSON) -> tuple[int, int]:
    ratio = config.get("aspectRatio") or "1:1"
    if ratio not in _SIZES:
        known = ", ".join(_SIZES)
        raise Refused(400, f"* GenerateContentRequest.generation_config.image_config.aspect_ratio: one of {known}")
    if config.get("imageSize") not in (None, "1K"):
        raise Refused(400, "The sandbox draws images of the size 1K only.")
    return _SIZES[ratio]
