"""Anthropic's Messages as clients speak it: reading of requests.

Knows: the wire's request and its rules (Anthropic's API reference, "Create a Message", "Count tokens in a
Message"). Must not know: providers, prices, Flask. Blocks are read in `anthropic_blocks`; writing is in
`anthropic_writing`: this module hands it on, so that a dialect is one name.

Carried to Anthropic alone: top_k, tools that it runs by itself, and what else is in CARRIED. Dropped, since they
choose another model, another price or who pays: speed, fallbacks, fallback_credit_token, billing_policy; and
diagnostics, which tell of an earlier answer by an id that is none of Anthropic's.
"""

from typing import Any

import msgspec

from thermly.dialects import Bounds
from thermly.dialects import anthropic_types as t
from thermly.dialects.anthropic_blocks import Messages, read_system
from thermly.dialects.anthropic_signatures import WIRE
from thermly.dialects.anthropic_writing import (
    NO_THREADS,
    write_count,
    write_error,
    write_error_event,
    write_events,
    write_reply,
)
from thermly.dialects.openai_chat import invalid, parse
from thermly.errors import InvalidRequest
from thermly.exchange import ChatRequest, ResponseFormat, Tool, ToolChoice, Tuning

__all__ = [
    "read_count_request",
    "read_request",
    "write_count",
    "write_error",
    "write_error_event",
    "write_events",
    "write_reply",
]

JSON = dict[str, Any]
DROPPED = frozenset(("speed", "fallbacks", "fallback_credit_token", "billing_policy", "betas", "diagnostics"))
CARRIED = frozenset(("cache_control", "compaction", "context_management", "mcp_servers"))
# Words that have a place in the exchange. Of the others, Anthropic gets what the caller wrote.
UNCHANGED = frozenset(("top_k", "thinking", "inference_geo"))
NAMED = frozenset(t.Body.__struct_fields__) - UNCHANGED
GLOBAL = (None, "global", "not_available")
# The most thinking tokens of each effort; a larger budget is high.
BUDGETS = ((2048, "low"), (8192, "medium"))
TIERS = {"auto": "auto", "standard_only": "default"}
# OpenAI refuses a longer `user`, and some clients of this wire send several ids in one.
LONGEST_USER = 64
# Kinds of tools that the caller runs; Anthropic itself runs all others that it describes.
CALLER_RUNS = ("bash_", "text_editor_", "computer_", "memory_")
# Of its own, those whose whole price is in the tokens that it counts, and that reach nothing of the operator's; and
# the search, so that routing can say which model has none.
SERVED = (*CALLER_RUNS, "mcp_toolset", "tool_search_tool_", "web_fetch_", "web_search_")
MODES = {"auto": "auto", "any": "required", "tool": "required", "none": "none"}


def read_request(body: bytes, bounds: Bounds) -> ChatRequest:
    """Raises InvalidRequest with the offending field in `param`."""
    return _read(parse(body), t.Body, bounds)


def read_count_request(body: bytes, bounds: Bounds) -> ChatRequest:
    """What to count: a request that may lack its bound."""
    return _read(parse(body), t.CountBody, bounds)


def _read(raw: JSON, kind: type[t.CountBody], bounds: Bounds) -> ChatRequest:
    try:
        return _request(msgspec.convert(raw, kind), raw, bounds)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None


def _request(body: t.CountBody, raw: JSON, bounds: Bounds) -> ChatRequest:
    tools = _Tools(body.tools or [])
    _check(body, raw, bounds, tools)
    extras = _extras(body, raw, tools)
    return ChatRequest(
        model=body.model,
        messages=(*read_system(body.system or ""), *Messages(body.messages, bounds).read()),
        tools=tuple(tools.offered),
        tool_choice=tools.choice(body.tool_choice),
        response_format=_format(body),
        stop=tuple(body.stop_sequences or ()),
        max_output_tokens=body.max_tokens,
        output_bound=bounds.max_output_tokens,
        web_search=tools.search,
        tuning=_tuning(body, tools),
        stream=bool(body.stream),
        extras={WIRE: extras} if extras else None,
    )


def _check(body: t.CountBody, raw: JSON, bounds: Bounds, tools: "_Tools") -> None:
    """The rules that a type cannot say."""
    _check_names(raw)
    most = bounds.max_output_tokens
    if most is not None and body.max_tokens is not None and body.max_tokens > most:
        raise InvalidRequest(f"max_tokens must be at most {most}.", param="max_tokens")
    if len(body.tools or ()) > bounds.max_tools:
        raise InvalidRequest(f"At most {bounds.max_tools} tools are allowed.", param="tools")
    if len(set(tools.names)) != len(tools.names):
        raise InvalidRequest("Two tools have the same name.", param="tools")
    if raw.get("thread"):
        raise InvalidRequest(
            "thread: conversations are not held here; send all messages.", param="thread", code=NO_THREADS
        )
    if body.inference_geo not in GLOBAL:
        raise InvalidRequest("inference_geo: only the global one is served.", param="inference_geo")
    thinking = body.thinking
    if thinking and thinking.type == "enabled" and thinking.budget_tokens is None:
        path = "thinking.budget_tokens"
        raise InvalidRequest(f"Missing required field at '{path}'.", param=path)
    _check_choice(body.tool_choice, tools)


def _check_names(raw: JSON) -> None:
    """Anthropic itself knows no other field, and of its own some name what is stored in the operator's account."""
    if raw.get("container") is not None:
        raise InvalidRequest("container: there are no containers here.", param="container")
    if foreign := _rest(raw, *NAMED, *DROPPED, *CARRIED, "thread", *UNCHANGED):
        name = min(foreign)
        raise InvalidRequest(f"'{name[:100]}' is not a parameter of this API.", param=name[:100])


