"""The items of the Responses API that clients send, made whole: each with an id, a status and a list of parts.

Knows: the wire's items and parts. Must not know: providers, prices, Flask, and what the exchange makes of an item
(`responses_history`). A finished item can be stored, listed, and read again without looking at it twice.
"""

import base64
import binascii
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

from thermly import sources
from thermly.dialects import Bounds
from thermly.dialects import responses_types as t
from thermly.dialects.responses_signatures import unseal
from thermly.errors import InvalidRequest

JSON = dict[str, Any]
# What an id begins with.
PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}
# An agent's calls, their outputs and its thoughts in one request, where its messages are bounded.
MOST_OTHERS = 2_000
DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,")


def read_items(given: str | list[JSON], bounds: Bounds, where: str = "input") -> tuple[JSON, ...]:
    """Raises InvalidRequest with the offending field in `param`. References stay what they are: see `resolve`."""
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    _check_number(given, bounds, where)
    items = tuple(_item(raw, bounds, f"{where}[{i}]") for i, raw in enumerate(given))
    check_ids(items, (), where)
    return items


def _check_number(given: list[JSON], bounds: Bounds, where: str) -> None:
    most = bounds.max_messages
    if most is None:
        return
    messages = sum(_kind(raw) == "message" for raw in given)
    if messages > most:
        raise InvalidRequest(f"At most {most} messages are allowed.", param=where)
    if len(given) - messages > MOST_OTHERS:
        raise InvalidRequest(f"At most {MOST_OTHERS} items besides messages are allowed.", param=where)


def check_ids(items: Sequence[JSON], earlier: Sequence[JSON], where: str = "input") -> None:
    """An id stands for one item."""
    seen = {item["id"] for item in earlier}
    for i, item in enumerate(items):
        if item["id"] in seen:
            path = f"{where}[{i}].id"
            raise InvalidRequest(
                f"There is another item with the id '{item['id'][:100]}', at '{path}'.", param=path
            )
        seen.add(item["id"])


def resolve(items: Sequence[JSON], find: Callable[[str], JSON | None], where: str = "input") -> tuple[JSON, ...]:
    """The items with each reference replaced by what it names; `find` knows what was stored."""
    out = []
    for i, item in enumerate(items):
        found = find(item["id"]) if item["type"] == "item_reference" else item
        if found is None:
            raise not_found(item["id"], f"{where}[{i}]")
        out.append(found)
    return tuple(out)


def not_found(item_id: str, where: str) -> InvalidRequest:
    return InvalidRequest(f"There is no item with the id '{item_id[:100]}', at '{where}.id'.", param=f"{where}.id")


def item_id(kind: str) -> str:
    return f"{PREFIXES[kind]}_{os.urandom(16).hex()}"


def _kind(raw: JSON) -> Any:
    return raw.get("type") or ("message" if "role" in raw else "item_reference" if "id" in raw else None)


def _item(raw: JSON, bounds: Bounds, where: str) -> JSON:
    kind = _kind(raw)
    if kind is None:
        raise InvalidRequest(f"An item needs a type, at '{where}.type'.", param=f"{where}.type")
    read = _READ.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise InvalidRequest(
            f"Items of the type '{str(kind)[:100]}' are not served here, at '{where}.type'.", param=f"{where}.type"
        )
    return read(raw, bounds, where)


def _whole(kind: str, body: t.Message | t.FunctionCall | t.FunctionOutput | t.Reasoning, **facts: Any) -> JSON:
    return {"type": kind, "id": body.id or item_id(kind), "status": body.status or "completed", **facts}


def _message(raw: JSON, bounds: Bounds, where: str) -> JSON:
    body = t.take(raw, t.Message, where)
    parts = _parts(body.content, body.role, bounds, f"{where}.content")
    item = _whole("message", body, role=body.role, content=parts)
    return {**item, "phase": body.phase} if body.phase else item


def _call(raw: JSON, _bounds: Bounds, where: str) -> JSON:
    body = t.take(raw, t.FunctionCall, where)
    return _whole("function_call", body, call_id=body.call_id, name=body.name, arguments=body.arguments)


def _output(raw: JSON, bounds: Bounds, where: str) -> JSON:
    body = t.take(raw, t.FunctionOutput, where)
    output: str | list[JSON] = body.output
    if isinstance(output, str):
        _check_length(output, bounds, f"{where}.output")
    else:
        output = _parts(output, "user", bounds, f"{where}.output")
    return _whole("function_call_output", body, call_id=body.call_id, output=output)


