import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from thermly import fingerprint
from thermly.exchange import (
    ChatRequest,
    Media,
    Message,
    Reasoning,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Tuning,
)

HOUR_S = 3_600
SAY = Message("user", (Text("hello"),))
EXTRAS = {"openai": {"x": 1}}
BASE = ChatRequest(model="auto", messages=(SAY,), tools=(Tool("look"),))

OTHER = {
    "model": "fast",
    "messages": (SAY, SAY),
    "tools": (),
    "tool_choice": ToolChoice("none"),
    "response_format": ResponseFormat("json_object"),
    "stop": ("x",),
    "max_output_tokens": 5,
    "output_bound": 7,
    "n": 2,
    "logprobs": True,
    "top_logprobs": 3,
    "audio": {},
    "web_search": {},
    "tuning": Tuning(seed=1),
    "extras": EXTRAS,
    "means": "gpt-4o",
}
OTHER_TUNING = {
    "temperature": 0.5,
    "top_p": 0.5,
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "seed": 1,
    "logit_bias": {"1": 2.0},
    "reasoning_effort": "low",
    "verbosity": "low",
    "prediction": {"type": "content"},
    "service_tier": "flex",
    "prompt_cache_key": "k",
    "user": "u",
    "store": True,
    "metadata": {"a": "b"},
    "parallel_tool_calls": False,
}
PARTS = (
    Text("x"),
    Refusal("x"),
    Reasoning("x"),
    Text("x", EXTRAS),
    Text("y"),
    Media("image"),
    Media("audio"),
    Media("image", media_type="image/png"),
    Media("image", data="QQ=="),
    Media("image", url="https://x.example"),
    Media("image", name="x"),
    ToolCall("a", "x", "{}"),
    ToolCall("b", "x", "{}"),
    ToolCall("a", "y", "{}"),
    ToolCall("a", "x", "{ }"),
    ToolResult("a", (Text("x"),)),
    ToolResult("b", (Text("x"),)),
    ToolResult("a", (Text("x"), Text(""))),
    ToolResult("a", (Media("image"),)),
    ToolResult("a", (Text("x"),), name="x"),
    ToolResult("a", (Text("x"),), is_error=True),
)


def key(request, scope="acct_1"):
    return fingerprint.of(request, scope).key


def of_parts(*parts):
    return replace(BASE, messages=(Message("user", parts),))


def lifetime(text, **fields):
    return fingerprint.of(ChatRequest("auto", (Message("user", (Text(text),)),), **fields), "a").lifetime_s


def test_the_tables_of_this_test_name_every_field():
    assert set(OTHER) | {"stream", "fresh", "wishes"} == set(ChatRequest.__struct_fields__)
    assert set(OTHER_TUNING) == set(Tuning.__struct_fields__)


def test_changing_any_field_changes_the_key():
    changed = [replace(BASE, **{name: value}) for name, value in OTHER.items() if name != "tuning"]
    changed += [replace(BASE, tuning=Tuning(**{name: value})) for name, value in OTHER_TUNING.items()]
    assert len({key(request) for request in (BASE, *changed)}) == 1 + len(changed)


def test_changing_any_part_or_its_kind_changes_the_key():
    keys = {key(of_parts(part)) for part in PARTS}
    assert len(keys) == len(PARTS)
    assert key(of_parts(Text("x"), Refusal("y"))) != key(of_parts(Refusal("x"), Text("y")))
    assert key(of_parts(Text("ab"))) != key(of_parts(Text("a"), Text("b")))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fresh", [True, False])
def test_how_the_answer_is_delivered_does_not_change_the_key(stream, fresh):
    assert key(replace(BASE, stream=stream, fresh=fresh, wishes=("include_usage",))) == key(BASE)


@pytest.mark.parametrize("model", ["gpt-4o", "claude-haiku", "AUTO", ""])
def test_a_model_asked_for_by_name_is_never_cached(model):
    assert fingerprint.of(replace(BASE, model=model), "acct_1") is None


scopes = st.text(string.printable, max_size=12)
requests = st.builds(
    ChatRequest,
    model=st.sampled_from(("auto", "fast", "balanced", "best")),
    messages=st.lists(
        st.builds(Message, st.sampled_from(("user", "assistant")), st.tuples(st.builds(Text, scopes))), max_size=3
    ).map(tuple),
    n=st.integers(1, 4),
    stop=st.lists(scopes, max_size=2).map(tuple),
    extras=st.none() | st.dictionaries(scopes, st.dictionaries(scopes, st.integers() | scopes)),
)


@given(requests, requests, scopes, scopes)
def test_keys_are_equal_exactly_when_request_and_scope_are(one, other, scope, other_scope):
    assert (key(one, scope) == key(other, scope)) is (one == other)
    assert (key(one, scope) == key(one, other_scope)) is (scope == other_scope)


@given(requests, scopes, scopes)
def test_two_accounts_never_share(request, account, other):
    assume(account != other)
    assert key(request, account) != key(request, other)


def test_the_order_of_keys_in_a_schema_does_not_matter():
    one = replace(BASE, tools=(Tool("look", parameters={"a": 1, "b": {"c": 2, "d": 3}}),))
    other = replace(BASE, tools=(Tool("look", parameters={"b": {"d": 3, "c": 2}, "a": 1}),))
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("What's the weather in Rome?", 1),
        ("Wie ist der Kurs der Aktie heute?", 1),
        ("Quelle est la météo aujourd'hui ?", 1),
        ("¿Qué noticias hay hoy?", 1),
        ("Bugün hava nasıl?", 1),
        ("今天北京天气怎么样", 1),
        ("Write a poem about rain", 2),
        ("Schreibe ein Gedicht über den Regen", 2),
        ("写一首诗,关于雨", 2),
        ("Translate 'good morning' into French", 24),
        ("def f(x):\n```python\nx```", 24),
        ("Was bedeutet Gemütlichkeit?", 24),
        ("请解释这段代码", 24),
        ("Solve this equation: x + 1 = 2", 24),
        ("Who wrote Faust?", 12),
    ],
)
def test_an_answer_lives_as_long_as_its_kind_of_query_lets_it(text, hours):
    assert lifetime(text) == hours * HOUR_S


def test_sampled_answers_tools_and_long_talks_age_faster():
    assert lifetime("Who wrote Faust?", tuning=Tuning(temperature=0.8)) == 2 * HOUR_S
    assert lifetime("Who wrote Faust?", tuning=Tuning(temperature=0.2)) == 12 * HOUR_S
    assert lifetime("Who wrote Faust?", tools=(Tool("look"),)) == 4 * HOUR_S
    assert fingerprint.of(replace(BASE, tools=(), messages=(SAY,) * 5), "a").lifetime_s == 4 * HOUR_S
    assert fingerprint.of(replace(BASE, tools=(), messages=(SAY,) * 4), "a").lifetime_s == 12 * HOUR_S


@given(requests)
def test_every_lifetime_is_between_one_hour_and_a_day(request):
    assert HOUR_S <= fingerprint.of(request, "a").lifetime_s <= 24 * HOUR_S
