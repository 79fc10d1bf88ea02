"""Requests a line on standard input, judgements a line on standard output: for measuring the router.

Knows: the lines. Must not know: how a request is judged. Lenient, as a line may come from any client's log.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from thermly import routing
from thermly.exchange import ChatRequest, Media, Message, Part, Role, Text, Tool
from thermly.routing.recalibration import Recalibration, taught
from thermly.routing.thresholds import Thresholds

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
MEDIA = ("image_url", "image", "input_image")


def answers(lines: Iterable[bytes], thresholds: Thresholds, learned: Recalibration) -> Iterator[str]:
    """One line for each, so that whoever waits for the answer to a blank one does not wait for ever."""
    for line in lines:
        yield json.dumps(_answer(line, thresholds, learned))


def _answer(line: bytes, thresholds: Thresholds, learned: Recalibration) -> dict[str, Any]:
    identity = None
    try:
        document = json.loads(line, parse_constant=_no_number)
        identity = document.get("id") if isinstance(document, dict) else None
        judgement = taught(routing.judge(routing.read(request(document))), learned)
    except (ValueError, TypeError, RecursionError) as error:
        return {"id": identity, "error": str(error)}
    return {"id": identity, "score": round(judgement.score, 6), "tier": thresholds.tier(judgement.score)}


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def request(document: Any) -> ChatRequest:
    """Raises ValueError where there are no messages to read."""
    messages = document.get("messages") if isinstance(document, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise ValueError("a line is an object with a list of messages")
    tools = document.get("tools")
    return ChatRequest(
        "auto",
        tuple(Message(ROLES.get(str(m.get("role")), "user"), _parts(m.get("content"))) for m in messages),
        tools=tuple(_tool(tool) for tool in tools if isinstance(tool, dict)) if isinstance(tools, list) else (),
    )


def _parts(content: Any) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    found: list[Part] = []
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            found.append(Text(part))
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            found.append(Text(part["text"]))
        elif isinstance(part, dict) and part.get("type") in MEDIA:
            found.append(Media("image"))
    return tuple(found)


def _tool(tool: dict[str, Any]) -> Tool:
    inner = tool.get("function")
    tool = inner if isinstance(inner, dict) else tool
    parameters = tool.get("parameters", tool.get("input_schema"))
    description = tool.get("description")
    return Tool(
        str(tool.get("name", "")),
        description if isinstance(description, str) else None,
        parameters if isinstance(parameters, dict) else None,
    )
