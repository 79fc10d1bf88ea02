"""The Responses API as clients speak it: response objects, their streams, errors.

Knows: the wire's answers (OpenAI's API reference, "Responses", "Streaming events"; the Open Responses
specification). Must not know: providers, prices, Flask. A response is what its events came to, so that there is no
second way for whole ones. Thoughts are written as summaries, since that is where both references look for them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from thermly.dialects.openai_chat_writing import write_error
from thermly.dialects.responses_items import PREFIXES, text_part
from thermly.dialects.responses_signatures import ENCRYPTED, seal
from thermly.errors import GatewayError, Internal
from thermly.exchange import (
    Done,
    End,
    Event,
    Extras,
    KeepAlive,
    Media,
    Part,
    PartBegin,
    PartDelta,
    PartEnd,
    Reason,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
)

__all__ = ["Writer", "shown", "write_error", "write_error_event", "write_events", "write_reply", "write_usage"]

JSON = dict[str, Any]
Pairs = list[tuple[str, JSON]]
WIRE = "openai"
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
# Kind of refusal -> the wire's word for it within a response; it has few.
CODES = {
    "invalid_request": "invalid_prompt",
    "unsupported_content": "invalid_prompt",
    "content_refused": "invalid_prompt",
    "rate_limited": "rate_limit_exceeded",
}
TIERS = ("default", "flex", "scale", "priority", "fast", "ultrafast")
# Per part: what its events are called, the field with its text, and what its beginning and end are called.
WORDS: dict[type, tuple[str, str, str]] = {
    Text: ("response.output_text", "text", "response.content_part"),
    Refusal: ("response.refusal", "refusal", "response.content_part"),
    Reasoning: ("response.reasoning_summary_text", "text", "response.reasoning_summary_part"),
    ToolCall: ("response.function_call_arguments", "arguments", ""),
}
FRAME, DONE = b"event: %b\ndata: %b\n\n", b"data: [DONE]\n\n"
_encode = msgspec.json.encode


def write_reply(response: JSON, include: frozenset[str]) -> bytes:
    return _encode(_shown_whole(response, include))


def shown(item: JSON, include: frozenset[str]) -> JSON:
    """What is encrypted is kept with its item in any case, and shown where it was asked for."""
    if ENCRYPTED in include or "encrypted_content" not in item:
        return item
    return {name: value for name, value in item.items() if name != "encrypted_content"}


def _shown_whole(response: JSON, include: frozenset[str]) -> JSON:
    return {**response, "output": [shown(item, include) for item in response["output"]]}


def write_usage(usage: Usage) -> JSON:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


# ---- streams


def write_events(
    events: Iterable[Event], begin: Callable[[], "Writer"], keep: Callable[[JSON], None]
) -> Iterator[bytes]:
    """Server-sent events, ended by `[DONE]`, as Open Responses wants; silence is a comment.

    `begin` is called once something is known. `keep` is given the finished response before the client is told of
    its end, however it ends. What breaks the stream off is told in it and then raised, for the log alone.
    """
    writer: Writer | None = None
    waiting: list[bytes] = []
    try:
        for event in events:
            if isinstance(event, KeepAlive):
                yield b"".join(waiting) or b": keep-alive\n\n"
                waiting.clear()
                continue
            if writer is None:
                writer = begin()
                waiting.append(_frames(writer.begin()))
            waiting.append(writer.frames(event))
            if isinstance(event, Done):
                keep(writer.response)
                waiting.append(_frames(writer.last()))
    except Exception as error:
        if writer is not None:
            kept = writer.ended
            writer.fail(error if isinstance(error, GatewayError) else Internal("Internal error."))
            if not kept:
                keep(writer.response)
            yield b"".join([*waiting, _frames(writer.last()), DONE])
        raise
    waiting.append(DONE)
    yield b"".join(waiting)


def _frames(pairs: Pairs) -> bytes:
    return b"".join([FRAME % (name.encode(), _encode(payload)) for name, payload in pairs])


def write_error_event(error: GatewayError) -> bytes:
    """For a stream in which no response has begun. OpenAI's schema has the fields side by side, Open Responses
    under `error`, which is also where OpenAI's client looks for something to raise: it is told both ways."""
    told = {"code": error.code or error.kind, "message": error.message, "param": error.param}
    payload = {"type": "error", "sequence_number": 0, **told, "error": {"type": error.kind, **told}}
    return _frames([("error", payload)])


