"""OpenAI Chat Completions and the many servers that speak it (DeepSeek, Ollama, vLLM …): rows, not files.

Knows: OpenAI's reply, chunks and errors (its API reference, "Chat"). Must not know: dialects, money; requests are
written in `openai_like_request`. Everything that a server says beyond the vocabulary travels in extras, so that
a client of the same wire loses nothing.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from thermly.catalog import Target
from thermly.errors import UpstreamFailed
from thermly.exchange import (
    Begin,
    ChatRequest,
    Done,
    End,
    Event,
    Extras,
    KeepAlive,
    Reason,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
    tell_part,
)
from thermly.providers.assembler import Assembler, new_call_id
from thermly.providers.failures import VendorError, cut, decode, failure, malformed
from thermly.providers.openai_like_request import WIRE, write_request
from thermly.providers.redaction import redact
from thermly.providers.shapes import BROKEN, JSON, read_count, read_name, read_object, read_objects, read_text
from thermly.providers.upstream import Client

REASONS: dict[str, Reason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
# Not finished but broken off: DeepSeek's word, OpenRouter's and vLLM's.
BROKEN_OFF = ("insufficient_system_resource", "error", "abort")
THOUGHTS = ("reasoning_content", "reasoning")
# Words that have a place in the vocabulary, or are about the one HTTP exchange; the rest travels in extras.
NAMED = frozenset(("role", "content", "refusal", "tool_calls", "function_call", *THOUGHTS))
NAMED_CALL = frozenset(("id", "type", "function", "index"))
NAMED_REPLY = frozenset(
    ("id", "object", "created", "model", "choices", "usage", "error", "obfuscation", "x_thermostat")
)
NAMED_CHOICE = frozenset(("index", "message", "delta", "logprobs", "finish_reason"))
NAMED_USAGE = frozenset(
    (
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "cached_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
    )
)
# Strings of a streamed `audio` object that come in pieces.
PIECES = frozenset(("data", "transcript"))
Said = Text | Refusal | Reasoning


def answer(request: ChatRequest, target: Target, max_output_tokens: int, client: Client) -> Iterator[Event]:
    body = msgspec.json.encode(write_request(request, target, max_output_tokens))
    url = target.provider.base_url + "/chat/completions"
    headers = headers_for(target)
    if not request.stream:
        yield from read_reply(client.json(url, headers, body, explain))
        return
    pairs = client.sse(url, headers, body, explain)
    try:
        yield from read_stream(pairs)
    finally:
        pairs.close()  # type: ignore[attr-defined]


def headers_for(target: Target) -> list[str]:
    headers = ["Content-Type: application/json", "Expect:"]
    if target.provider.key:
        headers.append("Authorization: Bearer " + target.provider.key)
    return headers


def explain(doc: Any) -> VendorError:
    """OpenAI's `error`; some servers send its fields bare, or `detail` alone (FastAPI)."""
    error = doc.get("error") or doc
    if isinstance(error, str):
        return VendorError(error)
    kind = f"{error.get('type') or ''} {error.get('code') or ''}".strip()
    param = error.get("param")
    message = str(error.get("message") or error.get("detail") or "")
    return VendorError(message, kind, param if isinstance(param, str) else None)


# ---- reply


def read_reply(doc: Any) -> Iterator[Event]:
    try:
        if doc.get("error"):
            raise failure(502, explain(doc))
        events: list[Event] = []
        told: set[int] = set()
        for position, choice in enumerate(read_objects(doc, "choices")):
            index = read_count(choice, "index") if "index" in choice else position
            if index in told:
                raise ValueError("two choices have the same index")
            told.add(index)
            events += _whole_choice(choice, index)
        if not events:
            raise ValueError("no choices")
        usage = read_object(doc, "usage")
        facts = {**_unnamed_of(doc, NAMED_REPLY), **_usage_details(usage)}
        events.append(Done(read_usage(usage), _extras(facts)))
    except BROKEN as error:
        raise malformed(error) from error
    yield from events


