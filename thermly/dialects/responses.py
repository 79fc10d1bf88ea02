"""OpenAI's Responses API as clients speak it, in the reading of Open Responses: requests.

Knows: the wire's request and its rules (OpenAI's API reference, "Responses"; the Open Responses specification).
Must not know: providers, prices, Flask, what is stored. Items are read in `responses_items` and made messages of in
`responses_history`; answers are written in `responses_writing`, lists and conversations in `responses_lists`: this
module hands all of it on, so that a dialect is one name.

Refused by name: built-in tools but for web search, prompt templates, automatic truncation, moderation, compaction,
a stream in the background (it is asked for again until it is there). Passed over: what only tells OpenAI how to
bill, count or cache. `store` and `metadata` are about the response here and go to no provider.
"""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from thermly.dialects import Bounds
from thermly.dialects import responses_types as t
from thermly.dialects.openai_chat import parse
from thermly.dialects.responses_history import read_alone, read_messages
from thermly.dialects.responses_items import check_ids, read_items, resolve
from thermly.dialects.responses_lists import (
    Page,
    read_conversation,
    read_include,
    read_new_items,
    read_page,
    read_update,
    write_conversation,
    write_deleted,
    write_item,
    write_items,
)
from thermly.dialects.responses_refusals import rename_field
from thermly.dialects.responses_signatures import ENCRYPTED
from thermly.dialects.responses_writing import (
    Writer,
    write_error,
    write_error_event,
    write_events,
    write_reply,
    write_usage,
)
from thermly.errors import InvalidRequest
from thermly.exchange import ChatRequest, Message, ResponseFormat, Text, Tool, ToolChoice, Tuning

__all__ = [
    "ENCRYPTED",
    "Asked",
    "Page",
    "Writer",
    "opening",
    "read_conversation",
    "read_include",
    "read_new_items",
    "read_page",
    "read_request",
    "read_update",
    "rename_field",
    "resolve",
    "with_history",
    "write_conversation",
    "write_deleted",
    "write_error",
    "write_error_event",
    "write_events",
    "write_item",
    "write_items",
    "write_reply",
    "write_usage",
]

JSON = dict[str, Any]
WIRE = "openai"
LOGPROBS = "message.output_text.logprobs"
SEARCHES = frozenset(("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"))
# A field of the body, and why it is refused where it is not null.
REFUSED = {
    "prompt": "there are no prompt templates here",
    "context_management": "nothing is compacted here",
    "moderation": "answers are not moderated here",
}


class Asked(Struct, frozen=True):
    """One request. `chat` is made of this request's input alone; `facts` is what the response repeats of it."""

    chat: ChatRequest
    instructions: str | None
    items: tuple[JSON, ...]
    previous_response_id: str | None
    conversation: str | None
    store: bool
    background: bool
    stream: bool
    include: frozenset[str]
    facts: JSON


def read_request(body: bytes, bounds: Bounds) -> Asked:
    """Raises InvalidRequest with the offending field in `param`."""
    asked = t.take(parse(body), t.Body)
    tools = _tools(asked, bounds)
    functions = [tool for tool in tools if isinstance(tool, t.Function)]
    searches = [tool for tool in tools if isinstance(tool, t.WebSearch)]
    choice = _choice(asked, functions)
    _check(asked, bounds, searches)
    items = read_items(asked.input or [], bounds)
    include = read_include(asked.include or ())
    conversation = asked.conversation
    return Asked(
        chat=ChatRequest(
            model=asked.model,
            messages=(*_system(asked.instructions), *read_alone(items)),
            tools=tuple(Tool(f.name, f.description, f.parameters, f.strict) for f in functions),
            tool_choice=_tool_choice(choice, bool(functions)),
            response_format=_format(asked.text or t.TextBody()),
            max_output_tokens=asked.max_output_tokens,
            output_bound=bounds.max_output_tokens,
            logprobs=LOGPROBS in include or bool(asked.top_logprobs),
            top_logprobs=asked.top_logprobs,
            web_search=_search(searches[0]) if searches else None,
            tuning=_tuning(asked),
            stream=bool(asked.stream),
            extras=_extras(asked),
        ),
        instructions=asked.instructions,
        items=items,
        previous_response_id=asked.previous_response_id,
        conversation=conversation.id if isinstance(conversation, t.ConversationBody) else conversation,
        store=asked.store is not False,
        background=bool(asked.background),
        stream=bool(asked.stream),
        include=include,
        facts=_facts(asked, tools, choice),
    )


def with_history(asked: Asked, earlier: Sequence[JSON]) -> ChatRequest:
    """The whole request: what was said before, input and output in order, then what is asked. The instructions of
    earlier requests are not among it, as the wire wants. References must have been resolved."""
    check_ids(asked.items, earlier)
    messages = read_messages(earlier, asked.items)
    if not messages:
        raise InvalidRequest("There is no input to answer.", param="input")
    return replace(asked.chat, messages=(*_system(asked.instructions), *messages))


