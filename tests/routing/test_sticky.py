import datetime
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thermly import catalog as catalogs
from thermly import pricing
from thermly.amounts import usd
from thermly.catalog import TIERS, Price
from thermly.exchange import ChatRequest, Message, Text, Tool, ToolCall, ToolResult, Usage
from thermly.routing import judge, plan, read, sticky, thresholds
from thermly.routing.sticky import AS_BEFORE, LEAST_CACHED_TOKENS, LOOK_BACK, WARM, Turn, tier

ROWS = catalogs.builtin()
CATALOG = catalogs.load(ROWS, dict.fromkeys(ROWS["providers"], "key"))
TODAY = datetime.date(2026, 11, 21)
EASY, HARD = "Hello!", "Prove rigorously, by induction, that there are infinitely many primes."
FAST, BALANCED, BEST = TIERS

# Pico-dollars per token; the better ones are cheap to go on with and dear to begin with.
CHEAP_TO_GO_ON = {
    FAST: Price(1_000, 1_000, 100, 1_000, 1_000),
    BALANCED: Price(2_000, 1_000, 100, 2_000, 2_000),
    BEST: Price(3_000, 1_000, 100, 3_000, 3_000),
}
NO_CACHE = {name: replace(price, cached_input=price.input) for name, price in CHEAP_TO_GO_ON.items()}
NOBODY = dict.fromkeys(TIERS)


def turns(*wanted, read=10_000, write=100):
    return [Turn(name, read * (i + 1), write) for i, name in enumerate(wanted)]


def talk(*texts, answer="Certainly."):
    """A conversation in which these were the user's turns."""
    messages = []
    for text in texts:
        messages += [Message("user", (Text(text),)), Message("assistant", (Text(answer),))]
    return ChatRequest("auto", tuple(messages[:-1]))


def planned(request):
    return plan(request, CATALOG, allowed=None, cooling=frozenset(), today=TODAY)


# ---- the rule


def test_a_first_turn_gets_what_it_asks_for():
    for wanted in TIERS:
        assert tier(turns(wanted), NO_CACHE) == (wanted, "")


def test_up_goes_at_once():
    assert tier(turns(FAST, BEST), NO_CACHE) == (BEST, "")
    assert tier(turns(BEST, FAST, BALANCED), NO_CACHE) == (BALANCED, "")


def test_down_goes_the_second_turn_that_asks_for_less():
    assert tier(turns(BEST, FAST), NO_CACHE) == (BEST, AS_BEFORE)
    assert tier(turns(BEST, FAST, FAST), NO_CACHE) == (FAST, "")
    assert tier(turns(BEST, BALANCED, FAST), NO_CACHE) == (BALANCED, AS_BEFORE)


def test_a_warm_prompt_cache_keeps_the_better_tier_and_says_what_it_is_worth():
    found, why = tier(turns(BEST, FAST, FAST), CHEAP_TO_GO_ON)
    anew = pricing.cost(Usage(30_000, output_tokens=100), CHEAP_TO_GO_ON[FAST])
    going_on = pricing.cost(Usage(30_000, cached_input_tokens=20_000, output_tokens=100), CHEAP_TO_GO_ON[BEST])
    # 30,000 tokens at 1,000; against 20,000 at 100 and 10,000 at 3,000: what is new weighs more here.
    assert anew < going_on and (found, why) == (FAST, "")
    long = [Turn(BEST, 30_000, 100), Turn(FAST, 30_100, 100), Turn(FAST, 30_200, 100)]
    found, why = tier(long, CHEAP_TO_GO_ON)
    saved_nanousd = 30_200 - (30_100 * 100 + 100 * 3_000) // 1_000
    assert (found, why) == (BEST, WARM.format(worth=usd(saved_nanousd)))


def test_a_conversation_too_short_for_prompt_caches_is_not_kept_by_them():
    def short(tokens):
        return [Turn(BEST, tokens, 0), Turn(FAST, tokens, 0), Turn(FAST, tokens, 0)]

    assert tier(short(LEAST_CACHED_TOKENS), CHEAP_TO_GO_ON)[0] == BEST
    assert tier(short(LEAST_CACHED_TOKENS - 1), CHEAP_TO_GO_ON)[0] == FAST


