"""Generated interfaces at /v1/embed: cards in both formats, their mending, their money, and what is refused."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from stories.stack import NANO, Caller, Stack, Stream, at_once, mark, order, refusal, user, wait_for
from stories.test_chat import PIXEL, WEATHER, tool
from stories.test_limits import told as limits
from stories.test_money import PRICES, cost_nanousd
from thermly.genui.components import TreeReader
from thermly.genui.custom import Custom
from thermly.genui.framing import BROKEN, CUT
from thermly.genui.library import library
from thermly.genui.programs import ProgramReader

JSON = dict[str, Any]
BASE = "/v1/embed"
CHAT, RESPONSES = BASE + "/chat/completions", BASE + "/responses"
VERSIONS = {"v-20250930": "json", "v-20251230": "json", "v-20260331": "openui"}
FAMILIES = ("openai/gpt-4o", "anthropic/claude-sonnet-4-5", "google/gemini-2.5-flash", "deepseek/deepseek-v4-flash")
QUESTIONS = {
    "card": "Hello there!",
    "chart": "How did the population of the world grow from 1950 to 2020?",
    "table": "Compare tea and coffee",
    "form": "I want to book a table",
}
# What each answer must have in the tree, and in the program.
SEEN = {
    "card": ("List", "ListBlock"),
    "chart": ("LineChart", "LineChart"),
    "table": ("Table", "Table"),
    "form": ("DatePicker", "DatePicker"),
}
OPENING: dict[str, str] = {"json": '<content thesys="true">', "openui": '<content thesys="true" version="2">'}
FORMATS = pytest.mark.parametrize("form", ["json", "openui"])
BOTH = pytest.mark.parametrize("path", [CHAT, RESPONSES])
every_family = pytest.mark.parametrize("family", FAMILIES)


def c1(family: str = "openai/gpt-4o", form: str = "json") -> str:
    return f"c1/{family}/{'v-20250930' if form == 'json' else 'v-20260331'}"


def body_of(path: str, text: Any = "Hello!", model: str = "c1/openai/gpt-4o/v-20250930", **fields: Any) -> JSON:
    said = {"messages": user(text)} if path == CHAT else {"input": text}
    return {"model": model, **said, **fields}


def content_of(reply: JSON) -> str:
    if "choices" in reply:
        return str(reply["choices"][0]["message"]["content"])
    (message,) = [item for item in reply["output"] if item["type"] == "message"]
    (part,) = message["content"]
    return str(part["text"])


def asked(caller: Caller, text: Any = "Hello!", model: str = "", path: str = CHAT, **fields: Any) -> str:
    """The content of an answer that must be given."""
    response = caller.post(body_of(path, text, model or c1(), **fields), path)
    assert response.status_code == 200, response.text
    return content_of(response.json())


class Card:
    """One content element: `payload` is what it holds, `names` its components. Fails where it is not sound."""

    def __init__(self, content: str, form: str, own: Custom | None = None) -> None:
        opening = OPENING[form]
        assert content.startswith(opening) and content.endswith("</content>"), content
        inside = content[len(opening) : -len("</content>")]
        assert not {*'<>"'} & {*inside}, "what is inside is escaped"
        self.payload = html.unescape(inside)
        kept = library("json" if form == "json" else "openui", own or Custom())
        if form == "json":
            self._read_tree()
        else:
            self.payload = self.payload.removeprefix("\n```openui-lang\n").removesuffix("```\n")
            self.names = re.findall(r"\b([A-Z]\w*)\(", self.payload)
            assert "```" not in self.payload and self.payload.startswith("root = Card([")
        reader = TreeReader(kept) if form == "json" else ProgramReader(kept)
        reader.take(self.payload)
        reader.end()
        assert reader.has_markup and reader.faults == [], reader.faults

    def _read_tree(self) -> None:
        found = json.loads(self.payload)
        assert found.keys() == {"component", "error"} and found["error"] is None
        assert found["component"].keys() == {"component", "props"} and found["component"]["component"] == "Card"
        self.children: list[JSON] = found["component"]["props"]["children"]
        self.names = re.findall(r'"component":"(\w+)"', self.payload)

    @property
    def complains(self) -> bool:
        return BROKEN in self.payload


@contextmanager
def opened(caller: Caller, body: JSON, path: str = CHAT) -> Iterator[requests.Response]:
    """A stream under way, on a connection of its own."""
    data, url = json.dumps({**body, "stream": True}), caller.stack.url + path
    with (
        requests.Session() as http,
        http.post(url, data=data, headers=caller.headers(), stream=True, timeout=60) as response,
    ):
        assert response.status_code == 200, response.text
        yield response


def streamed(caller: Caller, text: str, model: str = "", **fields: Any) -> Stream:
    with opened(caller, body_of(CHAT, text, model or c1(), **fields)) as response:
        stream = Stream(response)
        stream.read()
    return stream


def events(caller: Caller, text: str, model: str = "", **fields: Any) -> list[JSON]:
    """A stream of the Responses API, read to its end."""
    with opened(caller, body_of(RESPONSES, text, model or c1(), **fields), RESPONSES) as response:
        blocks = response.content.decode().split("\n\n")
    rows = [row[6:] for block in blocks for row in block.split("\n") if row.startswith("data: ")]
    assert rows[-1] == "[DONE]"
    found = [json.loads(row) for row in rows[:-1]]
    assert [e["sequence_number"] for e in found] == [*range(len(found))]
    return found


# ---- cards


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", QUESTIONS)
def test_each_version_answers_in_its_format(rich: Caller, version: str, kind: str) -> None:
    form = VERSIONS[version]
    card = Card(asked(rich, QUESTIONS[kind], f"c1/openai/gpt-4o/{version}"), form)
    assert SEEN[kind][form == "openui"] in card.names and not card.complains


@every_family
@FORMATS
def test_every_provider_answers_streamed_as_whole(stack: Stack, rich: Caller, family: str, form: str) -> None:
    marker = mark()
    question, model, options = f"{marker} chart", c1(family, form), {"stream_options": {"include_usage": True}}
    stream = streamed(rich, question, model, **options)
    whole = rich.post(body_of(CHAT, question, model), CHAT)
    reply = whole.json()
    assert stream.text == content_of(reply) and stream.chunks[-1]["usage"] == reply["usage"]
    assert "LineChart" in Card(stream.text, form).names and marker in stream.text
    assert stream.reasons == ["stop"] and stream.done
    assert reply["model"] == model == stream.chunks[0]["model"]
    assert reply["x_thermostat"]["actual_model"] == family.partition("/")[2]
    assert reply["id"] == "chatcmpl-" + whole.headers["x-request-id"].removeprefix("req_")
    assert [r["provider"] for r in stack.heard(marker)] == [family.partition("/")[0]] * 2


@every_family
@FORMATS
def test_a_response_is_streamed_as_whole_and_kept(rich: Caller, family: str, form: str) -> None:
    made = events(rich, QUESTIONS["table"], c1(family, form))
    final = made[-1]["response"]
    text = "".join(e["delta"] for e in made if e["type"] == "response.output_text.delta")
    assert made[-1]["type"] == "response.completed" and text == content_of(final)
    assert "Table" in Card(text, form).names and final["model"] == c1(family, form)
    assert asked(rich, QUESTIONS["table"], c1(family, form), RESPONSES) == text
    assert get(rich, f"/responses/{final['id']}").json() == final


@FORMATS
def test_a_card_grows_while_the_model_writes(rich: Caller, form: str) -> None:
    stream = streamed(rich, order("interval_ms=6", QUESTIONS["form"]), c1(form=form))
    said = [
        at
        for at, chunk in zip(stream.at, stream.chunks, strict=True)
        if chunk["choices"][0]["delta"].get("content")
    ]
    assert len(said) >= 3 and said[-1] - said[0] > 0.1
    assert stream.comments < 10, "what cannot be shown yet is no silence"
    Card(stream.text, form)


@FORMATS
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_words_without_markup_are_a_card_of_them(caller: Caller, form: str, path: str) -> None:
    card = Card(asked(caller, order('say=I <cannot> do "that" & more.'), c1(form=form), path), form)
    assert card.names == ["Card", "TextContent"]
    assert "I <cannot> do" in card.payload and "& more." in card.payload
    (row,) = caller.usage()
    assert row["outcome"] == "ok"


def test_an_answer_that_reaches_its_limit_says_so(rich: Caller) -> None:
    for form in ("json", "openui"):
        body = body_of(CHAT, QUESTIONS["table"], c1(form=form), max_completion_tokens=60)
        choice = rich.post(body, CHAT).json()["choices"][0]
        assert choice["finish_reason"] == "length" and "cut off" in Card(choice["message"]["content"], form).payload
        body = body_of(RESPONSES, QUESTIONS["table"], c1(form=form), max_output_tokens=60)
        reply = rich.post(body, RESPONSES).json()
        assert (reply["status"], reply["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
        Card(content_of(reply), form)


def test_an_empty_card_is_a_card(rich: Caller) -> None:
    assert Card(asked(rich, tree("")), "json").children == []


# ---- mending


SOUND: dict[str, str] = {
    "json": '{"component": "TextContent", "props": {"textMarkdown": "sound"}}',
    "openui": 'root = Card([a, b])\na = TextContent("sound")\n',
}


def tree(children: str) -> str:
    """A question that is answered with these children."""
    return order(f'say={{"component": "Card", "props": {{"children": [{children}]}}}}')


def broken(form: str, directive: str = "", some: bool = True) -> str:
    """A question whose answer is broken in one place; the complaint about it tells the model what to do next."""
    quoted = "".join(f"\\u{ord(c):04x}" if c in "[]" else c for c in f"[[sandbox: {directive}]]")
    word = quoted if directive else "Nothing"
    if form == "openui":
        bad = f'b = Buttons([Button("x", {{type: "open_url", url: "https://example.com", "{word}": 1}})])'
        return order("say=" + (SOUND[form] if some else "") + bad)
    bad = json.dumps({"component": "WORD", "props": {}}).replace("WORD", word)
    return tree(f"{SOUND[form]}, {bad}" if some else bad)


RIGHT = {
    "json": 'say={"component":"Card","props":{"children":[{"component":"Header","props":{"title":"mended"}}]}}',
    "openui": 'say=b = CardHeader("mended")',
}


@every_family
@FORMATS
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_broken_is_asked_for_once_more(
    stack: Stack, caller: Caller, family: str, form: str, stream: bool
) -> None:
    marker = mark()
    kept = [{"role": "user", "content": marker}, {"role": "assistant", "content": "Go on."}]
    body = body_of(CHAT, "", c1(family, form), messages=[*kept, *user(broken(form))])
    with stack.upstream(**{family.partition("/")[0]: {"directive": RIGHT[form]}}):
        if stream:
            with opened(caller, {**body, "stream_options": {"include_usage": True}}) as response:
                told = Stream(response)
                told.read()
            content, usage, reasons = told.text, told.chunks[-1]["usage"], told.reasons
        else:
            reply = caller.post(body, CHAT).json()
            content, usage = content_of(reply), reply["usage"]
            reasons = [reply["choices"][0]["finish_reason"]]
    card = Card(content, form)
    assert "sound" in card.payload and "mended" in card.payload and not card.complains
    assert reasons == ["stop"] and content.count("<content") == 1
    heard = [json.dumps(r["body"]) for r in stack.heard(marker)]
    assert len(heard) == 2 and "could not be shown" not in heard[0] and "could not be shown" in heard[1]
    rows = caller.usage(2)
    assert {(r["surface"], r["outcome"], r["state"]) for r in rows} == {("embed", "ok", "settled")}
    for name, counted in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
        assert sum(r[name] for r in rows) == usage[counted]
    assert caller.funds() == (100 * NANO - sum(r["cost_nanousd"] for r in rows), 0)
    assert cost_nanousd(family.partition("/")[2], usage) <= sum(r["cost_nanousd"] for r in rows)


@FORMATS
@pytest.mark.parametrize("some", [True, False])
@pytest.mark.parametrize("directive", ["status=400", "empty", "refuse", "say=I cannot.", "length tokens=9"])
def test_a_repair_that_fails_too_ends_in_a_card_that_says_so(
    caller: Caller, form: str, some: bool, directive: str
) -> None:
    card = Card(asked(caller, broken(form, directive, some), c1(form=form)), form)
    assert ("sound" in card.payload) is some
    if not some and directive in ("say=I cannot.", "length tokens=9"):
        assert "TextContent" in card.names, "what the model says instead is shown"
    else:
        assert card.complains is (directive != "length tokens=9") and {"CalloutV2", "Callout"} & {*card.names}
        assert card.complains or CUT in card.payload
    first, second = caller.usage(2)
    assert first["outcome"] == "ok" and (second["outcome"] == "ok") is (directive != "status=400")
    assert caller.funds() == (100 * NANO - first["cost_nanousd"] - second["cost_nanousd"], 0)


@FORMATS
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_what_is_broken_twice_is_not_asked_for_again(stack: Stack, caller: Caller, form: str, path: str) -> None:
    said = broken(form)[len("[[sandbox: ") : -2]
    marker = mark()
    with stack.upstream(openai={"directive": said}):
        card = Card(asked(caller, marker, c1(form=form), path), form)
    assert card.complains and "sound" in card.payload and len(stack.heard(marker)) == 2
    assert [row["outcome"] for row in caller.usage(2)] == ["ok", "ok"]


def test_a_repair_that_breaks_off_leaves_a_whole_card(stack: Stack, caller: Caller) -> None:
    stream = streamed(caller, broken("json", "cut=3 chunks=9"))
    card = Card(stream.text, "json")
    assert card.complains and "sound" in card.payload and stream.done and stream.reasons == ["stop"]
    first, second = caller.usage(2)
    assert (first["outcome"], second["outcome"]) == ("ok", "upstream_failed")
    assert caller.funds() == (100 * NANO - first["cost_nanousd"] - second["cost_nanousd"], 0)


@pytest.mark.parametrize("family", ["anthropic/claude-sonnet-4-5", "google/gemini-2.5-flash"])
def test_thoughts_about_a_repair_are_not_shown_and_split_no_frame(rich: Caller, family: str) -> None:
    reply = rich.post(
        body_of(RESPONSES, broken("json", "reason"), c1(family), reasoning={"effort": "high"}), RESPONSES
    ).json()
    assert [item["type"] for item in reply["output"]] == ["reasoning", "message"]
    assert not Card(content_of(reply), "json").complains and "could not" not in str(reply["output"][0])


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_a_repair_that_is_cut_off_says_so(caller: Caller, path: str) -> None:
    reply = caller.post(body_of(path, broken("json", "length tokens=9")), path).json()
    assert CUT in content_of(reply) and len(caller.usage(2)) == 2
    if path == CHAT:
        assert reply["choices"][0]["finish_reason"] == "length"
    else:
        assert (reply["status"], reply["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


@pytest.mark.parametrize(("bound", "asked_twice"), [(20, False), (900, True)])
def test_a_repair_has_what_the_callers_bound_leaves(
    stack: Stack, caller: Caller, bound: int, asked_twice: bool
) -> None:
    marker, model = mark(), "c1/anthropic/claude-sonnet-4-5/v-20250930"
    text = f'{marker} [[sandbox: say={{"component":"Evil"}}]]'
    with opened(caller, body_of(CHAT, text, model, max_tokens=bound, stream_options={"include_usage": True})) as r:
        told = Stream(r)
        told.read()
    assert told.reasons == ["stop"] and Card(told.text, "json").complains is not asked_twice
    heard = [r["body"]["max_tokens"] for r in stack.heard(marker)]
    rows = caller.usage(1 + asked_twice)
    assert heard == [bound, bound - rows[0]["output_tokens"]][: 1 + asked_twice]
    assert told.chunks[-1]["usage"]["completion_tokens"] <= bound


@BOTH
def test_a_whole_program_that_was_mended_tells_each_name_once(caller: Caller, path: str) -> None:
    again = 'root = Card([a])\\na = TextContent("mended")'
    question = order(f'say=root = Card([a, gone])\na = TextContent("[\\u005bsandbox: say={again}\\u005d]")')
    card = Card(asked(caller, question, c1(form="openui"), path), "openui")
    assert len(caller.usage(2)) == 2 and card.payload.count("root =") == 1


def test_a_fence_in_a_sentence_does_not_end_the_program(caller: Caller) -> None:
    said = 'say=root = Card([a])\na = TextContent("before\\n```\\nafter")'
    content = asked(caller, order(said), c1(form="openui"))
    inside = content.partition("```openui-lang\n")[2]
    assert inside.count("```") == 1 and "after" in inside.partition("```")[0]
    Card(content, "openui")


def test_a_repair_calls_no_tool(stack: Stack, caller: Caller) -> None:
    marker = mark()
    named = {"type": "function", "function": {"name": marker, "description": "Nothing"}}
    question = tree(json.dumps({"component": marker}))
    reply = caller.post(body_of(CHAT, question, c1(), tools=[named]), CHAT).json()
    assert reply["choices"][0]["finish_reason"] == "stop" and "tool_calls" not in reply["choices"][0]["message"]
    assert [r["body"].get("tool_choice") for r in stack.heard(marker)] == [None, "none"]


@pytest.mark.parametrize(("times", "mended"), [(1.7, True), (1.15, False)])
def test_a_thin_balance_pays_for_the_answer_and_then_for_its_repair_or_goes_without(
    stack: Stack, rich: Caller, times: float, mended: bool
) -> None:
    """The first answer holds all there is, and gives back what it did not need before the second is asked for."""
    marker = mark()
    asked(rich, marker)
    worst_tokens = sum(len(turn["content"]) for turn in stack.heard(marker)[0]["body"]["messages"])
    usd = times * worst_tokens * float(PRICES["gpt-4o"]["input_per_mtok"]) / 10**6
    thin = stack.caller(usd)
    assert Card(asked(thin, broken("json")), "json").complains is not mended
    rows = thin.usage(1 + mended)
    assert {row["outcome"] for row in rows} == {"ok"}
    assert thin.funds() == (round(usd * NANO) - sum(row["cost_nanousd"] for row in rows), 0)


# ---- when the upstream breaks


@every_family
def test_an_answer_that_breaks_off_is_told_and_only_what_came_is_paid(
    stack: Stack, caller: Caller, family: str
) -> None:
    marker = mark()
    stream = streamed(caller, order("cut=45", QUESTIONS["chart"] + marker), c1(family))
    assert not stream.done and stream.reasons == [] and stream.error is not None
    assert stream.error["type"] == "service_unavailable_error" and stream.text.startswith(OPENING["json"])
    assert "</content>" not in stream.text and len(stack.heard(marker)) == 1
    (row,) = caller.usage()
    assert (row["state"], row["outcome"], row["estimated"]) == ("settled", "upstream_failed", 1)
    assert row["output_tokens"] > 0 and caller.funds() == (100 * NANO - row["cost_nanousd"], 0)


def test_a_response_that_breaks_off_has_failed_and_is_kept(caller: Caller) -> None:
    made = events(caller, order("cut=45", QUESTIONS["chart"]))
    final = made[-1]["response"]
    assert made[-1]["type"] == "response.failed" and final["error"]["code"] == "server_error"
    assert get(caller, f"/responses/{final['id']}").json()["status"] == "failed"
    assert caller.usage()[0]["outcome"] == "upstream_failed" and caller.funds()[1] == 0


def test_an_upstream_that_is_down_is_503_and_free(stack: Stack, caller: Caller, calm: None) -> None:
    for path in (CHAT, RESPONSES):
        response = caller.post(body_of(path, order("status=500")), path)
        refusal(response, 503, "service_unavailable_error", "service_unavailable")
        assert int(response.headers["Retry-After"]) > 0
    assert caller.funds() == (100 * NANO, 0)


def test_a_client_that_leaves_pays_for_what_came(caller: Caller) -> None:
    question = order("interval_ms=20", QUESTIONS["form"])
    with opened(caller, body_of(CHAT, question)) as response:
        Stream(response).read(2)
    row = wait_for(lambda: (caller.stack.rows("SELECT * FROM usage WHERE account_id = :id", id=caller.account_id)
                            or [None])[0])  # fmt: skip
    assert row["outcome"] == "client_gone" and row["cost_nanousd"] > 0
    assert wait_for(lambda: caller.funds() == (100 * NANO - row["cost_nanousd"], 0))


def test_silence_is_filled_while_nothing_can_be_shown(rich: Caller) -> None:
    stream = streamed(rich, order("chunks=2 interval_ms=1300"))
    assert stream.comments >= 1 and stream.done and Card(stream.text, "json").names == ["Card", "TextContent"]


# ---- tools


@every_family
@FORMATS
def test_calls_pass_untouched_and_their_results_become_a_card(
    stack: Stack, rich: Caller, family: str, form: str
) -> None:
    question, marker = "What is the weather in Paris and London?", mark()
    body = body_of(CHAT, question, c1(family, form), tools=[WEATHER])
    choice = rich.post(body, CHAT).json()["choices"][0]
    calls = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
    assert [json.loads(c["function"]["arguments"]) for c in calls] == [{"city": "Paris"}, {"city": "London"}]
    results = [{"role": "tool", "tool_call_id": c["id"], "content": marker} for c in calls]
    talk = [*user(question), choice["message"], *results]
    reply = rich.post({**body, "messages": talk}, CHAT).json()
    Card(content_of(reply), form)
    assert len(stack.heard(marker)) == 1 and stack.heard(marker)[0]["body"]["tools"]


def test_calls_are_streamed_and_words_before_them_stand_beside_the_frame(rich: Caller) -> None:
    question = order("say=Let me <see>.", "What is the weather in Paris?")
    stream = streamed(rich, question, tools=[WEATHER], tool_choice=tool("get_weather"))
    assert stream.reasons == ["tool_calls"] and stream.done
    assert [json.loads(c["arguments"]) for c in stream.calls()] == [{"city": "Paris"}]
    assert stream.text == "<custommarkdown>Let me &lt;see&gt;.</custommarkdown>"


def test_a_response_calls_a_function_and_goes_on_from_its_result(stack: Stack, rich: Caller) -> None:
    marker = mark()
    tools = [{"type": "function", **WEATHER["function"]}]
    for family in FAMILIES:
        first = rich.post(body_of(RESPONSES, "What is the weather in Oslo?", c1(family), tools=tools), RESPONSES)
        (call,) = [item for item in first.json()["output"] if item["type"] == "function_call"]
        assert json.loads(call["arguments"]) == {"city": "Oslo"}
        output = [{"type": "function_call_output", "call_id": call["call_id"], "output": marker + family}]
        more = {"tools": tools, "previous_response_id": first.json()["id"]}
        Card(asked(rich, output, c1(family), RESPONSES, **more), "json")
        (heard,) = stack.heard(marker + family)
        assert "Oslo" in json.dumps(heard["body"])


# ---- what came before


def heard_words(stack: Stack, marker: str) -> str:
    """All that the model was told, but for the gateway's own instructions."""
    body = stack.heard(marker)[-1]["body"]
    turns = body.get("messages") or body.get("contents")
    return json.dumps([turn for turn in turns if turn["role"] not in ("system", "developer")])