def opening(
    asked: Asked,
    response_id: str,
    created_s: int,
    model: str,
    status: Literal["queued", "in_progress"] = "in_progress",
) -> JSON:
    """The response before anything is known of it: every field is there, which the wire wants."""
    return {
        "id": response_id,
        "object": "response",
        "created_at": created_s,
        "status": status,
        "model": model,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
        **asked.facts,
    }


def _system(instructions: str | None) -> tuple[Message, ...]:
    return (Message("system", (Text(instructions),)),) if instructions else ()


def _check(asked: t.Body, bounds: Bounds, searches: list[t.WebSearch]) -> None:
    """The rules that a type cannot say."""
    for name, reason in REFUSED.items():
        if getattr(asked, name):
            raise InvalidRequest(f"{name}: {reason}.", param=name)
    most = bounds.max_output_tokens
    if most is not None and asked.max_output_tokens is not None and asked.max_output_tokens > most:
        raise InvalidRequest(f"max_output_tokens must be at most {most}.", param="max_output_tokens")
    most = bounds.max_message_chars
    if most is not None and len(asked.instructions or "") > most:
        raise InvalidRequest(f"instructions may have at most {most} characters.", param="instructions")
    if asked.truncation == "auto":
        raise InvalidRequest("truncation: input is never cut here; say 'disabled'.", param="truncation")
    if asked.max_tool_calls is not None and searches:
        raise InvalidRequest("max_tool_calls: searches cannot be bounded here.", param="max_tool_calls")
    if asked.stream_options is not None and not asked.stream:
        raise InvalidRequest("stream_options is allowed only when stream is true.", param="stream_options")
    _check_state(asked)


def _check_state(asked: t.Body) -> None:
    if asked.previous_response_id and asked.conversation:
        raise InvalidRequest("Give previous_response_id or conversation, not both.", param="previous_response_id")
    if not (asked.input or asked.previous_response_id or asked.conversation):
        raise InvalidRequest("input is required.", param="input")
    if asked.store is False and asked.conversation:
        raise InvalidRequest("conversation needs store to be true.", param="conversation")
    if asked.background and asked.store is False:
        raise InvalidRequest("background needs store to be true.", param="background")
    if asked.background and asked.stream:
        raise InvalidRequest("background answers are not streamed: ask for the response again.", param="stream")


# ---- tools


def _tools(asked: t.Body, bounds: Bounds) -> list[t.Function | t.WebSearch]:
    """The functions, and what asks for a search of the web."""
    found: list[t.Function | t.WebSearch] = []
    for i, raw in enumerate(asked.tools or ()):
        kind = raw.get("type")
        if kind == "function":
            found.append(t.take(raw, t.Function, f"tools[{i}]"))
        elif isinstance(kind, str) and kind in SEARCHES:
            search = t.take(raw, t.WebSearch, f"tools[{i}]")
            _check_search(search, f"tools[{i}]")
            found.append(search)
        else:
            path = f"tools[{i}].type"
            raise InvalidRequest(f"Tools of the type '{str(kind)[:100]}' are not served, at '{path}'.", param=path)
    names = [tool.name for tool in found if isinstance(tool, t.Function)]
    if len(names) > bounds.max_tools:
        raise InvalidRequest(f"At most {bounds.max_tools} tools are allowed.", param="tools")
    if len({*names}) != len(names):
        raise InvalidRequest("Two tools have the same name.", param="tools")
    return found


def _check_search(search: t.WebSearch, where: str) -> None:
    if search.filters and any(search.filters.values()):
        raise InvalidRequest(f"Filters of a search are not served, at '{where}'.", param=f"{where}.filters")
    if search.external_web_access is False:
        path = f"{where}.external_web_access"
        raise InvalidRequest(f"A search without the web is not served, at '{where}'.", param=path)


def _search(search: t.WebSearch) -> JSON:
    """As Chat Completions words it, which the exchange carries."""
    found: JSON = {"search_context_size": search.search_context_size} if search.search_context_size else {}
    if search.user_location is not None:
        found["user_location"] = {"type": "approximate", "approximate": _place(search.user_location)}
    return found


def _place(place: t.Location) -> JSON:
    return {name: value for name in place.__struct_fields__ if (value := getattr(place, name)) is not None}


def _choice(asked: t.Body, tools: list[t.Function]) -> str | t.NamedFunction | t.AllowedTools:
    given = asked.tool_choice
    if given is None or isinstance(given, str):
        if given == "required" and not tools:
            raise InvalidRequest("tool_choice is 'required' but there are no functions.", param="tool_choice")
        return given or "auto"
    choice: t.NamedFunction | t.AllowedTools = t.take(
        given,
        t.NamedFunction | t.AllowedTools,  # type: ignore[arg-type]
        "tool_choice",
    )
    for name in _names(choice):
        if name not in {tool.name for tool in tools}:
            raise InvalidRequest(f"tool_choice names '{name}', which is not among the tools.", param="tool_choice")
    return choice


