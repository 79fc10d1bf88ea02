"""A real Chromium on the running stack, for the pages as people see them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NEEDS = "TEST_NEEDS"
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


@contextmanager
def launched() -> Iterator[Any]:
    """The browser: one on PATH, else Playwright's own. Without any the test is skipped, unless it must not be."""
    from playwright.sync_api import Error, sync_playwright

    path = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error:
            if "browser" in os.environ.get(NEEDS, ""):
                raise
            pytest.skip("Chromium is not installed here: `playwright install chromium` or your system's package.")
        yield browser
        browser.close()


def opened(browser: Any, size: str = "desktop", scheme: str = "light", **options: Any) -> Any:
    """A page in a browser of its own: no cookies, no storage."""
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, reduced_motion="reduce", **options)
    context.set_default_timeout(15_000)
    return context.new_page()
