"""Gemini's `contents` and `systemInstruction` as the exchange's messages.

Knows: the wire's parts, and which call a function's response answers. Must not know: providers, prices, Flask.
What only Gemini understands goes along in a part's extras, by the words of its wire; a word that is null there
takes the place of one that would be written.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from thermly import sources
from thermly.dialects import Bounds
from thermly.dialects import gemini_types as t
from thermly.dialects.gemini_signatures import WIRE, standard, unpack
from thermly.errors import InvalidRequest
from thermly.exchange import Extras, Media, Message, Part, Reasoning, Text, ToolCall, ToolResult

JSON = dict[str, Any]
# A part holds one of these.
DATA = {
    "text": "text",
    "inline_data": "inlineData",
    "file_data": "fileData",
    "function_call": "functionCall",
    "function_response": "functionResponse",
    "executable_code": "executableCode",
    "code_execution_result": "codeExecutionResult",
    "tool_call": "toolCall",
    "tool_response": "toolResponse",
}
NAMED = frozenset((*DATA.values(), "thought", "thoughtSignature"))


class _Call(Struct):
    """A call that waits for its response. `made`: the client gave it no id."""

    id: str
    name: str
    made: bool


def read_system(system: t.System, raw: JSON) -> Message:
    for i, row in enumerate(raw["parts"]):
        if other := [name for name in DATA.values() if name != "text" and row.get(name) is not None]:
            path = f"systemInstruction.parts[{i}].{other[0]}"
            raise InvalidRequest(f"A system instruction has parts of text only, at '{path}'.", param=path)
    texts = (Text(part.text, _extras(_rest(raw["parts"][i], "text"))) for i, part in enumerate(system.parts))
    return Message("system", tuple(texts))


class Contents:
    """Reads the contents in order, since a response must answer a call made before it."""

    def __init__(self, contents: list[t.Content], raw: list[JSON], bounds: Bounds) -> None:
        self._contents, self._raw, self._bounds = contents, raw, bounds
        self._waiting: list[_Call] = []
        self._names: dict[str, str] = {}
        calls = (part.function_call for content in contents for part in content.parts)
        self._given = {call.id for call in calls if call}

    def read(self) -> tuple[Message, ...]:
        most = self._bounds.max_messages
        if most is not None and len(self._contents) > most:
            raise InvalidRequest(f"At most {most} contents are allowed.", param="contents")
        messages: list[Message] = []
        for i, content in enumerate(self._contents):
            for message in self._content(i, content):
                if message.role == "assistant" and messages and messages[-1].role == "assistant":
                    messages[-1] = Message("assistant", _joined(messages[-1].parts, message.parts, streamed=True))
                else:
                    messages.append(message)
        return tuple(messages)

    def _content(self, i: int, content: t.Content) -> Iterator[Message]:
        where, most = f"contents[{i}]", self._bounds.max_message_chars
        if most is not None and sum(len(part.text or "") for part in content.parts) > most:
            raise InvalidRequest(f"A content may have at most {most} characters.", param=f"{where}.parts")
        raw = self._raw[i]["parts"]
        model = content.role == "model"
        parts = [self._part(p, raw[j], model, f"{where}.parts[{j}]") for j, p in enumerate(content.parts)]
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        said = [part for part in parts if not isinstance(part, ToolResult)]
        if results:
            yield Message("tool", results)
        if said or not results:
            yield Message("assistant" if model else "user", _joined((), said, streamed=False))

    def _part(self, part: t.Part, raw: JSON, model: bool, where: str) -> Part:
        kind = _kind(part, where)
        extras: dict[str, JSON] = {WIRE: _rest(raw, *NAMED)}
        if part.thought_signature:
            for wire, facts in unpack(part.thought_signature, f"{where}.thoughtSignature").items():
                extras[wire] = {**extras.get(wire, {}), **facts}
        if part.thought and kind != "text":
            extras[WIRE]["thought"] = True
        if kind == "text":
            return (Reasoning if part.thought else Text)(part.text or "", _told(extras))
        at = f"{where}.{DATA[kind]}"
        if part.inline_data is not None:
            return read_blob(part.inline_data, raw["inlineData"], extras, at)
        if part.file_data is not None:
            return read_file(part.file_data, raw["fileData"], extras, at)
        if part.function_call is not None:
            return self._call(part.function_call, model, extras, at)
        if part.function_response is not None:
            return self._result(part.function_response, raw["functionResponse"], model, extras, at)
        return _foreign(DATA[kind], raw, extras)

    def _call(self, call: t.FunctionCall, model: bool, extras: dict[str, JSON], where: str) -> ToolCall:
        if not model:
            raise InvalidRequest("A functionCall belongs in a content of the role 'model'.", param=where)
        call_id = call.id or f"call_{len(self._names) + 1}"
        while not call.id and call_id in self._given:
            call_id += "_"
        self._names[call_id] = call.name
        self._waiting.append(_Call(call_id, call.name, made=not call.id))
        return ToolCall(call_id, call.name, _json(call.args or {}), _told(extras))

    def _result(
        self, body: t.FunctionResponse, raw: JSON, model: bool, extras: dict[str, JSON], where: str
    ) -> ToolResult:
        if model:
            raise InvalidRequest("A functionResponse belongs in a content of the role 'user'.", param=where)
        call_id = self._answered(body, where)
        name, response = body.name or self._names[call_id], body.response or {}
        if more := _rest(raw, "id", "name", "response", "parts"):
            extras[WIRE]["functionResponse"] = {"id": call_id, "name": name, "response": response, **more}
        error = response.get("error") if len(response) == 1 else None
        failed = isinstance(error, str)
        parts: list[Text | Media] = [Text(error if isinstance(error, str) else _json(response))]
        for i, part in enumerate(body.parts or ()):
            parts.append(_attached(part, raw["parts"][i], f"{where}.parts[{i}]"))
        return ToolResult(call_id, tuple(parts), name, failed, _told(extras))

    def _answered(self, body: t.FunctionResponse, where: str) -> str:
        """The id of the call: the one that is named; else the first that waits under that name without one."""
        named = [call for call in self._waiting if call.id == body.id]
        alike = [call for call in self._waiting if call.name == body.name and (call.made or not body.id)]
        for call in (*named, *alike)[:1]:
            self._waiting.remove(call)
            return call.id
        if body.id and body.id in self._names:
            return body.id
        field, value = ("id", body.id) if body.id else ("name", body.name or "")
        raise InvalidRequest(
            f"No functionCall with the {field} '{value[:100]}' waits for a response, at '{where}.{field}'.",
            param=f"{where}.{field}",
        )


def _joined(before: Sequence[Part], after: Sequence[Part], *, streamed: bool) -> tuple[Part, ...]:
    """The parts of one message. A stream tells a thought in pieces and its signature last, and ends in an empty
    text; clients keep all of it, and some keep each chunk as a content of its own. Other vendors want a thought
    and its signature as one; what Gemini has signed stays in the pieces that it made."""
    parts = [part for part in before if part != Text("")]
    for part in after:
        last = parts[-1] if parts else None
        if isinstance(last, Reasoning) and isinstance(part, Reasoning) and _continues(last, part):
            parts[-1] = Reasoning(last.text + part.text, part.extras)
        elif streamed and isinstance(last, Text) and isinstance(part, Text) and not (last.extras or part.extras):
            parts[-1] = Text(last.text + part.text)
        elif part != Text(""):
            parts.append(part)
    return tuple(parts) or (Text(""),)


def _continues(last: Reasoning, part: Reasoning) -> bool:
    return not last.extras and WIRE not in (part.extras or {})


def _kind(part: t.Part, where: str) -> str:
    found = [field for field in DATA if getattr(part, field) is not None]
    if len(found) > 1:
        names = " and ".join(DATA[field] for field in found)
        raise InvalidRequest(f"A part has one of {names}, not both, at '{where}'.", param=where)
    if not found and not part.thought_signature:
        raise InvalidRequest(f"A part needs text or other data, at '{where}'.", param=where)
    return found[0] if found else "text"


# ---- media


def read_blob(blob: t.Blob, raw: JSON, extras: dict[str, JSON], where: str) -> Media:
    """Google's clients write the URL-safe alphabet; the waist has the standard one."""
    data = standard(blob.data)
    try:
        if not base64.b64decode(data, validate=True):
            raise InvalidRequest("The base64 data is empty.", param=f"{where}.data")
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"The data is not valid base64 at '{where}.data'.", param=f"{where}.data") from None
    mime, family = blob.mime_type, _family(blob.mime_type)
    if family == "image":
        mime = sources.image_type(mime, f"{where}.mimeType")
    if more := _rest(raw, "mimeType", "data"):
        extras[WIRE]["inlineData"] = {"mimeType": mime, "data": data, **more}
    return Media(family, mime, data, None, _name(raw), _told(extras))


