"""OpenAI's images endpoint: real PNG images of the prompt, as an address or as base64.

What is refused is in openai_image_checks, how an image looks in drawing.
"""

from __future__ import annotations

import base64
import time

from thermly.sandbox.drawing import draw
from thermly.sandbox.openai_image_checks import check_image, is_gpt, size_of
from thermly.sandbox.values import JSON, tokens
from thermly.sandbox.wire import Answer, Refused, Request, new_id

_OUTPUT_TOKENS = {
    "low": {"1024x1024": 272, "1024x1536": 408, "1536x1024": 400},
    "medium": {"1024x1024": 1056, "1024x1536": 1584, "1536x1024": 1568},
    "high": {"1024x1024": 4160, "1024x1536": 6240, "1536x1024": 6208},
}


def images(request: Request, _: str) -> Answer:
    body = request.json()
    check_image(body)
    orders, prompt = request.orders(body["prompt"])
    if orders.block or orders.refuse:
        message = "Your request was rejected as a result of our safety system."
        raise Refused(400, message, kind="image_generation_user_error", code="content_policy_violation")
    words = prompt if orders.say is None else orders.say
    drawn = [] if orders.empty else _drawn(body, words)
    encoded = is_gpt(body["model"]) or body.get("response_format") == "b64_json"
    served = {} if encoded else {f"{new_id('img-')}.png": png for png in drawn}
    if encoded:
        rows = [{"b64_json": base64.b64encode(png).decode()} for png in drawn]
    else:
        rows = [{"url": f"http://{request.headers['host']}/_sandbox/images/{name}"} for name in served]
    reply: JSON = {"created": int(time.time()), "data": rows}
    if body["model"] == "dall-e-3":
        reply["data"] = [{"revised_prompt": _revised(body, words), **row} for row in rows]
    if is_gpt(body["model"]):
        reply |= _choices(body)
        if not orders.no_usage:
            reply["usage"] = _usage(reply, prompt)
    return Answer(orders, reply, mangle=orders.badjson, images_drawn=len(drawn), images_served=served)


def _drawn(body: JSON, words: str) -> list[bytes]:
    width, height = size_of(body)
    clear = body.get("background") == "transparent"
    return [draw(body["model"], words, width, height, i, clear) for i in range(body.get("n") or 1)]


def _revised(body: JSON, words: str) -> str:
    return f"A {body.get('style') or 'vivid'} picture: {words}"


def _choices(body: JSON) -> JSON:
    """What was chosen where the request left a choice."""
    width, height = size_of(body)
    quality = body.get("quality") or "auto"
    return {
        "background": "transparent" if body.get("background") == "transparent" else "opaque",
        "output_format": "png",
        "quality": "medium" if quality == "auto" else quality,
        "size": f"{width}x{height}",
    }


def _output_tokens(quality: str, size: str) -> int:
    """Of one image; where the vendor's table has no such size, by its pixels."""
    known = _OUTPUT_TOKENS[quality]
    width, _, height = size.partition("x")
    return known.get(size) or known["1024x1024"] * int(width) * int(height) // 1024**2


def _usage(reply: JSON, prompt: str) -> JSON:
    text, output = tokens(prompt), len(reply["data"]) * _output_tokens(reply["quality"], reply["size"])
    return {
        "total_tokens": text + output,
        "input_tokens": text,
        "output_tokens": output,
        "input_tokens_details": {"text_tokens": text, "image_tokens": 0},
    }
