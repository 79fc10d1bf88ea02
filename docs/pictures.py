"""Draws docs/pictures/: the console's pages, light and dark, desktop and phone, with a month of made-up traffic.

    .venv/bin/python docs/pictures.py [FOLDER [png]]

Needs the test extra and Chromium. The server is a real one, with the sandbox as its upstream.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HOUSE = Path(__file__).parent.parent
sys.path[:0] = [str(HOUSE), str(HOUSE / "tests")]

from console.browser import launched, opened  # noqa: E402
from stories.stack import Stack  # noqa: E402

from thermly import ids, pricing  # noqa: E402
from thermly.access.people import People  # noqa: E402
from thermly.exchange import Usage  # noqa: E402
from thermly.models import configured  # noqa: E402
from thermly.settings import read  # noqa: E402
from thermly.store import accounts, keys, money, people  # noqa: E402
from thermly.store.money import Closing, Opening  # noqa: E402

PAGES = {
    "overview": "/?span=30d",
    "keys": "/keys",
    "billing": "/billing",
    "log": "/usage",
    "models": "/models",
    "playground": "/playground",
    "accounts": "/accounts",
    "settings": "/settings",
    "profile": "/profile",
    "key-new": "/keys/new",
    "codes": "/billing/codes",
    "explain": "/models/explain",
    "model-new": "/models/new",
    "changes": "/models/changes",
    "account-new": "/accounts/new",
}
# Of the pages of one thing: where the first of them is found.
OF_ONE = {
    "request": ("/usage", r"/usage/[0-9a-f]{22}"),
    "key": ("/keys", r"/keys/key_\w+"),
    "model": ("/models", r"/models/model/[^\"]+"),
    "account": ("/accounts", r"/accounts/acc_\w+"),
    "ledger": ("/billing", r"/billing\?account=\w+"),
}
KIND = sys.argv[2] if len(sys.argv) > 2 else "jpg"
DAYS, PASSWORD, EMAIL = 30, "a picture of health", "ada@example.com"
MIX = (("gpt-6-luna", "auto", 2, 55), ("gemini-2.5-flash", "auto", 3, 12), ("claude-haiku-4-5", "auto", 2, 8),
       ("claude-sonnet-4-5", "auto", 4, 9), ("gpt-6.1-sol", "auto", 5, 6), ("gpt-4o", "gpt-4o", 2, 10))  # fmt: skip
REASONS = ('["short greeting"]', '["is about code", "several steps"]', '["asks for an analysis"]')


def furnish(stack: Stack) -> None:
    """Three accounts with keys, people and a month of requests whose books balance."""
    random.seed(7)
    catalog = configured.catalog(read(stack.env))
    best = catalog.tiers["best"][0].price
    assert best is not None
    now_ms = time.time_ns() // 1_000_000
    at = People(stack.database)
    moments: list[tuple[int, str, str]] = []
    for name, share in (("Northwind", 6), ("Acme Robotics", 3), ("Blue Harbour", 1)):
        with stack.database.begin() as tx:
            account = accounts.create(tx, name, "pro", now_ms - DAYS * 86_400_000)
            assert account is not None
            accounts.credit(tx, account.id, 250 * 10**9, "grant", "opening credit", now_ms - DAYS * 86_400_000)
            made = [keys.create(tx, account.id, ids.new_key(), now_ms - DAYS * 86_400_000, name=n)
                    for n in ("web shop", "support desk", "night jobs")]  # fmt: skip
            if name == "Northwind":
                person = people.create(tx, EMAIL, "Ada", "admin", account.id, now_ms)
                people.create(tx, "grace@example.com", "Grace", "member", account.id, now_ms)
        if name == "Northwind":
            assert person is not None
            at.accept(at.invite(person), PASSWORD, "Firefox")
        moments += [(now_ms - int(random.random() ** 1.3 * DAYS * 86_400_000), account.id, random.choice(made))
                    for _ in range(350 * share)]  # fmt: skip
    for moment, account_id, key_id in sorted(moments):
        request(stack, catalog, best, account_id, key_id, moment)
    subprocess.run([sys.executable, "-m", "thermly", "usage"], env=stack.env, check=True, stdout=subprocess.DEVNULL)


def request(stack: Stack, catalog: Any, best: Any, account_id: str, key_id: str, moment: int) -> None:
    model, asked, level, _ = random.choices(MIX, [row[3] for row in MIX])[0]
    hit = asked == "auto" and random.random() < 0.18
    used = Usage(input_tokens=random.randint(200, 6_000), output_tokens=random.randint(50, 1_800))
    price = catalog.models[model].price
    cost = 0 if hit else pricing.cost(used, price)
    opening = Opening(ids.new(), account_id, key_id, "", 0, "v1", asked, moment)
    closing = Closing("settled", "ok" if random.random() > 0.006 else "upstream_failed", cost,
                      pricing.cost(used, best), model, catalog.models[model].provider, level,
                      random.choice(REASONS), 1, used, 4 if hit else random.randint(180, 900),
                      5 if hit else random.randint(900, 9_000), "hit" if hit else "fresh")  # fmt: skip
    with stack.database.begin() as tx:
        if hit:
            money.record(tx, opening, closing)
        else:
            money.hold(tx, opening, cost)
            money.close(tx, opening.id, closing)


def draw(stack: Stack, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    base = stack.url + "/console"
    with launched() as browser:
        for scheme in ("light", "dark"):
            for size in ("desktop", "phone"):
                page = opened(browser, size, scheme)
                page.goto(base + "/sign-in")
                shoot(page, folder / f"sign-in-{scheme}-{size}.{KIND}")
                page.get_by_label("E-mail").fill(EMAIL)
                page.get_by_label("Password").fill(PASSWORD)
                page.get_by_role("button", name="Sign in").click()
                for name, path in PAGES.items():
                    page.goto(base + path)
                    page.wait_for_load_state("networkidle")
                    shoot(page, folder / f"{name}-{scheme}-{size}.{KIND}")
                talk(page, base)
                shoot(page, folder / f"playground-answer-{scheme}-{size}.{KIND}")
                for name, (path, address) in OF_ONE.items():
                    found = re.search(f'href="/console({address})"', page.request.get(base + path).text())
                    assert found, name
                    page.goto(base + found[1])
                    shoot(page, folder / f"{name}-{scheme}-{size}.{KIND}")
                page.context.close()


def talk(page: Any, base: str) -> None:
    """A generated interface in the playground."""
    page.goto(base + "/playground?tab=interfaces")
    page.get_by_label("Message").fill("Draw a chart of our sales in the last four quarters.")
    page.get_by_role("button", name="Send").click()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1_000)


def shoot(page: Any, path: Path) -> None:
    page.evaluate("scrollTo(0, 0)")
    height = min(2_400, page.evaluate("document.documentElement.scrollHeight"))
    clip = {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": height}
    quality = {"type": "jpeg", "quality": 60} if KIND == "jpg" else {}
    page.screenshot(path=path, full_page=True, clip=clip, **quality)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HOUSE / "docs" / "pictures"
    with tempfile.TemporaryDirectory() as temporary:
        instance = Path(temporary) / "instance"
        instance.mkdir()
        (instance / "thermly.toml").touch()  # else it would be that of the tests
        stack = Stack(instance, web_workers=1).start()
        try:
            furnish(stack)
            draw(stack, target)
        finally:
            stack.stop()
