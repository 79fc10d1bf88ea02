"""What becomes of each parameter of a request for generative UI, by vendor: the reference's tables as tables.

Knows: parameters' names, and what vendors can do. Must not know: the fields' types and bounds, which the dialects
check afterwards. What bends an answer is dropped where a vendor has nothing like it; what changes its meaning is
refused by name.
"""

from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from thermly.errors import InvalidRequest
from thermly.exchange import ChatRequest

Vendor = Literal["openai", "anthropic", "google"]
VENDORS: tuple[Vendor, ...] = ("openai", "anthropic", "google")


class Rule(Struct, frozen=True):
    """`say` is what a refusal says. `must_be`: one of these, and then it is as if it had not been given."""

    kind: Literal["pass", "ignore", "refuse", "must_be"]
    say: str = ""
    values: tuple[Any, ...] = ()


PASS, IGNORE = Rule("pass"), Rule("ignore")


def refuse(say: str) -> Rule:
    return Rule("refuse", say)


def must_be(say: str, *values: Any) -> Rule:
    return Rule("must_be", say, values)


class Row(Struct, frozen=True):
    openai: Rule
    anthropic: Rule
    google: Rule

    def rule(self, vendor: Vendor) -> Rule:
        found: Rule = getattr(self, vendor)
        return found


def all_of(rule: Rule) -> Row:
    return Row(rule, rule, rule)


def only(*vendors: Vendor, other: Rule = IGNORE) -> Row:
    return Row(*(PASS if vendor in vendors else other for vendor in VENDORS))


_NO_AUDIO = "audio is not supported for generative UI."
_NO_LOGPROBS = "logprobs is not supported for generative UI: the answer is not the model's own text."
_FORMAT = "the format of an answer is always generative UI: leave {} out."
_ONLY_THESYS = must_be("only metadata.thesys is supported.", "thesys")

CHAT: dict[str, Row] = {
    "model": all_of(PASS),
    "messages": all_of(PASS),  # without audio, which `_check_audio` looks for
    "audio": all_of(refuse(_NO_AUDIO)),  # a card has no voice
    "modalities": all_of(must_be("only text is supported for generative UI.", ["text"])),
    "frequency_penalty": only("openai", "google"),  # Anthropic has no penalties
    "presence_penalty": only("openai", "google"),
    "function_call": all_of(refuse("use tool_choice.")),
    "functions": all_of(refuse("use tools.")),
    "logit_bias": only("openai"),  # the others have nothing like it
    "logprobs": all_of(must_be(_NO_LOGPROBS, False)),  # rows of tokens that the caller never sees
    "top_logprobs": all_of(must_be(_NO_LOGPROBS, 0)),
    "max_completion_tokens": all_of(PASS),
    "max_tokens": all_of(PASS),
    "metadata": all_of(_ONLY_THESYS),
    "n": all_of(must_be("n must be 1.", 1)),
    "parallel_tool_calls": all_of(PASS),  # true by default, as with the vendors
    "prediction": only("openai"),  # only OpenAI takes one, and it changes nothing but the speed
    "prompt_cache_key": only("openai"),  # Anthropic and Google key their caches by themselves
    "prompt_cache_retention": only("openai"),
    "reasoning_effort": all_of(PASS),  # Google's as budgets: `think`
    "response_format": all_of(must_be(_FORMAT.format("response_format"), {"type": "text"})),
    "safety_identifier": only("openai"),
    "seed": only("openai", "google"),  # Anthropic has none
    "service_tier": only("openai", "anthropic"),  # Google has none
    "stop": all_of(PASS),
    "store": only("openai"),
    "stream": all_of(PASS),
    "stream_options": all_of(PASS),  # about the gateway's own writing
    "temperature": all_of(PASS),
    "tool_choice": all_of(PASS),
    "tools": all_of(PASS),
    "top_p": all_of(PASS),
    "user": only("openai", "anthropic"),
    "verbosity": only("openai"),  # the others have nothing like it
    "web_search_options": only("openai", other=refuse("web search is not supported with this model.")),
}

RESPONSES: dict[str, Row] = {
    **{name: CHAT[name] for name in ("model", "metadata", "parallel_tool_calls", "prompt_cache_key")},
    **{name: CHAT[name] for name in ("prompt_cache_retention", "safety_identifier", "service_tier", "stream")},
    **{name: CHAT[name] for name in ("temperature", "tool_choice", "top_logprobs", "top_p", "user")},
    "background": all_of(must_be("background is always false.", False)),
    "conversation": all_of(PASS),  # with store, which `_check_store` looks at
    "include": all_of(PASS),  # without logprobs, which `_check_include` looks for
    "input": all_of(PASS),  # whose items `_check_items` looks at
    "instructions": all_of(PASS),
    "max_output_tokens": all_of(PASS),
    "max_tool_calls": all_of(IGNORE),  # counts calls of built-in tools, of which there are none
    "previous_response_id": all_of(PASS),
    "prompt": all_of(refuse("prompt templates are kept by OpenAI and cannot be used here.")),
    "reasoning": all_of(PASS),  # of which only the effort is kept
    "store": all_of(PASS),  # true by default: what is kept is kept here, and not with the vendor
    "text": all_of(PASS),  # of which only the verbosity is kept
    "tools": all_of(PASS),  # function tools only
}

