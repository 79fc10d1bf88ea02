"""Finished items of the Responses API, of this request and of those before it, as the exchange's messages.

Knows: which items make up a message, and which output answers which call. Must not know: what is stored where,
providers, Flask. The wire lets other items come between a call and its output; most vendors do not, so an output
is put right behind the message that called.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from thermly import sources
from thermly.dialects.responses_items import DATA_URL, not_found
from thermly.dialects.responses_signatures import unseal
from thermly.errors import InvalidRequest
from thermly.exchange import Extras, Media, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult

JSON = dict[str, Any]
WIRE = "openai"


class _Output(Struct):
    """`where`: its place in this request; empty for one of an earlier turn."""

    item: JSON
    where: str


def read_messages(earlier: Sequence[JSON], items: Sequence[JSON]) -> tuple[Message, ...]:
    """All items, in order. Raises InvalidRequest for a call without its output, or an output without its call."""
    turns = _Turns([(item, "") for item in earlier] + _placed(items))
    messages = turns.read()
    for output in turns.unanswered():
        if output.where:  # else its call was taken out of the conversation
            path = f"{output.where}.call_id"
            raise InvalidRequest(
                f"There is no function call with the call_id '{output.item['call_id'][:100]}' for this output, "
                f"at '{path}'.",
                param=path,
            )
    return messages


def read_alone(items: Sequence[JSON]) -> tuple[Message, ...]:
    """The items of one request, whose calls, or what it refers to, may be in the history."""
    turns = _Turns([(item, at) for item, at in _placed(items) if item["type"] != "item_reference"], alone=True)
    messages = turns.read()
    return (*messages, *(Message("tool", (_result(output.item, ""),)) for output in turns.unanswered()))


def _placed(items: Sequence[JSON]) -> list[tuple[JSON, str]]:
    return [(item, f"input[{i}]") for i, item in enumerate(items)]


class _Turns:
    """Reads items in order into messages; `_parts` are those of the assistant's message under way."""

    def __init__(self, items: list[tuple[JSON, str]], alone: bool = False) -> None:
        self._items, self._alone = items, alone
        self._messages: list[Message] = []
        self._parts: list[Part] = []
        self._thoughts: list[Reasoning] = []
        self._for_calls: deque[Extras] = deque()
        self._cut: set[str] = set()
        self._outputs: dict[str, deque[_Output]] = {}

    def read(self) -> tuple[Message, ...]:
        for item, where in self._items:
            if item["type"] == "function_call_output":
                self._outputs.setdefault(item["call_id"], deque()).append(_Output(item, where))
        for item, where in self._items:
            self._add(item, where)
        self._end_turn()
        return tuple(self._messages)

    def unanswered(self) -> list[_Output]:
        return [output for waiting in self._outputs.values() for output in waiting]

    def _add(self, item: JSON, where: str) -> None:
        kind = item["type"]
        if kind == "message" and item["role"] == "assistant":
            self._say([_part(part) for part in item["content"]])
        elif kind == "message":
            self._end_turn()
            self._messages.append(Message(item["role"], tuple(_part(part) for part in item["content"])))
        elif kind == "function_call":
            self._call(item)
        elif kind == "function_call_output":
            self._end_turn()
        elif kind == "reasoning":
            self._think(item, where)
        else:
            raise not_found(item["id"], where)

    def _think(self, item: JSON, where: str) -> None:
        extras, of_call = unseal(item.get("encrypted_content"), f"{where}.encrypted_content")
        if of_call:
            self._for_calls.append(extras)
            return
        text = "".join(part["text"] for part in item.get("content", ()))
        text = text or "\n\n".join(part["text"] for part in item["summary"])
        if text or extras:
            self._thoughts.append(Reasoning(text, extras))

    def _say(self, parts: list[Part]) -> None:
        called = any(isinstance(part, ToolCall) for part in self._parts)
        if not called and any(isinstance(part, Text | Refusal) for part in self._parts):
            self._flush()
        self._parts += [*self._thoughts, *parts]
        self._thoughts = []

    def _call(self, item: JSON) -> None:
        extras = self._for_calls.popleft() if self._for_calls else None
        if item["status"] == "incomplete":
            self._cut.add(item["call_id"])
        self._parts += [*self._thoughts, ToolCall(item["call_id"], item["name"], item["arguments"], extras)]
        self._thoughts = []

    def _end_turn(self) -> None:
        """Thoughts that led to nothing, since the answer was cut, go to nobody: vendors refuse them alone."""
        self._flush()
        self._thoughts = []
        self._for_calls.clear()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        results = []
        for part in [part for part in parts if isinstance(part, ToolCall)]:
            if waiting := self._outputs.get(part.id):
                results.append(Message("tool", (_result(waiting.popleft().item, part.name),)))
            elif part.id in self._cut:
                parts.remove(part)
            elif not self._alone:
                raise InvalidRequest(
                    f"There is no output of the function call with the call_id '{part.id[:100]}'.", param="input"
                )
        if any(not isinstance(part, Reasoning) for part in parts):
            self._messages += [Message("assistant", tuple(parts)), *results]


def _result(item: JSON, name: str) -> ToolResult:
    output = item["output"]
    parts = (Text(output),) if isinstance(output, str) else tuple(_part(part) for part in output)
    return ToolResult(item["call_id"], parts, name)  # type: ignore[arg-type]


def _part(part: JSON) -> Part:
    kind = part["type"]
    if kind == "refusal":
        return Refusal(part["refusal"])
    if kind == "input_image":
        detail = part["detail"]
        extras = {WIRE: {"detail": detail}} if detail != "auto" else None
        return _media("image", part["image_url"], None, extras)
    if kind == "input_file":
        name = part.get("filename")
        if "file_id" in part:
            raise InvalidRequest(
                "An earlier message names a file by its id: there are no stored files here.", param="input"
            )
        if "file_url" in part:
            return Media("file", url=part["file_url"], name=name)
        return _media("file", part["file_data"], name, None)
    return Text(part["text"])


def _media(kind: Literal["image", "file"], source: str, name: str | None, extras: Extras) -> Media:
    """Bare base64 is a PDF's, as in OpenAI's reference."""
    if match := DATA_URL.match(source):
        media_type = sources.usual_type(match[1]) if match[1] else None
        return Media(kind, media_type, source[match.end() :], None, name, extras)
    if kind == "image":
        return Media(kind, None, None, source, name, extras)
    return Media(kind, "application/pdf", source, None, name, extras)
