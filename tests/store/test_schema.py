import sqlite3
from pathlib import Path

import pytest

from thermly.store import db, schema
from thermly.store.db import Database
from thermly.store.schema import Relation

FIRST = """-- About the whole file.

-- What is kept.
-- In two lines.
CREATE TABLE kept (
  id TEXT PRIMARY KEY,
  -- What it is called; not empty.
  name TEXT NOT NULL UNIQUE,
  size BIGINT
) WITHOUT ROWID;
CREATE INDEX kept_size ON kept (size, name);

CREATE TABLE bare (x TEXT);

-- The sums follow.
CREATE TRIGGER kept_added AFTER INSERT ON kept WHEN NEW.size > 0 BEGIN
  UPDATE bare SET x = 'a;b';
END;
CREATE TRIGGER kept_gone AFTER DELETE ON kept BEGIN
  UPDATE bare SET x = '';
END;
INSERT INTO bare (x) VALUES ('1');
CREATE TRIGGER bare_changed AFTER UPDATE OF x ON bare BEGIN
  DELETE FROM kept;
END;
"""
SECOND = """-- When it went.
ALTER TABLE kept ADD COLUMN gone_at_ms BIGINT;

CREATE VIEW sizes AS
-- How large everything is.
SELECT name,
  -- In
  -- bytes.
  COALESCE(size,
    0) AS size_bytes,
  -- Twice that.
  2 * size AS twice
FROM kept;
"""


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Relation]:
    (tmp_path / "0001_first.sql").write_text(FIRST)
    (tmp_path / "0002_second.sql").write_text(SECOND)
    monkeypatch.setattr(db, "MIGRATIONS", tmp_path)
    return {relation.name: relation for relation in schema.relations()}


def test_tables_have_what_stands_directly_above_them(found: dict[str, Relation]) -> None:
    assert list(found) == ["kept", "bare", "sizes"]
    assert found["kept"].comment == "What is kept. In two lines."
    assert found["bare"].comment == ""
    assert found["kept"].indexes == ("unique: name", "size, name")


def test_columns_have_their_types_and_comments_whenever_they_came(found: dict[str, Relation]) -> None:
    assert [(c.name, c.type, c.required, c.comment) for c in found["kept"].columns] == [
        ("id", "TEXT", True, ""),
        ("name", "TEXT", True, "What it is called; not empty."),
        ("size", "BIGINT", False, ""),
        ("gone_at_ms", "BIGINT", False, "When it went."),
    ]


def test_a_comment_is_about_all_triggers_that_follow_it_at_once(found: dict[str, Relation]) -> None:
    assert [(t.name, t.event, t.comment) for t in found["kept"].triggers] == [
        ("kept_added", "AFTER INSERT ON kept WHEN NEW.size > 0", "The sums follow."),
        ("kept_gone", "AFTER DELETE ON kept", "The sums follow."),
    ]
    assert [t.comment for t in found["bare"].triggers] == [""]


def test_views_carry_their_comments_inside(found: dict[str, Relation]) -> None:
    assert found["sizes"].kind == "view"
    assert found["sizes"].comment == "How large everything is."
    assert [(c.name, c.comment) for c in found["sizes"].columns] == [
        ("name", ""), ("size_bytes", "In bytes."), ("twice", "Twice that."),
    ]  # fmt: skip


def test_a_later_migration_may_tell_anew_what_a_column_is(
    found: dict[str, Relation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0003_words.sql").write_text(
        "-- About this file.\n\n-- kept.name: What it is\n-- called now.\n\n-- kept.id: Its number.\n"
        "-- Stands alone.\n\n-- A table.\nCREATE TABLE third (\n  -- kept.size: not this.\n  x TEXT\n);\n"
    )
    told = {relation.name: relation for relation in schema.relations()}
    assert [c.comment for c in told["kept"].columns] == [
        "Its number. Stands alone.", "What it is called now.", "", "When it went.",
    ]  # fmt: skip
    assert (told["third"].comment, told["kept"].comment) == ("A table.", found["kept"].comment)


def test_what_the_file_has_is_told_and_its_views_explain_themselves_there(base: Database) -> None:
    told = {relation.name: relation for relation in schema.relations()}
    with base.each() as tx:
        rows = tx.all("SELECT name, type, sql FROM sqlite_schema WHERE type IN ('table', 'view')")
    own = {name: sql for name, _, sql in rows if not name.startswith(("sqlite_", "_sqlite"))}
    assert told.keys() == own.keys()
    for name, kind, sql in rows:
        if kind == "view":
            assert told[name].comment
            assert told[name].comment.split(". ")[0] in " ".join(sql.replace("--", "").split())


def test_every_comment_in_a_table_or_view_belongs_to_a_column_that_is_there() -> None:
    comments, names = schema.Comments(), set()
    for relation in schema.relations():
        names |= {relation.name, *(f"{relation.name}.{c.name}" for c in relation.columns)}
        names |= {trigger.name for trigger in relation.triggers}
    for script in db.names():
        for statement in db.statements((db.MIGRATIONS / f"{script}.sql").read_text(encoding="utf-8")):
            comments.read(statement)
    dropped = {"balances", "ledger", "usage_by_day", "usage_by_model"}
    assert {name for name, text in comments.of.items() if text} - names - dropped == set()


def test_the_migrations_can_be_read_while_a_database_is_open(base: Database) -> None:
    with base.begin() as tx:
        tx.run("CREATE TABLE beside (x TEXT)")
        assert "beside" not in {relation.name for relation in schema.relations()}
        with pytest.raises(sqlite3.OperationalError):
            tx.run("CREATE TABLE beside (x TEXT)")
