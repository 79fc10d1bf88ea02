import datetime
import inspect

import pytest
from msgspec.structs import replace

from thermly import catalog as catalogs
from thermly.errors import InvalidRequest, PermissionDenied, Unavailable, UnknownModel, UnsupportedContent
from thermly.exchange import ChatRequest, Media, Message, ResponseFormat, Text, Tool, ToolChoice
from thermly.routing import plan
from thermly.routing.targets import FEATURES

TODAY = datetime.date(2026, 11, 21)
TUNING_ISH = {"parallel_tools", "reasoning", "sampling", "json_object"}
ROWS = """
[providers.one]
kind = "openai_like"
base_url = "https://one.example"
[providers.two]
kind = "anthropic"
base_url = "https://two.example"
[providers.off]
kind = "gemini"
base_url = "https://off.example"

[aliases]
little = "small"

[models.dear-small]
provider = "one"
tier = "fast"
input_per_mtok = 1
output_per_mtok = 2
[models.small]
provider = "two"
tier = "fast"
context_window = 8_000
can = ["tools", "vision"]
input_per_mtok = 0.1
output_per_mtok = 0.2
[models.old-small]
provider = "one"
tier = "fast"
input_per_mtok = 0.1
output_per_mtok = 0.2
retired_on = 2026-11-21
replacement = "small"
[models.gone]
provider = "one"
retired_on = 2026-01-01
[models.middle]
provider = "one"
tier = "balanced"
can = ["tools", "vision", "n", "json_schema"]
input_per_mtok = 2
output_per_mtok = 8
[models.off-middle]
provider = "off"
tier = "balanced"
input_per_mtok = 1
output_per_mtok = 1
[models.big]
provider = "two"
tier = "best"
can = ["tools", "vision", "json_schema", "forced_tools"]
input_per_mtok = 5
output_per_mtok = 25
[models.gift]
provider = "one"
tier = "best"
"""


def load(*configured):
    return catalogs.load(catalogs.parse(ROWS), dict.fromkeys(configured, "key"))


CATALOG = load("one", "two")
EASY = ChatRequest("auto", (Message("user", (Text("Hello!"),)),))
HARD = ChatRequest("auto", (Message("user", (Text("Prove that there are infinitely many primes."),)),))


def planned(request=EASY, catalog=CATALOG, *, allowed=None, cooling=(), today=TODAY, quality=0.95, **changes):
    asked = replace(request, **changes)
    return plan(asked, catalog, allowed=allowed, cooling=frozenset(cooling), today=today, quality=quality)


def ids(found):
    return [target.model.id for target in found.targets]


def refusal(kind, request=EASY, catalog=CATALOG, **changes):
    with pytest.raises(kind) as raised:
        planned(request, catalog, **changes)
    assert type(raised.value) is kind
    return raised.value


def test_auto_takes_the_cheapest_of_the_tier_that_the_score_chooses_then_the_better_ones():
    found = planned()
    assert (found.tier, found.smart, found.judgement.level) == ("fast", True, 1)
    assert ids(found) == ["small", "dear-small", "middle", "big"]


def test_auto_on_a_hard_request_begins_with_the_best_and_would_rather_answer_weaker_than_not():
    found = planned(HARD)
    assert (found.tier, ids(found)) == ("best", ["big", "middle", "small", "dear-small"])
    assert ids(planned(HARD, load("one"))) == ["middle", "dear-small"]


def test_auto_keeps_the_quality_that_is_asked_for():
    assert [planned(HARD, quality=q).tier for q in (0.5, 0.95, 1.0)] == ["fast", "best", "best"]
    assert [planned(EASY, quality=q).tier for q in (0.5, 0.95, 1.0)] == ["fast", "fast", "best"]
    assert [planned(HARD, model="balanced", quality=q).tier for q in (0.5, 1.0)] == ["balanced"] * 2


def test_auto_knows_only_the_tiers_that_somebody_answers_for():
    assert planned(HARD, load("one")).tier == "balanced", "what is best here has no price"
    assert planned(EASY, load("one"), quality=1.0).tier == "balanced"


def test_auto_tells_its_score_and_the_thresholds():
    *_, reason = planned(EASY).judgement.reasons
    assert reason.startswith("score 0.0") and "for a quality of 95 % fast takes up to 0." in reason
    assert "for a quality of 80 %" in planned(EASY, quality=0.8).judgement.reasons[-1]
    for model in ("fast", "small"):
        assert not any("quality" in told for told in planned(model=model).judgement.reasons)


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ("fast", ["dear-small", "small", "middle", "big"]),
        ("balanced", ["middle", "big"]),
        ("best", ["big"]),
    ],
)
@pytest.mark.parametrize("request_", [EASY, HARD])
def test_a_tier_keeps_the_order_of_the_catalogue_and_never_falls_below(request_, tier, expected):
    found = planned(request_, model=tier)
    assert (found.tier, ids(found)) == (tier, expected)


