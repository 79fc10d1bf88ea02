"""What Datasette is told of the database: titles, what columns mean, what stays closed, ready-made questions.

Knows: Datasette's metadata, version 0.65. Must not know: Datasette itself.
"""

import re
from typing import Any

from thermly.store import schema, shown
from thermly.store.schema import Column, Relation

Metadata = dict[str, Any]

NAME = "thermly"
"""What Datasette calls thermly.db."""

ONLY_THE_OWNER = {"id": "root"}
DESCRIPTION = """Money is in dollars (…_usd), exactly in whole nano-dollars (…_nanousd); times are in UTC (…_utc),
exactly in milliseconds since 1970 (…_at_ms). Tables with secrets, or with what people said, stay closed."""
UNITS = (
    (re.compile(r"_nanousd$"), "Whole nano-dollars: 1,000,000,000 are a dollar."),
    (re.compile(r"_usd$"), "Dollars."),
    (re.compile(r"(^|_)(at|until|since)_ms$"), "Milliseconds since 1970, UTC."),
    (re.compile(r"_ms$"), "Milliseconds."),
    (re.compile(r"_utc$"), "UTC."),
)
NEWEST_FIRST = {
    "ledger": "at_ms",
    "requests": "seq",
    "usage_by_day": "day",
    "savings_by_day": "day",
    "usage_by_model": "cost_nanousd",
    "keys_overview": "created_at_ms",
    "people": "created_at_ms",
    "redeem_codes": "created_at_ms",
    "payments": "created_at_ms",
    "credit": "created_at_ms",
    "usage": "seq",
    "usage_day": "day",
    "payment": "created_at_ms",
    "hold": "started_at_ms",
    "catalog_change": "changed_at_ms",
}
QUERIES: dict[str, tuple[str, str, str]] = {
    "spent_in_a_month": (
        "What each account spent in a month",
        "The month is written as 2027-01; empty: the latest with requests.",
        """SELECT substr(day, 1, 7) AS month, account, SUM(requests) AS requests,
             ROUND(SUM(cost_nanousd) / 1e9, 9) AS cost_usd, ROUND(SUM(saved_nanousd) / 1e9, 9) AS saved_usd
           FROM usage_by_day
           WHERE substr(day, 1, 7) = COALESCE(NULLIF(:month, ''), (SELECT MAX(substr(day, 1, 7)) FROM usage_by_day))
           GROUP BY month, account ORDER BY SUM(cost_nanousd) DESC""",
    ),
    "dearest_requests": (
        "The dearest of the latest 100,000 requests",
        "",
        """SELECT started_utc, account, key, asked, answered, complexity_level, input_tokens, output_tokens,
             cost_usd, reasons, id
           FROM requests WHERE seq > (SELECT MAX(seq) FROM usage) - 100000 ORDER BY cost_nanousd DESC LIMIT 100""",
    ),
    "failures_by_model": (
        "Which models failed, and how, in the latest 100,000 requests",
        "A request that no model answered stands under the name that was asked for, without a provider.",
        """SELECT COALESCE(NULLIF(answered, ''), asked) AS model, provider, outcome, COUNT(*) AS requests,
             MAX(started_utc) AS last_utc
           FROM requests
           WHERE seq > (SELECT MAX(seq) FROM usage) - 100000 AND outcome NOT IN ('ok', 'client_gone')
           GROUP BY model, provider, outcome ORDER BY requests DESC""",
    ),
    "savings_of_all_accounts": (
        "What was saved on each day",
        "All accounts together.",
        """SELECT day, ROUND(SUM(spent_nanousd) / 1e9, 9) AS spent_usd,
             ROUND(SUM(baseline_nanousd) / 1e9, 9) AS baseline_usd, ROUND(SUM(saved_nanousd) / 1e9, 9) AS saved_usd,
             ROUND(100.0 * SUM(saved_nanousd) / NULLIF(SUM(baseline_nanousd), 0), 1) AS saved_percent
           FROM savings_by_day GROUP BY day ORDER BY day DESC""",
    ),
}


def metadata(tables: list[str], guarded: bool) -> Metadata:
    """`tables` are those that the file has. Guarded: each connection refuses what is closed (`shown.guard`), and so
    people may write SQL of their own."""
    told = {relation.name: _told(relation) for relation in schema.relations() if relation.name in shown.SHOWN}
    closed = {name: {"allow": False, "hidden": True} for name in tables if name not in shown.SHOWN}
    return {
        "title": "Thermly",
        "description": DESCRIPTION,
        "allow": ONLY_THE_OWNER,
        "allow_sql": False,
        "databases": {
            NAME: {
                "allow_sql": ONLY_THE_OWNER if guarded else False,
                "tables": {**told, **closed},
                "queries": {
                    name: {"title": title, "description": text, "sql": sql}
                    for name, (title, text, sql) in QUERIES.items()
                },
            }
        },
    }


def _told(relation: Relation) -> Metadata:
    found: Metadata = {
        "description": relation.comment,
        "columns": {column.name: text for column in relation.columns if (text := meaning(column))},
    }
    if relation.name in NEWEST_FIRST:
        found["sort_desc"] = NEWEST_FIRST[relation.name]
    return found


def meaning(column: Column) -> str:
    """Its comment, and the unit that its name ends in."""
    unit = next((text for pattern, text in UNITS if pattern.search(column.name)), "")
    return " ".join(filter(None, (column.comment, unit)))