class Writer:
    """One response coming to be, from the object that `opening` makes. `response` is the whole of it, to be kept;
    the pairs of name and payload are what a stream tells of it."""

    def __init__(self, response: JSON, include: frozenset[str], now_s: Callable[[], int]) -> None:
        self.response = response
        self._include, self._now_s = include, now_s
        self._key = response["id"].removeprefix("resp_")
        self._sequence = -1
        self._item: JSON | None = None
        # The open part, its kind, and where it is; a call is its own part. It stays open until the next begins,
        # since only the end of an answer tells its sources.
        self._part: JSON | None = None
        self._kind: type = Text
        self._place: JSON = {}
        self._fragments: list[str] = []
        self._rows: list[JSON] = []
        self._before = b""
        self._said: Part | None = None  # begun, and nothing told of it so far
        self._reason: Reason = "stop"

    @property
    def ended(self) -> bool:
        return self.response["status"] not in ("queued", "in_progress")

    def begin(self) -> Pairs:
        names = ("response.created", "response.in_progress")
        return [self._event(name, response={**self.response, "output": []}) for name in names]

    def feed(self, event: Event) -> Pairs:
        """The last event is not among the pairs: the response can be kept before `last` is sent."""
        if isinstance(event, PartDelta):
            return self._delta(event.text, event.logprobs)
        if isinstance(event, PartBegin):
            self._said = event.part
            return self._open_call(event.part) if isinstance(event.part, ToolCall) else []
        if isinstance(event, PartEnd):
            return self._part_end(event.part)
        if isinstance(event, End):
            return self._end(event)
        if isinstance(event, Done):
            self._done(event)
        return []

    def frames(self, event: Event) -> bytes:
        """`feed`, encoded. Most events are a delta, whose bytes are known but for its number and text."""
        if isinstance(event, PartDelta) and event.logprobs is None and self._said is None:
            self._sequence += 1
            self._fragments.append(event.text)
            return b'%b%d,"delta":%b}\n\n' % (self._before, self._sequence, _encode(event.text))
        return _frames(self.feed(event))

    def last(self) -> Pairs:
        """What the response came to. The wire has no event for one that was cancelled."""
        if self.response["status"] == "cancelled":
            return []
        whole = _shown_whole(self.response, self._include)
        return [self._event("response." + self.response["status"], response=whole)]

    def fail(self, error: GatewayError) -> None:
        """Broken off. What had arrived stays, and nothing more is told of it: a call must not look finished."""
        self._break_off("failed")
        self.response["error"] = {"code": CODES.get(error.kind, "server_error"), "message": error.message}

    def cancel(self) -> None:
        self._break_off("cancelled")

    def _break_off(self, status: str) -> None:
        self._settle()
        if self._item is not None:
            self._item["status"] = "incomplete"
        self.response |= {"status": status, "completed_at": None, "incomplete_details": None}

    def _event(self, name: str, /, **fields: Any) -> tuple[str, JSON]:
        self._sequence += 1
        return name, {"type": name, "sequence_number": self._sequence, **fields}

    # ---- items

    def _open_item(self, kind: str, **facts: Any) -> Pairs:
        pairs = self._close_item("completed")
        output = self.response["output"]
        item_id = f"{PREFIXES[kind]}_{self._key}{len(output):02x}"
        self._item = {"type": kind, "id": item_id, "status": "in_progress", **facts}
        output.append(self._item)
        empty = {name: [] if isinstance(value, list) else value for name, value in self._item.items()}
        told = shown(empty, self._include)
        return [*pairs, self._event("response.output_item.added", output_index=len(output) - 1, item=told)]

    def _close_item(self, status: str) -> Pairs:
        item = self._item
        if item is None:
            return []
        pairs = self._close_part()
        item["status"], self._item = status, None
        index, told = len(self.response["output"]) - 1, shown(item, self._include)
        return [*pairs, self._event("response.output_item.done", output_index=index, item=told)]

    def _open_call(self, call: ToolCall) -> Pairs:
        self._said = None
        pairs: Pairs = []
        if sealed := seal(call.extras, of_call=True):
            pairs += self._open_item("reasoning", summary=[], encrypted_content=sealed)
        pairs += self._open_item("function_call", call_id=call.id, name=call.name, arguments="")
        assert self._item is not None
        self._begin_part(ToolCall, self._item)
        return pairs

    # ---- parts

    def _open_part(self, said: Part) -> Pairs:
        self._said = None
        if isinstance(said, Reasoning):
            pairs, part, index = self._open_item("reasoning", summary=[]), _summary(), "summary_index"
        else:
            pairs, index = self._close_part(), "content_index"
            if self._item is None or self._item["type"] != "message":
                pairs += self._open_item("message", role="assistant", content=[])
            part = {"type": "refusal", "refusal": ""} if isinstance(said, Refusal) else text_part("", "assistant")
        assert self._item is not None
        parts = self._item["summary" if isinstance(said, Reasoning) else "content"]
        kind = Text if isinstance(said, Media) else type(said)
        self._begin_part(kind, part, {index: len(parts)})
        parts.append(part)
        return [*pairs, self._event(WORDS[kind][2] + ".added", **self._place, part={**part})]

    def _begin_part(self, kind: type, part: JSON, place: JSON | None = None) -> None:
        assert self._item is not None
        self._kind, self._part = kind, part
        index = len(self.response["output"]) - 1
        self._place = {"item_id": self._item["id"], "output_index": index, **(place or {})}
        self._fragments, self._rows = [], []
        name = WORDS[kind][0] + ".delta"
        head = _encode({"type": name, **self._place, **({"logprobs": []} if kind is Text else {})})
        self._before = (FRAME % (name.encode(), head[:-1])).rstrip() + b',"sequence_number":'

    def _delta(self, text: str, logprobs: list[Any] | None) -> Pairs:
        pairs = self._open_part(self._said) if self._said is not None else []
        self._fragments.append(text)
        name = WORDS[self._kind][0] + ".delta"
        if self._kind is not Text:
            return [*pairs, self._event(name, **self._place, delta=text)]
        rows = [_row(row) for row in logprobs or ()]
        self._rows += rows
        return [*pairs, self._event(name, **self._place, delta=text, logprobs=rows)]

    def _part_end(self, part: Part) -> Pairs:
        pairs: Pairs = []
        if isinstance(part, Media):
            pairs = self._delta(_markdown(part), None)
        elif isinstance(part, Reasoning) and (sealed := seal(part.extras)):
            if self._said is not None:
                pairs = self._open_item("reasoning", summary=[])
            assert self._item is not None
            self._item["encrypted_content"] = sealed
        return pairs

    def _settle(self) -> str:
        """Write what has been told of the open part into it."""
        text = "".join(self._fragments)
        if self._part is not None:
            self._part[WORDS[self._kind][1]] = text
            if self._kind is Text:
                self._part["logprobs"] = self._rows
        return text

    def _close_part(self) -> Pairs:
        if self._part is None:
            return []
        text, (name, field, around) = self._settle(), WORDS[self._kind]
        part, self._part = self._part, None
        more: JSON = {"logprobs": self._rows} if self._kind is Text else {}
        if self._kind is ToolCall:
            more = {"name": part["name"]}
        pairs = [self._event(name + ".done", **self._place, **{field: text}, **more)]
        if around:
            pairs.append(self._event(around + ".done", **self._place, part=part))
        return pairs

    # ---- the end

    def _end(self, end: End) -> Pairs:
        self._reason = end.reason
        pairs = self._cite(end.extras) if self._part is not None and self._kind is Text else []
        return pairs + self._close_item("incomplete" if end.reason in INCOMPLETE else "completed")

    def _cite(self, extras: Extras) -> Pairs:
        """OpenAI's sources of a web search."""
        assert self._part is not None
        rows = (extras or {}).get(WIRE, {}).get("annotations") or ()
        notes = [{"type": "url_citation", **row["url_citation"]} for row in rows if "url_citation" in row]
        self._part["annotations"] = notes
        name = "response.output_text.annotation.added"
        return [
            self._event(name, **self._place, annotation_index=i, annotation=note) for i, note in enumerate(notes)
        ]

    def _done(self, done: Done) -> None:
        response = self.response
        response["usage"] = write_usage(done.usage or Usage())
        tier = (done.extras or {}).get(WIRE, {}).get("service_tier")
        if tier in TIERS:
            response["service_tier"] = tier
        if reason := INCOMPLETE.get(self._reason):
            response |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
        else:
            response |= {"status": "completed", "completed_at": self._now_s()}


def _summary() -> JSON:
    return {"type": "summary_text", "text": ""}


def _row(row: JSON) -> JSON:
    """A token's row with all that this wire insists on."""
    tops = [_token(top) for top in row.get("top_logprobs") or ()]
    return {**_token(row), "top_logprobs": tops}


def _token(row: JSON) -> JSON:
    token, data = row["token"], row.get("bytes")
    return {"token": token, "logprob": row["logprob"], "bytes": list(token.encode()) if data is None else data}


def _markdown(part: Media) -> str:
    """As in Chat Completions: a data URL is what clients show."""
    source = part.url or f"data:{part.media_type};base64,{part.data}"
    return f"![{part.kind}]({source})"
