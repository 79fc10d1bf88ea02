"""Who may import what, and how large things may grow: the house rules that a machine can check."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from thermly import errors

HOUSE = Path(__file__).parent.parent
FILES = {
    ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__"): path
    for top in ("thermly", "workers")
    for path in sorted((HOUSE / top).rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
each_module = pytest.mark.parametrize("module", FILES)

# ---- imports

VALUES = (
    "amounts",
    "caller",
    "caps",
    "cards",
    "catalog",
    "clock",
    "dimensions",
    "errors",
    "exchange",
    "fingerprint",
    "ids",
    "pictures",
    "plans",
    "pricing",
    "settings",
    "sources",
    "vectors",
)
WAIST = ("cards", "errors", "exchange", "pictures", "sources", "vectors")
SMALL = ("amounts", "caller", "caps", "errors", "exchange", "ids", "plans", "settings")
ROOMS = ("access", "keeping", "models", "money", "notices", "ratings", "running")
"""Rooms whose modules are told apart; of the others it matters only that something is in there."""
STORIES = ("background", "counting", "embeddings", "gateway", "generated", "images")
# A module stands under its own name, or under the room that it is in. `thermly` itself names every part.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(VALUES, VALUES),
    **dict.fromkeys(ROOMS, ()),
    "fitting": (),
    "metering": VALUES,
    "terms": (*VALUES, "metering"),
    "trust": (),
    # ---- the edges
    "dialects": (*WAIST, "dialects"),
    "providers": (*WAIST, "catalog", "providers"),
    "genui": ("catalog", "errors", "exchange", "fitting", "genui"),
    "store": (*SMALL, "store"),
    "sandbox": ("sandbox",),
    # ---- what a story is made of
    "routing": (*VALUES, "routing"),
    "money.bill": (*VALUES, "store"),
    "money.codes": ("clock", "ids", "store"),
    "money.payments": ("amounts", "clock", "settings", "store"),
    "money.receipts": VALUES,
    "models.configured": VALUES,
    "models.catalog_changes": (*VALUES, "models.configured", "store"),
    "models.health": (*VALUES, "store"),
    "models.listing": (*VALUES, "routing"),
    "keeping.grounds": (),
    "keeping.memory": (*WAIST, "clock", "money.bill", "store"),
    "keeping.recall": ("caller", "clock", "exchange", "fingerprint", "store"),
    "keeping.storage": (),
    "keeping.transcripts": (*VALUES, "metering", "store"),
    "ratings.adequacy": ("exchange", "fitting"),
    "ratings.feedback": (*VALUES, "store"),
    "ratings.hindsight": (*VALUES, "routing", "store"),
    "ratings.learning": (*VALUES, "routing", "store"),
    # ---- the stories
    "gateway": (
        *(*VALUES, "routing", "providers", "store", "metering", "money.bill", "terms", "models.catalog_changes"),
        *("models.health", "keeping.grounds", "keeping.recall", "keeping.transcripts", "ratings.adequacy"),
    ),
    "embeddings": (*VALUES, "routing", "providers", "store", "money.bill", "gateway"),
    "images": (*VALUES, "routing", "providers", "store", "keeping.storage", "money.bill", "gateway"),
    "counting": (*VALUES, "providers", "gateway"),
    "generated": (*VALUES, "gateway", "genui"),
    "background": (*VALUES, "dialects", "gateway", "keeping.memory", "store"),
    # ---- people, and what they are told
    "access.naming": (),
    "access.people": (*VALUES, "store"),
    "access.oidc": ("access.people", "clock", "plans", "settings", "trust", "store"),
    "notices.webhooks": ("trust",),
    "notices.mail": ("settings", "trust"),
    "notices.alerts": ("amounts", "clock", "notices.mail", "notices.webhooks", "settings", "store"),
    # ---- processes and doors
    "jobs": ("settings",),
    "metrics": ("clock", "jobs", "store"),
    "running.accounting": (*VALUES, "money.bill", "notices.alerts", "store"),
    "running.examination": (
        *(*VALUES, "money.bill", "money.payments", "models.catalog_changes", "ratings.learning"),
        *("models.configured", "models.health", "running.redis_server", "store"),
    ),
    "running.logs": (),
    "running.redis_server": (),
    "running.serving": ("settings",),
    "running.turns": ("store",),
    "running.up": ("running.redis_server", "settings"),
    "context": (
        *(*VALUES, "background", "gateway", "images", "jobs", "keeping.memory", "keeping.storage"),
        *("models.catalog_changes", "providers", "ratings.learning", "running.accounting", "store"),
    ),
    "web": (
        *(*VALUES, *STORIES, "dialects", "genui", "keeping.memory", "metrics", "models.listing"),
        *("ratings.feedback", "store", "web"),
    ),
    "console": (
        *(*VALUES, "access.naming", "access.oidc", "access.people", "console", "gateway", "jobs"),
        *("keeping.grounds", "keeping.transcripts", "models.catalog_changes", "models.configured"),
        *("models.health", "models.listing", "money.codes", "money.payments", "money.receipts", "notices.alerts"),
        *("notices.webhooks", "routing", "running.examination", "store"),
    ),
    "workers": (
        *("background", "context", "gateway", "images", "jobs", "running.accounting", "running.turns"),
        *("settings", "workers"),
    ),
    "cli": (
        *(*VALUES, "access.naming", "access.people", "cli", "context", "jobs", "models.catalog_changes"),
        *("models.configured", "ratings.hindsight", "ratings.learning", "routing", "running.accounting"),
        *("running.examination", "running.logs", "running.serving", "running.up", "store", "thermly", "workers"),
    ),
    "__main__": ("cli",),
}
ONLY_IN = {
    "rq": ("jobs",),
    "redis": ("jobs", "metrics", "web.limits"),
    "flask": ("web", "console", "thermly"),
    "werkzeug": ("web", "console", "access.people"),
    "flask_login": ("console",),
    "flask_wtf": ("console",),
    "wtforms": ("console",),
    "pygal": ("console.drawing",),
    "flask_limiter": ("web",),
    "gunicorn": ("web.worker", "running.serving"),
    "pycurl": ("providers.upstream",),
    "sqlite3": (
        *("store", "money.bill", "models.catalog_changes", "running.examination", "keeping.recall", "web", "cli"),
    ),
    "sqlite_utils": ("store",),
    "requests": ("access.oidc", "money.payments", "providers.fetching"),
    "authlib": ("access.oidc",),
    "joserfc": ("access.oidc",),
    "click": ("cli",),
}


def imports(module: str) -> Iterator[str]:
    """Everything that it imports, wherever it does so: at the top, in a function, for type checkers."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def place(name: str) -> str:
    """Where a dotted name is in the house: `store`, `gateway`, `money.bill`, `thermly` for the package itself."""
    top, _, rest = name.partition(".")
    if top == "workers":
        return top
    room, module = [*rest.split("."), ""][:2]
    if room in ROOMS and f"{room}.{module}" in MAY_IMPORT:
        return f"{room}.{module}"
    return room if f"thermly.{room}" in FILES else "thermly"


