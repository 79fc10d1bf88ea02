"""The Anthropic wire: Messages, token counting and the model list.

Reads a request into an Ask; what is refused is in anthropic_checks, the shapes of replies in anthropic_replies.
"""

from __future__ import annotations

from typing import Any

from thermly.sandbox.anthropic_checks import check_messages, hides_thinking
from thermly.sandbox.anthropic_replies import Envelope, frames, whole
from thermly.sandbox.brain import decide
from thermly.sandbox.values import JSON, Ask, Tool, Turn, last_user_text, prompt_tokens
from thermly.sandbox.wire import Answer, Refused, Request, Wire, bearer, dumps, new_id, sse

_LISTED = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-sonnet-4-5", "claude-haiku-4-5")
# Status: type, message.
_ERRORS = {
    400: ("invalid_request_error", "The request was refused by the sandbox."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "The requested resource could not be found."),
    413: ("request_too_large", "Request exceeds the maximum size."),
    429: ("rate_limit_error", "This request would exceed your rate limit."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out."),
    529: ("overloaded_error", "Overloaded"),
}


def check_key(request: Request) -> None:
    # The vendor's own client sends its key as a bearer token since its second major version.
    key = request.headers.get("x-api-key") or bearer(request)
    if not key:
        raise Refused(401, "x-api-key header is required")
    if key == "bad-key":
        raise Refused(401, "invalid x-api-key")
    if not request.headers.get("anthropic-version"):
        raise Refused(400, "anthropic-version: header is required")


def error(refused: Refused) -> JSON:
    kind, message = _ERRORS.get(refused.status, ("api_error", "The sandbox was told to fail."))
    told = {"type": refused.kind or kind, "message": refused.message or message}
    return {"type": "error", "error": told, "request_id": new_id("req_")}


def headers() -> dict[str, str]:
    return {
        "request-id": new_id("req_"),
        "anthropic-organization-id": "thermly-sandbox",
        "anthropic-ratelimit-requests-limit": "4000",
        "anthropic-ratelimit-requests-remaining": "3999",
    }


WIRE = Wire("anthropic", check_key, error, headers)


def messages(request: Request, _: str) -> Answer:
    body = request.json()
    check_messages(body, betas=request.headers.get("anthropic-beta", ""))
    ask = read(body, request)
    orders = ask.orders
    if orders.block:
        raise Refused(400, "Output blocked by content filtering policy")
    reply = decide(ask)
    thinking = body.get("thinking") or {}
    omitted = thinking.get("display", "omitted" if hides_thinking(ask.model) else "") == "omitted"
    envelope = Envelope(
        id=new_id("msg_"),
        model=ask.model,
        reports_usage=not orders.no_usage,
        omits_thinking=omitted and not orders.reason,
        chunks=orders.chunks,
    )
    if body.get("stream"):
        overloaded = sse(error(Refused(529)), "error")
        mangle = orders.badjson and not reply.calls
        return Answer(orders, frames=frames(envelope, reply), inband=overloaded, mangle=mangle)
    return Answer(orders, whole(envelope, reply), mangle=orders.badjson)


def count_tokens(request: Request, _: str) -> Answer:
    body = request.json()
    check_messages(body, counting=True)
    ask = read(body, request)
    return Answer(ask.orders, {"input_tokens": prompt_tokens(ask.turns)})


def models(request: Request, model: str) -> Answer:
    rows = [
        {
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": "2026-01-01T00:00:00Z",
            "lifecycle": "active",
        }
        for name in ([model] if model else _LISTED)
    ]
    if model:
        return Answer(request.standing, rows[0])
    page = {"data": rows, "has_more": False, "first_id": rows[0]["id"], "last_id": rows[-1]["id"]}
    return Answer(request.standing, page)


def read(body: JSON, request: Request) -> Ask:
    turns = [Turn("system", text_of(body["system"]))] if body.get("system") else []
    for message in body["messages"]:
        turns += _turns(message)
    orders, question = request.orders(last_user_text(tuple(turns)))
    choice = body.get("tool_choice") or {"type": "auto"}
    thinking = (body.get("thinking") or {}).get("type")
    return Ask(
        model=str(body["model"]),
        turns=tuple(turns),
        question=question,
        tools=tuple(
            Tool(tool["name"], tool.get("description") or "", tool["input_schema"])
            for tool in body.get("tools") or ()
            if "input_schema" in tool
        ),
        choice={"any": "required", "tool": "required"}.get(choice["type"], choice["type"]),
        allowed=(choice["name"],) if choice["type"] == "tool" else (),
        parallel=not choice.get("disable_parallel_tool_use"),
        schema=_schema(body),
        max_tokens=body.get("max_tokens"),
        stops=tuple(body.get("stop_sequences") or ()),
        reasons=thinking in ("enabled", "adaptive"),
        orders=orders,
    )


def _schema(body: JSON) -> JSON | None:
    told = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    schema: JSON | None = told.get("schema")
    return schema


def _turns(message: JSON) -> list[Turn]:
    """A message, its tool results as turns of their own before what the user says."""
    content = message["content"]
    if isinstance(content, str):
        return [Turn(message["role"], content)]
    results = [block for block in content if block.get("type") == "tool_result"]
    turns = [Turn("tool", text_of(block.get("content") or ""), _images(block.get("content"))) for block in results]
    if len(results) < len(content):
        turns.append(Turn(message["role"], text_of(content), _images(content)))
    return turns


def text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    texts = [str(block.get("text", "")) for block in content if block.get("type") == "text"]
    texts += [dumps(block.get("input")).decode() for block in content if block.get("type") == "tool_use"]
    return "\n".join(texts)


def _images(content: Any) -> int:
    return sum(block.get("type") == "image" for block in content) if isinstance(content, list) else 0