def _check_choice(choice: t.ToolChoice | None, tools: "_Tools") -> None:
    if choice is None or choice.type in ("auto", "none"):
        return
    if not (tools.offered or tools.own):
        raise InvalidRequest(f"tool_choice is '{choice.type}' but there are no tools.", param="tool_choice")
    if choice.type == "tool" and choice.name not in tools.names:
        name = (choice.name or "")[:100]
        raise InvalidRequest(f"tool_choice names '{name}', which is not among the tools.", param="tool_choice.name")


# ---- tools


class _Tools:
    """The tools that any model can be offered, those that Anthropic runs, and whether one of these searches."""

    def __init__(self, rows: list[JSON]) -> None:
        self.offered: list[Tool] = []
        self.own: list[JSON] = []
        self.names: list[str] = []
        self.search: JSON | None = None
        for i, row in enumerate(rows):
            self._read(row, f"tools[{i}]")

    def _read(self, row: JSON, where: str) -> None:
        if row.get("type") in (None, "custom"):
            tool = t.convert(row, t.Tool, where)
            extras = _rest(row, "name", "description", "input_schema", "strict")
            self._offer(Tool(tool.name, tool.description, tool.input_schema, tool.strict, _told(extras)))
            return
        own = t.convert(row, t.OwnTool, where)
        if own.type.startswith("code_execution_"):
            path = f"{where}.type"
            raise InvalidRequest(f"A tool that is paid by the hour is not served, at '{path}'.", param=path)
        if own.type.startswith("advisor_"):
            path = f"{where}.type"
            raise InvalidRequest(f"A tool that asks another model is not served, at '{path}'.", param=path)
        if not own.type.startswith(SERVED):
            path = f"{where}.type"
            raise InvalidRequest(f"Tools of the type '{own.type[:100]}' are not served, at '{path}'.", param=path)
        if own.name and own.type.startswith(CALLER_RUNS):
            known = f"{own.name}: the client tool {own.type} of Anthropic's API, with the input described there."
            self._offer(Tool(own.name, known, {"type": "object"}, None, _told(_rest(row, "name"))))
            return
        self.own.append(row)
        self.names += [own.name] if own.name else []
        if own.type.startswith("web_search_"):
            self.search = _search(own.user_location)

    def _offer(self, tool: Tool) -> None:
        self.offered.append(tool)
        self.names.append(tool.name)

    def is_own(self, choice: t.ToolChoice | None) -> bool:
        """A choice among tools that only Anthropic has; it goes along as it is."""
        if choice is None or not self.own:
            return False
        return not self.offered or (
            choice.type == "tool" and choice.name not in [tool.name for tool in self.offered]
        )

    def choice(self, choice: t.ToolChoice | None) -> ToolChoice | None:
        if choice is None or not self.offered or self.is_own(choice):
            return None
        names = (choice.name or "",) if choice.type == "tool" else ()
        return ToolChoice(MODES[choice.type], names)  # type: ignore[arg-type]


def _search(location: JSON | None) -> JSON:
    """In the words of the exchange, which are OpenAI's."""
    if not location:
        return {}
    kind = str(location.get("type") or "approximate")
    return {"user_location": {"type": kind, kind: _rest(location, "type")}}


# ---- the rest


def _format(body: t.CountBody) -> ResponseFormat | None:
    form = (body.output_config and body.output_config.format) or body.output_format
    return ResponseFormat("json_schema", form.schema, "response") if form else None


def _tuning(body: t.CountBody, tools: _Tools) -> Tuning:
    single = body.tool_choice and body.tool_choice.disable_parallel_tool_use
    return Tuning(
        temperature=body.temperature,
        top_p=body.top_p,
        reasoning_effort=_effort(body),
        service_tier=TIERS.get(body.service_tier or ""),
        user=_user(body),
        parallel_tool_calls=False if single and not tools.is_own(body.tool_choice) else None,
    )


def _effort(body: t.CountBody) -> str | None:
    """What is said of the effort itself goes before the budget. How much is adaptive, the model itself decides."""
    thinking = body.thinking
    if thinking and thinking.type == "disabled":
        return "none"
    if body.output_config and body.output_config.effort:
        return body.output_config.effort
    budget = thinking.budget_tokens if thinking and thinking.type == "enabled" else None
    return None if budget is None else next((effort for most, effort in BUDGETS if budget <= most), "high")


def _user(body: t.CountBody) -> str | None:
    user = body.metadata.user_id if body.metadata else None
    return user if user and len(user) <= LONGEST_USER else None


def _extras(body: t.CountBody, raw: JSON, tools: _Tools) -> JSON:
    """What goes to Anthropic alone."""
    parts = {
        "output_config": _rest(raw.get("output_config") or {}, "format"),
        "metadata": _rest(raw.get("metadata") or {}, *(["user_id"] if _user(body) else [])),
        "tools": tools.own,
        "tool_choice": raw["tool_choice"] if tools.is_own(body.tool_choice) else None,
    }
    return {**_rest(raw, *NAMED, *DROPPED), **{name: part for name, part in parts.items() if part}}


def _rest(raw: JSON, *named: str) -> JSON:
    return {key: value for key, value in raw.items() if key not in named and value is not None}


def _told(facts: JSON) -> dict[str, JSON] | None:
    return {WIRE: facts} if facts else None