@every_family
@FORMATS
def test_earlier_cards_are_plain_text_for_the_model(stack: Stack, rich: Caller, family: str, form: str) -> None:
    marker = mark()
    said = asked(rich, f"Compare {marker}", c1(form=form))
    wrapped = (
        f'<content thesys="true">Tell me about &quot;{marker}&quot;</content>'
        "<context>[&quot;the form says 4&quot;]</context>"
    )
    talk = [*user("Compare"), {"role": "assistant", "content": said}, *user(wrapped)]
    Card(asked(rich, "", c1(family, form), messages=talk), form)
    words = heard_words(stack, marker)
    assert "Tea" in words and "the form says 4" in words and "The sandbox knows no prices." in words
    assert not [w for w in ("<content", "thesys", "&quot;", "openui-lang", "CalloutV2", "Table(") if w in words]


def test_text_that_is_no_card_stays_to_the_letter(stack: Stack, rich: Caller) -> None:
    marker = mark()
    text = f"What does <content> mean in &lt;html&gt;? {marker}"
    asked(rich, text)
    assert json.dumps(text)[1:-1] in heard_words(stack, marker)


@every_family
def test_a_chain_of_responses_remembers_in_plain_text(stack: Stack, rich: Caller, family: str) -> None:
    marker = mark()
    first = rich.post(
        body_of(RESPONSES, "Compare the prices", c1(family), instructions="Be kind"), RESPONSES
    ).json()
    again = asked(rich, f"And {marker}?", c1(family, "openui"), RESPONSES, previous_response_id=first["id"])
    Card(again, "openui")
    words = heard_words(stack, marker)
    assert "Compare the prices" in words and "Coffee" in words
    assert "<content" not in words and "component" not in words
    assert "Be kind" not in json.dumps(stack.heard(marker)[-1]["body"]), "instructions are not inherited"


