"""The pages in a real browser: the whole way of a key, every page for everybody's eyes and hands."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from stories.stack import Caller, Stack, mark, wait_for

from console.conftest import Arrive, Guest
from thermly import ids
from thermly.money import codes
from thermly.store import accounts

PAGES = (
    *("/", "/keys", "/keys/new", "/billing", "/billing/codes", "/usage", "/models", "/models/changes"),
    *("/models/explain", "/models/new", "/playground", "/profile", "/accounts", "/accounts/new", "/settings"),
)
SERIOUS = {"serious", "critical"}


@pytest.fixture
def furnished(stack: Stack, arrive: Arrive) -> Any:
    """An admin whose account has a key and some traffic, so that pages show more than that they are empty."""
    visitor = arrive("admin")
    caller = Caller(stack, visitor.account_id, stack.key(visitor.account_id, name="shop"))
    for text, model in (("Hello", "auto"), ("Hello", "auto"), ("Prove Fermat's last theorem.", "best")):
        caller.told(f"{text} {mark()}", model)
    sql = "SELECT COALESCE(SUM(requests), 0) AS n FROM usage_day WHERE account_id = :id"
    assert wait_for(lambda: stack.rows(sql, id=visitor.account_id)[0]["n"] == 3, 20)
    return visitor


def complaints(page: Any) -> list[str]:
    """What stands in the way of people with a keyboard or a screen reader."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["impact"] in SERIOUS]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_every_page_can_be_used_by_everybody(chromium: Any, furnished: Any, scheme: str, size: str):
    page = Guest(chromium, furnished).open("/", size, scheme)
    for path in PAGES:
        page.goto(furnished.base + path)
        assert complaints(page) == [], path
        assert page.complaints == [], path
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.viewport_size["width"], f"{path} is wider than the {size}"
        assert page.locator("h1").count() == 1, path


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_long_names_push_nothing_out_of_sight(chromium: Any, stack: Stack, arrive: Arrive, size: str):
    long = "W" * 80 + ids.new()
    with stack.database.begin() as tx:
        made = accounts.create(tx, long, "standard", time.time_ns() // 1_000_000)
        assert made is not None
        accounts.credit(tx, made.id, 10**9, "grant", "", 1)
    visitor = arrive("admin", made.id)
    Caller(stack, made.id, stack.key(made.id, name="M" * 90)).told("Hello", "gpt-4o-mini")
    page = Guest(chromium, visitor).open("/", size)
    whole = page.viewport_size["width"]
    for path in (*PAGES, f"/?account={made.id}", f"/billing?account={made.id}", f"/accounts/{made.id}"):
        page.goto(visitor.base + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= whole, path
        right = "all => all.map(one => one.getBoundingClientRect().right)"
        ends = page.eval_on_selector_all("select, .actions > *", right)
        assert max(ends, default=0) <= whole, path
    page.goto(visitor.base + "/billing")
    row = page.locator(f'tr:has(.name[title="{long}"])')
    assert row.locator(".name").bounding_box()["width"] <= whole / 2
    balance = row.locator("td").first.bounding_box()
    ended = row.locator(".name").bounding_box()
    assert ended["x"] + ended["width"] <= balance["x"], "a name stays in its cell"
    assert balance["x"] + balance["width"] < whole, "the first number is in sight"


def test_times_are_the_same_with_script_and_say_the_readers_own_besides(chromium: Any, furnished: Any):
    page = Guest(chromium, furnished).open("/keys")
    times = page.locator("time")
    assert times.count()
    for told in times.all():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", told.text_content())
        assert told.get_attribute("title").startswith("Here: ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_that_goes_on_shows_a_shade_at_its_end(chromium: Any, furnished: Any, scheme: str):
    page = Guest(chromium, furnished).open("/usage", "phone", scheme)
    style = "getComputedStyle(document.querySelector('.table'))"
    attachment, drawn = (page.evaluate(f"{style}.{name}") for name in ("backgroundAttachment", "backgroundImage"))
    assert attachment.split(", ") == ["local", "local", "scroll", "scroll", "scroll"]
    assert drawn.count("linear-gradient") == 4
    head = page.locator(".table thead th").first
    colour = head.evaluate("one => getComputedStyle(one).backgroundColor")
    assert colour.startswith("rgba"), "it is seen through the head"


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_what_is_explained_is_chosen_in_lines(chromium: Any, furnished: Any, size: str):
    page = Guest(chromium, furnished).open("/models/explain", size)
    select = page.locator("#model").bounding_box()
    button = page.get_by_role("button", name="Explain").bounding_box()
    boxes = [one.bounding_box() for one in page.locator(".wish label.check").all()]
    assert len(boxes) == 3 and all(box["y"] + box["height"] <= button["y"] for box in boxes)
    if size == "desktop":
        middles = [box["y"] + box["height"] / 2 for box in (select, *boxes)]
        assert max(middles) - min(middles) < 4
    else:
        assert {box["x"] for box in boxes} == {select["x"]}


@pytest.mark.parametrize("script", [True, False])
def test_whoever_moves_a_model_can_go_on_moving_it(chromium: Any, furnished: Any, script: bool):
    context = chromium.new_context(java_script_enabled=script)
    base = furnished.stack.url
    context.add_cookies([{"name": c.name, "value": c.value, "url": base} for c in furnished.http.cookies])
    page = context.new_page()
    page.goto(furnished.base + "/models")
    moved, focused = page.locator("section[aria-labelledby=fast] tbody tr").nth(2), []
    name = moved.locator("th a").inner_text()
    button = page.get_by_role("button", name=f"Move {name} up")
    button.focus()
    for _ in range(2):
        with page.expect_navigation():
            page.keyboard.press("Enter")
        focused.append(page.locator(":focus").inner_text())
    assert [" ".join(words.split()) for words in focused] == [f"↑ Move {name} up", f"↓ Move {name} down"]
    assert furnished.post("/models/order/fast", of="/models").status_code == 200


def test_the_way_of_a_key(chromium: Any, stack: Stack, arrive: Arrive):
    visitor = arrive("member")
    page = Guest(chromium, visitor).open("/keys/new")
    page.get_by_label("Name").first.fill("my laptop")
    page.get_by_role("button", name="Make the key").click()
    key = page.locator("code", has_text="sk-thermo-").first.inner_text().strip()
    caller, told = Caller(stack, visitor.account_id, key), mark()
    assert caller.told(f"Hello {told}", "gpt-4o-mini")["choices"]

    page.goto(visitor.base + "/usage")
    assert page.get_by_text("gpt-4o-mini").count() and page.get_by_text("my laptop").count()
    assert told not in page.content(), "prompts are nobody's business"

    page.goto(visitor.base + "/keys")
    assert key not in page.content(), "a key is shown once"
    page.get_by_role("link", name="my laptop").first.click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=re.compile("revoke", re.I)).first.click()
    page.wait_for_load_state()
    response = caller.ask("Hello again", "gpt-4o-mini")
    assert response.status_code == 401 and "revoked" in response.json()["error"]["message"]


def test_a_code_is_worth_its_credit_once(chromium: Any, stack: Stack, arrive: Arrive):
    visitor = arrive("member")
    _, (code,) = codes.make(stack.database, 1, 12_500_000_000, "", None)
    page = Guest(chromium, visitor).open("/billing")
    for balance in (112_500_000_000, 112_500_000_000):
        page.get_by_role("textbox", name="Code").fill(code)
        page.get_by_role("button", name="Redeem", exact=True).click()
        page.wait_for_load_state()
        assert Caller(stack, visitor.account_id, "").funds() == (balance, 0)
    assert page.get_by_text("$112.50").first.is_visible()


def test_charts_and_their_legends_have_the_same_colours(chromium: Any, furnished: Any):
    page = Guest(chromium, furnished).open("/")
    assert page.locator("svg .tone-fast rect").count() and page.locator("svg .tone-spent rect").count()
    for tone in ("fast", "best", "cache", "spent", "saved"):
        drawn = page.locator(f"svg .tone-{tone} rect, svg rect.tone-{tone}").all()
        colours = {e.evaluate("e => getComputedStyle(e).fill") for e in drawn}
        legends = page.locator(f".legend i.tone-{tone}").all()
        assert colours <= {e.evaluate("e => getComputedStyle(e).backgroundColor") for e in legends}, tone


def test_the_menu_opens_on_a_phone(chromium: Any, furnished: Any):
    page = Guest(chromium, furnished).open("/", "phone")
    link = page.get_by_role("link", name="API keys")
    assert not link.is_visible()
    page.get_by_role("button", name="Menu").click()
    link.click()
    assert page.url.endswith("/keys")


def test_pages_work_by_keyboard_alone(chromium: Any, furnished: Any):
    page = Guest(chromium, furnished).open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_pages_work_without_script(chromium: Any, furnished: Any):
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(furnished.base + "/sign-in")
    page.get_by_label("E-mail").fill(furnished.email)
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("heading", name="Overview").is_visible()
    assert page.get_by_role("link", name="API keys").is_visible()
