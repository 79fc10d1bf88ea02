"""Which parts of the database tools may show: the views, and the tables that hold no secrets.

Knows: names, and SQLite's authorizer. Must not know: which tool asks.
What is not named here is not shown, so that a table of tomorrow stays closed until somebody opens it. What opens a
door (hashes, passwords, tokens, addresses of webhooks) and what people said stands only in tables that are closed.
One question SQLite never puts to an authorizer: whether a column equals a guess (JOIN … USING).
"""

import sqlite3

VIEWS = (
    *("balances", "ledger", "requests", "usage_by_day", "usage_by_model", "savings_by_day", "keys_overview"),
    *("people", "redeem_codes", "payments"),
)
TABLES = ("credit", "usage", "usage_day", "payment", "hold", "cooldown", "catalog_change")
SHOWN = (*VIEWS, *TABLES)

_PRAGMAS = {
    *("database_list", "foreign_key_list", "function_list", "index_info", "index_list", "index_xinfo"),
    *("schema_version", "table_info", "table_list", "table_xinfo"),
}
_HARMLESS = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_TRANSACTION)
_OF_SQLITE = ("sqlite_master", "sqlite_temp_master", "json_each", "json_tree")


def guard(connection: sqlite3.Connection) -> None:
    """From now on the connection reads what is shown, and what the views that are shown are made of; whatever else
    a statement asks for, SQLite refuses to prepare it."""
    readable = _readable(connection)
    views = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")}

    def allows(action: int, first: str | None, second: str | None, *_: str | None) -> bool:
        if action == sqlite3.SQLITE_READ:
            counted = second == ""  # count(*) reads no column
            known = first in views or first in _OF_SQLITE or (first or "").startswith("pragma_")
            return counted or known or (first, second) in readable
        if action == sqlite3.SQLITE_PRAGMA:
            return first in _PRAGMAS
        # Table-valued functions declare their columns so at their first use; nobody can write there.
        declares = action == sqlite3.SQLITE_UPDATE and first == "sqlite_master"
        return declares or action in _HARMLESS

    connection.set_authorizer(lambda *asked: sqlite3.SQLITE_OK if allows(*asked) else sqlite3.SQLITE_DENY)


def _readable(connection: sqlite3.Connection) -> set[tuple[str | None, str | None]]:
    """(table, column), found out by letting SQLite prepare a look at everything that is shown."""
    found: set[tuple[str | None, str | None]] = {(table, "ROWID") for table in TABLES}

    def note(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_READ:
            found.add((first, second))
        return sqlite3.SQLITE_OK

    connection.set_authorizer(note)
    try:
        for name in SHOWN:
            connection.execute(f'EXPLAIN SELECT * FROM "{name}"').close()  # noqa: S608
    finally:
        connection.set_authorizer(None)
    return found