def test_instructions_stand_beside_the_callers_own(stack: Stack, rich: Caller) -> None:
    for family in FAMILIES:
        marker = mark()
        talk = [{"role": "system", "content": f"Be {marker}"}, *user("Hello!")]
        Card(asked(rich, "", c1(family), messages=talk), "json")
        told = json.dumps(stack.heard(marker)[0]["body"])
        assert "Your answer is shown as a user interface" in told and "LineChart" in told


# ---- components and actions of the caller's own

WEATHER_CARD = {
    "type": "object",
    "description": "The weather in one place",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "number"}},
    "required": ["city"],
}
BOOK = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
OWN = Custom({"WeatherCard": WEATHER_CARD}, {"book_flight": BOOK})


def thesys(**fields: Any) -> JSON:
    return {"thesys": json.dumps(fields)}


@FORMATS
@BOTH
def test_a_callers_components_and_actions_are_told_and_accepted(
    stack: Stack, caller: Caller, form: str, path: str
) -> None:
    marker = mark()
    said = {
        "json": '{"component":"Card","props":{"children":[{"component":"WeatherCard","props":{"city":"MARK"}},'
        '{"component":"Buttons","props":{"buttons":[{"component":"Button","props":{"label":"Go",'
        '"action":{"type":"book_flight","params":{"day":"Monday"}}}}]}}]}}',
        "openui": 'root = Card([w, b])\nw = WeatherCard("MARK")\n'
        'b = Buttons([Button("Go", {type: "book_flight", params: {day: "Monday"}})])',
    }[form].replace("MARK", marker)
    own = thesys(c1_custom_components=OWN.components, c1_custom_actions=OWN.actions)
    content = asked(caller, order("say=" + said), c1(form=form), path, metadata=own)
    card = Card(content, form, OWN)
    assert "WeatherCard" in card.names and "book_flight" in card.payload and not card.complains
    (row,) = caller.usage()
    (heard,) = stack.heard(marker)
    told = json.dumps(heard["body"])
    assert "The weather in one place" in told and "book_flight" in told and "metadata" not in heard["body"]
    assert row["outcome"] == "ok"


