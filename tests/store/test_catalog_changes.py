"""The rows of what was changed, and the number by which processes see that something was."""

from thermly.store import catalog_changes
from thermly.store.catalog_changes import Change
from thermly.store.db import Database


def test_every_change_raises_the_version(base: Database):
    with base.each() as tx:
        seen = [catalog_changes.version(tx)]
        catalog_changes.put(tx, "a", '{"tier":"fast"}', "one@example.com", 5)
        seen.append(catalog_changes.version(tx))
        catalog_changes.put(tx, "a", "false", "two@example.com", 7)
        seen.append(catalog_changes.version(tx))
        catalog_changes.remove(tx, "a")
        seen.append(catalog_changes.version(tx))
    assert sorted(set(seen)) == seen


def test_a_model_has_one_row_with_the_last_word(base: Database):
    with base.each() as tx:
        catalog_changes.put(tx, "b", "false", "one@example.com", 9)
        catalog_changes.put(tx, "a", '{"tier":"fast"}', "one@example.com", 5)
        catalog_changes.put(tx, "a", "false", "two@example.com", 7)
        assert catalog_changes.everything(tx) == [
            Change("a", "false", "two@example.com", 7),
            Change("b", "false", "one@example.com", 9),
        ]


def test_what_is_rolled_back_raises_nothing(base: Database):
    try:
        with base.begin() as tx:
            catalog_changes.put(tx, "a", "false", "one@example.com", 5)
            raise KeyError
    except KeyError:
        pass
    with base.each() as tx:
        assert (catalog_changes.version(tx), catalog_changes.everything(tx)) == (0, [])
