"""What Anthropic refuses of a Messages request, in its own words, and which Claude refuses what.

Knows nothing of replies beyond how a thinking block is signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from thermly.sandbox.values import JSON
from thermly.sandbox.wire import Refused, objects_left_open

_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:-(\d{1,2}))?(?!\d)")
_TOOL_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
_LEAST_BUDGET = 1024
_KNOWN_WORDS = """
    billing_policy cache_control compaction container context_management diagnostics fallback_credit_token
    fallbacks inference_geo max_tokens mcp_servers messages metadata model output_config output_format
    service_tier speed stop_sequences stream system temperature thinking thread tool_choice tools top_k
    top_p
"""
_KNOWN = frozenset(_KNOWN_WORDS.split())


def _version(model: str) -> tuple[int, int]:
    """The generation a Claude belongs to; a name that tells none is taken for one that allows everything."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else (4, 5)


def hides_thinking(model: str) -> bool:
    return _version(model) >= (4, 7)


def signature(thinking: str) -> str:
    digest = hashlib.sha512(b"thermly sandbox" + thinking.encode("utf-8", "replace")).digest()
    return base64.b64encode(digest).decode()


def check_messages(body: JSON, counting: bool = False, betas: str = "") -> None:
    for name in ("model", "messages") if counting else ("model", "messages", "max_tokens"):
        if body.get(name) is None:
            raise Refused(400, f"{name}: Field required")
    for name in body:
        if name not in _KNOWN:
            raise Refused(400, f"{name}: Extra inputs are not permitted")
    if not counting and (not isinstance(body["max_tokens"], int) or body["max_tokens"] < 0):
        raise Refused(400, "max_tokens: Input should be a valid integer greater than or equal to 0")
    _check_sampling(body)
    _check_thinking(body, "interleaved-thinking" in betas and bool(body.get("tools")))
    _check_tools(body)
    _check_format(body)
    _check_conversation(body)


def _check_sampling(body: JSON) -> None:
    version, model = _version(body["model"]), body["model"]
    temperature, top_p = body.get("temperature"), body.get("top_p")
    if temperature is not None and not 0 <= temperature <= 1:
        raise Refused(400, "temperature: range: 0..1")
    if top_p is not None and not 0 <= top_p <= 1:
        raise Refused(400, "top_p: range: 0..1")
    if version >= (4, 7):
        for name in ("temperature", "top_p", "top_k"):
            if body.get(name) is not None:
                raise Refused(400, f"`{name}` is deprecated for this model.")
    if temperature is not None and top_p is not None and version >= (4, 0):
        text = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        raise Refused(400, text)
    if version >= (4, 6) and body["messages"] and body["messages"][-1].get("role") == "assistant":
        text = f"This model does not support assistant message prefill. ({model}) "
        raise Refused(400, text + "The conversation must end with a user message.")