def test_a_callers_component_that_does_not_fit_is_mended(caller: Caller) -> None:
    said = '{"component":"Card","props":{"children":[{"component":"WeatherCard","props":{"degrees":"warm"}}]}}'
    own = thesys(c1_custom_components=OWN.components)
    card = Card(asked(caller, order("say=" + said), metadata=own), "json", OWN)
    assert "WeatherCard" not in card.names and len(caller.usage(2)) == 2


@BOTH
@pytest.mark.parametrize(("metadata", "param"), [
    ({"thesys": "{"}, "metadata.thesys"),
    ({"thesys": "[]"}, "metadata.thesys"),
    ({"thesys": {"c1_custom_components": {}}}, "metadata.thesys"),
    ({"thesys": '{"a": "' + "x" * 100_000 + '"}'}, "metadata.thesys"),
    (thesys(c1_custom_components={"WeatherCard": "x"}), "metadata.thesys"),
    (thesys(c1_custom_components={"weather": WEATHER_CARD}), "metadata.thesys.c1_custom_components"),
    (thesys(c1_custom_components={"W" * 65: WEATHER_CARD}), "metadata.thesys.c1_custom_components"),
    (thesys(c1_custom_components={f"W{i}": {} for i in range(51)}), "metadata.thesys.c1_custom_components"),
    (thesys(c1_custom_components={"List": {"type": "array"}}), "metadata.thesys.c1_custom_components.List"),
    (thesys(c1_custom_components={"Card": WEATHER_CARD}), "metadata.thesys.c1_custom_components.Card"),
    (thesys(c1_custom_components={"Table": WEATHER_CARD}), "metadata.thesys.c1_custom_components.Table"),
    (thesys(c1_custom_actions={"b-k": BOOK}), "metadata.thesys.c1_custom_actions"),
    (thesys(c1_artifact_type="slides", id="x"), "metadata.thesys.c1_artifact_type"),
    ({"team": "a"}, "metadata"),
    ({"thesys": "{}", "team": "a"}, "metadata"),
    ("thesys", "metadata"),
])  # fmt: skip
def test_metadata_that_cannot_be_used_is_refused(caller: Caller, path: str, metadata: Any, param: str) -> None:
    refused(caller.post(body_of(path, metadata=metadata), path), param)
    assert caller.funds() == (100 * NANO, 0)


