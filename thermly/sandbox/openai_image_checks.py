"""What OpenAI refuses of an image request, in its own words, and what it would draw of the rest.

A model that is none of OpenAI's own is taken as served by somebody who is less strict. Knows nothing of replies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from thermly.sandbox.values import JSON
from thermly.sandbox.wire import Refused

_MOST_EDGE = 2048  # of an image by a model that is none of OpenAI's own
_SIZE = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})")
_FREE_SIZES = re.compile(r"gpt-image-2\b")
_LEAST_PIXELS, _MOST_PIXELS = 1024 * 1024, 2560 * 1440
_DEFAULT_SIZE = "1024x1024"
_FORMATS = ("url", "b64_json")
_COMMON = frozenset(("model", "n", "prompt", "size", "user"))


@dataclass(frozen=True, slots=True)
class _Rules:
    longest_prompt: int
    most_images: int
    choices: dict[str, tuple[str, ...]]  # by parameter; the first is what a request without it gets
    others: frozenset[str] = frozenset()  # parameters that are taken and change nothing here


_GPT = _Rules(
    longest_prompt=32_000,
    most_images=10,
    choices={
        "size": ("auto", "1024x1024", "1536x1024", "1024x1536"),
        "quality": ("auto", "low", "medium", "high"),
        "background": ("auto", "opaque", "transparent"),
        "output_format": ("png", "jpeg", "webp"),
        "moderation": ("auto", "low"),
    },
    others=frozenset(("output_compression", "partial_images", "safety_identifier", "stream")),
)
_DALL_E_2 = _Rules(
    longest_prompt=1000,
    most_images=10,
    choices={"size": ("1024x1024", "512x512", "256x256"), "quality": ("standard",), "response_format": _FORMATS},
)
_DALL_E_3 = _Rules(
    longest_prompt=4000,
    most_images=1,
    choices={
        "size": ("1024x1024", "1792x1024", "1024x1792"),
        "quality": ("standard", "hd"),
        "style": ("vivid", "natural"),
        "response_format": _FORMATS,
    },
)
_LENIENT = _Rules(longest_prompt=32_000, most_images=10, choices={"response_format": _FORMATS})


def is_gpt(model: str) -> bool:
    return model.startswith(("gpt-image-", "chatgpt-image-"))


def _rules(model: str) -> _Rules:
    if is_gpt(model):
        return _GPT
    return {"dall-e-2": _DALL_E_2, "dall-e-3": _DALL_E_3}.get(model, _LENIENT)


def check_image(body: JSON) -> None:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Refused(400, "you must provide a model parameter")
    rules = _rules(model)
    if rules is not _LENIENT:
        _check_names(body, rules)
    _check_prompt(body.get("prompt"), rules)
    _check_count(body.get("n"), rules)
    for name, values in rules.choices.items():
        if name == "size" and _is_free(model, body.get(name)):
            continue
        if body.get(name) is not None and body[name] not in values:
            told = ", ".join(f"'{value}'" for value in values)
            message = f"Invalid value: '{body[name]}'. Supported values are: {told}."
            raise _bad(message, name, "invalid_value")
    if "size" not in rules.choices:
        _check_free_size(body.get("size"))
    _check_drawable(body)


def _is_free(model: str, size: Any) -> bool:
    """From gpt-image-2 on, any size does whose edges are multiples of 16 and whose sides are at most 1 to 3."""
    found = _SIZE.fullmatch(str(size)) if _FREE_SIZES.match(model) else None
    if not found:
        return False
    width, height = map(int, found.groups())
    in_shape = width % 16 == height % 16 == 0 and max(width, height) <= 3 * min(width, height)
    return in_shape and _LEAST_PIXELS <= width * height <= _MOST_PIXELS


def size_of(body: JSON) -> tuple[int, int]:
    """The width and the height of what a request that was checked asks for."""
    size = body.get("size") or _rules(body["model"]).choices.get("size", (_DEFAULT_SIZE,))[0]
    width, _, height = str(_DEFAULT_SIZE if size == "auto" else size).partition("x")
    return int(width), int(height)


def _bad(message: str, param: str, code: str | None = None) -> Refused:
    return Refused(400, message, param=param, code=code)


def _check_names(body: JSON, rules: _Rules) -> None:
    for name in body:
        if name not in _COMMON and name not in rules.choices and name not in rules.others:
            raise _bad(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def _check_prompt(prompt: Any, rules: _Rules) -> None:
    if prompt is None:
        raise _bad("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter")
    if not isinstance(prompt, str):
        raise _bad("Invalid type for 'prompt': expected a string.", "prompt", "invalid_type")
    if not prompt:
        message = "Invalid 'prompt': empty string. Expected a string with minimum length 1, but got an empty "
        raise _bad(message + "string instead.", "prompt", "empty_string")
    if len(prompt) > rules.longest_prompt:
        message = f"Invalid 'prompt': string too long. Expected a string with maximum length {rules.longest_prompt}"
        message += f", but got a string with length {len(prompt)} instead."
        raise _bad(message, "prompt", "string_above_max_length")


def _check_count(count: Any, rules: _Rules) -> None:
    if count is None:
        return
    if isinstance(count, bool) or not isinstance(count, int):
        raise _bad("Invalid type for 'n': expected an integer.", "n", "invalid_type")
    if rules.most_images == 1 and count != 1:
        raise _bad("You must provide n=1 for this model.", "n", "invalid_value")
    if count < 1:
        message = f"Invalid 'n': integer below minimum value. Expected a value >= 1, but got {count} instead."
        raise _bad(message, "n", "integer_below_min_value")
    if count > rules.most_images:
        message = f"Invalid 'n': integer above maximum value. Expected a value <= {rules.most_images}, but got "
        raise _bad(f"{message}{count} instead.", "n", "integer_above_max_value")


def _check_free_size(size: Any) -> None:
    if size is None:
        return
    found = _SIZE.fullmatch(str(size))
    if not found or max(map(int, found.groups())) > _MOST_EDGE:
        message = f"Invalid value: '{size}'. Expected WIDTHxHEIGHT with edges of at most {_MOST_EDGE} pixels."
        raise _bad(message, "size", "invalid_value")


def _check_drawable(body: JSON) -> None:
    """What the vendor does and the sandbox does not is refused rather than passed over."""
    if body.get("output_format") not in (None, "png"):
        raise _bad("The sandbox draws PNG images only.", "output_format", "unsupported_value")
    if body.get("stream"):
        raise _bad("The sandbox does not stream images.", "stream", "unsupported_value")