def test_dear_answers_outweigh_a_warm_cache():
    dear = CHEAP_TO_GO_ON | {BEST: replace(CHEAP_TO_GO_ON[BEST], output=50_000)}
    long = [Turn(BEST, 30_000, 900), Turn(FAST, 30_100, 900), Turn(FAST, 30_200, 900)]
    assert tier(long, CHEAP_TO_GO_ON)[0] == BEST and tier(long, dear)[0] == FAST


def test_what_has_once_been_left_is_not_gone_back_to():
    """It was not worth it at the third turn: then nothing is warm at the fourth."""
    grown = [Turn(BEST, 500, 100), Turn(FAST, 600, 100), Turn(FAST, 30_000, 100), Turn(FAST, 30_100, 100)]
    assert tier(grown, CHEAP_TO_GO_ON)[0] == FAST


def test_without_able_models_nothing_is_warm():
    assert tier(turns(BEST, FAST, FAST, read=0), NOBODY) == (FAST, "")


WANTED = st.lists(st.sampled_from(TIERS), min_size=1, max_size=14)
PRICE = st.integers(0, 20_000)
PRICES = st.fixed_dictionaries(
    {name: st.none() | st.builds(Price, PRICE, PRICE, PRICE, PRICE, PRICE) for name in TIERS}
)
GROWTH = st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 3_000)), min_size=14, max_size=14)


def walked(wanted, growth, prices):
    """The tiers of all answers of a conversation, as ranks."""
    grown, so_far = [], 0
    for name, (more, write) in zip(wanted, growth, strict=False):
        so_far += more
        grown.append(Turn(name, so_far, write))
    windows = [grown[max(0, end - LOOK_BACK) : end] for end in range(1, len(grown) + 1)]
    return [TIERS.index(tier(window, prices)[0]) for window in windows]


@given(WANTED, GROWTH, PRICES)
def test_no_turn_gets_less_than_it_asks_for_and_more_only_after_one_that_asked(wanted, growth, prices):
    ranks, asked = walked(wanted, growth, prices), [TIERS.index(name) for name in wanted]
    for i, rank in enumerate(ranks):
        assert asked[i] <= rank and rank in asked[max(0, i + 1 - LOOK_BACK) : i + 1]


@given(WANTED, GROWTH, PRICES)
def test_the_tier_rises_only_for_a_turn_that_asks_for_it_and_then_stays_for_the_next(wanted, growth, prices):
    ranks, asked = walked(wanted, growth, prices), [TIERS.index(name) for name in wanted]
    for i in range(1, len(ranks)):
        if ranks[i] > ranks[i - 1]:
            assert ranks[i] == asked[i] and ranks[i + 1 : i + 2] >= ranks[i : i + 1][: len(ranks) - i - 1]
        if ranks[i] < ranks[i - 1]:
            assert max(asked[i], asked[i - 1]) < ranks[i - 1], "two turns in a row asked for less"


@given(WANTED, GROWTH)
def test_without_anything_to_save_it_is_the_higher_of_two_turns(wanted, growth):
    asked = [TIERS.index(name) for name in wanted]
    highest = [max(asked[max(0, i - 1) : i + 1]) for i in range(len(asked))]
    assert walked(wanted, growth, NOBODY) == highest


# ---- in conversations


def test_a_first_turn_is_judged_once_and_nothing_else_is_looked_at():
    request = talk(HARD)
    now = judge(read(request))
    assert sticky.judged(request, now) == ((now, 1),)


def test_the_last_turns_are_judged_as_they_were_when_they_came():
    request = talk(*(f"{text} {i}" for i, text in enumerate([EASY, HARD, EASY, HARD, EASY])))
    found = sticky.judged(request, judge(read(request)))
    assert [end for _, end in found] == [3, 5, 7, 9] and len(found) == LOOK_BACK
    for judgement, end in found:
        as_it_was = judge(read(replace(request, messages=request.messages[:end])))
        assert (judgement.score, judgement.level) == (as_it_was.score, as_it_was.level)