@each_module
def test_imports_keep_to_the_table(module: str):
    found = set(imports(module))
    ours = {place(name) for name in found if name.split(".")[0] in ("thermly", "workers")}
    if module != "thermly":
        assert ours <= {*MAY_IMPORT[place(module)]}
    inside = "thermly" if module == "thermly" else module.removeprefix("thermly.")
    for foreign in {name.split(".")[0] for name in found} & ONLY_IN.keys():
        assert any(inside == at or inside.startswith(at + ".") for at in ONLY_IN[foreign]), f"{foreign} is imported"
    if place(module) == "sandbox":
        assert {name.split(".")[0] for name in found} <= {*sys.stdlib_module_names, "thermly"}


def test_the_tables_grant_nothing_that_nobody_uses():
    ours: dict[str, set[str]] = {}
    foreign: dict[str, set[str]] = {}
    for module in FILES:
        inside = "thermly" if module == "thermly" else module.removeprefix("thermly.")
        for name in imports(module):
            top = name.split(".")[0]
            if top in ("thermly", "workers"):
                ours.setdefault(place(module), set()).add(place(name))
            foreign.setdefault(top, set()).add(inside)
    assert {place(module) for module in FILES} - {"thermly"} == MAY_IMPORT.keys()
    groups = {*VALUES, *WAIST, *SMALL, *STORIES}
    assert {at: unused for at, may in MAY_IMPORT.items() if (unused := {*may} - ours.get(at, set()) - groups)} == {}
    for name, places in ONLY_IN.items():
        users = foreign[name]
        assert [at for at in places if not any(user == at or user.startswith(at + ".") for user in users)] == [], (
            name
        )


def test_rooms_do_not_need_each_other_in_circles():
    needs: dict[str, set[str]] = {
        room: {
            other.partition(".")[0] for at, may in MAY_IMPORT.items() if at.startswith(room + ".") for other in may
        }
        & {*ROOMS} - {room}
        for room in ROOMS
    }
    assert list(TopologicalSorter(needs).static_order())


