"""The log tells what happened, and nobody's secrets."""

from __future__ import annotations

import time

import pytest

from stories.stack import CHAT, Stack, mark, order, user

pytestmark = pytest.mark.last
UNHEARD_OF = ("Traceback", "ERROR", "CRITICAL", "SIGSEGV", "Fatal Python error", "was sent SIG")
PROVIDERS = ("openai", "anthropic", "google", "deepseek")


def test_no_key_and_no_prompt_is_in_the_log(stack: Stack) -> None:
    caller, prompt, system = stack.caller(), mark(), mark()
    models = ("auto", "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "deepseek-v4-flash")
    talk = [{"role": "system", "content": system}]
    faults = ("", "status=500", "status=400", "badjson", "cut=1", "inband=1", "block")
    for model in models:
        for fault in faults:
            text = order(fault, prompt) if fault else prompt
            caller.post({"model": model, "messages": talk + user(text), "stream": model in models[::2]})
    bad = [
        {"model": prompt, "messages": user(prompt)},
        {"model": "gpt-4o", "messages": user(prompt), "temperature": prompt},
        {"model": "gpt-4o", "messages": [{"role": prompt, "content": prompt}]},
        {"model": "gpt-4o", "messages": user(prompt), "tool_choice": {"function": {"name": prompt}}},
        {"model": "gpt-4o", "messages": user([{"type": "image_url", "image_url": {"url": prompt}}])},
        {"model": "gpt-4o", "messages": user(prompt), "response_format": {"type": "json_object"}},
    ]
    for body in bad:
        caller.post(body)
    for headers in ({"Authorization": f"Bearer {caller.key}x"}, {"Authorization": f"Bearer sk-{prompt}"}):
        caller.post({"model": "gpt-4o", "messages": user(prompt)}, headers=headers)
    caller.post({}, f"/v1/{prompt}")
    caller.post({}, f"{CHAT}?key={caller.key}")
    with caller.open(order("chunks=100 interval_ms=20", prompt)) as stream:
        stream.read(3)
    with stack.upstream(**{name: {"down": True} for name in PROVIDERS}):
        caller.post({"model": "auto", "messages": user(prompt)})
    stack.caller(0).post({"model": "auto", "messages": user(prompt)})
    time.sleep(1)
    log = stack.log()
    assert "failed" in log, "the log tells of upstreams that failed"
    for secret in (caller.key, caller.key.removeprefix("sk-thermo-"), prompt, system, "Bearer sandbox"):
        assert secret not in log, [line for line in log.splitlines() if secret in line][:3]
    assert "sk-thermo-" not in log.replace("sk-thermo-…", "")


def test_a_vendors_sentence_that_quotes_the_caller_is_not_logged(stack: Stack) -> None:
    caller, words = stack.caller(), mark()
    response = caller.ask("Hello!", **{words: 1})
    assert response.status_code == 422 and words in response.text
    assert words not in stack.log()


def test_what_the_caller_was_told_can_be_found_in_the_log(stack: Stack) -> None:
    response = stack.caller().ask(order("status=500"))
    assert response.status_code == 503 and response.headers["x-request-id"] in stack.log()


def test_nothing_that_was_asked_in_the_whole_run_was_an_internal_error(stack: Stack) -> None:
    log = stack.log()
    assert not [line for line in log.splitlines() if any(word in line for word in UNHEARD_OF)]


def test_the_database_keeps_no_key(stack: Stack) -> None:
    caller = stack.caller()
    caller.told()
    for file in stack.folder.glob("thermly.db*"):
        assert caller.key.encode() not in file.read_bytes()