# ---- parameters


def refused(response: requests.Response, param: str | None, code: str = "invalid_request") -> str:
    return refusal(response, 400, "invalid_request_error", code, param)


AUDIO = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}


@pytest.mark.parametrize(("fields", "param"), [
    ({"n": 2}, "n"),
    ({"n": True}, "n"),
    ({"functions": [WEATHER["function"]]}, "functions"),
    ({"function_call": "auto"}, "function_call"),
    ({"messages": user([AUDIO])}, "messages[0].content[0]"),
    ({"audio": {"voice": "alloy", "format": "mp3"}}, "audio"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"logprobs": True}, "logprobs"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"temperature": 3}, "temperature"),
    ({"reasoning_effort": 7}, "reasoning_effort"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"messages": []}, "messages"),
    ({"model": None}, "model"),
    ({"model": 7}, "model"),
])  # fmt: skip
def test_what_chat_cannot_serve_is_refused_by_name(caller: Caller, fields: JSON, param: str) -> None:
    for family in FAMILIES[:3]:
        refused(caller.post(body_of(CHAT, model=c1(family)) | fields, CHAT), param)
    assert caller.funds() == (100 * NANO, 0)


@pytest.mark.parametrize(("fields", "param"), [
    ({"background": True}, "background"),
    ({"text": {"format": {"type": "json_object"}}}, "text.format"),
    ({"text": {"format": {"type": "json_schema", "name": "x", "schema": {}}}}, "text.format"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"tools": [{"type": "function", "name": "f"}, {"type": "file_search"}]}, "tools[1].type"),
    ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type"),
    ({"tools": [{"type": "code_interpreter", "container": {}}]}, "tools[0].type"),
    ({"tools": [{"type": "computer_use_preview"}]}, "tools[0].type"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"include": ["message.output_text.logprobs"]}, "include"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ({"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]}, "input[0].type"),
    ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0].type"),
    ({"input": [*user("Hello!"), {"type": "custom_tool_call", "call_id": "c"}]}, "input[1].type"),
    ({"input": user([AUDIO])}, "input[0].content[0]"),
    ({"store": False, "conversation": "conv_1"}, "conversation"),
    ({"store": False, "previous_response_id": "resp_1"}, "previous_response_id"),
    ({"input": None}, "input"),
])  # fmt: skip
def test_what_responses_cannot_serve_is_refused_by_name(caller: Caller, fields: JSON, param: str) -> None:
    refused(caller.post(body_of(RESPONSES) | fields, RESPONSES), param)
    assert caller.funds() == (100 * NANO, 0)