_SOON = "{} items are not supported yet."
_NEVER = "{} items are not supported."
# The types of input items: None where they are supported.
ITEMS: dict[str, str | None] = {
    **dict.fromkeys(("message", "function_call", "function_call_output", "item_reference", "reasoning")),
    **dict.fromkeys(("compaction", "web_search_call", "file_search_call", "computer_call"), _SOON),
    **dict.fromkeys(("computer_call_output", "code_interpreter_call", "image_generation_call"), _SOON),
    **dict.fromkeys(("mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "mcp_call"), _SOON),
    **dict.fromkeys(("local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output"), _NEVER),
    **dict.fromkeys(("apply_patch_call", "apply_patch_call_output"), _NEVER),
    **dict.fromkeys(("custom_tool_call", "custom_tool_call_output"), _NEVER),
}
BUILT_IN_TOOLS = ("web_search", "file_search", "code_interpreter", "computer_use", "mcp")

# (Flash, Pro): the most tokens of thought that each effort stands for.
BUDGETS = {
    "none": (0, 256),
    "minimal": (512, 512),
    "low": (1024, 1024),
    "medium": (2048, 2048),
    "high": (4096, 4096),
    "xhigh": (8192, 8192),
}


def vendor_of(provider: str) -> Vendor:
    """The column of a catalogue's provider. Whoever is not named speaks OpenAI's wire."""
    return provider if provider in ("anthropic", "google") else "openai"  # type: ignore[return-value]


def apply(raw: dict[str, Any], vendor: Vendor) -> dict[str, Any]:
    """A chat body without what is not for this vendor. Raises InvalidRequest that names the parameter."""
    _check_audio(raw.get("messages"), "messages")
    return _ruled(raw, CHAT, vendor)


def apply_responses(raw: dict[str, Any], vendor: Vendor) -> dict[str, Any]:
    """The same of a body of the Responses API."""
    _check_store(raw)
    _check_items(raw.get("input"))
    _check_include(raw.get("include"))
    _check_audio(raw.get("input"), "input")
    _check_tools(raw.get("tools"))
    body = _ruled(raw, RESPONSES, vendor)
    if isinstance(raw.get("reasoning"), dict):
        body["reasoning"] = _kept(raw["reasoning"], "effort")
    if isinstance(raw.get("text"), dict):
        form = raw["text"].get("format")
        if form is not None and form != {"type": "text"}:
            raise InvalidRequest(_FORMAT.format("text.format"), param="text.format")
        verbosity = CHAT["verbosity"].rule(vendor) is PASS
        body["text"] = _kept(raw["text"], "verbosity") if verbosity else {}
    return body


def passed_over(raw: dict[str, Any], vendor: Vendor) -> dict[str, Any]:
    """What a body of the Responses API may say and the vendor is not told: the response repeats it all the same."""
    found = {n: value for n, value in raw.items() if n in RESPONSES and RESPONSES[n].rule(vendor) is IGNORE}
    return found | ({"text": _kept(raw["text"], "verbosity")} if isinstance(raw.get("text"), dict) else {})


def think(request: ChatRequest, model: str) -> ChatRequest:
    """A request for Gemini, its effort as the budget that the reference tells for it."""
    effort = request.tuning.reasoning_effort
    if effort is None or effort not in BUDGETS:
        return request
    config: dict[str, Any] = {"thinkingBudget": BUDGETS[effort]["pro" in model]}
    if effort != "none":
        config["includeThoughts"] = True
    extras = dict(request.extras or {})
    facts = dict(extras.get("gemini") or {})
    facts["generationConfig"] = {**(facts.get("generationConfig") or {}), "thinkingConfig": config}
    return replace(request, extras={**extras, "gemini": facts})


def _ruled(raw: dict[str, Any], table: dict[str, Row], vendor: Vendor) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name, value in raw.items():
        row = table.get(name)
        rule = row.rule(vendor) if row else PASS
        if rule.kind == "pass":
            body[name] = value
        elif value is not None and not _allowed(rule, value):
            raise InvalidRequest(f"{name}: {rule.say}", param=name)
    return body


def _allowed(rule: Rule, value: Any) -> bool:
    if rule is _ONLY_THESYS:
        return isinstance(value, dict) and value.keys() <= {*rule.values}
    # True is no 1 here, and False no 0.
    same = (value == allowed and type(value) is type(allowed) for allowed in rule.values)
    return rule.kind == "ignore" or any(same)


def _kept(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: fields[name]} if name in fields else {}


def _check_audio(messages: Any, where: str) -> None:
    for i, message in enumerate(messages if isinstance(messages, list) else ()):
        if not isinstance(message, dict):
            continue
        if message.get("audio") is not None:
            raise InvalidRequest(_NO_AUDIO, param=f"{where}[{i}].audio")
        content = message.get("content")
        for j, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, dict) and part.get("type") == "input_audio":
                raise InvalidRequest(_NO_AUDIO, param=f"{where}[{i}].content[{j}]")


def _check_store(raw: dict[str, Any]) -> None:
    for name in ("conversation", "previous_response_id"):
        if raw.get(name) is not None and raw.get("store") is False:
            raise InvalidRequest(f"{name} needs store to be true.", param=name)


def _check_items(items: Any) -> None:
    for i, item in enumerate(items if isinstance(items, list) else ()):
        kind = item.get("type", "message") if isinstance(item, dict) else None
        say = ITEMS.get(kind, _NEVER) if isinstance(kind, str) else None
        if say is not None:
            raise InvalidRequest(say.format(kind), param=f"input[{i}].type")


def _check_include(names: Any) -> None:
    if isinstance(names, list) and "message.output_text.logprobs" in names:
        raise InvalidRequest(f"include: {_NO_LOGPROBS}", param="include")


def _check_tools(tools: Any) -> None:
    for i, tool in enumerate(tools if isinstance(tools, list) else ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if isinstance(kind, str) and kind != "function":
            soon = " yet" if kind.startswith(BUILT_IN_TOOLS) else ""
            raise InvalidRequest(f"Tools of the type {kind} are not supported{soon}.", param=f"tools[{i}].type")
