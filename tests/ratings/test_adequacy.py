import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thermly.exchange import (
    ChatRequest,
    Choice,
    Media,
    Message,
    Reasoning,
    Refusal,
    Reply,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
)
from thermly.ratings import adequacy
from thermly.ratings.adequacy import inadequate

PLAIN = ChatRequest("auto", (Message("user", (Text("Hello!"),)),))
PERSON = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
AS_JSON = replace(PLAIN, response_format=ResponseFormat("json_object"))
AS_PERSON = replace(PLAIN, response_format=ResponseFormat("json_schema", PERSON))
TOOLED = replace(PLAIN, tools=(Tool("look"), Tool("find")))
TYPED = replace(PLAIN, tools=(Tool("look", parameters=PERSON),))
FORCED = replace(TOOLED, tool_choice=ToolChoice("required"))


def reply(*parts, reason="stop"):
    return Reply((Choice(tuple(Text(p) if isinstance(p, str) else p for p in parts), reason),))


def call(arguments="{}", name="look"):
    return ToolCall("1", name, arguments)


FAULTY = {
    "refusal": (PLAIN, reply(Refusal("No.")), adequacy.REFUSED),
    "filtered": (PLAIN, reply("Well", reason="content_filter"), adequacy.REFUSED),
    "cut": (PLAIN, reply("Once upon", reason="length"), adequacy.CUT),
    "nothing": (PLAIN, reply(), adequacy.EMPTY),
    "blank": (PLAIN, reply(" \n"), adequacy.EMPTY),
    "only thoughts": (PLAIN, reply(Reasoning("Hm.")), adequacy.EMPTY),
    "blank, with tools": (TOOLED, reply(""), adequacy.EMPTY),
    "no JSON": (AS_JSON, reply("Sure! {}"), adequacy.NO_JSON),
    "fenced JSON": (AS_JSON, reply("```json\n{}\n```"), adequacy.NO_JSON),
    "a list": (AS_JSON, reply("[1]"), adequacy.NO_OBJECT),
    "a number": (AS_JSON, reply("5"), adequacy.NO_OBJECT),
    "arguments without what is required": (TYPED, reply(call()), adequacy.UNFIT),
    "half JSON": (AS_PERSON, reply('{"age": 3'), adequacy.NO_JSON),
    "half a sign": (AS_JSON, reply('"\ud800"'), adequacy.NO_JSON),
    "misfit": (AS_PERSON, reply('{"age": "three"}'), adequacy.MISFIT),
    "no call": (FORCED, reply("I would rather talk."), adequacy.NO_CALL),
    "stranger": (TOOLED, reply(call(name="delete")), adequacy.STRANGER),
    "stranger without tools": (PLAIN, reply(call()), adequacy.STRANGER),
    "one of two a stranger": (TOOLED, reply(call(), call(name="x")), adequacy.STRANGER),
    "not the one that may be called": (
        replace(TOOLED, tool_choice=ToolChoice("required", ("find",))),
        reply(call()),
        adequacy.STRANGER,
    ),
    "half arguments": (TOOLED, reply(call('{"a": ')), adequacy.NO_ARGUMENTS),
    "arguments in a list": (TOOLED, reply(call("[1]")), adequacy.NO_ARGUMENTS),
    "one of two with half arguments": (TOOLED, reply(call(), call("{")), adequacy.NO_ARGUMENTS),
}
FINE = {
    "words": (PLAIN, reply("Hello.")),
    "thoughts and words": (PLAIN, reply(Reasoning("Hm."), "Hello.")),
    "a picture": (PLAIN, reply(Media("image", data="AA=="))),
    "words beside offered tools": (TOOLED, reply("Hello.")),
    "a call": (FORCED, reply(call('{"a": 1}'))),
    "a call without arguments": (FORCED, reply(call(" "))),
    "a call where JSON was asked for": (replace(AS_PERSON, tools=(Tool("look"),)), reply(call())),
    "JSON": (AS_JSON, reply(' {"a": 1} ')),
    "arguments that fit": (TYPED, reply(call('{"age": 3}'))),
    "JSON in parts": (AS_JSON, reply('{"a"', ": 1}")),
    "JSON after thoughts": (AS_JSON, reply(Reasoning("{"), "{}")),
    "a fit": (AS_PERSON, reply('{"age": 3, "name": "x"}')),
    "deep JSON": (AS_JSON, reply("[" * 100_000 + "]" * 100_000)),
    "deep arguments": (TOOLED, reply(call('{"a":' * 100_000 + "1" + "}" * 100_000))),
    "cut at the caller's bound": (replace(PLAIN, max_output_tokens=5), reply("Once upon", reason="length")),
    "JSON cut at the caller's bound": (replace(AS_JSON, max_output_tokens=5), reply('{"a', reason="length")),
    "nothing left of the caller's bound": (replace(PLAIN, max_output_tokens=5), reply(reason="length")),
    "nothing before a stop sequence": (replace(PLAIN, stop=("x",)), reply("")),
    "JSON before a stop sequence": (replace(AS_JSON, stop=("}",)), reply('{"a": 1')),
    "JSON that the caller began": (
        replace(AS_JSON, messages=(*PLAIN.messages, Message("assistant", (Text('{"a"'),)))),
        reply(": 1}"),
    ),
    "a vendor's own tool": (replace(PLAIN, extras={"anthropic": {"tools": [{}]}}), reply()),
}


@pytest.mark.parametrize("case", FAULTY)
def test_what_nobody_could_use_is_seen(case: str):
    request, given, fault = FAULTY[case]
    assert inadequate(request, given) == fault


@pytest.mark.parametrize("case", FINE)
def test_what_somebody_may_use_is_let_be(case: str):
    assert inadequate(*FINE[case]) is None


def test_one_good_choice_is_enough():
    good, bad, other = reply("Hello.").choices, reply("").choices, reply(Refusal("No.")).choices
    assert inadequate(PLAIN, Reply(good + bad)) is inadequate(PLAIN, Reply(bad + good)) is None
    assert inadequate(PLAIN, Reply(bad + other)) == adequacy.EMPTY
    assert inadequate(PLAIN, Reply(())) is None


ANY_TEXT = st.text(st.characters(codec=None), max_size=30)


@given(ANY_TEXT, ANY_TEXT, st.sampled_from([PLAIN, AS_JSON, AS_PERSON, TOOLED, FORCED]))
def test_no_answer_is_too_odd_to_be_looked_at(text: str, arguments: str, request: ChatRequest):
    for given_ in (reply(text), reply(text, call(arguments, text))):
        assert inadequate(request, given_) is None or inadequate(request, given_).startswith("it")