TUNING: JSON = {
    "logit_bias": {"11": 5},
    "prediction": {"type": "content", "content": "Hello"},
    "prompt_cache_key": "key",
    "verbosity": "low",
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "service_tier": "auto",
    "user": "ada",
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ["never"],
    "seed": 7,
    "max_completion_tokens": 900,
    "parallel_tool_calls": True,
    "tools": [WEATHER],
    "tool_choice": "none",
    "n": 1,
    "modalities": ["text"],
    "response_format": {"type": "text"},
    "logprobs": False,
    "function_call": None,
    "metadata": {"thesys": "{}"},
}
# What of it each vendor is told, beyond the words, the tools and the model.
TOLD = {
    "openai/gpt-4o": {
        "logit_bias", "prediction", "prompt_cache_key", "verbosity", "frequency_penalty", "presence_penalty",
        "service_tier", "user", "temperature", "top_p", "stop", "seed", "max_tokens", "parallel_tool_calls",
        "tool_choice",
    },
    "anthropic/claude-sonnet-4-5": {
        "temperature", "stop_sequences", "max_tokens", "service_tier", "metadata", "tool_choice",
    },
    "google/gemini-2.5-flash": {
        "frequencyPenalty", "presencePenalty", "temperature", "topP", "stopSequences", "seed", "maxOutputTokens",
    },
}  # fmt: skip


@pytest.mark.parametrize("family", TOLD)
def test_what_a_vendor_has_not_is_left_out_and_the_rest_arrives(stack: Stack, rich: Caller, family: str) -> None:
    marker = mark()
    Card(asked(rich, marker, c1(family), **TUNING), "json")
    body = stack.heard(marker)[0]["body"]
    assert "thesys" not in json.dumps(body)
    told = {*body, *body.pop("generationConfig", {})} - {"generationConfig", "systemInstruction", "toolConfig"}
    assert told - {"model", "messages", "contents", "system", "tools"} == TOLD[family]


@pytest.mark.parametrize("family", TOLD)
def test_what_responses_take_beside_the_words(stack: Stack, rich: Caller, family: str) -> None:
    marker = mark()
    fields = {
        "include": ["reasoning.encrypted_content"], "max_tool_calls": 3, "max_output_tokens": 900,
        "parallel_tool_calls": True, "prompt_cache_key": "key", "safety_identifier": "ada",
        "prompt_cache_retention": "24h", "user": "ada", "service_tier": "auto", "temperature": 0.5,
        "top_p": 0.9, "tool_choice": "auto", "background": False,
        "text": {"verbosity": "low", "format": {"type": "text"}}, "reasoning": {"summary": "auto"},
        "instructions": "Be kind", "truncation": "disabled", "metadata": {"thesys": "{}"},
    }  # fmt: skip
    response = rich.post({**body_of(RESPONSES, marker, c1(family)), **fields}, RESPONSES)
    reply = response.json()
    Card(content_of(reply), "json")
    echoed = ("max_tool_calls", "prompt_cache_key", "safety_identifier", "temperature", "user")
    assert {name: reply[name] for name in echoed} == {name: fields[name] for name in echoed}
    assert (reply["prompt_cache_retention"], reply["text"]["verbosity"]) == ("24h", "low")
    told = json.dumps(stack.heard(marker)[0]["body"])
    assert "Be kind" in told and "900" in told
    assert ('"prompt_cache_key"' in told) is ('"verbosity"' in told) is (family == "openai/gpt-4o")


@pytest.mark.parametrize("family", TOLD)
@pytest.mark.parametrize(("fields", "param"), [
    ({"prompt_cache_key": 5}, "prompt_cache_key"), ({"max_tool_calls": 0}, "max_tool_calls"),
    ({"text": {"verbosity": "chatty"}}, "text.verbosity"),
])  # fmt: skip
def test_what_is_repeated_is_looked_at_too(rich: Caller, family: str, fields: JSON, param: str) -> None:
    refused(rich.post({**body_of(RESPONSES, "Hello!", c1(family)), **fields}, RESPONSES), param)


def test_web_search_is_asked_of_openai_alone(rich: Caller) -> None:
    for family in TOLD:
        response = rich.post(body_of(CHAT, model=c1(family), web_search_options={}), CHAT)
        code = "unsupported_content" if family == "openai/gpt-4o" else "invalid_request"
        refused(response, "web_search_options", code)


# (3 Flash, 3 Pro), as the reference prints it.
BUDGETS = {
    "none": (0, 256), "minimal": (512, 512), "low": (1024, 1024), "medium": (2048, 2048), "high": (4096, 4096),
    "xhigh": (8192, 8192),
}  # fmt: skip


@pytest.mark.parametrize("effort", BUDGETS)
def test_an_effort_is_a_budget_of_thought_for_gemini(stack: Stack, rich: Caller, effort: str) -> None:
    for family, budget in zip(("gemini-3-flash", "gemini-3-pro"), BUDGETS[effort], strict=True):
        wanted = {"thinkingBudget": budget} | ({"includeThoughts": True} if effort != "none" else {})
        marker = mark()
        asked(rich, marker, c1("google/" + family), reasoning_effort=effort)
        asked(rich, marker, c1("google/" + family), RESPONSES, reasoning={"effort": effort})
        heard = [r["body"]["generationConfig"]["thinkingConfig"] for r in stack.heard(marker)]
        assert heard == [wanted, wanted]


