"""The Gemini wire: generateContent whole and streamed, token counting, embeddings and the model list.

Reads a request into an Ask; what is refused is in gemini_checks, the shapes of replies in gemini_replies.
"""

from __future__ import annotations

import json
import re
from typing import Any

from thermly.sandbox.brain import decide
from thermly.sandbox.embeddings import default_dimensions, unit_vector
from thermly.sandbox.gemini_checks import camel, check_generate
from thermly.sandbox.gemini_images import modalities, pictures, wordless
from thermly.sandbox.gemini_replies import Envelope, blocked, frames, listed, whole
from thermly.sandbox.values import JSON, Ask, Reply, Tool, Turn, last_user_text, prompt_tokens
from thermly.sandbox.wire import Answer, Refused, Request, Wire, dumps, new_id, sse

_ANY_OBJECT: JSON = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
_THINKS = re.compile(r"gemini-(2\.5(?!.*image)|[3-9])(?!.*lite)")
_LISTED = (
    *("gemini-2.5-flash", "gemini-2.5-pro", "gemini-3.1-pro-preview", "gemini-3.8-flash"),
    *("gemini-embedding-2", "gemini-3.1-flash-image"),
)
# Status: the name that google.rpc gives it, message.
_ERRORS = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "The model is not found for API version v1beta, or is not supported for generateContent."),
    413: ("INVALID_ARGUMENT", "Request payload size exceeds the limit."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    500: ("INTERNAL", "An internal error has occurred. Please retry."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}


def check_key(request: Request) -> None:
    key = request.headers.get("x-goog-api-key") or request.query.get("key") or ""
    if not key:
        raise Refused(401, "Request is missing required authentication credential: an API key.")
    if key == "bad-key":
        raise Refused(401, "API key not valid. Please pass a valid API key.")


def error(refused: Refused) -> JSON:
    status, message = _ERRORS.get(refused.status, ("UNKNOWN", "The sandbox was told to fail."))
    told: JSON = {"code": refused.status, "message": refused.message or message, "status": status}
    if refused.retry_after is not None:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{refused.retry_after:g}s"}
        told["details"] = [retry]
    return {"error": told}


def headers() -> dict[str, str]:
    return {"server": "scaffolding on HTTPServer2", "x-frame-options": "SAMEORIGIN", "vary": "Origin, X-Origin"}


WIRE = Wire("gemini", check_key, error, headers)


def generate(request: Request, model: str) -> Answer:
    body = _checked(request, model)
    ask = read(body, model, request)
    orders = ask.orders
    envelope = _envelope(body, ask)
    replies = _replies(body, ask)
    made = blocked(envelope, replies[0]) if orders.block else whole(envelope, replies)
    return Answer(orders, made, mangle=orders.badjson, images_drawn=len(envelope.pictures))


def stream(request: Request, model: str) -> Answer:
    body = _checked(request, model)
    ask = read(body, model, request)
    orders = ask.orders
    envelope = _envelope(body, ask)
    replies = _replies(body, ask)
    as_sse = request.query.get("alt") == "sse"
    failure = error(Refused(503))
    before = b"[" if orders.inband == 0 else b",\r\n"
    return Answer(
        orders,
        frames=frames(envelope, replies, as_sse, blocks=orders.block),
        content_type="text/event-stream" if as_sse else "application/json; charset=UTF-8",
        inband=sse(failure) if as_sse else before + dumps(failure) + b"]",
        mangle=orders.badjson,
        images_drawn=len(envelope.pictures),
    )


def count_tokens(request: Request, model: str) -> Answer:
    body = camel(request.json())
    body = body.get("generateContentRequest") or body
    check_generate(body, model)
    ask = read(body, model, request)
    count = prompt_tokens(ask.turns)
    details = [{"modality": "TEXT", "tokenCount": count}]
    return Answer(ask.orders, {"totalTokens": count, "promptTokensDetails": details})


def embed(request: Request, model: str) -> Answer:
    body = camel(request.json())
    text = _embedded_text(body)
    orders, _ = request.orders(text)
    return Answer(orders, {"embedding": {"values": _values(body, model, text)}}, mangle=orders.badjson)


def embed_batch(request: Request, model: str) -> Answer:
    asked = camel(request.json()).get("requests") or []
    if not asked:
        raise Refused(400, "* BatchEmbedContentsRequest.requests: requests is not specified")
    texts = [_embedded_text(one) for one in asked]
    orders, _ = request.orders(texts[-1])
    rows = [{"values": _values(one, model, text)} for one, text in zip(asked, texts, strict=True)]
    return Answer(orders, {"embeddings": rows}, mangle=orders.badjson)


def models(request: Request, model: str) -> Answer:
    if model:
        return Answer(request.standing, listed(model))
    return Answer(request.standing, {"models": [listed(name) for name in _LISTED]})


def _checked(request: Request, model: str) -> JSON:
    body: JSON = camel(request.json())
    check_generate(body, model)
    return body


def _replies(body: JSON, ask: Ask) -> list[Reply]:
    config = body.get("generationConfig") or {}
    replies = [decide(ask, i) for i in range(config.get("candidateCount") or 1)]
    return replies if "TEXT" in modalities(config, ask.model) else [wordless(reply) for reply in replies]


def _envelope(body: JSON, ask: Ask) -> Envelope:
    config = body.get("generationConfig") or {}
    thinking = config.get("thinkingConfig") or {}
    return Envelope(
        id=new_id(""),
        model=ask.model,
        reports_usage=not ask.orders.no_usage,
        shows_thoughts=bool(thinking.get("includeThoughts")) or ask.orders.reason,
        chunks=ask.orders.chunks,
        asks_pictures="IMAGE" in modalities(config, ask.model),
        pictures=pictures(config, ask),
    )


def read(body: JSON, model: str, request: Request) -> Ask:
    config = body.get("generationConfig") or {}
    turns = [Turn("system", _text(body["systemInstruction"]))] if body.get("systemInstruction") else []
    for content in body["contents"]:
        turns += _turns(content)
    orders, question = request.orders(last_user_text(tuple(turns)))
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    mode = str(calling.get("mode", "AUTO")).upper()
    return Ask(
        model=model,
        turns=tuple(turns),
        question=question,
        tools=tuple(_tools(body)),
        choice={"ANY": "required", "NONE": "none"}.get(mode, "auto"),
        allowed=tuple(calling.get("allowedFunctionNames") or ()),
        schema=_schema(config),
        max_tokens=config.get("maxOutputTokens"),
        stops=tuple(config.get("stopSequences") or ()),
        reasons=_reasons(config, model),
        orders=orders,
    )


def _tools(body: JSON) -> list[Tool]:
    declared = [d for tool in body.get("tools") or () for d in tool.get("functionDeclarations") or ()]
    return [
        Tool(d["name"], d.get("description") or "", d.get("parameters") or d.get("parametersJsonSchema") or {})
        for d in declared
    ]


def _schema(config: JSON) -> JSON | None:
    if config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        return None
    return config.get("responseSchema") or config.get("responseJsonSchema") or _ANY_OBJECT


def _reasons(config: JSON, model: str) -> bool:
    thinking = config.get("thinkingConfig") or {}
    if thinking.get("thinkingBudget") == 0:
        return False
    asked = thinking.get("includeThoughts") or thinking.get("thinkingBudget") or thinking.get("thinkingLevel")
    return bool(asked or _THINKS.search(model))


def _turns(content: JSON) -> list[Turn]:
    """A content, its function responses as turns of their own before what else it says."""
    parts = content.get("parts") or []
    responses = [part["functionResponse"] for part in parts if "functionResponse" in part]
    turns = [Turn("tool", _response_text(response)) for response in responses]
    if len(responses) < len(parts):
        role = "assistant" if content.get("role") == "model" else "user"
        turns.append(Turn(role, _text(content), sum(map(_is_image, parts))))
    return turns


def _response_text(response: JSON) -> str:
    """Most senders wrap a plain result in one key; the result is what a model would speak of."""
    value = response.get("response")
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content.get("parts") or []
    texts = [str(part["text"]) for part in parts if "text" in part and not part.get("thought")]
    texts += [dumps(part["functionCall"].get("args")).decode() for part in parts if "functionCall" in part]
    return "\n".join(texts)


def _is_image(part: JSON) -> bool:
    media = part.get("inlineData") or part.get("fileData") or {}
    return str(media.get("mimeType", "")).startswith("image/")


def _embedded_text(body: JSON) -> str:
    text = _text(body.get("content") or {})
    if not text:
        raise Refused(400, "* EmbedContentRequest.content: content is empty")
    return text


def _values(body: JSON, model: str, text: str) -> list[float]:
    dimensions = int(body.get("outputDimensionality") or default_dimensions(model))
    if not 1 <= dimensions <= 3072:
        raise Refused(400, "Invalid outputDimensionality: it must be between 1 and 3072.")
    return [round(x, 9) for x in unit_vector(text.encode("utf-8", "replace"), dimensions)]