def read_file(file: t.File, raw: JSON, extras: dict[str, JSON], where: str) -> Media:
    """Any vendor may fetch a web address, and films are for Gemini alone."""
    sources.check_address(file.file_uri, f"{where}.fileUri")
    if not file.file_uri.startswith("http://"):
        extras[WIRE]["fileData"] = raw
    mime = file.mime_type or None
    family = "file" if sources.is_film(file.file_uri) else _family(mime or "")
    return Media(family, mime, None, file.file_uri, _name(raw), _told(extras))


def _attached(part: t.ResponsePart, raw: JSON, where: str) -> Media:
    extras: dict[str, JSON] = {WIRE: _rest(raw, "inlineData", "fileData")}
    if part.inline_data is not None:
        return read_blob(part.inline_data, raw["inlineData"], extras, f"{where}.inlineData")
    if part.file_data is not None:
        return read_file(part.file_data, raw["fileData"], extras, f"{where}.fileData")
    raise InvalidRequest(f"A part of a response needs inlineData or fileData, at '{where}'.", param=where)


def _family(mime: str) -> Literal["image", "audio", "file"]:
    if mime.startswith("image/"):
        return "image"
    return "audio" if mime.startswith("audio/") else "file"


def _name(raw: JSON) -> str | None:
    name = raw.get("displayName")
    return name if isinstance(name, str) and name else None


# ---- what Gemini did by itself


def _foreign(word: str, raw: JSON, extras: dict[str, JSON]) -> Text:
    """Gemini gets the part back as it was; others read of it as text."""
    extras[WIRE] = {"text": None, word: raw[word], **extras[WIRE]}
    value = raw[word]
    if word == "executableCode":
        shown = f"```{str(value.get('language') or '').lower()}\n{value.get('code') or ''}\n```"
    elif word == "codeExecutionResult":
        shown = f"```\n{value.get('output') or value.get('outcome') or ''}\n```"
    else:
        shown = _json({word: value})
    return Text(shown, _told(extras))


def _rest(raw: JSON, *named: str) -> JSON:
    return {key: value for key, value in raw.items() if key not in named and value is not None}


def _told(extras: dict[str, JSON]) -> Extras:
    return {wire: facts for wire, facts in extras.items() if facts} or None


def _extras(facts: JSON) -> Extras:
    return {WIRE: facts} if facts else None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