def test_without_an_effort_gemini_decides_for_itself(stack: Stack, rich: Caller) -> None:
    marker = mark()
    asked(rich, marker, c1("google/gemini-3.8-flash"))
    assert "thinkingConfig" not in json.dumps(stack.heard(marker)[0]["body"])


def test_an_effort_reaches_the_others_in_their_own_words(stack: Stack, rich: Caller) -> None:
    openai, anthropic = mark(), mark()
    asked(rich, openai, c1("openai/gpt-6-luna"), reasoning_effort="low")
    asked(rich, anthropic, c1("anthropic/claude-sonnet-4-5"), reasoning_effort="low")
    assert stack.heard(openai)[0]["body"]["reasoning_effort"] == "low"
    assert stack.heard(anthropic)[0]["body"]["thinking"]["type"] == "enabled"


def test_images_are_seen(rich: Caller) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    for family in FAMILIES:
        Card(asked(rich, [{"type": "text", "text": "What is this?"}, image], c1(family)), "json")


def test_the_number_of_messages_is_not_bounded_and_that_of_tools_is(rich: Caller) -> None:
    talk = [{"role": role, "content": "x"} for role in ("user", "assistant")] * 75 + user("x" * 60_000)
    Card(asked(rich, "", messages=talk), "json")
    Card(asked(rich, talk, path=RESPONSES), "json")

    def named(count: int) -> list[JSON]:
        return [{"type": "function", "function": {"name": f"f{i}"}} for i in range(count)]

    Card(asked(rich, "Hello!", tools=named(128)), "json")
    assert "128" in refused(rich.post(body_of(CHAT, tools=named(129)), CHAT), "tools")
    flat = [{"type": "function", **row["function"]} for row in named(129)]
    assert "128" in refused(rich.post(body_of(RESPONSES, tools=flat), RESPONSES), "tools")


@BOTH
@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"\xff\xfe\x00", b'{"model": NaN}', b"[" * 100_000])
def test_what_is_no_json_object_is_the_callers_mistake(rich: Caller, path: str, body: bytes) -> None:
    refused(rich.post(body, path), None, "invalid_json")


@BOTH
def test_deep_nesting_is_no_internal_error(rich: Caller, path: str) -> None:
    for depth in (100, 900, 100_000):
        for field in ("metadata", "messages", "input", "tools", "text"):
            deep = b'{"a":' * depth + b"1" + b"}" * depth
            body = json.dumps(body_of(path))[:-1].encode() + b', "%b": %b}' % (field.encode(), deep)
            assert rich.post(body, path).status_code < 500
        deep_schema: Any = '{"c1_custom_components": {"A": %s}}' % ('{"items":' * depth + "{}" + "}" * depth)
        assert rich.post(body_of(path, metadata={"thesys": deep_schema}), path).status_code < 500


# ---- who asks, and for what


def get(caller: Caller, what: str, method: str = "GET") -> requests.Response:
    return caller.stack.http.request(method, caller.stack.url + BASE + what, headers=caller.headers(), timeout=10)


WAYS = [
    ("POST", "/chat/completions"), ("POST", "/responses"), ("GET", "/responses/resp_x"),
    ("DELETE", "/responses/resp_x"), ("POST", "/responses/resp_x/cancel"), ("GET", "/responses/resp_x/input_items"),
    ("GET", "/models"), ("GET", "/models/c1/openai/gpt-4o/v-20250930"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "what"), WAYS)
def test_a_key_that_is_none_is_403(stack: Stack, method: str, what: str) -> None:
    expired = stack.caller(expires_at_ms=1).key
    for key, code in (("", "missing_api_key"), ("sk-thermo-" + "x" * 32, "invalid_api_key"), (expired, None)):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        response = stack.http.request(method, stack.url + BASE + what, data=b"no JSON", headers=headers)
        refusal(response, 403, "authentication_error", code or response.json()["error"]["code"])


@BOTH
@pytest.mark.parametrize("model", [
    "gpt-4o", "auto", "c1", "c1/", "c1/openai/gpt-4o", "c1/openai/gpt-4o/latest", "c1/openai/gpt-4o/v-20240101",
    "c1/mistral/large/v-20250930", "c1/openai/claude-sonnet-4-5/v-20250930", "c1/openai/gpt-5000/v-20250930",
    "c1/openai/text-embedding-3-small/v-20250930", "c1/google/gemini-3.1-flash-image/v-20250930",
    "c1/artifact/v-20251030", "c2/openai/gpt-4o/v-20250930", "c1/openai/auto/v-20250930", "x" * 5_000,
])  # fmt: skip
def test_what_is_no_c1_model_is_404(caller: Caller, path: str, model: str) -> None:
    message = refusal(
        caller.post(body_of(path, model=model), path), 404, "not_found_error", "model_not_found", "model"
    )
    assert len(message) < 600 and caller.funds() == (100 * NANO, 0)


def test_experimental_ids_dots_and_aliases_find_their_models(rich: Caller) -> None:
    for model, actual in (
        ("c1-exp/openai/gpt-4o/v-20250709", "gpt-4o"),
        ("c1/anthropic/claude-sonnet-4.5/v-20250815", "claude-sonnet-4-5"),
        ("c1/anthropic/claude-sonnet/v-20250617", "claude-sonnet-4-5"),
        ("c1/google/gemini-3-flash/v-20251230", "gemini-3.8-flash"),
        ("c1/google/gemini-3-pro/v-20251230", "gemini-3.1-pro-preview"),
    ):
        reply = rich.post(body_of(CHAT, model=model), CHAT).json()
        assert (reply["model"], reply["x_thermostat"]["actual_model"]) == (model, actual)
        Card(content_of(reply), "json")


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_the_books_keep_the_id_that_was_asked_for(caller: Caller, path: str, stream: bool) -> None:
    model = "c1/anthropic/claude-sonnet-4/v-20250930"
    response = caller.post(body_of(path, broken("json"), model, stream=stream), path)
    assert response.status_code == 200 and response.content
    rows = caller.usage(2)
    assert {(row["requested_model"], row["model"]) for row in rows} == {(model, "claude-sonnet-5-5")}