def test_what_is_passed_over_is_told_with_the_reason():
    assert dict(planned(model="fast").passed_over) == {
        "old-small": "retired on 2026-11-21",
        "off-middle": "no key for off",
        "gift": "has no price",
    }
    passed = dict(planned(model="fast", n=2, allowed=frozenset({"small", "middle"})).passed_over)
    assert passed["small"] == "does not support more than one choice"
    assert passed["big"] == "not allowed for this key"


def test_a_model_retires_on_its_day():
    yesterday = TODAY - datetime.timedelta(days=1)
    assert "old-small" in ids(planned(model="fast", today=yesterday))
    assert ids(planned(model="old-small", today=yesterday)) == ["old-small"]
    assert ids(planned(model="old-small")) == ["small"]


def test_candidates_must_be_able():
    schema = ResponseFormat("json_schema", schema={})
    assert ids(planned(model="fast", response_format=schema)) == ["dear-small", "middle", "big"]
    assert ids(planned(model="fast", n=2)) == ["middle"]


def test_candidates_must_have_room_for_the_input_and_a_little_output():
    long = (Message("user", (Text("word " * 7_000),)),)
    found = planned(model="fast", messages=long)
    assert ids(found) == ["dear-small", "middle", "big"]
    assert dict(found.passed_over)["small"] == "reads at most 8,000 tokens"


def test_cooling_targets_come_last_but_stay():
    assert ids(planned(cooling={"two/small"})) == ["dear-small", "middle", "big", "small"]
    everyone = {target.name for target in planned().targets}
    assert ids(planned(cooling=everyone)) == ids(planned())


def test_allowed_names_stand_for_the_models_behind_them():
    assert ids(planned(allowed=frozenset({"auto"}))) == ids(planned())
    assert ids(planned(allowed=frozenset({"little", "big"}))) == ["small", "big"]
    assert ids(planned(allowed=frozenset({"auto", "big"}), model="fast")) == ["big"]
    for name in ("small", "little", "old-small"):
        for allowed in ("small", "little", "old-small"):
            assert ids(planned(model=name, allowed=frozenset({allowed}))) == ["small"]


@pytest.mark.parametrize("model", ["big", "best"])
def test_what_the_key_may_not_use_is_forbidden_by_name(model):
    error = refusal(PermissionDenied, model=model, allowed=frozenset({"auto", "small"}))
    assert (error.code, error.param) == ("model_not_allowed", "model")
    assert f"'{model}'" in error.message


def test_a_direct_name_is_one_target_and_judged_all_the_same():
    found = planned(HARD, model="little")
    assert (ids(found), found.tier, found.smart) == (["small"], None, False)
    assert found.judgement.level >= 4
    assert ids(planned(model="small", cooling={"two/small"})) == ["small"]


def test_an_id_that_the_catalogue_does_not_have_goes_by_what_it_means():
    asked = replace(EASY, model="c1/two/little/v-1", means="little")
    assert ids(planned(asked)) == ids(planned(asked, allowed=frozenset({"small"}))) == ["small"]
    refusal(PermissionDenied, asked, allowed=frozenset({"auto", "big"}))


def test_an_unknown_name_is_told_with_close_ones_that_are_served():
    error = refusal(UnknownModel, model="smal")
    assert (error.param, error.code) == ("model", "model_not_found")
    assert "'smal'" in error.message and "small" in error.message
    assert "old-smal" not in refusal(UnknownModel, model="off-midle").message
    assert "off-middle" not in refusal(UnknownModel, model="off-midle").message
    assert "big" not in refusal(UnknownModel, model="bigg", allowed=frozenset({"small"})).message.split(".")[1]
    assert len(refusal(UnknownModel, model="x" * 100_000).message) < 300


def test_known_names_that_nobody_can_serve_say_why():
    assert "no key for off" in refusal(UnknownModel, model="off-middle").message
    assert "has no price" in refusal(UnknownModel, model="gift").message
    assert "retired on 2026-01-01" in refusal(UnknownModel, model="gone").message