def test_a_turn_is_known_again_by_everything_that_was_said():
    first = talk("Is it so?", EASY, answer="Yes.")
    other = talk("Is it so?", EASY, answer="No.")
    tooled = replace(first, tools=(Tool("look"),))
    keys = [sticky._keys(request)[-1] for request in (first, other, tooled)]
    assert len({*keys}) == 3 and sticky._keys(talk("Is it so?", EASY, answer="Yes."))[-1] == keys[0]


def test_while_tools_are_called_the_turn_that_asked_counts():
    call = Message("assistant", (ToolCall("1", "look", "{}"),))
    result = Message("tool", (ToolResult("1", (Text("seen"),)),))
    request = ChatRequest("auto", (*talk(HARD).messages, call, result), tools=(Tool("look"),))
    found = sticky.judged(request, judge(read(request)))
    assert [end for _, end in found] == [1, 3] and planned(request).tier == BEST


def test_a_word_of_thanks_is_answered_by_the_tier_of_the_proof_and_the_next_question_by_its_own():
    first, second, third = (planned(talk(*texts)) for texts in ([HARD], [HARD, EASY], [HARD, EASY, EASY]))
    assert [p.tier for p in (first, second, third)] == [BEST, BEST, FAST]
    assert second.judgement.reasons[-1] == AS_BEFORE and second.judgement.level == 1
    assert AS_BEFORE not in (*first.judgement.reasons, *third.judgement.reasons)


def test_a_long_conversation_is_kept_where_its_cache_is_worth_more():
    rows = {**ROWS, "models": {name: dict(row) for name, row in ROWS["models"].items()}}
    for row in rows["models"].values():
        if row.get("tier") == FAST:
            row |= {"input_per_mtok": 1, "cached_input_per_mtok": 1}
    dear_to_begin = catalogs.load(rows, dict.fromkeys(rows["providers"], "key"))
    long = talk(HARD, EASY, EASY)
    much = Message("assistant", (Text("so on and on " * 20_000),))
    long = replace(long, messages=(long.messages[0], much, *long.messages[2:]))

    def why(catalog):
        found = plan(long, catalog, allowed=None, cooling=frozenset(), today=TODAY)
        return found.tier, found.judgement.reasons[-1]

    kept, reason = why(dear_to_begin)
    assert kept == BEST and "its prompt cache is worth $0." in reason
    assert why(CATALOG)[0] == FAST


@pytest.mark.parametrize("name", TIERS)
def test_who_names_a_tier_gets_it_whatever_was_said_before(name: str):
    for texts in ([HARD, EASY], [EASY, HARD]):
        assert planned(replace(talk(*texts), model=name)).tier == name


SAID = st.lists(st.sampled_from([EASY, HARD, "What is 17 times 23?", "Write a function that sorts a list.",
                                 "Und nun auf Deutsch, bitte.", "x" * 6_000]), min_size=2, max_size=9)  # fmt: skip


@given(SAID)
def test_a_conversation_never_goes_up_and_down_again_at_once(texts):
    plans = [planned(talk(*texts[:end])) for end in range(1, len(texts) + 1)]
    ranks = [TIERS.index(p.tier) for p in plans]
    asked = thresholds.in_force(CATALOG, thresholds.QUALITY, TODAY)
    assert all(not (a < b > c) for a, b, c in zip(ranks, ranks[1:], ranks[2:], strict=False))
    for rank, found in zip(ranks, plans, strict=True):
        assert rank >= TIERS.index(asked.tier(found.judgement.score))


def test_a_long_conversation_is_looked_at_quickly():
    request = talk(*(f"{text} {i}" for i in range(50) for text in (EASY, HARD)))
    now = judge(read(request))
    sticky.judged(request, now)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        sticky.judged(request, now)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.002
