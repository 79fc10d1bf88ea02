"""Who may import what, and how large things may grow: the house rules that a machine can check."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
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
    "assembler",
    "caller",
    "caps",
    "cards",
    "catalog",
    "dimensions",
    "errors",
    "exchange",
    "fingerprint",
    "ids",
    "naming",
    "pictures",
    "plans",
    "pricing",
    "settings",
    "vectors",
)
WAIST = ("cards", "errors", "exchange", "pictures", "vectors")
SMALL = ("amounts", "caller", "caps", "errors", "exchange", "ids", "plans", "settings")
# A module stands under its own name, or under the room that it is in. `thermly` itself names every part.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(VALUES, VALUES),
    "routing": (*VALUES, "routing"),
    "dialects": (*WAIST, "dialects"),
    "providers": (*WAIST, "assembler", "catalog", "providers"),
    "storage": (),
    "store": (*SMALL, "store"),
    "health": (*VALUES, "store"),
    "metering": VALUES,
    "bill": (*VALUES, "store"),
    "gateway": (
        *(*VALUES, "routing", "providers", "store", "adequacy", "bill", "catalog_changes", "grounds", "health"),
        *("metering", "recall", "transcripts"),
    ),
    "embeddings": (*VALUES, "routing", "providers", "store", "bill", "gateway"),
    "images": (*VALUES, "routing", "providers", "store", "storage", "bill", "gateway"),
    "counting": (*VALUES, "routing", "providers", "gateway"),
    "listing": (*VALUES, "routing"),
    "memory": (*WAIST, "bill", "store"),
    "genui": ("catalog", "errors", "exchange", "fitting", "genui"),
    "generated": (*VALUES, "gateway", "genui"),
    "background": (*VALUES, "dialects", "gateway", "memory", "store"),
    "turns": ("store",),
    "web": (
        *(*VALUES, "dialects", "gateway", "embeddings", "images", "counting", "listing", "memory", "store"),
        *("background", "feedback", "generated", "genui", "metrics", "web"),
    ),
    "metrics": ("jobs", "store"),
    "people": (*VALUES, "store"),
    "catalog_changes": (*VALUES, "configured", "store"),
    "explanation": (*VALUES, "routing"),
    "grounds": (),
    "fitting": (),
    "adequacy": ("exchange", "fitting"),
    "recall": ("caller", "exchange", "fingerprint", "store"),
    "receipts": VALUES,
    "transcripts": (*VALUES, "metering", "store"),
    "oidc": ("people", "plans", "settings", "trust", "store"),
    "feedback": (*VALUES, "store"),
    "hindsight": (*VALUES, "routing", "store"),
    "learning": (*VALUES, "routing", "store"),
    "trust": (),
    "webhooks": ("trust",),
    "mail": ("settings", "trust"),
    "alerts": ("amounts", "mail", "settings", "store", "webhooks"),
    "codes": ("ids", "store"),
    "payments": ("amounts", "settings", "store"),
    "console": (
        *(*VALUES, "routing", "gateway", "health", "listing", "people", "store", "console"),
        *("alerts", "catalog_changes", "codes", "configured", "examination", "explanation", "grounds", "jobs"),
        *("oidc", "payments", "receipts", "transcripts", "webhooks"),
    ),
    "configured": VALUES,
    "context": (
        *(*VALUES, "background", "bill", "catalog_changes", "gateway", "images", "jobs", "memory", "providers"),
        *("learning", "routing", "storage", "store"),
    ),
    "accounting": (*VALUES, "alerts", "context", "store"),
    "examination": (*VALUES, "bill", "catalog_changes", "learning", "payments", "redis_server", "store"),
    "cli": (
        *(*VALUES, "routing", "providers", "store", "gateway", "catalog_changes", "configured", "context"),
        *("accounting", "examination", "hindsight", "jobs", "learning", "logs", "people", "redis_server"),
        *("serving", "up", "workers", "cli"),
    ),
    "jobs": ("settings",),
    "logs": (),
    "redis_server": (),
    "up": ("redis_server", "settings"),
    "serving": ("settings", "thermly"),
    "sandbox": ("sandbox",),
    "workers": ("accounting", "background", "context", "gateway", "images", "jobs", "settings", "turns", "workers"),
    "__main__": ("cli",),
}
ONLY_IN = {
    "rq": ("jobs",),
    "redis": ("jobs", "metrics", "web.limits", "examination"),
    "flask": ("web", "console", "thermly"),
    "werkzeug": ("web", "console", "people", "thermly"),
    "flask_login": ("console",),
    "flask_wtf": ("console",),
    "wtforms": ("console",),
    "pygal": ("console.drawing",),
    "flask_limiter": ("web",),
    "gunicorn": ("web.worker", "serving"),
    "pycurl": ("providers.upstream",),
    "sqlite3": ("store", "bill", "catalog_changes", "examination", "recall", "web", "cli"),
    "sqlite_utils": ("store",),
    "requests": ("oidc", "payments", "providers.fetching"),
    "authlib": ("oidc",),
    "joserfc": ("oidc",),
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
    """Where a dotted name is in the house: `store`, `gateway`, `workers`, `thermly` for the package itself."""
    top, _, rest = name.partition(".")
    if top == "workers":
        return top
    room = rest.partition(".")[0]
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


def test_the_table_has_no_rooms_that_are_gone():
    assert {place(module) for module in FILES} - {"thermly"} == MAY_IMPORT.keys()


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
    "thermly.accounting": "tests/stories, through the jobs",
    "thermly.bill": "tests/stories/test_money.py",
    "thermly.caller": "a value without code",
    "thermly.cards": "a value without code",
    "thermly.cli": "tests/cli, command by command",
    "thermly.cli.common": "tests/cli, command by command",
    "thermly.console": "tests/console, page by page",
    "thermly.console.sessions": "tests/console/test_console_guard.py",
    "thermly.routing.topics": "tests/routing/test_measures.py",
    "thermly.recall": "tests/stories/test_cache.py",
    "thermly.console.billing_forms": "tests/console/test_console_billing.py, and those of codes, alerts, payments",
    "thermly.console.log_filters": "tests/console/test_console_log.py",
    "thermly.console.model_forms": "tests/console/test_console_models.py",
    "thermly.console.model_rows": "tests/console/test_console_models.py",
    "thermly.context": "tests/stories",
    "thermly.trust": "tests/test_webhooks.py",
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
    "thermly.dialects.gemini_models": "tests/test_listing.py",
    "thermly.dialects.gemini_types": "tests/dialects/test_gemini.py",
    "thermly.dialects.gemini_writing": "tests/dialects/test_gemini.py",
    "thermly.dialects.openai_answers": "tests/stories/test_openapi.py",
    "thermly.dialects.openai_models": "tests/test_listing.py",
    "thermly.dialects.openai_chat": "tests/providers/test_openai_like.py and tests/stories",
    "thermly.dialects.openai_chat_writing": "tests/providers/test_openai_like.py and tests/stories",
    "thermly.dialects.openai_types": "tests/providers/test_openai_like.py and tests/stories",
    "thermly.examination": "tests/stories: the doctor looks at every stack that they have used",
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
    "thermly.redis_server": "tests/stories, which start one",
    "thermly.routing": "names only",
    "thermly.routing.words": "tests/routing/test_features.py",
    "thermly.sandbox": "names only",
    "thermly.sandbox.__main__": "tests/sandbox/test_sandbox_server.py",
    "thermly.serving": "tests/stories, which start the real server",
    "thermly.store": "names only",
    "thermly.up": "tests/stories and tests/test_chaos.py, which start, kill and stop it",
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
    "thermly.web.respond": "tests/stories/test_chat.py and tests/stories/test_streams.py",
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
    names = {path.stem for path in (HOUSE / "tests").rglob("test_*.py")}
    missing = {
        module
        for module in FILES
        if not module.startswith(THROUGH_ITS_SERVER)
        and not {f"test_{module.rpartition('.')[2]}", "test_" + "_".join(module.split(".")[1:])} & names
    }
    assert missing - TESTED_ELSEWHERE.keys() == set()
    assert TESTED_ELSEWHERE.keys() <= FILES.keys()
