"""What people do in the playground, in Chromium."""

from __future__ import annotations

from typing import Any

from console.conftest import Guest


def at(guest: Guest, tab: str, model: str = "", **options: Any) -> Any:
    page = guest.open(f"/playground?tab={tab}" + (f"&model={model}" if model else ""), **options)
    page.wait_for_selector("[data-send]:enabled")
    return page


def said(page: Any, text: str) -> Any:
    """Says it, and gives the answer when it is there."""
    turns = page.locator("#turns > li").count()
    page.fill("#text", text)
    page.click("[data-send]")
    return answered(page, turns + 2)


def answered(page: Any, turns: int) -> Any:
    answer = page.locator(f"#turns > li:nth-child({turns}):not([aria-busy])")
    answer.wait_for()
    page.wait_for_selector("[data-send]:enabled")
    return answer


def c1(page: Any, version: str) -> None:
    """Chooses the first model of this version."""
    options = page.eval_on_selector_all("#model option", "all => all.map(one => one.value)")
    page.eval_on_selector("details.with", "details => { details.open = true }")
    page.select_option("#model", next(name for name in options if name.endswith(version)))
