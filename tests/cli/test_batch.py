"""`thermly route --batch`: a request a line, an answer a line, whatever the lines are."""

import datetime
import json
import subprocess
import sys

import pytest

from thermly import catalog as catalogs
from thermly.cli.batch import answers, request
from thermly.exchange import Media
from thermly.routing import thresholds
from thermly.routing.recalibration import AS_SHIPPED, Recalibration

ROWS = catalogs.builtin()
PRICES = thresholds.prices_of(
    catalogs.load(ROWS, dict.fromkeys(ROWS["providers"], "key")), datetime.date(2026, 11, 21)
)
SHIPPED = thresholds.of(thresholds.QUALITY, PRICES)


def answered(*documents):
    return [json.loads(line) for line in answers((json.dumps(d).encode() for d in documents), SHIPPED, AS_SHIPPED)]


def asked(content, **fields):
    return {"id": "a", "messages": [{"role": "user", "content": content}], **fields}


def test_each_line_is_judged():
    easy, hard = answered(asked("Hello!"), asked("Prove that there are infinitely many primes."))
    assert easy["tier"] == "fast" and hard["tier"] != "fast"
    assert 0 <= easy["score"] < hard["score"] <= 1


def test_contents_may_be_parts_and_tools_of_either_make():
    parts = [{"type": "text", "text": "What is"}, {"type": "image_url", "image_url": {"url": "x"}}, " this?", 3]
    found = request(asked(parts, tools=[{"type": "function", "function": {"name": "f"}}, {"name": "g"}, None]))
    assert found.messages[0].text == "What is this?"
    assert [type(part) for part in found.media()] == [Media]
    assert [tool.name for tool in found.tools] == ["f", "g"]
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert request(asked("x", tools=[{"name": "f", "input_schema": schema}])).tools[0].parameters == schema


def test_roles_are_told_apart_and_strange_ones_are_users():
    roles = ["system", "developer", "user", "assistant", "tool", "function", "pirate", 5]
    found = request({"messages": [{"role": role, "content": "x"} for role in roles]})
    assert [m.role for m in found.messages] == [
        "system", "developer", "user", "assistant", "tool", "tool", "user", "user",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b"junk",
        b"3",
        b"[]",
        b"{}",
        b'{"messages": 3}',
        b'{"messages": [3]}',
        b'{"messages": []}',
        b'{"id": NaN, "messages": [{"role": "user", "content": "Hello!"}]}',
        b'{"messages"',
        b"\xff\xfe",
        b"[" * 9_999,
    ],
)
def test_a_bad_line_is_answered_and_ends_nothing(line):
    bad, good = [json.loads(a) for a in answers([line, json.dumps(asked("Hello!")).encode()], SHIPPED, AS_SHIPPED)]
    assert bad["error"] and bad["id"] is None
    assert good["tier"] == "fast"


def test_a_bad_request_keeps_its_id_and_odd_contents_are_read_as_nothing():
    assert answered({"id": 7, "messages": "x"})[0]["id"] == 7
    assert [found["tier"] for found in answered(asked(None), asked(4), asked({}), asked("\ud800"))] == ["fast"] * 4


def test_a_blank_line_is_answered_as_one_that_is_no_request():
    found = [json.loads(answer) for answer in answers([b"\n", b"  \n"], SHIPPED, AS_SHIPPED)]
    assert [row["id"] for row in found] == [None, None] and all(row["error"] for row in found)


def test_tiers_follow_the_quality_and_scores_what_was_learned_here():
    frugal, learned = thresholds.of(0.5, PRICES), Recalibration(3.0, 1.0)
    hard = json.dumps(asked("Prove that there are infinitely many primes.")).encode()
    easy = json.dumps(asked("Write a haiku about coding.")).encode()
    (answer,) = map(json.loads, answers([hard], frugal, AS_SHIPPED))
    assert answer["tier"] == "fast"
    before, after = (json.loads(next(answers([easy], SHIPPED, what))) for what in (AS_SHIPPED, learned))
    assert (before["tier"], after["tier"]) == ("fast", "best")
    assert after["score"] == pytest.approx(learned.chance(before["score"]), abs=1e-4)


def test_the_answer_is_there_before_the_next_line_is_sent():
    command = [sys.executable, "-m", "thermly", "route", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        for number in range(3):
            process.stdin.write(json.dumps({**asked("Hello!"), "id": number}).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(10) == 0