@BOTH
def test_without_credit_nothing_is_asked_of_anybody(stack: Stack, path: str) -> None:
    poor, marker = stack.caller(0), mark()
    for stream in (False, True):
        refusal(
            poor.post(body_of(path, marker, stream=stream), path), 402, "insufficient_credits",
            "insufficient_credits",
        )  # fmt: skip
    assert stack.heard(marker) == [] and poor.funds() == (0, 0)


@BOTH
def test_a_key_uses_the_models_it_may(stack: Stack, path: str) -> None:
    few = stack.caller(models=["gpt-4o"])
    Card(asked(few, path=path), "json")
    response = few.post(body_of(path, model=c1(FAMILIES[1])), path)
    refusal(response, 403, "permission_error", "model_not_allowed", "model")
    disabled = stack.caller(disabled=True)
    assert disabled.post(body_of(path), path).status_code == 403
    listed = [row["id"] for row in get(few, "/models").json()["data"]]
    assert listed == [f"c1/openai/gpt-4o/{version}" for version in VERSIONS]


def test_requests_are_counted_and_told_and_refused(stack: Stack) -> None:
    caller = stack.caller(rpm=3)
    assert caller.post(b"{", CHAT).status_code == 400
    assert caller.post(body_of(RESPONSES, background=True), RESPONSES).status_code == 400
    assert get(caller, "/models").status_code == 200
    answers = [
        caller.post(body_of(CHAT, broken("json")), CHAT),
        caller.post(body_of(RESPONSES), RESPONSES),
        caller.post(body_of(CHAT, order("status=500")), CHAT),
    ]
    assert [limits(answer)[:2] for answer in answers] == [(3, 2), (3, 1), (3, 0)]
    for path in (CHAT, RESPONSES):
        response = caller.post(body_of(path), path)
        refusal(response, 429, "rate_limit_error", "rate_limit_exceeded")
        assert 1 <= int(response.headers["Retry-After"]) <= 61 and limits(response)[:2] == (3, 0)
    assert len(caller.usage(4)) == 4, "an answer, its repair, a response, and one that failed"


def test_many_at_once_get_their_own_cards(caller: Caller) -> None:
    def ask(i: int) -> str:
        marker = mark()
        text = broken("json").replace("sound", marker) if i % 2 else marker
        content = asked(caller, text, c1(FAMILIES[i % 4], "json"))
        assert marker in content
        return content

    for content in at_once(12, ask):
        assert not Card(content, "json").complains
    assert len(caller.usage(18)) == 18 and caller.funds()[1] == 0


# ---- models


def test_the_list_has_each_model_in_each_shown_version(rich: Caller) -> None:
    rows = {row["id"]: row for row in get(rich, "/models").json()["data"]}
    for family in (*FAMILIES[:3], "anthropic/claude-sonnet-4", "google/gemini-3-flash", "google/gemini-3-pro"):
        for version in VERSIONS:
            row = rows[f"c1/{family}/{version}"]
            assert row["object"] == "model" and row["owned_by"] == family.partition("/")[0]
            assert get(rich, f"/models/{row['id']}").json() == row
    assert all(re.fullmatch(r"c1/(openai|anthropic|google)/\S+/v-\d{8}", name) for name in rows)
    assert "c1/openai/house/of/words/v-20251230" in rows, "a name may have slashes of its own"
    assert not [name for name in rows if "embedding" in name or "image" in name or "unpriced" in name]


def test_every_listed_model_answers(rich: Caller) -> None:
    for row in get(rich, "/models").json()["data"]:
        if row["id"].endswith("v-20260331"):
            Card(asked(rich, "Hello!", row["id"]), "openui")


@pytest.mark.parametrize("name", ["gpt-4o", "c1/openai/gpt-5000/v-20250930", "c1/openai/gpt-4o", "x" * 3_000])
def test_a_model_that_is_not_there_is_404(rich: Caller, name: str) -> None:
    refusal(get(rich, f"/models/{name}"), 404, "not_found_error", "model_not_found", "model")


# ---- responses afterwards


def test_a_response_is_kept_unless_told_otherwise(caller: Caller) -> None:
    kept = caller.post(body_of(RESPONSES), RESPONSES).json()
    assert kept["store"] is True and kept["background"] is False and kept["metadata"] == {}
    assert get(caller, f"/responses/{kept['id']}").json() == kept
    gone = caller.post(body_of(RESPONSES, store=False), RESPONSES).json()
    assert gone["store"] is False
    missing(get(caller, f"/responses/{gone['id']}"))
    (item,) = get(caller, f"/responses/{kept['id']}/input_items").json()["data"]
    assert item["content"][0]["text"] == "Hello!"
    assert refused(get(caller, f"/responses/{kept['id']}/cancel", "POST"), None, "invalid_request")
    assert get(caller, f"/responses/{kept['id']}", "DELETE").json()["deleted"] is True
    missing(get(caller, f"/responses/{kept['id']}"))
    response = caller.post(body_of(RESPONSES, previous_response_id=kept["id"]), RESPONSES)
    assert response.status_code in (400, 404)


def missing(response: requests.Response) -> None:
    assert response.status_code == 404 and response.json()["error"]["type"] == "not_found_error", response.text


def test_somebody_elses_response_is_not_there(caller: Caller, rich: Caller) -> None:
    made = caller.post(body_of(RESPONSES), RESPONSES).json()["id"]
    for method, what in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
        missing(get(rich, f"/responses/{made}{what}", method))
    assert rich.post(body_of(RESPONSES, previous_response_id=made), RESPONSES).status_code in (400, 404)
    assert get(caller, f"/responses/{made}").status_code == 200


def test_paths_that_nobody_serves_speak_the_same_language(rich: Caller) -> None:
    for what in ("/nothing", "/embeddings", "/images/generations"):
        refusal(rich.post(b"{}", BASE + what), 404, "not_found_error", "not_found")
    response = get(rich, "/chat/completions")
    refusal(response, 405, "invalid_request_error", "method_not_allowed")
    assert "POST" in response.headers["Allow"]
