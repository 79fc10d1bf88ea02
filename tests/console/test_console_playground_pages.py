"""The playground in a real browser, on the running stack."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stories.stack import Stack, mark, order, wait_for

from console.conftest import Guest, Visitor
from console.playing import answered, at, c1, said
from thermly.genui.library import library

JSON, OPENUI = "v-20250930", "v-20260331"
HOSTILE = "<script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'>"
STATIC = Path(__file__).parents[2] / "thermly/console/static"


@pytest.fixture
def guest(chromium: Any, member: Visitor) -> Guest:
    return Guest(chromium, member)


def harmless(page: Any) -> bool:
    return bool(
        page.evaluate("window.hurt === undefined")
        and page.locator("main script, main [onerror], main [onclick], main iframe, main [style]").count() == 0
        and page.locator("main [href^='javascript:' i], main [src^='http'], main [href^='data:']").count() == 0
    )


# ---- chat


def test_an_answer_streams_and_is_explained(guest: Guest):
    page = at(guest, "chat")
    answer = said(page, f"Hello {mark()}")
    assert "Hello from the Thermly sandbox" in answer.locator(".body").inner_text()
    summary = answer.locator("details.about > summary")
    wait_for(lambda: "$" in summary.inner_text())
    assert re.search(r"tokens · [\d,]+ ms · \$0\.\d+", summary.inner_text())
    summary.click()
    facts = answer.locator("dl.facts").inner_text()
    for words in ("Answered by", "1 of 5", "short greeting", "First token", "against the best model", "req_"):
        assert words in facts
    assert page.locator("#says").inner_text().startswith("Answer: Hello from")
    assert page.locator("#empty").is_hidden() and page.complaints == []


def test_it_is_seen_before_it_is_complete_and_can_be_stopped(guest: Guest):
    page = at(guest, "chat")
    page.fill("#text", order("chunks=400 interval_ms=50", mark()))
    page.keyboard.press("Control+Enter")
    page.get_by_text("the lazy sandbox").first.wait_for()
    assert page.locator("#turns [aria-busy=true]").count() == 1
    assert page.locator("#says").inner_text() == "", "pieces are not announced"
    page.get_by_role("button", name="Stop").click()
    answer = answered(page, 2)
    assert "The answer is not complete." in answer.inner_text()
    (row,) = wait_for(lambda: guest.visitor.stack.rows(
        "SELECT outcome FROM usage WHERE account_id = :id", id=guest.visitor.account_id), 15)  # fmt: skip
    assert row["outcome"] == "client_gone"
    assert said(page, "Hello again").locator(".body").inner_text().startswith("Hello from")


def test_settings_and_turns_are_sent_and_shown_as_code(guest: Guest, stack: Stack):
    page, told = at(guest, "chat", "gpt-4o-mini"), mark()
    page.fill("#system", f"Be brief, it's {told}")
    page.fill("#temperature", "0.5")
    page.fill("#max-tokens", "300")
    said(page, "What is DNS?")
    said(page, "And 'why'?")
    heard = stack.heard(told)[-1]["body"]
    assert [m["role"] for m in heard["messages"]] == ["system", "user", "assistant", "user"]
    assert heard["temperature"] == 0.5 and heard["stream"] is True
    curl = page.locator("#samples pre").first.inner_text()
    assert f"{stack.url}/v1/chat/completions" in curl and "$THERMLY_KEY" in curl and "sk-thermo" not in curl
    body = json.loads(curl.split("-d '", 1)[1].rstrip().removesuffix("'").replace("'\\''", "'"))
    assert body["max_tokens"] == 300 and body["messages"][-1] == {"role": "user", "content": "And 'why'?"}


def test_an_answer_in_one_piece(guest: Guest):
    page = at(guest, "chat", "gpt-4o-mini")
    page.uncheck("[name=stream]")
    answer = said(page, "Hello")
    assert "Hello from" in answer.inner_text()
    answer.locator("details.about > summary").click()
    assert "First token" not in answer.inner_text()


def test_the_shown_code_runs(guest: Guest, stack: Stack, tmp_path: Path):
    page = at(guest, "chat", "gpt-4o-mini")
    said(page, f'Say "quotes" \\ and\nnew lines {mark()}')
    key = {"THERMLY_KEY": stack.caller().key}
    page.get_by_role("tab", name="Python").click()
    python = page.locator("#samples pre").nth(1).inner_text()
    done = subprocess.run([sys.executable, "-c", python], env={**os.environ, **key}, capture_output=True, text=True)
    assert done.returncode == 0 and "Hello from the Thermly sandbox" in done.stdout, done.stderr
    curl = page.locator("#samples pre").first.text_content()
    shown = subprocess.run(["sh", "-c", curl], env={**os.environ, **key}, capture_output=True, text=True)
    assert shown.returncode == 127 or "data: [DONE]" in shown.stdout, shown.stderr


def test_code_tabs_turn_by_arrow_keys(guest: Guest):
    page = at(guest, "chat", "gpt-4o-mini")
    said(page, "Hello")
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    selected = page.get_by_role("tab", selected=True)
    assert selected.inner_text() == "JavaScript" and "import OpenAI" in page.get_by_role("tabpanel").inner_text()


def test_failures_are_told_in_words_with_their_number(guest: Guest):
    page = at(guest, "chat", "gpt-4o-mini")
    page.fill("#text", order("status=503", "Hello"))
    page.click("[data-send]")
    problem = page.get_by_role("alert")
    problem.get_by_text("Request req_").wait_for()
    assert page.locator("#form #problem .notice").bounding_box()["y"] < page.viewport_size["height"]
    assert page.locator("#turns > li").count() == 0
    assert page.input_value("#text").startswith("Hello"), "what was asked is not lost"


def test_a_stream_that_breaks_off_keeps_what_came(guest: Guest):
    page = at(guest, "chat", "gpt-4o-mini")
    answer = said(page, order("inband=3 chunks=9", "Hello"))
    assert "the lazy" in answer.locator(".body").inner_text()
    assert "The answer is not complete." in answer.inner_text()
    assert "req_" in page.locator("#problem").inner_text()


def test_a_page_that_is_too_old_says_so(guest: Guest):
    page = at(guest, "chat", "gpt-4o-mini")
    page.eval_on_selector("meta[name=csrf-token]", "meta => { meta.content = 'old' }")
    page.fill("#text", "Hello")
    page.click("[data-send]")
    page.get_by_text("This page is out of date: reload it.").wait_for()


def test_what_a_model_writes_is_text(guest: Guest):
    page = at(guest, "chat", "gpt-4o-mini")
    markdown = (
        f"{HOSTILE} [good](https://example.com/a) [bad](javascript:window.hurt=1) ![p](https://example.com/p.png)"
        f"\n\n| a | b |\n|---|---|\n| {HOSTILE} | **2** |\n\n- one\n- two\n\n```html\n{HOSTILE}\n```"
    )
    answer = said(page, order(f"reason say={markdown}"))
    assert "onerror" in answer.inner_text() and harmless(page)
    assert answer.get_by_role("link").evaluate_all("all => all.map(one => one.href)") == [
        "https://example.com/a",
        "https://example.com/p.png",
    ]
    assert answer.locator(".prose > ul > li").count() == 2 and answer.locator("td strong").inner_text() == "2"
    assert HOSTILE in answer.locator("pre:not(.thoughts)").inner_text()
    assert answer.get_by_text("Thoughts", exact=True).count() == 1 and not answer.locator(".thoughts").is_visible()
    assert page.complaints == []


# ---- images, embeddings


def test_a_picture_appears(guest: Guest):
    page = at(guest, "images")
    page.fill("#prompt", f"A cat {HOSTILE}")
    page.select_option("#size", index=1)
    page.click("[data-send]")
    picture = page.locator("figure img")
    picture.wait_for(timeout=40_000)
    wait_for(lambda: picture.evaluate("one => one.complete && one.naturalWidth"))
    assert picture.evaluate("one => one.naturalWidth") > 0 and picture.get_attribute("alt").startswith("A cat")
    assert '"size"' in page.locator("#samples pre").first.inner_text()
    assert page.locator("[aria-busy]").count() == 0 and harmless(page) and page.complaints == []


def test_sizes_are_those_of_the_model(guest: Guest):
    page = at(guest, "images")
    models = page.eval_on_selector_all("#model option", "all => all.map(one => [one.value, one.dataset.sizes])")
    assert len({sizes for _, sizes in models}) > 1
    for name, sizes in models:
        page.select_option("#model", name)
        offered = page.eval_on_selector_all("#size option", "all => all.map(one => one.value)")
        assert offered == ["", *(sizes or "").split()]


def test_texts_are_compared(guest: Guest):
    page = at(guest, "embeddings")
    page.get_by_role("button", name="Add a text").click()
    page.keyboard.type("The cat sleeps on the sofa.")
    page.click("[data-send]")
    page.wait_for_selector("#distances table")
    rows = page.locator("#distances tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => Number(cell.textContent)))"
    )
    assert len(rows) == 4 and all(len(row) == 4 for row in rows)
    assert [rows[i][i] for i in range(4)] == [0] * 4 and rows[0][3] == 0
    assert all(rows[i][k] == rows[k][i] and rows[i][k] >= 0 for i in range(4) for k in range(4))
    assert rows[0][2] > 0.1
    assert "at a distance of 0.000" in page.locator("#says").inner_text()


def test_one_text_is_not_enough(guest: Guest):
    page = at(guest, "embeddings")
    for number in (2, 3):
        page.fill(f"#text-{number}", " ")
    page.click("[data-send]")
    page.get_by_text("Two texts are the least").wait_for()


# ---- generated interfaces


@pytest.mark.parametrize("version", [JSON, OPENUI])
def test_components_are_shown_and_go_on(guest: Guest, version: str):
    page = at(guest, "interfaces")
    c1(page, version)
    card = said(page, "Hello there")
    assert card.get_by_role("heading", name="Hello there").count() == 1
    assert card.locator("strong", has_text="made-up").count() == 1
    assert 'it is <safe>, short & quoted "as is"' in card.inner_text()
    table = said(page, "Compare prices in a table")
    assert table.get_by_role("columnheader").all_inner_texts() == ["Name", "Price"]
    assert table.locator("tbody tr").last.locator("td").all_inner_texts() == ["Water", "–"]
    chart = said(page, "Show a chart of growth")
    assert chart.get_by_role("img").get_attribute("aria-label") == "Lines: World, by 4 labels"
    assert chart.locator("svg path.line").count() == 1 and chart.locator("svg circle").count() == 4
    form = said(page, "Book a dinner with a form")
    form.get_by_role("button", name="Send").click()
    assert page.locator("#turns > li").count() == 8, "a required field is empty"
    form.get_by_label("Name").fill("Ada <b>")
    form.get_by_label("Day").fill("2026-01-02")
    form.get_by_label("Size").select_option(label="Small")
    form.get_by_role("button", name="Send").click()
    answered(page, 10)
    assert page.locator("#turns > li:nth-child(9) .said").inner_text() == (
        "Send\nName: Ada <b>\nDay: 2026-01-02\nSize: Small"
    )
    assert form.get_by_role("button", name="Send").is_disabled(), "it was said"
    page.get_by_role("button", name="Tell me more").last.click()
    assert answered(page, 12).get_by_role("heading", name="Tell me more").count() == 1
    assert page.complaints == []


def test_it_is_shown_child_by_child(guest: Guest):
    page = at(guest, "interfaces")
    c1(page, OPENUI)
    words = 'root = Card([a, b])\na = TextContent("The first")\nb = TextContent("The last")\n'
    page.fill("#text", order(f"interval_ms=400 say={words}"))
    page.click("[data-send]")
    made = page.locator("#turns .made")
    made.get_by_text("The first").wait_for()
    assert page.locator("#turns [aria-busy=true]").count() == 1
    assert made.get_by_text("The last").count() == 0
    assert "The last" in answered(page, 2).locator(".made").inner_text()


def test_hostile_components_are_harmless(guest: Guest):
    page = at(guest, "interfaces")
    c1(page, OPENUI)
    quoted = json.dumps(HOSTILE)
    program = "\n".join(
        (
            "root = Card([a, b, c, d, e, f])",
            f"a = TextContent({quoted})",
            'b = ImageBlock("https://example.com/p.png", "a tracker")',
            'c = ImageBlock("javascript:window.hurt=1", "a trap")',
            'd = Buttons([Button("Away", {type: "open_url", url: "javascript:window.hurt=1"}), '
            'Button("Out", {type: "open_url", url: "https://example.com/out"})])',
            f"e = Table([Col({quoted})], [[{quoted}] ])",
            f'f = Form({quoted}, Buttons([Button("Go")]), '
            f'[FormControl({quoted}, Input("p", {quoted}, "password"))])',
        )
    )
    answer = said(page, order(f"say={program}"))
    answer.get_by_role("link", name="Out").wait_for()
    assert harmless(page) and answer.locator("img").count() == 0
    assert answer.get_by_role("link").evaluate_all("all => all.map(one => [one.href, one.rel])") == [
        ["https://example.com/p.png", "noopener noreferrer"],
        ["https://example.com/out", "noopener noreferrer"],
    ]
    assert answer.locator("[type=password]").count() == 0
    assert page.complaints == []


def test_an_answer_without_components_is_a_card_of_words(guest: Guest):
    page = at(guest, "interfaces")
    c1(page, JSON)
    assert "Only words." in said(page, order("say=Only words.")).locator(".made").inner_text()


def test_an_answer_that_is_cut_off_says_so(guest: Guest):
    page = at(guest, "interfaces")
    c1(page, OPENUI)
    answer = said(page, order('length say=root = Card([a, b])\na = TextContent("There")\n'))
    assert answer.locator(".notice.bad").count() == 1 and "cut off" in answer.inner_text()


def test_the_page_knows_every_component_in_its_order():
    order = json.loads(re.search(r"ORDER = (\{.*?\n\});", (STATIC / "c1_library.js").read_text(), re.S)[1])
    assert order == {name: list(c.props) for name, c in library("openui").components.items()}
    shapes = (STATIC / "c1_render.js").read_text() + (STATIC / "c1_forms.js").read_text()
    for form in ("json", "openui"):
        blocks = [c.name for c in library(form).components.values() if c.place in ("root", "block")]
        assert [name for name in blocks if f"  {name}:" not in shapes] == []


# ---- for everybody


def test_without_script_the_page_says_what_it_needs(chromium: Any, member: Visitor):
    context = chromium.new_context(java_script_enabled=False)
    context.add_cookies([{"name": c.name, "value": c.value, "url": member.stack.url} for c in member.http.cookies])
    page = context.new_page()
    page.goto(member.base + "/playground")
    assert "which needs JavaScript" in page.locator("noscript").text_content()
    assert not page.locator("#form").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_what_was_made_can_be_used_by_everybody(guest: Guest, size: str, scheme: str):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = at(guest, "interfaces", size=size, scheme=scheme)
    for text in ("Compare prices in a table", "Show a chart of growth", "Book a dinner with a form"):
        said(page, text)
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    found = axe.Axe().run(page).response["violations"]
    assert [
        f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["impact"] in ("serious", "critical")
    ] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