def _check_thinking(body: JSON, interleaved: bool) -> None:
    thinking, version = body.get("thinking") or {}, _version(body["model"])
    kind = thinking.get("type")
    if kind == "enabled":
        if version >= (4, 7):
            text = '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
            raise Refused(400, text + '"output_config.effort" to control thinking behavior.')
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < _LEAST_BUDGET:
            raise Refused(400, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if "max_tokens" in body and budget >= body["max_tokens"] and not interleaved:
            raise Refused(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    elif kind == "adaptive":
        if version < (4, 6):
            raise Refused(400, "adaptive thinking is not supported on this model")
    elif kind not in (None, "disabled"):
        raise Refused(400, "thinking: Input tag found does not match any of the expected tags")
    if kind not in ("enabled", "adaptive"):
        return
    if body.get("temperature") not in (None, 1):
        raise Refused(400, "`temperature` may only be set to 1 when thinking is enabled.")
    if body.get("top_k") is not None:
        raise Refused(400, "`top_k` must be unset when thinking is enabled.")
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise Refused(400, "Thinking may not be enabled when tool_choice forces tool use.")


def _check_tools(body: JSON) -> None:
    for i, tool in enumerate(body.get("tools") or ()):
        if not _TOOL_NAME.match(str(tool.get("name", ""))):
            raise Refused(400, f"tools.{i}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if tool.get("type", "custom") == "custom" and (tool.get("input_schema") or {}).get("type") != "object":
            raise Refused(400, f"tools.{i}.custom.input_schema.type: Input should be 'object'")
    choice = body.get("tool_choice")
    if choice is None:
        return
    names = [tool["name"] for tool in body.get("tools") or ()]
    kind = choice.get("type")
    if kind not in ("auto", "any", "tool", "none"):
        raise Refused(400, "tool_choice: Input tag does not match any of the expected tags: auto, any, tool, none")
    if not names:
        raise Refused(400, "tool_choice may only be specified while providing tools.")
    if kind == "tool" and choice.get("name") not in names:
        raise Refused(400, f"Tool '{choice.get('name')}' not found in provided tools")
    if kind in ("any", "tool") and _version(body["model"]) >= (5, 0) and "haiku" not in body["model"]:
        raise Refused(400, f"tool_choice: '{kind}' is not supported for this model.")


def _check_format(body: JSON) -> None:
    for field in ("output_config", "output_format"):
        told = body.get(field) or {}
        told = told.get("format") or {} if field == "output_config" else told
        for path in objects_left_open(told.get("schema")):
            where = ".".join((field, "schema", *path))
            raise Refused(
                400, f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false"
            )


def _check_conversation(body: JSON) -> None:
    if not isinstance(body["messages"], list) or not body["messages"]:
        raise Refused(400, "messages: at least one message is required")
    turns = _merged(body["messages"], _version(body["model"]) >= (4, 8))
    if turns[0][0] != "user":
        raise Refused(400, 'messages: first message must use the "user" role')
    calls: list[str] = []
    for i, (role, blocks) in enumerate(turns):
        _check_results(i, blocks, calls)
        calls = [str(block.get("id")) for block in blocks if block.get("type") == "tool_use"]
        for block in blocks:
            _check_block(f"messages.{i}.content", role, block)
    if calls:
        raise _unanswered(len(turns) - 1, calls)
    _check_last_thought(body, turns)


def _merged(messages: list[Any], takes_system: bool) -> list[tuple[str, list[JSON]]]:
    """Turns as the vendor sees them: consecutive messages of one role are one turn."""
    turns: list[tuple[str, list[JSON]]] = []
    for i, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if role == "system" and takes_system:
            continue
        if role not in ("user", "assistant"):
            raise Refused(400, f"messages.{i}: role '{role}' is not supported on this model")
        if content in (None, "", []) and not (role == "assistant" and i == len(messages) - 1):
            raise Refused(400, f"messages.{i}: all messages must have non-empty content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    return turns


def _check_results(i: int, blocks: list[JSON], calls: list[str]) -> None:
    """Every call has its result in the next turn, before anything else that is said there."""
    leading = 0
    while leading < len(blocks) and blocks[leading].get("type") == "tool_result":
        leading += 1
    missing = [call for call in calls if call not in [b.get("tool_use_id") for b in blocks[:leading]]]
    if missing:
        raise _unanswered(i - 1, missing)
    for j, block in enumerate(blocks):
        if block.get("type") == "tool_result" and block.get("tool_use_id") not in calls:
            text = f"messages.{i}.content.{j}: unexpected `tool_use_id` found in `tool_result` blocks: "
            text += f"{block.get('tool_use_id')}. Each `tool_result` block must have a corresponding `tool_use` "
            raise Refused(400, text + "block in the previous message.")


def _unanswered(i: int, calls: list[str]) -> Refused:
    text = f"messages.{i}: `tool_use` ids were found without `tool_result` blocks immediately after: "
    text += f"{', '.join(calls)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
    return Refused(400, text + "message.")


def _check_block(at: str, role: str, block: JSON) -> None:
    kind = block.get("type")
    if kind == "text" and not str(block.get("text", "")).strip():
        raise Refused(400, "messages: text content blocks must be non-empty")
    if kind == "image":
        _check_image(at, block.get("source") or {})
    if kind == "tool_use" and not isinstance(block.get("input"), dict):
        raise Refused(400, f"{at}.tool_use.input: Input should be a valid dictionary")
    if kind == "thinking" and block.get("signature") != signature(str(block.get("thinking"))):
        raise Refused(400, f"{at}: Invalid `signature` in `thinking` block")
    if kind in ("tool_use", "thinking") and role != "assistant":
        raise Refused(400, f"{at}: `{kind}` blocks can only be in `assistant` messages")


def _check_image(at: str, source: JSON) -> None:
    try:
        if source.get("type") == "base64":
            base64.b64decode(str(source.get("data")), validate=True)
    except binascii.Error:
        raise Refused(400, f"{at}.image.source.base64.data: Invalid base64 data") from None
    if source.get("type") not in ("base64", "url", "file"):
        raise Refused(
            400, f"{at}.image.source: Input tag does not match any of the expected tags: base64, url, file"
        )


def _check_last_thought(body: JSON, turns: list[tuple[str, list[JSON]]]) -> None:
    """With a thinking budget, the turn that called tools must be sent back with its thinking in front."""
    if (body.get("thinking") or {}).get("type") != "enabled" or len(turns) < 2:
        return
    blocks, last = turns[-2][1], turns[-1][1]
    if blocks[0].get("type") in ("thinking", "redacted_thinking"):
        return
    if any(block.get("type") == "tool_result" for block in last):
        text = f"messages.{len(turns) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
        text += f"`{blocks[0].get('type')}`. When `thinking` is enabled, a final `assistant` message must start "
        raise Refused(400, text + "with a thinking block.")