def _whole_choice(choice: JSON, index: int) -> Iterator[Event]:
    message, rows = choice["message"], read_rows(choice)
    reason = read_reason(read_text(choice, "finish_reason") or "stop")
    yield Begin(index)
    for part in read_parts(message):
        yield from tell_part(part, index, rows)
    unnamed = {k: v for k, v in message.items() if k not in NAMED}
    yield End(reason, index, rows, _end_extras(unnamed, _unnamed_of(choice, NAMED_CHOICE)))


def read_parts(message: JSON) -> Iterator[Said | ToolCall]:
    for field in THOUGHTS:
        if text := read_thought(message, field):
            yield Reasoning(text, {WIRE: {"field": field}})
            break
    yield from read_content(message.get("content"))
    if refusal := read_text(message, "refusal"):
        yield Refusal(refusal)
    calls = read_objects(message, "tool_calls")
    for call in calls:
        function = read_object(call, "function")
        call_id = read_text(call, "id") or new_call_id()
        yield ToolCall(call_id, read_name(function, "name"), read_text(function, "arguments"), _call_extras(call))
    if not calls and (function := read_object(message, "function_call")):
        yield ToolCall(new_call_id(), read_name(function, "name"), read_text(function, "arguments"))


def read_thought(message: JSON, field: str) -> str:
    """Some servers have an object of another meaning under these names."""
    text = message.get(field)
    return text if isinstance(text, str) else ""


def read_content(content: Any) -> Iterator[Said]:
    """A string, or a list of parts (Mistral)."""
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for part in read_objects({"content": content}, "content"):
        kind = read_name(part, "type")
        if kind == "text":
            yield Text(read_text(part, "text"))
        elif kind == "refusal":
            yield Refusal(read_text(part, "refusal"))
        elif kind == "thinking":
            yield Reasoning("".join(read_text(piece, "text") for piece in read_objects(part, "thinking")))
        else:
            raise ValueError("a part of an unknown type")


def read_reason(word: str) -> Reason:
    if word in BROKEN_OFF:
        raise UpstreamFailed("The model's provider ended its answer early.", code="upstream_cut", detail=word)
    return REASONS.get(word, "stop")


def read_rows(choice: JSON) -> list[Any] | None:
    """The token rows of log probabilities: of the content, or of the refusal in its place."""
    if choice.get("logprobs") is None:
        return None
    told = read_object(choice, "logprobs")
    return read_objects(told, "content") or read_objects(told, "refusal") or None


def _call_extras(call: JSON) -> Extras:
    return _extras({k: v for k, v in call.items() if k not in NAMED_CALL})


def _unnamed_of(doc: JSON, named: frozenset[str]) -> JSON:
    return {k: v for k, v in doc.items() if k not in named and v is not None}


def _extras(unnamed: JSON) -> Extras:
    return {WIRE: unnamed} if unnamed else None


def _end_extras(of_message: JSON, of_choice: JSON) -> Extras:
    if of_choice:
        return {WIRE: of_message, WIRE + ".choice": of_choice}
    return _extras(of_message)


def _usage_details(usage: JSON) -> JSON:
    """What a server counts beyond the words of the waist (audio, predictions), for the eye only."""
    found: JSON = {}
    for name, value in usage.items():
        if isinstance(value, dict):
            if any(count for key, count in value.items() if key not in NAMED_USAGE):
                found[name] = value
        elif name not in NAMED_USAGE and value is not None:
            found[name] = value
    return {"usage": found} if found else {}


def read_usage(usage: JSON) -> Usage | None:
    if usage.get("prompt_tokens") is None:
        return None
    read = read_object(usage, "prompt_tokens_details")
    written = read_object(usage, "completion_tokens_details")
    # DeepSeek has a word of its own for what came from its cache.
    cached = read_count(read, "cached_tokens") or read_count(usage, "prompt_cache_hit_tokens")
    return Usage(
        input_tokens=read_count(usage, "prompt_tokens"),
        cached_input_tokens=cached,
        cache_write_tokens=read_count(read, "cache_write_tokens"),
        output_tokens=read_count(usage, "completion_tokens"),
        reasoning_tokens=read_count(written, "reasoning_tokens"),
    )


# ---- stream


