"""The waist: one request and its reply, in the words that every dialect and every provider share.

Knows: messages, parts, tools, events, usage. Must not know: any wire format, vendor, price, or Flask.
A reply *is* its events: per choice `Begin (PartBegin PartDelta* PartEnd)* End`, then one `Done`. `PartEnd`
carries the finished part, so `gather` is a fold over them and there is no second path for whole replies.
What a vendor sends that has no word here travels in `extras`, keyed by the wire's name ("openai",
"anthropic", "gemini"), and is read only by the edge of that wire.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from thermly import sources

Extras = dict[str, dict[str, Any]] | None
Role = Literal["system", "developer", "user", "assistant", "tool"]
Reason = Literal["stop", "length", "tool_calls", "content_filter"]


class Text(Struct, frozen=True, gc=False, tag=True):
    text: str
    extras: Extras = None


class Refusal(Struct, frozen=True, gc=False, tag=True):
    """What the model said in place of an answer when it declined."""

    text: str
    extras: Extras = None


class Reasoning(Struct, frozen=True, gc=False, tag=True):
    """Thoughts. Signatures and encrypted forms are in `extras` and go back to the vendor that made them."""

    text: str
    extras: Extras = None


class Media(Struct, frozen=True, gc=False, tag=True):
    """An image, a sound or a file: either `url`, or `data` in the standard base64 alphabet with `media_type`."""

    kind: Literal["image", "audio", "file"]
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    name: str | None = None
    extras: Extras = None

    def needs(self) -> set[str]:
        found = {{"image": "vision", "audio": "audio_input", "file": "files"}[self.kind]}
        # Where films are, there are still images too: a film's cover is asked for as one.
        if self.kind == "file" and sources.is_video(self.media_type, self.url):
            found.add("video")
        if sources.is_heic(self.media_type):
            found.add("heic")
        return found


class ToolCall(Struct, frozen=True, gc=False, tag=True):
    """`arguments` stays JSON text: streams deliver text, and models produce invalid JSON."""

    id: str
    name: str
    arguments: str
    extras: Extras = None


class ToolResult(Struct, frozen=True, tag=True):
    """The outcome of the call `call_id`, made by the tool `name`."""

    call_id: str
    parts: tuple["Text | Media", ...]
    name: str = ""
    is_error: bool = False
    extras: Extras = None


Part = Text | Refusal | Reasoning | Media | ToolCall | ToolResult


class Message(Struct, frozen=True):
    role: Role
    parts: tuple[Part, ...]
    extras: Extras = None

    @property
    def text(self) -> str:
        return "".join(p.text for p in self.parts if isinstance(p, Text | Refusal))


class Tool(Struct, frozen=True):
    """A function the model may call. `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    extras: Extras = None


class ToolChoice(Struct, frozen=True):
    """`names` narrows the choice to these tools; empty means all of them."""

    mode: Literal["auto", "none", "required"]
    names: tuple[str, ...] = ()


class ResponseFormat(Struct, frozen=True):
    kind: Literal["text", "json_object", "json_schema"]
    schema: dict[str, Any] | None = None
    name: str = ""
    description: str | None = None
    strict: bool | None = None


class Tuning(Struct, frozen=True):
    """What bends an answer without changing what it means. A target that lacks one of these drops it."""

    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    logit_bias: dict[str, float] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    prediction: dict[str, Any] | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    user: str | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None


class ChatRequest(Struct, frozen=True):
    """One chat request in canonical form.

    `max_output_tokens` is what the client asked for, `output_bound` the most its surface allows (both count
    tokens per choice, thoughts included; None: the model's own limit). `wishes` are about the writing of the
    reply and mean nothing outside the dialect that read them. `fresh`: do not answer from the cache.
    `means`: the catalogue's name of the model, where it was asked for by an id that the catalogue does not have.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    response_format: ResponseFormat | None = None
    stop: tuple[str, ...] = ()
    max_output_tokens: int | None = None
    output_bound: int | None = None
    n: int = 1
    logprobs: bool = False
    top_logprobs: int | None = None
    audio: dict[str, Any] | None = None
    web_search: dict[str, Any] | None = None
    tuning: Tuning = Tuning()
    stream: bool = False
    fresh: bool = False
    wishes: tuple[str, ...] = ()
    extras: Extras = None
    means: str = ""

    @property
    def known_model(self) -> str:
        """The model by a name that the catalogue may have."""
        return self.means or self.model

    def needs(self) -> frozenset[str]:
        """The capabilities a model must have to serve this request; the words are the catalogue's `can`."""
        found = set()
        for part in self.media():
            found |= part.needs()
        if self.tools:
            found.add("tools")
            if self.tool_choice and self.tool_choice.mode == "required":
                found.add("forced_tools")
        if self.response_format and self.response_format.kind == "json_schema":
            found.add("json_schema")
        if self.logprobs:
            found.add("logprobs")
        if self.n > 1:
            found.add("n")
        if self.audio is not None:
            found.add("audio_output")
        if self.web_search is not None:
            found.add("web_search")
        if self.messages and self.messages[-1].role == "assistant":
            found.add("prefill")
        for wire, facts in (self.extras or {}).items():
            if wire != "openai" and (facts.get("tools") or facts.get("mcp_servers")):
                found.add(wire + "_tools")
            if "IMAGE" in facts.get("generationConfig", {}).get("responseModalities", ()):
                found.add("image_output")
        return frozenset(found)

    def media(self) -> Iterator[Media]:
        for message in self.messages:
            for part in message.parts:
                if isinstance(part, Media):
                    yield part
                elif isinstance(part, ToolResult):
                    yield from (p for p in part.parts if isinstance(p, Media))


class Usage(Struct, frozen=True, gc=False):
    """Tokens of one exchange. `input_tokens` counts everything read; the cached and cache-write counts are
    parts of it. `output_tokens` counts everything written; the reasoning count is a part of it.
    `estimated`: the upstream never told, so these are counted from the text.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: "Usage") -> "Usage":
        """Of two exchanges together."""
        names = [name for name in Usage.__struct_fields__ if name != "estimated"]
        counts = {name: getattr(self, name) + getattr(other, name) for name in names}
        return Usage(**counts, estimated=self.estimated or other.estimated)


class Begin(Struct, frozen=True, gc=False):
    """A choice begins. `usage` is what the upstream tells this early (Anthropic: the input)."""

    choice: int = 0
    usage: Usage | None = None
    extras: Extras = None


class PartBegin(Struct, frozen=True, gc=False):
    """`part` is the part without its text: a tool call already has its id and name."""

    part: Part
    choice: int = 0


class PartDelta(Struct, frozen=True, gc=False):
    """More text of the open part (for a tool call: of its arguments). `logprobs` are OpenAI's token rows."""

    text: str
    choice: int = 0
    logprobs: list[Any] | None = None


class PartEnd(Struct, frozen=True, gc=False):
    part: Part
    choice: int = 0


class End(Struct, frozen=True, gc=False):
    """A choice ends. `logprobs` are all its token rows; `extras` what the wire said of the message as a whole."""

    reason: Reason
    choice: int = 0
    logprobs: list[Any] | None = None
    extras: Extras = None


class Done(Struct, frozen=True, gc=False):
    """The exchange ends. `usage` is None where the upstream did not tell."""

    usage: Usage | None = None
    extras: Extras = None


class KeepAlive(Struct, frozen=True, gc=False):
    """Nothing more for the moment: what has been told can be sent; where nothing was, it is silence, and the
    client's connection wants a sign of life."""


Event = Begin | PartBegin | PartDelta | PartEnd | End | Done | KeepAlive


class Choice(Struct, frozen=True):
    parts: tuple[Part, ...]
    reason: Reason
    logprobs: list[Any] | None = None
    extras: Extras = None


class Reply(Struct, frozen=True):
    """A whole reply: the fold of its events."""

    choices: tuple[Choice, ...]
    usage: Usage | None = None
    extras: Extras = None


def gather(events: Iterable[Event]) -> Reply:
    """Fold the events of one exchange into its reply. Raises ValueError when they stop before `Done`."""
    parts: dict[int, list[Part]] = {}
    choices: dict[int, Choice] = {}
    for event in events:
        kind = type(event)
        if kind is PartEnd:
            parts[event.choice].append(event.part)  # type: ignore[union-attr]
        elif kind is Begin:
            parts[event.choice] = []  # type: ignore[union-attr]
        elif isinstance(event, End):
            choices[event.choice] = Choice(tuple(parts[event.choice]), event.reason, event.logprobs, event.extras)
        elif isinstance(event, Done):
            return Reply(tuple(choices[i] for i in sorted(choices)), event.usage, event.extras)
    raise ValueError("the events stopped before Done")


def replay(reply: Reply) -> Iterator[Event]:
    """The events of a whole reply: what `gather` undoes."""
    for index, choice in enumerate(reply.choices):
        yield Begin(index)
        rows = choice.logprobs
        for part in choice.parts:
            yield from tell_part(part, index, rows)
            if isinstance(part, Text | Refusal):
                rows = None  # told once, with the first that they can belong to
        yield End(choice.reason, index, choice.logprobs, choice.extras)
    yield Done(reply.usage, reply.extras)


def tell_part(part: Part, choice: int = 0, logprobs: list[Any] | None = None) -> Iterator[Event]:
    """The events of one finished part."""
    text = text_of(part)
    yield PartBegin(emptied(part), choice)
    if text:
        yield PartDelta(text, choice, logprobs if isinstance(part, Text | Refusal) else None)
    yield PartEnd(part, choice)


def text_of(part: Part) -> str:
    """The text that a part's deltas carry."""
    if isinstance(part, ToolCall):
        return part.arguments
    return part.text if isinstance(part, Text | Reasoning | Refusal) else ""


def emptied(part: Part) -> Part:
    if isinstance(part, ToolCall):
        return replace(part, arguments="")
    if isinstance(part, Text | Reasoning | Refusal):
        return replace(part, text="")
    return part
