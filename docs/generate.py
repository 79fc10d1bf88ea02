"""Rewrites the marked parts of README.md and of the pages beside this file from the code; `--check` only compares.

<!-- settings -->    every row of thermly.settings.SETTINGS
<!-- commands -->    every `thermly` command with the first sentence of its help
<!-- parameters -->  what becomes of every chat parameter at every kind of provider: each is set alone, and
                     the body that the adapter writes is compared with the body without it
<!-- schema -->      views, tables and triggers, with the comments of the migrations that made them
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from thermly.catalog import CAPABILITIES, Model, Price, ProviderRow, Target
from thermly.cli import accounts, browsing, files, inspecting, people, routing, running
from thermly.dialects import Bounds, openai_chat
from thermly.dialects.openai_types import ChatBody
from thermly.errors import InvalidRequest
from thermly.providers import anthropic_request, gemini_request, openai_like_request
from thermly.settings import SETTINGS
from thermly.store import schema as schema_module
from thermly.store import shown
from thermly.store.schema import Relation

ROOT = Path(__file__).parent.parent
Body = dict[str, Any]

# ---- settings and commands


def settings() -> Iterator[str]:
    yield "| Variable | Default | |"
    yield "| --- | --- | --- |"
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default != "" else ""
        yield f"| `THERMLY_{setting.name.upper()}` | {default} | {cell(setting.help)} |"


def commands() -> Iterator[str]:
    yield "| Command | |"
    yield "| --- | --- |"
    for module in (running, files, browsing, accounts, people, inspecting, routing):
        for command in module.COMMANDS:
            yield from command_rows(command, "thermly")


def command_rows(command: click.Command, before: str) -> Iterator[str]:
    name = f"{before} {command.name}"
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from command_rows(child, name)
    elif not command.hidden:
        yield f"| `{name}` | {cell(command.get_short_help_str(limit=200))} |"


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# ---- parameters

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOLS: Body = {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]}
AUDIO = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
CHOICE = {"type": "function", "function": {"name": "f"}}
# Parameter, or parameter and a form of it -> (a value that is not the default, what must stand beside it).
EXAMPLES: dict[str, tuple[Any, Body]] = {
    "max_tokens": (99, {}),
    "max_completion_tokens": (99, {}),
    "temperature": (0.5, {}),
    "top_p": (0.5, {}),
    "frequency_penalty": (0.5, {}),
    "presence_penalty": (0.5, {}),
    "logit_bias": ({"1": 5}, {}),
    "seed": (7, {}),
    "stop": (["END"], {}),
    "n": (2, {}),
    "logprobs": (True, {}),
    "top_logprobs": (3, {"logprobs": True}),
    "response_format (json_object)": ({"type": "json_object"}, {}),
    "response_format (json_schema)": ({"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}, {}),
    "tools": (TOOLS["tools"], {}),
    "tool_choice (auto)": ("auto", TOOLS),
    "tool_choice (none)": ("none", TOOLS),
    "tool_choice (required)": ("required", TOOLS),
    "tool_choice (a function)": (CHOICE, TOOLS),
    "tool_choice (allowed_tools)": (
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [CHOICE]}},
        {"tools": [*TOOLS["tools"], {"type": "function", "function": {"name": "g", "parameters": SCHEMA}}]},
    ),
    "parallel_tool_calls": (False, TOOLS),
    "functions": ([{"name": "f", "parameters": SCHEMA}], {}),
    "function_call": ({"name": "f"}, {"functions": [{"name": "f", "parameters": SCHEMA}]}),
    "reasoning_effort": ("low", {}),
    "verbosity": ("low", {}),
    "modalities": (AUDIO["modalities"], {"audio": AUDIO["audio"]}),
    "audio": (AUDIO["audio"], {}),
    "prediction": ({"type": "content", "content": "x"}, {}),
    "web_search_options": ({}, {}),
    "service_tier": ("default", {}),
    "prompt_cache_key": ("k", {}),
    "safety_identifier": ("s", {}),
    "store": (True, {}),
    "metadata": ({"a": "b"}, {}),
    "user": ("u", {}),
    "stream": (True, {}),
    "stream_options": ({"include_usage": True}, {"stream": True}),
    "any other field": (1, {}),
}
NOT_SET_ALONE = {"model", "messages"}
WRITERS = {
    "openai_like": openai_like_request.write_request,
    "anthropic": anthropic_request.write_request,
    "gemini": gemini_request.write_request,
}
NEWEST = {"openai_like": "gpt-x", "anthropic": "claude-x", "gemini": "gemini-4-x"}
# Where a comparison of bodies does not tell the story.
SAID: dict[tuple[str, str], str] = {
    ("stream", "gemini"): "another method of the API",
    ("stream", "openai_like"): "passed, and usage is always asked for",
    ("stream_options", "openai_like"): "Thermly's own",
    ("stream_options", "anthropic"): "Thermly's own",
    ("stream_options", "gemini"): "Thermly's own",
    ("audio", "openai_like"): "passed, with `modalities`",
    ("audio", "anthropic"): "as `modalities`",
    ("audio", "gemini"): "as `modalities`",
}


def parameters() -> Iterator[str]:
    missing = set(ChatBody.__struct_fields__) - NOT_SET_ALONE - {plain(name) for name in EXAMPLES}
    if missing:
        raise SystemExit(f"docs/generate.py has no example for {', '.join(sorted(missing))}")
    yield "| Parameter | OpenAI and compatible | Anthropic | Gemini |"
    yield "| --- | --- | --- | --- |"
    for name, (value, beside) in EXAMPLES.items():
        fates = [SAID.get((name, kind)) or fate(kind, plain(name), value, beside) for kind in WRITERS]
        field, form = plain(name), name.removeprefix(plain(name))
        yield f"| {name if ' other ' in name else f'`{field}`{form}'} | {' | '.join(fates)} |"


def plain(name: str) -> str:
    return "x_other" if name == "any other field" else name.partition(" ")[0]


def fate(kind: str, field: str, value: Any, beside: Body) -> str:
    """What happens at a model that can do everything; then which ability makes a difference when it is missing."""
    best = outcome(kind, field, value, beside, CAPABILITIES)
    notes: dict[str, list[str]] = {}
    for word in sorted(CAPABILITIES):
        worse = outcome(kind, field, value, beside, CAPABILITIES - {word})
        if worse != best:
            notes.setdefault(worse, []).append(f"`{word}`")
    return "; ".join((best, *(f"without {' or '.join(words)}: {worse}" for worse, words in notes.items())))


def outcome(kind: str, field: str, value: Any, beside: Body, can: frozenset[str]) -> str:
    try:
        without = written(kind, beside, can)
    except InvalidRequest:
        return "refused"
    try:
        body = written(kind, {**beside, field: value}, can)
    except InvalidRequest:
        return "refused"
    changed = {path for path, _ in set(leaves(body)) ^ set(leaves(without))}
    if not changed:
        return "dropped"
    if changed == {field} and body.get(field) == value:
        return "passed"
    return "→ " + ", ".join(f"`{path}`" for path in sorted(changed))


def written(kind: str, fields: Body, can: frozenset[str]) -> Body:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    request = openai_chat.read_request(json.dumps(body).encode(), Bounds(max_tools=128))
    price = Price(0, 0, 0, 0, 0)
    model = Model("m", kind, NEWEST[kind], 1_000_000, 64_000, price, can)
    row = ProviderRow(kind, kind, "http://x")  # type: ignore[arg-type]
    return WRITERS[kind](request, Target(model, row, price), request.max_output_tokens or 64_000)


def leaves(body: Body) -> Iterator[tuple[str, str]]:
    """The fields of a body, and for objects the fields in them: (path, JSON)."""
    for name, value in body.items():
        inner = (
            value
            if isinstance(value, dict) and name in ("generationConfig", "output_config", "toolConfig")
            else None
        )
        for path, one in {f"{name}.{k}": v for k, v in inner.items()}.items() if inner else [(name, value)]:
            yield path, json.dumps(one, sort_keys=True)


# ---- schema


def schema() -> Iterator[str]:
    found = schema_module.relations()
    yield from ("## Views", "")
    for name in shown.VIEWS:
        yield from relation_section(next(r for r in found if r.name == name))
    yield from ("## Tables", "")
    for relation in found:
        if relation.kind == "table":
            yield from relation_section(relation)
    yield from ("## Triggers", "")
    yield from trigger_lists(found)


def relation_section(relation: Relation) -> Iterator[str]:
    yield from (f"### {relation.name}", "")
    if relation.comment:
        yield from (relation.comment, "")
    yield from table_columns(relation) if relation.kind == "table" else view_columns(relation)
    yield ""
    if relation.indexes:
        yield from (f"Indexes: {'; '.join(relation.indexes)}.", "")
    if relation.kind == "table" and relation.name not in shown.TABLES:
        yield from ("Closed to `thermly export` and `thermly datasette`.", "")


def table_columns(relation: Relation) -> Iterator[str]:
    yield from ("| Column | Type | |", "| --- | --- | --- |")
    for column in relation.columns:
        type = column.type if column.required else f"{column.type} or NULL"
        yield f"| `{column.name}` | {type} | {cell(column.comment)} |"


def view_columns(relation: Relation) -> Iterator[str]:
    """All in their order, and then those about which there is something to say."""
    yield ", ".join(f"`{column.name}`" for column in relation.columns)
    said = [column for column in relation.columns if column.comment]
    if said:
        yield from ("", "| Column | |", "| --- | --- |")
        yield from (f"| `{column.name}` | {cell(column.comment)} |" for column in said)


def trigger_lists(relations: list[Relation]) -> Iterator[str]:
    """Under each comment the triggers that it is about."""
    groups: dict[str, list[str]] = {}
    for relation in relations:
        for trigger in relation.triggers:
            rows = groups.setdefault(trigger.comment or relation.comment, [])
            rows.append(f"- `{trigger.name}`: {trigger.event}")
    for comment, rows in groups.items():
        yield from (comment, "", *rows, "")


# ---- files

REGIONS = {
    "README.md": (settings, commands),
    "docs/parameters.md": (parameters,),
    "docs/schema.md": (schema,),
}


def rewritten(name: str) -> str:
    text = (ROOT / name).read_text(encoding="utf-8")
    for make in REGIONS[name]:
        word = make.__name__
        region = f"<!-- {word} -->\n{chr(10).join(make())}\n<!-- /{word} -->"
        text, count = re.subn(rf"<!-- {word} -->.*?<!-- /{word} -->", lambda _: region, text, flags=re.S)  # noqa: B023
        if count != 1:
            raise SystemExit(f"{name} must have one region <!-- {word} -->…<!-- /{word} -->")
    return text


def main(words: list[str]) -> int:
    stale = [name for name in REGIONS if rewritten(name) != (ROOT / name).read_text(encoding="utf-8")]
    for name in stale:
        if "--check" in words:
            print(f"{name} is stale: run python docs/generate.py")
        else:
            (ROOT / name).write_text(rewritten(name), encoding="utf-8")
    return int(bool(stale) and "--check" in words)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