def read_stream(pairs: Iterator[tuple[bytes, bytes] | None]) -> Iterator[Event]:
    stream = _Stream()
    try:
        for pair in pairs:
            if pair is None:
                yield KeepAlive()
            elif pair[1] == b"[DONE]":
                break
            else:
                yield from stream.read(decode(pair[1]))
    except BROKEN as error:
        raise malformed(error) from error
    if not stream.complete():
        raise cut()
    yield Done(stream.usage, _extras(stream.facts))


class _Stream:
    """The state of one stream: an assembler per choice, and what is told of the whole."""

    def __init__(self) -> None:
        self.choices: dict[int, Assembler] = {}
        self.usage: Usage | None = None
        self.facts: JSON = {}
        self._unnamed: dict[int, JSON] = {}

    def complete(self) -> bool:
        return bool(self.choices) and all(a.ended for a in self.choices.values())

    def read(self, doc: JSON) -> list[Event]:
        if doc.get("error"):
            detail = redact(explain(doc).message)
            raise UpstreamFailed("The model's provider failed during its answer.", detail=detail)
        out: list[Event] = []
        for choice in doc.get("choices") or ():
            out += self._choice(choice)
        if doc.get("usage") and (usage := read_usage(read_object(doc, "usage"))):
            self.usage = usage
            self.facts.update(_usage_details(doc["usage"]))
        for name in doc:
            if name not in NAMED_REPLY and doc[name] is not None:
                self.facts[name] = doc[name]
        return out

    def _choice(self, choice: JSON) -> list[Event]:
        out: list[Event] = []
        asm = self.choices.get(choice.get("index", 0)) or self._begin(choice, out)
        if asm.ended:
            return out
        delta = choice.get("delta") or {}
        content, rows = delta.get("content"), read_rows(choice)
        if content:
            if type(content) is str:
                out += asm.text(content, Text, rows)
            else:
                for part in read_content(content):
                    out += asm.text(part.text, type(part))
            rows = None
        if len(delta) > 1 or not content:
            out += self._rest(asm, delta, rows)
        if choice.get("finish_reason"):
            reason = read_reason(read_text(choice, "finish_reason"))
            extras = _end_extras(self._unnamed.get(asm.choice, {}), _unnamed_of(choice, NAMED_CHOICE))
            out += asm.end(reason, None, extras)
        return out

    def _begin(self, choice: JSON, out: list[Event]) -> Assembler:
        index = read_count(choice, "index")
        asm = self.choices.get(index)
        if asm is None:
            asm = self.choices[index] = Assembler(index)
            out += asm.begin()
        return asm

    def _rest(self, asm: Assembler, delta: JSON, rows: list[Any] | None) -> list[Event]:
        """All but the content. Token rows go with whatever they came with."""
        out: list[Event] = []
        for field in THOUGHTS:
            if text := read_thought(delta, field):
                out += asm.text(text, Reasoning, rows)
                asm.annotate(WIRE, field=field)
                rows = None
                break
        if refusal := read_text(delta, "refusal"):
            out += asm.text(refusal, Refusal, rows)
            rows = None
        for call in read_objects(delta, "tool_calls"):
            out += _call(asm, read_count(call, "index"), call, read_object(call, "function"), rows)
            rows = None
        if function := read_object(delta, "function_call"):
            out += _call(asm, "function_call", {}, function, rows)
            rows = None
        if rows:
            out += asm.text("", Text, rows)
        for name, value in delta.items():
            if name not in NAMED and value is not None:
                unnamed = self._unnamed.setdefault(asm.choice, {})
                unnamed[name] = merged(unnamed.get(name), value, name)
        return out


def _call(asm: Assembler, key: Any, call: JSON, function: JSON, rows: list[Any] | None) -> list[Event]:
    name, arguments = read_text(function, "name"), read_text(function, "arguments")
    return asm.tool(key, read_text(call, "id"), name, arguments, _call_extras(call), rows)


def merged(old: Any, new: Any, name: str) -> Any:
    """What a field of a streamed message comes to: lists grow, objects merge, else the last one stands."""
    if isinstance(old, list) and isinstance(new, list):
        return old + new
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{k: merged(old.get(k), v, k) for k, v in new.items() if v is not None}}
    if name in PIECES and isinstance(old, str) and isinstance(new, str):
        return old + new
    return new