NEEDS = {
    "vision": {"messages": (Message("user", (Media("image"),)),)},
    "audio_input": {"messages": (Message("user", (Media("audio"),)),)},
    "files": {"messages": (Message("user", (Media("file"),)),)},
    "heic": {"messages": (Message("user", (Media("image", "image/heic", "AA=="),)),)},
    "video": {"messages": (Message("user", (Media("file", "video/mp4", "AA=="),)),)},
    "tools": {"tools": (Tool("x"),)},
    "forced_tools": {"tools": (Tool("x"),), "tool_choice": ToolChoice("required")},
    "json_schema": {"response_format": ResponseFormat("json_schema", schema={})},
    "logprobs": {"logprobs": True},
    "n": {"n": 2},
    "audio_output": {"audio": {}},
    "web_search": {"web_search": {}},
    "prefill": {"messages": (Message("assistant", (Text("So"),)),)},
    "anthropic_tools": {"extras": {"anthropic": {"tools": [{"type": "web_fetch_20250910"}]}}},
    "image_output": {"extras": {"gemini": {"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}}}},
    "gemini_tools": {"extras": {"gemini": {"tools": [{"urlContext": {}}]}}},
}


def test_every_capability_that_a_request_can_need_has_its_row():
    assert set(NEEDS) == set(FEATURES) == catalogs.CAPABILITIES - TUNING_ISH - {"dimensions", "token_input"}
    asked = inspect.getsource(ChatRequest.needs) + inspect.getsource(Media.needs)
    assert all(f'"{need}"' in asked or need.endswith("_tools") for need in FEATURES)


@pytest.mark.parametrize("need", NEEDS)
def test_a_missing_feature_is_refused_by_name(need):
    rows = catalogs.merge(catalogs.parse(ROWS), {"models": {"small": {"can": [], "provider": "one"}}})
    catalog = catalogs.load(rows, {"one": "key"})
    error = refusal(UnsupportedContent, catalog=catalog, model="small", **NEEDS[need])
    param, words = FEATURES[need]
    assert "'small'" in error.message and words in error.message
    assert error.param == ("tools" if need == "forced_tools" else param)


def test_a_feature_that_no_candidate_has_is_refused_by_name():
    error = refusal(UnsupportedContent, model="fast", logprobs=True)
    assert (error.param, error.message) == ("logprobs", "No model behind 'fast' supports log probabilities.")
    together = refusal(
        UnsupportedContent, model="fast", n=2, tools=(Tool("x"),), tool_choice=ToolChoice("required"),
        catalog=catalogs.load(
            catalogs.merge(catalogs.parse(ROWS), {"models": {"dear-small": False}}), {"one": "k", "two": "k"}
        ),
    )  # fmt: skip
    assert together.message.endswith("a forced tool choice and more than one choice together.")


def test_who_takes_fewer_stop_sequences_is_passed_over():
    five = tuple("abcde")
    found = planned(model="fast", stop=five)
    assert ids(found) == ["small", "big"]
    assert dict(found.passed_over)["dear-small"] == "does not support so many stop sequences"
    assert ids(planned(model="fast", stop=five[:4])) == ids(planned(model="fast"))
    assert "off-middle" in ids(planned(catalog=load("one", "off"), model="fast", stop=five))
    error = refusal(UnsupportedContent, catalog=load("one", "off"), model="auto", stop=(*five, "f"))
    assert (error.param, error.message) == ("stop", "No model behind 'auto' supports so many stop sequences.")


def test_too_many_stop_sequences_are_refused_by_a_model_by_its_name():
    error = refusal(UnsupportedContent, model="middle", stop=tuple("abcde"))
    assert (error.param, error.message) == ("stop", "The model 'middle' does not support so many stop sequences.")
    assert ids(planned(model="small", stop=tuple("abcdefgh"))) == ["small"]


@pytest.mark.parametrize("option", ["many_stops", "no_stop"])
def test_a_provider_may_have_no_such_bound(option):
    rows = catalogs.merge(catalogs.parse(ROWS), {"providers": {"one": {"options": [option]}}})
    catalog = catalogs.load(rows, {"one": "key"})
    assert ids(planned(catalog=catalog, model="middle", stop=tuple("abcde"))) == ["middle"]


def test_too_long_an_input_is_refused():
    long = (Message("user", (Text("word " * 1_000_000),)),)
    for model in ("small", "auto", "best"):
        error = refusal(InvalidRequest, model=model, messages=long)
        assert (error.code, error.param) == ("context_length_exceeded", "messages")


def test_an_input_that_may_fit_is_left_to_the_upstream_of_a_direct_model():
    doubtful = (Message("user", (Text("word " * 8_000),)),)
    assert ids(planned(model="small", messages=doubtful)) == ["small"]


def test_nothing_configured_is_unavailable():
    assert "'best'" in refusal(Unavailable, catalog=load(), model="best").message
    refusal(Unavailable, catalog=load())
    refusal(Unavailable, catalog=load("one"), model="best")


def test_every_model_that_ships_can_be_planned_or_says_why_not():
    shipped = catalogs.load(catalogs.builtin(), dict.fromkeys(catalogs.builtin()["providers"], "key"))
    chat = [name for name, model in shipped.models.items() if model.kind == "chat"]
    for name in (*catalogs.SMART, *chat, *shipped.aliases):
        for target in planned(catalog=shipped, model=name).targets:
            assert target.model.retired_on is None or target.model.retired_on > TODAY
