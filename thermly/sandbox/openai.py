"""The OpenAI wire: Chat Completions and the model list, as OpenAI and those who imitate it answer.

Reads a request into an Ask and refuses what the vendor refuses; the shapes of replies are in openai_replies.
"""

from __future__ import annotations

import re
import time
from typing import Any

from thermly.sandbox.brain import decide
from thermly.sandbox.openai_checks import check_chat, is_own, is_reasoning
from thermly.sandbox.openai_replies import Envelope, frames, whole
from thermly.sandbox.values import JSON, Ask, Tool, Turn, last_user_text
from thermly.sandbox.wire import Answer, Refused, Request, Wire, bearer, dumps, new_id, sse

_ANY_OBJECT: JSON = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
_THINKERS = re.compile(r"reasoner|thinking|-r1\b")
_LISTED = {
    "openai": (
        *("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5.6", "o3-mini"),
        *("text-embedding-3-small", "gpt-image-2.5-flare", "dall-e-3"),
    ),
    "deepseek": ("deepseek-chat", "deepseek-reasoner", "deepseek-v4-flash", "deepseek-v4-pro"),
}
# Status: type, code, message.
_ERRORS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "The request was refused by the sandbox."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Country not supported."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    413: ("invalid_request_error", "request_too_large", "The request is too large."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests. Please try again later."),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    503: ("service_unavailable_error", None, "That model is currently overloaded with other requests."),
}


def check_key(request: Request) -> None:
    key = bearer(request)
    if not key:
        message = "You didn't provide an API key. You need to provide your API key in an Authorization header."
        raise Refused(401, message, kind="invalid_request_error", code=None)
    if key == "bad-key":
        raise Refused(401, "Incorrect API key provided: bad-key.", code="invalid_api_key")


def error(refused: Refused) -> JSON:
    kind, code, message = _ERRORS.get(refused.status, ("server_error", None, "The sandbox was told to fail."))
    if refused.message:
        kind, code = (refused.kind or kind), refused.code
    return {"error": {"message": refused.message or message, "type": kind, "param": refused.param, "code": code}}


def headers() -> dict[str, str]:
    return {
        "x-request-id": new_id("req_"),
        "openai-organization": "thermly-sandbox",
        "openai-version": "2020-10-01",
        "openai-processing-ms": "1",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
    }


WIRE = Wire("openai", check_key, error, headers)


def chat(request: Request, _: str) -> Answer:
    body = request.json()
    check_chat(body)
    ask = read(body, request)
    orders = ask.orders
    if orders.block:
        raise Refused(400, "Invalid prompt: it was flagged as violating the usage policy.", code="invalid_prompt")
    replies = [decide(ask, index) for index in range(body.get("n") or 1)]
    envelope = Envelope.of(body, ask, shows_reasoning=orders.reason or not is_own(ask.model))
    mangle = orders.badjson and not replies[0].calls
    if body.get("stream"):
        inband = sse(error(Refused(500)))
        return Answer(orders, frames=frames(envelope, replies), inband=inband, mangle=mangle)
    return Answer(orders, whole(envelope, replies), mangle=mangle)


def models(request: Request, model: str) -> Answer:
    listed = _LISTED.get(request.provider, _LISTED["openai"])
    rows = [
        {"id": name, "object": "model", "created": int(time.time()) // 86400 * 86400, "owned_by": request.provider}
        for name in ([model] if model else listed)
    ]
    return Answer(request.standing, rows[0] if model else {"object": "list", "data": rows})


def read(body: JSON, request: Request) -> Ask:
    turns = tuple(_turn(message) for message in body["messages"])
    orders, question = request.orders(last_user_text(turns))
    choice, allowed = _choice(body)
    model = str(body["model"])
    return Ask(
        model=model,
        turns=turns,
        question=question,
        tools=tuple(_tools(body)),
        choice=choice,
        allowed=allowed,
        parallel=body.get("parallel_tool_calls") is not False and not body.get("functions"),
        schema=_schema(body.get("response_format") or {}),
        max_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
        stops=_stops(body.get("stop")),
        reasons=_reasons(body, model),
        orders=orders,
    )


def _turn(message: JSON) -> Turn:
    role = {"developer": "system", "function": "tool"}.get(message["role"], str(message["role"]))
    content = message.get("content") or ""
    if isinstance(content, str):
        text, images = content, 0
    else:
        text = "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
        images = sum(part.get("type") == "image_url" for part in content)
    calls = message.get("tool_calls") or []
    if calls:
        text += dumps([call.get("function") for call in calls]).decode()
    return Turn(role, text, images)


def _tools(body: JSON) -> list[Tool]:
    functions: list[JSON] = [t["function"] for t in body.get("tools") or () if t.get("type") == "function"]
    functions += body.get("functions") or []
    return [Tool(f["name"], f.get("description") or "", f.get("parameters") or {}) for f in functions]


def _choice(body: JSON) -> tuple[str, tuple[str, ...]]:
    choice: Any = body.get("tool_choice", body.get("function_call", "auto")) or "auto"
    if isinstance(choice, str):
        return choice, ()
    if choice.get("type") == "allowed_tools":
        allowed = choice["allowed_tools"]
        return allowed.get("mode", "auto"), tuple(t["function"]["name"] for t in allowed.get("tools", ()))
    return "required", ((choice.get("function") or choice)["name"],)


def _schema(response_format: JSON) -> JSON | None:
    if response_format.get("type") == "json_object":
        return _ANY_OBJECT
    if response_format.get("type") == "json_schema":
        schema: JSON = response_format["json_schema"].get("schema") or _ANY_OBJECT
        return schema
    return None


def _stops(stop: Any) -> tuple[str, ...]:
    return (stop,) if isinstance(stop, str) else tuple(stop or ())


def _reasons(body: JSON, model: str) -> bool:
    effort = body.get("reasoning_effort")
    if effort == "none":
        return False
    if is_own(model):
        return is_reasoning(model)
    thinking = body.get("thinking") or {}
    if thinking:
        return bool(thinking.get("type") == "enabled")
    return effort is not None or bool(_THINKERS.search(model))