def _reasoning(raw: JSON, _bounds: Bounds, where: str) -> JSON:
    body = t.take(raw, t.Reasoning, where)
    unseal(body.encrypted_content, f"{where}.encrypted_content")
    item = _whole("reasoning", body, summary=[{"type": "summary_text", "text": s.text} for s in body.summary])
    if body.content:
        item["content"] = [{"type": "reasoning_text", "text": thought.text} for thought in body.content]
    if body.encrypted_content:
        item["encrypted_content"] = body.encrypted_content
    return item


def _reference(raw: JSON, _bounds: Bounds, where: str) -> JSON:
    return {"type": "item_reference", "id": t.take(raw, t.Reference, where).id}


_READ: dict[str, Callable[[JSON, Bounds, str], JSON]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
    "reasoning": _reasoning,
    "item_reference": _reference,
}


# ---- parts


def _parts(content: str | list[JSON], role: str, bounds: Bounds, where: str) -> list[JSON]:
    if isinstance(content, str):
        _check_length(content, bounds, where)
        return [text_part(content, role)]
    if not content:
        raise InvalidRequest(f"The list at '{where}' must not be empty.", param=where)
    parts = [_part(raw, role, f"{where}[{i}]") for i, raw in enumerate(content)]
    _check_length("".join(part.get("text", "") for part in parts), bounds, where)
    return parts


def _check_length(text: str, bounds: Bounds, where: str) -> None:
    most = bounds.max_message_chars
    if most is not None and len(text) > most:
        raise InvalidRequest(f"An item may have at most {most} characters, at '{where}'.", param=where)


def text_part(text: str, role: str, annotations: list[JSON] | None = None) -> JSON:
    """What an assistant says is output, wherever it stands."""
    if role != "assistant":
        return {"type": "input_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": annotations or [], "logprobs": []}


def _part(raw: JSON, role: str, where: str) -> JSON:
    part: t.Part = t.take(raw, t.Part, where)  # type: ignore[arg-type]
    if isinstance(part, t.InputText):
        return text_part(part.text, role)
    if isinstance(part, t.OutputText):
        return text_part(part.text, role, part.annotations)
    if isinstance(part, t.RefusalPart) and role == "assistant":
        return {"type": "refusal", "refusal": part.refusal}
    if isinstance(part, t.InputImage) and role == "user":
        return _image(part, where)
    if isinstance(part, t.InputFile) and role == "user":
        return _file(part, where)
    raise InvalidRequest(
        f"A part of the type '{raw['type']}' has no place in a message of the role '{role}', at '{where}'.",
        param=f"{where}.type",
    )


def _image(part: t.InputImage, where: str) -> JSON:
    if part.file_id is not None or not part.image_url:
        raise InvalidRequest(
            f"An image needs image_url: there are no stored files here, at '{where}'.", param=where
        )
    if part.image_url.startswith(("https://", "http://")):
        sources.check_address(part.image_url, f"{where}.image_url")
    else:
        media_type = _check_data_url(part.image_url, f"{where}.image_url")
        sources.image_type(media_type, f"{where}.image_url")
    return {"type": "input_image", "detail": part.detail or "auto", "file_id": None, "image_url": part.image_url}


def _file(part: t.InputFile, where: str) -> JSON:
    if part.file_id is not None:
        raise InvalidRequest(f"There are no stored files here, at '{where}.file_id'.", param=f"{where}.file_id")
    given = {name: value for name in ("file_data", "file_url") if (value := getattr(part, name))}
    if len(given) != 1:
        raise InvalidRequest(f"A file needs one of file_data and file_url, at '{where}'.", param=where)
    if part.file_url:
        sources.check_address(part.file_url, f"{where}.file_url")
    if part.file_data and part.file_data.startswith("data:"):
        _check_data_url(part.file_data, f"{where}.file_data")
    elif part.file_data:
        _check_base64(part.file_data, f"{where}.file_data")
    return {"type": "input_file", **given, **({"filename": part.filename} if part.filename else {})}


def _check_data_url(url: str, where: str) -> str | None:
    """The media type that it tells."""
    match = DATA_URL.match(url)
    if match is None:
        raise InvalidRequest(f"Expected an http(s) URL or a base64 data URL, at '{where}'.", param=where)
    _check_base64(url[match.end() :], where)
    return match[1]


def _check_base64(data: str, where: str) -> None:
    try:
        if not base64.b64decode(data, validate=True):
            raise InvalidRequest(f"The base64 data is empty, at '{where}'.", param=where)
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"The data is not valid base64, at '{where}'.", param=where) from None