# ---- tables that must be complete


@pytest.mark.parametrize("module", [name for name in FILES if name.startswith("thermly.dialects.")])
def test_every_dialect_has_words_for_every_error(module: str):
    dialect = importlib.import_module(module)
    for kind, error in errors.kinds().items():
        assert kind in getattr(dialect, "ERROR_TYPES", {kind})
        for write in ("write_error", "write_error_event"):
            if hasattr(dialect, write):
                assert b"What went wrong" in getattr(dialect, write)(error("What went wrong"))


# ---- SQL

SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER|DROP)\s")
CLOCK = re.compile(r"\bnow\s*\(|'now'|\bCURRENT_(TIME|DATE|TIMESTAMP)\b", re.I)


def test_sql_is_told_the_time_and_is_never_formatted():
    schema = {str(path): path.read_text(encoding="utf-8") for path in (HOUSE / "thermly").rglob("*.sql")}
    queries = {
        f"{module}:{node.lineno}": node.value
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
    }
    assert schema and queries
    assert {where for where, text in (schema | queries).items() if CLOCK.search(re.sub(r"--.*", "", text))} == set()
    assert {where for where, text in queries.items() if "%" in text} == set()


# ---- sizes

LONGEST_MODULE, LONGEST_FUNCTION = 400, 60
LONGER = {
    "thermly.gateway": "the story of one exchange, which is read downward in one piece",
}


