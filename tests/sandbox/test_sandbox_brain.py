"""The brain, its guesses at tools and arguments, its schemas and its orders: pure, so no socket here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from thermly.sandbox.brain import decide
from thermly.sandbox.directives import BadOrder, Orders, read_orders
from thermly.sandbox.hints import Hints, capitalised
from thermly.sandbox.schemas import instance
from thermly.sandbox.values import Ask, Reply, Tool, Turn, clipped, pieces, tokens

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "Get the current weather in a given place", CITY)
CLOCK = Tool("get_time", "Get the time of day in a city", CITY)


def ask(text: str, **options: Any) -> Reply:
    orders, question = read_orders(text)
    turns = options.pop("turns", (Turn("user", text),))
    return decide(Ask("some-model", turns, question, orders=orders, **options))


def arguments(reply: Reply) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for call in reply.calls]


def test_the_default_answer_names_the_model_and_quotes_the_user() -> None:
    reply = ask("Good morning")
    assert reply.text == ("Hello from the Thermly sandbox: some-model is answering offline. You said: Good morning")
    assert reply.finish == "stop"
    assert ask("Good morning") == reply


def test_images_are_counted_and_cost_tokens() -> None:
    with_images = ask("look", turns=(Turn("user", "look", 2),))
    assert "I can see 2 images." in with_images.text
    assert with_images.usage.prompt == ask("look").usage.prompt + 2 * 85


@pytest.mark.parametrize(("text", "count"), [("", 1), ("a", 1), ("abcd", 1), ("abcde", 2), ("€€", 2)])
def test_tokens_are_a_quarter_of_the_bytes(text: str, count: int) -> None:
    assert tokens(text) == count


def test_prompt_tokens_are_the_sum_over_messages_and_three_each() -> None:
    turns = (Turn("system", "be brief"), Turn("user", "hello"))
    assert ask("hello", turns=turns).usage.prompt == (2 + 3) + (2 + 3)


@pytest.mark.parametrize(
    ("question", "made"),
    [
        ("What's the weather in Paris?", [("get_weather", {"city": "Paris"})]),
        ("weather in Paris and London", [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "London"})]),
        (
            "Weather in Oslo, Rome and New York?",
            [("get_weather", {"city": c}) for c in ("Oslo", "Rome", "New York")],
        ),
        (
            "Weather and time in Paris, France",
            [(n, {"city": "Paris, France"}) for n in ("get_weather", "get_time")],
        ),
        ("please run GET_TIME for Rome", [("get_time", {"city": "Rome"})]),
        ("Call Get_Time for Rome", [("get_time", {"city": "Rome"})]),
        ("Hello there", []),
    ],
)
def test_tools_are_called_when_the_question_means_them(question: str, made: list[tuple[str, Any]]) -> None:
    assert arguments(ask(question, tools=(WEATHER, CLOCK))) == made


def test_the_choice_of_tools_rules() -> None:
    tools = (WEATHER, CLOCK)
    assert ask("weather?", tools=tools, choice="none").calls == ()
    assert [c.name for c in ask("hi", tools=tools, choice="required").calls] == ["get_weather"]
    assert [c.name for c in ask("hi", tools=tools, choice="required", allowed=("get_time",)).calls] == ["get_time"]
    assert len(ask("weather and time in Oslo and Bern", tools=tools, parallel=False).calls) == 1
    assert ask("weather? [[sandbox: say=no]]", tools=tools).text == "no"
    assert ask("weather? [[sandbox: refuse]]", tools=tools, choice="required").calls == ()


def test_results_of_tools_are_quoted() -> None:
    turns = (Turn("user", "weather?"), Turn("assistant", "{}"), Turn("tool", "18 °C"), Turn("tool", "rain"))
    reply = ask("weather?", turns=turns, tools=(WEATHER,))
    assert reply.calls == ()
    assert reply.text == "The tools answered: 18 °C; rain"


def test_numbers_quotations_and_enums_come_from_the_text() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": "number"},
            "title": {"type": "string"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["a", "b", "title"],
    }
    made = instance(schema, Hints('add 7 and 2.5 as "The Sum" in Fahrenheit'))
    assert made == {"a": 7, "b": 2.5, "title": "The Sum", "unit": "fahrenheit"}


NODE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "value": {"type": "integer", "minimum": 3, "multipleOf": 5},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
    },
    "required": ["value", "next", "children"],
}


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"const": 4}, 4),
        ({"type": ["null", "boolean"]}, True),
        ({"type": "STRING", "enum": ["x", "y"]}, "x"),
        ({"type": "string", "minLength": 6}, "hi...."),
        ({"type": "string", "maxLength": 1}, "h"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "integer", "exclusiveMinimum": 4}, 5),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": "a"}]}, [1, "a"]),
        ({"allOf": [{"type": "object", "properties": {"a": {"const": 1}}}, {"required": ["a"]}]}, {"a": 1}),
        ({"oneOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, {"value": 5, "next": None, "children": []}),
    ],
)
def test_instances_are_valid_and_minimal(schema: dict[str, Any], made: Any) -> None:
    assert instance(schema, Hints("hi")) == made


def test_names_are_found_and_sentence_openers_are_not() -> None:
    assert capitalised("Compare Paris, London and Rome. What about Île-de-France?") == [
        "Paris",
        "London",
        "Rome",
        "Île-de-France",
    ]


def test_a_schema_makes_the_answer_json() -> None:
    schema = {"type": "object", "properties": {"people": {"type": "array", "items": {"type": "string"}}}}
    assert json.loads(ask("Alice and Bob", schema=schema).text) == {"people": ["Alice", "Bob"]}


def test_bounds_and_stops_cut_the_answer() -> None:
    short = ask("hello", max_tokens=5)
    assert (short.finish, short.usage.output) == ("length", 5)
    stopped = ask("hello", stops=("offline", "sandbox"))
    assert (stopped.finish, stopped.stop_sequence) == ("sequence", "sandbox")
    assert stopped.text == "Hello from the Thermly "
    thinking = ask("hello", max_tokens=6, reasons=True)
    assert thinking.reasoning and thinking.text and thinking.usage.output <= 6
    cut = ask("weather in Paris", max_tokens=2, tools=(WEATHER,))
    assert (cut.finish, cut.usage.output, cut.calls[0].arguments) == ("length", 2, '{"city":')


@pytest.mark.parametrize(
    ("order", "finish", "text"),
    [
        ("refuse", "refused", ""),
        ("empty", "stop", ""),
        ("length say=ab", "length", "ab"),
        ("say= a]b ", "stop", " a]b "),
    ],
)
def test_orders_shape_the_answer(order: str, finish: str, text: str) -> None:
    reply = ask(f"hello [[sandbox: {order}]]")
    assert (reply.finish, reply.text) == (finish, text)


def test_orders_count_tokens() -> None:
    reply = ask("[[sandbox: tokens=250 cached=40 cache_write=2 reason]]")
    assert reply.usage.output - reply.usage.reasoning == 250
    assert (reply.usage.cached, reply.usage.cache_write, reply.usage.prompt) == (40, 2, 42)
    assert reply.reasoning and reply.usage.reasoning == tokens(reply.reasoning)


def test_broken_arguments_are_broken() -> None:
    with pytest.raises(json.JSONDecodeError):
        arguments(ask("weather in Rome [[sandbox: badjson]]", tools=(WEATHER,)))


def test_orders_are_read_over_standing_ones_and_taken_out_of_the_text() -> None:
    orders, text = read_orders("a [[sandbox: status=503]] b [[sandbox: hang=0.5 html]]", Orders(status=429, cut=2))
    assert orders == Orders(status=503, cut=2, hang=0.5, html=True)
    assert text == "a  b"


@pytest.mark.parametrize("order", ["sttaus=500", "status", "status=200", "html=1", "chunks=0", "hang=-1", "cut=x"])
def test_an_order_that_does_not_exist_is_an_error(order: str) -> None:
    with pytest.raises(BadOrder):
        read_orders(f"[[sandbox: {order}]]")


@pytest.mark.parametrize("text", ["", "a", "  two words ", "line\n\nbreaks \n", "ünï cödé"])
@pytest.mark.parametrize("count", [None, 1, 3, 50])
def test_pieces_join_to_the_whole(text: str, count: int | None) -> None:
    assert "".join(pieces(text, count)) == text
    assert all(pieces(text, count))


def test_clipping_leaves_no_broken_character() -> None:
    assert clipped("aaa€", 1) == "aaa"
