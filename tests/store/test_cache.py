import threading

import books

from thermly.store import cache
from thermly.store.db import Database

NOW_MS = books.NOW_MS
LATER_MS = NOW_MS + 60_000


def find(base: Database, key: str = "key", now_ms: int = NOW_MS) -> cache.Kept | None:
    with base.each() as tx:
        return cache.find(tx, key, now_ms)


def claim(base: Database, owner: str, now_ms: int = NOW_MS, key: str = "key") -> bool:
    with base.begin() as tx:
        return cache.claim(tx, key, owner, now_ms, now_ms + 60_000)


def keep(base: Database, key: str, body: bytes = b"answer", now_ms: int = NOW_MS, until_ms: int = LATER_MS) -> None:
    with base.begin() as tx:
        cache.keep(tx, key, "1-me", "gpt-4o", 3, body, now_ms, until_ms)


def test_only_one_may_fetch_an_answer(base: Database) -> None:
    assert find(base) is None
    assert claim(base, "1-me/a")
    assert not claim(base, "1-me/b")
    assert find(base) == cache.Kept(None, "1-me/a", "", 0)


def test_of_many_threads_one_is_granted_the_claim(base: Database) -> None:
    granted: list[bool] = []
    threads = [threading.Thread(target=lambda i=i: granted.append(claim(base, f"1-me/{i}"))) for i in range(16)]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(granted) == [False] * 15 + [True]


def test_a_kept_answer_is_found_until_it_expires(base: Database) -> None:
    claim(base, "1-me/a")
    keep(base, "key")
    assert find(base, now_ms=LATER_MS - 1) == cache.Kept(b"answer", "1-me", "gpt-4o", 3)
    assert not claim(base, "1-me/b", LATER_MS - 1)
    assert find(base, now_ms=LATER_MS) is None
    assert claim(base, "1-me/b", LATER_MS)
    taken = find(base, now_ms=LATER_MS)
    assert taken is not None
    assert (taken.body, taken.owner) == (None, "1-me/b")


def test_a_claim_that_nobody_kept_can_be_taken_over_when_it_expires(base: Database) -> None:
    claim(base, "1-me/a")
    assert claim(base, "2-you/b", LATER_MS)
    with base.begin() as tx:
        cache.abandon(tx, "key", "1-me/a")
    assert find(base, now_ms=LATER_MS) == cache.Kept(None, "2-you/b", "", 0), "who lost the claim cannot give it up"


def test_a_fresh_answer_replaces_the_kept_one(base: Database) -> None:
    keep(base, "key", b"old")
    keep(base, "key", b"new answer")
    assert find(base) == cache.Kept(b"new answer", "1-me", "gpt-4o", 3)
    assert books.number(base, "SELECT size_bytes FROM cache") == 10


def test_an_abandoned_claim_is_free_at_once_and_a_kept_answer_stays(base: Database) -> None:
    claim(base, "1-me/a")
    with base.begin() as tx:
        cache.abandon(tx, "key", "1-me/a")
    assert claim(base, "1-me/b")
    keep(base, "key")
    with base.begin() as tx:
        cache.abandon(tx, "key", "1-me")
    assert find(base) is not None


def test_the_claims_of_a_dead_process_are_given_up_and_nobody_elses(base: Database) -> None:
    claim(base, "1-me/a", key="one")
    claim(base, "1-me/b", key="two")
    claim(base, "1-meant/a", key="three")
    claim(base, "1-ME/a", key="four")
    keep(base, "five")
    with base.begin() as tx:
        assert cache.abandon_all(tx, "1-me/") == 2
        assert [key for (key,) in tx.all("SELECT key FROM cache ORDER BY key")] == ["five", "four", "three"]


def test_sweeping_drops_what_has_expired(base: Database) -> None:
    keep(base, "old", until_ms=NOW_MS)
    keep(base, "new")
    with base.begin() as tx:
        assert cache.sweep(tx, NOW_MS, 1000) == 1
        assert cache.sweep(tx, NOW_MS, 1000) == 0
    assert find(base, "new") is not None


def test_sweeping_drops_the_oldest_until_the_rest_fits_and_no_more(base: Database) -> None:
    for i in (4, 0, 5, 2, 1, 3):
        keep(base, f"key {i}", b"x" * 100, NOW_MS + i)
    claim(base, "1-me/a", NOW_MS - 1000, "claimed")
    with base.begin() as tx:
        assert cache.sweep(tx, NOW_MS, 350) == 3
        assert cache.sweep(tx, NOW_MS, 350) == 0
        kept = [key for (key,) in tx.all("SELECT key FROM cache ORDER BY key")]
    assert kept == ["claimed", "key 3", "key 4", "key 5"], "a claim weighs nothing and stays"


def test_one_sweep_drops_only_so_many(base: Database) -> None:
    for i in range(5):
        keep(base, f"old {i}", until_ms=NOW_MS)
        keep(base, f"new {i}")
    with base.begin() as tx:
        assert [cache.sweep(tx, NOW_MS, 0, limit=3) for _ in range(5)] == [6, 4, 0, 0, 0]