@each_module
def test_a_module_is_short_and_says_what_it_knows(module: str):
    assert ast.get_docstring(TREES[module])
    lines = len(FILES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_MODULE or module in LONGER


@each_module
def test_functions_are_short(module: str):
    functions = (n for n in ast.walk(TREES[module]) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= LONGEST_FUNCTION] == []


# ---- tests

TESTED_ELSEWHERE = {
    "thermly": "create_app() is what every story starts",
    "thermly.__main__": "one line",
    "thermly.running.accounting": "tests/stories, through the jobs",
    "thermly.money.bill": "tests/stories/test_money.py",
    "thermly.caller": "a value without code",
    "thermly.cards": "a value without code",
    "thermly.clock": "one line, which every row of the books rests on",
    "thermly.cli": "tests/cli, command by command",
    "thermly.cli.accounts": "tests/cli/test_account_commands.py and test_key_commands.py",
    "thermly.cli.people": "tests/cli/test_people_commands.py",
    "thermly.dialects.anthropic": "tests/dialects/test_anthropic_dialect.py",
    "thermly.dialects.feedback": "tests/web/test_web_feedback.py",
    "thermly.providers.failures": "tests/providers/test_upstream.py and those of the adapters",
    "thermly.store.alerts": "tests/notices/test_alerts.py",
    "thermly.store.codes": "tests/money/test_codes.py",
    "thermly.store.payments": "tests/money/test_payments.py",
    "thermly.store.transcripts": "tests/keeping/test_transcripts.py",
    "thermly.web.gemini": "tests/stories/test_gemini_surface.py",
    "thermly.cli.common": "tests/cli, command by command",
    "thermly.console": "tests/console, page by page",
    "thermly.console.sessions": "tests/console/test_console_guard.py",
    "thermly.routing.topics": "tests/routing/test_measures.py",
    "thermly.keeping.recall": "tests/stories/test_cache.py",
    "thermly.console.billing_forms": "tests/console/test_console_billing.py, and those of codes, alerts, payments",
    "thermly.console.log_filters": "tests/console/test_console_log.py",
    "thermly.console.model_forms": "tests/console/test_console_models.py",
    "thermly.console.model_rows": "tests/console/test_console_models.py",
    "thermly.context": "tests/stories",
    "thermly.terms": "tests/stories/test_money.py",
    "thermly.trust": "tests/notices/test_webhooks.py",
    "thermly.counting": "tests/stories/test_gemini_surface.py",
    "thermly.dialects": "values without code",
    "thermly.cli.inspecting": "tests/cli, command by command",
    "thermly.cli.running": "tests/cli, command by command",
    "thermly.dialects.anthropic_blocks": "tests/dialects/test_anthropic_dialect_blocks.py",
    "thermly.dialects.anthropic_signatures": "tests/dialects/test_anthropic_dialect_blocks.py",
    "thermly.dialects.anthropic_types": "tests/dialects/test_anthropic_dialect_blocks.py",
    "thermly.dialects.anthropic_writing": "tests/dialects/test_anthropic_dialect_writing.py",
    "thermly.dialects.anthropic_answers": "tests/stories/test_openapi.py",
    "thermly.dialects.responses_answers": "tests/stories/test_openapi.py",
    "thermly.dialects.gemini_answers": "tests/stories/test_openapi.py",
    "thermly.dialects.gemini_models": "tests/models/test_listing.py",
    "thermly.dialects.gemini_types": "tests/dialects/test_gemini.py",
    "thermly.dialects.gemini_writing": "tests/dialects/test_gemini.py",
    "thermly.dialects.openai_answers": "tests/stories/test_openapi.py",
    "thermly.dialects.openai_models": "tests/models/test_listing.py",
    "thermly.dialects.openai_chat": "tests/providers/test_openai_like.py and tests/stories",
    "thermly.dialects.openai_chat_writing": "tests/providers/test_openai_like.py and tests/stories",
    "thermly.dialects.openai_types": "tests/providers/test_openai_like.py and tests/stories",
    "thermly.running.examination": "tests/stories: the doctor looks at every stack that they have used",
    "thermly.gateway": "tests/stories",
    "thermly.generated": "tests/stories/test_embed.py",
    "thermly.genui": "names only",
    "thermly.jobs": "tests/stories, with a real Redis",
    "thermly.pictures": "tests/providers/test_providers_openai_images.py",
    "thermly.plans": "values without code",
    "thermly.providers": "a table without code",
    "thermly.providers.fetching": "tests/providers/test_providers_openai_images.py",
    "thermly.providers.openai_like_request": "tests/providers/test_openai_like.py",
    "thermly.providers.redaction": "tests/providers/test_upstream.py",
    "thermly.providers.shapes": "the adapters' tests of documents of the wrong shape",
    "thermly.providers.waiting": "tests/providers/test_upstream.py",
    "thermly.running.redis_server": "tests/stories, which start one",
    "thermly.routing": "names only",
    "thermly.routing.words": "tests/routing/test_features.py",
    "thermly.sandbox": "names only",
    "thermly.sandbox.__main__": "tests/sandbox/test_sandbox_server.py",
    "thermly.running.serving": "tests/stories, which start the real server",
    "thermly.store": "names only",
    **dict.fromkeys((f"thermly.{room}" for room in ROOMS), "names only"),
    "thermly.running.up": "tests/stories and tests/test_chaos.py, which start, kill and stop it",
    "thermly.web": "names only",
    "thermly.web.callers": "tests/stories/test_chat.py",
    "thermly.web.failures": "tests/stories/test_chat.py",
    "thermly.web.health": "tests/stories, which wait for it",
    "thermly.web.docs": "tests/web/test_docs_page.py",
    **dict.fromkeys(
        (
            f"thermly.web.openapi_{part}"
            for part in ("gemini", "messages", "operations", "reading", "responses", "schemas", "terms", "words")
        ),
        "tests/web/test_openapi.py",
    ),
    "thermly.web.openapi_samples": "tests/stories/test_openapi.py",
    "thermly.web.surfaces": "tests/stories/test_chat.py",
    "thermly.web.models": "tests/stories/test_models.py",
    "thermly.web.worker": "tests/stories/test_streams.py and tests/test_chaos.py",
    "workers": "names only",
    "workers.housekeeping": "one line; what it calls is tested in tests/stories",
    "workers.here": "tests/stories/test_images.py",
    "workers.responses": "tests/stories/test_background.py",
    "workers.images": "tests/stories/test_images.py",
    "workers.usage": "one line; what it calls is tested in tests/stories",
}
THROUGH_ITS_SERVER = "thermly.sandbox."  # the sandbox is spoken to over its sockets


def test_every_module_has_a_test_file_or_a_reason():
    """Its own name, in the folder of its room or as a story; or the room's and its own together."""
    tests = HOUSE / "tests"
    found = {(path.parent.relative_to(tests).as_posix(), path.stem) for path in tests.rglob("test_*.py")}
    stems = {stem for _, stem in found}

    def is_tested(module: str) -> bool:
        _, *rooms, name = module.split(".")
        own = {("/".join(rooms) or ".", f"test_{name}"), ("stories", f"test_{name}")}
        return bool(own & found) or "test_" + "_".join([*rooms, name]) in stems

    missing = {m for m in FILES if "." in m and not m.startswith(THROUGH_ITS_SERVER) and not is_tested(m)}
    assert sorted(missing - TESTED_ELSEWHERE.keys()) == []
    assert TESTED_ELSEWHERE.keys() <= FILES.keys()