def _names(choice: str | t.NamedFunction | t.AllowedTools) -> tuple[str, ...]:
    if isinstance(choice, t.NamedFunction):
        return (choice.name,)
    return tuple(tool.name for tool in choice.tools) if isinstance(choice, t.AllowedTools) else ()


def _tool_choice(choice: str | t.NamedFunction | t.AllowedTools, tools: bool) -> ToolChoice | None:
    mode = choice.mode if isinstance(choice, t.AllowedTools) else choice
    if isinstance(mode, t.NamedFunction):
        mode = "required"
    return ToolChoice(mode, _names(choice)) if tools else None  # type: ignore[arg-type]


# ---- what bends an answer, and what is said of it


def _format(text: t.TextBody) -> ResponseFormat | None:
    form = text.format
    if isinstance(form, t.FormatSchema):
        return ResponseFormat("json_schema", form.schema, form.name, form.description, form.strict)
    return ResponseFormat("json_object") if isinstance(form, t.FormatJson) else None


def _tuning(asked: t.Body) -> Tuning:
    return Tuning(
        temperature=asked.temperature,
        top_p=asked.top_p,
        frequency_penalty=asked.frequency_penalty,
        presence_penalty=asked.presence_penalty,
        reasoning_effort=asked.reasoning.effort if asked.reasoning else None,
        verbosity=asked.text.verbosity if asked.text else None,
        service_tier=asked.service_tier,
        prompt_cache_key=asked.prompt_cache_key,
        user=asked.user,
        parallel_tool_calls=asked.parallel_tool_calls,
    )


def _extras(asked: t.Body) -> dict[str, JSON] | None:
    told = {"safety_identifier": asked.safety_identifier, "prompt_cache_retention": _retention(asked)}
    told = {name: value for name, value in told.items() if value is not None}
    return {WIRE: told} if told else None


def _retention(asked: t.Body) -> str | None:
    return asked.prompt_cache_retention and asked.prompt_cache_retention.replace("-", "_")


def _facts(
    asked: t.Body, tools: list[t.Function | t.WebSearch], choice: str | t.NamedFunction | t.AllowedTools
) -> JSON:
    """Each with what stands for it where the request says nothing; the wire wants most of them not null."""
    thinking = asked.reasoning or t.ReasoningBody()
    conversation = asked.conversation
    return {
        "background": bool(asked.background),
        "conversation": {"id": conversation if isinstance(conversation, str) else conversation.id}
        if conversation
        else None,
        "frequency_penalty": asked.frequency_penalty or 0,
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "max_tool_calls": asked.max_tool_calls,
        "metadata": asked.metadata or {},
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "presence_penalty": asked.presence_penalty or 0,
        "previous_response_id": asked.previous_response_id,
        "prompt": None,
        "prompt_cache_key": asked.prompt_cache_key,
        "prompt_cache_retention": _retention(asked),
        "reasoning": {"effort": thinking.effort, "summary": thinking.summary or thinking.generate_summary},
        "safety_identifier": asked.safety_identifier,
        "service_tier": asked.service_tier or "default",
        "store": asked.store is not False,
        "temperature": 1 if asked.temperature is None else asked.temperature,
        "text": _told_text(asked.text or t.TextBody()),
        "tool_choice": _told_choice(choice),
        "tools": [_told_tool(tool) for tool in tools],
        "top_logprobs": asked.top_logprobs or 0,
        "top_p": 1 if asked.top_p is None else asked.top_p,
        "truncation": "disabled",
        "user": asked.user,
    }


def _told_text(text: t.TextBody) -> JSON:
    form = text.format or t.FormatText()
    told: JSON = {"type": form.__struct_config__.tag}
    if isinstance(form, t.FormatSchema):
        told |= {
            "name": form.name,
            "description": form.description or "",  # Open Responses wants it there, OpenAI's schema wants no null
            "schema": form.schema,
            "strict": bool(form.strict),
        }
    return {"format": told, "verbosity": text.verbosity or "medium"}


def _told_choice(choice: str | t.NamedFunction | t.AllowedTools) -> str | JSON:
    if isinstance(choice, t.AllowedTools):
        named = [{"type": "function", "name": tool.name} for tool in choice.tools]
        return {"type": "allowed_tools", "mode": choice.mode, "tools": named}
    return {"type": "function", "name": choice.name} if isinstance(choice, t.NamedFunction) else choice


def _told_tool(tool: t.Function | t.WebSearch) -> JSON:
    if isinstance(tool, t.Function):
        return {"type": "function", **{name: getattr(tool, name) for name in tool.__struct_fields__}}
    place = tool.user_location
    return {
        "type": tool.type,
        "search_context_size": tool.search_context_size or "medium",
        "user_location": None if place is None else {"type": "approximate", **_place(place)},
    }
